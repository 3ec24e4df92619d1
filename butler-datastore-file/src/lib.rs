//! Datastores of the Data Butler on local files, and the formatters.

mod error;
mod formatters;
mod journal;
mod template;

pub use formatters::formatters;
