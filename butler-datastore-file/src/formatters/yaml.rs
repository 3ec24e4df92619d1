//! YAML.

use std::io::Write;

use butler_core::{
    Formatter, Object, ReadOutcome, ReadRequest, ReadSource, Result, StorageClass, Structured,
};

use super::{STRUCTURED, malformed, unwritable, utf8, warn_of_rounded, write_all};

/// Formatter `yaml`.
#[derive(Debug)]
pub(super) struct Yaml;

impl Formatter for Yaml {
    fn name(&self) -> &'static str {
        "yaml"
    }

    fn extension(&self) -> &'static str {
        ".yaml"
    }

    fn in_memory(&self) -> &'static [&'static str] {
        STRUCTURED
    }

    fn read(&self, source: &mut dyn ReadSource, _: &ReadRequest<'_>) -> Result<ReadOutcome> {
        let bytes = source.read_all()?;
        let value = parse(utf8("YAML", &bytes)?).map_err(|error| {
            let error = error.without_snippet();
            let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
            malformed("YAML", line, column, &error.to_string())
        })?;
        warn_of_rounded("YAML", &bytes, &value, |text| parse(std::str::from_utf8(text).ok()?).ok());
        Ok(Object::new(value).into())
    }

    fn write(&self, object: &Object, _: &StorageClass, sink: &mut dyn Write) -> Result<()> {
        let value: &Structured = object.downcast_ref()?;
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        let text = serde_saphyr::to_string_with_options(value, options)
            .map_err(|error| unwritable("YAML", &error))?;
        write_all(sink, text.as_bytes())
    }
}

fn parse(text: &str) -> std::result::Result<Structured, serde_saphyr::Error> {
    // The size of a document is the owner's business; what aliases make of it is limited by default.
    serde_saphyr::from_str_with_options(text, serde_saphyr::options! { budget: None })
}
