//! Placing and deleting artifacts.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use butler_core::{Error, ErrorKind, Result, failpoint};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::directories::{Directories, split};
use super::journal::MODE;
use super::{LocalStore, Placed, Session};
use crate::error::io_error;
use crate::store::source::{BLOCK, FileId, checksum, hex, read_block};
use crate::store::{Content, Made, Spot};

/// Files that are larger are copied by the system, which may share their blocks, and read again for a checksum.
const SMALL: u64 = 1 << 20;

/// Work of one thread on local files.
#[derive(Debug)]
pub(super) struct LocalSession<'a> {
    store: &'a LocalStore,
    directories: Directories<'a>,
    buffer: Vec<u8>,
}

/// Temporary name of an artifact.
fn temporary(spot: Spot<'_>) -> String {
    format!(".~{}.{}", spot.entry, spot.index)
}

/// Whether a name is one of those that help to place artifacts of an entry.
pub(crate) fn is_temporary_of(name: &str, entry: &str) -> bool {
    name.strip_prefix(".~")
        .and_then(|rest| rest.strip_prefix(entry))
        .is_some_and(|rest| rest.starts_with('.'))
}

/// Name of the file that says that the temporary one was renamed.
fn marker(temporary: &str) -> String {
    format!("{temporary}.renamed")
}

fn cannot(what: &str, path: &str, error: impl Into<io::Error>) -> Error {
    io_error(error, &format!("cannot {what} '{path}' under the root"))
}

fn taken(path: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("there is something at '{path}' already"))
        .with_hint("nothing that is stored is ever overwritten")
}

/// The file of a name, not of what it links to; none if there is none.
fn look(directory: BorrowedFd<'_>, name: &str) -> Result<Option<FileId>> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileId::of_stat(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(cannot("look at", name, error)),
    }
}

fn unlink(directory: BorrowedFd<'_>, name: &str) -> Result<()> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(cannot("delete", name, error)),
    }
}

impl<'a> LocalSession<'a> {
    pub(super) fn new(store: &'a LocalStore) -> Self {
        let directories = Directories::new(&store.root, store.strict);
        Self { store, directories, buffer: Vec::new() }
    }

