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
/// `value` is what was read of the text, which tells integers from digits in comments and the like.
#[must_use]
pub fn rounded_integer(text: &[u8], value: &Structured) -> Option<Range<usize>> {
    // So many digits in a row have one at a multiple of their number.
    let mut at = SAFE_DIGITS;
    while at < text.len() {
        if text[at].is_ascii_digit() {
            let run = digits_around(text, at);
            if run.len() > SAFE_DIGITS && is_rounded(text, &run, value) {
                return Some(run);
            }
            at = run.end.max(at);
        }
        at += SAFE_DIGITS;
    }
    None
}

fn digits_around(text: &[u8], at: usize) -> Range<usize> {
    let before = text[..at].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let after = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    at - before..at + after
}

/// Whether digits are an integer of their own, which is a float among the numbers that were read.
fn is_rounded(text: &[u8], run: &Range<usize>, value: &Structured) -> bool {
    let of_more = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b'.' | b'e' | b'E'));
    if of_more(text.get(run.end)) || run.start.checked_sub(1).is_some_and(|at| of_more(text.get(at))) {
        return false;
    }
    let negative = run.start > 0 && text[run.start - 1] == b'-';
    let begin = run.start - usize::from(negative);
    let Ok(digits) = std::str::from_utf8(&text[begin..run.end]) else { return false };
    let fits = digits.parse::<i64>().is_ok() || digits.parse::<u64>().is_ok();
    !fits && digits.parse().is_ok_and(|rounded| has_float(value, rounded))
}

fn has_float(value: &Structured, float: f64) -> bool {
    match value {
        Structured::Number(number) => number.is_f64() && number.as_f64() == Some(float),
        Structured::Array(items) => items.iter().any(|item| has_float(item, float)),
        Structured::Object(items) => items.values().any(|item| has_float(item, float)),
        _ => false,
    }
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
            rounded_integer(text.as_bytes(), &value).map(|range| text[range].to_owned())
        };
        for (text, digits) in [
            ("18446744073709551616", "18446744073709551616"),
            ("-9223372036854775809", "9223372036854775809"),
            (r#"{"a": [1, {"b": 123456789012345678901}]}"#, "123456789012345678901"),
            (r#"["99999999999999999999", 1.5, 99999999999999999999999]"#, "99999999999999999999999"),
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
