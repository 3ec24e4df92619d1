//! Connections to PostgreSQL are cut, and the server is started anew.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use butler::datastore::TransferMode;
use butler::registry::Operation;
use butler::{
    Butler, CollectionType, Creation, DatasetRef, Draft, ErrorKind, IngestFile, IngestOptions, Lookup,
    PruneOptions, Result, Retry, data_id,
};
use butler_testkit::postgres::{self, Stop, TempPostgres};
use tempfile::TempDir;

use super::proxy::{Cut, Proxy};
use super::{examine, is_undone};
use crate::fixture::{RUN, create_with, fill, object, put, value};

/// What is tried while the connection is cut.
#[derive(Clone, Copy, Debug)]
enum Work {
    Put,
    Move,
    Unstore,
    Purge,
    Replace,
}

const WORKS: [Work; 5] = [Work::Put, Work::Move, Work::Unstore, Work::Purge, Work::Replace];

const CUTS: [Cut; 5] = [
    Cut::Before("BEGIN"),
    Cut::Before("INSERT INTO"),
    Cut::Before("COMMIT"),
    Cut::Reply("COMMIT"),
    Cut::After("COMMIT"),
];

fn draft(detector: i64) -> Draft {
    Draft::new("thing", data_id! { instrument: "Cam", detector: detector }).run(RUN)
}

/// One attempt at some work, with three data IDs of its own.
struct Attempt<'a> {
    work: Work,
    place: &'a Path,
    /// The first of its detectors.
    first: i64,
    old: Vec<DatasetRef>,
}

impl<'a> Attempt<'a> {
    async fn new(work: Work, place: &'a Path, first: i64, direct: &Butler) -> Self {
        let mut old = Vec::new();
        if matches!(work, Work::Unstore | Work::Purge | Work::Replace) {
            for detector in first..first + 3 {
                old.push(put(direct, RUN, detector, 0).await.unwrap());
            }
        }
        if matches!(work, Work::Move) {
            std::fs::write(place.join(format!("{first}.json")), "{\"value\": 1}").unwrap();
        }
        Self { work, place, first, old }
    }

    async fn run(&self, butler: &Butler) -> Result<()> {
        let purge = PruneOptions { purge: true, referenced: true, ..PruneOptions::default() };
        match self.work {
            Work::Put => {
                let puts = (self.first..self.first + 3).map(|detector| (draft(detector).into(), object(1)));
                butler.put_many(puts.collect()).await.map(drop)
            }
            Work::Move => {
                let path = self.place.join(format!("{}.json", self.first));
                let file = IngestFile::new(path.to_str().unwrap(), draft(self.first));
                let options = IngestOptions { mode: TransferMode::Move, ..IngestOptions::default() };
                butler.ingest(vec![file], &options).await.map(drop)
            }
            Work::Unstore => {
                let unstore = PruneOptions { unstore: true, ..PruneOptions::default() };
                butler.prune(self.old.clone(), &unstore).await
            }
            Work::Purge => butler.prune(self.old.clone(), &purge).await,
            Work::Replace => {
                let mut batch = butler.batch()?;
                batch.prune(self.old.clone(), &purge).await?;
                let new = batch.put(object(1), draft(self.first)).await?;
                batch.push(Operation::Associate { collection: "tag".into(), datasets: vec![new] });
                batch.commit().await.map(drop)
            }
        }
    }

    /// What is there: by data ID, the value, or none if it is not stored.
    async fn values(&self, direct: &Butler) -> Vec<Option<i64>> {
        let mut values = Vec::new();
        for detector in self.first..self.first + 3 {
            let lookup = Lookup::new("thing", data_id! { instrument: "Cam", detector: detector });
            let found = direct.find(lookup.collections([RUN])).await.unwrap();
            values.push(match found {
                Some(dataset) if direct.exists(&dataset, true).await.unwrap().exists() => {
                    Some(value(direct, dataset.id()).await.unwrap())
                }
                _ => None,
            });
        }
        values
    }

    /// Whether it was done, as a whole.
    async fn is_done(&self, direct: &Butler) -> bool {
        let there = self.values(direct).await;
        let (before, after) = match self.work {
            Work::Put => ([None; 3], [Some(1); 3]),
            Work::Move => ([None; 3], [Some(1), None, None]),
            Work::Unstore | Work::Purge => ([Some(0); 3], [None; 3]),
            Work::Replace => ([Some(0); 3], [Some(1), None, None]),
        };
        assert!(there == before || there == after, "{:?} was half-done: {there:?}", self.work);
        if matches!(self.work, Work::Move) {
            let source = self.place.join(format!("{}.json", self.first));
            assert_eq!(source.exists(), there == before);
        }
        there == after
    }
}

/// A repository on a server, as a Butler has it that nothing disturbs.
async fn repository(server: &TempPostgres, schema: &str) -> (TempDir, Butler) {
    let directory = TempDir::new().unwrap();
    let registry = format!("{}?schema={schema}", server.url("postgres"));
    let creation = Creation { registry: Some(registry), ..Creation::default() };
    let repository = directory.path().join("repo");
    let direct = create_with(&repository, creation).await;
    fill(&direct).await;
    direct.register_collection("tag", CollectionType::Tagged, None).await.unwrap();
    (directory, direct)
}

