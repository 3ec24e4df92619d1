//! `recover`.

use std::time::Duration;

use butler::datastore::{JournalAction, RecoverOptions, RecoveredEntry};
use butler::registry::Outcome;
use butler::{Error, ErrorKind, RecoveryReport, Result, parse_duration};
use clap::Args;

use super::common::{ReportFormat, Repository};
use crate::cli::context::Context;
use crate::cli::output;

/// Arguments of `recover`.
#[derive(Args, Debug)]
pub(crate) struct Recover {
    #[command(flatten)]
    repository: Repository,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
    /// Leave alone what is younger, such as 90s, 30m, 1h or 2d: its writers may be alive
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    older_than: Duration,
    /// How the report is written
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    format: ReportFormat,
}

pub(super) fn duration(text: &str) -> Result<Duration> {
    parse_duration(text).ok_or_else(|| {
        Error::new(ErrorKind::Argument, format!("'{}' is no duration", text.escape_debug()))
            .with_hint("write a number with ms, s, m, h or d, such as 1h")
    })
}

impl Recover {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let repository = &self.repository.repo;
        let butler = match self.dry_run {
            true => context.read(repository).await?,
            false => context.write(repository).await?,
        };
        let options = RecoverOptions { lease: self.older_than, dry_run: self.dry_run };
        let report = butler.recover(&options).await?;
        match self.format {
            ReportFormat::Json => output::json(&report)?,
            ReportFormat::Text => tell(&report, self.older_than)?,
        }
        butler.close().await
    }
}

fn tell(report: &RecoveryReport, lease: Duration) -> Result<()> {
    for entry in &report.entries {
        output::line(&describe(entry, report.dry_run))?;
    }
    if report.forgotten > 0 {
        output::line(&format!(
            "{} of entries that are long gone",
            output::counted(report.forgotten, "outcome", "outcomes")
        ))?;
    }
    if report.left > 0 {
        output::line(&format!(
            "{} left alone: younger than {lease:?}, or another recovery is at them. \
             --older-than 0s deals with all, if nobody is at work.",
            output::counted(report.left, "journal entry is", "journal entries are")
        ))?;
    }
    let kept = match report.entries.iter().filter(|entry| entry.kept).count() {
        0 => String::new(),
        count => format!("; {count} kept, for the next recovery to look again at what may come late"),
    };
    match report.entries.len() {
        0 if report.left > 0 => Ok(()),
        0 => output::line("There is no journal entry: nobody has left anything."),
        count => {
            let (one, many) = match report.dry_run {
                true => ("journal entry would be", "journal entries would be"),
                false => ("journal entry was", "journal entries were"),
            };
            output::line(&format!("{} dealt with{kept}.", output::counted(count as u64, one, many)))
        }
    }
}

fn describe(entry: &RecoveredEntry, dry_run: bool) -> String {
    let header = &entry.header;
    let what = match (header.action, entry.outcome) {
        (JournalAction::Put, Outcome::Committed) => "what was stored is complete",
        (JournalAction::Put, Outcome::Aborted) => "what was not registered is undone",
        (JournalAction::Remove, Outcome::Committed) => "what was removed is deleted",
        (JournalAction::Remove, Outcome::Aborted) => "nothing was removed",
    };
    let artifacts = output::counted(entry.deleted.len() as u64, "artifact", "artifacts");
    let deleted = match (entry.deleted.len(), dry_run) {
        (0, _) => String::new(),
        (_, true) => format!(", {artifacts} to delete"),
        (_, false) => format!(", {artifacts} deleted"),
    };
    let kept = if entry.kept { ", to be looked at again" } else { "" };
    format!(
        "{} {} in {} of {} TAI, by process {} on {}: {what}{deleted}{kept}",
        header.action.name(),
        header.entry,
        header.datastore,
        header.at.to_iso_tai(),
        header.process,
        header.host
    )
}
