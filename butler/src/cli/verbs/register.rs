//! `register-dataset-type`, `register-collection`.

use butler::{Butler, CollectionType, DatasetKind, DatasetType, GenreOverrides, Result};
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
    /// Its storage class; that of the genre, if it is left out
    #[arg(required_unless_present = "genre")]
    storage_class: Option<String>,
    /// Its dimensions; those of the genre, if none are given
    #[arg(value_name = "DIM", value_delimiter = ',')]
    dimensions: Vec<String>,
    /// How its datasets are told apart: standard (the default), global or nonsingular
    #[arg(long)]
    kind: Option<DatasetKind>,
    /// Its datasets may be certified for timespans
    #[arg(long, overrides_with = "no_is_calibration")]
    is_calibration: bool,
    /// Its datasets may not be certified (the default, unless the genre says otherwise)
    #[arg(long)]
    no_is_calibration: bool,
    /// Genre that says what is left out, and whose policies its datasets follow
    #[arg(long, value_name = "NAME")]
    genre: Option<String>,
}

impl RegisterDatasetType {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.write(&self.repository.repo).await?;
        let dataset_type = self.dataset_type(&butler)?;
        output::told(if butler.register_dataset_type(&dataset_type).await? {
            "Dataset type successfully registered."
        } else {
            "Dataset type already existed in identical form."
        })?;
        butler.close().await
    }
}

impl RegisterDatasetType {
    fn dataset_type(&self, butler: &Butler) -> Result<DatasetType> {
        let names = self.dimensions.iter().filter(|name| !name.is_empty());
        let group = butler.universe().conform(names)?;
        let Some(genre) = &self.genre else {
            let class = self.storage_class.as_deref().unwrap_or_default();
            return Ok(DatasetType::new(&self.name, group, class)?
                .with_kind(self.kind.unwrap_or_default())
                .with_is_calibration(self.is_calibration));
        };
        let overrides = GenreOverrides {
            storage_class: self.storage_class.as_deref().map(Into::into),
            dimensions: (!self.dimensions.is_empty()).then_some(group),
            kind: self.kind,
            is_calibration: (self.is_calibration || self.no_is_calibration).then_some(self.is_calibration),
        };
        butler.genres().get(genre)?.dataset_type(&self.name, &overrides)
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
        output::told(&if new {
            format!("registered {} {}", self.ty, self.name)
        } else {
            format!("{} {} exists already", self.ty, self.name)
        })?;
        butler.close().await
    }
}
