//! Quanta, and what was made from what.

use butler_core::registry::{
    Direction, Operation, ProvenanceEdge, ProvenanceGraph, ProvenanceQuery, Quantum, QuantumStatus,
    QuantumUpdate,
};
use butler_core::{CollectionType, DatasetId, DatasetRef, ErrorKind, Result};

use super::RegistryHarness;
use super::fixture::{
    Fixture, at, fails, ids, quantum, register, register_run, remove_collections, remove_datasets,
};

/// A registry with four biases: the second was made from the first, the third and the fourth from the second.
async fn lineage(h: &dyn RegistryHarness) -> Result<(Fixture, Vec<DatasetRef>, Vec<Quantum>)> {
    let fixture = Fixture::with_camera(h).await?;
    let datasets = fixture.biases("r", &[1, 2, 3, 4]).await?;
    let make = |from: usize, to: &[DatasetRef]| {
        quantum(&fixture, "r", QuantumStatus::Succeeded, &datasets[from..=from], to)
    };
    let quanta = vec![make(0, &datasets[1..2]), make(1, &datasets[2..])];
    let report = fixture.one(Operation::InsertQuanta(quanta.clone())).await?;
    assert_eq!(report.inserted, 2);
    Ok((fixture, datasets, quanta))
}

async fn walk(
    fixture: &Fixture,
    datasets: &[DatasetRef],
    direction: Direction,
    depth: Option<u32>,
) -> Result<ProvenanceGraph> {
    fixture.registry.provenance(ProvenanceQuery { datasets: ids(datasets), direction, depth }).await
}

fn ids_of(quanta: &[Quantum]) -> Vec<DatasetId> {
    quanta.iter().map(|quantum| quantum.id).collect()
}

fn update(quantum: &Quantum) -> QuantumUpdate {
    QuantumUpdate {
        id: quantum.id,
        host: None,
        began: None,
        ended: None,
        status: None,
        actual_inputs: Vec::new(),
        outputs: Vec::new(),
    }
}

pub(super) async fn what_a_dataset_was_made_from_is_found(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, quanta) = lineage(h).await?;
    let graph = walk(&fixture, &datasets[3..], Direction::Upstream, None).await?;
    assert_eq!(graph.datasets, ids(&[&datasets[..2], &datasets[3..]].concat()));
    assert_eq!(ids_of(&graph.quanta), ids_of(&quanta));
    let edge = |quantum: usize, dataset: usize| ProvenanceEdge {
        quantum: quanta[quantum].id,
        dataset: datasets[dataset].id(),
    };
    assert_eq!(graph.inputs, [edge(0, 0), edge(1, 1)]);
    assert_eq!(graph.outputs, [edge(0, 1), edge(1, 3)]);
    Ok(())
}

pub(super) async fn what_was_made_from_a_dataset_is_found(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, quanta) = lineage(h).await?;
    let graph = walk(&fixture, &datasets[..1], Direction::Downstream, None).await?;
    assert_eq!(graph.datasets, ids(&datasets));
    assert_eq!(ids_of(&graph.quanta), ids_of(&quanta));
    let graph = walk(&fixture, &datasets[1..2], Direction::Downstream, None).await?;
    assert_eq!(graph.datasets, ids(&datasets[1..]));
    assert_eq!(ids_of(&graph.quanta), ids_of(&quanta[1..]));
    Ok(())
}

pub(super) async fn depth_is_a_number_of_quanta(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, quanta) = lineage(h).await?;
    let graph = walk(&fixture, &datasets[2..3], Direction::Upstream, Some(1)).await?;
    assert_eq!(graph.datasets, ids(&datasets[1..3]));
    assert_eq!(ids_of(&graph.quanta), ids_of(&quanta[1..]));
    let graph = walk(&fixture, &datasets[..1], Direction::Downstream, Some(1)).await?;
    assert_eq!(graph.datasets, ids(&datasets[..2]));
    assert_eq!(ids_of(&graph.quanta), ids_of(&quanta[..1]));
    let graph = walk(&fixture, &datasets[2..3], Direction::Upstream, Some(0)).await?;
    assert_eq!((graph.datasets, graph.quanta), (ids(&datasets[2..3]), Vec::new()));
    Ok(())
}

pub(super) async fn what_nobody_made_stands_alone(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, _) = lineage(h).await?;
    let graph = walk(&fixture, &datasets[..1], Direction::Upstream, None).await?;
    let alone = ProvenanceGraph { datasets: ids(&datasets[..1]), ..ProvenanceGraph::default() };
    assert_eq!(graph, alone);
    assert_eq!(walk(&fixture, &[], Direction::Upstream, None).await?, ProvenanceGraph::default());
    Ok(())
}

pub(super) async fn a_walk_of_a_cycle_ends(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, quanta) = lineage(h).await?;
    let back = quantum(&fixture, "r", QuantumStatus::Failed, &datasets[2..3], &datasets[..1]);
    fixture.one(Operation::InsertQuanta(vec![back.clone()])).await?;
    for direction in [Direction::Upstream, Direction::Downstream] {
        let graph = walk(&fixture, &datasets[1..2], direction, None).await?;
        assert!(ids(&datasets[..3]).iter().all(|id| graph.datasets.contains(id)), "{direction:?}");
        assert_eq!(ids_of(&graph.quanta), [quanta[0].id, quanta[1].id, back.id]);
    }
    Ok(())
}

