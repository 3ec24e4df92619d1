//! The file datastore passes the suite of datastores in the memory of this process, as an object store.

#![cfg(feature = "memory")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use butler_core::Result;
use butler_core::datastore::Datastore;
use butler_datastore_file::FileDatastoreFactory;
use butler_testkit::Harness;
use butler_testkit::datastore::{DatastoreHarness, Opening, Storage};

struct MemoryHarness;

impl Harness for MemoryHarness {
    fn name(&self) -> &str {
        "memory service"
    }
}

#[async_trait]
impl DatastoreHarness for MemoryHarness {
    async fn storage(&self) -> Result<Box<dyn Storage>> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        Ok(Box::new(Memory(NUMBER.fetch_add(1, Ordering::Relaxed))))
    }
}

/// What has a name of its own in this process.
struct Memory(usize);

#[async_trait]
impl Storage for Memory {
    async fn open(&self, opening: &Opening) -> Result<Arc<dyn Datastore>> {
        opening.build(&FileDatastoreFactory, &format!("root = 'memory://suite{}/a prefix'", self.0))
    }
}

butler_testkit::datastore_suite!(|| Some(MemoryHarness));
