//! Random tables and random relations over them, to compare a backend with the reference.
//!
//! A seed makes always the same. Relations are well typed and have one
//! answer: where rows are taken by order, the order is total, and arithmetic
//! that may fail is used only where [`Errors`] says.

mod compare;
mod generate;
mod rows;
mod scalars;

pub use compare::{Errors, same_rows, smallest};
pub use generate::World;

/// A number that the environment may set.
pub(crate) fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use butler_core::backend::Relation;

    use super::*;
    use crate::backend::fixture::streamed;
    use crate::case::runtime;
    use crate::reference::ReferenceBackend;
    use crate::walk::inputs;

    /// Numbers of rows of relations over several worlds; none for those that fail.
    fn counts(make: fn(&mut World) -> Relation, see: &mut impl FnMut(&Relation)) -> Vec<Option<usize>> {
        let mut counts = Vec::new();
        for seed in 0..30 {
            let mut world = World::new(seed);
            let reference = ReferenceBackend::new();
            runtime().unwrap().block_on(world.create_in(&reference)).unwrap();
            for _ in 0..20 {
                let relation = make(&mut world);
                see(&relation);
                let rows = runtime().unwrap().block_on(streamed(&reference, relation));
                counts.push(rows.ok().map(|rows| rows.len()));
            }
        }
        counts
    }

    fn operators(relation: &Relation, found: &mut BTreeSet<String>) {
        let name = format!("{relation:?}");
        found.insert(name.split([' ', '{', '(']).next().unwrap_or_default().to_owned());
        inputs(relation).into_iter().for_each(|input| operators(input, found));
    }

    #[test]
    fn relations_do_not_fail_and_use_everything() {
        let mut found = BTreeSet::new();
        let counts = counts(World::relation, &mut |relation| operators(relation, &mut found));
        assert!(counts.iter().all(Option::is_some));
        let with_rows = counts.iter().flatten().filter(|count| **count > 0).count();
        assert!(with_rows * 5 > counts.len() * 2, "{with_rows} of {} have rows", counts.len());
        assert_eq!(found.len(), 14, "{found:?}");
    }

    #[test]
    fn overflowing_relations_fail_now_and_then() {
        for make in [World::overflowing, World::explosive] {
            let counts = counts(make, &mut |_| {});
            let failed = counts.iter().filter(|count| count.is_none()).count();
            assert!(failed * 25 > counts.len() && failed * 2 < counts.len(), "{failed} of {}", counts.len());
        }
    }

    #[test]
    fn a_seed_makes_always_the_same() {
        let make = |seed| {
            let mut world = World::new(seed);
            (0..20).map(|_| world.relation()).collect::<Vec<_>>()
        };
        assert_eq!(make(7), make(7));
        assert_ne!(make(7), make(8));
    }
}
