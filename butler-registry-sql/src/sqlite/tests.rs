//! What the conformance suite cannot see: files, processes, durability.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use butler_core::backend::{
    Backend, BackendExt, ColumnType, OnConflict, Relation, RowBatch, SortKey, TableRef, TableSpec, Value,
};
use butler_core::{Error, ErrorKind, Retry};
use futures::StreamExt;
use tempfile::TempDir;

use super::*;

fn table() -> TableRef {
    TableSpec::new("t", "Numbers")
        .column("a", ColumnType::Int, "")
        .nullable("b", ColumnType::Text, "")
        .primary_key(["a"])
        .into()
}

fn rows(keys: std::ops::Range<i64>) -> RowBatch {
    let mut rows = RowBatch::new([("a".into(), ColumnType::Int), ("b".into(), ColumnType::Text)]);
    for key in keys {
        rows.push_row(&[key.into(), format!("row {key}").into()]).unwrap();
    }
    rows
}

fn file() -> (TempDir, SqliteConfig) {
    let directory = tempfile::tempdir().unwrap();
    let config =
        SqliteConfig::file(directory.path().join("db.sqlite3")).create(true).durability(Durability::Fast);
    (directory, config)
}

async fn fill(backend: &SqliteBackend, count: i64) {
    let insert = move |transaction: &mut dyn butler_core::backend::Transaction| {
        transaction.create(&table())?;
        transaction.insert(&table(), &rows(0..count), OnConflict::Fail)
    };
    assert_eq!(backend.run(insert).await.unwrap(), u64::try_from(count).unwrap());
}

async fn count(backend: &SqliteBackend) -> i64 {
    backend.collect(table().scan().count()).await.unwrap()[0].columns()[0].int(0).unwrap()
}

#[tokio::test]
async fn what_is_committed_is_there_for_another_backend() {
    let (_directory, config) = file();
    for journal in [Journal::WriteAhead, Journal::Rollback] {
        let config = config.clone().journal(journal);
        let one = SqliteBackend::open(&config).unwrap();
        if journal == Journal::WriteAhead {
            fill(&one, 10).await;
        }
        let two = SqliteBackend::open(&config.create(false).read_only(true)).unwrap();
        assert!(two.capabilities().read_only && !one.capabilities().read_only);
        assert_eq!(count(&two).await, 10);
        let body = |transaction: &mut dyn butler_core::backend::Transaction| {
            transaction.select(&table().scan(), &mut |_| std::ops::ControlFlow::Continue(()))?;
            transaction.insert(&table(), &rows(10..11), OnConflict::Fail)
        };
        assert_eq!(two.run(body).await.unwrap_err().kind(), ErrorKind::ReadOnly);
        assert_eq!(one.run(|t| t.insert(&table(), &rows(0..1), OnConflict::Ignore)).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn opening_touches_nothing() {
    let (directory, config) = file();
    let began = Instant::now();
    let backend = SqliteBackend::open(&config).unwrap();
    assert!(began.elapsed() < Duration::from_millis(20));
    assert!(backend.tables().await.unwrap().is_empty());
    let names: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["db.sqlite3"]);
    let missing = SqliteConfig::file(directory.path().join("other"));
    assert_eq!(SqliteBackend::open(&missing).unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_waits_is_committed_together_and_fails_alone() {
    let (_directory, config) = file();
    let backend = Arc::new(SqliteBackend::open(&config.durability(Durability::Synced)).unwrap());
    fill(&backend, 1).await;
    let insert = |key: i64| {
        let backend = Arc::clone(&backend);
        // Every tenth one is there already.
        let key = if key % 10 == 0 { 0 } else { key };
        tokio::spawn(async move {
            backend.run(move |t| t.insert(&table(), &rows(key..key + 1), OnConflict::Fail)).await
        })
    };
    let mut failed = 0;
    for task in (0..200).map(insert).collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(1) => {}
            other => {
                assert_eq!(other.unwrap_err().kind(), ErrorKind::ConflictingDefinition);
                failed += 1;
            }
        }
    }
    assert_eq!(failed, 20);
    assert_eq!(count(&backend).await, 181);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_transaction_holds_is_given_up_before_it_is_answered() {
    let (_directory, config) = file();
    let backend = SqliteBackend::open(&config).unwrap();
    fill(&backend, 1).await;
    for key in 1..200 {
        let held = Arc::new(());
        let theirs = Arc::clone(&held);
        let body = move |t: &mut dyn butler_core::backend::Transaction| {
            let _ = &theirs;
            t.insert(&table(), &rows(key..key + 1), OnConflict::Fail)
        };
        backend.run(body).await.unwrap();
        assert_eq!(Arc::strong_count(&held), 1, "transaction {key}");
    }
}

#[tokio::test]
async fn a_body_runs_again_after_a_temporary_failure() {
    let (_directory, config) = file();
    let backend = SqliteBackend::open(&config).unwrap();
    fill(&backend, 1).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&runs);
    let body = move |t: &mut dyn butler_core::backend::Transaction| {
        t.insert(&table(), &rows(1..2), OnConflict::Fail)?;
        match seen.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => Err(Error::new(ErrorKind::Busy, "not yet")),
            _ => Ok(()),
        }
    };
    backend.run(body).await.unwrap();
    assert_eq!((runs.load(Ordering::SeqCst), count(&backend).await), (3, 2));
    let error = backend.run(|_| Err::<(), _>(Error::new(ErrorKind::Busy, "never"))).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Exhausted);
}

