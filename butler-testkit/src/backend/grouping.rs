//! Groups of rows: aggregates, and the first of each.

use butler_core::backend::{Aggregate, AggregateColumn, Arithmetic, Relation, SortKey};
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{Fixture, NULL, batch, col, rows, values};

fn some() -> Relation {
    values(batch!([g: Text, n: Int, f: Float, t: Text]
        ["a", 3, 0.5, "x"] ["a", 1, -0.5, "Y"] ["a", NULL, NULL, NULL] ["b", NULL, NULL, NULL] [NULL, 7, 2.0, ""] [NULL, 8, 1.0, "z"]))
}

fn of(function: Aggregate) -> Vec<AggregateColumn> {
    vec![AggregateColumn { name: "it".into(), function }]
}

fn least_and_greatest(column: &str) -> Vec<AggregateColumn> {
    vec![
        AggregateColumn { name: "least".into(), function: Aggregate::Min(column.into()) },
        AggregateColumn { name: "greatest".into(), function: Aggregate::Max(column.into()) },
    ]
}

pub(super) async fn rows_are_counted(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    assert_eq!(
        db.rows(some().aggregate(["g"], of(Aggregate::Count))).await?,
        rows!(["a", 3] ["b", 1] [NULL, 2])
    );
    assert_eq!(db.rows(some().count()).await?, rows!([6]));
    let twice = Relation::union_all(vec![some(), some()]);
    assert_eq!(
        db.rows(twice.aggregate(["g"], of(Aggregate::Count))).await?,
        rows!(["a", 6] ["b", 2] [NULL, 4])
    );
    Ok(())
}

pub(super) async fn the_least_and_the_greatest_are_found(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let found = |column| some().aggregate(["g"], least_and_greatest(column));
    assert_eq!(db.rows(found("n")).await?, rows!(["a", 1, 3] ["b", NULL, NULL] [NULL, 7, 8]));
    assert_eq!(db.rows(found("f")).await?, rows!(["a", -0.5, 0.5] ["b", NULL, NULL] [NULL, 1.0, 2.0]));
    assert_eq!(db.rows(found("t")).await?, rows!(["a", "Y", "x"] ["b", NULL, NULL] [NULL, "", "z"]));
    assert_eq!(db.rows(some().aggregate([""; 0], least_and_greatest("n"))).await?, rows!([1, 8]));
    let extremes = values(batch!([n: Int] [i64::MAX] [i64::MIN] [0]));
    assert_eq!(
        db.rows(extremes.aggregate([""; 0], least_and_greatest("n"))).await?,
        rows!([i64::MIN, i64::MAX])
    );
    Ok(())
}

pub(super) async fn without_groups_there_is_one_row(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let none = || values(batch!([n: Int]));
    assert_eq!(db.rows(none().count()).await?, rows!([0]));
    assert_eq!(db.rows(none().aggregate([""; 0], least_and_greatest("n"))).await?, rows!([NULL, NULL]));
    Ok(())
}

pub(super) async fn of_no_rows_there_are_no_groups(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let none = values(batch!([g: Text, n: Int]));
    assert_eq!(db.rows(none.aggregate(["g"], of(Aggregate::Count))).await?, rows!());
    Ok(())
}

pub(super) async fn groups_may_be_of_several_columns(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let input = values(
        batch!([a: Int, b: Text, c: Int] [1, "x", 5] [1, "y", 6] [1, "x", 7] [NULL, NULL, 8] [NULL, NULL, 9] [1, NULL, 1]),
    );
    let found = input.clone().aggregate(["b", "a"], of(Aggregate::Max("c".into())));
    assert_eq!(db.rows(found).await?, rows!(["x", 1, 7] ["y", 1, 6] [NULL, NULL, 9] [NULL, 1, 1]));
    assert_eq!(db.rows(input.aggregate(["a"], vec![])).await?, rows!([1][NULL]));
    Ok(())
}

