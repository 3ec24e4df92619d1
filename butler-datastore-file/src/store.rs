//! Where artifacts lie: what a datastore needs of local files, or of an object store.
//!
//! Everything here blocks, and is called on threads that may: one hop for a batch,
//! or a share of one. A store of objects waits for its requests on such a thread.

mod local;
#[cfg(feature = "objects")]
mod object;
mod source;

use std::fmt::Debug;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arcstr::ArcStr;
use butler_core::datastore::TransferMode;
use butler_core::{Error, ErrorKind, ReadSource, Result};

use crate::journal::EntryName;

pub(crate) use local::{LocalStore, is_file, is_temporary_of};
#[cfg(feature = "objects")]
pub(crate) use object::{is_compiled, object_store};
pub(crate) use source::{FileId, FileSource};

/// A place for artifacts under a root.
///
/// Paths are relative to the root, of parts between slashes; none is `.` or `..`.
pub(crate) trait Store: Debug + Send + Sync + 'static {
    /// Ways in which local files come in.
    fn transfer_modes(&self) -> Vec<TransferMode>;

    /// Whether anything can be written.
    fn is_writable(&self) -> bool;

    /// Whether an artifact never replaces one that is there, whoever wrote it.
    ///
    /// Where it may, a path must not be anybody else's: it has the dataset's id in it.
    fn replaces_nothing(&self) -> bool;

    /// How many threads are worth working for one call.
    fn workers(&self) -> usize;

    /// How many artifacts a thread best takes at once.
    fn block(&self) -> usize;

    /// URI of a path.
    fn uri(&self, path: &str) -> String;

    /// The place of the root, alike for alike places, however configuration writes them.
    fn place(&self) -> String;

    /// Whether it gives addresses under which anybody can fetch artifacts.
    fn signs(&self) -> bool {
        false
    }

    /// Address under which anybody can fetch an artifact for a while.
    ///
    /// # Errors
    /// `Unsupported` if it does not sign, `Argument` for a lifetime that is not allowed, those of the service.
    fn signed_uri(&self, path: &str, lifetime: Duration) -> Result<String> {
        let _ = lifetime;
        Err(Error::new(ErrorKind::Unsupported, format!("no address of '{path}' can be signed")))
    }

    /// The local file of a path, if there is such a thing.
    fn local_file(&self, path: &str) -> Option<PathBuf>;

    /// The root with all links resolved, if it is a local directory that is there.
    ///
    /// # Errors
    /// Those of the system.
    fn real_root(&self) -> Result<Option<PathBuf>> {
        Ok(None)
    }

    /// Whether an artifact is there.
    ///
    /// # Errors
    /// Those of the system: not knowing is not the same as missing.
    fn exists(&self, path: &str) -> Result<bool>;

    /// Whether anything is at a path, be it a link that leads nowhere.
    ///
    /// # Errors
    /// Those of the system: not knowing is not the same as missing.
    fn is_there(&self, path: &str) -> Result<bool> {
        self.exists(path)
    }

    /// Hands on the paths of everything under the root that may be an artifact, in blocks.
    ///
    /// # Errors
    /// Those of the system, and of who sees them; `Unsupported` if it cannot list.
    fn list(&self, see: &mut dyn FnMut(Vec<ArcStr>) -> Result<()>) -> Result<()>;

    /// Opens an artifact for reading.
    ///
    /// # Errors
    /// `NotFound`, and those of the system.
    fn open(&self, path: &str) -> Result<Box<dyn ReadSource>>;

    /// Begins to change artifacts, on one thread.
    fn session(&self) -> Box<dyn Session + '_>;

    /// Names of the entries of the journal.
    ///
    /// # Errors
    /// Those of the system.
    fn entries(&self) -> Result<Vec<EntryName>>;

    /// Reads an entry; none if it is gone.
    ///
    /// # Errors
    /// Those of the system.
    fn read_entry(&self, name: &EntryName) -> Result<Option<Vec<u8>>>;

    /// Writes an entry, which others see as a whole or not at all.
    ///
    /// # Errors
    /// Those of the system.
    fn write_entry(&self, name: &EntryName, bytes: &[u8]) -> Result<()>;

    /// Writes an entry, and lists all there are then; if they cannot be listed, there is no entry.
    ///
    /// # Errors
    /// Those of the system.
    fn write_entry_and_list(&self, name: &EntryName, bytes: &[u8]) -> Result<Vec<EntryName>> {
        self.write_entry(name, bytes)?;
        self.entries().or_else(|error| self.delete_entry(name).and(Err(error)))
    }

    /// Deletes an entry; one that is gone is no error.
    ///
    /// # Errors
    /// Those of the system.
    fn delete_entry(&self, name: &EntryName) -> Result<()>;

    /// Takes an entry for a recovery alone; none if it is gone, or another recovery has it.
    ///
    /// # Errors
    /// Those of the system.
    fn hold_entry(&self, name: &EntryName) -> Result<Option<Box<dyn Hold>>>;

    /// Makes an entry as old as if it were written now.
    ///
    /// # Errors
    /// Those of the system.
    fn renew_entry(&self, name: &EntryName) -> Result<()>;

    /// How long ago an entry was written, by the store's own clock, in seconds; none if it is gone.
    ///
    /// # Errors
    /// Those of the system.
    fn entry_age(&self, name: &EntryName) -> Result<Option<f64>>;

    /// Deletes what entries that were never completed left in the journal longer ago than so many seconds.
    ///
    /// # Errors
    /// Those of the system.
    fn sweep_journal(&self, older_than: f64) -> Result<()>;
}

