//! Changes of a registry, as plain data.

use std::sync::Arc;

use arcstr::ArcStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::opaque::{JournalOutcome, OpaqueTable};
use super::provenance::{Quantum, QuantumUpdate};
use super::removal::Removal;
use crate::backend::{RowBatch, Value};
use crate::collection::{ChainEdit, CollectionType};
use crate::dataset::{DatasetId, DatasetRef, DatasetType};
use crate::dimension::{DataId, DimensionElement, DimensionRecord};
use crate::time::{Instant, Timespan};

/// What to do with a dimension record whose key is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordConflict {
    /// The batch fails.
    Fail,
    /// It stays as it is, whatever it says.
    Skip,
    /// It is replaced.
    Replace,
    /// It must agree in all fields that are given; otherwise the batch fails.
    Sync,
    /// It is made to agree in all fields that are given; differences are reported.
    SyncUpdate,
}

/// Records of one dimension element.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordSet {
    /// The element.
    pub element: DimensionElement,
    /// Its records.
    pub records: Vec<DimensionRecord>,
}

/// What is known of the ids of datasets that are inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InsertMode {
    /// They are new: a data ID that the run has already is a conflict.
    New,
    /// They may be there: the same dataset again is no change, another one is a conflict.
    Import,
}

/// Datasets of one type for one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetInsert {
    /// The type, as registered.
    pub dataset_type: DatasetType,
    /// The run.
    pub run: ArcStr,
    /// Identities.
    pub ids: Vec<DatasetId>,
    /// Data IDs, one for each id.
    pub data_ids: Vec<DataId>,
    /// What is known of the ids.
    pub mode: InsertMode,
    /// When they are ingested.
    pub ingested_at: Instant,
    /// The quantum that made them.
    pub quantum: Option<DatasetId>,
}

/// One change of a registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A fact about the repository is written down, or replaced.
    SetAttribute {
        /// Name.
        key: ArcStr,
        /// Value.
        value: ArcStr,
    },
    /// A writing session begins.
    BeginSession {
        /// Origin of the ids that it issues.
        origin: i64,
        /// Host name.
        host: ArcStr,
        /// Name of the account.
        user: ArcStr,
        /// When.
        began: Instant,
    },
    /// A collection is registered: new, or there already with the same type.
    RegisterCollection {
        /// Name.
        name: ArcStr,
        /// Type.
        ty: CollectionType,
        /// Documentation, written down if the collection is new.
        doc: Option<ArcStr>,
    },
    /// A collection is documented.
    SetDocumentation {
        /// Name of the collection.
        name: ArcStr,
        /// Documentation, perhaps empty.
        doc: ArcStr,
    },
    /// Children of a chain change.
    EditChain {
        /// Name of the chain.
        parent: ArcStr,
        /// The change.
        edit: ChainEdit,
    },
    /// A dataset type is registered: new, or there already and equal.
    RegisterDatasetType(DatasetType),
    /// Dimension records are inserted.
    InsertRecords {
        /// The records.
        records: RecordSet,
        /// What to do with those that are there.
        on_conflict: RecordConflict,
    },
    /// Datasets are inserted.
    InsertDatasets(DatasetInsert),
    /// Datasets become members of a tagged collection.
    Associate {
        /// Name of the collection.
        collection: ArcStr,
        /// The datasets.
        datasets: Vec<DatasetRef>,
    },
    /// Datasets cease to be members of a tagged collection.
    Disassociate {
        /// Name of the collection.
        collection: ArcStr,
        /// The datasets; those that are no members are passed over.
        datasets: Vec<DatasetRef>,
    },
    /// Datasets become valid for a timespan.
    Certify {
        /// Name of the calibration collection.
        collection: ArcStr,
        /// The datasets.
        datasets: Vec<DatasetRef>,
        /// When; not empty.
        timespan: Timespan,
    },
    /// Datasets cease to be valid for a timespan; ranges are cut, and split if need be.
    Decertify {
        /// Name of the calibration collection.
        collection: ArcStr,
        /// Type of the datasets.
        dataset_type: DatasetType,
        /// When.
        timespan: Timespan,
        /// Only for these data IDs, if given.
        data_ids: Option<Vec<DataId>>,
    },
    /// A datastore's table is created, or is there already in the same version; its name is written down.
    RegisterOpaque(OpaqueTable),
    /// A datastore has artifacts of datasets, which nobody removes until the batch is applied.
    InsertArtifacts {
        /// Name of the datastore.
        datastore: ArcStr,
        /// The datasets; the batch fails with `DatasetNotFound` if one is not there.
        datasets: Vec<DatasetId>,
        /// Rows of its tables.
        rows: Vec<OpaqueRows>,
    },
    /// A datastore has no artifacts of datasets any more; rows of its tables go too.
    RemoveArtifacts {
        /// Name of the datastore.
        datastore: ArcStr,
        /// The datasets; those that it has no artifacts of are passed over.
        datasets: Vec<DatasetId>,
        /// Names of its tables.
        tables: Vec<ArcStr>,
    },
    /// Quanta are inserted.
    InsertQuanta(Vec<Quantum>),
    /// More becomes known of quanta.
    UpdateQuanta(Vec<QuantumUpdate>),
    /// Somebody claims to have won a journal entry: the batch fails with `Aborted` if the other did.
    ClaimOutcome(JournalOutcome),
    /// Journal entries are gone, and their outcomes with them.
    ForgetOutcomes(Vec<ArcStr>),
    /// Something is removed.
    Remove(Removal),
}

