//! Rows are changed.

use butler_core::backend::{ColumnType, OnDelete, TableRef, TableSpec};
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{Fixture, NULL, batch, fails, rows, things};

use ColumnType::{Int, Text};

fn spec() -> TableSpec {
    TableSpec::new("t", "")
        .column("a", Int, "")
        .column("b", Int, "")
        .nullable("name", Text, "")
        .nullable("size", Int, "")
        .primary_key(["b", "a"])
}

async fn filled(h: &dyn BackendHarness) -> Result<(Fixture, TableRef)> {
    let rows = batch!([a: Int, b: Int, name: Text, size: Int] [1, 1, "x", 1] [1, 2, "y", 2] [2, 1, "z", 3]);
    Fixture::with(h, spec(), rows).await
}

pub(super) async fn it_changes_the_given_columns_of_the_given_rows(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = filled(h).await?;
    assert_eq!(db.update(&table, batch!([size: Int, a: Int, b: Int] [20, 1, 2] [30, 2, 1])).await?, 2);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, 1, "x", 1] [1, 2, "y", 20] [2, 1, "z", 30]));
    Ok(())
}

pub(super) async fn it_can_set_null(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = filled(h).await?;
    assert_eq!(db.update(&table, batch!([a: Int, b: Int, name: Text] [1, 1, NULL] [1, 2, "v"])).await?, 2);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, 1, NULL, 1] [1, 2, "v", 2] [2, 1, "z", 3]));
    Ok(())
}

pub(super) async fn it_returns_the_number_of_rows_found(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = filled(h).await?;
    let some = batch!([a: Int, b: Int, size: Int] [1, 1, 1] [9, 9, 9] [1, 2, 5] [2, 2, 5]);
    assert_eq!(db.update(&table, some).await?, 2);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, 1, "x", 1] [1, 2, "y", 5] [2, 1, "z", 3]));
    Ok(())
}

pub(super) async fn the_key_alone_changes_nothing(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = filled(h).await?;
    let before = db.rows(table.scan()).await?;
    assert_eq!(db.update(&table, batch!([a: Int, b: Int] [1, 1] [1, 2] [3, 3])).await?, 2);
    assert_eq!(db.rows(table.scan()).await?, before);
    Ok(())
}

pub(super) async fn no_rows_are_no_error(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = filled(h).await?;
    assert_eq!(db.update(&table, batch!([a: Int, b: Int, size: Int])).await?, 0);
    Ok(())
}

pub(super) async fn the_last_of_a_batch_counts(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = filled(h).await?;
    let some = batch!([a: Int, b: Int, size: Int] [1, 1, 7] [2, 1, 7] [1, 1, 8] [1, 1, 9]);
    assert_eq!(db.update(&table, some).await?, 2);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, 1, "x", 9] [1, 2, "y", 2] [2, 1, "z", 7]));
    Ok(())
}

pub(super) async fn it_needs_the_whole_key(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = filled(h).await?;
    fails(db.update(&table, batch!([a: Int, size: Int] [1, 5])).await, ErrorKind::Argument);
    fails(db.update(&table, batch!([a: Int, b: Int, size: Int] [1, NULL, 5])).await, ErrorKind::Argument);
    Ok(())
}

pub(super) async fn columns_are_checked_as_for_insertion(h: &dyn BackendHarness) -> Result<()> {
    let spec = things().column("size", Int, "");
    let (db, table) = Fixture::with(h, spec, batch!([id: Int, size: Int] [1, 1])).await?;
    let update = |rows| db.update(&table, rows);
    fails(update(batch!([id: Int, other: Int] [1, 1])).await, ErrorKind::Argument);
    fails(update(batch!([id: Int, name: Int] [1, 1])).await, ErrorKind::Argument);
    fails(update(batch!([id: Int, size: Int] [1, NULL])).await, ErrorKind::Argument);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL, 1]));
    Ok(())
}

pub(super) async fn rules_still_count(h: &dyn BackendHarness) -> Result<()> {
    let (db, _) = Fixture::with(h, things(), batch!([id: Int] [1])).await?;
    let spec = spec().unique(["name"]).references(["size"], "thing", &["id"], OnDelete::Restrict);
    let table = db.create(spec).await?;
    db.insert(&table, batch!([a: Int, b: Int, name: Text] [1, 1, "x"] [2, 2, "y"])).await?;
    let update = |rows| db.update(&table, rows);
    fails(update(batch!([a: Int, b: Int, name: Text] [2, 2, "x"])).await, ErrorKind::ConflictingDefinition);
    fails(update(batch!([a: Int, b: Int, size: Int] [2, 2, 9])).await, ErrorKind::OrphanedRecord);
    assert_eq!(update(batch!([a: Int, b: Int, name: Text, size: Int] [2, 2, "y", 1])).await?, 1);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, 1, "x", NULL] [2, 2, "y", 1]));
    Ok(())
}
