//! What a write is going to do: everything that can be known without moving bytes.

use std::sync::{Arc, Mutex};

use arcstr::ArcStr;
use butler_core::datastore::{
    ArchiveFile, ArchiveMember, Artifact, ArtifactBody, FileDataset, JournalAction, JournalArtifact,
    JournalOperation, TransferMode, WriteRequest, alternative_path, refuse_component, refuse_repeated,
};
use butler_core::{
    DataId, DatasetId, DatasetRef, DatasetType, DimensionValue, Error, ErrorKind, Formatter, Object, Result,
    StorageClass,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Inner, archives};
use crate::ingest::{Inspector, Source, resolve_auto, resolve_split};
use crate::journal::{Claims, EntryName, new_entry};
use crate::location::{Location, check_inside};
use crate::store::FileSource;
use crate::template::{PathMaker, clean_extension};

/// An artifact that is going to be stored.
#[derive(Debug)]
pub(super) struct Placement {
    pub(super) location: Location,
    pub(super) what: What,
    /// Datasets that it is of, and the storage classes that they are recorded with.
    pub(super) datasets: Vec<(DatasetId, ArcStr)>,
    pub(super) component: ArcStr,
    pub(super) formatter: ArcStr,
    /// What it holds, if it is an archive: no more is recorded then than of its members.
    pub(super) members: Vec<ArchiveMember>,
    /// Whether its size is recorded, and its checksum where that is configured.
    pub(super) track: bool,
}

/// What is stored.
#[derive(Debug)]
pub(super) enum What {
    /// An object that a formatter writes.
    Object { object: Object, class: Arc<StorageClass>, formatter: Arc<dyn Formatter> },
    /// Bytes from another datastore; they are taken when they are moved.
    Body { body: Mutex<Option<ArtifactBody>>, size: Option<u64>, checksum: Option<ArcStr> },
    /// A file that comes in in this way, which is neither `auto` nor `split`.
    File { source: Source, mode: TransferMode },
}

impl What {
    /// Whether bytes, or names of files, are made in the store.
    pub(super) fn is_made(&self) -> bool {
        !matches!(self, Self::File { mode: TransferMode::InPlace | TransferMode::Direct, .. })
    }
}

/// What a write is going to do.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) placements: Vec<Placement>,
    pub(super) entry: Option<EntryName>,
}

/// How artifacts of a dataset type are stored.
#[derive(Debug)]
pub(super) struct TypePlan {
    pub(super) paths: PathMaker,
    pub(super) class: Arc<StorageClass>,
    /// Name of the formatter, which need not be known here.
    pub(super) formatter: ArcStr,
    pub(super) disassemble: bool,
}

impl TypePlan {
    /// What configuration says of a dataset type, or of a component of it.
    ///
    /// # Errors
    /// `Template`; `Formatter` if there is none for the storage class.
    pub(super) fn new(
        inner: &Inner,
        dataset_type: &DatasetType,
        component: Option<&DatasetType>,
        data_id: &DataId,
    ) -> Result<Self> {
        let sought = component.unwrap_or(dataset_type);
        let class = inner.reader.class(sought.storage_class());
        let disassemble = inner.disassemble.get(dataset_type, Some(data_id)).copied().unwrap_or(false);
        let paths = inner.templates.resolve(dataset_type, component, Some(data_id))?;
        if !inner.store.replaces_nothing() && !paths.has_id() {
            return Err(Error::new(
                ErrorKind::Template,
                format!(
                    "datastore '{}' lies where artifacts might be replaced by others, and the paths of \
                     dataset type '{}' have no id in them",
                    inner.name,
                    dataset_type.name()
                ),
            )
            .with_hint("add the field {id} to its file template"));
        }
        Ok(Self {
            paths,
            disassemble: component.is_none() && disassemble && !class.components.is_empty(),
            formatter: formatter_name(inner, sought, &class, data_id)?,
            class,
        })
    }
}

/// Name of the formatter of a dataset type (or component), which need not be known here.
fn formatter_name(
    inner: &Inner,
    dataset_type: &DatasetType,
    class: &StorageClass,
    data_id: &DataId,
) -> Result<ArcStr> {
    if let Some(name) = inner.formatters.get(dataset_type, Some(data_id)).or(class.formatter.as_ref()) {
        return Ok(name.clone());
    }
    match class.in_memory.as_str() {
        "structured" => Ok("json".into()),
        "text" => Ok("text".into()),
        "bytes" => Ok("bytes".into()),
        other => Err(Error::new(
            ErrorKind::Formatter,
            format!("no formatter is known for storage class '{class}', which is {other} in memory"),
        )
        .with_hint("name one in the storage class, or under 'formatters' of the datastore")),
    }
}

