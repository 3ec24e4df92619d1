//! The bridge between registry and datastores.

use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::registry::{DatastoreBridge, DatastoreBridgeManager, Operation};
use butler_core::{DatasetId, DatasetRef, ErrorKind, Result};

use super::RegistryHarness;
use super::fixture::{
    Fixture, data_id, dataset_type, fails, ids, names, nothing, register_run, store, universe,
};
use super::opaque::paths;

async fn manager(fixture: &Fixture) -> Result<DatastoreBridgeManager> {
    DatastoreBridgeManager::initialize(Arc::clone(&fixture.registry)).await
}

/// Says that a datastore has artifacts of datasets, by its bridge.
async fn fill(fixture: &Fixture, bridge: &DatastoreBridge, datasets: &[DatasetRef]) -> Result<()> {
    let operation = bridge.insert(ids(datasets), Vec::new());
    let operation = operation.ok_or_else(|| nothing("operation of a persistent bridge"))?;
    fixture.one(operation).await.map(|_| ())
}

/// A registry with three biases, of which the datastore `disk` has the first two.
async fn stored(h: &dyn RegistryHarness) -> Result<(Fixture, DatastoreBridgeManager, Vec<DatasetRef>)> {
    let fixture = Fixture::with_camera(h).await?;
    let datasets = fixture.biases("r", &[1, 2, 3]).await?;
    let manager = manager(&fixture).await?;
    fill(&fixture, &manager.register(&"disk".into(), false)?, &datasets[..2]).await?;
    Ok((fixture, manager, datasets))
}

async fn found(manager: &DatastoreBridgeManager, datasets: &[DatasetRef]) -> Result<Vec<Vec<ArcStr>>> {
    manager.find_datastores(&ids(datasets)).await
}

pub(super) async fn a_datastore_that_has_artifacts_is_found(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, here, datasets) = stored(h).await?;
    let there = manager(&fixture.another().await?).await?;
    for manager in [&here, &there] {
        assert_eq!(found(manager, &datasets).await?, [names(&["disk"]), names(&["disk"]), Vec::new()]);
        assert_eq!(manager.find_datastores(&[]).await?, Vec::<Vec<ArcStr>>::new());
    }
    Ok(())
}

pub(super) async fn several_have_artifacts_of_one_dataset(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, manager, datasets) = stored(h).await?;
    for name in ["tape", "attic"] {
        fill(&fixture, &manager.register(&name.into(), false)?, &datasets[1..2]).await?;
    }
    assert_eq!(found(&manager, &datasets[1..2]).await?, [names(&["attic", "disk", "tape"])]);
    Ok(())
}

pub(super) async fn one_that_has_none_any_more_is_not_found(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, manager, datasets) = stored(h).await?;
    let bridge = manager.get("disk").ok_or_else(|| nothing("bridge"))?;
    let gone = bridge.remove(ids(&datasets[..1]), Vec::new()).ok_or_else(|| nothing("operation"))?;
    fixture.one(gone).await?;
    assert_eq!(found(&manager, &datasets[..2]).await?, [Vec::new(), names(&["disk"])]);
    Ok(())
}

pub(super) async fn answers_come_in_the_order_of_questions(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let ty = dataset_type("sky", &["htm7"]);
    fixture.apply([register_run("r"), Operation::RegisterDatasetType(ty.clone())]).await?;
    let pixels: Vec<_> = (0..1200_i64).map(|n| data_id!(htm7: 131_072 + n)).collect();
    let datasets = fixture.insert(&ty, "r", &pixels).await?;
    let (even, odd): (Vec<_>, Vec<_>) = (0..datasets.len()).partition(|n| n.is_multiple_of(2));
    let of = |places: &[usize]| places.iter().map(|&at| datasets[at].clone()).collect::<Vec<_>>();
    fixture.apply([store("even", &of(&even)), store("odd", &of(&odd))]).await?;
    let manager = manager(&fixture).await?;
    let asked: Vec<usize> = (0..datasets.len()).rev().chain([0, 0]).collect();
    let name = |at: usize| names(&[if at.is_multiple_of(2) { "even" } else { "odd" }]);
    let expected: Vec<_> = asked.iter().map(|&at| name(at)).collect();
    assert_eq!(found(&manager, &of(&asked)).await?, expected);
    let stranger: DatasetId = fixture.issuer.issue();
    assert_eq!(manager.find_datastores(&[stranger, datasets[0].id()]).await?, [Vec::new(), name(0)]);
    Ok(())
}

