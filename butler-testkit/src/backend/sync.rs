//! A row is made sure of.

use butler_core::backend::{ColumnType, OnConflict, OnDelete, TableSpec, Value};
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{Fixture, NULL, batch, fails, rows, sorted, things};

use ColumnType::{Int, Text};

/// Known by its name, which is not its primary key.
fn named() -> TableSpec {
    TableSpec::new("named", "")
        .nullable("doc", Text, "")
        .identity("id", "")
        .column("name", Text, "")
        .column("kind", Int, "")
        .unique(["kind", "name"])
        .unique(["doc"])
}

pub(super) async fn a_new_row_is_inserted_and_returned(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let table = db.create(named()).await?;
    let synced = db.sync(&table, batch!([name: Text, kind: Int] ["a", 1])).await?;
    assert!(synced.inserted);
    assert_eq!((&synced.row[0], &synced.row[2..]), (&NULL, &["a".into(), 1.into()][..]));
    assert!(synced.row[1].as_int().is_some_and(|id| id > 0), "{synced:?}");
    assert_eq!(db.rows(table.scan()).await?, [synced.row]);
    Ok(())
}

pub(super) async fn a_row_that_is_there_is_returned_as_it_is(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) =
        Fixture::with(h, named(), batch!([name: Text, kind: Int, doc: Text] ["a", 1, "old"])).await?;
    let before = db.rows(table.scan()).await?;
    for row in [
        batch!([name: Text, kind: Int] ["a", 1]),
        batch!([kind: Int, doc: Text, name: Text] [1, "new", "a"]),
        batch!([kind: Int, doc: Text, name: Text] [1, NULL, "a"]),
        batch!([id: Int, kind: Int, name: Text] [999, 1, "a"]),
    ] {
        let synced = db.sync(&table, row).await?;
        assert!(!synced.inserted);
        assert_eq!(synced.row, before[0]);
    }
    assert_eq!(db.rows(table.scan()).await?, before);
    Ok(())
}

pub(super) async fn the_whole_natural_key_counts(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, named(), batch!([name: Text, kind: Int] ["a", 1])).await?;
    assert!(db.sync(&table, batch!([name: Text, kind: Int] ["a", 2])).await?.inserted);
    assert!(db.sync(&table, batch!([name: Text, kind: Int] ["b", 1])).await?.inserted);
    assert!(!db.sync(&table, batch!([name: Text, kind: Int] ["b", 1])).await?.inserted);
    assert_eq!(db.count(table.scan()).await?, 3);
    Ok(())
}

pub(super) async fn without_an_identity_the_primary_key_counts(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) =
        Fixture::with(h, things().unique(["name"]), batch!([id: Int, name: Text] [1, "a"])).await?;
    let synced = db.sync(&table, batch!([id: Int, name: Text] [1, "b"])).await?;
    assert_eq!((synced.inserted, synced.row), (false, vec![Value::Int(1), "a".into()]));
    let synced = db.sync(&table, batch!([name: Text, id: Int] ["b", 2])).await?;
    assert_eq!((synced.inserted, synced.row), (true, vec![Value::Int(2), "b".into()]));
    fails(db.sync(&table, batch!([id: Int, name: Text] [3, "a"])).await, ErrorKind::ConflictingDefinition);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, "a"] [2, "b"]));
    Ok(())
}

pub(super) async fn other_rules_still_count(h: &dyn BackendHarness) -> Result<()> {
    let spec = named().references(["kind"], "thing", &["id"], OnDelete::Restrict);
    let (db, _) = Fixture::with(h, things(), batch!([id: Int] [1])).await?;
    let table = db.create(spec).await?;
    db.sync(&table, batch!([name: Text, kind: Int, doc: Text] ["a", 1, "x"])).await?;
    let sync = |row| db.sync(&table, row);
    fails(sync(batch!([name: Text, kind: Int] ["a", 2])).await, ErrorKind::OrphanedRecord);
    let conflict = sync(batch!([name: Text, kind: Int, doc: Text] ["b", 1, "x"])).await;
    fails(conflict, ErrorKind::ConflictingDefinition);
    assert_eq!(db.count(table.scan()).await?, 1);
    Ok(())
}

pub(super) async fn it_takes_exactly_one_row(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let table = db.create(things()).await?;
    fails(db.sync(&table, batch!([id: Int])).await, ErrorKind::Argument);
    fails(db.sync(&table, batch!([id: Int] [1] [2])).await, ErrorKind::Argument);
    assert_eq!(db.rows(table.scan()).await?, rows!());
    Ok(())
}

pub(super) async fn it_needs_the_whole_natural_key(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("t", "").identity("id", "").nullable("a", Int, "").nullable("b", Int, "");
    let db = Fixture::new(h).await?;
    let table = db.create(spec.unique(["a", "b"])).await?;
    fails(db.sync(&table, batch!([a: Int] [1])).await, ErrorKind::Argument);
    fails(db.sync(&table, batch!([a: Int, b: Int] [1, NULL])).await, ErrorKind::Argument);
    assert_eq!(db.rows(table.scan()).await?, rows!());
    Ok(())
}

pub(super) async fn columns_are_checked_as_for_insertion(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let table = db.create(named()).await?;
    fails(db.sync(&table, batch!([name: Text, kind: Text] ["a", "1"])).await, ErrorKind::Argument);
    fails(db.sync(&table, batch!([name: Text, kind: Int, x: Int] ["a", 1, 1])).await, ErrorKind::Argument);
    let spec = TableSpec::new("t", "").column("id", Int, "").column("a", Int, "").primary_key(["id"]);
    let other = db.create(spec).await?;
    fails(db.sync(&other, batch!([id: Int] [1])).await, ErrorKind::Argument);
    Ok(())
}

pub(super) async fn it_sees_its_own_transaction(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let table = db.create(named()).await?;
    let inner = table.clone();
    let (first, second) = db
        .run(move |t| {
            t.insert(&inner, &batch!([name: Text, kind: Int] ["a", 1]), OnConflict::Fail)?;
            let first = t.sync(&inner, &batch!([name: Text, kind: Int] ["a", 1]))?;
            let second = t.sync(&inner, &batch!([name: Text, kind: Int] ["b", 1]))?;
            Ok((first, second))
        })
        .await?;
    assert!(!first.inserted && second.inserted);
    assert_eq!(db.rows(table.scan()).await?, sorted(vec![first.row, second.row]));
    Ok(())
}
