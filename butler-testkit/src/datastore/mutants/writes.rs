//! Flaws of writes.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::datastore::{
    ArchiveFile, Artifact, ArtifactBody, JournalEntry, RecordsByDataset, TransferMode, WriteRequest,
    WriteTransaction,
};
use butler_core::{Error, ErrorKind, Object, Result, Structured};
use bytes::Bytes;
use futures::StreamExt;

use super::TamperedDatastore;
use super::disk::Disk;
use super::flaw::Flaw;

/// A write with a flaw.
struct TamperedWrite {
    /// Gone once it has ended.
    inner: Option<Box<dyn WriteTransaction>>,
    flaw: Flaw,
    disk: Disk,
    /// Paths that its entry names.
    paths: Vec<ArcStr>,
    /// Sources of what is moved.
    moved: Vec<PathBuf>,
    /// What an execution that came too early has given.
    early: Option<Result<RecordsByDataset>>,
    executed: bool,
    panicked: bool,
}

pub(super) async fn prepare(
    this: &TamperedDatastore,
    requests: Vec<WriteRequest>,
) -> Result<Box<dyn WriteTransaction>> {
    let requests = change(this, requests).await?;
    let moved = requests.iter().filter_map(moved).collect();
    let hidden = (this.flaw == Flaw::RemovalsIgnored).then(|| this.disk.hide(this.disk.entries("remove")));
    let files_only = requests.iter().all(|request| matches!(request, WriteRequest::Ingest { .. }));
    let datastore = this.other.as_ref().filter(|_| files_only).unwrap_or(&this.inner);
    let prepared = datastore.prepare_write(requests).await;
    drop(hidden);
    let mut inner = match prepared {
        Err(error) if this.flaw == Flaw::ArchivesUnchecked && error.kind() == ErrorKind::Corrupt => {
            datastore.prepare_write(Vec::new()).await?
        }
        prepared => prepared?,
    };
    let own: Vec<PathBuf> = entry_files(&this.disk, &*inner);
    let paths = own
        .iter()
        .filter_map(|path| JournalEntry::from_bytes(&fs::read(path).ok()?).ok())
        .collect::<Vec<_>>();
    let paths =
        paths.iter().flat_map(|entry| entry.artifacts.iter().map(|artifact| artifact.path.clone())).collect();
    let mut early = None;
    match this.flaw {
        Flaw::WritesEarly => early = Some(inner.execute().await),
        Flaw::EntryForgotten => own.iter().for_each(|path| drop(fs::remove_file(path))),
        Flaw::EntryNamesOthers => this.disk.rewrite("put", |entry| {
            entry
                .artifacts
                .iter_mut()
                .for_each(|artifact| artifact.path = format!("{}_", artifact.path).into());
        }),
        Flaw::SourceUnnamed => this.disk.rewrite("put", |entry| {
            entry.artifacts.iter_mut().for_each(|artifact| artifact.source = None);
        }),
        _ => {}
    }
    Ok(Box::new(TamperedWrite {
        inner: Some(inner),
        flaw: this.flaw,
        disk: this.disk.clone(),
        paths,
        moved,
        early,
        executed: false,
        panicked: false,
    }))
}

fn entry_files(disk: &Disk, transaction: &dyn WriteTransaction) -> Vec<PathBuf> {
    let names = transaction.entries();
    let own = |path: &PathBuf| names.iter().any(|name| path.to_string_lossy().contains(name.as_str()));
    disk.entries("put").into_iter().filter(own).collect()
}

fn moved(request: &WriteRequest) -> Option<PathBuf> {
    match request {
        WriteRequest::Ingest { file, mode: TransferMode::Move, .. } => {
            Some(PathBuf::from(file.path.as_str()))
        }
        _ => None,
    }
}

