//! Columns and rows: projections, filters, unions, duplicates, and the relations without columns.

use butler_core::backend::{Arithmetic, ColumnBatch, ColumnType, Relation, Scalar, SortKey, Value};
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{Fixture, NULL, always, batch, batch_of, col, lit, rows, sorted, things, values};

fn some() -> Relation {
    values(batch!([a: Int, b: Text] [1, "x"] [2, NULL] [2, NULL] [NULL, "y"]))
}

pub(super) async fn the_rows_of_the_caller_come_back(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    assert_eq!(db.rows(some()).await?, rows!([1, "x"] [2, NULL] [2, NULL] [NULL, "y"]));
    let all = batch!([b: Bool, i: Int, f: Float, t: Text, y: Bytes]
        [true, i64::MIN, 0.1, "it's \\ \"é\" 🙂", vec![0, 255]] [NULL, NULL, NULL, NULL, NULL]
        [false, i64::MAX, 5e-324, "", vec![]] [true, 0, 2.0, "1", vec![49]]);
    assert_eq!(db.rows(values(all.clone())).await?, sorted(all.rows().collect()));
    let none = batch!([b: Bool, i: Int, f: Float, t: Text, y: Bytes]);
    assert_eq!(db.rows(values(none)).await?, rows!());
    Ok(())
}

/// Their types do not depend on what is in them.
pub(super) async fn columns_of_null_have_types(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let nulls =
        || values(batch!([b: Bool, i: Int, f: Float, t: Text, y: Bytes] [NULL, NULL, NULL, NULL, NULL]));
    assert_eq!(db.rows(nulls()).await?, rows!([NULL, NULL, NULL, NULL, NULL]));
    let more = values(batch!([b: Bool, i: Int, f: Float, t: Text, y: Bytes] [true, 1, 1.0, "x", vec![1]]));
    let union = Relation::union_all(vec![nulls(), more]);
    assert_eq!(db.rows(union).await?, rows!([NULL, NULL, NULL, NULL, NULL] [true, 1, 1.0, "x", vec![1]]));
    let literals = values(batch!([x: Int] [1])).project([
        ("b", Scalar::Null(ColumnType::Bool)),
        ("i", Scalar::Null(ColumnType::Int)),
        ("f", Scalar::Null(ColumnType::Float)),
        ("t", Scalar::Null(ColumnType::Text)),
        ("y", Scalar::Null(ColumnType::Bytes)),
    ]);
    assert_eq!(db.rows(Relation::union_all(vec![literals.clone(), nulls(), literals])).await?.len(), 3);
    Ok(())
}

pub(super) async fn a_filter_keeps_what_is_true(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    assert_eq!(db.rows(some().filter(col("a").ge(1))).await?, rows!([1, "x"] [2, NULL] [2, NULL]));
    assert_eq!(db.rows(some().filter(col("a").ge(1).negated())).await?, rows!());
    let twice = some().filter(col("a").lt(2)).filter(col("a").ge(0)).filter(col("b").is_null().negated());
    assert_eq!(db.rows(twice).await?, rows!([1, "x"]));
    assert_eq!(db.count(some().filter(Scalar::Null(ColumnType::Bool))).await?, 0);
    let flags = values(batch!([f: Bool] [true] [false] [NULL]));
    assert_eq!(db.rows(flags.clone().filter(col("f"))).await?, rows!([true]));
    assert_eq!(db.rows(flags.filter(col("f").negated())).await?, rows!([false]));
    Ok(())
}

pub(super) async fn a_projection_makes_columns(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let found =
        some().project([("b", col("a")), ("is", col("b").is_null()), ("a", lit("c")), ("again", col("a"))]);
    assert_eq!(
        db.rows(found).await?,
        rows!([1, false, "c", 1] [2, true, "c", 2] [2, true, "c", 2] [NULL, false, "c", NULL])
    );
    let swapped = some().rename([("a", "b"), ("b", "a")]).filter(col("b").eq(1));
    assert_eq!(db.rows(swapped).await?, rows!(["x", 1]));
    Ok(())
}

