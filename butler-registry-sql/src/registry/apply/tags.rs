//! Members of tagged collections.

use arcstr::ArcStr;
use butler_core::backend::{OnConflict, Relation, RowBatch, Strength};
use butler_core::registry::OperationReport;
use butler_core::{CollectionType, DataId, DatasetId, DatasetKind, DatasetRef, Error, ErrorKind, Result};
use rustc_hash::FxHashMap;

use super::datasets::{check_present, summarise};
use super::session::Session;
use crate::registry::layout::SharedTypeHandle;
use crate::registry::rows::{batch, collect, equal, int};
use crate::schema::DATASET_TAG;

/// Digest by which a data ID is unique in a tagged collection; of nonsingular
/// types the dataset's id is part of it.
pub(crate) fn tag_digest(kind: DatasetKind, data_id: &DataId, id: DatasetId) -> [u8; 16] {
    match kind {
        DatasetKind::Nonsingular => {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&data_id.digest()).update(id.to_uuid().as_bytes());
            let mut digest = [0; 16];
            digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
            digest
        }
        DatasetKind::Standard | DatasetKind::Global => data_id.digest(),
    }
}

/// Datasets by type, each once.
pub(super) fn by_type<'a>(
    session: &mut Session<'_>,
    datasets: &'a [DatasetRef],
) -> Result<Vec<(SharedTypeHandle, Vec<&'a DatasetRef>)>> {
    let mut groups: Vec<(SharedTypeHandle, Vec<&DatasetRef>)> = Vec::new();
    let mut index: FxHashMap<&ArcStr, usize> = FxHashMap::default();
    let mut seen = rustc_hash::FxHashSet::default();
    for dataset in datasets {
        if dataset.dataset_type().component_name().is_some() {
            return Err(Error::new(
                ErrorKind::DatasetType,
                format!("'{}' is a component; associate the whole dataset", dataset.dataset_type().name()),
            ));
        }
        if !seen.insert(dataset.id()) {
            continue;
        }
        let at = match index.get(dataset.dataset_type().name()) {
            Some(&at) => at,
            None => {
                groups.push((session.dataset_type(dataset.dataset_type())?, Vec::new()));
                index.insert(dataset.dataset_type().name(), groups.len() - 1);
                groups.len() - 1
            }
        };
        groups[at].1.push(dataset);
    }
    Ok(groups)
}

/// Makes datasets members of a tagged collection.
pub(super) fn associate(
    session: &mut Session<'_>,
    collection: &ArcStr,
    datasets: &[DatasetRef],
) -> Result<OperationReport> {
    let handle = session.collection_of_type(collection, CollectionType::Tagged, "associate into")?;
    session.lock_collection(handle.id, Strength::KeyShare)?;
    let mut report = OperationReport::default();
    for (ty, datasets) in by_type(session, datasets)? {
        let ids: Vec<DatasetId> = datasets.iter().map(|dataset| dataset.id()).collect();
        check_present(session, &ids)?;
        let data_ids: Vec<DataId> = datasets.iter().map(|dataset| dataset.data_id().clone()).collect();
        summarise(session, handle.id, &ty, &data_ids)?;
        let rows = tag_rows(handle.id, &ty, &datasets);
        let mut inserted = 0;
        let outcome = session.savepoint(|tx| {
            inserted = tx.insert(&DATASET_TAG, &rows, OnConflict::Fail)?;
            Ok(())
        });
        match outcome {
            Ok(()) => report.inserted += inserted,
            Err(error) if error.kind() == ErrorKind::ConflictingDefinition => {
                let old = existing(session, &rows)?;
                check_conflicts(collection, &ty, &datasets, &old)?;
                let new = session.tx.insert(&DATASET_TAG, &rows, OnConflict::Ignore)?;
                report.inserted += new;
                report.existing += datasets.len() as u64 - new;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

fn tag_rows(collection: i64, ty: &SharedTypeHandle, datasets: &[&DatasetRef]) -> RowBatch {
    let mut rows = batch(DATASET_TAG.columns.iter().map(|column| (&column.name, column.ty)));
    for dataset in datasets {
        let columns = rows.columns_mut();
        columns[0].push_int(collection);
        columns[1].push_int(ty.id);
        columns[2].push_bytes(&tag_digest(ty.definition.kind(), dataset.data_id(), dataset.id()));
        columns[3].push_int(dataset.id().origin());
        columns[4].push_int(dataset.id().id());
        rows.end_row();
    }
    rows
}

fn matching(rows: &RowBatch) -> Relation {
    let given = Relation::values(rows.clone()).rename([
        ("given_collection", "collection_id"),
        ("given_type", "dataset_type_id"),
        ("given_hash", "data_id_hash"),
    ]);
    let on = equal([
        ("collection_id", "given_collection"),
        ("dataset_type_id", "given_type"),
        ("data_id_hash", "given_hash"),
    ]);
    DATASET_TAG.scan().semi(given, on)
}

/// Members that have one of the digests, by digest.
fn existing(session: &mut Session<'_>, rows: &RowBatch) -> Result<FxHashMap<Box<[u8]>, DatasetId>> {
    let mut found = FxHashMap::default();
    for batch in collect(session.tx, &matching(rows))? {
        let (hash, origin, id) =
            (batch.column("data_id_hash")?, batch.column("origin")?, batch.column("id")?);
        for row in 0..batch.len() {
            let id = DatasetId::from_trusted(int(origin, row)?, int(id, row)?);
            found.insert(hash.bytes(row).unwrap_or_default().into(), id);
        }
    }
    Ok(found)
}

fn check_conflicts(
    collection: &str,
    ty: &SharedTypeHandle,
    datasets: &[&DatasetRef],
    existing: &FxHashMap<Box<[u8]>, DatasetId>,
) -> Result<()> {
    let mut given: FxHashMap<Box<[u8]>, DatasetId> = existing.clone();
    for dataset in datasets {
        let digest: Box<[u8]> = tag_digest(ty.definition.kind(), dataset.data_id(), dataset.id()).into();
        let first = *given.entry(digest).or_insert(dataset.id());
        if first != dataset.id() {
            return Err(Error::new(
                ErrorKind::ConflictingDefinition,
                format!(
                    "tagged collection '{collection}' has dataset {first} of type '{}' for {} already; it cannot also have {}",
                    ty.definition.name(),
                    dataset.data_id(),
                    dataset.id()
                ),
            )
            .with_hint("disassociate the one that is there first"));
        }
    }
    Ok(())
}

/// Ends the membership of datasets in a tagged collection.
pub(super) fn disassociate(
    session: &mut Session<'_>,
    collection: &ArcStr,
    datasets: &[DatasetRef],
) -> Result<OperationReport> {
    let handle = session.collection_of_type(collection, CollectionType::Tagged, "disassociate from")?;
    let mut report = OperationReport::default();
    for (ty, datasets) in by_type(session, datasets)? {
        let rows = tag_rows(handle.id, &ty, &datasets);
        let given = Relation::values(rows).rename([
            ("given_collection", "collection_id"),
            ("given_type", "dataset_type_id"),
            ("given_hash", "data_id_hash"),
            ("given_origin", "origin"),
            ("given_id", "id"),
        ]);
        let on = equal([
            ("collection_id", "given_collection"),
            ("dataset_type_id", "given_type"),
            ("data_id_hash", "given_hash"),
            ("origin", "given_origin"),
            ("id", "given_id"),
        ]);
        report.removed += session.tx.delete(&DATASET_TAG, &DATASET_TAG.scan().semi(given, on))?;
    }
    Ok(report)
}
