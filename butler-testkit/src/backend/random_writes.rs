//! Random transactions do what they do in the reference.

use butler_core::backend::{
    Backend, BackendExt, ColumnType, OnConflict, OnDelete, Relation, RowBatch, TableRef, TableSpec,
    Transaction, Value,
};
use butler_core::{ErrorKind, Result};
use fastrand::Rng;

use super::BackendHarness;
use super::fixture::{Fixture, NULL, Rows, batch_of, col, made_up, sorted, streamed};
use crate::random::from_environment;
use crate::reference::ReferenceBackend;

use ColumnType::{Int, Text};

/// Transactions in one namespace.
const A_WORLD: usize = 60;

/// A call that changes rows of a table, by its place among them.
#[derive(Clone, Debug)]
enum Call {
    Insert(usize, RowBatch, OnConflict),
    Sync(usize, RowBatch),
    Update(usize, RowBatch),
    Delete(usize, Relation),
}

/// What a call returned, as text, or that it failed: which rule it broke first is left open.
type Outcome = Option<String>;

fn tables(exclusion: bool) -> Vec<TableRef> {
    let thing = TableSpec::new("thing", "")
        .column("id", Int, "")
        .nullable("name", Text, "")
        .nullable("size", Int, "")
        .primary_key(["id"])
        .unique(["name"]);
    let part = TableSpec::new("part", "")
        .column("id", Int, "")
        .nullable("name", Text, "")
        .nullable("thing", Int, "")
        .column("since", Int, "")
        .column("until", Int, "")
        .primary_key(["id"])
        .references(["thing"], "thing", &["id"], OnDelete::Restrict);
    let part = if exclusion { part.exclude(["name"], "since", "until") } else { part };
    let note = TableSpec::new("note", "")
        .column("thing", Int, "")
        .column("id", Int, "")
        .nullable("name", Text, "")
        .nullable("part", Int, "")
        .primary_key(["thing", "id"])
        .references(["thing"], "thing", &["id"], OnDelete::Cascade)
        .references(["part"], "part", &["id"], OnDelete::Cascade);
    [thing, part, note].map(TableRef::from).into()
}

struct Calls<'a> {
    rng: Rng,
    tables: &'a [TableRef],
}

impl Calls<'_> {
    fn value(&mut self, column: &str, nullable: bool) -> Value {
        match column {
            _ if nullable && self.rng.u8(..4) == 0 => NULL,
            "name" => ["a", "b", "c", "A", ""][self.rng.usize(..5)].into(),
            "since" => self.rng.i64(..8).into(),
            // Never an empty range.
            "until" => self.rng.i64(8..12).into(),
            _ => self.rng.i64(..6).into(),
        }
    }

    /// Rows with the key and some other columns.
    fn rows(&mut self, table: usize, count: usize, whole: bool) -> RowBatch {
        let spec = self.tables[table].clone();
        let given: Vec<_> = spec
            .columns
            .iter()
            .filter(|c| whole && !c.nullable || spec.primary_key.contains(&c.name) || self.rng.u8(..3) > 0)
            .collect();
        let columns: Vec<(&str, ColumnType)> = given.iter().map(|c| (c.name.as_str(), c.ty)).collect();
        let rows = (0..count).map(|_| given.iter().map(|c| self.value(&c.name, c.nullable)).collect());
        let rows = rows.collect();
        batch_of(&columns, rows)
    }

    fn call(&mut self) -> Call {
        let table = self.rng.usize(..self.tables.len());
        match self.rng.u8(..10) {
            0..=2 => {
                let count = self.rng.usize(1..4);
                Call::Insert(table, self.rows(table, count, true), OnConflict::Fail)
            }
            3..=4 => {
                let count = self.rng.usize(1..5);
                Call::Insert(table, self.rows(table, count, true), OnConflict::Ignore)
            }
            // One row: what several break between them is left open.
            5 => Call::Insert(table, self.rows(table, 1, true), OnConflict::Replace),
            6 => Call::Sync(table, self.rows(table, 1, true)),
            7..=8 => Call::Update(table, self.rows(table, 1, false)),
            _ => {
                let column = ["id", "id", "name"][self.rng.usize(..3)];
                let value = self.value(column, false);
                Call::Delete(table, self.tables[table].scan().filter(col(column).eq(value)))
            }
        }
    }
}

