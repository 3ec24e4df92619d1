//! Validity ranges in calibration collections.

use arcstr::ArcStr;
use butler_core::backend::{
    Column, ColumnBatch, OnConflict, Relation, RowBatch, Scalar, Strength, TableRef, Value,
};
use butler_core::registry::OperationReport;
use butler_core::{
    CollectionType, DataId, DatasetId, DatasetKind, DatasetRef, DatasetType, DimensionElement,
    DimensionValue, Error, ErrorKind, Result, Timespan,
};
use rustc_hash::FxHashSet;

use super::datasets::{check_present, summarise};
use super::session::Session;
use super::tags::by_type;
use crate::registry::layout::{COLLECTION_ID, SharedTypeHandle, TYPE_ID, VALIDITY_BEGIN, VALIDITY_END};
use crate::registry::rows::{Strings, batch, collect, equal, int, is, key, key_values, push_key};

/// Makes datasets valid for a timespan.
pub(super) fn certify(
    session: &mut Session<'_>,
    collection: &ArcStr,
    datasets: &[DatasetRef],
    timespan: Timespan,
) -> Result<OperationReport> {
    let handle = session.collection_of_type(collection, CollectionType::Calibration, "certify into")?;
    if timespan.is_empty() {
        return Err(Error::new(ErrorKind::Argument, "datasets cannot be certified for an empty timespan"));
    }
    // Ranges are compared by a question: where the database has no rule of its own, writers take turns.
    let strength =
        if session.shared.backend.capabilities().exclusion { Strength::KeyShare } else { Strength::Update };
    session.lock_collection(handle.id, strength)?;
    let mut report = OperationReport::default();
    for (ty, datasets) in by_type(session, datasets)? {
        let table = calib_table(&ty)?;
        let ids: Vec<DatasetId> = datasets.iter().map(|dataset| dataset.id()).collect();
        check_present(session, &ids)?;
        if strength == Strength::Update {
            check_conflicts(session, &table, &ty, (collection, handle.id), &datasets, timespan)?;
        }
        let data_ids: Vec<DataId> = datasets.iter().map(|dataset| dataset.data_id().clone()).collect();
        summarise(session, handle.id, &ty, &data_ids)?;
        let mut rows = calib_rows(&table);
        for dataset in &datasets {
            let (begin, end) = timespan.to_raw();
            push(
                &mut rows,
                [ty.id, handle.id, dataset.id().origin(), dataset.id().id()],
                dataset.data_id(),
                begin,
                end,
            );
        }
        let mut inserted = 0;
        let outcome = session.savepoint(|tx| {
            inserted = tx.insert(&table, &rows, OnConflict::Fail)?;
            Ok(())
        });
        if let Err(error) = outcome {
            if error.kind() == ErrorKind::ConflictingDefinition {
                // Which range is in the way is asked only when there is one.
                check_conflicts(session, &table, &ty, (collection, handle.id), &datasets, timespan)?;
            }
            let name = ty.definition.name();
            return Err(error.with_context("collection", collection).with_context("dataset type", name));
        }
        report.inserted += inserted;
    }
    Ok(report)
}

fn calib_table(ty: &SharedTypeHandle) -> Result<TableRef> {
    ty.calib.clone().ok_or_else(|| {
        Error::new(
            ErrorKind::DatasetType,
            format!(
                "dataset type '{}' is no calibration; its datasets have no validity",
                ty.definition.name()
            ),
        )
    })
}

fn calib_rows(table: &TableRef) -> RowBatch {
    batch(table.columns.iter().map(|column| (&column.name, column.ty)))
}

fn push(rows: &mut RowBatch, keys: [i64; 4], data_id: &DataId, begin: i64, end: i64) {
    let columns = rows.columns_mut();
    let last = columns.len() - 2;
    columns.iter_mut().zip(keys).for_each(|(column, value)| column.push_int(value));
    columns[4..last]
        .iter_mut()
        .zip(data_id.required_values())
        .for_each(|(column, value)| push_key(column, value));
    columns[last].push_int(begin);
    columns[last + 1].push_int(end);
    rows.end_row();
}

/// Ranges that overlap a timespan, which is not empty.
fn overlapping(timespan: Timespan) -> Scalar {
    let (begin, end) = timespan.to_raw();
    Scalar::all([
        Scalar::column(VALIDITY_BEGIN).lt(Value::Int(end)),
        Scalar::column(VALIDITY_END).gt(Value::Int(begin)),
    ])
}

/// Rows of a collection and type that have one of some data IDs.
fn members<'a>(
    table: &TableRef,
    ty: &SharedTypeHandle,
    collection: i64,
    data_ids: Option<impl IntoIterator<Item = &'a [DimensionValue]>>,
) -> Relation {
    let rows = table.scan().filter(Scalar::all([is(TYPE_ID, ty.id), is(COLLECTION_ID, collection)]));
    let dimensions: Vec<DimensionElement> = ty.definition.group().required().collect();
    match data_ids {
        Some(data_ids) if !dimensions.is_empty() => {
            let names: Vec<ArcStr> = dimensions.iter().map(|d| format!("given_{d}").into()).collect();
            let on = equal(dimensions.iter().zip(&names).map(|(d, given)| (d.name().clone(), given.clone())));
            rows.semi(key_values(&dimensions, &names, data_ids), on)
        }
        _ => rows,
    }
}

