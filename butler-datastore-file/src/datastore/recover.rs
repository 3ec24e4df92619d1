//! Finishing and undoing what dead writers and removers left.
//!
//! An entry that is older than the lease is held by a lock, so that several recoveries never
//! deal with one at once, and made young again. Its outcome decides. An entry that a recovery
//! claims as `aborted` it keeps for one more lease: a writer that was only slow may
//! place artifacts until it learns of it, and the next recovery takes those away, too.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::datastore::{
    Bookkeeper, JournalAction, JournalArtifact, JournalEntry, JournalHeader, JournalOperation,
    RecoverOptions, RecoveredEntry, TransferMode, alternative_path,
};
use butler_core::registry::Outcome;
use butler_core::{Error, ErrorKind, Instant, ReadSource, Result, failpoint};
use rustc_hash::FxHashSet;

use super::Inner;
use super::read::checksum;
use super::remove::{BATCH, Deleted, delete_unnamed, named_paths};
use crate::error::io_error;
use crate::journal::{EntryName, Lease, late};
use crate::record::{fetch_by_path, split_member};
use crate::store::{FileId, FileSource, Hold, Made, Spot};
use crate::work::blocking;

/// Deals with all entries that are old enough.
pub(super) async fn recover(
    inner: &Arc<Inner>,
    books: &dyn Bookkeeper,
    options: &RecoverOptions,
) -> Result<Vec<RecoveredEntry>> {
    if !options.dry_run {
        inner.refuse_read_only()?;
    }
    let (lease, dry_run) = (options.lease.as_secs_f64(), options.dry_run);
    let names = blocking({
        let inner = Arc::clone(inner);
        move || {
            if !dry_run {
                inner.store.sweep_journal(lease)?;
            }
            let mut names = inner.store.entries()?;
            names.sort_unstable();
            Ok(names)
        }
    })
    .await?;
    // All at once, and also of those that are too young: whoever keeps outcomes learns which are needed.
    books.outcomes(names.iter().map(|entry| entry.name.clone()).collect()).await?;
    let mut recovered = Vec::new();
    let mut first_error = None;
    for name in names {
        let recovery = Recovery { inner, books, options, name };
        match recovery.run().await {
            Ok(Some(entry)) => recovered.push(entry),
            Ok(None) => {}
            // The others can be dealt with nevertheless.
            Err(error) => {
                tracing::warn!(entry = %recovery.name.name, %error, "a journal entry cannot be recovered");
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        Some(error) if recovered.is_empty() => Err(error),
        _ => Ok(recovered),
    }
}

/// Recovery of one entry.
struct Recovery<'a> {
    inner: &'a Arc<Inner>,
    books: &'a dyn Bookkeeper,
    options: &'a RecoverOptions,
    name: EntryName,
}

impl Recovery<'_> {
    async fn run(&self) -> Result<Option<RecoveredEntry>> {
        let (inner, name, lease) =
            (Arc::clone(self.inner), self.name.clone(), self.options.lease.as_secs_f64());
        let held = blocking(move || hold(&inner, &name, lease)).await?;
        let Some((hold, entry)) = held else { return Ok(None) };
        let lease = Lease::begin(self.options.lease.max(self.inner.lease));
        if !self.options.dry_run {
            // Others see that somebody is at it, also where a hold does not keep them away.
            self.renew().await?;
            failpoint::reach("recovery renewed");
        }
        let known = self.books.outcomes(vec![self.name.name.clone()]).await?.pop().flatten();
        let outcome = match known {
            Some(outcome) => outcome,
            None if self.options.dry_run => Outcome::Aborted,
            None => {
                let outcome = self.books.claim(&self.name.name, Outcome::Aborted).await?;
                failpoint::reach("recovery claimed");
                outcome
            }
        };
        let header = entry.header.clone();
        let result = self.deal(entry, outcome, known.is_some(), lease).await;
        // Let go in any case, before somebody looks at the journal.
        let released = blocking(move || hold.release()).await;
        let (deleted, kept) = result?;
        released?;
        Ok(Some(RecoveredEntry { header, outcome, deleted, kept }))
    }

    /// Finishes or undoes what an entry announces, and deletes the entry unless it is kept.
    async fn deal(
        &self,
        entry: JournalEntry,
        outcome: Outcome,
        last_look: bool,
        lease: Lease,
    ) -> Result<(Vec<ArcStr>, bool)> {
        let result = match (self.name.action, outcome) {
            (JournalAction::Put, Outcome::Committed) => {
                self.finish_write(entry).await.map(|()| (Vec::new(), false))
            }
            (JournalAction::Put, Outcome::Aborted) => {
                self.undo_write(entry, lease).await.map(|deleted| (deleted, !last_look))
            }
            (JournalAction::Remove, Outcome::Committed) => self.finish_removal(entry, lease).await,
            (JournalAction::Remove, Outcome::Aborted) => Ok((Vec::new(), !last_look)),
        };
        let (deleted, kept) = result?;
        failpoint::reach("recovery worked");
        if !kept && !self.options.dry_run {
            if !lease.allows_deletion() {
                return Err(late("a recovery"));
            }
            let (inner, name) = (Arc::clone(self.inner), self.name.clone());
            blocking(move || inner.store.delete_entry(&name)).await?;
            self.books.forget(vec![self.name.name.clone()]).await?;
        }
        Ok((deleted, kept))
    }

    async fn renew(&self) -> Result<()> {
        let (inner, name) = (Arc::clone(self.inner), self.name.clone());
        blocking(move || inner.store.renew_entry(&name)).await
    }

    /// Removes what helped to place artifacts, and sources that were moved.
    async fn finish_write(&self, entry: JournalEntry) -> Result<()> {
        if self.options.dry_run {
            return Ok(());
        }
        let (inner, name) = (Arc::clone(self.inner), self.name.clone());
        blocking(move || {
            settle_all(&inner, &name, &entry)?;
            entry.artifacts.iter().try_for_each(|artifact| delete_moved(&inner, artifact))
        })
        .await
    }

    /// Takes away what the entry's writer placed, unless a record names it.
    async fn undo_write(&self, entry: JournalEntry, lease: Lease) -> Result<Vec<ArcStr>> {
        let named = named_by_own(self.inner, self.books, &entry).await?;
        let (inner, name, dry_run) = (Arc::clone(self.inner), self.name.clone(), self.options.dry_run);
        blocking(move || {
            let lease = (!dry_run).then_some(lease);
            let deleted = undo(&inner, &name, &entry, &named, lease)?;
            if !dry_run {
                settle_all(&inner, &name, &entry)?;
            }
            Ok(deleted)
        })
        .await
    }

    /// Deletes what no record names any more.
    async fn finish_removal(&self, entry: JournalEntry, lease: Lease) -> Result<(Vec<ArcStr>, bool)> {
        let paths = entry.paths().collect::<Vec<_>>();
        if self.options.dry_run {
            let named = named_paths(self.inner, self.books, &paths).await?;
            return Ok((paths.into_iter().filter(|path| !named.contains(path)).collect(), false));
        }
        let Deleted { paths, claimed } = delete_unnamed(self.inner, self.books, paths, lease).await?;
        Ok((paths, !claimed.is_empty()))
    }
}

