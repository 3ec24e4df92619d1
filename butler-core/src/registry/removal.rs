//! What a removal would take with it.

use std::collections::BTreeMap;

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use crate::collection::CollectionType;
use crate::dataset::DatasetId;

/// What is to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// Datasets, with all that refers to them.
    Datasets(Vec<DatasetId>),
    /// Collections; the datasets of a run go with it.
    Collections {
        /// Names.
        names: Vec<ArcStr>,
        /// Whether chains are told to forget them; otherwise being in a chain is an error.
        unlink: bool,
    },
    /// Dataset types that no dataset has.
    DatasetTypes(Vec<ArcStr>),
}

/// What a removal would take with it, and what refers to that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalPlan {
    /// Collections that would go, by name.
    pub collections: BTreeMap<ArcStr, CollectionType>,
    /// Dataset types that would go.
    pub dataset_types: Vec<ArcStr>,
    /// Number of datasets that would go, by name of their type.
    pub datasets: BTreeMap<ArcStr, u64>,
    /// Number of memberships in tagged collections that would go, by collection.
    pub tags: BTreeMap<ArcStr, u64>,
    /// Number of validity ranges that would go, by calibration collection.
    pub calibrations: BTreeMap<ArcStr, u64>,
    /// Chains that contain a collection that would go.
    pub parents: BTreeMap<ArcStr, Vec<ArcStr>>,
    /// Number of datasets that datastores still have artifacts of.
    pub stored: u64,
    /// Number of quanta that read or wrote one of the datasets; they stay.
    pub quanta: u64,
    /// Number of bytes of their artifacts, as records of datastores say; a registry does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}
