//! Artifacts on their way in.

use std::fs;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::datastore::{
    ArtifactBody, RecordsByDataset, TransferMode, WriteRequest, WriteTransaction, Written,
};
use butler_core::work::may_block;
use butler_core::{ArtifactRecord, DatasetId, Error, ErrorKind, Result, Retry, failpoint};
use futures::StreamExt;
use tokio::task::JoinHandle;

use super::Inner;
use super::plan::{Placement, Plan, What, plan};
use crate::error::{io_error, sink_error};
use crate::ingest::Source;
use crate::journal::{Lease, LiveLease, late};
use crate::record::FileRecord;
use crate::store::{Content, FileId, FileSource, Made, Placed, Session, Spot};
use crate::work::{Shared, blocking, joined, on_threads, start};

/// Nothing was done for an artifact.
const UNTOUCHED: u8 = 0;
/// Something temporary may be there.
const BEGUN: u8 = 1;
/// It is there, and something temporary too.
const PLACED: u8 = 2;
/// It is there, and nothing else.
const SETTLED: u8 = 3;
/// It may be there, or may still come.
const UNSURE: u8 = 4;

/// A write, shared by the threads that work on it.
#[derive(Debug)]
struct Work {
    inner: Arc<Inner>,
    placements: Vec<Placement>,
    /// Numbers of the placements, in the order of their paths.
    order: Vec<usize>,
    lease: LiveLease,
    states: Vec<AtomicU8>,
    placed: Vec<OnceLock<Placed>>,
    directories: Mutex<Vec<String>>,
    stop: AtomicBool,
}

/// A transaction that writes.
#[derive(Debug)]
struct FileWrite {
    work: Arc<Work>,
    /// Threads that were not waited for to their end.
    running: Vec<JoinHandle<Result<(), (usize, Error)>>>,
}

/// Checks and plans requests, and writes the journal entry.
pub(super) async fn prepare(
    inner: Arc<Inner>,
    requests: Vec<WriteRequest>,
) -> Result<Box<dyn WriteTransaction>> {
    let work = blocking(move || Work::announce(inner, requests)).await?;
    Ok(Box::new(FileWrite { work: Arc::new(work), running: Vec::new() }))
}

/// Does the same and moves the bytes: those of few artifacts on the thread that wrote the entry.
pub(super) async fn write(inner: Arc<Inner>, requests: Vec<WriteRequest>) -> Result<Written> {
    let (work, placed) = blocking(move || {
        let work = Work::announce(inner, requests)?;
        failpoint::reach("write announced");
        let count = work.placements.len();
        let few = count <= work.inner.store.block();
        let placed = few.then(|| work.place_shared(&Shared::new(count, count.max(1))));
        Ok((Arc::new(work), placed))
    })
    .await?;
    let mut transaction = FileWrite { work: Arc::clone(&work), running: Vec::new() };
    let result = match placed {
        Some(placed) => placed.map_err(|(_, error)| error).and_then(|()| work.records()),
        None => transaction.execute().await,
    };
    Written::of(Box::new(transaction), result).await
}

impl Work {
    /// Checks and plans requests, and writes the journal entry.
    fn announce(inner: Arc<Inner>, requests: Vec<WriteRequest>) -> Result<Self> {
        let lease = Lease::begin(inner.lease);
        let Plan { placements, entry } = plan(&inner, requests)?;
        let mut order: Vec<usize> = (0..placements.len()).collect();
        order.sort_unstable_by(|a, b| placements[*a].location.as_str().cmp(placements[*b].location.as_str()));
        Ok(Self {
            states: placements.iter().map(|_| AtomicU8::new(UNTOUCHED)).collect(),
            placed: placements.iter().map(|_| OnceLock::new()).collect(),
            directories: Mutex::default(),
            stop: AtomicBool::new(false),
            inner,
            placements,
            order,
            lease: LiveLease::new(entry, lease),
        })
    }

