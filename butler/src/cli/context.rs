//! What all verbs share: how repositories are opened, what is logged, whether to go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use butler::{Butler, ButlerBuilder, Error, ErrorKind, Result};
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::output;

/// Options of every verb.
#[derive(Args, Debug)]
pub(crate) struct GlobalOptions {
    /// Say more; twice, say everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    /// Say nothing but answers and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Least level of messages: LEVEL, or COMPONENT=LEVEL for a part of the program
    #[arg(long, value_name = "LEVEL", global = true, value_delimiter = ',')]
    log_level: Vec<String>,
    /// How messages are written
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true)]
    log_format: LogFormat,
    /// Further configuration files, stronger than the repository's
    #[arg(long = "config-file", value_name = "FILE", global = true)]
    config_files: Vec<String>,
    /// Show progress of long work (on by default)
    #[arg(long, global = true, overrides_with = "no_progress")]
    progress: bool,
    /// Show no progress
    #[arg(long, global = true)]
    no_progress: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// What a verb runs in.
#[derive(Debug)]
pub(crate) struct Context {
    global: GlobalOptions,
    interrupted: Interruption,
    /// Whether it waits for input.
    waits: AtomicBool,
}

/// Whether somebody wants the command to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interruption(Arc<AtomicBool>);

impl Interruption {
    /// An error if somebody does.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
        }
        Ok(())
    }
}

impl Context {
    pub(crate) fn new(global: GlobalOptions) -> Result<Self> {
        start_logging(&global)?;
        if global.quiet {
            output::be_quiet();
        }
        Ok(Self { global, interrupted: Interruption::default(), waits: AtomicBool::new(false) })
    }

    /// A builder of the repository's Butler.
    pub(crate) fn builder(&self) -> ButlerBuilder {
        self.global.config_files.iter().fold(butler::builder(), |builder, file| builder.config_file(file))
    }

    /// Opens a repository for reading.
    pub(crate) async fn read(&self, repository: &str) -> Result<Butler> {
        self.builder().writable(false).open(repository).await
    }

    /// Opens a repository for writing.
    pub(crate) async fn write(&self, repository: &str) -> Result<Butler> {
        self.builder().writable(true).open(repository).await
    }

    /// Notes that somebody wants it to end; returns whether something is under way.
    pub(crate) fn interrupt(&self) -> bool {
        self.interrupted.0.store(true, Ordering::Relaxed);
        !self.waits.load(Ordering::Relaxed)
    }

    /// Waits for somebody's input, during which nothing is under way.
    pub(crate) fn waiting<T>(&self, input: impl FnOnce() -> T) -> T {
        self.waits.store(true, Ordering::Relaxed);
        let got = tokio::task::block_in_place(input);
        self.waits.store(false, Ordering::Relaxed);
        got
    }

    /// Whether to go on, asked between one step and the next.
    pub(crate) fn check(&self) -> Result<()> {
        self.interrupted.check()
    }

    /// What tells, elsewhere, whether to go on.
    pub(crate) fn interruption(&self) -> Interruption {
        self.interrupted.clone()
    }

    /// Whether nothing but errors is to be said.
    pub(crate) fn is_quiet(&self) -> bool {
        self.global.quiet
    }

    /// Whether progress is shown.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.global.no_progress && !self.global.quiet
    }
}

fn start_logging(options: &GlobalOptions) -> Result<()> {
    let level = match (options.quiet, options.verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "info",
        _ => "debug",
    };
    let mut directives = std::env::var("RUST_LOG").unwrap_or_else(|_| level.to_owned());
    for given in &options.log_level {
        let (component, level) = given.split_once('=').unwrap_or(("", given));
        let level = level_name(level)?;
        directives.push(',');
        directives.push_str(&if component.is_empty() || component == "." {
            level.to_owned()
        } else {
            format!("{component}={level}")
        });
    }
    let filter = EnvFilter::try_new(&directives).map_err(|error| {
        Error::new(ErrorKind::Argument, format!("'{directives}' is no filter of messages")).with_source(error)
    })?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(
            std::env::var_os("NO_COLOR").is_none() && std::io::IsTerminal::is_terminal(&std::io::stderr()),
        )
        .with_writer(BoxMakeWriter::new(std::io::stderr));
    // A second start in one process keeps the first.
    let _ = match options.log_format {
        LogFormat::Text => subscriber.with_target(options.verbose > 1).without_time().try_init(),
        LogFormat::Json => subscriber.json().try_init(),
    };
    Ok(())
}

/// The level of a name, which may be one of Python's.
fn level_name(name: &str) -> Result<&'static str> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "CRITICAL" | "ERROR" => "error",
        "WARNING" | "WARN" => "warn",
        "INFO" => "info",
        "VERBOSE" | "DEBUG" => "debug",
        "TRACE" => "trace",
        _ => {
            return Err(Error::new(ErrorKind::Argument, format!("'{name}' is no level of messages"))
                .with_hint("there are critical, error, warning, info, verbose, debug and trace"));
        }
    })
}
