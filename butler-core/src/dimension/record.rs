//! Dimension records: rows that describe the values of dimensions.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arcstr::ArcStr;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

use super::data_id::DataId;
use super::element::{DimensionElement, Field, FieldRole, FieldType};
use super::value::DimensionValue;
use crate::backend::Value;
use crate::sky::Region;
use crate::time::Timespan;
use crate::{Error, ErrorKind, Result, suggest};

/// A region in the byte encoding of LSST's `sphgeom`, decoded once at most.
#[derive(Clone)]
pub struct EncodedRegion(Arc<RegionInner>);

struct RegionInner {
    bytes: Box<[u8]>,
    region: OnceLock<Option<Region>>,
}

impl EncodedRegion {
    /// An encoded region, not yet looked at.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(Arc::new(RegionInner { bytes: bytes.into(), region: OnceLock::new() }))
    }

    /// The encoding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The region itself.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are no region.
    pub fn decode(&self) -> Result<&Region> {
        match self.0.region.get_or_init(|| Region::decode(&self.0.bytes).ok()) {
            Some(region) => Ok(region),
            // The error itself is not kept; making it again is cheap and rare.
            None => Err(Region::decode(&self.0.bytes).err().unwrap_or_else(|| {
                Error::new(ErrorKind::Corrupt, "the encoding of a region cannot be read")
            })),
        }
    }
}

impl From<Region> for EncodedRegion {
    fn from(region: Region) -> Self {
        let bytes = region.encode().into();
        Self(Arc::new(RegionInner { bytes, region: OnceLock::from(Some(region)) }))
    }
}

/// Lower-case hexadecimal in text, bytes in binary formats.
impl Serialize for EncodedRegion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&hex(&self.0.bytes))
        } else {
            serializer.serialize_bytes(&self.0.bytes)
        }
    }
}

impl<'de> Deserialize<'de> for EncodedRegion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            unhex(&text)
                .map(Self::from_bytes)
                .ok_or_else(|| serde::de::Error::custom("expected hexadecimal digits"))
        } else {
            Vec::<u8>::deserialize(deserializer).map(Self::from_bytes)
        }
    }
}

impl PartialEq for EncodedRegion {
    fn eq(&self, other: &Self) -> bool {
        self.0.bytes == other.0.bytes
    }
}

impl fmt::Debug for EncodedRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0.bytes))
    }
}

/// Value of a field of a dimension record.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// No value.
    Null,
    /// Boolean.
    Bool(bool),
    /// Integer.
    Int(i64),
    /// Finite float.
    Float(f64),
    /// Text.
    Text(ArcStr),
    /// Bytes of a digest.
    Hash(Arc<[u8]>),
    /// Region.
    Region(EncodedRegion),
    /// Timespan.
    Timespan(Timespan),
}

impl FieldValue {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "string",
            Self::Hash(_) => "hash",
            Self::Region(_) => "region",
            Self::Timespan(_) => "timespan",
        }
    }

    /// The value as that of a dimension, for integers and text.
    #[must_use]
    pub fn to_dimension_value(&self) -> Option<DimensionValue> {
        match self {
            Self::Int(value) => Some(DimensionValue::Int(*value)),
            Self::Text(value) => Some(DimensionValue::Text(value.clone())),
            _ => None,
        }
    }
}

impl From<DimensionValue> for FieldValue {
    fn from(value: DimensionValue) -> Self {
        match value {
            DimensionValue::Int(value) => Self::Int(value),
            DimensionValue::Text(value) => Self::Text(value),
        }
    }
}

