//! Transactions happen as a whole or not at all, and parts of them too.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use butler_core::backend::{BackendExt, OnConflict, OnDelete, Relation, Strength, TableRef, Transaction};
use butler_core::{Error, ErrorKind, Result, Retry};
use futures::FutureExt;
use futures::channel::mpsc as signals;
use futures::future::{Either, select};
use futures::{StreamExt, pin_mut};

use super::BackendHarness;
use super::fixture::{
    Fixture, NULL, Rows, always, batch, fails, made_up, parts, rows, selected, streamed, things, values,
};

async fn empty(h: &dyn BackendHarness) -> Result<(Fixture, TableRef)> {
    Fixture::with(h, things(), batch!([id: Int])).await
}

fn put(t: &mut dyn Transaction, table: &TableRef, id: i64) -> Result<()> {
    t.insert(table, &batch!([id: Int] [id]), OnConflict::Fail).map(drop)
}

fn busy() -> Error {
    Error::new(ErrorKind::Busy, "the body is busy")
}

pub(super) async fn a_failed_one_changes_nothing(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int, name: Text] [1, "a"] [2, "b"])).await?;
    let inner = table.clone();
    let outcome = db.run::<()>(move |t| {
        put(t, &inner, 3)?;
        t.update(&inner, &batch!([id: Int, name: Text] [1, "z"]))?;
        t.delete(&inner, &values(batch!([id: Int] [2])))?;
        t.sync(&inner, &batch!([id: Int] [4]))?;
        Err(made_up())
    });
    fails(outcome.await, ErrorKind::Interrupted);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, "a"] [2, "b"]));
    Ok(())
}

pub(super) async fn the_error_of_the_body_comes_back(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let cause =
        || Error::new(ErrorKind::CollectionCycle, "a chain").with_hint("cut it").with_context("chain", "c");
    let error = db.run::<()>(move |_| Err(cause())).await.err();
    assert_eq!(error.as_ref().map(Error::kind), Some(ErrorKind::CollectionCycle));
    assert_eq!(error.as_ref().map(Error::message), Some("a chain"));
    assert_eq!(error.as_ref().and_then(Error::hint), Some("cut it"));
    assert!(error.is_some_and(|error| error.context().contains(&("chain", "c".to_owned()))));
    Ok(())
}

pub(super) async fn calls_see_those_before_them(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = empty(h).await?;
    let inner = table.clone();
    let seen = db.run(move |t| {
        let mut seen = Vec::new();
        put(t, &inner, 1)?;
        seen.push(selected(t, &inner.scan())?);
        t.update(&inner, &batch!([id: Int, name: Text] [1, "a"]))?;
        seen.push(selected(t, &inner.scan())?);
        t.delete(&inner, &inner.scan())?;
        seen.push(selected(t, &inner.scan())?);
        Ok(seen)
    });
    assert_eq!(seen.await?, [rows!([1, NULL]), rows!([1, "a"]), rows!()]);
    Ok(())
}

pub(super) async fn others_see_nothing_before_the_end(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1])).await?;
    let other = db.namespace.open().await?;
    let (started, mut has_started) = signals::unbounded();
    let (release, released) = mpsc::channel();
    let (inner, patience) = (table.clone(), db.patience);
    let write = db.run(move |t| {
        put(t, &inner, 2)?;
        t.delete(&inner, &values(batch!([id: Int] [1])))?;
        started.unbounded_send(()).ok();
        released
            .recv_timeout(patience)
            .map_err(|_| Error::new(ErrorKind::Timeout, "a reader waits for a writer"))
    });
    let look = async {
        has_started.next().await;
        let seen = (
            streamed(&*db.backend, table.scan()).await,
            streamed(&*other, table.scan()).await,
            other.tables().await.map(|tables| tables.len()),
        );
        release.send(()).ok();
        seen
    };
    let (written, (here, there, tables)) = futures::join!(write, look);
    written?;
    assert_eq!((here?, there?, tables?), (rows!([1, NULL]), rows!([1, NULL]), 1));
    assert_eq!(streamed(&*other, table.scan()).await?, rows!([2, NULL]));
    Ok(())
}