/// What keeps other recoveries away from an entry, until it is released or dropped.
pub(crate) trait Hold: Send {
    /// Lets others have the entry.
    ///
    /// # Errors
    /// Those of the system.
    fn release(self: Box<Self>) -> Result<()>;
}

/// Place of an artifact that belongs to a journal entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot<'a> {
    /// Name of the entry.
    pub(crate) entry: &'a str,
    /// Number of the artifact in the entry.
    pub(crate) index: usize,
    /// Path.
    pub(crate) path: &'a str,
}

/// What is placed.
pub(crate) enum Content<'a> {
    /// What the function writes.
    Written(&'a mut dyn FnMut(&mut dyn Write) -> Result<()>),
    /// The bytes of a local file.
    Copied(&'a Path),
    /// A local file itself, under another name.
    Linked(&'a Path, FileId),
    /// A symbolic link to a local file.
    Pointed(&'a Path),
    /// A symbolic link to a local file, from where the artifact is.
    PointedRelatively(&'a Path),
}

/// What was placed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placed {
    /// Number of bytes.
    pub(crate) size: u64,
    /// BLAKE3 in hexadecimal, if it was asked for.
    pub(crate) checksum: Option<ArcStr>,
    /// Whether something is left that [`Session::settle`] removes.
    pub(crate) unsettled: bool,
}

/// Whether a recovery found an artifact that its entry made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// It did.
    Yes,
    /// Nothing is there, or what somebody else made.
    No,
}

/// Changes of artifacts on one thread, best in the order of their paths.
pub(crate) trait Session {
    /// Places an artifact, and never replaces one.
    ///
    /// # Errors
    /// `AlreadyExists` if something else is at the path, `Unsupported` if the file cannot be
    /// linked, those of the content and of the system.
    fn place(&mut self, spot: Spot<'_>, content: Content<'_>, checksum: bool) -> Result<Placed>;

    /// Removes what helped to place an artifact, or failed to; what is gone is no error.
    ///
    /// `thoroughly` if it may have been another process that placed it.
    ///
    /// # Errors
    /// Those of the system.
    fn settle(&mut self, spot: Spot<'_>, thoroughly: bool) -> Result<()>;

    /// Whether the entry placed the artifact, as far as [`settle`](Self::settle) was not called.
    ///
    /// `source` is the file that it was linked to, if it was one.
    ///
    /// # Errors
    /// Those of the system.
    fn made(&mut self, spot: Spot<'_>, source: Option<&Path>) -> Result<Made>;

    /// Deletes an artifact; one that is gone is no error. Directories that become empty go
    /// too if `prune`, up to the root.
    ///
    /// # Errors
    /// Those of the system.
    fn delete(&mut self, path: &str, prune: bool) -> Result<()>;

    /// Removes directories that are empty.
    ///
    /// # Errors
    /// Those of the system.
    fn remove_directories(&mut self, directories: Vec<String>) -> Result<()>;

    /// Directories that it made, each after the one that it is in; they are told once.
    fn take_directories(&mut self) -> Vec<String>;

    /// Ends it: what was changed is on the disk, where that was asked for.
    ///
    /// # Errors
    /// Those of the system.
    fn finish(&mut self) -> Result<()>;
}
