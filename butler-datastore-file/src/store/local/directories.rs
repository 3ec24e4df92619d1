//! Directories below the root, opened without following links.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use butler_core::{Error, ErrorKind, Result};
#[cfg(target_os = "linux")]
use rustix::fs::ResolveFlags;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::error::io_error;

/// How directories are opened.
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Mode of new directories, less what the process masks.
const MODE: Mode = Mode::from_raw_mode(0o777);

/// The directory that was asked for last, with all above it, open.
///
/// Work that is sorted by path opens each directory once. The first directory after the root is opened in
/// one step if the system can (`openat2`), so that work on a single artifact does not open all those above it.
#[derive(Debug)]
pub(super) struct Directories<'a> {
    root: &'a Path,
    /// Whether changed directories are synced.
    strict: bool,
    /// The root first.
    open: Vec<Open>,
    made: Vec<String>,
}

#[derive(Debug)]
struct Open {
    /// Name, or path from the root of one that was opened in one step.
    name: String,
    fd: OwnedFd,
    /// Whether it has changed since it was synced.
    changed: bool,
    /// Whether it goes if it is empty.
    prune: bool,
}

impl<'a> Directories<'a> {
    pub(super) fn new(root: &'a Path, strict: bool) -> Self {
        Self { root, strict, open: Vec::new(), made: Vec::new() }
    }

