//! Dataset types: registration, comparison, removal, and kinds.

use butler_core::query::{DatasetSearch, Query, ResultSpec};
use butler_core::registry::{DatasetTypeQuery, Operation, OperationReport};
use butler_core::{
    CollectionType, DataId, DatasetKind, DatasetRef, DatasetType, DimensionUniverse, ErrorKind,
    IdGenerationMode, Result,
};

use super::RegistryHarness;
use super::fixture::{
    Fixture, assert_same, associate, bias, certify, data_id, dataset_type, detector, fails, import, insert,
    names, question, register, register_run, remove_datasets, remove_types, span, universe,
};

fn registration(ty: &DatasetType) -> Operation {
    Operation::RegisterDatasetType(ty.clone())
}

async fn all(fixture: &Fixture) -> Result<Vec<DatasetType>> {
    fixture.registry.dataset_types(DatasetTypeQuery::default()).await
}

/// References to datasets with ids that follow from type and data ID.
fn derived(fixture: &Fixture, ty: &DatasetType, run: &str, data_ids: &[DataId]) -> Result<Vec<DatasetRef>> {
    let make = |data_id: &DataId| {
        let id = fixture.issuer.make(IdGenerationMode::DataidType, ty, run, data_id);
        DatasetRef::new(id, ty.clone(), data_id.clone(), run.into())
    };
    data_ids.iter().map(make).collect()
}

pub(super) async fn they_come_back_in_the_order_of_registration(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let types = [
        dataset_type("z", &["visit", "detector"]),
        dataset_type("a", &[]).with_storage_class("Other").with_is_calibration(true),
        dataset_type("m", &["patch", "band"]).with_kind(DatasetKind::Global),
        dataset_type("b", &["htm7", "instrument"]).with_kind(DatasetKind::Nonsingular),
    ];
    let report = fixture.apply(types.iter().map(registration)).await?;
    assert!(report.operations.iter().all(|report| report.inserted == 1 && report.existing == 0));
    assert_eq!(all(&fixture).await?, types);
    assert_eq!(all(&fixture.another().await?).await?, types);
    Ok(())
}

pub(super) async fn they_are_found_by_name(h: &dyn RegistryHarness) -> Result<()> {
    let fixture =
        Fixture::with(h, ["a", "b", "c"].map(|name| registration(&dataset_type(name, &[])))).await?;
    let query = DatasetTypeQuery { names: Some(names(&["c", "nobody", "a"])) };
    let found = fixture.registry.dataset_types(query).await?;
    assert_eq!(found.iter().map(DatasetType::name).collect::<Vec<_>>(), ["a", "c"]);
    let none = DatasetTypeQuery { names: Some(Vec::new()) };
    assert_eq!(fixture.registry.dataset_types(none).await?, []);
    Ok(())
}

pub(super) async fn registering_again_changes_nothing(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, [registration(&bias())]).await?;
    let again = fixture.one(registration(&bias())).await?;
    assert_eq!(again, OperationReport { existing: 1, ..OperationReport::default() });
    let twice =
        fixture.apply([registration(&dataset_type("x", &[])), registration(&dataset_type("x", &[]))]).await?;
    assert_eq!((twice.operations[0].inserted, twice.operations[1].existing), (1, 1));
    assert_eq!(fixture.type_names().await?, ["bias", "x"]);
    Ok(())
}

pub(super) async fn another_definition_is_a_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, [registration(&bias())]).await?;
    let others: [(DatasetType, &[&str]); 4] = [
        (dataset_type("bias", &["exposure"]).with_is_calibration(true), &["detector", "exposure"]),
        (bias().with_storage_class("Image"), &["Bytes", "Image"]),
        (bias().with_is_calibration(false), &["is_calibration", "true", "false"]),
        (bias().with_kind(DatasetKind::Global), &["kind", "standard", "global"]),
    ];
    for (other, says) in others {
        for fixture in [&fixture, &fixture.another().await?] {
            let text =
                fails(fixture.one(registration(&other)).await, ErrorKind::ConflictingDefinition, &["bias"]);
            assert!(says.iter().all(|part| text.contains(part)), "both sides are shown: {text}");
        }
    }
    assert_eq!(all(&fixture).await?, [bias()]);
    Ok(())
}

pub(super) async fn a_genre_is_kept_and_is_no_part_of_the_definition(h: &dyn RegistryHarness) -> Result<()> {
    let ty = bias().with_genre(Some("image".into()));
    let fixture = Fixture::with(h, [registration(&ty)]).await?;
    let genres = |types: Vec<DatasetType>| types.iter().map(|ty| ty.genre().cloned()).collect::<Vec<_>>();
    assert_eq!(genres(all(&fixture).await?), [Some("image".into())]);
    assert_eq!(fixture.one(registration(&bias())).await?.existing, 1);
    assert_eq!(genres(all(&fixture.another().await?).await?), [Some("image".into())]);
    Ok(())
}

