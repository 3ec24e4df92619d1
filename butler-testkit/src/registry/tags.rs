//! Members of tagged collections.

use butler_core::registry::Operation;
use butler_core::{CollectionType, DatasetRef, ErrorKind, Result};

use super::RegistryHarness;
use super::fixture::{
    Fixture, associate, bias, dataset_type, detector, disassociate, fails, ids, register, register_run,
    remove_datasets,
};

/// A registry with an empty tagged collection `t`, biases of detectors 1 and 2 in run `r`, and of 1 in `s`.
async fn tagged(h: &dyn RegistryHarness) -> Result<(Fixture, Vec<DatasetRef>, Vec<DatasetRef>)> {
    let fixture = Fixture::with_camera(h).await?;
    fixture.apply([register_run("s"), register("t", CollectionType::Tagged)]).await?;
    let first = fixture.biases("r", &[1, 2]).await?;
    let second = fixture.biases("s", &[1]).await?;
    Ok((fixture, first, second))
}

pub(super) async fn what_is_associated_is_a_member(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = tagged(h).await?;
    assert_eq!(fixture.members(&bias(), "t").await?, []);
    let report = fixture.one(associate("t", &first)).await?;
    assert_eq!((report.inserted, report.existing), (2, 0));
    assert_eq!(fixture.members(&bias(), "t").await?, ids(&first));
    assert_eq!(fixture.members(&bias(), "r").await?, ids(&first), "it stays in its run");
    Ok(())
}

pub(super) async fn to_associate_again_changes_nothing(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = tagged(h).await?;
    fixture.one(associate("t", &first[..1])).await?;
    let report = fixture.one(associate("t", &first)).await?;
    assert_eq!((report.inserted, report.existing), (1, 1));
    let repeated = [first[0].clone(), first[0].clone()];
    fixture.one(associate("t", &repeated)).await?;
    assert_eq!(fixture.members(&bias(), "t").await?, ids(&first));
    Ok(())
}

pub(super) async fn another_dataset_of_the_data_id_is_a_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = tagged(h).await?;
    fixture.one(associate("t", &first[..1])).await?;
    let (old, new) = (first[0].id().to_string(), second[0].id().to_string());
    let both = [first[1].clone(), second[0].clone()];
    let says = ["'t'", "bias", "detector: 1", &old, &new];
    fails(fixture.one(associate("t", &both)).await, ErrorKind::ConflictingDefinition, &says);
    assert_eq!(fixture.members(&bias(), "t").await?, ids(&first[..1]), "nothing of it is associated");
    Ok(())
}

pub(super) async fn two_datasets_of_a_data_id_given_at_once_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = tagged(h).await?;
    let both = [first[0].clone(), second[0].clone()];
    fails(
        fixture.one(associate("t", &both)).await,
        ErrorKind::ConflictingDefinition,
        &["'t'", "detector: 1"],
    );
    Ok(())
}

pub(super) async fn datasets_of_several_types_are_associated_at_once(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = tagged(h).await?;
    let flat = dataset_type("flat", &["detector"]);
    fixture.one(Operation::RegisterDatasetType(flat.clone())).await?;
    let flats = fixture.insert(&flat, "r", &[detector(1)]).await?;
    let report = fixture.one(associate("t", &[flats.clone(), first.clone()].concat())).await?;
    assert_eq!(report.inserted, 3);
    assert_eq!(fixture.members(&bias(), "t").await?, ids(&first));
    assert_eq!(fixture.members(&flat, "t").await?, ids(&flats));
    Ok(())
}

pub(super) async fn what_is_disassociated_is_no_member(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = tagged(h).await?;
    fixture.one(associate("t", &first)).await?;
    let some = [first[0].clone(), second[0].clone()];
    let report = fixture.one(disassociate("t", &some)).await?;
    assert_eq!(report.removed, 1, "what is no member is passed over");
    assert_eq!(fixture.members(&bias(), "t").await?, ids(&first[1..]));
    assert_eq!(fixture.present(&first).await?, first, "the datasets stay");
    Ok(())
}

pub(super) async fn another_dataset_of_the_data_id_stays_a_member(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = tagged(h).await?;
    fixture.one(associate("t", &first)).await?;
    assert_eq!(fixture.one(disassociate("t", &second)).await?.removed, 0);
    assert_eq!(fixture.members(&bias(), "t").await?, ids(&first));
    Ok(())
}

pub(super) async fn members_are_replaced_in_one_batch(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = tagged(h).await?;
    fixture.one(associate("t", &first)).await?;
    fixture.apply([associate("t", &second), disassociate("t", &first[..1])]).await?;
    assert_eq!(fixture.members(&bias(), "t").await?, [second[0].id(), first[1].id()]);
    Ok(())
}

pub(super) async fn only_tagged_collections_have_members(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = tagged(h).await?;
    fixture
        .apply([register("c", CollectionType::Calibration), register("p", CollectionType::Chained)])
        .await?;
    for name in ["r", "c", "p"] {
        fails(fixture.one(associate(name, &first)).await, ErrorKind::CollectionType, &["TAGGED"]);
        fails(fixture.one(disassociate(name, &first)).await, ErrorKind::CollectionType, &["TAGGED"]);
    }
    fails(fixture.one(associate("nobody", &first)).await, ErrorKind::MissingCollection, &["nobody"]);
    Ok(())
}

pub(super) async fn only_datasets_that_are_there_are_associated(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = tagged(h).await?;
    let unknown = fixture.new_refs(&bias(), "r", &[detector(3)]);
    let both = [first[0].clone(), unknown[0].clone()];
    let id = unknown[0].id().to_string();
    fails(fixture.one(associate("t", &both)).await, ErrorKind::DatasetNotFound, &[&id]);
    assert_eq!(fixture.members(&bias(), "t").await?, []);
    Ok(())
}

pub(super) async fn components_are_not_associated(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = tagged(h).await?;
    let component = first[0].with_dataset_type(bias().component("image", "Image")?)?;
    fails(fixture.one(associate("t", &[component])).await, ErrorKind::DatasetType, &["bias.image"]);
    Ok(())
}

pub(super) async fn members_that_are_removed_are_gone(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = tagged(h).await?;
    fixture.one(associate("t", &first)).await?;
    fixture.one(remove_datasets(&first[..1])).await?;
    assert_eq!(fixture.members(&bias(), "t").await?, ids(&first[1..]));
    fixture.one(associate("t", &second)).await?;
    assert_eq!(fixture.find(&bias(), &detector(1), &["t"]).await?.as_slice(), second);
    Ok(())
}