/// Plans the requests of one call.
struct Planner<'a> {
    inner: &'a Inner,
    /// By dataset type (or component) and the values of dimensions that configuration names.
    types: FxHashMap<(DatasetType, Vec<Option<DimensionValue>>), Arc<TypePlan>>,
    placements: Vec<Placement>,
}

/// Plans requests, and writes the journal entry.
pub(super) fn plan(inner: &Inner, requests: Vec<WriteRequest>) -> Result<Plan> {
    inner.refuse_read_only()?;
    refuse_repeated(requests.iter().flat_map(WriteRequest::datasets))?;
    let operation = operation(&requests);
    let sources = inspect(inner, &requests)?;
    let mut sources = sources.into_iter();
    let mut planner =
        Planner { inner, types: FxHashMap::default(), placements: Vec::with_capacity(requests.len()) };
    for request in requests {
        for dataset in request.datasets() {
            planner.accept(dataset)?;
        }
        match request {
            WriteRequest::Put { dataset, object } => planner.put(&dataset, object)?,
            WriteRequest::Ingest { file, track_attributes, .. } => match sources.next() {
                Some((source, mode)) => planner.ingest(file, source, mode, track_attributes)?,
                None => return Err(Error::new(ErrorKind::Unexpected, "a file was not looked at")),
            },
            WriteRequest::IngestArchive { archive, .. } => match sources.next() {
                Some((source, mode)) => planner.ingest_archive(archive, source, mode)?,
                None => return Err(Error::new(ErrorKind::Unexpected, "an archive was not looked at")),
            },
            WriteRequest::Copy { datasets, artifacts } => planner.copy(&datasets, artifacts)?,
        }
    }
    let mut placements = planner.placements;
    refuse_collisions(&placements)?;
    let entry = write_entry(inner, operation, &mut placements)?;
    Ok(Plan { placements, entry })
}

fn operation(requests: &[WriteRequest]) -> JournalOperation {
    match requests.first() {
        None | Some(WriteRequest::Put { .. }) => JournalOperation::Put,
        Some(WriteRequest::Ingest { .. } | WriteRequest::IngestArchive { .. }) => JournalOperation::Ingest,
        Some(WriteRequest::Copy { .. }) => JournalOperation::Transfer,
    }
}

/// Looks at all files that are to be ingested, and says how each comes in.
fn inspect(inner: &Inner, requests: &[WriteRequest]) -> Result<Vec<(Source, TransferMode)>> {
    let is_file =
        |request| matches!(request, &WriteRequest::Ingest { .. } | &WriteRequest::IngestArchive { .. });
    if !requests.iter().any(is_file) {
        return Ok(Vec::new());
    }
    let modes = inner.store.transfer_modes();
    let mut inspector = Inspector::new(&*inner.store)?;
    let mut files = Vec::new();
    for request in requests {
        let (path, mode) = match request {
            WriteRequest::Ingest { file, mode, .. } => (&file.path, mode),
            WriteRequest::IngestArchive { archive, mode } => (&archive.path, mode),
            _ => continue,
        };
        if request.datasets().is_empty() {
            let message = format!("file '{path}' is ingested for no dataset");
            return Err(Error::new(ErrorKind::Argument, message));
        }
        if !modes.contains(mode) {
            let names: Vec<&str> = modes.iter().map(|mode| mode.name()).collect();
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("datastore '{}' cannot ingest files by transfer mode '{mode}'", inner.name),
            )
            .with_hint(format!("it can by {}", names.join(", "))));
        }
        files.push((inspector.inspect(path)?, *mode));
    }
    let automatic = files.iter().filter(|(_, mode)| *mode == TransferMode::Auto);
    let (count, inside) = automatic.fold((0, 0), |(count, inside), (source, _)| {
        (count + 1, inside + usize::from(source.inside.is_some()))
    });
    for (source, mode) in &mut files {
        if *mode == TransferMode::Auto {
            *mode = resolve_auto(count, inside);
        }
        if *mode == TransferMode::Split {
            *mode = resolve_split(source);
        }
        if matches!(mode, TransferMode::Link) && !modes.contains(mode) {
            *mode = TransferMode::Copy;
        }
        if *mode == TransferMode::InPlace && source.inside.is_none() {
            return Err(Error::new(
                ErrorKind::Argument,
                format!("'{}' is not under the root of datastore '{}'", source.given.display(), inner.name),
            )
            .with_hint("only files there can be ingested in place"));
        }
    }
    Ok(files)
}

