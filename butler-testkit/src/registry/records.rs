//! Dimension records: what is inserted, what is in the way, and what is reported.

use butler_core::registry::{OperationReport, RecordConflict, RecordDifference};
use butler_core::{DimensionRecord, DimensionUniverse, ErrorKind, FieldValue, Result, Timespan};

use super::RegistryHarness;
use super::data::{DETECTORS, camera, observations, sky_map, square, visit};
use super::fixture::{
    Fixture, at, detector, fails, group, insert_records, question, record, span, universe, with_conflicts,
};

/// A record of a detector with nothing but its name and raft.
fn plain(id: i64, full_name: &str, raft: &str) -> DimensionRecord {
    record!(detector { instrument: "Cam1", id: id, full_name: full_name, raft: raft })
}

/// A value of a field of the record of a detector.
async fn of_detector(fixture: &Fixture, id: i64, field: &str) -> Result<FieldValue> {
    let records = fixture.records("detector").await?;
    let record = records.iter().find(|record| record.get("id") == Some(&FieldValue::Int(id)));
    Ok(record.and_then(|record| record.get(field)).cloned().unwrap_or(FieldValue::Null))
}

pub(super) async fn what_is_inserted_comes_back(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let expected = DETECTORS.map(|(id, full_name, raft)| {
        record!(detector { instrument: "Cam1", id: id, full_name: full_name, raft: raft, purpose: "SCIENCE" })
    });
    assert_eq!(fixture.records("detector").await?, expected);
    Ok(())
}

pub(super) async fn insertions_are_counted(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let report = fixture.apply(camera()).await?;
    let inserted: Vec<u64> = report.operations.iter().map(|report| report.inserted).collect();
    assert_eq!(inserted, [1, 4, 3]);
    Ok(())
}

pub(super) async fn values_of_all_types_come_back(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, observations()).await?;
    let exposure = record!(exposure {
        instrument: "Cam1",
        id: i64::MAX,
        day_obs: 20_200_101_i64,
        group: "g1",
        physical_filter: "Cam1-G",
        obs_id: "it's \"ö\" %_\\",
        exposure_time: -1.5e-300,
        dark_time: 0.1,
        has_simulated: false,
        timespan: span(-5, 7),
    });
    fixture.one(insert_records(vec![exposure.clone()])).await?;
    assert!(fixture.records("exposure").await?.contains(&exposure));
    let seen = visit(77, 20_200_101, "Cam1-G", square(10.0, 80.0, 3.0));
    fixture.one(insert_records(vec![seen.clone()])).await?;
    assert!(fixture.records("visit").await?.contains(&seen), "a region comes back");
    let map = DimensionRecord::new(
        super::fixture::element("skymap"),
        [("name", FieldValue::from("m")), ("hash", FieldValue::Hash(vec![0_u8, 255, 7].into()))],
    )?;
    fixture.one(insert_records(vec![map.clone()])).await?;
    assert_eq!(fixture.records("skymap").await?, [map]);
    Ok(())
}

pub(super) async fn timespans_may_have_no_bounds_and_no_length(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let timespans = [
        Timespan::UNBOUNDED,
        Timespan::EMPTY,
        Timespan::new(Some(at(0)), None),
        Timespan::new(None, Some(at(0))),
    ];
    let day = |(id, &timespan)| record!(day_obs { instrument: "Cam1", id: id, timespan: timespan });
    let mut days: Vec<DimensionRecord> = (1_i64..).zip(&timespans).map(day).collect();
    days.push(record!(day_obs { instrument: "Cam1", id: 5 }));
    fixture.one(insert_records(days.clone())).await?;
    assert_eq!(fixture.records("day_obs").await?, days);
    Ok(())
}

pub(super) async fn a_key_that_is_there_is_a_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let again = vec![plain(5, "Ca", "C"), plain(2, "other", "C")];
    fails(
        fixture.one(insert_records(again)).await,
        ErrorKind::ConflictingDefinition,
        &["detector", "Ab", "other"],
    );
    assert_eq!(fixture.records("detector").await?.len(), 4, "nothing of it is inserted");
    Ok(())
}

