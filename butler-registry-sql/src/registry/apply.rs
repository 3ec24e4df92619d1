//! Changes: all operations of a batch in one transaction.

mod artifacts;
mod calibrations;
mod collections;
mod datasets;
mod existence;
mod quanta;
mod records;
mod removal;
mod session;
mod tags;
mod types;

use butler_core::Result;
use butler_core::backend::{OnConflict, Transaction};
use butler_core::registry::{BatchReport, Operation, OperationReport, RegistryBatch};

use super::Shared;
use super::catalog::Learnt;
use super::rows::row;
use crate::schema::{ORIGIN, REPO_ATTRIBUTE};
pub(super) use records::cut;
use session::Session;

/// Applies a batch; returns the reports, and what has become known.
pub(crate) fn apply(
    tx: &mut dyn Transaction,
    shared: &Shared,
    batch: &RegistryBatch,
) -> Result<(BatchReport, Learnt)> {
    let mut session = Session::new(tx, shared);
    session.preload(batch)?;
    let operations = batch.operations();
    let mut order: Vec<usize> = (0..operations.len()).collect();
    // Stable: operations of one place keep the order in which they were given.
    order.sort_by_key(|&index| place(&operations[index]));
    let mut reports = vec![OperationReport::default(); operations.len()];
    for index in order {
        reports[index] = apply_one(&mut session, &operations[index])?;
    }
    Ok((BatchReport { operations: reports }, session.into_learnt()))
}

/// Phase of an operation; records of elements that others refer to come first.
fn place(operation: &Operation) -> (u8, usize) {
    let within = match operation {
        Operation::InsertRecords { records, .. } => records
            .element
            .universe()
            .elements()
            .position(|element| element == records.element)
            .unwrap_or_default(),
        _ => 0,
    };
    (operation.phase(), within)
}

fn apply_one(session: &mut Session<'_>, operation: &Operation) -> Result<OperationReport> {
    match operation {
        Operation::SetAttribute { key, value } => {
            let row = row(&REPO_ATTRIBUTE, [("key", key.clone().into()), ("value", value.clone().into())])?;
            session.tx.insert(&REPO_ATTRIBUTE, &row, OnConflict::Replace)?;
            Ok(OperationReport { changed: 1, ..OperationReport::default() })
        }
        Operation::BeginSession { origin, host, user, began } => {
            let row = row(
                &ORIGIN,
                [
                    ("origin", (*origin).into()),
                    ("repository", session.repository()?.into()),
                    ("host", host.clone().into()),
                    ("username", user.clone().into()),
                    ("began", began.nanoseconds().into()),
                ],
            )?;
            let inserted = session.tx.insert(&ORIGIN, &row, OnConflict::Ignore)?;
            Ok(OperationReport { inserted, ..OperationReport::default() })
        }
        Operation::RegisterCollection { name, ty, doc } => {
            collections::register(session, name, *ty, doc.as_ref())
        }
        Operation::SetDocumentation { name, doc } => collections::document(session, name, doc),
        Operation::EditChain { parent, edit } => collections::edit_chain(session, parent, edit),
        Operation::RegisterDatasetType(definition) => types::register(session, definition),
        Operation::InsertRecords { records, on_conflict } => records::insert(session, records, *on_conflict),
        Operation::InsertDatasets(insert) => datasets::insert(session, insert),
        Operation::Associate { collection, datasets } => tags::associate(session, collection, datasets),
        Operation::Disassociate { collection, datasets } => tags::disassociate(session, collection, datasets),
        Operation::Certify { collection, datasets, timespan } => {
            calibrations::certify(session, collection, datasets, *timespan)
        }
        Operation::Decertify { collection, dataset_type, timespan, data_ids } => {
            calibrations::decertify(session, collection, dataset_type, *timespan, data_ids.as_deref())
        }
        Operation::RegisterOpaque(table) => artifacts::register(session, table),
        Operation::InsertArtifacts { datastore, datasets, rows } => {
            artifacts::insert(session, datastore, datasets, rows)
        }
        Operation::RemoveArtifacts { datastore, datasets, tables } => {
            artifacts::remove(session, datastore, datasets, tables)
        }
        Operation::InsertQuanta(quanta) => quanta::insert(session, quanta),
        Operation::UpdateQuanta(updates) => quanta::update(session, updates),
        Operation::ClaimOutcome(outcome) => artifacts::claim(session, outcome),
        Operation::ForgetOutcomes(entries) => artifacts::forget(session, entries),
        Operation::Remove(removal) => removal::remove(session, removal),
    }
}
