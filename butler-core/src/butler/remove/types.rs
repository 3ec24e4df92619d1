//! Dataset types on their way out.

use arcstr::ArcStr;
use futures::TryStreamExt;

use super::{PruneOptions, WorkObserver, refuse_referenced};
use crate::butler::Butler;
use crate::collection::{CollectionType, NamePatterns};
use crate::registry::{Operation, Removal};
use crate::{Error, ErrorKind, Result};

impl Butler {
    /// Removes dataset types; with `purge` also all datasets of them, which are an error otherwise.
    ///
    /// Tags and validity ranges of these are an error, too, unless `referenced` allows to remove those.
    /// Datasets go in batches, and the types at the end; what is interrupted can be done again.
    ///
    /// # Errors
    /// `MissingDatasetType`; `OrphanedRecord` if something refers to what goes; as [`prune`](Self::prune).
    pub async fn remove_dataset_types(
        &self,
        names: Vec<ArcStr>,
        purge: bool,
        referenced: bool,
        observer: &WorkObserver,
    ) -> Result<()> {
        self.session()?;
        let removal = Removal::DatasetTypes(names.clone());
        let plan = self.inner.registry.plan(removal.clone()).await?;
        if let Some((name, count)) = plan.datasets.iter().find(|_| !purge) {
            return Err(Error::new(
                ErrorKind::OrphanedRecord,
                format!("dataset type '{name}' cannot be removed: there are {count} datasets of it"),
            )
            .with_hint("remove the datasets first, or ask to purge them"));
        }
        if !referenced {
            refuse_referenced(&plan, "the datasets")?;
        }
        let total = Some(plan.datasets.values().sum());
        let options = PruneOptions { purge: true, referenced: true, ..PruneOptions::default() };
        let mut done = 0;
        for name in plan.datasets.keys() {
            let mut rest = self.batches_of(name, self.all_runs().await?).await?;
            while let Some(datasets) = rest.try_next().await? {
                done += datasets.len() as u64;
                self.prune_batch(datasets, &options).await?;
                observer.tell(done, total)?;
            }
        }
        self.apply_one(Operation::Remove(removal)).await.map(|_| ())
    }

    /// Bytes of the artifacts of all datasets of some types.
    pub(super) async fn bytes_of_types(&self, names: impl IntoIterator<Item = &ArcStr>) -> Result<u64> {
        let mut bytes = 0;
        for name in names {
            let mut rest = self.batches_of(name, self.all_runs().await?).await?;
            while let Some(datasets) = rest.try_next().await? {
                bytes += self.bytes_of(datasets).await?;
            }
        }
        Ok(bytes)
    }

    /// All runs: every dataset is in one.
    async fn all_runs(&self) -> Result<NamePatterns> {
        let catalog = self.inner.whole_catalog(false).await?;
        let runs = catalog.iter().filter(|info| info.ty == CollectionType::Run);
        Ok(runs.map(|info| info.name.clone()).collect())
    }
}
