//! What a batch did.

use arcstr::ArcStr;
use serde::Serialize;

use crate::dataset::DatasetId;
use crate::dimension::{DataId, FieldValue};

/// Field of a dimension record that differed from what was to be synced.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecordDifference {
    /// Data ID of the record.
    pub data_id: DataId,
    /// Name of the field.
    pub field: ArcStr,
    /// What was there before.
    pub before: FieldValue,
}

/// What one operation did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OperationReport {
    /// Number of things that are new.
    pub inserted: u64,
    /// Number of things that were there already, as they should be.
    pub existing: u64,
    /// Number of things that were changed.
    pub changed: u64,
    /// Number of things that were removed.
    pub removed: u64,
    /// Fields that a sync changed.
    pub differences: Vec<RecordDifference>,
    /// Datasets that were there already, of an import.
    pub existing_datasets: Vec<DatasetId>,
    /// Children of a chain after the edit.
    pub children: Vec<ArcStr>,
}

/// What a batch did: one report for each operation, in the order given.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BatchReport {
    /// The reports.
    pub operations: Vec<OperationReport>,
}