pub(super) async fn a_key_given_twice_is_a_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let twice = vec![plain(5, "Ca", "C"), plain(5, "Cb", "C")];
    fails(fixture.one(insert_records(twice)).await, ErrorKind::ConflictingDefinition, &["detector", "5"]);
    Ok(())
}

pub(super) async fn an_alternate_key_that_is_there_is_a_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let taken = insert_records(vec![plain(5, "Aa", "A")]);
    fails(fixture.one(taken).await, ErrorKind::ConflictingDefinition, &["detector", "alternate"]);
    fixture
        .apply([
            insert_records(vec![record!(instrument { name: "Cam2" })]),
            insert_records(vec![record!(detector { instrument: "Cam2", id: 5, full_name: "Aa" })]),
        ])
        .await?;
    Ok(())
}

pub(super) async fn alternate_keys_that_are_not_given_do_not_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    fixture.one(insert_records(vec![record!(skymap { name: "a" }), record!(skymap { name: "b" })])).await?;
    assert_eq!(fixture.records("skymap").await?.len(), 2);
    Ok(())
}

pub(super) async fn what_is_skipped_stays_as_it_is(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let records = vec![plain(1, "other", "C"), plain(5, "Ca", "C"), plain(5, "Cb", "C")];
    let report = fixture.one(with_conflicts(records, RecordConflict::Skip)).await?;
    assert_eq!((report.inserted, report.existing, report.changed), (1, 2, 0));
    assert_eq!(of_detector(&fixture, 1, "full_name").await?, "Aa".into());
    assert_eq!(of_detector(&fixture, 5, "full_name").await?, "Ca".into(), "the first of a key counts");
    Ok(())
}

pub(super) async fn what_is_replaced_is_as_given(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let records = vec![plain(1, "other", "C"), plain(5, "Ca", "C")];
    let report = fixture.one(with_conflicts(records.clone(), RecordConflict::Replace)).await?;
    assert_eq!((report.inserted, report.existing, report.changed), (1, 0, 1));
    let found = fixture.records("detector").await?;
    assert_eq!((&found[0], &found[4]), (&records[0], &records[1]), "fields that are not given are NULL");
    Ok(())
}

pub(super) async fn a_sync_inserts_what_is_new(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let report = fixture.one(with_conflicts(vec![plain(5, "Ca", "C")], RecordConflict::Sync)).await?;
    assert_eq!(report, OperationReport { inserted: 1, ..OperationReport::default() });
    assert_eq!(fixture.records("detector").await?.len(), 5);
    Ok(())
}

pub(super) async fn a_sync_compares_the_fields_that_are_given(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    for how in [RecordConflict::Sync, RecordConflict::SyncUpdate] {
        let report = fixture.one(with_conflicts(vec![plain(1, "Aa", "A")], how)).await?;
        assert_eq!(report, OperationReport { existing: 1, ..OperationReport::default() });
    }
    assert_eq!(of_detector(&fixture, 1, "purpose").await?, "SCIENCE".into());
    Ok(())
}

pub(super) async fn a_sync_refuses_what_differs(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let differing = with_conflicts(vec![plain(5, "Ca", "C"), plain(1, "Aa", "Z")], RecordConflict::Sync);
    fails(fixture.one(differing).await, ErrorKind::ConflictingDefinition, &["raft", "\"A\"", "\"Z\""]);
    assert_eq!(fixture.records("detector").await?.len(), 4);
    Ok(())
}

pub(super) async fn a_sync_that_updates_reports_what_was_there(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let records = vec![plain(1, "Aa", "Z"), plain(2, "Ab", "A"), plain(5, "Ca", "C")];
    let report = fixture.one(with_conflicts(records, RecordConflict::SyncUpdate)).await?;
    assert_eq!((report.inserted, report.existing, report.changed), (1, 1, 1));
    let before = RecordDifference { data_id: detector(1), field: "raft".into(), before: "A".into() };
    assert_eq!(report.differences, [before]);
    assert_eq!(of_detector(&fixture, 1, "raft").await?, "Z".into());
    assert_eq!(of_detector(&fixture, 1, "purpose").await?, "SCIENCE".into(), "what is not given stays");
    Ok(())
}

