//! Calibrations that queries find by time.

use butler_core::query::{DatasetField, Field, Literal, Predicate, Query, ResultSpec, TypedExpr};
use butler_core::registry::Operation;
use butler_core::{CollectionType, DatasetId, DatasetRef, ErrorKind, Result, Timespan};

use super::RegistryHarness;
use super::data::observations;
use super::fixture::{
    Fixture, bias, certify, data_id, dataset_type, fails, group, ids, numbers, ordered, register,
    register_run, satisfying, select, span, stream_all,
};

/// A registry whose calibration collection `c` has a bias of detector 1 for exposures 1 and 2, and
/// another one for exposure 3; of detector 2 there is one for all times.
async fn calibrated(h: &dyn RegistryHarness) -> Result<(Fixture, Vec<DatasetRef>, Vec<DatasetRef>)> {
    let fixture = Fixture::with(h, observations()).await?;
    fixture
        .apply([
            Operation::RegisterDatasetType(bias()),
            register_run("r"),
            register_run("s"),
            register("c", CollectionType::Calibration),
        ])
        .await?;
    let first = fixture.biases("r", &[1, 2]).await?;
    let second = fixture.biases("s", &[1]).await?;
    fixture
        .apply([
            certify("c", &first[..1], span(0, 300)),
            certify("c", &second, span(300, 400)),
            certify("c", &first[1..], Timespan::UNBOUNDED),
        ])
        .await?;
    Ok((fixture, first, second))
}

/// A query for the first bias of exposures and detectors, with the exposures.
async fn by_exposure(fixture: &Fixture, collections: &[&str], condition: &str) -> Result<Query> {
    let dimensions = group(&["exposure", "detector"]);
    let field = Field::Dataset { dataset_type: "bias".into(), field: DatasetField::DatasetId };
    let result = ResultSpec::General { dimensions, fields: vec![field], find_first: Some("bias".into()) };
    let query = fixture.query_for(&bias(), collections, true).await?;
    let query = satisfying(Query { dimensions, result, ..query }, condition);
    Ok(ordered(query, &["detector", "exposure"]))
}

/// Exposures with the ids of their biases.
async fn pairs(fixture: &Fixture, query: Query) -> Result<Vec<(i64, DatasetId)>> {
    let rows = fixture.rows(query).await?.into_iter().flat_map(super::fixture::into_general);
    let pair = |row: butler_core::query::GeneralRow| match row.values[..] {
        [butler_core::query::RowValue::DatasetId(id)] => Some((row.data_id.get("exposure")?.as_int()?, id)),
        _ => None,
    };
    Ok(rows.filter_map(pair).collect())
}

pub(super) async fn calibrations_are_those_of_the_time(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = calibrated(h).await?;
    let query = by_exposure(&fixture, &["c"], "detector = 1").await?;
    let expected = [(1, first[0].id()), (2, first[0].id()), (3, second[0].id())];
    assert_eq!(pairs(&fixture, query).await?, expected);
    let query = by_exposure(&fixture, &["c"], "detector = 2").await?;
    let expected = [1, 2, 3, 4].map(|exposure| (exposure, first[1].id()));
    assert_eq!(pairs(&fixture, query).await?, expected);
    Ok(())
}

pub(super) async fn other_collections_are_valid_at_all_times(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = calibrated(h).await?;
    let query = by_exposure(&fixture, &["c", "r"], "detector = 1").await?;
    let expected = [(1, first[0].id()), (2, first[0].id()), (3, second[0].id()), (4, first[0].id())];
    assert_eq!(pairs(&fixture, query).await?, expected);
    let query = by_exposure(&fixture, &["s", "c"], "detector = 1").await?;
    let expected = [1, 2, 3, 4].map(|exposure| (exposure, second[0].id()));
    assert_eq!(pairs(&fixture, query).await?, expected);
    Ok(())
}

pub(super) async fn one_exposure_has_one_calibration(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, _, second) = calibrated(h).await?;
    let query = fixture.query_for(&bias(), &["c"], true).await?;
    let query = Query { dimensions: group(&["exposure", "detector"]), ..query };
    let query = satisfying(query, "exposure = 3 AND detector = 1");
    assert_eq!(ids(&fixture.datasets(query).await?), ids(&second));
    Ok(())
}

