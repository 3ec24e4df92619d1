//! In-memory objects: what is put and what one gets.

use std::any::{Any, type_name};
use std::fmt;
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
}
