//! Chained datastores.

mod conformance;
mod harness;
mod mutants;
