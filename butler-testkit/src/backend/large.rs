//! Much at once: rows, literals, operands, inputs.

use butler_core::Result;
use butler_core::backend::{
    ColumnBatch, ColumnType, Comparison, OnConflict, Relation, RowBatch, Scalar, SortKey, TableSpec, Value,
};

use super::BackendHarness;
use super::fixture::{Fixture, batch, batch_of, col, lit, rows, things, values};

use ColumnType::{Int, Text};

/// Rows with an integer each, and a text made of it.
fn numbered(numbers: impl Iterator<Item = i64>) -> RowBatch {
    let mut rows = ColumnBatch::new([("id".into(), Int), ("name".into(), Text)]);
    for number in numbers {
        rows.columns_mut()[0].push_int(number);
        rows.columns_mut()[1].push_text(&format!("n{number}"));
        rows.end_row();
    }
    rows
}

pub(super) async fn many_rows_are_inserted_and_ignored_and_replaced(h: &dyn BackendHarness) -> Result<()> {
    let n = h.large() as i64;
    let (db, table) = Fixture::with(h, things(), batch!([id: Int])).await?;
    assert_eq!(db.insert(&table, numbered(0..n)).await?, n as u64);
    assert_eq!(db.insert_on(&table, numbered(n / 2..n + 10), OnConflict::Ignore).await?, 10);
    assert_eq!(db.insert_on(&table, numbered(n - 5..n + 20), OnConflict::Replace).await?, 25);
    assert_eq!(db.count(table.scan()).await?, n + 20);
    let last = table.scan().slice(vec![SortKey::descending("id")], 0, Some(1));
    assert_eq!(db.rows(last).await?, rows!([n + 19, format!("n{}", n + 19)]));
    Ok(())
}

pub(super) async fn many_rows_of_the_caller_meet_a_table(h: &dyn BackendHarness) -> Result<()> {
    let n = h.large() as i64;
    let (db, table) = Fixture::with(h, things(), numbered(0..1000)).await?;
    let many = || values(numbered((0..n).map(|i| i * 3))).rename([("x", "id"), ("y", "name")]);
    let on = || Scalar::And(vec![col("id").eq(col("x")), col("name").eq(col("y"))]);
    assert_eq!(db.count(table.scan().join(many(), on())).await?, 334);
    assert_eq!(db.count(many().semi(table.scan(), on())).await?, 334);
    assert_eq!(db.count(table.scan().anti(many(), on())).await?, 666);
    assert_eq!(db.count(many()).await?, n);
    let two = many().join(many().rename([("x2", "x"), ("y2", "y")]), col("x").eq(col("x2")));
    assert_eq!(db.count(two).await?, n);
    Ok(())
}

pub(super) async fn many_rows_are_changed_and_deleted(h: &dyn BackendHarness) -> Result<()> {
    let n = h.large() as i64;
    let (db, table) = Fixture::with(h, things(), numbered(0..n)).await?;
    let shifted = numbered(-10..n - 10);
    assert_eq!(db.update(&table, shifted).await?, (n - 10) as u64);
    let even = numbered((-10..n).filter(|i| i % 2 == 0));
    assert_eq!(db.delete(&table, values(even)).await?, (n / 2) as u64);
    assert_eq!(db.count(table.scan()).await?, n / 2);
    Ok(())
}

pub(super) async fn keys_of_one_large_batch_may_repeat(h: &dyn BackendHarness) -> Result<()> {
    let n = h.large() as i64;
    let (db, table) = Fixture::with(h, things(), batch!([id: Int])).await?;
    let mut twice = ColumnBatch::new([("id".into(), Int), ("name".into(), Text)]);
    for round in ["first", "last"] {
        for id in 0..n / 2 {
            twice.columns_mut()[0].push_int(id);
            twice.columns_mut()[1].push_text(round);
            twice.end_row();
        }
    }
    assert_eq!(db.insert_on(&table, twice.clone(), OnConflict::Ignore).await?, (n / 2) as u64);
    let named = |name: &str| table.scan().filter(col("name").eq(lit(name)));
    assert_eq!(db.count(named("first")).await?, n / 2);
    assert_eq!(db.insert_on(&table, twice.clone(), OnConflict::Replace).await?, (n / 2) as u64);
    assert_eq!(db.count(named("last")).await?, n / 2);
    assert_eq!(db.update(&table, twice).await?, (n / 2) as u64);
    assert_eq!(db.count(named("last")).await?, n / 2);
    Ok(())
}