pub(super) async fn a_projection_keeps_duplicates(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    assert_eq!(db.rows(some().project([("one", lit(1))])).await?, rows!([1][1][1][1]));
    Ok(())
}

/// Quotes, dots, case, length: databases have opinions on all of them.
pub(super) async fn names_of_columns_are_any_text(h: &dyn BackendHarness) -> Result<()> {
    let long = "x".repeat(100);
    let mut names = [
        "a",
        "A",
        "",
        " ",
        "a.b",
        "\"",
        "it's",
        "select",
        "c0",
        "é",
        "日本 🙂",
        "a\nb",
        "--",
        "$1",
        "?",
        ":a",
        "%s",
        "\0",
    ]
    .map(str::to_owned)
    .to_vec();
    names.extend([format!("{long}1"), format!("{long}2"), "ä".repeat(40)]);
    let db = Fixture::new(h).await?;
    let (one, two): (Vec<_>, Vec<_>) = (0..names.len() as i64).map(|i| (i.into(), (-i).into())).unzip();
    let columns: Vec<_> = names.iter().map(|name| (name.as_str(), ColumnType::Int)).collect();
    let input = values(batch_of(&columns, vec![one.clone(), two.clone()]));
    let expected = sorted(vec![one, two]);
    assert_eq!(db.rows(input.clone()).await?, expected);
    let renamed = input.clone().project(names.iter().map(|name| (format!("{name}!"), col(name))));
    let back = renamed.project(names.iter().map(|name| (name.clone(), col(&format!("{name}!")))));
    assert_eq!(db.rows(back.clone()).await?, expected);
    let keys: Vec<SortKey> = names.iter().map(|name| SortKey::descending(name.as_str())).collect();
    let all = back.clone().slice(keys.clone(), 0, None).first_by(names.clone(), keys).distinct();
    assert_eq!(db.rows(all).await?, expected);
    let counted = back.aggregate(names, vec![]);
    assert_eq!(db.rows(counted).await?, expected);
    Ok(())
}

pub(super) async fn a_union_has_all_rows(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let others = values(batch!([a: Int, b: Text] [1, "x"] [9, "z"]));
    let expected = rows!([1, "x"] [2, NULL] [2, NULL] [NULL, "y"] [1, "x"] [9, "z"] [1, "x"] [9, "z"]);
    assert_eq!(db.rows(Relation::union_all(vec![some(), others.clone(), others.clone()])).await?, expected);
    let nested = Relation::union_all(vec![Relation::union_all(vec![some(), others.clone()]), others]);
    assert_eq!(db.rows(nested).await?, expected);
    assert_eq!(db.count(Relation::UnionAll { inputs: vec![some()] }).await?, 4);
    Ok(())
}

pub(super) async fn a_union_takes_parts_of_all_kinds(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) =
        Fixture::with(h, things(), batch!([id: Int, name: Text] [1, "a"] [2, "b"] [3, NULL])).await?;
    let renamed = |relation: Relation| relation.rename([("id", "a"), ("name", "b")]);
    let key = || vec![SortKey::ascending("id")];
    let inputs = vec![
        table.scan().slice(key(), 1, Some(1)),
        renamed(some()).distinct(),
        table.scan().first_by([""; 0], key()),
        table.scan().semi(values(batch!([x: Int] [3])), col("id").eq(col("x"))),
        renamed(some()).filter(col("id").eq(1)).sort(key()),
        Relation::union_all(vec![table.scan(), table.scan()]).filter(col("id").eq(2)),
    ];
    let expected =
        rows!([2, "b"] [1, "x"] [2, NULL] [NULL, "y"] [1, "a"] [3, NULL] [1, "x"] [2, "b"] [2, "b"]);
    assert_eq!(db.rows(Relation::union_all(inputs)).await?, expected);
    Ok(())
}

pub(super) async fn unions_need_equal_columns(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    for other in
        [batch!([b: Int, a: Text] [1, "x"]), batch!([a: Int] [1]), batch!([a: Text, b: Text] ["1", "x"])]
    {
        db.refuses(Relation::union_all(vec![some(), values(other)]), ErrorKind::Argument).await;
    }
    db.refuses(Relation::UnionAll { inputs: vec![] }, ErrorKind::Argument).await;
    Ok(())
}