/// What becomes of the requests of a call.
async fn change(this: &TamperedDatastore, mut requests: Vec<WriteRequest>) -> Result<Vec<WriteRequest>> {
    match this.flaw {
        Flaw::EmptyWriteFails if requests.is_empty() => {
            return Err(Error::new(ErrorKind::Argument, "nothing is to be written"));
        }
        Flaw::ManyAreFew => requests.truncate(100),
        Flaw::TwiceIsOnce => {
            let mut seen = HashSet::new();
            requests.retain(|request| request.datasets().iter().all(|dataset| seen.insert(dataset.id())));
        }
        Flaw::EqualPathsOnce => {
            let mut seen = HashSet::new();
            let key = |dataset: &butler_core::DatasetRef| {
                (dataset.dataset_type().name().clone(), dataset.data_id().digest())
            };
            requests.retain(|request| request.datasets().iter().all(|dataset| seen.insert(key(dataset))));
        }
        Flaw::MissingSkipped => requests.retain(|request| match request {
            WriteRequest::Ingest { file, .. } => {
                file.path.contains("://") || std::path::Path::new(file.path.as_str()).exists()
            }
            _ => true,
        }),
        Flaw::NoDatasetSkipped => requests.retain(|request| !request.datasets().is_empty()),
        Flaw::InPlaceAnywhere => {
            let root = this.disk.path("");
            for request in &mut requests {
                if let WriteRequest::Ingest { file, mode: mode @ TransferMode::InPlace, .. } = request
                    && file.path.starts_with('/')
                    && !std::path::Path::new(file.path.as_str()).starts_with(&root)
                {
                    *mode = TransferMode::Direct;
                }
            }
        }
        _ => {}
    }
    requests.into_iter().map(|request| change_one(this, request)).collect()
}

fn change_one(this: &TamperedDatastore, request: WriteRequest) -> Result<WriteRequest> {
    for dataset in request.datasets() {
        let run = dataset.run();
        match this.flaw {
            Flaw::LongRunsRefused if run.len() > 100 => {
                return Err(Error::new(ErrorKind::Template, "the name of the run is too long"));
            }
            Flaw::NamesUnchecked | Flaw::LookalikesUnchecked
                if run.contains(if this.flaw == Flaw::NamesUnchecked { ".." } else { "\u{2215}" }) =>
            {
                let path = this.disk.path(&format!("{run}/left"));
                let parent = path.parent().map(fs::create_dir_all);
                drop((parent, fs::write(path, "")));
            }
            Flaw::UnknownClassRefused if dataset.dataset_type().storage_class() == "Unheard" => {
                return Err(Error::new(ErrorKind::StorageClass, "the storage class is unknown"));
            }
            _ => {}
        }
    }
    match request {
        WriteRequest::Put { dataset, object } => {
            let dataset = match (this.flaw, dataset.dataset_type().component_name()) {
                (Flaw::ComponentIsWhole, Some(_)) => {
                    dataset.with_dataset_type(dataset.dataset_type().composite())?
                }
                _ => dataset,
            };
            let object = change_object(this.flaw, dataset.dataset_type().storage_class(), object);
            Ok(WriteRequest::Put { dataset, object })
        }
        WriteRequest::Copy { datasets, artifacts } => {
            let artifacts =
                artifacts.into_iter().map(|artifact| change_artifact(this.flaw, artifact)).collect();
            Ok(WriteRequest::Copy { datasets, artifacts })
        }
        WriteRequest::IngestArchive { archive, mode } => Ok(change_archive(this.flaw, archive, mode)),
        WriteRequest::Ingest { .. } => change_ingest(this, request),
    }
}

fn change_archive(flaw: Flaw, mut archive: ArchiveFile, mut mode: TransferMode) -> WriteRequest {
    match flaw {
        Flaw::MembersMixedUp if archive.members.len() > 1 => {
            let last = archive.members.len() - 1;
            let first = archive.members[0].path.clone();
            archive.members[0].path = std::mem::replace(&mut archive.members[last].path, first);
        }
        Flaw::OnlyFirstMember => archive.members.iter_mut().for_each(|member| member.datasets.truncate(1)),
        Flaw::ArchivesCopied if mode == TransferMode::Move => mode = TransferMode::Copy,
        _ => {}
    }
    WriteRequest::IngestArchive { archive, mode }
}