    /// Opens a directory, given without a slash at the end; none if it is not there.
    pub(super) fn get(&mut self, directory: &str) -> Result<Option<BorrowedFd<'_>>> {
        let found = self.enter_at_once(directory)? || self.enter(directory, false)?;
        Ok(if found { self.open.last().map(|open| open.fd.as_fd()) } else { None })
    }

    /// The same with each directory above it, which may go with it.
    pub(super) fn get_with_parents(&mut self, directory: &str) -> Result<Option<BorrowedFd<'_>>> {
        let found = self.enter(directory, false)?;
        Ok(if found { self.open.last().map(|open| open.fd.as_fd()) } else { None })
    }

    /// Opens a directory, made if it is not there.
    pub(super) fn make(&mut self, directory: &str) -> Result<BorrowedFd<'_>> {
        // Somebody may remove what has just been found empty.
        for _ in 0..16 {
            if self.enter_at_once(directory)? || self.enter(directory, true)? {
                break;
            }
            self.forget();
        }
        self.open.last().map(|open| open.fd.as_fd()).ok_or_else(|| {
            Error::new(ErrorKind::Busy, format!("directory '{directory}' is removed again and again"))
        })
    }

    /// The directory that was opened last has changed.
    pub(super) fn note_change(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.changed = true;
        }
    }

    /// The directory that was opened last goes if it is empty, when it is left.
    pub(super) fn note_prune(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.prune = true;
        }
    }

    /// Opens everything anew next time.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    /// Leaves all directories.
    pub(super) fn leave(&mut self) -> Result<()> {
        self.leave_to(0)
    }

    /// Directories that were made, each after the one that it is in.
    pub(super) fn take_made(&mut self) -> Vec<String> {
        std::mem::take(&mut self.made)
    }

    fn enter(&mut self, directory: &str, make: bool) -> Result<bool> {
        let parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
        let below_root = self.open.iter().skip(1);
        let common = below_root.zip(&parts).take_while(|(open, part)| open.name == **part).count();
        self.leave_to(common + 1)?;
        if self.open.is_empty() && !self.enter_root(make)? {
            return Ok(false);
        }
        for part in &parts[common..] {
            if !self.enter_part(part, make)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Opens a directory in one step, if nothing but the root is open; or finds it open.
    ///
    /// Whatever stands in the way is left to be found out by the long way.
    fn enter_at_once(&mut self, directory: &str) -> Result<bool> {
        if let [_, open] = &self.open[..]
            && open.name == directory
        {
            return Ok(true);
        }
        let parts = || directory.split('/');
        // What is no proper path is refused by the long way.
        let worth_it = parts().count() > 1 && parts().all(|part| !matches!(part, "" | "." | ".."));
        if self.open.len() > 1 || !worth_it || !(self.open.len() == 1 || self.enter_root(false)?) {
            return Ok(false);
        }
        let Some(fd) = self.open.last().and_then(|root| open_below(&root.fd, directory)) else {
            return Ok(false);
        };
        self.open.push(Open { name: directory.to_owned(), fd, changed: false, prune: false });
        Ok(true)
    }

    fn enter_root(&mut self, make: bool) -> Result<bool> {
        let failed = |error: std::io::Error| {
            io_error(error, &format!("cannot open the root '{}'", self.root.display()))
        };
        // Unlike anything below it, the root may be a link.
        let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
        let fd = match rustix::fs::open(self.root, flags, Mode::empty()) {
            Err(Errno::NOENT) if make => {
                std::fs::create_dir_all(self.root).map_err(failed)?;
                rustix::fs::open(self.root, flags, Mode::empty())
            }
            Err(Errno::NOENT) => return Ok(false),
            other => other,
        };
        let fd = fd.map_err(|error| failed(error.into()))?;
        self.open.push(Open { name: String::new(), fd, changed: false, prune: false });
        Ok(true)
    }

    fn enter_part(&mut self, part: &str, make: bool) -> Result<bool> {
        let Some(parent) = self.open.last_mut() else { return Ok(false) };
        if part == "." || part == ".." {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("the path of an artifact has the part '{part}'"),
            ));
        }
        let fd = match rustix::fs::openat(&parent.fd, part, DIRECTORY, Mode::empty()) {
            Err(Errno::NOENT) if make => {
                let made = match rustix::fs::mkdirat(&parent.fd, part, MODE) {
                    Ok(()) => true,
                    Err(Errno::EXIST) => false,
                    // The parent itself was removed.
                    Err(Errno::NOENT) => return Ok(false),
                    Err(error) => return Err(self.failed(part, "make", error)),
                };
                if made {
                    parent.changed = true;
                    let above = self.open.iter().skip(1).map(|open| open.name.as_str());
                    self.made.push(above.chain([part]).collect::<Vec<_>>().join("/"));
                }
                match rustix::fs::openat(&self.open[self.open.len() - 1].fd, part, DIRECTORY, Mode::empty()) {
                    Err(Errno::NOENT) => return Ok(false),
                    other => other,
                }
            }
            Err(Errno::NOENT) => return Ok(false),
            other => other,
        };
        let fd = fd.map_err(|error| self.failed(part, "open", error))?;
        self.open.push(Open { name: part.to_owned(), fd, changed: false, prune: false });
        Ok(true)
    }

    fn failed(&self, part: &str, what: &str, error: Errno) -> Error {
        let above = self.open.iter().skip(1).map(|open| open.name.as_str());
        let path = above.chain([part]).collect::<Vec<_>>().join("/");
        let is_link = self.open.last().is_some_and(|parent| {
            rustix::fs::statat(&parent.fd, part, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_symlink())
        });
        if is_link {
            return Error::new(
                ErrorKind::Permission,
                format!(
                    "'{path}' under the root is a symbolic link, which is not followed to write or delete"
                ),
            )
            .with_hint("put a directory in its place, or mount one there");
        }
        io_error(error, &format!("cannot {what} directory '{path}' under the root"))
    }

    /// Leaves directories until so many are open.
    fn leave_to(&mut self, count: usize) -> Result<()> {
        while self.open.len() > count {
            let Some(left) = self.open.pop() else { break };
            let removed = left.prune
                && self.open.last().is_some_and(|parent| {
                    rustix::fs::unlinkat(&parent.fd, &left.name, AtFlags::REMOVEDIR).is_ok()
                });
            if removed {
                // What was the only thing in its parent leaves that empty too.
                let parents = self.open.len();
                if let Some(parent) = self.open.last_mut() {
                    parent.changed = true;
                    parent.prune = parents > 1;
                }
            } else if self.strict && left.changed {
                sync(&left.fd, &left.name)?;
            }
        }
        Ok(())
    }
}

/// Opens a directory below another one, of which no part may be a link; none if that cannot be done in one step.
#[cfg(target_os = "linux")]
fn open_below(root: &OwnedFd, directory: &str) -> Option<OwnedFd> {
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(root, directory, DIRECTORY, Mode::empty(), within).ok()
}

#[cfg(not(target_os = "linux"))]
fn open_below(_: &OwnedFd, _: &str) -> Option<OwnedFd> {
    None
}

/// Waits until a directory is on the disk.
pub(super) fn sync(directory: impl AsFd, name: &str) -> Result<()> {
    match rustix::fs::fsync(directory) {
        // Some file systems cannot sync directories, and need not.
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(error) => Err(io_error(error, &format!("cannot sync directory '{name}' under the root"))),
    }
}

/// Directory and name of a path.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