macro_rules! field_value_from {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(impl From<$from> for FieldValue {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

field_value_from! {
    bool => Bool, i64 => Int, i32 => Int, f64 => Float, &str => Text, String => Text, ArcStr => Text,
    Region => Region, EncodedRegion => Region, Timespan => Timespan,
}

impl<T: Into<Self>> From<Option<T>> for FieldValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// As in the command's output: hashes and regions are lower-case hexadecimal.
impl Serialize for FieldValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Hash(value) => serializer.serialize_str(&hex(value)),
            Self::Region(value) => serializer.serialize_str(&hex(value.as_bytes())),
            Self::Timespan(value) => value.serialize(serializer),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect())?
}

/// Row of one dimension element: keys, implied keys, alternate keys, metadata, region and timespan.
///
/// Immutable and cheap to clone. Equality is that of element and all fields.
#[derive(Clone, PartialEq)]
pub struct DimensionRecord(Arc<RecordInner>);

#[derive(PartialEq)]
struct RecordInner {
    element: DimensionElement,
    values: Box<[FieldValue]>,
}

impl DimensionRecord {
    /// A record from named fields, in any order; fields that are not given are null.
    ///
    /// The own key goes by the dimension's name or by its own (`id`, `name`).
    ///
    /// # Errors
    /// `DimensionName` for an unknown, repeated or missing key or field,
    /// `DimensionValue` for a value of the wrong type or length.
    pub fn new<K, V>(element: DimensionElement, fields: impl IntoIterator<Item = (K, V)>) -> Result<Self>
    where
        K: AsRef<str>,
        V: Into<FieldValue>,
    {
        if !element.has_table() {
            return Err(Error::new(
                ErrorKind::DimensionName,
                format!("'{element}' has no records of its own"),
            ));
        }
        let mut values: Vec<Option<FieldValue>> = vec![None; element.fields().len()];
        for (name, value) in fields {
            let name = name.as_ref();
            let index = element.field_index(name).ok_or_else(|| unknown_field(element, name))?;
            let value = conform(element, &element.fields()[index], value.into())?;
            if values[index].replace(value).is_some() {
                return Err(Error::new(
                    ErrorKind::DimensionName,
                    format!("field '{name}' of '{element}' is given twice"),
                ));
            }
        }
        let values: Vec<FieldValue> =
            values.into_iter().map(|value| value.unwrap_or(FieldValue::Null)).collect();
        if let Some((field, _)) = element
            .fields()
            .iter()
            .zip(&values)
            .find(|(field, value)| !field.nullable() && **value == FieldValue::Null)
        {
            return Err(Error::new(
                ErrorKind::DimensionName,
                format!("a record of '{element}' needs a value for '{}'", field.name),
            ));
        }
        Ok(Self::from_trusted(element, values))
    }

    /// A record of values in the order of [`DimensionElement::fields`] that are known to be valid.
    #[must_use]
    pub fn from_trusted(element: DimensionElement, values: impl Into<Box<[FieldValue]>>) -> Self {
        let values = values.into();
        debug_assert_eq!(values.len(), element.fields().len());
        Self(Arc::new(RecordInner { element, values }))
    }

    /// The element that it is a record of.
    #[must_use]
    pub fn element(&self) -> DimensionElement {
        self.0.element
    }

    /// Values in the order of [`DimensionElement::fields`].
    #[must_use]
    pub fn values(&self) -> &[FieldValue] {
        &self.0.values
    }

    /// Value of a field by name; the own key goes by both its names.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&FieldValue> {
        self.0.element.field_index(field).map(|index| &self.0.values[index])
    }

    /// Values of the required dimensions.
    #[must_use]
    pub fn required_values(&self) -> SmallVec<[DimensionValue; 6]> {
        let count = self.0.element.required().len();
        self.0.values[..count].iter().filter_map(FieldValue::to_dimension_value).collect()
    }

    /// Value of a dimension that the record implies.
    #[must_use]
    pub fn implied_value(&self, dimension: DimensionElement) -> Option<DimensionValue> {
        let element = self.0.element;
        let position = element.implied().position(|implied| implied == dimension)?;
        self.0.values[element.required().len() + position].to_dimension_value()
    }

    /// Data ID of the element's required dimensions, with implied values where the record has all of them.
    #[must_use]
    pub fn data_id(&self) -> DataId {
        let element = self.0.element;
        let group = element.universe().conform_dimensions(element.required());
        let known = |dimension: DimensionElement| {
            element
                .dimensions()
                .position(|other| other == dimension)
                .and_then(|position| self.0.values[position].to_dimension_value())
        };
        let required: SmallVec<[_; 6]> = group.required().filter_map(known).collect();
        let implied: Option<SmallVec<[_; 6]>> = group.implied().map(known).collect();
        DataId::from_trusted(group, required.into_iter().chain(implied.into_iter().flatten()))
    }

    /// The values as those of the [columns](DimensionElement::columns) of a table.
    #[must_use]
    pub fn to_values(&self) -> Box<[Value]> {
        let mut values = Vec::with_capacity(self.0.values.len() + 1);
        for (field, value) in self.0.element.fields().iter().zip(&self.0.values) {
            values.push(match value {
                FieldValue::Null => Value::Null,
                FieldValue::Bool(value) => Value::Bool(*value),
                FieldValue::Int(value) => Value::Int(*value),
                FieldValue::Float(value) => Value::Float(*value),
                FieldValue::Text(value) => Value::Text(value.clone()),
                FieldValue::Hash(value) => Value::Bytes((**value).into()),
                FieldValue::Region(value) => Value::Bytes(value.as_bytes().into()),
                FieldValue::Timespan(value) => Value::Int(value.to_raw().0),
            });
            if field.ty == FieldType::Timespan {
                values.push(match value {
                    FieldValue::Timespan(value) => Value::Int(value.to_raw().1),
                    _ => Value::Null,
                });
            }
        }
        values.into()
    }

    /// A record from values of the [columns](DimensionElement::columns) of a table.
    ///
    /// # Errors
    /// `Corrupt` if they are too few, too many or of wrong types.
    pub fn from_values(element: DimensionElement, values: &[Value]) -> Result<Self> {
        let wrong = || {
            Error::new(
                ErrorKind::Corrupt,
                format!("{} values are no record of '{element}': {values:?}", values.len()),
            )
        };
        let mut rest = values.iter();
        let mut fields = Vec::with_capacity(element.fields().len());
        for field in element.fields() {
            let value = rest.next().ok_or_else(wrong)?;
            fields.push(match (field.ty, value) {
                (FieldType::Timespan, begin) => match (begin, rest.next().ok_or_else(wrong)?) {
                    (Value::Int(begin), Value::Int(end)) => {
                        FieldValue::Timespan(Timespan::from_raw(*begin, *end))
                    }
                    (Value::Null, Value::Null) => FieldValue::Null,
                    _ => return Err(wrong()),
                },
                (_, Value::Null) => FieldValue::Null,
                (FieldType::Bool, Value::Bool(value)) => FieldValue::Bool(*value),
                (FieldType::Int, Value::Int(value)) => FieldValue::Int(*value),
                (FieldType::Float, Value::Float(value)) => FieldValue::Float(*value),
                (FieldType::Text(_), Value::Text(value)) => FieldValue::Text(value.clone()),
                (FieldType::Hash(_), Value::Bytes(value)) => FieldValue::Hash((&**value).into()),
                (FieldType::Region, Value::Bytes(value)) => {
                    FieldValue::Region(EncodedRegion::from_bytes(value.clone()))
                }
                _ => return Err(wrong()),
            });
        }
        match rest.next() {
            None => Ok(Self::from_trusted(element, fields)),
            Some(_) => Err(wrong()),
        }
    }

    /// The region, if the element has one and it is not null.
    #[must_use]
    pub fn region(&self) -> Option<&EncodedRegion> {
        match self.get("region") {
            Some(FieldValue::Region(region)) => Some(region),
            _ => None,
        }
    }

    /// The timespan, if the element has one and it is not null.
    #[must_use]
    pub fn timespan(&self) -> Option<Timespan> {
        match self.get("timespan") {
            Some(FieldValue::Timespan(timespan)) => Some(*timespan),
            _ => None,
        }
    }
}

