//! `certify-calibrations` and `decertify-calibrations`.

use butler::registry::{Operation, RegistryBatch};
use butler::{Butler, CollectionType, Error, ErrorKind, LooseDataId, NamePatterns, Result};
use clap::Args;

use super::common::{Repository, timespan};
use crate::cli::context::Context;
use crate::cli::output;

/// When datasets are valid.
#[derive(Args, Debug)]
struct Range {
    /// First instant, in ISO 8601 TAI [unbounded]
    #[arg(long, value_name = "INSTANT")]
    begin_date: Option<String>,
    /// First instant after it, in ISO 8601 TAI [unbounded]
    #[arg(long, value_name = "INSTANT")]
    end_date: Option<String>,
}

/// Arguments of `certify-calibrations`.
#[derive(Args, Debug)]
pub(crate) struct Certify {
    #[command(flatten)]
    repository: Repository,
    /// Collection that has the datasets; of a chain the first child counts
    input: String,
    /// Calibration collection, registered if it is new
    output: String,
    /// Dataset type
    #[arg(value_name = "TYPE")]
    dataset_type: String,
    #[command(flatten)]
    range: Range,
    /// Search all children of a chain, rather than the first
    #[arg(long)]
    search_all_inputs: bool,
}

impl Certify {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let timespan = timespan(self.range.begin_date.as_deref(), self.range.end_date.as_deref())?;
        let butler = context.write(&self.repository.repo).await?;
        let inputs = self.inputs(&butler).await?;
        let datasets = butler
            .query_datasets(self.dataset_type.as_str())
            .collections(inputs)
            .find_first(true)
            .collect()
            .await?;
        if datasets.is_empty() {
            return Err(Error::new(
                ErrorKind::DatasetNotFound,
                format!("there are no datasets of type '{}' in '{}'", self.dataset_type, self.input),
            )
            .with_hint("`query-datasets` shows what there is; --search-all-inputs searches whole chains"));
        }
        let count = datasets.len();
        let collection = butler::ArcStr::from(&self.output);
        let batch = RegistryBatch::new()
            .with(Operation::RegisterCollection {
                name: collection.clone(),
                ty: CollectionType::Calibration,
                doc: None,
            })
            .with(Operation::Certify { collection, datasets, timespan });
        butler.apply(batch).await?;
        output::told(&format!("{count} datasets are valid in {} for {timespan}", self.output))?;
        butler.close().await
    }

    async fn inputs(&self, butler: &Butler) -> Result<NamePatterns> {
        let input = butler.collection(&self.input).await?;
        Ok(match input.children.first() {
            Some(first) if !self.search_all_inputs => std::iter::once(first.clone()).collect(),
            _ => std::iter::once(input.name).collect(),
        })
    }
}

/// Arguments of `decertify-calibrations`.
#[derive(Args, Debug)]
pub(crate) struct Decertify {
    #[command(flatten)]
    repository: Repository,
    /// Calibration collection
    collection: String,
    /// Dataset type
    #[arg(value_name = "TYPE")]
    dataset_type: String,
    /// Only for this data ID
    #[arg(value_name = "KEY=VALUE")]
    data_id: Vec<String>,
    #[command(flatten)]
    range: Range,
}

impl Decertify {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let timespan = timespan(self.range.begin_date.as_deref(), self.range.end_date.as_deref())?;
        let butler = context.write(&self.repository.repo).await?;
        let dataset_type = butler.dataset_type(self.dataset_type.as_str()).await?;
        let data_ids = if self.data_id.is_empty() {
            None
        } else {
            let loose = LooseDataId::from_texts(butler.universe(), &self.data_id)?;
            Some(vec![butler.data_id(dataset_type.group(), loose).await?])
        };
        let collection = self.collection.as_str().into();
        let report =
            butler.apply_one(Operation::Decertify { collection, dataset_type, timespan, data_ids }).await?;
        let changed = report.removed + report.changed;
        output::told(&format!("{changed} validity ranges of {} were cut", self.collection))?;
        butler.close().await
    }
}
