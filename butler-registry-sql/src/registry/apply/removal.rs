//! Removals.

use std::ops::ControlFlow;

use arcstr::ArcStr;
use butler_core::backend::{Relation, Scalar, Strength, TableRef, Value};
use butler_core::registry::{OperationReport, Removal};
use butler_core::{CollectionType, DatasetId, Error, ErrorKind, Result};

use super::collections::{read_catalog, write_children};
use super::datasets::with_ids;
use super::session::Session;
use crate::registry::catalog::{CollectionHandle, read_types};
use crate::registry::layout::{COLLECTION_ID, ID, ORIGIN, RUN_ID, SharedTypeHandle, TYPE_ID};
use crate::registry::rows::{any, collect, equal, int, is};
use crate::schema::{
    COLLECTION, COLLECTION_GOVERNOR, COLLECTION_SUMMARY, DATASET, DATASET_LOCATION, DATASET_TAG, DATASET_TYPE,
};

/// Runs that a removal of datasets names at most; beyond, it looks at all datasets of a type.
const RUNS_MAX: usize = 256;

/// Removes datasets, collections or dataset types.
pub(super) fn remove(session: &mut Session<'_>, removal: &Removal) -> Result<OperationReport> {
    match removal {
        Removal::Datasets(ids) => remove_datasets(session, ids),
        Removal::Collections { names, unlink } => remove_collections(session, names, *unlink),
        Removal::DatasetTypes(names) => remove_types(session, names),
    }
}

fn remove_datasets(session: &mut Session<'_>, ids: &[DatasetId]) -> Result<OperationReport> {
    if ids.is_empty() {
        return Ok(OperationReport::default());
    }
    let doomed = with_ids(&DATASET, ids);
    session.tx.lock(&DATASET, &doomed.clone().select([ORIGIN, ID]), Strength::Update)?;
    check_not_stored(session, &with_ids(&DATASET_LOCATION, ids))?;
    let runs = runs_of(session, &doomed)?;
    for ty in types_of(session, doomed.clone().select([TYPE_ID]).distinct())? {
        delete_members(session, &ty, |table| with_ids(table, ids).filter(is(TYPE_ID, ty.id)))?;
        let mut rows = with_ids(&ty.data, ids).filter(is(TYPE_ID, ty.id));
        if runs.len() <= RUNS_MAX {
            // The index of a type's datasets begins with the run.
            rows = rows.filter(Scalar::column(RUN_ID).is_in(runs.clone()));
        }
        session.tx.delete(&ty.data, &rows)?;
    }
    let removed = session.tx.delete(&DATASET, &doomed)?;
    Ok(OperationReport { removed, ..OperationReport::default() })
}

/// Keys of the runs that datasets are in.
fn runs_of(session: &mut Session<'_>, datasets: &Relation) -> Result<Vec<Value>> {
    let mut runs = Vec::new();
    for batch in collect(session.tx, &datasets.clone().select([RUN_ID]).distinct())? {
        for row in 0..batch.len() {
            runs.push(int(&batch.columns()[0], row)?.into());
        }
    }
    Ok(runs)
}

/// Deletes the tags and validity ranges of datasets of a type.
fn delete_members(
    session: &mut Session<'_>,
    ty: &SharedTypeHandle,
    rows: impl Fn(&TableRef) -> Relation,
) -> Result<()> {
    session.tx.delete(&DATASET_TAG, &rows(&DATASET_TAG))?;
    if let Some(calib) = &ty.calib {
        session.tx.delete(calib, &rows(calib))?;
    }
    Ok(())
}

