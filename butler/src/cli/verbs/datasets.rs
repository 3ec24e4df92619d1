//! `query-datasets`.

use butler::datastore::ArtifactUris;
use butler::{Butler, DatasetRef, DatasetType, DimensionGroup, Result};
use clap::Args;

use super::common::{QueryOutput, Repository, Selection, collections, patterns_or_all};
use crate::cli::context::Context;
use crate::cli::output::{self, Format, Listing};
use crate::cli::values::{DatasetRow, dataset_columns};

/// Arguments of `query-datasets`.
#[derive(Args, Debug)]
pub(crate) struct QueryDatasets {
    #[command(flatten)]
    repository: Repository,
    /// Names and patterns of dataset types [all]
    #[arg(value_name = "GLOB", value_delimiter = ',')]
    dataset_types: Vec<String>,
    /// Collections to search [the default ones, or all]
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
    /// Show where the datasets are
    #[arg(long)]
    show_uri: bool,
    #[command(flatten)]
    output: QueryOutput,
}

impl QueryDatasets {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.read(&self.repository.repo).await?;
        let patterns = patterns_or_all(&self.dataset_types)?;
        let types = butler.dataset_types(&patterns).await?;
        let query = butler
            .query_datasets(patterns)
            .collections(collections(&butler, &self.collections)?)
            .find_first(self.find_first);
        let format = self.output.format();
        let none = butler.universe().conform::<&str>([])?;
        let mut sheet = Sheet {
            listing: Listing::new(format, dataset_columns(&types, self.show_uri)),
            butler: &butler,
            uris: self.show_uri,
            all: types.iter().map(DatasetType::group).fold(none, DimensionGroup::union),
        };
        let limited = self.selection.on(query, format);
        if self.output.explains(&limited).await? {
            return Ok(());
        }
        let asked = limited.query().clone();
        if format == Format::Table {
            sheet.tables(limited.collect(context).await?, self.selection.order_by.is_empty()).await?;
        } else {
            limited
                .each(context, async |rows| {
                    sheet.rows(rows).await?;
                    if format == Format::Ndjson { sheet.listing.flush() } else { Ok(()) }
                })
                .await?;
        }
        let empty = sheet.listing.is_empty();
        sheet.listing.finish("No results. Try --help for more information.")?;
        if empty && !types.is_empty() {
            self.output.tell_reasons(asked).await;
        } else if empty && format == Format::Table {
            output::reasons(&["the repository has no dataset types of these names".to_owned()]);
        }
        Ok(())
    }
}

/// Datasets on their way out.
struct Sheet<'a> {
    listing: Listing,
    butler: &'a Butler,
    uris: bool,
    /// Dimensions of the columns.
    all: DimensionGroup,
}

impl Sheet<'_> {
    /// A table for each dataset type.
    async fn tables(&mut self, mut datasets: Vec<DatasetRef>, sorted: bool) -> Result<()> {
        if sorted {
            datasets.sort_by(|a, b| {
                let by_type = a.dataset_type().name().cmp(b.dataset_type().name());
                by_type.then_with(|| a.data_id().cmp(b.data_id())).then_with(|| a.run().cmp(b.run()))
            });
        }
        let mut rest = datasets.as_slice();
        while let Some(first) = rest.first() {
            let of_type =
                rest.partition_point(|dataset| dataset.dataset_type().name() == first.dataset_type().name());
            let (these, others) = rest.split_at(of_type);
            self.listing.table(dataset_columns(std::slice::from_ref(first.dataset_type()), self.uris))?;
            self.all = first.dataset_type().group();
            self.rows(these.to_vec()).await?;
            rest = others;
        }
        Ok(())
    }

    async fn rows(&mut self, datasets: Vec<DatasetRef>) -> Result<()> {
        if !self.uris {
            for dataset in &datasets {
                self.listing.push(&DatasetRow::new(dataset, self.all))?;
            }
            return Ok(());
        }
        let places = self.butler.uris_many(&datasets, true).await?;
        for (dataset, ArtifactUris { primary, components }) in datasets.iter().zip(places) {
            let mut row = DatasetRow::new(dataset, self.all);
            row.uri = primary.as_deref();
            if primary.is_some() || components.is_empty() {
                self.listing.push(&row)?;
            }
            for (component, uri) in &components {
                let name = format!("{}.{component}", dataset.dataset_type().name());
                self.listing.push(&DatasetRow { dataset, group: self.all, name: &name, uri: Some(uri) })?;
            }
        }
        Ok(())
    }
}
