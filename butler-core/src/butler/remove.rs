//! Datasets and collections on their way out.
//!
//! Journal entry → one transaction of the registry, with the outcome of the entry → what no
//! record names any more is deleted → the entry goes. Many datasets go in batches, each of them a
//! whole: what is interrupted can be done again, and goes on where it stopped.

mod types;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arcstr::ArcStr;
use futures::TryStreamExt;

use super::Butler;
use super::store::Change;
use crate::collection::{CollectionType, NamePatterns};
use crate::dataset::DatasetRef;
use crate::registry::{Operation, Removal, RemovalPlan};
use crate::{Error, ErrorKind, Result};

/// Datasets that go in one transaction.
const BATCH: usize = 5_000;

/// Datasets of which nothing is stored that go with their runs in one transaction.
const ROWS_AT_ONCE: u64 = 100_000;

/// How far long work has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkProgress {
    /// Number of things that are done.
    pub done: u64,
    /// Number of all things, if it is known.
    pub total: Option<u64>,
}

/// Who is told how far work has come; an error from it ends the work after the batch that is done.
#[derive(Clone, Default)]
pub struct WorkObserver(Option<Arc<dyn Fn(WorkProgress) -> Result<()> + Send + Sync>>);

impl WorkObserver {
    /// Somebody who looks.
    pub fn new(see: impl Fn(WorkProgress) -> Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(see)))
    }

    pub(super) fn tell(&self, done: u64, total: Option<u64>) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |see| see(WorkProgress { done, total }))
    }
}

impl fmt::Debug for WorkObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "WorkObserver" } else { "nobody" })
    }
}

/// What is done with datasets that are pruned.
#[derive(Clone, Debug, Default)]
pub struct PruneOptions {
    /// Tagged collections that they are taken out of.
    pub disassociate: Vec<ArcStr>,
    /// Whether their artifacts go; the registry still knows them.
    pub unstore: bool,
    /// Whether they go altogether, artifacts and memberships included.
    pub purge: bool,
    /// Whether datasets are purged that tagged or calibration collections refer to; otherwise that is an error.
    pub referenced: bool,
    /// Who is told how far it has come.
    pub observer: WorkObserver,
}

impl Butler {
    /// What a removal would take with it, and how much is stored of that. Nothing changes.
    ///
    /// # Errors
    /// `MissingCollection`, `MissingDatasetType` for names that are not there.
    pub async fn removal_plan(&self, removal: Removal) -> Result<RemovalPlan> {
        match removal {
            Removal::Datasets(ids) => {
                let mut plan = RemovalPlan { bytes: Some(0), ..RemovalPlan::default() };
                for some in ids.chunks(BATCH) {
                    let part = self.inner.registry.plan(Removal::Datasets(some.to_vec())).await?;
                    add(&mut plan, part);
                    let found = self.datasets(some.to_vec()).await?;
                    let bytes = self.bytes_of(found.into_iter().flatten().collect()).await?;
                    plan.bytes = plan.bytes.map(|sum| sum + bytes);
                }
                Ok(plan)
            }
            Removal::Collections { .. } => {
                let mut plan = self.inner.registry.plan(removal).await?;
                let mut bytes = 0;
                for (name, ty) in &plan.collections {
                    if *ty == CollectionType::Run {
                        let run = std::iter::once(name.clone()).collect();
                        let mut rest = self.batches_of("*", run).await?;
                        while let Some(datasets) = rest.try_next().await? {
                            bytes += self.bytes_of(datasets).await?;
                        }
                    }
                }
                plan.bytes = Some(bytes);
                Ok(plan)
            }
            Removal::DatasetTypes(_) => {
                let mut plan = self.inner.registry.plan(removal).await?;
                plan.bytes = Some(self.bytes_of_types(plan.datasets.keys()).await?);
                Ok(plan)
            }
        }
    }

