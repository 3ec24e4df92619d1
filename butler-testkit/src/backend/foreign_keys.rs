//! Rows refer to rows.

use butler_core::backend::{ColumnType, OnConflict, OnDelete, TableRef, TableSpec};
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{Fixture, NULL, batch, fails, parts, rows, things, values};

use ColumnType::{Int, Text};
use OnDelete::{Cascade, Restrict};

async fn with_parts(h: &dyn BackendHarness, on_delete: OnDelete) -> Result<(Fixture, TableRef, TableRef)> {
    let (db, thing) = Fixture::with(h, things(), batch!([id: Int] [1] [2] [3])).await?;
    let part = db.create(parts(on_delete)).await?;
    db.insert(&part, batch!([part: Int, thing: Int] [10, 1] [11, 1] [20, 2] [90, NULL])).await?;
    Ok((db, thing, part))
}

/// A table with a key, and a reference to the keys of each of some tables.
fn level(name: &str, to: &[(&str, OnDelete)]) -> TableSpec {
    let spec =
        TableSpec::new(name, "").column(&format!("{name}_id"), Int, "").primary_key([format!("{name}_id")]);
    to.iter().fold(spec, |spec, (other, on_delete)| {
        let (column, key) = (format!("to_{other}"), format!("{other}_id"));
        spec.column(&column, Int, "").references([&column], other, &[&key], *on_delete)
    })
}

pub(super) async fn what_a_row_refers_to_must_be_there(h: &dyn BackendHarness) -> Result<()> {
    let (db, _, part) = with_parts(h, Restrict).await?;
    for on in [OnConflict::Fail, OnConflict::Ignore, OnConflict::Replace] {
        let orphan = db.insert_on(&part, batch!([part: Int, thing: Int] [21, 2] [22, 7]), on).await;
        fails(orphan, ErrorKind::OrphanedRecord);
    }
    fails(db.update(&part, batch!([part: Int, thing: Int] [10, 7])).await, ErrorKind::OrphanedRecord);
    assert_eq!(db.update(&part, batch!([part: Int, thing: Int] [10, 3])).await?, 1);
    assert_eq!(db.rows(part.scan()).await?, rows!([10, 3] [11, 1] [20, 2] [90, NULL]));
    Ok(())
}

pub(super) async fn null_refers_to_nothing(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("pair", "").column("a", Int, "").column("b", Text, "").primary_key(["a", "b"]);
    let (db, _) = Fixture::with(h, spec, batch!([a: Int, b: Text] [1, "x"])).await?;
    let spec = TableSpec::new("t", "").column("id", Int, "").nullable("a", Int, "").nullable("b", Text, "");
    let table =
        db.create(spec.primary_key(["id"]).references(["a", "b"], "pair", &["a", "b"], Restrict)).await?;
    db.insert(
        &table,
        batch!([id: Int, a: Int, b: Text] [1, NULL, NULL] [2, 9, NULL] [3, NULL, "z"] [4, 1, "x"]),
    )
    .await?;
    fails(db.insert(&table, batch!([id: Int, a: Int, b: Text] [5, 1, "y"])).await, ErrorKind::OrphanedRecord);
    assert_eq!(db.count(table.scan()).await?, 4);
    Ok(())
}

pub(super) async fn columns_are_paired_as_said(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("pair", "").column("a", Int, "").column("b", Int, "").primary_key(["a", "b"]);
    let (db, pair) = Fixture::with(h, spec, batch!([a: Int, b: Int] [1, 2] [3, 3])).await?;
    let spec = TableSpec::new("t", "").column("x", Int, "").column("y", Int, "").primary_key(["x", "y"]);
    let table = db.create(spec.references(["x", "y"], "pair", &["b", "a"], Cascade)).await?;
    fails(db.insert(&table, batch!([x: Int, y: Int] [1, 2])).await, ErrorKind::OrphanedRecord);
    db.insert(&table, batch!([x: Int, y: Int] [2, 1] [3, 3])).await?;
    assert_eq!(db.delete(&pair, values(batch!([a: Int, b: Int] [1, 2]))).await?, 1);
    assert_eq!(db.rows(table.scan()).await?, rows!([3, 3]));
    Ok(())
}

pub(super) async fn restrict_keeps_what_is_referred_to(h: &dyn BackendHarness) -> Result<()> {
    let (db, thing, part) = with_parts(h, Restrict).await?;
    fails(db.delete(&thing, values(batch!([id: Int] [3] [1]))).await, ErrorKind::OrphanedRecord);
    assert_eq!(db.count(thing.scan()).await?, 3);
    assert_eq!(db.delete(&thing, values(batch!([id: Int] [3]))).await?, 1);
    assert_eq!(db.delete(&part, values(batch!([part: Int] [10] [11]))).await?, 2);
    assert_eq!(db.delete(&thing, values(batch!([id: Int] [1]))).await?, 1);
    Ok(())
}

pub(super) async fn cascade_deletes_what_refers(h: &dyn BackendHarness) -> Result<()> {
    let (db, thing, part) = with_parts(h, Cascade).await?;
    assert_eq!(db.delete(&thing, values(batch!([id: Int] [1] [3]))).await?, 2);
    assert_eq!(db.rows(part.scan()).await?, rows!([20, 2] [90, NULL]));
    Ok(())
}

