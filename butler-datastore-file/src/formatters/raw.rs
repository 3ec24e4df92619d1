//! Bytes as they are.

use std::io::Write;

use bytes::Bytes;

use butler_core::{Formatter, Object, ReadOutcome, ReadRequest, ReadSource, Result, StorageClass};

use super::write_all;

/// Formatter `bytes`.
#[derive(Debug)]
pub(super) struct RawBytes;

impl Formatter for RawBytes {
    fn name(&self) -> &'static str {
        "bytes"
    }

    fn extension(&self) -> &'static str {
        ".bin"
    }

    fn in_memory(&self) -> &'static [&'static str] {
        &["bytes"]
    }

    fn read(&self, source: &mut dyn ReadSource, _: &ReadRequest<'_>) -> Result<ReadOutcome> {
        Ok(Object::new(source.read_all()?).into())
    }

    fn write(&self, object: &Object, _: &StorageClass, sink: &mut dyn Write) -> Result<()> {
        write_all(sink, object.downcast_ref::<Bytes>()?)
    }
}
