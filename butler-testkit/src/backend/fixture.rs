//! What cases are written with: an empty namespace, and short ways to fill it and to look at it.

use std::sync::Arc;
use std::time::Duration;

use butler_core::backend::{
    Backend, BackendExt, ColumnBatch, ColumnType, OnConflict, Relation, RowBatch, Scalar, Schema, Synced,
    TableRef, TableSpec, Transaction, Value,
};
use butler_core::{Error, ErrorKind, Result};
use futures::StreamExt;

use super::{BackendHarness, Namespace};

/// SQL NULL.
pub(crate) const NULL: Value = Value::Null;

/// Rows to put in: `batch!([id: Int, name: Text] [1, "a"] [2, NULL])`.
macro_rules! batch {
    ([$($name:ident: $ty:ident),* $(,)?] $([$($value:expr),* $(,)?])*) => {
        $crate::backend::fixture::batch_of(
            &[$((stringify!($name), butler_core::backend::ColumnType::$ty)),*],
            vec![$(vec![$(butler_core::backend::Value::from($value)),*]),*],
        )
    };
}
pub(crate) use batch;

/// Rows to expect, sorted: `rows!([1, "a"] [2, NULL])`.
macro_rules! rows {
    ($([$($value:expr),* $(,)?])*) => {
        $crate::backend::fixture::sorted(vec![$(vec![$(butler_core::backend::Value::from($value)),*]),*])
    };
}
pub(crate) use rows;

/// Rows, as cases compare them.
pub(crate) type Rows = Vec<Vec<Value>>;

/// A batch of columns by name.
#[expect(clippy::expect_used, reason = "the cases give rows of the types that they say")]
pub(crate) fn batch_of(columns: &[(&str, ColumnType)], rows: Rows) -> RowBatch {
    let mut batch = ColumnBatch::new(columns.iter().map(|(name, ty)| ((*name).into(), *ty)));
    rows.iter().for_each(|row| batch.push_row(row).expect("a row fits the columns of its batch"));
    batch
}

/// Rows in the order in which bags are compared.
pub(crate) fn sorted(mut rows: Rows) -> Rows {
    rows.sort_by(|a, b| {
        let orderings = a.iter().zip(b).map(|(a, b)| a.sort_cmp(b));
        orderings.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    rows
}

/// A column of a relation.
pub(crate) fn col(name: &str) -> Scalar {
    Scalar::column(name)
}

/// A literal.
pub(crate) fn lit(value: impl Into<Value>) -> Scalar {
    Scalar::literal(value)
}

/// Always true.
pub(crate) fn always() -> Scalar {
    Scalar::And(Vec::new())
}

/// The table of most cases: a key, and a name that may be NULL.
pub(crate) fn things() -> TableSpec {
    TableSpec::new("thing", "Things")
        .column("id", ColumnType::Int, "Key")
        .nullable("name", ColumnType::Text, "Name")
        .primary_key(["id"])
}

/// A table that refers to [`things`].
pub(crate) fn parts(on_delete: butler_core::backend::OnDelete) -> TableSpec {
    TableSpec::new("part", "Parts of things")
        .column("part", ColumnType::Int, "Key")
        .nullable("thing", ColumnType::Int, "What it is a part of")
        .primary_key(["part"])
        .references(["thing"], "thing", &["id"], on_delete)
}

/// An empty namespace and a handle to it.
pub(crate) struct Fixture {
    pub(crate) namespace: Box<dyn Namespace>,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) patience: Duration,
}

impl Fixture {
    pub(crate) async fn new(harness: &dyn BackendHarness) -> Result<Self> {
        let namespace = harness.namespace().await?;
        let backend = namespace.open().await?;
        Ok(Self { namespace, backend, patience: harness.patience() })
    }

    /// A fixture with a table, and with rows in it.
    pub(crate) async fn with(
        harness: &dyn BackendHarness,
        spec: TableSpec,
        rows: RowBatch,
    ) -> Result<(Self, TableRef)> {
        let fixture = Self::new(harness).await?;
        let table = fixture.create(spec).await?;
        fixture.insert(&table, rows).await?;
        Ok((fixture, table))
    }

    /// Runs a transaction.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        body: impl FnMut(&mut dyn Transaction) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.backend.run(body).await
    }

    pub(crate) async fn create(&self, spec: TableSpec) -> Result<TableRef> {
        let table = TableRef::from(spec);
        let spec = table.clone();
        self.run(move |t| t.create(&spec)).await?;
        Ok(table)
    }

    pub(crate) async fn drop_table(&self, table: &TableRef) -> Result<()> {
        let table = table.clone();
        self.run(move |t| t.drop_table(&table)).await
    }

    pub(crate) async fn insert_on(&self, into: &TableRef, rows: RowBatch, on: OnConflict) -> Result<u64> {
        let into = into.clone();
        self.run(move |t| t.insert(&into, &rows, on)).await
    }

    pub(crate) async fn insert(&self, into: &TableRef, rows: RowBatch) -> Result<u64> {
        self.insert_on(into, rows, OnConflict::Fail).await
    }

    pub(crate) async fn sync(&self, into: &TableRef, row: RowBatch) -> Result<Synced> {
        let into = into.clone();
        self.run(move |t| t.sync(&into, &row)).await
    }

    pub(crate) async fn update(&self, table: &TableRef, rows: RowBatch) -> Result<u64> {
        let table = table.clone();
        self.run(move |t| t.update(&table, &rows)).await
    }

    pub(crate) async fn delete(&self, from: &TableRef, matching: Relation) -> Result<u64> {
        let from = from.clone();
        self.run(move |t| t.delete(&from, &matching)).await
    }

    /// All rows of a relation, sorted, after a check that a stream and a transaction give the same.
    pub(crate) async fn rows(&self, relation: Relation) -> Result<Rows> {
        Ok(sorted(self.in_order(relation).await?))
    }

    /// All rows of a relation as they come.
    pub(crate) async fn in_order(&self, relation: Relation) -> Result<Rows> {
        let streamed = streamed(&*self.backend, relation.clone()).await?;
        let selected = self.run(move |t| selected(t, &relation)).await?;
        assert_eq!(
            sorted(streamed.clone()),
            sorted(selected),
            "a stream and a transaction give the same rows"
        );
        Ok(streamed)
    }

    /// The value of a relation of one row and one column.
    pub(crate) async fn value(&self, relation: Relation) -> Result<Value> {
        let rows = self.rows(relation).await?;
        assert!(rows.len() == 1 && rows[0].len() == 1, "one value is expected: {rows:?}");
        Ok(rows[0][0].clone())
    }

    /// The number of rows of a relation, counted by the backend.
    pub(crate) async fn count(&self, relation: Relation) -> Result<i64> {
        Ok(self.value(relation.count()).await?.as_int().unwrap_or(-1))
    }

    /// That evaluating a relation is an error of a kind, by stream and in a transaction.
    pub(crate) async fn refuses(&self, relation: Relation, kind: ErrorKind) {
        fails(streamed(&*self.backend, relation.clone()).await, kind);
        fails(self.run(move |t| selected(t, &relation)).await, kind);
    }
}

