//! Queries for datasets.

use butler_core::query::{
    Association, DatasetField, Field, GeneralRow, Literal, Predicate, Query, ResultSpec, RowValue, TypedExpr,
};
use butler_core::registry::{DatasetInsert, InsertMode, Operation};
use butler_core::{
    ChainEdit, CollectionType, DataId, DatasetId, DatasetKind, DatasetRef, ErrorKind, FieldValue, Result,
    Timespan,
};

use super::RegistryHarness;
use super::data::{camera, observations};
use super::fixture::{
    Fixture, assert_same, associate, at, bias, certify, data_id, dataset_type, detector, edit, fails, group,
    ids, insertion, into_associations, into_general, names, ordered, question, register, register_run,
    satisfying, span,
};

/// A registry with biases of detectors 1 and 2 in run `r`, of 2 and 3 in run `s`, a tagged
/// collection `t` with that of 2 in `r`, and a chain `p` of `s` and `r`.
async fn populated(h: &dyn RegistryHarness) -> Result<(Fixture, Vec<DatasetRef>, Vec<DatasetRef>)> {
    let fixture = Fixture::with_camera(h).await?;
    fixture
        .apply([
            register_run("s"),
            register("t", CollectionType::Tagged),
            register("p", CollectionType::Chained),
        ])
        .await?;
    let first = fixture.biases("r", &[1, 2]).await?;
    let second = fixture.biases("s", &[2, 3]).await?;
    fixture.apply([associate("t", &first[1..]), edit("p", ChainEdit::Redefine(names(&["s", "r"])))]).await?;
    Ok((fixture, first, second))
}

/// Ids of the biases in some collections, in order.
async fn found(fixture: &Fixture, collections: &[&str], find_first: bool) -> Result<Vec<DatasetId>> {
    let mut found =
        ids(&fixture.datasets(fixture.query_for(&bias(), collections, find_first).await?).await?);
    found.sort();
    Ok(found)
}

fn sorted(datasets: &[&DatasetRef]) -> Vec<DatasetId> {
    let mut ids: Vec<DatasetId> = datasets.iter().map(|dataset| dataset.id()).collect();
    ids.sort();
    ids
}

pub(super) async fn all_datasets_are_found(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = populated(h).await?;
    let [a, b, c, d] = [&first[0], &first[1], &second[0], &second[1]];
    assert_eq!(found(&fixture, &["r"], false).await?, sorted(&[a, b]));
    assert_eq!(found(&fixture, &["r", "s"], false).await?, sorted(&[a, b, c, d]));
    assert_eq!(found(&fixture, &["p"], false).await?, sorted(&[a, b, c, d]));
    assert_eq!(found(&fixture, &["t"], false).await?, sorted(&[b]));
    Ok(())
}

pub(super) async fn the_first_of_each_data_id_is_found(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = populated(h).await?;
    let [a, b, c, d] = [&first[0], &first[1], &second[0], &second[1]];
    assert_eq!(found(&fixture, &["r", "s"], true).await?, sorted(&[a, b, d]));
    assert_eq!(found(&fixture, &["p"], true).await?, sorted(&[a, c, d]));
    assert_eq!(found(&fixture, &["t", "s", "r"], true).await?, sorted(&[a, b, d]));
    assert_eq!(found(&fixture, &["s", "t"], true).await?, sorted(&[c, d]));
    Ok(())
}

pub(super) async fn a_dataset_comes_once(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = populated(h).await?;
    assert_eq!(found(&fixture, &["r", "t"], false).await?, sorted(&[&first[0], &first[1]]));
    Ok(())
}

pub(super) async fn they_come_back_whole(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let flat = dataset_type("flat", &["physical_filter", "detector"]);
    fixture.one(Operation::RegisterDatasetType(flat.clone())).await?;
    let data_id = data_id!(instrument: "Cam1", physical_filter: "Cam1-R1", detector: 2);
    let datasets = fixture.insert(&flat, "r", &[data_id]).await?;
    let other = flat.with_storage_class("Image");
    let query = fixture.query_for(&other, &["r"], true).await?;
    let found = fixture.datasets(query.clone()).await?;
    assert_same(&found[0], &datasets[0].with_dataset_type(other)?);
    assert_eq!(found[0].data_id().get("band"), Some(&"r".into()), "data IDs are full");
    let expanded = fixture.datasets(Query { expanded: true, ..query }).await?;
    assert!(expanded[0].data_id().is_expanded());
    Ok(())
}

