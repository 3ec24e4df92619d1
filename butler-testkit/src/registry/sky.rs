//! Queries about where things are on the sky.

use butler_core::query::{Field, Literal, Predicate, Query, ResultSpec, TypedExpr};
use butler_core::registry::Operation;
use butler_core::sky::{Pixelization, Region};
use butler_core::{DataId, DimensionRecord, ErrorKind, Result};

use super::RegistryHarness;
use super::data::{observations, sky_map, square};
use super::fixture::{
    Fixture, data_id, dataset_type, element, fails, group, ids, into_records, numbers, ordered, question,
    register_run, select, select_records, sorted, stream_all,
};

async fn with_sky(h: &dyn RegistryHarness) -> Result<Fixture> {
    Fixture::with(h, observations().into_iter().chain(sky_map())).await
}

fn region_of(record: &DimensionRecord) -> Result<Region> {
    let region = record.region().ok_or_else(|| super::fixture::nothing("a region"))?;
    region.decode().cloned()
}

fn touch(a: &Region, b: &Region) -> bool {
    a.overlaps(b) != Some(false)
}

/// Pairs of records of two elements whose regions overlap, by geometry alone, as joined data IDs.
async fn overlapping(fixture: &Fixture, a: &str, b: &str) -> Result<Vec<DataId>> {
    let (left, right) = (fixture.records(a).await?, fixture.records(b).await?);
    let mut pairs = Vec::new();
    for one in &left {
        for other in &right {
            if touch(&region_of(one)?, &region_of(other)?) {
                pairs.push(one.data_id().union(&other.data_id()));
            }
        }
    }
    pairs.sort();
    assert!(!pairs.is_empty() && pairs.len() < left.len() * right.len());
    Ok(pairs)
}

fn region(name: &str) -> TypedExpr {
    TypedExpr::Field(Field::Record { element: element(name), field: "region".into() })
}

fn overlaps(name: &str, with: Region) -> Predicate {
    Predicate::Overlaps { left: region(name), right: TypedExpr::Literal(Literal::Region(with.into())) }
}

pub(super) async fn what_is_in_one_place_is_joined(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = with_sky(h).await?;
    for (dimensions, a, b) in [
        (&["visit", "patch"][..], "visit", "patch"),
        (&["visit", "tract"], "visit", "tract"),
        (&["visit", "detector", "tract"], "visit_detector_region", "tract"),
        (&["visit", "detector", "patch"], "visit_detector_region", "patch"),
    ] {
        let mut found = fixture.data_ids(select(dimensions, "")).await?;
        found.sort();
        assert_eq!(found, overlapping(&fixture, a, b).await?, "{dimensions:?}");
    }
    Ok(())
}

pub(super) async fn a_join_may_be_asked_for(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = with_sky(h).await?;
    let predicate = Predicate::Overlaps { left: region("visit"), right: region("tract") };
    let result = ResultSpec::DataIds { dimensions: group(&["visit", "tract"]) };
    let query = Query { predicate, ..question(group(&["visit", "patch"]), result) };
    let mut found = fixture.data_ids(query).await?;
    found.sort();
    assert_eq!(found, overlapping(&fixture, "visit", "tract").await?);
    Ok(())
}

pub(super) async fn a_dataset_says_what_belongs_together(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = with_sky(h).await?;
    let warp = dataset_type("warp", &["visit", "patch"]);
    fixture.apply([Operation::RegisterDatasetType(warp.clone()), register_run("r")]).await?;
    // Visit 4 is far from all patches.
    let far = data_id!(instrument: "Cam1", visit: 4, skymap: "map", tract: 0, patch: 0);
    let datasets = fixture.insert(&warp, "r", &[far]).await?;
    let found = fixture.datasets(fixture.query_for(&warp, &["r"], true).await?).await?;
    assert_eq!(found, datasets);
    Ok(())
}

pub(super) async fn regions_restrict_rows(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = with_sky(h).await?;
    for (place, expected) in [
        (square(0.5, 0.0, 0.1), &[1][..]),
        (square(1.0, 0.0, 0.1), &[1, 2]),
        (square(2.0, 0.0, 100.0), &[1, 2, 3, 4]),
        (square(20.0, 0.0, 1.0), &[]),
        (square(0.5, 0.6, 0.1), &[]),
    ] {
        let query = Query { predicate: overlaps("visit", place.clone()), ..select(&["visit"], "") };
        assert_eq!(sorted(&fixture.data_ids(query).await?, "visit"), expected, "{place:?}");
    }
    Ok(())
}

