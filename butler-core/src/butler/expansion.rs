//! Expansion of data IDs with the dimension records that a Butler remembers.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use smallvec::SmallVec;

use super::Butler;
use super::cache::Generation;
use crate::dataset::DatasetRef;
use crate::dimension::{
    DataId, DataIdRecords, DimensionElement, DimensionGroup, DimensionRecord, DimensionValue,
};
use crate::registry::{Operation, RecordConflict};
use crate::{Error, ErrorKind, Result};

/// Greatest number of dimension records that are remembered.
const RECORDS: usize = 20_000;

/// Data IDs that are expanded one by one from memory; of more at once, each record is read only once anyway.
const FEW: usize = 256;

type Key = (DimensionElement, SmallVec<[DimensionValue; 3]>);

/// Dimension records that were seen lately.
///
/// Records are immutable but for an explicit replacement or synchronisation: own ones are
/// seen at once, those of others after [`Butler::refresh`]. What is missing is not remembered, so
/// that new records of others are seen at once, too.
#[derive(Debug)]
pub(super) struct Records {
    /// Made when it is first used, as those of names are.
    known: LazyLock<Cache<Key, DimensionRecord>>,
    /// Grows with each change, so that an answer from before it is not remembered after it.
    generation: AtomicU64,
}

impl Default for Records {
    fn default() -> Self {
        Self { known: LazyLock::new(|| Cache::new(RECORDS)), generation: AtomicU64::new(0) }
    }
}

impl Records {
    fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    /// Records of the group's elements, if all that have a table are known.
    fn of(&self, data_id: &DataId) -> Option<DataIdRecords> {
        let group = data_id.group();
        let mut records = vec![None; group.elements().len()];
        for element in group.lookup_order().filter(|element| element.has_table()) {
            let values = element.required().map(|dimension| value(data_id, group, &records, dimension));
            let record = self.known.get(&(element, values.collect::<Option<_>>()?))?;
            let position = group.elements().position(|other| other == element)?;
            records[position] = Some(record);
        }
        Some(records.into())
    }

    /// Remembers the records of a data ID that was asked for at some moment.
    fn remember(&self, data_id: &DataId, asked: Generation) {
        for record in data_id.records().iter().flat_map(|records| records.iter()).flatten() {
            let key: Key = (record.element(), record.required_values().into_iter().collect());
            self.known.insert(key.clone(), record.clone());
            if self.generation() != asked {
                self.known.remove(&key);
            }
        }
    }

    /// Forgets what the operations of a batch may have changed.
    pub(super) fn forget_changed<'a>(&self, operations: impl IntoIterator<Item = &'a Operation>) {
        // What is new was not remembered.
        let changes = |operation: &Operation| {
            matches!(operation, Operation::InsertRecords { on_conflict, .. }
                if matches!(on_conflict, RecordConflict::Replace | RecordConflict::SyncUpdate))
        };
        if operations.into_iter().any(changes) {
            self.forget_all();
        }
    }

    pub(super) fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.known.clear();
    }
}

/// Value of a dimension: required, or implied by a record.
fn value(
    data_id: &DataId,
    group: DimensionGroup,
    records: &[Option<DimensionRecord>],
    dimension: DimensionElement,
) -> Option<DimensionValue> {
    match group.key_index(dimension)? {
        // An implied value that was given need not be that of the records.
        position if position < group.required_len() => data_id.required_values().get(position).cloned(),
        _ => records.iter().flatten().find_map(|record| record.implied_value(dimension)),
    }
}

impl Butler {
    /// The same datasets with expanded data IDs.
    ///
    /// Of few datasets, dimension records that were seen before are not read again:
    /// replacements by others are seen after a [`refresh`](Self::refresh).
    ///
    /// # Errors
    /// `DataIdValue`, `InconsistentDataId` if dimension records do not fit.
    pub async fn expand(&self, datasets: Vec<DatasetRef>) -> Result<Vec<DatasetRef>> {
        let lacking: Vec<usize> =
            (0..datasets.len()).filter(|&at| !datasets[at].data_id().is_expanded()).collect();
        let mut datasets = datasets;
        let data_ids = lacking.iter().map(|&at| datasets[at].data_id().clone()).collect();
        for (at, data_id) in lacking.into_iter().zip(self.expand_data_ids(data_ids).await?) {
            datasets[at] = datasets[at].with_data_id(data_id)?;
        }
        Ok(datasets)
    }

    /// Expands data IDs, in the order given; as [`expand`](Self::expand).
    ///
    /// # Errors
    /// As [`Registry::expand`](crate::registry::Registry::expand).
    pub async fn expand_data_ids(&self, data_ids: Vec<DataId>) -> Result<Vec<DataId>> {
        if data_ids.len() > FEW {
            return self.inner.registry.expand(data_ids).await;
        }
        let known = &self.inner.records;
        let asked = known.generation();
        let mut expanded = data_ids;
        let mut unknown = Vec::new();
        for (at, data_id) in expanded.iter_mut().enumerate() {
            match known.of(data_id) {
                Some(records) => *data_id = data_id.with_records(records)?,
                None => unknown.push(at),
            }
        }
        if unknown.is_empty() {
            return Ok(expanded);
        }
        let questions = unknown.iter().map(|&at| expanded[at].clone()).collect();
        for (at, data_id) in unknown.into_iter().zip(self.inner.registry.expand(questions).await?) {
            known.remember(&data_id, asked);
            expanded[at] = data_id;
        }
        Ok(expanded)
    }

    /// Expands one data ID.
    ///
    /// # Errors
    /// As [`expand_data_ids`](Self::expand_data_ids).
    pub(super) async fn expand_data_id(&self, data_id: DataId) -> Result<DataId> {
        let mut expanded = self.expand_data_ids(vec![data_id]).await?;
        expanded.pop().ok_or_else(|| Error::new(ErrorKind::Unexpected, "a data ID was not expanded"))
    }
}
