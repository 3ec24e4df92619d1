//! What happens when a store of objects fails now and then.

#![cfg(feature = "s3")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use butler_core::datastore::{
    Bookkeeper, Datastore, FileDataset, GetRequest, RecoverOptions, TransferMode, WriteRequest,
};
use butler_core::{
    DataId, DatasetRef, DatasetType, DimensionUniverse, ErrorKind, IdIssuer, ReadParameters, Result,
    Structured,
};
use butler_datastore_file::FileDatastoreFactory;
use butler_testkit::datastore::s3::{Faults, S3Server};
use butler_testkit::datastore::{Backstage, Books, Opening};
use futures::StreamExt;

/// Datasets that are put and read; `BUTLER_TEST_FAULTS` sets the number.
fn count() -> i64 {
    std::env::var("BUTLER_TEST_FAULTS").ok().and_then(|count| count.parse().ok()).unwrap_or(100)
}

const SETTINGS: &str = "name = 's3'\ntimeout = '1s'\nretries = 6\nconcurrency = 16\ntemplates.default = '{run}/{datasetType}_{instrument}_{detector}'";

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

const FAULTS: Faults = Faults { errors: 0.05, timeouts: 0.05, lost: 0.02, late: Duration::from_millis(1300) };

struct Fixture {
    server: S3Server,
    datastore: Arc<dyn Datastore>,
    books: Books,
    issuer: IdIssuer,
}

#[cfg(test)]
impl Fixture {
    async fn new() -> Self {
        let server = S3Server::start().await.unwrap();
        let opening = Opening { settings: SETTINGS.to_owned(), ..Opening::default() };
        let datastore = opening.build(&FileDatastoreFactory, &server.place()).unwrap();
        let books = Books::new(datastore.tables());
        Self { server, datastore, books, issuer: IdIssuer::new() }
    }

    fn dataset(&self, n: i64) -> DatasetRef {
        let group = DimensionUniverse::default().conform(["detector"]).unwrap();
        let dataset_type = DatasetType::new("x", group, "Number").unwrap();
        let pairs = [("instrument", "Cam".into()), ("detector", n.into())];
        let pairs: [(&str, butler_core::DimensionValue); 2] = pairs;
        let data_id = DataId::from_pairs(dataset_type.group(), pairs).unwrap();
        DatasetRef::new(self.issuer.issue(), dataset_type, data_id, "run".into()).unwrap()
    }

    /// The protocol of a write; what cannot be undone at once is left to a recovery.
    async fn write(&self, request: WriteRequest) -> Result<()> {
        let mut transaction = self.datastore.prepare_write(vec![request]).await?;
        match transaction.execute().await {
            Ok(records) => {
                let entries = transaction.entries();
                self.books.insert(&entries, records)?;
                if transaction.commit().await.is_ok() {
                    self.books.forget(entries).await?;
                }
                Ok(())
            }
            Err(error) => {
                drop(transaction.roll_back().await);
                Err(error)
            }
        }
    }

    /// Puts a number, again and again until it is there.
    async fn put(&self, n: i64) -> DatasetRef {
        loop {
            let dataset = self.dataset(n);
            let object = Structured::from(n).into();
            match self.write(WriteRequest::Put { dataset: dataset.clone(), object }).await {
                Ok(()) => return self.books.attach(&dataset),
                Err(error) => assert!(
                    // What an earlier attempt has left is in the way until it is recovered.
                    matches!(
                        error.kind(),
                        ErrorKind::Connection
                            | ErrorKind::Timeout
                            | ErrorKind::Busy
                            | ErrorKind::AlreadyExists
                    ),
                    "{error:?}"
                ),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn get(&self, dataset: &DatasetRef) -> Structured {
        for _ in 0..20 {
            let request = GetRequest { dataset: dataset.clone(), parameters: ReadParameters::new() };
            match self.datastore.get(vec![request]).await.remove(0) {
                Ok(object) => return object.downcast_ref::<Structured>().unwrap().clone(),
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::Connection | ErrorKind::Timeout | ErrorKind::Busy),
                    "{error:?}"
                ),
            }
        }
        unreachable!("twenty reads in a row have failed")
    }

    async fn recover(&self, lease: Duration) {
        // What fails is tried again by the next one.
        drop(self.datastore.recover(&self.books, &RecoverOptions { lease, dry_run: false }).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_is_left() {
    let fixture = Fixture::new().await;
    fixture.server.set_faults(FAULTS);
    let fixture = &fixture;
    let recoveries = async {
        loop {
            tokio::time::sleep(PAUSE).await;
            fixture.recover(Duration::from_secs(8)).await;
        }
    };
    let all = futures::stream::iter(0..count()).map(|n| fixture.put(n)).buffer_unordered(16).collect();
    let stored: Vec<DatasetRef> = tokio::select! {
        stored = all => stored,
        () = recoveries => unreachable!("recoveries do not end"),
    };
    let read: Vec<(i64, Structured)> = futures::stream::iter(&stored)
        .map(|dataset| async move {
            let n = dataset.data_id().get("detector").map(ToString::to_string).unwrap();
            (n.parse().unwrap(), fixture.get(dataset).await)
        })
        .buffer_unordered(16)
        .collect()
        .await;
    assert_eq!(read.len() as i64, count());
    assert!(read.iter().all(|(n, value)| value == n));

    // Late requests arrive, and everybody who was slow is dead.
    tokio::time::sleep(FAULTS.late * 2).await;
    fixture.server.set_faults(Faults::default());
    for _ in 0..3 {
        fixture.recover(Duration::ZERO).await;
    }
    let mut expected = BTreeSet::new();
    for dataset in &stored {
        let uri = fixture
            .datastore
            .uris(std::slice::from_ref(dataset), false)
            .await
            .unwrap()
            .remove(0)
            .primary
            .unwrap();
        expected.insert(uri.rsplit('/').next().unwrap().to_owned());
    }
    assert_eq!(expected.len() as i64, count(), "each has a place of its own");
    let files = fixture.server.directory().list().await.unwrap();
    let artifacts: BTreeSet<String> =
        files.iter().map(|path| path.rsplit('/').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(artifacts, expected, "no orphans, and no journal");
    assert_eq!(files.len() as i64, count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_is_no_failure() {
    let fixture = Fixture::new().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f.plain");
    std::fs::write(&path, "1").unwrap();
    for n in 0..30 {
        let dataset = fixture.dataset(n);
        let file = FileDataset {
            path: path.to_str().unwrap().into(),
            datasets: vec![dataset.clone()],
            formatter: None,
        };
        let request = WriteRequest::Ingest { file, mode: TransferMode::Copy, track_attributes: true };
        let mut transaction = fixture.datastore.prepare_write(vec![request]).await.unwrap();
        fixture.server.set_faults(Faults { lost: 0.4, ..Faults::default() });
        let executed = transaction.execute().await;
        fixture.server.set_faults(Faults::default());
        fixture.books.insert(&transaction.entries(), executed.unwrap()).unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(fixture.get(&fixture.books.attach(&dataset)).await, 1);
    }
    assert_eq!(fixture.server.directory().list().await.unwrap().len(), 30);
}