pub(super) async fn a_savepoint_is_undone_alone(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = empty(h).await?;
    let inner = table.clone();
    db.run(move |t| {
        put(t, &inner, 1)?;
        let outcome = t.savepoint(&mut |t| {
            put(t, &inner, 2)?;
            Err(made_up())
        });
        fails(outcome, ErrorKind::Interrupted);
        put(t, &inner, 3)?;
        assert_eq!(selected(t, &inner.scan())?.len(), 2);
        Ok(())
    })
    .await?;
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL] [3, NULL]));
    Ok(())
}

pub(super) async fn a_savepoint_that_succeeds_stays(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = empty(h).await?;
    let inner = table.clone();
    db.run(move |t| {
        t.savepoint(&mut |t| put(t, &inner, 1))?;
        assert_eq!(selected(t, &inner.scan())?.len(), 1);
        t.savepoint(&mut |t| put(t, &inner, 2))
    })
    .await?;
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL] [2, NULL]));
    Ok(())
}

pub(super) async fn savepoints_nest(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = empty(h).await?;
    let inner = table.clone();
    db.run(move |t| {
        put(t, &inner, 1)?;
        t.savepoint(&mut |t| {
            put(t, &inner, 2)?;
            fails(
                t.savepoint(&mut |t| {
                    put(t, &inner, 3)?;
                    t.savepoint(&mut |t| put(t, &inner, 4))?;
                    put(t, &inner, 1)
                }),
                ErrorKind::ConflictingDefinition,
            );
            put(t, &inner, 5)
        })?;
        let outer = t.savepoint(&mut |t| {
            t.savepoint(&mut |t| put(t, &inner, 6))?;
            Err(made_up())
        });
        fails(outer, ErrorKind::Interrupted);
        put(t, &inner, 3)
    })
    .await?;
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL] [2, NULL] [3, NULL] [5, NULL]));
    Ok(())
}

pub(super) async fn a_savepoint_goes_with_its_transaction(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = empty(h).await?;
    let inner = table.clone();
    let outcome = db.run::<()>(move |t| {
        t.savepoint(&mut |t| put(t, &inner, 1))?;
        Err(made_up())
    });
    fails(outcome.await, ErrorKind::Interrupted);
    assert_eq!(db.rows(table.scan()).await?, rows!());
    Ok(())
}

pub(super) async fn it_goes_on_after_a_failed_savepoint(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int, name: Text] [1, "a"])).await?;
    let inner = table.clone();
    db.run(move |t| {
        fails(t.savepoint(&mut |t| put(t, &inner, 1)), ErrorKind::ConflictingDefinition);
        fails(
            t.savepoint(&mut |t| t.delete(&inner, &values(batch!([x: Int]))).map(drop)),
            ErrorKind::Argument,
        );
        assert_eq!(t.update(&inner, &batch!([id: Int, name: Text] [1, "b"]))?, 1);
        put(t, &inner, 2)
    })
    .await?;
    assert_eq!(db.rows(table.scan()).await?, rows!([1, "b"] [2, NULL]));
    Ok(())
}

/// One database would go on, the other would not: neither may.
pub(super) async fn a_failed_call_ends_it(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1])).await?;
    let inner = table.clone();
    let outcome = db.run(move |t| {
        put(t, &inner, 2)?;
        fails(put(t, &inner, 1), ErrorKind::ConflictingDefinition);
        assert!(put(t, &inner, 3).is_err(), "a call after a failed one succeeds");
        assert!(selected(t, &inner.scan()).is_err(), "a call after a failed one succeeds");
        assert!(t.savepoint(&mut |_| Ok(())).is_err(), "a savepoint after a failed call succeeds");
        Ok(())
    });
    fails(outcome.await, ErrorKind::ConflictingDefinition);
    let inner = table.clone();
    let outcome = db.run(move |t| {
        put(t, &inner, 2)?;
        fails(t.insert(&inner, &batch!([other: Int] [1]), OnConflict::Fail), ErrorKind::Argument);
        put(t, &inner, 3).ok();
        Ok(())
    });
    fails(outcome.await, ErrorKind::Argument);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL]));
    Ok(())
}