pub(super) async fn some_types_have_no_least(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let input = || values(batch!([b: Bool, y: Bytes] [true, vec![]]));
    for column in ["b", "y", "missing"] {
        db.refuses(input().aggregate([""; 0], of(Aggregate::Min(column.into()))), ErrorKind::Argument).await;
    }
    db.refuses(
        input().aggregate(["b"], vec![AggregateColumn { name: "b".into(), function: Aggregate::Count }]),
        ErrorKind::Argument,
    )
    .await;
    Ok(())
}

pub(super) async fn results_of_groups_are_used(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let counts = || some().aggregate(["g"], of(Aggregate::Count));
    assert_eq!(db.rows(counts().filter(col("it").gt(1))).await?, rows!(["a", 3] [NULL, 2]));
    assert_eq!(
        db.rows(counts().aggregate(
            [""; 0],
            vec![AggregateColumn { name: "most".into(), function: Aggregate::Max("it".into()) }]
        ))
        .await?,
        rows!([3])
    );
    assert_eq!(
        db.rows(some().filter(col("n").gt(2)).aggregate(["g"], of(Aggregate::Count))).await?,
        rows!(["a", 1] [NULL, 2])
    );
    let next = col("it").arithmetic(Arithmetic::Mul, 10);
    assert_eq!(db.rows(counts().project([("x", next)])).await?, rows!([30][10][20]));
    Ok(())
}

pub(super) async fn the_first_of_each_group_is_found(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let first =
        |order| some().filter(col("n").is_null().negated()).first_by(["g"], vec![order]).select(["g", "n"]);
    assert_eq!(db.rows(first(SortKey::ascending("n"))).await?, rows!(["a", 1] [NULL, 7]));
    assert_eq!(db.rows(first(SortKey::descending("n"))).await?, rows!(["a", 3] [NULL, 8]));
    assert_eq!(db.rows(first(SortKey::ascending("t"))).await?, rows!(["a", 1] [NULL, 7]));
    Ok(())
}

pub(super) async fn null_comes_first_in_a_group(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let first = |order: Vec<SortKey>| some().first_by(["g"], order).select(["g", "n"]);
    assert_eq!(
        db.rows(first(vec![SortKey::ascending("n")])).await?,
        rows!(["a", NULL] ["b", NULL] [NULL, 7])
    );
    assert_eq!(db.rows(first(vec![SortKey::descending("n")])).await?, rows!(["a", 3] ["b", NULL] [NULL, 8]));
    Ok(())
}

pub(super) async fn orders_in_groups_have_several_keys(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let input = values(
        batch!([g: Int, rank: Int, name: Text] [1, 2, "a"] [1, 1, "c"] [1, 1, "b"] [2, 1, "z"] [2, 1, "y"]),
    );
    let order = vec![SortKey::ascending("rank"), SortKey::descending("name")];
    assert_eq!(db.rows(input.clone().first_by(["g"], order)).await?, rows!([1, 1, "c"] [2, 1, "z"]));
    let order = vec![SortKey::ascending("rank"), SortKey::ascending("name")];
    assert_eq!(
        db.rows(input.first_by(["g", "rank"], order)).await?,
        rows!([1, 2, "a"] [1, 1, "b"] [2, 1, "y"])
    );
    Ok(())
}

pub(super) async fn without_a_partition_there_is_one_first(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let order = || vec![SortKey::descending("n"), SortKey::ascending("g")];
    assert_eq!(db.rows(some().first_by([""; 0], order()).select(["n"])).await?, rows!([8]));
    assert_eq!(db.rows(values(batch!([n: Int, g: Text])).first_by([""; 0], order())).await?, rows!());
    Ok(())
}

/// The keys leave no choice: the rows are equal.
pub(super) async fn of_equal_rows_one_is_first(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let input = values(batch!([g: Int, n: Int] [1, 5] [1, 5] [2, 5] [2, 6] [2, 6]));
    let found = input.clone().first_by(["g"], vec![SortKey::descending("n")]);
    assert_eq!(db.rows(found).await?, rows!([1, 5] [2, 6]));
    let found = input.first_by(["g", "n"], vec![]);
    assert_eq!(db.rows(found).await?, rows!([1, 5] [2, 5] [2, 6]));
    Ok(())
}
