//! `config-dump` and `completions`.

use butler::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::common::Repository;
use crate::cli::context::Context;
use crate::cli::{Command, output};

/// Arguments of `config-dump`.
#[derive(Args, Debug)]
pub(crate) struct ConfigDump {
    #[command(flatten)]
    repository: Repository,
    /// Only the part of this key, such as `registry` or `datastore.root`
    #[arg(short, long, value_name = "KEY")]
    subset: Option<String>,
}

impl ConfigDump {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.read(&self.repository.repo).await?;
        output::line(butler.config().dump(self.subset.as_deref())?.trim_end())?;
        butler.close().await
    }
}

/// Arguments of `completions`.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) async fn run(self, _context: &Context) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Command::command(), "butler", &mut script);
        output::bytes(&script)
    }
}
