//! `export` and `export-calibs`.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use butler::datastore::TransferMode;
use butler::exchange::{ExportOptions, ExportReport, ExportSelection, ExportedArtifacts, export};
use butler::{ArcStr, Butler, CollectionType, Error, ErrorKind, NamePatterns, Result, RetrieveOptions};
use clap::Args;

use super::common::{Repository, collections, local_path, patterns_or_all};
use crate::cli::context::Context;
use crate::cli::output;

/// Arguments of `export`.
#[derive(Args, Debug)]
pub(crate) struct Export {
    #[command(flatten)]
    repository: Repository,
    /// New or empty directory for export.yaml and the files
    #[arg(value_parser = local_path)]
    directory: PathBuf,
    /// Names and patterns of dataset types [all]
    #[arg(short, long = "dataset-type", value_name = "GLOB", value_delimiter = ',')]
    dataset_types: Vec<String>,
    /// Collections to export datasets of, and to describe [the default ones, or all]
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    collections: Vec<String>,
    /// Only datasets for which this expression is true
    #[arg(long = "where", value_name = "EXPR", default_value = "", hide_default_value = true)]
    condition: String,
    /// How files come there: auto, copy, link, hardlink, symlink, relsymlink
    #[arg(short, long, value_name = "MODE", default_value = "auto")]
    transfer: TransferMode,
    /// Describe datasets, and say nothing of their files
    #[arg(long)]
    registry_only: bool,
    /// Leave files where they are: an import takes them from the root of this repository
    #[arg(long, conflicts_with_all = ["registry_only", "transfer"])]
    in_place: bool,
}

impl Export {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.read(&self.repository.repo).await?;
        let search = collections(&butler, &self.collections)?;
        let selection = ExportSelection {
            dataset_types: patterns_or_all(&self.dataset_types)?,
            collections: butler.collections(&search, false).await?.0,
            search,
            condition: self.condition,
        };
        let artifacts = match (self.registry_only, self.in_place) {
            (true, _) => ExportedArtifacts::Unmentioned,
            (false, true) => ExportedArtifacts::InPlace,
            (false, false) => retrieved(self.transfer, &self.directory),
        };
        write(&butler, selection, &self.directory, artifacts).await
    }
}

/// Arguments of `export-calibs`.
#[derive(Args, Debug)]
pub(crate) struct ExportCalibs {
    #[command(flatten)]
    repository: Repository,
    /// New or empty directory for export.yaml and the files
    #[arg(value_parser = local_path)]
    directory: PathBuf,
    /// Calibration collections, and chains with them [all]
    #[arg(value_name = "COLLECTIONS", value_delimiter = ',')]
    collections: Vec<String>,
    /// Names and patterns of calibration dataset types [all]
    #[arg(short, long = "dataset-type", value_name = "GLOB", value_delimiter = ',')]
    dataset_types: Vec<String>,
    /// How files come there: auto, copy, link, hardlink, symlink, relsymlink
    #[arg(short, long, value_name = "MODE", default_value = "auto")]
    transfer: TransferMode,
}

impl ExportCalibs {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.read(&self.repository.repo).await?;
        let types = butler.dataset_types(&patterns_or_all(&self.dataset_types)?).await?;
        let types: NamePatterns =
            types.iter().filter(|ty| ty.is_calibration()).map(|ty| ty.name().clone()).collect();
        let (names, catalog) = butler.collections(&patterns_or_all(&self.collections)?, false).await?;
        // What chains lead to is searched and described too.
        let search: NamePatterns = catalog
            .flatten(&names)?
            .members()
            .iter()
            .filter(|member| member.ty == CollectionType::Calibration)
            .map(|member| member.name.clone())
            .collect();
        let mut collections: Vec<ArcStr> = search.iter().map(|name| name.as_str().clone()).collect();
        for name in names {
            if catalog.get(&name)?.ty == CollectionType::Chained {
                collections.push(name);
            }
        }
        let selection =
            ExportSelection { dataset_types: types, search, condition: String::new(), collections };
        write(&butler, selection, &self.directory, retrieved(self.transfer, &self.directory)).await
    }
}

/// Writes an export, with or without artifacts.
async fn write(
    butler: &Butler,
    selection: ExportSelection,
    directory: &Path,
    artifacts: ExportedArtifacts,
) -> Result<()> {
    let file = new_file(directory)?;
    tell(&export(butler, selection, BufWriter::new(file), ExportOptions { artifacts }).await?)
}

fn retrieved(transfer: TransferMode, directory: &Path) -> ExportedArtifacts {
    ExportedArtifacts::Retrieved(RetrieveOptions { transfer, ..RetrieveOptions::new(directory) })
}

/// The file of the export, in a directory without anything else.
fn new_file(directory: &Path) -> Result<File> {
    let shown = directory.display();
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Permission, format!("nothing can be written to '{shown}': {error}"))
            .with_source(error)
    };
    fs::create_dir_all(directory).map_err(failed)?;
    if fs::read_dir(directory).map_err(failed)?.next().is_some() {
        return Err(Error::new(ErrorKind::AlreadyExists, format!("directory '{shown}' is not empty"))
            .with_hint("name a new or empty directory"));
    }
    File::create_new(directory.join("export.yaml")).map_err(failed)
}

fn tell(report: &ExportReport) -> Result<()> {
    for (what, count) in [
        ("dimension records", report.records.values().sum()),
        ("dataset types", report.dataset_types),
        ("collections", report.collections),
        ("datasets", report.datasets),
        ("files", report.files),
        ("tags", report.tags),
        ("validity ranges", report.validity),
    ] {
        if count > 0 {
            output::told(&format!("{what}: {count}"))?;
        }
    }
    if report.unstored > 0 {
        tracing::warn!("{} of the datasets are not stored: of them, there are no files", report.unstored);
    }
    Ok(())
}
