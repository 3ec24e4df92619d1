//! Flaws of recoveries.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::Result;
use butler_core::backend::ColumnBatch;
use butler_core::datastore::{Bookkeeper, JournalEntry, RecoverOptions, RecoveredEntry};
use butler_core::registry::{OpaqueFetch, Outcome};

use super::TamperedDatastore;
use super::flaw::Flaw;

pub(super) async fn recover(
    this: &TamperedDatastore,
    books: &dyn Bookkeeper,
    options: &RecoverOptions,
) -> Result<Vec<RecoveredEntry>> {
    let (disk, mut options) = (&this.disk, options.clone());
    let mut hidden: Vec<PathBuf> = Vec::new();
    match this.flaw {
        Flaw::RecoversNothing => return Ok(Vec::new()),
        Flaw::RecoversAll => options.lease = Duration::ZERO,
        Flaw::DryRunActs => options.dry_run = false,
        Flaw::RemovalsForgotten => hidden = disk.entries("remove"),
        Flaw::DamagedStay => {
            let damaged =
                |path: &PathBuf| fs::read(path).is_ok_and(|bytes| JournalEntry::from_bytes(&bytes).is_err());
            hidden = disk.entries("").into_iter().filter(damaged).collect();
        }
        Flaw::UndoTakesAll => {
            for path in disk.entries("put") {
                let entry = fs::read(path).ok().and_then(|bytes| JournalEntry::from_bytes(&bytes).ok());
                entry.iter().flat_map(JournalEntry::paths).for_each(|path| disk.delete(&path));
            }
        }
        _ => {}
    }
    let hidden = disk.hide(hidden);
    let lying = LyingBooks { books, flaw: this.flaw };
    let mut recovered = this.inner.recover(&lying, &options).await?;
    drop(hidden);
    match this.flaw {
        Flaw::UndoOnce => {
            for entry in &mut recovered {
                entry.kept = false;
                let name = entry.header.entry.clone();
                let own = |path: &PathBuf| path.to_string_lossy().contains(name.as_str());
                disk.entries("").into_iter().filter(own).for_each(|path| drop(fs::remove_file(path)));
            }
        }
        Flaw::EachReports if recovered.is_empty() => {
            let entries = disk
                .entries("")
                .into_iter()
                .filter_map(|path| JournalEntry::from_bytes(&fs::read(path).ok()?).ok());
            recovered.extend(entries.map(|entry| RecoveredEntry {
                header: entry.header,
                outcome: Outcome::Aborted,
                deleted: Vec::new(),
                kept: true,
            }));
        }
        _ => {}
    }
    Ok(recovered)
}

/// Books that do not tell the truth.
struct LyingBooks<'a> {
    books: &'a dyn Bookkeeper,
    flaw: Flaw,
}

#[async_trait]
impl Bookkeeper for LyingBooks<'_> {
    async fn claim(&self, entry: &str, outcome: Outcome) -> Result<Outcome> {
        match self.flaw {
            Flaw::NothingClaimed => Ok(outcome),
            _ => self.books.claim(entry, outcome).await,
        }
    }

    async fn outcomes(&self, entries: Vec<ArcStr>) -> Result<Vec<Option<Outcome>>> {
        match self.flaw {
            Flaw::CommittedUndone => Ok(entries.iter().map(|_| Some(Outcome::Aborted)).collect()),
            _ => self.books.outcomes(entries).await,
        }
    }

    async fn forget(&self, entries: Vec<ArcStr>) -> Result<()> {
        match self.flaw {
            Flaw::OutcomesKept => Ok(()),
            _ => self.books.forget(entries).await,
        }
    }

    async fn fetch(&self, fetch: OpaqueFetch) -> Result<ColumnBatch> {
        self.books.fetch(fetch).await
    }
}
