//! Expansion of data IDs.

use butler_core::{
    DataId, DataIdRecords, DimensionElement, DimensionGroup, DimensionRecord, DimensionValue, Error,
    ErrorKind, Result,
};
use futures::future::try_join_all;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Shared;
use super::records::{RecordKey, fetch, fetch_row};

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
        let of_group: Vec<DataId> = members.iter().map(|&index| data_ids[index].clone()).collect();
        let mut expander = Expander::default();
        if let [data_id] = &of_group[..] {
            expander.look_up(shared, data_id).await?;
        }
        let results = expander.expand_group(shared, group, of_group).await?;
        for (index, data_id) in members.into_iter().zip(results) {
            expanded[index] = Some(data_id);
        }
    }
    expanded
        .into_iter()
        .map(|data_id| data_id.ok_or_else(|| Error::new(ErrorKind::Unexpected, "a data ID was not expanded")))
        .collect()
}

/// Expands data IDs batch by batch, and remembers the records.
#[derive(Debug, Default)]
pub(crate) struct Expander {
    known: FxHashMap<DimensionElement, FxHashMap<RecordKey, Option<DimensionRecord>>>,
}

impl Expander {
    /// Reads the records that one data ID must have, all in one question.
    ///
    /// Nothing becomes known if one of them is missing: whoever asks for them one by one finds out which.
    async fn look_up(&mut self, shared: &Shared, data_id: &DataId) -> Result<()> {
        let must_be = |element: &DimensionElement| {
            element.has_table() && (element.is_dimension() || element.defines_relationships())
        };
        let elements: Vec<DimensionElement> = data_id.group().lookup_order().filter(must_be).collect();
        if elements.len() < 2 {
            return Ok(());
        }
        for (element, record) in fetch_row(shared, data_id, &elements).await? {
            let key = record.required_values().into_vec().into_boxed_slice();
            self.known.entry(element).or_default().insert(key, Some(record));
        }
        Ok(())
    }

    /// Expands data IDs of one group.
    pub(crate) async fn expand_group(
        &mut self,
        shared: &Shared,
        group: DimensionGroup,
        data_ids: Vec<DataId>,
    ) -> Result<Vec<DataId>> {
        let elements: Vec<DimensionElement> = group.elements().collect();
        let mut expansion = Expansion { group, data_ids, records: vec![None; elements.len()], elements };
        loop {
            // Elements whose keys are known are asked for at once; what they imply makes more keys known.
            let ready: Vec<DimensionElement> =
                group.lookup_order().filter(|element| expansion.is_ready(*element)).collect();
            if ready.is_empty() {
                return expansion.finish();
            }
            let keys: Vec<Vec<Option<RecordKey>>> =
                ready.iter().map(|&element| expansion.keys(element)).collect();
            self.fetch(shared, &ready, &keys).await?;
            for (element, keys) in ready.into_iter().zip(keys) {
                let known = self.known.entry(element).or_default();
                let records = keys
                    .iter()
                    .zip(&expansion.data_ids)
                    .map(|(key, data_id)| record_of(element, key.as_ref(), known, data_id))
                    .collect::<Result<_>>()?;
                let at = expansion.position(element);
                expansion.records[at] = Some(records);
            }
        }
    }

    /// Asks for the records that are not known yet, of all elements at once.
    async fn fetch(
        &mut self,
        shared: &Shared,
        elements: &[DimensionElement],
        keys: &[Vec<Option<RecordKey>>],
    ) -> Result<()> {
        let unknown: Vec<(DimensionElement, Vec<RecordKey>)> = elements
            .iter()
            .zip(keys)
            .map(|(&element, keys)| {
                let known = self.known.entry(element).or_default();
                let distinct: FxHashSet<&RecordKey> =
                    keys.iter().flatten().filter(|key| !known.contains_key(*key)).collect();
                (element, distinct.into_iter().cloned().collect())
            })
            .collect();
        let found = try_join_all(unknown.iter().map(|(element, keys)| fetch(shared, *element, keys))).await?;
        for ((element, keys), mut records) in unknown.into_iter().zip(found) {
            let known = self.known.entry(element).or_default();
            for key in keys {
                let record = records.remove(&key);
                known.insert(key, record);
            }
        }
        Ok(())
    }
}

/// Data IDs of one group on their way to being expanded.
struct Expansion {
    group: DimensionGroup,
    data_ids: Vec<DataId>,
    elements: Vec<DimensionElement>,
    /// Records by element (outer) and data ID (inner).
    records: Vec<Option<Vec<Option<DimensionRecord>>>>,
}

impl Expansion {
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

    /// Values of an element's required dimensions, for each data ID.
    fn keys(&self, element: DimensionElement) -> Vec<Option<RecordKey>> {
        (0..self.data_ids.len())
            .map(|index| element.required().map(|dimension| self.value(index, dimension)).collect())
            .collect()
    }

    fn finish(self) -> Result<Vec<DataId>> {
        (0..self.data_ids.len())
            .map(|index| {
                let records: DataIdRecords = self
                    .records
                    .iter()
                    .map(|records| records.as_ref().and_then(|r| r[index].clone()))
                    .collect();
                self.data_ids[index].with_records(records)
            })
            .collect()
    }
}

/// The record of an element for a data ID, or the error that its absence is.
fn record_of(
    element: DimensionElement,
    key: Option<&RecordKey>,
    found: &FxHashMap<RecordKey, Option<DimensionRecord>>,
    data_id: &DataId,
) -> Result<Option<DimensionRecord>> {
    if let Some(Some(record)) = key.and_then(|key| found.get(key)) {
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