pub(super) async fn nowhere_is_nothing(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ..) = populated(h).await?;
    fixture.one(register_run("empty")).await?;
    for collections in [&[][..], &["empty"]] {
        for find_first in [true, false] {
            assert_eq!(found(&fixture, collections, find_first).await?, [], "in {collections:?}");
        }
    }
    Ok(())
}

pub(super) async fn the_type_must_be_registered(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let query = fixture.query_for(&dataset_type("flat", &["detector"]), &["r"], true).await?;
    fails(fixture.registry.count(query).await, ErrorKind::MissingDatasetType, &["flat"]);
    Ok(())
}

pub(super) async fn what_is_wanted_must_be_searched_for(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ..) = populated(h).await?;
    let result = ResultSpec::Datasets { dataset_type: "flat".into(), find_first: true };
    let query = Query { result, ..fixture.query_for(&bias(), &["r"], true).await? };
    fails(fixture.registry.count(query).await, ErrorKind::InvalidQuery, &["flat"]);
    Ok(())
}

pub(super) async fn records_restrict_datasets(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = populated(h).await?;
    let query = satisfying(fixture.query_for(&bias(), &["p"], true).await?, "detector.raft = 'A'");
    let mut found = ids(&fixture.datasets(query).await?);
    found.sort();
    assert_eq!(found, sorted(&[&first[0], &second[0]]));
    Ok(())
}

pub(super) async fn fields_of_datasets_restrict_them(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = populated(h).await?;
    let [a, b, c, d] = [&first[0], &first[1], &second[0], &second[1]];
    let late = fixture.new_refs(&bias(), "r", &[detector(4)]);
    let insert = DatasetInsert { ingested_at: at(100), ..insertion(&late, InsertMode::New) };
    fixture.one(Operation::InsertDatasets(insert)).await?;
    let cases: [(&str, Vec<DatasetId>); 5] = [
        ("bias.run = 's'", sorted(&[c, d])),
        ("bias.collection = 't'", sorted(&[b])),
        ("bias.run != 's' AND detector < 4", sorted(&[a, b])),
        ("bias.ingest_date > T'2020-01-01T00:00:50'", sorted(&[&late[0]])),
        ("bias.ingest_date < T'2020-01-01T00:00:50' AND bias.collection = 's'", sorted(&[c, d])),
    ];
    for (condition, expected) in cases {
        let query = satisfying(fixture.query_for(&bias(), &["r", "s", "t"], false).await?, condition);
        let mut found = ids(&fixture.datasets(query).await?);
        found.sort();
        assert_eq!(found, expected, "{condition}");
    }
    let field = Field::Dataset { dataset_type: "bias".into(), field: DatasetField::DatasetId };
    let list = vec![Literal::Uuid(c.id().to_uuid()), Literal::Uuid(late[0].id().to_uuid())];
    let predicate = Predicate::InList { value: TypedExpr::Field(field), list };
    let query = Query { predicate, ..fixture.query_for(&bias(), &["r", "s"], false).await? };
    let mut found = ids(&fixture.datasets(query).await?);
    found.sort();
    assert_eq!(found, sorted(&[c, &late[0]]));
    Ok(())
}

pub(super) async fn a_condition_comes_before_the_first_is_chosen(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = populated(h).await?;
    let query = satisfying(fixture.query_for(&bias(), &["p"], true).await?, "bias.run = 'r'");
    let mut found = ids(&fixture.datasets(query).await?);
    found.sort();
    assert_eq!(found, sorted(&[&first[0], &first[1]]));
    let query = satisfying(fixture.query_for(&bias(), &["p"], true).await?, "detector = 2");
    assert_eq!(ids(&fixture.datasets(query).await?), [second[0].id()]);
    Ok(())
}

pub(super) async fn they_are_ordered_and_limited(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = populated(h).await?;
    let all = fixture.query_for(&bias(), &["r", "s"], false).await?;
    let query = ordered(all, &["-detector", "bias.run"]);
    let expected = [&second[1], &first[1], &second[0], &first[0]].map(DatasetRef::id);
    assert_eq!(ids(&fixture.datasets(query.clone()).await?), expected);
    let some = Query { limit: Some(2), offset: 1, ..query };
    assert_eq!(ids(&fixture.datasets(some).await?), expected[1..3]);
    Ok(())
}

pub(super) async fn further_dimensions_do_not_repeat_them(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = populated(h).await?;
    fixture.apply(observations().split_off(camera().len())).await?;
    let all = fixture.query_for(&bias(), &["r"], true).await?;
    let query = Query { dimensions: group(&["detector", "visit"]), ..all };
    let query = satisfying(query, "visit > 1 AND detector < 3");
    let mut found = ids(&fixture.datasets(query).await?);
    found.sort();
    assert_eq!(found, sorted(&[&first[0], &first[1]]));
    Ok(())
}

