//! The same random query has the same answer on every backend.
//!
//! `BUTLER_TEST_QUERIES` sets the number of queries, `BUTLER_TEST_SEED` another beginning.
#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![expect(clippy::panic, reason = "a test ends where it fails")]
#![expect(clippy::print_stdout, reason = "tells what was asked")]

mod questions;
mod world;

use std::sync::Arc;

use butler_core::backend::Backend;
use butler_core::query::{Query, QueryRows, RowValue};
use butler_core::registry::Registry;
use butler_core::{ErrorKind, Result};
use butler_registry_sql::{
    Durability, PostgresBackend, PostgresConfig, SqlRegistry, SqliteBackend, SqliteConfig,
};
use butler_testkit::postgres::shared;
use butler_testkit::reference::ReferenceBackend;
use futures::StreamExt;

use world::World;

/// Queries put to one repository.
const QUERIES_EACH: u64 = 30;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Rows as text; all of what they say.
fn texts(rows: QueryRows) -> Vec<String> {
    match rows {
        QueryRows::Datasets(rows) => {
            rows.iter().map(|row| format!("{row} {:?}", row.data_id().records())).collect()
        }
        QueryRows::DataIds(rows) => rows.iter().map(|row| format!("{row} {:?}", row.records())).collect(),
        QueryRows::Records(rows) => rows.iter().map(|row| format!("{row:?}")).collect(),
        QueryRows::General(rows) => rows
            .iter()
            .map(|row| {
                let values: Vec<&RowValue> = row.values.iter().collect();
                format!("{} {values:?}", row.data_id)
            })
            .collect(),
        QueryRows::Associations(rows) => rows
            .iter()
            .map(|row| format!("{} in {} {:?}", row.dataset, row.collection, row.timespan))
            .collect(),
    }
}

async fn rows(registry: &SqlRegistry, query: Query) -> Result<Vec<String>> {
    let unordered = query.order_by.is_empty() && query.limit.is_none() && query.offset == 0;
    let mut stream = registry.query(query).await?;
    let mut all = Vec::new();
    while let Some(batch) = stream.next().await {
        all.extend(texts(batch?));
    }
    if unordered {
        all.sort();
    }
    Ok(all)
}

/// What a registry says to a query: its rows or an error, their number, and why there are none.
#[derive(Debug, PartialEq)]
struct Answer {
    rows: Result<Vec<String>, ErrorKind>,
    count: Result<u64, ErrorKind>,
    reasons: Result<Vec<String>, ErrorKind>,
}

async fn answer(registry: &SqlRegistry, query: &Query) -> Answer {
    let explanation = registry.explain(query.clone()).await;
    Answer {
        rows: rows(registry, query.clone()).await.map_err(|error| error.kind()),
        count: registry.count(query.clone()).await.map_err(|error| error.kind()),
        reasons: explanation.map(|explanation| explanation.reasons).map_err(|error| error.kind()),
    }
}

async fn filled(backend: Arc<dyn Backend>, world: &World) -> SqlRegistry {
    let registry = SqlRegistry::create(backend, World::universe()).await.expect("an empty namespace");
    for batch in &world.batches {
        if let Err(error) = registry.apply(batch.clone()).await {
            panic!("{error:#?}\n{batch:?}");
        }
    }
    registry
}

/// Counts of what random queries came to.
#[derive(Debug, Default)]
struct Tally {
    refused: u64,
    empty: u64,
    full: u64,
}

async fn compare(seed: u64, queries: u64, url: &str, tally: &mut Tally) {
    let mut world = World::new(seed);
    let postgres = PostgresConfig::from_url(url).expect("a sound URL").durability(Durability::Fast);
    let reference = filled(Arc::new(ReferenceBackend::new()), &world).await;
    let sqlite = SqliteBackend::open(&SqliteConfig::temporary()).expect("a temporary database");
    let sqlite = filled(Arc::new(sqlite), &world).await;
    let postgres = PostgresBackend::open(&postgres).await.expect("a server");
    let postgres = filled(Arc::new(postgres), &world).await;
    for n in 0..queries {
        let query = world.query();
        let expected = answer(&reference, &query).await;
        for (name, registry) in [("SQLite", &sqlite), ("PostgreSQL", &postgres)] {
            let found = answer(registry, &query).await;
            assert_eq!(
                found, expected,
                "{name}, query {n} of seed {seed}: {:?} where {}\n{query:#?}",
                query.result, query.predicate
            );
        }
        consistent(&expected, &query);
        match &expected.rows {
            Err(_) => tally.refused += 1,
            Ok(rows) if rows.is_empty() => tally.empty += 1,
            Ok(_) => tally.full += 1,
        }
    }
}

/// The parts of an answer agree with each other.
fn consistent(answer: &Answer, query: &Query) {
    let Ok(rows) = &answer.rows else { return };
    assert_eq!(answer.count, Ok(rows.len() as u64), "{query:#?}");
    let reasons = answer.reasons.as_ref().expect("what has an answer can be explained");
    assert_eq!(reasons.is_empty(), !rows.is_empty(), "{reasons:?}\n{query:#?}");
}

#[tokio::test]
async fn random_queries_have_one_answer() {
    let Some(server) = shared() else { return };
    let (count, first) =
        (from_environment("BUTLER_TEST_QUERIES", 120), from_environment("BUTLER_TEST_SEED", 0));
    let mut tally = Tally::default();
    for seed in first..first + count.div_ceil(QUERIES_EACH) {
        let url = format!("{}?schema={}", server.url("postgres"), server.fresh_name());
        compare(seed, QUERIES_EACH, &url, &mut tally).await;
    }
    println!("{tally:?}");
    // A test that asks only what is refused, or what has no answer, shows nothing.
    let asked = tally.refused + tally.empty + tally.full;
    assert!(tally.full * 4 > asked && tally.refused * 3 < asked, "{tally:?}");
}
