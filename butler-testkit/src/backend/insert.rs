//! Rows are inserted, one way or another.

use butler_core::backend::{
    ColumnBatch, ColumnType, OnConflict, OnDelete, RowBatch, SortKey, TableRef, TableSpec, Value,
};
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{Fixture, NULL, batch, batch_of, fails, made_up, parts, rows, sorted, things, values};

use ColumnType::{Bool, Bytes, Float, Int, Text};
use OnConflict::{Fail, Ignore, Replace};

/// A table with several rules, and rows that other rows can conflict with.
async fn ruled(h: &dyn BackendHarness) -> Result<(Fixture, TableRef)> {
    let spec = TableSpec::new("ruled", "")
        .column("id", Int, "")
        .column("name", Text, "")
        .nullable("thing", Int, "")
        .column("from_ns", Int, "")
        .column("to_ns", Int, "")
        .primary_key(["id"])
        .unique(["name"])
        .references(["thing"], "thing", &["id"], OnDelete::Restrict);
    let (db, _) = Fixture::with(h, things(), batch!([id: Int] [7])).await?;
    let exclusion = db.backend.capabilities().exclusion;
    let table = db.create(if exclusion { spec.exclude(["thing"], "from_ns", "to_ns") } else { spec }).await?;
    db.insert(&table, ruled_row(1, "a", 7, (0, 10))).await?;
    db.insert(&table, ruled_row(2, "b", 7, (10, 20))).await?;
    Ok((db, table))
}

fn ruled_row(id: i64, name: &str, thing: i64, range: (i64, i64)) -> RowBatch {
    batch!([id: Int, name: Text, thing: Int, from_ns: Int, to_ns: Int] [id, name, thing, range.0, range.1])
}

pub(super) async fn it_returns_the_number_of_rows(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let table = db.create(things()).await?;
    assert_eq!(db.insert(&table, batch!([id: Int] [1])).await?, 1);
    assert_eq!(db.insert(&table, batch!([id: Int, name: Text] [2, "b"] [3, "c"] [4, NULL])).await?, 3);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL] [2, "b"] [3, "c"] [4, NULL]));
    Ok(())
}

pub(super) async fn no_rows_are_no_error(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int])).await?;
    for on in [Fail, Ignore, Replace] {
        assert_eq!(db.insert_on(&table, batch!([name: Text, id: Int]), on).await?, 0);
    }
    assert_eq!(db.rows(table.scan()).await?, rows!());
    Ok(())
}

pub(super) async fn every_value_comes_back(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("t", "").column("id", Int, "").nullable("b", Bool, "").nullable("i", Int, "");
    let spec =
        spec.nullable("f", Float, "").nullable("t", Text, "").nullable("y", Bytes, "").primary_key(["id"]);
    let ints =
        [0, 1, -1, i64::MAX, i64::MIN, i64::MAX - 1, i64::MIN + 1, (1 << 53) + 1, 1 << 31, -(1 << 31) - 1];
    let floats = [
        0.0,
        1.0,
        -1.5,
        0.1,
        1e300,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        -5e-324,
        1e15,
        9.007_199_254_740_993e15,
        1.0 / 3.0,
        123_456_789.123_456_79,
    ];
    let texts = [
        "",
        " ",
        "a ",
        " a",
        "it's",
        "\"",
        "%_\\",
        "\n\r\t",
        "\u{1}",
        "é",
        "e\u{301}",
        "日本語",
        "🙂",
        "\u{feff}x",
        "\u{10ffff}",
        "NULL",
        "0x00",
        "1e5",
        "'; DROP TABLE t; --",
        "$1 ?1 :a @b",
        "{}",
        "A",
        "a",
    ];
    let bytes: [&[u8]; 7] = [b"", b"\0", b"a\0b", b"\xff\xfe", b"abc", b"\\x00", b"NULL"];
    let long = "ü".repeat(100_000);
    let blob: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let mut values: Vec<(usize, Value)> = vec![(1, true.into()), (1, false.into())];
    values.extend(ints.map(|value| (2, value.into())));
    values.extend(floats.map(|value| (3, value.into())));
    values.extend(texts.map(|value| (4, value.into())));
    values.extend(bytes.map(|value| (5, value.into())));
    values.extend([(4, long.into()), (5, blob.into())]);
    let rows = values.into_iter().zip(0_i64..).map(|((column, value), id)| {
        let mut row = vec![id.into(), NULL, NULL, NULL, NULL, NULL];
        row[column] = value;
        row
    });
    let rows: Vec<Vec<Value>> = rows.collect();
    let columns = [("id", Int), ("b", Bool), ("i", Int), ("f", Float), ("t", Text), ("y", Bytes)];
    let (db, table) = Fixture::with(h, spec, batch_of(&columns, rows.clone())).await?;
    let found = db.in_order(table.scan().sort(vec![SortKey::ascending("id")])).await?;
    for (found, expected) in found.iter().zip(&rows) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), rows.len());
    Ok(())
}

