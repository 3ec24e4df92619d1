//! `config-dump`, `freeze`, `migrate` and `completions`.

use butler::{Result, Upkeep};
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
        let config = context.builder().config(&self.repository.repo).await?;
        output::line(config.dump(self.subset.as_deref())?.trim_end())
    }
}

/// Arguments of `freeze`.
#[derive(Args, Debug)]
pub(crate) struct Freeze {
    #[command(flatten)]
    repository: Repository,
}

impl Freeze {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        output::told(&context.builder().upkeep(&self.repository.repo, Upkeep::Freeze).await?)
    }
}

/// Arguments of `migrate`.
#[derive(Args, Debug)]
pub(crate) struct Migrate {
    #[command(flatten)]
    repository: Repository,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

impl Migrate {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let upkeep = Upkeep::Migrate { dry_run: self.dry_run };
        output::line(&context.builder().upkeep(&self.repository.repo, upkeep).await?)
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