/// Holds and reads an entry that is older than the lease; none if it is younger, gone, or held by another recovery.
fn hold(inner: &Inner, name: &EntryName, lease: f64) -> Result<Option<(Box<dyn Hold>, JournalEntry)>> {
    // Without a lease, whatever the clocks say: they are compared, and some have whole seconds only.
    let is_old =
        || Ok::<bool, Error>(inner.store.entry_age(name)?.is_some_and(|age| age >= lease || lease <= 0.0));
    if !is_old()? {
        return Ok(None);
    }
    let Some(hold) = inner.store.hold_entry(name)? else { return Ok(None) };
    // Another recovery may have dealt with it meanwhile.
    let read = if is_old()? { inner.store.read_entry(name)? } else { None };
    let Some(bytes) = read else {
        hold.release()?;
        return Ok(None);
    };
    let entry = match name.read(&bytes) {
        // What was written by a newer version is left to it.
        Err(error) if error.kind() == ErrorKind::SchemaVersion => return Err(error),
        Err(error) => {
            tracing::warn!(entry = %name.name, %error, "a journal entry says nothing; a verification finds what it may have left");
            unreadable(inner, name)?
        }
        Ok(entry) => entry,
    };
    Ok(Some((hold, entry)))
}

/// What stands for an entry that a power cut has destroyed.
fn unreadable(inner: &Inner, name: &EntryName) -> Result<JournalEntry> {
    let operation = match name.action {
        JournalAction::Put => JournalOperation::Put,
        JournalAction::Remove => JournalOperation::Remove,
    };
    let header = JournalHeader {
        version: 1,
        entry: name.name.clone(),
        action: name.action,
        operation,
        datastore: inner.name.clone(),
        at: Instant::now()?,
        host: "unknown".into(),
        process: 0,
        artifacts: 0,
    };
    Ok(JournalEntry { header, artifacts: Vec::new() })
}

