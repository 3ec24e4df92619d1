//! New datasets: registered, put, ingested.

use arcstr::ArcStr;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Butler;
use super::store::Change;
use super::target::{Draft, PutTarget};
use crate::collection::{CollectionType, check_collection_name};
use crate::dataset::{DatasetKind, DatasetRef, IdGenerationMode, NewDataset};
use crate::datastore::{Acceptance, ArchiveFile, FileDataset, TransferMode, WriteRequest};
use crate::object::Object;
use crate::registry::{DatasetInsert, InsertMode, Operation, RegistryBatch};
use crate::time::Instant;
use crate::{Error, ErrorKind, Result};

/// A file to ingest, and the datasets that it holds.
#[derive(Clone, Debug)]
pub struct IngestFile {
    /// Path or URL.
    pub path: ArcStr,
    /// The datasets, at least one.
    pub datasets: Vec<PutTarget>,
    /// Name of the formatter that reads it, if not that of the storage class.
    pub formatter: Option<ArcStr>,
}

impl IngestFile {
    /// A file that holds one dataset.
    #[must_use]
    pub fn new(path: impl Into<ArcStr>, dataset: impl Into<PutTarget>) -> Self {
        Self { path: path.into(), datasets: vec![dataset.into()], formatter: None }
    }
}

impl From<FileDataset> for IngestFile {
    fn from(file: FileDataset) -> Self {
        let datasets = file.datasets.into_iter().map(PutTarget::Known).collect();
        Self { path: file.path, datasets, formatter: file.formatter }
    }
}

/// How files are ingested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngestOptions {
    /// How the files come in.
    pub mode: TransferMode,
    /// How the ids of new datasets come about.
    pub ids: IdGenerationMode,
    /// Whether sizes and checksums are determined.
    pub track_attributes: bool,
    /// Whether files whose datasets are all stored already are passed over, rather than refused.
    pub skip_existing: bool,
}

impl Default for IngestOptions {
    /// As suits the files; new ids; attributes are determined; what is stored is refused.
    fn default() -> Self {
        Self {
            mode: TransferMode::Auto,
            ids: IdGenerationMode::Unique,
            track_attributes: true,
            skip_existing: false,
        }
    }
}

/// A dataset on its way in.
pub(super) struct Incoming {
    pub(super) dataset: DatasetRef,
    /// Whether it may be registered, or stored, already.
    known: bool,
    /// Whether its run may be new.
    new_run: bool,
}

impl Incoming {
    fn known(dataset: DatasetRef) -> Self {
        Self { dataset, known: true, new_run: false }
    }
}

impl Butler {
    /// Stores an object as a new dataset, or as one whose reference is known.
    ///
    /// The run must be registered, unless the draft says that it may be [new](Draft::new_run). Nothing is half-done: either the dataset is registered and stored, or neither.
    ///
    /// # Errors
    /// `ConflictingDefinition` if the run has a dataset of this type and data ID, or the
    /// dataset is stored already; `MissingDatasetType`, `MissingCollection`, `NoDefaultCollection`,
    /// `DataIdValue` and the like; `StorageClass` for an object of another type; those of the datastore.
    pub async fn put(&self, object: impl Into<Object>, target: impl Into<PutTarget>) -> Result<DatasetRef> {
        let mut stored = self.put_many(vec![(target.into(), object.into())]).await?;
        stored.pop().ok_or_else(|| Error::new(ErrorKind::Unexpected, "a dataset was put, and is not there"))
    }

