//! Datastores of the Data Butler that route to other datastores, or publish what they get.

mod chain;
mod config;
mod stream;

pub use chain::{ChainedDatastore, Child, WritePolicy};
pub use config::ChainedDatastoreFactory;
pub use stream::{
    StreamDatastore, StreamDatastoreFactory, StreamEvent, StreamEventKind, StreamHub, Subscription,
};
