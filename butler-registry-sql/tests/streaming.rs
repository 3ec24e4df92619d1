//! Memory while a long answer is streamed.
//!
//! `BUTLER_TEST_STREAM=1000000 cargo test --release -p butler-registry-sql --test streaming -- --nocapture`
//! streams as many datasets and data IDs as that, and tells how much memory it took at most.
#![cfg(all(feature = "sqlite", target_os = "linux"))]
#![expect(clippy::print_stdout, reason = "tells what was measured")]

use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::query::{DatasetSearch, Predicate, Query, ResultSpec};
use butler_core::registry::{
    DatasetInsert, InsertMode, Operation, RecordConflict, RecordSet, Registry, RegistryBatch,
};
use butler_core::{
    CollectionSearch, CollectionType, DataId, DatasetType, DimensionRecord, DimensionUniverse,
    DimensionValue, FieldValue, IdIssuer, Instant, SearchMember,
};
use butler_registry_sql::{Durability, SqlRegistry, SqliteBackend, SqliteConfig};
use futures::StreamExt;

const DETECTORS: usize = 200;
const RUN: ArcStr = arcstr::literal!("run");

/// Memory may grow by so much while rows go by, in MiB: batches on their way, caches.
const GROWTH_MAX: f64 = 48.0;

/// Rows that come before memory is measured first: by then all buffers are there.
const WARM: usize = 20_000;

/// A line of the process's status, in MiB.
fn memory(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux has it");
    let kib: f64 = line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().expect("a number");
    kib / 1024.0
}

/// Begins to measure the peak anew.
fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux has it");
}

fn records(element: &str, rows: impl Iterator<Item = Vec<(&'static str, FieldValue)>>) -> Operation {
    let element = DimensionUniverse::default().element(element).expect("a known element");
    let records = rows.map(|fields| DimensionRecord::new(element, fields).expect("sound fields")).collect();
    Operation::InsertRecords { records: RecordSet::new(element, records), on_conflict: RecordConflict::Fail }
}

fn raw() -> DatasetType {
    let group = DimensionUniverse::default().conform(["exposure", "detector"]).expect("known dimensions");
    DatasetType::new("raw", group, "Bytes").expect("a sound name")
}

/// A registry with as many exposures of all detectors, each with a dataset.
async fn filled(directory: &std::path::Path, exposures: usize) -> SqlRegistry {
    let config = SqliteConfig::file(directory.join("registry.sqlite3")).durability(Durability::Fast);
    let backend = SqliteBackend::open(&config.create(true)).expect("a new database");
    let registry =
        SqlRegistry::create(Arc::new(backend), DimensionUniverse::default()).await.expect("a registry");
    let number = |n: usize| FieldValue::from(i64::try_from(n).expect("few"));
    let instrument = || ("instrument", FieldValue::from("Cam"));
    let mut batch = RegistryBatch::new();
    batch.push(records("instrument", std::iter::once(vec![instrument()])));
    batch.push(records("day_obs", std::iter::once(vec![instrument(), ("id", number(20_200_101))])));
    batch.push(records("group", std::iter::once(vec![instrument(), ("name", "g".into())])));
    let filter = vec![instrument(), ("name", "f".into()), ("band", "r".into())];
    batch.push(records("physical_filter", std::iter::once(filter)));
    let detector = |n| vec![instrument(), ("id", number(n)), ("full_name", format!("D{n}").into())];
    batch.push(records("detector", (0..DETECTORS).map(detector)));
    let exposure = |n| {
        let implied =
            [("day_obs", number(20_200_101)), ("group", "g".into()), ("physical_filter", "f".into())];
        let own = [instrument(), ("id", number(n)), ("obs_id", format!("E{n}").into())];
        own.into_iter().chain(implied).collect()
    };
    batch.push(records("exposure", (0..exposures).map(exposure)));
    batch.push(Operation::RegisterCollection { name: RUN, ty: CollectionType::Run, doc: None });
    batch.push(Operation::RegisterDatasetType(raw()));
    registry.apply(batch).await.expect("sound records");
    let issuer = IdIssuer::new();
    for first in (0..exposures).step_by(50) {
        let pairs = (first..exposures.min(first + 50)).flat_map(|e| (0..DETECTORS).map(move |d| (e, d)));
        let data_ids: Vec<DataId> = pairs
            .map(|(exposure, detector)| {
                let value = |n: usize| DimensionValue::from(i64::try_from(n).expect("few"));
                let pairs = [
                    ("instrument", "Cam".into()),
                    ("exposure", value(exposure)),
                    ("detector", value(detector)),
                ];
                DataId::from_pairs(raw().group(), pairs).expect("all dimensions")
            })
            .collect();
        let insert = DatasetInsert {
            dataset_type: raw(),
            run: RUN,
            ids: data_ids.iter().map(|_| issuer.issue()).collect(),
            data_ids,
            mode: InsertMode::New,
            ingested_at: Instant::now().expect("a clock"),
            quantum: None,
        };
        registry.apply(Operation::InsertDatasets(insert).into()).await.expect("new datasets");
    }
    registry
}

fn query(result: ResultSpec, datasets: Vec<DatasetSearch>, expanded: bool) -> Query {
    Query {
        dimensions: raw().group(),
        datasets,
        uploads: Vec::new(),
        predicate: Predicate::always(),
        result,
        order_by: Vec::new(),
        limit: None,
        offset: 0,
        expanded,
    }
}

/// Streams a query; tells the rows, and by how much memory grew after the first ones.
async fn streamed(registry: &SqlRegistry, query: Query) -> (usize, f64, f64) {
    let mut rows = registry.query(query).await.expect("a sound query");
    let (mut count, mut before) = (0, None);
    while let Some(batch) = rows.next().await {
        count += batch.expect("rows").len();
        if before.is_none() && count >= WARM {
            forget_peak();
            before = Some(memory("VmRSS"));
        }
    }
    let peak = memory("VmHWM");
    (count, peak - before.expect("more rows than those that come first"), peak)
}

#[tokio::test]
async fn memory_is_flat() {
    let rows: usize =
        std::env::var("BUTLER_TEST_STREAM").map_or(30_000, |rows| rows.parse().expect("a number of rows"));
    let directory = tempfile::tempdir().expect("there is room for a test");
    let exposures = rows.div_ceil(DETECTORS);
    let registry = filled(directory.path(), exposures).await;
    let member = SearchMember { name: RUN, ty: CollectionType::Run };
    let search =
        DatasetSearch { dataset_type: raw(), collections: Arc::new(CollectionSearch::from(vec![member])) };
    let datasets = || ResultSpec::Datasets { dataset_type: "raw".into(), find_first: false };
    let data_ids = || ResultSpec::DataIds { dimensions: raw().group() };
    for (what, query) in [
        ("datasets", query(datasets(), vec![search.clone()], false)),
        ("expanded datasets", query(datasets(), vec![search], true)),
        ("data IDs", query(data_ids(), Vec::new(), false)),
        ("expanded data IDs", query(data_ids(), Vec::new(), true)),
    ] {
        let (count, growth, peak) = streamed(&registry, query).await;
        println!("{count} {what}: peak {peak:.0} MiB, {growth:.1} MiB more than after {WARM} rows");
        assert_eq!(count, exposures * DETECTORS);
        assert!(growth < GROWTH_MAX, "{what}: memory grew by {growth:.1} MiB");
    }
}
