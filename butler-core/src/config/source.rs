//! Where configuration files come from.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex;

use async_trait::async_trait;

use crate::{Error, ErrorKind, Result};

/// Reads and creates configuration files by path or URL.
///
/// This crate parses and merges; it never opens a file itself.
#[async_trait]
pub trait ConfigSource: Debug + Send + Sync {
    /// The text at a location, if there is something.
    ///
    /// # Errors
    /// `Permission`, `Connection` and the like; `Corrupt` if it is no text.
    async fn read(&self, location: &str) -> Result<Option<String>>;

    /// Writes a text to a new location, of which directories may be missing.
    ///
    /// # Errors
    /// `AlreadyExists` if something is there, which stays as it is; `Permission`, `Connection` and the like.
    async fn create(&self, location: &str, text: &str) -> Result<()>;
}

/// Files in memory, for tests.
#[derive(Debug, Default)]
pub struct MemorySource(Mutex<BTreeMap<String, String>>);

impl MemorySource {
    /// Some files, by location.
    #[must_use]
    pub fn new(files: BTreeMap<String, String>) -> Self {
        Self(Mutex::new(files))
    }

    fn files(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl ConfigSource for MemorySource {
    async fn read(&self, location: &str) -> Result<Option<String>> {
        Ok(self.files().get(location).cloned())
    }

    async fn create(&self, location: &str, text: &str) -> Result<()> {
        match self.files().entry(location.to_owned()) {
            std::collections::btree_map::Entry::Occupied(_) => {
                Err(Error::new(ErrorKind::AlreadyExists, format!("{location} exists already")))
            }
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(text.to_owned());
                Ok(())
            }
        }
    }
}