pub(super) async fn negative_zero_becomes_zero(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("t", "").column("f", Float, "").primary_key(["f"]);
    let (db, table) = Fixture::with(h, spec, batch!([f: Float] [-0.0])).await?;
    fails(db.insert(&table, batch!([f: Float] [0.0])).await, ErrorKind::ConflictingDefinition);
    let Value::Float(zero) = db.value(table.scan()).await? else { return Err(made_up()) };
    assert!(zero.is_sign_positive());
    Ok(())
}

pub(super) async fn columns_may_come_in_any_order(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("t", "").column("a", Int, "").column("b", Int, "").column("c", Int, "");
    let (db, table) =
        Fixture::with(h, spec.primary_key(["a"]), batch!([c: Int, a: Int, b: Int] [3, 1, 2])).await?;
    assert_eq!(db.rows(table.scan()).await?, rows!([1, 2, 3]));
    assert_eq!(db.rows(table.scan().select(["c", "a"])).await?, rows!([3, 1]));
    Ok(())
}

pub(super) async fn columns_that_are_not_given_are_null(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("t", "").column("id", Int, "").nullable("i", Int, "").nullable("t", Text, "");
    let (db, table) = Fixture::with(h, spec.primary_key(["id"]), batch!([id: Int] [1] [2])).await?;
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL, NULL] [2, NULL, NULL]));
    Ok(())
}

pub(super) async fn null_is_refused_where_it_is_not_allowed(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("t", "").column("id", Int, "").column("a", Text, "").primary_key(["id"]);
    let db = Fixture::new(h).await?;
    let table = db.create(spec).await?;
    for on in [Fail, Ignore, Replace] {
        fails(db.insert_on(&table, batch!([id: Int, a: Text] [1, NULL]), on).await, ErrorKind::Argument);
        fails(db.insert_on(&table, batch!([id: Int, a: Text] [NULL, "x"]), on).await, ErrorKind::Argument);
        fails(db.insert_on(&table, batch!([id: Int] [1]), on).await, ErrorKind::Argument);
        fails(db.insert_on(&table, batch!([a: Text] ["x"]), on).await, ErrorKind::Argument);
    }
    assert_eq!(db.rows(table.scan()).await?, rows!());
    db.insert(&table, batch!([id: Int, a: Text] [1, "x"])).await?;
    fails(db.insert_on(&table, batch!([id: Int, a: Text] [1, NULL]), Ignore).await, ErrorKind::Argument);
    Ok(())
}

pub(super) async fn unknown_columns_are_refused(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let table = db.create(things()).await?;
    fails(db.insert(&table, batch!([id: Int, other: Int] [1, 2])).await, ErrorKind::Argument);
    let hostile = batch_of(&[("id", Int), ("name\" --", Int)], vec![vec![1.into(), 1.into()]]);
    fails(db.insert(&table, hostile).await, ErrorKind::Argument);
    Ok(())
}

pub(super) async fn columns_given_twice_are_refused(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let table = db.create(things()).await?;
    let twice = batch_of(&[("id", Int), ("id", Int)], vec![vec![1.into(), 2.into()]]);
    fails(db.insert(&table, twice).await, ErrorKind::Argument);
    Ok(())
}