pub(super) async fn components_are_not_registered(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, [registration(&bias())]).await?;
    let component = bias().component("image", "Image")?;
    fails(fixture.one(registration(&component)).await, ErrorKind::DatasetType, &["bias.image", "component"]);
    Ok(())
}

pub(super) async fn those_of_another_universe_are_refused(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let other = DimensionUniverse::from_toml(&universe().source().replace("version = 8", "version = 6"))?;
    let stranger = DatasetType::new("x", other.conform(["detector"])?, "Bytes")?;
    fails(fixture.one(registration(&stranger)).await, ErrorKind::InconsistentUniverse, &["'x'"]);
    Ok(())
}

pub(super) async fn what_is_removed_may_be_registered_otherwise(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let other = fixture.another().await?;
    let old = other.biases("r", &[1]).await?;
    fixture.one(remove_datasets(&old)).await?;
    let report = fixture.apply([remove_types(&["bias"])]).await?;
    assert_eq!(report.operations[0].removed, 1);
    assert_eq!(fixture.type_names().await?, [""; 0]);
    let new = dataset_type("bias", &["instrument"]);
    fixture.one(registration(&new)).await?;
    for fixture in [&fixture, &other] {
        fixture.registry.refresh();
        assert_eq!(all(fixture).await?, std::slice::from_ref(&new));
    }
    let data_id = data_id!(instrument: "Cam1");
    let datasets = other.insert(&new, "r", std::slice::from_ref(&data_id)).await?;
    let found = fixture.find(&new, &data_id, &["r"]).await?;
    assert_eq!(found.as_slice(), datasets);
    Ok(())
}

pub(super) async fn one_with_datasets_is_not_removed(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    fixture.one(registration(&dataset_type("x", &[]))).await?;
    fixture.biases("r", &[1]).await?;
    fails(fixture.one(remove_types(&["x", "bias"])).await, ErrorKind::OrphanedRecord, &["'bias'"]);
    assert_eq!(fixture.type_names().await?, ["bias", "x"]);
    Ok(())
}

pub(super) async fn one_that_is_not_there_is_not_removed(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, [registration(&bias())]).await?;
    fails(fixture.one(remove_types(&["bias", "flat"])).await, ErrorKind::MissingDatasetType, &["flat"]);
    assert_eq!(fixture.type_names().await?, ["bias"]);
    Ok(())
}

/// That each of some types has its own datasets.
async fn are_apart(fixture: &Fixture, types: &[DatasetType]) -> Result<()> {
    let mut inserted = Vec::new();
    for ty in types {
        inserted.push(fixture.insert(ty, "r", &[detector(1), detector(2)]).await?);
    }
    for (ty, datasets) in types.iter().zip(&inserted) {
        let found = fixture.find(ty, &detector(2), &["r"]).await?;
        assert_eq!(found.as_slice(), &datasets[1..], "{}", ty.name());
    }
    fixture.one(remove_datasets(&inserted[0])).await?;
    for (ty, datasets) in types.iter().zip(&inserted).skip(1) {
        assert_eq!(fixture.present(datasets).await?, *datasets, "{}", ty.name());
    }
    Ok(())
}

pub(super) async fn names_that_differ_in_case_are_different(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let types = ["flat", "Flat", "FLAT"].map(|name| dataset_type(name, &["detector"]));
    fixture.apply(types.iter().map(registration)).await?;
    assert_eq!(fixture.type_names().await?, ["bias", "flat", "Flat", "FLAT"]);
    are_apart(&fixture, &types).await
}

pub(super) async fn names_may_be_long_or_words_of_a_database(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let long = "x".repeat(127);
    let odd = ["select", "table", "_", "dataset", "order", "origin", "null", "dataset_type_id"];
    let types: Vec<DatasetType> = [format!("{long}a"), format!("{long}b")]
        .iter()
        .map(String::as_str)
        .chain(odd)
        .map(|name| dataset_type(name, &["detector"]).with_is_calibration(true))
        .collect();
    fixture.apply(types.iter().map(registration)).await?;
    assert_eq!(
        fixture.type_names().await?[1..],
        types.iter().map(|ty| ty.name().clone()).collect::<Vec<_>>()
    );
    are_apart(&fixture, &types).await
}

pub(super) async fn there_may_be_many(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let types: Vec<DatasetType> =
        (0..h.many_types()).map(|n| dataset_type(&format!("t{n}"), &["detector"])).collect();
    fixture.apply(types.iter().map(registration)).await?;
    assert_eq!(all(&fixture).await?[1..], types);
    let last = types.len() - 1;
    let some = [0, last - 1, last].map(|n| types[n].clone());
    are_apart(&fixture, &some).await?;
    fixture.one(remove_types(&["t1", types[last - 2].name()])).await?;
    let found = fixture.find(&types[last], &detector(1), &["r"]).await?;
    assert!(found.is_some(), "what goes takes nothing of others with it");
    Ok(())
}