fn check_conflicts(
    session: &mut Session<'_>,
    table: &TableRef,
    ty: &SharedTypeHandle,
    (collection, id): (&ArcStr, i64),
    datasets: &[&DatasetRef],
    timespan: Timespan,
) -> Result<()> {
    let name = ty.definition.name();
    let nonsingular = ty.definition.kind() == DatasetKind::Nonsingular;
    let mut seen = FxHashSet::default();
    if !nonsingular
        && let Some(dataset) = datasets.iter().find(|dataset| !seen.insert(dataset.data_id().clone()))
    {
        return Err(Error::new(
            ErrorKind::ConflictingDefinition,
            format!("two datasets of type '{name}' for {} cannot be valid at one time", dataset.data_id()),
        ));
    }
    let keys = datasets.iter().map(|dataset| dataset.data_id().required_values());
    let conflicts = members(table, ty, id, Some(keys)).filter(overlapping(timespan));
    let ids: FxHashSet<DatasetId> = datasets.iter().map(|dataset| dataset.id()).collect();
    let found: Vec<Member> = read(session, ty, &conflicts)?
        .into_iter()
        .filter(|old| !nonsingular || ids.contains(&old.id))
        .collect();
    let Some(old) = found.first() else { return Ok(()) };
    let new = datasets.iter().find(|dataset| *dataset.data_id() == old.data_id).map(|dataset| dataset.id());
    Err(Error::new(
        ErrorKind::ConflictingDefinition,
        format!(
            "{} validity range{} of '{name}' in '{collection}' conflict{} with {timespan}: dataset {} is valid for {} in {}{}",
            found.len(),
            if found.len() == 1 { "" } else { "s" },
            if found.len() == 1 { "s" } else { "" },
            old.id,
            old.data_id,
            old.timespan,
            new.map_or_else(String::new, |id| format!(", so {id} cannot be")),
        ),
    )
    .with_hint("decertify the timespan first"))
}

/// A row of a calibration table.
struct Member {
    id: DatasetId,
    data_id: DataId,
    timespan: Timespan,
}

fn read(session: &mut Session<'_>, ty: &SharedTypeHandle, rows: &Relation) -> Result<Vec<Member>> {
    let group = ty.definition.group();
    let mut strings = Strings::default();
    let mut found = Vec::new();
    for batch in collect(session.tx, rows)? {
        let column = |name: &str| -> Result<&Column> { ColumnBatch::column(&batch, name) };
        let (origin, id) = (column("origin")?, column("id")?);
        let (begin, end) = (column(&VALIDITY_BEGIN)?, column(&VALIDITY_END)?);
        let keys = group.required().map(|d| column(d.name())).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.len() {
            let values =
                keys.iter().map(|column| key(column, row, &mut strings)).collect::<Result<Vec<_>>>()?;
            found.push(Member {
                id: DatasetId::from_trusted(int(origin, row)?, int(id, row)?),
                data_id: DataId::from_trusted(group, values),
                timespan: Timespan::from_raw(int(begin, row)?, int(end, row)?),
            });
        }
    }
    Ok(found)
}

/// Ends the validity of datasets in a timespan; what is left of their ranges stays.
pub(super) fn decertify(
    session: &mut Session<'_>,
    collection: &ArcStr,
    dataset_type: &DatasetType,
    timespan: Timespan,
    data_ids: Option<&[DataId]>,
) -> Result<OperationReport> {
    let handle = session.collection_of_type(collection, CollectionType::Calibration, "decertify")?;
    let ty = session.dataset_type(dataset_type)?;
    let table = calib_table(&ty)?;
    if let Some(other) = data_ids.into_iter().flatten().find(|id| id.group() != ty.definition.group()) {
        return Err(Error::new(
            ErrorKind::DimensionName,
            format!(
                "data ID {other} does not have the dimensions of dataset type '{}'",
                ty.definition.name()
            ),
        ));
    }
    if timespan.is_empty() {
        return Ok(OperationReport::default());
    }
    session.lock_collection(handle.id, Strength::Update)?;
    let keys = data_ids.map(|data_ids| data_ids.iter().map(DataId::required_values));
    let doomed = members(&table, &ty, handle.id, keys).filter(overlapping(timespan));
    let old = read(session, &ty, &doomed)?;
    let removed = session.tx.delete(&table, &doomed)?;
    let mut rows = calib_rows(&table);
    for member in &old {
        for rest in member.timespan.difference(timespan) {
            let (begin, end) = rest.to_raw();
            push(
                &mut rows,
                [ty.id, handle.id, member.id.origin(), member.id.id()],
                &member.data_id,
                begin,
                end,
            );
        }
    }
    let inserted = session.tx.insert(&table, &rows, OnConflict::Fail)?;
    Ok(OperationReport { removed, inserted, ..OperationReport::default() })
}