    fn spot(&self, index: usize) -> Spot<'_> {
        let entry = self.lease.entry().map_or("", |entry| &entry.name);
        Spot { entry, index, path: self.placements[index].location.as_str() }
    }

    fn state(&self, index: usize) -> u8 {
        self.states[index].load(Ordering::Acquire)
    }

    /// Places artifacts until there are no more; with the number of the one that failed.
    fn place_shared(&self, shared: &Shared) -> Result<(), (usize, Error)> {
        let mut session = self.inner.store.session();
        let mut result = Ok(());
        'all: while let Some(block) = shared.take() {
            for &index in &self.order[block] {
                if self.stop.load(Ordering::Relaxed) {
                    break 'all;
                }
                // A formatter is anybody's code: what it leaves behind when it panics is cleared away too.
                let placed = catch_unwind(AssertUnwindSafe(|| self.place(&mut *session, index)));
                if let Err(mut error) = placed.unwrap_or_else(|_| Err(panicked())) {
                    if error.retry() == Retry::OutcomeUnknown {
                        self.states[index].store(UNSURE, Ordering::Release);
                        // Of the artifact; what is sure is that nothing is stored.
                        error = error.with_retry(Retry::Exhausted);
                    }
                    self.stop.store(true, Ordering::Relaxed);
                    result = Err((index, error));
                    break 'all;
                }
            }
        }
        let finished = session.finish().map_err(|error| (usize::MAX, error));
        self.directories.lock().unwrap_or_else(PoisonError::into_inner).extend(session.take_directories());
        result.and(finished)
    }

    fn place(&self, session: &mut dyn Session, index: usize) -> Result<()> {
        let placement = &self.placements[index];
        let checksum = placement.track && self.inner.checksum;
        if !placement.what.is_made() {
            let placed = observe(placement, checksum)?;
            let _ = self.placed[index].set(placed);
            return Ok(());
        }
        self.lease.keep(&*self.inner.store)?;
        self.states[index].store(BEGUN, Ordering::Release);
        let spot = self.spot(index);
        let placed = match &placement.what {
            What::Object { object, class, formatter } => {
                let mut fill = |sink: &mut dyn Write| formatter.write(object, class, sink);
                session.place(spot, Content::Written(&mut fill), checksum)?
            }
            What::Body { body, size, checksum: expected } => {
                let taken = body.lock().unwrap_or_else(PoisonError::into_inner).take();
                let body =
                    taken.ok_or_else(|| Error::new(ErrorKind::Unexpected, "an artifact was moved twice"))?;
                let checksum = checksum || expected.is_some();
                let mut placed = place_body(session, spot, body, checksum)?;
                // What does not arrive as it should has been placed, and is taken back.
                self.states[index].store(PLACED, Ordering::Release);
                compare(spot.path, &placed, *size, expected.as_ref())?;
                placed.checksum = placed.checksum.filter(|_| self.inner.checksum || expected.is_some());
                placed
            }
            What::File { source, mode } => place_file(session, spot, source, *mode, checksum)?,
        };
        self.states[index].store(if placed.unsettled { PLACED } else { SETTLED }, Ordering::Release);
        let _ = self.placed[index].set(placed);
        Ok(())
    }

    fn records(&self) -> Result<RecordsByDataset> {
        let table = &self.inner.table.spec.name;
        let mut records = Vec::with_capacity(self.placements.len());
        for (placement, placed) in self.placements.iter().zip(&self.placed) {
            let placed = placed
                .get()
                .ok_or_else(|| Error::new(ErrorKind::Unexpected, "an artifact was passed over"))?;
            if !placement.members.is_empty() {
                records.extend(self.member_records(placement));
                continue;
            }
            for (id, storage_class) in &placement.datasets {
                let record = FileRecord {
                    component: placement.component.clone(),
                    location: placement.location.clone(),
                    member: None,
                    formatter: placement.formatter.clone(),
                    storage_class: storage_class.clone(),
                    checksum: placed.checksum.clone(),
                    size: placement.track.then_some(placed.size),
                };
                records.push((*id, record.to_record(&self.inner.name, table)));
            }
        }
        Ok(RecordsByDataset(records))
    }

    /// Records of what is in an archive.
    fn member_records<'a>(
        &'a self,
        archive: &'a Placement,
    ) -> impl Iterator<Item = (DatasetId, ArtifactRecord)> + 'a {
        archive.members.iter().flat_map(|member| {
            let record = FileRecord {
                component: member.component.clone().unwrap_or_default(),
                location: archive.location.clone(),
                member: Some(member.path.clone()),
                formatter: member.formatter.clone(),
                storage_class: member.storage_class.clone(),
                checksum: member.checksum.clone(),
                size: member.size,
            };
            let record = record.to_record(&self.inner.name, &self.inner.table.spec.name);
            member.datasets.iter().map(move |id| (*id, record.clone()))
        })
    }

    /// Removes what helped to place artifacts, until there is no more.
    fn settle_shared(&self, items: &Shared) -> Result<()> {
        let mut session = self.inner.store.session();
        while let Some(block) = items.take() {
            for &index in &self.order[block] {
                if self.state(index) == PLACED {
                    session.settle(self.spot(index), false)?;
                }
            }
        }
        session.finish()
    }

    /// After all is settled: removes sources that were moved, and then the entry.
    fn finish(&self) -> Result<()> {
        for placement in &self.placements {
            if let What::File { source, mode: TransferMode::Move } = &placement.what {
                failpoint::reach("source goes");
                delete_source(source)?;
            }
        }
        self.delete_entry()
    }

    /// Removes what was placed, and the directories that were made for it; then the entry.
    fn roll_back(&self) -> Result<()> {
        let mut session = self.inner.store.session();
        let mut unsure = None;
        for &index in &self.order {
            let state = self.state(index);
            if state != UNTOUCHED && !self.lease.allows_deletion() {
                session.finish()?;
                return Err(late("what was to be taken back"));
            }
            if state == UNSURE {
                unsure = Some(index);
                if session.made(self.spot(index), None)? == Made::Yes {
                    session.delete(self.spot(index).path, false)?;
                }
            }
            if matches!(state, PLACED | SETTLED) {
                session.delete(self.spot(index).path, false)?;
            }
            if matches!(state, BEGUN | PLACED) {
                session.settle(self.spot(index), false)?;
            }
        }
        let directories =
            std::mem::take(&mut *self.directories.lock().unwrap_or_else(PoisonError::into_inner));
        session.remove_directories(directories)?;
        session.finish()?;
        match unsure {
            None => self.delete_entry(),
            Some(index) => Err(Error::new(
                ErrorKind::Connection,
                format!(
                    "'{}' may still be written by a request that was not answered",
                    self.spot(index).path
                ),
            )
            .with_hint("a recovery deletes it")),
        }
    }

    fn delete_entry(&self) -> Result<()> {
        match self.lease.entry() {
            Some(entry) => self.inner.store.delete_entry(entry),
            None => Ok(()),
        }
    }
}

