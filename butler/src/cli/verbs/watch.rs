//! `watch`.

use std::time::{Duration, Instant as Moment};

use butler::{
    ArcStr, Butler, CollectionType, DatasetId, DatasetRef, Error, ErrorKind, Instant, NamePatterns, Result,
    Retry, Structured,
};
use clap::Args;
use rustc_hash::FxHashSet;

use super::common::{Output, Repository, collections, patterns_or_all};
use super::recover::duration;
use crate::cli::context::Context;
use crate::cli::output::{self, Column, Format, Listing, Row};
use crate::cli::values::{DatasetRow, data_id_json};

/// How far the clocks of writers may be apart, and how long a transaction of the registry may take.
const OVERLAP: Duration = Duration::from_secs(600);

/// Share of the time in which the registry is asked, at most: one in so many.
const RESTRAINT: u32 = 5;

/// How soon an interruption is noticed.
const TICK: Duration = Duration::from_millis(50);

/// Arguments of `watch`.
///
/// It follows the registry, and so works on every repository, and sees what any process writes.
#[derive(Args, Debug)]
pub(crate) struct Watch {
    #[command(flatten)]
    repository: Repository,
    /// Names and patterns of dataset types [all]
    #[arg(value_name = "GLOB", value_delimiter = ',')]
    dataset_types: Vec<String>,
    /// Collections whose runs are watched [the default ones, or all]
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    collections: Vec<String>,
    /// Only datasets for which this expression is true
    #[arg(long = "where", value_name = "EXPR", default_value = "", hide_default_value = true)]
    condition: String,
    /// End after so many datasets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after this time, such as 30s, 15m or 1h; that is a failure if --count is not reached
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// Look for new datasets that often, or less often where looking takes long
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    interval: Duration,
    #[command(flatten)]
    output: Output,
}

impl Watch {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.read(&self.repository.repo).await?;
        let mut follower = Follower {
            types: patterns_or_all(&self.dataset_types)?,
            collections: collections(&butler, &self.collections)?,
            condition: self.condition,
            seen: FxHashSet::default(),
            butler,
        };
        let end = self.timeout.map(|timeout| Moment::now() + timeout);
        // What there was before is of no interest.
        follower.new_datasets().await?;
        if !context.is_quiet() {
            output::note("watching for new datasets; press Ctrl-C to end");
        }
        let columns = ["type", "run", "id", "data_id"].map(Column::text).to_vec();
        let mut sheet = Sheet { listing: Listing::new(self.output.format, columns), widths: [0; 2] };
        let mut left = self.count.unwrap_or(u64::MAX);
        let watched = watch(context, &mut follower, &mut sheet, &mut left, self.interval, end).await;
        // What was written so far is whole, however it ended.
        sheet.finish()?;
        watched?;
        match self.count {
            Some(count) if left > 0 => Err(Error::new(
                ErrorKind::Timeout,
                format!("only {} of {count} datasets came in time", count - left),
            )),
            _ => Ok(()),
        }
    }
}

/// Shows what comes, until enough came or the time is over.
async fn watch(
    context: &Context,
    follower: &mut Follower,
    sheet: &mut Sheet,
    left: &mut u64,
    interval: Duration,
    end: Option<Moment>,
) -> Result<()> {
    let mut pause = interval;
    loop {
        let is_last = sleep(context, pause, end).await?;
        let asked = Moment::now();
        match follower.new_datasets().await {
            Ok(datasets) => {
                for dataset in datasets.iter().take(usize::try_from(*left).unwrap_or(usize::MAX)) {
                    sheet.push(dataset)?;
                    *left -= 1;
                }
                sheet.listing.flush()?;
            }
            Err(error) if error.retry() == Retry::Temporary && !is_last => {
                tracing::warn!(%error, "new datasets could not be looked for, which is tried again");
            }
            Err(error) => return Err(error),
        }
        if *left == 0 || is_last {
            return Ok(());
        }
        pause = interval.max(asked.elapsed() * (RESTRAINT - 1));
    }
}

