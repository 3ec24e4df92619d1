//! Datasets that come from another repository.

use std::path::PathBuf;

use arcstr::ArcStr;
use futures::{StreamExt, TryStreamExt};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Butler;
use super::put::Incoming;
use super::related::RelatedRecords;
use super::store::Change;
use crate::collection::CollectionType;
use crate::dataset::{DatasetId, DatasetRef, DatasetType};
use crate::datastore::{Artifact, ArtifactBody, FileDataset, GetRequest, TransferMode, WriteRequest};
use crate::dimension::DataId;
use crate::registry::{Operation, RecordConflict, RegistryBatch};
use crate::storage_class::ReadParameters;
use crate::{Error, ErrorKind, Result};

/// Datasets that come over together, or not at all.
const TOGETHER: usize = 500;

/// Artifacts that are opened at once.
const OPENED: usize = 16;

/// How datasets come from another repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferOptions {
    /// How artifacts come: `Auto` and `Copy` copy them, between any two datastores; links need local
    /// files; `Direct` refers to the file of the other repository, which must keep it.
    pub mode: TransferMode,
    /// Whether datasets without artifacts are left out; otherwise those that are not stored are registered
    /// only, and a lost artifact is an error.
    pub skip_missing: bool,
    /// Whether dataset types that are not known here are registered.
    pub register_dataset_types: bool,
    /// Whether dimension records come too, where there are none here with their keys.
    pub transfer_dimensions: bool,
    /// Whether nothing is changed, and all that can be checked beforehand is.
    pub dry_run: bool,
}

impl Default for TransferOptions {
    /// Copies of what is stored; dataset types and dimension records must be here.
    fn default() -> Self {
        Self {
            mode: TransferMode::Auto,
            skip_missing: true,
            register_dataset_types: false,
            transfer_dimensions: false,
            dry_run: false,
        }
    }
}

/// What came from another repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferReport {
    /// Datasets that came, in the order in which they were given.
    pub transferred: Vec<DatasetRef>,
    /// Number of datasets that were stored here already.
    pub existing: u64,
    /// Number of datasets that were left out because they have no artifacts.
    pub missing: u64,
}

impl Butler {
    /// Takes over datasets of another repository: with their ids and runs, their artifacts, and what else they need.
    ///
    /// Datasets come in lots of 500, each wholly or not at all. Those that are stored here
    /// already are passed over, so that a transfer that was interrupted is finished by another one. Artifacts
    /// get the paths that the templates here say. Collections other than runs do not come.
    ///
    /// # Errors
    /// `InconsistentUniverse` if the dimensions are not the same; `MissingDatasetType` and `ConflictingDefinition` for
    /// dataset types, the latter too if a run here has another dataset with the data ID; `Unsupported` for a way
    /// of transfer that takes files away, or links where there are no local files; `DataIdValue` for dimension records
    /// that are not here; `NotFound` for lost artifacts; `ReadOnly`; those of the datastores.
    pub async fn transfer_from(
        &self,
        source: &Self,
        datasets: Vec<DatasetRef>,
        options: &TransferOptions,
    ) -> Result<TransferReport> {
        self.check_transfer(source, options)?;
        let mut transfer = Transfer {
            target: self,
            source,
            options,
            types: FxHashMap::default(),
            records: RelatedRecords::default(),
            runs: FxHashSet::default(),
            seen: FxHashSet::default(),
            report: TransferReport::default(),
        };
        for datasets in datasets.chunks(TOGETHER) {
            transfer.some(datasets).await?;
        }
        Ok(transfer.report)
    }

    /// Takes over the dimension records of data IDs of another repository, and those that come with
    /// them; returns how many there were none of here.
    ///
    /// # Errors
    /// `InconsistentUniverse`, `DataIdValue` for a data ID that the other repository does not know, `ReadOnly`.
    pub async fn transfer_dimension_records_from(&self, source: &Self, data_ids: Vec<DataId>) -> Result<u64> {
        self.check_universe(source)?;
        let mut records = RelatedRecords::default();
        let expanded = source.inner.registry.expand(data_ids).await?;
        expanded.iter().for_each(|data_id| records.gather(data_id));
        source.gather_populated(&mut records).await?;
        let batch = records.into_sets(TOGETHER).map(insertion).collect();
        Ok(self.apply(batch).await?.operations.iter().map(|operation| operation.inserted).sum())
    }

