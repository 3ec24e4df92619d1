//! Chained datastores.

mod chains;
mod conformance;
mod harness;
mod mutants;
