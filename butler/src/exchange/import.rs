//! Import of export files into a repository.

mod associate;
mod files;
mod plan;
mod reader;
mod report;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::datastore::TransferMode;
use butler_core::registry::{CollectionQuery, DatasetTypeQuery, Operation, RegistryBatch};
use butler_core::{Butler, DimensionElement, ErrorKind, FieldValue, IngestFile, IngestOptions, Result};

use self::associate::Associations;
use self::files::Directory;
use self::plan::{Planned, definitions, insertion, merged};
use super::file::{Contents, ExportFile, Known};
use super::item::{BATCH, ExportedDatasets, Item};
use super::node::Flaw;

pub use self::report::{ImportReport, Tally};

/// What an import is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It reads the file, and changes nothing.
    Check,
    /// It changes the repository.
    Import,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub stage: Stage,
    /// Bytes that were read in this stage, of [`size`](Self::size) for each part of the file.
    pub bytes: u64,
    /// Bytes of the file.
    pub size: u64,
}

/// Is told of progress; an error ends the import between two transactions.
pub type Observer = Arc<dyn Fn(Progress) -> Result<()> + Send + Sync>;

/// How a file is imported.
#[derive(Clone)]
pub struct ImportOptions {
    /// Directory or URL that paths of files are relative to; that of the export if none is given.
    pub directory: Option<ArcStr>,
    /// How files come into the datastore.
    pub transfer: TransferMode,
    /// Whether datasets are only registered, and their files left alone.
    pub registry_only: bool,
    /// Names of dimension elements whose records are left out.
    pub skip_dimensions: Vec<ArcStr>,
    /// Whether sizes and checksums of files are determined.
    pub track_attributes: bool,
    /// Who is told of progress.
    pub observer: Option<Observer>,
}

impl Default for ImportOptions {
    /// All that the file has; files come in as suits them.
    fn default() -> Self {
        Self {
            directory: None,
            transfer: TransferMode::Auto,
            registry_only: false,
            skip_dimensions: Vec::new(),
            track_attributes: true,
            observer: None,
        }
    }
}

impl fmt::Debug for ImportOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportOptions")
            .field("directory", &self.directory)
            .field("transfer", &self.transfer)
            .field("registry_only", &self.registry_only)
            .field("skip_dimensions", &self.skip_dimensions)
            .field("track_attributes", &self.track_attributes)
            .finish_non_exhaustive()
    }
}

/// Imports an export file.
///
/// All of it is checked before anything changes: its form, its dimensions, the
/// collections and dataset types that it refers to, and whether its files are there.
/// Then a small export is one transaction, or three if files come in: definitions
/// and records, datasets with their files, associations. A large one
/// is a sequence of transactions of at most 10,000 rows. What is there already, and
/// equal, stays: an import that ended early is completed by another one.
///
/// # Errors
/// As [`ExportFile::check`], with file, line and column; `NotFound` for a file of a dataset
/// that is not there; `MissingCollection`; `ConflictingDefinition` if a record, dataset, collection or
/// validity range differs from what is there; those of [`Butler::apply`] and [`Butler::ingest`].
pub async fn import(butler: &Butler, file: ExportFile, options: ImportOptions) -> Result<ImportReport> {
    let known = Arc::new(known(butler).await?);
    let skipped = skipped(butler, &options)?;
    let directory = Directory::new(options.directory.as_deref(), file.directory())?;
    let watched = reader::Check {
        known: Arc::clone(&known),
        files: (!options.registry_only).then(|| directory.clone()),
        observer: options.observer.clone(),
    };
    let (file, contents) = reader::check(file, watched).await?;
    check_collections(butler, &contents, file.name()).await?;
    let mut import = Import { butler, options, directory, skipped, report: ImportReport::of(&contents) };
    match contents.items() {
        Some(_) => import.at_once(&contents).await?,
        None => import.in_batches(file, contents, known).await?,
    }
    Ok(import.report)
}

/// What the repository knows, and files may refer to.
async fn known(butler: &Butler) -> Result<Known> {
    let types = butler.registry().dataset_types(DatasetTypeQuery::default()).await?;
    let instruments = butler.query_records("instrument").collect().await?;
    let known = Known::new(butler.universe()).with_dataset_types(types);
    Ok(instruments.iter().fold(known, |known, record| match (record.get("name"), record.get("class_name")) {
        (Some(FieldValue::Text(name)), Some(FieldValue::Text(class))) => {
            known.with_instrument(name.clone(), class.clone())
        }
        _ => known,
    }))
}

fn skipped(butler: &Butler, options: &ImportOptions) -> Result<BTreeSet<DimensionElement>> {
    options.skip_dimensions.iter().map(|name| butler.universe().element(name)).collect()
}

/// Checks that collections which the file only refers to are there, and of the right type.
async fn check_collections(butler: &Butler, contents: &Contents, name: &str) -> Result<()> {
    let mut foreign: Vec<_> = contents.foreign_collections().collect();
    if foreign.is_empty() {
        return Ok(());
    }
    foreign.sort_by_key(|(_, mention)| (mention.at.line, mention.at.column));
    let names = foreign.iter().map(|(name, _)| (*name).clone()).collect();
    let query = CollectionQuery { names: Some(names), ..CollectionQuery::default() };
    let there = butler.registry().collections(query).await?;
    for (collection, mention) in foreign {
        let found = there.iter().find(|info| info.name == *collection);
        let flaw = match (found, mention.ty) {
            (None, _) => Flaw::new(
                mention.at,
                ErrorKind::MissingCollection,
                format!("collection '{collection}' is neither in this file nor registered"),
            ),
            (Some(info), Some(ty)) if info.ty != ty => Flaw::new(
                mention.at,
                ErrorKind::CollectionType,
                format!(
                    "collection '{collection}' is used as {ty} here, but it is registered as {}",
                    info.ty
                ),
            ),
            _ => continue,
        };
        return Err(flaw.in_file(name));
    }
    Ok(())
}

