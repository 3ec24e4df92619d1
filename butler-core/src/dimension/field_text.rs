//! Values of fields as text and as structured data.

use std::fmt;

use super::element::FieldType;
use super::record::{DimensionRecord, EncodedRegion, FieldValue};
use crate::object::Structured;
use crate::sky::Region;
use crate::{Error, ErrorKind, Result};

impl FieldValue {
    /// Reads a value from text, as in a column of a table or on the command line.
    ///
    /// Hashes are hexadecimal digits; regions too, or an IVOA POS string such as
    /// `CIRCLE 10 20 1`; timespans are `begin/end` in ISO 8601 TAI.
    ///
    /// # Errors
    /// `DimensionValue` if the text is none of the type.
    pub fn from_text(ty: FieldType, text: &str) -> Result<Self> {
        let wrong = || unusable(ty, &format!("'{}'", text.escape_debug()));
        Ok(match ty {
            FieldType::Bool => match text {
                "true" | "True" | "TRUE" | "1" => Self::Bool(true),
                "false" | "False" | "FALSE" | "0" => Self::Bool(false),
                _ => return Err(wrong()),
            },
            FieldType::Int => Self::Int(text.parse().map_err(|_| wrong())?),
            FieldType::Float => {
                let value: f64 = text.parse().map_err(|_| wrong())?;
                Self::Float(if value.is_finite() { value } else { return Err(wrong()) })
            }
            FieldType::Text(_) => Self::Text(text.into()),
            FieldType::Hash(_) => Self::Hash(super::record::unhex(text).ok_or_else(wrong)?.into()),
            FieldType::Region => match super::record::unhex(text) {
                Some(bytes) => Self::Region(EncodedRegion::from_bytes(bytes)),
                None => Region::from_ivoa_pos(text).map_err(|error| wrong().with_source(error))?.into(),
            },
            FieldType::Timespan => Self::Timespan(text.parse().map_err(|error| wrong().with_source(error))?),
        })
    }

    /// Reads a value from structured data, as in the command's output: hashes
    /// and regions are hexadecimal digits, timespans `{"begin": …, "end": …}`.
    ///
    /// # Errors
    /// `DimensionValue` if the data are none of the type.
    pub fn from_structured(ty: FieldType, value: &Structured) -> Result<Self> {
        Ok(match (ty, value) {
            (_, Structured::Null) => Self::Null,
            (FieldType::Timespan, Structured::String(text)) if text.contains('/') => {
                Self::from_text(ty, text)?
            }
            (FieldType::Timespan, Structured::Object(_) | Structured::String(_)) => Self::Timespan(
                serde_json::from_value(value.clone())
                    .map_err(|error| unusable(ty, &value.to_string()).with_hint(error.to_string()))?,
            ),
            (FieldType::Text(_) | FieldType::Hash(_) | FieldType::Region, Structured::String(text)) => {
                Self::from_text(ty, text)?
            }
            (FieldType::Bool, Structured::Bool(value)) => Self::Bool(*value),
            (FieldType::Int, Structured::Number(number)) => {
                Self::Int(number.as_i64().ok_or_else(|| unusable(ty, &number.to_string()))?)
            }
            (FieldType::Float, Structured::Number(number)) => {
                Self::Float(number.as_f64().ok_or_else(|| unusable(ty, &number.to_string()))?)
            }
            _ => return Err(unusable(ty, &value.to_string())),
        })
    }
}

/// For people: strings in quotes, regions as `(region)`.
impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(text) => write!(f, "'{}'", text.escape_debug()),
            Self::Hash(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Region(_) => f.write_str("(region)"),
            Self::Timespan(timespan) => timespan.fmt(f),
        }
    }
}

/// For people: the fields that are not null.
impl fmt::Display for DimensionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        let fields = self.element().fields().iter().zip(self.values());
        let given = fields.filter(|(_, value)| **value != FieldValue::Null);
        for (number, (field, value)) in given.enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{}: {value}", field.name)?;
        }
        f.write_str("}")
    }
}

fn unusable(ty: FieldType, found: &str) -> Error {
    let (what, hint) = match ty {
        FieldType::Bool => ("a boolean", Some("write true or false")),
        FieldType::Int => ("an integer of 64 bits", None),
        FieldType::Float => ("a finite number", None),
        FieldType::Text(_) => ("a string", None),
        FieldType::Hash(_) => ("a hash", Some("write hexadecimal digits")),
        FieldType::Region => {
            ("a region", Some("write hexadecimal digits, or an IVOA POS string such as 'CIRCLE 10 20 1'"))
        }
        FieldType::Timespan => {
            ("a timespan", Some("write two instants of ISO 8601 in TAI with '/' between them"))
        }
    };
    let error = Error::new(ErrorKind::DimensionValue, format!("{found} is not {what}"));
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_read_by_type() {
        assert_eq!(FieldValue::from_text(FieldType::Int, "-3").unwrap(), FieldValue::Int(-3));
        assert_eq!(FieldValue::from_text(FieldType::Float, "1.5").unwrap(), FieldValue::Float(1.5));
        assert_eq!(FieldValue::from_text(FieldType::Bool, "true").unwrap(), FieldValue::Bool(true));
        assert_eq!(FieldValue::from_text(FieldType::Text(8), "3").unwrap(), "3".into());
        let span = FieldValue::from_text(FieldType::Timespan, "2021-09-09T03:00:00/").unwrap();
        assert!(matches!(span, FieldValue::Timespan(span) if span.end().is_none()));
        assert!(matches!(
            FieldValue::from_text(FieldType::Region, "CIRCLE 10 20 1").unwrap(),
            FieldValue::Region(_)
        ));
        for (ty, text) in [
            (FieldType::Int, "1.0"),
            (FieldType::Int, "9223372036854775808"),
            (FieldType::Float, "inf"),
            (FieldType::Bool, "yes"),
            (FieldType::Hash(4), "0g"),
            (FieldType::Timespan, "noon"),
            (FieldType::Region, "CIRCLE"),
        ] {
            let error = FieldValue::from_text(ty, text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DimensionValue, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            value in prop_oneof![
                any::<i64>().prop_map(|v| (FieldType::Int, FieldValue::Int(v))),
                any::<bool>().prop_map(|v| (FieldType::Bool, FieldValue::Bool(v))),
                (-1e300..1e300f64).prop_map(|v| (FieldType::Float, FieldValue::Float(v))),
                ".*".prop_map(|v| (FieldType::Text(0), FieldValue::from(v))),
                any::<[u8; 4]>().prop_map(|v| (FieldType::Hash(4), FieldValue::Hash(v.to_vec().into()))),
                Just((FieldType::Text(1), FieldValue::Null)),
            ]
        ) {
            let (ty, value) = value;
            let written = serde_json::to_value(&value).unwrap();
            prop_assert_eq!(FieldValue::from_structured(ty, &written).unwrap(), value);
        }
    }
}
