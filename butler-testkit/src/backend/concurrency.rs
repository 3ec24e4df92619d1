//! Transactions at once do not harm each other.

use std::sync::Arc;

use butler_core::backend::{
    Backend, BackendExt, ColumnType, OnConflict, OnDelete, Strength, TableRef, TableSpec, Transaction,
};
use butler_core::{Error, ErrorKind, Result};
use futures::future::join_all;

use super::BackendHarness;
use super::fixture::{Fixture, batch, col, parts, rows, selected, things, values};

use ColumnType::{Int, Text};

/// Transactions at once.
const WRITERS: i64 = 12;

/// Handles to a namespace for so many writers: two, shared by all.
async fn handles(db: &Fixture) -> Result<Vec<Arc<dyn Backend>>> {
    let other = db.namespace.open().await?;
    Ok((0..WRITERS).map(|i| if i % 2 == 0 { Arc::clone(&db.backend) } else { Arc::clone(&other) }).collect())
}

/// How many succeed, after a check that the others fail in one way.
fn winners<T>(outcomes: Vec<Result<T>>, kind: ErrorKind) -> usize {
    let kinds: Vec<ErrorKind> = outcomes.iter().filter_map(|o| o.as_ref().err()).map(Error::kind).collect();
    assert!(kinds.iter().all(|other| *other == kind), "{kinds:?}");
    outcomes.len() - kinds.len()
}

pub(super) async fn increments_are_not_lost(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("counter", "").column("id", Int, "").column("n", Int, "").primary_key(["id"]);
    let (db, table) = Fixture::with(h, spec, batch!([id: Int, n: Int] [1, 0])).await?;
    let handles = handles(&db).await?;
    for _ in 0..3 {
        let writers = handles.iter().map(|backend| {
            let table = table.clone();
            backend.run(move |t| {
                t.lock(&table, &values(batch!([id: Int] [1])), Strength::Update)?;
                let n = selected(t, &table.scan())?[0][1].as_int().unwrap_or_default();
                t.update(&table, &batch!([id: Int, n: Int] [1, n + 1]))
            })
        });
        join_all(writers).await.into_iter().collect::<Result<Vec<_>>>()?;
    }
    assert_eq!(db.rows(table.scan()).await?, rows!([1, 3 * WRITERS]));
    Ok(())
}

pub(super) async fn of_equal_inserts_one_succeeds(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("named", "").identity("id", "").column("name", Text, "").unique(["name"]);
    let db = Fixture::new(h).await?;
    let (named, thing) = (db.create(spec).await?, db.create(things()).await?);
    let handles = handles(&db).await?;
    for (table, row) in [(named, batch!([name: Text] ["a"])), (thing, batch!([id: Int] [1]))] {
        let writers = handles.iter().map(|backend| {
            let (table, row) = (table.clone(), row.clone());
            backend.run(move |t| t.insert(&table, &row, OnConflict::Fail))
        });
        assert_eq!(winners(join_all(writers).await, ErrorKind::ConflictingDefinition), 1);
        assert_eq!(db.count(table.scan()).await?, 1);
    }
    Ok(())
}

pub(super) async fn equal_rows_are_ignored_by_all_but_one(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let table = db.create(things()).await?;
    let writers = handles(&db).await?.into_iter().map(|backend| {
        let table = table.clone();
        async move {
            let rows = batch!([id: Int] [1] [2] [3]);
            backend.run(move |t| t.insert(&table, &rows, OnConflict::Ignore)).await
        }
    });
    let counts = join_all(writers).await.into_iter().collect::<Result<Vec<u64>>>()?;
    assert_eq!(counts.iter().sum::<u64>(), 3);
    assert_eq!(db.count(table.scan()).await?, 3);
    Ok(())
}

pub(super) async fn all_who_sync_a_key_get_one_row(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("named", "").identity("id", "").column("name", Text, "").column("by", Int, "");
    let db = Fixture::new(h).await?;
    let table = db.create(spec.unique(["name"])).await?;
    let writers = handles(&db).await?.into_iter().zip(0_i64..).map(|(backend, writer)| {
        let table = table.clone();
        async move { backend.run(move |t| t.sync(&table, &batch!([name: Text, by: Int] ["a", writer]))).await }
    });
    let synced = join_all(writers).await.into_iter().collect::<Result<Vec<_>>>()?;
    assert_eq!(synced.iter().filter(|synced| synced.inserted).count(), 1);
    assert!(synced.iter().all(|other| other.row == synced[0].row), "{synced:?}");
    assert_eq!(db.rows(table.scan()).await?, [synced[0].row.clone()]);
    Ok(())
}

