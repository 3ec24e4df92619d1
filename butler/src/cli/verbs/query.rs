//! `query-data-ids` and `query-dimension-records`.

use butler::{Butler, DatasetType, DimensionGroup, NamePatterns, QueryBuilder, QueryRow, Result};
use clap::Args;

use super::common::{QueryOutput, Repository, Selection, collections, patterns};
use crate::cli::context::Context;
use crate::cli::output::{self, Format, Listing};
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
    fn types(&self) -> Result<NamePatterns> {
        patterns(&self.datasets)
    }

    /// Joins the types of which there may be datasets; nothing if there are none of any.
    async fn on<R: QueryRow>(
        &self,
        butler: &Butler,
        query: QueryBuilder<R>,
    ) -> Result<Option<QueryBuilder<R>>> {
        let types = self.types()?;
        if types.is_empty() {
            return Ok(Some(query));
        }
        let patterns = collections(butler, &self.collections)?;
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
    output: QueryOutput,
}

impl QueryDataIds {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.read(&self.repository.repo).await?;
        let named = self.dimensions.iter().filter(|name| !name.is_empty());
        let mut group = butler.universe().conform(named)?;
        if group.is_empty() {
            let types = butler.dataset_types(&self.joined.types()?).await?;
            let common = types.iter().map(DatasetType::group).reduce(DimensionGroup::intersection);
            group = common.unwrap_or(group);
        }
        let listing = Listing::new(self.output.format(), dimension_columns(group));
        if group.is_empty() {
            return listing
                .finish("Result has one logical row but no columns because no dimensions were requested.");
        }
        let query = self.joined.on(&butler, butler.query_data_ids(group.names())).await?;
        let answer = Answer { context, selection: &self.selection, output: self.output, listing };
        answer.write(query, |listing, row| listing.push(&DataIdRow(row))).await
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
    output: QueryOutput,
}

impl QueryDimensionRecords {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.read(&self.repository.repo).await?;
        let element = butler.universe().element(&self.element)?;
        let listing = Listing::new(self.output.format(), record_columns(element));
        let query = self.joined.on(&butler, butler.query_records(self.element.as_str())).await?;
        let answer = Answer { context, selection: &self.selection, output: self.output, listing };
        answer.write(query, |listing, row| listing.push(&RecordRow(row))).await
    }
}

/// Rows of a query on their way out.
struct Answer<'a> {
    context: &'a Context,
    selection: &'a Selection,
    output: QueryOutput,
    listing: Listing,
}

impl Answer<'_> {
    /// Writes the rows as they arrive; there are none without a query, for want of datasets.
    async fn write<R: QueryRow + Clone>(
        mut self,
        query: Option<QueryBuilder<R>>,
        push: impl Fn(&mut Listing, &R) -> Result<()>,
    ) -> Result<()> {
        let format = self.listing.format();
        let limited = query.map(|query| self.selection.on(query, format));
        if let Some(limited) = &limited
            && self.output.explains(limited).await?
        {
            return Ok(());
        }
        let asked = limited.as_ref().map(|limited| limited.query().clone());
        if let Some(limited) = limited {
            let listing = &mut self.listing;
            limited
                .each(self.context, async |rows| {
                    for row in &rows {
                        push(listing, row)?;
                    }
                    if format == Format::Ndjson { listing.flush() } else { Ok(()) }
                })
                .await?;
        }
        let empty = self.listing.is_empty();
        self.listing.finish("No results. Try --help for more information.")?;
        match asked {
            Some(asked) if empty => self.output.tell_reasons(asked).await,
            None if format == Format::Table => {
                output::reasons(&[
                    "the collections have no datasets of the types that there must be".to_owned()
                ]);
            }
            _ => {}
        }
        Ok(())
    }
}