/// Paths at which the writer of an entry may have placed an artifact.
fn candidates(artifact: &JournalArtifact) -> Vec<ArcStr> {
    if artifact.mode == Some(TransferMode::InPlace) {
        return Vec::new();
    }
    let alternative = artifact.ids.first().map(|id| alternative_path(&artifact.path, *id));
    std::iter::once(artifact.path.clone()).chain(alternative).collect()
}

/// Paths at which records of the datasets of an entry are: what its writer stored after all.
///
/// Records of other datasets tell nothing of what this writer placed: what they name may have been lost before.
async fn named_by_own(
    inner: &Inner,
    books: &dyn Bookkeeper,
    entry: &JournalEntry,
) -> Result<FxHashSet<ArcStr>> {
    let own: FxHashSet<(i64, i64)> =
        entry.artifacts.iter().flat_map(|artifact| &artifact.ids).map(|id| (id.origin(), id.id())).collect();
    let paths: Vec<ArcStr> = entry.artifacts.iter().flat_map(candidates).collect();
    let mut named = FxHashSet::default();
    for some in paths.chunks(BATCH) {
        let rows = books.fetch(fetch_by_path(&inner.table.spec.name, some)).await?;
        let (paths, origins, ids) = (rows.column("path")?, rows.column("origin")?, rows.column("id")?);
        named.extend((0..rows.len()).filter_map(|row| {
            let id = (origins.int(row)?, ids.int(row)?);
            // What an archive holds is named with the archive.
            let (file, _) = split_member(paths.text(row)?);
            own.contains(&id).then(|| file.into())
        }));
    }
    Ok(named)
}

/// Without a lease it only tells what it would delete.
fn undo(
    inner: &Inner,
    name: &EntryName,
    entry: &JournalEntry,
    named: &FxHashSet<ArcStr>,
    lease: Option<Lease>,
) -> Result<Vec<ArcStr>> {
    let mut session = inner.store.session();
    let mut deleted = Vec::new();
    for (index, artifact) in entry.artifacts.iter().enumerate() {
        for path in candidates(artifact).into_iter().filter(|path| !named.contains(path)) {
            let spot = Spot { entry: &name.name, index, path: &path };
            if session.made(spot, artifact.source.as_deref().map(Path::new))? == Made::No {
                continue;
            }
            if let Some(lease) = lease {
                if !lease.allows_deletion() {
                    return Err(late("a recovery"));
                }
                session.delete(&path, true)?;
            }
            deleted.push(path);
        }
    }
    session.finish()?;
    Ok(deleted)
}

fn settle_all(inner: &Inner, name: &EntryName, entry: &JournalEntry) -> Result<()> {
    let mut session = inner.store.session();
    for (index, artifact) in entry.artifacts.iter().enumerate() {
        // The alternative is in the same directory, and so is what is temporary.
        if artifact.mode != Some(TransferMode::InPlace) {
            session.settle(Spot { entry: &name.name, index, path: &artifact.path }, true)?;
        }
    }
    session.finish()
}

/// Deletes a source that was moved, if the artifact is the same file or has the same bytes.
fn delete_moved(inner: &Inner, artifact: &JournalArtifact) -> Result<()> {
    let (Some(TransferMode::Move), Some(source)) = (artifact.mode, &artifact.source) else { return Ok(()) };
    let source = Path::new(source.as_str());
    let Ok(metadata) = fs::symlink_metadata(source) else { return Ok(()) };
    for path in candidates(artifact) {
        let Some(file) = inner.store.local_file(&path) else {
            if inner.store.exists(&path)? && same_bytes(&mut *inner.store.open(&path)?, source)? {
                return delete_source(source);
            }
            continue;
        };
        let Ok(there) = fs::symlink_metadata(&file) else { continue };
        if FileId::of(&there).is(&FileId::of(&metadata)) && there.is_file() && FileId::of(&there).links < 2 {
            // Two names of one directory entry: it was never moved.
            continue;
        }
        if FileId::of(&there).is(&FileId::of(&metadata)) || same_bytes(&mut FileSource::open(&file)?, source)?
        {
            return delete_source(source);
        }
    }
    tracing::warn!(path = %source.display(), "a file that was moved has been replaced, and stays");
    Ok(())
}

fn delete_source(source: &Path) -> Result<()> {
    fs::remove_file(source)
        .map_err(|error| io_error(error, &format!("cannot delete '{}', which was moved", source.display())))
}

fn same_bytes(artifact: &mut dyn ReadSource, file: &Path) -> Result<bool> {
    let (expected, size) = FileSource::open(file)?.checksum()?;
    Ok(artifact.size() == size && checksum(artifact)? == expected)
}