    /// Makes something under the temporary name: `make` is repeated if the directory was removed meanwhile.
    fn make_temporary<T>(
        &mut self,
        spot: Spot<'_>,
        make: impl Fn(BorrowedFd<'_>, &str) -> rustix::io::Result<T>,
    ) -> Result<T> {
        let (directory, _) = split(spot.path);
        let name = temporary(spot);
        for _ in 0..16 {
            match make(self.directories.make(directory)?, &name) {
                Err(Errno::NOENT) => self.directories.forget(),
                Err(error) => return Err(cannot("write", spot.path, error)),
                Ok(made) => {
                    self.directories.note_change();
                    return Ok(made);
                }
            }
        }
        Err(Error::new(ErrorKind::Busy, format!("directory '{directory}' is removed again and again")))
    }

    fn write(
        &mut self,
        spot: Spot<'_>,
        fill: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
        wants_checksum: bool,
    ) -> Result<Placed> {
        let file = self.create(spot)?;
        let hasher = wants_checksum.then(blake3::Hasher::new);
        self.buffer.clear();
        let mut sink = Sink { file, hasher, size: 0, buffer: &mut self.buffer };
        fill(&mut sink)?;
        sink.flush().map_err(|error| cannot("write", spot.path, error))?;
        let Sink { file, hasher, size, .. } = sink;
        self.sync(&file, spot)?;
        self.publish(spot)?;
        Ok(Placed { size, checksum: hasher.as_ref().map(hex), unsettled: true })
    }

    fn create(&mut self, spot: Spot<'_>) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.make_temporary(spot, |directory, name| rustix::fs::openat(directory, name, flags, MODE))
            .map(File::from)
    }

    fn sync(&self, file: &File, spot: Spot<'_>) -> Result<()> {
        if self.store.strict {
            file.sync_all().map_err(|error| cannot("sync", spot.path, error))
        } else {
            Ok(())
        }
    }

    fn copy(&mut self, spot: Spot<'_>, source: &Path, wants_checksum: bool) -> Result<Placed> {
        let failed = |error: io::Error| io_error(error, &format!("cannot copy '{}'", source.display()));
        let mut from = File::open(source).map_err(failed)?;
        let expected = from.metadata().map_err(failed)?.len();
        let mut to = self.create(spot)?;
        let mut placed = Placed { size: 0, checksum: None, unsettled: true };
        if expected > SMALL {
            placed.size = io::copy(&mut from, &mut to).map_err(failed)?;
            if wants_checksum {
                io::Seek::rewind(&mut to).map_err(failed)?;
                placed.checksum = Some(checksum(&mut to, placed.size, &mut self.buffer).map_err(failed)?);
            }
        } else {
            let mut hasher = wants_checksum.then(blake3::Hasher::new);
            self.buffer.resize(BLOCK, 0);
            loop {
                let read = read_block(&mut from, &mut self.buffer).map_err(failed)?;
                if let Some(hasher) = &mut hasher {
                    hasher.update(&self.buffer[..read]);
                }
                to.write_all(&self.buffer[..read]).map_err(failed)?;
                placed.size += read as u64;
                if read == 0 || placed.size == expected {
                    break;
                }
            }
            placed.checksum = hasher.as_ref().map(hex);
        }
        if placed.size != expected {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!("'{}' had {expected} bytes and gave {}", source.display(), placed.size),
            )
            .with_hint("it changes while it is copied"));
        }
        self.sync(&to, spot)?;
        self.publish(spot)?;
        Ok(placed)
    }

    /// Gives the temporary file its name, unless that is taken.
    fn publish(&mut self, spot: Spot<'_>) -> Result<()> {
        failpoint::reach("artifact written");
        let (directory, name) = split(spot.path);
        let temporary = temporary(spot);
        let fd = self.directories.make(directory)?;
        if self.store.hard_links() {
            match rustix::fs::linkat(fd, &temporary, fd, name, AtFlags::empty()) {
                Ok(()) => {
                    failpoint::reach("artifact placed");
                    return Ok(());
                }
                Err(Errno::EXIST) => return is_own(fd, &temporary, name, spot.path),
                // The temporary file is our own: links to it are refused only where there are none.
                Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {
                    self.store.hard_links.store(false, Ordering::Relaxed);
                }
                Err(error) => return Err(cannot("link", spot.path, error)),
            }
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(fd, marker(&temporary), flags, MODE)
            .map_err(|error| cannot("mark", spot.path, error))?;
        let Err(error) = rustix::fs::renameat_with(fd, &temporary, fd, name, RenameFlags::NOREPLACE) else {
            return Ok(());
        };
        unlink(fd, &marker(&temporary))?;
        match error {
            Errno::EXIST => Err(taken(spot.path)),
            Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => Err(Error::new(
                ErrorKind::Unsupported,
                "the root's file system can neither link files nor rename them without replacing others",
            )
            .with_hint("use another file system: nothing that is stored could be protected there")),
            error => Err(cannot("rename", spot.path, error)),
        }
    }

    fn link(&mut self, spot: Spot<'_>, source: &Path, known: FileId, wants_checksum: bool) -> Result<Placed> {
        let (directory, name) = split(spot.path);
        let failed = |error: io::Error| io_error(error, &format!("cannot link '{}'", source.display()));
        let mut attempts = 0;
        loop {
            let fd = self.directories.make(directory)?;
            match rustix::fs::linkat(CWD, source, fd, name, AtFlags::empty()) {
                Ok(()) => {
                    failpoint::reach("artifact linked");
                    break;
                }
                // The reply to a link may be lost on its way: then the file has one name more than it had.
                Err(Errno::EXIST) => match look(fd, name)? {
                    Some(there) if there.is(&known) && there.links == known.links + 1 => break,
                    _ => return Err(taken(spot.path)),
                },
                Err(Errno::NOENT) if attempts < 16 && source.exists() => {
                    attempts += 1;
                    self.directories.forget();
                }
                Err(Errno::XDEV | Errno::PERM | Errno::MLINK | Errno::OPNOTSUPP | Errno::NOSYS) => {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        format!(
                            "'{}' cannot be hard-linked to '{}' under the root",
                            source.display(),
                            spot.path
                        ),
                    )
                    .with_hint("it may be on another file system, or somebody else's"));
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
        self.directories.note_change();
        let mut placed = Placed { size: 0, checksum: None, unsettled: false };
        // What was linked is looked at, not what is at the source by now.
        let fd = self.directories.make(directory)?;
        if wants_checksum || self.store.strict {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = rustix::fs::openat(fd, name, flags, Mode::empty());
            let mut file = File::from(file.map_err(|error| failed(error.into()))?);
            placed.size = file.metadata().map_err(failed)?.len();
            if wants_checksum {
                placed.checksum = Some(checksum(&mut file, placed.size, &mut self.buffer).map_err(failed)?);
            }
            self.sync(&file, spot)?;
        } else {
            let stat = rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW);
            let stat = stat.map_err(|error| failed(error.into()))?;
            placed.size = u64::try_from(stat.st_size).unwrap_or_default();
        }
        Ok(placed)
    }

    fn point(
        &mut self,
        spot: Spot<'_>,
        source: &Path,
        target: &Path,
        wants_checksum: bool,
    ) -> Result<Placed> {
        let failed = |error: io::Error| io_error(error, &format!("cannot read '{}'", source.display()));
        let mut file = File::open(source).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let checksum = match wants_checksum {
            true => Some(checksum(&mut file, size, &mut self.buffer).map_err(failed)?),
            false => None,
        };
        self.make_temporary(spot, |directory, name| rustix::fs::symlinkat(target, directory, name))?;
        self.publish(spot)?;
        Ok(Placed { size, checksum, unsettled: true })
    }

    /// How to get from the directory of a path to a file.
    fn relative(&mut self, path: &str, file: &Path) -> Result<PathBuf> {
        let (directory, _) = split(path);
        // It must be there to be canonical.
        self.directories.make(directory)?;
        let from = self.store.full(directory);
        let from = from.canonicalize().map_err(|error| cannot("find the directory of", path, error))?;
        let common = from.components().zip(file.components()).take_while(|(a, b)| a == b).count();
        let up = from.components().skip(common).map(|_| "..");
        Ok(up
            .map(PathBuf::from)
            .chain(file.components().skip(common).map(|part| part.as_os_str().into()))
            .collect())
    }
}

