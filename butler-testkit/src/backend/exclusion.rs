//! Ranges do not overlap, where the backend says that it sees to it.

use butler_core::backend::{ColumnType, OnConflict, RowBatch, TableRef, TableSpec};
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{Fixture, NULL, batch, fails, rows, values};

use ColumnType::{Int, Text};

fn spec() -> TableSpec {
    TableSpec::new("ranged", "")
        .column("id", Int, "")
        .column("detector", Int, "")
        .nullable("filter", Text, "")
        .column("since", Int, "")
        .column("until", Int, "")
        .primary_key(["id"])
        .exclude(["detector", "filter"], "since", "until")
}

fn row(id: i64, detector: i64, since: i64, until: i64) -> RowBatch {
    batch!([id: Int, detector: Int, filter: Text, since: Int, until: Int] [id, detector, "r", since, until])
}

/// Nothing, if the backend leaves the rule to the writer.
async fn enforced(h: &dyn BackendHarness) -> Result<Option<(Fixture, TableRef)>> {
    let (db, table) = Fixture::with(h, spec(), row(1, 1, 10, 20)).await?;
    Ok(db.backend.capabilities().exclusion.then_some((db, table)))
}

pub(super) async fn without_the_capability_rows_are_not_compared(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, spec(), row(1, 1, 10, 20)).await?;
    if !db.backend.capabilities().exclusion {
        assert_eq!(db.insert(&table, row(2, 1, 15, 25)).await?, 1);
    } else {
        fails(db.insert(&table, row(2, 1, 15, 25)).await, ErrorKind::ConflictingDefinition);
    }
    Ok(())
}

pub(super) async fn overlapping_ranges_conflict(h: &dyn BackendHarness) -> Result<()> {
    let Some((db, table)) = enforced(h).await? else { return Ok(()) };
    for (since, until) in
        [(10, 20), (12, 15), (5, 25), (5, 11), (19, 30), (10, 11), (19, 20), (i64::MIN, i64::MAX)]
    {
        fails(db.insert(&table, row(2, 1, since, until)).await, ErrorKind::ConflictingDefinition);
    }
    assert_eq!(db.count(table.scan()).await?, 1);
    Ok(())
}

pub(super) async fn touching_ranges_do_not(h: &dyn BackendHarness) -> Result<()> {
    let Some((db, table)) = enforced(h).await? else { return Ok(()) };
    db.insert(&table, row(2, 1, 20, 30)).await?;
    db.insert(&table, row(3, 1, 0, 10)).await?;
    db.insert(&table, row(4, 1, 30, i64::MAX)).await?;
    db.insert(&table, row(5, 1, i64::MIN, 0)).await?;
    fails(db.insert(&table, row(6, 1, i64::MAX - 1, i64::MAX)).await, ErrorKind::ConflictingDefinition);
    fails(db.insert(&table, row(6, 1, i64::MIN, i64::MIN + 1)).await, ErrorKind::ConflictingDefinition);
    Ok(())
}

pub(super) async fn rows_that_do_not_agree_may_overlap(h: &dyn BackendHarness) -> Result<()> {
    let Some((db, table)) = enforced(h).await? else { return Ok(()) };
    db.insert(&table, row(2, 2, 10, 20)).await?;
    let other = batch!([id: Int, detector: Int, filter: Text, since: Int, until: Int] [3, 1, "g", 10, 20]);
    db.insert(&table, other).await?;
    fails(db.insert(&table, row(4, 2, 0, 100)).await, ErrorKind::ConflictingDefinition);
    Ok(())
}

pub(super) async fn null_does_not_agree_with_null(h: &dyn BackendHarness) -> Result<()> {
    let Some((db, table)) = enforced(h).await? else { return Ok(()) };
    let columns = |id: i64| batch!([id: Int, detector: Int, filter: Text, since: Int, until: Int] [id, 1, NULL, 10, 20]);
    db.insert(&table, columns(2)).await?;
    db.insert(&table, columns(3)).await?;
    assert_eq!(db.count(table.scan()).await?, 3);
    Ok(())
}

pub(super) async fn without_equal_columns_all_rows_agree(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let spec = TableSpec::new("t", "").column("a", Int, "").column("b", Int, "").primary_key(["a"]);
    let table = db.create(spec.exclude([""; 0], "a", "b")).await?;
    db.insert(&table, batch!([a: Int, b: Int] [0, 10] [10, 20])).await?;
    if db.backend.capabilities().exclusion {
        fails(db.insert(&table, batch!([a: Int, b: Int] [5, 6])).await, ErrorKind::ConflictingDefinition);
    }
    Ok(())
}

pub(super) async fn empty_ranges_are_refused(h: &dyn BackendHarness) -> Result<()> {
    let Some((db, table)) = enforced(h).await? else { return Ok(()) };
    for (since, until) in [(30, 30), (31, 30), (i64::MAX, i64::MIN), (i64::MAX, i64::MAX)] {
        fails(db.insert(&table, row(2, 1, since, until)).await, ErrorKind::Argument);
        fails(db.insert_on(&table, row(2, 9, since, until), OnConflict::Ignore).await, ErrorKind::Argument);
    }
    fails(db.update(&table, batch!([id: Int, until: Int] [1, 10])).await, ErrorKind::Argument);
    assert_eq!(db.count(table.scan()).await?, 1);
    Ok(())
}

pub(super) async fn ranges_of_one_batch_conflict(h: &dyn BackendHarness) -> Result<()> {
    let Some((db, table)) = enforced(h).await? else { return Ok(()) };
    let rows = batch!([id: Int, detector: Int, filter: Text, since: Int, until: Int]
        [2, 7, "r", 0, 10] [3, 7, "r", 20, 30] [4, 7, "r", 5, 25]);
    fails(db.insert(&table, rows).await, ErrorKind::ConflictingDefinition);
    Ok(())
}

pub(super) async fn changed_ranges_are_checked(h: &dyn BackendHarness) -> Result<()> {
    let Some((db, table)) = enforced(h).await? else { return Ok(()) };
    db.insert(&table, row(2, 1, 20, 30)).await?;
    fails(db.update(&table, batch!([id: Int, since: Int] [2, 19])).await, ErrorKind::ConflictingDefinition);
    fails(
        db.insert_on(&table, row(2, 1, 0, 11), OnConflict::Replace).await,
        ErrorKind::ConflictingDefinition,
    );
    fails(db.update(&table, batch!([id: Int, until: Int] [1, 21])).await, ErrorKind::ConflictingDefinition);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, 1, "r", 10, 20] [2, 1, "r", 20, 30]));
    Ok(())
}

pub(super) async fn a_row_does_not_conflict_with_what_it_was(h: &dyn BackendHarness) -> Result<()> {
    let Some((db, table)) = enforced(h).await? else { return Ok(()) };
    assert_eq!(db.update(&table, batch!([id: Int, since: Int, until: Int] [1, 15, 25])).await?, 1);
    assert_eq!(db.insert_on(&table, row(1, 1, 20, 22), OnConflict::Replace).await?, 1);
    assert_eq!(db.insert(&table, row(2, 1, 10, 20)).await?, 1);
    let gone = values(batch!([id: Int] [1]));
    assert_eq!(db.delete(&table, gone).await?, 1);
    assert_eq!(db.insert(&table, row(3, 1, 20, 30)).await?, 1);
    Ok(())
}
