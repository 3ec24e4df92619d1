//! Artifacts as files in a directory of the caller.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use arcstr::ArcStr;
use butler_core::datastore::{Artifact, ArtifactBody, ArtifactUris, TransferMode};
use butler_core::{Butler, DatasetRef, Error, ErrorKind, Result};
use futures::{StreamExt, TryStreamExt};
use percent_encoding::percent_decode_str;
use rustc_hash::FxHashSet;

use crate::source::on_thread;

/// Artifacts that are looked at together.
const LOCATED: usize = 32;

/// Where artifacts go, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrieveOptions {
    /// The directory; it is made if it is not there.
    pub directory: PathBuf,
    /// How files come there: `Auto` and `Copy` copy, links need a local datastore.
    pub transfer: TransferMode,
    /// Whether they keep their paths under the datastore's root; otherwise all are in the directory itself.
    pub preserve_path: bool,
    /// Whether files that are there already are replaced.
    pub clobber: bool,
}

impl RetrieveOptions {
    /// Copies with their paths, which replace nothing.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            transfer: TransferMode::Copy,
            preserve_path: true,
            clobber: false,
        }
    }
}

/// An artifact that came to a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrievedArtifact {
    /// Path relative to the directory, with slashes.
    pub path: ArcStr,
    /// Component that it holds, if not the whole.
    pub component: Option<ArcStr>,
    /// Name of the formatter that reads it.
    pub formatter: ArcStr,
}

/// Brings artifacts to a directory, each file once.
#[derive(Debug)]
pub struct Retriever {
    butler: Butler,
    options: RetrieveOptions,
    /// Hashes of the paths of what was brought: a file may be of several datasets.
    brought: FxHashSet<u64>,
}

