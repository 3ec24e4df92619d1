//! `associate` and `disassociate`.

use butler::registry::{Operation, RegistryBatch};
use butler::{Butler, CollectionType, DatasetRef, Result};
use clap::Args;

use super::common::{Repository, Selection, collections, patterns_or_all};
use crate::cli::context::Context;
use crate::cli::output::{self, Format};

/// Which datasets are meant.
#[derive(Args, Debug)]
pub(super) struct Wanted {
    /// Names and patterns of dataset types
    #[arg(short, long = "dataset-type", value_name = "GLOB", value_delimiter = ',')]
    dataset_types: Vec<String>,
    /// Collections to search
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    collections: Vec<String>,
    /// Of each data ID only the dataset of the first collection
    #[arg(long, overrides_with = "no_find_first")]
    find_first: bool,
    /// All datasets of each data ID (the default)
    #[arg(long)]
    no_find_first: bool,
    #[command(flatten)]
    selection: Selection,
}

impl Wanted {
    async fn find(&self, context: &Context, butler: &Butler, first: bool) -> Result<Vec<DatasetRef>> {
        let query = butler
            .query_datasets(patterns_or_all(&self.dataset_types)?)
            .collections(collections(butler, &self.collections)?)
            .find_first(first);
        // Not even a table would show the datasets: there is no limit but a given one.
        self.selection.on(query, Format::Json).collect(context).await
    }
}

/// Arguments of `associate`.
#[derive(Args, Debug)]
pub(crate) struct Associate {
    #[command(flatten)]
    repository: Repository,
    /// Name of the tagged collection, registered if it is new
    collection: String,
    #[command(flatten)]
    wanted: Wanted,
}

impl Associate {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.write(&self.repository.repo).await?;
        let datasets = self.wanted.find(context, &butler, self.wanted.find_first).await?;
        let count = datasets.len();
        let batch = RegistryBatch::new()
            .with(Operation::RegisterCollection {
                name: self.collection.as_str().into(),
                ty: CollectionType::Tagged,
                doc: None,
            })
            .with(Operation::Associate { collection: self.collection.as_str().into(), datasets });
        butler.apply(batch).await?;
        if count == 0 {
            tracing::warn!("no dataset was found to be associated");
        }
        output::line(&format!("{count} datasets are in {}", self.collection))?;
        butler.close().await
    }
}

/// Arguments of `disassociate`.
#[derive(Args, Debug)]
pub(crate) struct Disassociate {
    #[command(flatten)]
    repository: Repository,
    /// Name of the tagged collection
    collection: String,
    #[command(flatten)]
    wanted: Wanted,
}

impl Disassociate {
    pub(crate) async fn run(mut self, context: &Context) -> Result<()> {
        let butler = context.write(&self.repository.repo).await?;
        if self.wanted.collections.is_empty() {
            self.wanted.collections.push(self.collection.clone());
        }
        let datasets = self.wanted.find(context, &butler, self.wanted.find_first).await?;
        let operation = Operation::Disassociate { collection: self.collection.as_str().into(), datasets };
        let removed = butler.apply_one(operation).await?.removed;
        output::line(&format!("{removed} datasets were taken out of {}", self.collection))?;
        butler.close().await
    }
}
