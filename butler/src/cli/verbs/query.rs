//! `query-data-ids` and `query-dimension-records`.

use butler::{Butler, DatasetType, DimensionGroup, NamePatterns, QueryBuilder, QueryRow, Result};
use clap::Args;

use super::common::{Output, Repository, Selection, collections, patterns};
use crate::cli::context::Context;
use crate::cli::output::{Format, Listing};
use crate::cli::values::{DataIdRow, RecordRow, dimension_columns, record_columns};

/// Datasets that there must be.
#[derive(Args, Debug)]
struct Joined {
    /// Only where there are datasets of these types
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    datasets: Vec<String>,
    /// Collections that have them [the default ones, or all]
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    collections: Vec<String>,
}

impl Joined {
    fn types(&self) -> NamePatterns {
        patterns(&self.datasets)
    }

    /// Joins the types of which there may be datasets; nothing if there are none of any.
    async fn on<R: QueryRow>(
        &self,
        butler: &Butler,
        query: QueryBuilder<R>,
    ) -> Result<Option<QueryBuilder<R>>> {
        let types = self.types();
        if types.is_empty() {
            return Ok(Some(query));
        }
        let patterns = collections(butler, &self.collections);
        let (names, catalog) = butler.collections(&patterns, true).await?;
        let summary = catalog.summary(&catalog.flatten(&names)?);
        let types = butler.dataset_types(&types).await?;
        let mut there = types.iter().filter(|known| summary.dataset_types.contains(known.name())).peekable();
        if there.peek().is_none() {
            return Ok(None);
        }
        let there: NamePatterns = there.map(|known| known.name().clone()).collect();
        Ok(Some(query.join_datasets(there, Some(patterns))))
    }
}

/// Arguments of `query-data-ids`.
#[derive(Args, Debug)]
pub(crate) struct QueryDataIds {
    #[command(flatten)]
    repository: Repository,
    /// Dimensions of the data IDs [with --datasets, those that the dataset types have in common]
    #[arg(value_name = "DIM", value_delimiter = ',')]
    dimensions: Vec<String>,
    #[command(flatten)]
    joined: Joined,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    output: Output,
}

impl QueryDataIds {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.read(&self.repository.repo).await?;
        let named = self.dimensions.iter().filter(|name| !name.is_empty());
        let mut group = butler.universe().conform(named)?;
        if group.is_empty() {
            let types = butler.dataset_types(&self.joined.types()).await?;
            let common = types.iter().map(DatasetType::group).reduce(DimensionGroup::intersection);
            group = common.unwrap_or(group);
        }
        let mut listing = Listing::new(self.output.format, dimension_columns(group));
        if group.is_empty() {
            return listing
                .finish("Result has one logical row but no columns because no dimensions were requested.");
        }
        let query = self.joined.on(&butler, butler.query_data_ids(group.names())).await?;
        if let Some(query) = query {
            list(context, &self.selection, query, &mut listing, |listing, row| listing.push(&DataIdRow(row)))
                .await?;
        }
        listing.finish("No results. Try --help for more information.")
    }
}

/// Arguments of `query-dimension-records`.
#[derive(Args, Debug)]
pub(crate) struct QueryDimensionRecords {
    #[command(flatten)]
    repository: Repository,
    /// Dimension element whose records are listed
    element: String,
    #[command(flatten)]
    joined: Joined,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    output: Output,
}

impl QueryDimensionRecords {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.read(&self.repository.repo).await?;
        let element = butler.universe().element(&self.element)?;
        let mut listing = Listing::new(self.output.format, record_columns(element));
        let query = self.joined.on(&butler, butler.query_records(self.element.as_str())).await?;
        if let Some(query) = query {
            list(context, &self.selection, query, &mut listing, |listing, row| listing.push(&RecordRow(row)))
                .await?;
        }
        listing.finish("No results. Try --help for more information.")
    }
}

/// Writes the rows of a query as they arrive.
async fn list<R: QueryRow>(
    context: &Context,
    selection: &Selection,
    query: QueryBuilder<R>,
    listing: &mut Listing,
    push: impl Fn(&mut Listing, &R) -> Result<()>,
) -> Result<()> {
    let format = listing.format();
    selection
        .on(query, format)
        .each(context, async |rows| {
            for row in &rows {
                push(listing, row)?;
            }
            if format == Format::Ndjson { listing.flush() } else { Ok(()) }
        })
        .await
}