#[tokio::test]
async fn a_panic_is_an_error_of_its_transaction_alone() {
    let (_directory, config) = file();
    let backend = SqliteBackend::open(&config).unwrap();
    fill(&backend, 1).await;
    let error = backend
        .run(|t| {
            t.insert(&table(), &rows(1..2), OnConflict::Fail)?;
            let empty: Vec<u8> = Vec::new();
            Ok(empty[0])
        })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert_eq!(count(&backend).await, 1);
}

#[tokio::test]
async fn streams_are_snapshots_and_hold_nobody_up() {
    let (_directory, config) = file();
    for config in [config.clone(), config.clone().journal(Journal::Rollback), SqliteConfig::temporary()] {
        let backend = SqliteBackend::open(&config).unwrap();
        fill(&backend, 50_000).await;
        let sorted = || table().scan().sort(vec![SortKey::ascending("a")]);
        let mut streams = Vec::new();
        for _ in 0..20 {
            let mut stream = backend.stream(sorted()).await.unwrap();
            assert_eq!(stream.next().await.unwrap().unwrap().column("a").unwrap().int(0), Some(0));
            streams.push(stream);
        }
        let began = Instant::now();
        backend.run(|t| t.delete(&table(), &table().scan())).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(5));
        for stream in streams.drain(1..) {
            drop(stream);
        }
        let rest: usize =
            streams.pop().unwrap().map(|batch| batch.unwrap().len()).collect::<Vec<_>>().await.iter().sum();
        assert_eq!(rest, 50_000 - 1024);
        assert_eq!(count(&backend).await, 0);
        if config.path().is_some() {
            std::fs::remove_file(config.path().unwrap()).unwrap();
        }
    }
}

