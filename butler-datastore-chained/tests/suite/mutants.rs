//! The suite finds out every mutant around a chained datastore, and every case of it is needed.

use std::sync::Arc;

use butler_testkit::datastore::{CASES, DatastoreHarness, mutants};
use butler_testkit::mutants::Kills;

use super::harness::ChainHarness;

/// Share of the cases above which a mutant proves nothing about each.
const SUBTLE: f64 = 0.25;

fn harness() -> Arc<dyn DatastoreHarness> {
    Arc::new(ChainHarness::new("first", &["file", "memory"]))
}

#[test]
fn every_mutant_is_found_out_and_every_case_finds_one_out() {
    let all = std::env::var_os("BUTLER_TEST_ALL_KILLS").is_some();
    let kills = Kills::of(CASES, &mutants::of(harness()), all);
    assert_eq!(kills.survivors(), [""; 0], "mutants that survive");
    assert_eq!(kills.idle_cases(SUBTLE), [""; 0], "cases without a mutant");
}
