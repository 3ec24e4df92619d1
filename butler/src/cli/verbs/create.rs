//! `create`.

use butler::{Creation, DimensionUniverse, Error, ErrorKind, Result};
use clap::Args;

use super::common::Repository;
use crate::cli::context::Context;
use crate::cli::output;

/// Arguments of `create`.
#[derive(Args, Debug)]
pub(crate) struct Create {
    #[command(flatten)]
    repository: Repository,
    /// Database of the registry, such as postgresql://host/database?schema=name [an SQLite file in REPO]
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    /// Root of the datastore [REPO]
    #[arg(long, value_name = "URL")]
    datastore: Option<String>,
    /// Configuration to begin with, weakest first
    #[arg(long, visible_alias = "seed-config", value_name = "FILE")]
    config: Vec<String>,
    /// Definition of the dimensions [those of Rubin Observatory]
    #[arg(long, visible_alias = "dimension-config", value_name = "FILE")]
    universe: Option<String>,
}

impl Create {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let configs =
            self.config.iter().map(|file| Ok((file.clone(), read(file)?))).collect::<Result<_>>()?;
        let universe =
            self.universe.map(|file| read(&file).and_then(|text| DimensionUniverse::from_toml(&text)));
        let creation = Creation {
            registry: self.registry,
            datastore: self.datastore,
            configs,
            universe: universe.transpose()?,
        };
        let butler = context.builder().create(&self.repository.repo, creation).await?;
        output::told(&format!("created {}", butler.location()))?;
        butler.close().await
    }
}

fn read(file: &str) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| {
        Error::new(ErrorKind::Argument, format!("{file} cannot be read: {error}")).with_source(error)
    })
}
