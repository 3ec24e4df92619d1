//! Mutants that do not refuse what they should, or do not say why.

use butler_core::registry::{BatchReport, OperationReport, Registry, RegistryBatch};
use butler_core::{Error, ErrorKind, Result};

use super::tamper::Tamper;

/// Mutants that say that what fails with errors of a kind has succeeded, and those whose errors say nothing.
macro_rules! refusals {
    ($($kind:ident $swallows:literal $silent:literal $breaks:literal in [$($topic:literal),*],)*) => {
        fn refusals() -> Vec<Tamper> {
            vec![$(
                Tamper {
                    name: $swallows,
                    breaks: concat!("pretends to have done what should fail: ", $breaks),
                    topics: &[$($topic),*],
                    failure: Some(|error, operations| pretend(ErrorKind::$kind, error, operations)),
                    ..Tamper::default()
                },
                Tamper {
                    name: $silent,
                    breaks: concat!("does not say what is wrong: ", $breaks),
                    topics: &[$($topic),*],
                    failure: Some(|error, _| Err(silenced(ErrorKind::$kind, error))),
                    ..Tamper::default()
                },
            )*]
        }
    };
}

refusals! {
    ConflictingDefinition "ConflictsPass" "ConflictsSilent" "conflicts" in ["records", "types", "collections", "datasets", "imports", "tags", "calibrations", "batches", "opaque", "provenance", "races"],
    MissingCollection "MissingCollectionsPass" "MissingCollectionsSilent" "collections that are not there" in ["collections", "chains", "datasets", "tags", "batches", "removals", "provenance"],
    CollectionType "OtherCollectionsPass" "OtherCollectionsSilent" "collections of another type" in ["chains", "datasets", "tags", "calibrations", "provenance"],
    CollectionCycle "CyclesPass" "CyclesSilent" "chains that contain themselves" in ["chains"],
    MissingDatasetType "MissingTypesPass" "MissingTypesSilent" "dataset types that are not registered" in ["types", "datasets", "batches"],
    DatasetType "OtherTypesPass" "OtherTypesSilent" "dataset types of another sort" in ["types", "tags", "calibrations"],
    DataIdValue "UnknownValuesPass" "UnknownValuesSilent" "values without records" in ["records", "datasets"],
    DimensionName "OtherDimensionsPass" "OtherDimensionsSilent" "data IDs of other dimensions" in ["datasets", "calibrations"],
    InconsistentUniverse "StrangersPass" "StrangersSilent" "what is of another universe" in ["records", "types"],
    Argument "NonsensePasses" "NonsenseSilent" "arguments without sense" in ["collections", "chains", "datasets", "types", "calibrations", "opaque"],
    DatasetNotFound "AbsentDatasetsPass" "AbsentDatasetsSilent" "datasets that are not there" in ["tags", "calibrations"],
    OrphanedRecord "OrphansPass" "OrphansSilent" "removals of what is referred to" in ["types", "removals"],
    NotFound "AbsentPass" "AbsentSilent" "tables and quanta that are not there" in ["opaque", "provenance"],
    SchemaVersion "VersionsPass" "VersionsSilent" "tables of another version" in ["opaque"],
    Aborted "LosersPass" "LosersSilent" "journal entries that somebody else has won" in ["journals"],
    ReadOnly "ReadersPass" "ReadersSilent" "writing to what is read only" in ["batches"],
}

fn pretend(kind: ErrorKind, error: Error, operations: usize) -> Result<BatchReport> {
    if error.kind() == kind {
        return Ok(BatchReport { operations: vec![OperationReport::default(); operations] });
    }
    Err(error)
}

fn silenced(kind: ErrorKind, error: Error) -> Error {
    if error.kind() == kind { Error::new(kind, "no") } else { error }
}

/// Applies each operation in a transaction of its own.
async fn one_by_one(registry: &dyn Registry, batch: RegistryBatch) -> Result<BatchReport> {
    let operations = batch.operations();
    let mut order: Vec<usize> = (0..operations.len()).collect();
    order.sort_by_key(|&index| operations[index].phase());
    let mut reports = vec![OperationReport::default(); operations.len()];
    for index in order {
        let report = registry.apply(operations[index].clone().into()).await?;
        reports[index] = report.operations.into_iter().next().unwrap_or_default();
    }
    Ok(BatchReport { operations: reports })
}

/// Applies the operations in the order given.
async fn as_given(registry: &dyn Registry, batch: RegistryBatch) -> Result<BatchReport> {
    let mut reports = Vec::new();
    for operation in batch.operations() {
        reports.extend(registry.apply(operation.clone().into()).await?.operations);
    }
    Ok(BatchReport { operations: reports })
}

/// Reports in the order in which operations are applied.
async fn reports_by_phase(registry: &dyn Registry, batch: RegistryBatch) -> Result<BatchReport> {
    let mut order: Vec<usize> = (0..batch.operations().len()).collect();
    order.sort_by_key(|&index| batch.operations()[index].phase());
    let report = registry.apply(batch).await?;
    Ok(BatchReport { operations: order.into_iter().map(|index| report.operations[index].clone()).collect() })
}

pub(super) fn all() -> Vec<Tamper> {
    let mut all = refusals();
    all.extend([
        Tamper {
            name: "NotAtomic",
            breaks: "keeps what was done before something failed",
            topics: &["batches", "journals", "chains", "tags", "records"],
            apply: Some(|registry, batch| Box::pin(one_by_one(registry, batch))),
            ..Tamper::default()
        },
        Tamper {
            name: "PhasesIgnored",
            breaks: "applies operations in the order given",
            topics: &["batches", "records", "tags", "calibrations", "removals", "opaque"],
            apply: Some(|registry, batch| Box::pin(as_given(registry, batch))),
            ..Tamper::default()
        },
        Tamper {
            name: "ReportsByPhase",
            breaks: "reports in the order in which operations are applied",
            topics: &["batches", "opaque"],
            apply: Some(|registry, batch| Box::pin(reports_by_phase(registry, batch))),
            ..Tamper::default()
        },
        Tamper {
            name: "EmptyBatchRefused",
            breaks: "refuses a batch without operations",
            topics: &["batches"],
            apply: Some(|registry, batch| {
                Box::pin(async move {
                    if batch.is_empty() {
                        return Err(Error::new(ErrorKind::Argument, "nothing to do"));
                    }
                    registry.apply(batch).await
                })
            }),
            ..Tamper::default()
        },
        Tamper {
            name: "QuestionsFailOtherwise",
            breaks: "has one kind of error for all questions",
            topics: &[
                "expansion",
                "find",
                "searches",
                "lookups",
                "sky",
                "data_ids",
                "opaque",
                "removals",
                "types",
                "explanations",
            ],
            error: Some(|error| Error::new(ErrorKind::Unexpected, error.to_string())),
            ..Tamper::default()
        },
        Tamper {
            name: "QuestionsFailSilently",
            breaks: "does not say why a question has no answer",
            topics: &[
                "expansion",
                "find",
                "searches",
                "data_ids",
                "opaque",
                "removals",
                "types",
                "explanations",
            ],
            error: Some(|error| Error::new(error.kind(), "no")),
            ..Tamper::default()
        },
    ]);
    all
}