#[tokio::test]
async fn dropping_a_stream_or_its_future_interrupts_it() {
    let backend = SqliteBackend::open(&SqliteConfig::temporary()).unwrap();
    fill(&backend, 3000).await;
    let other = |n: i64| table().scan().rename([(format!("a{n}"), "a"), (format!("b{n}"), "b")]);
    // Takes hours.
    let endless = |_: ()| {
        let all = butler_core::backend::Scalar::And(vec![]);
        other(1).join(other(2), all.clone()).join(other(3), all.clone()).join(other(4), all).count()
    };
    let future = backend.stream(endless(()));
    assert!(tokio::time::timeout(Duration::from_millis(50), future).await.is_err());
    let began = Instant::now();
    assert_eq!(count(&backend).await, 3000);
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_frozen_database_is_one_file_until_it_is_written() {
    let (directory, config) = file();
    let backend = SqliteBackend::open(&config).unwrap();
    fill(&backend, 10).await;
    assert_eq!(count(&backend).await, 10);
    assert!(directory.path().join("db.sqlite3-wal").exists());
    backend.freeze().await.unwrap();
    assert!(!directory.path().join("db.sqlite3-wal").exists());
    let reader = SqliteBackend::open(&config.clone().read_only(true)).unwrap();
    assert_eq!(count(&reader).await, 10);
    assert!(!directory.path().join("db.sqlite3-wal").exists());
    assert_eq!(reader.freeze().await.unwrap_err().kind(), ErrorKind::ReadOnly);
    backend.run(|t| t.insert(&table(), &rows(10..11), OnConflict::Fail)).await.unwrap();
    assert_eq!(count(&reader).await, 11);
}

#[tokio::test]
async fn large_values_are_uploaded_and_forgotten() {
    let backend = SqliteBackend::open(&SqliteConfig::temporary()).unwrap();
    fill(&backend, 5000).await;
    {
        let keys = || Relation::values(rows(1000..9000)).rename([("x", "a"), ("y", "b")]);
        let on = || butler_core::backend::Scalar::column("a").eq(butler_core::backend::Scalar::column("x"));
        for _ in 0..3 {
            let found = backend.collect(table().scan().semi(keys(), on()).count()).await.unwrap();
            assert_eq!(found[0].columns()[0].int(0), Some(4000));
        }
        let list: Vec<Value> = (0..4000_i64).map(Value::from).collect();
        let deleted = backend
            .run(move |t| {
                let chosen = butler_core::backend::Scalar::column("a").is_in(list.clone());
                t.delete(&table(), &table().scan().filter(chosen))
            })
            .await
            .unwrap();
        assert_eq!(deleted, 4000);
    }
}

#[tokio::test]
async fn a_file_of_somebody_else_is_refused() {
    let (directory, config) = file();
    let path = directory.path().join("db.sqlite3");
    std::fs::write(&path, "this is no database, but long enough to be looked at as one, surely").unwrap();
    let backend = SqliteBackend::open(&config).unwrap();
    assert_eq!(backend.tables().await.unwrap_err().kind(), ErrorKind::Corrupt);
    let error = backend.run(|t| t.create(&table())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn migrations_go_up_only() {
    let (_directory, config) = file();
    let backend = SqliteBackend::open(&config).unwrap();
    let reader = SqliteBackend::open(&config.clone().read_only(true)).unwrap();
    assert_eq!(reader.migrate(SchemaVersion(1)).await.unwrap_err().kind(), ErrorKind::ReadOnly);
    for _ in 0..2 {
        backend.migrate(crate::schema::SCHEMA_VERSION).await.unwrap();
    }
    reader.migrate(SchemaVersion(1)).await.unwrap();
    for backend in [&backend, &reader] {
        let error = backend.migrate(SchemaVersion(2)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaVersion);
        let error = backend.migrate(SchemaVersion(0)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaVersion);
    }
    let mut expected: Vec<TableSpec> =
        crate::schema::static_tables().iter().map(|table| (**table).clone()).collect();
    expected.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(backend.tables().await.unwrap(), expected);
}

#[tokio::test]
async fn a_full_disk_fails_only_who_fills_it() {
    let (_directory, config) = file();
    let backend = Arc::new(SqliteBackend::open(&config).unwrap());
    fill(&backend, 1).await;
    let limit = |state: &mut State| {
        let pages = state.session()?.integer("PRAGMA page_count")?;
        state.session()?.run(&format!("PRAGMA max_page_count = {}", pages + 40))?;
        // Others queue up behind this.
        std::thread::sleep(Duration::from_millis(200));
        Ok(())
    };
    let limited = backend.writer.as_ref().unwrap().call(limit);
    let insert = |key: i64| {
        let count = if key == 5 { 100_000 } else { 1 };
        backend.run(move |t| {
            t.insert(&table(), &rows(key * 1_000_000..key * 1_000_000 + count), OnConflict::Fail)
        })
    };
    let (limited, results) = futures::join!(limited, futures::future::join_all((1..10).map(insert)));
    limited.unwrap();
    for (key, result) in (1..10).zip(results) {
        match result {
            Ok(count) => assert!(count == 1 && key != 5),
            Err(error) => assert_eq!((key, error.kind()), (5, ErrorKind::Exhausted)),
        }
    }
    assert_eq!(count(&backend).await, 9);
}

#[tokio::test]
async fn a_file_of_another_application_is_left_alone() {
    let (_directory, config) = file();
    let place = Place::find(&config).unwrap();
    let mut theirs = SqliteSession::open(&place.url("mode=rw"), "").unwrap();
    theirs.run("PRAGMA application_id = 1196444487; CREATE TABLE theirs (a)").unwrap();
    drop(theirs);
    let backend = SqliteBackend::open(&config).unwrap();
    assert_eq!(backend.run(|t| t.create(&table())).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn nothing_is_left_of_a_temporary_database() {
    let backend = SqliteBackend::open(&SqliteConfig::temporary()).unwrap();
    let path = backend.place.path.parent().unwrap().to_owned();
    futures::executor::block_on(fill(&backend, 10));
    assert_eq!(futures::executor::block_on(count(&backend)), 10);
    assert!(path.exists());
    drop(backend);
    let began = Instant::now();
    while path.exists() {
        assert!(began.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn statements_are_forgotten_when_there_are_too_many() {
    let mut session = SqliteSession::open(":memory:", "").unwrap();
    for n in 0..1200 {
        assert_eq!(session.integer(&format!("SELECT {n}")).unwrap(), n);
    }
}
