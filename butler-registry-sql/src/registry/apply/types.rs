//! Dataset types.

use std::sync::Arc;

use butler_core::backend::{GlobPattern, Scalar, SortKey, Value};
use butler_core::registry::OperationReport;
use butler_core::{DatasetType, Error, ErrorKind, Result};

use super::session::Session;
use crate::registry::catalog::read_types;
use crate::registry::layout::{OWN_TABLES_MAX, SharedTypeHandle, calib_table, data_table, table_names};
use crate::registry::rows::{collect, is, row};
use crate::schema::DATASET_TYPE;

/// Registers a dataset type: new, or there already and equal.
pub(super) fn register(session: &mut Session<'_>, definition: &DatasetType) -> Result<OperationReport> {
    if definition.component_name().is_some() {
        return Err(Error::new(
            ErrorKind::DatasetType,
            format!("'{}' is a component, which is never registered", definition.name()),
        )
        .with_hint("register the dataset type that it is a component of"));
    }
    if definition.group().universe() != session.universe() {
        return Err(Error::new(
            ErrorKind::InconsistentUniverse,
            format!(
                "dataset type '{}' is of the universe {}, the repository of {}",
                definition.name(),
                definition.group().universe(),
                session.universe()
            ),
        ));
    }
    let (handle, inserted) = match session.find_type(definition.name())? {
        Some(handle) => (handle, false),
        None => insert(session, definition)?,
    };
    let differences = definition.differences(&handle.definition);
    if !differences.is_empty() {
        return Err(Error::new(
            ErrorKind::ConflictingDefinition,
            format!(
                "dataset type '{}' is registered otherwise: {}",
                definition.name(),
                differences.join("; ")
            ),
        ));
    }
    Ok(OperationReport {
        inserted: inserted.into(),
        existing: (!inserted).into(),
        ..OperationReport::default()
    })
}

fn insert(session: &mut Session<'_>, definition: &DatasetType) -> Result<(SharedTypeHandle, bool)> {
    let own = own_tables(session)? < OWN_TABLES_MAX;
    let (data, calib) = table_names(definition, own);
    session.tx.create(&data_table(&data, definition.group(), definition.kind()))?;
    if definition.is_calibration() {
        session.tx.create(&calib_table(&calib, definition.group(), definition.kind()))?;
    }
    let row = row(
        &DATASET_TYPE,
        [
            ("name", definition.name().clone().into()),
            ("kind", definition.kind().name().into()),
            ("dimensions", definition.group().required_names().join(",").into()),
            ("storage_class", definition.storage_class().clone().into()),
            ("is_calibration", definition.is_calibration().into()),
            ("genre", Value::from(definition.genre().cloned())),
            ("data_table", data.into()),
            ("calib_table", Value::from(definition.is_calibration().then_some(calib))),
        ],
    )?;
    let synced = session.tx.sync(&DATASET_TYPE, &row)?;
    // Read it back: somebody else may have registered it first, otherwise.
    let universe = session.universe();
    let stored = DATASET_TYPE.scan().filter(is("name", definition.name().clone()));
    for batch in collect(session.tx, &stored)? {
        if let Some(handle) = read_types(universe, &batch)?.pop() {
            session.know_type(Arc::clone(&handle));
            return Ok((handle, synced.inserted));
        }
    }
    Err(Error::new(ErrorKind::Unexpected, "a dataset type is gone as soon as it is registered"))
}

/// Number of dataset types with tables of their own, counted up to the number that may have them.
fn own_tables(session: &mut Session<'_>) -> Result<u64> {
    let shared = Scalar::Glob {
        value: Box::new(Scalar::column("data_table")),
        pattern: GlobPattern::new("dataset_shared_*"),
    };
    let order = vec![SortKey::ascending("dataset_type_id")];
    let own = DATASET_TYPE.scan().filter(shared.negated()).slice(order, 0, Some(OWN_TABLES_MAX)).count();
    let batches = collect(session.tx, &own)?;
    let count = batches.iter().find(|batch| !batch.is_empty()).map(|batch| batch.columns()[0].int(0));
    Ok(count.flatten().and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
}