/// Changes that wait for others, to share a transaction with them.
#[derive(Default)]
struct Waiting {
    planned: Vec<Planned>,
    rows: usize,
    /// Whether they associate datasets, which must be registered by then.
    are_associations: bool,
}

/// An import on its way.
struct Import<'a> {
    butler: &'a Butler,
    options: ImportOptions,
    directory: Directory,
    skipped: BTreeSet<DimensionElement>,
    report: ImportReport,
}

impl Import<'_> {
    /// Imports items that are all in memory.
    async fn at_once(&mut self, contents: &Contents) -> Result<()> {
        let items = contents.items().unwrap_or_default();
        let mut batch = definitions(contents);
        let sets = items.iter().filter_map(|item| match item {
            Item::Records(set) if !self.skipped.contains(&set.element) => Some(set),
            _ => None,
        });
        batch.extend(merged(sets)?);
        let mut associations = Associations::of_file(self.butler, items).await?;
        let datasets: Vec<&ExportedDatasets> = items
            .iter()
            .filter_map(|item| match item {
                Item::Datasets(datasets) => Some(datasets),
                _ => None,
            })
            .collect();
        if self.files(&datasets) > 0 {
            self.apply(batch).await?;
            self.ingest(&datasets).await?;
            batch = Vec::new();
        } else {
            for datasets in datasets {
                batch.push(insertion(datasets, |_| true)?);
            }
        }
        for item in items {
            batch.extend(associations.operations(item)?);
        }
        self.apply(batch).await
    }

    /// Imports what is too much for the memory.
    async fn in_batches(&mut self, file: ExportFile, contents: Contents, known: Arc<Known>) -> Result<()> {
        self.apply(definitions(&contents)).await?;
        let contents = Arc::new(contents);
        let mut items = reader::Items::start(file, contents, known, self.options.observer.clone())?;
        let mut associations = Associations::default();
        let mut waiting = Waiting::default();
        while let Some(item) = items.next().await? {
            let is_association = matches!(item, Item::Tags(_) | Item::Validity(_));
            if waiting.rows + item.rows() > BATCH || is_association != waiting.are_associations {
                self.apply(std::mem::take(&mut waiting).planned).await?;
                associations.forget_datasets();
            }
            waiting.rows += item.rows();
            waiting.are_associations = is_association;
            match &item {
                Item::Records(set) if self.skipped.contains(&set.element) => {}
                Item::Records(set) => waiting.planned.extend(merged([set])?),
                Item::Datasets(datasets) if self.files(&[datasets]) > 0 => {
                    self.apply(std::mem::take(&mut waiting).planned).await?;
                    self.ingest(&[datasets]).await?;
                }
                Item::Datasets(datasets) => waiting.planned.push(insertion(datasets, |_| true)?),
                Item::Tags(_) | Item::Validity(_) => {
                    associations.learn(self.butler, std::slice::from_ref(&item)).await?;
                    waiting.planned.extend(associations.operations(&item)?);
                }
                Item::Collection(_) | Item::DatasetType(_) => {}
            }
        }
        self.apply(waiting.planned).await
    }

    /// Number of files that come in.
    fn files(&self, datasets: &[&ExportedDatasets]) -> usize {
        if self.options.registry_only {
            return 0;
        }
        datasets.iter().flat_map(|datasets| &datasets.files).filter(|file| file.path.is_some()).count()
    }

    /// Ingests files, and registers datasets that have none.
    async fn ingest(&mut self, datasets: &[&ExportedDatasets]) -> Result<()> {
        let mut bare = Vec::new();
        let mut files: Vec<IngestFile> = Vec::new();
        for datasets in datasets {
            if datasets.files.iter().any(|file| file.path.is_none()) {
                bare.push(insertion(datasets, |file| file.path.is_none())?);
            }
            let stored = datasets.files.iter();
            files.extend(stored.filter_map(|file| files::ingest_file(self.butler, &self.directory, file)));
        }
        self.apply(bare).await?;
        let options = IngestOptions {
            mode: self.options.transfer,
            track_attributes: self.options.track_attributes,
            skip_existing: true,
            ..IngestOptions::default()
        };
        let wanted: usize = files.iter().map(|file| file.datasets.len()).sum();
        let count = files.len();
        let stored = self.butler.ingest(files, &options).await?;
        self.report.datasets.inserted += stored.len() as u64;
        self.report.datasets.existing += (wanted - stored.len()) as u64;
        self.report.files += count as u64;
        Ok(())
    }

    async fn apply(&mut self, planned: Vec<Planned>) -> Result<()> {
        if planned.is_empty() {
            return Ok(());
        }
        let (subjects, operations): (Vec<_>, Vec<Operation>) =
            planned.into_iter().map(|planned| (planned.subject, planned.operation)).unzip();
        let done = self.butler.apply(operations.into_iter().collect::<RegistryBatch>()).await?;
        for (subject, report) in subjects.iter().zip(&done.operations) {
            self.report.add(subject, report);
        }
        Ok(())
    }
}
