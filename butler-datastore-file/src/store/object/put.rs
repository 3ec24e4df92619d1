//! Artifacts that are put, and that go again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use butler_core::{Error, ErrorKind, Result, Retry, failpoint};
use bytes::{Bytes, BytesMut};
use opendal::options::WriteOptions;

use super::error::object_error;
use super::{Marks, ObjectStore};
use crate::error::io_error;
use crate::store::{Content, Made, Placed, Session, Spot};
use crate::work::wait;

/// Bytes that are sent at once: what is larger is sent in parts, of which a few are on their way.
const PART: usize = 8 << 20;

/// Parts of one artifact that are on their way at once.
const PARTS: usize = 4;

/// Key of the metadata that names an entry.
const KEY: &str = "butler-entry";

/// Directory of marks that lie beside the objects.
const MARKS: &str = ".butler/marks";

/// Objects that one call deletes together.
const BATCH: usize = 1000;

/// Changes of objects on one thread.
pub(super) struct ObjectSession<'a> {
    store: &'a ObjectStore,
    /// Paths that are deleted at the end.
    doomed: Vec<String>,
}

/// What lies at a path.
enum There {
    Nothing,
    Own,
    Other,
}

fn mark(spot: Spot<'_>) -> String {
    format!("{}/{}", spot.entry, spot.index)
}

fn mark_path(spot: Spot<'_>) -> String {
    format!("{MARKS}/{}-{}", spot.entry, spot.index)
}

impl<'a> ObjectSession<'a> {
    pub(super) fn new(store: &'a ObjectStore) -> Self {
        Self { store, doomed: Vec::new() }
    }

    /// Sees what lies at a path, and who put it there.
    fn look(&self, spot: Spot<'_>) -> Result<There> {
        let metadata = match wait(self.store.again.stat(spot.path))? {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => return Ok(There::Nothing),
            Err(error) => return Err(object_error(error, &format!("cannot look at '{}'", spot.path))),
        };
        let own = match self.store.marks {
            Marks::Metadata => metadata.user_metadata().and_then(|all| all.get(KEY)) == Some(&*mark(spot)),
            Marks::Beside => self.is_marked(spot)?,
        };
        Ok(if own { There::Own } else { There::Other })
    }

    fn is_marked(&self, spot: Spot<'_>) -> Result<bool> {
        let there = wait(self.store.again.exists(&mark_path(spot)))?;
        there.map_err(|error| object_error(error, &format!("cannot look for the mark of '{}'", spot.path)))
    }

    /// Makes a mark, where that is another object, after a look that nothing is there.
    fn make_mark(&self, spot: Spot<'_>) -> Result<()> {
        if self.store.marks == Marks::Metadata && self.store.conditional() {
            return Ok(());
        }
        if !matches!(self.look(spot)?, There::Nothing) {
            return Err(taken(spot.path));
        }
        if self.store.marks == Marks::Metadata {
            return Ok(());
        }
        let made = wait(self.store.again.write(&mark_path(spot), Bytes::new()))?;
        made.map(drop).map_err(|error| object_error(error, &format!("cannot mark '{}'", spot.path)))
    }

    fn options(&self, spot: Spot<'_>) -> WriteOptions {
        WriteOptions {
            if_not_exists: self.store.conditional(),
            user_metadata: (self.store.marks == Marks::Metadata)
                .then(|| HashMap::from([(KEY.to_owned(), mark(spot))])),
            ..WriteOptions::default()
        }
    }

    /// Puts an object in one request, and again if it is not known what became of that.
    fn put(&self, spot: Spot<'_>, bytes: Bytes) -> Result<()> {
        let mut delay = Duration::from_millis(50);
        let mut last = None;
        for _ in 0..=self.store.settings.retries {
            if last.is_some() {
                std::thread::sleep(delay);
                delay = (delay * 2).min(Duration::from_secs(5));
            }
            let error =
                match wait(self.store.once.write_options(spot.path, bytes.clone(), self.options(spot)))? {
                    Ok(_) => return Ok(()),
                    Err(error) => error,
                };
            if let Some(end) = self.after(spot, &error) {
                return end.map_err(|()| object_error(error, &format!("cannot write '{}'", spot.path)));
            }
            last = Some(error);
        }
        Err(self.unsure(spot, last))
    }

    /// How a put has ended, as far as that can be known: well, badly, or with an artifact of somebody else.
    fn after(&self, spot: Spot<'_>, error: &opendal::Error) -> Option<Result<(), ()>> {
        let refused = is_conflict(error);
        if !refused && !error.is_temporary() {
            return Some(Err(()));
        }
        // What lies beside says nothing about an object that was there before.
        if refused && self.store.marks == Marks::Beside {
            return Some(Err(()));
        }
        match self.look(spot) {
            Ok(There::Own) => Some(Ok(())),
            Ok(There::Other) if refused => Some(Err(())),
            // Of somebody else, who was faster: the next attempt is refused.
            Ok(There::Other | There::Nothing) | Err(_) => None,
        }
    }

    /// It may have been put, or may still be.
    fn unsure(&self, spot: Spot<'_>, error: Option<opendal::Error>) -> Error {
        let told = match error {
            Some(error) => object_error(error, &format!("cannot write '{}'", spot.path)),
            None => Error::new(ErrorKind::Connection, format!("cannot write '{}'", spot.path)),
        };
        told.with_retry(Retry::OutcomeUnknown)
    }