/// That a result is an error of a kind.
#[track_caller]
#[expect(clippy::panic, reason = "this is how a case fails")]
pub(crate) fn fails<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind) {
    match result {
        Err(error) => assert_eq!(error.kind(), kind, "{error:?}"),
        Ok(value) => panic!("an error of kind {kind} is expected, not {value:?}"),
    }
}

/// Rows of a relation, from a stream.
pub(crate) async fn streamed(backend: &dyn Backend, relation: Relation) -> Result<Rows> {
    let mut stream = backend.stream(relation.clone()).await?;
    let schema = schema_of(&relation);
    let mut rows = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        check_columns(&batch, &schema);
        rows.extend(batch.rows());
    }
    Ok(rows)
}

/// Rows of a relation, in a transaction.
pub(crate) fn selected(transaction: &mut dyn Transaction, relation: &Relation) -> Result<Rows> {
    let mut rows = Vec::new();
    let mut batches = Vec::new();
    transaction.select(relation, &mut |batch| {
        rows.extend(batch.rows());
        batches.push(batch);
        std::ops::ControlFlow::Continue(())
    })?;
    let schema = schema_of(relation);
    batches.iter().for_each(|batch| check_columns(batch, &schema));
    Ok(rows)
}

/// The columns of a relation that a backend has evaluated; it should have refused one that is unsound.
#[expect(clippy::expect_used, reason = "this is how a case fails")]
fn schema_of(relation: &Relation) -> Schema {
    relation.schema().expect("an unsound relation is refused")
}

fn check_columns(batch: &ColumnBatch, schema: &Schema) {
    let found: Vec<_> = batch.names().iter().zip(batch.columns()).map(|(name, c)| (name, c.ty())).collect();
    let expected: Vec<_> = schema.iter().map(|column| (&column.name, column.ty)).collect();
    assert_eq!(found, expected, "a batch has the columns of the relation");
}

/// An error that a body of a transaction makes up.
pub(crate) fn made_up() -> Error {
    Error::new(ErrorKind::Interrupted, "the body gives up")
}

/// Rows of the caller.
pub(crate) fn values(rows: RowBatch) -> Relation {
    Relation::values(rows)
}
