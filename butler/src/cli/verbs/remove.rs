//! `prune-datasets`, `remove-runs`, `remove-collections` and `remove-dataset-type`.

use std::fmt::Write;

use butler::registry::{Removal, RemovalPlan};
use butler::{ArcStr, Butler, CollectionType, DatasetRef, Error, ErrorKind, PruneOptions, Result};
use clap::Args;
use indicatif::HumanBytes;

use super::common::{Confirmation, Repository, observer, patterns, patterns_or_all};
use crate::cli::context::Context;
use crate::cli::output::{self, Format, Listing};
use crate::cli::values::{DatasetRow, dataset_columns};

/// Datasets that a plan lists; of more only the number is told.
const LISTED: usize = 50;

/// Arguments of `prune-datasets`.
#[derive(Args, Debug)]
pub(crate) struct PruneDatasets {
    #[command(flatten)]
    repository: Repository,
    /// Collections to search [those of --purge or --disassociate]
    #[arg(value_name = "COLLECTIONS", value_delimiter = ',')]
    collections: Vec<String>,
    /// Names and patterns of dataset types [all]
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    datasets: Vec<String>,
    /// All datasets of each data ID, not only that of the first collection
    #[arg(long)]
    find_all: bool,
    /// Only datasets for which this expression is true
    #[arg(long = "where", value_name = "EXPR", default_value = "", hide_default_value = true)]
    condition: String,
    /// Take the datasets out of these tagged collections
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    disassociate: Vec<String>,
    /// Remove the datasets altogether, those of this run unless COLLECTIONS are given
    #[arg(long, value_name = "RUN")]
    purge: Option<String>,
    /// Delete the artifacts; the registry still knows the datasets (the default)
    #[arg(long)]
    unstore: bool,
    /// Also purge what tagged or calibration collections refer to
    #[arg(long)]
    force: bool,
    /// Only tell what would go
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    confirmation: Confirmation,
}

impl PruneDatasets {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let collections = self.checked_collections(context)?;
        let repository = &self.repository.repo;
        let butler = match self.dry_run {
            true => context.read(repository).await?,
            false => context.write(repository).await?,
        };
        if let Some(run) = &self.purge {
            let found = butler.collection(run).await?;
            if found.ty != CollectionType::Run {
                return Err(Error::new(
                    ErrorKind::CollectionType,
                    format!(
                        "'{run}' is no run, so that nothing can be purged from it: it is of type {}",
                        found.ty
                    ),
                ));
            }
        }
        let mut query = butler
            .query_datasets(patterns_or_all(&self.datasets)?)
            .collections(patterns(&collections)?)
            .find_first(!self.find_all);
        if !self.condition.trim().is_empty() {
            query = query.where_(self.condition.clone());
        }
        let datasets = query.collect().await?;
        if datasets.is_empty() {
            return output::told("Did not find any datasets.");
        }
        let options = self.options(context);
        let plan =
            butler.removal_plan(Removal::Datasets(datasets.iter().map(DatasetRef::id).collect())).await?;
        if !context.is_quiet() {
            list(&datasets)?;
            output::line(&self.intention(&datasets, &plan))?;
        }
        if self.dry_run {
            return Ok(());
        }
        let confirmed = self.confirmation.get(context)?;
        // Who sees the plan, and agrees, knows what refers to the datasets.
        let options = PruneOptions { referenced: self.force || confirmed.by_somebody, ..options };
        if !confirmed.is_yes {
            return output::told("Nothing was changed.");
        }
        let count = datasets.len();
        butler.prune(datasets, &options).await?;
        output::told(&format!("{count} datasets were pruned."))?;
        butler.close().await
    }

    fn checked_collections(&self, context: &Context) -> Result<Vec<String>> {
        let argument = |message: &str| Err(Error::new(ErrorKind::Argument, message));
        if self.purge.is_some() && !self.disassociate.is_empty() {
            return argument("--purge and --disassociate cannot be used together");
        }
        if context.is_quiet() && self.dry_run {
            return argument("--quiet and --dry-run cannot be used together");
        }
        let collections = match (self.collections.is_empty(), &self.purge) {
            (false, _) => self.collections.clone(),
            (true, Some(run)) => vec![run.clone()],
            (true, None) => self.disassociate.clone(),
        };
        if collections.is_empty() {
            return argument("name COLLECTIONS, or a collection to --purge or to --disassociate from");
        }
        if patterns(&collections)?.has_globs() && !self.find_all {
            return argument("patterns of COLLECTIONS have no order, and need --find-all");
        }
        Ok(collections)
    }

    fn options(&self, context: &Context) -> PruneOptions {
        PruneOptions {
            disassociate: self.disassociate.iter().map(ArcStr::from).collect(),
            unstore: self.unstore || (self.purge.is_none() && self.disassociate.is_empty()),
            purge: self.purge.is_some(),
            referenced: self.force,
            observer: observer(context, "removing"),
        }
    }

    fn intention(&self, datasets: &[DatasetRef], plan: &RemovalPlan) -> String {
        let count = datasets.len();
        if self.purge.is_some() {
            return format!("{count} datasets will be removed altogether.{}", describe(plan));
        }
        let mut text = String::new();
        if !self.disassociate.is_empty() {
            let _ = write!(text, "{count} datasets will be taken out of {}. ", self.disassociate.join(", "));
        }
        if self.unstore || self.disassociate.is_empty() {
            let bytes = HumanBytes(plan.bytes.unwrap_or_default());
            let _ = write!(text, "The artifacts of {} datasets will be deleted, {bytes}.", plan.stored);
        }
        text.trim_end().to_owned()
    }
}