impl Planner<'_> {
    fn accept(&self, dataset: &DatasetRef) -> Result<()> {
        let dataset_type = dataset.dataset_type();
        if !self.inner.constraints.accepts(dataset_type, Some(dataset.data_id())) {
            return Err(self.inner.constraints.refusal(&self.inner.name, dataset_type));
        }
        refuse_component(dataset)
    }

    fn type_plan(&mut self, dataset: &DatasetRef, component: Option<&DatasetType>) -> Result<Arc<TypePlan>> {
        let (inner, data_id) = (self.inner, dataset.data_id());
        let named = inner.formatters.dimensions().chain(inner.disassemble.dimensions());
        let values = named
            .chain(inner.templates.dimensions())
            .map(|dimension| data_id.get_dimension(dimension).cloned());
        let key = (component.unwrap_or(dataset.dataset_type()).clone(), values.collect());
        if let Some(known) = self.types.get(&key) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(TypePlan::new(inner, dataset.dataset_type(), component, data_id)?);
        self.types.insert(key, Arc::clone(&made));
        Ok(made)
    }

    fn put(&mut self, dataset: &DatasetRef, object: Object) -> Result<()> {
        let whole = self.type_plan(dataset, None)?;
        let named = |error: Error| error.with_context("dataset", dataset);
        if !whole.disassemble {
            return self.put_one(dataset, "", &whole, object).map_err(named);
        }
        whole.class.check_object(&object).map_err(named)?;
        let parts =
            self.inner.reader.delegate(&whole.class)?.disassemble(&whole.class, &object).map_err(named)?;
        for (name, part) in parts {
            let class = whole.class.components.get(&name).ok_or_else(|| {
                Error::new(
                    ErrorKind::StorageClass,
                    format!("a {} fell into '{name}', which is no component of it", whole.class),
                )
            })?;
            let component = dataset.dataset_type().component(&name, class)?;
            let plan = self.type_plan(dataset, Some(&component))?;
            self.put_one(dataset, &name, &plan, part).map_err(named)?;
        }
        Ok(())
    }

    fn put_one(
        &mut self,
        dataset: &DatasetRef,
        component: &str,
        plan: &TypePlan,
        object: Object,
    ) -> Result<()> {
        let formatter = Arc::clone(self.inner.known_formatters.get(&plan.formatter)?);
        if !formatter.in_memory().contains(&plan.class.in_memory.as_str()) {
            return Err(Error::new(
                ErrorKind::Formatter,
                format!(
                    "formatter '{}' cannot write storage class '{}', which is {} in memory",
                    plan.formatter, plan.class, plan.class.in_memory
                ),
            ));
        }
        plan.class.check_object(&object)?;
        self.placements.push(Placement {
            location: Location::Inside(plan.paths.path(dataset, formatter.extension())?),
            datasets: vec![(dataset.id(), plan.class.name.clone())],
            what: What::Object { object, class: Arc::clone(&plan.class), formatter },
            component: component.into(),
            formatter: plan.formatter.clone(),
            members: Vec::new(),
            track: true,
        });
        Ok(())
    }

    fn ingest(&mut self, file: FileDataset, source: Source, mode: TransferMode, track: bool) -> Result<()> {
        let first =
            file.datasets.first().ok_or_else(|| Error::new(ErrorKind::Argument, "a file of no dataset"))?;
        let location = match (mode, &source.inside) {
            (TransferMode::Direct, _) => Location::Outside(source.uri().into()),
            (TransferMode::InPlace, Some(path)) => Location::Inside(path.clone()),
            _ => {
                let path =
                    self.type_plan(first, None)?.paths.path(first, &clean_extension(source.extension()))?;
                source.refuse_target(&path)?;
                Location::Inside(path)
            }
        };
        let formatter = match file.formatter {
            Some(formatter) => formatter,
            None => {
                let class = self.inner.reader.class(first.dataset_type().storage_class());
                formatter_name(self.inner, first.dataset_type(), &class, first.data_id())?
            }
        };
        self.placements.push(Placement {
            location,
            datasets: recorded(&file.datasets),
            what: What::File { source, mode },
            component: ArcStr::new(),
            formatter,
            members: Vec::new(),
            track,
        });
        Ok(())
    }

    fn ingest_archive(&mut self, archive: ArchiveFile, source: Source, mode: TransferMode) -> Result<()> {
        archives::check(&archive, FileSource::open(&source.file)?)?;
        let location = match (mode, &source.inside) {
            (TransferMode::Direct, _) => Location::Outside(source.uri().into()),
            (TransferMode::InPlace, Some(path)) => Location::Inside(path.clone()),
            _ => {
                check_inside(&archive.name)?;
                source.refuse_target(&archive.name)?;
                Location::Inside(archive.name)
            }
        };
        self.placements.push(Placement {
            location,
            datasets: recorded(&archive.datasets),
            what: What::File { source, mode },
            component: ArcStr::new(),
            formatter: ArcStr::new(),
            members: archive.members,
            track: false,
        });
        Ok(())
    }

    fn copy(&mut self, datasets: &[DatasetRef], artifacts: Vec<Artifact>) -> Result<()> {
        let Some(first) = datasets.first() else {
            return Err(Error::new(ErrorKind::Argument, "artifacts are copied for no dataset"));
        };
        for artifact in artifacts {
            let component = match &artifact.component {
                Some(name) => Some(first.dataset_type().component(name, &artifact.storage_class)?),
                None => None,
            };
            let extension = artifact.file_name.find('.').map_or("", |dot| &artifact.file_name[dot..]);
            let paths = &self.type_plan(first, component.as_ref())?.paths;
            self.placements.push(Placement {
                location: Location::Inside(paths.path(first, &clean_extension(extension))?),
                datasets: datasets
                    .iter()
                    .map(|dataset| (dataset.id(), artifact.storage_class.clone()))
                    .collect(),
                what: What::Body {
                    body: Mutex::new(Some(artifact.body)),
                    size: artifact.size,
                    checksum: artifact.checksum,
                },
                component: artifact.component.unwrap_or_default(),
                formatter: artifact.formatter,
                members: Vec::new(),
                track: true,
            });
        }
        Ok(())
    }
}