pub(super) async fn a_second_search_restricts_the_first(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = populated(h).await?;
    let flat = dataset_type("flat", &["detector", "band"]);
    fixture.one(Operation::RegisterDatasetType(flat.clone())).await?;
    let of = |band: &str| data_id!(instrument: "Cam1", detector: 2, band: band);
    fixture.insert(&flat, "s", &[of("g"), of("r")]).await?;
    let flats = fixture.searching(&flat, &["s"]).await?;
    let mut query = fixture.query_for(&bias(), &["r"], true).await?;
    query.datasets.push(flats);
    query.dimensions = group(&["detector", "band"]);
    assert_eq!(ids(&fixture.datasets(query).await?), [first[1].id()]);
    Ok(())
}

pub(super) async fn memberships_are_listed(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = populated(h).await?;
    fixture
        .apply([
            register("c", CollectionType::Calibration),
            certify("c", &first[1..], span(0, 5)),
            certify("c", &second[..1], span(5, 9)),
        ])
        .await?;
    let found = fixture.memberships(&bias(), &["p", "t", "c"]).await?;
    let told: Vec<_> = found.iter().map(|a| (a.dataset.id(), a.collection.as_str(), a.timespan)).collect();
    let expected = [
        (first[0].id(), "r", None),
        (first[1].id(), "c", Some(span(0, 5))),
        (second[0].id(), "c", Some(span(5, 9))),
        (first[1].id(), "r", None),
        (second[0].id(), "s", None),
        (first[1].id(), "t", None),
        (second[1].id(), "s", None),
    ];
    assert_eq!(told, expected);
    assert_same(&found[1].dataset, &first[1]);
    Ok(())
}

pub(super) async fn memberships_are_restricted_and_ordered(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, second) = populated(h).await?;
    let result = ResultSpec::Associations { dataset_type: "bias".into() };
    let all = Query { result, ..fixture.query_for(&bias(), &["r", "s", "t"], false).await? };
    let query = ordered(satisfying(all, "detector = 2"), &["-bias.collection"]);
    let found: Vec<Association> =
        fixture.rows(query).await?.into_iter().flat_map(into_associations).collect();
    let told: Vec<_> = found.iter().map(|a| (a.dataset.id(), a.collection.as_str())).collect();
    assert_eq!(told, [(first[1].id(), "t"), (second[0].id(), "s"), (first[1].id(), "r")]);
    Ok(())
}

async fn general(fixture: &Fixture, query: Query) -> Result<Vec<GeneralRow>> {
    Ok(fixture.rows(query).await?.into_iter().flat_map(into_general).collect())
}

fn of_bias(field: DatasetField) -> Field {
    Field::Dataset { dataset_type: "bias".into(), field }
}

pub(super) async fn rows_of_any_fields_are_given(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, first, _) = populated(h).await?;
    let dimensions = group(&["detector"]);
    let record =
        |field: &str| Field::Record { element: super::fixture::element("detector"), field: field.into() };
    let fields = vec![
        record("full_name"),
        Field::Key(super::fixture::element("detector")),
        record("name_in_raft"),
        of_bias(DatasetField::DatasetId),
        of_bias(DatasetField::Run),
        of_bias(DatasetField::Collection),
        of_bias(DatasetField::IngestDate),
        of_bias(DatasetField::Timespan),
    ];
    let result = ResultSpec::General { dimensions, fields, find_first: Some("bias".into()) };
    let query = Query { result, ..fixture.query_for(&bias(), &["t", "r"], true).await? };
    let rows = general(&fixture, ordered(query, &["detector"])).await?;
    let of = |name: &str, number: i64, dataset: &DatasetRef, collection: &str| GeneralRow {
        data_id: detector(number),
        values: vec![
            RowValue::Field(name.into()),
            RowValue::Field(number.into()),
            RowValue::Field(FieldValue::Null),
            RowValue::DatasetId(dataset.id()),
            RowValue::Field("r".into()),
            RowValue::Field(collection.into()),
            RowValue::Instant(at(0)),
            RowValue::Field(Timespan::UNBOUNDED.into()),
        ],
    };
    assert_eq!(rows, [of("Aa", 1, &first[0], "r"), of("Ab", 2, &first[1], "t")]);
    Ok(())
}

