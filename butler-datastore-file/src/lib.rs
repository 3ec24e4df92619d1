//! Datastores of the Data Butler on local files, and the formatters.

mod config;
mod datastore;
mod error;
mod formatters;
mod ingest;
mod journal;
mod location;
mod record;
mod store;
mod template;
mod work;

pub use config::FileDatastoreFactory;
pub use formatters::formatters;