pub(super) async fn what_is_ephemeral_is_known_to_its_manager_alone(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, manager, datasets) = stored(h).await?;
    let memory = manager.register(&"memory".into(), true)?;
    assert!(memory.is_ephemeral());
    assert_eq!(memory.insert(ids(&datasets[1..]), Vec::new()), None, "no registry hears of it");
    let here = [names(&["disk"]), names(&["disk", "memory"]), names(&["memory"])];
    assert_eq!(found(&manager, &datasets).await?, here);
    manager.refresh();
    assert_eq!(found(&manager, &datasets).await?, here, "a refresh forgets nothing that is not elsewhere");
    let other = self::manager(&fixture.another().await?).await?;
    other.register(&"memory".into(), true)?;
    assert_eq!(found(&other, &datasets).await?, [names(&["disk"]), names(&["disk"]), Vec::new()]);
    assert_eq!(memory.remove(ids(&datasets), Vec::new()), None);
    assert_eq!(found(&manager, &datasets[1..]).await?, [names(&["disk"]), Vec::new()]);
    Ok(())
}

pub(super) async fn a_name_is_registered_in_one_way(h: &dyn RegistryHarness) -> Result<()> {
    let (_fixture, manager, datasets) = stored(h).await?;
    let told = manager.register(&"memory".into(), true)?.insert(ids(&datasets[2..]), Vec::new());
    assert_eq!(told, None);
    for (name, ephemeral) in [("memory", true), ("disk", false)] {
        let again = manager.register(&name.into(), ephemeral)?;
        assert_eq!((again.name().as_str(), again.is_ephemeral()), (name, ephemeral));
        let otherwise = manager.register(&name.into(), !ephemeral);
        fails(otherwise, ErrorKind::ConflictingDefinition, &[name]);
    }
    assert_eq!(found(&manager, &datasets[1..]).await?, [names(&["disk"]), names(&["memory"])]);
    Ok(())
}

pub(super) async fn another_version_is_refused(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let first = manager(&fixture).await?;
    let preamble = first.preamble().ok_or_else(|| nothing("preamble"))?;
    fixture.apply([preamble, Operation::RegisterOpaque(paths("paths", 1))]).await?;
    assert_eq!(manager(&fixture).await?.preamble(), None, "it is said once");
    let newer = (DatastoreBridgeManager::VERSION + 1).to_string();
    let key: ArcStr = DatastoreBridgeManager::ATTRIBUTE.into();
    fixture.one(Operation::SetAttribute { key: key.clone(), value: newer.clone().into() }).await?;
    fails(manager(&fixture).await, ErrorKind::SchemaVersion, &[&newer]);
    fixture.one(Operation::SetAttribute { key, value: "new".into() }).await?;
    fails(manager(&fixture).await, ErrorKind::Corrupt, &["new"]);
    Ok(())
}

pub(super) async fn a_clone_stands_on_another_registry(h: &dyn RegistryHarness) -> Result<()> {
    let (_fixture, manager, datasets) = stored(h).await?;
    let told = manager.register(&"memory".into(), true)?.insert(ids(&datasets), Vec::new());
    assert_eq!(told, None);
    let elsewhere = Fixture::of(h, universe()).await?;
    let clone = manager.clone_onto(Arc::clone(&elsewhere.registry)).await?;
    assert_eq!(found(&clone, &datasets).await?, vec![Vec::<ArcStr>::new(); 3]);
    for (name, ephemeral) in [("disk", false), ("memory", true)] {
        assert_eq!(clone.get(name).map(|bridge| bridge.is_ephemeral()), Some(ephemeral));
    }
    assert_eq!(found(&manager, &datasets[..1]).await?, [names(&["disk", "memory"])]);
    Ok(())
}
