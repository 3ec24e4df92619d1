//! Tables are created, dropped, and read back.

use arcstr::ArcStr;
use butler_core::backend::{
    Backend, BackendExt, ColumnType, OnConflict, OnDelete, SortKey, Strength, TableRef, TableSpec,
    Transaction,
};
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{
    Fixture, NULL, batch, batch_of, fails, made_up, parts, rows, selected, sorted, streamed, things, values,
};

use ColumnType::{Bool, Bytes, Float, Int, Text};

/// Tables that use everything that a specification can say.
fn everything() -> Vec<TableSpec> {
    vec![
        TableSpec::new("a_pair", "Referred to")
            .column("left_id", Int, "First part")
            .column("right_id", Text, "Second part")
            .primary_key(["right_id", "left_id"]),
        TableSpec::new("b_counted", "Has an identity")
            .identity("counted_id", "Issued")
            .column("name", Text, "Known by it")
            .nullable("alias", Text, "Or by it")
            .unique(["name"])
            .unique(["alias", "name"]),
        TableSpec::new("c_ranged", "Has an exclusion and references")
            .column("key_b", Bytes, "Key")
            .column("key_f", Float, "Key")
            .nullable("flag", Bool, "Perhaps")
            .nullable("left_id", Int, "A pair")
            .nullable("right_id", Text, "A pair")
            .column("counted_id", Int, "What is counted")
            .column("begin_ns", Int, "Included")
            .column("end_ns", Int, "Excluded")
            .primary_key(["key_f", "key_b"])
            .exclude(["counted_id", "flag"], "begin_ns", "end_ns")
            .references(["left_id", "right_id"], "a_pair", &["left_id", "right_id"], OnDelete::Restrict)
            .references(["counted_id"], "b_counted", &["counted_id"], OnDelete::Cascade)
            .index(["right_id", "left_id"])
            .index(["flag"]),
    ]
}

/// A specification without what a database need not keep.
fn comparable(spec: &TableSpec, with_comments: bool) -> TableSpec {
    let mut spec = spec.clone();
    if !with_comments {
        spec.comment = ArcStr::new();
        spec.columns.iter_mut().for_each(|column| column.comment = ArcStr::new());
    }
    spec.indexes.sort_by(|a, b| a.columns.cmp(&b.columns));
    spec.foreign_keys.sort_by(|a, b| a.columns.cmp(&b.columns));
    spec
}

fn assert_same(found: &[TableSpec], expected: &[TableSpec]) {
    for (found, expected) in found.iter().zip(expected) {
        let comments = !found.comment.is_empty();
        assert_eq!(comparable(found, comments), comparable(expected, comments));
    }
    assert_eq!(found.len(), expected.len());
}

async fn names(backend: &dyn Backend) -> Result<Vec<ArcStr>> {
    Ok(backend.tables().await?.into_iter().map(|spec| spec.name).collect())
}

pub(super) async fn a_fresh_namespace_has_none(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    assert_eq!(db.backend.tables().await?, []);
    Ok(())
}

pub(super) async fn specifications_are_read_back(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    for spec in everything() {
        db.create(spec).await?;
    }
    assert_same(&db.backend.tables().await?, &everything());
    let other = db.namespace.open().await?;
    assert_same(&other.tables().await?, &everything());
    Ok(())
}

/// The natural key is that of the first.
pub(super) async fn unique_rules_keep_their_order(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let columns = ["z", "a", "m"];
    let spec = columns
        .iter()
        .fold(TableSpec::new("t", "").identity("id", ""), |spec, name| spec.column(name, Int, ""));
    let spec = columns.iter().fold(spec, |spec, name| spec.unique([name]));
    db.create(spec.clone()).await?;
    assert_eq!(db.backend.tables().await?[0].unique, spec.unique);
    Ok(())
}

pub(super) async fn they_are_listed_in_order_of_names(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let mut expected = ["t1", "_t", "t_10", "ta", "t", "t_", "t10", "t2"];
    for name in expected {
        db.create(TableSpec::new(name, "").column("id", Int, "").primary_key(["id"])).await?;
    }
    expected.sort_unstable();
    assert_eq!(names(&*db.backend).await?, expected);
    Ok(())
}

pub(super) async fn creating_an_identical_one_changes_nothing(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int, name: Text] [1, "a"])).await?;
    db.create(things()).await?;
    let again = table.clone();
    db.run(move |t| {
        t.create(&again)?;
        t.create(&again)
    })
    .await?;
    assert_eq!(db.rows(table.scan()).await?, rows!([1, "a"]));
    for spec in everything() {
        db.create(spec).await?;
    }
    for spec in everything() {
        db.create(spec).await?;
    }
    Ok(())
}