/// Whether what is at a name is what was linked there, although it was said that something was there.
fn is_own(directory: BorrowedFd<'_>, temporary: &str, name: &str, path: &str) -> Result<()> {
    let own =
        look(directory, temporary)?.zip(look(directory, name)?).is_some_and(|(own, there)| own.is(&there));
    if own { Ok(()) } else { Err(taken(path)) }
}

impl Session for LocalSession<'_> {
    fn place(&mut self, spot: Spot<'_>, content: Content<'_>, wants_checksum: bool) -> Result<Placed> {
        match content {
            Content::Written(fill) => self.write(spot, fill, wants_checksum),
            Content::Copied(source) => self.copy(spot, source, wants_checksum),
            Content::Linked(source, known) => self.link(spot, source, known, wants_checksum),
            Content::Pointed(source) => self.point(spot, source, source, wants_checksum),
            Content::PointedRelatively(source) => {
                let target = self.relative(spot.path, source)?;
                self.point(spot, source, &target, wants_checksum)
            }
        }
    }

    fn settle(&mut self, spot: Spot<'_>, thoroughly: bool) -> Result<()> {
        let temporary = temporary(spot);
        let renames = thoroughly || !self.store.hard_links();
        let Some(directory) = self.directories.get(split(spot.path).0)? else { return Ok(()) };
        unlink(directory, &temporary)?;
        failpoint::reach("artifact settled");
        if renames {
            unlink(directory, &marker(&temporary))?;
        }
        self.directories.note_change();
        Ok(())
    }

    fn made(&mut self, spot: Spot<'_>, source: Option<&Path>) -> Result<Made> {
        let (directory, name) = split(spot.path);
        let Some(fd) = self.directories.get(directory)? else { return Ok(Made::No) };
        let Some(there) = look(fd, name)? else { return Ok(Made::No) };
        let temporary = temporary(spot);
        let own = look(fd, &temporary)?;
        let linked = own.is_some_and(|own| own.is(&there));
        let renamed = own.is_none() && look(fd, &marker(&temporary))?.is_some();
        let from_source = match source.map(std::fs::symlink_metadata) {
            Some(Ok(metadata)) => FileId::of(&metadata).is(&there) && there.links > 1,
            _ => false,
        };
        Ok(if linked || renamed || from_source { Made::Yes } else { Made::No })
    }

    fn delete(&mut self, path: &str, prune: bool) -> Result<()> {
        let (directory, name) = split(path);
        let fd = match prune {
            true => self.directories.get_with_parents(directory)?,
            false => self.directories.get(directory)?,
        };
        let Some(fd) = fd else { return Ok(()) };
        match rustix::fs::unlinkat(fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(cannot("delete", path, error)),
        }
        failpoint::reach("artifact deleted");
        self.directories.note_change();
        if prune && !directory.is_empty() {
            self.directories.note_prune();
        }
        Ok(())
    }

    fn remove_directories(&mut self, mut directories: Vec<String>) -> Result<()> {
        // What is in another comes after it.
        directories.sort_unstable_by(|a, b| b.cmp(a));
        for path in directories {
            let (above, name) = split(&path);
            let Some(fd) = self.directories.get(above)? else { continue };
            match rustix::fs::unlinkat(fd, name, AtFlags::REMOVEDIR) {
                Ok(()) => self.directories.note_change(),
                Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY | Errno::NOTDIR) => {}
                Err(error) => return Err(cannot("remove directory", &path, error)),
            }
        }
        Ok(())
    }

    fn take_directories(&mut self) -> Vec<String> {
        self.directories.take_made()
    }

    fn finish(&mut self) -> Result<()> {
        self.directories.leave()
    }
}

/// Writes through a buffer, counts and, if asked to, hashes.
struct Sink<'a> {
    file: File,
    hasher: Option<blake3::Hasher>,
    size: u64,
    buffer: &'a mut Vec<u8>,
}

impl Sink<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.size += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BLOCK {
            self.flush()?;
        }
        if bytes.len() >= BLOCK {
            self.put(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let buffered = std::mem::take(self.buffer);
        let result = self.put(&buffered);
        *self.buffer = buffered;
        self.buffer.clear();
        result
    }
}