/// Waits; true if the time is over.
async fn sleep(context: &Context, pause: Duration, end: Option<Moment>) -> Result<bool> {
    let until = Moment::now() + pause;
    let until = end.map_or(until, |end| end.min(until));
    loop {
        context.check()?;
        let left = until.saturating_duration_since(Moment::now());
        if left.is_zero() {
            return Ok(end.is_some_and(|end| end <= until));
        }
        tokio::time::sleep(left.min(TICK)).await;
    }
}

/// Asks a registry for what is new.
///
/// A dataset is new if it is ingested about now and was not there before. Its time is that of
/// its registration by its writer's clock, and so each question goes back a while, and what
/// the last one found is left out.
struct Follower {
    butler: Butler,
    types: NamePatterns,
    collections: NamePatterns,
    condition: String,
    /// What the last question found.
    seen: FxHashSet<DatasetId>,
}

impl Follower {
    /// What has come since the last question, in the order in which each writer named it.
    async fn new_datasets(&mut self) -> Result<Vec<DatasetRef>> {
        let back = i64::try_from(OVERLAP.as_nanos()).unwrap_or(i64::MAX);
        let since = Instant::now()?.checked_add_nanoseconds(-back);
        // New runs and types are watched as well.
        self.butler.refresh();
        let runs = self.runs().await?;
        let types = self.butler.dataset_types(&self.types).await?;
        let mut found = Vec::new();
        if let Some(since) = since
            && !runs.is_empty()
            && !types.is_empty()
        {
            let mut query = self.butler.query_datasets(self.types.clone()).collections(runs);
            if !self.condition.trim().is_empty() {
                query = query.where_(self.condition.clone());
            }
            found = query.where_("ingest_date >= :since").bind("since", since).collect().await?;
        }
        let ids = found.iter().map(DatasetRef::id).collect();
        let before = std::mem::replace(&mut self.seen, ids);
        found.retain(|dataset| !before.contains(&dataset.id()));
        found.sort_unstable_by_key(DatasetRef::id);
        Ok(found)
    }

    /// Every dataset is in one run.
    async fn runs(&self) -> Result<NamePatterns> {
        let (names, catalog) = self.butler.collections(&self.collections, true).await?;
        let search = catalog.flatten(&names)?;
        Ok(search.of_type(CollectionType::Run).cloned().collect())
    }
}

/// Where datasets are shown.
struct Sheet {
    listing: Listing,
    /// Of the columns so far, for people.
    widths: [usize; 2],
}

impl Sheet {
    fn push(&mut self, dataset: &DatasetRef) -> Result<()> {
        let row = Arrival(dataset);
        if self.listing.format() != Format::Table {
            return self.listing.push(&row);
        }
        // A table cannot wait for its last row.
        let (name, run) = (dataset.dataset_type().name(), dataset.run());
        for (width, text) in self.widths.iter_mut().zip([name, run]) {
            *width = (*width).max(text.chars().count());
        }
        let [first, second] = self.widths;
        output::line(&format!("{name:first$}  {run:second$}  {}  {}", dataset.id(), dataset.data_id()))
    }

    fn finish(self) -> Result<()> {
        match self.listing.format() {
            Format::Table => Ok(()),
            _ => self.listing.finish(""),
        }
    }
}

/// A dataset that has come.
struct Arrival<'a>(&'a DatasetRef);

impl Row for Arrival<'_> {
    fn json(&self) -> Structured {
        DatasetRow::new(self.0, self.0.dataset_type().group()).json()
    }

    fn cells(&self) -> Vec<String> {
        let (name, run): (&ArcStr, &ArcStr) = (self.0.dataset_type().name(), self.0.run());
        vec![
            name.to_string(),
            run.to_string(),
            self.0.id().to_string(),
            data_id_json(self.0.data_id()).to_string(),
        ]
    }
}