pub(super) async fn comments_make_no_difference(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let spec = |comment| TableSpec::new("t", comment).column("id", Int, comment).primary_key(["id"]);
    db.create(spec("it's a \"comment\"; --\\ % $1 ü")).await?;
    db.create(spec("another")).await?;
    db.create(spec("")).await?;
    Ok(())
}

pub(super) async fn the_order_of_indexes_and_references_makes_none(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    for mut spec in everything() {
        db.create(spec.clone()).await?;
        spec.indexes.reverse();
        spec.foreign_keys.reverse();
        db.create(spec).await?;
    }
    Ok(())
}

pub(super) async fn another_one_of_a_name_is_a_conflict(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    db.create(things()).await?;
    let base = || TableSpec::new("t", "").column("id", Int, "").column("a", Int, "").nullable("b", Text, "");
    let spec = || base().primary_key(["id"]);
    db.create(spec()).await?;
    let others = [
        spec().column("c", Int, ""),
        TableSpec::new("t", "").column("id", Int, "").column("a", Int, "").primary_key(["id"]),
        TableSpec::new("t", "")
            .column("a", Int, "")
            .column("id", Int, "")
            .nullable("b", Text, "")
            .primary_key(["id"]),
        TableSpec::new("t", "")
            .column("id", Int, "")
            .column("a", Text, "")
            .nullable("b", Text, "")
            .primary_key(["id"]),
        TableSpec::new("t", "")
            .column("id", Int, "")
            .nullable("a", Int, "")
            .nullable("b", Text, "")
            .primary_key(["id"]),
        base().primary_key(["id", "a"]),
        spec().unique(["a"]),
        spec().index(["a"]),
        spec().exclude(["b"], "id", "a"),
        spec().references(["a"], "thing", &["id"], OnDelete::Restrict),
        TableSpec::new("t", "").identity("id", "").column("a", Int, "").nullable("b", Text, ""),
    ];
    for other in others {
        fails(db.create(other).await, ErrorKind::ConflictingDefinition);
    }
    assert_same(&db.backend.tables().await?[..1], &[spec()]);
    let restrict = |on_delete| {
        TableSpec::new("u", "").column("id", Int, "").primary_key(["id"]).references(
            ["id"],
            "thing",
            &["id"],
            on_delete,
        )
    };
    db.create(restrict(OnDelete::Restrict)).await?;
    fails(db.create(restrict(OnDelete::Cascade)).await, ErrorKind::ConflictingDefinition);
    Ok(())
}

pub(super) async fn unsound_specifications_are_refused(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let id = |name: &str| TableSpec::new(name, "").column("id", Int, "").primary_key(["id"]);
    for spec in [
        id("Upper"),
        id("a b"),
        id("x\"; DROP TABLE thing; --"),
        id("t").column("id", Int, ""),
        id("t").column("a\0", Int, ""),
        id("t").unique(["missing"]),
        TableSpec::new("t", "").column("id", Int, ""),
        TableSpec::new("t", "").nullable("id", Int, "").primary_key(["id"]),
        id("t").column("a", Text, "").exclude(["id"], "id", "a"),
    ] {
        fails(db.create(spec).await, ErrorKind::Argument);
    }
    assert_eq!(names(&*db.backend).await?, [""; 0]);
    Ok(())
}

pub(super) async fn references_to_missing_tables_are_refused(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let spec = things().references(["id"], "nowhere", &["id"], OnDelete::Restrict);
    fails(db.create(spec).await, ErrorKind::Argument);
    Ok(())
}

pub(super) async fn references_to_what_is_no_key_are_refused(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    db.create(things().unique(["name"])).await?;
    let spec = |ty, column: &str| {
        TableSpec::new("t", "").column("a", ty, "").primary_key(["a"]).references(
            ["a"],
            "thing",
            &[column],
            OnDelete::Cascade,
        )
    };
    fails(db.create(spec(Text, "name")).await, ErrorKind::Argument);
    fails(db.create(spec(Int, "missing")).await, ErrorKind::Argument);
    Ok(())
}

pub(super) async fn references_of_other_types_are_refused(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    db.create(things()).await?;
    let spec = TableSpec::new("t", "").column("a", Text, "").primary_key(["a"]);
    fails(db.create(spec.references(["a"], "thing", &["id"], OnDelete::Cascade)).await, ErrorKind::Argument);
    Ok(())
}

pub(super) async fn a_dropped_one_is_gone_with_its_rows(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1])).await?;
    db.drop_table(&table).await?;
    assert_eq!(db.backend.tables().await?, []);
    db.create(things()).await?;
    assert_eq!(db.rows(table.scan()).await?, rows!());
    Ok(())
}

pub(super) async fn dropping_a_missing_one_is_no_error(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    db.drop_table(&things().into()).await
}

