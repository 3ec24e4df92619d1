//! `import`.

use std::path::Path;
use std::sync::Arc;

use butler::datastore::TransferMode;
use butler::exchange::{ExportFile, ImportOptions, ImportReport, Progress, Stage, import};
use butler::{ArcStr, Result};
use clap::Args;

use super::common::Repository;
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::progress::Bar;

/// Arguments of `import`.
#[derive(Args, Debug)]
pub(crate) struct Import {
    #[command(flatten)]
    repository: Repository,
    /// Directory that paths in the export begin at
    directory: String,
    /// The export, in the directory unless it is there
    #[arg(long, value_name = "FILE", default_value = "export.yaml")]
    export_file: String,
    /// How files come in: auto, copy, move, link, hardlink, symlink, relsymlink, direct
    #[arg(short, long, value_name = "MODE", default_value = "auto")]
    transfer: TransferMode,
    /// Leave out records of these dimension elements
    #[arg(short, long, value_name = "ELEMENT", value_delimiter = ',')]
    skip_dimensions: Vec<ArcStr>,
    /// Register datasets, and leave their files alone
    #[arg(long)]
    registry_only: bool,
    /// Determine sizes and checksums (the default)
    #[arg(long, overrides_with = "no_track_file_attrs")]
    track_file_attrs: bool,
    /// Do not determine sizes and checksums
    #[arg(long)]
    no_track_file_attrs: bool,
}

impl Import {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.write(&self.repository.repo).await?;
        let beside = Path::new(&self.directory).join(&self.export_file);
        let file = if beside.exists() { beside } else { self.export_file.clone().into() };
        let file = ExportFile::open(file)?;
        let (bar, interrupted) = (Bar::new(context), context.interruption());
        let observer = move |Progress { stage, bytes, size }: Progress| {
            let what = match stage {
                Stage::Check => "checking",
                Stage::Import => "importing",
            };
            bar.show(what, bytes, size);
            interrupted.check()
        };
        let options = ImportOptions {
            directory: Some(self.directory.into()),
            transfer: self.transfer,
            registry_only: self.registry_only,
            skip_dimensions: self.skip_dimensions,
            track_attributes: !self.no_track_file_attrs,
            observer: Some(Arc::new(observer)),
        };
        let report = import(&butler, file, options).await?;
        tell(&report)?;
        butler.close().await
    }
}

fn tell(report: &ImportReport) -> Result<()> {
    for warning in &report.warnings {
        tracing::warn!("{warning}");
    }
    let records: u64 = report.records.values().map(|tally| tally.inserted).sum();
    let there: u64 = report.records.values().map(|tally| tally.existing).sum();
    let mut lines = vec![("dimension records", records, there)];
    for (what, tally) in [
        ("dataset types", report.dataset_types),
        ("collections", report.collections),
        ("datasets", report.datasets),
        ("tags", report.tags),
        ("validity ranges", report.validity),
    ] {
        lines.push((what, tally.inserted, tally.existing));
    }
    for (what, inserted, existing) in lines {
        if inserted + existing > 0 {
            output::told(&format!("{what}: {inserted} new, {existing} there already"))?;
        }
    }
    Ok(())
}
