//! Relations meet.

use butler_core::backend::{
    Aggregate, AggregateColumn, Arithmetic, ColumnType, Comparison, Relation, Scalar, SortKey,
};
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{Fixture, NULL, always, batch, col, lit, rows, things, values};

fn left() -> Relation {
    values(batch!([a: Int, x: Text] [1, "one"] [2, "two"] [2, "zwei"] [3, NULL] [NULL, "none"]))
}

fn right() -> Relation {
    values(batch!([b: Int, y: Text] [2, "II"] [2, "ii"] [3, "III"] [4, "IV"] [NULL, NULL]))
}

fn equal() -> Scalar {
    col("a").eq(col("b"))
}

pub(super) async fn a_join_gives_all_pairs_that_satisfy_it(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let expected = rows!([2, "two", 2, "II"] [2, "two", 2, "ii"] [2, "zwei", 2, "II"] [2, "zwei", 2, "ii"]
        [3, NULL, 3, "III"]);
    assert_eq!(db.rows(left().join(right(), equal())).await?, expected);
    let both = Scalar::And(vec![equal(), col("y").compare(Comparison::Ne, lit("ii"))]);
    assert_eq!(db.count(left().join(right(), both)).await?, 3);
    let below = left().join(right(), col("a").gt(col("b")));
    assert_eq!(db.rows(below).await?, rows!([3, NULL, 2, "II"] [3, NULL, 2, "ii"]));
    Ok(())
}

pub(super) async fn null_joins_nothing(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let nulls = || values(batch!([a: Int] [NULL]));
    let others = || values(batch!([b: Int] [NULL] [1]));
    assert_eq!(db.count(nulls().join(others(), equal())).await?, 0);
    assert_eq!(db.count(nulls().join(others(), equal().negated())).await?, 0);
    assert_eq!(db.count(nulls().join(others(), Scalar::Null(ColumnType::Bool))).await?, 0);
    assert_eq!(db.count(nulls().semi(others(), equal())).await?, 0);
    assert_eq!(db.rows(nulls().join(others(), col("a").is_null())).await?, rows!([NULL, NULL] [NULL, 1]));
    Ok(())
}

pub(super) async fn a_join_on_true_gives_all_pairs(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    assert_eq!(db.count(left().join(right(), always())).await?, 25);
    let none = || values(batch!([z: Int]));
    assert_eq!(db.count(left().join(none(), always())).await?, 0);
    assert_eq!(db.count(none().join(left(), always())).await?, 0);
    assert_eq!(db.count(left().join(right(), Scalar::Or(vec![]))).await?, 0);
    Ok(())
}

pub(super) async fn a_join_keeps_duplicates(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let same = values(batch!([a: Int] [1] [1] [1]));
    let other = values(batch!([b: Int] [1] [1]));
    assert_eq!(db.count(same.join(other, equal())).await?, 6);
    Ok(())
}

pub(super) async fn a_join_may_be_on_any_condition(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let sum = col("a").arithmetic(Arithmetic::Add, col("b")).eq(5);
    assert_eq!(
        db.rows(left().join(right(), sum).select(["x", "y"])).await?,
        rows!(["one", "IV"] ["two", "III"] ["zwei", "III"] [NULL, "II"] [NULL, "ii"])
    );
    let either = Scalar::Or(vec![col("a").eq(1), col("b").eq(4)]);
    assert_eq!(db.count(left().join(right(), either)).await?, 9);
    let begins = values(batch!([b: Int, e: Int] [0, 2] [2, 3] [3, 9]));
    let within = Scalar::And(vec![col("b").compare(Comparison::Le, col("a")), col("a").lt(col("e"))]);
    assert_eq!(
        db.rows(left().join(begins, within).select(["a", "b"])).await?,
        rows!([1, 0] [2, 2] [2, 2] [3, 3])
    );
    Ok(())
}

