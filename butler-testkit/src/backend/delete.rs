//! Rows are deleted.

use butler_core::backend::{ColumnType, Relation, SortKey, TableRef, TableSpec};
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{Fixture, NULL, batch, col, fails, lit, rows, things, values};

use ColumnType::{Int, Text};

async fn pairs(h: &dyn BackendHarness) -> Result<(Fixture, TableRef)> {
    let spec = TableSpec::new("t", "").column("a", Int, "").column("b", Text, "").nullable("size", Int, "");
    let rows = batch!([a: Int, b: Text, size: Int] [1, "x", 5] [1, "y", 6] [2, "x", 7] [2, "y", NULL]);
    Fixture::with(h, spec.primary_key(["b", "a"]), rows).await
}

pub(super) async fn it_deletes_the_rows_of_the_relation(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1] [2] [3] [4])).await?;
    assert_eq!(db.delete(&table, values(batch!([id: Int] [2] [4]))).await?, 2);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL] [3, NULL]));
    Ok(())
}

pub(super) async fn keys_that_are_not_there_are_no_error(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1] [2])).await?;
    assert_eq!(db.delete(&table, values(batch!([id: Int] [2] [7] [-1]))).await?, 1);
    assert_eq!(db.delete(&table, values(batch!([id: Int] [2]))).await?, 0);
    assert_eq!(db.delete(&table, values(batch!([id: Int]))).await?, 0);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL]));
    Ok(())
}

pub(super) async fn repeated_keys_count_once(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1] [2])).await?;
    assert_eq!(db.delete(&table, values(batch!([id: Int] [1] [1] [1]))).await?, 1);
    Ok(())
}

pub(super) async fn null_matches_no_key(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = pairs(h).await?;
    let some = values(batch!([a: Int, b: Text] [1, NULL] [NULL, "x"] [NULL, NULL] [2, "y"]));
    assert_eq!(db.delete(&table, some).await?, 1);
    assert_eq!(db.count(table.scan()).await?, 3);
    Ok(())
}

pub(super) async fn keys_match_as_a_whole(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = pairs(h).await?;
    assert_eq!(db.delete(&table, values(batch!([b: Text, a: Int] ["x", 1] ["y", 2]))).await?, 2);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, "y", 6] [2, "x", 7]));
    Ok(())
}

pub(super) async fn the_relation_may_have_more_columns(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = pairs(h).await?;
    let more = values(batch!([size: Text, a: Int, c: Int, b: Text] ["1", 1, 2, "x"]));
    assert_eq!(db.delete(&table, more).await?, 1);
    assert_eq!(db.delete(&table, table.scan().filter(col("size").eq(6))).await?, 1);
    assert_eq!(db.rows(table.scan()).await?, rows!([2, "x", 7] [2, "y", NULL]));
    Ok(())
}

pub(super) async fn the_relation_needs_the_key(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = pairs(h).await?;
    fails(db.delete(&table, values(batch!([a: Int] [1]))).await, ErrorKind::Argument);
    fails(db.delete(&table, values(batch!([a: Int, x: Text] [1, "x"]))).await, ErrorKind::Argument);
    fails(db.delete(&table, values(batch!([a: Text, b: Text] ["1", "x"]))).await, ErrorKind::Argument);
    fails(db.delete(&table, table.scan().filter(col("nothing").eq(1))).await, ErrorKind::Argument);
    assert_eq!(db.count(table.scan()).await?, 4);
    Ok(())
}

/// It is evaluated before anything goes.
pub(super) async fn the_relation_may_read_the_table_itself(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = pairs(h).await?;
    let least = table.scan().first_by(["a"], vec![SortKey::descending("size"), SortKey::ascending("b")]);
    assert_eq!(db.delete(&table, least).await?, 2);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, "x", 5] [2, "y", NULL]));
    let sizes = table.scan().rename([("other", "size")]).filter(col("other").gt(lit(0)));
    assert_eq!(db.delete(&table, table.scan().semi(sizes, col("other").gt(col("a")))).await?, 2);
    Ok(())
}

pub(super) async fn the_relation_may_be_any(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1] [2] [3] [4] [5] [6])).await?;
    let id = || table.scan().select(["id"]);
    let union = Relation::union_all(vec![id().filter(col("id").eq(1)), id().filter(col("id").eq(1))]);
    assert_eq!(db.delete(&table, union).await?, 1);
    assert_eq!(db.delete(&table, id().slice(vec![SortKey::descending("id")], 1, Some(1))).await?, 1);
    assert_eq!(db.delete(&table, id().filter(col("id").eq(2)).distinct()).await?, 1);
    let closure = Relation::Closure {
        seeds: Box::new(values(batch!([id: Int] [3]))),
        edges: Box::new(values(batch!([from: Int, to: Int] [3, 4]))),
        from: vec!["from".into()],
        to: vec!["to".into()],
        max_depth: None,
    };
    assert_eq!(db.delete(&table, closure).await?, 2);
    let counted = id().count().rename([("n", "count")]);
    let last = values(batch!([id: Int] [5] [6])).semi(counted, col("n").eq(1));
    assert_eq!(db.delete(&table, last).await?, 1);
    assert_eq!(db.rows(table.scan()).await?, rows!());
    Ok(())
}

pub(super) async fn all_rows_can_go(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = pairs(h).await?;
    assert_eq!(db.delete(&table, table.scan()).await?, 4);
    assert_eq!(db.rows(table.scan()).await?, rows!());
    assert_eq!(db.delete(&table, table.scan()).await?, 0);
    Ok(())
}
