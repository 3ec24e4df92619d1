//! The file datastore passes the suite of datastores in the memory of this process, as an object store.

#![cfg(feature = "memory")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use butler_core::datastore::Datastore;
use butler_core::{Error, ErrorKind, Result};
use butler_datastore_file::FileDatastoreFactory;
use butler_testkit::Harness;
use butler_testkit::datastore::{DatastoreHarness, Opening, Storage};
use tempfile::TempDir;

#[derive(Default)]
struct MemoryHarness {
    /// Whether what is read is kept in a local cache.
    cached: bool,
}

impl Harness for MemoryHarness {
    fn name(&self) -> &str {
        "memory service"
    }
}

#[async_trait]
impl DatastoreHarness for MemoryHarness {
    async fn storage(&self) -> Result<Box<dyn Storage>> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let cache = self.cached.then(tempfile::tempdir).transpose();
        let cache = cache.map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))?;
        Ok(Box::new(Memory { number: NUMBER.fetch_add(1, Ordering::Relaxed), cache }))
    }
}

/// What has a name of its own in this process.
struct Memory {
    number: usize,
    /// Directory of the cache, which all who open the storage share.
    cache: Option<TempDir>,
}

#[async_trait]
impl Storage for Memory {
    async fn open(&self, opening: &Opening) -> Result<Arc<dyn Datastore>> {
        let cache = self.cache.as_ref().map_or_else(String::new, |cache| {
            format!("cache = {{ root = '{}', mode = 'datasets', threshold = 100 }}", cache.path().display())
        });
        let place = format!("root = 'memory://suite{}/a prefix'\n{cache}", self.number);
        opening.build(&FileDatastoreFactory, &place)
    }
}

butler_testkit::datastore_suite!(|| Some(MemoryHarness::default()));

mod cached {
    //! Nothing but the speed changes by a cache.

    butler_testkit::datastore_suite!(|| Some(super::MemoryHarness { cached: true }));
}
