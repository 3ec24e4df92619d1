//! `query-collections` and `query-dataset-types`.

use butler::{ArcStr, CollectionCatalog, CollectionInfo, CollectionType, NamePatterns, Result, Structured};
use clap::{Args, ValueEnum};

use super::common::{Output, Repository, collections, patterns, patterns_or_all};
use crate::cli::context::Context;
use crate::cli::output::{Column, Format, Listing, Row};
use crate::cli::values::{CollectionRow, DatasetTypeRow};

/// Arguments of `query-collections`.
#[derive(Args, Debug)]
pub(crate) struct QueryCollections {
    #[command(flatten)]
    repository: Repository,
    /// Names and patterns of collections [all]
    #[arg(value_name = "GLOB", value_delimiter = ',')]
    names: Vec<String>,
    /// Only collections of these types: run, tagged, chained, calibration
    #[arg(long, value_name = "TYPE", value_delimiter = ',', ignore_case = true)]
    collection_type: Vec<CollectionType>,
    /// How chains are shown
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    chains: Chains,
    /// Show the types of the datasets that may be in them
    #[arg(short = 't', long)]
    show_dataset_types: bool,
    /// Of those, leave these out
    #[arg(long, value_name = "GLOB", value_delimiter = ',', default_values = ["*_config", "*_log", "*_metadata", "packages"])]
    exclude_dataset_types: Vec<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Chains {
    /// Children indented below their chain
    #[default]
    Tree,
    /// Children beside their chain
    Table,
    /// Parents beside their children
    InverseTable,
    /// Parents indented below their children
    InverseTree,
    /// What chains lead to, in their place
    Flatten,
    /// Chains like any other collection
    NoChildren,
}

impl QueryCollections {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.read(&self.repository.repo).await?;
        let patterns = patterns_or_all(&self.names)?;
        let (mut names, mut catalog) = butler.collections(&patterns, self.show_dataset_types).await?;
        if matches!(self.chains, Chains::InverseTable | Chains::InverseTree) && !patterns.has_globs() {
            // Only the whole tells who the parents are.
            catalog = butler.collections(&NamePatterns::all(), self.show_dataset_types).await?.1;
        }
        if self.chains == Chains::Flatten {
            names = catalog.flatten(&names)?.members().iter().map(|member| member.name.clone()).collect();
        }
        if !self.collection_type.is_empty() {
            let mut kept = Vec::new();
            for name in names {
                if self.collection_type.contains(&catalog.get(&name)?.ty) {
                    kept.push(name);
                }
            }
            names = kept;
        }
        let format = self.output.format;
        if format == Format::Table {
            return self.table(&names, &catalog);
        }
        let columns = ["name", "type", "doc", "children"].map(Column::text).into();
        let mut listing = Listing::new(format, columns);
        for name in &names {
            listing.push(&CollectionRow(catalog.get(name)?))?;
        }
        listing.finish("")
    }

    fn table(&self, names: &[ArcStr], catalog: &CollectionCatalog) -> Result<()> {
        let mut columns = vec![Column::text("Name"), Column::text("Type")];
        columns.extend(match self.chains {
            Chains::Table => Some(Column::text("Children")),
            Chains::InverseTable => Some(Column::text("Parents")),
            _ => None,
        });
        if self.show_dataset_types {
            columns.push(Column::text("Dataset Types"));
        }
        let mut listing = Listing::new(Format::Table, columns);
        let hidden = patterns(&self.exclude_dataset_types)?;
        let mut pending: Vec<(ArcStr, usize)> = names.iter().rev().map(|name| (name.clone(), 0)).collect();
        while let Some((name, depth)) = pending.pop() {
            let info = catalog.get(&name)?;
            let relatives = match self.chains {
                Chains::Table | Chains::Tree => info.children.clone(),
                Chains::InverseTable | Chains::InverseTree => catalog.parents(&name),
                Chains::Flatten | Chains::NoChildren => Vec::new(),
            };
            let mut cells = vec![format!("{}{name}", "  ".repeat(depth)), info.ty.name().to_owned()];
            match self.chains {
                Chains::Tree | Chains::InverseTree => {
                    pending.extend(relatives.into_iter().rev().map(|relative| (relative, depth + 1)));
                }
                Chains::Table | Chains::InverseTable => cells.push(relatives.join("\n")),
                Chains::Flatten | Chains::NoChildren => {}
            }
            if self.show_dataset_types {
                cells.push(dataset_types(info, &hidden).join("\n"));
            }
            listing.push(&Cells(cells))?;
        }
        listing.finish("No collections match.")
    }
}

fn dataset_types(info: &CollectionInfo, hidden: &NamePatterns) -> Vec<ArcStr> {
    let known = info.summary.iter().flat_map(|summary| &summary.dataset_types);
    known.filter(|name| !hidden.matches(name)).cloned().collect()
}

/// A row that only people see.
struct Cells(Vec<String>);

impl Row for Cells {
    fn json(&self) -> Structured {
        self.0.iter().cloned().map(Structured::from).collect()
    }

    fn cells(&self) -> Vec<String> {
        self.0.clone()
    }
}

/// Arguments of `query-dataset-types`.
#[derive(Args, Debug)]
pub(crate) struct QueryDatasetTypes {
    #[command(flatten)]
    repository: Repository,
    /// Names and patterns of dataset types [all]
    #[arg(value_name = "GLOB", value_delimiter = ',')]
    names: Vec<String>,
    /// Only types of datasets that may be in these collections
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    collections: Vec<String>,
    /// Show dimensions and storage classes
    #[arg(long)]
    show_definitions: bool,
    #[command(flatten)]
    output: Output,
}

impl QueryDatasetTypes {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.read(&self.repository.repo).await?;
        let wanted = patterns_or_all(&self.names)?;
        let mut types = butler.dataset_types(&NamePatterns::all()).await?;
        types.retain(|dataset_type| wanted.matches(dataset_type.name()));
        if !self.collections.is_empty() {
            let (names, catalog) =
                butler.collections(&collections(&butler, &self.collections)?, true).await?;
            let summary = catalog.summary(&catalog.flatten(&names)?);
            types.retain(|dataset_type| summary.dataset_types.contains(dataset_type.name()));
        }
        let mut columns = vec![Column::text("name")];
        if self.show_definitions || self.output.format == Format::Csv {
            columns.extend(["dimensions", "storage class", "kind", "calibration"].map(Column::text));
        }
        let verbose = self.show_definitions;
        // For people, where there is any: what scripts read has columns of its own.
        let genre =
            verbose && self.output.format == Format::Table && types.iter().any(|ty| ty.genre().is_some());
        if genre {
            columns.push(Column::text("genre"));
        }
        let mut listing = Listing::new(self.output.format, columns);
        for dataset_type in &types {
            listing.push(&DatasetTypeRow { dataset_type, verbose, genre })?;
        }
        listing.finish("No results. Try --help for more information.")
    }
}