    /// Takes datasets out of tagged collections, deletes their artifacts, or removes them altogether.
    ///
    /// Datasets go in batches of 5,000, each of them a whole; what is gone already is no error.
    ///
    /// # Errors
    /// `Argument` if nothing is to be done, if datasets are to be purged *and* taken out of certain
    /// collections, or if one is a component; `CollectionType` for a collection that is not
    /// tagged; `OrphanedRecord` if collections refer to what is purged, and that was not
    /// allowed; `ReadOnly`, and those of registry and datastore.
    pub async fn prune(&self, datasets: Vec<DatasetRef>, options: &PruneOptions) -> Result<()> {
        self.session()?;
        self.check_prune(&datasets, options).await?;
        let total = datasets.len() as u64;
        let mut done = 0;
        for some in datasets.chunks(BATCH) {
            self.prune_batch(some.to_vec(), options).await?;
            done += some.len() as u64;
            options.observer.tell(done, Some(total))?;
        }
        Ok(())
    }

    /// Removes runs with all their datasets and artifacts.
    ///
    /// `unlink` takes them out of chains, too; being in a chain is an error otherwise, and so are
    /// tags and validity ranges of their datasets unless `referenced` allows to remove those.
    /// Datasets go in batches; what is interrupted can be done again.
    ///
    /// # Errors
    /// `MissingCollection`; `CollectionType` for what is no run; `OrphanedRecord` if something refers
    /// to what goes; as [`prune`](Self::prune).
    pub async fn remove_runs(
        &self,
        names: Vec<ArcStr>,
        unlink: bool,
        referenced: bool,
        observer: &WorkObserver,
    ) -> Result<()> {
        self.session()?;
        let removal = Removal::Collections { names: names.clone(), unlink };
        let plan = self.inner.registry.plan(removal.clone()).await?;
        if let Some((name, ty)) = plan.collections.iter().find(|(_, ty)| **ty != CollectionType::Run) {
            return Err(Error::new(
                ErrorKind::CollectionType,
                format!("'{name}' is no run: it is of type {ty}"),
            )
            .with_hint("`remove-collections` removes it"));
        }
        if !unlink {
            refuse_linked(&plan)?;
        }
        if !referenced {
            refuse_referenced(&plan, "the runs")?;
        }
        let count = plan.datasets.values().sum();
        let total = Some(count);
        if plan.stored == 0 && count <= ROWS_AT_ONCE {
            // Nothing but rows goes; what was stored meanwhile is in the way.
            match self.apply_one(Operation::Remove(removal.clone())).await {
                Err(error) if error.kind() == ErrorKind::OrphanedRecord => {}
                done => return done.and_then(|_| observer.tell(count, total)),
            }
        }
        let options = PruneOptions { purge: true, referenced: true, ..PruneOptions::default() };
        let mut done = 0;
        for name in &names {
            let mut rest = self.batches_of("*", std::iter::once(name.clone()).collect()).await?;
            while let Some(datasets) = rest.try_next().await? {
                done += datasets.len() as u64;
                self.prune_batch(datasets, &options).await?;
                observer.tell(done, total)?;
            }
        }
        self.apply_one(Operation::Remove(removal)).await.map(|_| ())
    }

    /// Removes collections that hold no datasets of their own: tagged ones, calibrations, chains.
    ///
    /// `unlink` takes them out of chains that stay; being in one is an error otherwise.
    ///
    /// # Errors
    /// `MissingCollection`; `CollectionType` for a run; `OrphanedRecord` if one is in a chain; `ReadOnly`.
    pub async fn remove_collections(&self, names: Vec<ArcStr>, unlink: bool) -> Result<()> {
        let (_, catalog) = self.collections(&names.iter().cloned().collect::<NamePatterns>(), false).await?;
        for name in &names {
            if catalog.get(name)?.ty == CollectionType::Run {
                return Err(Error::new(
                    ErrorKind::CollectionType,
                    format!("'{name}' is a run, and would take its datasets with it"),
                )
                .with_hint("`remove-runs` removes it"));
            }
        }
        self.apply_one(Operation::Remove(Removal::Collections { names, unlink })).await.map(|_| ())
    }

    async fn prune_batch(&self, datasets: Vec<DatasetRef>, options: &PruneOptions) -> Result<()> {
        let mut change = Change::default();
        prune_into(&mut change, datasets, options);
        self.carry_out(change).await.map(|_| ())
    }