pub(super) async fn a_failed_call_ends_its_savepoint(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1])).await?;
    let inner = table.clone();
    db.run(move |t| {
        let part = t.savepoint(&mut |t| {
            put(t, &inner, 2)?;
            put(t, &inner, 1).ok();
            put(t, &inner, 3).ok();
            Ok(())
        });
        fails(part, ErrorKind::ConflictingDefinition);
        put(t, &inner, 4)
    })
    .await?;
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL] [4, NULL]));
    Ok(())
}

pub(super) async fn temporary_failures_are_repeated(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = empty(h).await?;
    let (inner, runs) = (table.clone(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&runs);
    let result = db.run(move |t| {
        put(t, &inner, 1)?;
        match counter.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => Err(busy()),
            run => Ok(run),
        }
    });
    assert_eq!(result.await?, 2);
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL]));
    Ok(())
}

pub(super) async fn temporary_failures_are_given_up(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = empty(h).await?;
    let (inner, runs) = (table.clone(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&runs);
    let outcome = db.run::<()>(move |t| {
        counter.fetch_add(1, Ordering::SeqCst);
        put(t, &inner, 1)?;
        Err(busy())
    });
    let error = outcome.await.err();
    assert_eq!(error.map(|error| (error.kind(), error.retry())), Some((ErrorKind::Busy, Retry::Exhausted)));
    assert!(runs.load(Ordering::SeqCst) >= 3);
    assert_eq!(db.rows(table.scan()).await?, rows!());
    Ok(())
}

pub(super) async fn permanent_failures_are_not_repeated(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let outcome = db.run::<()>(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        Err(made_up())
    });
    assert_eq!(outcome.await.err().map(|error| error.retry()), Some(Retry::Permanent));
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    Ok(())
}

pub(super) async fn a_panic_undoes_it(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = empty(h).await?;
    let inner = table.clone();
    let panicking = db.backend.transaction(Box::new(move |t| {
        put(t, &inner, 1)?;
        // Quieter than a panic that is not expected.
        std::panic::resume_unwind(Box::new("the body panics, as it should"));
    }));
    // The panic may be an error, or go on.
    assert!(!matches!(AssertUnwindSafe(panicking).catch_unwind().await, Ok(Ok(()))));
    assert_eq!(db.rows(table.scan()).await?, rows!());
    db.insert(&table, batch!([id: Int] [2])).await?;
    assert_eq!(db.rows(table.scan()).await?, rows!([2, NULL]));
    Ok(())
}

