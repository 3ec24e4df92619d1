//! Queries for data IDs: what belongs together, what is uploaded, what has datasets.

use std::sync::Arc;

use butler_core::query::{Query, ResultSpec};
use butler_core::registry::Operation;
use butler_core::{DataId, DimensionUniverse, DimensionValue, ErrorKind, Result};

use super::RegistryHarness;
use super::data::{camera, observations, sky_map};
use super::fixture::{
    Fixture, bias, data_id, dataset_type, detector, fails, group, insert_records, numbers, ordered, question,
    record, register_run, select, sorted, stream_all, universe,
};

async fn observed(h: &dyn RegistryHarness) -> Result<Fixture> {
    Fixture::with(h, observations()).await
}

pub(super) async fn unrelated_values_are_combined(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let found = fixture.data_ids(ordered(select(&["visit", "detector"], ""), &["visit", "detector"])).await?;
    let expected: Vec<DataId> = (1..=4)
        .flat_map(|visit| {
            (1..=4).map(move |detector| data_id!(instrument: "Cam1", visit: visit, detector: detector))
        })
        .collect();
    assert_eq!(found, expected);
    Ok(())
}

pub(super) async fn values_belong_together_as_records_say(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let found = fixture.data_ids(ordered(select(&["visit", "exposure"], ""), &["visit"])).await?;
    let expected = [1, 2, 3, 4].map(|n| data_id!(instrument: "Cam1", visit: n, exposure: n));
    assert_eq!(found, expected);
    let found = fixture.data_ids(select(&["visit", "band"], "band = 'r'")).await?;
    assert_eq!(sorted(&found, "visit"), [2, 3], "an implied value is that of the record");
    Ok(())
}

pub(super) async fn values_of_two_instruments_are_not_mixed(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    fixture
        .apply([
            insert_records(vec![record!(instrument { name: "Cam2" })]),
            insert_records(vec![record!(detector { instrument: "Cam2", id: 1, full_name: "other" })]),
        ])
        .await?;
    let all = fixture.data_ids(select(&["detector"], "")).await?;
    assert_eq!(all.len(), 5);
    let with_visit = fixture.data_ids(select(&["visit", "detector"], "")).await?;
    assert_eq!(with_visit.len(), 16);
    let one = fixture.data_ids(select(&["detector"], "instrument = 'Cam2'")).await?;
    assert_eq!(one, [data_id!(instrument: "Cam2", detector: 1)]);
    Ok(())
}

pub(super) async fn they_are_full(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let found = fixture.data_ids(ordered(select(&["exposure"], ""), &["exposure"])).await?;
    assert!(found.iter().all(DataId::is_full));
    let bands: Vec<_> = found.iter().filter_map(|data_id| data_id.get("band").cloned()).collect();
    assert_eq!(bands, ["g", "r", "r", "g"].map(DimensionValue::from));
    let groups: Vec<_> = found.iter().filter_map(|data_id| data_id.get("group").cloned()).collect();
    assert_eq!(groups, ["g1", "g2", "g3", "g4"].map(DimensionValue::from));
    Ok(())
}

pub(super) async fn they_are_expanded_if_that_is_asked_for(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let query = select(&["visit", "detector"], "visit = 2");
    assert!(fixture.data_ids(query.clone()).await?.iter().all(|data_id| !data_id.is_expanded()));
    let found = fixture.data_ids(Query { expanded: true, ..query }).await?;
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(DataId::is_expanded));
    let element = super::fixture::element("visit");
    let name = found[0].record(element).and_then(|record| record.get("name")).cloned();
    assert_eq!(name, Some("v2".into()));
    Ok(())
}

pub(super) async fn each_comes_once(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let result = ResultSpec::DataIds { dimensions: group(&["day_obs"]) };
    let found = fixture.data_ids(question(group(&["visit", "detector"]), result)).await?;
    assert_eq!(sorted(&found, "day_obs"), [20_200_101, 20_200_102]);
    let result = ResultSpec::DataIds { dimensions: group(&["band"]) };
    let bands = fixture.data_ids(question(group(&["exposure"]), result)).await?;
    assert_eq!(bands.len(), 2);
    Ok(())
}

pub(super) async fn without_dimensions_there_is_one(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    assert_eq!(fixture.data_ids(select(&[], "")).await?, [DataId::empty(universe())]);
    let result = ResultSpec::DataIds { dimensions: group(&[]) };
    let found = fixture.data_ids(question(group(&["visit"]), result.clone())).await?;
    assert_eq!(found, [DataId::empty(universe())], "if there is anything");
    let none = super::fixture::satisfying(question(group(&["visit"]), result), "visit = 99");
    assert_eq!(fixture.data_ids(none).await?, []);
    Ok(())
}

pub(super) async fn an_empty_registry_has_none(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    for dimensions in [&["instrument"][..], &["visit", "detector"], &["band"], &["patch", "visit"]] {
        assert_eq!(fixture.data_ids(select(dimensions, "")).await?, [], "{dimensions:?}");
    }
    Ok(())
}

pub(super) async fn uploads_restrict_them(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let upload: Arc<[DataId]> = [detector(3), detector(1), detector(3), detector(77)].into();
    let query = Query { uploads: vec![upload], ..select(&["detector", "visit"], "visit = 1") };
    assert_eq!(sorted(&fixture.data_ids(query).await?, "detector"), [1, 3]);
    let of_detectors = |numbers: &[i64]| numbers.iter().map(|&n| detector(n)).collect::<Arc<[DataId]>>();
    let both = vec![of_detectors(&[1, 2, 3]), of_detectors(&[2, 3, 4])];
    let query = Query { uploads: both, ..select(&["detector"], "") };
    assert_eq!(sorted(&fixture.data_ids(query).await?, "detector"), [2, 3]);
    Ok(())
}