fn panicked() -> Error {
    Error::new(ErrorKind::Unexpected, "an artifact could not be written: its formatter panicked")
}

/// Looks at a file that stays where it is.
fn observe(placement: &Placement, wants_checksum: bool) -> Result<Placed> {
    let What::File { source, .. } = &placement.what else {
        return Err(Error::new(ErrorKind::Unexpected, "only files stay where they are"));
    };
    if !wants_checksum {
        return Ok(Placed { size: source.size, ..Placed::default() });
    }
    let (checksum, size) = FileSource::open(&source.file)?.checksum()?;
    Ok(Placed { size, checksum: Some(checksum), unsettled: false })
}

fn place_file(
    session: &mut dyn Session,
    spot: Spot<'_>,
    source: &Source,
    mode: TransferMode,
    checksum: bool,
) -> Result<Placed> {
    let file = &*source.file;
    let linked = |session: &mut dyn Session| session.place(spot, Content::Linked(file, source.id), checksum);
    // Where a link cannot be made, the next best is done.
    let or = |result: Result<Placed>, other: &mut dyn FnMut() -> Result<Placed>| match result {
        Err(error) if error.kind() == ErrorKind::Unsupported => other(),
        result => result,
    };
    match mode {
        TransferMode::Hardlink => linked(session),
        TransferMode::Symlink => session.place(spot, Content::Pointed(file), checksum),
        TransferMode::Relsymlink => session.place(spot, Content::PointedRelatively(file), checksum),
        TransferMode::Link | TransferMode::Auto => {
            let result = linked(session);
            or(result, &mut || session.place(spot, Content::Pointed(file), checksum))
        }
        // The target of a symbolic link stays where it is, and is not to be shared with it.
        TransferMode::Move if !source.is_link() => {
            let result = linked(session);
            or(result, &mut || session.place(spot, Content::Copied(file), checksum))
        }
        TransferMode::Move | TransferMode::Copy => session.place(spot, Content::Copied(file), checksum),
        TransferMode::InPlace | TransferMode::Direct | TransferMode::Split => {
            Err(Error::new(ErrorKind::Unexpected, format!("nothing is placed by transfer mode '{mode}'")))
        }
    }
}

