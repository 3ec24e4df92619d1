//! Files of a web server are read, and nothing is written.

#![cfg(feature = "http")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use butler_core::datastore::{Datastore, GetRequest, RecoverOptions, WriteRequest};
use butler_core::{
    DataId, DatasetRef, DatasetType, DimensionUniverse, ErrorKind, IdIssuer, ReadParameters, Result,
    Structured,
};
use butler_datastore_file::FileDatastoreFactory;
use butler_testkit::datastore::{Books, Opening};

/// What a server knows.
#[derive(Default)]
struct Site {
    root: PathBuf,
    /// Where to who asks for a path is sent.
    moved: HashMap<String, String>,
    asked: AtomicUsize,
}

/// Answers GET and HEAD with the files of a directory, and with parts of them.
fn serve(site: Arc<Site>) -> std::io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let site = Arc::clone(&site);
            std::thread::spawn(move || drop(answer(stream, &site)));
        }
    });
    Ok(format!("http://{address}"))
}

fn answer(stream: TcpStream, site: &Site) -> std::io::Result<()> {
    site.asked.fetch_add(1, Ordering::Relaxed);
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let mut range = None;
    for line in lines.map_while(std::io::Result::ok).take_while(|line| !line.is_empty()) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            range =
                value.split_once('-').map(|(a, b)| (a.parse().unwrap_or(0), b.parse().unwrap_or(u64::MAX)));
        }
    }
    let path =
        request.split([' ', '?']).nth(1).unwrap_or_default().trim_start_matches('/').replace("%20", " ");
    let mut out = stream;
    if let Some(to) = site.moved.get(&path) {
        return write!(
            out,
            "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
    }
    let Ok(mut file) = std::fs::File::open(site.root.join(path)) else {
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

fn get(dataset: &DatasetRef) -> GetRequest {
    GetRequest { dataset: dataset.clone(), parameters: ReadParameters::new() }
}

fn put(dataset: &DatasetRef, number: i64) -> WriteRequest {
    WriteRequest::Put { dataset: dataset.clone(), object: Structured::from(number).into() }
}

/// Stores datasets in a local datastore.
async fn fill(local: &dyn Datastore, books: &Books, datasets: Vec<WriteRequest>) -> Result<()> {
    let mut write = local.prepare_write(datasets).await?;
    let records = write.execute().await?;
    books.insert(&write.entries(), records)?;
    write.commit().await
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
    let [one, other] = ["x", "y"].map(|name| dataset(name).unwrap());
    fill(&*local, &books, vec![put(&one, 7), put(&other, 7)]).await.unwrap();

    let site = Site { root: directory.path().to_owned(), ..Site::default() };
    let served = open(&format!("{}/", serve(Arc::new(site)).unwrap())).unwrap();
    let capabilities = served.capabilities();
    assert!(capabilities.readable && !capabilities.writable && capabilities.transfer_modes.is_empty());
    let (one, other) = (books.attach(&one), books.attach(&other));
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
        kind(served.prepare_write(vec![put(&dataset("z").unwrap(), 7)]).await.map(drop)),
        ErrorKind::ReadOnly
    );
    assert_eq!(kind(served.prepare_remove(vec![one]).await.map(drop)), ErrorKind::ReadOnly);
    assert_eq!(kind(served.recover(&books, &RecoverOptions::default()).await.map(drop)), ErrorKind::ReadOnly);
    let told = served.recover(&books, &RecoverOptions { dry_run: true, ..RecoverOptions::default() }).await;
    assert_eq!(told.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_that_lead_out_of_the_root_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("data");
    let local = open(root.to_str().unwrap()).unwrap();
    let books = Books::new(local.tables());
    let [moved, there] = ["x", "y"].map(|name| dataset(name).unwrap());
    fill(&*local, &books, vec![put(&moved, 7), put(&there, 8)]).await.unwrap();
    let moved = books.attach(&moved);
    // What a redirect out of the root would find.
    std::fs::write(directory.path().join("secret"), "9").unwrap();
    let elsewhere = Arc::new(Site { root: directory.path().to_owned(), ..Site::default() });
    let other = serve(Arc::clone(&elsewhere)).unwrap();
    let (_, other_address) = other.split_once("//").unwrap();

    let there = "/data/a_run/y/y_a_run.plain";
    for (to, problem) in [
        (there.to_owned(), None),
        ("../y/y_a_run.plain?token=x".to_owned(), None),
        ("/secret".to_owned(), Some("not below the root")),
        ("../../../secret".to_owned(), Some("not below the root")),
        ("/data/%2e%2e/secret".to_owned(), Some("not below the root")),
        ("/data/..%2fsecret".to_owned(), Some("not below the root")),
        ("/data/%252e%252e/secret".to_owned(), Some("not below the root")),
        (format!("{other}{there}"), Some("another server")),
        (format!("//{other_address}{there}"), Some("another server")),
        (format!("http://user:word@{other_address}{there}?token=word"), Some("another server")),
        ("https://127.0.0.1:1/data/x".to_owned(), Some("another server")),
        ("file://localhost/etc/passwd".to_owned(), Some("no file of a web server")),
        ("file:///etc/passwd".to_owned(), Some("no file of a web server")),
        ("ftp://127.0.0.1/x".to_owned(), Some("another server")),
        ("/data/a_run/x/x_a_run.plain".to_owned(), Some("too many")),
    ] {
        let moves = HashMap::from([("data/a_run/x/x_a_run.plain".to_owned(), to.clone())]);
        let site = Site { root: directory.path().to_owned(), moved: moves, ..Site::default() };
        let served = open(&format!("{}/data", serve(Arc::new(site)).unwrap())).unwrap();
        let read = served.get(vec![get(&moved)]).await.remove(0);
        let Some(problem) = problem else {
            assert_eq!(*read.unwrap().downcast_ref::<Structured>().unwrap(), 8, "{to}");
            assert!(served.exists(std::slice::from_ref(&moved)).await.unwrap()[0]);
            continue;
        };
        let opened = served.open(&moved).await.map(drop).unwrap_err();
        let looked = served.exists(std::slice::from_ref(&moved)).await.unwrap_err();
        for error in [read.unwrap_err(), opened, looked] {
            let told = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Permission, "{to}: {told}");
            assert!(told.contains(problem) && !told.contains("word"), "{to}: {told}");
        }
    }
    assert_eq!(elsewhere.asked.load(Ordering::Relaxed), 0, "nobody else is asked");
}
