//! The suite of registries finds out every mutant of the registry, and every case of it is needed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use butler_core::backend::Backend;
use butler_core::registry::Registry;
use butler_core::{DimensionUniverse, Result};
use butler_registry_sql::SqlRegistry;
use butler_testkit::Harness;
use butler_testkit::mutants::Kills;
use butler_testkit::reference::ReferenceBackend;
use butler_testkit::registry::{CASES, Place, RegistryHarness, mutants};

/// Share of the cases above which a mutant proves nothing about each.
const SUBTLE: f64 = 0.25;

struct Reference;

impl Harness for Reference {
    fn name(&self) -> &str {
        "reference"
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(2)
    }
}

#[async_trait]
impl RegistryHarness for Reference {
    async fn place(&self) -> Result<Box<dyn Place>> {
        Ok(Box::new(InMemory(Arc::new(ReferenceBackend::new()))))
    }

    fn large(&self) -> usize {
        300
    }

    fn many_types(&self) -> usize {
        205
    }
}

struct InMemory(Arc<dyn Backend>);

#[async_trait]
impl Place for InMemory {
    async fn create(&self, universe: DimensionUniverse) -> Result<Arc<dyn Registry>> {
        Ok(Arc::new(SqlRegistry::create(Arc::clone(&self.0), universe).await?))
    }

    async fn open(&self, read_only: bool) -> Result<Arc<dyn Registry>> {
        Ok(Arc::new(SqlRegistry::open(Arc::clone(&self.0), read_only).await?))
    }
}

fn harness() -> Arc<dyn RegistryHarness> {
    Arc::new(Reference)
}

#[test]
fn what_is_sound_survives() {
    let sound = mutants::sound(&harness());
    for case in CASES {
        case.check(&*sound).unwrap_or_else(|error| panic!("{}: {error:?}", case.path()));
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "who asks for the table wants to see it")]
fn every_mutant_is_found_out_and_every_case_finds_one_out() {
    // With all cases for all mutants it takes some minutes.
    let all = std::env::var_os("BUTLER_TEST_ALL_KILLS").is_some();
    let kills = Kills::of(CASES, &mutants::of(&harness()), all);
    if std::env::var_os("BUTLER_TEST_TABLE").is_some() {
        println!("{}", kills.table());
    }
    assert_eq!(kills.survivors(), [""; 0], "mutants that survive");
    assert_eq!(kills.idle_cases(SUBTLE), [""; 0], "cases without a mutant");
}