fn place_body(
    session: &mut dyn Session,
    spot: Spot<'_>,
    body: ArtifactBody,
    checksum: bool,
) -> Result<Placed> {
    match body {
        ArtifactBody::Bytes(bytes) => {
            let mut fill = |sink: &mut dyn Write| sink.write_all(&bytes).map_err(sink_error);
            session.place(spot, Content::Written(&mut fill), checksum)
        }
        ArtifactBody::File(path) => session.place(spot, Content::Copied(&path), checksum),
        ArtifactBody::Stream(mut stream) => {
            // This thread may wait, and the runtime goes on meanwhile.
            let runtime = tokio::runtime::Handle::current();
            let mut fill = |sink: &mut dyn Write| {
                while let Some(part) = runtime.block_on(stream.next()) {
                    sink.write_all(&part?).map_err(sink_error)?;
                }
                Ok(())
            };
            session.place(spot, Content::Written(&mut fill), checksum)
        }
    }
}

/// Compares what arrived with what should have.
fn compare(path: &str, placed: &Placed, size: Option<u64>, checksum: Option<&ArcStr>) -> Result<()> {
    let differs = |what: &str, expected: String, found: String| {
        Err(Error::new(
            ErrorKind::Integrity,
            format!("the artifact for '{path}' should have {what} {expected}, but has {found}"),
        ))
    };
    if let Some(size) = size
        && size != placed.size
    {
        return differs("size", size.to_string(), placed.size.to_string());
    }
    match (checksum, &placed.checksum) {
        (Some(expected), Some(found)) if expected != found => {
            differs("checksum", expected.to_string(), found.to_string())
        }
        _ => Ok(()),
    }
}

/// Deletes a file that was moved, unless another one has taken its place.
fn delete_source(source: &Source) -> Result<()> {
    let failed = |error: io::Error| {
        io_error(error, &format!("cannot delete '{}', which was moved", source.given.display()))
    };
    match fs::symlink_metadata(&source.given) {
        Ok(metadata) if FileId::of(&metadata).is(&source.given_id) => match fs::remove_file(&source.given) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        },
        Ok(_) => {
            tracing::warn!(path = %source.given.display(), "a file that was moved has been replaced, and stays");
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

impl FileWrite {
    /// Waits for all threads; of several failures the first in the order of the requests is told.
    async fn join(&mut self) -> Result<()> {
        let mut first: Result<(), (usize, Error)> = Ok(());
        while let Some(thread) = self.running.last_mut() {
            // It stays in the list while it is waited for: whoever gives up waiting may wait again.
            let result = joined(thread.await).unwrap_or_else(|error| Err((usize::MAX, error)));
            self.running.pop();
            first = match (first, result) {
                (Err(first), Err(other)) => Err(if other.0 < first.0 { other } else { first }),
                (first, result) => first.and(result),
            };
        }
        first.map_err(|(_, error)| error)
    }
}

#[async_trait]
impl WriteTransaction for FileWrite {
    fn entries(&self) -> Vec<ArcStr> {
        self.work.lease.entry().iter().map(|entry| entry.name.clone()).collect()
    }

    async fn execute(&mut self) -> Result<RecordsByDataset> {
        let shared = Arc::new(Shared::new(self.work.placements.len(), self.work.inner.store.block()));
        if may_block() {
            // To wait here for other threads could be to wait for ever: all may be lent, and wait as well.
            let work = Arc::clone(&self.work);
            return blocking(move || {
                work.place_shared(&shared).map_err(|(_, error)| error)?;
                work.records()
            })
            .await;
        }
        for _ in 0..shared.threads(self.work.inner.store.workers()) {
            let (work, shared) = (Arc::clone(&self.work), Arc::clone(&shared));
            self.running.push(start(move || work.place_shared(&shared))?);
        }
        self.join().await?;
        self.work.records()
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let work = Arc::clone(&self.work);
        let (count, block) = (work.order.len(), work.inner.store.block());
        let items = Shared::new(count, block);
        if count > block {
            let (theirs, limit) = (Arc::clone(&work), work.inner.store.workers());
            on_threads(items, limit, move |items| theirs.settle_shared(items)).await?;
            return blocking(move || work.finish()).await;
        }
        blocking(move || work.settle_shared(&items).and_then(|()| work.finish())).await
    }

    async fn roll_back(mut self: Box<Self>) -> Result<()> {
        self.work.stop.store(true, Ordering::Relaxed);
        // What went wrong was told, or nobody asked.
        let _ = self.join().await;
        let work = Arc::clone(&self.work);
        blocking(move || work.roll_back()).await
    }
}
