//! Whether registry, records and artifacts agree.

use arcstr::ArcStr;
use futures::TryStreamExt;
use rustc_hash::FxHashSet;
use serde::Serialize;

use super::{Butler, WorkObserver};
use crate::Result;
use crate::collection::{CollectionType, NamePatterns};
use crate::dataset::DatasetRef;
use crate::datastore::{self, Finding};
use crate::registry::{RegistryCheck, Violation};

/// What a verification looks at, and what it may do.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Only datasets of types that match; of all types if nothing is given.
    pub types: NamePatterns,
    /// Only datasets of collections that match; of all runs if nothing is given.
    pub collections: NamePatterns,
    /// Only datasets for which this expression is true.
    pub condition: String,
    /// Whether checksums are computed and compared.
    pub checksum: bool,
    /// Whether artifacts that no record names are looked for, everywhere.
    pub orphans: bool,
    /// Whether rows that say nothing go, and those that follow from others come: what can be done without
    /// losing anything. Artifacts, and records of artifacts, are never touched.
    pub repair: bool,
    /// Who is told how many datasets were looked at.
    pub observer: WorkObserver,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Number of datasets whose artifacts were looked at.
    pub datasets: u64,
    /// Where records and artifacts disagree.
    pub findings: Vec<Finding>,
    /// Whether the rules of the registry were checked: only if all datasets were asked for.
    pub registry_checked: bool,
    /// Rows of the registry that break a rule.
    pub violations: Vec<Violation>,
    /// Names of open journal entries: of writers at work, or of dead ones, with which a recovery deals.
    pub pending: Vec<ArcStr>,
}

impl VerifyReport {
    /// Whether everything is as it should be, or was put right.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
            && self.violations.iter().all(|violation| violation.repaired >= violation.count)
    }
}

impl Butler {
    /// Compares registry, records and artifacts.
    ///
    /// Others may work meanwhile: what they change is not taken for damage. What a dead writer left
    /// is none either, as long as its journal entry is there: `recover` deals with it.
    ///
    /// # Errors
    /// `ReadOnly` if it is to repair and cannot; `MissingCollection`, `MissingDatasetType`,
    /// `InvalidQuery` for what cannot be asked; `Connection` and the like if it cannot tell.
    pub async fn verify(&self, options: &VerifyOptions) -> Result<VerifyReport> {
        if options.repair {
            self.session()?;
        }
        let mut report = VerifyReport::default();
        self.verify_artifacts(options, &mut report).await?;
        let books = self.books();
        let wanted = datastore::VerifyOptions { checksum: false, orphans: options.orphans };
        report.findings.extend(self.inner.datastore.verify(&books, &[], &wanted).await?);
        report.pending = books.entries();
        let everything =
            options.types.is_empty() && options.collections.is_empty() && options.condition.trim().is_empty();
        if everything {
            let check = RegistryCheck { tables: self.inner.datastore.tables(), repair: options.repair };
            report.violations = self.inner.registry.verify(check).await?;
            report.registry_checked = true;
        }
        Ok(report)
    }

    async fn verify_artifacts(&self, options: &VerifyOptions, report: &mut VerifyReport) -> Result<()> {
        let collections = match options.collections.is_empty() {
            false => options.collections.clone(),
            // Every dataset is in one run.
            true => {
                let catalog = self.inner.whole_catalog(false).await?;
                let runs = catalog.iter().filter(|info| info.ty == CollectionType::Run);
                runs.map(|info| info.name.clone()).collect()
            }
        };
        if collections.is_empty() {
            return Ok(());
        }
        let types = if options.types.is_empty() { NamePatterns::all() } else { options.types.clone() };
        let mut query = self.query_datasets(types).collections(collections);
        if !options.condition.trim().is_empty() {
            query = query.where_(options.condition.clone());
        }
        let mut batches = query.stream().await?;
        while let Some(datasets) = batches.try_next().await? {
            report.datasets += datasets.len() as u64;
            report.findings.extend(self.verify_some(datasets, options.checksum).await?);
            options.observer.tell(report.datasets, None)?;
        }
        Ok(())
    }

    /// Looks twice at what seems wrong: somebody may have removed it in between.
    async fn verify_some(&self, datasets: Vec<DatasetRef>, checksum: bool) -> Result<Vec<Finding>> {
        let (books, wanted) = (self.books(), datastore::VerifyOptions { checksum, orphans: false });
        let datasets = self.with_records(datasets).await?;
        let first = self.inner.datastore.verify(&books, &datasets, &wanted).await?;
        if first.is_empty() {
            return Ok(first);
        }
        let suspect: FxHashSet<&String> = first.iter().flat_map(|finding| &finding.datasets).collect();
        let again: Vec<DatasetRef> = datasets
            .iter()
            .filter(|dataset| suspect.contains(&dataset.to_string()))
            .map(|dataset| dataset.with_records(None))
            .collect();
        let again = self.with_records(again).await?;
        let second = self.inner.datastore.verify(&books, &again, &wanted).await?;
        let same = |one: &Finding, other: &Finding| {
            (one.kind, &one.datastore, &one.path) == (other.kind, &other.datastore, &other.path)
        };
        Ok(second.into_iter().filter(|finding| first.iter().any(|other| same(finding, other))).collect())
    }
}