pub(super) async fn cascades_go_on(h: &dyn BackendHarness) -> Result<()> {
    let (db, top) = Fixture::with(h, level("a", &[]), batch!([a_id: Int] [1] [2])).await?;
    let middle = db.create(level("b", &[("a", Cascade)])).await?;
    let bottom = db.create(level("c", &[("b", Cascade)])).await?;
    let last = db.create(level("d", &[("c", Cascade)])).await?;
    db.insert(&middle, batch!([b_id: Int, to_a: Int] [1, 1] [2, 2])).await?;
    db.insert(&bottom, batch!([c_id: Int, to_b: Int] [1, 1] [2, 2])).await?;
    db.insert(&last, batch!([d_id: Int, to_c: Int] [1, 1] [2, 2] [3, 1])).await?;
    assert_eq!(db.delete(&top, values(batch!([a_id: Int] [1]))).await?, 1);
    for table in [&middle, &bottom, &last] {
        assert_eq!(db.rows(table.scan()).await?, rows!([2, 2]));
    }
    Ok(())
}

/// All or nothing.
pub(super) async fn a_cascade_stops_at_a_restriction(h: &dyn BackendHarness) -> Result<()> {
    let (db, top) = Fixture::with(h, level("a", &[]), batch!([a_id: Int] [1] [2])).await?;
    let middle = db.create(level("b", &[("a", Cascade)])).await?;
    let bottom = db.create(level("c", &[("b", Restrict)])).await?;
    db.insert(&middle, batch!([b_id: Int, to_a: Int] [1, 1] [2, 2])).await?;
    db.insert(&bottom, batch!([c_id: Int, to_b: Int] [1, 1])).await?;
    fails(db.delete(&top, top.scan()).await, ErrorKind::OrphanedRecord);
    assert_eq!(db.count(top.scan()).await?, 2);
    assert_eq!(db.count(middle.scan()).await?, 2);
    assert_eq!(db.delete(&top, values(batch!([a_id: Int] [2]))).await?, 1);
    Ok(())
}

/// What refers by a restriction goes with the same call by another way.
pub(super) async fn rows_that_go_too_do_not_restrict(h: &dyn BackendHarness) -> Result<()> {
    let (db, top) = Fixture::with(h, level("a", &[]), batch!([a_id: Int] [1])).await?;
    let left = db.create(level("b", &[("a", Cascade)])).await?;
    let bottom = db.create(level("c", &[("b", Restrict), ("a", Cascade)])).await?;
    db.insert(&left, batch!([b_id: Int, to_a: Int] [1, 1])).await?;
    db.insert(&bottom, batch!([c_id: Int, to_b: Int, to_a: Int] [1, 1, 1])).await?;
    assert_eq!(db.delete(&top, top.scan()).await?, 1);
    assert_eq!(db.count(bottom.scan()).await?, 0);
    Ok(())
}

pub(super) async fn a_table_may_refer_to_itself(h: &dyn BackendHarness) -> Result<()> {
    let node = |name, on_delete| {
        let spec =
            TableSpec::new(name, "").column("id", Int, "").nullable("parent", Int, "").primary_key(["id"]);
        spec.references(["parent"], name, &["id"], on_delete)
    };
    let db = Fixture::new(h).await?;
    let strict = db.create(node("strict", Restrict)).await?;
    db.insert(&strict, batch!([id: Int, parent: Int] [1, NULL] [2, 1] [3, 3] [4, 2])).await?;
    fails(db.insert(&strict, batch!([id: Int, parent: Int] [9, 8])).await, ErrorKind::OrphanedRecord);
    fails(db.delete(&strict, values(batch!([id: Int] [1]))).await, ErrorKind::OrphanedRecord);
    assert_eq!(db.delete(&strict, values(batch!([id: Int] [3]))).await?, 1);
    assert_eq!(db.delete(&strict, values(batch!([id: Int] [1] [2] [4]))).await?, 3);
    let tree = db.create(node("tree", Cascade)).await?;
    db.insert(&tree, batch!([id: Int, parent: Int] [1, NULL] [2, 1] [3, 2] [4, NULL])).await?;
    assert_eq!(db.delete(&tree, values(batch!([id: Int] [1]))).await?, 1);
    assert_eq!(db.rows(tree.scan()).await?, rows!([4, NULL]));
    Ok(())
}

pub(super) async fn a_row_may_refer_to_new_ones(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let (thing, part) = (db.create(things()).await?, db.create(parts(Restrict)).await?);
    let tables = (thing.clone(), part.clone());
    db.run(move |t| {
        t.insert(&tables.0, &batch!([id: Int] [1]), OnConflict::Fail)?;
        t.insert(&tables.1, &batch!([part: Int, thing: Int] [1, 1]), OnConflict::Fail)?;
        let early = t.savepoint(&mut |t| t.delete(&tables.0, &tables.0.scan()).map(drop));
        fails(early, ErrorKind::OrphanedRecord);
        t.delete(&tables.1, &tables.1.scan())?;
        t.delete(&tables.0, &tables.0.scan())
    })
    .await?;
    assert_eq!(db.count(thing.scan()).await?, 0);
    Ok(())
}
