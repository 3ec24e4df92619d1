//! JSON.

use std::io::Write;

use serde::Serialize;

use butler_core::{
    Formatter, Object, ReadOutcome, ReadRequest, ReadSource, Result, StorageClass, Structured,
};

use super::python::PythonStyle;
use super::{STRUCTURED, malformed, warn_of_rounded, write_all};

/// Formatter `json`.
#[derive(Debug)]
pub(super) struct Json;

impl Formatter for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn extension(&self) -> &'static str {
        ".json"
    }

    fn in_memory(&self) -> &'static [&'static str] {
        STRUCTURED
    }

    fn read(&self, source: &mut dyn ReadSource, _: &ReadRequest<'_>) -> Result<ReadOutcome> {
        let bytes = source.read_all()?;
        let value: Structured = serde_json::from_slice(&bytes).map_err(|error| {
            let text = error.to_string();
            // The place is told once.
            let problem = text.split(" at line ").next().unwrap_or(&text);
            malformed("JSON", error.line() as u64, error.column() as u64, problem).with_source(error)
        })?;
        warn_of_rounded("JSON", &bytes, &value, |text| serde_json::from_slice(text).ok());
        Ok(Object::new(value).into())
    }

    fn write(&self, object: &Object, _: &StorageClass, sink: &mut dyn Write) -> Result<()> {
        let value: &Structured = object.downcast_ref()?;
        let mut bytes = Vec::with_capacity(256);
        value
            .serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, PythonStyle))
            .map_err(|error| super::unwritable("JSON", &error))?;
        write_all(sink, &bytes)
    }
}