fn list(datasets: &[DatasetRef]) -> Result<()> {
    let shown = &datasets[..datasets.len().min(LISTED)];
    let mut listing = Listing::new(Format::Table, Vec::new());
    let mut last = None;
    for dataset in shown {
        let ty = dataset.dataset_type();
        if last != Some(ty) {
            listing.table(dataset_columns(std::slice::from_ref(ty), false))?;
            last = Some(ty);
        }
        listing.push(&DatasetRow::new(dataset, ty.group()))?;
    }
    listing.finish("")?;
    if shown.len() < datasets.len() {
        output::line(&format!("... and {} more", datasets.len() - shown.len()))?;
    }
    output::line("")
}

/// What goes with what is removed, line by line.
fn describe(plan: &RemovalPlan) -> String {
    let mut text = String::new();
    for (name, ty) in &plan.collections {
        let _ = write!(text, "\n  collection {name} ({ty})");
    }
    for name in &plan.dataset_types {
        let _ = write!(text, "\n  dataset type {name}");
    }
    for (name, count) in &plan.datasets {
        let _ = write!(text, "\n  datasets of type {name}: {count}");
    }
    if plan.stored > 0 {
        let bytes = plan.bytes.map_or_else(String::new, |bytes| format!(", {}", HumanBytes(bytes)));
        let _ = write!(text, "\n  stored datasets: {}{bytes}", plan.stored);
    }
    for (name, count) in &plan.tags {
        let _ = write!(text, "\n  members of tagged collection {name}: {count}");
    }
    for (name, count) in &plan.calibrations {
        let _ = write!(text, "\n  validity ranges in {name}: {count}");
    }
    for (child, parents) in &plan.parents {
        let _ = write!(text, "\n  {child} is a child of {}", parents.join(", "));
    }
    if plan.quanta > 0 {
        let _ = write!(text, "\n  quanta that read or wrote them, and stay: {}", plan.quanta);
    }
    text
}

/// Arguments of `remove-runs`.
#[derive(Args, Debug)]
pub(crate) struct RemoveRuns {
    #[command(flatten)]
    repository: Repository,
    /// Names and patterns of runs
    #[arg(value_name = "COLLECTION", value_delimiter = ',', required = true)]
    names: Vec<String>,
    /// With --no-confirm: also remove runs that are in chains, and datasets that collections refer to
    #[arg(long)]
    force: bool,
    /// Only tell what would go
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    confirmation: Confirmation,
}

impl RemoveRuns {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = open(context, &self.repository.repo, self.dry_run).await?;
        let (runs, others) = matching(&butler, &self.names, |ty| ty == CollectionType::Run).await?;
        if runs.is_empty() {
            return output::told("No RUN collections were found.");
        }
        tell_left(&others)?;
        let removal = Removal::Collections { names: runs.clone(), unlink: true };
        let plan = butler.removal_plan(removal).await?;
        output::line(&format!(
            "The following runs will be removed, with their datasets:{}",
            describe(&plan)
        ))?;
        if self.dry_run {
            return Ok(());
        }
        let confirmed = self.confirmation.get(context)?;
        if !confirmed.is_yes {
            return output::told("Nothing was changed.");
        }
        let agreed = self.force || confirmed.by_somebody;
        butler.remove_runs(runs, agreed, agreed, &observer(context, "removing")).await?;
        output::told("The runs were removed.")?;
        butler.close().await
    }
}

