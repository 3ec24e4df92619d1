//! `ingest-zip`.

use std::path::PathBuf;

use butler::Result;
use butler::datastore::TransferMode;
use butler::exchange::{IngestZipOptions, ingest_zip};
use clap::Args;

use super::common::Repository;
use crate::cli::context::Context;
use crate::cli::output;

/// Arguments of `ingest-zip`.
#[derive(Args, Debug)]
pub(crate) struct IngestZip {
    #[command(flatten)]
    repository: Repository,
    /// Archive that `retrieve-artifacts --zip` has made, here or in the Python butler
    zip: PathBuf,
    /// How the file comes in: auto, copy, move, link, hardlink, symlink, relsymlink, direct
    #[arg(short, long, value_name = "MODE", default_value = "auto")]
    transfer: TransferMode,
    /// Insert the dimension records in the archive where there are none
    #[arg(long, overrides_with = "no_transfer_dimensions")]
    transfer_dimensions: bool,
    /// Insert no dimension records (the default)
    #[arg(long)]
    no_transfer_dimensions: bool,
    /// Only tell what there is
    #[arg(long, overrides_with = "no_dry_run")]
    dry_run: bool,
    /// Ingest it (the default)
    #[arg(long)]
    no_dry_run: bool,
}

impl IngestZip {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.write(&self.repository.repo).await?;
        let options = IngestZipOptions {
            transfer: self.transfer,
            transfer_dimensions: self.transfer_dimensions,
            skip_existing: false,
            dry_run: self.dry_run,
        };
        let contents = ingest_zip(&butler, &self.zip, &options).await?;
        let (datasets, artifacts) = (contents.datasets.len(), contents.artifacts);
        match self.dry_run {
            true => {
                output::line(&format!("{datasets} datasets in {artifacts} artifacts would be ingested"))?;
            }
            false => {
                output::told(&format!("{datasets} datasets in {artifacts} artifacts were ingested"))?;
            }
        }
        butler.close().await
    }
}
