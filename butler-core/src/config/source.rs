//! Where configuration files come from.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;

use crate::Result;

/// Reads configuration files by path or URL.
///
/// This crate parses and merges; it never opens a file itself.
#[async_trait]
pub trait ConfigSource: Debug + Send + Sync {
    /// The text at a location, if there is something.
    ///
    /// # Errors
    /// `Permission`, `Connection` and the like; `Corrupt` if it is no text.
    async fn read(&self, location: &str) -> Result<Option<String>>;
}

/// Files in memory, for tests.
#[derive(Clone, Debug, Default)]
pub struct MemorySource(pub BTreeMap<String, String>);

#[async_trait]
impl ConfigSource for MemorySource {
    async fn read(&self, location: &str) -> Result<Option<String>> {
        Ok(self.0.get(location).cloned())
    }
}