    fn fill(
        &self,
        spot: Spot<'_>,
        fill: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
        wants_checksum: bool,
    ) -> Result<Placed> {
        self.make_mark(spot)?;
        let mut sink = Sink {
            session: self,
            spot,
            hasher: wants_checksum.then(blake3::Hasher::new),
            buffer: BytesMut::new(),
            parts: None,
            size: 0,
            failure: None,
        };
        let filled = fill(&mut sink);
        if let Err(error) = &filled
            && let Some(mut parts) = sink.parts.take()
        {
            tracing::debug!(path = spot.path, %error, "an upload is given up");
            // What is not aborted is never seen, and cleared away by the store's own rules.
            drop(wait(parts.abort()));
        }
        if let Some(failure) = sink.failure {
            return Err(failure);
        }
        filled?;
        sink.finish()
    }
}

fn is_conflict(error: &opendal::Error) -> bool {
    matches!(error.kind(), opendal::ErrorKind::ConditionNotMatch | opendal::ErrorKind::AlreadyExists)
}

fn taken(path: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("there is something at '{path}' already"))
        .with_hint("nothing that is stored is ever overwritten")
}

/// Collects what is small, and sends what is large in parts.
struct Sink<'a> {
    session: &'a ObjectSession<'a>,
    spot: Spot<'a>,
    hasher: Option<blake3::Hasher>,
    buffer: BytesMut,
    parts: Option<opendal::Writer>,
    size: u64,
    /// What went wrong, which whoever writes sees only in part.
    failure: Option<Error>,
}

impl Sink<'_> {
    fn send(&mut self, bytes: Bytes) -> Result<()> {
        let path = self.spot.path;
        let failed = |error| object_error(error, &format!("cannot write '{path}'"));
        let mut parts = match self.parts.take() {
            Some(parts) => parts,
            None => {
                let options =
                    WriteOptions { concurrent: PARTS, chunk: Some(PART), ..self.session.options(self.spot) };
                wait(self.session.store.again.writer_options(path, options))?.map_err(failed)?
            }
        };
        let sent = wait(parts.write(bytes))?;
        self.parts = Some(parts);
        sent.map_err(failed)
    }

    fn finish(mut self) -> Result<Placed> {
        let rest = self.buffer.split().freeze();
        failpoint::reach("artifact written");
        if self.parts.is_none() {
            self.session.put(self.spot, rest).map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => taken(self.spot.path),
                _ => error,
            })?;
        } else {
            if !rest.is_empty() {
                self.send(rest)?;
            }
            self.close()?;
        }
        failpoint::reach("artifact placed");
        Ok(Placed {
            size: self.size,
            checksum: self.hasher.as_ref().map(crate::store::source::hex),
            unsettled: self.session.store.marks == Marks::Beside,
        })
    }

    /// Makes one object of all parts.
    fn close(&mut self) -> Result<()> {
        let Some(mut parts) = self.parts.take() else { return Ok(()) };
        let Err(error) = wait(parts.close())? else { return Ok(()) };
        match self.session.look(self.spot) {
            // It was the reply that was lost.
            Ok(There::Own) => Ok(()),
            Ok(_) if is_conflict(&error) => Err(taken(self.spot.path)),
            _ => Err(self.session.unsure(self.spot, Some(error))),
        }
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.size += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PART && self.session.store.capability.write_can_multi {
            let part = self.buffer.split().freeze();
            if let Err(error) = self.send(part) {
                let told = io::Error::other(error.to_string());
                self.failure = Some(error);
                return Err(told);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Session for ObjectSession<'_> {
    fn place(&mut self, spot: Spot<'_>, content: Content<'_>, checksum: bool) -> Result<Placed> {
        match content {
            Content::Written(fill) => self.fill(spot, fill, checksum),
            Content::Copied(path) => {
                let failed = |error| io_error(error, &format!("cannot read '{}'", path.display()));
                let mut copy = |sink: &mut dyn Write| {
                    let mut file = File::open(path).map_err(failed)?;
                    io::copy(&mut file, sink).map(drop).map_err(failed)
                };
                self.fill(spot, &mut copy, checksum)
            }
            Content::Linked(path, _) | Content::Pointed(path) | Content::PointedRelatively(path) => {
                Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("'{}' cannot be linked into an object store", path.display()),
                ))
            }
        }
    }

    fn settle(&mut self, spot: Spot<'_>, _: bool) -> Result<()> {
        if self.store.marks == Marks::Beside {
            self.doomed.push(mark_path(spot));
        }
        Ok(())
    }

    fn made(&mut self, spot: Spot<'_>, _: Option<&Path>) -> Result<Made> {
        Ok(match self.look(spot)? {
            There::Own => Made::Yes,
            There::Nothing | There::Other => Made::No,
        })
    }

    fn delete(&mut self, path: &str, _: bool) -> Result<()> {
        self.doomed.push(path.to_owned());
        match self.doomed.len() < BATCH {
            true => Ok(()),
            false => self.finish(),
        }
    }

    fn remove_directories(&mut self, _: Vec<String>) -> Result<()> {
        Ok(())
    }

    fn take_directories(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn finish(&mut self) -> Result<()> {
        self.store.delete(std::mem::take(&mut self.doomed))
    }
}
