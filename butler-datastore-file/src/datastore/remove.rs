//! Artifacts on their way out.

use std::sync::Arc;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::datastore::{
    Bookkeeper, JournalAction, JournalArtifact, JournalOperation, RemoveTransaction,
};
use butler_core::{DatasetId, DatasetRef, Error, ErrorKind, Result};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Inner;
use crate::journal::{Claims, EntryName, Lease, late, new_entry};
use crate::location::Location;
use crate::record::{FileRecord, fetch_by_path, paths};
use crate::work::{Shared, blocking, on_threads};

/// Paths that are asked for at once.
pub(super) const BATCH: usize = 1000;

/// Threads that delete, at least: they wait for the disk, which frees what each file had.
const DELETERS: usize = 8;

/// A transaction that removes.
struct FileRemove {
    inner: Arc<Inner>,
    removal: Option<Removal>,
}

/// What an entry announces.
struct Removal {
    entry: EntryName,
    lease: Lease,
    /// Paths under the root, in order.
    paths: Vec<ArcStr>,
    /// Datasets that they are of.
    ids: Vec<DatasetId>,
}

/// Writes the journal entry.
pub(super) async fn prepare(
    inner: Arc<Inner>,
    datasets: Vec<DatasetRef>,
) -> Result<Box<dyn RemoveTransaction>> {
    inner.refuse_read_only()?;
    let removal = blocking({
        let inner = Arc::clone(&inner);
        move || announce_removal(&inner, &datasets)
    })
    .await?;
    Ok(Box::new(FileRemove { inner, removal }))
}

fn announce_removal(inner: &Inner, datasets: &[DatasetRef]) -> Result<Option<Removal>> {
    let mut ids: FxHashMap<ArcStr, Vec<DatasetId>> = FxHashMap::default();
    for dataset in datasets {
        for record in FileRecord::of(dataset, &inner.name)? {
            // What lies elsewhere is not the datastore's.
            if let Location::Inside(path) = record.location {
                ids.entry(path).or_default().push(dataset.id());
            }
        }
    }
    if ids.is_empty() {
        return Ok(None);
    }
    let mut artifacts: Vec<JournalArtifact> = ids
        .into_iter()
        .map(|(path, mut ids)| {
            ids.dedup();
            JournalArtifact { path, ids, mode: None, source: None }
        })
        .collect();
    let ids = artifacts.iter().flat_map(|artifact| artifact.ids.iter().copied()).collect();
    artifacts.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let paths = artifacts.iter().map(|artifact| artifact.path.clone()).collect();
    let lease = Lease::begin(inner.lease);
    let (entry, bytes) = new_entry(&inner.name, JournalAction::Remove, JournalOperation::Remove, artifacts)?;
    inner.store.write_entry(&entry, &bytes)?;
    Ok(Some(Removal { entry, lease, paths, ids }))
}

/// What was done about paths that were to be deleted.
#[derive(Debug, Default)]
pub(super) struct Deleted {
    pub(super) paths: Vec<ArcStr>,
    /// Paths that others are about to write or take over.
    pub(super) claimed: Vec<ArcStr>,
}

/// Which of some paths records name.
pub(super) async fn named_paths(
    inner: &Inner,
    books: &dyn Bookkeeper,
    all: &[ArcStr],
) -> Result<FxHashSet<ArcStr>> {
    let mut named = FxHashSet::default();
    for some in all.chunks(BATCH) {
        let rows = books.fetch(fetch_by_path(&inner.table.spec.name, some)).await?;
        named.extend(paths(&rows)?.map(ArcStr::from));
    }
    Ok(named)
}

/// Deletes those of some paths that no record names any more, as long as the lease allows.
pub(super) async fn delete_unnamed(
    inner: &Arc<Inner>,
    books: &dyn Bookkeeper,
    all: Vec<ArcStr>,
    lease: Lease,
) -> Result<Deleted> {
    let claims = blocking({
        let inner = Arc::clone(inner);
        move || Claims::read(&*inner.store, inner.store.entries()?, JournalAction::Put)
    })
    .await?;
    // Not before: a writer whose entry was gone already has its records by now.
    let named = named_paths(inner, books, &all).await?;
    let theirs = Arc::clone(inner);
    let (claimed, paths): (Vec<ArcStr>, Vec<ArcStr>) =
        all.into_iter().filter(|path| !named.contains(path)).partition(|path| claims.may_name(path));
    let free = Arc::<[ArcStr]>::from(&*paths);
    let limit = inner.store.workers().max(DELETERS);
    let items = Shared::new(paths.len(), inner.store.block());
    on_threads(items, limit, move |items| delete_shared(&theirs, &free, items, lease)).await?;
    Ok(Deleted { paths, claimed })
}

/// Deletes blocks of paths until there are no more.
fn delete_shared(inner: &Inner, paths: &[ArcStr], items: &Shared, lease: Lease) -> Result<()> {
    let mut session = inner.store.session();
    while let Some(block) = items.take() {
        for path in &paths[block] {
            if !lease.allows_deletion() {
                return Err(late("a removal"));
            }
            session.delete(path, true)?;
        }
    }
    session.finish()
}

/// Deletes the entry of a removal, unless a recovery may be at it.
async fn close(inner: Arc<Inner>, entry: EntryName, lease: Lease) -> Result<()> {
    if !lease.allows_deletion() {
        return Err(late("a removal"));
    }
    blocking(move || inner.store.delete_entry(&entry)).await
}

#[async_trait]
impl RemoveTransaction for FileRemove {
    fn entries(&self) -> Vec<ArcStr> {
        self.removal.iter().map(|removal| removal.entry.name.clone()).collect()
    }

    async fn commit(self: Box<Self>, books: &dyn Bookkeeper) -> Result<()> {
        let Some(Removal { entry, lease, paths, ids }) = self.removal else { return Ok(()) };
        if self.inner.cache.is_some() {
            let inner = Arc::clone(&self.inner);
            blocking(move || {
                inner.cache.iter().for_each(|cache| cache.forget(&ids));
                Ok(())
            })
            .await?;
        }
        let deleted = delete_unnamed(&self.inner, books, paths, lease).await?;
        if let Some(path) = deleted.claimed.first() {
            return Err(Error::new(
                ErrorKind::Busy,
                format!(
                    "{} artifacts stay for now, such as '{path}': somebody is writing there",
                    deleted.claimed.len()
                ),
            )
            .with_hint("a recovery deletes what is not in use then"));
        }
        close(self.inner, entry, lease).await
    }

    async fn roll_back(self: Box<Self>) -> Result<()> {
        let Some(Removal { entry, lease, .. }) = self.removal else { return Ok(()) };
        close(self.inner, entry, lease).await
    }
}
