//! Reading tables of datastores, and outcomes of journals.

use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::backend::{ColumnBatch, ColumnType, Relation, RowBatch, TableRef, TableSpec, Value};
use butler_core::registry::{DatastoreBridgeManager, JournalOutcome, OpaqueFetch};
use butler_core::{DatasetId, Error, ErrorKind, Result};

use super::Shared;
use super::layout::{ID, ORIGIN};
use super::rows::{among_ids, batch, equal, is, text};
use crate::schema::{DATASET_LOCATION, DATASTORE, JOURNAL_OUTCOME, OPAQUE_TABLE};

/// The specification of a table, as it was registered.
pub(crate) fn read_spec(json: &str) -> Result<TableRef> {
    let spec: TableSpec = serde_json::from_str(json).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "the specification of a datastore's table cannot be read")
            .with_source(error)
    })?;
    Ok(spec.into())
}

/// Rows of tables of datastores, one batch for each fetch.
pub(crate) async fn fetch(shared: &Shared, fetches: Vec<OpaqueFetch>) -> Result<Vec<ColumnBatch>> {
    let mut results = Vec::with_capacity(fetches.len());
    for fetch in fetches {
        let source = source(shared, &fetch.table).await?;
        let mut all = batch(source.columns.iter().map(|(name, ty)| (name, *ty)));
        for rows in shared.collect(matching(source, fetch)?).await? {
            append(&mut all, &rows)?;
        }
        results.push(all);
    }
    Ok(results)
}

/// What rows are fetched from.
struct Source {
    rows: Relation,
    columns: Vec<(ArcStr, ColumnType)>,
}

impl From<TableRef> for Source {
    fn from(table: TableRef) -> Self {
        let columns = table.columns.iter().map(|column| (column.name.clone(), column.ty)).collect();
        Self { rows: table.scan(), columns }
    }
}

/// Locations with the names of datastores, not their keys.
fn locations() -> Source {
    let names = DATASTORE.scan().rename([("datastore_key", "datastore_id"), ("datastore", "name")]);
    let columns = [("origin", ColumnType::Int), ("id", ColumnType::Int), ("datastore", ColumnType::Text)];
    Source {
        rows: DATASET_LOCATION
            .scan()
            .join(names, equal([("datastore_id", "datastore_key")]))
            .select(columns.map(|(name, _)| name)),
        columns: columns.into_iter().map(|(name, ty)| (name.into(), ty)).collect(),
    }
}

async fn source(shared: &Shared, name: &ArcStr) -> Result<Source> {
    if name == DatastoreBridgeManager::TABLE {
        return Ok(locations());
    }
    table(shared, name).await.map(Source::from)
}

async fn table(shared: &Shared, name: &ArcStr) -> Result<TableRef> {
    if name == JournalOutcome::TABLE {
        return Ok(JOURNAL_OUTCOME.clone());
    }
    if let Some(table) = shared.handles.opaque_table(name) {
        return Ok(table);
    }
    let rows = shared.collect(OPAQUE_TABLE.scan().filter(is("name", name.clone()))).await?;
    for batch in &rows {
        if !batch.is_empty() {
            let table = read_spec(text(batch.column("spec")?, 0)?)?;
            shared.handles.know_opaque_table(table.clone());
            return Ok(table);
        }
    }
    Err(Error::new(ErrorKind::NotFound, format!("no datastore has registered a table '{name}'")))
}

fn matching(source: Source, fetch: OpaqueFetch) -> Result<Relation> {
    let Some(keys) = fetch.keys else { return Ok(source.rows) };
    if let Some(ids) = dataset_ids(&fetch.columns, &keys) {
        return Ok(among_ids(source.rows, &ORIGIN, &ID, ids));
    }
    let mut columns = Vec::with_capacity(fetch.columns.len());
    for name in &fetch.columns {
        let (_, ty) = source.columns.iter().find(|(known, _)| known == name).ok_or_else(|| {
            Error::new(ErrorKind::Argument, format!("table '{}' has no column '{name}'", fetch.table))
        })?;
        columns.push((ArcStr::from(format!("given_{name}")), *ty));
    }
    let mut rows = RowBatch::new(columns);
    for key in &keys {
        rows.push_row(key)?;
    }
    let on = equal(fetch.columns.iter().map(|name| (name.clone(), format!("given_{name}"))));
    Ok(source.rows.semi(Relation::values(Arc::new(rows)), on))
}

/// The keys as ids of datasets, if that is what they are.
fn dataset_ids(columns: &[ArcStr], keys: &[Box<[Value]>]) -> Option<Vec<DatasetId>> {
    if columns != [ORIGIN, ID] {
        return None;
    }
    let id = |key: &[Value]| match key {
        [Value::Int(origin), Value::Int(id)] => Some(DatasetId::from_trusted(*origin, *id)),
        _ => None,
    };
    keys.iter().map(|key| id(key)).collect()
}

fn append(all: &mut RowBatch, rows: &ColumnBatch) -> Result<()> {
    for row in rows.rows() {
        all.push_row(&row)?;
    }
    Ok(())
}
