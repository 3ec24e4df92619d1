//! Formatters that come with every build.

mod csv;
mod fits;
mod json;
mod msgpack;
mod npy;
mod npz;
#[cfg(feature = "parquet")]
mod parquet;
mod python;
mod raw;
mod text;
mod toml;
mod yaml;

use std::io::Write;
use std::sync::Arc;

use butler_core::{Error, ErrorKind, Formatters, Result, Structured, rounded_integer};

use crate::error::sink_error;

pub(crate) use python::float_repr;

/// In-memory type of maps, lists, text, numbers, booleans and null.
const STRUCTURED: &[&str] = &["structured"];

/// The formatters that come with this crate.
///
/// | name | in memory | extension | bytes |
/// |---|---|---|---|
/// | `json` | structured | `.json` | as Python's `json.dumps` writes them with `ensure_ascii=False` |
/// | `yaml` | structured | `.yaml` | YAML in block style; what YAML 1.1 would take for something else is quoted |
/// | `toml` | structured | `.toml` | a table; null and integers beyond 63 bits cannot be written, times are read as text |
/// | `msgpack` | structured | `.msgpack` | MessagePack; binary data, extensions and numbers that are not finite are refused |
/// | `csv` | table ([`Table`](crate::Table)) | `.ecsv` | CSV with a header of ECSV, which says the types; read without it, types show in the values |
/// | `parquet` | table | `.parq` | Parquet (cargo feature `parquet`); columns and components are read alone; dates and times are the integers that are stored |
/// | `npy` | array ([`Array`](crate::Array)) | `.npy` | an array of NumPy |
/// | `npz` | arrays ([`Arrays`](crate::Arrays)) | `.npz` | arrays of NumPy by name; of the parameter `names`, those alone are read |
/// | `fits` | array, table | `.fits` | an image, or a binary table, of FITS; of several, the first, or that of the parameter `hdu`; component `header`; a number that is not a number is a missing one in tables |
/// | `text` | text | `.txt` | UTF-8 |
/// | `bytes` | bytes | `.bin` | as they are |
///
/// Numbers keep their kind: integers come back as integers, floats as floats with all their
/// digits; of an integer of more than 64 bits the nearest float is read, with a warning. Maps keep their order, except that TOML has tables after everything else. A structured
/// float is finite.
#[must_use]
pub fn formatters() -> Formatters {
    let mut formatters = Formatters::default();
    formatters.register(Arc::new(json::Json));
    formatters.register(Arc::new(yaml::Yaml));
    formatters.register(Arc::new(toml::Toml));
    formatters.register(Arc::new(msgpack::MessagePack));
    formatters.register(Arc::new(csv::Csv));
    formatters.register(Arc::new(npy::Npy));
    formatters.register(Arc::new(npz::Npz));
    #[cfg(feature = "parquet")]
    formatters.register(Arc::new(parquet::Parquet));
    formatters.register(Arc::new(fits::Fits));
    formatters.register(Arc::new(text::Text));
    formatters.register(Arc::new(raw::RawBytes));
    formatters
}

/// Bytes that are not of a format, with the place where it shows.
fn malformed(format: &str, line: u64, column: u64, problem: &str) -> Error {
    Error::new(ErrorKind::Formatter, format!("no valid {format}, line {line}, column {column}: {problem}"))
}

/// An object that a format cannot hold.
fn unwritable(format: &str, error: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::Formatter, format!("cannot be written as {format}: {error}"))
}

/// Line and column, from 1, of an offset in a text.
fn place(text: &[u8], offset: usize) -> (u64, u64) {
    let before = &text[..offset.min(text.len())];
    let line_begin = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
    let column = String::from_utf8_lossy(&before[line_begin..]).chars().count() as u64 + 1;
    (line, column)
}

/// Warns of an integer that was rounded: what was stored elsewhere or before must stay readable.
fn warn_of_rounded(
    format: &str,
    text: &[u8],
    value: &Structured,
    parse: impl Fn(&[u8]) -> Option<Structured>,
) {
    if let Some(digits) = rounded_integer(text, value, parse) {
        let (line, column) = place(text, digits.start);
        tracing::warn!(
            format,
            line,
            column,
            "an integer of more than 64 bits is read as the nearest float; store it as text to keep its digits"
        );
    }
}

/// Text of an artifact that must be UTF-8.
fn utf8<'a>(format: &str, bytes: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = place(bytes, error.valid_up_to());
        malformed(format, line, column, "it is not UTF-8")
    })
}

fn write_all(sink: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    sink.write_all(bytes).map_err(sink_error)
}

#[cfg(test)]
mod tests;
