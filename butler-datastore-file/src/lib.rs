//! Datastores of the Data Butler on local files, and the formatters.

mod archive;
mod array;
mod cache;
mod config;
mod confusable;
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

pub use archive::{Archive, ArchiveWriter, Member, check_member_name, member_name};
pub use array::{Array, ArrayValues, Arrays};
pub use config::FileDatastoreFactory;
pub use formatters::formatters;
pub use table::{ColumnValues, Table, delegates};
