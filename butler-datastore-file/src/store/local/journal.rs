//! Entries of the journal as files.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use butler_core::{Result, failpoint};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::directories::{Directories, sync};
use super::{Hold, LocalStore};
use crate::error::io_error;
use crate::journal::{EntryName, PATH};
use crate::store::FileId;

/// End of the name of an entry that is not complete, or of a file for one to come.
pub(super) const NEW: &str = ".new";

/// Mode of new files, less what the process masks.
pub(super) const MODE: Mode = Mode::from_raw_mode(0o666);

fn failed(what: &str, file: &str, error: impl Into<std::io::Error>) -> butler_core::Error {
    io_error(error, &format!("cannot {what} journal entry '{file}'"))
}

/// Runs something in the journal's directory, if there is one.
fn within<T>(store: &LocalStore, run: impl FnOnce(BorrowedFd<'_>) -> Result<T>) -> Result<Option<T>> {
    let mut directories = Directories::new(&store.root, store.strict);
    directories.get(PATH)?.map(run).transpose()
}

/// Names of all files in the journal's directory.
fn names(directory: BorrowedFd<'_>) -> Result<Vec<String>> {
    read_names(directory).map_err(|error| io_error(error, "cannot list the journal"))
}

/// Reads the directory by its descriptor, which nobody has read it by before.
#[cfg(target_os = "linux")]
fn read_names(directory: BorrowedFd<'_>) -> rustix::io::Result<Vec<String>> {
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut items = rustix::fs::RawDir::new(directory, &mut buffer);
    let mut names = Vec::new();
    while let Some(item) = items.next() {
        names.extend(OsStr::from_bytes(item?.file_name().to_bytes()).to_str().map(str::to_owned));
    }
    Ok(names)
}

#[cfg(not(target_os = "linux"))]
fn read_names(directory: BorrowedFd<'_>) -> rustix::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for item in rustix::fs::Dir::read_from(directory)? {
        names.extend(OsStr::from_bytes(item?.file_name().to_bytes()).to_str().map(str::to_owned));
    }
    Ok(names)
}

/// Names of the entries in the journal's directory.
pub(super) fn names_of_entries(directory: BorrowedFd<'_>) -> Result<Vec<EntryName>> {
    Ok(names(directory)?.iter().filter_map(|name| EntryName::of_file(name)).collect())
}

pub(super) fn entries(store: &LocalStore) -> Result<Vec<EntryName>> {
    Ok(within(store, names_of_entries)?.unwrap_or_default())
}

pub(super) fn read(store: &LocalStore, name: &EntryName) -> Result<Option<Vec<u8>>> {
    let file = name.file();
    let read = |directory: BorrowedFd<'_>| -> std::io::Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut open = File::from(rustix::fs::openat(directory, &file, flags, Mode::empty())?);
        let mut bytes = Vec::new();
        open.read_to_end(&mut bytes)?;
        // Its writer may have been done meanwhile, and have begun the next entry in the same file.
        Ok(is_at(&open, directory, &file)?.then_some(bytes))
    };
    let read = within(store, |directory| match read(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        other => other.map_err(|error| failed("read", &file, error)),
    })?;
    Ok(read.flatten())
}

/// Whether an open file is the one that has a name.
fn is_at(file: impl AsFd, directory: BorrowedFd<'_>, name: &str) -> rustix::io::Result<bool> {
    let there = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileId::of_stat(&rustix::fs::fstat(file)?).is(&FileId::of_stat(&there)))
}

/// Writes an entry, and then looks at the journal's directory; if that fails, there is no entry.
pub(super) fn write<T>(
    store: &LocalStore,
    name: &EntryName,
    bytes: &[u8],
    look: impl FnOnce(BorrowedFd<'_>) -> Result<T>,
) -> Result<T> {
    let file = name.file();
    let mut directories = Directories::new(&store.root, store.strict);
    let directory = directories.make(PATH)?;
    let publish = |new: &str, mut open: File| -> std::io::Result<()> {
        open.write_all(bytes)?;
        if store.strict {
            open.sync_all()?;
        }
        failpoint::reach("entry written");
        // Names are random: this replaces nothing, and shows the entry as a whole.
        Ok(rustix::fs::renameat(directory, new, directory, &file)?)
    };
    let tried = |new: &str, open: std::io::Result<File>| {
        open.and_then(|open| publish(new, open)).inspect_err(|_| {
            // It is of no use; what cannot be removed is swept away later.
            let _ = rustix::fs::unlinkat(directory, new, AtFlags::empty());
        })
    };
    let spare = store.spares.take_for(bytes.len());
    let again = spare.is_some_and(|spare| tried(&spare.name, spare.open(directory, bytes.len())).is_ok());
    if !again {
        let new = format!("{file}{NEW}");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = rustix::fs::openat(directory, &new, flags, MODE).map(File::from);
        tried(&new, open.map_err(Into::into)).map_err(|error| failed("write", &file, error))?;
    }
    store.spares.note(name, bytes.len());
    failpoint::reach("entry published");
    let synced = if store.strict { sync(directory, PATH) } else { Ok(()) };
    let seen = synced.and_then(|()| look(directory));
    if seen.is_err() {
        let _ = rustix::fs::unlinkat(directory, &file, AtFlags::empty());
    }
    directories.leave()?;
    seen
}

pub(super) fn delete(store: &LocalStore, name: &EntryName) -> Result<()> {
    let file = name.file();
    failpoint::reach("entry goes");
    let spare = store.spares.of(name);
    within(store, |directory| {
        if let Some(spare) = spare
            && rustix::fs::renameat(directory, &file, directory, &spare.name).is_ok()
        {
            store.spares.keep(spare);
            return Ok(());
        }
        match rustix::fs::unlinkat(directory, &file, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed("delete", &file, error)),
        }
    })?;
    failpoint::reach("entry gone");
    Ok(())
}

