//! Order and number of the rows of queries.

use butler_core::query::Query;
use butler_core::{DimensionRecord, Result};

use super::RegistryHarness;
use super::data::observations;
use super::fixture::{
    Fixture, insert_records, into_records, numbers, ordered, record, select, select_records,
};

async fn observed(h: &dyn RegistryHarness) -> Result<Fixture> {
    Fixture::with(h, observations()).await
}

/// That terms give visits in a certain order.
async fn order(fixture: &Fixture, terms: &[&str], expected: &[i64]) -> Result<()> {
    let found = fixture.data_ids(ordered(select(&["visit"], ""), terms)).await?;
    assert_eq!(numbers(&found, "visit"), expected, "{terms:?}");
    Ok(())
}

pub(super) async fn rows_come_in_the_order_asked_for(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    order(&fixture, &["visit"], &[1, 2, 3, 4]).await?;
    order(&fixture, &["-visit"], &[4, 3, 2, 1]).await?;
    order(&fixture, &["-visit.exposure_time"], &[4, 3, 2, 1]).await?;
    order(&fixture, &["-visit.timespan.begin"], &[4, 3, 2, 1]).await
}

pub(super) async fn later_terms_order_what_earlier_ones_leave(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    // The counters within a day are 1, 2, 0, 1.
    order(&fixture, &["visit.seq_num", "visit"], &[3, 1, 4, 2]).await?;
    order(&fixture, &["visit.seq_num", "-visit"], &[3, 4, 1, 2]).await?;
    order(&fixture, &["-band", "visit"], &[2, 3, 1, 4]).await?;
    order(&fixture, &["-day_obs", "visit"], &[3, 4, 1, 2]).await
}

pub(super) async fn null_is_smaller_than_every_value(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    fixture
        .one(insert_records(vec![record!(detector { instrument: "Cam1", id: 5, full_name: "x" })]))
        .await?;
    for (terms, expected) in
        [(["detector.raft", "detector"], [5, 1, 2, 3, 4]), (["-detector.raft", "-detector"], [4, 3, 2, 1, 5])]
    {
        let found = fixture.data_ids(ordered(select(&["detector"], ""), &terms)).await?;
        assert_eq!(numbers(&found, "detector"), expected, "{terms:?}");
    }
    Ok(())
}

pub(super) async fn texts_are_ordered_by_their_bytes(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let names = ["b", "B", "ä", "a b", "a", "_", "ab", "Z"];
    let detectors = (10..)
        .zip(names)
        .map(|(id, name)| record!(detector { instrument: "Cam1", id: id, full_name: name }))
        .collect();
    fixture.one(insert_records(detectors)).await?;
    let query = ordered(select(&["detector"], "detector >= 10"), &["detector.full_name"]);
    let found = numbers(&fixture.data_ids(query).await?, "detector");
    let mut expected: Vec<(&str, i64)> = names.into_iter().zip(10..).collect();
    expected.sort_unstable();
    assert_eq!(found, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
    Ok(())
}

pub(super) async fn rows_are_limited_and_left_out(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let all = ordered(select(&["visit"], ""), &["-visit"]);
    for (limit, offset, expected) in [
        (Some(2), 0, &[4, 3][..]),
        (Some(2), 1, &[3, 2]),
        (None, 3, &[1]),
        (Some(9), 2, &[2, 1]),
        (Some(0), 0, &[]),
        (Some(1), 4, &[]),
        (None, 9, &[]),
    ] {
        let found = fixture.data_ids(Query { limit, offset, ..all.clone() }).await?;
        assert_eq!(numbers(&found, "visit"), expected, "{limit:?} {offset}");
    }
    Ok(())
}

pub(super) async fn a_limit_needs_no_order(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let query = |offset| Query { limit: Some(3), offset, ..select(&["visit", "detector"], "") };
    let mut found = Vec::new();
    for offset in [0, 3, 6, 9, 12, 15] {
        found.extend(fixture.data_ids(query(offset)).await?);
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 16, "pages are parts of one whole");
    Ok(())
}

/// Numbers of records, by the name of their key.
async fn records(fixture: &Fixture, query: Query) -> Result<Vec<DimensionRecord>> {
    Ok(fixture.rows(query).await?.into_iter().flat_map(into_records).collect())
}

pub(super) async fn records_are_ordered_and_limited(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let all = ordered(select_records("visit", &[], "visit < 4"), &["-visit.exposure_time"]);
    let query = Query { limit: Some(2), offset: 1, ..all };
    let found: Vec<_> = records(&fixture, query).await?.iter().map(DimensionRecord::data_id).collect();
    assert_eq!(numbers(&found, "visit"), [2, 1]);
    Ok(())
}

pub(super) async fn records_come_once(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let query = select_records("visit", &["detector"], "detector.raft = 'A' AND visit > 2");
    let found = records(&fixture, query).await?;
    let expected: Vec<_> = fixture.records("visit").await?.split_off(2);
    let mut ids: Vec<_> = found.iter().map(DimensionRecord::data_id).collect();
    ids.sort();
    assert_eq!(ids, expected.iter().map(DimensionRecord::data_id).collect::<Vec<_>>());
    assert!(found.iter().all(|record| expected.contains(record)), "all fields are there");
    Ok(())
}

pub(super) async fn records_of_relations_are_found(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let query = select_records("visit_detector_region", &[], "visit = 2");
    assert_eq!(records(&fixture, query).await?.len(), 2);
    let query = select_records("visit_definition", &[], "exposure > 1");
    assert_eq!(records(&fixture, query).await?.len(), 3);
    let query = select_records("band", &["exposure"], "exposure IN (1, 4)");
    let found: Vec<_> = records(&fixture, query).await?.iter().map(DimensionRecord::data_id).collect();
    assert_eq!(found, [super::fixture::data_id!(band: "g")]);
    Ok(())
}