pub(super) async fn a_semi_join_gives_rows_once(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    assert_eq!(db.rows(left().semi(right(), equal())).await?, rows!([2, "two"] [2, "zwei"] [3, NULL]));
    let twice = values(batch!([a: Int] [2] [2]));
    assert_eq!(db.rows(twice.semi(right(), equal())).await?, rows!([2][2]));
    assert_eq!(db.count(left().semi(values(batch!([b: Int])), always())).await?, 0);
    assert_eq!(db.count(left().semi(right(), always())).await?, 5);
    Ok(())
}

pub(super) async fn an_anti_join_gives_the_others(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let without_null = right().filter(col("b").is_null().negated());
    assert_eq!(db.rows(left().anti(without_null, equal())).await?, rows!([1, "one"] [NULL, "none"]));
    assert_eq!(db.count(left().anti(values(batch!([b: Int])), always())).await?, 5);
    assert_eq!(db.count(left().anti(right(), always())).await?, 0);
    let twice = values(batch!([a: Int] [7] [7]));
    assert_eq!(db.rows(twice.anti(right(), equal())).await?, rows!([7][7]));
    Ok(())
}

/// Not as `NOT IN` has it.
pub(super) async fn null_is_no_partner(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    assert_eq!(db.rows(left().anti(right(), equal())).await?, rows!([1, "one"] [NULL, "none"]));
    assert_eq!(db.rows(left().anti(right(), equal()).semi(right(), always())).await?.len(), 2);
    Ok(())
}

pub(super) async fn conditions_see_both_sides(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let later =
        Scalar::And(vec![col("b").gt(col("a")), col("y").is_null().negated(), col("x").is_null().negated()]);
    assert_eq!(db.rows(left().semi(right(), later.clone())).await?, rows!([1, "one"] [2, "two"] [2, "zwei"]));
    assert_eq!(db.rows(left().anti(right(), later)).await?, rows!([3, NULL] [NULL, "none"]));
    Ok(())
}

pub(super) async fn a_table_can_meet_itself(h: &dyn BackendHarness) -> Result<()> {
    let spec = things();
    let (db, table) =
        Fixture::with(h, spec, batch!([id: Int, name: Text] [1, "a"] [2, "a"] [3, "b"])).await?;
    let other = || table.scan().rename([("id2", "id"), ("name2", "name")]);
    let same = || col("name").eq(col("name2"));
    let pairs = table.scan().join(other(), Scalar::And(vec![same(), col("id").lt(col("id2"))]));
    assert_eq!(db.rows(pairs).await?, rows!([1, "a", 2, "a"]));
    let alone = Scalar::And(vec![same(), col("id").eq(col("id2")).negated()]);
    assert_eq!(db.rows(table.scan().anti(other(), alone)).await?, rows!([3, "b"]));
    db.refuses(table.scan().join(table.scan(), always()), ErrorKind::Argument).await;
    Ok(())
}

pub(super) async fn results_meet_results(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let counts =
        right().aggregate(["b"], vec![AggregateColumn { name: "n".into(), function: Aggregate::Count }]);
    let found = left().select(["a"]).distinct().join(counts, equal()).select(["a", "n"]);
    assert_eq!(db.rows(found).await?, rows!([2, 2] [3, 1]));
    let chain = left().semi(right().anti(values(batch!([c: Int] [2])), col("b").eq(col("c"))), equal());
    assert_eq!(db.rows(chain).await?, rows!([3, NULL]));
    let last = SortKey::descending("b");
    let union = Relation::union_all(vec![right().select(["b"]), values(batch!([b: Int] [1]))]);
    let top = union.filter(col("b").is_null().negated()).slice(vec![last], 1, Some(3));
    assert_eq!(
        db.rows(left().join(top, equal()).select(["a", "x"])).await?,
        rows!([2, "two"] [2, "two"] [2, "zwei"] [2, "zwei"] [3, NULL])
    );
    Ok(())
}
