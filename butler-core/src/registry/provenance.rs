//! Quanta: which processing read and wrote which datasets.

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use crate::dataset::DatasetId;
use crate::dimension::DataId;
use crate::time::Instant;

/// How far a quantum has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuantumStatus {
    /// Planned.
    #[default]
    Defined,
    /// Started.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended otherwise.
    Failed,
}

impl QuantumStatus {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Defined, Self::Running, Self::Succeeded, Self::Failed];

    /// Name, as stored and printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Defined => "defined",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// A unit of processing: one run of a task on one data ID.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantum {
    /// Identity; issued as dataset ids are, and never that of a dataset.
    pub id: DatasetId,
    /// Label of the task in its pipeline.
    pub label: ArcStr,
    /// Name of the task.
    pub task: ArcStr,
    /// Run of the outputs; none if it was removed since. A new quantum must have one.
    pub run: Option<ArcStr>,
    /// What it works on.
    pub data_id: DataId,
    /// Host that it ran on.
    pub host: Option<ArcStr>,
    /// When it started.
    pub began: Option<Instant>,
    /// When it ended.
    pub ended: Option<Instant>,
    /// How far it has come.
    pub status: QuantumStatus,
    /// Datasets that it was to read.
    pub predicted_inputs: Vec<DatasetId>,
    /// Datasets that it did read.
    pub actual_inputs: Vec<DatasetId>,
    /// Datasets that it wrote.
    pub outputs: Vec<DatasetId>,
}

/// What has become known of a quantum; what is not given stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantumUpdate {
    /// The quantum.
    pub id: DatasetId,
    /// Host that it runs on.
    pub host: Option<ArcStr>,
    /// When it started.
    pub began: Option<Instant>,
    /// When it ended.
    pub ended: Option<Instant>,
    /// How far it has come.
    pub status: Option<QuantumStatus>,
    /// Further datasets that it read.
    pub actual_inputs: Vec<DatasetId>,
    /// Further datasets that it wrote.
    pub outputs: Vec<DatasetId>,
}

/// Which way provenance is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What the datasets were made from.
    Upstream,
    /// What was made from the datasets.
    Downstream,
}

/// A question about provenance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProvenanceQuery {
    /// Where to begin.
    pub datasets: Vec<DatasetId>,
    /// Which way to go.
    pub direction: Direction,
    /// Greatest number of quanta between the beginning and a dataset; any if none is given.
    pub depth: Option<u32>,
}

/// One dataset that a quantum read or wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProvenanceEdge {
    /// The quantum.
    pub quantum: DatasetId,
    /// The dataset.
    pub dataset: DatasetId,
}

/// Datasets that are connected by quanta.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProvenanceGraph {
    /// Datasets reached, those of the question included, in order of id; some may be gone.
    pub datasets: Vec<DatasetId>,
    /// Quanta between them, in order of id.
    pub quanta: Vec<Quantum>,
    /// What they read, in order.
    pub inputs: Vec<ProvenanceEdge>,
    /// What they wrote, in order.
    pub outputs: Vec<ProvenanceEdge>,
}
