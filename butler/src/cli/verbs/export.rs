//! `export-calibs`.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;

use butler::datastore::TransferMode;
use butler::exchange::{ExportOptions, ExportReport, ExportSelection, export};
use butler::{ArcStr, CollectionType, Error, ErrorKind, NamePatterns, Result, RetrieveOptions};
use clap::Args;

use super::common::{Repository, patterns_or_all};
use crate::cli::context::Context;
use crate::cli::output;

/// Arguments of `export-calibs`.
#[derive(Args, Debug)]
pub(crate) struct ExportCalibs {
    #[command(flatten)]
    repository: Repository,
    /// New or empty directory for export.yaml and the files
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
        let options = RetrieveOptions { transfer: self.transfer, ..RetrieveOptions::new(&self.directory) };
        let file = self.new_file()?;
        let options = ExportOptions { artifacts: Some(options) };
        tell(&export(&butler, selection, BufWriter::new(file), options).await?)
    }

    /// The file of the export, in a directory without anything else.
    fn new_file(&self) -> Result<File> {
        let shown = self.directory.display();
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Permission, format!("nothing can be written to '{shown}': {error}"))
                .with_source(error)
        };
        fs::create_dir_all(&self.directory).map_err(failed)?;
        if fs::read_dir(&self.directory).map_err(failed)?.next().is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, format!("directory '{shown}' is not empty"))
                .with_hint("name a new or empty directory"));
        }
        File::create_new(self.directory.join("export.yaml")).map_err(failed)
    }
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
            output::line(&format!("{what}: {count}"))?;
        }
    }
    Ok(())
}
