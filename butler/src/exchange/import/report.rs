//! What an import did.

use std::collections::BTreeMap;

use arcstr::ArcStr;
use butler_core::registry::OperationReport;

use super::plan::Subject;
use crate::exchange::file::Contents;

/// How many things are new, and how many were there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// New ones.
    pub inserted: u64,
    /// Those that were there.
    pub existing: u64,
}

impl Tally {
    fn add(&mut self, report: &OperationReport) {
        self.inserted += report.inserted;
        self.existing += report.existing;
    }
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Dimension records, by name of the element.
    pub records: BTreeMap<ArcStr, Tally>,
    /// Collections.
    pub collections: Tally,
    /// Dataset types.
    pub dataset_types: Tally,
    /// Datasets.
    pub datasets: Tally,
    /// Number of files of datasets that came in, or were there.
    pub files: u64,
    /// Members of tagged collections.
    pub tags: Tally,
    /// Members of calibration collections, once for each validity range.
    pub validity: Tally,
    /// What somebody should know.
    pub warnings: Vec<String>,
}

impl ImportReport {
    pub(super) fn of(contents: &Contents) -> Self {
        Self { warnings: contents.warnings(), ..Self::default() }
    }

    pub(super) fn add(&mut self, subject: &Subject, report: &OperationReport) {
        match subject {
            Subject::Records { element, repeated } => {
                let tally = self.records.entry(element.name().clone()).or_default();
                tally.add(report);
                tally.existing += repeated;
            }
            Subject::Collection => self.collections.add(report),
            Subject::Chain => {}
            Subject::DatasetType => self.dataset_types.add(report),
            Subject::Datasets => self.datasets.add(report),
            Subject::Tags => self.tags.add(report),
            Subject::Validity { existing } => {
                self.validity.add(report);
                self.validity.existing += existing;
            }
        }
    }
}
