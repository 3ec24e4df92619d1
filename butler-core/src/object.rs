//! In-memory objects: what is put and what one gets.

use std::any::{Any, type_name};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, ErrorKind, Result};

/// Data of maps, lists, text, numbers, booleans and null: the in-memory type of
/// the structured storage classes.
pub type Structured = serde_json::Value;

/// An object of any type, shared and never changed.
///
/// ```
/// use butler_core::Object;
///
/// # fn main() -> butler_core::Result<()> {
/// let object = Object::new(String::from("flat"));
/// assert_eq!(object.downcast_ref::<String>()?, "flat");
/// assert!(object.downcast_ref::<u8>().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Object {
    value: Arc<dyn Any + Send + Sync>,
    type_name: &'static str,
}

impl Object {
    /// An object.
    #[must_use]
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self { value: Arc::new(value), type_name: type_name::<T>() }
    }

    /// A structured object with the content of anything that can be serialised.
    ///
    /// # Errors
    /// `Formatter` if it cannot be written as structured data.
    pub fn structured<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        serde_json::to_value(value).map(Self::new).map_err(|error| {
            Error::new(
                ErrorKind::Formatter,
                format!("a {} cannot be written as structured data: {error}", type_name::<T>()),
            )
        })
    }

    /// Name of its Rust type, for messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// Whether it is of a type.
    #[must_use]
    pub fn is<T: Any>(&self) -> bool {
        self.value.is::<T>()
    }

    /// The object as what it is.
    ///
    /// # Errors
    /// `StorageClass` if it is of another type.
    pub fn downcast<T: Any + Send + Sync>(&self) -> Result<Arc<T>> {
        Arc::clone(&self.value).downcast().map_err(|_| self.mismatch::<T>())
    }

    /// The object as what it is, borrowed.
    ///
    /// # Errors
    /// `StorageClass` if it is of another type.
    pub fn downcast_ref<T: Any>(&self) -> Result<&T> {
        self.value.downcast_ref().ok_or_else(|| self.mismatch::<T>())
    }

    /// A value of any type that structured data can be read as.
    ///
    /// # Errors
    /// `StorageClass` if the object is not structured, `Formatter` if its content does not fit.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T> {
        let value: &Structured = self.downcast_ref()?;
        T::deserialize(value).map_err(|error| {
            Error::new(
                ErrorKind::Formatter,
                format!("structured data cannot be read as {}: {error}", type_name::<T>()),
            )
        })
    }

    fn mismatch<T>(&self) -> Error {
        Error::new(
            ErrorKind::StorageClass,
            format!("expected an object of type {}, found {}", type_name::<T>(), self.type_name),
        )
    }
}

/// Digits that any integer of 64 bits has room for, less one: with more it may be too large.
const SAFE_DIGITS: usize = 18;

/// Where the text of structured data (JSON, YAML) has an integer that 64 bits do not hold, so that it was read
/// as the nearest float: it would come back as another number.
///
/// `value` is what was read of the text by `parse`, which tells integers from digits within quotes, comments and the
/// like: if these are changed, the numbers stay. It is called only if there are such digits.
#[must_use]
pub fn rounded_integer(
    text: &[u8],
    value: &Structured,
    parse: impl Fn(&[u8]) -> Option<Structured>,
) -> Option<Range<usize>> {
    let runs = suspects(text, value);
    if runs.is_empty() {
        return None;
    }
    let before = floats(value).len();
    let fewer = |runs: &[Range<usize>]| {
        parse(&with_others(text, runs)).is_some_and(|changed| floats(&changed).len() < before)
    };
    if !fewer(&runs) {
        return None;
    }
    // The shortest beginning of them that has a number.
    let lengths: Vec<usize> = (1..runs.len()).collect();
    let at = lengths.partition_point(|&length| !fewer(&runs[..length]));
    runs.into_iter().nth(at)
}

/// Digits that may be integers that were rounded: as many as 64 bits do not hold, and among the floats.
fn suspects(text: &[u8], value: &Structured) -> Vec<Range<usize>> {
    let mut suspects = Vec::new();
    let mut known: Option<Vec<u64>> = None;
    // So many digits in a row have one at a multiple of their number.
    let mut at = SAFE_DIGITS;
    while at < text.len() {
        if text[at].is_ascii_digit() {
            let run = digits_around(text, at);
            at = run.end.max(at);
            if run.len() > SAFE_DIGITS
                && let Some(rounded) = rounded(text, &run)
                && known.get_or_insert_with(|| floats(value)).binary_search(&rounded.to_bits()).is_ok()
            {
                suspects.push(run);
            }
        }
        at += SAFE_DIGITS;
    }
    suspects
}

/// A text with other numbers in place of digits, each of them another: they may be keys.
fn with_others(text: &[u8], runs: &[Range<usize>]) -> Vec<u8> {
    let mut changed = Vec::with_capacity(text.len());
    let mut end = 0;
    for (number, run) in (701_408_733_000_000_000_u64..).zip(runs) {
        changed.extend_from_slice(&text[end..run.start]);
        changed.extend_from_slice(number.to_string().as_bytes());
        end = run.end;
    }
    changed.extend_from_slice(&text[end..]);
    changed
}

