//! Rows are streamed, in a snapshot and at the reader's pace.

use std::time::Duration;

use butler_core::backend::{
    Arithmetic, BackendExt, ColumnStream, OnConflict, OnDelete, Relation, RowBatch, Scalar, SortKey, TableRef,
};
use butler_core::{Error, ErrorKind, Result};
use futures::StreamExt;
use futures::future::join_all;

use super::BackendHarness;
use super::fixture::{
    Fixture, NULL, always, batch, col, fails, parts, rows, selected, sorted, streamed, things, values,
};

/// Streams at once.
const STREAMS: usize = 100;

fn many(rows: usize) -> RowBatch {
    let mut batch = batch!([id: Int]);
    for id in 0..rows {
        batch.columns_mut()[0].push_int(id as i64);
        batch.end_row();
    }
    batch
}

async fn filled(h: &dyn BackendHarness, rows: usize) -> Result<(Fixture, TableRef)> {
    Fixture::with(h, things(), many(rows)).await
}

/// Number of the rows that are left.
async fn drain(stream: &mut ColumnStream) -> Result<usize> {
    let mut count = 0;
    while let Some(batch) = stream.next().await {
        count += batch?.len();
    }
    Ok(count)
}

/// What must not wait for anything.
async fn promptly<T>(patience: Duration, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Err(Error::new(ErrorKind::Timeout, format!("{what} has to wait")));
    tokio::time::timeout(patience, work).await.unwrap_or_else(late)
}

pub(super) async fn all_rows_come(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = filled(h, h.large()).await?;
    let rows = db.rows(table.scan()).await?;
    let ids: Vec<_> = rows.iter().filter_map(|row| row[0].as_int()).collect();
    assert!(ids.iter().copied().eq(0..h.large() as i64), "{} rows", rows.len());
    let batches = db.backend.collect(table.scan()).await?;
    assert_eq!(batches.iter().map(|batch| batch.len()).sum::<usize>(), h.large());
    Ok(())
}

pub(super) async fn of_no_rows_there_is_an_end(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = filled(h, 0).await?;
    let mut stream = db.backend.stream(table.scan()).await?;
    assert_eq!(drain(&mut stream).await?, 0);
    assert!(stream.next().await.is_none());
    Ok(())
}

pub(super) async fn a_stream_is_a_snapshot(h: &dyn BackendHarness) -> Result<()> {
    let rows = h.large() / 5;
    let (db, table) = filled(h, rows).await?;
    let (mut unread, mut begun) =
        (db.backend.stream(table.scan()).await?, db.backend.stream(table.scan()).await?);
    let first = begun.next().await.transpose()?.map_or(0, |batch| batch.len());
    assert!(first > 0);
    db.delete(&table, table.scan().filter(col("id").ge(10))).await?;
    db.insert(&table, batch!([id: Int] [-1])).await?;
    assert_eq!(drain(&mut unread).await?, rows);
    assert_eq!(first + drain(&mut begun).await?, rows);
    assert_eq!(db.count(table.scan()).await?, 11);
    Ok(())
}

pub(super) async fn many_may_be_open_at_once(h: &dyn BackendHarness) -> Result<()> {
    let rows = h.large() / 10;
    let (db, table) = filled(h, rows).await?;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut stream =
            promptly(db.patience, "a stream among many", db.backend.stream(table.scan())).await?;
        let begun = async { stream.next().await.transpose() };
        let first = promptly(db.patience, "the first batch of one among many", begun).await?;
        streams.push((first.map_or(0, |batch| batch.len()), stream));
    }
    let counts = join_all(streams.iter_mut().map(|(first, stream)| async {
        let rest = promptly(db.patience, "the rest of one among many", drain(stream)).await?;
        Ok(*first + rest)
    }));
    let counts = counts.await.into_iter().collect::<Result<Vec<usize>>>()?;
    assert_eq!(counts, [rows; STREAMS]);
    Ok(())
}

pub(super) async fn idle_ones_do_not_hinder_writers(h: &dyn BackendHarness) -> Result<()> {
    let rows = h.large() / 5;
    let (db, table) = filled(h, rows).await?;
    let (mut begun, mut unread) =
        (db.backend.stream(table.scan()).await?, db.backend.stream(table.scan()).await?);
    let first = begun.next().await.transpose()?.map_or(0, |batch| batch.len());
    let other = db.create(parts(OnDelete::Cascade)).await?;
    for id in 0..20 {
        promptly(db.patience, "a writer", db.insert(&table, batch!([id: Int] [-1 - id]))).await?;
        promptly(db.patience, "a writer", db.insert(&other, batch!([part: Int, thing: Int] [id, -1 - id])))
            .await?;
    }
    promptly(db.patience, "a writer", db.update(&table, batch!([id: Int, name: Text] [1, "a"]))).await?;
    promptly(db.patience, "a writer", db.delete(&table, table.scan())).await?;
    assert_eq!(first + drain(&mut begun).await?, rows);
    assert_eq!(drain(&mut unread).await?, rows);
    Ok(())
}