pub(super) async fn overlaps_are_conditions_like_others(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = with_sky(h).await?;
    let here = || overlaps("visit", square(0.5, 0.0, 0.1));
    let there = || overlaps("visit", square(40.0, 0.0, 0.1));
    let number = |n: i64| Predicate::key_equals(element("visit"), &n.into());
    let cases: [(Predicate, &[i64]); 5] = [
        (Predicate::Or(vec![here(), there()]), &[1, 4]),
        (Predicate::Not(Box::new(here())), &[2, 3, 4]),
        (Predicate::Or(vec![here(), number(3)]), &[1, 3]),
        (Predicate::Not(Box::new(Predicate::Or(vec![here(), number(3)]))), &[2, 4]),
        (Predicate::And(vec![here(), there()]), &[]),
    ];
    for (predicate, expected) in cases {
        let told = format!("{predicate:?}");
        let found = fixture.data_ids(Query { predicate, ..select(&["visit"], "") }).await?;
        assert_eq!(sorted(&found, "visit"), expected, "{told}");
    }
    Ok(())
}

pub(super) async fn what_has_no_region_overlaps_nothing(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = with_sky(h).await?;
    let nowhere = super::fixture::record!(visit {
        instrument: "Cam1",
        id: 9,
        day_obs: 20_200_101_i64,
        physical_filter: "Cam1-G",
        name: "v9",
    });
    fixture.one(super::fixture::insert_records(vec![nowhere])).await?;
    let somewhere = || overlaps("visit", square(0.5, 0.0, 0.1));
    let query = |predicate| Query { predicate, ..select(&["visit"], "") };
    assert_eq!(sorted(&fixture.data_ids(query(somewhere())).await?, "visit"), [1]);
    let elsewhere = Predicate::Not(Box::new(somewhere()));
    assert_eq!(sorted(&fixture.data_ids(query(elsewhere)).await?, "visit"), [2, 3, 4]);
    let joined = fixture.data_ids(select(&["visit", "tract"], "visit = 9")).await?;
    assert_eq!(joined, []);
    Ok(())
}

pub(super) async fn rows_in_one_place_are_ordered_and_limited(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = with_sky(h).await?;
    let all = ordered(select(&["visit", "patch"], ""), &["-visit", "patch", "tract"]);
    let whole = fixture.data_ids(all.clone()).await?;
    assert!(numbers(&whole, "visit").is_sorted_by(|a, b| a >= b));
    let mut pages = Vec::new();
    for offset in 0..=whole.len() as u64 {
        pages.extend(fixture.data_ids(Query { limit: Some(1), offset, ..all.clone() }).await?);
    }
    assert_eq!(pages, whole);
    assert_eq!(fixture.data_ids(Query { limit: Some(0), ..all }).await?, []);
    Ok(())
}

pub(super) async fn what_is_in_several_pixels_comes_once(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = with_sky(h).await?;
    let result = ResultSpec::DataIds { dimensions: group(&["visit"]) };
    let found = fixture.data_ids(question(group(&["visit", "patch"]), result)).await?;
    assert_eq!(sorted(&found, "visit"), [1, 2, 3]);
    let query = Query {
        predicate: overlaps("patch", square(2.0, 0.0, 3.0)),
        ..select_records("tract", &["patch"], "")
    };
    let found: Vec<_> = fixture.rows(query).await?.into_iter().flat_map(into_records).collect();
    assert_eq!(found.len(), 2);
    Ok(())
}

/// Pixels that the region of a visit may touch.
async fn pixels_of(fixture: &Fixture, visit: i64, system: &str) -> Result<Vec<i64>> {
    let pixels: Pixelization = system.parse()?;
    let records = fixture.records("visit").await?;
    let record = records.iter().find(|record| record.get("id") == Some(&visit.into()));
    let region = region_of(record.ok_or_else(|| super::fixture::nothing("a visit"))?)?;
    Ok(pixels.envelope(&region).iter().map(|pixel| pixel as i64).collect())
}

pub(super) async fn pixels_of_the_common_system_are_joined(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = with_sky(h).await?;
    let expected = pixels_of(&fixture, 2, "htm7").await?;
    assert!(expected.len() > 1);
    let found = fixture.data_ids(select(&["visit", "htm7"], "visit = 2")).await?;
    assert_eq!(sorted(&found, "htm7"), expected);
    let one = fixture.data_ids(select(&["visit", "htm7"], &format!("htm7 = {}", expected[0]))).await?;
    assert!(numbers(&one, "visit").contains(&2));
    Ok(())
}

pub(super) async fn pixels_of_other_systems_are_joined(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = with_sky(h).await?;
    for system in ["htm5", "htm9", "healpix6"] {
        let expected = pixels_of(&fixture, 3, system).await?;
        let found = fixture.data_ids(select(&["visit", system], "visit = 3")).await?;
        assert_eq!(sorted(&found, system), expected, "{system}");
    }
    Ok(())
}

