//! Provenance: datasets connected by quanta.

use arcstr::ArcStr;
use butler_core::backend::{ColumnBatch, Relation, SortKey, TableRef, Value};
use butler_core::registry::{
    Direction, ProvenanceEdge, ProvenanceGraph, ProvenanceQuery, Quantum, QuantumStatus,
};
use butler_core::{DataId, DatasetId, Error, ErrorKind, Instant, Result};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Shared;
use super::rows::{among_ids, equal, given_ids, int, is, text};
use crate::schema::{QUANTUM, QUANTUM_INPUT, QUANTUM_OUTPUT};

/// Datasets and quanta that are reached from some datasets, in one walk of the database.
pub(crate) async fn provenance(shared: &Shared, query: ProvenanceQuery) -> Result<ProvenanceGraph> {
    let (begin, end) = match query.direction {
        // A dataset was made from what the quantum that wrote it read.
        Direction::Upstream => (&QUANTUM_OUTPUT, &QUANTUM_INPUT),
        Direction::Downstream => (&QUANTUM_INPUT, &QUANTUM_OUTPUT),
    };
    let reached = walk(&query, begin, end);
    let mut graph = ProvenanceGraph::default();
    for batch in shared.collect(reached).await? {
        for row in 0..batch.len() {
            let (origin, id) = (int(&batch.columns()[0], row)?, int(&batch.columns()[1], row)?);
            graph.datasets.push(DatasetId::from_trusted(origin, id));
        }
    }
    graph.datasets.sort_unstable();
    let datasets: FxHashSet<DatasetId> = graph.datasets.iter().copied().collect();
    let read = edges(shared, &QUANTUM_INPUT, &graph.datasets).await?;
    let written = edges(shared, &QUANTUM_OUTPUT, &graph.datasets).await?;
    let inside = quanta_within(&query, &read, &written);
    graph.inputs = read.into_iter().filter(|edge| inside.contains(&edge.quantum)).collect();
    graph.outputs = written.into_iter().filter(|edge| inside.contains(&edge.quantum)).collect();
    graph.inputs.retain(|edge| datasets.contains(&edge.dataset));
    graph.outputs.retain(|edge| datasets.contains(&edge.dataset));
    graph.quanta = quanta(shared, &inside, &graph).await?;
    Ok(graph)
}

/// All datasets that paths of quanta lead to.
fn walk(query: &ProvenanceQuery, begin: &TableRef, end: &TableRef) -> Relation {
    let seeds = given_ids(query.datasets.iter().copied());
    let begin = begin.scan().rename([
        ("by_origin", "quantum_origin"),
        ("by_id", "quantum_id"),
        ("from_origin", "origin"),
        ("from_id", "id"),
    ]);
    let end = end.scan().rename([
        ("of_origin", "quantum_origin"),
        ("of_id", "quantum_id"),
        ("to_origin", "origin"),
        ("to_id", "id"),
    ]);
    let edges = begin.join(end, equal([("by_origin", "of_origin"), ("by_id", "of_id")])).select([
        "from_origin",
        "from_id",
        "to_origin",
        "to_id",
    ]);
    Relation::Closure {
        seeds: Box::new(seeds),
        edges: Box::new(edges),
        from: vec!["from_origin".into(), "from_id".into()],
        to: vec!["to_origin".into(), "to_id".into()],
        max_depth: query.depth,
    }
}

/// Quanta that the walk went through: those that made (or read) a dataset that it reached.
fn quanta_within(
    query: &ProvenanceQuery,
    read: &[ProvenanceEdge],
    written: &[ProvenanceEdge],
) -> FxHashSet<DatasetId> {
    let ids = |edges: &[ProvenanceEdge]| edges.iter().map(|edge| edge.quantum).collect::<FxHashSet<_>>();
    match (query.depth, query.direction) {
        (None, Direction::Upstream) => ids(written),
        (None, Direction::Downstream) => ids(read),
        // The walk stopped at some datasets; what lies beyond them is no part of the answer.
        (Some(_), _) => ids(read).intersection(&ids(written)).copied().collect(),
    }
}

async fn edges(shared: &Shared, table: &TableRef, datasets: &[DatasetId]) -> Result<Vec<ProvenanceEdge>> {
    let columns = ["quantum_origin", "quantum_id", "origin", "id"];
    let rows = among_ids(table.scan(), "origin", "id", datasets.iter().copied())
        .select(columns)
        .sort(columns.map(SortKey::ascending).to_vec());
    let mut found = Vec::new();
    for batch in shared.collect(rows).await? {
        for row in 0..batch.len() {
            let part = |column: usize| int(&batch.columns()[column], row);
            found.push(ProvenanceEdge {
                quantum: DatasetId::from_trusted(part(0)?, part(1)?),
                dataset: DatasetId::from_trusted(part(2)?, part(3)?),
            });
        }
    }
    Ok(found)
}

