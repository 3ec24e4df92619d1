//! Mutants that do something else than they are told, or report something else than they did.

use arcstr::ArcStr;
use butler_core::registry::{Operation, OperationReport, RecordConflict, RecordSet, Removal};
use butler_core::{ChainEdit, CollectionType, DatasetKind, DimensionRecord, FieldValue, Timespan};

use super::tamper::{Tamper, mutants};

/// Records with each of their optional values changed.
fn values(operation: Operation, change: fn(&FieldValue) -> FieldValue) -> Operation {
    let Operation::InsertRecords { records, on_conflict } = operation else { return operation };
    let changed = records.records.iter().map(|record| {
        let fields = record.element().fields().iter().zip(record.values());
        let values: Vec<FieldValue> = fields
            .map(|(field, value)| if field.nullable() { change(value) } else { value.clone() })
            .collect();
        DimensionRecord::from_trusted(record.element(), values)
    });
    Operation::InsertRecords { records: RecordSet::new(records.element, changed.collect()), on_conflict }
}

/// Conflicts of one sort treated as those of another one.
fn conflicts(operation: Operation, from: RecordConflict, to: RecordConflict) -> Operation {
    match operation {
        Operation::InsertRecords { records, on_conflict } if on_conflict == from => {
            Operation::InsertRecords { records, on_conflict: to }
        }
        other => other,
    }
}

fn records(operation: Operation, change: fn(Vec<DimensionRecord>) -> Vec<DimensionRecord>) -> Operation {
    match operation {
        Operation::InsertRecords { records, on_conflict } => {
            let set = RecordSet::new(records.element, change(records.records));
            Operation::InsertRecords { records: set, on_conflict }
        }
        other => other,
    }
}

fn edits(operation: Operation, change: fn(ChainEdit) -> ChainEdit) -> Operation {
    match operation {
        Operation::EditChain { parent, edit } => Operation::EditChain { parent, edit: change(edit) },
        other => other,
    }
}

fn of_names(operation: Operation, change: fn(&ArcStr) -> ArcStr) -> Operation {
    match operation {
        Operation::RegisterCollection { name, ty, doc } => {
            Operation::RegisterCollection { name: change(&name), ty, doc }
        }
        other => other,
    }
}

fn of_records() -> Vec<Tamper> {
    mutants! {
        "FailSkips" "skips records that are in the way" in ["records"]
            operation: |op| Some(conflicts(op, RecordConflict::Fail, RecordConflict::Skip));
        "SkipReplaces" "replaces records that should be skipped" in ["records"]
            operation: |op| Some(conflicts(op, RecordConflict::Skip, RecordConflict::Replace));
        "SkipFails" "refuses records that should be skipped" in ["records"]
            operation: |op| Some(conflicts(op, RecordConflict::Skip, RecordConflict::Fail));
        "ReplaceSkips" "skips records that should be replaced" in ["records", "sky"]
            operation: |op| Some(conflicts(op, RecordConflict::Replace, RecordConflict::Skip));
        "ReplaceMerges" "keeps fields of replaced records that are not given" in ["records"]
            operation: |op| Some(conflicts(op, RecordConflict::Replace, RecordConflict::SyncUpdate));
        "SyncSkips" "never compares what it syncs" in ["records"]
            operation: |op| Some(conflicts(op, RecordConflict::Sync, RecordConflict::Skip));
        "SyncUpdates" "updates what it should only compare" in ["records"]
            operation: |op| Some(conflicts(op, RecordConflict::Sync, RecordConflict::SyncUpdate));
        "SyncFails" "inserts what it should sync" in ["records"]
            operation: |op| Some(conflicts(op, RecordConflict::Sync, RecordConflict::Fail));
        "SyncUpdateCompares" "only compares what it should update" in ["records"]
            operation: |op| Some(conflicts(op, RecordConflict::SyncUpdate, RecordConflict::Sync));
        "SyncUpdateReplaces" "replaces what it should update" in ["records"]
            operation: |op| Some(conflicts(op, RecordConflict::SyncUpdate, RecordConflict::Replace));
        "TimespansForgotten" "keeps no timespans of records" in ["records", "expansion", "conditions", "orders", "lookups"]
            operation: |op| Some(values(op, |value| match value {
                FieldValue::Timespan(_) => FieldValue::Null,
                other => other.clone(),
            }));
        "TimespansBounded" "keeps no infinite timespans" in ["records", "conditions"]
            operation: |op| Some(values(op, |value| match value {
                FieldValue::Timespan(Timespan::UNBOUNDED) => FieldValue::Null,
                other => other.clone(),
            }));
        "RegionsForgotten" "keeps no regions of records" in ["records", "sky"]
            operation: |op| Some(values(op, |value| match value {
                FieldValue::Region(_) => FieldValue::Null,
                other => other.clone(),
            }));
        "HashesForgotten" "keeps no digests of records" in ["records"]
            operation: |op| Some(values(op, |value| match value {
                FieldValue::Hash(_) => FieldValue::Null,
                other => other.clone(),
            }));
        "NullIsEmpty" "keeps an empty text for none" in ["records", "conditions", "orders", "searches"]
            operation: |op| Some(match op {
                Operation::InsertRecords { records, on_conflict } if records.element.name() == "detector" => {
                    let filled = records.records.iter().map(|record| {
                        let null = |value: &FieldValue| match value {
                            FieldValue::Null => "".into(),
                            other => other.clone(),
                        };
                        let values: Vec<FieldValue> = record.values().iter().map(null).collect();
                        DimensionRecord::from_trusted(record.element(), values)
                    });
                    Operation::InsertRecords { records: RecordSet::new(records.element, filled.collect()), on_conflict }
                }
                other => other,
            });
        "FirstThousandRecords" "inserts a thousand records at most" in ["records", "data_ids"]
            operation: |op| Some(records(op, |mut records| { records.truncate(1000); records }));
        "FirstRecordOnly" "inserts one record at most" in ["records", "expansion", "data_ids", "orders"]
            operation: |op| Some(records(op, |mut records| { records.truncate(1); records }));
    }
}

