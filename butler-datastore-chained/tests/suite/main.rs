//! Chained datastores.

#[cfg(test)]
mod chains;
mod conformance;
mod harness;
mod mutants;
