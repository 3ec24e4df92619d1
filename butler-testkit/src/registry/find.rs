//! Finding datasets by type, data ID and collections.

use butler_core::registry::{FindRequest, Operation, RegistryExt};
use butler_core::{ChainEdit, CollectionType, DataId, DatasetRef, ErrorKind, Result, Timespan};

use super::RegistryHarness;
use super::fixture::{
    Fixture, assert_same, associate, bias, certify, data_id, dataset_type, detector, edit, fails, names,
    register, register_run, span,
};

/// A registry with runs `r` and `s` that both have a bias of detectors 1 and 2, and the datasets of each.
async fn two_runs(h: &dyn RegistryHarness) -> Result<(Fixture, Vec<DatasetRef>, Vec<DatasetRef>)> {
    let fixture = Fixture::with_camera(h).await?;
    fixture.one(register_run("s")).await?;
    let first = fixture.biases("r", &[1, 2]).await?;
    let second = fixture.biases("s", &[1, 2, 3]).await?;
    Ok((fixture, first, second))
}

/// That the bias of detector 1 in some collections is a certain one.
async fn finds(fixture: &Fixture, collections: &[&str], expected: Option<&DatasetRef>) -> Result<()> {
    let found = fixture.find(&bias(), &detector(1), collections).await?;
    assert_eq!(found.as_ref(), expected, "in {collections:?}");
    if let (Some(found), Some(expected)) = (&found, expected) {
        assert_same(found, expected);
    }
    Ok(())
}

pub(super) async fn the_first_collection_wins(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = two_runs(h).await?;
    finds(&fixture, &["r", "s"], Some(&first[0])).await?;
    finds(&fixture, &["s", "r"], Some(&second[0])).await?;
    let found = fixture.find(&bias(), &detector(3), &["r", "s"]).await?;
    assert_eq!(found.as_ref(), Some(&second[2]), "what the first does not have");
    Ok(())
}

pub(super) async fn what_is_nowhere_is_not_found(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, _, _) = two_runs(h).await?;
    assert_eq!(fixture.find(&bias(), &detector(4), &["r", "s"]).await?, None);
    assert_eq!(fixture.find(&bias(), &detector(3), &["r"]).await?, None);
    assert_eq!(fixture.find(&bias(), &detector(1), &[]).await?, None, "in no collection");
    assert_eq!(fixture.find(&bias(), &detector(99), &["r"]).await?, None, "of no detector");
    Ok(())
}

pub(super) async fn chains_are_searched_in_their_order(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = two_runs(h).await?;
    fixture
        .apply([
            register("inner", CollectionType::Chained),
            register("outer", CollectionType::Chained),
            register_run("empty"),
            edit("inner", ChainEdit::Redefine(names(&["empty", "s"]))),
            edit("outer", ChainEdit::Redefine(names(&["inner", "r"]))),
        ])
        .await?;
    finds(&fixture, &["outer"], Some(&second[0])).await?;
    fixture.one(edit("outer", ChainEdit::Prepend(names(&["r"])))).await?;
    finds(&fixture, &["outer"], Some(&first[0])).await
}

pub(super) async fn members_of_tagged_collections_are_found(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = two_runs(h).await?;
    fixture.apply([register("t", CollectionType::Tagged), associate("t", &second[..1])]).await?;
    finds(&fixture, &["t"], Some(&second[0])).await?;
    finds(&fixture, &["t", "r"], Some(&second[0])).await?;
    finds(&fixture, &["r", "t"], Some(&first[0])).await?;
    assert_eq!(fixture.find(&bias(), &detector(2), &["t", "r"]).await?, Some(first[1].clone()));
    assert_eq!(fixture.find(&bias(), &detector(2), &["t"]).await?, None);
    Ok(())
}

/// A registry whose calibration collection `c` has a bias of detector 1 from 0 to 10, and another one from 10 to 20.
async fn certified(h: &dyn RegistryHarness) -> Result<(Fixture, Vec<DatasetRef>, Vec<DatasetRef>)> {
    let (fixture, first, second) = two_runs(h).await?;
    fixture
        .apply([
            register("c", CollectionType::Calibration),
            certify("c", &first[..1], span(0, 10)),
            certify("c", &second[..1], span(10, 20)),
        ])
        .await?;
    Ok((fixture, first, second))
}

pub(super) async fn calibrations_are_found_by_time_only(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = certified(h).await?;
    finds(&fixture, &["c"], None).await?;
    finds(&fixture, &["c", "s"], Some(&second[0])).await?;
    let find = async |timespan| fixture.find_in(&bias(), &detector(1), &["c"], Some(timespan)).await;
    assert_eq!(find(span(3, 4)).await?.as_ref(), Some(&first[0]));
    assert_eq!(find(span(-5, 1)).await?.as_ref(), Some(&first[0]));
    assert_eq!(find(span(10, 11)).await?.as_ref(), Some(&second[0]), "ranges are half-open");
    assert_eq!(find(span(9, 10)).await?.as_ref(), Some(&first[0]));
    assert_eq!(find(span(20, 30)).await?, None);
    assert_eq!(find(Timespan::EMPTY).await?, None);
    Ok(())
}

pub(super) async fn several_valid_calibrations_are_an_error(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = certified(h).await?;
    for timespan in [span(5, 15), Timespan::UNBOUNDED] {
        let found = fixture.find_in(&bias(), &detector(1), &["c"], Some(timespan)).await;
        fails(found, ErrorKind::CalibrationLookup, &["bias", "'c'", "detector: 1"]);
    }
    let found = fixture.find_in(&bias(), &detector(1), &["r", "c"], Some(span(5, 15))).await?;
    assert_eq!(found.as_ref(), Some(&first[0]), "what does not win does not matter");
    Ok(())
}