    fn check_universe(&self, source: &Self) -> Result<()> {
        let (here, there) = (self.universe(), source.universe());
        if here == there {
            return Ok(());
        }
        let named = |universe: crate::dimension::DimensionUniverse| {
            format!("'{}' version {}", universe.namespace(), universe.version())
        };
        Err(Error::new(
            ErrorKind::InconsistentUniverse,
            format!(
                "the dimensions here are {}, those of the other repository {}",
                named(here),
                named(there)
            ),
        )
        .with_hint("an export from there can be imported, if its dimensions are older ones of the same kind"))
    }

    fn check_transfer(&self, source: &Self, options: &TransferOptions) -> Result<()> {
        if matches!(options.mode, TransferMode::Move | TransferMode::InPlace | TransferMode::Split) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("datasets of another repository cannot be transferred by mode '{}'", options.mode),
            )
            .with_hint("their files belong to it; there are auto, copy, link, hardlink, symlink, relsymlink and direct"));
        }
        self.check_universe(source)?;
        if !options.dry_run {
            self.session()?;
        }
        Ok(())
    }
}

fn insertion(records: crate::registry::RecordSet) -> Operation {
    Operation::InsertRecords { records, on_conflict: RecordConflict::Skip }
}

/// A transfer on its way.
struct Transfer<'a> {
    target: &'a Butler,
    source: &'a Butler,
    options: &'a TransferOptions,
    /// Definitions here, by those there.
    types: FxHashMap<DatasetType, DatasetType>,
    /// What has come already.
    records: RelatedRecords,
    runs: FxHashSet<ArcStr>,
    seen: FxHashSet<DatasetId>,
    report: TransferReport,
}

/// A dataset that comes, as it is there and as it is to be here.
struct Coming {
    there: DatasetRef,
    here: DatasetRef,
    stored: bool,
}

