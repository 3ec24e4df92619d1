//! What this build can make: the one place that knows all kinds.

use std::sync::Arc;

use butler_core::datastore::MemoryDatastoreFactory;
use butler_core::{Delegates, Factories, Formatters};

/// Factories of all kinds that the enabled features have.
#[must_use]
pub fn factories() -> Factories {
    let mut factories = Factories::default();
    #[cfg(any(feature = "registry-sqlite", feature = "registry-postgres"))]
    factories.add_registry("sql", Arc::new(butler_registry_sql::SqlRegistryFactory));
    #[cfg(not(any(feature = "registry-sqlite", feature = "registry-postgres")))]
    factories.note_missing("sql", "registry-sqlite");
    #[cfg(feature = "datastore-fs")]
    factories.add_datastore("file", Arc::new(butler_datastore_file::FileDatastoreFactory));
    #[cfg(not(feature = "datastore-fs"))]
    factories.note_missing("file", "datastore-fs");
    #[cfg(feature = "datastore-chained")]
    {
        factories.add_datastore("chained", Arc::new(butler_datastore_chained::ChainedDatastoreFactory));
        factories
            .add_datastore("stream", Arc::new(butler_datastore_chained::StreamDatastoreFactory::default()));
    }
    #[cfg(not(feature = "datastore-chained"))]
    {
        factories.note_missing("chained", "datastore-chained");
        factories.note_missing("stream", "datastore-chained");
    }
    factories.add_datastore("memory", Arc::new(MemoryDatastoreFactory));
    factories
}

/// Formatters that the enabled features have.
#[must_use]
pub fn formatters() -> Formatters {
    #[cfg(feature = "datastore-fs")]
    let formatters = butler_datastore_file::formatters();
    #[cfg(not(feature = "datastore-fs"))]
    let formatters = Formatters::default();
    formatters
}

/// Delegates of storage classes that the enabled features have.
#[must_use]
pub fn delegates() -> Delegates {
    #[cfg(feature = "datastore-fs")]
    let delegates = butler_datastore_file::delegates();
    #[cfg(not(feature = "datastore-fs"))]
    let delegates = Delegates::default();
    delegates
}
