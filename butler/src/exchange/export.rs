//! Export of datasets, and all that belongs to them, into a file that the Python butler reads.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::{
    Butler, CollectionCatalog, CollectionType, DatasetId, DatasetQuery, DatasetRef, DatasetType, Error,
    ErrorKind, NamePatterns, RelatedRecords, Result, StorageClasses, Timespan,
};
use futures::TryStreamExt;
use rustc_hash::FxHashSet;

use super::formatters;
use super::item::{
    BATCH, ExportedCollection, ExportedDatasets, ExportedFile, ExportedTags, ExportedValidity, Item,
};
use super::write;
use crate::artifacts::{RetrieveOptions, RetrievedArtifact, Retriever};
use crate::source::on_thread;

/// What is exported.
#[derive(Clone, Debug)]
pub struct ExportSelection {
    /// Dataset types.
    pub dataset_types: NamePatterns,
    /// Collections whose datasets are exported.
    pub search: NamePatterns,
    /// Condition on the datasets; empty for none.
    pub condition: String,
    /// Collections that are described: with the exported datasets that they have, if
    /// they are tagged or calibration collections, and with their children, if they are chains.
    pub collections: Vec<ArcStr>,
}

impl Default for ExportSelection {
    /// All datasets of no collection.
    fn default() -> Self {
        Self {
            dataset_types: NamePatterns::all(),
            search: NamePatterns::default(),
            condition: String::new(),
            collections: Vec::new(),
        }
    }
}

/// What an export says of artifacts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExportedArtifacts {
    /// Nothing: datasets alone are described.
    #[default]
    Unmentioned,
    /// Where they lie now: under the root of the datastore, from which an import takes them.
    InPlace,
    /// Where they were brought to.
    Retrieved(RetrieveOptions),
}

/// How datasets are exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// What is done with artifacts.
    pub artifacts: ExportedArtifacts,
}

/// What was exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// Dimension records, by element.
    pub records: BTreeMap<ArcStr, u64>,
    /// Collections.
    pub collections: u64,
    /// Dataset types.
    pub dataset_types: u64,
    /// Datasets.
    pub datasets: u64,
    /// Files of datasets.
    pub files: u64,
    /// Datasets that are registered but not stored, of which there is nothing but the record.
    pub unstored: u64,
    /// Datasets in tagged collections.
    pub tags: u64,
    /// Datasets in calibration collections, each once for each validity range.
    pub validity: u64,
}

/// Exports datasets with their dimension records, dataset types, collections and associations.
///
/// The file is written as it is made: what is kept in memory are the dimension records, and the ids
/// of the datasets. The datasets are asked for twice: those that come between are left out.
///
/// # Errors
/// `MissingCollection`; `InvalidQuery` for the condition; `Unsupported` for artifacts of datasets that were taken
/// apart; as [`Retriever::retrieve`]; `Exhausted` if the file cannot be written.
pub async fn export(
    butler: &Butler,
    selection: ExportSelection,
    writer: impl io::Write + Send + 'static,
    options: ExportOptions,
) -> Result<ExportReport> {
    let types = butler.dataset_types(&selection.dataset_types).await?;
    let types: Vec<DatasetType> = types.into_iter().filter(|ty| ty.component_name().is_none()).collect();
    let (_, catalog) = butler.collections(&NamePatterns::all(), false).await?;
    let artifacts = match options.artifacts {
        ExportedArtifacts::Unmentioned => Artifacts::Unmentioned,
        ExportedArtifacts::InPlace => Artifacts::InPlace,
        ExportedArtifacts::Retrieved(options) => Artifacts::Retrieved(Retriever::new(butler, options)?),
    };
    let mut export = Export {
        butler,
        selection,
        types,
        catalog,
        artifacts,
        out: Out { writer: Some(Box::new(writer)), items: 0 },
        report: ExportReport::default(),
    };
    let chosen = export.choose().await?;
    export.out.write(write::header(butler.universe())).await?;
    export.records(chosen.records).await?;
    export.collections(&chosen.runs).await?;
    let exported = export.datasets(chosen.ids).await?;
    export.associations(&exported).await?;
    export.out.finish().await?;
    Ok(export.report)
}

/// What the first look at the datasets finds.
#[derive(Default)]
struct Chosen {
    ids: FxHashSet<DatasetId>,
    runs: BTreeSet<ArcStr>,
    records: RelatedRecords,
}

/// How artifacts come into the export.
enum Artifacts {
    Unmentioned,
    InPlace,
    Retrieved(Retriever),
}

struct Export<'a> {
    butler: &'a Butler,
    selection: ExportSelection,
    types: Vec<DatasetType>,
    catalog: CollectionCatalog,
    artifacts: Artifacts,
    out: Out,
    report: ExportReport,
}

