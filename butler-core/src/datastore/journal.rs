//! Entries of a datastore's journal: what may be orphaned if its writer dies.

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use crate::dataset::DatasetId;
use crate::time::Instant;

/// Whether an entry's artifacts are written or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalAction {
    /// Artifacts are written, and registered afterwards.
    Put,
    /// Artifacts are unregistered, and deleted afterwards.
    Remove,
}

impl JournalAction {
    /// Name, as in the file names of entries.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Remove => "remove",
        }
    }
}

/// What the user asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalOperation {
    /// Objects were put.
    Put,
    /// Files were ingested.
    Ingest,
    /// Datasets were transferred from another repository, or imported.
    Transfer,
    /// Artifacts were copied into a nearer datastore.
    FillBack,
    /// Datasets were unstored, purged, or went with their run.
    Remove,
}

/// First line of an entry: who does what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalHeader {
    /// Version of the format: 1.
    pub version: u32,
    /// Name of the entry, unique in the repository.
    pub entry: ArcStr,
    /// Whether artifacts are written or removed.
    pub action: JournalAction,
    /// What the user asked for.
    pub operation: JournalOperation,
    /// Name of the datastore.
    pub datastore: ArcStr,
    /// When it was written, by the writer's clock.
    pub at: Instant,
    /// Host that the writer runs on.
    pub host: ArcStr,
    /// Process of the writer.
    pub process: u32,
    /// Number of artifact lines that follow.
    pub artifacts: u64,
}

/// Further line of an entry: an artifact that may be orphaned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalArtifact {
    /// Path under the datastore's root.
    pub path: ArcStr,
    /// Datasets that it is of.
    pub ids: Vec<DatasetId>,
    /// Where it is moved from, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ArcStr>,
}
