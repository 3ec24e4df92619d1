//! Records of datastores: from rows of the registry to datasets, and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use arcstr::ArcStr;
use rustc_hash::FxHashMap;

use super::Butler;
use crate::backend::{ColumnBatch, RowBatch, Value};
use crate::dataset::{ArtifactRecord, ArtifactRecords, DatasetId, DatasetRef};
use crate::datastore::RecordsByDataset;
use crate::registry::{OpaqueFetch, OpaqueRows, OpaqueTable, Operation};
use crate::{Error, ErrorKind, Result};

/// Number of columns of a dataset's id, with which the tables of datastores begin.
const ID_COLUMNS: usize = 2;

impl Butler {
    /// The same datasets with the records of datastores that the registry has.
    ///
    /// Those that carry records already keep them.
    ///
    /// # Errors
    /// `Connection` and the like.
    pub async fn with_records(&self, datasets: Vec<DatasetRef>) -> Result<Vec<DatasetRef>> {
        let mut datasets = datasets;
        let lacking: Vec<usize> =
            (0..datasets.len()).filter(|&at| datasets[at].records().is_none()).collect();
        let tables = self.inner.datastore.tables();
        if lacking.is_empty() || tables.is_empty() {
            return Ok(datasets);
        }
        let keys: Vec<Box<[Value]>> = lacking
            .iter()
            .map(|&at| [datasets[at].id().origin().into(), datasets[at].id().id().into()].into())
            .collect();
        let fetches = tables
            .iter()
            .map(|table| OpaqueFetch {
                table: table.spec.name.clone(),
                columns: vec!["origin".into(), "id".into()],
                keys: Some(keys.clone()),
            })
            .collect();
        let answers = match self.inner.registry.fetch_opaque(fetches).await {
            // A datastore that was configured later, and into which nothing was written yet.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(datasets),
            other => other?,
        };
        let mut found: FxHashMap<DatasetId, Vec<ArtifactRecord>> = FxHashMap::default();
        for (table, rows) in tables.iter().zip(&answers) {
            collect(table, rows, &mut found)?;
        }
        for at in lacking {
            let records = found.remove(&datasets[at].id()).unwrap_or_default();
            datasets[at] = datasets[at].with_records(Some(Arc::new(ArtifactRecords(records))));
        }
        Ok(datasets)
    }

    /// The changes of the registry that records of stored datasets are.
    pub(super) fn record_operations(&self, records: RecordsByDataset) -> Result<Vec<Operation>> {
        let tables = self.inner.datastore.tables();
        let mut by_datastore: BTreeMap<ArcStr, Rows> = BTreeMap::new();
        for (id, record) in records.0 {
            let table = tables.iter().find(|table| table.spec.name == record.table).ok_or_else(|| {
                Error::new(
                    ErrorKind::Unexpected,
                    format!(
                        "datastore '{}' has records of a table '{}' that it did not declare",
                        record.datastore, record.table
                    ),
                )
            })?;
            by_datastore.entry(record.datastore.clone()).or_default().push(id, table, &record)?;
        }
        let operations = by_datastore.into_iter().filter_map(|(datastore, rows)| {
            let tables = rows.tables.into_iter();
            let tables = tables.map(|(table, rows)| OpaqueRows { table, rows: Arc::new(rows) }).collect();
            self.inner.places.bridge(&datastore)?.insert(rows.datasets, tables)
        });
        Ok(operations.collect())
    }
}

/// Rows of the tables of one datastore.
#[derive(Default)]
struct Rows {
    datasets: Vec<DatasetId>,
    tables: BTreeMap<ArcStr, RowBatch>,
}

impl Rows {
    fn push(&mut self, id: DatasetId, table: &OpaqueTable, record: &ArtifactRecord) -> Result<()> {
        // Records of one dataset follow each other.
        if self.datasets.last() != Some(&id) {
            self.datasets.push(id);
        }
        let columns = || table.spec.columns.iter().map(|column| (column.name.clone(), column.ty));
        let rows = self.tables.entry(record.table.clone()).or_insert_with(|| RowBatch::new(columns()));
        let mut row: Vec<Value> = vec![id.origin().into(), id.id().into()];
        row.extend(record.values.iter().cloned());
        rows.push_row(&row)
    }
}

/// Reads rows of a table.
fn collect(
    table: &OpaqueTable,
    rows: &ColumnBatch,
    found: &mut FxHashMap<DatasetId, Vec<ArtifactRecord>>,
) -> Result<()> {
    let (origins, ids) = (rows.column("origin")?, rows.column("id")?);
    let others: Vec<_> = table.spec.columns[ID_COLUMNS..]
        .iter()
        .map(|column| rows.column(&column.name))
        .collect::<Result<_>>()?;
    for row in 0..rows.len() {
        let (Some(origin), Some(id)) = (origins.int(row), ids.int(row)) else { continue };
        found.entry(DatasetId::from_parts(origin, id)?).or_default().push(ArtifactRecord {
            datastore: table.datastore.clone(),
            table: table.spec.name.clone(),
            values: others.iter().map(|column| column.value(row)).collect(),
        });
    }
    Ok(())
}