impl Transfer<'_> {
    async fn some(&mut self, datasets: &[DatasetRef]) -> Result<()> {
        // What is in several collections comes once.
        let new = datasets.iter().filter(|dataset| self.seen.insert(dataset.id()));
        let bare = new.map(|dataset| dataset.with_records(None)).collect();
        let present = self.present(bare).await?;
        let mut batch = RegistryBatch::new();
        let mut coming = self.new_ones(present, &mut batch).await?;
        let mut records = RelatedRecords::default();
        if self.options.transfer_dimensions {
            let there = coming.iter().map(|coming| coming.here.clone()).collect();
            for (coming, expanded) in coming.iter_mut().zip(self.source.expand(there).await?) {
                records.gather(expanded.data_id());
                coming.here = expanded;
            }
            self.source.gather_populated(&mut records).await?;
            records.retain_new(&self.records);
            batch.extend(records.clone().into_sets(TOGETHER).map(insertion).collect());
        }
        let runs = self.new_runs(&coming).await?;
        for (name, doc) in &runs {
            let doc = Some(doc.clone()).filter(|doc| !doc.is_empty());
            batch.push(Operation::RegisterCollection { name: name.clone(), ty: CollectionType::Run, doc });
        }
        if !self.options.dry_run && !coming.is_empty() {
            self.carry_over(&mut coming, batch).await?;
        }
        self.records.extend(records);
        self.runs.extend(runs.into_iter().map(|(name, _)| name));
        self.report.transferred.extend(coming.into_iter().map(|coming| coming.here.with_records(None)));
        Ok(())
    }

    /// Those that can come, with the records of the other repository, and whether they are stored there.
    async fn present(&mut self, datasets: Vec<DatasetRef>) -> Result<Vec<(DatasetRef, bool)>> {
        if let Some(component) =
            datasets.iter().find(|dataset| dataset.dataset_type().component_name().is_some())
        {
            return Err(Error::new(ErrorKind::Argument, format!("{component} is a component"))
                .with_hint("transfer the composite dataset"));
        }
        let known = self.source.with_records(datasets).await?;
        let store = self.source.datastore();
        let stored: Vec<DatasetRef> = known.iter().filter(|dataset| store.knows(dataset)).cloned().collect();
        let mut there = store.exists(&stored).await?.into_iter();
        let mut present = Vec::with_capacity(known.len());
        for dataset in known {
            let stored = store.knows(&dataset);
            let exists = stored && there.next().unwrap_or_default();
            if exists {
                present.push((dataset, true));
            } else if self.options.skip_missing {
                self.report.missing += 1;
            } else if stored {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("an artifact of dataset {dataset} is lost"),
                )
                .with_hint(
                    "leave out datasets without artifacts, or mend the repository that they come from",
                ));
            } else {
                present.push((dataset, false));
            }
        }
        Ok(present)
    }

    /// Leaves out what is stored here; has dataset types registered that are new.
    async fn new_ones(
        &mut self,
        present: Vec<(DatasetRef, bool)>,
        batch: &mut RegistryBatch,
    ) -> Result<Vec<Coming>> {
        let bare = present.iter().map(|(dataset, _)| dataset.with_records(None)).collect();
        let here = self.target.with_records(bare).await?;
        let mut coming = Vec::with_capacity(present.len());
        for ((there, stored), here) in present.into_iter().zip(here) {
            if self.target.datastore().knows(&here) {
                self.report.existing += 1;
                continue;
            }
            let ty = self.type_here(there.dataset_type(), batch).await?;
            let here = DatasetRef::new(there.id(), ty, there.data_id().clone(), there.run().clone())?;
            coming.push(Coming { there, here, stored });
        }
        Ok(coming)
    }

    async fn type_here(&mut self, there: &DatasetType, batch: &mut RegistryBatch) -> Result<DatasetType> {
        if let Some(known) = self.types.get(there) {
            return Ok(known.clone());
        }
        let here = match self.target.dataset_type(there.name().clone()).await {
            Ok(here) => here,
            Err(error) if error.kind() == ErrorKind::MissingDatasetType => {
                if !self.options.register_dataset_types {
                    return Err(error.with_hint("register it, or have dataset types registered as they come"));
                }
                batch.push(Operation::RegisterDatasetType(there.clone()));
                there.clone()
            }
            Err(error) => return Err(error),
        };
        self.check_types(&here, there)?;
        self.types.insert(there.clone(), here.clone());
        Ok(here)
    }

    fn check_types(&self, here: &DatasetType, there: &DatasetType) -> Result<()> {
        let classes = self.target.storage_classes();
        let readable = here.storage_class() == there.storage_class()
            || classes.get(here.storage_class()).is_ok_and(|here| {
                classes.get(there.storage_class()).is_ok_and(|there| here.can_convert(there))
            });
        let same = here.group() == there.group()
            && here.kind() == there.kind()
            && here.is_calibration() == there.is_calibration();
        if same && readable {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::ConflictingDefinition,
            format!("dataset type '{}' is {here} here, and {there} in the other repository", here.name()),
        )
        .with_hint("rename one of them, or export and import what is needed"))
    }

    /// Runs that have not come yet, with what is written of them there.
    async fn new_runs(&self, coming: &[Coming]) -> Result<Vec<(ArcStr, ArcStr)>> {
        let runs: FxHashSet<&ArcStr> =
            coming.iter().map(|coming| coming.here.run()).filter(|run| !self.runs.contains(*run)).collect();
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<ArcStr> = runs.into_iter().cloned().collect();
        let catalog = self.source.inner.catalog(&names, false).await?;
        names.into_iter().map(|name| Ok((name.clone(), catalog.get(&name)?.doc.clone()))).collect()
    }

    /// Changes registry and datastore here.
    async fn carry_over(&self, coming: &mut [Coming], batch: RegistryBatch) -> Result<()> {
        let targets = coming.iter().map(|coming| coming.here.clone()).collect();
        let incoming = self.target.known_incoming(targets).await?;
        for (coming, Incoming { dataset, .. }) in coming.iter_mut().zip(&incoming) {
            coming.here = dataset.clone();
        }
        let mut change = Change { requests: self.requests(coming).await?, unstored: Vec::new(), batch };
        change.batch.extend(self.target.insertions(&incoming)?);
        self.target.carry_out(change).await.map(|_| ())
    }

    /// What the datastore here is asked to store: each artifact once, also if it is of several datasets.
    async fn requests(&self, coming: &[Coming]) -> Result<Vec<WriteRequest>> {
        let groups = self.groups(coming).await?;
        let opened = futures::stream::iter(groups).map(|group| self.request(group)).buffered(OPENED);
        opened.try_collect().await
    }

    /// Stored datasets, by the file that they are in.
    async fn groups<'c>(&self, coming: &'c [Coming]) -> Result<Vec<Vec<&'c Coming>>> {
        let store = self.source.datastore();
        let stored: Vec<&Coming> = coming.iter().filter(|coming| coming.stored).collect();
        if !store.capabilities().uris {
            return Ok(stored.into_iter().map(|coming| vec![coming]).collect());
        }
        let there: Vec<DatasetRef> = stored.iter().map(|coming| coming.there.clone()).collect();
        let mut groups: Vec<Vec<&Coming>> = Vec::with_capacity(stored.len());
        let mut places: FxHashMap<String, usize> = FxHashMap::default();
        for (coming, uris) in stored.into_iter().zip(store.uris(&there, false).await?) {
            let new = groups.len();
            let at = uris.primary.map_or(new, |uri| *places.entry(uri).or_insert(new));
            match groups.get_mut(at) {
                Some(group) => group.push(coming),
                None => groups.push(vec![coming]),
            }
        }
        Ok(groups)
    }

    async fn request(&self, group: Vec<&Coming>) -> Result<WriteRequest> {
        let first = group.first().ok_or_else(|| Error::new(ErrorKind::Unexpected, "a file of no dataset"))?;
        let copied = matches!(self.options.mode, TransferMode::Auto | TransferMode::Copy);
        let bytes = self.source.datastore().capabilities().artifacts
            && (self.target.datastore().capabilities().artifacts || !copied);
        let opened = match bytes {
            true => Some(self.source.datastore().open(&first.there).await),
            false => None,
        };
        let datasets: Vec<DatasetRef> = group.iter().map(|coming| coming.here.clone()).collect();
        match opened {
            Some(Ok(artifacts)) if copied => Ok(WriteRequest::Copy { datasets, artifacts }),
            Some(Ok(artifacts)) => self.linked(datasets, artifacts),
            Some(Err(error)) if error.kind() != ErrorKind::Unsupported || !copied => Err(error),
            // Objects that are in no file.
            _ if copied => {
                let request =
                    GetRequest { dataset: first.there.clone(), parameters: ReadParameters::default() };
                let object = self.source.datastore().get(vec![request]).await.pop();
                let object =
                    object.ok_or_else(|| Error::new(ErrorKind::Unexpected, "no object was read"))??;
                Ok(WriteRequest::Put { dataset: first.here.clone(), object })
            }
            _ => Err(no_files(self.options.mode, &first.there)),
        }
    }

    fn linked(&self, datasets: Vec<DatasetRef>, artifacts: Vec<Artifact>) -> Result<WriteRequest> {
        let mode = self.options.mode;
        let unable = |dataset: Option<&DatasetRef>| match dataset {
            Some(dataset) => no_files(mode, dataset),
            None => Error::new(ErrorKind::Unexpected, "a file of no dataset"),
        };
        let Ok([artifact]) = <[Artifact; 1]>::try_from(artifacts) else {
            return Err(unable(datasets.first()));
        };
        let (None, ArtifactBody::File(path)) = (&artifact.component, artifact.body) else {
            return Err(unable(datasets.first()));
        };
        let path = text(path)?;
        let file = FileDataset { path, datasets, formatter: Some(artifact.formatter) };
        Ok(WriteRequest::Ingest { file, mode, track_attributes: true })
    }
}

fn text(path: PathBuf) -> Result<ArcStr> {
    path.into_os_string().into_string().map(ArcStr::from).map_err(|path| {
        Error::new(ErrorKind::Argument, format!("path '{}' is no text", path.to_string_lossy()))
    })
}

fn no_files(mode: TransferMode, dataset: &DatasetRef) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "dataset {dataset} is not one local file of the other repository, as transfer mode '{mode}' needs"
        ),
    )
    .with_hint("transfer it by mode 'copy'")
}
