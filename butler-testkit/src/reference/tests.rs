//! What the reference backend does beyond the contract: it is strict where databases may be lax.

use std::time::Instant;

use butler_core::ErrorKind;
use butler_core::backend::{
    Arithmetic, BackendExt, ColumnBatch, ColumnType, OnConflict, Relation, Scalar, SortKey, TableRef,
    TableSpec,
};

use super::ReferenceBackend;
use crate::backend::fixture::{batch, col, fails, streamed, things, values};
use crate::case::runtime;

fn block_on<F: Future>(future: F) -> F::Output {
    runtime().unwrap().block_on(future)
}

fn evaluates(relation: Relation) -> butler_core::Result<usize> {
    block_on(streamed(&ReferenceBackend::new(), relation)).map(|rows| rows.len())
}

#[test]
fn an_order_that_leaves_a_choice_is_refused() {
    let rows = || values(batch!([a: Int, b: Int] [1, 1] [1, 2] [2, 3]));
    let by_a = || vec![SortKey::ascending("a")];
    fails(evaluates(rows().slice(by_a(), 0, Some(1))), ErrorKind::Argument);
    fails(evaluates(rows().slice(by_a(), 2, None)), ErrorKind::Argument);
    fails(evaluates(rows().first_by([""; 0], by_a())), ErrorKind::Argument);
    fails(evaluates(rows().first_by(["a"], vec![])), ErrorKind::Argument);
    assert_eq!(evaluates(rows().sort(by_a())).unwrap(), 3);
    assert_eq!(evaluates(rows().select(["a"]).slice(by_a(), 0, Some(1))).unwrap(), 1);
}

#[test]
fn everything_is_evaluated() {
    let rows = || values(batch!([a: Int] [1] [9_223_372_036_854_775_807_i64]));
    let next = || col("a").arithmetic(Arithmetic::Add, 1);
    let never = Scalar::And(vec![Scalar::Or(vec![]), next().gt(0)]);
    fails(evaluates(rows().filter(never)), ErrorKind::Argument);
    fails(evaluates(rows().project([("n", next()), ("a", col("a"))]).select(["a"])), ErrorKind::Argument);
    fails(
        evaluates(rows().project([("n", next())]).slice(vec![SortKey::ascending("n")], 0, Some(0))),
        ErrorKind::Argument,
    );
}

#[test]
fn a_table_with_other_columns_than_said_is_refused() {
    let backend = ReferenceBackend::new();
    let other = TableSpec::new("thing", "").column("other", ColumnType::Int, "").primary_key(["other"]);
    block_on(backend.run(|t| t.create(&things()))).unwrap();
    fails(block_on(streamed(&backend, TableRef::from(other).scan())), ErrorKind::Argument);
}

/// What stands on it is tested with some ten thousand rows.
#[test]
fn it_is_fast_enough() {
    let begun = Instant::now();
    let backend = ReferenceBackend::new();
    let table = TableRef::from(things().unique(["name"]));
    let mut rows = ColumnBatch::new([("id".into(), ColumnType::Int), ("name".into(), ColumnType::Text)]);
    for id in 0..10_000 {
        rows.columns_mut()[0].push_int(id);
        rows.columns_mut()[1].push_text(&format!("n{id}"));
        rows.end_row();
    }
    let (spec, all) = (table.clone(), rows.clone());
    let insert = backend.run(move |t| {
        t.create(&spec)?;
        t.insert(&spec, &all, OnConflict::Fail)
    });
    block_on(insert).unwrap();
    for id in 0..200 {
        let table = table.clone();
        let row = batch!([id: Int, name: Text] [id, format!("m{id}")]);
        block_on(backend.run(move |t| t.savepoint(&mut |t| t.update(&table, &row).map(drop)))).unwrap();
    }
    let joined = table.scan().join(values(rows).rename([("other", "id")]), col("id").eq(col("other")));
    assert_eq!(block_on(streamed(&backend, joined)).unwrap().len(), 10_000);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}
