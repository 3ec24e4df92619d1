//! An object that is larger than the memory goes everywhere.
//!
//! `BUTLER_TEST_OBJECT` sets its number of bytes: with 4294967296, twelve GiB of disk are used for
//! some minutes, and memory must stay below 200 MiB. It is alone in its process, whose memory it measures.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]
#![cfg(all(feature = "s3", target_os = "linux"))]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use butler_core::datastore::{
    Artifact, ArtifactBody, Datastore, FileDataset, MemoryDatastoreFactory, TransferMode, WriteRequest,
};
use butler_core::{
    Config, DataId, DatasetRef, DatasetType, DatastoreFactory, DimensionUniverse, Factories, IdIssuer, Result,
};
use butler_datastore_chained::ChainedDatastoreFactory;
use butler_datastore_file::FileDatastoreFactory;
use butler_testkit::datastore::s3::S3Server;
use butler_testkit::datastore::{Books, Opening};
use bytes::Bytes;
use futures::{StreamExt, stream};

/// Bytes that are made and compared at once.
const BLOCK: u64 = 1 << 20;

/// Bytes that the process may need, however large the object is.
const MEMORY: u64 = 200 << 20;

/// Of an object of this size, less memory than that is needed.
const SMALL: u64 = 256 << 20;

fn size() -> u64 {
    std::env::var("BUTLER_TEST_OBJECT").ok().and_then(|size| size.parse().ok()).unwrap_or(SMALL)
}

/// Bytes from a place on: no two blocks are equal.
fn block(at: u64, size: u64) -> Bytes {
    let mut bytes = vec![(at / BLOCK % 251) as u8; usize::try_from((size - at).min(BLOCK)).unwrap()];
    bytes[..8].copy_from_slice(&at.to_le_bytes());
    bytes.into()
}

fn stream_of(size: u64) -> ArtifactBody {
    let blocks = stream::iter((0..size).step_by(BLOCK as usize));
    ArtifactBody::Stream(Box::pin(blocks.map(move |at| Ok(block(at, size)))))
}

/// Reads an artifact to its end.
async fn compare(body: ArtifactBody, size: u64) {
    let mut parts = match body {
        ArtifactBody::Stream(parts) => parts,
        ArtifactBody::File(path) => {
            let file = std::fs::File::open(path).unwrap();
            Box::pin(stream::try_unfold(file, async |mut file| {
                let mut bytes = vec![0; BLOCK as usize];
                let count = std::io::Read::read(&mut file, &mut bytes).unwrap();
                bytes.truncate(count);
                Ok((count > 0).then_some((Bytes::from(bytes), file)))
            }))
        }
        ArtifactBody::Bytes(_) => unreachable!("it is too large"),
    };
    let (mut at, mut expected) = (0, Bytes::new());
    while let Some(part) = parts.next().await {
        let mut part = part.unwrap();
        while !part.is_empty() {
            if expected.is_empty() {
                expected = block(at, size);
            }
            let both = part.len().min(expected.len());
            let (found, wanted) = (part.split_to(both), expected.split_to(both));
            assert!(found == wanted, "bytes at {at} differ");
            at += both as u64;
        }
    }
    assert_eq!(at, size);
}

/// Bytes of memory by a name of the system.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// Datastores that share books.
struct Shop {
    books: Books,
    dataset: DatasetRef,
    size: u64,
    before: u64,
}

impl Shop {
    /// The object from nowhere.
    fn streamed(&self) -> WriteRequest {
        let artifact = Artifact {
            component: None,
            formatter: "plain bytes".into(),
            storage_class: "Blob".into(),
            file_name: "x.bytes".into(),
            size: Some(self.size),
            checksum: None,
            body: stream_of(self.size),
        };
        WriteRequest::Copy { datasets: vec![self.dataset.clone()], artifacts: vec![artifact] }
    }

    /// Stores the object from somewhere, and looks at it there.
    async fn store(&self, what: &str, to: &dyn Datastore, request: WriteRequest) -> DatasetRef {
        let mut write = to.prepare_write(vec![request]).await.unwrap();
        let records = write.execute().await.unwrap();
        self.books.insert(&write.entries(), records).unwrap();
        write.commit().await.unwrap();
        let stored = self.books.attach(&self.dataset);
        let mut artifacts = to.open(&stored).await.unwrap();
        compare(artifacts.remove(0).body, self.size).await;
        self.report(what);
        stored
    }

    /// Copies the object, and removes it where it was.
    async fn carry(&self, what: &str, from: &dyn Datastore, to: &dyn Datastore) {
        let stored = self.books.attach(&self.dataset);
        let artifacts = from.open(&stored).await.unwrap();
        let request = WriteRequest::Copy { datasets: vec![self.dataset.clone()], artifacts };
        self.forget(&stored);
        self.store(what, to, request).await;
        self.remove(from, &stored).await;
    }