pub(super) async fn all_who_create_a_table_succeed(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let handles = handles(&db).await?;
    for name in ["t1", "t2", "t3"] {
        let spec = TableSpec::new(name, "").identity("id", "").column("name", Text, "").unique(["name"]);
        let table = TableRef::from(spec.index(["name", "id"]));
        let writers = handles.iter().zip(0_i64..).map(|(backend, writer)| {
            let table = table.clone();
            backend.run(move |t| {
                t.create(&table)?;
                t.insert(&table, &batch!([name: Text] [format!("{writer}")]), OnConflict::Fail)
            })
        });
        join_all(writers).await.into_iter().collect::<Result<Vec<_>>>()?;
        assert_eq!(db.count(table.scan()).await?, WRITERS);
    }
    Ok(())
}

pub(super) async fn of_overlapping_ranges_one_succeeds(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let spec = TableSpec::new("t", "").column("id", Int, "").column("a", Int, "").column("b", Int, "");
    let table = db.create(spec.primary_key(["id"]).exclude([""; 0], "a", "b")).await?;
    if !db.backend.capabilities().exclusion {
        return Ok(());
    }
    let writers = handles(&db).await?.into_iter().zip(0_i64..).map(|(backend, id)| {
        let table = table.clone();
        let row = batch!([id: Int, a: Int, b: Int] [id, id, 100 + id]);
        async move { backend.run(move |t| t.insert(&table, &row, OnConflict::Fail)).await }
    });
    assert_eq!(winners(join_all(writers).await, ErrorKind::ConflictingDefinition), 1);
    Ok(())
}

pub(super) async fn no_row_refers_to_one_that_went(h: &dyn BackendHarness) -> Result<()> {
    let (db, thing) = Fixture::with(h, things(), batch!([id: Int] [1] [2] [3] [4] [5] [6])).await?;
    let part = db.create(parts(OnDelete::Restrict)).await?;
    let handles = handles(&db).await?;
    let writers = handles.iter().zip(0_i64..).map(|(backend, writer)| {
        let (thing, part, id) = (thing.clone(), part.clone(), writer / 2 + 1);
        backend.run(move |t| {
            if writer % 2 == 0 {
                t.insert(&part, &batch!([part: Int, thing: Int] [writer, id]), OnConflict::Fail)
            } else {
                t.delete(&thing, &values(batch!([id: Int] [id])))
            }
        })
    });
    assert_eq!(winners(join_all(writers).await, ErrorKind::OrphanedRecord), 6);
    let orphans = part.scan().anti(thing.scan(), col("thing").eq(col("id")));
    assert_eq!(db.count(orphans).await?, 0);
    Ok(())
}

/// Who refers to a row without a foreign key locks it, and so does who removes it.
pub(super) async fn locks_of_a_row_keep_it_for_who_refers_to_it(h: &dyn BackendHarness) -> Result<()> {
    let (db, thing) = Fixture::with(h, things(), batch!([id: Int] [1] [2] [3] [4] [5] [6])).await?;
    let spec = TableSpec::new("loose", "").column("thing", Int, "").primary_key(["thing"]);
    let loose = db.create(spec).await?;
    let handles = handles(&db).await?;
    let writers = handles.iter().zip(0_i64..).map(|(backend, writer)| {
        let (thing, loose, id) = (thing.clone(), loose.clone(), writer / 2 + 1);
        backend.run(move |t| {
            let wanted = values(batch!([id: Int] [id]));
            let found = |t: &mut dyn Transaction, table: &TableRef, column: &str| {
                selected(t, &table.scan().filter(col(column).eq(id))).map(|rows| !rows.is_empty())
            };
            if writer % 2 == 0 {
                t.lock(&thing, &wanted, Strength::KeyShare)?;
                if found(t, &thing, "id")? {
                    t.insert(&loose, &batch!([thing: Int] [id]), OnConflict::Fail)?;
                }
            } else {
                t.lock(&thing, &wanted, Strength::Update)?;
                if !found(t, &loose, "thing")? {
                    t.delete(&thing, &wanted)?;
                }
            }
            Ok(())
        })
    });
    join_all(writers).await.into_iter().collect::<Result<Vec<_>>>()?;
    let orphans = loose.scan().anti(thing.scan(), col("thing").eq(col("id")));
    assert_eq!(db.count(orphans).await?, 0);
    assert_eq!(db.count(thing.scan()).await?, db.count(loose.scan()).await?);
    Ok(())
}

/// Two who refer to one row, where two may write at all: each waits for the other to have its lock.
pub(super) async fn locks_of_who_refers_are_shared(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1])).await?;
    if !db.backend.capabilities().concurrent_writers {
        return Ok(());
    }
    let (ours, theirs) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
    let patience = db.patience;
    let writers = [(ours.0, theirs.1), (theirs.0, ours.1)].map(|(say, hear)| {
        let table = table.clone();
        db.run(move |t| {
            t.lock(&table, &values(batch!([id: Int] [1])), Strength::KeyShare)?;
            say.send(()).ok();
            hear.recv_timeout(patience)
                .map_err(|_| Error::new(ErrorKind::Timeout, "a shared lock is not shared"))
        })
    });
    join_all(writers).await.into_iter().collect()
}