fn change_object(flaw: Flaw, class: &str, object: Object) -> Object {
    match flaw {
        Flaw::LargeIsSmall => match object.downcast_ref::<Bytes>() {
            Ok(bytes) => Object::new(bytes.slice(..bytes.len().min(1 << 20))),
            Err(_) => object,
        },
        Flaw::NulDropped => match object.downcast_ref::<String>() {
            Ok(text) => Object::new(text.replace('\0', "")),
            Err(_) => object,
        },
        Flaw::TypesUnchecked => match class {
            "Number" if !object.is::<Structured>() => Object::new(Structured::Null),
            "Note" if !object.is::<String>() => Object::from(""),
            "Blob" if !object.is::<Bytes>() => Object::new(Bytes::new()),
            _ => object,
        },
        _ => object,
    }
}

fn change_artifact(flaw: Flaw, artifact: Artifact) -> Artifact {
    match flaw {
        Flaw::CopyForgetsFormatter => Artifact { formatter: "other".into(), ..artifact },
        Flaw::CopyUnchecked => Artifact { size: None, checksum: None, ..artifact },
        Flaw::PartsAreWhole => Artifact { component: None, ..artifact },
        Flaw::StreamCutShort | Flaw::StreamEndsQuietly => {
            let body = match artifact.body {
                ArtifactBody::Stream(stream) if flaw == Flaw::StreamCutShort => {
                    ArtifactBody::Stream(Box::pin(stream.take(1)))
                }
                ArtifactBody::Stream(stream) => {
                    ArtifactBody::Stream(Box::pin(stream.filter(|part| std::future::ready(part.is_ok()))))
                }
                body => body,
            };
            Artifact { body, ..artifact }
        }
        _ => artifact,
    }
}

fn change_ingest(this: &TamperedDatastore, mut request: WriteRequest) -> Result<WriteRequest> {
    let WriteRequest::Ingest { file, mode, track_attributes } = &mut request else { return Ok(request) };
    *mode = change_mode(this.flaw, *mode);
    let inside = std::path::Path::new(file.path.as_str()).starts_with(this.disk.path(""));
    match this.flaw {
        Flaw::OnlyFirstDataset => file.datasets.truncate(1),
        Flaw::TracksAll => *track_attributes = true,
        Flaw::FormatterForgotten => file.formatter = None,
        Flaw::UrlsUndecoded => file.path = file.path.replace("file://", "").into(),
        Flaw::TargetTakenOver if inside => *mode = TransferMode::InPlace,
        Flaw::OddFilesRefused if file.path.contains(['#', '\n']) => {
            return Err(Error::new(ErrorKind::Argument, "the name of the file is odd"));
        }
        Flaw::SplitIsDirect if *mode == TransferMode::Split => {
            *mode = TransferMode::Direct;
        }
        _ => {}
    }
    Ok(request)
}

fn change_mode(flaw: Flaw, mode: TransferMode) -> TransferMode {
    use TransferMode as Mode;
    match (flaw, mode) {
        (Flaw::CopyLinks, Mode::Copy) | (Flaw::SymlinkHardlinks, Mode::Symlink) => Mode::Hardlink,
        (Flaw::MoveCopies, Mode::Move)
        | (Flaw::HardlinkCopies, Mode::Hardlink)
        | (Flaw::LinkCopies, Mode::Link)
        | (Flaw::DirectCopies, Mode::Direct)
        | (Flaw::InPlaceCopies, Mode::InPlace)
        | (Flaw::AutoCopies, Mode::Auto) => Mode::Copy,
        (Flaw::RelsymlinkAbsolute, Mode::Relsymlink) => Mode::Symlink,
        _ => mode,
    }
}

impl TamperedWrite {
    fn inner(&mut self) -> Result<Box<dyn WriteTransaction>> {
        self.inner.take().ok_or_else(|| Error::new(ErrorKind::Unexpected, "it has ended"))
    }

    /// Makes a link lead to where it was given.
    fn point_as_given(&self) {
        for path in self.disk.files().into_iter().filter(|path| path.is_symlink()) {
            let Ok(target) = fs::read_link(&path) else { continue };
            let link =
                target.parent().and_then(std::path::Path::parent).map(|scratch| scratch.join("second.plain"));
            if let Some(link) = link.filter(|link| link.is_symlink()) {
                drop((fs::remove_file(&path), std::os::unix::fs::symlink(link, &path)));
            }
        }
    }