fn unknown_field(element: DimensionElement, name: &str) -> Error {
    let error =
        Error::new(ErrorKind::DimensionName, format!("'{element}' has no field '{}'", name.escape_debug()));
    match suggest::nearest(name, element.fields().iter().map(|field| field.name.as_str())) {
        Some(near) => error.with_hint(format!("did you mean '{near}'?")),
        None => error,
    }
}

/// Checks a value against its field; an integer is taken for a float.
fn conform(element: DimensionElement, field: &Field, value: FieldValue) -> Result<FieldValue> {
    let wrong = |what: String| {
        Err(Error::new(ErrorKind::DimensionValue, format!("field '{}' of '{element}' {what}", field.name)))
    };
    match (field.ty, value) {
        (_, FieldValue::Null) => Ok(FieldValue::Null),
        (FieldType::Float, FieldValue::Int(value)) => Ok(FieldValue::Float(value as f64)),
        (FieldType::Float, FieldValue::Float(value)) if !value.is_finite() => {
            wrong(format!("must be finite, not {value}"))
        }
        // Negative zero is not kept: databases disagree about it.
        (FieldType::Float, FieldValue::Float(value)) => Ok(FieldValue::Float(value + 0.0)),
        (FieldType::Text(max), FieldValue::Text(text)) => {
            let empty_key = text.is_empty() && !matches!(field.role, FieldRole::Metadata);
            if empty_key || text.contains('\0') || text.chars().count() > max as usize {
                return wrong(format!(
                    "takes at most {max} characters, none of them NUL, and is not empty if it is a key; it is '{}'",
                    text.escape_debug()
                ));
            }
            Ok(FieldValue::Text(text))
        }
        (FieldType::Hash(max), FieldValue::Hash(bytes)) if bytes.len() > max as usize => {
            wrong(format!("takes at most {max} bytes, not {}", bytes.len()))
        }
        (FieldType::Region, FieldValue::Region(region)) => {
            region.decode().map_err(|error| error.with_context("field", format!("{element}.region")))?;
            Ok(FieldValue::Region(region))
        }
        (FieldType::Bool, value @ FieldValue::Bool(_))
        | (FieldType::Int, value @ FieldValue::Int(_))
        | (FieldType::Hash(_), value @ FieldValue::Hash(_))
        | (FieldType::Timespan, value @ FieldValue::Timespan(_)) => Ok(value),
        (ty, value) => wrong(format!("takes a {}, not a {}", type_name(ty), value.type_name())),
    }
}

fn type_name(ty: FieldType) -> &'static str {
    match ty {
        FieldType::Int => "int",
        FieldType::Float => "float",
        FieldType::Bool => "bool",
        FieldType::Text(_) => "string",
        FieldType::Hash(_) => "hash",
        FieldType::Region => "region",
        FieldType::Timespan => "timespan",
    }
}

impl fmt::Debug for DimensionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_struct(self.0.element.name());
        for (field, value) in self.0.element.fields().iter().zip(&self.0.values) {
            map.field(&field.name, value);
        }
        map.finish()
    }
}

/// A map of all fields in the order of the element.
impl Serialize for DimensionRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.0.element.fields();
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (field, value) in fields.iter().zip(&self.0.values) {
            map.serialize_entry(field.name.as_str(), value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
