//! `bench`: how long everything takes on a repository of a given size.
//!
//! The workload is that of a side-by-side benchmark with the Python butler: names, numbers and payloads are
//! the same, and so are the JSON lines. Each group of operations is a process of its own, so that none has
//! the benefit of what another one remembers.

mod calibration;
mod measure;
mod query;
mod registry;
mod removal;
mod sky;
mod startup;
mod store;
mod transfer;
mod wide;
mod workload;

use std::path::{Path, PathBuf};
use std::process::Command;

use butler::{Butler, Creation, Error, ErrorKind, Result};
use clap::{Args, ValueEnum};

use crate::cli::context::Context;

/// Groups of operations, in the order in which they depend on each other; the last one runs only if it is named.
const GROUPS: [&str; 19] = [
    "create",
    "dimensions",
    "register",
    "insert",
    "put",
    "ingest",
    "find",
    "query",
    "certify",
    "calib",
    "associate",
    "spatial",
    "spatial_query",
    "export_import",
    "transfer_from",
    "startup",
    "removal",
    "together",
    WIDE,
];

/// A group that is no part of the workload.
const WIDE: &str = "wide";

/// Arguments of `bench`.
#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// Directory for the work; it is made if it is not there, and what the benchmark puts there is removed
    #[arg(long, value_name = "DIR")]
    repo: PathBuf,
    /// Number of datasets
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    scale: u32,
    /// Database
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// URL of a PostgreSQL database; each repository gets a schema of its own
    #[arg(long, value_name = "URL", required_if_eq("backend", "postgres"))]
    postgres_url: Option<String>,
    /// Groups of operations
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    ops: Vec<String>,
    /// Keep the repositories
    #[arg(long)]
    keep: bool,
    /// Work on what an earlier `--keep` left in the directory, and keep it
    #[arg(long)]
    reuse: bool,
    /// Run one group in this process
    #[arg(long, hide = true)]
    child: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Backend {
    #[default]
    Sqlite,
    Postgres,
}

impl Bench {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        for group in &self.ops {
            if !GROUPS.contains(&group.as_str()) {
                return Err(Error::new(ErrorKind::Argument, format!("'{group}' is no group of operations"))
                    .with_hint(format!("there are {}", GROUPS.join(", "))));
            }
        }
        match self.child.clone() {
            Some(group) => Site { bench: self, context }.run(&group).await,
            None => self.each_group(context),
        }
    }

    /// Runs the groups, each in a process of its own.
    fn each_group(self, context: &Context) -> Result<()> {
        let work = match self.reuse {
            true => self.repo.clone(),
            false => self.repo.join(format!("b{}", std::process::id())),
        };
        std::fs::create_dir_all(&work).map_err(|error| io_error(&work, error))?;
        let executable = executable()?;
        let mut failed = Vec::new();
        for group in GROUPS {
            let named = self.ops.iter().any(|wanted| wanted == group);
            if !named && (!self.ops.is_empty() || group == WIDE) {
                continue;
            }
            context.check()?;
            let mut command = Command::new(&executable);
            command
                .args(["bench", "--child", group, "--scale", &self.scale.to_string(), "--repo"])
                .arg(&work);
            if let (Backend::Postgres, Some(url)) = (self.backend, &self.postgres_url) {
                command.args(["--backend", "postgres", "--postgres-url", url]);
            }
            if !command.status().map_err(|error| io_error(&executable, error))?.success() {
                failed.push(group);
            }
        }
        if !self.keep && !self.reuse {
            std::fs::remove_dir_all(&work).map_err(|error| io_error(&work, error))?;
        }
        match failed[..] {
            [] => Ok(()),
            _ => Err(Error::new(ErrorKind::Unexpected, format!("groups failed: {}", failed.join(", ")))),
        }
    }
}

/// Where the operations of a group take place.
struct Site<'a> {
    bench: Bench,
    context: &'a Context,
}

impl Site<'_> {
    async fn run(&self, group: &str) -> Result<()> {
        match group {
            "create" => Box::pin(registry::create(self)).await,
            "dimensions" => Box::pin(registry::dimensions(self)).await,
            "register" => Box::pin(registry::register(self)).await,
            "insert" => Box::pin(registry::insert(self)).await,
            "put" => Box::pin(store::put(self)).await,
            "ingest" => Box::pin(store::ingest(self)).await,
            "find" => Box::pin(query::find(self)).await,
            "query" => Box::pin(query::query(self)).await,
            "certify" => Box::pin(calibration::certify(self)).await,
            "calib" => Box::pin(calibration::look_up(self)).await,
            "associate" => Box::pin(calibration::associate(self)).await,
            "spatial" => Box::pin(sky::insert(self)).await,
            "spatial_query" => Box::pin(sky::query(self)).await,
            "export_import" => Box::pin(transfer::export_import(self)).await,
            "transfer_from" => Box::pin(transfer::transfer_from(self)).await,
            "startup" => Box::pin(startup::startup(self)).await,
            "together" => Box::pin(store::put_together(self)).await,
            WIDE => Box::pin(wide::wide(self)).await,
            _ => Box::pin(removal::removal(self)).await,
        }
    }

    /// Number of datasets.
    fn scale(&self) -> usize {
        self.bench.scale as usize
    }

    /// A path below the directory of the work.
    fn path(&self, name: &str) -> PathBuf {
        let root = &self.bench.repo;
        std::path::absolute(root).unwrap_or_else(|_| root.clone()).join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Makes a repository, and opens it for writing.
    async fn make(&self, name: &str) -> Result<Butler> {
        let registry = self.bench.postgres_url.as_ref().filter(|_| self.bench.backend == Backend::Postgres);
        let registry = registry.map(|url| {
            let place = self.bench.repo.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let separator = if url.contains('?') { '&' } else { '?' };
            format!("{url}{separator}schema={}_{name}", place.replace('-', "_").to_lowercase())
        });
        let creation = Creation { registry, ..Creation::default() };
        self.context.builder().create(&self.text(name), creation).await
    }

    async fn reader(&self) -> Result<Butler> {
        self.context.read(&self.text("repo")).await
    }

    async fn writer(&self) -> Result<Butler> {
        self.context.write(&self.text("repo")).await
    }
}

fn executable() -> Result<PathBuf> {
    std::env::current_exe().map_err(|error| io_error(Path::new("this program"), error))
}

fn io_error(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Exhausted, format!("{}: {error}", path.display())).with_source(error)
}

/// An error if an answer is not the one that the workload leads to.
fn check(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::new(ErrorKind::Unexpected, format!("a wrong answer: {what}"))) }
}
