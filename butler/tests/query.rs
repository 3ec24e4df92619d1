//! Explanations of queries, in a repository with an SQLite registry.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]
#![cfg(all(feature = "registry-sqlite", feature = "datastore-fs"))]

use butler::exchange::{ExportFile, ImportOptions, import};
use butler::registry::{Operation, Removal};
use butler::{Butler, CollectionType, DatasetRef, QueryBuilder, QueryRow, data_id};
use tempfile::TempDir;

const SURVEY: &str = include_str!("data/survey.yaml");

struct Fixture {
    butler: Butler,
    _directory: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let butler = butler::create(directory.path().join("repo").to_str().unwrap()).await.unwrap();
        let file = directory.path().join("export.yaml");
        std::fs::write(&file, SURVEY).unwrap();
        let options = ImportOptions { registry_only: true, ..ImportOptions::default() };
        import(&butler, ExportFile::open(&file).unwrap(), options).await.unwrap();
        Self { butler, _directory: directory }
    }
}

/// Reasons of all explanations of a query that has no rows.
async fn reasons<R: QueryRow + Clone>(query: QueryBuilder<R>) -> Vec<String> {
    assert_eq!(query.clone().collect().await.unwrap().len(), 0);
    explained(query).await
}

async fn explained<R: QueryRow + Clone>(query: QueryBuilder<R>) -> Vec<String> {
    let explanations = query.explain().await.unwrap();
    for explanation in &explanations {
        assert!(!explanation.relation.is_empty() && !explanation.plan.is_empty());
    }
    explanations.into_iter().flat_map(|explanation| explanation.reasons).collect()
}

#[tokio::test]
async fn there_are_no_reasons_where_there_are_rows() {
    let butler = Fixture::new().await;
    let butler = &butler.butler;
    assert_eq!(explained(butler.query_datasets("bias").collections("run/a")).await, [""; 0]);
    assert_eq!(explained(butler.query_records("detector").where_("raft = 'A'")).await, [""; 0]);
    let sliced = butler.query_data_ids(["detector"]).order_by(["detector"]).limit(2).offset(3);
    assert_eq!(explained(sliced).await, [""; 0]);
}

#[tokio::test]
async fn collections_without_datasets_are_named() {
    let butler = Fixture::new().await;
    let butler = &butler.butler;
    let query = butler.query_datasets("bias").collections(["run/b", "calib"]);
    assert_eq!(
        reasons(query).await,
        [
            "there are no datasets of type 'bias' in collection 'run/b'",
            "there are no datasets of type 'bias' in collection 'calib'",
        ]
    );
    let query = butler.query_datasets("bias").collections("nothing/*").find_first(false);
    assert_eq!(reasons(query).await, ["the search for datasets of type 'bias' has no collection to look in"]);
    for n in 0..8 {
        butler.register_collection(format!("empty/{n}"), CollectionType::Run, None).await.unwrap();
    }
    let told = reasons(butler.query_datasets("bias").collections("empty/*").find_first(false)).await;
    assert_eq!(told.len(), 6, "{told:?}");
    assert_eq!(told[5], "nor in the 3 other collections");
}

#[tokio::test]
async fn datasets_that_are_gone_are_missed() {
    let fixture = Fixture::new().await;
    let butler = &fixture.butler;
    let gone = butler.query_datasets("flat").collections("run/b").collect().await.unwrap();
    let ids = gone.iter().map(DatasetRef::id).collect();
    butler.apply(Operation::Remove(Removal::Datasets(ids)).into()).await.unwrap();
    let query = butler.query_datasets("flat").collections("run/b").where_("instrument = 'Cam1'");
    assert_eq!(reasons(query).await, ["there are no datasets of type 'flat' in collection 'run/b'"]);
}

#[tokio::test]
async fn values_without_records_are_named() {
    let fixture = Fixture::new().await;
    let butler = &fixture.butler;
    for (condition, reason) in [
        ("instrument = 'Cam1' AND detector = 99", "there is no detector 99 of instrument 'Cam1'"),
        ("instrument = 'Cam2' AND detector = 1", "there are no records of 'detector' of instrument 'Cam2'"),
        ("instrument = 'cam1' AND detector = 1", "there is no instrument 'cam1'; did you mean 'Cam1'?"),
        ("instrument = 'HSC' AND detector = 1", "there is no instrument 'HSC'"),
        (
            "instrument = 'Cam1' AND physical_filter = 'Cam1-g'",
            "there is no physical_filter 'Cam1-g' of instrument 'Cam1'; did you mean 'Cam1-G'?",
        ),
        ("band = 'z' AND instrument = 'Cam1'", "there is no band 'z'"),
        (
            "instrument = 'Cam1' AND instrument = 'Cam2'",
            "the condition requires both instrument = 'Cam1' and instrument = 'Cam2'",
        ),
    ] {
        assert_eq!(reasons(butler.query_data_ids(["detector"]).where_(condition)).await, [reason]);
    }
    let none = reasons(butler.query_records("visit")).await;
    assert_eq!(none, ["there are no records of 'visit'"]);
    let data_id = butler
        .query_datasets("bias")
        .collections("run/a")
        .data_id(data_id! { instrument: "Cam1", detector: 9 });
    assert_eq!(reasons(data_id).await, ["there is no detector 9 of instrument 'Cam1'"]);
}

#[tokio::test]
async fn conditions_that_leave_nothing_are_named() {
    let fixture = Fixture::new().await;
    let butler = &fixture.butler;
    for (condition, told) in [
        ("instrument = 'Cam1' AND detector > 4", &["no row satisfies the condition `detector > 4`"][..]),
        (
            "raft = 'C' AND purpose = 'X'",
            &[
                "no row satisfies the condition `detector.raft = 'C'`",
                "no row satisfies the condition `detector.purpose = 'X'`",
            ],
        ),
        (
            "detector > 4 AND instrument = 'Cam1' OR detector < 1",
            &["no row satisfies the condition `detector > 4 AND instrument = 'Cam1' OR detector < 1`"],
        ),
        (
            "instrument = 'Cam1' AND raft = 'A' AND detector >= 3 AND purpose != 'X'",
            &[
                "no row that satisfies `instrument = 'Cam1' AND detector.raft = 'A'` also satisfies the condition `detector >= 3`",
            ],
        ),
    ] {
        assert_eq!(reasons(butler.query_records("detector").where_(condition)).await, told);
    }
    let query = butler
        .query_datasets("bias")
        .collections("run/a")
        .where_("instrument = 'Cam1' AND detector IN (3, 4)");
    assert_eq!(reasons(query).await, ["no row satisfies the condition `detector IN (3, 4)`"]);
}

#[tokio::test]
async fn joins_that_leave_nothing_are_named() {
    let fixture = Fixture::new().await;
    let butler = &fixture.butler;
    let both = butler
        .query_datasets("bias")
        .collections("run/a")
        .join_datasets("flat", Some("run/b".into()))
        .where_("instrument = 'Cam1'");
    assert_eq!(
        reasons(both).await,
        [
            "even without conditions, no combination of {band, instrument, detector, physical_filter} has datasets of type 'bias' and datasets of type 'flat'"
        ]
    );
}

#[tokio::test]
async fn slices_that_are_past_the_end_are_named() {
    let fixture = Fixture::new().await;
    let butler = &fixture.butler;
    let rows = || butler.query_data_ids(["detector"]);
    assert_eq!(reasons(rows().offset(7)).await, ["the first 7 rows are left out, and there are only 4"]);
    assert_eq!(reasons(rows().limit(0)).await, ["the limit is 0 rows"]);
}
