//! Datasets that go from one repository to another.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use butler::datastore::TransferMode;
use butler::exchange::{ExportFile, ImportOptions};
use butler::registry::{Operation, RecordConflict, RecordSet, RegistryBatch};
use butler::{
    ArcStr, Butler, DatasetRef, DimensionElement, DimensionRecord, FieldValue, IngestFile, IngestOptions,
    NamePatterns, Result,
};

use super::measure::{measure, measure_rows};
use super::workload::SMALL_CHAIN;
use super::{Site, check, io_error};

const TRANSFERRED: usize = 2_000;

/// Imports exports of what was ingested, whose files lie in the repository, or beside the export.
pub(super) async fn import(site: &Site<'_>) -> Result<()> {
    let butler = site.reader().await?;
    let run = "bench/ingest/copy";
    let datasets = butler.query_datasets("bench_file").collections(run).collect().await?;
    let n = datasets.len();
    for label in ["none", "copy"] {
        let directory = site.path(&format!("export_{label}"));
        let files = if label == "copy" { directory.clone() } else { site.path("repo") };
        let export = write_export(&butler, datasets.clone(), &directory, label == "copy").await?;
        let target = site.make(&format!("imported_{label}")).await?;
        let options = ImportOptions {
            directory: Some(files.to_string_lossy().into_owned().into()),
            transfer: TransferMode::Copy,
            ..ImportOptions::default()
        };
        measure(&format!("import_{label}"), n, async || {
            butler::exchange::import(&target, ExportFile::open(&export)?, options).await
        })
        .await?;
        let imported = target.query_datasets("bench_file").collections(run).count().await?;
        check(imported == n as u64, "not everything was imported")?;
        target.close().await?;
    }
    Ok(())
}

/// Writes an export as the Python butler does, with copies of the files if wanted. This is not measured.
async fn write_export(
    butler: &Butler,
    datasets: Vec<DatasetRef>,
    directory: &Path,
    copies: bool,
) -> Result<PathBuf> {
    let uris = butler.uris_many(&datasets, false).await?;
    let datasets = butler.expand(datasets).await?;
    let universe = butler.universe();
    let mut text = format!(
        "description: Butler Data Repository Export\nversion: 1.0.2\nuniverse_version: {}\n\
         universe_namespace: {}\ndata:\n",
        universe.version(),
        universe.namespace()
    );
    for (element, records) in records_of(&datasets) {
        let _ = writeln!(text, "- type: dimension\n  element: {element}\n  records:");
        for record in records {
            write_record(&mut text, &record);
        }
    }
    let Some(first) = datasets.first() else { return Ok(directory.join("export.yaml")) };
    let (ty, run) = (first.dataset_type(), first.run());
    let _ = write!(
        text,
        "- type: collection\n  collection_type: RUN\n  name: {run}\n  host: null\n  timespan_begin: null\n  \
         timespan_end: null\n- type: dataset_type\n  name: {}\n  dimensions:\n",
        ty.name()
    );
    for name in ty.group().required_names() {
        let _ = writeln!(text, "  - {name}");
    }
    let _ = writeln!(text, "  storage_class: {}\n  is_calibration: false", ty.storage_class());
    let _ = writeln!(text, "- type: dataset\n  dataset_type: {}\n  run: {run}\n  records:", ty.name());
    for (dataset, uris) in datasets.iter().zip(uris) {
        let uri = uris.primary.unwrap_or_default();
        let source = uri.strip_prefix("file://").unwrap_or(&uri);
        // Paths are relative to the root of the datastore.
        let path = source.find("bench/ingest").map_or(source, |at| &source[at..]);
        if copies {
            copy(Path::new(source), &directory.join(path))?;
        }
        let _ = writeln!(text, "  - dataset_id:\n    - !uuid '{}'\n    data_id:", dataset.id());
        for (at, (dimension, value)) in dataset.data_id().iter().enumerate() {
            let _ = writeln!(text, "    {} {dimension}: {value}", if at == 0 { "-" } else { " " });
        }
        let _ = writeln!(
            text,
            "    path: {path}\n    formatter: lsst.daf.butler.formatters.json.JsonFormatter"
        );
    }
    let path = directory.join("export.yaml");
    std::fs::create_dir_all(directory).map_err(|error| io_error(directory, error))?;
    std::fs::write(&path, text).map_err(|error| io_error(&path, error))?;
    Ok(path)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let made = to.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::copy(from, to).map(|_| ())).map_err(|error| io_error(from, error))
}

