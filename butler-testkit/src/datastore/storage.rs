//! Storages of datastores that a factory builds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use butler_core::datastore::Datastore;
use butler_core::{DatastoreFactory, Error, ErrorKind, Result};
use tempfile::TempDir;

use super::{Backstage, DatastoreHarness, Opening, Storage};
use crate::case::Harness;

/// Harness of datastores of one kind, in temporary directories or without a place.
#[derive(Clone, Debug)]
pub struct FactoryHarness {
    name: String,
    factory: Arc<dyn DatastoreFactory>,
    local: bool,
}

impl FactoryHarness {
    /// Datastores that lie in a local directory, which their key `root` names.
    #[must_use]
    pub fn local(name: &str, factory: Arc<dyn DatastoreFactory>) -> Self {
        Self { name: name.to_owned(), factory, local: true }
    }

    /// Datastores in the memory of this process; a second handle on a storage is the first again.
    #[must_use]
    pub fn in_memory(name: &str, factory: Arc<dyn DatastoreFactory>) -> Self {
        Self { name: name.to_owned(), factory, local: false }
    }
}

impl Harness for FactoryHarness {
    fn name(&self) -> &str {
        &self.name
    }
}

#[async_trait]
impl DatastoreHarness for FactoryHarness {
    async fn storage(&self) -> Result<Box<dyn Storage>> {
        let factory = Arc::clone(&self.factory);
        if !self.local {
            return Ok(Box::new(InMemory { factory, open: Mutex::default() }));
        }
        Ok(Box::new(Local { factory, directory: LocalDirectory::new()? }))
    }
}

struct InMemory {
    factory: Arc<dyn DatastoreFactory>,
    open: Mutex<Option<Arc<dyn Datastore>>>,
}

#[async_trait]
impl Storage for InMemory {
    async fn open(&self, opening: &Opening) -> Result<Arc<dyn Datastore>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let made = opening.build(&*self.factory, "")?;
        Ok(Arc::clone(open.insert(made)))
    }
}

struct Local {
    factory: Arc<dyn DatastoreFactory>,
    directory: LocalDirectory,
}

#[async_trait]
impl Storage for Local {
    async fn open(&self, opening: &Opening) -> Result<Arc<dyn Datastore>> {
        opening.build(&*self.factory, &format!("root = '{}'", self.directory.root.display()))
    }

    fn backstage(&self) -> Option<&dyn Backstage> {
        Some(&self.directory)
    }
}

/// A temporary directory with the root of a datastore, which is not made, and nothing else in it.
#[derive(Debug)]
pub struct LocalDirectory {
    _directory: TempDir,
    root: PathBuf,
    /// What URIs begin with, if the datastore does not see that these are local files.
    uri: Option<String>,
}

impl LocalDirectory {
    /// A directory that goes when this is dropped.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new() -> Result<Self> {
        let directory = tempfile::tempdir().map_err(failed)?;
        let root = directory.path().canonicalize().map_err(failed)?.join("root with ä");
        Ok(Self { _directory: directory, root, uri: None })
    }

    /// A directory that a server serves, in which a datastore lies at a path.
    ///
    /// # Errors
    /// Those of the system.
    pub fn served(uri: String, path: &str) -> Result<Self> {
        let this = Self::new()?;
        Ok(Self { root: this.root.join(path), uri: Some(uri), ..this })
    }

    /// Where the root lies, if that is a local directory or not.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }
}

fn failed(error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Unexpected,
    };
    Error::new(kind, error.to_string()).with_source(error)
}

#[async_trait]
impl Backstage for LocalDirectory {
    async fn list(&self) -> Result<Vec<String>> {
        let mut files = Vec::new();
        let mut directories = vec![self.root.clone()];
        while let Some(directory) = directories.pop() {
            let Ok(items) = fs::read_dir(&directory) else { continue };
            for item in items {
                let path = item.map_err(failed)?.path();
                if path.is_dir() && !path.is_symlink() {
                    directories.push(path);
                } else {
                    files.push(path.strip_prefix(&self.root).unwrap_or(&path).to_string_lossy().into_owned());
                }
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>> {
        fs::read(self.root.join(path)).map_err(failed)
    }

    async fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        fs::write(path, bytes).map_err(failed)
    }

    async fn delete(&self, path: &str) -> Result<()> {
        fs::remove_file(self.root.join(path)).map_err(failed)
    }

    async fn age(&self, path: &str, by: Duration) -> Result<()> {
        let file = fs::File::options().write(true).open(self.root.join(path)).map_err(failed)?;
        file.set_modified(SystemTime::now() - by).map_err(failed)
    }

    fn root(&self) -> Option<&Path> {
        Some(&*self.root).filter(|_| self.uri.is_none())
    }

    fn uri(&self) -> Option<String> {
        self.uri.clone()
    }
}
