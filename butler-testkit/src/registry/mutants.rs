//! Mutants of registries: wrappers that break one behaviour each of a registry that is right.
//!
//! They are made around the registry of a harness, so that those who write one can see
//! that the suite finds out what may be wrong with theirs.

mod answers;
mod bridges;
mod changes;
mod contents;
mod errors;
mod places;
mod queries;
mod tamper;

use std::sync::Arc;

use super::RegistryHarness;
use crate::mutants::Mutant;
use tamper::{Tamper, Tampered};

/// Mutants of the registries of a harness.
#[must_use]
pub fn of(harness: &Arc<dyn RegistryHarness>) -> Vec<Mutant<dyn RegistryHarness>> {
    let all = [
        errors::all(),
        changes::all(),
        contents::all(),
        answers::all(),
        bridges::all(),
        queries::all(),
        places::all(),
    ];
    let mutant = |tamper: Tamper| Mutant {
        name: tamper.name.to_owned(),
        breaks: tamper.breaks,
        topics: tamper.topics,
        harness: Box::new(Tampered::new(Arc::clone(harness), tamper)) as _,
    };
    all.into_iter().flatten().map(mutant).collect()
}

/// The registries of a harness in the surroundings of their mutants, to see that these are not what fails.
#[must_use]
pub fn sound(harness: &Arc<dyn RegistryHarness>) -> Box<dyn RegistryHarness> {
    Box::new(Tampered::new(Arc::clone(harness), Tamper { name: "sound", ..Tamper::default() }))
}