pub(super) async fn columns_of_other_types_are_refused(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("t", "").column("id", Int, "").nullable("f", Float, "").nullable("t", Text, "");
    let db = Fixture::new(h).await?;
    let table = db.create(spec.primary_key(["id"])).await?;
    fails(db.insert(&table, batch!([id: Text] ["1"])).await, ErrorKind::Argument);
    fails(db.insert(&table, batch!([id: Float] [1.0])).await, ErrorKind::Argument);
    fails(db.insert(&table, batch!([id: Int, f: Int] [1, 1])).await, ErrorKind::Argument);
    fails(db.insert(&table, batch!([id: Int, t: Bytes] [1, vec![65]])).await, ErrorKind::Argument);
    fails(db.insert(&table, batch!([id: Int, t: Int] [1, NULL])).await, ErrorKind::Argument);
    assert_eq!(db.rows(table.scan()).await?, rows!());
    Ok(())
}

pub(super) async fn text_with_nul_is_refused(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let table = db.create(things()).await?;
    let mut rows = ColumnBatch::new([("id".into(), Int), ("name".into(), Text)]);
    rows.columns_mut()[0].push_int(1);
    rows.columns_mut()[1].push_text("a\0b");
    rows.end_row();
    fails(db.insert(&table, rows.clone()).await, ErrorKind::Argument);
    db.refuses(values(rows), ErrorKind::Argument).await;
    Ok(())
}

pub(super) async fn floats_that_are_not_finite_are_refused(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("t", "").column("id", Int, "").nullable("f", Float, "").primary_key(["id"]);
    let db = Fixture::new(h).await?;
    let table = db.create(spec).await?;
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut rows = ColumnBatch::new([("id".into(), Int), ("f".into(), Float)]);
        rows.columns_mut()[0].push_int(1);
        rows.columns_mut()[1].push_float(value);
        rows.end_row();
        fails(db.insert(&table, rows.clone()).await, ErrorKind::Argument);
        db.refuses(values(rows), ErrorKind::Argument).await;
    }
    Ok(())
}

pub(super) async fn a_repeated_key_fails(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int, name: Text] [1, "a"])).await?;
    let again = batch!([id: Int, name: Text] [2, "b"] [1, "c"]);
    fails(db.insert(&table, again).await, ErrorKind::ConflictingDefinition);
    let twice = batch!([id: Int, name: Text] [3, "d"] [3, "d"]);
    fails(db.insert(&table, twice).await, ErrorKind::ConflictingDefinition);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, "a"]));
    Ok(())
}

pub(super) async fn keys_of_text_are_compared_by_bytes(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("t", "").column("k", Text, "").primary_key(["k"]);
    let keys = ["a", "A", "a ", " a", "", "é", "e\u{301}", "ß", "ss", "SS"];
    let batch = batch_of(&[("k", Text)], keys.map(|key| vec![key.into()]).to_vec());
    let (db, table) = Fixture::with(h, spec, batch).await?;
    assert_eq!(db.count(table.scan()).await?, 10);
    let spec =
        TableSpec::new("u", "").column("id", Int, "").column("k", Text, "").primary_key(["id"]).unique(["k"]);
    let unique = db.create(spec).await?;
    db.insert(&unique, batch!([id: Int, k: Text] [1, "a"] [2, "A"] [3, "a "] [4, ""])).await?;
    fails(db.insert(&unique, batch!([id: Int, k: Text] [5, ""])).await, ErrorKind::ConflictingDefinition);
    Ok(())
}

pub(super) async fn keys_of_all_types_work(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("t", "").column("b", Bool, "").column("f", Float, "").column("y", Bytes, "");
    let spec = spec.primary_key(["y", "b", "f"]);
    let some = || batch!([b: Bool, f: Float, y: Bytes] [true, 0.5, vec![]] [false, 0.5, vec![]] [true, 0.5, vec![0]]);
    let (db, table) = Fixture::with(h, spec, some()).await?;
    assert_eq!(db.insert_on(&table, some(), Ignore).await?, 0);
    assert_eq!(db.insert_on(&table, some(), Replace).await?, 3);
    assert_eq!(db.delete(&table, values(some())).await?, 3);
    Ok(())
}

