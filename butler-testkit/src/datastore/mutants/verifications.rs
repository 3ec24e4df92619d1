//! Flaws of verifications.

use std::fs;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::backend::ColumnBatch;
use butler_core::datastore::{Bookkeeper, Finding, FindingKind, JournalEntry, VerifyOptions};
use butler_core::registry::{OpaqueFetch, Outcome};
use butler_core::{DatasetRef, Result};

use super::TamperedDatastore;
use super::flaw::Flaw;

pub(super) async fn verify(
    this: &TamperedDatastore,
    books: &dyn Bookkeeper,
    datasets: &[DatasetRef],
    options: &VerifyOptions,
) -> Result<Vec<Finding>> {
    let mut options = options.clone();
    match this.flaw {
        Flaw::ChecksumsUnasked => options.checksum = true,
        Flaw::OrphansUnasked => options.orphans = true,
        _ => {}
    }
    let silent = Silent(books);
    let books: &dyn Bookkeeper = if this.flaw == Flaw::EntriesUntold { &silent } else { books };
    let mut found = this.inner.verify(books, datasets, &options).await?;
    let mut pass_over = |kind| found.retain(|finding| finding.kind != kind);
    match this.flaw {
        Flaw::LostPassedOver => pass_over(FindingKind::Missing),
        Flaw::SizesPassedOver => pass_over(FindingKind::Size),
        Flaw::BytesPassedOver => pass_over(FindingKind::Checksum),
        Flaw::OrphansPassedOver => pass_over(FindingKind::Orphan),
        Flaw::SoundFound => {
            found.extend(datasets.iter().map(|dataset| finding(this, "sound", Some(dataset))));
        }
        Flaw::FoundForEach => {
            let each = |finding: Finding| -> Vec<Finding> {
                let one = |dataset: &String| Finding { datasets: vec![dataset.clone()], ..finding.clone() };
                if finding.datasets.len() < 2 {
                    vec![finding]
                } else {
                    finding.datasets.iter().map(one).collect()
                }
            };
            found = found.into_iter().flat_map(each).collect();
        }
        Flaw::JournalPassedOver if options.orphans => {
            for path in this.disk.entries("") {
                let entry = fs::read(path).ok().and_then(|bytes| JournalEntry::from_bytes(&bytes).ok());
                found.extend(
                    entry.iter().flat_map(JournalEntry::paths).map(|path| finding(this, &path, None)),
                );
            }
        }
        Flaw::FoundIsDeleted => {
            found.iter().for_each(|finding| this.disk.delete(&finding.path));
        }
        _ => {}
    }
    Ok(found)
}

fn finding(this: &TamperedDatastore, path: &str, dataset: Option<&DatasetRef>) -> Finding {
    Finding {
        kind: FindingKind::Orphan,
        datastore: this.name.clone(),
        path: path.into(),
        datasets: dataset.iter().map(ToString::to_string).collect(),
        detail: "found by a mutant".into(),
    }
}

/// Books that are not asked.
struct Silent<'a>(&'a dyn Bookkeeper);

#[async_trait]
impl Bookkeeper for Silent<'_> {
    async fn claim(&self, entry: &str, outcome: Outcome) -> Result<Outcome> {
        self.0.claim(entry, outcome).await
    }

    async fn outcomes(&self, entries: Vec<ArcStr>) -> Result<Vec<Option<Outcome>>> {
        Ok(vec![None; entries.len()])
    }

    async fn forget(&self, entries: Vec<ArcStr>) -> Result<()> {
        self.0.forget(entries).await
    }

    async fn fetch(&self, fetch: OpaqueFetch) -> Result<ColumnBatch> {
        self.0.fetch(fetch).await
    }
}
