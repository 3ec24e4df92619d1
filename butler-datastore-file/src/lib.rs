//! Datastores of the Data Butler on local files, and the formatters.

mod array;
mod config;
mod datastore;
mod error;
mod formatters;
mod ingest;
mod journal;
mod location;
mod record;
mod store;
mod table;
mod template;
mod work;

pub use array::{Array, ArrayValues};
pub use config::FileDatastoreFactory;
pub use formatters::formatters;
pub use table::{ColumnValues, Table, delegates};