pub(super) async fn one_that_is_referred_to_cannot_be_dropped(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1])).await?;
    let part = db.create(parts(OnDelete::Cascade)).await?;
    fails(db.drop_table(&table).await, ErrorKind::OrphanedRecord);
    assert_eq!(names(&*db.backend).await?, ["part", "thing"]);
    db.drop_table(&part).await?;
    db.drop_table(&table).await?;
    let node = TableSpec::new("node", "")
        .column("id", Int, "")
        .nullable("parent", Int, "")
        .primary_key(["id"])
        .references(["parent"], "node", &["id"], OnDelete::Restrict);
    let node = db.create(node).await?;
    db.insert(&node, batch!([id: Int, parent: Int] [1, NULL] [2, 1])).await?;
    db.drop_table(&node).await
}

pub(super) async fn creating_and_dropping_are_undone_with_the_transaction(
    h: &dyn BackendHarness,
) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1])).await?;
    let (old, new) = (table.clone(), everything()[0].clone());
    let outcome = db.run::<()>(move |t| {
        t.create(&new)?;
        t.drop_table(&old)?;
        Err(made_up())
    });
    fails(outcome.await, ErrorKind::Interrupted);
    assert_eq!(names(&*db.backend).await?, ["thing"]);
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL]));
    let (old, new) = (table.clone(), everything()[0].clone());
    db.run(move |t| {
        let part = t.savepoint(&mut |t| {
            t.create(&new)?;
            t.drop_table(&old)?;
            Err(made_up())
        });
        fails(part, ErrorKind::Interrupted);
        t.insert(&old, &batch!([id: Int] [2]), OnConflict::Fail)
    })
    .await?;
    assert_eq!(names(&*db.backend).await?, ["thing"]);
    Ok(())
}

pub(super) async fn one_can_be_used_where_it_is_created(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let table = TableRef::from(things());
    let inner = table.clone();
    let found = db.run(move |t| {
        t.create(&inner)?;
        t.insert(&inner, &batch!([id: Int] [1]), OnConflict::Fail)?;
        selected(t, &inner.scan())
    });
    assert_eq!(found.await?, rows!([1, NULL]));
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL]));
    Ok(())
}

/// What was remembered of the first must not spoil the second.
pub(super) async fn one_can_be_made_anew_with_other_columns(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1])).await?;
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL]));
    db.drop_table(&table).await?;
    let spec = TableSpec::new("thing", "").column("name", Int, "").column("id", Text, "").primary_key(["id"]);
    let other = db.create(spec).await?;
    db.insert(&other, batch!([id: Text, name: Int] ["x", 5])).await?;
    assert_eq!(db.rows(other.scan()).await?, rows!([5, "x"]));
    assert_eq!(db.update(&other, batch!([id: Text, name: Int] ["x", 6])).await?, 1);
    assert_eq!(db.rows(other.scan()).await?, rows!([6, "x"]));
    Ok(())
}

pub(super) async fn names_may_be_keywords(h: &dyn BackendHarness) -> Result<()> {
    let columns = [
        "select", "from", "where", "group", "order", "table", "user", "values", "default", "primary", "null",
        "true", "rowid", "oid", "limit", "offset", "excluded", "new", "old", "end", "unique", "c0", "t0",
        "key", "value",
    ];
    let spec = columns.iter().fold(TableSpec::new("index", "").column("check", Int, ""), |spec, name| {
        spec.nullable(name, Int, "")
    });
    let spec = spec.primary_key(["check"]).unique(["select", "from"]).index(["order", "group"]).references(
        ["table"],
        "index",
        &["check"],
        OnDelete::Cascade,
    );
    let db = Fixture::new(h).await?;
    let table = db.create(spec.clone()).await?;
    assert_same(&db.backend.tables().await?, &[spec]);
    let mut names: Vec<(&str, ColumnType)> = columns.iter().map(|name| (*name, Int)).collect();
    names.push(("check", Int));
    let row =
        |id: i64| names.iter().map(|(name, _)| if *name == "table" { NULL } else { id.into() }).collect();
    let batch = |rows| batch_of(&names, rows);
    db.insert(&table, batch(vec![row(1), row(2)])).await?;
    db.insert_on(&table, batch(vec![row(1), row(3)]), OnConflict::Replace).await?;
    db.update(&table, batch(vec![row(2)])).await?;
    assert!(!db.sync(&table, batch(vec![row(2)])).await?.inserted);
    let keys = columns.iter().map(|name| SortKey::descending(*name)).collect();
    let found = db.in_order(table.scan().select(["rowid", "select"]).slice(
        vec![SortKey::descending("rowid")],
        0,
        None,
    ));
    assert_eq!(found.await?, [[3.into(), 3.into()], [2.into(), 2.into()], [1.into(), 1.into()]]);
    assert_eq!(db.in_order(table.scan().sort(keys).select(["check"])).await?.len(), 3);
    assert_eq!(db.delete(&table, table.scan()).await?, 3);
    Ok(())
}