    /// Stores many objects together: all of them, or none.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn put_many(&self, puts: Vec<(PutTarget, Object)>) -> Result<Vec<DatasetRef>> {
        let mut change = Change::default();
        let datasets = self.put_into(&mut change, puts).await?;
        self.carry_out(change).await?;
        Ok(datasets)
    }

    /// Adds what puts change.
    pub(super) async fn put_into(
        &self,
        change: &mut Change,
        puts: Vec<(PutTarget, Object)>,
    ) -> Result<Vec<DatasetRef>> {
        let (targets, objects): (Vec<_>, Vec<_>) = puts.into_iter().unzip();
        let incoming = self.incoming(targets, IdGenerationMode::Unique, true).await?;
        self.check_not_stored(&incoming, &change.unstored).await?;
        change.batch.extend(self.insertions(&incoming)?);
        let datasets: Vec<DatasetRef> = incoming.into_iter().map(|incoming| incoming.dataset).collect();
        let put =
            |(dataset, object): (&DatasetRef, _)| WriteRequest::Put { dataset: dataset.clone(), object };
        change.requests.extend(datasets.iter().zip(objects).map(put));
        Ok(datasets)
    }

    /// Registers new datasets without storing anything.
    ///
    /// # Errors
    /// As [`put`](Self::put), without those of the datastore.
    pub async fn insert(&self, drafts: Vec<Draft>, ids: IdGenerationMode) -> Result<Vec<DatasetRef>> {
        let targets = drafts.into_iter().map(PutTarget::New).collect();
        let incoming = self.incoming(targets, ids, false).await?;
        self.apply(self.insertions(&incoming)?).await?;
        Ok(incoming.into_iter().map(|incoming| incoming.dataset).collect())
    }

    /// Registers datasets whose references are known; those that are there already stay.
    ///
    /// # Errors
    /// `ConflictingDefinition` if an id belongs to another dataset, or a data ID has another
    /// id in the run; `MissingCollection`, `MissingDatasetType`, `DataIdValue`.
    pub async fn import_datasets(&self, datasets: Vec<DatasetRef>) -> Result<()> {
        let incoming: Vec<Incoming> = datasets.into_iter().map(Incoming::known).collect();
        self.apply(self.insertions(&incoming)?).await.map(|_| ())
    }

    /// Makes files known as datasets: copied, moved, linked, or where they are.
    ///
    /// Runs are registered if they are new. All files come in, or none.
    ///
    /// # Errors
    /// As [`put`](Self::put); `NotFound` for a file that is not there; `Unsupported` for a way of
    /// transfer that the datastore has not.
    pub async fn ingest(&self, files: Vec<IngestFile>, options: &IngestOptions) -> Result<Vec<DatasetRef>> {
        let mut change = Change::default();
        let datasets = self.ingest_into(&mut change, files, options).await?;
        self.carry_out(change).await?;
        Ok(datasets)
    }

    /// Makes the artifacts in a zip archive known as datasets; the archive stays one file.
    ///
    /// Runs are registered if they are new. With `skip_existing`, nothing happens if all of the
    /// datasets are stored already; the mode of ids is of no account, for they are known.
    ///
    /// # Errors
    /// As [`ingest`](Self::ingest); `ConflictingDefinition` if some of the datasets are stored already;
    /// `Corrupt` for an archive that is unsound or not what is said of it.
    pub async fn ingest_archive(
        &self,
        archive: ArchiveFile,
        options: &IngestOptions,
    ) -> Result<Vec<DatasetRef>> {
        let datasets = archive.datasets.clone();
        if options.skip_existing {
            let known = self.with_records(datasets.clone()).await?;
            if known.iter().all(|dataset| self.inner.datastore.knows(dataset)) {
                return Ok(Vec::new());
            }
        }
        let incoming: Vec<Incoming> = datasets
            .iter()
            .map(|dataset| Incoming { new_run: true, ..Incoming::known(dataset.clone()) })
            .collect();
        self.check_not_stored(&incoming, &[]).await?;
        let mut change = Change::default();
        change.batch.extend(self.insertions(&incoming)?);
        change.requests.push(WriteRequest::IngestArchive { archive, mode: options.mode });
        self.carry_out(change).await?;
        Ok(datasets)
    }

    /// Adds what an ingest changes.
    pub(super) async fn ingest_into(
        &self,
        change: &mut Change,
        files: Vec<IngestFile>,
        options: &IngestOptions,
    ) -> Result<Vec<DatasetRef>> {
        let mut targets = Vec::new();
        let mut shapes = Vec::new();
        for file in files {
            if file.datasets.is_empty() {
                return Err(Error::new(
                    ErrorKind::Argument,
                    format!("file '{}' holds no datasets", file.path.escape_debug()),
                ));
            }
            shapes.push((file.path, file.formatter, file.datasets.len()));
            targets.extend(file.datasets);
        }
        let mut incoming = self.incoming(targets, options.ids, true).await?.into_iter();
        let mut files: Vec<(FileDataset, Vec<Incoming>)> = shapes
            .into_iter()
            .map(|(path, formatter, count)| {
                let incoming: Vec<Incoming> = incoming.by_ref().take(count).collect();
                let datasets = incoming.iter().map(|incoming| incoming.dataset.clone()).collect();
                (FileDataset { path, datasets, formatter }, incoming)
            })
            .collect();
        if options.skip_existing {
            self.skip_stored(&mut files).await?;
        }
        let (files, incoming): (Vec<FileDataset>, Vec<Vec<Incoming>>) = files.into_iter().unzip();
        let incoming: Vec<Incoming> =
            incoming.into_iter().flatten().map(|incoming| Incoming { new_run: true, ..incoming }).collect();
        self.check_not_stored(&incoming, &change.unstored).await?;
        change.batch.extend(self.insertions(&incoming)?);
        change.requests.extend(files.into_iter().map(|file| WriteRequest::Ingest {
            file,
            mode: options.mode,
            track_attributes: options.track_attributes,
        }));
        Ok(incoming.into_iter().map(|incoming| incoming.dataset).collect())
    }

    /// Datasets that are known elsewhere, with expanded data IDs where they are needed.
    pub(super) async fn known_incoming(&self, datasets: Vec<DatasetRef>) -> Result<Vec<Incoming>> {
        let targets = datasets.into_iter().map(PutTarget::Known).collect();
        self.incoming(targets, IdGenerationMode::Unique, true).await
    }

    /// Gives ids to new datasets, and expanded data IDs to those that are to
    /// be stored where they are needed.
    async fn incoming(
        &self,
        targets: Vec<PutTarget>,
        ids: IdGenerationMode,
        stored: bool,
    ) -> Result<Vec<Incoming>> {
        let mut incoming = Vec::with_capacity(targets.len());
        for target in targets {
            incoming.push(match target {
                PutTarget::Known(dataset) => Incoming::known(dataset),
                PutTarget::New(draft) => self.identified(draft, ids).await?,
            });
        }
        if stored {
            let needed: Vec<usize> =
                (0..incoming.len()).filter(|&at| self.needs_expansion(&incoming[at].dataset)).collect();
            let datasets = needed.iter().map(|&at| incoming[at].dataset.clone()).collect();
            for (at, dataset) in needed.into_iter().zip(self.expand(datasets).await?) {
                incoming[at].dataset = dataset;
            }
        }
        Ok(incoming)
    }

    async fn identified(&self, draft: Draft, ids: IdGenerationMode) -> Result<Incoming> {
        let issuer = self.issuer()?;
        let dataset_type = self.dataset_type(draft.dataset_type).await?;
        if let Some(component) = dataset_type.component_name() {
            return Err(Error::new(
                ErrorKind::DatasetType,
                format!(
                    "component '{component}' of '{}' cannot be stored on its own",
                    dataset_type.composite().name()
                ),
            )
            .with_hint("store the composite"));
        }
        let derived = dataset_type.kind() == DatasetKind::Global;
        let ids = match ids {
            IdGenerationMode::Unique if derived => {
                return Err(Error::new(
                    ErrorKind::DatasetType,
                    format!(
                        "datasets of the global type '{}' have ids that follow from their data IDs",
                        dataset_type.name()
                    ),
                )
                .with_hint("ingest or import them, with ids of mode dataid_type"));
            }
            ids => ids,
        };
        let run = match draft.run {
            Some(run) => run,
            None => self.default_run()?.clone(),
        };
        if draft.new_run {
            check_collection_name(&run)?;
        }
        let data_id = self.data_id(dataset_type.group(), draft.data_id).await?;
        let id = issuer.make(ids, &dataset_type, &run, &data_id);
        let dataset = NewDataset::new(dataset_type, data_id, run)?.with_id(id);
        Ok(Incoming { dataset, known: ids != IdGenerationMode::Unique, new_run: draft.new_run })
    }

    fn needs_expansion(&self, dataset: &DatasetRef) -> bool {
        !dataset.data_id().is_expanded()
            && self.inner.datastore.acceptance(dataset.dataset_type(), Some(dataset.data_id()))
                == Acceptance::Expanded
    }

    /// Refuses datasets that are stored already, unless their artifacts go.
    async fn check_not_stored(&self, incoming: &[Incoming], unstored: &[DatasetRef]) -> Result<()> {
        let goes = |dataset: &DatasetRef| unstored.iter().any(|other| other.id() == dataset.id());
        let known = incoming.iter().filter(|incoming| incoming.known && !goes(&incoming.dataset));
        let known: Vec<DatasetRef> = known.map(|incoming| incoming.dataset.clone()).collect();
        if known.is_empty() {
            return Ok(());
        }
        let known = self.with_records(known).await?;
        match known.iter().find(|dataset| self.inner.datastore.knows(dataset)) {
            None => Ok(()),
            Some(dataset) => Err(Error::new(
                ErrorKind::ConflictingDefinition,
                format!("dataset {dataset} is stored already"),
            )
            .with_hint("remove it first, or leave it out")),
        }
    }

    /// Leaves out files whose datasets are all stored already.
    async fn skip_stored(&self, files: &mut Vec<(FileDataset, Vec<Incoming>)>) -> Result<()> {
        let all = files.iter().flat_map(|(_, incoming)| incoming);
        let known = all.filter(|incoming| incoming.known).map(|incoming| incoming.dataset.clone()).collect();
        let stored: FxHashSet<_> = self
            .with_records(known)
            .await?
            .into_iter()
            .filter(|dataset| self.inner.datastore.knows(dataset))
            .map(|dataset| dataset.id())
            .collect();
        files.retain(|(file, _)| !file.datasets.iter().all(|dataset| stored.contains(&dataset.id())));
        Ok(())
    }

    /// The changes of the registry that new datasets are: by type, run and what is known of them.
    pub(super) fn insertions(&self, incoming: &[Incoming]) -> Result<RegistryBatch> {
        self.session()?;
        let ingested_at = Instant::now()?;
        let mut places = FxHashMap::default();
        let mut inserts: Vec<DatasetInsert> = Vec::new();
        let runs: FxHashSet<&ArcStr> = incoming
            .iter()
            .filter(|incoming| incoming.new_run)
            .map(|incoming| incoming.dataset.run())
            .collect();
        let registrations = runs.into_iter().map(|name| Operation::RegisterCollection {
            name: name.clone(),
            ty: CollectionType::Run,
            doc: None,
        });
        for Incoming { dataset, known, .. } in incoming {
            let key = (dataset.dataset_type().name(), dataset.run(), *known);
            let at = *places.entry(key).or_insert_with(|| {
                inserts.push(DatasetInsert {
                    dataset_type: dataset.dataset_type().clone(),
                    run: dataset.run().clone(),
                    ids: Vec::new(),
                    data_ids: Vec::new(),
                    mode: if *known { InsertMode::Import } else { InsertMode::New },
                    ingested_at,
                    quantum: None,
                });
                inserts.len() - 1
            });
            inserts[at].ids.push(dataset.id());
            inserts[at].data_ids.push(dataset.data_id().clone());
        }
        Ok(registrations.chain(inserts.into_iter().map(Operation::InsertDatasets)).collect())
    }
}