/// Whether it commits or not, it does so as a whole, and stands in nobody's way.
pub(super) async fn a_dropped_one_is_whole_or_nothing(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = empty(h).await?;
    let (started, mut has_started) = signals::unbounded();
    let (release, released) = mpsc::channel();
    let (inner, patience) = (table.clone(), db.patience);
    {
        let write = db.run(move |t| {
            put(t, &inner, 1)?;
            started.unbounded_send(()).ok();
            released.recv_timeout(patience).map_err(|_| Error::new(ErrorKind::Timeout, "not released"))?;
            put(t, &inner, 2)
        });
        pin_mut!(write);
        match select(write, has_started.next()).await {
            Either::Left(_) => assert_eq!(db.count(table.scan()).await?, 2, "it ends before it may"),
            Either::Right(_) => {}
        }
    }
    let count = table.scan().count().rename([("first", "count")]);
    let counts = || count.clone().join(table.scan().count(), always());
    let halves = |rows: &Rows| rows[0][0] != 0_i64.into() && rows[0][0] != 2_i64.into();
    assert!(!halves(&streamed(&*db.backend, counts()).await?), "half of it is there");
    release.send(()).ok();
    db.insert(&table, batch!([id: Int] [3])).await?;
    db.delete(&table, values(batch!([id: Int] [3]))).await?;
    for _ in 0..10 {
        assert!(!halves(&streamed(&*db.backend, counts()).await?), "half of it is there");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

pub(super) async fn reading_stops_when_told(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = empty(h).await?;
    let mut many = batch!([id: Int]);
    for id in 0..h.large() {
        many.columns_mut()[0].push_int(id as i64);
        many.end_row();
    }
    let inner = table.clone();
    let calls = db.run(move |t| {
        t.insert(&inner, &many, OnConflict::Fail)?;
        let mut calls = 0;
        t.select(&inner.scan(), &mut |_| {
            calls += 1;
            std::ops::ControlFlow::Break(())
        })?;
        put(t, &inner, -1)?;
        Ok(calls)
    });
    assert_eq!(calls.await?, 1);
    Ok(())
}

pub(super) async fn rows_can_be_locked(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1] [2])).await?;
    for strength in [Strength::KeyShare, Strength::Update] {
        let inner = table.clone();
        db.run(move |t| {
            t.lock(&inner, &values(batch!([id: Int] [1] [1] [7])), strength)?;
            t.lock(&inner, &values(batch!([id: Int])), strength)?;
            t.lock(&inner, &inner.scan(), strength)?;
            t.update(&inner, &batch!([id: Int, name: Text] [1, "a"]))
        })
        .await?;
        let inner = table.clone();
        let unsound = db.run(move |t| t.lock(&inner, &values(batch!([name: Text] ["a"])), strength));
        fails(unsound.await, ErrorKind::Argument);
    }
    assert_eq!(db.rows(table.scan()).await?, rows!([1, "a"] [2, NULL]));
    Ok(())
}

pub(super) async fn one_opened_for_reading_only_reads(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1])).await?;
    assert!(!db.backend.capabilities().read_only);
    let Some(reader) = db.namespace.open_read_only().await? else { return Ok(()) };
    assert!(reader.capabilities().read_only);
    assert_eq!(streamed(&*reader, table.scan()).await?, rows!([1, NULL]));
    let inner = table.clone();
    assert_eq!(reader.run(move |t| selected(t, &inner.scan())).await?, rows!([1, NULL]));
    assert_eq!(reader.tables().await?.len(), 1);
    db.insert(&table, batch!([id: Int] [2])).await?;
    assert_eq!(streamed(&*reader, table.scan()).await?, rows!([1, NULL] [2, NULL]));
    let large: Relation = values(batch!([x: Int] [1])).join(table.scan(), always());
    assert_eq!(streamed(&*reader, large).await?.len(), 2);
    Ok(())
}

pub(super) async fn one_opened_for_reading_only_refuses_to_write(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1])).await?;
    let Some(reader) = db.namespace.open_read_only().await? else { return Ok(()) };
    type Write = fn(&mut dyn Transaction, &TableRef) -> Result<()>;
    let writes: [Write; 6] = [
        |t, table| put(t, table, 2),
        |t, table| t.sync(table, &batch!([id: Int] [2])).map(drop),
        |t, table| t.update(table, &batch!([id: Int, name: Text] [1, "a"])).map(drop),
        |t, table| t.delete(table, &table.scan()).map(drop),
        |t, _| t.create(&parts(OnDelete::Cascade)),
        |t, table| t.drop_table(table),
    ];
    for write in writes {
        let inner = table.clone();
        fails(reader.run(move |t| write(t, &inner)).await, ErrorKind::ReadOnly);
    }
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL]));
    Ok(())
}