pub(super) async fn datasets_of_pixels_are_found_by_place(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = with_sky(h).await?;
    let ty = dataset_type("sources", &["htm7"]);
    fixture.apply([Operation::RegisterDatasetType(ty.clone()), register_run("r")]).await?;
    let near = pixels_of(&fixture, 1, "htm7").await?;
    let far = pixels_of(&fixture, 4, "htm7").await?;
    let data_ids: Vec<DataId> = [near[0], far[0]].map(|pixel| data_id!(htm7: pixel)).into();
    let datasets = fixture.insert(&ty, "r", &data_ids).await?;
    let all = fixture.query_for(&ty, &["r"], true).await?;
    let query = Query { predicate: overlaps("htm7", square(0.5, 0.0, 1.0)), ..all.clone() };
    assert_eq!(ids(&fixture.datasets(query).await?), ids(&datasets[..1]));
    let query = Query { dimensions: group(&["htm7", "visit"]), ..all };
    let query = super::fixture::satisfying(query, "visit = 4");
    assert_eq!(ids(&fixture.datasets(query).await?), ids(&datasets[1..]));
    Ok(())
}

pub(super) async fn the_first_dataset_in_a_place_is_found(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = with_sky(h).await?;
    let ty = dataset_type("image", &["visit"]);
    fixture.apply([Operation::RegisterDatasetType(ty.clone()), register_run("r"), register_run("s")]).await?;
    let of = |visit: i64| data_id!(instrument: "Cam1", visit: visit);
    let first = fixture.insert(&ty, "r", &[of(1), of(4)]).await?;
    let second = fixture.insert(&ty, "s", &[of(1), of(2)]).await?;
    let predicate = overlaps("visit", square(1.0, 0.0, 0.5));
    for (collections, expected) in
        [(["r", "s"], [first[0].id(), second[1].id()]), (["s", "r"], [second[0].id(), second[1].id()])]
    {
        let query = fixture.query_for(&ty, &collections, true).await?;
        let query = ordered(Query { predicate: predicate.clone(), ..query }, &["visit"]);
        assert_eq!(ids(&fixture.datasets(query).await?), expected, "{collections:?}");
    }
    let query = fixture.query_for(&ty, &["r", "s"], false).await?;
    let query = Query { predicate, ..query };
    assert_eq!(fixture.datasets(query).await?.len(), 3);
    Ok(())
}

pub(super) async fn doubt_about_a_join_is_an_error(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = with_sky(h).await?;
    let query = select(&["visit", "patch", "htm7"], "");
    fails(stream_all(&*fixture.registry, query).await, ErrorKind::InvalidQuery, &[]);
    let same = Predicate::Overlaps { left: region("patch"), right: region("tract") };
    let query = Query { predicate: same, ..select(&["patch"], "") };
    fails(fixture.registry.count(query).await, ErrorKind::InvalidQuery, &["patch"]);
    Ok(())
}

pub(super) async fn without_dimensions_there_is_one(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = with_sky(h).await?;
    let result = ResultSpec::DataIds { dimensions: group(&[]) };
    let found = fixture.data_ids(question(group(&["visit", "patch"]), result.clone())).await?;
    assert_eq!(found, [DataId::empty(super::fixture::universe())]);
    let none = super::fixture::satisfying(question(group(&["visit", "patch"]), result), "visit = 4");
    assert_eq!(fixture.data_ids(none).await?, []);
    Ok(())
}

pub(super) async fn the_first_in_a_place_come_in_their_own_order(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = with_sky(h).await?;
    let ty = dataset_type("image", &["visit"]);
    fixture.apply([Operation::RegisterDatasetType(ty.clone()), register_run("r"), register_run("s")]).await?;
    let of = |visit: i64| data_id!(instrument: "Cam1", visit: visit);
    let first = fixture.insert(&ty, "r", &[of(1)]).await?;
    let second = fixture.insert(&ty, "s", &[of(1), of(2)]).await?;
    let query = fixture.query_for(&ty, &["r", "s"], true).await?;
    let query = Query { predicate: overlaps("visit", square(1.0, 0.0, 0.5)), ..query };
    let query = ordered(query, &["-image.run"]);
    assert_eq!(ids(&fixture.datasets(query.clone()).await?), [second[1].id(), first[0].id()]);
    let last = Query { offset: 1, limit: Some(1), ..query };
    assert_eq!(ids(&fixture.datasets(last).await?), [first[0].id()]);
    Ok(())
}
