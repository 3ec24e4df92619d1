//! Changes of all kinds, committed together.

use std::fmt;

use super::put::{IngestFile, IngestOptions};
use super::remove::prune_into;
use super::store::Change;
use super::target::PutTarget;
use super::{Butler, PruneOptions};
use crate::Result;
use crate::dataset::DatasetRef;
use crate::object::Object;
use crate::registry::{BatchReport, Operation};

/// Any mixture of puts, ingests, registrations, tags and removals, which happens as a whole or not at all.
///
/// Nothing is changed before [`commit`](Self::commit): what is dropped leaves no trace, neither
/// in the registry nor in files. Objects are kept in memory until then. What is registered
/// in a batch can be used in it: a run, for example, or a dataset type that is given by its
/// definition; dimension records must be there before. Removals of datasets come before
/// what is new, so that one can take the place of another.
///
/// ```no_run
/// # async fn example(butler: butler_core::Butler) -> butler_core::Result<()> {
/// use butler_core::registry::Operation;
/// use butler_core::{CollectionType, Draft, data_id};
///
/// let mut batch = butler.batch()?;
/// batch.push(Operation::RegisterCollection { name: "u/me".into(), ty: CollectionType::Run, doc: None });
/// let draft = Draft::new("metric", data_id! { instrument: "HSC", visit: 903334 }).run("u/me");
/// let metric = batch.put("0.25".to_owned(), draft).await?;
/// batch.push(Operation::Associate { collection: "best".into(), datasets: vec![metric] });
/// batch.commit().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a batch does nothing until it is committed"]
pub struct Batch {
    butler: Butler,
    change: Change,
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("operations", &self.change.batch.operations().len())
            .field("artifacts", &self.change.requests.len())
            .field("unstored", &self.change.unstored.len())
            .finish_non_exhaustive()
    }
}

impl Butler {
    /// Begins a batch of changes.
    ///
    /// # Errors
    /// `ReadOnly`.
    pub fn batch(&self) -> Result<Batch> {
        self.session()?;
        Ok(Batch { butler: self.clone(), change: Change::default() })
    }
}

impl Batch {
    /// Whether nothing is to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.change.batch.is_empty() && self.change.requests.is_empty() && self.change.unstored.is_empty()
    }

    /// Adds any change of the registry.
    ///
    /// Removals of collections and dataset types come last in a batch, whatever the order here.
    pub fn push(&mut self, operation: Operation) {
        self.change.batch.push(operation);
    }

    /// Adds an object to be stored; its dataset has its id already, and is there after the commit.
    ///
    /// # Errors
    /// As [`Butler::put`], as far as it can be told before.
    pub async fn put(
        &mut self,
        object: impl Into<Object>,
        target: impl Into<PutTarget>,
    ) -> Result<DatasetRef> {
        let puts = vec![(target.into(), object.into())];
        let mut datasets = self.butler.put_into(&mut self.change, puts).await?;
        datasets.pop().ok_or_else(|| {
            crate::Error::new(crate::ErrorKind::Unexpected, "a dataset was put, and is not there")
        })
    }

    /// Adds files to be ingested; their runs are registered if they are new.
    ///
    /// # Errors
    /// As [`Butler::ingest`], as far as it can be told before.
    pub async fn ingest(
        &mut self,
        files: Vec<IngestFile>,
        options: &IngestOptions,
    ) -> Result<Vec<DatasetRef>> {
        self.butler.ingest_into(&mut self.change, files, options).await
    }

    /// Adds datasets to be taken out of collections, unstored or purged.
    ///
    /// # Errors
    /// As [`Butler::prune`], as far as it can be told before.
    pub async fn prune(&mut self, datasets: Vec<DatasetRef>, options: &PruneOptions) -> Result<()> {
        self.butler.check_prune(&datasets, options).await?;
        prune_into(&mut self.change, datasets, options);
        Ok(())
    }

    /// Does everything, in one transaction of the registry; reports on each operation that was pushed
    /// or follows from what was added, in that order.
    ///
    /// # Errors
    /// Those of what was added; nothing is changed then. As with every change, a connection that is
    /// lost in the middle may leave it unknown what has happened.
    pub async fn commit(self) -> Result<BatchReport> {
        if self.is_empty() {
            return Ok(BatchReport::default());
        }
        self.butler.carry_out(self.change).await
    }
}