pub(super) async fn an_empty_upload_leaves_none(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let query = Query { uploads: vec![Arc::new([])], ..select(&["detector"], "") };
    assert_eq!(fixture.data_ids(query).await?, []);
    Ok(())
}

pub(super) async fn many_may_be_uploaded(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let many: Vec<_> = (10..1210)
        .map(|id| record!(detector { instrument: "Cam1", id: id, full_name: format!("d{id}") }))
        .collect();
    fixture.one(insert_records(many)).await?;
    let upload: Arc<[DataId]> = (10..1210).step_by(3).map(detector).collect();
    let query = Query { uploads: vec![upload], ..select(&["detector"], "") };
    let found = fixture.data_ids(query).await?;
    assert_eq!(sorted(&found, "detector"), (10..1210).step_by(3).collect::<Vec<_>>());
    Ok(())
}

pub(super) async fn those_without_datasets_are_left_out(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let raw = dataset_type("raw", &["exposure", "detector"]);
    fixture
        .apply([
            Operation::RegisterDatasetType(bias()),
            Operation::RegisterDatasetType(raw.clone()),
            register_run("r"),
            register_run("s"),
        ])
        .await?;
    fixture.biases("r", &[1, 2]).await?;
    fixture.biases("s", &[2, 3]).await?;
    let of =
        |exposure: i64, detector: i64| data_id!(instrument: "Cam1", exposure: exposure, detector: detector);
    fixture.insert(&raw, "r", &[of(1, 1), of(1, 2), of(3, 2), of(2, 4)]).await?;
    let biases = fixture.searching(&bias(), &["r", "s"]).await?;
    let raws = fixture.searching(&raw, &["r"]).await?;
    let query = Query { datasets: vec![biases.clone()], ..select(&["detector"], "") };
    assert_eq!(sorted(&fixture.data_ids(query).await?, "detector"), [1, 2, 3], "each once");
    let query = Query { datasets: vec![biases, raws], ..select(&["exposure", "detector"], "") };
    let found = fixture.data_ids(ordered(query.clone(), &["exposure", "detector"])).await?;
    assert_eq!(found, [of(1, 1), of(1, 2), of(3, 2)]);
    let result = ResultSpec::DataIds { dimensions: group(&["exposure"]) };
    assert_eq!(sorted(&fixture.data_ids(Query { result, ..query }).await?, "exposure"), [1, 3]);
    Ok(())
}

pub(super) async fn pixels_alone_cannot_be_listed(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let query = select(&["htm7"], "");
    fails(stream_all(&*fixture.registry, query).await, ErrorKind::InvalidQuery, &["htm7"]);
    Ok(())
}

pub(super) async fn those_of_another_universe_cannot_be_asked_for(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    let other = DimensionUniverse::from_toml(&universe().source().replace("version = 8", "version = 4"))?;
    let dimensions = other.conform(["detector"])?;
    let query = question(dimensions, ResultSpec::DataIds { dimensions });
    fails(fixture.registry.count(query.clone()).await, ErrorKind::InconsistentUniverse, &[]);
    fails(stream_all(&*fixture.registry, query).await, ErrorKind::InconsistentUniverse, &[]);
    Ok(())
}

pub(super) async fn what_is_joined_must_fit(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let search = fixture.searching(&bias(), &["r"]).await?;
    let beside = Query { datasets: vec![search.clone()], ..select(&["instrument"], "") };
    fails(fixture.registry.count(beside).await, ErrorKind::InvalidQuery, &["detector"]);
    let twice = Query { datasets: vec![search.clone(), search], ..select(&["detector"], "") };
    fails(fixture.registry.count(twice).await, ErrorKind::InvalidQuery, &["bias"]);
    let upload: Arc<[DataId]> = [detector(1)].into();
    let beside = Query { uploads: vec![upload], ..select(&["instrument"], "") };
    fails(fixture.registry.count(beside).await, ErrorKind::InvalidQuery, &["detector"]);
    Ok(())
}

pub(super) async fn tracts_and_patches_are_nested(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, sky_map()).await?;
    let found = fixture.data_ids(ordered(select(&["patch"], ""), &["tract", "patch"])).await?;
    let pairs: Vec<_> = numbers(&found, "tract").into_iter().zip(numbers(&found, "patch")).collect();
    assert_eq!(pairs, [(0, 0), (0, 1), (1, 0), (1, 1)]);
    let result = ResultSpec::DataIds { dimensions: group(&["tract"]) };
    let query = super::fixture::satisfying(question(group(&["patch"]), result), "patch = 1 AND tract > 0");
    assert_eq!(numbers(&fixture.data_ids(query).await?, "tract"), [1]);
    Ok(())
}

pub(super) async fn uploads_need_records(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = observed(h).await?;
    for (dimensions, unknown) in [
        (&["visit"][..], data_id!(instrument: "Cam1", visit: 77)),
        (&["visit", "detector"], data_id!(instrument: "Cam1", visit: 1, detector: 77)),
        (&["band"], data_id!(band: "z")),
    ] {
        let upload: Arc<[DataId]> = [unknown].into();
        let query = Query { uploads: vec![upload], ..select(dimensions, "") };
        assert_eq!(fixture.data_ids(query).await?, [], "{dimensions:?}");
    }
    Ok(())
}
