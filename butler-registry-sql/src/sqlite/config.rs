//! What a SQLite database is opened with.

use std::path::{Path, PathBuf};

use butler_core::{Error, ErrorKind, Result};

use crate::config::Durability;

/// How a SQLite database keeps what a transaction changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Journal {
    /// A write-ahead log on local file systems, a rollback journal on others.
    #[default]
    Auto,
    /// A write-ahead log: readers and the writer do not wait for each other. All processes must be on one host.
    WriteAhead,
    /// A rollback journal: the writer and readers exclude each other for short times.
    Rollback,
}

/// Which SQLite database, and how.
///
/// ```
/// use butler_registry_sql::{Durability, SqliteConfig};
///
/// let config = SqliteConfig::from_url("sqlite:/data/repo/registry.sqlite3")?.durability(Durability::Fast);
/// assert_eq!(config.path().unwrap().to_str(), Some("/data/repo/registry.sqlite3"));
/// # Ok::<(), butler_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteConfig {
    pub(crate) path: Option<PathBuf>,
    pub(crate) durability: Durability,
    pub(crate) read_only: bool,
    pub(crate) create: bool,
    pub(crate) journal: Journal,
}

impl SqliteConfig {
    fn new(path: Option<PathBuf>) -> Self {
        Self {
            path,
            durability: Durability::default(),
            read_only: false,
            create: false,
            journal: Journal::Auto,
        }
    }

    /// A database in a file, which must be there.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(Some(path.into()))
    }

    /// A new database that ends with the backend, in a temporary directory.
    ///
    /// Nobody waits for the disk, so that it is as fast as one in memory; and readers
    /// do not wait for the writer, as they would in SQLite's own databases in memory.
    #[must_use]
    pub fn temporary() -> Self {
        Self::new(None).durability(Durability::Fast)
    }

    /// The database of a URL: `sqlite:` and a path, or `sqlite::memory:` for a [temporary](Self::temporary) one.
    ///
    /// # Errors
    /// `Configuration` for another URL.
    pub fn from_url(url: &str) -> Result<Self> {
        let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
        match path {
            Some(":memory:") => Ok(Self::temporary()),
            Some(path) if !path.is_empty() => Ok(Self::file(path)),
            _ => Err(Error::new(ErrorKind::Configuration, format!("'{url}' names no SQLite database"))
                .with_hint("write sqlite:/path/to/file")),
        }
    }

    /// Path of the file; none for a temporary one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Sets what a committed transaction survives.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets whether it is only read. So is a database that the account may not write, in any case.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Sets whether the file is made if it is not there.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Sets the kind of journal.
    #[must_use]
    pub fn journal(mut self, journal: Journal) -> Self {
        self.journal = journal;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        assert_eq!(SqliteConfig::from_url("sqlite:a/b").unwrap(), SqliteConfig::file("a/b"));
        assert_eq!(SqliteConfig::from_url("sqlite:///a/b").unwrap(), SqliteConfig::file("/a/b"));
        assert_eq!(SqliteConfig::from_url("sqlite::memory:").unwrap(), SqliteConfig::temporary());
        for wrong in ["sqlite:", "postgresql://h/d", ""] {
            assert_eq!(SqliteConfig::from_url(wrong).unwrap_err().kind(), ErrorKind::Configuration);
        }
    }
}
