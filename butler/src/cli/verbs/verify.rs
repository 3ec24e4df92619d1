//! `verify`.

use butler::datastore::Finding;
use butler::registry::Violation;
use butler::{Error, ErrorKind, Result, VerifyOptions, VerifyReport};
use clap::Args;

use super::common::{ReportFormat, Repository, observer, patterns};
use crate::cli::context::Context;
use crate::cli::output;

/// Arguments of `verify`.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    #[command(flatten)]
    repository: Repository,
    /// Names and patterns of dataset types [all]
    #[arg(value_name = "GLOB", value_delimiter = ',')]
    types: Vec<String>,
    /// Only datasets of these collections
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    collections: Vec<String>,
    /// Only datasets for which this expression is true
    #[arg(long = "where", value_name = "EXPR", default_value = "", hide_default_value = true)]
    condition: String,
    /// Also compute and compare checksums
    #[arg(long)]
    checksum: bool,
    /// Also look for artifacts that no record names
    #[arg(long)]
    orphans: bool,
    /// Put right what can be without losing anything
    #[arg(long)]
    repair: bool,
    /// How the report is written
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    format: ReportFormat,
}

impl Verify {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let repository = &self.repository.repo;
        let butler = match self.repair {
            true => context.write(repository).await?,
            false => context.read(repository).await?,
        };
        let options = VerifyOptions {
            types: patterns(&self.types)?,
            collections: patterns(&self.collections)?,
            condition: self.condition,
            checksum: self.checksum,
            orphans: self.orphans,
            repair: self.repair,
            observer: observer(context, "verifying"),
        };
        let report = butler.verify(&options).await?;
        match self.format {
            ReportFormat::Json => output::json(&report)?,
            ReportFormat::Text => tell(&report)?,
        }
        butler.close().await?;
        if report.is_sound() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Integrity, "something is wrong with the repository"))
    }
}

fn tell(report: &VerifyReport) -> Result<()> {
    report.findings.iter().try_for_each(|finding| output::line(&describe(finding)))?;
    report.violations.iter().try_for_each(|violation| output::line(&describe_rows(violation)))?;
    if !report.pending.is_empty() {
        let open = match report.pending.len() {
            1 => "1 journal entry is open, of a writer at work or of a dead one".to_owned(),
            count => format!("{count} journal entries are open, of writers at work or of dead ones"),
        };
        output::line(&format!("{open}; `butler recover` deals with what the dead have left."))?;
    }
    let rules = if report.registry_checked { "" } else { "; the registry's rules were not checked" };
    output::line(&format!(
        "{} looked at; {} and {} not as they should be{rules}.",
        output::counted(report.datasets, "dataset", "datasets"),
        output::counted(report.findings.len() as u64, "artifact", "artifacts"),
        output::counted(report.violations.len() as u64, "rule", "rules"),
    ))
}

fn name(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

fn describe(finding: &Finding) -> String {
    let datasets = match &finding.datasets[..] {
        [] => String::new(),
        [one] => format!(" (dataset {one})"),
        [one, others @ ..] => format!(" (dataset {one} and {} more)", others.len()),
    };
    format!("{}: {} in {}: {}{datasets}", name(finding.kind), finding.path, finding.datastore, finding.detail)
}

fn describe_rows(violation: &Violation) -> String {
    let repaired = match violation.repaired {
        0 => String::new(),
        some => format!(", {some} repaired"),
    };
    format!(
        "{}: {} rows of {}{repaired}, such as {}",
        name(violation.rule),
        violation.count,
        violation.table,
        violation.examples.join("; ")
    )
}
