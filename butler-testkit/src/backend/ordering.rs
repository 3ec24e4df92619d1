//! Rows in order, and stretches of them.

use butler_core::backend::{Arithmetic, ColumnType, Relation, SortKey, Value};
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{Fixture, NULL, batch, batch_of, col, rows, values};

/// That a column is sorted like this, both ways.
async fn sorts(h: &dyn BackendHarness, ty: ColumnType, ascending: Vec<Value>) -> Result<()> {
    let db = Fixture::new(h).await?;
    let mut mixed = ascending.clone();
    mixed.rotate_left(ascending.len() / 2);
    mixed.swap(0, ascending.len() - 1);
    let input = values(batch_of(&[("v", ty)], mixed.into_iter().map(|value| vec![value]).collect()));
    let found = db.in_order(input.clone().sort(vec![SortKey::ascending("v")])).await?;
    assert_eq!(found.concat(), ascending);
    let found = db.in_order(input.clone().sort(vec![SortKey::descending("v")])).await?;
    assert!(found.concat().iter().eq(ascending.iter().rev()), "{found:?}");
    let found = db.in_order(input.slice(vec![SortKey::ascending("v")], 1, None)).await?;
    assert_eq!(found.concat(), ascending[1..]);
    Ok(())
}

pub(super) async fn integers_are_sorted(h: &dyn BackendHarness) -> Result<()> {
    let ints = [i64::MIN, -10, -9, 0, 9, 10, (1 << 53) + 1, i64::MAX];
    sorts(h, ColumnType::Int, ints.map(Value::from).to_vec()).await
}

pub(super) async fn floats_are_sorted(h: &dyn BackendHarness) -> Result<()> {
    let floats = [f64::MIN, -1.5, -5e-324, 0.0, 5e-324, 0.1, 9.5, 10.0, f64::MAX];
    sorts(h, ColumnType::Float, floats.map(Value::from).to_vec()).await
}

pub(super) async fn text_is_sorted_by_bytes(h: &dyn BackendHarness) -> Result<()> {
    let texts =
        ["", " ", "10", "9", "B", "_", "a", "a b", "a-b", "aB", "ab", "b", "z", "é", "\u{ff5e}", "🙂"];
    sorts(h, ColumnType::Text, texts.map(Value::from).to_vec()).await
}

pub(super) async fn bytes_and_booleans_are_sorted(h: &dyn BackendHarness) -> Result<()> {
    let bytes: [&[u8]; 6] = [b"", b"\0", b"\0\0", b"a", b"b", b"\xff"];
    sorts(h, ColumnType::Bytes, bytes.map(Value::from).to_vec()).await?;
    sorts(h, ColumnType::Bool, vec![false.into(), true.into()]).await
}

pub(super) async fn null_sorts_before_everything(h: &dyn BackendHarness) -> Result<()> {
    for (ty, least) in [
        (ColumnType::Bool, Value::from(false)),
        (ColumnType::Int, i64::MIN.into()),
        (ColumnType::Float, f64::MIN.into()),
        (ColumnType::Text, "".into()),
        (ColumnType::Bytes, vec![].into()),
    ] {
        sorts(h, ty, vec![NULL, least]).await?;
    }
    Ok(())
}

pub(super) async fn several_keys_sort_one_after_the_other(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let input = || {
        values(
            batch!([a: Int, b: Text, c: Int] [2, "x", 1] [1, "y", 2] [1, NULL, 3] [2, "z", 4] [NULL, "x", 5] [1, "y", 6]),
        )
    };
    let order = |rows: Vec<Vec<Value>>| rows.iter().filter_map(|row| row[2].as_int()).collect::<Vec<_>>();
    let keys = vec![SortKey::ascending("a"), SortKey::descending("b"), SortKey::ascending("c")];
    assert_eq!(order(db.in_order(input().sort(keys)).await?), [5, 2, 6, 3, 4, 1]);
    let keys = vec![SortKey::descending("a"), SortKey::ascending("b"), SortKey::descending("c")];
    assert_eq!(order(db.in_order(input().sort(keys)).await?), [1, 4, 3, 6, 2, 5]);
    Ok(())
}

pub(super) async fn sorting_keeps_duplicates(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let input = values(batch!([a: Int] [2] [1] [2] [NULL] [NULL]));
    let found = db.in_order(input.clone().sort(vec![SortKey::ascending("a")])).await?;
    assert_eq!(found.concat(), [NULL, NULL, 1.into(), 2.into(), 2.into()]);
    assert_eq!(db.count(input.sort(vec![])).await?, 5);
    Ok(())
}

pub(super) async fn a_slice_has_an_offset_and_a_limit(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let input = || values(batch!([a: Int] [4] [2] [5] [1] [3]));
    let cases: [(u64, Option<u64>, &[i64]); 11] = [
        (0, None, &[1, 2, 3, 4, 5]),
        (0, Some(2), &[1, 2]),
        (1, Some(2), &[2, 3]),
        (3, None, &[4, 5]),
        (3, Some(10), &[4, 5]),
        (0, Some(0), &[]),
        (2, Some(0), &[]),
        (5, None, &[]),
        (9, Some(1), &[]),
        (u64::MAX, Some(1), &[]),
        (1, Some(u64::MAX), &[2, 3, 4, 5]),
    ];
    for (offset, limit, expected) in cases {
        let found = db.in_order(input().slice(vec![SortKey::ascending("a")], offset, limit)).await?;
        let expected: Vec<Value> = expected.iter().map(|value| (*value).into()).collect();
        assert_eq!(found.concat(), expected, "offset {offset}, limit {limit:?}");
    }
    Ok(())
}

pub(super) async fn equal_rows_may_be_sliced(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let input = values(batch!([a: Int] [2] [1] [1] [1]));
    assert_eq!(db.rows(input.clone().slice(vec![SortKey::ascending("a")], 1, Some(2))).await?, rows!([1][1]));
    assert_eq!(db.rows(input.slice(vec![SortKey::descending("a")], 0, Some(2))).await?, rows!([2][1]));
    Ok(())
}

pub(super) async fn slices_within_relations_count(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let input = || values(batch!([a: Int] [1] [2] [3] [4] [5] [6]));
    let keys = || vec![SortKey::descending("a")];
    let top = || input().slice(keys(), 0, Some(4));
    assert_eq!(db.rows(top().filter(col("a").lt(5))).await?, rows!([3][4]));
    assert_eq!(db.rows(top().slice(vec![SortKey::ascending("a")], 1, Some(2))).await?, rows!([4][5]));
    assert_eq!(db.rows(top().count()).await?, rows!([4]));
    let union = Relation::union_all(vec![top().slice(keys(), 0, Some(1)), top().slice(keys(), 3, None)]);
    assert_eq!(db.rows(union).await?, rows!([6][3]));
    let doubled = top().project([("b", col("a").arithmetic(Arithmetic::Mul, 2))]);
    assert_eq!(db.rows(doubled).await?, rows!([6][8][10][12]));
    Ok(())
}

pub(super) async fn unknown_keys_are_refused(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let keys = || vec![SortKey::ascending("missing")];
    let input = || values(batch!([a: Int] [1]));
    for relation in [input().sort(keys()), input().slice(keys(), 0, None), input().first_by(["a"], keys())] {
        db.refuses(relation, ErrorKind::Argument).await;
    }
    Ok(())
}
