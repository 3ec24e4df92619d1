//! Formatters: bytes of an artifact to an object in memory, and back.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arcstr::ArcStr;
use bytes::Bytes;

use crate::object::Object;
use crate::storage_class::{ReadParameters, StorageClass};
use crate::{Error, ErrorKind, Result, suggest};

/// Bytes of an artifact, as a formatter reads them.
pub trait ReadSource: Send {
    /// Number of bytes.
    fn size(&self) -> u64;

    /// All bytes.
    ///
    /// # Errors
    /// `NotFound`, `Integrity`, `Connection` and the like.
    fn read_all(&mut self) -> Result<Bytes>;

    /// `len` bytes from an offset, fewer at the end.
    ///
    /// # Errors
    /// As [`read_all`](Self::read_all).
    fn read_range(&mut self, offset: u64, len: u64) -> Result<Bytes>;

    /// Path of the artifact, if it is a local file.
    fn local_path(&self) -> Option<&Path> {
        None
    }
}

/// Bytes in memory.
impl ReadSource for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_all(&mut self) -> Result<Bytes> {
        Ok(self.clone())
    }

    fn read_range(&mut self, offset: u64, len: u64) -> Result<Bytes> {
        let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let end = begin.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)).min(self.len());
        Ok(self.slice(begin..end))
    }
}

/// What is wanted of an artifact.
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest<'a> {
    /// Storage class that the artifact was written as.
    pub class: &'a StorageClass,
    /// Component that is wanted, if not the whole.
    pub component: Option<&'a str>,
    /// Parameters of the read.
    pub parameters: &'a ReadParameters,
}

/// What a formatter read.
#[derive(Clone, Debug)]
pub struct ReadOutcome {
    /// The object.
    pub object: Object,
    /// Whether it is the component that was wanted, not the whole.
    pub is_component: bool,
    /// Whether the parameters were applied.
    pub parameters_applied: bool,
}

impl From<Object> for ReadOutcome {
    /// The whole, without parameters applied.
    fn from(object: Object) -> Self {
        Self { object, is_component: false, parameters_applied: false }
    }
}

/// Translates between the bytes of an artifact and an object in memory.
///
/// Synchronous: it is called where blocking is allowed. Its name is written
/// into the records of each artifact, so that changes of configuration never
/// break what is stored.
pub trait Formatter: Debug + Send + Sync {
    /// Name, stored in records.
    fn name(&self) -> &'static str;

    /// Extension of the files that it writes, with its dot.
    fn extension(&self) -> &'static str;

    /// In-memory types that it reads and writes.
    fn in_memory(&self) -> &'static [&'static str];

    /// Reads an object, or a component of it.
    ///
    /// Behaviour: a component or parameters that it cannot apply by itself it
    /// leaves to the storage class's delegate, and says so.
    ///
    /// # Errors
    /// `Formatter` if the bytes are not of its format, with the place; those of the source.
    fn read(&self, source: &mut dyn ReadSource, request: &ReadRequest<'_>) -> Result<ReadOutcome>;

    /// Writes an object.
    ///
    /// # Errors
    /// `StorageClass` for an object of another type, `Formatter` for one that the format cannot hold; those of the sink.
    fn write(&self, object: &Object, class: &StorageClass, sink: &mut dyn Write) -> Result<()>;
}

/// Known formatters, by name.
#[derive(Clone, Debug, Default)]
pub struct Formatters {
    by_name: BTreeMap<ArcStr, Arc<dyn Formatter>>,
}

impl Formatters {
    /// Adds a formatter, or replaces that of the name.
    pub fn register(&mut self, formatter: Arc<dyn Formatter>) {
        self.by_name.insert(formatter.name().into(), formatter);
    }

    /// A formatter by name.
    ///
    /// # Errors
    /// `Formatter` if it is not known here; the message names those that are.
    pub fn get(&self, name: &str) -> Result<&Arc<dyn Formatter>> {
        self.by_name.get(name).ok_or_else(|| {
            let error = Error::new(
                ErrorKind::Formatter,
                format!("formatter '{}' is not known here", name.escape_debug()),
            );
            match suggest::nearest(name, self.by_name.keys().map(ArcStr::as_str)) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => {
                    let known: Vec<&str> = self.by_name.keys().map(ArcStr::as_str).collect();
                    error
                        .with_hint(format!("there are {}; others come with cargo features", known.join(", ")))
                }
            }
        })
    }

    /// All formatters, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Formatter>> {
        self.by_name.values()
    }
}
