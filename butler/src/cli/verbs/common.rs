//! Options that several verbs have, and what they mean.

use std::path::PathBuf;

use butler::{
    ArcStr, Butler, DatasetQuery, Error, ErrorKind, Instant, NamePatterns, QueryBuilder, QueryRow, Result,
    Timespan, WorkObserver, local_file,
};
use clap::Args;
use futures::TryStreamExt;

use crate::cli::context::Context;
use crate::cli::output::{self, Format};
use crate::cli::progress::Bar;

/// Rows that people see at most, if they did not say.
const SHOWN: u64 = 20_000;

/// How rows are written.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Output {
    /// How the answer is written
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    pub(super) format: Format,
}

/// How rows are written, or how they are found instead.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct QueryOutput {
    #[command(flatten)]
    output: Output,
    /// Show how the rows are found, and why there are none if there are none, instead of the rows
    #[arg(long)]
    explain: bool,
}

impl QueryOutput {
    /// How the answer is written.
    pub(super) fn format(self) -> Format {
        self.output.format
    }

    /// Explains a query if that was asked for.
    pub(super) async fn explains<R: QueryRow + Clone>(self, query: &Limited<R>) -> Result<bool> {
        if self.explain {
            output::explanations(self.format(), &query.query.clone().explain().await?)?;
        }
        Ok(self.explain)
    }

    /// Tells people why there are no rows.
    pub(super) async fn tell_reasons<R: QueryRow>(self, query: QueryBuilder<R>) {
        if self.format() != Format::Table {
            return;
        }
        match query.explain().await {
            Ok(explanations) => {
                let mut reasons: Vec<String> = Vec::new();
                for reason in explanations.into_iter().flat_map(|explanation| explanation.reasons) {
                    if !reasons.contains(&reason) {
                        reasons.push(reason);
                    }
                }
                output::reasons(&reasons);
            }
            // That there are no rows is an answer, even if nobody knows why.
            Err(error) => tracing::debug!("the empty answer cannot be explained: {error}"),
        }
    }
}

/// Which of the rows are wanted.
#[derive(Args, Clone, Debug)]
pub(super) struct Selection {
    /// Only rows for which this expression is true
    #[arg(long = "where", value_name = "EXPR", default_value = "", hide_default_value = true)]
    pub(super) condition: String,
    /// Order by names of dimensions and fields, descending after '-'
    #[arg(long, value_name = "NAME,-NAME", value_delimiter = ',', allow_hyphen_values = true)]
    pub(super) order_by: Vec<String>,
    /// At most so many rows; 0 for all, negative for a limit that warns [table: -20000]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(super) limit: Option<i64>,
    /// Leave out so many rows at the beginning
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(super) offset: u64,
}

impl Selection {
    /// Puts the selection on a query.
    pub(super) fn on<R: QueryRow>(&self, query: QueryBuilder<R>, format: Format) -> Limited<R> {
        let mut query = query.order_by(self.order_by.iter().cloned()).offset(self.offset);
        if !self.condition.trim().is_empty() {
            query = query.where_(self.condition.clone());
        }
        let (most, warns) = limit(self.limit, format);
        if let Some(most) = most {
            // One more tells whether there are more.
            query = query.limit(if warns { most.saturating_add(1) } else { most });
        }
        Limited { query, most: most.unwrap_or(u64::MAX), warns }
    }
}

/// The limit on rows, and whether to warn if there are more.
fn limit(given: Option<i64>, format: Format) -> (Option<u64>, bool) {
    match given {
        None if format == Format::Table => (Some(SHOWN), true),
        None | Some(0) => (None, false),
        Some(limit) => (Some(limit.unsigned_abs()), limit < 0),
    }
}

/// Which datasets are meant.
#[derive(Args, Clone, Debug)]
pub(super) struct DatasetChoice {
    /// Names and patterns of dataset types [all]
    #[arg(short, long = "dataset-type", value_name = "GLOB", value_delimiter = ',')]
    dataset_types: Vec<String>,
    /// Collections to search [the default ones, or all]
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub(super) collections: Vec<String>,
    /// Of each data ID only the dataset of the first collection
    #[arg(long, overrides_with = "no_find_first")]
    find_first: bool,
    /// All datasets of each data ID (the default)
    #[arg(long)]
    no_find_first: bool,
}

impl DatasetChoice {
    /// Asks for them.
    pub(super) fn query(&self, butler: &Butler) -> Result<DatasetQuery> {
        Ok(butler
            .query_datasets(patterns_or_all(&self.dataset_types)?)
            .collections(collections(butler, &self.collections)?)
            .find_first(self.find_first))
    }
}

/// A query whose rows may be too many.
pub(super) struct Limited<R> {
    query: QueryBuilder<R>,
    most: u64,
    warns: bool,
}

impl<R: QueryRow> Limited<R> {
    /// What is asked.
    pub(super) fn query(&self) -> &QueryBuilder<R> {
        &self.query
    }

    /// Asks, and hands on batches of rows as they arrive.
    pub(super) async fn each(
        self,
        context: &Context,
        mut see: impl AsyncFnMut(Vec<R>) -> Result<()>,
    ) -> Result<()> {
        let mut batches = self.query.stream().await?;
        let mut left = usize::try_from(self.most).unwrap_or(usize::MAX);
        while let Some(mut rows) = batches.try_next().await? {
            context.check()?;
            if rows.len() > left && self.warns {
                tracing::warn!("there are more than {} rows; --limit 0 shows all", self.most);
            }
            rows.truncate(left);
            left -= rows.len();
            see(rows).await?;
        }
        Ok(())
    }

