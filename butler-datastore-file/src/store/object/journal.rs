//! Entries of the journal as objects.

use std::time::{Duration, Instant};

use butler_core::datastore::JournalEntry;
use butler_core::{Instant as Time, Result, failpoint};
use bytes::Bytes;
use opendal::options::WriteOptions;
use opendal::{ErrorKind, Metadata, Operator};

use super::ObjectStore;
use super::error::object_error;
use crate::journal::{EntryName, PATH};
use crate::store::Hold;
use crate::work::wait;

/// Directory of objects that keep other recoveries away.
const HOLDS: &str = ".butler/holds";

/// Directory of objects that are made to see what time the store has.
const CLOCK: &str = ".butler/clock";

/// How long a recovery may deal with one entry.
const HOLD: f64 = 3600.0;

/// How long the difference of two clocks is good for.
const CLOCK_CHECK: Duration = Duration::from_secs(60);

/// What time the store had, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    seen: Instant,
    seconds: f64,
}

fn path(name: &EntryName) -> String {
    format!("{PATH}/{}", name.file())
}

fn failed(what: &str, name: &EntryName, error: opendal::Error) -> butler_core::Error {
    object_error(error, &format!("cannot {what} journal entry '{}'", name.name))
}

/// What is missing is none.
fn there<T>(result: opendal::Result<T>) -> opendal::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn entries(store: &ObjectStore) -> Result<Vec<EntryName>> {
    // Whoever cannot list cannot write either, and has no journal.
    if !store.capability.list {
        return Ok(Vec::new());
    }
    let items = there(wait(store.again.list(&format!("{PATH}/")))?)
        .map_err(|error| object_error(error, "cannot list the journal"))?;
    Ok(items.unwrap_or_default().iter().filter_map(|item| EntryName::of_file(item.name())).collect())
}

pub(super) fn read(store: &ObjectStore, name: &EntryName) -> Result<Option<Vec<u8>>> {
    let bytes = there(wait(store.again.read(&path(name)))?).map_err(|error| failed("read", name, error))?;
    Ok(bytes.map(|bytes| bytes.to_vec()))
}

/// Names are random: this replaces nothing, and may be repeated.
pub(super) fn write(store: &ObjectStore, name: &EntryName, bytes: Vec<u8>) -> Result<()> {
    let written = wait(store.again.write(&path(name), bytes))?;
    written.map_err(|error| failed("write", name, error))?;
    failpoint::reach("entry published");
    Ok(())
}

pub(super) fn delete(store: &ObjectStore, name: &EntryName) -> Result<()> {
    failpoint::reach("entry goes");
    wait(store.again.delete(&path(name)))?.map_err(|error| failed("delete", name, error))?;
    failpoint::reach("entry gone");
    Ok(())
}

/// An object that keeps other recoveries away until it is deleted, or very old.
struct ObjectHold {
    operator: Operator,
    path: Option<String>,
}

impl Hold for ObjectHold {
    fn release(mut self: Box<Self>) -> Result<()> {
        let Some(path) = self.path.take() else { return Ok(()) };
        wait(self.operator.delete(&path))?
            .map_err(|error| object_error(error, &format!("cannot delete '{path}'")))
    }
}

impl Drop for ObjectHold {
    fn drop(&mut self) {
        // Something went wrong, or nobody waited for it.
        if let (Some(path), Ok(runtime)) = (self.path.take(), tokio::runtime::Handle::try_current()) {
            let operator = self.operator.clone();
            runtime.spawn(async move { operator.delete(&path).await });
        }
    }
}

