//! Batches: all or nothing, in the order of their phases.

use butler_core::registry::{BatchReport, Operation, RegistryBatch};
use butler_core::{ChainEdit, CollectionType, DatasetRef, ErrorKind, Result};

use super::RegistryHarness;
use super::data::camera;
use super::fixture::{
    Fixture, associate, bias, certify, decertify, detector, disassociate, edit, fails, ids, insert, names,
    register, register_run, remove_collections, remove_datasets, remove_types, span, universe,
};

/// Operations that make a small repository, and the datasets that are then in it.
fn small_repository(fixture: &Fixture) -> (Vec<Operation>, Vec<DatasetRef>) {
    let datasets = fixture.new_refs(&bias(), "r", &[detector(1), detector(2)]);
    let mut operations = camera();
    operations.extend([
        register_run("r"),
        register("t", CollectionType::Tagged),
        register("c", CollectionType::Calibration),
        register("p", CollectionType::Chained),
        Operation::SetDocumentation { name: "p".into(), doc: "all".into() },
        edit("p", ChainEdit::Redefine(names(&["t", "c", "r"]))),
        Operation::RegisterDatasetType(bias()),
        insert(&datasets),
        associate("t", &datasets),
        certify("c", &datasets, span(0, 10)),
        Operation::SetAttribute { key: "mine".into(), value: "1".into() },
    ]);
    (operations, datasets)
}

/// That a small repository is there.
async fn is_there(fixture: &Fixture, datasets: &[DatasetRef]) -> Result<()> {
    assert_eq!(fixture.records("detector").await?.len(), 4);
    assert_eq!(fixture.type_names().await?, ["bias"]);
    assert_eq!(fixture.children("p").await?, ["t", "c", "r"]);
    assert_eq!(fixture.collection("p").await?.doc, "all");
    assert_eq!(fixture.present(datasets).await?, datasets);
    for collection in ["r", "t", "c"] {
        assert_eq!(fixture.members(&bias(), collection).await?, ids(datasets), "in {collection}");
    }
    let attributes = fixture.registry.attributes(Some(names(&["mine"]))).await?;
    assert_eq!(attributes, [("mine".into(), "1".into())]);
    Ok(())
}

pub(super) async fn operations_refer_to_what_others_make(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let (operations, datasets) = small_repository(&fixture);
    fixture.apply(operations).await?;
    is_there(&fixture, &datasets).await
}

pub(super) async fn their_order_does_not_matter_across_phases(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let (operations, datasets) = small_repository(&fixture);
    fixture.apply(operations.into_iter().rev()).await?;
    is_there(&fixture, &datasets).await
}

pub(super) async fn what_goes_makes_room_for_what_is_new(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let old = fixture.biases("r", &[1, 2]).await?;
    let new = fixture.new_refs(&bias(), "r", &[detector(1)]);
    fixture.apply([register("t", CollectionType::Tagged), associate("t", &old)]).await?;
    fixture.apply([associate("t", &new), insert(&new), remove_datasets(&old[..1])]).await?;
    assert_eq!(fixture.present(&old).await?, old[1..]);
    for collection in ["r", "t"] {
        let members = fixture.members(&bias(), collection).await?;
        assert_eq!(members.len(), 2, "in {collection}");
        assert!(members.contains(&new[0].id()) && members.contains(&old[1].id()), "in {collection}");
    }
    Ok(())
}

pub(super) async fn reports_come_in_the_order_of_the_batch(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let datasets = fixture.new_refs(&bias(), "s", &[detector(1), detector(2)]);
    let report = fixture
        .apply([
            associate("t", &datasets[..1]),
            insert(&datasets),
            register("t", CollectionType::Tagged),
            register_run("r"),
            register_run("s"),
        ])
        .await?;
    let counts: Vec<_> = report.operations.iter().map(|report| (report.inserted, report.existing)).collect();
    assert_eq!(counts, [(1, 0), (2, 0), (1, 0), (0, 1), (1, 0)]);
    Ok(())
}

pub(super) async fn an_error_leaves_nothing(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let (mut operations, datasets) = small_repository(&fixture);
    // Of the last phase but one: everything else is done by then.
    operations.push(remove_collections(&["nobody"], false));
    fails(fixture.apply(operations).await, ErrorKind::MissingCollection, &["nobody"]);
    for fixture in [&fixture, &fixture.another().await?] {
        assert_eq!(fixture.collections().await?, []);
        assert_eq!(fixture.type_names().await?, [""; 0]);
        assert_eq!(fixture.records("detector").await?, []);
        assert_eq!(fixture.present(&datasets).await?, []);
        assert_eq!(fixture.registry.attributes(Some(names(&["mine"]))).await?, []);
    }
    Ok(())
}

