//! Mutants that do not know rightly which datastores have what.

use butler_core::backend::{Column, ColumnBatch, Value};
use butler_core::registry::{
    BatchReport, DatastoreBridgeManager, OpaqueFetch, Operation, OperationReport, Registry, RegistryBatch,
};
use butler_core::{DatasetId, Result};

use super::tamper::{Tamper, mutants};

/// Rows of tables, of which those of locations are chosen by those before them.
async fn located(
    registry: &dyn Registry,
    fetches: Vec<OpaqueFetch>,
    keep: fn(&[Vec<Value>], &[Value]) -> bool,
) -> Result<Vec<ColumnBatch>> {
    let mut all = Vec::new();
    for fetch in fetches {
        let chosen = fetch.table == DatastoreBridgeManager::TABLE;
        for found in registry.fetch_opaque(vec![fetch]).await? {
            if !chosen {
                all.push(found);
                continue;
            }
            let columns = found.names().iter().cloned().zip(found.columns().iter().map(Column::ty));
            let mut rows = ColumnBatch::new(columns);
            let mut seen: Vec<Vec<Value>> = Vec::new();
            for row in found.rows() {
                if keep(&seen, &row) {
                    rows.push_row(&row)?;
                }
                seen.push(row);
            }
            all.push(rows);
        }
    }
    Ok(all)
}

/// Applies a batch without artifacts of datasets that are not there before it.
async fn without_strangers(registry: &dyn Registry, batch: RegistryBatch) -> Result<BatchReport> {
    let wanted = batch.operations().len();
    let mut kept = RegistryBatch::new();
    for operation in batch.operations() {
        if let Operation::InsertArtifacts { datasets, .. } = operation {
            let ids: Vec<DatasetId> = datasets.clone();
            if registry.get(ids).await?.iter().any(Option::is_none) {
                continue;
            }
        }
        kept.push(operation.clone());
    }
    let mut report = registry.apply(kept).await?;
    report.operations.resize_with(wanted, OperationReport::default);
    Ok(report)
}

pub(super) fn all() -> Vec<Tamper> {
    mutants! {
        "LocationsForgotten" "does not know what datastores have" in ["bridges"]
            opaque: |registry, fetches| Box::pin(located(registry, fetches, |_, _| false));
        "FirstLocationOnly" "knows one datastore of each dataset" in ["bridges"]
            opaque: |registry, fetches| Box::pin(located(registry, fetches, |seen, row| {
                !seen.iter().any(|other| other[..2] == row[..2])
            }));
        "VersionsForgotten" "does not tell versions" in ["bridges"]
            attributes: |registry, names| Box::pin(async move {
                let mut all = registry.attributes(names).await?;
                all.retain(|(key, _)| !key.ends_with("_version"));
                Ok(all)
            });
        "StrangersIgnored" "passes over artifacts of datasets that are not there" in ["opaque"]
            apply: |registry, batch| Box::pin(without_strangers(registry, batch));
    }
}
