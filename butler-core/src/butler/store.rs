//! The protocol by which datasets are stored: artifacts first, then one transaction of the registry.

use super::Butler;
use crate::collection::{CollectionSearch, CollectionType, SearchMember};
use crate::dataset::{DatasetKind, DatasetRef};
use crate::datastore::{WriteRequest, WriteTransaction};
use crate::registry::{FindRequest, JournalOutcome, Operation, Outcome, RegistryBatch, RegistryExt};
use crate::{Error, ErrorKind, Result, Retry};

impl Butler {
    /// Stores something, and applies a batch in the transaction that makes it known.
    ///
    /// Journal entry → artifacts → one transaction of the registry with the
    /// records and the outcome of the entry → the entry goes. No transaction is
    /// open while bytes move. Whatever fails is undone at once; a process that
    /// dies, or a call that is dropped half-way, leaves the entry to a recovery.
    pub(super) async fn store(&self, requests: Vec<WriteRequest>, batch: RegistryBatch) -> Result<()> {
        let session = self.session()?;
        let datasets: Vec<DatasetRef> = requests.iter().flat_map(WriteRequest::datasets).cloned().collect();
        let mut transaction = self.inner.datastore.prepare_write(requests).await?;
        let records = match transaction.execute().await {
            Ok(records) => records,
            Err(error) => {
                self.undo(transaction).await;
                return Err(self.explained(error, &datasets).await);
            }
        };
        let entries = transaction.entries();
        let mut batch = batch;
        for operation in self.record_operations(records)? {
            batch.push(operation);
        }
        for entry in &entries {
            let outcome = Outcome::Committed;
            batch.push(Operation::ClaimOutcome(JournalOutcome { entry: entry.clone(), outcome }));
        }
        match self.apply(batch).await {
            Ok(_) => {}
            Err(error) if error.retry() == Retry::OutcomeUnknown => {
                self.settle_unknown(&entries, error).await?;
            }
            Err(error) => {
                self.undo(transaction).await;
                return Err(self.explained(error, &datasets).await);
            }
        }
        match transaction.commit().await {
            Ok(()) => session.forget(entries),
            Err(error) => tracing::warn!(
                %error,
                "datasets are stored, but something is left over that `recover` removes"
            ),
        }
        Ok(())
    }

    /// After the reply to a commit was lost: looks who won the journal entries.
    ///
    /// Nothing is undone unless it is sure that the transaction was not committed, and never will be.
    pub(super) async fn settle_unknown(&self, entries: &[arcstr::ArcStr], error: Error) -> Result<()> {
        let Some(entry) = entries.first() else { return Err(error) };
        match self.inner.registry.claim(entry.clone(), Outcome::Aborted).await {
            Ok(Outcome::Committed) => Ok(()),
            // The entry stays for a recovery, which finds that it was aborted.
            Ok(Outcome::Aborted) => Err(Error::new(
                ErrorKind::Connection,
                "the connection was lost before the commit, which did not happen",
            )
            .with_retry(Retry::Temporary)
            .with_source(error)),
            Err(_) => Err(error.with_hint("run `recover` when the registry can be reached again")),
        }
    }

    async fn undo(&self, transaction: Box<dyn WriteTransaction>) {
        let entries = transaction.entries();
        match (transaction.roll_back().await, &self.inner.session) {
            (Ok(()), Some(session)) => session.forget(entries),
            (Ok(()), None) => {}
            (Err(error), _) => tracing::warn!(
                %error,
                "what was written could not be removed again; `recover` does it"
            ),
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