pub(super) async fn quanta_come_back_as_they_are(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let datasets = fixture.biases("r", &[1, 2, 3, 4]).await?;
    let made = Quantum {
        label: "it's".into(),
        task: "a.b.C".into(),
        host: Some("here".into()),
        began: Some(at(1)),
        ended: Some(at(2)),
        status: QuantumStatus::Failed,
        predicted_inputs: ids(&datasets[..1]),
        actual_inputs: ids(&datasets[1..2]),
        outputs: ids(&datasets[2..]),
        ..quantum(&fixture, "r", QuantumStatus::Defined, &[], &[])
    };
    let bare = quantum(&fixture, "r", QuantumStatus::Defined, &datasets[2..3], &[]);
    fixture.one(Operation::InsertQuanta(vec![made.clone(), bare.clone()])).await?;
    let graph = fixture.another().await?;
    let graph = walk(&graph, &[datasets[2].clone(), datasets[3].clone()], Direction::Upstream, None).await?;
    assert_eq!(graph.quanta, [made]);
    let graph = walk(&fixture, &datasets[2..3], Direction::Downstream, None).await?;
    assert_eq!(graph.quanta, [bare], "one that wrote nothing");
    Ok(())
}

pub(super) async fn what_becomes_known_is_added(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with_camera(h).await?;
    let datasets = fixture.biases("r", &[1, 2, 3]).await?;
    let mut planned = quantum(&fixture, "r", QuantumStatus::Defined, &[], &[]);
    planned.predicted_inputs = ids(&datasets[..2]);
    fixture.one(Operation::InsertQuanta(vec![planned.clone()])).await?;
    let started = QuantumUpdate {
        host: Some("there".into()),
        began: Some(at(5)),
        status: Some(QuantumStatus::Running),
        ..update(&planned)
    };
    let ended = QuantumUpdate {
        ended: Some(at(6)),
        status: Some(QuantumStatus::Succeeded),
        actual_inputs: ids(&datasets[..1]),
        outputs: ids(&datasets[2..]),
        ..update(&planned)
    };
    for update in [started, ended] {
        let report = fixture.one(Operation::UpdateQuanta(vec![update])).await?;
        assert_eq!(report.changed, 1);
    }
    let known = Quantum {
        host: Some("there".into()),
        began: Some(at(5)),
        ended: Some(at(6)),
        status: QuantumStatus::Succeeded,
        predicted_inputs: ids(&datasets[1..2]),
        actual_inputs: ids(&datasets[..1]),
        outputs: ids(&datasets[2..]),
        ..planned
    };
    assert_eq!(walk(&fixture, &datasets[2..], Direction::Upstream, None).await?.quanta, [known]);
    Ok(())
}

pub(super) async fn an_update_without_news_changes_nothing(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, quanta) = lineage(h).await?;
    fixture.one(Operation::UpdateQuanta(vec![update(&quanta[0])])).await?;
    let graph = walk(&fixture, &datasets[1..2], Direction::Upstream, None).await?;
    assert_eq!(graph.quanta, quanta[..1]);
    Ok(())
}

pub(super) async fn a_quantum_that_is_not_there_is_not_updated(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, _, quanta) = lineage(h).await?;
    let stranger = Quantum { id: fixture.issuer.issue(), ..quanta[0].clone() };
    let change = QuantumUpdate { status: Some(QuantumStatus::Failed), ..update(&stranger) };
    let id = stranger.id.to_string();
    fails(fixture.one(Operation::UpdateQuanta(vec![change])).await, ErrorKind::NotFound, &[&id]);
    Ok(())
}

pub(super) async fn a_quantum_is_inserted_once(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, _, quanta) = lineage(h).await?;
    let again = fixture.one(Operation::InsertQuanta(quanta)).await;
    fails(again, ErrorKind::ConflictingDefinition, &["quantum"]);
    Ok(())
}

pub(super) async fn its_run_is_a_run(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, _, quanta) = lineage(h).await?;
    fixture.one(register("t", CollectionType::Tagged)).await?;
    for (run, kind) in [("t", ErrorKind::CollectionType), ("nowhere", ErrorKind::MissingCollection)] {
        let id = fixture.issuer.issue();
        let elsewhere = Quantum { id, run: Some(run.into()), ..quanta[0].clone() };
        fails(fixture.one(Operation::InsertQuanta(vec![elsewhere])).await, kind, &[run]);
    }
    let nowhere = Quantum { id: fixture.issuer.issue(), run: None, ..quanta[0].clone() };
    let id = nowhere.id.to_string();
    fails(fixture.one(Operation::InsertQuanta(vec![nowhere])).await, ErrorKind::Argument, &[&id]);
    Ok(())
}

pub(super) async fn a_run_that_is_removed_is_forgotten(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, quanta) = lineage(h).await?;
    fixture.one(remove_collections(&["r"], false)).await?;
    let other = fixture.another().await?;
    // One of the same name is another run.
    other.one(register_run("r")).await?;
    let graph = walk(&other, &datasets[1..2], Direction::Upstream, None).await?;
    assert_eq!(graph.quanta, [Quantum { run: None, ..quanta[0].clone() }]);
    Ok(())
}

pub(super) async fn datasets_that_are_gone_are_remembered(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, quanta) = lineage(h).await?;
    fixture.one(remove_datasets(&datasets[1..2])).await?;
    let graph = walk(&fixture, &datasets[2..3], Direction::Upstream, None).await?;
    assert_eq!(graph.datasets, ids(&datasets[..3]));
    assert_eq!(ids_of(&graph.quanta), ids_of(&quanta));
    Ok(())
}

pub(super) async fn several_beginnings_are_followed_at_once(h: &dyn RegistryHarness) -> Result<()> {
    let (fixture, datasets, quanta) = lineage(h).await?;
    let ends = [datasets[3].clone(), datasets[1].clone()];
    let graph = walk(&fixture, &ends, Direction::Upstream, None).await?;
    assert_eq!(graph.datasets, ids(&[&datasets[..2], &datasets[3..]].concat()));
    assert_eq!(ids_of(&graph.quanta), ids_of(&quanta));
    Ok(())
}