pub(super) async fn ones_that_are_dropped_leave_nothing_behind(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = filled(h, h.large() / 5).await?;
    let pairs =
        table.scan().select(["id"]).join(table.scan().rename([("other", "id")]), col("id").gt(col("other")));
    let large = pairs.slice(vec![SortKey::ascending("id"), SortKey::ascending("other")], 0, Some(1));
    for round in 0..STREAMS {
        let mut stream = db.backend.stream(table.scan()).await?;
        if round % 2 == 0 {
            stream.next().await.transpose()?;
        }
    }
    if h.large() >= 100_000 {
        // Far from an end: 2 * 10^8 pairs.
        let opening = db.backend.stream(large);
        drop(tokio::time::timeout(Duration::from_millis(20), opening).await);
    }
    promptly(db.patience, "a reader", db.count(table.scan())).await?;
    promptly(db.patience, "a writer", db.insert(&table, batch!([id: Int] [-1]))).await?;
    promptly(db.patience, "who drops the table", db.drop_table(&table)).await
}

pub(super) async fn errors_are_not_swallowed(h: &dyn BackendHarness) -> Result<()> {
    let rows = h.large() / 10;
    let (db, table) = filled(h, rows).await?;
    db.insert(&table, batch!([id: Int] [i64::MAX])).await?;
    let next = col("id").arithmetic(Arithmetic::Add, 1);
    let relation = table.scan().project([("next", next)]);
    fails(streamed(&*db.backend, relation.clone()).await, ErrorKind::Argument);
    // An error is the last item, if it was not found at once.
    if let Ok(mut stream) = db.backend.stream(relation.clone()).await {
        let mut items = Vec::new();
        while let Some(item) = stream.next().await {
            items.push(item.is_ok());
        }
        assert_eq!(items.iter().position(|ok| !ok), Some(items.len() - 1));
    }
    db.refuses(relation, ErrorKind::Argument).await;
    assert_eq!(db.count(table.scan()).await?, rows as i64 + 1);
    Ok(())
}

pub(super) async fn unsound_relations_are_refused(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = filled(h, 1).await?;
    let scan = || table.scan();
    let unsound: [Relation; 6] = [
        scan().filter(col("missing").eq(1)),
        scan().filter(col("id")),
        scan().join(scan(), always()),
        scan().project([("a", col("id")), ("a", col("id"))]),
        Relation::union_all(vec![scan(), scan().select(["id"])]),
        scan().project([("a", Scalar::literal(f64::INFINITY))]),
    ];
    for relation in unsound {
        fails(db.backend.stream(relation.clone()).await.map(drop), ErrorKind::Argument);
        fails(db.backend.explain(relation.clone()).await, ErrorKind::Argument);
        let in_transaction =
            db.run(move |t| t.select(&relation, &mut |_| std::ops::ControlFlow::Continue(())));
        fails(in_transaction.await, ErrorKind::Argument);
    }
    Ok(())
}

pub(super) async fn a_transaction_reads_beside_them(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = filled(h, 3).await?;
    let mut stream = db.backend.stream(table.scan()).await?;
    let inner = table.clone();
    let seen = db.run(move |t| {
        t.insert(&inner, &batch!([id: Int] [7]), OnConflict::Fail)?;
        selected(t, &inner.scan())
    });
    assert_eq!(sorted(seen.await?), rows!([0, NULL] [1, NULL] [2, NULL] [7, NULL]));
    assert_eq!(drain(&mut stream).await?, 3);
    Ok(())
}

pub(super) async fn a_relation_is_explained(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = filled(h, 1).await?;
    let counted = table.scan().rename([("other", "id")]).filter(col("other").gt(0));
    let relation = table.scan().semi(counted, col("id").eq(col("other"))).distinct().count();
    assert!(!db.backend.explain(relation).await?.trim().is_empty());
    assert!(!db.backend.explain(values(batch!([x: Int] [1]))).await?.trim().is_empty());
    Ok(())
}
