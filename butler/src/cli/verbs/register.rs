//! `register-dataset-type`, `register-collection`.

use butler::{CollectionType, DatasetKind, DatasetType, Result};
use clap::Args;

use super::common::Repository;
use crate::cli::context::Context;
use crate::cli::output;

/// Arguments of `register-dataset-type`.
#[derive(Args, Debug)]
pub(crate) struct RegisterDatasetType {
    #[command(flatten)]
    repository: Repository,
    /// Name of the dataset type
    #[arg(value_name = "TYPE")]
    name: String,
    /// Its storage class
    storage_class: String,
    /// Its dimensions
    #[arg(value_name = "DIM", value_delimiter = ',')]
    dimensions: Vec<String>,
    /// How its datasets are told apart: standard, global or nonsingular
    #[arg(long, default_value = "standard")]
    kind: DatasetKind,
    /// Its datasets may be certified for timespans
    #[arg(long, overrides_with = "no_is_calibration")]
    is_calibration: bool,
    /// Its datasets may not be certified (the default)
    #[arg(long)]
    no_is_calibration: bool,
    /// Genre whose policies its datasets follow
    #[arg(long, value_name = "NAME")]
    genre: Option<String>,
}

impl RegisterDatasetType {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.write(&self.repository.repo).await?;
        let dimensions = self.dimensions.iter().filter(|name| !name.is_empty());
        let group = butler.universe().conform(dimensions)?;
        let dataset_type = DatasetType::new(&self.name, group, &self.storage_class)?
            .with_kind(self.kind)
            .with_is_calibration(self.is_calibration)
            .with_genre(self.genre.map(Into::into));
        output::line(if butler.register_dataset_type(&dataset_type).await? {
            "Dataset type successfully registered."
        } else {
            "Dataset type already existed in identical form."
        })?;
        butler.close().await
    }
}

/// Arguments of `register-collection`.
#[derive(Args, Debug)]
pub(crate) struct RegisterCollection {
    #[command(flatten)]
    repository: Repository,
    /// Name of the collection
    name: String,
    /// Its type: run, tagged, chained or calibration
    #[arg(long = "type", default_value = "run", ignore_case = true)]
    ty: CollectionType,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    doc: Option<String>,
}

impl RegisterCollection {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.write(&self.repository.repo).await?;
        let new = butler.register_collection(self.name.as_str(), self.ty, self.doc.as_deref()).await?;
        output::line(&if new {
            format!("registered {} {}", self.ty, self.name)
        } else {
            format!("{} {} exists already", self.ty, self.name)
        })?;
        butler.close().await
    }
}