pub(super) async fn distinct_rows_come_once(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    assert_eq!(db.rows(some().distinct()).await?, rows!([1, "x"] [2, NULL] [NULL, "y"]));
    let texts = values(batch!([t: Text] ["a"] ["A"] ["a "] ["a"] [""] [NULL] [NULL] [""]));
    assert_eq!(db.rows(texts.distinct()).await?, rows!([NULL][""]["A"]["a"]["a "]));
    let pairs = values(batch!([a: Int, b: Int] [1, NULL] [NULL, 1] [1, NULL] [NULL, NULL] [NULL, NULL]));
    assert_eq!(db.count(pairs.distinct()).await?, 3);
    Ok(())
}

pub(super) async fn zeros_are_alike(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let floats = values(batch!([f: Float] [0.0] [-1.0] [1.0]));
    let product = floats.project([("z", col("f").arithmetic(Arithmetic::Mul, lit(0.0)))]);
    assert_eq!(db.rows(product.clone().distinct()).await?, rows!([0.0]));
    assert_eq!(db.count(product.clone().aggregate(["z"], vec![])).await?, 1);
    assert_eq!(db.count(product.filter(col("z").eq(lit(0.0)))).await?, 3);
    Ok(())
}

/// Data IDs without dimensions have none.
pub(super) async fn relations_without_columns_have_rows(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1] [2] [3])).await?;
    let none = Vec::<(&str, Scalar)>::new;
    let empty_rows = |count: usize| {
        let mut batch = ColumnBatch::new([]);
        (0..count).for_each(|_| batch.end_row());
        values(batch)
    };
    assert_eq!(db.rows(table.scan().project(none())).await?.len(), 3);
    assert_eq!(db.count(table.scan().project(none())).await?, 3);
    assert_eq!(db.rows(empty_rows(2)).await?, [[], []] as [[Value; 0]; 2]);
    assert_eq!(db.rows(empty_rows(0)).await?.len(), 0);
    assert_eq!(db.rows(empty_rows(1).join(table.scan(), always())).await?.len(), 3);
    assert_eq!(db.rows(empty_rows(2).join(empty_rows(3), always())).await?.len(), 6);
    assert_eq!(db.rows(table.scan().join(empty_rows(0), always())).await?.len(), 0);
    assert_eq!(db.rows(table.scan().semi(empty_rows(2), always())).await?.len(), 3);
    assert_eq!(db.rows(table.scan().anti(empty_rows(0), always())).await?.len(), 3);
    assert_eq!(db.rows(empty_rows(5).distinct()).await?.len(), 1);
    assert_eq!(db.rows(empty_rows(0).distinct()).await?.len(), 0);
    assert_eq!(db.rows(empty_rows(5).slice(vec![], 1, Some(3))).await?.len(), 3);
    assert_eq!(
        db.rows(Relation::union_all(vec![empty_rows(2), table.scan().project(none())])).await?.len(),
        5
    );
    assert_eq!(db.rows(empty_rows(2).project([("one", lit(1))])).await?, rows!([1][1]));
    assert_eq!(db.rows(empty_rows(4).filter(Scalar::Or(vec![]))).await?.len(), 0);
    assert_eq!(db.rows(table.scan().aggregate([""; 0], vec![])).await?.len(), 1);
    Ok(())
}

pub(super) async fn operators_nest(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let numbers = (1..=10_i64).map(|i| vec![i.into(), NULL]).collect();
    let mut relation = values(batch_of(&[("a", ColumnType::Int), ("b", ColumnType::Text)], numbers));
    let keys = || vec![SortKey::descending("a"), SortKey::ascending("b")];
    for i in 0..6_i64 {
        relation = relation
            .distinct()
            .project([("a", col("a").arithmetic(Arithmetic::Add, 1)), ("b", col("b"))])
            .slice(keys(), 1, Some(20))
            .filter(col("a").gt(i))
            .first_by(["a"], keys());
    }
    assert_eq!(db.rows(relation).await?, rows!([7, NULL] [8, NULL] [9, NULL] [10, NULL]));
    Ok(())
}