/// Databases derive the names of keys, rules and indexes from those of tables and columns.
pub(super) async fn long_names_do_not_collide(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let long = |end: &str| format!("{}{end}", "x".repeat(63 - end.len()));
    let mut specs = Vec::new();
    for end in ["_a", "_b"] {
        let (first, second) = (long("_1"), long("_2"));
        let spec = TableSpec::new(long(end), "")
            .column(&first, Int, "")
            .column(&second, Int, "")
            .primary_key([&first])
            .unique([&second, &first])
            .unique([&second])
            .index([&first])
            .index([&first, &second])
            .references([&first], &long("_a"), &[&first], OnDelete::Cascade)
            .references([&second], &long("_a"), &[&first], OnDelete::Cascade)
            .exclude([&first], &first, &second);
        db.create(spec.clone()).await?;
        specs.push(spec);
    }
    assert_same(&db.backend.tables().await?, &specs);
    let table = TableRef::from(specs.swap_remove(1));
    let columns = [long("_1"), long("_2")];
    let row = batch_of(&[(&columns[0], Int), (&columns[1], Int)], vec![vec![1.into(), 2.into()]]);
    fails(db.insert(&table, row).await, ErrorKind::OrphanedRecord);
    Ok(())
}

pub(super) async fn one_may_have_a_hundred_columns(h: &dyn BackendHarness) -> Result<()> {
    let names: Vec<String> = (0..100).map(|i| format!("c{i}")).collect();
    let spec = names.iter().fold(TableSpec::new("wide", ""), |spec, name| spec.nullable(name, Int, ""));
    let spec = spec.column("id", Int, "").primary_key(["id"]);
    let db = Fixture::new(h).await?;
    let table = db.create(spec).await?;
    let columns: Vec<(&str, ColumnType)> =
        names.iter().map(|name| (name.as_str(), Int)).chain([("id", Int)]).collect();
    let expected: Vec<Vec<_>> =
        (0..h.large() as i64 / 140).map(|row| (0..101).map(|c| (row * 101 + c).into()).collect()).collect();
    db.insert(&table, batch_of(&columns, expected.clone())).await?;
    assert_eq!(db.rows(table.scan()).await?, sorted(expected));
    Ok(())
}

pub(super) async fn a_missing_one_is_not_found(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let table = TableRef::from(things());
    let row = || batch!([id: Int, name: Text] [1, "a"]);
    fails(db.insert(&table, row()).await, ErrorKind::NotFound);
    fails(db.sync(&table, row()).await, ErrorKind::NotFound);
    fails(db.update(&table, row()).await, ErrorKind::NotFound);
    fails(db.delete(&table, values(row())).await, ErrorKind::NotFound);
    db.refuses(table.scan(), ErrorKind::NotFound).await;
    let lock =
        move |t: &mut dyn Transaction| t.lock(&table, &values(batch!([id: Int] [1])), Strength::Update);
    fails(db.run(lock).await, ErrorKind::NotFound);
    Ok(())
}

pub(super) async fn namespaces_do_not_see_each_other(h: &dyn BackendHarness) -> Result<()> {
    let (one, table) = Fixture::with(h, things(), batch!([id: Int] [1])).await?;
    let spec = TableSpec::new("thing", "").column("other", Text, "").primary_key(["other"]);
    let (two, other) = Fixture::with(h, spec, batch!([other: Text] ["x"] ["y"])).await?;
    assert_eq!(one.rows(table.scan()).await?, rows!([1, NULL]));
    assert_eq!(two.rows(other.scan()).await?, rows!(["x"]["y"]));
    two.drop_table(&other).await?;
    assert_eq!(names(&*one.backend).await?, ["thing"]);
    assert_eq!(names(&*two.backend).await?, [""; 0]);
    Ok(())
}

pub(super) async fn every_handle_sees_them(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let other = db.namespace.open().await?;
    assert_eq!(names(&*other).await?, [""; 0]);
    let table = db.create(things()).await?;
    assert_eq!(names(&*other).await?, ["thing"]);
    let inner = table.clone();
    other.run(move |t| t.insert(&inner, &batch!([id: Int] [1]), OnConflict::Fail)).await?;
    assert_eq!(db.rows(table.scan()).await?, rows!([1, NULL]));
    assert_eq!(streamed(&*other, table.scan()).await?, rows!([1, NULL]));
    db.drop_table(&table).await?;
    assert_eq!(names(&*other).await?, [""; 0]);
    fails(streamed(&*other, table.scan()).await, ErrorKind::NotFound);
    Ok(())
}
