//! Text in UTF-8.

use std::io::Write;

use butler_core::{Formatter, Object, ReadOutcome, ReadRequest, ReadSource, Result, StorageClass};

use super::{utf8, write_all};

/// Formatter `text`.
#[derive(Debug)]
pub(super) struct Text;

impl Formatter for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn extension(&self) -> &'static str {
        ".txt"
    }

    fn in_memory(&self) -> &'static [&'static str] {
        &["text"]
    }

    fn read(&self, source: &mut dyn ReadSource, _: &ReadRequest<'_>) -> Result<ReadOutcome> {
        let bytes = source.read_all()?;
        Ok(Object::new(utf8("text", &bytes)?.to_owned()).into())
    }

    fn write(&self, object: &Object, _: &StorageClass, sink: &mut dyn Write) -> Result<()> {
        write_all(sink, object.downcast_ref::<String>()?.as_bytes())
    }
}
