//! Values of dimensions.

use std::fmt;

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

/// Value of one dimension in a data ID: an integer or a string, never converted into each other.
///
/// Cloning is cheap. Integers order before strings; strings order by bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DimensionValue {
    /// An integer, such as a detector or an exposure ID.
    Int(i64),
    /// A string, such as the name of an instrument.
    Text(ArcStr),
}

impl DimensionValue {
    /// The integer, if it is one.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Text(_) => None,
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Int(_) => None,
            Self::Text(value) => Some(value),
        }
    }

    /// Name of the type, for messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Int(_) => "int",
            Self::Text(_) => "string",
        }
    }
}

/// Integers as they are, strings in single quotes: the syntax of query expressions.
impl fmt::Display for DimensionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "'{}'", value.replace('\'', "''")),
        }
    }
}

impl From<i64> for DimensionValue {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for DimensionValue {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u32> for DimensionValue {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for DimensionValue {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for DimensionValue {
    fn from(value: String) -> Self {
        Self::Text(value.into())
    }
}

impl From<ArcStr> for DimensionValue {
    fn from(value: ArcStr) -> Self {
        Self::Text(value)
    }
}

impl From<&Self> for DimensionValue {
    fn from(value: &Self) -> Self {
        value.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_two_words() {
        assert_eq!(size_of::<DimensionValue>(), 16);
    }

    #[test]
    fn prints_as_in_expressions() {
        assert_eq!(DimensionValue::from(3).to_string(), "3");
        assert_eq!(DimensionValue::from("O'Brien").to_string(), "'O''Brien'");
    }
}
