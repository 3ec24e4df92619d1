//! Mutants that do something else with datasets, and with what refers to them, or report something else.

use butler_core::registry::{
    DatasetInsert, InsertMode, JournalOutcome, Operation, OperationReport, Outcome, Quantum, QuantumUpdate,
    Removal,
};
use butler_core::{CollectionType, IdIssuer, Instant, Timespan};

use super::tamper::{Tamper, mutants};

fn datasets(operation: Operation, change: fn(DatasetInsert) -> DatasetInsert) -> Operation {
    match operation {
        Operation::InsertDatasets(insert) => Operation::InsertDatasets(change(insert)),
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

/// Seconds later.
fn shifted(timespan: Timespan, seconds: i64) -> Timespan {
    let (begin, end) = timespan.to_raw();
    let shift = |at: i64| match at {
        i64::MIN | i64::MAX => at,
        _ => at + seconds * 1_000_000_000,
    };
    Timespan::from_raw(shift(begin), shift(end))
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
        "DatasetsStay" "removes no datasets" in ["removals", "tags", "calibrations", "types", "batches", "find", "races"]
            operation: |op| match op {
                Operation::Remove(Removal::Datasets(_)) => None,
                other => Some(other),
            };
        "ExistingNotReported" "does not report what was there already" in ["imports", "records", "types", "collections", "tags", "opaque", "journals", "batches", "races"]
            report: |_, report| OperationReport { existing: 0, existing_datasets: Vec::new(), ..report };
        "InsertedNotReported" "does not report what is new" in ["imports", "records", "types", "collections", "tags", "opaque", "journals", "batches", "datasets", "calibrations", "repository", "provenance", "races"]
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
        "CollectionsStay" "removes no collections" in ["removals", "batches", "races"]
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
        "ArtifactsAreDatasets" "removes datasets with their artifacts" in ["opaque"]
            operation: |op| Some(match op {
                Operation::RemoveArtifacts { datasets, .. } => Operation::Remove(Removal::Datasets(datasets)),
                other => other,
            });
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
    [of_datasets(), of_memberships(), of_removals(), of_quanta()].concat()
}
