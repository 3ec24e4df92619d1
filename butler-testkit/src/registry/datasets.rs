//! Datasets: what is inserted, what is refused, and what is found by id.

use butler_core::query::{DatasetField, DatasetSearch, Field, Query, ResultSpec, RowValue};
use butler_core::registry::{DatasetInsert, InsertMode, Operation};
use butler_core::{CollectionType, DataId, DatasetId, DatasetRef, ErrorKind, IdIssuer, Result};

use super::RegistryHarness;
use super::data::camera;
use super::fixture::{
    Fixture, assert_same, at, bias, data_id, dataset_type, detector, fails, ids, insert, insert_records,
    insertion, question, record, register, register_run,
};

pub(super) async fn what_is_inserted_comes_back(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let datasets = fixture.new_refs(&bias(), "r", &[detector(2), detector(1)]);
    let report = fixture.one(insert(&datasets)).await?;
    assert_eq!((report.inserted, report.existing), (2, 0));
    for fixture in [&fixture, &fixture.another().await?] {
        let found = fixture.present(&datasets).await?;
        assert_eq!(found.len(), 2);
        found.iter().zip(&datasets).for_each(|(found, expected)| assert_same(found, expected));
    }
    Ok(())
}

pub(super) async fn ids_are_answered_in_the_order_of_questions(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let flat = dataset_type("flat", &["detector", "band"]);
    fixture.one(Operation::RegisterDatasetType(flat.clone())).await?;
    let biases = fixture.biases("r", &[1, 2, 3]).await?;
    let flats = fixture.insert(&flat, "r", &[data_id!(instrument: "Cam1", detector: 1, band: "r")]).await?;
    let unknown = IdIssuer::new().issue();
    let [a, b, c, f] = [&biases[0], &biases[1], &biases[2], &flats[0]];
    let found = fixture.get(&[c.id(), unknown, f.id(), a.id(), c.id(), b.id()]).await?;
    let expected = [Some(c), None, Some(f), Some(a), Some(c), Some(b)].map(|dataset| dataset.cloned());
    assert_eq!(found, expected);
    if let Some(found) = &found[2] {
        assert_same(found, f);
    }
    assert_eq!(fixture.get(&[]).await?, []);
    assert_eq!(fixture.get(&[unknown]).await?, [None]);
    Ok(())
}

pub(super) async fn ids_of_all_sorts_come_back(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let ids = [
        "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
        "fffffff0-9dad-51d1-bfff-ffffffffffff",
        "018f7b1e-0000-7000-8000-000000000000",
        "00000000-0000-8000-8000-000000000001",
    ]
    .map(|text| text.parse::<DatasetId>());
    let mut datasets = Vec::new();
    for (number, id) in (1..).zip(ids) {
        datasets.push(DatasetRef::new(id?, bias(), detector(number), "r".into())?);
    }
    fixture.one(insert(&datasets)).await?;
    assert_eq!(fixture.present(&datasets).await?, datasets);
    for dataset in &datasets {
        assert_eq!(fixture.get(&[dataset.id()]).await?, [Some(dataset.clone())], "alone");
    }
    Ok(())
}

pub(super) async fn one_data_id_in_two_runs_is_two_datasets(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    fixture.one(register_run("s")).await?;
    let first = fixture.biases("r", &[1]).await?;
    let second = fixture.biases("s", &[1]).await?;
    let found = fixture.present(&[first[0].clone(), second[0].clone()]).await?;
    assert_same(&found[0], &first[0]);
    assert_same(&found[1], &second[0]);
    Ok(())
}

pub(super) async fn a_data_id_that_the_run_has_is_a_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let old = fixture.biases("r", &[1]).await?;
    let new = fixture.new_refs(&bias(), "r", &[detector(3), detector(1)]);
    let says = [old[0].id().to_string(), new[1].id().to_string()];
    let says: Vec<&str> = says.iter().map(String::as_str).chain(["bias", "'r'", "detector: 1"]).collect();
    fails(fixture.one(insert(&new)).await, ErrorKind::ConflictingDefinition, &says);
    assert_eq!(fixture.present(&new).await?, [], "nothing of it is inserted");
    Ok(())
}

