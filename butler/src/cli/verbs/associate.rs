//! `associate` and `disassociate`.

use butler::registry::{Operation, RegistryBatch};
use butler::{Butler, CollectionType, DatasetRef, Result};
use clap::Args;

use super::common::{DatasetChoice, Repository, Selection};
use crate::cli::context::Context;
use crate::cli::output::{self, Format};

/// Which datasets are meant.
#[derive(Args, Debug)]
pub(super) struct Wanted {
    #[command(flatten)]
    choice: DatasetChoice,
    #[command(flatten)]
    selection: Selection,
}

impl Wanted {
    async fn find(&self, context: &Context, butler: &Butler) -> Result<Vec<DatasetRef>> {
        let query = self.choice.query(butler)?;
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
        let datasets = self.wanted.find(context, &butler).await?;
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
        output::told(&format!("{count} datasets are in {}", self.collection))?;
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
        if self.wanted.choice.collections.is_empty() {
            self.wanted.choice.collections.push(self.collection.clone());
        }
        let datasets = self.wanted.find(context, &butler).await?;
        let operation = Operation::Disassociate { collection: self.collection.as_str().into(), datasets };
        let removed = butler.apply_one(operation).await?.removed;
        output::told(&format!("{removed} datasets were taken out of {}", self.collection))?;
        butler.close().await
    }
}