/// Refuses to go on if there are locations of what is to be removed.
fn check_not_stored(session: &mut Session<'_>, locations: &Relation) -> Result<()> {
    let mut first = None;
    session.tx.select(locations, &mut |batch| {
        first = Some(batch).filter(|batch| !batch.is_empty());
        if first.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let Some(batch) = first else { return Ok(()) };
    let id = DatasetId::from_trusted(int(batch.column(&ORIGIN)?, 0)?, int(batch.column(&ID)?, 0)?);
    Err(Error::new(
        ErrorKind::OrphanedRecord,
        format!("dataset {id} cannot be removed: a datastore has artifacts of it"),
    )
    .with_hint("unstore it first, or purge it"))
}

/// Dataset types whose keys are in a relation of one column.
fn types_of(session: &mut Session<'_>, keys: Relation) -> Result<Vec<SharedTypeHandle>> {
    let keys = keys.rename([("wanted_type", TYPE_ID)]);
    let rows = DATASET_TYPE.scan().semi(keys, equal([(TYPE_ID, "wanted_type")]));
    let mut types = Vec::new();
    let universe = session.universe();
    for batch in collect(session.tx, &rows)? {
        types.extend(read_types(universe, &batch)?);
    }
    Ok(types)
}

fn remove_collections(session: &mut Session<'_>, names: &[ArcStr], unlink: bool) -> Result<OperationReport> {
    let mut handles: Vec<CollectionHandle> = Vec::new();
    for name in names {
        let handle = session.collection(name)?;
        if handles.iter().all(|other| other.id != handle.id) {
            handles.push(handle);
        }
    }
    handles.sort_by_key(|handle| handle.id);
    for handle in &handles {
        session.lock_collection(handle.id, Strength::Update)?;
    }
    unlink_from_parents(session, &handles, unlink)?;
    let mut report = OperationReport::default();
    for handle in &handles {
        empty_collection(session, handle)?;
        let gone = COLLECTION.scan().filter(is(COLLECTION_ID, handle.id));
        report.removed += session.tx.delete(&COLLECTION, &gone)?;
        session.forget_name(&handle.name, false);
    }
    Ok(report)
}

/// Takes collections out of the chains that stay, or refuses if there are any.
fn unlink_from_parents(session: &mut Session<'_>, handles: &[CollectionHandle], unlink: bool) -> Result<()> {
    let catalog = read_catalog(session)?;
    let goes = |name: &str| handles.iter().any(|handle| handle.name == name);
    let parents: Vec<_> = catalog
        .iter()
        .filter(|info| !goes(&info.name) && info.children.iter().any(|child| goes(child)))
        .cloned()
        .collect();
    if let Some(parent) = parents.first().filter(|_| !unlink) {
        let child = parent.children.iter().find(|child| goes(child)).cloned().unwrap_or_default();
        let names: Vec<&str> = parents.iter().map(|parent| parent.name.as_str()).collect();
        return Err(Error::new(
            ErrorKind::OrphanedRecord,
            format!("collection '{child}' cannot be removed: it is a child of {}", names.join(", ")),
        )
        .with_hint("take it out of the chain first, or ask for that too"));
    }
    for parent in parents {
        let handle = session.collection(&parent.name)?;
        let rest: Vec<ArcStr> = parent.children.iter().filter(|child| !goes(child)).cloned().collect();
        write_children(session, handle.id, &rest)?;
    }
    // Chains that go lose their children first, so that the order of removal does not matter.
    for handle in handles.iter().filter(|handle| handle.ty == CollectionType::Chained) {
        write_children(session, handle.id, &[])?;
    }
    Ok(())
}

/// Deletes what is in a collection: the datasets of a run, the memberships of others.
fn empty_collection(session: &mut Session<'_>, handle: &CollectionHandle) -> Result<()> {
    let summary = COLLECTION_SUMMARY.scan().filter(is(COLLECTION_ID, handle.id));
    let types = types_of(session, summary.clone().select([TYPE_ID]))?;
    match handle.ty {
        CollectionType::Chained => {}
        CollectionType::Tagged => {
            session.tx.delete(&DATASET_TAG, &DATASET_TAG.scan().filter(is(COLLECTION_ID, handle.id)))?;
        }
        CollectionType::Calibration => {
            for ty in &types {
                if let Some(calib) = &ty.calib {
                    let rows = Scalar::all([is(TYPE_ID, ty.id), is(COLLECTION_ID, handle.id)]);
                    session.tx.delete(calib, &calib.scan().filter(rows))?;
                }
            }
        }
        CollectionType::Run => types.iter().try_for_each(|ty| empty_run(session, handle, ty))?,
    }
    session.tx.delete(&COLLECTION_SUMMARY, &summary)?;
    let governors = COLLECTION_GOVERNOR.scan().filter(is(COLLECTION_ID, handle.id));
    session.tx.delete(&COLLECTION_GOVERNOR, &governors)?;
    Ok(())
}

fn empty_run(session: &mut Session<'_>, run: &CollectionHandle, ty: &SharedTypeHandle) -> Result<()> {
    let data = ty.data.scan().filter(Scalar::all([is(TYPE_ID, ty.id), is(RUN_ID, run.id)]));
    let keys = data.clone().rename([("doomed_origin", ORIGIN), ("doomed_id", ID)]);
    let on = || equal([(ORIGIN, "doomed_origin"), (ID, "doomed_id")]);
    let locations = DATASET_LOCATION.scan().semi(keys.clone(), on());
    check_not_stored(session, &locations).map_err(|error| error.with_context("run", &run.name))?;
    delete_members(session, ty, |table| table.scan().semi(keys.clone(), on()))?;
    session.tx.delete(&DATASET, &data.clone().select([ORIGIN, ID]))?;
    session.tx.delete(&ty.data, &data)?;
    Ok(())
}

fn remove_types(session: &mut Session<'_>, names: &[ArcStr]) -> Result<OperationReport> {
    let mut removed = 0;
    for name in names {
        let Some(ty) = session.find_type(name)? else {
            return Err(Error::new(
                ErrorKind::MissingDatasetType,
                format!("dataset type '{name}' is not registered"),
            ));
        };
        session.lock_type(ty.id, Strength::Update)?;
        if any(session.tx, &ty.data.scan().filter(is(TYPE_ID, ty.id)))? {
            return Err(Error::new(
                ErrorKind::OrphanedRecord,
                format!("dataset type '{name}' cannot be removed: there are datasets of it"),
            )
            .with_hint("remove the datasets first"));
        }
        removed += session.tx.delete(&DATASET_TYPE, &DATASET_TYPE.scan().filter(is(TYPE_ID, ty.id)))?;
        session.forget_name(name, true);
        drop_unused_tables(session, &ty)?;
    }
    Ok(OperationReport { removed, ..OperationReport::default() })
}

/// Drops the tables of a dataset type, unless others share them.
fn drop_unused_tables(session: &mut Session<'_>, ty: &SharedTypeHandle) -> Result<()> {
    let others = DATASET_TYPE.scan().filter(is("data_table", Value::Text(ty.data.name.clone())));
    if any(session.tx, &others)? {
        return Ok(());
    }
    session.tx.drop_table(&ty.data)?;
    ty.calib.as_ref().map_or(Ok(()), |calib| session.tx.drop_table(calib))
}
