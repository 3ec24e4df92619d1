//! Datastores of the Data Butler on local files, and the formatters.

mod error;
mod formatters;

pub use formatters::formatters;
