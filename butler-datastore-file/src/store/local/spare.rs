//! Files of journal entries that are used again.
//!
//! To make a file and to delete it is most of what an entry costs, and some file systems look at each file
//! that was deleted lately before they make one: a thousand entries that came and went make the
//! thousand-and-first, and the artifacts beside it, several times as dear. So a program that writes one entry after
//! the other changes the name of what it has, and writes into that.

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arcstr::ArcStr;
use rustc_hash::FxHashMap;
use rustix::fs::{Mode, OFlags};

use super::journal::NEW;
use crate::journal::EntryName;

/// Files that are kept at most: as many as there are writers at the same time, more or less.
const KEPT: usize = 32;

/// Entries that come and go before a file is kept: of few nothing is worth while, nor left to be swept away.
pub(super) const MANY: usize = 100;

/// Bytes of an entry whose file is kept, at most: a page, which most file systems write as a whole, so that after a
/// power cut a file holds one entry or the other. A mixture of both does no harm: artifacts are recognised by
/// their temporary files and by records, whatever an entry says.
const SMALL: usize = 4 << 10;

/// A file in the journal's directory that is no entry.
#[derive(Debug)]
pub(super) struct Spare {
    /// A name by which nobody takes it for an entry, and a recovery sweeps it away when it is old.
    pub(super) name: String,
    /// Bytes that it has.
    size: usize,
}

impl Spare {
    /// Opens it, to be written from its beginning to so many bytes.
    pub(super) fn open(&self, directory: BorrowedFd<'_>, size: usize) -> std::io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(directory, &self.name, flags, Mode::empty())?);
        // Not to nothing: that is taken for the replacement of a file, and brought to the disk at once.
        if size < self.size {
            file.set_len(size as u64)?;
        }
        Ok(file)
    }
}

/// The spare files of a store, and the entries whose files will be some.
#[derive(Debug, Default)]
pub(super) struct Spares(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    spares: Vec<Spare>,
    /// Sizes of open entries of this store that are small.
    entries: FxHashMap<ArcStr, usize>,
    /// Number of entries that are gone.
    gone: usize,
}

impl Spares {
    /// A file, whatever for.
    pub(super) fn take(&self) -> Option<Spare> {
        self.lock().spares.pop()
    }

    /// A file that can be used for so many bytes.
    pub(super) fn take_for(&self, size: usize) -> Option<Spare> {
        if size <= SMALL { self.take() } else { None }
    }

    /// Notes an entry that was written.
    pub(super) fn note(&self, entry: &EntryName, size: usize) {
        if size <= SMALL {
            self.lock().entries.insert(entry.name.clone(), size);
        }
    }

    /// What an entry that goes becomes, if its file is worth keeping.
    pub(super) fn of(&self, entry: &EntryName) -> Option<Spare> {
        let mut inner = self.lock();
        let size = inner.entries.remove(&entry.name)?;
        inner.gone += 1;
        let worth_it = inner.gone > MANY && inner.spares.len() < KEPT;
        worth_it.then(|| Spare { name: format!("{}.spare{NEW}", entry.name), size })
    }

    /// Keeps a file.
    pub(super) fn keep(&self, spare: Spare) {
        self.lock().spares.push(spare);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
