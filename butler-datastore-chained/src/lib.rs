//! Datastores of the Data Butler that route to other datastores.

mod chain;
mod config;

pub use chain::{ChainedDatastore, Child, WritePolicy};
pub use config::ChainedDatastoreFactory;