    /// Checks that datasets may be pruned as it is wanted.
    pub(super) async fn check_prune(&self, datasets: &[DatasetRef], options: &PruneOptions) -> Result<()> {
        check_options(options, datasets)?;
        if options.purge && !options.referenced {
            let ids = datasets.iter().map(DatasetRef::id).collect();
            let plan = self.inner.registry.plan(Removal::Datasets(ids)).await?;
            refuse_referenced(&plan, "datasets")?;
        }
        Ok(())
    }

    async fn bytes_of(&self, datasets: Vec<DatasetRef>) -> Result<u64> {
        let datasets = self.with_records(datasets).await?;
        Ok(datasets.iter().filter_map(|dataset| self.inner.datastore.recorded_bytes(dataset)).sum())
    }

    /// All datasets of some types in some runs, in batches.
    async fn batches_of(
        &self,
        types: &str,
        runs: NamePatterns,
    ) -> Result<impl futures::Stream<Item = Result<Vec<DatasetRef>>> + Unpin + use<>> {
        let rows = self.query_datasets(types).collections(runs).stream().await?;
        let batches = futures::stream::try_unfold((rows, Vec::new()), async |(mut rows, mut ready)| {
            let mut over = false;
            while ready.len() < BATCH && !over {
                match rows.try_next().await? {
                    Some(some) => ready.extend(some),
                    None => over = true,
                }
            }
            let rest = ready.split_off(ready.len().min(BATCH));
            Ok((!ready.is_empty()).then_some((ready, (rows, rest))))
        });
        Ok(Box::pin(batches))
    }
}

/// Adds what pruning changes.
pub(super) fn prune_into(change: &mut Change, datasets: Vec<DatasetRef>, options: &PruneOptions) {
    for collection in &options.disassociate {
        let (collection, datasets) = (collection.clone(), datasets.clone());
        change.batch.push(Operation::Disassociate { collection, datasets });
    }
    if options.purge {
        let ids = datasets.iter().map(DatasetRef::id).collect();
        change.batch.push(Operation::Remove(Removal::Datasets(ids)));
    }
    if options.unstore || options.purge {
        change.unstored.extend(datasets);
    }
}

fn check_options(options: &PruneOptions, datasets: &[DatasetRef]) -> Result<()> {
    let argument = |message: String| Err(Error::new(ErrorKind::Argument, message));
    if options.purge && !options.disassociate.is_empty() {
        return argument("datasets that are purged are in no collection any more: name none".into());
    }
    if !options.purge && !options.unstore && options.disassociate.is_empty() {
        return argument(
            "nothing is to be done: unstore, purge, or name collections to disassociate from".into(),
        );
    }
    match datasets.iter().find(|dataset| dataset.dataset_type().component_name().is_some()) {
        Some(component) => argument(format!("{component} is a component, and goes with its composite alone")),
        None => Ok(()),
    }
}

/// Refuses to remove what tagged and calibration collections refer to.
fn refuse_referenced(plan: &RemovalPlan, what: &str) -> Result<()> {
    let references: Vec<String> = plan
        .tags
        .iter()
        .chain(&plan.calibrations)
        .map(|(collection, count)| format!("{collection} ({count})"))
        .collect();
    if references.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::OrphanedRecord,
        format!("{what} cannot be removed: collections refer to them: {}", references.join(", ")),
    )
    .with_hint("take them out of these collections first, or force it"))
}

fn refuse_linked(plan: &RemovalPlan) -> Result<()> {
    let Some((child, parents)) = plan.parents.iter().next() else { return Ok(()) };
    Err(Error::new(
        ErrorKind::OrphanedRecord,
        format!("'{child}' cannot be removed: it is a child of {}", parents.join(", ")),
    )
    .with_hint("take it out of the chain first, or ask for that too"))
}

/// Adds what goes with some datasets to what goes with others.
fn add(plan: &mut RemovalPlan, part: RemovalPlan) {
    let sum = |all: &mut BTreeMap<ArcStr, u64>, some: BTreeMap<ArcStr, u64>| {
        some.into_iter().for_each(|(name, count)| *all.entry(name).or_default() += count);
    };
    sum(&mut plan.datasets, part.datasets);
    sum(&mut plan.tags, part.tags);
    sum(&mut plan.calibrations, part.calibrations);
    plan.stored += part.stored;
    plan.quanta += part.quanta;
}
