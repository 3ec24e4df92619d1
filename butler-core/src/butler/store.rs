//! The protocol by which registry and datastore change together: artifacts first, then one transaction
//! of the registry, then what is not needed any more goes.

use std::collections::BTreeMap;

use arcstr::ArcStr;

use super::Butler;
use crate::collection::{CollectionSearch, CollectionType, SearchMember};
use crate::dataset::{DatasetId, DatasetKind, DatasetRef};
use crate::datastore::{RemoveTransaction, WriteRequest, WriteTransaction, Written, left_over};
use crate::failpoint;
use crate::registry::{
    BatchReport, FindRequest, JournalOutcome, Operation, Outcome, RegistryBatch, RegistryExt,
};
use crate::{Error, ErrorKind, Result, Retry};

/// What is to change, all of it or nothing.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// What is stored.
    pub(super) requests: Vec<WriteRequest>,
    /// Datasets whose artifacts go.
    pub(super) unstored: Vec<DatasetRef>,
    /// What the registry is told.
    pub(super) batch: RegistryBatch,
}

/// Artifacts on their way, in and out.
#[derive(Default)]
struct Transactions {
    write: Option<Box<dyn WriteTransaction>>,
    remove: Option<Box<dyn RemoveTransaction>>,
}

impl Transactions {
    fn entries(&self) -> Vec<ArcStr> {
        let write = self.write.iter().flat_map(|write| write.entries());
        write.chain(self.remove.iter().flat_map(|remove| remove.entries())).collect()
    }
}

impl Butler {
    /// Changes registry and datastore together; reports on the operations of the batch.
    ///
    /// Journal entries → artifacts → one transaction of the registry with the records and the outcomes
    /// of the entries → artifacts that no record names any more go → the entries go. No
    /// transaction is open while bytes move. Whatever fails is undone at once; a process
    /// that dies, or a call that is dropped half-way, leaves its entries to a recovery. A small change that
    /// is made on [one thread](Self::hosted) goes on when its call is dropped.
    pub(super) async fn carry_out(&self, change: Change) -> Result<BatchReport> {
        match self.hosting(&change) {
            Some(place) => self.hosted(place, change).await,
            None => self.carry_out_here(change).await,
        }
    }

    /// The same, by whoever calls it.
    pub(super) async fn carry_out_here(&self, change: Change) -> Result<BatchReport> {
        let opened = self.session()?.opened();
        let Change { requests, unstored, mut batch } = change;
        let wanted = batch.operations().len();
        // What takes the place of something that goes finds that there, and is not in its way.
        let explicable = requests.iter().filter(|_| unstored.is_empty());
        let datasets: Vec<DatasetRef> = explicable.flat_map(WriteRequest::datasets).cloned().collect();
        let moved = self.inner.places.moved(&requests, &unstored);
        let gone: Vec<DatasetId> = unstored.iter().map(DatasetRef::id).collect();
        let mut transactions = Transactions::default();
        match self.move_bytes(requests, unstored, &mut transactions).await {
            Ok(operations) => operations.into_iter().for_each(|operation| batch.push(operation)),
            Err(error) => {
                let undone = self.undo(transactions).await;
                let error = self.explained(error, &datasets).await;
                return Err(if undone { error } else { left_over(error) });
            }
        }
        // Whoever follows what is ingested must not miss what took its time to be stored.
        if let Some(opened) = opened {
            batch.ingest_now(opened)?;
        }
        failpoint::reach("registry begins");
        let entries = transactions.entries();
        for entry in &entries {
            let outcome = Outcome::Committed;
            batch.push(Operation::ClaimOutcome(JournalOutcome { entry: entry.clone(), outcome }));
        }
        let report = match self.apply(batch).await {
            Ok(mut report) => {
                report.operations.truncate(wanted);
                report
            }
            // What it did is known, but not what it would have told.
            Err(error) if error.retry() == Retry::OutcomeUnknown => {
                match self.settle_unknown(&entries, error).await {
                    Ok(()) => BatchReport::default(),
                    Err(unknown) if unknown.retry() == Retry::OutcomeUnknown => return Err(unknown),
                    Err(error) => {
                        let undone = self.undo(transactions).await;
                        return Err(if undone { error } else { left_over(error) });
                    }
                }
            }
            Err(error) => {
                let undone = self.undo(transactions).await;
                let error = self.inner.places.explained(error, &gone).await;
                let error = self.explained(error, &datasets).await;
                return Err(if undone { error } else { left_over(error) });
            }
        };
        failpoint::reach("registry committed");
        self.tidy(transactions).await;
        self.inner.places.remember(&moved);
        Ok(report)
    }

    /// Announces what is going to happen, and stores what is new; tells what the registry has to know.
    async fn move_bytes(
        &self,
        requests: Vec<WriteRequest>,
        unstored: Vec<DatasetRef>,
        transactions: &mut Transactions,
    ) -> Result<Vec<Operation>> {
        let mut operations = Vec::new();
        // First, so that what takes the place of something is stored beside it.
        if !unstored.is_empty() {
            // What is attached to them may be out of date.
            let bare = unstored.iter().map(|dataset| dataset.with_records(None)).collect();
            let unstored = self.with_records(bare).await?;
            operations = self.removal_operations(&unstored);
            transactions.remove = Some(self.inner.datastore.prepare_remove(unstored).await?);
            failpoint::reach("removal announced");
        }
        if !requests.is_empty() {
            let Written { transaction, records } = self.inner.datastore.write(requests).await?;
            transactions.write = Some(transaction);
            failpoint::reach("write executed");
            operations.extend(self.record_operations(records)?);
        }
        Ok(operations)
    }

