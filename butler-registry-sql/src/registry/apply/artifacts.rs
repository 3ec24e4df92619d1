//! Tables of datastores, their rows, and outcomes of their journals.

use arcstr::ArcStr;
use butler_core::backend::{OnConflict, Scalar, Value};
use butler_core::registry::{JournalOutcome, OpaqueRows, OpaqueTable, OperationReport};
use butler_core::{DatasetId, Error, ErrorKind, Instant, Result};

use super::datasets::{check_present, with_ids};
use super::session::Session;
use crate::registry::rows::{batch, is, row};
use crate::schema::{DATASET_LOCATION, JOURNAL_OUTCOME, OPAQUE_TABLE};

/// Creates a datastore's table, or finds it in the same version.
pub(super) fn register(session: &mut Session<'_>, table: &OpaqueTable) -> Result<OperationReport> {
    table.spec.validate()?;
    let keys: Vec<&str> = table.spec.primary_key.iter().take(2).map(ArcStr::as_str).collect();
    if keys != ["origin", "id"] {
        return Err(Error::new(
            ErrorKind::Argument,
            format!(
                "the key of a datastore's table must begin with 'origin' and 'id'; that of '{}' does not",
                table.spec.name
            ),
        ));
    }
    let spec = serde_json::to_string(&table.spec).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "a table's specification cannot be written").with_source(error)
    })?;
    let row = row(
        &OPAQUE_TABLE,
        [
            ("name", table.spec.name.clone().into()),
            ("version", i64::from(table.version).into()),
            ("spec", spec.into()),
        ],
    )?;
    let synced = session.tx.sync(&OPAQUE_TABLE, &row)?;
    let version = OPAQUE_TABLE.position("version").and_then(|i| synced.row.get(i)).and_then(Value::as_int);
    if version != Some(table.version.into()) {
        return Err(Error::new(
            ErrorKind::SchemaVersion,
            format!(
                "table '{}' of a datastore has version {}, and this program has {}",
                table.spec.name,
                version.unwrap_or_default(),
                table.version
            ),
        )
        .with_hint("use the version of this program that wrote it, or a newer one"));
    }
    session.tx.create(&table.spec)?;
    session.datastore(&table.datastore)?;
    Ok(OperationReport {
        inserted: synced.inserted.into(),
        existing: (!synced.inserted).into(),
        ..OperationReport::default()
    })
}

/// Notes that a datastore has artifacts of datasets.
pub(super) fn insert(
    session: &mut Session<'_>,
    datastore: &ArcStr,
    datasets: &[DatasetId],
    rows: &[OpaqueRows],
) -> Result<OperationReport> {
    check_present(session, datasets)?;
    let key = session.datastore(datastore)?;
    let mut locations = batch(DATASET_LOCATION.columns.iter().map(|column| (&column.name, column.ty)));
    for id in datasets {
        locations.push_row(&[id.origin().into(), id.id().into(), key.into()])?;
    }
    let inserted = session.tx.insert(&DATASET_LOCATION, &locations, OnConflict::Fail).map_err(|error| {
        if error.kind() != ErrorKind::ConflictingDefinition {
            return error;
        }
        Error::new(
            ErrorKind::ConflictingDefinition,
            format!("datastore '{datastore}' has artifacts of one of the datasets already"),
        )
        .with_source(error)
    })?;
    for OpaqueRows { table, rows } in rows {
        let table = session.opaque_table(table)?;
        session.tx.insert(&table, rows, OnConflict::Fail)?;
    }
    Ok(OperationReport { inserted, ..OperationReport::default() })
}

/// Notes that a datastore has no artifacts of datasets any more.
pub(super) fn remove(
    session: &mut Session<'_>,
    datastore: &ArcStr,
    datasets: &[DatasetId],
    tables: &[ArcStr],
) -> Result<OperationReport> {
    let key = session.datastore(datastore)?;
    let locations = with_ids(&DATASET_LOCATION, datasets).filter(is("datastore_id", key));
    let removed = session.tx.delete(&DATASET_LOCATION, &locations)?;
    for table in tables {
        let table = session.opaque_table(table)?;
        session.tx.delete(&table, &with_ids(&table, datasets))?;
    }
    Ok(OperationReport { removed, ..OperationReport::default() })
}

/// Claims a journal entry: an error if somebody else has won it.
pub(super) fn claim(session: &mut Session<'_>, claim: &JournalOutcome) -> Result<OperationReport> {
    let row = row(
        &JOURNAL_OUTCOME,
        [
            ("entry", claim.entry.clone().into()),
            ("outcome", claim.outcome.name().into()),
            ("at", Instant::now()?.nanoseconds().into()),
        ],
    )?;
    // Nearly always nobody else has claimed it.
    if session.tx.insert(&JOURNAL_OUTCOME, &row, OnConflict::Ignore)? == 1 {
        return Ok(OperationReport { inserted: 1, ..OperationReport::default() });
    }
    let synced = session.tx.sync(&JOURNAL_OUTCOME, &row)?;
    let outcome = JOURNAL_OUTCOME.position("outcome").and_then(|i| synced.row.get(i)).and_then(Value::as_str);
    if outcome != Some(claim.outcome.name()) {
        return Err(Error::new(
            ErrorKind::Aborted,
            format!("journal entry '{}' was {} by somebody else", claim.entry, outcome.unwrap_or("claimed")),
        )
        .with_hint("repeat the operation"));
    }
    Ok(OperationReport {
        inserted: synced.inserted.into(),
        existing: (!synced.inserted).into(),
        ..OperationReport::default()
    })
}

/// Forgets outcomes of entries that are gone.
pub(super) fn forget(session: &mut Session<'_>, entries: &[ArcStr]) -> Result<OperationReport> {
    let names = entries.iter().cloned().map(Value::Text).collect();
    let rows = JOURNAL_OUTCOME.scan().filter(Scalar::column("entry").is_in(names));
    let removed = session.tx.delete(&JOURNAL_OUTCOME, &rows)?;
    Ok(OperationReport { removed, ..OperationReport::default() })
}
