//! `retrieve-artifacts`.

use std::path::PathBuf;

use butler::datastore::TransferMode;
use butler::{DatasetRef, Result, RetrieveOptions, Retriever};
use clap::Args;

use super::common::{DatasetChoice, Repository, Selection, local_path};
use crate::cli::context::Context;
use crate::cli::output::{self, Format};
use crate::cli::progress::Bar;

/// Arguments of `retrieve-artifacts`.
#[derive(Args, Debug)]
pub(crate) struct RetrieveArtifacts {
    #[command(flatten)]
    repository: Repository,
    /// Directory that the artifacts come to
    #[arg(value_parser = local_path)]
    destination: PathBuf,
    #[command(flatten)]
    choice: DatasetChoice,
    #[command(flatten)]
    selection: Selection,
    /// How files come there: auto, copy, link, hardlink, symlink, relsymlink
    #[arg(short, long, value_name = "MODE", default_value = "auto")]
    transfer: TransferMode,
    /// Keep paths as they are in the repository (the default)
    #[arg(long, overrides_with = "no_preserve_path")]
    preserve_path: bool,
    /// Put all files into the directory itself
    #[arg(long)]
    no_preserve_path: bool,
    /// Replace files that are there
    #[arg(long, overrides_with = "no_clobber")]
    clobber: bool,
    /// Do not replace files that are there (the default)
    #[arg(long)]
    no_clobber: bool,
    /// Put all artifacts into one zip archive, which `ingest-zip` takes
    #[cfg(feature = "datastore-fs")]
    #[arg(long, overrides_with = "no_zip")]
    zip: bool,
    /// Leave artifacts files of their own (the default)
    #[cfg(feature = "datastore-fs")]
    #[arg(long)]
    no_zip: bool,
}

impl RetrieveArtifacts {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.read(&self.repository.repo).await?;
        let query = self.choice.query(&butler)?;
        #[cfg(feature = "datastore-fs")]
        if self.zip {
            let found = self.selection.on(query, Format::Ndjson);
            return archived(context, &butler, found, &self.destination, self.clobber).await;
        }
        let options = RetrieveOptions {
            directory: self.destination,
            transfer: self.transfer,
            preserve_path: !self.no_preserve_path,
            clobber: self.clobber,
        };
        let mut retriever = Retriever::new(&butler, options)?;
        let bar = Bar::new(context);
        let (mut files, mut missing) = (0, 0);
        // Rows are counted, not shown: there is no limit but that which was asked for.
        let limited = self.selection.on(query, Format::Ndjson);
        limited
            .each(context, async |datasets: Vec<DatasetRef>| {
                for some in datasets.chunks(100) {
                    context.check()?;
                    for artifacts in retriever.retrieve(some).await? {
                        missing += u64::from(artifacts.is_empty());
                        files += artifacts.len() as u64;
                    }
                    bar.count("retrieved", files, None);
                }
                Ok(())
            })
            .await?;
        drop(bar);
        if missing > 0 {
            tracing::warn!("{missing} datasets are known and not stored");
        }
        output::told(&format!("Number of artifacts retrieved into destination: {files}"))
    }
}

/// Makes a zip archive of all datasets that were found.
#[cfg(feature = "datastore-fs")]
async fn archived(
    context: &Context,
    butler: &butler::Butler,
    found: super::common::Limited<DatasetRef>,
    directory: &std::path::Path,
    clobber: bool,
) -> Result<()> {
    let mut all = Vec::new();
    found
        .each(context, async |datasets: Vec<DatasetRef>| {
            all.extend(datasets);
            Ok(())
        })
        .await?;
    let count = all.len();
    let path = butler::exchange::retrieve_zip(butler, all, directory, clobber).await?;
    output::told(&format!("Zip archive of {count} datasets: {}", path.display()))
}
