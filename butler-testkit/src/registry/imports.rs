//! Imports: datasets with ids from elsewhere, once or again.

use butler_core::registry::Operation;
use butler_core::{DatasetRef, ErrorKind, Result};

use super::RegistryHarness;
use super::fixture::{Fixture, assert_same, bias, dataset_type, detector, fails, ids, import, register_run};

/// A registry with biases of detectors 1 and 2 in the run `r`, an empty run `s` and a type `flat`.
async fn with_two(h: &dyn RegistryHarness) -> Result<(Fixture, Vec<DatasetRef>)> {
    let fixture = Fixture::with_camera(h).await?;
    let flat = dataset_type("flat", &["detector"]);
    fixture.apply([register_run("s"), Operation::RegisterDatasetType(flat)]).await?;
    let datasets = fixture.new_refs(&bias(), "r", &[detector(1), detector(2)]);
    let report = fixture.one(import(&datasets)).await?;
    assert_eq!((report.inserted, report.existing), (2, 0));
    Ok((fixture, datasets))
}

/// That an import that agrees with nothing that is there is refused, and leaves nothing.
async fn is_refused(fixture: &Fixture, mut datasets: Vec<DatasetRef>, says: &[&str]) -> Result<()> {
    let (ty, run) = (datasets[0].dataset_type().clone(), datasets[0].run().clone());
    let innocent = fixture.new_refs(&ty, &run, &[detector(4)]);
    datasets.insert(0, innocent[0].clone());
    fails(fixture.one(import(&datasets)).await, ErrorKind::ConflictingDefinition, says);
    assert_eq!(fixture.present(&innocent).await?, []);
    Ok(())
}

pub(super) async fn to_import_again_changes_nothing(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets) = with_two(h).await?;
    let report = fixture.one(import(&datasets)).await?;
    assert_eq!((report.inserted, report.existing), (0, 2));
    let mut existing = report.existing_datasets;
    existing.sort();
    assert_eq!(existing, ids(&datasets));
    assert_same(&fixture.present(&datasets).await?[1], &datasets[1]);
    Ok(())
}

pub(super) async fn what_is_there_is_passed_over(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets) = with_two(h).await?;
    let new = fixture.new_refs(&bias(), "r", &[detector(3)]);
    let report = fixture.one(import(&[new[0].clone(), datasets[1].clone()])).await?;
    assert_eq!((report.inserted, report.existing), (1, 1));
    assert_eq!(report.existing_datasets, [datasets[1].id()]);
    assert_eq!(fixture.present(&new).await?, new);
    Ok(())
}

pub(super) async fn one_given_twice_is_imported_once(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, _) = with_two(h).await?;
    let new = fixture.new_refs(&bias(), "r", &[detector(3)]);
    let report = fixture.one(import(&[new[0].clone(), new[0].clone()])).await?;
    assert_eq!(report.inserted, 1);
    assert_eq!(fixture.present(&new).await?, new);
    Ok(())
}

pub(super) async fn an_id_of_another_run_is_a_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets) = with_two(h).await?;
    let other = DatasetRef::new(datasets[0].id(), bias(), detector(1), "s".into())?;
    let id = other.id().to_string();
    is_refused(&fixture, vec![other], &[&id, "'r'", "'s'"]).await
}

pub(super) async fn an_id_of_another_type_is_a_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets) = with_two(h).await?;
    let flat = dataset_type("flat", &["detector"]);
    let other = DatasetRef::new(datasets[0].id(), flat, detector(1), "r".into())?;
    let id = other.id().to_string();
    is_refused(&fixture, vec![other], &[&id, "'bias'", "'flat'"]).await
}

pub(super) async fn an_id_of_another_data_id_is_a_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets) = with_two(h).await?;
    let other = DatasetRef::new(datasets[0].id(), bias(), detector(3), "r".into())?;
    let id = other.id().to_string();
    is_refused(&fixture, vec![other], &[&id, "detector: 1", "detector: 3"]).await
}

pub(super) async fn a_data_id_of_another_id_is_a_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets) = with_two(h).await?;
    let other = fixture.new_refs(&bias(), "r", &[detector(1)]);
    let (old, new) = (datasets[0].id().to_string(), other[0].id().to_string());
    is_refused(&fixture, other, &[&old, &new, "'r'"]).await
}

pub(super) async fn conflicts_within_an_import_are_found(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, _) = with_two(h).await?;
    let two = fixture.new_refs(&bias(), "r", &[detector(3), detector(3)]);
    is_refused(&fixture, two.clone(), &["detector: 3"]).await?;
    let one_id = [two[0].clone(), DatasetRef::new(two[0].id(), bias(), detector(4), "r".into())?];
    let id = two[0].id().to_string();
    fails(fixture.one(import(&one_id)).await, ErrorKind::ConflictingDefinition, &[&id]);
    Ok(())
}

pub(super) async fn one_data_id_in_another_run_is_no_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, _) = with_two(h).await?;
    let other = fixture.new_refs(&bias(), "s", &[detector(1)]);
    assert_eq!(fixture.one(import(&other)).await?.inserted, 1);
    assert_eq!(fixture.find(&bias(), &detector(1), &["s"]).await?.as_slice(), other);
    Ok(())
}
