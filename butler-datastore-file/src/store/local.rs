//! Artifacts as local files.
//!
//! An artifact is written to a temporary name in its directory and then hard-linked to its
//! own, which fails if that is taken: nothing is ever overwritten, and nobody sees half an
//! artifact. The temporary name stays until the transaction is over, so that a recovery can tell
//! what an entry made: it is the same file. Without hard links (`renameat2` without replacing
//! takes their place) an empty file beside it says that it was renamed.
//!
//! Directories below the root are opened one by one, and symbolic links among them are not
//! followed by anything that writes or deletes: nothing outside the root is ever
//! touched, whatever is done to the directories meanwhile. The root itself may be a link, and
//! links are followed for reading.

mod directories;
mod journal;
mod list;
mod place;
mod spare;

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use arcstr::ArcStr;
use butler_core::datastore::TransferMode;
use butler_core::{Error, ErrorKind, ReadSource, Result};

use super::source::FileSource;
use super::{Hold, Placed, Session, Store};
use crate::error::io_error;
use crate::journal::EntryName;
use crate::location;
use place::LocalSession;
pub(crate) use place::is_temporary_of;
use spare::Spares;

/// A directory of local files.
#[derive(Debug)]
pub(crate) struct LocalStore {
    root: PathBuf,
    /// Threads that share work, if it was said how many.
    workers: Option<usize>,
    /// Whether what is written is on the disk before it is reported.
    strict: bool,
    /// Whether hard links work, as far as is known.
    hard_links: AtomicBool,
    /// Files of journal entries that were, for those to come.
    spares: Spares,
}

impl LocalStore {
    /// A store under a root, which need not exist.
    ///
    /// # Errors
    /// `Configuration` if the root cannot be made absolute.
    pub(crate) fn new(root: &Path, workers: Option<usize>, strict: bool) -> Result<Self> {
        let root = std::path::absolute(root).map_err(|error| {
            Error::new(
                ErrorKind::Configuration,
                format!("'{}' cannot be a datastore's root: {error}", root.display()),
            )
        })?;
        Ok(Self { root, workers, strict, hard_links: AtomicBool::new(true), spares: Spares::default() })
    }

    fn full(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn hard_links(&self) -> bool {
        self.hard_links.load(Ordering::Relaxed)
    }
}

/// A path with all links resolved, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    let mut there = path;
    let mut missing = Vec::new();
    loop {
        if let Ok(found) = there.canonicalize() {
            return missing.into_iter().rev().fold(found, |path, name| match name {
                Component::ParentDir => path.parent().map_or_else(|| path.clone(), Path::to_owned),
                name => path.join(name),
            });
        }
        let mut components = there.components();
        match components.next_back() {
            Some(name) => missing.push(name),
            None => return path.to_owned(),
        }
        there = components.as_path();
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        journal::discard_spares(self);
    }
}

impl Store for LocalStore {
    fn transfer_modes(&self) -> Vec<TransferMode> {
        TransferMode::ALL.to_vec()
    }

    fn is_writable(&self) -> bool {
        true
    }

    fn replaces_nothing(&self) -> bool {
        true
    }

    /// Enough for its share of a directory, few enough to share well.
    fn block(&self) -> usize {
        16
    }

    fn workers(&self) -> usize {
        // The system takes a while to say how many processors there are: who opens a repository need not know.
        static DEFAULT: LazyLock<usize> =
            LazyLock::new(|| std::thread::available_parallelism().map_or(4, |count| count.get().max(4)));
        self.workers.unwrap_or_else(|| *DEFAULT)
    }

    fn uri(&self, path: &str) -> String {
        location::file_uri(&self.full(path))
    }

    fn local_file(&self, path: &str) -> Option<PathBuf> {
        Some(self.full(path))
    }

    fn real_root(&self) -> Result<Option<PathBuf>> {
        match self.root.canonicalize() {
            Ok(root) => Ok(Some(root)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(error, &format!("cannot find '{}'", self.root.display()))),
        }
    }

    fn place(&self) -> String {
        location::file_uri(&resolved(&self.root))
    }

    fn exists(&self, path: &str) -> Result<bool> {
        is_file(&self.full(path))
    }

    fn is_there(&self, path: &str) -> Result<bool> {
        match self.full(path).symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(false)
            }
            Err(error) => Err(io_error(error, &format!("cannot look for '{path}'"))),
        }
    }

    fn list(&self, see: &mut dyn FnMut(Vec<ArcStr>) -> Result<()>) -> Result<()> {
        list::list(&self.root, see)
    }

    fn open(&self, path: &str) -> Result<Box<dyn ReadSource>> {
        Ok(Box::new(FileSource::open(&self.full(path))?))
    }

    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(LocalSession::new(self))
    }

    fn entries(&self) -> Result<Vec<EntryName>> {
        journal::entries(self)
    }

    fn read_entry(&self, name: &EntryName) -> Result<Option<Vec<u8>>> {
        journal::read(self, name)
    }

    fn write_entry(&self, name: &EntryName, bytes: &[u8]) -> Result<()> {
        journal::write(self, name, bytes, |_| Ok(()))
    }

    fn write_entry_and_list(&self, name: &EntryName, bytes: &[u8]) -> Result<Vec<EntryName>> {
        journal::write(self, name, bytes, journal::names_of_entries)
    }

    fn delete_entry(&self, name: &EntryName) -> Result<()> {
        journal::delete(self, name)
    }

    fn hold_entry(&self, name: &EntryName) -> Result<Option<Box<dyn Hold>>> {
        journal::hold(self, name)
    }

    fn renew_entry(&self, name: &EntryName) -> Result<()> {
        journal::renew(self, name)
    }

    fn entry_age(&self, name: &EntryName) -> Result<Option<f64>> {
        journal::age(self, name)
    }

    fn sweep_journal(&self, older_than: f64) -> Result<()> {
        journal::sweep(self, older_than)
    }
}

/// Whether a file is there.
pub(crate) fn is_file(path: &Path) -> Result<bool> {
    match path.metadata() {
        Ok(metadata) => Ok(metadata.is_file()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(io_error(error, &format!("cannot look for '{}'", path.display()))),
    }
}

#[cfg(test)]
mod tests;
