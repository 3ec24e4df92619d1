//! Datasets.

use arcstr::ArcStr;
use butler_core::backend::{OnConflict, Relation, RowBatch, Strength, TableRef};
use butler_core::registry::{DatasetInsert, InsertMode, OperationReport};
use butler_core::{
    CollectionType, DataId, DatasetId, DatasetKind, Error, ErrorKind, IdGenerationMode, IdIssuer, Result,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::existence::check_data_ids;
use super::session::Session;
use crate::registry::layout::{ID, ORIGIN, RUN_ID, SharedTypeHandle, TYPE_ID};
use crate::registry::rows::{
    Strings, among_ids, batch, collect, equal, given_ids, int, is, key, key_values, push_key, text,
};
use crate::schema::{COLLECTION, COLLECTION_GOVERNOR, COLLECTION_SUMMARY, DATASET, DATASET_TYPE};

/// Inserts datasets of one type into one run.
pub(super) fn insert(session: &mut Session<'_>, insert: &DatasetInsert) -> Result<OperationReport> {
    let handle = session.dataset_type(&insert.dataset_type)?;
    let run = session.collection_of_type(&insert.run, CollectionType::Run, "insert datasets into")?;
    check_input(&handle, insert)?;
    if insert.ids.is_empty() {
        return Ok(OperationReport::default());
    }
    session.lock_type(handle.id, Strength::KeyShare)?;
    session.lock_collection(run.id, Strength::KeyShare)?;
    check_data_ids(session, handle.definition.group(), &insert.data_ids)?;
    summarise(session, run.id, &handle, &insert.data_ids)?;
    let all: Vec<usize> = (0..insert.ids.len()).collect();
    let outcome = write(session, insert, &handle, run.id, &all);
    match (outcome, insert.mode) {
        (Ok(()), _) => Ok(OperationReport { inserted: all.len() as u64, ..OperationReport::default() }),
        (Err(error), InsertMode::Import) if error.kind() == ErrorKind::ConflictingDefinition => {
            import(session, insert, &handle, run.id)
        }
        (Err(error), _) => Err(explain_conflict(session, insert, &handle, run.id, error)?),
    }
}

fn check_input(handle: &SharedTypeHandle, insert: &DatasetInsert) -> Result<()> {
    if insert.ids.len() != insert.data_ids.len() {
        return Err(Error::new(
            ErrorKind::Argument,
            format!("{} dataset ids do not fit {} data IDs", insert.ids.len(), insert.data_ids.len()),
        ));
    }
    let definition = &handle.definition;
    if let Some(other) = insert.data_ids.iter().find(|data_id| data_id.group() != definition.group()) {
        return Err(Error::new(
            ErrorKind::DimensionName,
            format!(
                "data ID {other} has the dimensions {}, but dataset type '{}' has {}",
                other.group(),
                definition.name(),
                definition.group()
            ),
        ));
    }
    if definition.kind() == DatasetKind::Global {
        let issuer = IdIssuer::new();
        for (id, data_id) in insert.ids.iter().zip(&insert.data_ids) {
            let derived = issuer.make(IdGenerationMode::DataidType, definition, &insert.run, data_id);
            if derived != *id {
                return Err(Error::new(
                    ErrorKind::Argument,
                    format!(
                        "dataset type '{}' is global: the dataset of {data_id} has the id {derived}, not {id}",
                        definition.name()
                    ),
                )
                .with_hint("use the id generation mode dataid_type"));
            }
        }
    }
    Ok(())
}

/// Notes what will be in a collection, before it is.
pub(super) fn summarise(
    session: &mut Session<'_>,
    collection: i64,
    handle: &SharedTypeHandle,
    data_ids: &[DataId],
) -> Result<()> {
    let mut rows = batch(COLLECTION_SUMMARY.columns.iter().map(|column| (&column.name, column.ty)));
    rows.push_row(&[collection.into(), handle.id.into()])?;
    session.tx.insert(&COLLECTION_SUMMARY, &rows, OnConflict::Ignore)?;
    let group = handle.definition.group();
    let mut rows = batch(COLLECTION_GOVERNOR.columns.iter().map(|column| (&column.name, column.ty)));
    for governor in group.governors() {
        let Some(position) = group.key_index(governor) else { continue };
        let values: FxHashSet<&str> =
            data_ids.iter().filter_map(|data_id| data_id.required_values().get(position)?.as_str()).collect();
        for value in values {
            rows.push_row(&[collection.into(), governor.name().clone().into(), value.into()])?;
        }
    }
    if !rows.is_empty() {
        session.tx.insert(&COLLECTION_GOVERNOR, &rows, OnConflict::Ignore)?;
    }
    Ok(())
}

/// Writes the rows of some of the datasets, all of which must be new.
fn write(
    session: &mut Session<'_>,
    insert: &DatasetInsert,
    handle: &SharedTypeHandle,
    run: i64,
    chosen: &[usize],
) -> Result<()> {
    let datasets = dataset_rows(insert, handle, run, chosen);
    let data = data_rows(insert, handle, run, chosen);
    session.savepoint(|tx| {
        tx.insert(&DATASET, &datasets, OnConflict::Fail)?;
        tx.insert(&handle.data, &data, OnConflict::Fail)?;
        Ok(())
    })?;
    session.know_fresh(chosen.iter().map(|&index| insert.ids[index]));
    Ok(())
}

fn dataset_rows(insert: &DatasetInsert, handle: &SharedTypeHandle, run: i64, chosen: &[usize]) -> RowBatch {
    let mut rows = batch(DATASET.columns.iter().map(|column| (&column.name, column.ty)));
    let quantum = insert.quantum;
    for &index in chosen {
        let id = insert.ids[index];
        let columns = rows.columns_mut();
        columns[0].push_int(id.origin());
        columns[1].push_int(id.id());
        columns[2].push_int(handle.id);
        columns[3].push_int(run);
        match quantum {
            Some(quantum) => {
                columns[4].push_int(quantum.origin());
                columns[5].push_int(quantum.id());
            }
            None => {
                columns[4].push_null();
                columns[5].push_null();
            }
        }
        columns[6].push_int(insert.ingested_at.nanoseconds());
        rows.end_row();
    }
    rows
}

fn data_rows(insert: &DatasetInsert, handle: &SharedTypeHandle, run: i64, chosen: &[usize]) -> RowBatch {
    let mut rows = batch(handle.data.columns.iter().map(|column| (&column.name, column.ty)));
    for &index in chosen {
        let id = insert.ids[index];
        let columns = rows.columns_mut();
        columns[0].push_int(handle.id);
        columns[1].push_int(id.origin());
        columns[2].push_int(id.id());
        columns[3].push_int(run);
        for (column, value) in columns[4..].iter_mut().zip(insert.data_ids[index].required_values()) {
            push_key(column, value);
        }
        rows.end_row();
    }
    rows
}

/// A dataset that is there already.
struct Existing {
    type_name: ArcStr,
    run: ArcStr,
    data_id: Option<DataId>,
}

/// Inserts what is not there yet; what is there must be the same.
fn import(
    session: &mut Session<'_>,
    insert: &DatasetInsert,
    handle: &SharedTypeHandle,
    run: i64,
) -> Result<OperationReport> {
    let existing = existing_by_id(session, insert, handle)?;
    let mut report = OperationReport::default();
    let mut fresh = Vec::new();
    let mut seen: FxHashMap<DatasetId, usize> = FxHashMap::default();
    for (index, (id, data_id)) in insert.ids.iter().zip(&insert.data_ids).enumerate() {
        if let Some(first) = seen.insert(*id, index) {
            if insert.data_ids[first] != *data_id {
                return Err(Error::new(
                    ErrorKind::ConflictingDefinition,
                    format!("dataset {id} is given twice, for {} and for {data_id}", insert.data_ids[first]),
                ));
            }
            continue;
        }
        match existing.get(id) {
            None => fresh.push(index),
            Some(old) => {
                check_same(insert, *id, data_id, old)?;
                report.existing_datasets.push(*id);
            }
        }
    }
    report.existing = report.existing_datasets.len() as u64;
    report.inserted = fresh.len() as u64;
    match write(session, insert, handle, run, &fresh) {
        Ok(()) => Ok(report),
        Err(error) => Err(explain_conflict(session, insert, handle, run, error)?),
    }
}

fn check_same(insert: &DatasetInsert, id: DatasetId, data_id: &DataId, old: &Existing) -> Result<()> {
    let name = insert.dataset_type.name();
    if old.type_name == *name
        && old.run == insert.run
        && old.data_id.as_ref().is_none_or(|old| old == data_id)
    {
        return Ok(());
    }
    let old_id = old.data_id.as_ref().map_or_else(String::new, |old| old.to_string());
    Err(Error::new(
        ErrorKind::ConflictingDefinition,
        format!(
            "dataset {id} is there already as '{}'{old_id} in run '{}'; it cannot become '{name}'{data_id} in run '{}'",
            old.type_name, old.run, insert.run
        ),
    ))
}

/// Rows of a table whose dataset id is one of these.
pub(super) fn with_ids(table: &TableRef, ids: &[DatasetId]) -> Relation {
    among_ids(table.scan(), &ORIGIN, &ID, ids.iter().copied())
}

fn existing_by_id(
    session: &mut Session<'_>,
    insert: &DatasetInsert,
    handle: &SharedTypeHandle,
) -> Result<FxHashMap<DatasetId, Existing>> {
    let types = DATASET_TYPE.scan().rename([("type_key", "dataset_type_id"), ("type_name", "name")]);
    let runs = COLLECTION.scan().rename([("run_key", "collection_id"), ("run_name", "name")]);
    let found = with_ids(&DATASET, &insert.ids)
        .join(types, equal([(TYPE_ID, "type_key")]))
        .join(runs, equal([(RUN_ID, "run_key")]))
        .select(["origin", "id", "type_name", "run_name"]);
    let mut existing = FxHashMap::default();
    for batch in collect(session.tx, &found)? {
        let (origin, id) = (batch.column("origin")?, batch.column("id")?);
        let (type_name, run) = (batch.column("type_name")?, batch.column("run_name")?);
        for row in 0..batch.len() {
            let id = DatasetId::from_trusted(int(origin, row)?, int(id, row)?);
            let old = Existing {
                type_name: text(type_name, row)?.into(),
                run: text(run, row)?.into(),
                data_id: None,
            };
            existing.insert(id, old);
        }
    }
    let data = with_ids(&handle.data, &insert.ids).filter(is(TYPE_ID, handle.id));
    for (id, data_id) in read_data_ids(session, handle, &data)? {
        if let Some(old) = existing.get_mut(&id) {
            old.data_id = Some(data_id);
        }
    }
    Ok(existing)
}

/// Ids and data IDs of rows of a type's data table.
fn read_data_ids(
    session: &mut Session<'_>,
    handle: &SharedTypeHandle,
    rows: &Relation,
) -> Result<Vec<(DatasetId, DataId)>> {
    let group = handle.definition.group();
    let mut strings = Strings::default();
    let mut found = Vec::new();
    for batch in collect(session.tx, rows)? {
        let (origin, id) = (batch.column(&ORIGIN)?, batch.column(&ID)?);
        let keys = group.required().map(|d| batch.column(d.name())).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.len() {
            let values =
                keys.iter().map(|column| key(column, row, &mut strings)).collect::<Result<Vec<_>>>()?;
            let id = DatasetId::from_trusted(int(origin, row)?, int(id, row)?);
            found.push((id, DataId::from_trusted(group, values)));
        }
    }
    Ok(found)
}

/// An error that shows both sides of a conflict.
fn explain_conflict(
    session: &mut Session<'_>,
    insert: &DatasetInsert,
    handle: &SharedTypeHandle,
    run: i64,
    error: Error,
) -> Result<Error> {
    if error.kind() != ErrorKind::ConflictingDefinition {
        return Ok(error);
    }
    let name = handle.definition.name();
    let group = handle.definition.group();
    let dimensions: Vec<_> = group.required().collect();
    let names: Vec<ArcStr> = dimensions.iter().map(|d| format!("given_{d}").into()).collect();
    let keys = insert.data_ids.iter().map(DataId::required_values);
    let mut on: Vec<_> =
        dimensions.iter().zip(&names).map(|(d, given)| (d.name().clone(), given.clone())).collect();
    let mut rows = handle.data.scan().filter(is(TYPE_ID, handle.id));
    if handle.definition.kind() == DatasetKind::Standard {
        rows = rows.filter(is(RUN_ID, run));
    }
    if !on.is_empty() {
        rows = rows.semi(key_values(&dimensions, &names, keys), equal(on.drain(..)));
    }
    let conflicts = read_data_ids(session, handle, &rows)?;
    let place = match handle.definition.kind() {
        DatasetKind::Standard => format!("run '{}'", insert.run),
        _ => "the repository".to_owned(),
    };
    let message = if let Some((old, data_id)) = conflicts.first() {
        let new = insert.data_ids.iter().position(|other| other == data_id).map(|index| insert.ids[index]);
        let new = new.map_or_else(String::new, |id| format!("; it cannot also have {id}"));
        let more = match conflicts.len() {
            1 => String::new(),
            n => format!(" ({} more conflicts)", n - 1),
        };
        format!("{place} has a dataset of type '{name}' for {data_id} already, with id {old}{new}{more}")
    } else if let Some((id, old)) = existing_by_id(session, insert, handle)?.into_iter().next() {
        let data_id = old.data_id.map_or_else(String::new, |data_id| data_id.to_string());
        format!("dataset {id} is there already as '{}'{data_id} in run '{}'", old.type_name, old.run)
    } else {
        let mut seen = FxHashSet::default();
        let twice = insert.data_ids.iter().find(|data_id| !seen.insert(*data_id));
        let twice = twice.map_or_else(|| "a dataset".to_owned(), ToString::to_string);
        format!("{place} would have two datasets of type '{name}' for {twice}")
    };
    Ok(Error::new(ErrorKind::ConflictingDefinition, message).with_source(error))
}

/// Checks that datasets are in the registry, and locks them against removal.
pub(super) fn check_present(session: &mut Session<'_>, ids: &[DatasetId]) -> Result<()> {
    let ids: Vec<DatasetId> = ids.iter().copied().filter(|id| !session.is_fresh(*id)).collect();
    if ids.is_empty() {
        return Ok(());
    }
    if session.shared.backend.capabilities().concurrent_writers {
        let keys = given_ids(ids.iter().copied()).rename([("origin", "given_origin"), ("id", "given_id")]);
        session.tx.lock(&DATASET, &keys, Strength::KeyShare)?;
    }
    let distinct: FxHashSet<DatasetId> = ids.iter().copied().collect();
    let there = collect(session.tx, &with_ids(&DATASET, &ids).count())?;
    let there = there.iter().find(|batch| !batch.is_empty()).map(|batch| int(&batch.columns()[0], 0));
    if there.transpose()? == i64::try_from(distinct.len()).ok() {
        return Ok(());
    }
    let known = DATASET.scan().rename([("origin", "origin"), ("id", "id")]);
    let missing =
        given_ids(ids.iter().copied()).anti(known, equal([("given_origin", "origin"), ("given_id", "id")]));
    for batch in collect(session.tx, &missing)? {
        if !batch.is_empty() {
            let id = DatasetId::from_trusted(int(&batch.columns()[0], 0)?, int(&batch.columns()[1], 0)?);
            return Err(Error::new(
                ErrorKind::DatasetNotFound,
                format!("dataset {id} is not in the registry"),
            ));
        }
    }
    Ok(())
}
