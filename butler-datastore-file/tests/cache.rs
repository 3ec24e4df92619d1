//! What lies on S3 is kept in a local cache, and has addresses that anybody can fetch for a while.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]
#![cfg(feature = "s3")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use butler_core::datastore::{Datastore, GetRequest, WriteRequest};
use butler_core::{
    DataId, DatasetRef, DatasetType, DimensionUniverse, ErrorKind, IdIssuer, ReadParameters, Result,
    Structured,
};
use butler_datastore_file::FileDatastoreFactory;
use butler_testkit::datastore::s3::S3Server;
use butler_testkit::datastore::{Books, Opening};

fn open(server: &S3Server, settings: &str) -> Arc<dyn Datastore> {
    let opening = Opening { settings: settings.to_owned(), ..Opening::default() };
    opening.build(&FileDatastoreFactory, &server.place()).unwrap()
}

fn cached(server: &S3Server, directory: &Path, settings: &str) -> Arc<dyn Datastore> {
    open(server, &format!("[datastore.cache]\nroot = '{}'\n{settings}", directory.display()))
}

async fn put(
    datastore: &dyn Datastore,
    books: &Books,
    name: &str,
    class: &str,
    value: Structured,
) -> DatasetRef {
    let universe = DimensionUniverse::default();
    let dataset_type = DatasetType::new(name, universe.empty(), class).unwrap();
    let dataset =
        DatasetRef::new(IdIssuer::new().issue(), dataset_type, DataId::empty(universe), "run".into())
            .unwrap();
    let request = WriteRequest::Put { dataset: dataset.clone(), object: value.into() };
    let mut write = datastore.prepare_write(vec![request]).await.unwrap();
    let records = write.execute().await.unwrap();
    books.insert(&write.entries(), records).unwrap();
    write.commit().await.unwrap();
    books.attach(&dataset)
}

async fn get(datastore: &dyn Datastore, dataset: &DatasetRef) -> Result<Structured> {
    let request = GetRequest { dataset: dataset.clone(), parameters: ReadParameters::new() };
    datastore.get(vec![request]).await.remove(0)?.downcast_ref::<Structured>().cloned()
}

fn count(directory: &Path) -> usize {
    fs::read_dir(directory).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_is_kept_where_that_is_configured() {
    let (server, directory) = (S3Server::start().await.unwrap(), tempfile::tempdir().unwrap());
    let plain = open(&server, "");
    let books = Books::new(plain.tables());
    let mut stored = Vec::new();
    for (name, class) in [("x", "Number"), ("y", "Number"), ("z", "Number"), ("pair", "Pair")] {
        let value = if class == "Pair" { serde_json::json!({"a": 1, "b": 2}) } else { name.len().into() };
        stored.push(put(&*plain, &books, name, class, value).await);
    }
    let settings = "mode = 'datasets'\nthreshold = 1\ncacheable = { y = false }";
    let (one, other) =
        (cached(&server, directory.path(), settings), cached(&server, directory.path(), settings));
    // A component alone is no reason to fetch the whole.
    let part = stored[3].dataset_type().component("a", "Counter").unwrap();
    assert_eq!(get(&*one, &stored[3].with_dataset_type(part.clone()).unwrap()).await.unwrap(), 1);
    assert_eq!(get(&*one, &stored[1]).await.unwrap(), 1);
    assert_eq!(count(directory.path()), 0);
    assert_eq!(get(&*one, &stored[0]).await.unwrap(), 1);
    assert_eq!(get(&*one, &stored[3]).await.unwrap()["b"], 2);
    assert_eq!(count(directory.path()), 2);
    // Another process has it from there.
    for file in walk(server.directory().path()) {
        fs::remove_file(file).unwrap();
    }
    assert_eq!(get(&*plain, &stored[0]).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(get(&*other, &stored[0]).await.unwrap(), 1);
    assert_eq!(get(&*other, &stored[3].with_dataset_type(part).unwrap()).await.unwrap(), 1);
    assert_eq!(get(&*other, &stored[1]).await.unwrap_err().kind(), ErrorKind::NotFound);
}

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_later_takes_the_place_of_what_was_first() {
    let (server, directory) = (S3Server::start().await.unwrap(), tempfile::tempdir().unwrap());
    let datastore = cached(&server, directory.path(), "mode = 'files'\nthreshold = 2");
    let books = Books::new(datastore.tables());
    let mut stored = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        stored.push(put(&*datastore, &books, name, "Number", 7.into()).await);
        assert_eq!(get(&*datastore, &stored[stored.len() - 1]).await.unwrap(), 7);
    }
    assert_eq!(count(directory.path()), 3);
    let removal = datastore.prepare_remove(stored.clone()).await.unwrap();
    books.delete(&removal.entries(), &stored).unwrap();
    removal.commit(&books).await.unwrap();
    assert_eq!(count(directory.path()), 0, "what was removed goes from the cache too");
    let disabled = cached(&server, directory.path(), "mode = 'disabled'");
    let again = put(&*disabled, &books, "f", "Number", 8.into()).await;
    assert_eq!(get(&*disabled, &again).await.unwrap(), 8);
    assert_eq!(count(directory.path()), 0);
}

/// Several processes, of which each reads all and lets what the others keep expire.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_share_a_cache() {
    let (server, directory) = (S3Server::start().await.unwrap(), tempfile::tempdir().unwrap());
    let first = cached(&server, directory.path(), "mode = 'files'\nthreshold = 1");
    let books = Books::new(first.tables());
    let mut stored = Vec::new();
    for number in 0..4 {
        stored.push(put(&*first, &books, &format!("n{number}"), "Number", number.into()).await);
    }
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let datastore = cached(&server, directory.path(), "mode = 'files'\nthreshold = 1");
            let stored = stored.clone();
            tokio::spawn(async move {
                for turn in 0..40 {
                    let number = turn * 7 % stored.len();
                    assert_eq!(get(&*datastore, &stored[number]).await.unwrap(), number);
                }
            })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
    assert!((1..=4).contains(&count(directory.path())));
}

fn fetch(uri: &str) -> String {
    let (host, path) = uri.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_addresses_are_fetched_without_a_key() {
    let server = S3Server::start().await.unwrap();
    let datastore = open(&server, "");
    let books = Books::new(datastore.tables());
    let stored = put(&*datastore, &books, "x", "Number", 4711.into()).await;
    let signed = datastore.signed_uris(std::slice::from_ref(&stored), Duration::from_secs(60)).await.unwrap();
    let uri = signed[0].primary.clone().unwrap();
    let answer = tokio::task::spawn_blocking({
        let uri = uri.clone();
        move || fetch(&uri)
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("4711"), "{answer}");
    let unsigned = uri.split('?').next().unwrap().to_owned();
    let answer = tokio::task::spawn_blocking(move || fetch(&unsigned)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    for lifetime in [Duration::ZERO, Duration::from_secs(8 * 86_400)] {
        let error = datastore.signed_uris(std::slice::from_ref(&stored), lifetime).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
    }
}