    /// The changes of the registry that the end of records is.
    fn removal_operations(&self, datasets: &[DatasetRef]) -> Vec<Operation> {
        let mut tables: BTreeMap<ArcStr, Vec<ArcStr>> = BTreeMap::new();
        for table in self.inner.datastore.tables() {
            tables.entry(table.datastore).or_default().push(table.spec.name);
        }
        let mut stored: BTreeMap<ArcStr, Vec<DatasetId>> = BTreeMap::new();
        for dataset in datasets {
            for record in dataset.records().iter().flat_map(|records| &records.0) {
                let ids = stored.entry(record.datastore.clone()).or_default();
                // Records of one dataset follow each other.
                if ids.last() != Some(&dataset.id()) {
                    ids.push(dataset.id());
                }
            }
        }
        let operation = |(datastore, datasets): (ArcStr, Vec<DatasetId>)| {
            let tables = tables.get(&datastore).cloned().unwrap_or_default();
            self.inner.places.bridge(&datastore)?.remove(datasets, tables)
        };
        stored.into_iter().filter_map(operation).collect()
    }

    /// After the transaction: what is left over is a recovery's.
    async fn tidy(&self, transactions: Transactions) {
        let Transactions { write, remove } = transactions;
        if let Some(write) = write {
            let entries = write.entries();
            let _ =
                self.note(entries, write.commit().await, "datasets are stored, but something is left over");
            failpoint::reach("write settled");
        }
        if let Some(remove) = remove {
            let entries = remove.entries();
            let result = remove.commit(&self.books()).await;
            let _ = self.note(entries, result, "datasets are removed, but artifacts are left over");
            failpoint::reach("removal settled");
        }
    }

    /// Before the transaction, or if it failed; returns whether nothing is left over.
    async fn undo(&self, transactions: Transactions) -> bool {
        let Transactions { write, remove } = transactions;
        let mut undone = true;
        if let Some(write) = write {
            let entries = write.entries();
            undone &=
                self.note(entries, write.roll_back().await, "what was written could not be removed again");
        }
        if let Some(remove) = remove {
            let entries = remove.entries();
            undone &= self.note(entries, remove.roll_back().await, "a journal entry is left over");
        }
        undone
    }

    /// Outcomes of entries that are gone may go; of others a recovery is in charge. Returns whether they are gone.
    fn note(&self, entries: Vec<ArcStr>, result: Result<()>, failure: &str) -> bool {
        match (result, &self.inner.session) {
            (Ok(()), Some(session)) => session.forget(entries),
            (Ok(()), None) => {}
            (Err(error), _) => {
                tracing::warn!(%error, "{failure}; `butler recover` sees to it");
                return false;
            }
        }
        true
    }

    /// After the reply to a commit was lost: looks who won the journal entries.
    ///
    /// Nothing is undone unless it is sure that the transaction was not committed, and never will be.
    async fn settle_unknown(&self, entries: &[ArcStr], error: Error) -> Result<()> {
        let Some(entry) = entries.first() else { return Err(error) };
        match self.inner.registry.claim(entry.clone(), Outcome::Aborted).await {
            Ok(Outcome::Committed) => Ok(()),
            // The caller takes back what it wrote: nobody can commit it any more.
            Ok(Outcome::Aborted) => {
                let told = "the connection was lost before the commit, which did not happen";
                let told = Error::new(ErrorKind::Connection, told).with_retry(Retry::Temporary);
                Err(told.with_hint("try again").with_source(error))
            }
            Err(_) => Err(error.with_hint("run `butler recover` when the registry can be reached again")),
        }
    }

    /// Of an error that something is there already: what it is, and where.
    async fn explained(&self, error: Error, datasets: &[DatasetRef]) -> Error {
        if !matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::ConflictingDefinition) {
            return error;
        }
        match self.existing(datasets).await {
            Ok(Some(existing)) => existing.with_source(error),
            // The first error tells more than one of looking for its reason.
            Ok(None) | Err(_) => error,
        }
    }

    /// The first dataset in the way of some new ones, as an error.
    async fn existing(&self, datasets: &[DatasetRef]) -> Result<Option<Error>> {
        let single = |dataset: &&DatasetRef| dataset.dataset_type().kind() != DatasetKind::Nonsingular;
        let datasets: Vec<&DatasetRef> = datasets.iter().filter(single).collect();
        let requests = datasets.iter().map(|dataset| FindRequest {
            dataset_type: dataset.dataset_type().clone(),
            data_id: dataset.data_id().clone(),
            collections: CollectionSearch::new([SearchMember {
                name: dataset.run().clone(),
                ty: CollectionType::Run,
            }])
            .into(),
            timespan: None,
        });
        let found = self.inner.registry.find(requests.collect()).await?;
        let Some((wanted, found)) =
            datasets.into_iter().zip(found).find_map(|(wanted, found)| Some((wanted, found?)))
        else {
            return Ok(None);
        };
        let error = Error::new(
            ErrorKind::ConflictingDefinition,
            format!(
                "dataset '{}' {} exists already in run '{}', with id {}",
                wanted.dataset_type().name(),
                wanted.data_id(),
                found.run(),
                found.id()
            ),
        );
        let found = self.with_records(vec![found]).await?;
        let uris = self.inner.datastore.uris(&found, false).await.unwrap_or_default();
        let place =
            uris.into_iter().find_map(|uris| uris.primary.or_else(|| uris.components.into_values().next()));
        Ok(Some(match place {
            Some(place) => {
                error.with_hint(format!("it is stored at {place}; choose another run, or remove it first"))
            }
            None => error.with_hint("it is not stored; choose another run, or put it by its reference"),
        }))
    }
}