pub(super) async fn a_data_id_given_twice_is_a_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let twice = fixture.new_refs(&bias(), "r", &[detector(1), detector(2), detector(1)]);
    fails(fixture.one(insert(&twice)).await, ErrorKind::ConflictingDefinition, &["bias", "detector: 1"]);
    assert_eq!(fixture.present(&twice).await?, []);
    Ok(())
}

pub(super) async fn an_id_that_is_there_is_a_conflict(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let old = fixture.biases("r", &[1]).await?;
    let new = DatasetRef::new(old[0].id(), bias(), detector(2), "r".into())?;
    let id = old[0].id().to_string();
    fails(fixture.one(insert(&[new])).await, ErrorKind::ConflictingDefinition, &[&id]);
    fails(fixture.one(insert(&old)).await, ErrorKind::ConflictingDefinition, &[&id]);
    Ok(())
}

pub(super) async fn the_run_must_be_there_and_a_run(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    fails(fixture.biases("nowhere", &[1]).await, ErrorKind::MissingCollection, &["nowhere"]);
    for ty in [CollectionType::Tagged, CollectionType::Chained, CollectionType::Calibration] {
        fixture.one(register(ty.name(), ty)).await?;
        fails(fixture.biases(ty.name(), &[1]).await, ErrorKind::CollectionType, &[ty.name(), "RUN"]);
    }
    Ok(())
}

pub(super) async fn the_type_must_be_registered_as_it_is(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let flat = dataset_type("flat", &["detector"]);
    fails(fixture.insert(&flat, "r", &[detector(1)]).await, ErrorKind::MissingDatasetType, &["flat"]);
    let other = dataset_type("bias", &["instrument"]).with_is_calibration(true);
    let inserted = fixture.insert(&other, "r", &[data_id!(instrument: "Cam1")]).await;
    fails(inserted, ErrorKind::ConflictingDefinition, &["bias", "detector"]);
    Ok(())
}

pub(super) async fn another_storage_class_does_no_harm(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let datasets = fixture.insert(&bias().with_storage_class("Image"), "r", &[detector(1)]).await?;
    let found = fixture.present(&datasets).await?;
    assert_eq!(found[0].dataset_type(), &bias(), "what is stored is as registered");
    Ok(())
}

pub(super) async fn values_of_the_data_id_must_have_records(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    fails(fixture.biases("r", &[1, 9]).await, ErrorKind::DataIdValue, &["detector", "9"]);
    let flat = dataset_type("flat", &["band", "instrument"]);
    fixture.one(Operation::RegisterDatasetType(flat.clone())).await?;
    let unknown = data_id!(instrument: "Cam1", band: "u");
    fails(fixture.insert(&flat, "r", &[unknown]).await, ErrorKind::DataIdValue, &["band", "u"]);
    Ok(())
}

pub(super) async fn pixels_must_be_on_the_sky(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, camera()).await?;
    let ty = dataset_type("sources", &["htm7"]);
    fixture.apply([Operation::RegisterDatasetType(ty.clone()), register_run("r")]).await?;
    // The pixels of level 7 are those from 8·4⁷ on, as many.
    let datasets = fixture.insert(&ty, "r", &[data_id!(htm7: 131_072), data_id!(htm7: 262_143)]).await?;
    assert_eq!(fixture.present(&datasets).await?, datasets);
    for outside in [131_071, 262_144, -1] {
        let inserted = fixture.insert(&ty, "r", &[data_id!(htm7: outside)]).await;
        fails(inserted, ErrorKind::DataIdValue, &["htm7", &outside.to_string()]);
    }
    Ok(())
}

pub(super) async fn the_data_id_must_be_of_the_types_dimensions(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let wrong = DatasetInsert {
        data_ids: vec![data_id!(instrument: "Cam1")],
        ..insertion(&fixture.new_refs(&bias(), "r", &[detector(1)]), InsertMode::New)
    };
    fails(
        fixture.one(Operation::InsertDatasets(wrong)).await,
        ErrorKind::DimensionName,
        &["bias", "detector"],
    );
    Ok(())
}

