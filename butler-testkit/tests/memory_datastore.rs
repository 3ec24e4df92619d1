//! The memory datastore passes the suite of datastores.

use std::sync::Arc;

use butler_core::datastore::MemoryDatastoreFactory;
use butler_testkit::datastore::FactoryHarness;

butler_testkit::datastore_suite!(|| Some(FactoryHarness::in_memory(
    "memory",
    Arc::new(MemoryDatastoreFactory)
)));
