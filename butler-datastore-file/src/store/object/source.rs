//! Objects that are read.

use butler_core::{ReadSource, Result};
use bytes::Bytes;
use opendal::Operator;

use super::error::object_error;
use crate::work::wait;

/// An object, of which the size is known.
#[derive(Debug)]
pub(super) struct ObjectSource {
    operator: Operator,
    path: String,
    size: u64,
}

impl ObjectSource {
    /// Looks at an object.
    ///
    /// # Errors
    /// `NotFound`, and those of the store.
    pub(super) fn open(operator: &Operator, path: &str) -> Result<Self> {
        let metadata = wait(operator.stat(path))?
            .map_err(|error| object_error(error, &format!("cannot open '{path}'")))?;
        Ok(Self { operator: operator.clone(), path: path.to_owned(), size: metadata.content_length() })
    }
}

impl ReadSource for ObjectSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_all(&mut self) -> Result<Bytes> {
        self.read_range(0, self.size)
    }

    fn read_range(&mut self, offset: u64, len: u64) -> Result<Bytes> {
        let end = offset.saturating_add(len).min(self.size);
        if offset >= end {
            return Ok(Bytes::new());
        }
        let read = self.operator.read_with(&self.path).range(offset..end);
        let bytes = wait(async { read.await })?
            .map_err(|error| object_error(error, &format!("cannot read '{}'", self.path)))?;
        Ok(bytes.to_bytes())
    }
}
