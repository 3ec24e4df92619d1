//! The dimension records that data IDs need.

use std::collections::BTreeMap;

use futures::TryStreamExt;

use super::Butler;
use crate::Result;
use crate::dimension::{DataId, DimensionElement, DimensionRecord, DimensionValue};
use crate::registry::RecordSet;

/// Distinct dimension records, by element in the order in which they can be inserted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RelatedRecords(BTreeMap<DimensionElement, BTreeMap<Vec<DimensionValue>, DimensionRecord>>);

impl RelatedRecords {
    /// Takes the records of an expanded data ID; there are none of another one.
    pub fn gather(&mut self, data_id: &DataId) {
        for record in data_id.records().into_iter().flat_map(|records| records.iter()).flatten() {
            let known = self.0.entry(record.element()).or_default();
            known.entry(record.required_values().into_vec()).or_insert_with(|| record.clone());
        }
    }

    /// Elements with their numbers of records.
    pub fn counts(&self) -> impl Iterator<Item = (DimensionElement, usize)> {
        self.0.iter().map(|(element, records)| (*element, records.len()))
    }

    /// Leaves out the records that others have.
    pub fn retain_new(&mut self, others: &Self) {
        for (element, records) in &mut self.0 {
            if let Some(known) = others.0.get(element) {
                records.retain(|key, _| !known.contains_key(key));
            }
        }
        self.0.retain(|_, records| !records.is_empty());
    }

    /// Takes the records of others.
    pub fn extend(&mut self, others: Self) {
        for (element, records) in others.0 {
            self.0.entry(element).or_default().extend(records);
        }
    }

    /// The records, at most some at once.
    pub fn into_sets(self, most: usize) -> impl Iterator<Item = RecordSet> {
        self.0.into_iter().flat_map(move |(element, records)| {
            let mut records = records.into_values();
            std::iter::from_fn(move || {
                let some: Vec<DimensionRecord> = records.by_ref().take(most.max(1)).collect();
                (!some.is_empty()).then(|| RecordSet::new(element, some))
            })
        })
    }
}

impl Butler {
    /// Adds the records that come with others: of a visit, which exposures it is made of, and those.
    ///
    /// # Errors
    /// `Connection` and the like.
    pub async fn gather_populated(&self, records: &mut RelatedRecords) -> Result<()> {
        for element in self.universe().elements() {
            let Some(populating) = element.populated_by().filter(|_| element.always_join()) else { continue };
            let data_ids: Vec<DataId> = records
                .0
                .get(&populating)
                .into_iter()
                .flat_map(BTreeMap::values)
                .map(DimensionRecord::data_id)
                .collect();
            if data_ids.is_empty() {
                continue;
            }
            let names = element.minimal_group().names();
            let query = self.query_data_ids(names).join_data_ids(data_ids).expanded(true);
            let mut batches = query.stream().await?;
            while let Some(batch) = batches.try_next().await? {
                batch.iter().for_each(|data_id| records.gather(data_id));
            }
        }
        Ok(())
    }
}
