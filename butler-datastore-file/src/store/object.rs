//! Artifacts as objects of a store behind a network, or in memory.
//!
//! An artifact is put on the condition that nothing is there, so nothing is ever replaced. Each
//! carries the name of the journal entry that it was put for, as metadata or in a mark beside it:
//! so a writer whose reply was lost, and a recovery, can tell what an entry made. A service
//! without such conditions takes only paths with the dataset's id in them, which nobody else writes.
//!
//! Reads, looks, lists and deletes are repeated by a layer of their own. A conditional put
//! is not: whoever repeats it looks first ([`put`]).

mod build;
mod error;
mod journal;
mod list;
mod put;
mod source;
#[cfg(feature = "remote")]
mod transport;

use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use arcstr::ArcStr;
use butler_core::datastore::TransferMode;
use butler_core::{Error, ErrorKind, ReadSource, Result, failpoint};
use opendal::{Capability, Operator};

use super::{Hold, Session, Store};
use crate::journal::EntryName;
use crate::location::encode;
use crate::work::wait;

pub(crate) use build::{ObjectSettings, is_compiled, object_store};
use error::object_error;
use journal::Clock;
use put::ObjectSession;
use source::ObjectSource;

/// How it is told what an entry made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marks {
    /// By metadata of the object.
    Metadata,
    /// By another object.
    Beside,
}

/// A place in an object store.
pub(crate) struct ObjectStore {
    /// With time-outs.
    once: Operator,
    /// The same, with retries.
    again: Operator,
    capability: Capability,
    marks: Marks,
    settings: ObjectSettings,
    clock: Mutex<Option<Clock>>,
}

impl fmt::Debug for ObjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStore").field("uri", &self.settings.uri).finish_non_exhaustive()
    }
}

impl ObjectStore {
    fn new(once: Operator, again: Operator, settings: ObjectSettings) -> Self {
        let capability = once.info().capability();
        let marks = match capability.write_with_user_metadata {
            true => Marks::Metadata,
            false => Marks::Beside,
        };
        Self { once, again, capability, marks, settings, clock: Mutex::default() }
    }

    /// Whether puts can be made conditional.
    fn conditional(&self) -> bool {
        self.capability.write_with_if_not_exists && self.settings.conditional
    }

    /// Whether artifacts lie on a web server, where anybody fetches them.
    fn is_web(&self) -> bool {
        ["http://", "https://"].iter().any(|scheme| self.settings.uri.starts_with(scheme))
    }

    /// Deletes objects, in few requests; those that are gone are no error.
    fn delete(&self, paths: Vec<String>) -> Result<()> {
        if paths.is_empty() {
            return Ok(());
        }
        let first = paths[0].clone();
        let delete = async {
            let patience = self.settings.lease / 2;
            match tokio::time::timeout(patience, self.again.delete_iter(paths)).await {
                Ok(result) => result,
                Err(_) => Err(opendal::Error::new(
                    opendal::ErrorKind::Unexpected,
                    "it took longer than half of the lease",
                )
                .set_temporary()),
            }
        };
        wait(delete)?.map_err(|error| object_error(error, &format!("cannot delete '{first}' and others")))?;
        failpoint::reach("artifact deleted");
        Ok(())
    }
}

impl Store for ObjectStore {
    fn transfer_modes(&self) -> Vec<TransferMode> {
        match self.is_writable() {
            true => vec![TransferMode::Auto, TransferMode::Copy, TransferMode::Move, TransferMode::Direct],
            false => Vec::new(),
        }
    }

    fn is_writable(&self) -> bool {
        self.capability.write && self.capability.delete && self.capability.list
    }

    fn replaces_nothing(&self) -> bool {
        self.conditional()
    }

    fn workers(&self) -> usize {
        self.settings.workers
    }

    fn block(&self) -> usize {
        1
    }

    fn uri(&self, path: &str) -> String {
        format!("{}/{}", self.settings.uri, encode(path))
    }

    fn place(&self) -> String {
        self.settings.place.clone()
    }

    fn signs(&self) -> bool {
        self.capability.presign_read || self.is_web()
    }

    fn signed_uri(&self, path: &str, lifetime: Duration) -> Result<String> {
        if self.is_web() {
            return Ok(self.uri(path));
        }
        // What services allow: no more than a week (Signature Version 4 of AWS).
        if lifetime.is_zero() || lifetime > Duration::from_secs(7 * 86_400) {
            let message = format!("an address cannot be signed for {lifetime:?}");
            return Err(
                Error::new(ErrorKind::Argument, message).with_hint("a second to seven days are possible")
            );
        }
        let signed = wait(self.again.presign_read(path, lifetime))?;
        let signed = signed.map_err(|error| object_error(error, &format!("cannot sign for '{path}'")))?;
        Ok(signed.uri().to_string())
    }

    fn local_file(&self, _: &str) -> Option<PathBuf> {
        None
    }

    fn exists(&self, path: &str) -> Result<bool> {
        match wait(self.again.stat(path))? {
            Ok(metadata) => Ok(metadata.is_file()),
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(object_error(error, &format!("cannot look for '{path}'"))),
        }
    }

    fn list(&self, see: &mut dyn FnMut(Vec<ArcStr>) -> Result<()>) -> Result<()> {
        list::list(self, see)
    }

    fn open(&self, path: &str) -> Result<Box<dyn ReadSource>> {
        Ok(Box::new(ObjectSource::open(&self.again, path)?))
    }

    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(ObjectSession::new(self))
    }

    fn entries(&self) -> Result<Vec<EntryName>> {
        journal::entries(self)
    }

    fn read_entry(&self, name: &EntryName) -> Result<Option<Vec<u8>>> {
        journal::read(self, name)
    }

    fn write_entry(&self, name: &EntryName, bytes: &[u8]) -> Result<()> {
        journal::write(self, name, bytes.to_vec())
    }

    fn delete_entry(&self, name: &EntryName) -> Result<()> {
        journal::delete(self, name)
    }

    fn hold_entry(&self, name: &EntryName) -> Result<Option<Box<dyn Hold>>> {
        journal::hold(self, name)
    }

    fn renew_entry(&self, name: &EntryName) -> Result<()> {
        journal::renew(self, name)
    }

    fn entry_age(&self, name: &EntryName) -> Result<Option<f64>> {
        journal::age(self, name)
    }

    fn sweep_journal(&self, older_than: f64) -> Result<()> {
        journal::sweep(self, older_than)
    }
}

/// How long a request may take, unless configuration says otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