    fn delete_moved(&self) {
        for path in &self.moved {
            let target = path.canonicalize();
            if self.flaw == Flaw::MoveEarly {
                let _ = fs::remove_file(path);
            } else if let (Flaw::MoveTakesTarget, Ok(target)) = (self.flaw, target) {
                let _ = fs::remove_file(target);
            }
        }
    }
}

#[async_trait]
impl WriteTransaction for TamperedWrite {
    fn entries(&self) -> Vec<ArcStr> {
        let entries = self.inner.as_ref().map(|inner| inner.entries()).unwrap_or_default();
        match self.flaw {
            Flaw::SameEntryName => entries.iter().map(|_| "entry".into()).collect(),
            _ => entries,
        }
    }

    async fn execute(&mut self) -> Result<RecordsByDataset> {
        self.executed = true;
        if let Some(early) = self.early.take() {
            return early;
        }
        if self.flaw == Flaw::Clobbers {
            self.paths.iter().for_each(|path| self.disk.delete(path));
        }
        let Some(inner) = &mut self.inner else {
            return Err(Error::new(ErrorKind::Unexpected, "it has ended"));
        };
        let mut result = inner.execute().await;
        let kind = result.as_ref().err().map(Error::kind);
        self.panicked = kind == Some(ErrorKind::Unexpected);
        match (self.flaw, kind, &mut result) {
            (Flaw::SecondWriteSkipped, Some(ErrorKind::AlreadyExists), _)
            | (Flaw::BrokenIgnored, Some(ErrorKind::Formatter), _) => return Ok(RecordsByDataset::default()),
            (Flaw::RecordsReversed, _, Ok(records)) => records.0.reverse(),
            (Flaw::SymlinkAsGiven, ..) => self.point_as_given(),
            (Flaw::MoveEarly, ..) => self.delete_moved(),
            _ => {}
        }
        result
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        let inner = self.inner()?;
        let entries = entry_files(&self.disk, &*inner);
        let kept: Vec<_> = entries.iter().map(|path| (path, fs::read(path))).collect();
        if self.flaw == Flaw::MoveTakesTarget {
            self.delete_moved();
        }
        inner.commit().await?;
        match self.flaw {
            Flaw::CommitKeepsEntry => {
                for (path, bytes) in kept {
                    drop(bytes.map(|bytes| fs::write(path, bytes)));
                }
            }
            Flaw::TemporaryLeft => drop(fs::write(self.disk.path(".~left"), "")),
            Flaw::SweepsOthers => {
                let sweep = |path: &PathBuf| path.to_string_lossy().contains("/.");
                self.disk
                    .files()
                    .iter()
                    .filter(|path| sweep(path))
                    .for_each(|path| drop(fs::remove_file(path)));
            }
            _ => {}
        }
        Ok(())
    }

    async fn roll_back(mut self: Box<Self>) -> Result<()> {
        let inner = self.inner()?;
        let entries = entry_files(&self.disk, &*inner);
        match self.flaw {
            Flaw::RollBackNothing => return Ok(()),
            Flaw::PanicsLeaveAll if self.panicked => return Ok(()),
            Flaw::RollBackNeedsExecution if !self.executed => {
                return Err(Error::new(ErrorKind::Unexpected, "nothing was executed"));
            }
            _ => {}
        }
        let kept: Vec<_> = entries.iter().map(|path| (path, fs::read(path))).collect();
        inner.roll_back().await?;
        match self.flaw {
            Flaw::RollBackKeepsEntry => {
                for (path, bytes) in kept {
                    drop(bytes.map(|bytes| fs::write(path, bytes)));
                }
            }
            Flaw::RollBackTakesAll => self.paths.iter().for_each(|path| self.disk.delete(path)),
            Flaw::RollBackPrunes => self.disk.prune(),
            _ => {}
        }
        Ok(())
    }
}

impl Drop for TamperedWrite {
    fn drop(&mut self) {
        if let (Flaw::DropUndoes, Some(inner)) = (self.flaw, &self.inner) {
            entry_files(&self.disk, &**inner).iter().for_each(|path| drop(fs::remove_file(path)));
        }
    }
}