fn of_types() -> Vec<Tamper> {
    fn types(
        operation: Operation,
        change: fn(butler_core::DatasetType) -> butler_core::DatasetType,
    ) -> Operation {
        match operation {
            Operation::RegisterDatasetType(ty) => Operation::RegisterDatasetType(change(ty)),
            other => other,
        }
    }
    mutants! {
        "GenreForgotten" "keeps no genres" in ["types"]
            operation: |op| Some(types(op, |ty| ty.with_genre(None)));
        "AllStandard" "knows one kind of dataset types" in ["types", "searches"]
            operation: |op| Some(types(op, |ty| ty.with_kind(DatasetKind::Standard)));
        "AllNonsingular" "lets a run have many datasets of one data ID" in ["types", "datasets", "imports", "batches", "find"]
            operation: |op| Some(types(op, |ty| ty.with_kind(DatasetKind::Nonsingular)));
        "NoCalibrations" "knows no calibrations" in ["types", "calibrations", "lookups"]
            operation: |op| Some(types(op, |ty| ty.with_is_calibration(false)));
        "AllCalibrations" "takes everything for a calibration" in ["types", "calibrations"]
            operation: |op| Some(types(op, |ty| ty.with_is_calibration(true)));
        "LowerCaseTypes" "registers names of dataset types in lower case" in ["types"]
            operation: |op| Some(types(op, |ty| {
                let name = ty.name().to_lowercase();
                butler_core::DatasetType::new(&name, ty.group(), ty.storage_class())
                    .map_or(ty.clone(), |new| new.with_is_calibration(ty.is_calibration()).with_kind(ty.kind()))
            }));
        "TypesNotRegistered" "registers a hundred dataset types at most" in ["types"]
            operation: |op| match op {
                Operation::RegisterDatasetType(ty) if ty.name().starts_with("t1") => None,
                other => Some(other),
            };
        "TypesStay" "removes no dataset types" in ["types", "races"]
            operation: |op| match op {
                Operation::Remove(Removal::DatasetTypes(_)) => None,
                other => Some(other),
            };
    }
}