fn apply(t: &mut dyn Transaction, tables: &[TableRef], call: &Call) -> Result<String> {
    Ok(match call {
        Call::Insert(table, rows, on) => format!("{}", t.insert(&tables[*table], rows, *on)?),
        Call::Sync(table, row) => format!("{:?}", t.sync(&tables[*table], row)?),
        Call::Update(table, rows) => format!("{}", t.update(&tables[*table], rows)?),
        Call::Delete(table, matching) => format!("{}", t.delete(&tables[*table], matching)?),
    })
}

/// Runs calls in one transaction, a savepoint each, and perhaps gives up at last.
async fn run(
    backend: &dyn Backend,
    tables: &[TableRef],
    calls: &[Call],
    gives_up: bool,
) -> Result<Vec<Outcome>> {
    let (tables, calls) = (tables.to_vec(), calls.to_vec());
    let (sender, receiver) = std::sync::mpsc::channel();
    let outcome = backend.run(move |t| {
        let mut outcomes = Vec::new();
        for call in &calls {
            let mut returned = None;
            let part = t.savepoint(&mut |t| {
                returned = Some(apply(t, &tables, call)?);
                Ok(())
            });
            match part {
                Err(error)
                    if !matches!(
                        error.kind(),
                        ErrorKind::ConflictingDefinition | ErrorKind::OrphanedRecord
                    ) =>
                {
                    return Err(error);
                }
                failed => outcomes.push(failed.ok().and(returned)),
            }
        }
        sender.send(outcomes).ok();
        if gives_up { Err(made_up()) } else { Ok(()) }
    });
    match outcome.await {
        Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
        // Of a body that was repeated, the last run counts.
        _ => Ok(receiver.try_iter().last().unwrap_or_default()),
    }
}

async fn contents(backend: &dyn Backend, tables: &[TableRef]) -> Result<Vec<Rows>> {
    let mut contents = Vec::new();
    for table in tables {
        contents.push(sorted(streamed(backend, table.scan()).await?));
    }
    Ok(contents)
}

pub(super) async fn they_do_as_in_the_reference(h: &dyn BackendHarness) -> Result<()> {
    let seed: u64 = from_environment("BUTLER_TEST_SEED").unwrap_or(1);
    for world in 0..h.relations().div_ceil(A_WORLD) as u64 {
        let db = Fixture::new(h).await?;
        let reference = ReferenceBackend::new();
        let tables = tables(db.backend.capabilities().exclusion);
        for table in &tables {
            db.create((**table).clone()).await?;
            let spec = table.clone();
            reference.run(move |t| t.create(&spec)).await?;
        }
        let mut random =
            Calls { rng: Rng::with_seed(seed.wrapping_mul(7919).wrapping_add(world)), tables: &tables };
        for _ in 0..h.relations().min(A_WORLD) {
            let calls: Vec<Call> = (0..random.rng.usize(1..5)).map(|_| random.call()).collect();
            let gives_up = random.rng.u8(..5) == 0;
            let before = contents(&reference, &tables).await?;
            let expected = run(&reference, &tables, &calls, gives_up).await?;
            let found = run(&*db.backend, &tables, &calls, gives_up).await?;
            assert_eq!(found, expected, "{calls:#?}\nbefore: {before:#?}");
            let (expected, found) =
                (contents(&reference, &tables).await?, contents(&*db.backend, &tables).await?);
            assert_eq!(found, expected, "{calls:#?}\nbefore: {before:#?}");
        }
    }
    Ok(())
}