fn recorded(datasets: &[DatasetRef]) -> Vec<(DatasetId, ArcStr)> {
    datasets.iter().map(|dataset| (dataset.id(), dataset.dataset_type().storage_class().clone())).collect()
}

fn refuse_collisions(placements: &[Placement]) -> Result<()> {
    let mut seen = FxHashSet::default();
    let inside = placements.iter().filter(|placement| matches!(placement.location, Location::Inside(_)));
    match inside.map(|placement| placement.location.as_str()).find(|path| !seen.insert(*path)) {
        None => Ok(()),
        Some(path) => Err(Error::new(
            ErrorKind::Template,
            format!("two artifacts are to be stored at '{path}'"),
        )
        .with_hint(
            "file templates must tell datasets apart; several datasets of one file are ingested together",
        )),
    }
}

/// Writes the entry, if anything may be orphaned, and steps aside from what is being removed.
fn write_entry(
    inner: &Inner,
    operation: JournalOperation,
    placements: &mut [Placement],
) -> Result<Option<EntryName>> {
    let artifacts: Vec<JournalArtifact> = placements.iter().filter_map(journalled).collect();
    if artifacts.is_empty() {
        return Ok(None);
    }
    let (entry, bytes) = new_entry(&inner.name, JournalAction::Put, operation, artifacts)?;
    let others = inner.store.write_entry_and_list(&entry, &bytes)?;
    match step_aside(inner, placements, others) {
        Ok(()) => Ok(Some(entry)),
        Err(error) => {
            inner.store.delete_entry(&entry)?;
            Err(error)
        }
    }
}

fn journalled(placement: &Placement) -> Option<JournalArtifact> {
    let Location::Inside(path) = &placement.location else { return None };
    let (mode, source) = match &placement.what {
        What::File { mode: TransferMode::InPlace, .. } => (Some(TransferMode::InPlace), None),
        What::File { source, mode } => (Some(*mode), source.given.to_str().map(ArcStr::from)),
        _ => (None, None),
    };
    Some(JournalArtifact {
        path: path.clone(),
        ids: placement.datasets.iter().map(|(id, _)| *id).collect(),
        mode,
        source,
    })
}

fn step_aside(inner: &Inner, placements: &mut [Placement], entries: Vec<EntryName>) -> Result<()> {
    let claims = Claims::read(&*inner.store, entries, JournalAction::Remove)?;
    for placement in placements {
        let Location::Inside(path) = &placement.location else { continue };
        if !claims.may_name(path) {
            continue;
        }
        if !placement.what.is_made() {
            return Err(Error::new(
                ErrorKind::Busy,
                format!("'{path}' is being removed, and cannot be ingested in place"),
            )
            .with_hint("try again when the removal is over, or has been recovered"));
        }
        if let Some((id, _)) = placement.datasets.first() {
            placement.location = Location::Inside(alternative_path(path, *id));
        }
    }
    Ok(())
}