async fn quanta(
    shared: &Shared,
    ids: &FxHashSet<DatasetId>,
    graph: &ProvenanceGraph,
) -> Result<Vec<Quantum>> {
    let rows = among_ids(QUANTUM.scan(), "origin", "id", ids.iter().copied())
        .sort(vec![SortKey::ascending("origin"), SortKey::ascending("id")]);
    let mut found = Vec::new();
    for batch in shared.collect(rows).await? {
        let run_ids =
            (0..batch.len()).map(|row| int(batch.column("run_id")?, row)).collect::<Result<Vec<_>>>()?;
        let runs = shared.collection_names(&run_ids).await?;
        for row in 0..batch.len() {
            found.push(read_quantum(shared, &batch, row, &runs)?);
        }
    }
    let mut outputs = by_quantum(&graph.outputs);
    let actual = actual_inputs(shared, ids).await?;
    let mut inputs = by_quantum(&graph.inputs);
    for quantum in &mut found {
        quantum.outputs = outputs.remove(&quantum.id).unwrap_or_default();
        let read = inputs.remove(&quantum.id).unwrap_or_default();
        let was_read =
            |dataset: &DatasetId| actual.contains(&ProvenanceEdge { quantum: quantum.id, dataset: *dataset });
        (quantum.actual_inputs, quantum.predicted_inputs) = read.into_iter().partition(was_read);
    }
    Ok(found)
}

fn by_quantum(edges: &[ProvenanceEdge]) -> FxHashMap<DatasetId, Vec<DatasetId>> {
    let mut map: FxHashMap<DatasetId, Vec<DatasetId>> = FxHashMap::default();
    for edge in edges {
        map.entry(edge.quantum).or_default().push(edge.dataset);
    }
    map
}

/// What quanta did read, not only were to read.
async fn actual_inputs(shared: &Shared, ids: &FxHashSet<DatasetId>) -> Result<FxHashSet<ProvenanceEdge>> {
    let read = QUANTUM_INPUT.scan().filter(is("actual", Value::Bool(true)));
    let rows = among_ids(read, "quantum_origin", "quantum_id", ids.iter().copied()).select([
        "quantum_origin",
        "quantum_id",
        "origin",
        "id",
    ]);
    let mut found = FxHashSet::default();
    for batch in shared.collect(rows).await? {
        for row in 0..batch.len() {
            let part = |column: usize| int(&batch.columns()[column], row);
            found.insert(ProvenanceEdge {
                quantum: DatasetId::from_trusted(part(0)?, part(1)?),
                dataset: DatasetId::from_trusted(part(2)?, part(3)?),
            });
        }
    }
    Ok(found)
}

fn read_quantum(
    shared: &Shared,
    batch: &ColumnBatch,
    row: usize,
    runs: &FxHashMap<i64, ArcStr>,
) -> Result<Quantum> {
    let column = |name: &str| batch.column(name);
    let corrupt =
        |what: &str| Error::new(ErrorKind::Corrupt, format!("the {what} of a quantum cannot be read"));
    let time = |name: &str| -> Result<Option<Instant>> {
        column(name)?.int(row).map(Instant::from_nanoseconds).transpose()
    };
    let status = text(column("status")?, row)?;
    let data_id: DataId = shared
        .universe
        .scope(|| serde_json::from_str(text(column("data_id")?, row)?).map_err(|_| corrupt("data ID")))?;
    Ok(Quantum {
        id: DatasetId::from_trusted(int(column("origin")?, row)?, int(column("id")?, row)?),
        label: text(column("label")?, row)?.into(),
        task: text(column("task")?, row)?.into(),
        run: runs.get(&int(column("run_id")?, row)?).cloned(),
        data_id,
        host: column("host")?.text(row).map(ArcStr::from),
        began: time("began")?,
        ended: time("ended")?,
        status: QuantumStatus::ALL
            .into_iter()
            .find(|known| known.name() == status)
            .ok_or_else(|| corrupt("status"))?,
        predicted_inputs: Vec::new(),
        actual_inputs: Vec::new(),
        outputs: Vec::new(),
    })
}