impl Retriever {
    /// A retriever of a repository's artifacts.
    ///
    /// # Errors
    /// `Unsupported` for a way of transfer that takes files away, or leaves them where they are.
    pub fn new(butler: &Butler, options: RetrieveOptions) -> Result<Self> {
        use TransferMode::{Auto, Copy, Hardlink, Link, Relsymlink, Symlink};
        if !matches!(options.transfer, Auto | Copy | Hardlink | Link | Relsymlink | Symlink) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("artifacts cannot be retrieved by '{}'", options.transfer),
            )
            .with_hint("there are auto, copy, link, hardlink, symlink and relsymlink"));
        }
        Ok(Self { butler: butler.clone(), options, brought: FxHashSet::default() })
    }

    /// Brings the artifacts of datasets, in their order: of each one, or several if it was taken apart.
    ///
    /// There are none of a dataset that is known and not stored.
    ///
    /// # Errors
    /// `NotFound` if an artifact is gone, `AlreadyExists` if a file is in the way, `Unsupported` if the
    /// datastore has no local files to link to, `Permission`, `Exhausted`.
    pub async fn retrieve(&mut self, datasets: &[DatasetRef]) -> Result<Vec<Vec<RetrievedArtifact>>> {
        let known = self.butler.with_records(datasets.to_vec()).await?;
        let store = std::sync::Arc::clone(self.butler.datastore());
        let stored: Vec<DatasetRef> = known.iter().filter(|dataset| store.knows(dataset)).cloned().collect();
        let mut uris = store.uris(&stored, false).await?.into_iter();
        let mut retrieved = Vec::with_capacity(datasets.len());
        for dataset in &known {
            retrieved.push(match store.knows(dataset) {
                true => self.bring_all(dataset, &uris.next().unwrap_or_default()).await?,
                false => Vec::new(),
            });
        }
        Ok(retrieved)
    }

    /// Where the artifacts of datasets lie, in their order, without bringing them: under the root of the
    /// datastore, where a path shows it, or anywhere.
    ///
    /// There are none of a dataset that is known and not stored.
    ///
    /// # Errors
    /// `NotFound` if an artifact is gone; `Connection` and the like.
    pub async fn locate(butler: &Butler, datasets: &[DatasetRef]) -> Result<Vec<Vec<RetrievedArtifact>>> {
        let known = butler.with_records(datasets.to_vec()).await?;
        let store = butler.datastore();
        let stored: Vec<DatasetRef> = known.iter().filter(|dataset| store.knows(dataset)).cloned().collect();
        let uris = store.uris(&stored, false).await?;
        let place = async |(dataset, uris): (&DatasetRef, ArtifactUris)| {
            let artifacts = store.open(dataset).await?.into_iter();
            let located = artifacts.map(|Artifact { component, formatter, .. }| {
                let uri = match &component {
                    None => uris.primary.as_ref(),
                    Some(component) => uris.components.get(component),
                };
                let uri = uri.map_or("", String::as_str);
                let path = match path_in_store(dataset.run(), uri) {
                    Some(path) => path.to_string_lossy().as_ref().into(),
                    None => uri.into(),
                };
                RetrievedArtifact { path, component, formatter }
            });
            Ok::<_, Error>(located.collect::<Vec<_>>())
        };
        let located = futures::stream::iter(stored.iter().zip(uris)).map(place).buffered(LOCATED);
        let mut located = located.try_collect::<Vec<_>>().await?.into_iter();
        let each = known.iter().map(|dataset| match store.knows(dataset) {
            true => located.next().unwrap_or_default(),
            false => Vec::new(),
        });
        Ok(each.collect())
    }

    async fn bring_all(
        &mut self,
        dataset: &DatasetRef,
        uris: &ArtifactUris,
    ) -> Result<Vec<RetrievedArtifact>> {
        let artifacts = self.butler.datastore().open(dataset).await?;
        let mut retrieved = Vec::with_capacity(artifacts.len());
        for artifact in artifacts {
            let uri = match &artifact.component {
                None => uris.primary.as_ref(),
                Some(component) => uris.components.get(component),
            };
            let path = self.path(dataset, &artifact, uri.map_or("", String::as_str));
            let Artifact { component, formatter, body, .. } = artifact;
            let mut hasher = DefaultHasher::new();
            (&path, uri).hash(&mut hasher);
            if self.brought.insert(hasher.finish()) {
                bring(body, self.options.directory.join(&path), &self.options).await?;
            }
            let path = path.to_string_lossy().as_ref().into();
            retrieved.push(RetrievedArtifact { path, component, formatter });
        }
        Ok(retrieved)
    }

    /// Path of an artifact under the directory.
    fn path(&self, dataset: &DatasetRef, artifact: &Artifact, uri: &str) -> PathBuf {
        let name = Path::new(artifact.file_name.as_str()).file_name().map_or_else(
            || PathBuf::from(format!("{}-{}", dataset.dataset_type().name(), dataset.id())),
            PathBuf::from,
        );
        if !self.options.preserve_path {
            return name;
        }
        path_in_store(dataset.run(), uri).unwrap_or_else(|| {
            let run: PathBuf = Path::new(dataset.run().as_str()).components().filter(is_normal).collect();
            run.join(dataset.dataset_type().name().as_str()).join(name)
        })
    }
}

/// Path of an artifact from the directory of its run on, which is where templates begin.
fn path_in_store(run: &str, uri: &str) -> Option<PathBuf> {
    let (_, rest) = uri.split_once("://").unwrap_or(("", uri));
    let path = percent_decode_str(rest).decode_utf8().ok()?;
    let at = path.rfind(&format!("/{run}/"))?;
    let path = Path::new(&path[at + 1..]);
    path.components().all(|part| is_normal(&part)).then(|| path.to_owned())
}

fn is_normal(part: &Component<'_>) -> bool {
    matches!(part, Component::Normal(_))
}

