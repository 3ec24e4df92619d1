//! The command line: verbs, and what they have in common.

mod context;
mod output;
mod progress;
mod values;
mod verbs;

use std::process::ExitCode;

use butler::{Error, ErrorKind, Result};
use clap::Parser;

use self::context::{Context, GlobalOptions};
use self::verbs::Verb;

/// Exit status of a command that somebody interrupted.
const INTERRUPTED: u8 = 130;

/// Names what data is wanted; knows where it is, how it is stored, and what it was made from.
#[derive(Debug, Parser)]
#[command(name = "butler", version, about, max_term_width = 100, propagate_version = true)]
#[command(arg_required_else_help = true, subcommand_required = true)]
struct Command {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    verb: Verb,
}

/// Runs the command of this process.
pub(crate) fn main() -> ExitCode {
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(error) => {
            // Nothing can be done about a terminal that is gone.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.message() == output::NOBODY_READS => ExitCode::SUCCESS,
        Err(error) => {
            output::report(&error);
            match error.kind() {
                ErrorKind::Interrupted => ExitCode::from(INTERRUPTED),
                ErrorKind::Argument => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run(command: Command) -> Result<()> {
    let context = Context::new(command.global)?;
    let mut runtime = if command.verb.only_asks() {
        // What only asks does so on this thread: a start need not wait for threads that have nothing to do.
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime =
        runtime.worker_threads(2).enable_all().build().map_err(|error| {
            Error::new(ErrorKind::Exhausted, "no threads can be started").with_source(error)
        })?;
    let result = runtime.block_on(async {
        let mut verb = Box::pin(command.verb.run(&context));
        tokio::select! {
            result = &mut verb => result,
            _ = tokio::signal::ctrl_c() => {
                if !context.interrupt() {
                    return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
                }
                // What is under way comes to a good end; a second signal does not wait for it.
                output::note("interrupted: what is under way comes to a good end; press Ctrl-C again to stop at once");
                tokio::select! {
                    result = &mut verb => result,
                    _ = tokio::signal::ctrl_c() => {
                        Err(Error::new(ErrorKind::Interrupted, "interrupted twice; `butler recover` tidies up"))
                    }
                }
            }
        }
    });
    runtime.shutdown_background();
    result
}