    /// Asks, and collects the rows.
    pub(super) async fn collect(self, context: &Context) -> Result<Vec<R>> {
        let mut all = Vec::new();
        self.each(context, async |rows| {
            all.extend(rows);
            Ok(())
        })
        .await?;
        Ok(all)
    }
}

/// Patterns of texts that were repeated or had commas between them.
///
/// An empty text is an error rather than nothing: it is a variable of a shell that is not set.
pub(super) fn patterns(texts: &[String]) -> Result<NamePatterns> {
    if texts.iter().any(String::is_empty) {
        return Err(Error::new(ErrorKind::Argument, "a name or pattern is empty")
            .with_hint("leave the argument out to mean all"));
    }
    Ok(texts.iter().map(String::as_str).collect())
}

/// Patterns, or all that there is.
pub(super) fn patterns_or_all(texts: &[String]) -> Result<NamePatterns> {
    let given = patterns(texts)?;
    Ok(if given.is_empty() { NamePatterns::all() } else { given })
}

/// The local path of an argument, which may be a `file:` URL.
pub(super) fn local_path(text: &str) -> Result<PathBuf> {
    match local_file(text)? {
        Some(path) => Ok(path),
        None if text.contains("://") => {
            Err(Error::new(ErrorKind::Argument, format!("'{}' is no local path", text.escape_debug())))
        }
        None => Ok(text.into()),
    }
}

/// Collections to search: those given, the default ones, or all.
pub(super) fn collections(butler: &Butler, given: &[String]) -> Result<NamePatterns> {
    let named = patterns(given)?;
    if !named.is_empty() {
        return Ok(named);
    }
    Ok(if butler.defaults().collections.is_empty() {
        NamePatterns::all()
    } else {
        butler.defaults().collections.iter().cloned().collect()
    })
}

/// Names of collections to search in order: those given, or none for the default ones.
pub(super) async fn search_path(butler: &Butler, given: &[String]) -> Result<Option<Vec<ArcStr>>> {
    let named = patterns(given)?;
    if named.is_empty() {
        return Ok(None);
    }
    if !named.has_globs() {
        return Ok(Some(named.iter().map(|name| name.as_str().clone()).collect()));
    }
    Ok(Some(butler.collections(&named, false).await?.0))
}

/// Reads an instant in ISO 8601 TAI.
fn instant(text: &str) -> Result<Option<Instant>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    Instant::from_iso_tai(text).map(Some).map_err(|error| {
        error
            .into_error(ErrorKind::Argument)
            .with_hint("write a date and time in TAI, such as 2021-09-09T03:00:00")
    })
}

/// A timespan from its ends; an end that is not given is open.
pub(super) fn timespan(begin: Option<&str>, end: Option<&str>) -> Result<Timespan> {
    let span = Timespan::new(instant(begin.unwrap_or_default())?, instant(end.unwrap_or_default())?);
    if span.is_empty() {
        return Err(Error::new(ErrorKind::Argument, "the timespan is empty: it ends before it begins"));
    }
    Ok(span)
}

/// Reads a timespan: two instants with a slash between them, either of which may be missing.
pub(super) fn read_timespan(text: &str) -> Result<Timespan> {
    let (begin, end) = text.split_once('/').ok_or_else(|| {
        Error::new(ErrorKind::Argument, format!("'{}' is no timespan", text.escape_debug()))
            .with_hint("write BEGIN/END; either may be empty")
    })?;
    timespan(Some(begin), Some(end))
}

/// That a command is read-only or not is the repository's affair; this is its location.
#[derive(Args, Clone, Debug)]
pub(super) struct Repository {
    /// Directory, `butler.toml`, URL or label of a repository
    #[arg(value_name = "REPO")]
    pub(super) repo: String,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ReportFormat {
    /// For people
    #[default]
    #[value(alias = "table")]
    Text,
    /// One JSON object
    Json,
}

/// Whether somebody is asked before something is destroyed.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Confirmation {
    /// Ask before anything is changed (the default)
    #[arg(long, overrides_with = "no_confirm")]
    confirm: bool,
    /// Do not ask
    #[arg(long)]
    no_confirm: bool,
}

/// The answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Confirmed {
    pub(super) is_yes: bool,
    /// Whether somebody was asked, who saw what is going to happen.
    pub(super) by_somebody: bool,
}

impl Confirmation {
    /// Asks somebody at a terminal; without one nothing is destroyed.
    pub(super) fn get(self, context: &Context) -> Result<Confirmed> {
        if self.no_confirm {
            return Ok(Confirmed { is_yes: true, by_somebody: false });
        }
        match context.waiting(|| output::ask("Continue?"))? {
            Some(is_yes) => Ok(Confirmed { is_yes, by_somebody: true }),
            None => {
                Err(Error::new(ErrorKind::Argument, "there is no terminal at which to ask whether to go on")
                    .with_hint("use --no-confirm to go on without being asked"))
            }
        }
    }
}

/// Shows how far work has come, and ends it if somebody wants that.
pub(super) fn observer(context: &Context, what: &'static str) -> WorkObserver {
    let (bar, interrupted) = (Bar::new(context), context.interruption());
    WorkObserver::new(move |progress| {
        bar.count(what, progress.done, progress.total);
        interrupted.check()
    })
}