    /// Of the books only: another datastore gets it.
    fn forget(&self, stored: &DatasetRef) {
        self.books.delete(&[], [stored]).unwrap();
    }

    async fn remove(&self, from: &dyn Datastore, stored: &DatasetRef) {
        let remove = from.prepare_remove(vec![stored.clone()]).await.unwrap();
        remove.commit(&self.books).await.unwrap();
    }

    #[expect(clippy::print_stdout, reason = "who measures wants to see it")]
    fn report(&self, what: &str) {
        let peak = memory("VmHWM");
        println!("{what}: {} MiB, {} MiB before", peak >> 20, self.before >> 20);
        assert!(peak < MEMORY, "{what}: {} MiB", peak >> 20);
    }
}

/// A server in another process, whose memory is not ours.
struct Server {
    process: Child,
    place: String,
    /// What it writes later, such as that it takes long, must find somebody.
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "a_server_that_another_process_asks", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let place = (&mut output)
            .lines()
            .map_while(std::io::Result::ok)
            .find_map(|line| line.strip_prefix(PLACE).map(|place| serde_json::from_str(place).unwrap()));
        Self { process, place: place.unwrap(), _output: output }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}

const PLACE: &str = "place: ";

/// What [`Server`] starts; it ends with its input.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it waits for another process"]
#[expect(clippy::print_stdout, reason = "another process reads it")]
async fn a_server_that_another_process_asks() {
    let server = S3Server::start().await.unwrap();
    println!("\n{PLACE}{}", serde_json::Value::from(server.place()));
    let input = tokio::task::spawn_blocking(|| std::io::stdin().lines().count());
    assert_eq!(input.await.unwrap(), 0);
}

fn open(place: &str, name: &str) -> Result<Arc<dyn Datastore>> {
    let settings = format!("name = '{name}'");
    Opening { settings, ..Opening::default() }.build(&FileDatastoreFactory, place)
}

fn local(directory: &Path, name: &str) -> Arc<dyn Datastore> {
    open(&format!("root = '{}'", directory.join(name).display()), name).unwrap()
}

fn chain(directory: &Path) -> Arc<dyn Datastore> {
    let child = |name: &str| {
        format!(
            "[[datastore.children]]\nkind = 'file'\nname = '{name}'\nroot = '{}'\n",
            directory.join(name).display()
        )
    };
    let mut config = Config::default();
    config.merge_text(&format!("[datastore]\n{}{}", child("near"), child("far")), "test").unwrap();
    let mut context = Opening::default().context().unwrap();
    let mut factories = Factories::default();
    factories.add_datastore("file", Arc::new(FileDatastoreFactory));
    factories.add_datastore("memory", Arc::new(MemoryDatastoreFactory));
    context.factories = Arc::new(factories);
    ChainedDatastoreFactory.build(&config.section("datastore").unwrap(), &context).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_object_goes_everywhere_in_little_memory() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start();
    let [first, second, third] = ["first", "second", "third"].map(|name| local(directory.path(), name));
    let remote = open(&format!("timeout = '600s'\n{}", server.place), "remote").unwrap();
    let chain = chain(directory.path());
    let tables =
        [&first, &second, &third, &remote, &chain].into_iter().flat_map(|datastore| datastore.tables());
    let universe = DimensionUniverse::default();
    let dataset_type = DatasetType::new("large", universe.empty(), "Blob").unwrap();
    let dataset =
        DatasetRef::new(IdIssuer::new().issue(), dataset_type, DataId::empty(universe), "run".into())
            .unwrap();
    let shop = Shop { books: Books::new(tables.collect()), dataset, size: size(), before: memory("VmRSS") };

    let stored = shop.store("a stream into local files", &*first, shop.streamed()).await;
    let uri = first.uris(std::slice::from_ref(&stored), false).await.unwrap().remove(0).primary.unwrap();
    shop.forget(&stored);
    let file =
        FileDataset { path: uri.as_str().into(), datasets: vec![shop.dataset.clone()], formatter: None };
    let request = WriteRequest::Ingest { file, mode: TransferMode::Copy, track_attributes: true };
    shop.store("a file into local files", &*second, request).await;
    shop.remove(&*first, &stored).await;
    shop.carry("local files to S3", &*second, &*remote).await;
    shop.carry("S3 to local files", &*remote, &*third).await;
    shop.carry("local files to two children", &*third, &*chain).await;
    let stored = shop.books.attach(&shop.dataset);
    shop.forget(&stored);
    shop.remove(&*chain, &stored).await;
    shop.store("a stream into two children", &*chain, shop.streamed()).await;
}
