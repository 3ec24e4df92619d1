//! Files of a web server are read, and nothing is written.

#![cfg(feature = "http")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use butler_core::datastore::{Datastore, GetRequest, RecoverOptions, WriteRequest};
use butler_core::{
    DataId, DatasetRef, DatasetType, DimensionUniverse, ErrorKind, IdIssuer, ReadParameters, Result,
    Structured,
};
use butler_datastore_file::FileDatastoreFactory;
use butler_testkit::datastore::{Books, Opening};

/// Answers GET and HEAD with the files of a directory, and with parts of them.
fn serve(root: PathBuf) -> std::io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let root = root.clone();
            std::thread::spawn(move || drop(answer(stream, &root)));
        }
    });
    Ok(format!("http://{address}"))
}

fn answer(stream: TcpStream, root: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let mut range = None;
    for line in lines.map_while(std::io::Result::ok).take_while(|line| !line.is_empty()) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            range =
                value.split_once('-').map(|(a, b)| (a.parse().unwrap_or(0), b.parse().unwrap_or(u64::MAX)));
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').replace("%20", " ");
    let mut out = stream;
    let Ok(mut file) = std::fs::File::open(root.join(path)) else {
        return out.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let total = bytes.len();
    let status = match range {
        Some((begin, end)) => {
            let end = usize::try_from(end).unwrap_or(usize::MAX).saturating_add(1).min(total);
            bytes = bytes[begin..end].to_vec();
            format!("206 Partial Content\r\ncontent-range: bytes {begin}-{}/{total}", end - 1)
        }
        None => "200 OK".to_owned(),
    };
    write!(out, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", bytes.len())?;
    match request.starts_with("HEAD") {
        true => Ok(()),
        false => out.write_all(&bytes),
    }
}

fn open(root: &str) -> Result<Arc<dyn Datastore>> {
    let settings = format!("name = 'archive'\nroot = '{root}'");
    Opening { settings, ..Opening::default() }.build(&FileDatastoreFactory, "")
}

fn dataset(name: &str) -> Result<DatasetRef> {
    let universe = DimensionUniverse::default();
    let dataset_type = DatasetType::new(name, universe.empty(), "Number")?;
    DatasetRef::new(IdIssuer::new().issue(), dataset_type, DataId::empty(universe), "a run".into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_served_is_read_and_nothing_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let local = open(directory.path().to_str().unwrap()).unwrap();
    let books = Books::new(local.tables());
    let put = |dataset: &DatasetRef| WriteRequest::Put {
        dataset: dataset.clone(),
        object: Structured::from(7).into(),
    };
    let [one, other] = ["x", "y"].map(|name| dataset(name).unwrap());
    let mut write = local.prepare_write(vec![put(&one), put(&other)]).await.unwrap();
    let records = write.execute().await.unwrap();
    books.insert(&write.entries(), records).unwrap();
    write.commit().await.unwrap();

    let served = open(&format!("{}/", serve(directory.path().to_owned()).unwrap())).unwrap();
    let capabilities = served.capabilities();
    assert!(capabilities.readable && !capabilities.writable && capabilities.transfer_modes.is_empty());
    let (one, other) = (books.attach(&one), books.attach(&other));
    let get =
        |dataset: &DatasetRef| GetRequest { dataset: dataset.clone(), parameters: ReadParameters::new() };
    let read = served.get(vec![get(&one), get(&other)]).await;
    assert!(
        read.iter().all(|read| read.as_ref().unwrap().downcast_ref::<Structured>().unwrap() == 7),
        "{read:?}"
    );
    let uri = served.uris(std::slice::from_ref(&one), false).await.unwrap().remove(0).primary.unwrap();
    assert!(uri.starts_with("http://127.0.0.1:") && uri.ends_with("a_run/x/x_a_run.plain"), "{uri}");
    assert_eq!(served.open(&one).await.unwrap()[0].size, Some(1));

    let path = local.uris(std::slice::from_ref(&other), false).await.unwrap().remove(0).primary.unwrap();
    std::fs::remove_file(path.strip_prefix("file://").unwrap().replace("%20", " ")).unwrap();
    assert_eq!(served.exists(&[one.clone(), other.clone()]).await.unwrap(), [true, false]);
    assert_eq!(served.get(vec![get(&other)]).await.remove(0).unwrap_err().kind(), ErrorKind::NotFound);
    let kind = |result: Result<()>| result.unwrap_err().kind();
    assert_eq!(
        kind(served.prepare_write(vec![put(&dataset("z").unwrap())]).await.map(drop)),
        ErrorKind::ReadOnly
    );
    assert_eq!(kind(served.prepare_remove(vec![one]).await.map(drop)), ErrorKind::ReadOnly);
    assert_eq!(kind(served.recover(&books, &RecoverOptions::default()).await.map(drop)), ErrorKind::ReadOnly);
    let told = served.recover(&books, &RecoverOptions { dry_run: true, ..RecoverOptions::default() }).await;
    assert_eq!(told.unwrap(), []);
}