pub(super) async fn one_without_dimensions_has_one_dataset_in_a_run(h: &dyn RegistryHarness) -> Result<()> {
    let config = dataset_type("config", &[]);
    let operations = [register_run("r"), register_run("s"), registration(&config)];
    let fixture = Fixture::with(h, operations).await?;
    let empty = DataId::empty(universe());
    let first = fixture.insert(&config, "r", std::slice::from_ref(&empty)).await?;
    let second = fixture.insert(&config, "s", std::slice::from_ref(&empty)).await?;
    let again = fixture.insert(&config, "r", std::slice::from_ref(&empty)).await;
    fails(again, ErrorKind::ConflictingDefinition, &["config", "'r'"]);
    for (collections, expected) in [(["r", "s"], &first), (["s", "r"], &second)] {
        let found = fixture.find(&config, &empty, &collections).await?;
        assert_eq!(found.as_slice(), &expected[..]);
    }
    assert_eq!(fixture.get(&[second[0].id()]).await?, [Some(second[0].clone())]);
    Ok(())
}

pub(super) async fn a_global_one_has_one_dataset_in_the_world(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let ty = dataset_type("g", &["detector"]).with_kind(DatasetKind::Global);
    fixture.apply([registration(&ty), register_run("s")]).await?;
    let datasets = derived(&fixture, &ty, "r", &[detector(1), detector(2)])?;
    fixture.one(insert(&datasets)).await?;
    let elsewhere = derived(&fixture, &ty, "s", &[detector(2)])?;
    for how in [insert(&elsewhere), import(&elsewhere)] {
        fails(fixture.one(how).await, ErrorKind::ConflictingDefinition, &["'g'"]);
    }
    Ok(())
}

pub(super) async fn the_id_of_a_global_one_follows_from_its_data_id(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let ty = dataset_type("g", &["detector"]).with_kind(DatasetKind::Global);
    fixture.one(registration(&ty)).await?;
    fails(fixture.insert(&ty, "r", &[detector(1)]).await, ErrorKind::Argument, &["global"]);
    Ok(())
}

pub(super) async fn a_global_one_is_found_in_any_collection(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let ty = dataset_type("g", &["detector"]).with_kind(DatasetKind::Global);
    fixture.apply([registration(&ty), register_run("s")]).await?;
    let datasets = derived(&fixture, &ty, "r", &[detector(1)])?;
    fixture.one(insert(&datasets)).await?;
    for collections in [&["r"][..], &["s"], &[]] {
        let found = fixture.find(&ty, &detector(1), collections).await?;
        assert_eq!(found.as_slice(), datasets, "in {collections:?}");
        assert_eq!(fixture.find(&ty, &detector(2), collections).await?, None);
    }
    Ok(())
}

/// A nonsingular type with three datasets of one data ID, and one of another.
async fn nonsingular(h: &dyn RegistryHarness) -> Result<(Fixture, DatasetType, Vec<DatasetRef>)> {
    let fixture = Fixture::with_camera(h).await?;
    let ty = dataset_type("log", &["detector"]).with_kind(DatasetKind::Nonsingular).with_is_calibration(true);
    fixture.one(registration(&ty)).await?;
    let data_ids = [detector(1), detector(1), detector(1), detector(2)];
    let datasets = fixture.insert(&ty, "r", &data_ids).await?;
    Ok((fixture, ty, datasets))
}

pub(super) async fn a_nonsingular_one_has_many_of_one_data_id(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ty, datasets) = nonsingular(h).await?;
    for (found, expected) in fixture.present(&datasets).await?.iter().zip(&datasets) {
        assert_same(found, expected);
    }
    let search = DatasetSearch { dataset_type: ty.clone(), collections: fixture.search(&["r"]).await? };
    let result = ResultSpec::Datasets { dataset_type: ty.name().clone(), find_first: false };
    let mut found =
        fixture.datasets(Query { datasets: vec![search], ..question(ty.group(), result) }).await?;
    found.sort_by_key(DatasetRef::id);
    assert_eq!(found, datasets);
    Ok(())
}

pub(super) async fn a_nonsingular_one_is_not_found_by_data_id(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ty, _) = nonsingular(h).await?;
    fails(fixture.find(&ty, &detector(1), &["r"]).await, ErrorKind::DatasetType, &["log", "nonsingular"]);
    Ok(())
}

pub(super) async fn many_nonsingular_ones_are_tagged_and_certified(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ty, datasets) = nonsingular(h).await?;
    fixture
        .apply([
            register("t", CollectionType::Tagged),
            register("c", CollectionType::Calibration),
            associate("t", &datasets),
            certify("c", &datasets, span(0, 9)),
        ])
        .await?;
    let mut expected: Vec<_> = datasets.iter().map(DatasetRef::id).collect();
    expected.sort();
    for collection in ["t", "c"] {
        let mut members = fixture.members(&ty, collection).await?;
        members.sort();
        assert_eq!(members, expected, "in {collection}");
    }
    let again = certify("c", &datasets[..1], span(5, 12));
    fails(fixture.one(again).await, ErrorKind::ConflictingDefinition, &["log"]);
    Ok(())
}
