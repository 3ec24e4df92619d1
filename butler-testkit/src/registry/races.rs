//! Writers that get in each other's way.

use std::sync::Arc;

use butler_core::registry::{CollectionQuery, DatastoreBridgeManager, Operation};
use butler_core::{CollectionType, DatasetType, Error, ErrorKind, Result};
use futures::StreamExt;
use futures::future::{join, join_all};

use super::RegistryHarness;
use super::fixture::{
    Fixture, associate, bias, certify, dataset_type, detector, fails, ids, insert, names, register,
    register_run, remove_collections, remove_datasets, remove_types, span, store, unstore,
};

/// How often each race is run.
const ROUNDS: usize = 6;

/// Runs two at once; the second one begins first every other time.
async fn race<A, B>(round: usize, one: impl Future<Output = A>, two: impl Future<Output = B>) -> (A, B) {
    if round.is_multiple_of(2) {
        return join(one, two).await;
    }
    let (two, one) = join(two, one).await;
    (one, two)
}

/// That an error is one that somebody may get whose ground was taken away by another writer.
fn lost<T: std::fmt::Debug>(result: Result<T>, kinds: &[ErrorKind]) -> bool {
    match result {
        Ok(_) => false,
        Err(error) => {
            assert!(kinds.contains(&error.kind()) || error.kind() == ErrorKind::Busy, "{error:?}");
            true
        }
    }
}

pub(super) async fn a_run_is_removed_while_it_is_filled(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let other = fixture.another().await?;
    for round in 0..ROUNDS {
        let name = format!("run{round}");
        other.one(register_run(&name)).await?;
        let datasets = fixture.new_refs(&bias(), &name, &[detector(1)]);
        let (filled, removed) =
            race(round, fixture.one(insert(&datasets)), other.one(remove_collections(&[&name], false))).await;
        lost(filled, &[ErrorKind::MissingCollection]);
        removed?;
        let query = CollectionQuery { names: Some(names(&[&name])), ..CollectionQuery::default() };
        assert_eq!(fixture.registry.collections(query).await?, []);
        assert_eq!(fixture.present(&datasets).await?, [], "no dataset is in a run that is gone");
        let again = fixture.another().await?;
        again.one(register_run(&name)).await?;
        assert_eq!(again.members(&bias(), &name).await?, []);
    }
    Ok(())
}

pub(super) async fn a_type_is_removed_while_it_is_used(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let other = fixture.another().await?;
    for round in 0..ROUNDS {
        let ty = dataset_type(&format!("t{round}"), &["detector"]);
        other.one(Operation::RegisterDatasetType(ty.clone())).await?;
        let datasets = fixture.new_refs(&ty, "r", &[detector(1)]);
        let (used, removed) =
            race(round, fixture.one(insert(&datasets)), other.one(remove_types(&[ty.name()]))).await;
        let gone = lost(used, &[ErrorKind::MissingDatasetType]);
        let stays = lost(removed, &[ErrorKind::OrphanedRecord]);
        assert!(gone != stays, "one of them was first");
        assert_eq!(fixture.type_names().await?.contains(ty.name()), stays);
        assert_eq!(fixture.present(&datasets).await?.is_empty(), gone);
    }
    Ok(())
}

pub(super) async fn a_dataset_is_removed_while_it_is_referred_to(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let other = fixture.another().await?;
    fixture
        .apply([register("t", CollectionType::Tagged), register("c", CollectionType::Calibration)])
        .await?;
    for round in 0..ROUNDS {
        let datasets = fixture.biases("r", &[1]).await?;
        let refer = fixture.apply([associate("t", &datasets), certify("c", &datasets, span(0, 9))]);
        let (referred, removed) = race(round, refer, other.one(remove_datasets(&datasets))).await;
        lost(referred, &[ErrorKind::DatasetNotFound]);
        removed?;
        for collection in ["r", "t", "c"] {
            assert_eq!(fixture.members(&bias(), collection).await?, [], "in {collection}");
        }
        // What nobody sees would be in the way of another one.
        let new = fixture.biases("r", &[1]).await?;
        fixture.apply([associate("t", &new), certify("c", &new, span(0, 9))]).await?;
        fixture.one(remove_datasets(&new)).await?;
    }
    Ok(())
}

pub(super) async fn a_dataset_is_removed_while_it_is_stored(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let other = fixture.another().await?;
    let bridges = DatastoreBridgeManager::initialize(Arc::clone(&fixture.registry)).await?;
    for round in 0..ROUNDS {
        let datasets = fixture.biases("r", &[1]).await?;
        let (stored, removed) =
            race(round, fixture.one(store("disk", &datasets)), other.one(remove_datasets(&datasets))).await;
        let gone = lost(stored, &[ErrorKind::DatasetNotFound]);
        let stays = lost(removed, &[ErrorKind::OrphanedRecord]);
        assert!(gone != stays, "one of them was first");
        assert_eq!(fixture.present(&datasets).await?.is_empty(), gone);
        let places = bridges.find_datastores(&ids(&datasets)).await?;
        assert_eq!(places[0].is_empty(), gone, "no artifact is of a dataset that is gone");
        if stays {
            fixture.apply([unstore("disk", &datasets), remove_datasets(&datasets)]).await?;
        }
    }
    Ok(())
}

