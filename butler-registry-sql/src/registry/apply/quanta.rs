//! Quanta.

use butler_core::backend::{OnConflict, Strength, TableRef, Value};
use butler_core::registry::{OperationReport, Quantum, QuantumUpdate};
use butler_core::{CollectionType, DatasetId, Error, ErrorKind, Instant, Result};

use super::session::Session;
use crate::registry::rows::{batch, row};
use crate::schema::{QUANTUM, QUANTUM_INPUT, QUANTUM_OUTPUT};

/// Inserts quanta with their inputs and outputs.
pub(super) fn insert(session: &mut Session<'_>, quanta: &[Quantum]) -> Result<OperationReport> {
    let mut rows = batch(QUANTUM.columns.iter().map(|column| (&column.name, column.ty)));
    for quantum in quanta {
        let run = quantum.run.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Argument, format!("the new quantum {} has no run", quantum.id))
                .with_hint("name the run of its outputs")
        })?;
        let run = session.collection_of_type(run, CollectionType::Run, "put outputs of a quantum into")?;
        session.lock_collection(run.id, Strength::KeyShare)?;
        let data_id = serde_json::to_string(&quantum.data_id).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "a data ID cannot be written").with_source(error)
        })?;
        rows.push_row(&[
            quantum.id.origin().into(),
            quantum.id.id().into(),
            quantum.label.clone().into(),
            quantum.task.clone().into(),
            run.id.into(),
            data_id.into(),
            quantum.host.clone().into(),
            time(quantum.began),
            time(quantum.ended),
            quantum.status.name().into(),
        ])?;
    }
    let inserted = session.tx.insert(&QUANTUM, &rows, OnConflict::Fail).map_err(|error| {
        if error.kind() != ErrorKind::ConflictingDefinition {
            return error;
        }
        let ids: Vec<String> = quanta.iter().take(3).map(|quantum| quantum.id.to_string()).collect();
        let message = format!("a quantum is in the registry already, among {}", ids.join(", "));
        Error::new(ErrorKind::ConflictingDefinition, message)
            .with_hint("update it instead")
            .with_source(error)
    })?;
    for quantum in quanta {
        edges(session, &QUANTUM_INPUT, quantum.id, &quantum.predicted_inputs, Some(false))?;
        edges(session, &QUANTUM_INPUT, quantum.id, &quantum.actual_inputs, Some(true))?;
        edges(session, &QUANTUM_OUTPUT, quantum.id, &quantum.outputs, None)?;
    }
    Ok(OperationReport { inserted, ..OperationReport::default() })
}

fn time(instant: Option<Instant>) -> Value {
    instant.map(Instant::nanoseconds).into()
}

/// Writes what a quantum read or wrote; an input that was predicted becomes actual when it was read.
fn edges(
    session: &mut Session<'_>,
    table: &TableRef,
    quantum: DatasetId,
    datasets: &[DatasetId],
    actual: Option<bool>,
) -> Result<()> {
    let mut rows = batch(table.columns.iter().map(|column| (&column.name, column.ty)));
    for dataset in datasets {
        let mut values: Vec<Value> =
            vec![quantum.origin().into(), quantum.id().into(), dataset.origin().into(), dataset.id().into()];
        values.extend(actual.map(Value::from));
        rows.push_row(&values)?;
    }
    let on_conflict = if actual == Some(true) { OnConflict::Replace } else { OnConflict::Ignore };
    session.tx.insert(table, &rows, on_conflict)?;
    Ok(())
}

/// Writes down what has become known of quanta.
pub(super) fn update(session: &mut Session<'_>, updates: &[QuantumUpdate]) -> Result<OperationReport> {
    let mut changed = 0;
    for update in updates {
        let given = [
            ("host", update.host.clone().map(Value::Text)),
            ("began", update.began.map(|began| began.nanoseconds().into())),
            ("ended", update.ended.map(|ended| ended.nanoseconds().into())),
            ("status", update.status.map(|status| status.name().into())),
        ];
        let key = [("origin", update.id.origin().into()), ("id", update.id.id().into())];
        let values = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let found = session.tx.update(&QUANTUM, &row(&QUANTUM, key.into_iter().chain(values))?)?;
        if found == 0 {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("quantum {} is not in the registry", update.id),
            ));
        }
        edges(session, &QUANTUM_INPUT, update.id, &update.actual_inputs, Some(true))?;
        edges(session, &QUANTUM_OUTPUT, update.id, &update.outputs, None)?;
        changed += found;
    }
    Ok(OperationReport { changed, ..OperationReport::default() })
}