pub(super) async fn the_only_calibration_is_found_for_all_times(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = certified(h).await?;
    fixture.one(certify("c", &first[1..], span(3, 5))).await?;
    let found = fixture.find_in(&bias(), &detector(2), &["c"], Some(Timespan::UNBOUNDED)).await?;
    assert_eq!(found.as_ref(), Some(&first[1]));
    Ok(())
}

pub(super) async fn types_without_validity_skip_calibration_collections(
    h: &dyn RegistryHarness,
) -> Result<()> {
    let (fixture, ..) = certified(h).await?;
    let raw = dataset_type("raw", &["detector"]);
    fixture.one(Operation::RegisterDatasetType(raw.clone())).await?;
    let datasets = fixture.insert(&raw, "r", &[detector(1)]).await?;
    let found = fixture.find_in(&raw, &detector(1), &["c", "r"], Some(span(0, 1))).await?;
    assert_eq!(found.as_slice(), datasets);
    Ok(())
}

pub(super) async fn answers_come_in_the_order_of_questions(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = two_runs(h).await?;
    let request = |number, search| FindRequest {
        dataset_type: bias(),
        data_id: detector(number),
        collections: search,
        timespan: None,
    };
    let (r, s) = (fixture.search(&["r"]).await?, fixture.search(&["s"]).await?);
    let requests = vec![
        request(2, s.clone()),
        request(3, r.clone()),
        request(2, r.clone()),
        request(1, s.clone()),
        request(2, s),
    ];
    let found = fixture.registry.find(requests).await?;
    let expected = [Some(&second[1]), None, Some(&first[1]), Some(&second[0]), Some(&second[1])];
    assert_eq!(found, expected.map(|dataset| dataset.cloned()));
    assert_eq!(fixture.registry.find(Vec::new()).await?, []);
    Ok(())
}

pub(super) async fn data_ids_stay_at_the_level_of_the_question(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let flat = dataset_type("flat", &["physical_filter"]);
    fixture.one(Operation::RegisterDatasetType(flat.clone())).await?;
    let plain = data_id!(instrument: "Cam1", physical_filter: "Cam1-G");
    fixture.insert(&flat, "r", std::slice::from_ref(&plain)).await?;
    let full = plain.with_implied(["g".into()])?;
    let expanded = fixture.registry.expand_one(plain.clone()).await?;
    let level = |data_id: &DataId| (data_id.is_full(), data_id.is_expanded());
    for asked in [plain, full, expanded] {
        let found = fixture.find(&flat, &asked, &["r"]).await?;
        assert_eq!(found.map(|dataset| level(dataset.data_id())), Some(level(&asked)));
    }
    Ok(())
}

pub(super) async fn components_are_found_with_the_whole(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = two_runs(h).await?;
    let component = bias().component("image", "Image")?;
    let found = fixture.find(&component, &detector(1), &["r"]).await?;
    let Some(found) = found else { return Err(super::fixture::nothing("a component")) };
    assert_eq!((found.id(), found.run()), (first[0].id(), first[0].run()));
    assert_eq!(found.dataset_type(), &component);
    Ok(())
}

pub(super) async fn the_storage_class_is_that_of_the_question(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = two_runs(h).await?;
    let other = bias().with_storage_class("Image");
    let found = fixture.find(&other, &detector(1), &["r"]).await?;
    assert_eq!(found.as_ref().map(DatasetRef::id), Some(first[0].id()));
    assert_eq!(found.as_ref().map(|dataset| dataset.dataset_type()), Some(&other));
    Ok(())
}

pub(super) async fn the_type_must_be_registered(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let flat = dataset_type("flat", &["detector"]);
    fails(fixture.find(&flat, &detector(1), &["r"]).await, ErrorKind::MissingDatasetType, &["flat"]);
    Ok(())
}

pub(super) async fn the_data_id_must_be_of_the_types_dimensions(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let found = fixture.find(&bias(), &data_id!(instrument: "Cam1"), &["r"]).await;
    fails(found, ErrorKind::DimensionName, &["bias", "detector"]);
    Ok(())
}

pub(super) async fn there_may_be_many_runs_with_one_data_id(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let runs: Vec<String> = (0..150).map(|n| format!("run{n}")).collect();
    fixture.apply(runs.iter().map(|run| register_run(run))).await?;
    // More have the data ID than are looked at one by one, and more do not than are asked for at once.
    let mut datasets = Vec::new();
    for run in &runs[75..] {
        datasets.extend(fixture.new_refs(&bias(), run, &[detector(1)]));
    }
    fixture
        .apply(datasets.iter().map(|dataset| super::fixture::insert(std::slice::from_ref(dataset))))
        .await?;
    let mut order: Vec<&str> = runs.iter().map(String::as_str).collect();
    finds(&fixture, &order, Some(&datasets[0])).await?;
    finds(&fixture, &order[..75], None).await?;
    order.reverse();
    finds(&fixture, &order, datasets.last()).await?;
    order.rotate_left(60);
    finds(&fixture, &order, Some(&datasets[14])).await?;
    order.rotate_left(15);
    finds(&fixture, &order, datasets.last()).await
}

pub(super) async fn what_another_writer_does_is_seen(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = two_runs(h).await?;
    let other = fixture.another().await?;
    finds(&other, &["r"], Some(&first[0])).await?;
    let third = fixture.biases("r", &[3]).await?;
    assert_eq!(other.find(&bias(), &detector(3), &["r"]).await?.as_slice(), third);
    fixture.one(super::fixture::remove_datasets(&first)).await?;
    finds(&other, &["r"], None).await
}