/// Arguments of `remove-collections`.
#[derive(Args, Debug)]
pub(crate) struct RemoveCollections {
    #[command(flatten)]
    repository: Repository,
    /// Names and patterns of collections that are no runs
    #[arg(value_name = "COLLECTION", value_delimiter = ',', required = true)]
    names: Vec<String>,
    /// Also take them out of chains
    #[arg(long)]
    remove_from_parents: bool,
    /// Only tell what would go
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    confirmation: Confirmation,
}

impl RemoveCollections {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = open(context, &self.repository.repo, self.dry_run).await?;
        let (names, runs) = matching(&butler, &self.names, |ty| ty != CollectionType::Run).await?;
        tell_left(&runs)?;
        if names.is_empty() {
            return output::told("No non-RUN collections were found.");
        }
        let unlink = self.remove_from_parents;
        let plan = butler.removal_plan(Removal::Collections { names: names.clone(), unlink }).await?;
        output::line(&format!("The following collections will be removed:{}", describe(&plan)))?;
        if self.dry_run {
            return Ok(());
        }
        if !self.confirmation.get(context)?.is_yes {
            return output::told("Nothing was changed.");
        }
        butler.remove_collections(names, unlink).await?;
        output::told("The collections were removed.")?;
        butler.close().await
    }
}

/// Arguments of `remove-dataset-type`.
#[derive(Args, Debug)]
pub(crate) struct RemoveDatasetType {
    #[command(flatten)]
    repository: Repository,
    /// Names and patterns of dataset types
    #[arg(value_name = "GLOB", value_delimiter = ',', required = true)]
    names: Vec<String>,
    /// Also remove all datasets of these types, with their artifacts
    #[arg(long)]
    purge: bool,
    /// Also purge what tagged or calibration collections refer to
    #[arg(long, requires = "purge")]
    force: bool,
    /// Only tell what would go
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    confirmation: Confirmation,
}

impl RemoveDatasetType {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = open(context, &self.repository.repo, self.dry_run).await?;
        let types = butler.dataset_types(&patterns(&self.names)?).await?;
        let names: Vec<ArcStr> = types.iter().map(|dataset_type| dataset_type.name().clone()).collect();
        if names.is_empty() {
            return output::told("No dataset type matches.");
        }
        let plan = butler.removal_plan(Removal::DatasetTypes(names.clone())).await?;
        if !context.is_quiet() {
            output::line(&format!("The following dataset types will be removed:{}", describe(&plan)))?;
        }
        if self.dry_run {
            return Ok(());
        }
        let refused = !self.purge && !plan.datasets.is_empty();
        let mut referenced = self.force;
        if !refused {
            let confirmed = self.confirmation.get(context)?;
            if !confirmed.is_yes {
                return output::told("Nothing was changed.");
            }
            referenced |= confirmed.by_somebody;
        }
        let observer = observer(context, "removing");
        butler.remove_dataset_types(names.clone(), self.purge, referenced, &observer).await?;
        for name in names {
            output::told(&format!("removed {name}"))?;
        }
        butler.close().await
    }
}

async fn open(context: &Context, repository: &str, dry_run: bool) -> Result<Butler> {
    if dry_run { context.read(repository).await } else { context.write(repository).await }
}

/// Collections of wanted types that match, and those of others.
async fn matching(
    butler: &Butler,
    names: &[String],
    wanted: impl Fn(CollectionType) -> bool,
) -> Result<(Vec<ArcStr>, Vec<ArcStr>)> {
    let (found, catalog) = butler.collections(&patterns(names)?, false).await?;
    Ok(found.into_iter().partition(|name| catalog.get(name).is_ok_and(|info| wanted(info.ty))))
}

fn tell_left(names: &[ArcStr]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    output::told(&format!(
        "The following collections are of another type, and will not be removed: {}",
        names.join(", ")
    ))
}