pub(super) async fn what_failed_may_be_done_again(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let (operations, datasets) = small_repository(&fixture);
    let failing = operations.iter().cloned().chain([remove_types(&["nothing"])]);
    fails(fixture.apply(failing).await, ErrorKind::MissingDatasetType, &["nothing"]);
    fixture.apply(operations).await?;
    is_there(&fixture, &datasets).await
}

pub(super) async fn a_batch_survives_json(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let (mut operations, datasets) = small_repository(&fixture);
    operations.extend(super::data::observations().split_off(camera().len()));
    operations.extend(super::data::sky_map());
    operations.extend([
        decertify("c", &bias(), span(20, 30), Some(vec![detector(1)])),
        disassociate("t", &[]),
        remove_datasets(&[]),
    ]);
    let batch: RegistryBatch = operations.into_iter().collect();
    let json = serde_json::to_string(&batch).map_err(broken)?;
    let read: RegistryBatch = universe().scope(|| serde_json::from_str(&json)).map_err(broken)?;
    assert_eq!(read, batch);
    fixture.registry.apply(read).await?;
    assert_eq!(fixture.records("visit").await?.len(), 4);
    is_there(&fixture, &datasets).await
}

fn broken(error: serde_json::Error) -> butler_core::Error {
    butler_core::Error::new(ErrorKind::Unexpected, "a batch does not survive JSON").with_source(error)
}

pub(super) async fn a_batch_may_be_empty(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    assert_eq!(fixture.apply([]).await?, BatchReport::default());
    Ok(())
}

pub(super) async fn removals_come_last(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let old = fixture.biases("r", &[1]).await?;
    let again = fixture.new_refs(&bias(), "r", &[detector(1)]);
    fails(
        fixture.apply([remove_datasets(&old), insert(&again)]).await,
        ErrorKind::ConflictingDefinition,
        &["detector: 1"],
    );
    fixture
        .apply([
            remove_collections(&["r"], false),
            associate("t", &old),
            register("t", CollectionType::Tagged),
        ])
        .await?;
    assert_eq!(fixture.collection_names().await?, ["t"]);
    assert_eq!(fixture.present(&old).await?, []);
    assert_eq!(fixture.members(&bias(), "t").await?, []);
    Ok(())
}

pub(super) async fn batches_of_two_writers_are_both_applied(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let other = fixture.another().await?;
    for round in 0..3 {
        let name = format!("run{round}");
        let (one, two) = (
            fixture.new_refs(&bias(), &name, &[detector(1)]),
            other.new_refs(&bias(), &name, &[detector(2)]),
        );
        let (a, b) = futures::future::join(
            fixture.apply([register_run(&name), insert(&one)]),
            other.apply([register_run(&name), insert(&two)]),
        )
        .await;
        a?;
        b?;
        assert_eq!(fixture.members(&bias(), &name).await?, [one[0].id(), two[0].id()]);
    }
    Ok(())
}

pub(super) async fn of_two_equal_insertions_one_succeeds(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let other = fixture.another().await?;
    let (one, two) =
        (fixture.new_refs(&bias(), "r", &[detector(1)]), other.new_refs(&bias(), "r", &[detector(1)]));
    let (a, b) = futures::future::join(fixture.one(insert(&one)), other.one(insert(&two))).await;
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    let winner = if a.is_ok() { &one } else { &two };
    fails(a.and(b), ErrorKind::ConflictingDefinition, &["bias"]);
    assert_eq!(fixture.members(&bias(), "r").await?, ids(winner));
    Ok(())
}

pub(super) async fn what_is_read_only_is_not_written(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    assert!(!fixture.registry.is_read_only());
    let datasets = fixture.biases("r", &[1]).await?;
    let reader = fixture.reader().await?;
    assert!(reader.registry.is_read_only());
    fails(reader.one(register_run("s")).await, ErrorKind::ReadOnly, &["reading only"]);
    assert_eq!(reader.present(&datasets).await?, datasets);
    assert_eq!(fixture.collection_names().await?, ["r"]);
    Ok(())
}
