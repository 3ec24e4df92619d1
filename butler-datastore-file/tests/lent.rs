//! A thread that is lent to a datastore waits for no other one, of which there may be none.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]
#![cfg(feature = "memory")]

use std::sync::Arc;
use std::time::Duration;

use butler_core::datastore::{Artifact, ArtifactBody, Datastore, WriteRequest};
use butler_core::work::lend;
use butler_core::{DataId, DatasetRef, DatasetType, DimensionUniverse, IdIssuer};
use butler_datastore_file::FileDatastoreFactory;
use butler_testkit::datastore::{Books, Opening};
use futures::stream;

/// More than any store gives one thread at once.
const MANY: usize = 40;

fn requests() -> Vec<WriteRequest> {
    let (universe, ids) = (DimensionUniverse::default(), IdIssuer::new());
    let datasets = (0..MANY).map(|number| {
        let dataset_type = DatasetType::new(&format!("type{number}"), universe.empty(), "Blob").unwrap();
        DatasetRef::new(ids.issue(), dataset_type, DataId::empty(universe), "run".into()).unwrap()
    });
    let request = |dataset| {
        let artifact = Artifact {
            component: None,
            formatter: "plain bytes".into(),
            storage_class: "Blob".into(),
            file_name: "x.bytes".into(),
            size: Some(1),
            checksum: None,
            body: ArtifactBody::Stream(Box::pin(stream::iter([Ok("x".into())]))),
        };
        WriteRequest::Copy { datasets: vec![dataset], artifacts: vec![artifact] }
    };
    datasets.map(request).collect()
}

/// Writes and commits on the only thread that may block.
fn writes_alone(place: &str) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        let datastore: Arc<dyn Datastore> = Opening::default().build(&FileDatastoreFactory, place).unwrap();
        let books = Books::new(datastore.tables());
        let work = async move {
            let mut write = datastore.prepare_write(requests()).await.unwrap();
            let records = write.execute().await.unwrap();
            books.insert(&write.entries(), records).unwrap();
            write.commit().await.unwrap();
        };
        let running = tokio::task::spawn_blocking(|| lend(|| pollster::block_on(work)));
        tokio::time::timeout(Duration::from_secs(30), running).await
    });
    runtime.shutdown_background();
    ended.expect("it waits for a thread that will never come").unwrap();
}

#[test]
fn of_local_files() {
    let directory = tempfile::tempdir().unwrap();
    writes_alone(&format!("root = '{}'", directory.path().display()));
}

#[test]
fn of_objects() {
    writes_alone("root = 'memory://lent'");
}
