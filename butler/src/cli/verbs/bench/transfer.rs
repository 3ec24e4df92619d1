//! Datasets that go from one repository to another.

use std::fs::{self, File};
use std::io::BufWriter;

use butler::datastore::TransferMode;
use butler::exchange::{
    ExportFile, ExportOptions, ExportSelection, ExportedArtifacts, ImportOptions, export, import,
};
use butler::{Butler, DatasetRef, NamePatterns, Result, RetrieveOptions, TransferOptions};

use super::measure::{measure, measure_rows};
use super::workload::SMALL_CHAIN;
use super::{Site, check, io_error};

const TRANSFERRED: usize = 2_000;

/// Exports what was ingested, without and with copies of its files, and imports that into new repositories.
pub(super) async fn export_import(site: &Site<'_>) -> Result<()> {
    let butler = site.reader().await?;
    let run = "bench/ingest/copy";
    let n = butler.query_datasets("bench_file").collections(run).count().await?;
    let items = usize::try_from(n).unwrap_or(usize::MAX);
    for label in ["none", "copy"] {
        let directory = site.path(&format!("export_{label}"));
        fs::create_dir_all(&directory).map_err(|error| io_error(&directory, error))?;
        let path = directory.join("export.yaml");
        let file = File::create(&path).map_err(|error| io_error(&path, error))?;
        let (files, artifacts) = match label {
            "copy" => (directory.clone(), ExportedArtifacts::Retrieved(RetrieveOptions::new(&directory))),
            _ => (site.path("repo"), ExportedArtifacts::InPlace),
        };
        let selection = ExportSelection {
            dataset_types: NamePatterns::from("bench_file"),
            search: NamePatterns::from(run),
            ..ExportSelection::default()
        };
        measure(&format!("export_{label}"), items, async || {
            export(&butler, selection, BufWriter::new(file), ExportOptions { artifacts }).await
        })
        .await?;
        let target = site.make(&format!("imported_{label}")).await?;
        let options = ImportOptions {
            directory: Some(files.to_string_lossy().into_owned().into()),
            transfer: TransferMode::Copy,
            ..ImportOptions::default()
        };
        measure(&format!("import_{label}"), items, async || {
            import(&target, ExportFile::open(&path)?, options).await
        })
        .await?;
        let imported = target.query_datasets("bench_file").collections(run).count().await?;
        check(imported == n, "not everything was imported")?;
        target.close().await?;
    }
    Ok(())
}

/// Transfers what was put, with its files and records, to a new repository.
pub(super) async fn transfer_from(site: &Site<'_>) -> Result<()> {
    let source = site.reader().await?;
    let found = source.query_datasets("bench_put").collections(SMALL_CHAIN).find_first(true);
    let mut datasets = found.collect().await?;
    datasets.truncate(TRANSFERRED);
    let n = datasets.len();
    let target = site.make("transferred").await?;
    let done =
        measure_rows("transfer_from", n, async || transfer(&source, &target, datasets).await, |n| Some(*n));
    check(done.await? == n, "not everything was transferred")?;
    target.close().await
}

async fn transfer(source: &Butler, target: &Butler, datasets: Vec<DatasetRef>) -> Result<usize> {
    let options = TransferOptions {
        mode: TransferMode::Copy,
        register_dataset_types: true,
        transfer_dimensions: true,
        ..TransferOptions::default()
    };
    Ok(target.transfer_from(source, datasets, &options).await?.transferred.len())
}