impl Export<'_> {
    fn query(&self, dataset_type: &DatasetType) -> DatasetQuery {
        let query = self
            .butler
            .query_datasets(dataset_type.name().as_str())
            .collections(self.selection.search.clone())
            .find_first(false);
        if self.selection.condition.trim().is_empty() {
            query
        } else {
            query.where_(self.selection.condition.clone())
        }
    }

    /// Looks which datasets there are, and gathers their dimension records.
    async fn choose(&self) -> Result<Chosen> {
        let mut chosen = Chosen::default();
        if self.selection.search.is_empty() {
            return Ok(chosen);
        }
        for dataset_type in &self.types {
            let mut batches = self.query(dataset_type).expanded(true).stream().await?;
            while let Some(batch) = batches.try_next().await? {
                for dataset in batch {
                    if chosen.ids.insert(dataset.id()) {
                        chosen.records.gather(dataset.data_id());
                        if !chosen.runs.contains(dataset.run()) {
                            chosen.runs.insert(dataset.run().clone());
                        }
                    }
                }
            }
        }
        self.butler.gather_populated(&mut chosen.records).await?;
        Ok(chosen)
    }

    async fn records(&mut self, records: RelatedRecords) -> Result<()> {
        for (element, count) in records.counts() {
            self.report.records.insert(element.name().clone(), count as u64);
        }
        for records in records.into_sets(BATCH) {
            self.out.item(&Item::Records(records)).await?;
        }
        Ok(())
    }

    /// Describes collections: those without children first, and chains after their children.
    async fn collections(&mut self, runs: &BTreeSet<ArcStr>) -> Result<()> {
        let mut pending: Vec<ArcStr> = self.selection.collections.iter().chain(runs).cloned().collect();
        let mut seen = BTreeSet::new();
        let (mut simple, mut chains) = (Vec::new(), Vec::new());
        while let Some(name) = pending.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let info = Arc::clone(self.catalog.get(&name)?);
            pending.extend(info.children.iter().cloned());
            if info.ty == CollectionType::Chained { chains.push(info) } else { simple.push(info) }
        }
        simple.sort_by(|a, b| a.name.cmp(&b.name));
        chains.sort_by(|a, b| a.name.cmp(&b.name));
        let mut ordered = simple;
        while !chains.is_empty() {
            let waits = |child: &ArcStr| chains.iter().any(|chain| chain.name == *child);
            let at = chains.iter().position(|chain| !chain.children.iter().any(waits));
            let at = at.ok_or_else(|| {
                Error::new(ErrorKind::CollectionCycle, format!("chain '{}' is in a cycle", chains[0].name))
            })?;
            ordered.push(chains.remove(at));
        }
        for info in ordered {
            self.report.collections += 1;
            let doc = Some(info.doc.clone()).filter(|doc| !doc.is_empty());
            let (name, ty, children) = (info.name.clone(), info.ty, info.children.clone());
            self.out.item(&Item::Collection(ExportedCollection { name, ty, doc, children })).await?;
        }
        Ok(())
    }

    /// Describes datasets, and brings their artifacts; tells which.
    async fn datasets(&mut self, mut chosen: FxHashSet<DatasetId>) -> Result<FxHashSet<DatasetId>> {
        let mut exported = FxHashSet::default();
        if chosen.is_empty() {
            return Ok(exported);
        }
        for dataset_type in self.types.clone() {
            let mut described = false;
            let mut batches = self.query(&dataset_type).order_by(["run"]).stream().await?;
            while let Some(mut batch) = batches.try_next().await? {
                // What occurs in several collections is written once.
                batch.retain(|dataset| chosen.remove(&dataset.id()));
                if batch.is_empty() {
                    continue;
                }
                if !std::mem::replace(&mut described, true) {
                    self.report.dataset_types += 1;
                    self.out.item(&Item::DatasetType(dataset_type.clone())).await?;
                }
                exported.extend(batch.iter().map(DatasetRef::id));
                for datasets in batch.chunk_by(|a, b| a.run() == b.run()) {
                    for datasets in datasets.chunks(BATCH) {
                        self.datasets_of_run(&dataset_type, datasets).await?;
                    }
                }
            }
        }
        Ok(exported)
    }

    async fn datasets_of_run(&mut self, dataset_type: &DatasetType, datasets: &[DatasetRef]) -> Result<()> {
        let mut files: Vec<ExportedFile> = Vec::new();
        let mut by_path: BTreeMap<ArcStr, usize> = BTreeMap::new();
        let mentioned = !matches!(self.artifacts, Artifacts::Unmentioned);
        let artifacts = match &mut self.artifacts {
            Artifacts::Unmentioned => vec![Vec::new(); datasets.len()],
            Artifacts::InPlace => Retriever::locate(self.butler, datasets).await?,
            Artifacts::Retrieved(retriever) => retriever.retrieve(datasets).await?,
        };
        for (dataset, artifacts) in datasets.iter().zip(artifacts) {
            let (path, formatter) = match <[RetrievedArtifact; 1]>::try_from(artifacts) {
                Ok([RetrievedArtifact { path, component: None, formatter }]) => {
                    (Some(path), self.formatter(dataset_type, &formatter))
                }
                Err(none) if none.is_empty() => {
                    self.report.unstored += u64::from(mentioned);
                    (None, None)
                }
                _ => {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        format!("{dataset} is stored by its components, which an export cannot describe"),
                    ));
                }
            };
            match path.as_ref().and_then(|path| by_path.get(path)) {
                Some(&at) => files[at].datasets.push(dataset.clone()),
                None => {
                    if let Some(path) = &path {
                        by_path.insert(path.clone(), files.len());
                    }
                    files.push(ExportedFile { path, formatter, datasets: vec![dataset.clone()] });
                }
            }
        }
        self.report.datasets += datasets.len() as u64;
        self.report.files += by_path.len() as u64;
        let run = datasets[0].run().clone();
        self.out
            .item(&Item::Datasets(ExportedDatasets { dataset_type: dataset_type.clone(), run, files }))
            .await
    }

    /// How the formatter of a file is named: as in Python, or not at all if it is that of the storage class.
    fn formatter(&self, dataset_type: &DatasetType, name: &ArcStr) -> Option<ArcStr> {
        if let Some(python) = formatters::python(name) {
            return Some(python.into());
        }
        // Only of a built-in class is it known elsewhere, too.
        let builtin = StorageClasses::default();
        let class = builtin.get(dataset_type.storage_class()).ok();
        let is_default = class.is_some_and(|class| class.formatter.as_ref() == Some(name));
        (!is_default).then(|| name.clone())
    }

    /// Describes which of the exported datasets are in tagged and calibration collections.
    async fn associations(&mut self, exported: &FxHashSet<DatasetId>) -> Result<()> {
        let names: BTreeSet<ArcStr> = self.selection.collections.iter().cloned().collect();
        let names: Vec<ArcStr> = names.into_iter().collect();
        let search = self.catalog.flatten(&names)?;
        for member in search.members() {
            if !matches!(member.ty, CollectionType::Tagged | CollectionType::Calibration)
                || exported.is_empty()
            {
                continue;
            }
            for dataset_type in self.types.clone() {
                let found = self.members(&member.name, &dataset_type, exported).await?;
                for (timespan, ids) in found {
                    for ids in ids.chunks(BATCH) {
                        let (collection, ids) = (member.name.clone(), ids.to_vec());
                        let count = ids.len() as u64;
                        let item = if member.ty == CollectionType::Tagged {
                            self.report.tags += count;
                            Item::Tags(ExportedTags { collection, ids })
                        } else {
                            self.report.validity += count;
                            let timespan = Timespan::from_raw(timespan.0, timespan.1);
                            Item::Validity(ExportedValidity { collection, timespan, ids })
                        };
                        self.out.item(&item).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Exported datasets of a type in a collection, by the bounds of their validity.
    async fn members(
        &self,
        collection: &ArcStr,
        dataset_type: &DatasetType,
        exported: &FxHashSet<DatasetId>,
    ) -> Result<BTreeMap<(i64, i64), Vec<DatasetId>>> {
        let mut members: BTreeMap<(i64, i64), Vec<DatasetId>> = BTreeMap::new();
        let query =
            self.butler.query_associations(dataset_type.name().clone()).collections(collection.as_str());
        let mut batches = query.stream().await?;
        while let Some(batch) = batches.try_next().await? {
            for association in batch {
                let id = association.dataset.id();
                if exported.contains(&id) {
                    let timespan = association.timespan.unwrap_or(Timespan::UNBOUNDED);
                    members.entry(timespan.to_raw()).or_default().push(id);
                }
            }
        }
        members.values_mut().for_each(|ids| ids.sort_unstable());
        Ok(members)
    }
}

/// The file that is written.
struct Out {
    writer: Option<Box<dyn io::Write + Send>>,
    items: u64,
}

impl Out {
    async fn item(&mut self, item: &Item) -> Result<()> {
        self.items += 1;
        self.write(write::item(item)).await
    }

    async fn write(&mut self, text: String) -> Result<()> {
        self.with_writer(move |writer| writer.write_all(text.as_bytes())).await
    }

    async fn finish(&mut self) -> Result<()> {
        if self.items == 0 {
            self.write(write::NOTHING.to_owned()).await?;
        }
        self.with_writer(|writer| writer.flush()).await
    }

    /// Lends the writer to a thread; it is lost after an error.
    async fn with_writer(
        &mut self,
        work: impl FnOnce(&mut dyn io::Write) -> io::Result<()> + Send + 'static,
    ) -> Result<()> {
        let Some(mut writer) = self.writer.take() else {
            return Err(Error::new(ErrorKind::Unexpected, "an export goes on after an error"));
        };
        let writer = on_thread(move || {
            work(&mut *writer).map(|()| writer).map_err(|error| {
                Error::new(ErrorKind::Exhausted, format!("the export cannot be written: {error}"))
                    .with_source(error)
            })
        });
        self.writer = Some(writer.await?);
        Ok(())
    }
}