/// Removes files that were kept for entries to come.
pub(super) fn discard_spares(store: &LocalStore) {
    let mut spares = std::iter::from_fn(|| store.spares.take()).peekable();
    if spares.peek().is_some() {
        // What stays is swept away by a recovery.
        let _ = within(store, |directory| {
            for spare in spares {
                let _ = rustix::fs::unlinkat(directory, &spare.name, AtFlags::empty());
            }
            Ok(())
        });
    }
}

/// A lock on the file of an entry.
struct Lock(std::os::fd::OwnedFd);

impl Hold for Lock {
    fn release(self: Box<Self>) -> Result<()> {
        drop(self.0);
        Ok(())
    }
}

/// Locks an entry. The system unlocks it when its process ends, however that comes about.
pub(super) fn hold(store: &LocalStore, name: &EntryName) -> Result<Option<Box<dyn Hold>>> {
    let file = name.file();
    let lock = |directory: BorrowedFd<'_>| -> rustix::io::Result<Option<Box<dyn Hold>>> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(directory, &file, flags, Mode::empty())?;
        match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(None),
            // Without locks it is up to the age of the entry.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOLCK | Errno::NOSYS) => {}
            Err(error) => return Err(error),
        }
        // It may have been dealt with while it was opened.
        Ok(is_at(&fd, directory, &file)?.then(|| Box::new(Lock(fd)) as Box<dyn Hold>))
    };
    let held = within(store, |directory| match lock(directory) {
        Err(Errno::NOENT) => Ok(None),
        other => other.map_err(|error| failed("lock", &file, error)),
    })?;
    Ok(held.flatten())
}

pub(super) fn renew(store: &LocalStore, name: &EntryName) -> Result<()> {
    let file = name.file();
    let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    within(store, |directory| {
        rustix::fs::utimensat(directory, &file, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| failed("renew", &file, error))
    })?;
    Ok(())
}

/// Seconds between the last changes of two files: of the store's clock, not of this host's.
fn seconds(later: &rustix::fs::Stat, earlier: &rustix::fs::Stat) -> f64 {
    let of = |stat: &rustix::fs::Stat| stat.st_mtime as f64 + stat.st_mtime_nsec as f64 * 1e-9;
    of(later) - of(earlier)
}

/// Makes a file to see what time the store has, and gives that.
fn now(directory: BorrowedFd<'_>) -> Result<rustix::fs::Stat> {
    let name = format!("{}{NEW}", EntryName::random(butler_core::datastore::JournalAction::Put).file());
    let read = || -> rustix::io::Result<rustix::fs::Stat> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(directory, &name, flags, MODE)?;
        let stat = rustix::fs::fstat(&fd);
        match rustix::fs::unlinkat(directory, &name, AtFlags::empty()) {
            // A recovery without a lease has swept it away already.
            Ok(()) | Err(Errno::NOENT) => stat,
            Err(error) => Err(error),
        }
    };
    read().map_err(|error| io_error(error, "cannot ask the journal's file system for the time"))
}

fn stat(directory: BorrowedFd<'_>, file: &str) -> Result<Option<rustix::fs::Stat>> {
    match rustix::fs::statat(directory, file, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(failed("look at", file, error)),
    }
}

pub(super) fn age(store: &LocalStore, name: &EntryName) -> Result<Option<f64>> {
    let age = within(store, |directory| match stat(directory, &name.file())? {
        None => Ok(None),
        Some(entry) => Ok(Some(seconds(&now(directory)?, &entry))),
    })?;
    Ok(age.flatten())
}

pub(super) fn sweep(store: &LocalStore, older_than: f64) -> Result<()> {
    within(store, |directory| {
        let names = names(directory)?;
        let mut unfinished = names.iter().filter(|name| name.ends_with(NEW)).peekable();
        if unfinished.peek().is_none() {
            return Ok(());
        }
        let now = now(directory)?;
        for name in unfinished {
            if stat(directory, name)?.is_some_and(|stat| seconds(&now, &stat) > older_than) {
                match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(error) => return Err(failed("delete", name, error)),
                }
            }
        }
        Ok(())
    })?;
    Ok(())
}
