//! Validity ranges in calibration collections.

use butler_core::registry::Operation;
use butler_core::{CollectionType, DatasetId, DatasetRef, ErrorKind, Result, Timespan};

use super::RegistryHarness;
use super::fixture::{
    Fixture, at, bias, certify, data_id, dataset_type, decertify, detector, fails, register, register_run,
    remove_datasets, span,
};

/// A registry with an empty calibration collection `c`, and biases of detectors 1 and 2 in runs `r` and `s`.
async fn calibrations(h: &dyn RegistryHarness) -> Result<(Fixture, Vec<DatasetRef>, Vec<DatasetRef>)> {
    let fixture = Fixture::with_camera(h).await?;
    fixture.apply([register_run("s"), register("c", CollectionType::Calibration)]).await?;
    let first = fixture.biases("r", &[1, 2]).await?;
    let second = fixture.biases("s", &[1, 2]).await?;
    Ok((fixture, first, second))
}

/// Ranges in `c`, by data ID and begin.
async fn ranges(fixture: &Fixture) -> Result<Vec<(DatasetId, Timespan)>> {
    let found = fixture.memberships(&bias(), &["c"]).await?;
    assert!(found.iter().all(|association| association.collection == "c"));
    let range = |association: butler_core::query::Association| {
        Some((association.dataset.id(), association.timespan?))
    };
    Ok(found.into_iter().filter_map(range).collect())
}

pub(super) async fn what_is_certified_is_valid(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = calibrations(h).await?;
    let report = fixture.one(certify("c", &first, span(0, 10))).await?;
    assert_eq!(report.inserted, 2);
    fixture.one(certify("c", &second[..1], Timespan::new(Some(at(20)), None))).await?;
    let expected = [
        (first[0].id(), span(0, 10)),
        (second[0].id(), Timespan::new(Some(at(20)), None)),
        (first[1].id(), span(0, 10)),
    ];
    assert_eq!(ranges(&fixture).await?, expected);
    Ok(())
}

pub(super) async fn ranges_that_touch_do_not_overlap(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = calibrations(h).await?;
    fixture
        .apply([
            certify("c", &first[..1], span(10, 20)),
            certify("c", &second[..1], span(20, 30)),
            certify("c", &second[..1], span(0, 10)),
            certify("c", &first[1..], span(5, 25)),
        ])
        .await?;
    assert_eq!(ranges(&fixture).await?.len(), 4);
    Ok(())
}

pub(super) async fn ranges_that_overlap_are_a_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = calibrations(h).await?;
    fixture.one(certify("c", &first[..1], span(10, 20))).await?;
    let (old, new) = (first[0].id().to_string(), second[0].id().to_string());
    let says = ["bias", "'c'", "detector: 1", &old, &new];
    for timespan in [span(0, 11), span(19, 30), span(12, 13), span(0, 30), Timespan::UNBOUNDED] {
        let conflict = fixture.one(certify("c", &second, timespan)).await;
        fails(conflict, ErrorKind::ConflictingDefinition, &says);
    }
    assert_eq!(ranges(&fixture).await?, [(first[0].id(), span(10, 20))], "nothing of it is certified");
    Ok(())
}

pub(super) async fn a_dataset_conflicts_with_itself(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = calibrations(h).await?;
    fixture.one(certify("c", &first[..1], span(10, 20))).await?;
    let again = fixture.one(certify("c", &first[..1], span(10, 20))).await;
    fails(again, ErrorKind::ConflictingDefinition, &["bias"]);
    Ok(())
}

pub(super) async fn two_datasets_of_a_data_id_given_at_once_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = calibrations(h).await?;
    let both = [first[0].clone(), second[0].clone()];
    let conflict = fixture.one(certify("c", &both, span(0, 1))).await;
    fails(conflict, ErrorKind::ConflictingDefinition, &["bias", "detector: 1"]);
    let batch = [certify("c", &first, span(0, 9)), certify("c", &second, span(8, 10))];
    fails(fixture.apply(batch).await, ErrorKind::ConflictingDefinition, &["bias"]);
    assert_eq!(ranges(&fixture).await?, []);
    Ok(())
}

pub(super) async fn collections_do_not_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = calibrations(h).await?;
    fixture
        .apply([
            register("d", CollectionType::Calibration),
            certify("c", &first, span(0, 10)),
            certify("d", &second, span(0, 10)),
        ])
        .await?;
    assert_eq!(fixture.members(&bias(), "d").await?, super::fixture::ids(&second));
    Ok(())
}

pub(super) async fn an_empty_timespan_is_refused(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = calibrations(h).await?;
    fails(fixture.one(certify("c", &first, Timespan::EMPTY)).await, ErrorKind::Argument, &["empty"]);
    Ok(())
}

pub(super) async fn only_calibrations_are_certified(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ..) = calibrations(h).await?;
    let raw = dataset_type("raw", &["detector"]);
    fixture.one(Operation::RegisterDatasetType(raw.clone())).await?;
    let datasets = fixture.insert(&raw, "r", &[detector(1)]).await?;
    fails(fixture.one(certify("c", &datasets, span(0, 1))).await, ErrorKind::DatasetType, &["raw"]);
    let nothing = fixture.one(decertify("c", &raw, span(0, 1), None)).await;
    fails(nothing, ErrorKind::DatasetType, &["raw"]);
    Ok(())
}

