//! Conformance suites, reference implementations and fixtures that every backend of the Data Butler is tested with.
pub mod backend;
mod case;
pub mod datastore;
pub mod mutants;
pub mod random;
pub mod reference;
mod walk;
pub use case::{Case, Harness};