pub(super) async fn fields_of_all_types_are_given(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, observations()).await?;
    let field = |element: &str, field: &str| Field::Record {
        element: super::fixture::element(element),
        field: field.into(),
    };
    let fields = vec![
        field("exposure", "has_simulated"),
        field("exposure", "exposure_time"),
        field("exposure", "timespan"),
        field("visit", "region"),
        field("physical_filter", "band"),
    ];
    let fields: Vec<Field> = fields
        .into_iter()
        .map(|field| match field {
            Field::Record { element, .. } if element.name() == "physical_filter" => {
                Field::Key(super::fixture::element("band"))
            }
            other => other,
        })
        .collect();
    let dimensions = group(&["exposure", "visit"]);
    let result = ResultSpec::General { dimensions, fields, find_first: None };
    let rows = general(&fixture, satisfying(question(dimensions, result), "exposure = 2")).await?;
    assert_eq!(rows.len(), 1);
    let expected: [FieldValue; 5] = [
        true.into(),
        7.5.into(),
        super::data::when(2).into(),
        super::data::square(1.5, 0.0, 1.0).into(),
        "r".into(),
    ];
    assert_eq!(rows[0].values, expected.map(RowValue::Field));
    Ok(())
}

pub(super) async fn rows_that_agree_in_all_come_once(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ..) = populated(h).await?;
    let fields = vec![of_bias(DatasetField::Run)];
    let result = ResultSpec::General { dimensions: group(&["instrument"]), fields, find_first: None };
    let query = Query { result, ..fixture.query_for(&bias(), &["p", "t"], false).await? };
    let rows = general(&fixture, ordered(query, &["bias.run"])).await?;
    let runs: Vec<_> = rows.into_iter().flat_map(|row| row.values).collect();
    assert_eq!(runs, [RowValue::Field("r".into()), RowValue::Field("s".into())]);
    Ok(())
}

pub(super) async fn global_datasets_are_queried_by_collection(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let ty = dataset_type("g", &["detector"]).with_kind(DatasetKind::Global);
    fixture.apply([Operation::RegisterDatasetType(ty.clone()), register_run("s")]).await?;
    let mode = butler_core::IdGenerationMode::DataidType;
    let make = |run: &str, data_id: DataId| {
        let id = fixture.issuer.make(mode, &ty, run, &data_id);
        DatasetRef::new(id, ty.clone(), data_id, run.into())
    };
    let datasets = [make("r", detector(1))?, make("s", detector(2))?];
    fixture
        .apply(datasets.iter().map(|dataset| super::fixture::insert(std::slice::from_ref(dataset))))
        .await?;
    let query = ordered(fixture.query_for(&ty, &["r", "s"], true).await?, &["detector"]);
    assert_eq!(fixture.datasets(query).await?, datasets);
    assert_eq!(fixture.datasets(fixture.query_for(&ty, &["s"], true).await?).await?, datasets[1..]);
    Ok(())
}

pub(super) async fn many_datasets_are_streamed(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let many = h.large() as i64;
    let detectors = (10..10 + many)
        .map(|id| {
            super::fixture::record!(detector { instrument: "Cam1", id: id, full_name: format!("d{id}") })
        })
        .collect();
    fixture.one(super::fixture::insert_records(detectors)).await?;
    let data_ids: Vec<DataId> = (10..10 + many).map(detector).collect();
    let datasets = fixture.insert(&bias(), "r", &data_ids).await?;
    let query = ordered(fixture.query_for(&bias(), &["r"], true).await?, &["detector"]);
    assert_eq!(fixture.datasets(query.clone()).await?, datasets);
    // Whoever has seen enough goes away; nobody minds.
    for _ in 0..10 {
        let mut stream = fixture.registry.query(query.clone()).await?;
        assert!(futures::StreamExt::next(&mut stream).await.is_some());
    }
    fixture.one(register_run("s")).await?;
    Ok(())
}

pub(super) async fn rows_of_fewer_dimensions_are_chosen_first(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, ..) = populated(h).await?;
    let fields = vec![of_bias(DatasetField::Run)];
    let result =
        ResultSpec::General { dimensions: group(&["instrument"]), fields, find_first: Some("bias".into()) };
    let all = Query { result, ..fixture.query_for(&bias(), &["p"], true).await? };
    let all = ordered(all, &["bias.run"]);
    for (condition, expected) in [("", &["r", "s"][..]), ("detector > 1", &["s"]), ("detector = 1", &["r"])] {
        let rows = general(&fixture, satisfying(all.clone(), condition)).await?;
        let runs: Vec<_> = rows.into_iter().flat_map(|row| row.values).collect();
        let expected: Vec<_> = expected.iter().map(|&run| RowValue::Field(run.into())).collect();
        assert_eq!(runs, expected, "{condition}");
    }
    Ok(())
}
