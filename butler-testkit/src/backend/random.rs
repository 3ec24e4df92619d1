//! Random relations have the rows that the reference gives them.

use butler_core::Result;
use butler_core::backend::{Backend, Relation};

use super::BackendHarness;
use super::fixture::Fixture;
use crate::random::{Errors, World, from_environment, same_rows, smallest};
use crate::reference::ReferenceBackend;

/// Relations over one set of tables.
const A_WORLD: usize = 15;

/// Compares a share of the relations that a harness asks for.
async fn compare(
    h: &dyn BackendHarness,
    share: usize,
    errors: Errors,
    make: fn(&mut World) -> Relation,
) -> Result<()> {
    let seed: u64 = from_environment("BUTLER_TEST_SEED").unwrap_or(1);
    let count = (h.relations() / share).max(1);
    for number in 0..count.div_ceil(A_WORLD) as u64 {
        let mut world = World::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let db = Fixture::new(h).await?;
        let reference = ReferenceBackend::new();
        world.create_in(&*db.backend).await?;
        world.create_in(&reference).await?;
        for _ in 0..A_WORLD.min(count) {
            let relation = make(&mut world);
            if let Err(difference) = same_rows(&reference, &*db.backend, &relation, errors).await {
                let smallest = smallest(&reference, &*db.backend, relation, errors).await;
                let again = same_rows(&reference, &*db.backend, &smallest, errors).await;
                let text = reference.explain(smallest).await?;
                assert_eq!(again, Ok(()), "seed {seed}, world {number}: {difference}\nat least in\n{text}");
            }
        }
    }
    Ok(())
}

pub(super) async fn relations_have_the_rows_of_the_reference(h: &dyn BackendHarness) -> Result<()> {
    compare(h, 1, Errors::Alike, World::relation).await
}

pub(super) async fn overflows_surface_as_in_the_reference(h: &dyn BackendHarness) -> Result<()> {
    compare(h, 3, Errors::Alike, World::overflowing).await
}

pub(super) async fn hidden_overflows_make_no_wrong_rows(h: &dyn BackendHarness) -> Result<()> {
    compare(h, 3, Errors::Hidden, World::explosive).await
}
