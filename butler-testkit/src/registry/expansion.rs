//! Expansion of data IDs.

use butler_core::registry::RegistryExt;
use butler_core::{DataId, DimensionValue, ErrorKind, Result};

use super::RegistryHarness;
use super::data::{camera, observations};
use super::fixture::{Fixture, data_id, detector, element, fails, insert_records, record, universe};

fn text(value: &str) -> Option<DimensionValue> {
    Some(value.into())
}

pub(super) async fn implied_values_and_records_are_added(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, observations()).await?;
    let expanded =
        fixture.registry.expand_one(data_id!(instrument: "Cam1", exposure: 2, detector: 3)).await?;
    assert!(expanded.is_expanded());
    assert_eq!(expanded.get("physical_filter").cloned(), text("Cam1-R1"));
    assert_eq!(expanded.get("band").cloned(), text("r"));
    assert_eq!(expanded.get("group").cloned(), text("g2"));
    assert_eq!(expanded.get("day_obs").cloned(), Some(20_200_101_i64.into()));
    for (name, field, value) in
        [("detector", "full_name", "Ba"), ("exposure", "obs_id", "e2"), ("physical_filter", "band", "r")]
    {
        let found = expanded.record(element(name)).and_then(|record| record.get(field)).cloned();
        assert_eq!(found, Some(value.into()), "{name}");
    }
    assert_eq!(expanded.timespan(), Some(super::data::when(2)));
    Ok(())
}

pub(super) async fn answers_come_in_the_order_of_questions(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, observations()).await?;
    let asked = vec![
        detector(3),
        data_id!(instrument: "Cam1", visit: 2),
        detector(1),
        DataId::empty(universe()),
        detector(3),
        data_id!(instrument: "Cam1", physical_filter: "Cam1-G"),
        data_id!(instrument: "Cam1", visit: 1),
    ];
    let expanded = fixture.registry.expand(asked.clone()).await?;
    assert_eq!(expanded, asked);
    assert!(expanded.iter().all(DataId::is_expanded));
    assert_eq!(expanded[6].get("band").cloned(), text("g"));
    assert_eq!(expanded[1].get("band").cloned(), text("r"));
    assert_eq!(fixture.registry.expand(Vec::new()).await?, []);
    Ok(())
}

pub(super) async fn records_of_one_value_are_shared(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, observations()).await?;
    let expanded = fixture.registry.expand((1..=4).map(detector).collect()).await?;
    let place =
        |data_id: &DataId| data_id.record(element("instrument")).map(|record| record.values().as_ptr());
    assert!(place(&expanded[0]).is_some());
    assert!(expanded.iter().all(|data_id| place(data_id) == place(&expanded[0])));
    Ok(())
}

pub(super) async fn a_value_without_a_record_is_an_error(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let asked = vec![detector(1), detector(9)];
    fails(fixture.registry.expand(asked).await, ErrorKind::DataIdValue, &["detector", "9"]);
    let unknown = data_id!(instrument: "Cam9");
    fails(fixture.registry.expand_one(unknown).await, ErrorKind::DataIdValue, &["instrument", "Cam9"]);
    Ok(())
}

pub(super) async fn implied_values_that_disagree_are_an_error(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let full =
        |band: &str| data_id!(instrument: "Cam1", physical_filter: "Cam1-G").with_implied([band.into()]);
    assert_eq!(fixture.registry.expand_one(full("g")?).await?.get("band").cloned(), text("g"));
    fails(fixture.registry.expand_one(full("r")?).await, ErrorKind::InconsistentDataId, &["band"]);
    Ok(())
}

pub(super) async fn values_that_do_not_belong_together_are_an_error(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, observations()).await?;
    fixture.registry.expand_one(data_id!(instrument: "Cam1", exposure: 1, visit: 1)).await?;
    let apart = data_id!(instrument: "Cam1", exposure: 1, visit: 2);
    fails(fixture.registry.expand_one(apart).await, ErrorKind::InconsistentDataId, &["visit"]);
    Ok(())
}

pub(super) async fn a_record_that_only_adds_may_be_missing(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, observations()).await?;
    let expanded = fixture.registry.expand_one(data_id!(instrument: "Cam1", visit: 1, detector: 3)).await?;
    assert!(expanded.record(element("visit_detector_region")).is_none());
    assert!(expanded.record(element("visit")).is_some());
    Ok(())
}

pub(super) async fn pixels_need_no_records(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let asked = data_id!(instrument: "Cam1", htm7: 200_000);
    let expanded = fixture.registry.expand_one(asked.clone()).await?;
    assert_eq!(expanded, asked);
    assert!(expanded.record(element("instrument")).is_some());
    Ok(())
}

pub(super) async fn many_data_ids_are_expanded(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, observations()).await?;
    let detectors = (10..110)
        .map(|id| record!(detector { instrument: "Cam1", id: id, full_name: format!("d{id}") }))
        .collect();
    fixture.one(insert_records(detectors)).await?;
    let asked: Vec<DataId> = (0..h.large() as i64)
        .map(|n| data_id!(instrument: "Cam1", detector: 10 + n % 100, visit: 1 + n % 4))
        .collect();
    let expanded = fixture.registry.expand(asked.clone()).await?;
    assert_eq!(expanded, asked);
    for data_id in expanded {
        let number = data_id.get("detector").map(ToString::to_string).unwrap_or_default();
        let record = data_id.record(element("detector")).and_then(|record| record.get("full_name")).cloned();
        assert_eq!(record, Some(format!("d{number}").into()));
    }
    Ok(())
}

pub(super) async fn values_of_one_number_in_two_instruments_are_two(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    fixture
        .apply([
            insert_records(vec![record!(instrument { name: "Cam2" })]),
            insert_records(vec![record!(detector { instrument: "Cam2", id: 1, full_name: "other" })]),
        ])
        .await?;
    let asked = vec![detector(1), data_id!(instrument: "Cam2", detector: 1)];
    let names: Vec<_> = fixture
        .registry
        .expand(asked)
        .await?
        .iter()
        .filter_map(|data_id| data_id.record(element("detector"))?.get("full_name").cloned())
        .collect();
    assert_eq!(names, ["Aa".into(), "other".into()]);
    Ok(())
}
