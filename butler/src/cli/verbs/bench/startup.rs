//! What it takes to begin.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use butler::Result;

use super::measure::{measure, report};
use super::{Site, check, executable, io_error};

const PROCESSES: usize = 5;
const AGAIN: usize = 20;

/// Starts processes, and opens the repository in this one.
pub(super) async fn startup(site: &Site<'_>) -> Result<()> {
    let repo = site.text("repo");
    child("startup_cli_help", &["--help"])?;
    child("startup_cli_query_collections", &["query-collections", &repo])?;
    let query = ["query-datasets", &repo, "bench_raw", "--collections", "bench/insert", "--limit", "10"];
    child("startup_cli_query_datasets", &query)?;
    measure("startup_from_config_first", 1, async || site.reader().await).await?;
    measure("startup_from_config_again", AGAIN, async || {
        for _ in 0..AGAIN {
            site.reader().await?;
        }
        Ok(())
    })
    .await
}

/// Median of the time that a process takes.
fn child(op: &str, arguments: &[&str]) -> Result<()> {
    let executable = executable()?;
    let mut times = Vec::with_capacity(PROCESSES);
    for _ in 0..PROCESSES {
        let begin = Instant::now();
        let done = Command::new(&executable).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        times.push(begin.elapsed());
        check(done.map_err(|error| io_error(&executable, error))?.success(), op)?;
    }
    times.sort_unstable();
    report(op, times.get(PROCESSES / 2).copied().unwrap_or(Duration::ZERO))
}