async fn bring(body: ArtifactBody, target: PathBuf, options: &RetrieveOptions) -> Result<()> {
    let (transfer, clobber) = (options.transfer, options.clobber);
    let copies = matches!(transfer, TransferMode::Auto | TransferMode::Copy);
    let shown = target.clone();
    let explained = move |error: io::Error| failed(&shown, &error);
    match body {
        ArtifactBody::File(source) => {
            on_thread(move || {
                place(&target, clobber, |target| transferred(&source, target, transfer)).map_err(explained)
            })
            .await
        }
        _ if !copies => Err(Error::new(
            ErrorKind::Unsupported,
            format!("'{transfer}' needs artifacts that are local files"),
        )
        .with_hint("copy them")),
        ArtifactBody::Bytes(bytes) => {
            on_thread(move || {
                place(&target, clobber, |target| created(target)?.write_all(&bytes)).map_err(explained)
            })
            .await
        }
        ArtifactBody::Stream(mut parts) => {
            let part = partial(&target);
            let mut file = {
                let part = part.clone();
                on_thread(move || {
                    made_room(&part).and_then(|()| created(&part)).map_err(|e| failed(&part, &e))
                })
                .await?
            };
            while let Some(bytes) = parts.next().await {
                let bytes = match bytes {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        // What came so far is of no use; the error that matters is the first one.
                        let _ = on_thread(move || Ok(fs::remove_file(part))).await;
                        return Err(error);
                    }
                };
                let part = part.clone();
                file =
                    on_thread(move || file.write_all(&bytes).map(|()| file).map_err(|e| failed(&part, &e)))
                        .await?;
            }
            on_thread(move || finished(&part, &target, clobber).map_err(explained)).await
        }
    }
}

/// Makes a file under another name, and gives it its own: what has the name is whole.
pub(crate) fn place(
    target: &Path,
    clobber: bool,
    make: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let part = partial(target);
    made_room(&part)?;
    match make(&part) {
        Ok(()) => finished(&part, target, clobber),
        Err(error) => {
            let _ = fs::remove_file(&part);
            Err(error)
        }
    }
}

fn finished(part: &Path, target: &Path, clobber: bool) -> io::Result<()> {
    let done = if clobber {
        fs::rename(part, target)
    } else {
        // A link, unlike a renaming, fails if somebody was faster.
        match fs::hard_link(part, target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(_) if fs::symlink_metadata(target).is_err() => fs::rename(part, target),
            done => done,
        }
    };
    // Of two links to one file, a renaming leaves both.
    let _ = fs::remove_file(part);
    done
}

fn partial(target: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    target.with_file_name(name)
}

fn made_room(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn created(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn transferred(source: &Path, target: &Path, transfer: TransferMode) -> io::Result<()> {
    let symlink = |to: &Path| {
        #[cfg(unix)]
        return std::os::unix::fs::symlink(to, target);
        #[cfg(not(unix))]
        return std::os::windows::fs::symlink_file(to, target);
    };
    match transfer {
        TransferMode::Hardlink => fs::hard_link(source, target),
        TransferMode::Link => fs::hard_link(source, target).or_else(|_| symlink(source)),
        TransferMode::Symlink => symlink(source),
        TransferMode::Relsymlink => {
            let directory = target.parent().unwrap_or(Path::new(".")).canonicalize()?;
            symlink(&relative(&directory, &source.canonicalize()?))
        }
        _ => io::copy(&mut File::open(source)?, &mut created(target)?).map(|_| ()),
    }
}

/// Path from a directory to a file; both are absolute.
fn relative(directory: &Path, file: &Path) -> PathBuf {
    let common = directory.components().zip(file.components()).take_while(|(a, b)| a == b).count();
    let up = directory.components().skip(common).map(|_| Component::ParentDir);
    up.chain(file.components().skip(common)).collect()
}

pub(crate) fn failed(path: &Path, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Permission,
        io::ErrorKind::StorageFull => ErrorKind::Exhausted,
        _ => ErrorKind::Unexpected,
    };
    Error::new(kind, format!("'{}' cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_at_the_run() {
        let path = |run, uri| path_in_store(run, uri).map(|path| path.to_string_lossy().into_owned());
        assert_eq!(path("u/a", "file:///repo/u/a/bias/x%201.yaml").as_deref(), Some("u/a/bias/x 1.yaml"));
        assert_eq!(path("a", "s3://bucket/a/root/a/bias.yaml").as_deref(), Some("a/bias.yaml"));
        assert_eq!(path("b", "file:///elsewhere/bias.yaml"), None);
        assert_eq!(path("a", "file:///repo/a/../../etc/x"), None);
    }

    #[test]
    fn relative_links_lead_back() {
        assert_eq!(relative(Path::new("/a/b/c"), Path::new("/a/d/e")), Path::new("../../d/e"));
        assert_eq!(relative(Path::new("/a"), Path::new("/a/e")), Path::new("e"));
    }
}