pub(super) async fn only_calibration_collections_have_ranges(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = calibrations(h).await?;
    fixture.one(register("t", CollectionType::Tagged)).await?;
    for name in ["r", "t"] {
        let certified = fixture.one(certify(name, &first, span(0, 1))).await;
        fails(certified, ErrorKind::CollectionType, &["CALIBRATION"]);
        let decertified = fixture.one(decertify(name, &bias(), span(0, 1), None)).await;
        fails(decertified, ErrorKind::CollectionType, &["CALIBRATION"]);
    }
    Ok(())
}

pub(super) async fn only_datasets_that_are_there_are_certified(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ..) = calibrations(h).await?;
    let unknown = fixture.new_refs(&bias(), "r", &[detector(3)]);
    let id = unknown[0].id().to_string();
    fails(fixture.one(certify("c", &unknown, span(0, 1))).await, ErrorKind::DatasetNotFound, &[&id]);
    Ok(())
}

pub(super) async fn ranges_of_removed_datasets_are_gone(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = calibrations(h).await?;
    fixture.one(certify("c", &first, span(0, 10))).await?;
    fixture.one(remove_datasets(&first[..1])).await?;
    fixture.one(certify("c", &second[..1], span(5, 15))).await?;
    assert_eq!(ranges(&fixture).await?, [(second[0].id(), span(5, 15)), (first[1].id(), span(0, 10))]);
    Ok(())
}

/// What is left of ranges from 0 to 10 of two detectors when a timespan is decertified.
async fn leaves(h: &dyn RegistryHarness, timespan: Timespan, expected: &[Timespan]) -> Result<()> {
    let (fixture, first, _) = calibrations(h).await?;
    fixture.one(certify("c", &first, span(0, 10))).await?;
    fixture.one(decertify("c", &bias(), timespan, None)).await?;
    let of = |dataset: &DatasetRef| expected.iter().map(|&rest| (dataset.id(), rest)).collect::<Vec<_>>();
    assert_eq!(ranges(&fixture).await?, [of(&first[0]), of(&first[1])].concat());
    Ok(())
}

pub(super) async fn to_decertify_ends_the_validity(h: &dyn RegistryHarness) -> Result<()> {
    leaves(h, span(0, 10), &[]).await?;
    leaves(h, Timespan::UNBOUNDED, &[]).await
}

pub(super) async fn a_range_is_cut_at_either_end(h: &dyn RegistryHarness) -> Result<()> {
    leaves(h, span(-5, 4), &[span(4, 10)]).await?;
    leaves(h, span(7, 30), &[span(0, 7)]).await
}

pub(super) async fn a_range_is_split(h: &dyn RegistryHarness) -> Result<()> {
    leaves(h, span(3, 5), &[span(0, 3), span(5, 10)]).await
}

pub(super) async fn what_only_touches_stays(h: &dyn RegistryHarness) -> Result<()> {
    leaves(h, span(10, 20), &[span(0, 10)]).await?;
    leaves(h, Timespan::EMPTY, &[span(0, 10)]).await
}

pub(super) async fn some_data_ids_are_decertified_alone(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = calibrations(h).await?;
    fixture.one(certify("c", &first, span(0, 10))).await?;
    let some = Some(vec![detector(2), detector(4)]);
    fixture.one(decertify("c", &bias(), span(5, 10), some)).await?;
    assert_eq!(ranges(&fixture).await?, [(first[0].id(), span(0, 10)), (first[1].id(), span(0, 5))]);
    let wrong = Some(vec![data_id!(instrument: "Cam1")]);
    let wrong = fixture.one(decertify("c", &bias(), span(0, 1), wrong)).await;
    fails(wrong, ErrorKind::DimensionName, &["bias"]);
    Ok(())
}

pub(super) async fn no_data_ids_are_not_all(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = calibrations(h).await?;
    fixture.one(certify("c", &first, span(0, 10))).await?;
    fixture.one(decertify("c", &bias(), span(0, 10), Some(Vec::new()))).await?;
    assert_eq!(ranges(&fixture).await?.len(), 2);
    Ok(())
}

pub(super) async fn other_types_and_collections_stay_valid(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = calibrations(h).await?;
    let flat = dataset_type("flat", &["detector"]).with_is_calibration(true);
    fixture
        .apply([Operation::RegisterDatasetType(flat.clone()), register("d", CollectionType::Calibration)])
        .await?;
    let flats = fixture.insert(&flat, "r", &[detector(1)]).await?;
    fixture
        .apply([
            certify("c", &first, span(0, 10)),
            certify("d", &first, span(0, 10)),
            certify("c", &flats, span(0, 10)),
        ])
        .await?;
    fixture.one(decertify("c", &bias(), Timespan::UNBOUNDED, None)).await?;
    assert_eq!(fixture.members(&bias(), "c").await?, []);
    assert_eq!(fixture.members(&flat, "c").await?, super::fixture::ids(&flats));
    assert_eq!(fixture.members(&bias(), "d").await?, super::fixture::ids(&first));
    Ok(())
}

pub(super) async fn ranges_are_replaced_in_one_batch(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = calibrations(h).await?;
    fixture.one(certify("c", &first[..1], span(0, 10))).await?;
    fixture
        .apply([certify("c", &second[..1], span(3, 5)), decertify("c", &bias(), span(3, 5), None)])
        .await?;
    let expected = [(first[0].id(), span(0, 3)), (second[0].id(), span(3, 5)), (first[0].id(), span(5, 10))];
    assert_eq!(ranges(&fixture).await?, expected);
    Ok(())
}
