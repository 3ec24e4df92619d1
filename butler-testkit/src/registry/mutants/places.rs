//! Mutants that are not where they should be.

use butler_core::DimensionUniverse;

use super::tamper::{Opening, Tamper};

fn opening(
    name: &'static str,
    breaks: &'static str,
    opening: Opening,
    topics: &'static [&'static str],
) -> Tamper {
    Tamper { name, breaks, topics, opening, ..Tamper::default() }
}

pub(super) fn all() -> Vec<Tamper> {
    vec![
        opening("PlacesShared", "has one place for all", Opening::Shared, &["repository"]),
        opening(
            "HandlesApart",
            "has a place for each handle",
            Opening::Apart,
            &["repository", "batches", "journals", "chains", "races"],
        ),
        opening("ReadersWrite", "writes to what is read only", Opening::Writable, &["batches"]),
        opening("SaysReadOnly", "says that it cannot be written", Opening::SaysReadOnly, &["batches"]),
        opening(
            "CreatesTwice",
            "creates a registry where there is one",
            Opening::CreatesTwice,
            &["repository"],
        ),
        opening(
            "UniverseIgnored",
            "has the default universe whatever it is created with",
            Opening::DefaultUniverse,
            &["repository"],
        ),
        opening(
            "NeverRefreshed",
            "never looks again at what it knows",
            Opening::Stale,
            &["repository", "batches", "chains", "removals"],
        ),
        Tamper {
            name: "UniverseForgotten",
            breaks: "says that its universe is the default one",
            topics: &["repository"],
            universe: Some(DimensionUniverse::default),
            ..Tamper::default()
        },
    ]
}
