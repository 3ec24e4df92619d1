//! Where a database is, and what its file system allows.

use std::fs::{self, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use butler_core::{Error, ErrorKind, Result};
use rustix::fs::Access;
use tempfile::TempDir;

use super::config::{Journal, SqliteConfig};
use crate::error::Failure;

/// A database file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its canonical path.
    pub(crate) path: PathBuf,
    /// Device and inode: what tells it from a later file of the same name.
    pub(crate) identity: (u64, u64),
    /// Whether it is opened for writing.
    pub(crate) writable: bool,
    /// Whether the journal is a write-ahead log.
    pub(crate) write_ahead: bool,
    /// The directory of a temporary database, which goes with the last one that knows the place.
    pub(crate) temporary: Option<Arc<TempDir>>,
}

/// What changes when somebody writes a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    log: bool,
}

impl Place {
    /// Finds the file of a configuration, or makes it.
    ///
    /// # Errors
    /// `NotFound` if it is not there and not to be made, and whatever else the file system says.
    pub(crate) fn find(config: &SqliteConfig) -> Result<Self> {
        let Some(path) = &config.path else {
            let temporary = TempDir::with_prefix("butler-")
                .map_err(|error| failure("made", &std::env::temp_dir(), error))?;
            let config = SqliteConfig::file(temporary.path().join("registry.sqlite3")).create(true);
            return Ok(Self { temporary: Some(Arc::new(temporary)), ..Self::find(&config)? });
        };
        if config.create && !config.read_only && !path.exists() {
            // An empty file is an empty database.
            match OpenOptions::new().write(true).create_new(true).open(path) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(failure("created", path, error));
                }
                _ => {}
            }
        }
        let path = match fs::canonicalize(path) {
            Ok(path) => path,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let message = format!("there is no database '{}'", path.display());
                return Err(Error::new(ErrorKind::NotFound, message).with_source(error));
            }
            Err(error) => return Err(failure("found", path, error)),
        };
        let metadata = fs::metadata(&path).map_err(|error| failure("found", &path, error))?;
        if !metadata.is_file() {
            let message = format!("'{}' is no file, so no database", path.display());
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let directory = path.parent().unwrap_or(Path::new("/"));
        let may_write = |path: &Path| rustix::fs::access(path, Access::WRITE_OK).is_ok();
        let write_ahead = match config.journal {
            Journal::WriteAhead => true,
            Journal::Rollback => false,
            Journal::Auto => !is_shared(directory),
        };
        Ok(Self {
            identity: (metadata.dev(), metadata.ino()),
            writable: !config.read_only && may_write(&path) && may_write(directory),
            write_ahead,
            path,
            temporary: None,
        })
    }

    /// The file with something appended to its name.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    }

    /// The database as a URL of SQLite.
    pub(crate) fn url(&self, parameters: &str) -> String {
        use std::fmt::Write as _;
        let mut url = String::from("file:");
        for byte in self.path.as_os_str().as_bytes() {
            match byte {
                b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                    url.push(char::from(*byte));
                }
                _ => {
                    let _ = write!(url, "%{byte:02x}");
                }
            }
        }
        url.push('?');
        url.push_str(parameters);
        url
    }

    /// Bytes of the write-ahead log.
    pub(crate) fn log_length(&self) -> u64 {
        fs::metadata(self.beside("-wal")).map_or(0, |log| log.len())
    }

    /// What tells whether somebody wrote it since.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        let metadata = fs::metadata(&self.path).ok()?;
        let log = self.log_length() > 0;
        Some(Stamp { modified: metadata.modified().ok(), length: metadata.len(), log })
    }
}

impl Stamp {
    /// Whether there is a log of changes that are not in the file.
    pub(crate) fn has_log(self) -> bool {
        self.log
    }
}

pub(crate) fn failure(verb: &'static str, path: &Path, source: std::io::Error) -> Error {
    Failure::File { verb, path: path.to_owned(), source }.into()
}

/// Whether other hosts may use a file system: then processes cannot share memory, as a write-ahead log needs.
///
/// Numbers are those of `statfs(2)` and of the file systems' own documentation.
#[cfg(target_os = "linux")]
fn is_shared(directory: &Path) -> bool {
    const SHARED: [u32; 16] = [
        0x0000_6969, // NFS
        0xff53_4d42, // CIFS
        0xfe53_4d42, // SMB 2
        0x0000_517b, // SMB
        0x6573_5546, // FUSE: often sshfs, and who knows
        0x0bd0_0bd0, // Lustre
        0x4750_4653, // GPFS
        0x1983_0326, // BeeGFS
        0x00c3_6400, // Ceph
        0x5346_414f, // AFS
        0x7375_7245, // Coda
        0x7461_636f, // OCFS 2
        0x0116_1970, // GFS 2
        0xaad7_aaea, // PanFS
        0x0102_1997, // 9P
        0x786f_4256, // VirtualBox shared folders
    ];
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the numbers have 32 bits")]
    rustix::fs::statfs(directory).is_ok_and(|stat| SHARED.contains(&(stat.f_type as u32)))
}

/// Whether other hosts may use a file system; not known here.
#[cfg(not(target_os = "linux"))]
fn is_shared(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_made_only_if_asked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a b?#%.sqlite3");
        let config = SqliteConfig::file(&path);
        assert_eq!(Place::find(&config).unwrap_err().kind(), ErrorKind::NotFound);
        let read_only = config.clone().create(true).read_only(true);
        assert_eq!(Place::find(&read_only).unwrap_err().kind(), ErrorKind::NotFound);
        let place = Place::find(&config.clone().create(true)).unwrap();
        assert!(place.writable && place.write_ahead);
        assert!(place.url("mode=ro").ends_with("/a%20b%3f%23%25.sqlite3?mode=ro"));
        assert!(!Place::find(&config.read_only(true)).unwrap().writable);
        let error = Place::find(&SqliteConfig::file(directory.path())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
    }

    #[test]
    fn a_stamp_changes_with_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let place = Place::find(&SqliteConfig::file(&path).create(true)).unwrap();
        let before = place.stamp().unwrap();
        assert_eq!(place.stamp(), Some(before));
        fs::write(place.beside("-wal"), "x").unwrap();
        assert!(!before.has_log() && place.stamp().unwrap().has_log());
        fs::write(&path, "x").unwrap();
        assert_ne!(place.stamp(), Some(before));
    }
}