fn of_collections() -> Vec<Tamper> {
    mutants! {
        "DocumentationForgotten" "keeps no documentation of new collections" in ["collections"]
            operation: |op| Some(match op {
                Operation::RegisterCollection { name, ty, .. } => {
                    Operation::RegisterCollection { name, ty, doc: None }
                }
                other => other,
            });
        "DocumentationFixed" "never changes documentation" in ["collections", "batches"]
            operation: |op| match op {
                Operation::SetDocumentation { .. } => None,
                other => Some(other),
            };
        "DocumentationReplaced" "replaces documentation when a collection is registered again" in ["collections"]
            apply: |registry, batch| Box::pin(async move {
                let again: Vec<Operation> = batch.operations().iter().filter_map(|operation| match operation {
                    Operation::RegisterCollection { name, doc: Some(doc), .. } => {
                        Some(Operation::SetDocumentation { name: name.clone(), doc: doc.clone() })
                    }
                    _ => None,
                }).collect();
                let wanted = batch.operations().len();
                let mut report = registry.apply(batch.operations().iter().cloned().chain(again).collect()).await?;
                report.operations.truncate(wanted);
                Ok(report)
            });
        "AllRuns" "registers runs whatever is asked for" in ["collections", "chains", "tags", "calibrations"]
            operation: |op| Some(match op {
                Operation::RegisterCollection { name, doc, .. } => {
                    Operation::RegisterCollection { name, ty: CollectionType::Run, doc }
                }
                other => other,
            });
        "LowerCaseNames" "registers names of collections in lower case" in ["collections"]
            operation: |op| Some(of_names(op, |name| name.to_lowercase().into()));
        "ShortNames" "cuts long names of collections" in ["collections"]
            operation: |op| Some(of_names(op, |name| name.chars().take(64).collect::<String>().into()));
        "TrimmedNames" "takes names with spaces and control characters" in ["collections"]
            operation: |op| Some(of_names(op, |name| name.trim_matches(|c: char| c.is_whitespace() || c.is_control()).into()));
        "RedefineExtends" "keeps children when a chain is redefined" in ["chains", "collections"]
            operation: |op| Some(edits(op, |edit| match edit {
                ChainEdit::Redefine(names) => ChainEdit::Extend(names),
                other => other,
            }));
        "RedefineTurned" "searches chains from the end" in ["chains", "collections", "find", "searches"]
            operation: |op| Some(edits(op, |edit| match edit {
                ChainEdit::Redefine(mut names) => { names.reverse(); ChainEdit::Redefine(names) }
                other => other,
            }));
        "ExtendPrepends" "extends chains at the front" in ["chains"]
            operation: |op| Some(edits(op, |edit| match edit {
                ChainEdit::Extend(names) => ChainEdit::Prepend(names),
                other => other,
            }));
        "PrependExtends" "prepends at the end of chains" in ["chains", "find"]
            operation: |op| Some(edits(op, |edit| match edit {
                ChainEdit::Prepend(names) => ChainEdit::Extend(names),
                other => other,
            }));
        "ChildrenStay" "takes no children out of chains" in ["chains", "removals"]
            operation: |op| match op {
                Operation::EditChain { edit: ChainEdit::Remove(_) | ChainEdit::Pop(_), .. } => None,
                other => Some(other),
            };
        "PopFromTheFront" "counts negative places from the front" in ["chains"]
            operation: |op| Some(edits(op, |edit| match edit {
                ChainEdit::Pop(places) => ChainEdit::Pop(places.into_iter().map(|place| place.max(0)).collect()),
                other => other,
            }));
        "EditsReported" "reports a change where there is none" in ["chains"]
            report: |operation, report| match operation {
                Operation::EditChain { .. } => OperationReport { changed: 1, ..report },
                _ => report,
            };
        "ChildrenNotReported" "does not report the children of an edited chain" in ["chains"]
            report: |_, report| OperationReport { children: Vec::new(), ..report };
        "NewChainsAreNotEmpty" "makes each new chain with the first other collection in it" in ["chains", "collections"]
            apply: |registry, batch| Box::pin(async move {
                let wanted = batch.operations().len();
                let chain = batch.operations().iter().find_map(|operation| match operation {
                    Operation::RegisterCollection { name, ty: CollectionType::Chained, .. } => Some(name.clone()),
                    _ => None,
                });
                let Some(parent) = chain else { return registry.apply(batch).await };
                let child = Operation::RegisterCollection { name: "child".into(), ty: CollectionType::Run, doc: None };
                let edit = Operation::EditChain { parent, edit: ChainEdit::Redefine(vec!["child".into()]) };
                let mut report = registry.apply(batch.with(child).with(edit)).await?;
                report.operations.truncate(wanted);
                Ok(report)
            });
    }
}

pub(super) fn all() -> Vec<Tamper> {
    [of_records(), of_types(), of_collections()].concat()
}
