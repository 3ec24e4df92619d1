//! Expansion of data IDs.

use butler_core::{
    DataId, DataIdRecords, DimensionElement, DimensionGroup, DimensionRecord, DimensionValue, Error, ErrorKind, Result,
};
use futures::future::try_join_all;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Shared;
use super::records::{RecordKey, fetch};

/// Expands data IDs of any groups, in the order given.
pub(crate) async fn expand(shared: &Shared, data_ids: Vec<DataId>) -> Result<Vec<DataId>> {
    let mut groups: Vec<DimensionGroup> = Vec::new();
    for data_id in &data_ids {
        if !groups.contains(&data_id.group()) {
            groups.push(data_id.group());
        }
    }
    let mut expanded: Vec<Option<DataId>> = vec![None; data_ids.len()];
    for group in groups {
        let members: Vec<usize> =
            (0..data_ids.len()).filter(|&index| data_ids[index].group() == group).collect();
        let results = expand_group(shared, group, members.iter().map(|&index| &data_ids[index]).collect()).await?;
        for (index, data_id) in members.into_iter().zip(results) {
            expanded[index] = Some(data_id);
        }
    }
    expanded
        .into_iter()
        .map(|data_id| data_id.ok_or_else(|| Error::new(ErrorKind::Unexpected, "a data ID was not expanded")))
        .collect()
}

/// Data IDs of one group on their way to being expanded.
struct Expansion<'a> {
    group: DimensionGroup,
    data_ids: Vec<&'a DataId>,
    elements: Vec<DimensionElement>,
    /// Records by element (outer) and data ID (inner).
    records: Vec<Option<Vec<Option<DimensionRecord>>>>,
}

async fn expand_group<'a>(
    shared: &Shared,
    group: DimensionGroup,
    data_ids: Vec<&'a DataId>,
) -> Result<Vec<DataId>> {
    let elements: Vec<DimensionElement> = group.elements().collect();
    let mut expansion = Expansion { group, data_ids, records: vec![None; elements.len()], elements };
    loop {
        // Elements whose keys are known are asked for at once; what they imply makes more keys known.
        let ready: Vec<DimensionElement> =
            group.lookup_order().filter(|element| expansion.is_ready(*element)).collect();
        if ready.is_empty() {
            break;
        }
        let wave = ready.iter().map(|&element| expansion.lookup(shared, element));
        let found = try_join_all(wave).await?;
        for (element, records) in ready.into_iter().zip(found) {
            let at = expansion.position(element);
            expansion.records[at] = Some(records);
        }
    }
    expansion.finish()
}

impl Expansion<'_> {
    fn position(&self, element: DimensionElement) -> usize {
        self.elements.iter().position(|other| *other == element).unwrap_or_default()
    }

    /// Whether an element is not looked up yet, but can be.
    fn is_ready(&self, element: DimensionElement) -> bool {
        element.has_table()
            && self.records[self.position(element)].is_none()
            && element.required().all(|dimension| self.is_known(dimension))
    }

    /// Whether the values of a dimension are known: required, or implied by something that was looked up.
    fn is_known(&self, dimension: DimensionElement) -> bool {
        self.group.required().any(|required| required == dimension) || self.implying(dimension).is_some()
    }

    fn implying(&self, dimension: DimensionElement) -> Option<usize> {
        (0..self.elements.len()).find(|&at| {
            self.records[at].is_some() && self.elements[at].implied().any(|implied| implied == dimension)
        })
    }

    fn value(&self, index: usize, dimension: DimensionElement) -> Option<DimensionValue> {
        if self.group.required().any(|required| required == dimension) {
            return self.data_ids[index].get_dimension(dimension).cloned();
        }
        self.records[self.implying(dimension)?].as_ref()?[index].as_ref()?.implied_value(dimension)
    }

    async fn lookup(&self, shared: &Shared, element: DimensionElement) -> Result<Vec<Option<DimensionRecord>>> {
        let keys: Vec<Option<RecordKey>> = (0..self.data_ids.len())
            .map(|index| element.required().map(|dimension| self.value(index, dimension)).collect())
            .collect();
        let distinct: FxHashSet<&RecordKey> = keys.iter().flatten().collect();
        let distinct: Vec<RecordKey> = distinct.into_iter().cloned().collect();
        let found = fetch(shared, element, &distinct).await?;
        keys.iter().zip(&self.data_ids).map(|(key, data_id)| record_of(element, key.as_ref(), &found, data_id)).collect()
    }

    fn finish(self) -> Result<Vec<DataId>> {
        (0..self.data_ids.len())
            .map(|index| {
                let records: DataIdRecords =
                    self.records.iter().map(|records| records.as_ref().and_then(|r| r[index].clone())).collect();
                self.data_ids[index].with_records(records)
            })
            .collect()
    }
}

/// The record of an element for a data ID, or the error that its absence is.
fn record_of(
    element: DimensionElement,
    key: Option<&RecordKey>,
    found: &FxHashMap<RecordKey, DimensionRecord>,
    data_id: &DataId,
) -> Result<Option<DimensionRecord>> {
    if let Some(record) = key.and_then(|key| found.get(key)) {
        return Ok(Some(record.clone()));
    }
    if element.is_dimension() {
        return Err(Error::new(
            ErrorKind::DataIdValue,
            format!("dimension '{element}' has no record for {data_id}"),
        ));
    }
    if element.defines_relationships() {
        return Err(Error::new(
            ErrorKind::InconsistentDataId,
            format!("'{element}' has no record for {data_id}: its values do not belong together"),
        ));
    }
    Ok(None)
}
