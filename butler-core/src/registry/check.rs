//! Rules that the rows of a registry obey.

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use super::opaque::OpaqueTable;

/// What a verification of a registry is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryCheck {
    /// Tables of the datastores, whose records it compares with its own rows.
    pub tables: Vec<OpaqueTable>,
    /// Whether it repairs what it can without losing anything.
    pub repair: bool,
}

/// A rule that rows may break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A dataset has a type that is registered.
    DatasetType,
    /// A dataset lives in a collection of type RUN.
    DatasetRun,
    /// A dataset has a data ID.
    DatasetDataId,
    /// A data ID is that of a dataset, of its type and in its run.
    DataIdDataset,
    /// A value of a data ID has a dimension record.
    DataIdRecord,
    /// What a dimension record requires or implies has a record.
    RecordReference,
    /// What is tagged is a dataset. Repaired: such a tag goes.
    TagDataset,
    /// Tags are of collections of type TAGGED.
    TagCollection,
    /// What is valid is a dataset. Repaired: such a validity goes.
    ValidityDataset,
    /// Validity ranges are of collections of type CALIBRATION.
    ValidityCollection,
    /// What a datastore is said to have is a dataset.
    LocationDataset,
    /// What a datastore is said to have, it has records of.
    LocationRecord,
    /// What a datastore has records of, it is said to have. Repaired: it is said.
    RecordLocation,
    /// A summary has all types of datasets that are in a collection. Repaired: it gets them.
    Summary,
    /// A summary has all governor values of datasets that are in a run. Repaired: it gets them.
    Governor,
    /// No chain contains itself.
    ChainCycle,
    /// Inputs and outputs are of a quantum. Repaired: others go.
    QuantumLink,
}

/// Rows that break a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// Table of the rows.
    pub table: ArcStr,
    /// Number of the rows.
    pub count: u64,
    /// Some of the rows, as text.
    pub examples: Vec<String>,
    /// Number of rows that were repaired.
    pub repaired: u64,
}
