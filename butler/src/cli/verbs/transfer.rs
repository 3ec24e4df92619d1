//! `transfer-datasets`.

use butler::datastore::TransferMode;
use butler::{DatasetRef, Result, TransferOptions};
use clap::Args;

use super::common::{DatasetChoice, Selection};
use crate::cli::context::Context;
use crate::cli::output::{self, Format};
use crate::cli::progress::Bar;

/// Arguments of `transfer-datasets`.
#[derive(Args, Debug)]
pub(crate) struct TransferDatasets {
    /// Repository that has the datasets
    source: String,
    /// Repository that takes them over
    #[arg(value_name = "DEST")]
    destination: String,
    #[command(flatten)]
    choice: DatasetChoice,
    #[command(flatten)]
    selection: Selection,
    /// How artifacts come: auto, copy, link, hardlink, symlink, relsymlink, direct
    #[arg(short, long, value_name = "MODE", default_value = "auto")]
    transfer: TransferMode,
    /// Register dataset types that the destination does not know
    #[arg(long)]
    register_dataset_types: bool,
    /// Take over dimension records too (the default)
    #[arg(long, overrides_with = "no_transfer_dimensions")]
    transfer_dimensions: bool,
    /// Do not take over dimension records: the destination has them
    #[arg(long)]
    no_transfer_dimensions: bool,
    /// Change nothing, and tell what would be transferred
    #[arg(long, overrides_with = "no_dry_run")]
    dry_run: bool,
    /// Transfer the datasets (the default)
    #[arg(long)]
    no_dry_run: bool,
}

impl TransferDatasets {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let source = context.read(&self.source).await?;
        let target = match self.dry_run {
            true => context.read(&self.destination).await?,
            false => context.write(&self.destination).await?,
        };
        let options = TransferOptions {
            mode: self.transfer,
            register_dataset_types: self.register_dataset_types,
            transfer_dimensions: !self.no_transfer_dimensions,
            dry_run: self.dry_run,
            ..TransferOptions::default()
        };
        let bar = Bar::new(context);
        let (mut transferred, mut existing, mut missing) = (0, 0, 0);
        // Datasets are counted, not shown: there is no limit but that which was asked for.
        let limited = self.selection.on(self.choice.query(&source)?, Format::Ndjson);
        limited
            .each(context, async |datasets: Vec<DatasetRef>| {
                for some in datasets.chunks(500) {
                    context.check()?;
                    let report = target.transfer_from(&source, some.to_vec(), &options).await?;
                    transferred += report.transferred.len() as u64;
                    existing += report.existing;
                    missing += report.missing;
                    bar.count("transferred", transferred, None);
                }
                Ok(())
            })
            .await?;
        drop(bar);
        target.close().await?;
        if existing > 0 {
            tracing::info!("{existing} datasets were there already");
        }
        if missing > 0 {
            tracing::warn!("{missing} datasets have no artifacts, and were left out");
        }
        match self.dry_run {
            true => output::line(&format!("Number of datasets that would be transferred: {transferred}")),
            false => output::told(&format!("Number of datasets transferred: {transferred}")),
        }
    }
}