pub(super) async fn ignore_leaves_out_rows_that_are_there(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int, name: Text] [1, "a"])).await?;
    let more = batch!([id: Int, name: Text] [2, "b"] [1, "z"] [3, NULL]);
    assert_eq!(db.insert_on(&table, more, Ignore).await?, 2);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, "a"] [2, "b"] [3, NULL]));
    assert_eq!(db.insert_on(&table, batch!([id: Int] [1] [2] [3]), Ignore).await?, 0);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, "a"] [2, "b"] [3, NULL]));
    Ok(())
}

pub(super) async fn ignore_keeps_the_first_of_a_batch(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let table = db.create(things()).await?;
    let rows = batch!([id: Int, name: Text] [1, "a"] [2, "x"] [1, "b"] [1, "c"]);
    assert_eq!(db.insert_on(&table, rows, Ignore).await?, 2);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, "a"] [2, "x"]));
    Ok(())
}

pub(super) async fn ignore_does_not_forgive_other_rules(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = ruled(h).await?;
    let ignore = |row| db.insert_on(&table, row, Ignore);
    fails(ignore(ruled_row(3, "a", 7, (30, 40))).await, ErrorKind::ConflictingDefinition);
    fails(ignore(ruled_row(3, "c", 8, (30, 40))).await, ErrorKind::OrphanedRecord);
    if db.backend.capabilities().exclusion {
        fails(ignore(ruled_row(3, "c", 7, (15, 40))).await, ErrorKind::ConflictingDefinition);
        fails(ignore(ruled_row(3, "c", 7, (40, 40))).await, ErrorKind::Argument);
    }
    assert_eq!(db.count(table.scan()).await?, 2);
    Ok(())
}

/// But for their types and NULLs.
pub(super) async fn ignore_does_not_check_rows_left_out(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = ruled(h).await?;
    let before = db.rows(table.scan()).await?;
    for row in [
        ruled_row(1, "b", 7, (0, 10)),
        ruled_row(1, "a", 8, (0, 10)),
        ruled_row(1, "b", 7, (5, 30)),
        ruled_row(1, "b", 8, (5, 30)),
    ] {
        assert_eq!(db.insert_on(&table, row, Ignore).await?, 0);
    }
    assert_eq!(db.rows(table.scan()).await?, before);
    Ok(())
}

pub(super) async fn replace_changes_rows_that_are_there(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int, name: Text] [1, "a"] [2, "b"])).await?;
    let rows = batch!([id: Int, name: Text] [3, "c"] [2, NULL] [1, "a"]);
    assert_eq!(db.insert_on(&table, rows, Replace).await?, 3);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, "a"] [2, NULL] [3, "c"]));
    Ok(())
}

pub(super) async fn replace_clears_columns_that_are_not_given(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int, name: Text] [1, "a"] [2, "b"])).await?;
    assert_eq!(db.insert_on(&table, batch!([id: Int] [1]), Replace).await?, 1);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL] [2, "b"]));
    Ok(())
}

pub(super) async fn replace_keeps_the_last_of_a_batch(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int, name: Text] [1, "a"])).await?;
    let rows = batch!([id: Int, name: Text] [2, "x"] [1, "b"] [2, "y"] [1, "c"] [2, "z"]);
    assert_eq!(db.insert_on(&table, rows, Replace).await?, 2);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, "c"] [2, "z"]));
    Ok(())
}

pub(super) async fn replace_works_on_keys_alone(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("t", "").column("a", Int, "").column("b", Int, "").primary_key(["a", "b"]);
    let (db, table) = Fixture::with(h, spec, batch!([a: Int, b: Int] [1, 2])).await?;
    assert_eq!(db.insert_on(&table, batch!([a: Int, b: Int] [1, 2] [1, 3]), Replace).await?, 2);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, 2] [1, 3]));
    Ok(())
}

pub(super) async fn replace_leaves_rows_that_refer_to_it(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int, name: Text] [1, "a"])).await?;
    let part = db.create(parts(OnDelete::Cascade)).await?;
    db.insert(&part, batch!([part: Int, thing: Int] [10, 1])).await?;
    assert_eq!(db.insert_on(&table, batch!([id: Int, name: Text] [1, "b"]), Replace).await?, 1);
    assert_eq!(db.rows(part.scan()).await?, rows!([10, 1]));
    Ok(())
}