pub(super) fn hold(store: &ObjectStore, name: &EntryName) -> Result<Option<Box<dyn Hold>>> {
    let path = format!("{HOLDS}/{}", name.file());
    let options = WriteOptions { if_not_exists: store.conditional(), ..WriteOptions::default() };
    match wait(store.once.write_options(&path, Bytes::new(), options))? {
        Ok(_) => Ok(Some(Box::new(ObjectHold { operator: store.again.clone(), path: Some(path) }))),
        Err(error) if matches!(error.kind(), ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists) => {
            if seconds_since(store, &path)?.is_some_and(|age| age > HOLD) {
                // Its recovery has died; the next one deals with the entry.
                wait(store.again.delete(&path))?.map_err(|error| failed("release", name, error))?;
            }
            Ok(None)
        }
        Err(error) => Err(failed("hold", name, error)),
    }
}

/// Writes it again; where the store tells no times, with another one in its header.
pub(super) fn renew(store: &ObjectStore, name: &EntryName) -> Result<()> {
    let Some(bytes) = read(store, name)? else { return Ok(()) };
    match JournalEntry::from_bytes(&bytes) {
        Ok(mut entry) if entry.is_complete() => {
            entry.header.at = Time::now()?;
            write(store, name, entry.to_bytes()?)
        }
        _ => write(store, name, bytes),
    }
}

fn modified(metadata: &Metadata) -> Option<f64> {
    metadata.last_modified().map(|time| time.into_inner().as_millisecond() as f64 / 1000.0)
}

/// What time the store has, in seconds; none if it does not tell.
fn now(store: &ObjectStore) -> Result<Option<f64>> {
    let known = *store.clock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(clock) = known.filter(|clock| clock.seen.elapsed() < CLOCK_CHECK) {
        return Ok(Some(clock.seconds + clock.seen.elapsed().as_secs_f64()));
    }
    let name = EntryName::random(butler_core::datastore::JournalAction::Put).name;
    let path = format!("{CLOCK}/{name}");
    let ask = async {
        store.again.write(&path, Bytes::new()).await?;
        let metadata = store.again.stat(&path).await;
        store.again.delete(&path).await?;
        metadata
    };
    let metadata = wait(ask)?.map_err(|error| object_error(error, "cannot ask the store for the time"))?;
    let Some(seconds) = modified(&metadata) else { return Ok(None) };
    let clock = Clock { seen: Instant::now(), seconds };
    *store.clock.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(clock);
    Ok(Some(seconds))
}

/// Seconds since an object was written, by the store's clock; none if it is gone, or the store does not tell.
fn seconds_since(store: &ObjectStore, path: &str) -> Result<Option<f64>> {
    let metadata = there(wait(store.again.stat(path))?)
        .map_err(|error| object_error(error, &format!("cannot look at '{path}'")))?;
    let Some(written) = metadata.as_ref().and_then(modified) else { return Ok(None) };
    Ok(now(store)?.map(|now| now - written))
}

pub(super) fn age(store: &ObjectStore, name: &EntryName) -> Result<Option<f64>> {
    if let Some(age) = seconds_since(store, &path(name))? {
        return Ok(Some(age));
    }
    // It is gone, or in a store that tells no times, and is then as old as it says itself.
    let Some(bytes) = read(store, name)? else { return Ok(None) };
    let Ok(entry) = JournalEntry::from_bytes(&bytes) else { return Ok(Some(f64::INFINITY)) };
    let nanoseconds = Time::now()?.nanoseconds().saturating_sub(entry.header.at.nanoseconds());
    Ok(Some(nanoseconds as f64 * 1e-9))
}

/// Deletes what recoveries that have died left.
pub(super) fn sweep(store: &ObjectStore, older_than: f64) -> Result<()> {
    let limit = older_than.max(HOLD);
    for directory in [HOLDS, CLOCK] {
        let items = there(wait(store.again.list(&format!("{directory}/")))?)
            .map_err(|error| object_error(error, &format!("cannot list '{directory}'")))?;
        for item in items.unwrap_or_default().iter().filter(|item| item.metadata().is_file()) {
            if seconds_since(store, item.path())?.is_some_and(|age| age > limit) {
                wait(store.again.delete(item.path()))?
                    .map_err(|error| object_error(error, &format!("cannot delete '{}'", item.path())))?;
            }
        }
    }
    Ok(())
}