pub(super) async fn a_calibration_of_several_exposures_comes_once(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = calibrated(h).await?;
    let query = fixture.query_for(&bias(), &["c"], true).await?;
    let query = Query { dimensions: group(&["exposure", "detector"]), ..query };
    let query = satisfying(query, "exposure < 3 AND detector = 1");
    assert_eq!(ids(&fixture.datasets(query).await?), ids(&first[..1]));
    Ok(())
}

pub(super) async fn a_lookup_in_doubt_is_an_error(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = calibrated(h).await?;
    let query = satisfying(fixture.query_for(&bias(), &["c"], true).await?, "detector = 1");
    fails(stream_all(&*fixture.registry, query.clone()).await, ErrorKind::CalibrationLookup, &[]);
    fails(fixture.registry.count(query).await, ErrorKind::CalibrationLookup, &[]);
    let query = satisfying(fixture.query_for(&bias(), &["c"], true).await?, "detector = 2");
    assert_eq!(ids(&fixture.datasets(query).await?), ids(&first[1..]));
    Ok(())
}

pub(super) async fn all_calibrations_are_found_without_a_time(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = calibrated(h).await?;
    let query = fixture.query_for(&bias(), &["c"], false).await?;
    let mut found = ids(&fixture.datasets(query).await?);
    found.sort();
    let mut expected = ids(&[first, second].concat());
    expected.sort();
    assert_eq!(found, expected);
    Ok(())
}

pub(super) async fn the_validity_restricts_calibrations(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = calibrated(h).await?;
    let field = Field::Dataset { dataset_type: "bias".into(), field: DatasetField::Timespan };
    let overlap = |timespan| Predicate::Overlaps {
        left: TypedExpr::Field(field.clone()),
        right: TypedExpr::Literal(Literal::Timespan(timespan)),
    };
    for (timespan, expected) in
        [(span(350, 360), &second[0]), (span(-9, 1), &first[0]), (span(299, 300), &first[0])]
    {
        let query = satisfying(fixture.query_for(&bias(), &["c"], true).await?, "detector = 1");
        let predicate = query.predicate.clone().and(overlap(timespan));
        let found = fixture.datasets(Query { predicate, ..query }).await?;
        assert_eq!(ids(&found), [expected.id()], "{timespan}");
    }
    Ok(())
}

pub(super) async fn exposures_without_a_calibration_are_left_out(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ..) = calibrated(h).await?;
    let search = fixture.searching(&bias(), &["c"]).await?;
    let query = Query { datasets: vec![search], ..select(&["exposure", "detector"], "detector = 1") };
    let found = fixture.data_ids(ordered(query, &["exposure"])).await?;
    assert_eq!(numbers(&found, "exposure"), [1, 2, 3]);
    Ok(())
}

pub(super) async fn raws_find_their_calibrations(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ..) = calibrated(h).await?;
    let raw = dataset_type("raw", &["exposure", "detector"]);
    fixture.one(Operation::RegisterDatasetType(raw.clone())).await?;
    let of = |exposure: i64| data_id!(instrument: "Cam1", exposure: exposure, detector: 1);
    let raws = fixture.insert(&raw, "r", &[of(2), of(3), of(4)]).await?;
    let mut query = fixture.query_for(&raw, &["r"], true).await?;
    query.datasets.push(fixture.searching(&bias(), &["c"]).await?);
    let found = fixture.datasets(ordered(query, &["exposure"])).await?;
    assert_eq!(ids(&found), ids(&raws[..2]));
    Ok(())
}

pub(super) async fn a_place_does_not_repeat_a_calibration(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = calibrated(h).await?;
    let region = |lon: f64| {
        let element = super::fixture::element("visit");
        let place = super::data::square(lon, 0.0, 0.5);
        Predicate::Overlaps {
            left: TypedExpr::Field(Field::Record { element, field: "region".into() }),
            right: TypedExpr::Literal(Literal::Region(place.into())),
        }
    };
    let query = fixture.query_for(&bias(), &["c"], true).await?;
    let query = Query { dimensions: group(&["visit", "detector"]), predicate: region(1.0), ..query };
    // Visits 1 and 2 are there, which have one bias; visit 3 has another one.
    let query = satisfying(query, "detector = 1");
    assert_eq!(ids(&fixture.datasets(query.clone()).await?), ids(&first[..1]));
    let both = Predicate::Or(vec![region(1.0), region(2.5)]);
    let doubtful = satisfying(Query { predicate: both, ..query }, "detector = 1");
    fails(fixture.registry.count(doubtful).await, ErrorKind::CalibrationLookup, &[]);
    Ok(())
}
