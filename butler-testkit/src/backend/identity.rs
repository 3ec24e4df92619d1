//! Identities are issued by the database.

use butler_core::backend::{ColumnType, OnConflict, Relation, SortKey, TableRef, TableSpec, Value};
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{Fixture, NULL, batch, col, fails, made_up, rows, values};

use ColumnType::Text;

fn counted() -> TableSpec {
    TableSpec::new("counted", "").identity("id", "").column("name", Text, "").unique(["name"])
}

/// Identities in order of names, which is the order of insertion here.
async fn identities(db: &Fixture, table: &TableRef) -> Result<Vec<i64>> {
    let rows = db.in_order(table.scan().sort(vec![SortKey::ascending("name")])).await?;
    Ok(rows.iter().filter_map(|row| row[0].as_int()).collect())
}

fn ascends(identities: &[i64]) -> bool {
    identities.first().is_none_or(|first| *first > 0) && identities.is_sorted_by(|a, b| a < b)
}

fn one(name: &str) -> Relation {
    values(batch!([wanted: Text] [name]))
}

pub(super) async fn they_ascend_in_the_order_of_rows(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, counted(), batch!([name: Text] ["a"] ["b"] ["c"])).await?;
    db.insert(&table, batch!([name: Text] ["d"])).await?;
    db.insert(&table, batch!([name: Text] ["e"] ["f"])).await?;
    let found = identities(&db, &table).await?;
    assert!(found.len() == 6 && ascends(&found), "{found:?}");
    Ok(())
}

pub(super) async fn they_are_not_issued_again_after_a_deletion(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, counted(), batch!([name: Text] ["a"] ["b"] ["c"])).await?;
    let mut seen = identities(&db, &table).await?;
    let last = table.scan().semi(one("c"), col("name").eq(col("wanted")));
    assert_eq!(db.delete(&table, last).await?, 1);
    db.insert(&table, batch!([name: Text] ["d"])).await?;
    seen.extend(identities(&db, &table).await?.last());
    assert_eq!(db.delete(&table, table.scan()).await?, 3);
    db.insert(&table, batch!([name: Text] ["e"])).await?;
    seen.extend(identities(&db, &table).await?);
    assert!(seen.len() == 5 && ascends(&seen), "{seen:?}");
    Ok(())
}

pub(super) async fn given_ones_are_kept_and_count_as_issued(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, counted(), batch!([name: Text] ["a"])).await?;
    db.insert(&table, batch!([id: Int, name: Text] [700, "b"] [701, "c"])).await?;
    db.insert(&table, batch!([name: Text] ["d"])).await?;
    assert!(db.sync(&table, batch!([name: Text] ["e"])).await?.inserted);
    db.insert(&table, batch!([id: Int, name: Text] [100_000_000_000_i64, "f"])).await?;
    db.insert(&table, batch!([name: Text] ["g"])).await?;
    let found = identities(&db, &table).await?;
    assert_eq!((found[1], found[2], found[5]), (700, 701, 100_000_000_000));
    assert!(ascends(&found), "{found:?}");
    Ok(())
}

pub(super) async fn one_that_is_given_is_a_key_like_others(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, counted(), batch!([id: Int, name: Text] [5, "a"])).await?;
    let given = || batch!([id: Int, name: Text] [5, "b"] [6, "c"]);
    fails(db.insert(&table, given()).await, ErrorKind::ConflictingDefinition);
    assert_eq!(db.insert_on(&table, given(), OnConflict::Ignore).await?, 1);
    assert_eq!(db.rows(table.scan()).await?, rows!([5, "a"] [6, "c"]));
    assert_eq!(db.insert_on(&table, given(), OnConflict::Replace).await?, 2);
    assert_eq!(db.rows(table.scan()).await?, rows!([5, "b"] [6, "c"]));
    fails(
        db.insert_on(&table, batch!([name: Text] ["c"]), OnConflict::Ignore).await,
        ErrorKind::ConflictingDefinition,
    );
    fails(
        db.insert_on(&table, batch!([name: Text] ["c"]), OnConflict::Replace).await,
        ErrorKind::ConflictingDefinition,
    );
    Ok(())
}

pub(super) async fn null_is_none(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let table = db.create(counted()).await?;
    fails(db.insert(&table, batch!([id: Int, name: Text] [NULL, "a"])).await, ErrorKind::Argument);
    assert_eq!(db.rows(table.scan()).await?, rows!());
    Ok(())
}

pub(super) async fn they_go_on_after_a_transaction_is_undone(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, counted(), batch!([name: Text] ["a"])).await?;
    let inner = table.clone();
    let undone = db.run::<()>(move |t| {
        t.insert(&inner, &batch!([name: Text] ["x"]), OnConflict::Fail)?;
        Err(made_up())
    });
    fails(undone.await, ErrorKind::Interrupted);
    db.insert(&table, batch!([name: Text] ["b"])).await?;
    let found = identities(&db, &table).await?;
    assert!(found.len() == 2 && ascends(&found), "{found:?}");
    Ok(())
}

pub(super) async fn rows_that_are_there_find_theirs(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, counted(), batch!([name: Text] ["a"] ["b"])).await?;
    let found = identities(&db, &table).await?;
    let synced = db.sync(&table, batch!([name: Text] ["b"])).await?;
    assert_eq!((synced.inserted, &synced.row[0]), (false, &Value::Int(found[1])));
    Ok(())
}