/// Rows for one of a datastore's tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpaqueRows {
    /// Name of the table.
    pub table: ArcStr,
    /// The rows, with the columns of the dataset's id.
    pub rows: Arc<RowBatch>,
}

impl Operation {
    /// Place in the order in which operations are applied: what is referred to
    /// comes before what refers to it, removals of references before removals, and removals of datasets
    /// before what may take their place.
    #[must_use]
    pub fn phase(&self) -> u8 {
        match self {
            // An outcome that is lost must be known before any work is done.
            Self::ClaimOutcome(_) => 0,
            Self::SetAttribute { .. } | Self::BeginSession { .. } => 1,
            Self::RegisterCollection { .. } | Self::RegisterDatasetType(_) | Self::RegisterOpaque(_) => 2,
            Self::SetDocumentation { .. } | Self::EditChain { .. } => 3,
            Self::InsertRecords { .. } => 4,
            Self::InsertQuanta(_) => 5,
            // Before what is new, which may take the place of what goes.
            Self::Disassociate { .. } | Self::Decertify { .. } => 6,
            Self::RemoveArtifacts { .. } => 7,
            Self::Remove(Removal::Datasets(_)) => 8,
            Self::InsertDatasets(_) => 9,
            Self::UpdateQuanta(_) => 10,
            Self::Associate { .. } | Self::Certify { .. } => 11,
            Self::InsertArtifacts { .. } => 12,
            Self::Remove(_) => 13,
            Self::ForgetOutcomes(_) => 14,
        }
    }
}

/// Any mixture of changes, applied in one transaction: all of them, or none.
///
/// Operations are applied in the order of their [phases](Operation::phase),
/// those of one phase in the order given. A batch is plain data: it survives
/// JSON (within a [scope](crate::DimensionUniverse::scope)), and may be applied again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RegistryBatch {
    operations: Vec<Operation>,
}

impl RegistryBatch {
    /// A batch without changes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a change.
    pub fn push(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// Adds the changes of another batch.
    pub fn extend(&mut self, other: Self) {
        self.operations.extend(other.operations);
    }

    /// With one more change.
    #[must_use]
    pub fn with(mut self, operation: Operation) -> Self {
        self.push(operation);
        self
    }

    /// The changes, in the order given.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Datasets that are said to be ingested since a time are ingested now; those of before stay so.
    ///
    /// # Errors
    /// Those of the clock.
    pub(crate) fn ingest_now(&mut self, since: Instant) -> crate::Result<()> {
        let now = Instant::now()?;
        for operation in &mut self.operations {
            if let Operation::InsertDatasets(insert) = operation
                && insert.ingested_at >= since
            {
                insert.ingested_at = now;
            }
        }
        Ok(())
    }

    /// Whether there are no changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }
}

impl From<Operation> for RegistryBatch {
    fn from(operation: Operation) -> Self {
        Self { operations: vec![operation] }
    }
}

impl FromIterator<Operation> for RegistryBatch {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        Self { operations: operations.into_iter().collect() }
    }
}

impl RecordSet {
    /// Records of one element.
    #[must_use]
    pub fn new(element: DimensionElement, records: Vec<DimensionRecord>) -> Self {
        debug_assert!(records.iter().all(|record| record.element() == element));
        Self { element, records }
    }
}

#[derive(Serialize, Deserialize)]
struct RecordSetWire {
    element: DimensionElement,
    records: Vec<Box<[Value]>>,
}

impl Serialize for RecordSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let records = self.records.iter().map(DimensionRecord::to_values).collect();
        RecordSetWire { element: self.element, records }.serialize(serializer)
    }
}

/// In the universe in [scope](crate::DimensionUniverse::scope).
impl<'de> Deserialize<'de> for RecordSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let RecordSetWire { element, records } = RecordSetWire::deserialize(deserializer)?;
        let records = records
            .iter()
            .map(|values| DimensionRecord::from_values(element, values))
            .collect::<crate::Result<_>>()
            .map_err(serde::de::Error::custom)?;
        Ok(Self { element, records })
    }
}
