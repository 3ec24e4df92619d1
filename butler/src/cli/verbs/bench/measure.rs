//! Time, processor time and memory of an operation.

use std::time::{Duration, Instant};

use butler::{Result, Structured};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::cli::output;

/// Measures an operation on `n` items and prints a line of JSON.
pub(super) async fn measure<T>(op: &str, n: usize, work: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
    measure_rows(op, n, work, |_| None).await
}

/// As [`measure`], with the number of results.
pub(super) async fn measure_rows<T>(
    op: &str,
    n: usize,
    work: impl AsyncFnOnce() -> Result<T>,
    rows: impl FnOnce(&T) -> Option<usize>,
) -> Result<T> {
    reset_peak();
    let (cpu, begin) = (cpu_time(), Instant::now());
    let result = work().await?;
    let (elapsed, cpu) = (begin.elapsed(), cpu_time().saturating_sub(cpu));
    let mut record = line(op, n, elapsed, peak_kib());
    record["cpu_seconds"] = json!(rounded(cpu.as_secs_f64()));
    if let Some(rows) = rows(&result) {
        record["rows"] = json!(rows);
    }
    output::line(&record.to_string())?;
    Ok(result)
}

/// A line about something that ran elsewhere.
pub(super) fn report(op: &str, elapsed: Duration) -> Result<()> {
    output::line(&line(op, 1, elapsed, peak_kib()).to_string())
}

fn line(op: &str, n: usize, elapsed: Duration, peak: u64) -> Structured {
    let seconds = elapsed.as_secs_f64();
    json!({
        "op": op,
        "n": n,
        "seconds": rounded(seconds),
        "per_second": rounded(n as f64 / seconds.max(1e-9)),
        "peak_rss_kib": peak,
    })
}

fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Resets the high-water mark of resident memory, where the system can.
fn reset_peak() {
    // Elsewhere the mark is that of the whole process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// High-water mark of resident memory in KiB; 0 where the system does not say.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    mark.and_then(|mark| mark.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