fn write_record(text: &mut String, record: &DimensionRecord) {
    let mut lead = "-";
    for (field, value) in record.element().fields().iter().zip(record.values()) {
        let _ = write!(text, "  {lead} {}: ", field.name);
        lead = " ";
        let _ = match value {
            FieldValue::Timespan(span) => {
                let part = |end: Option<butler::Instant>| end.map_or_else(|| "null".to_owned(), |end| format!("!butler_time/tai/iso '{}'", end.to_iso_tai()));
                let (begin, end) = (part(span.begin()), part(span.end()));
                writeln!(text, "!lsst.daf.butler.Timespan\n      begin: {begin}\n      end: {end}")
            }
            FieldValue::Null => writeln!(text, "null"),
            value => writeln!(text, "{value}"),
        };
    }
}

/// Transfers what was put, with its files and records, to a new repository.
pub(super) async fn transfer_from(site: &Site<'_>) -> Result<()> {
    let source = site.reader().await?;
    let found = source.query_datasets("bench_put").collections(SMALL_CHAIN).find_first(true);
    let mut datasets = found.collect().await?;
    datasets.truncate(TRANSFERRED);
    let n = datasets.len();
    let target = site.make("transferred").await?;
    let done = measure_rows("transfer_from", n, async || transfer(&source, &target, datasets).await, |n| Some(*n));
    check(done.await? == n, "not everything was transferred")?;
    target.close().await
}

/// There is no call for it: definitions and records in one transaction, then files.
async fn transfer(source: &Butler, target: &Butler, datasets: Vec<DatasetRef>) -> Result<usize> {
    let datasets = source.expand(source.with_records(datasets).await?).await?;
    let uris = source.uris_many(&datasets, false).await?;
    let mut batch = RegistryBatch::new();
    let names: NamePatterns = datasets.iter().map(|dataset| dataset.dataset_type().name().clone()).collect();
    for ty in source.dataset_types(&names).await? {
        batch.push(Operation::RegisterDatasetType(ty));
    }
    for (element, records) in records_of(&datasets) {
        let records = RecordSet::new(element, records);
        batch.push(Operation::InsertRecords { records, on_conflict: RecordConflict::Skip });
    }
    target.apply(batch).await?;
    let files = datasets.iter().zip(uris).map(|(dataset, uris)| {
        let uri = uris.primary.unwrap_or_default();
        IngestFile::new(ArcStr::from(uri), dataset.with_records(None))
    });
    let options = IngestOptions { mode: TransferMode::Copy, ..IngestOptions::default() };
    Ok(target.ingest(files.collect(), &options).await?.len())
}

/// The distinct dimension records of datasets, in an order in which they can be inserted.
fn records_of(datasets: &[DatasetRef]) -> Vec<(DimensionElement, Vec<DimensionRecord>)> {
    let Some(group) = datasets.first().map(|dataset| dataset.dataset_type().group()) else { return Vec::new() };
    let of = |element: DimensionElement| {
        let mut records = BTreeMap::new();
        for record in datasets.iter().filter_map(|dataset| dataset.data_id().record(element)) {
            records.entry(record.required_values()).or_insert_with(|| record.clone());
        }
        (element, records.into_values().collect::<Vec<_>>())
    };
    group.elements().map(of).filter(|(_, records)| !records.is_empty()).collect()
}