pub(super) async fn there_is_a_data_id_for_each_id(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let wrong = DatasetInsert {
        data_ids: vec![detector(1), detector(2)],
        ..insertion(&fixture.new_refs(&bias(), "r", &[detector(1)]), InsertMode::New)
    };
    fails(fixture.one(Operation::InsertDatasets(wrong)).await, ErrorKind::Argument, &["1", "2"]);
    Ok(())
}

pub(super) async fn nothing_is_inserted_and_nothing_comes(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let nothing = DatasetInsert {
        ids: Vec::new(),
        data_ids: Vec::new(),
        ..insertion(&fixture.new_refs(&bias(), "r", &[detector(1)]), InsertMode::New)
    };
    let report = fixture.one(Operation::InsertDatasets(nothing)).await?;
    assert_eq!(report.inserted, 0);
    assert_eq!(fixture.members(&bias(), "r").await?, []);
    Ok(())
}

pub(super) async fn the_time_of_ingestion_is_kept(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let datasets = fixture.new_refs(&bias(), "r", &[detector(1)]);
    let insert = DatasetInsert { ingested_at: at(-77), ..insertion(&datasets, InsertMode::New) };
    fixture.one(Operation::InsertDatasets(insert)).await?;
    let field = Field::Dataset { dataset_type: "bias".into(), field: DatasetField::IngestDate };
    let result = ResultSpec::General { dimensions: bias().group(), fields: vec![field], find_first: None };
    let search = DatasetSearch { dataset_type: bias(), collections: fixture.search(&["r"]).await? };
    let rows = fixture.rows(Query { datasets: vec![search], ..question(bias().group(), result) }).await?;
    let rows: Vec<_> = rows.into_iter().flat_map(super::fixture::into_general).collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].values, [RowValue::Instant(at(-77))]);
    Ok(())
}

pub(super) async fn many_datasets_come_back(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let ty = dataset_type("raw", &["exposure", "detector"]);
    let mut operations = vec![Operation::RegisterDatasetType(ty.clone())];
    operations.extend(super::data::observations().into_iter().skip(camera().len()));
    fixture.apply(operations).await?;
    let many = h.large() as i64 / 4;
    let detectors = (10..10 + many)
        .map(|id| record!(detector { instrument: "Cam1", id: id, full_name: format!("d{id}") }))
        .collect();
    fixture.one(insert_records(detectors)).await?;
    let data_ids: Vec<DataId> = (1..=4)
        .flat_map(|exposure| {
            (10..10 + many)
                .map(move |number| data_id!(instrument: "Cam1", exposure: exposure, detector: number))
        })
        .collect();
    let datasets = fixture.insert(&ty, "r", &data_ids).await?;
    let found = fixture.present(&datasets).await?;
    assert_eq!(ids(&found), ids(&datasets));
    found.iter().zip(&datasets).step_by(97).for_each(|(found, expected)| assert_same(found, expected));
    Ok(())
}

pub(super) async fn names_with_many_dimensions_are_kept_apart(h: &dyn RegistryHarness) -> Result<()> {
    let fixture =
        Fixture::with(h, super::data::observations().into_iter().chain(super::data::sky_map())).await?;
    let ty = dataset_type("everything", &["visit", "detector", "patch", "exposure", "htm7", "visit_system"])
        .with_is_calibration(true);
    fixture.apply([Operation::RegisterDatasetType(ty.clone()), register_run("r")]).await?;
    let of = |visit: i64| {
        data_id!(
            instrument: "Cam1", visit: visit, exposure: visit, detector: 1, visit_system: 0,
            skymap: "map", tract: 0, patch: 1, htm7: 200_000,
        )
    };
    let datasets = fixture.insert(&ty, "r", &[of(1), of(2)]).await?;
    let found = fixture.find(&ty, &of(2), &["r"]).await?;
    assert_eq!(found.as_slice(), &datasets[1..]);
    assert_same(&fixture.present(&datasets).await?[0], &datasets[0]);
    Ok(())
}