pub(super) async fn what_a_record_requires_must_be_there(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let orphan = insert_records(vec![record!(detector { instrument: "Cam2", id: 1, full_name: "x" })]);
    fails(fixture.one(orphan).await, ErrorKind::DataIdValue, &["instrument", "Cam2"]);
    Ok(())
}

pub(super) async fn what_a_record_implies_must_be_there(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, observations()).await?;
    let orphan = insert_records(vec![visit(9, 20_200_101, "Cam1-X", square(0.0, 0.0, 1.0))]);
    fails(fixture.one(orphan).await, ErrorKind::DataIdValue, &["physical_filter", "Cam1-X"]);
    Ok(())
}

pub(super) async fn records_of_a_batch_may_refer_to_each_other(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    fixture.apply(observations().into_iter().rev()).await?;
    assert_eq!(fixture.records("visit_detector_region").await?.len(), 8);
    Ok(())
}

pub(super) async fn bands_are_those_that_filters_imply(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let bands: Vec<_> = fixture.records("band").await?.iter().map(DimensionRecord::data_id).collect();
    assert_eq!(bands, [super::fixture::data_id!(band: "g"), super::fixture::data_id!(band: "r")]);
    Ok(())
}

/// Visits whose regions overlap a patch, as the pixels of the sky say.
async fn seen(fixture: &Fixture) -> Result<Vec<i64>> {
    let dimensions = group(&["visit", "patch"]);
    let result = butler_core::query::ResultSpec::DataIds { dimensions: group(&["visit"]) };
    let mut visits: Vec<i64> = fixture
        .data_ids(question(dimensions, result))
        .await?
        .iter()
        .filter_map(|data_id| data_id.get("visit").and_then(butler_core::DimensionValue::as_int))
        .collect();
    visits.sort_unstable();
    Ok(visits)
}

pub(super) async fn a_region_that_is_changed_is_found_where_it_is(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, observations().into_iter().chain(sky_map())).await?;
    assert_eq!(seen(&fixture).await?, [1, 2, 3]);
    let away = visit(1, 20_200_101, "Cam1-G", square(200.0, 0.0, 1.0));
    fixture.one(with_conflicts(vec![away], RecordConflict::Replace)).await?;
    assert_eq!(seen(&fixture).await?, [2, 3]);
    let here = visit(4, 20_200_102, "Cam1-G", square(1.0, 0.0, 1.0));
    let report = fixture.one(with_conflicts(vec![here], RecordConflict::SyncUpdate)).await?;
    assert_eq!(report.differences.len(), 1);
    assert_eq!(seen(&fixture).await?, [2, 3, 4]);
    Ok(())
}

pub(super) async fn records_of_another_universe_are_refused(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let other = DimensionUniverse::from_toml(&universe().source().replace("version = 8", "version = 7"))?;
    let stranger = DimensionRecord::new(other.element("instrument")?, [("name", "Cam1")])?;
    fails(
        fixture.one(insert_records(vec![stranger])).await,
        ErrorKind::InconsistentUniverse,
        &["instrument"],
    );
    Ok(())
}

pub(super) async fn many_records_come_back(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let many: Vec<DimensionRecord> = (10..1510).map(|id| plain(id, &format!("d{id}"), "Z")).collect();
    let half = many.iter().step_by(2).cloned().collect();
    fixture.one(insert_records(half)).await?;
    let report = fixture.one(with_conflicts(many.clone(), RecordConflict::Skip)).await?;
    assert_eq!((report.inserted, report.existing), (750, 750));
    assert_eq!(fixture.records("detector").await?[4..], many);
    Ok(())
}