pub(super) async fn lists_may_be_long(h: &dyn BackendHarness) -> Result<()> {
    let n = h.large() as i64;
    let (db, table) = Fixture::with(h, things(), numbered(0..10)).await?;
    let list: Vec<Value> = (0..n).rev().map(|i| (i * 2).into()).collect();
    assert_eq!(db.count(table.scan().filter(col("id").is_in(list))).await?, 5);
    let texts: Vec<Value> = (5..n).rev().map(|i| format!("n{i}").into()).collect();
    assert_eq!(db.count(table.scan().filter(col("name").is_in(texts))).await?, 5);
    Ok(())
}

pub(super) async fn conditions_may_have_many_operands(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), numbered(0..10)).await?;
    let name = |i: i64| col("name").eq(Value::from(format!("n{i}")));
    let pairs = (0..2000).map(|i| Scalar::And(vec![col("id").eq(i), name(i + i % 2)]));
    assert_eq!(db.count(table.scan().filter(Scalar::Or(pairs.collect()))).await?, 5);
    let none = (5..2005).map(|i| col("id").compare(Comparison::Ne, i.into()));
    assert_eq!(db.count(table.scan().filter(Scalar::And(none.collect()))).await?, 5);
    Ok(())
}

pub(super) async fn unions_may_have_many_inputs(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), numbered(0..10)).await?;
    let inputs = (0..100).map(|i| table.scan().filter(col("id").eq(i % 20)));
    let union = Relation::union_all(inputs.collect());
    assert_eq!(db.count(union.clone()).await?, 50);
    assert_eq!(db.count(union.distinct()).await?, 10);
    Ok(())
}

pub(super) async fn many_tables_may_meet(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let mut joined = values(batch!([k0: Int] [1] [2] [3]));
    for i in 1..12 {
        let (key, before) = (format!("k{i}"), format!("k{}", i - 1));
        let spec = TableSpec::new(format!("t{i}"), "").column(&key, Int, "").primary_key([&key]);
        let table = db.create(spec).await?;
        db.insert(&table, batch_of(&[(&key, Int)], vec![vec![2.into()], vec![3.into()]])).await?;
        joined = joined.join(table.scan(), col(&before).eq(col(&key)));
    }
    assert_eq!(db.rows(joined.select(["k0", "k11"])).await?, rows!([2, 2] [3, 3]));
    Ok(())
}

pub(super) async fn paths_may_be_long(h: &dyn BackendHarness) -> Result<()> {
    let n = h.large() as i64 / 10;
    let spec = TableSpec::new("edge", "").column("from", Int, "").column("to", Int, "");
    let mut edges = ColumnBatch::new([("from".into(), Int), ("to".into(), Int)]);
    for i in 0..n {
        edges.columns_mut()[0].push_int(i);
        edges.columns_mut()[1].push_int((i + 1) % n);
        edges.end_row();
    }
    let (db, table) = Fixture::with(h, spec.primary_key(["from", "to"]), edges).await?;
    let closure = |max_depth| Relation::Closure {
        seeds: Box::new(values(batch!([n: Int] [5]))),
        edges: Box::new(table.scan()),
        from: vec!["from".into()],
        to: vec!["to".into()],
        max_depth,
    };
    assert_eq!(db.count(closure(None)).await?, n);
    assert_eq!(db.count(closure(Some(100))).await?, 101);
    Ok(())
}