fn digits_around(text: &[u8], at: usize) -> Range<usize> {
    let before = text[..at].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let after = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    at - before..at + after
}

/// The nearest float to digits, if these are an integer of their own that 64 bits do not hold.
fn rounded(text: &[u8], run: &Range<usize>) -> Option<f64> {
    let of_more = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b'.' | b'e' | b'E'));
    if of_more(text.get(run.end)) || run.start.checked_sub(1).is_some_and(|at| of_more(text.get(at))) {
        return None;
    }
    let negative = run.start > 0 && text[run.start - 1] == b'-';
    let digits = std::str::from_utf8(&text[run.start - usize::from(negative)..run.end]).ok()?;
    let fits = digits.parse::<i64>().is_ok() || digits.parse::<u64>().is_ok();
    if fits { None } else { digits.parse().ok() }
}

/// Bits of the floats of a value, in order.
fn floats(value: &Structured) -> Vec<u64> {
    fn collect(value: &Structured, into: &mut Vec<u64>) {
        match value {
            Structured::Number(number) if number.is_f64() => into.extend(number.as_f64().map(f64::to_bits)),
            Structured::Array(items) => items.iter().for_each(|item| collect(item, into)),
            Structured::Object(items) => items.values().for_each(|item| collect(item, into)),
            _ => {}
        }
    }
    let mut floats = Vec::new();
    collect(value, &mut floats);
    floats.sort_unstable();
    floats
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({})", self.type_name)
    }
}

impl From<Structured> for Object {
    fn from(value: Structured) -> Self {
        Self::new(value)
    }
}

impl From<String> for Object {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl From<&str> for Object {
    fn from(value: &str) -> Self {
        Self::new(value.to_owned())
    }
}

impl From<Bytes> for Object {
    fn from(value: Bytes) -> Self {
        Self::new(value)
    }
}

impl From<Vec<u8>> for Object {
    fn from(value: Vec<u8>) -> Self {
        Self::new(Bytes::from(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Metric {
        name: String,
        values: Vec<f64>,
    }

    #[test]
    fn structured_objects_carry_any_serialisable_value() {
        let metric = Metric { name: "psf".into(), values: vec![0.5, 1.5] };
        let object = Object::structured(&metric).unwrap();
        assert_eq!(object.deserialize::<Metric>().unwrap(), metric);
        assert_eq!(object.deserialize::<u32>().unwrap_err().kind(), ErrorKind::Formatter);
    }

    #[test]
    fn another_type_is_told_with_both() {
        let error = Object::from("x").downcast::<Bytes>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageClass);
        assert!(error.to_string().contains("String") && error.to_string().contains("Bytes"), "{error}");
    }

    #[test]
    fn integers_that_were_rounded_are_found() {
        let found = |text: &str| {
            let value: Structured = serde_json::from_str(text).unwrap();
            let parse = |text: &[u8]| serde_json::from_slice(text).ok();
            rounded_integer(text.as_bytes(), &value, parse).map(|range| text[range].to_owned())
        };
        for (text, digits) in [
            ("18446744073709551616", "18446744073709551616"),
            ("-9223372036854775809", "9223372036854775809"),
            (r#"{"a": [1, {"b": 123456789012345678901}]}"#, "123456789012345678901"),
            (r#"["99999999999999999999", 1.5, 99999999999999999999999]"#, "99999999999999999999999"),
            (r#"["100000000000000000000", 1e20, -100000000000000000001]"#, "100000000000000000001"),
            (r#"["100000000000000000000", 1e20, 100000000000000000000, 1]"#, "100000000000000000000"),
            (r#"[18446744073709551615,18446744073709551616]"#, "18446744073709551616"),
        ] {
            assert_eq!(found(text).as_deref(), Some(digits), "{text}");
        }
        for text in [
            "18446744073709551615",
            "-9223372036854775808",
            "1e22",
            "123456789012345678901.0",
            "123456789012345678901e0",
            "1.123456789012345678901",
            r#""123456789012345678901""#,
            r#"["123456789012345678901", 1.5]"#,
            r#"{"123456789012345678901": 0.1234567890123456789012}"#,
            r#"{"id":"100000000000000000000","x":1e20}"#,
            r#"{"100000000000000000000":1e20,"100000000000000000001":1e20}"#,
            r#"{"100000000000000000000":1e20,"y":["\"100000000000000000000"]}"#,
            "[]",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
        // Wherever it is: probes must not miss it.
        for blanks in 0..80 {
            let text = format!("[1,{}123456789012345678901, 123456789012345678]", " ".repeat(blanks));
            assert_eq!(found(&text).as_deref(), Some("123456789012345678901"), "{blanks}");
        }
    }
}
