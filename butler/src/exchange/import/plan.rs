//! Changes of the registry that items of an export are.

use std::collections::BTreeMap;

use butler_core::registry::{DatasetInsert, InsertMode, Operation, RecordConflict, RecordSet};
use butler_core::{
    ChainEdit, CollectionType, DimensionElement, DimensionRecord, Error, ErrorKind, Instant, Result,
};
use rustc_hash::FxHashMap;

use crate::exchange::file::Contents;
use crate::exchange::item::{ExportedDatasets, ExportedFile};

/// What a change is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject {
    Collection,
    Chain,
    DatasetType,
    /// Records, of which some were repeated in the file.
    Records {
        element: DimensionElement,
        repeated: u64,
    },
    Datasets,
    Tags,
    /// Validity, which some datasets have already.
    Validity {
        existing: u64,
    },
}

/// A change, and what it is about.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) subject: Subject,
    pub(super) operation: Operation,
}

impl Planned {
    pub(super) fn new(subject: Subject, operation: Operation) -> Self {
        Self { subject, operation }
    }
}

/// Collections, chains and dataset types of a file.
pub(super) fn definitions(contents: &Contents) -> Vec<Planned> {
    let collections = contents.collections().iter().map(|collection| {
        let (name, ty, doc) = (collection.name.clone(), collection.ty, collection.doc.clone());
        Planned::new(Subject::Collection, Operation::RegisterCollection { name, ty, doc })
    });
    let types = contents.dataset_types().map(|dataset_type| {
        Planned::new(Subject::DatasetType, Operation::RegisterDatasetType(dataset_type.clone()))
    });
    let chains = contents.collections().iter().filter(|collection| collection.ty == CollectionType::Chained);
    let chains = chains.map(|chain| {
        let edit = ChainEdit::Redefine(chain.children.clone());
        Planned::new(Subject::Chain, Operation::EditChain { parent: chain.name.clone(), edit })
    });
    collections.chain(types).chain(chains).collect()
}

/// Records, each once, in an order in which those that are referred to come first.
///
/// # Errors
/// `ConflictingDefinition` for two different records of one data ID.
pub(super) fn merged<'a>(sets: impl IntoIterator<Item = &'a RecordSet>) -> Result<Vec<Planned>> {
    let mut planned: BTreeMap<DimensionElement, (Vec<_>, u64)> = BTreeMap::new();
    let mut seen: FxHashMap<(&str, _), &DimensionRecord> = FxHashMap::default();
    for set in sets {
        let (records, repeated) =
            planned.entry(set.element).or_insert_with(|| (Vec::with_capacity(set.records.len()), 0));
        for record in &set.records {
            match seen.insert((set.element.name(), record.required_values()), record) {
                None => records.push(record.clone()),
                Some(earlier) if earlier == record => *repeated += 1,
                Some(earlier) => {
                    return Err(Error::new(
                        ErrorKind::ConflictingDefinition,
                        format!(
                            "the file has two different records of '{}' for {}: {earlier:?} and {record:?}",
                            set.element,
                            record.data_id()
                        ),
                    ));
                }
            }
        }
    }
    let inserts = planned.into_iter().map(|(element, (records, repeated))| {
        let records = RecordSet { element, records };
        Planned::new(
            Subject::Records { element, repeated },
            Operation::InsertRecords { records, on_conflict: RecordConflict::Sync },
        )
    });
    Ok(inserts.collect())
}

/// Datasets of the files that are wanted.
///
/// # Errors
/// `Unexpected` if the clock cannot be read.
pub(super) fn insertion(
    datasets: &ExportedDatasets,
    wanted: impl Fn(&ExportedFile) -> bool,
) -> Result<Planned> {
    let files = datasets.files.iter().filter(|file| wanted(file));
    let (ids, data_ids) = files
        .flat_map(|file| &file.datasets)
        .map(|dataset| (dataset.id(), dataset.data_id().clone()))
        .unzip();
    Ok(Planned::new(
        Subject::Datasets,
        Operation::InsertDatasets(DatasetInsert {
            dataset_type: datasets.dataset_type.clone(),
            run: datasets.run.clone(),
            ids,
            data_ids,
            mode: InsertMode::Import,
            ingested_at: Instant::now()?,
            quantum: None,
        }),
    ))
}

#[cfg(test)]
mod tests {
    use butler_core::DimensionUniverse;

    use super::*;

    fn records(element: &str, texts: &[(&str, i64)]) -> RecordSet {
        let universe = DimensionUniverse::default();
        let element = universe.element(element).unwrap();
        let records = texts.iter().map(|(instrument, id)| {
            let fields: [(&str, butler_core::FieldValue); 2] = match element.name().as_str() {
                "instrument" => [("name", (*instrument).into()), ("detector_max", (*id).into())],
                _ => [("instrument", (*instrument).into()), ("id", (*id).into())],
            };
            DimensionRecord::new(element, fields).unwrap()
        });
        RecordSet::new(element, records.collect())
    }

    #[test]
    fn records_come_once_and_in_order() {
        let sets = [
            records("day_obs", &[("Cam", 20_200_101), ("Cam", 20_200_101)]),
            records("instrument", &[("Cam", 4)]),
            records("day_obs", &[("Cam", 20_200_102)]),
        ];
        let planned = merged(&sets).unwrap();
        let found: Vec<(&str, usize, u64)> = planned
            .iter()
            .map(|planned| match (&planned.subject, &planned.operation) {
                (Subject::Records { element, repeated }, Operation::InsertRecords { records, .. }) => {
                    (element.name().as_str(), records.records.len(), *repeated)
                }
                other => unreachable!("{other:?}"),
            })
            .collect();
        assert_eq!(found, [("instrument", 1, 0), ("day_obs", 2, 1)]);
        let sets = [records("instrument", &[("Cam", 4)]), records("instrument", &[("Cam", 5)])];
        assert_eq!(merged(&sets).unwrap_err().kind(), ErrorKind::ConflictingDefinition);
    }
}