pub(super) async fn replace_does_not_forgive_other_rules(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = ruled(h).await?;
    let before = db.rows(table.scan()).await?;
    let replace = |row| db.insert_on(&table, row, Replace);
    fails(replace(ruled_row(1, "b", 7, (0, 10))).await, ErrorKind::ConflictingDefinition);
    fails(replace(ruled_row(3, "b", 7, (50, 60))).await, ErrorKind::ConflictingDefinition);
    fails(replace(ruled_row(1, "a", 8, (0, 10))).await, ErrorKind::OrphanedRecord);
    if db.backend.capabilities().exclusion {
        fails(replace(ruled_row(1, "a", 7, (0, 11))).await, ErrorKind::ConflictingDefinition);
    }
    assert_eq!(db.rows(table.scan()).await?, before);
    assert_eq!(replace(ruled_row(1, "a", 7, (5, 9))).await?, 1);
    Ok(())
}

pub(super) async fn unique_values_occur_once(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("t", "").column("id", Int, "").column("a", Int, "").column("b", Text, "");
    let spec = spec.primary_key(["id"]).unique(["a", "b"]).unique(["b"]);
    let (db, table) = Fixture::with(h, spec, batch!([id: Int, a: Int, b: Text] [1, 1, "x"])).await?;
    let insert = |row| db.insert(&table, row);
    assert_eq!(insert(batch!([id: Int, a: Int, b: Text] [2, 1, "y"] [3, 2, "z"])).await?, 2);
    fails(insert(batch!([id: Int, a: Int, b: Text] [4, 9, "x"])).await, ErrorKind::ConflictingDefinition);
    fails(
        insert(batch!([id: Int, a: Int, b: Text] [4, 4, "v"] [5, 5, "v"])).await,
        ErrorKind::ConflictingDefinition,
    );
    assert_eq!(db.delete(&table, values(batch!([id: Int] [1]))).await?, 1);
    assert_eq!(insert(batch!([id: Int, a: Int, b: Text] [4, 1, "x"])).await?, 1);
    Ok(())
}

pub(super) async fn nulls_are_unique(h: &dyn BackendHarness) -> Result<()> {
    let spec = TableSpec::new("t", "").column("id", Int, "").nullable("a", Int, "").nullable("b", Int, "");
    let spec = spec.primary_key(["id"]).unique(["a", "b"]);
    let some = batch!([id: Int, a: Int, b: Int] [1, NULL, NULL] [2, NULL, NULL] [3, 1, NULL] [4, 1, NULL] [5, NULL, 1]);
    let (db, table) = Fixture::with(h, spec, some).await?;
    assert_eq!(db.insert(&table, batch!([id: Int, a: Int, b: Int] [6, NULL, 1] [7, 1, 1])).await?, 2);
    fails(
        db.insert(&table, batch!([id: Int, a: Int, b: Int] [8, 1, 1])).await,
        ErrorKind::ConflictingDefinition,
    );
    assert_eq!(db.count(table.scan()).await?, 7);
    Ok(())
}

pub(super) async fn it_is_all_or_nothing(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int, name: Text] [500, "a"])).await?;
    let mut rows = ColumnBatch::new([("id".into(), Int)]);
    for id in 0..h.large().min(5000) {
        rows.columns_mut()[0].push_int(id as i64);
        rows.end_row();
    }
    fails(db.insert(&table, rows.clone()).await, ErrorKind::ConflictingDefinition);
    let inner = table.clone();
    db.run(move |t| {
        fails(
            t.savepoint(&mut |t| t.insert(&inner, &rows, Fail).map(drop)),
            ErrorKind::ConflictingDefinition,
        );
        t.insert(&inner, &batch!([id: Int] [501]), Fail)
    })
    .await?;
    assert_eq!(db.rows(table.scan()).await?, sorted(rows!([500, "a"] [501, NULL])));
    Ok(())
}