async fn cut_everywhere(outage: Duration, check: impl Fn(Cut, &Result<()>)) {
    let Some(server) = postgres::shared() else { return };
    let (schema, proxy) = (server.fresh_name(), Proxy::new(server));
    let (directory, direct) = repository(server, &schema).await;
    let path = directory.path().join("repo");
    let mut first = 0;
    for work in WORKS {
        for cut in CUTS {
            let attempt = Attempt::new(work, directory.path(), first, &direct).await;
            first += 3;
            let builder = butler::builder().writable(true).set("registry.url", proxy.url(&schema));
            let butler = builder.open(path.to_str().unwrap()).await.unwrap();
            // The commit of the transaction that has the outcome, not of one that reads.
            let after =
                matches!(cut, Cut::Before("COMMIT") | Cut::Reply(_) | Cut::After(_)).then_some("committed");
            proxy.cut(cut, after, outage);
            let result = attempt.run(&butler).await;
            assert!(proxy.heal(), "{work:?} had nothing to cut by {cut:?}");
            check(cut, &result);
            // What was not done is undone at once, so that it can be tried again.
            if result.as_ref().is_err_and(|error| error.retry() == Retry::Temporary) {
                assert!(!attempt.is_done(&direct).await);
                attempt.run(&butler).await.unwrap();
                assert!(attempt.is_done(&direct).await);
                continue;
            }
            examine(&direct).await;
            let done = attempt.is_done(&direct).await;
            match &result {
                Ok(()) => assert!(done, "{work:?} was told to be done, with {cut:?}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Connection, "{work:?}, {cut:?}: {error:#}");
                    assert!(!done || is_undone(error).is_none(), "{work:?}, {cut:?}: {error:#}");
                }
            }
            if !done {
                attempt.run(&direct).await.unwrap();
                assert!(attempt.is_done(&direct).await);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_is_made_again() {
    cut_everywhere(Duration::ZERO, |cut, result| match (cut, result) {
        // The transaction did not happen, and will not: the caller has to do it again.
        (Cut::Before("COMMIT"), Err(error)) => assert_eq!(error.retry(), Retry::Temporary, "{error:#}"),
        // The outcome says that it was committed; what came before is tried again.
        (_, Ok(())) => {}
        (cut, Err(error)) => panic!("{cut:?}: {error:#}"),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_asked_for_is_unknown() {
    let unknown = AtomicUsize::new(0);
    cut_everywhere(Duration::from_secs(60), |cut, result| match (cut, result) {
        (_, Err(error)) if error.retry() == Retry::OutcomeUnknown => {
            assert!(matches!(cut, Cut::Before("COMMIT") | Cut::Reply("COMMIT")), "{cut:?}: {error:#}");
            assert!(error.to_string().contains("`butler recover`"), "{error}");
            unknown.fetch_add(1, Ordering::Relaxed);
        }
        (_, Err(error)) => assert_ne!(error.retry(), Retry::Permanent, "{cut:?}: {error:#}"),
        (Cut::After(_), Ok(())) => {}
        (cut, Ok(())) => panic!("{cut:?} went well without a server"),
    })
    .await;
    let found = postgres::shared().is_some();
    assert!(!found || unknown.into_inner() >= WORKS.len(), "few replies to a commit were lost");
}

/// Writes until it is told to stop; returns what was acknowledged, and how much is unknown.
async fn write_on(butler: Butler, writer: i64, work: Arc<Progress>) -> (Vec<(i64, DatasetRef)>, u64) {
    let (mut stored, mut unknown) = (Vec::new(), 0);
    let mut detectors = writer * 80..writer * 80 + 80;
    let mut next = detectors.next();
    while let Some(detector) = next.filter(|_| !work.stop.load(Ordering::Relaxed)) {
        match put(&butler, RUN, detector, detector).await {
            Ok(dataset) => {
                stored.push((detector, dataset));
                work.stored.fetch_add(1, Ordering::Relaxed);
                next = detectors.next();
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Connection, "{error:#}");
                if is_undone(&error).is_none() {
                    unknown += 1;
                    next = detectors.next();
                }
                // What was not done is tried again.
                assert_ne!(error.retry(), Retry::Permanent, "{error:#}");
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (stored, unknown)
}

/// What writers have done.
#[derive(Debug, Default)]
struct Progress {
    stop: AtomicBool,
    stored: AtomicUsize,
}

impl Progress {
    /// Waits until somebody has stored something more.
    async fn goes_on(&self) {
        let (before, begun) = (self.stored.load(Ordering::Relaxed), std::time::Instant::now());
        while self.stored.load(Ordering::Relaxed) < before + 2 {
            assert!(begun.elapsed() < Duration::from_secs(120), "nobody gets to work");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_started_anew_while_others_write() {
    let Some(server) = TempPostgres::start().unwrap() else { return };
    let (directory, direct) = repository(&server, "restarted").await;
    let path = directory.path().join("repo");
    let work: Arc<Progress> = Arc::default();
    let mut writers = Vec::new();
    for writer in 0..3 {
        let butler = crate::fixture::open(&path).await;
        writers.push(tokio::spawn(write_on(butler, writer, Arc::clone(&work))));
    }
    for how in [Stop::Fast, Stop::Immediate, Stop::Fast] {
        work.goes_on().await;
        tokio::task::block_in_place(|| server.restart(how)).unwrap();
    }
    work.goes_on().await;
    work.stop.store(true, Ordering::Relaxed);
    let (mut stored, mut unknown) = (Vec::new(), 0);
    for writer in writers {
        let (some, others) = writer.await.unwrap();
        stored.extend(some);
        unknown += others;
    }
    examine(&direct).await;
    for (expected, dataset) in &stored {
        assert_eq!(value(&direct, dataset.id()).await.unwrap(), *expected);
    }
    let all = direct.query_datasets("thing").collections([RUN]).count().await.unwrap();
    let acknowledged = stored.len() as u64;
    assert!((acknowledged..=acknowledged + unknown).contains(&all), "{all} instead of {acknowledged}");
}
