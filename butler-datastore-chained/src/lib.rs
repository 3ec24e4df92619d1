//! Datastores of the Data Butler that route to other datastores, or publish what they get.
//!
//! Both are built from configuration, by factories that a program adds to those that it has:
//!
//! ```
//! use std::sync::Arc;
//!
//! use butler_core::datastore::MemoryDatastoreFactory;
//! use butler_core::{
//!     Config, DatastoreContext, DatastoreFactory, Delegates, DimensionUniverse, Factories, Formatters, StorageClasses,
//! };
//! use butler_datastore_chained::{ChainedDatastoreFactory, StreamDatastoreFactory};
//!
//! # fn main() -> butler_core::Result<()> {
//! let stream = StreamDatastoreFactory::default();
//! let mut subscription = stream.hub().subscribe(100)?;
//! let mut factories = Factories::default();
//! factories.add_datastore("chained", Arc::new(ChainedDatastoreFactory));
//! factories.add_datastore("memory", Arc::new(MemoryDatastoreFactory));
//! factories.add_datastore("stream", Arc::new(stream));
//!
//! let mut config = Config::default();
//! config.merge_text(
//!     "[datastore]
//!      kind = 'chained'
//!      write = 'first'
//!
//!      [[datastore.children]]
//!      kind = 'memory'
//!      name = 'previews'
//!      accept = ['*_preview']
//!
//!      [[datastore.children]]
//!      kind = 'memory'
//!      name = 'rest'
//!
//!      [[datastore.children]]
//!      kind = 'stream'
//!      accept = ['raw']",
//!     "example",
//! )?;
//! let context = DatastoreContext {
//!     universe: DimensionUniverse::default(),
//!     formatters: Arc::new(Formatters::default()),
//!     storage_classes: Arc::new(StorageClasses::default()),
//!     genres: Arc::default(),
//!     delegates: Arc::new(Delegates::default()),
//!     factories: Arc::new(factories),
//!     read_only: false,
//!     strict: false,
//! };
//! let datastore = context.factories.datastore("chained")?.build(&config.section("datastore")?, &context)?;
//! assert!(datastore.capabilities().writable);
//! assert!(subscription.try_next().is_none());
//! # Ok(())
//! # }
//! ```

mod chain;
mod config;
mod stream;

pub use chain::{ChainedDatastore, Child, WritePolicy};
pub use config::ChainedDatastoreFactory;
pub use stream::{
    StreamDatastore, StreamDatastoreFactory, StreamEvent, StreamEventKind, StreamHub, Subscription,
};