pub(super) async fn of_two_that_overlap_one_is_certified(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let other = fixture.another().await?;
    fixture.apply([register_run("s"), register("c", CollectionType::Calibration)]).await?;
    let (first, second) = (fixture.biases("r", &[1]).await?, fixture.biases("s", &[1]).await?);
    for round in 0..ROUNDS as i64 {
        let begin = round * 100;
        let (one, two) = join(
            fixture.one(certify("c", &first, span(begin, begin + 10))),
            other.one(certify("c", &second, span(begin + 9, begin + 20))),
        )
        .await;
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        fails(one.and(two), ErrorKind::ConflictingDefinition, &[]);
    }
    assert_eq!(fixture.members(&bias(), "c").await?.len(), ROUNDS);
    Ok(())
}

pub(super) async fn of_two_that_differ_one_is_associated(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let other = fixture.another().await?;
    fixture.one(register_run("s")).await?;
    let (first, second) = (fixture.biases("r", &[1]).await?, fixture.biases("s", &[1]).await?);
    for round in 0..ROUNDS {
        let name = format!("t{round}");
        fixture.one(register(&name, CollectionType::Tagged)).await?;
        let (one, two) =
            join(fixture.one(associate(&name, &first)), other.one(associate(&name, &second))).await;
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        let winner = if one.is_ok() { &first } else { &second };
        assert_eq!(fixture.members(&bias(), &name).await?, ids(winner));
        fails(one.and(two), ErrorKind::ConflictingDefinition, &[&name]);
    }
    Ok(())
}

pub(super) async fn equal_definitions_are_registered_by_all(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(fixture.another().await?);
    }
    for round in 0..ROUNDS {
        let ty = dataset_type(&format!("t{round}"), &["detector"]);
        let name = format!("run{round}");
        let register = others
            .iter()
            .map(|other| other.apply([register_run(&name), Operation::RegisterDatasetType(ty.clone())]));
        let reports = join_all(register).await.into_iter().collect::<Result<Vec<_>>>()?;
        for operation in [0, 1] {
            let new: u64 = reports.iter().map(|report| report.operations[operation].inserted).sum();
            let old: u64 = reports.iter().map(|report| report.operations[operation].existing).sum();
            assert_eq!((new, old), (1, 3));
        }
    }
    Ok(())
}

pub(super) async fn of_definitions_that_differ_one_is_registered(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let other = fixture.another().await?;
    for round in 0..ROUNDS {
        let ty = dataset_type(&format!("t{round}"), &["detector"]);
        let types: [DatasetType; 2] = [ty.clone(), ty.with_storage_class("Image")];
        let [first, second] = types.map(Operation::RegisterDatasetType);
        let (one, two) = join(fixture.one(first), other.one(second)).await;
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        fails(one.and(two), ErrorKind::ConflictingDefinition, &["Bytes", "Image"]);
        let name = format!("c{round}");
        let (one, two) = join(
            fixture.one(register(&name, CollectionType::Run)),
            other.one(register(&name, CollectionType::Tagged)),
        )
        .await;
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        fails(one.and(two), ErrorKind::ConflictingDefinition, &["RUN", "TAGGED"]);
    }
    Ok(())
}

pub(super) async fn many_writers_wait_for_each_other(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let mut writers = Vec::new();
    for _ in 0..6 {
        writers.push(fixture.another().await?);
    }
    fixture.apply((0..6).map(|n| register_run(&format!("run{n}")))).await?;
    let work = writers.iter().enumerate().map(|(n, writer)| async move {
        let run = format!("run{n}");
        for number in 1..=4 {
            writer.biases(&run, &[number]).await?;
        }
        Ok::<_, Error>(())
    });
    join_all(work).await.into_iter().collect::<Result<()>>()?;
    for n in 0..6 {
        assert_eq!(fixture.members(&bias(), &format!("run{n}")).await?.len(), 4);
    }
    Ok(())
}

pub(super) async fn many_streams_are_open_at_once(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let datasets = fixture.biases("r", &[1, 2, 3, 4]).await?;
    let query = fixture.query_for(&bias(), &["r"], true).await?;
    let mut streams = Vec::new();
    for _ in 0..60 {
        streams.push(fixture.registry.query(query.clone()).await?);
    }
    let new = fixture.new_refs(&bias(), "s", &[detector(1)]);
    fixture.apply([register_run("s"), insert(&new)]).await?;
    assert_eq!(fixture.present(&datasets).await?.len(), 4, "single questions are answered meanwhile");
    for mut stream in streams {
        let mut rows = 0;
        while let Some(batch) = stream.next().await {
            rows += batch?.len();
        }
        assert_eq!(rows, 4);
    }
    Ok(())
}
