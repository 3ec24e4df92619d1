//! A local cache of artifacts that lie in an object store.
//!
//! Several processes may share its directory. A file comes into it under another name and is renamed
//! when it is whole; it is read through a handle that stays good when somebody else deletes the
//! file meanwhile. Its name has the dataset's id, and a digest of what the record says of the artifact:
//! what was replaced since is not found. Files with other names are left alone.

mod expiry;
mod settings;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use butler_core::{DatasetId, DatasetRef, Genres, LookupTable, ReadSource, Result};
use bytes::Bytes;
use tempfile::TempDir;

use crate::record::FileRecord;
use crate::store::FileSource;
pub(crate) use expiry::Expiry;

/// What files on their way in begin with.
const TEMPORARY: &str = ".incoming-";

/// A cache.
#[derive(Debug)]
pub(crate) struct Cache {
    /// Where it is; a directory of this process, if none is configured.
    root: Option<PathBuf>,
    own: OnceLock<Option<TempDir>>,
    expiry: Expiry,
    cacheable: LookupTable<bool>,
    counter: AtomicU64,
}

/// A cached file, which nobody can take away while it is read.
struct Cached(FileSource);

impl ReadSource for Cached {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_all(&mut self) -> Result<Bytes> {
        self.0.read_all()
    }

    fn read_range(&mut self, offset: u64, len: u64) -> Result<Bytes> {
        self.0.read_range(offset, len)
    }
}

impl Cache {
    pub(crate) fn new(root: Option<PathBuf>, expiry: Expiry, cacheable: LookupTable<bool>) -> Self {
        Self { root, own: OnceLock::new(), expiry, cacheable, counter: AtomicU64::new(0) }
    }

    /// With what genres say of what is kept.
    pub(crate) fn with_genres(mut self, genres: &Genres) -> Result<Self> {
        genres.fill(&mut self.cacheable, "cache", |genre| Ok(genre.cache()))?;
        Ok(self)
    }

    /// Whether artifacts of a dataset are kept.
    pub(crate) fn keeps(&self, dataset: &DatasetRef) -> bool {
        let composite = dataset.dataset_type().composite();
        self.expiry != Expiry::Disabled
            && self.cacheable.get(&composite, Some(dataset.data_id())).copied().unwrap_or(true)
    }

    /// The directory; it is made if it is not there.
    fn directory(&self) -> io::Result<&Path> {
        if let Some(root) = &self.root {
            fs::create_dir_all(root)?;
            return Ok(root);
        }
        let make = || match tempfile::Builder::new().prefix("butler-cache-").tempdir() {
            Ok(directory) => Some(directory),
            Err(error) => {
                tracing::warn!(%error, "there is no directory for a cache");
                None
            }
        };
        let own = self.own.get_or_init(make).as_ref().map(TempDir::path);
        own.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// An artifact, if it is there.
    pub(crate) fn find(&self, id: DatasetId, record: &FileRecord) -> Option<Box<dyn ReadSource>> {
        let source = FileSource::open(&self.directory().ok()?.join(name(id, record))).ok()?;
        let is_whole = record.size.is_none_or(|size| size == source.size());
        is_whole.then(|| Box::new(Cached(source)) as _)
    }

    /// Adds an artifact, after what must make room for it has gone.
    ///
    /// A cache that fails is as good as none: that is told, and no error.
    pub(crate) fn add(&self, id: DatasetId, record: &FileRecord, bytes: &[u8]) {
        if let Err(error) = self.try_add(id, record, bytes) {
            tracing::warn!(%error, dataset = %id, "an artifact could not be kept in the cache");
        }
    }

    fn try_add(&self, id: DatasetId, record: &FileRecord, bytes: &[u8]) -> io::Result<()> {
        let directory = self.directory()?;
        expiry::expire(directory, &self.expiry)?;
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let temporary = directory.join(format!("{TEMPORARY}{}-{number}-{id}", std::process::id()));
        let added = fs::write(&temporary, bytes)
            .and_then(|()| fs::rename(&temporary, directory.join(name(id, record))));
        if added.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        added
    }

    /// Removes artifacts of datasets.
    pub(crate) fn forget(&self, ids: &[DatasetId]) {
        let Ok(directory) = self.directory() else { return };
        for file in expiry::files(directory).unwrap_or_default() {
            if ids.contains(&file.id) {
                let _ = fs::remove_file(file.path);
            }
        }
    }
}

/// Name of an artifact's file: the dataset's id, the component, and what the record says.
fn name(id: DatasetId, record: &FileRecord) -> String {
    let path = record.path();
    let told = format!("{path}\0{:?}\0{:?}", record.size, record.checksum);
    let digest = blake3::hash(told.as_bytes()).to_hex();
    let component: String =
        record.component.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).take(60).collect();
    format!("{id}_{component}_{}", &digest[..16])
}

#[cfg(test)]
mod tests;
