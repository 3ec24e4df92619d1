//! Mutants that do something else than they are told, or report something else than they did.

use arcstr::ArcStr;
use butler_core::registry::{
    DatasetInsert, InsertMode, JournalOutcome, Operation, OperationReport, Outcome, Quantum, QuantumUpdate,
    RecordConflict, RecordSet, Removal,
};
use butler_core::{
    ChainEdit, CollectionType, DatasetKind, DimensionRecord, FieldValue, IdIssuer, Instant, Timespan,
};

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

fn datasets(operation: Operation, change: fn(DatasetInsert) -> DatasetInsert) -> Operation {
    match operation {
        Operation::InsertDatasets(insert) => Operation::InsertDatasets(change(insert)),
        other => other,
    }
}

fn edits(operation: Operation, change: fn(ChainEdit) -> ChainEdit) -> Operation {
    match operation {
        Operation::EditChain { parent, edit } => Operation::EditChain { parent, edit: change(edit) },
        other => other,
    }
}

fn quanta(operation: Operation, change: fn(Quantum) -> Quantum) -> Operation {
    match operation {
        Operation::InsertQuanta(quanta) => Operation::InsertQuanta(quanta.into_iter().map(change).collect()),
        other => other,
    }
}

fn updates(operation: Operation, change: fn(QuantumUpdate) -> QuantumUpdate) -> Operation {
    match operation {
        Operation::UpdateQuanta(all) => Operation::UpdateQuanta(all.into_iter().map(change).collect()),
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

/// Seconds later.
fn shifted(timespan: Timespan, seconds: i64) -> Timespan {
    let (begin, end) = timespan.to_raw();
    let shift = |at: i64| match at {
        i64::MIN | i64::MAX => at,
        _ => at + seconds * 1_000_000_000,
    };
    Timespan::from_raw(shift(begin), shift(end))
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
        "TypesStay" "removes no dataset types" in ["types"]
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

fn of_datasets() -> Vec<Tamper> {
    mutants! {
        "InsertImports" "takes insertions for imports" in ["datasets", "types"]
            operation: |op| Some(datasets(op, |insert| DatasetInsert { mode: InsertMode::Import, ..insert }));
        "ImportInserts" "takes imports for insertions" in ["imports"]
            operation: |op| Some(datasets(op, |insert| DatasetInsert { mode: InsertMode::New, ..insert }));
        "IngestionForgotten" "knows only one time of ingestion" in ["datasets", "searches"]
            operation: |op| Some(datasets(op, |insert| {
                let long_ago = Instant::from_nanoseconds(0).unwrap_or(insert.ingested_at);
                DatasetInsert { ingested_at: long_ago, ..insert }
            }));
        "LastDatasetForgotten" "forgets the last of several datasets" in ["datasets", "find", "searches", "imports", "removals", "tags", "calibrations", "types"]
            operation: |op| Some(datasets(op, |mut insert| {
                if insert.ids.len() > 1 && insert.ids.len() == insert.data_ids.len() {
                    insert.ids.pop();
                    insert.data_ids.pop();
                }
                insert
            }));
        "OwnIds" "gives datasets ids of its own" in ["datasets", "imports", "find"]
            operation: |op| Some(datasets(op, |mut insert| {
                let issuer = IdIssuer::new();
                insert.ids.iter_mut().for_each(|id| *id = issuer.issue());
                insert
            }));
        "OneRun" "puts all datasets into one run" in ["datasets", "imports", "find", "types", "searches", "collections"]
            operation: |op| Some(datasets(op, |insert| match insert.run.as_str() {
                "s" => DatasetInsert { run: "r".into(), ..insert },
                _ => insert,
            }));
        "DatasetsStay" "removes no datasets" in ["removals", "tags", "calibrations", "types", "batches", "find"]
            operation: |op| match op {
                Operation::Remove(Removal::Datasets(_)) => None,
                other => Some(other),
            };
        "ExistingNotReported" "does not report what was there already" in ["imports", "records", "types", "collections", "tags", "opaque", "journals", "batches"]
            report: |_, report| OperationReport { existing: 0, existing_datasets: Vec::new(), ..report };
        "InsertedNotReported" "does not report what is new" in ["imports", "records", "types", "collections", "tags", "opaque", "journals", "batches", "datasets", "calibrations", "repository", "provenance"]
            report: |_, report| OperationReport { inserted: 0, ..report };
        "AllReportedNew" "reports everything as new" in ["imports", "datasets", "repository", "records"]
            report: |_, report| OperationReport { inserted: report.inserted.max(1), ..report };
        "RemovedNotReported" "does not report what is gone" in ["tags", "removals", "types", "opaque", "journals"]
            report: |_, report| OperationReport { removed: 0, ..report };
        "DifferencesNotReported" "does not report what a sync changed" in ["records"]
            report: |_, report| OperationReport { differences: Vec::new(), ..report };
        "ChangedNotReported" "does not report what changed" in ["records", "provenance", "chains"]
            report: |_, report| OperationReport { changed: 0, ..report };
    }
}

fn of_memberships() -> Vec<Tamper> {
    mutants! {
        "NotAssociated" "associates nothing" in ["tags", "find", "searches", "batches", "removals", "types", "collections"]
            operation: |op| match op {
                Operation::Associate { .. } => None,
                other => Some(other),
            };
        "FirstAssociated" "associates the first of several datasets only" in ["tags", "types", "batches"]
            operation: |op| Some(match op {
                Operation::Associate { collection, mut datasets } => {
                    datasets.truncate(1);
                    Operation::Associate { collection, datasets }
                }
                other => other,
            });
        "NotDisassociated" "disassociates nothing" in ["tags"]
            operation: |op| match op {
                Operation::Disassociate { .. } => None,
                other => Some(other),
            };
        "DisassociatesByType" "disassociates all datasets of a type" in ["tags"]
            apply: |registry, batch| Box::pin(async move {
                let wanted = batch.operations().len();
                let tags: Vec<Operation> = batch.operations().iter().filter_map(|operation| match operation {
                    Operation::Disassociate { collection, .. } => Some(collection.clone()),
                    _ => None,
                }).flat_map(|name| [
                    Operation::Remove(Removal::Collections { names: vec![name], unlink: true }),
                ]).collect();
                let mut report = registry.apply(batch.operations().iter().cloned().chain(tags.clone()).collect()).await?;
                for operation in tags {
                    if let Operation::Remove(Removal::Collections { names, .. }) = operation {
                        let name = names[0].clone();
                        let empty = Operation::RegisterCollection { name, ty: CollectionType::Tagged, doc: None };
                        registry.apply(empty.into()).await?;
                    }
                }
                report.operations.truncate(wanted);
                Ok(report)
            });
        "NotCertified" "certifies nothing" in ["calibrations", "lookups", "find", "types", "batches", "removals", "searches"]
            operation: |op| match op {
                Operation::Certify { .. } => None,
                other => Some(other),
            };
        "CertifiedLater" "certifies for a second later" in ["calibrations", "find", "searches"]
            operation: |op| Some(match op {
                Operation::Certify { collection, datasets, timespan } => {
                    Operation::Certify { collection, datasets, timespan: shifted(timespan, 1) }
                }
                other => other,
            });
        "CertifiedLonger" "certifies with the end included" in ["calibrations", "find", "lookups"]
            operation: |op| Some(match op {
                Operation::Certify { collection, datasets, timespan } => {
                    let (begin, end) = timespan.to_raw();
                    let timespan = if timespan.is_empty() { timespan } else { Timespan::from_raw(begin, end.saturating_add(1)) };
                    Operation::Certify { collection, datasets, timespan }
                }
                other => other,
            });
        "CertifiedForEver" "certifies for all times" in ["calibrations", "lookups", "find", "types", "removals"]
            operation: |op| Some(match op {
                Operation::Certify { collection, datasets, .. } => {
                    Operation::Certify { collection, datasets, timespan: Timespan::UNBOUNDED }
                }
                other => other,
            });
        "EmptyCertified" "certifies for an empty timespan" in ["calibrations"]
            operation: |op| match op {
                Operation::Certify { timespan: Timespan::EMPTY, .. } => None,
                other => Some(other),
            };
        "CollectionsCertifiedTogether" "certifies into one collection only" in ["calibrations"]
            operation: |op| Some(match op {
                Operation::Certify { datasets, timespan, collection } if collection == "d" => {
                    Operation::Certify { collection: "c".into(), datasets, timespan }
                }
                other => other,
            });
        "NotDecertified" "decertifies nothing" in ["calibrations", "batches"]
            operation: |op| match op {
                Operation::Decertify { .. } => None,
                other => Some(other),
            };
        "DecertifiedForEver" "decertifies for all times" in ["calibrations"]
            operation: |op| Some(match op {
                Operation::Decertify { collection, dataset_type, data_ids, .. } => {
                    Operation::Decertify { collection, dataset_type, data_ids, timespan: Timespan::UNBOUNDED }
                }
                other => other,
            });
        "DecertifiedLonger" "decertifies with the begin excluded" in ["calibrations"]
            operation: |op| Some(match op {
                Operation::Decertify { collection, dataset_type, data_ids, timespan } => {
                    let (begin, end) = timespan.to_raw();
                    let timespan = if timespan.is_empty() { timespan } else { Timespan::from_raw(begin.saturating_add(1), end) };
                    Operation::Decertify { collection, dataset_type, data_ids, timespan }
                }
                other => other,
            });
        "AllDecertified" "decertifies all data IDs" in ["calibrations"]
            operation: |op| Some(match op {
                Operation::Decertify { collection, dataset_type, timespan, .. } => {
                    Operation::Decertify { collection, dataset_type, timespan, data_ids: None }
                }
                other => other,
            });
        "NoneMeansAllDecertified" "takes no data IDs for all" in ["calibrations"]
            operation: |op| Some(match op {
                Operation::Decertify { collection, dataset_type, timespan, data_ids } => {
                    let data_ids = data_ids.filter(|data_ids| !data_ids.is_empty());
                    Operation::Decertify { collection, dataset_type, timespan, data_ids }
                }
                other => other,
            });
    }
}

fn of_removals() -> Vec<Tamper> {
    mutants! {
        "CollectionsStay" "removes no collections" in ["removals", "batches"]
            operation: |op| match op {
                Operation::Remove(Removal::Collections { .. }) => None,
                other => Some(other),
            };
        "AlwaysUnlinks" "takes collections out of chains unasked" in ["removals"]
            operation: |op| Some(match op {
                Operation::Remove(Removal::Collections { names, .. }) => {
                    Operation::Remove(Removal::Collections { names, unlink: true })
                }
                other => other,
            });
        "NeverUnlinks" "never takes collections out of chains" in ["removals"]
            operation: |op| Some(match op {
                Operation::Remove(Removal::Collections { names, .. }) => {
                    Operation::Remove(Removal::Collections { names, unlink: false })
                }
                other => other,
            });
        "FirstCollectionRemoved" "removes the first of several collections only" in ["removals"]
            operation: |op| Some(match op {
                Operation::Remove(Removal::Collections { mut names, unlink }) => {
                    names.truncate(1);
                    Operation::Remove(Removal::Collections { names, unlink })
                }
                other => other,
            });
        "RemovesStored" "removes datasets that are stored" in ["removals"]
            operation: |op| match op {
                Operation::InsertArtifacts { .. } => None,
                other => Some(other),
            };
        "OneDatastore" "knows one datastore only" in ["removals", "opaque"]
            operation: |op| match op {
                Operation::InsertArtifacts { datastore, .. } if datastore == "tape" => None,
                Operation::RemoveArtifacts { datasets, tables, .. } => {
                    Some(Operation::RemoveArtifacts { datastore: "disk".into(), datasets, tables })
                }
                other => Some(other),
            };
        "ArtifactsStay" "forgets no artifacts" in ["removals", "opaque"]
            operation: |op| match op {
                Operation::RemoveArtifacts { .. } => None,
                other => Some(other),
            };
        "RowsStay" "keeps the rows of artifacts that are gone" in ["opaque"]
            operation: |op| Some(match op {
                Operation::RemoveArtifacts { datastore, datasets, .. } => {
                    Operation::RemoveArtifacts { datastore, datasets, tables: Vec::new() }
                }
                other => other,
            });
        "RowsForgotten" "keeps no rows of artifacts" in ["opaque"]
            operation: |op| Some(match op {
                Operation::InsertArtifacts { datastore, datasets, .. } => {
                    Operation::InsertArtifacts { datastore, datasets, rows: Vec::new() }
                }
                other => other,
            });
        "VersionsIgnored" "never compares versions of tables" in ["opaque"]
            operation: |op| Some(match op {
                Operation::RegisterOpaque(mut table) => {
                    table.version = 1;
                    Operation::RegisterOpaque(table)
                }
                other => other,
            });
    }
}

fn of_quanta() -> Vec<Tamper> {
    mutants! {
        "QuantaForgotten" "keeps no quanta" in ["provenance", "removals"]
            operation: |op| match op {
                Operation::InsertQuanta(_) => None,
                other => Some(other),
            };
        "OutputsForgotten" "keeps no outputs of quanta" in ["provenance", "removals"]
            operation: |op| Some(quanta(op, |quantum| Quantum { outputs: Vec::new(), ..quantum }));
        "FirstOutputOnly" "keeps the first output of a quantum only" in ["provenance"]
            operation: |op| Some(quanta(op, |mut quantum| { quantum.outputs.truncate(1); quantum }));
        "PredictionsForgotten" "keeps no predicted inputs of quanta" in ["provenance"]
            operation: |op| Some(quanta(op, |quantum| Quantum { predicted_inputs: Vec::new(), ..quantum }));
        "PredictionsCount" "takes predicted inputs for actual ones" in ["provenance"]
            operation: |op| Some(quanta(op, |mut quantum| {
                quantum.actual_inputs.append(&mut quantum.predicted_inputs);
                quantum
            }));
        "HostForgotten" "keeps no hosts of quanta" in ["provenance"]
            operation: |op| Some(quanta(op, |quantum| Quantum { host: None, ..quantum }));
        "UpdatesForgotten" "learns nothing more of quanta" in ["provenance"]
            operation: |op| match op {
                Operation::UpdateQuanta(_) => None,
                other => Some(other),
            };
        "UpdatedInputsForgotten" "learns nothing of the inputs of quanta" in ["provenance"]
            operation: |op| Some(updates(op, |update| QuantumUpdate { actual_inputs: Vec::new(), ..update }));
        "StatusForgotten" "learns nothing of the status of quanta" in ["provenance"]
            operation: |op| Some(updates(op, |update| QuantumUpdate { status: None, ..update }));
        "UpdatesSucceed" "takes every update for a success" in ["provenance"]
            operation: |op| Some(updates(op, |update| QuantumUpdate { status: Some(butler_core::registry::QuantumStatus::Failed), ..update }));
        "AlwaysCommitted" "takes every claim for one of the writer" in ["journals"]
            operation: |op| Some(match op {
                Operation::ClaimOutcome(claim) => {
                    Operation::ClaimOutcome(JournalOutcome { outcome: Outcome::Committed, ..claim })
                }
                other => other,
            });
        "ClaimsForgotten" "keeps no claims" in ["journals"]
            operation: |op| match op {
                Operation::ClaimOutcome(_) => None,
                other => Some(other),
            };
        "OutcomesStay" "forgets no outcomes" in ["journals"]
            operation: |op| match op {
                Operation::ForgetOutcomes(_) => None,
                other => Some(other),
            };
        "FactsForgotten" "keeps no facts" in ["repository", "batches"]
            operation: |op| match op {
                Operation::SetAttribute { .. } => None,
                other => Some(other),
            };
        "SessionsRepeat" "begins a session again and again" in ["repository"]
            operation: |op| Some(match op {
                Operation::BeginSession { host, user, began, .. } => {
                    Operation::BeginSession { origin: IdIssuer::new().origin(), host, user, began }
                }
                other => other,
            });
    }
}

pub(super) fn all() -> Vec<Tamper> {
    [of_records(), of_types(), of_collections(), of_datasets(), of_memberships(), of_removals(), of_quanta()]
        .concat()
}
