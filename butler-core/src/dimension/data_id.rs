//! Data IDs: values of dimensions that identify data.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

use super::element::{DimensionElement, FieldType};
use super::group::DimensionGroup;
use super::record::{DimensionRecord, EncodedRegion};
use super::universe::DimensionUniverse;
use super::value::DimensionValue;
use crate::time::Timespan;
use crate::{Error, ErrorKind, Result};

/// Version of the encoding that [`DataId::digest`] hashes.
const DIGEST_VERSION: u8 = 1;

/// Records of the elements of a data ID's group, in the order of [`DimensionGroup::elements`].
///
/// An element without a record, or without a table, has none.
pub type DataIdRecords = Arc<[Option<DimensionRecord>]>;

/// Values of a group of dimensions, enough to identify one point in it.
///
/// There are three levels: *minimal* (the required dimensions), *full* (also
/// those that they imply) and *expanded* (also the dimension records). Equality,
/// order and hash are those of the group and the required values. Cloning is
/// cheap.
#[derive(Clone)]
pub struct DataId(Arc<Inner>);

struct Inner {
    group: DimensionGroup,
    /// Required, then (if full) implied values.
    values: SmallVec<[DimensionValue; 6]>,
    records: Option<DataIdRecords>,
}

impl DataId {
    /// A data ID from values in the order of [`DimensionGroup::keys`]: those of
    /// the required dimensions, or of all.
    ///
    /// # Errors
    /// `DimensionName` if there are too few or too many values, `DimensionValue` if one is of the wrong type.
    pub fn new(group: DimensionGroup, values: impl IntoIterator<Item = DimensionValue>) -> Result<Self> {
        let values: SmallVec<[DimensionValue; 6]> = values.into_iter().collect();
        if values.len() != group.required_len() && values.len() != group.len() {
            return Err(Error::new(
                ErrorKind::DimensionName,
                format!(
                    "{} values cannot be a data ID of {group}, which takes {}",
                    values.len(),
                    group.required_len()
                ),
            ));
        }
        for (dimension, value) in group.keys().zip(&values) {
            check_value(dimension, value)?;
        }
        Ok(Self::from_checked(group, values, None))
    }

    /// A data ID of values that are known to be right in number and type, as read from a registry.
    #[must_use]
    pub fn from_trusted(group: DimensionGroup, values: impl IntoIterator<Item = DimensionValue>) -> Self {
        Self::from_checked(group, values.into_iter().collect(), None)
    }

    fn from_checked(
        group: DimensionGroup,
        values: SmallVec<[DimensionValue; 6]>,
        records: Option<DataIdRecords>,
    ) -> Self {
        debug_assert!(values.len() == group.required_len() || values.len() == group.len());
        Self(Arc::new(Inner { group, values, records }))
    }

    /// The data ID without dimensions.
    #[must_use]
    pub fn empty(universe: DimensionUniverse) -> Self {
        Self::from_checked(universe.empty(), SmallVec::new(), None)
    }

    /// A data ID of a group from named values, in any order.
    ///
    /// Values of implied dimensions are kept if there is one for each, and
    /// values of dimensions outside the group are ignored.
    ///
    /// # Errors
    /// `DimensionName` if a required dimension has no value or a name is no
    /// dimension, `DimensionValue` if a value is of the wrong type.
    pub fn from_pairs<K, V>(group: DimensionGroup, pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self>
    where
        K: AsRef<str>,
        V: Into<DimensionValue>,
    {
        let mut slots: SmallVec<[Option<DimensionValue>; 6]> = group.keys().map(|_| None).collect();
        for (key, value) in pairs {
            let dimension = group.universe().dimension(key.as_ref())?;
            let value = value.into();
            check_value(dimension, &value)?;
            if let Some(index) = group.key_index(dimension) {
                slots[index] = Some(value);
            }
        }
        let missing: Vec<&str> = group
            .required()
            .zip(&slots)
            .filter(|(_, slot)| slot.is_none())
            .map(|(dimension, _)| dimension.name().as_str())
            .collect();
        if !missing.is_empty() {
            return Err(Error::new(
                ErrorKind::DimensionName,
                format!("a data ID of {group} needs a value for {}", missing.join(", ")),
            ));
        }
        let full = slots.iter().all(Option::is_some);
        let len = if full { group.len() } else { group.required_len() };
        Ok(Self::from_checked(group, slots.into_iter().take(len).flatten().collect(), None))
    }

    /// The same data ID with all implied values, in the order of [`DimensionGroup::implied`].
    ///
    /// # Errors
    /// `DimensionName` if there are too few or too many, `DimensionValue` if one is of the wrong type.
    pub fn with_implied(&self, implied: impl IntoIterator<Item = DimensionValue>) -> Result<Self> {
        Self::new(self.0.group, self.required_values().iter().cloned().chain(implied))
    }

    /// The same data ID, expanded: implied values are taken from the records.
    ///
    /// `records` has one place for each of [`DimensionGroup::elements`].
    ///
    /// # Errors
    /// `InconsistentDataId` if an implied value is in no record, or a known one differs from the record's.
    pub fn with_records(&self, records: DataIdRecords) -> Result<Self> {
        let group = self.0.group;
        debug_assert_eq!(records.len(), group.elements().len());
        let mut values: SmallVec<[DimensionValue; 6]> = self.required_values().into();
        for dimension in group.implied() {
            let value =
                records.iter().flatten().find_map(|record| record.implied_value(dimension)).ok_or_else(
                    || {
                        Error::new(
                            ErrorKind::InconsistentDataId,
                            format!("no record of {self} implies a value of {dimension}"),
                        )
                    },
                )?;
            if let Some(known) = self.get_dimension(dimension)
                && *known != value
            {
                return Err(Error::new(
                    ErrorKind::InconsistentDataId,
                    format!(
                        "data ID {self} has {dimension}={known}, but its dimension records imply {value}"
                    ),
                ));
            }
            values.push(value);
        }
        Ok(Self::from_checked(group, values, Some(records)))
    }

    /// The same data ID without records.
    #[must_use]
    pub fn without_records(&self) -> Self {
        if self.0.records.is_none() {
            return self.clone();
        }
        Self::from_checked(self.0.group, self.0.values.clone(), None)
    }

    /// The dimensions that it has values of.
    #[must_use]
    pub fn group(&self) -> DimensionGroup {
        self.0.group
    }

    /// Values of the required dimensions, in the order of [`DimensionGroup::required`].
    #[must_use]
    pub fn required_values(&self) -> &[DimensionValue] {
        &self.0.values[..self.0.group.required_len()]
    }

    /// Known values, in the order of [`DimensionGroup::keys`].
    #[must_use]
    pub fn values(&self) -> &[DimensionValue] {
        &self.0.values
    }

    /// Dimensions with known values, required before implied ones.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (DimensionElement, &DimensionValue)> {
        self.0.group.keys().zip(&self.0.values)
    }

    /// Value of a dimension by name, if it is known.
    #[must_use]
    pub fn get(&self, dimension: &str) -> Option<&DimensionValue> {
        self.0.group.key_index_of(dimension).and_then(|index| self.0.values.get(index))
    }

    /// Value of a dimension, if it is known.
    #[must_use]
    pub fn get_dimension(&self, dimension: DimensionElement) -> Option<&DimensionValue> {
        self.0.group.key_index(dimension).and_then(|index| self.0.values.get(index))
    }

    /// Whether implied values are known too.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.values.len() == self.0.group.len()
    }

    /// Whether it carries dimension records.
    #[must_use]
    pub fn is_expanded(&self) -> bool {
        self.0.records.is_some()
    }

    /// Records of the group's elements, if it is expanded.
    #[must_use]
    pub fn records(&self) -> Option<&DataIdRecords> {
        self.0.records.as_ref()
    }

    /// Record of an element of the group, if it is expanded and has one.
    #[must_use]
    pub fn record(&self, element: DimensionElement) -> Option<&DimensionRecord> {
        let records = self.0.records.as_ref()?;
        let position = self.0.group.elements().position(|other| other == element)?;
        records[position].as_ref()
    }

    /// The data ID of a smaller group, at the same level as far as it is known.
    ///
    /// # Errors
    /// `DimensionName` if a required value of the smaller group is not known.
    pub fn subset(&self, group: DimensionGroup) -> Result<Self> {
        if group == self.0.group {
            return Ok(self.clone());
        }
        let mut values: SmallVec<[DimensionValue; 6]> = SmallVec::new();
        for dimension in group.required() {
            let value = self.get_dimension(dimension).ok_or_else(|| {
                Error::new(
                    ErrorKind::DimensionName,
                    format!("data ID {self} has no value of {dimension}, which {group} requires"),
                )
            })?;
            values.push(value.clone());
        }
        let implied: Option<SmallVec<[_; 6]>> =
            group.implied().map(|dimension| self.get_dimension(dimension).cloned()).collect();
        let full = implied.is_some();
        values.extend(implied.into_iter().flatten());
        let records = self
            .0
            .records
            .as_ref()
            .filter(|_| full)
            .map(|_| group.elements().map(|element| self.record(element).cloned()).collect());
        Ok(Self::from_checked(group, values, records))
    }

    /// The data ID of the union of both groups; where both have a value, the first one's is taken.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let group = self.0.group.union(other.0.group);
        let value =
            |dimension| self.get_dimension(dimension).or_else(|| other.get_dimension(dimension)).cloned();
        let mut values: SmallVec<[DimensionValue; 6]> = group.required().filter_map(value).collect();
        let implied: Option<SmallVec<[_; 6]>> = group.implied().map(value).collect();
        values.extend(implied.into_iter().flatten());
        Self::from_checked(group, values, None)
    }

    /// Intersection of the timespans of its temporal families, if it is expanded and each has one.
    #[must_use]
    pub fn timespan(&self) -> Option<Timespan> {
        let mut families = self.0.group.temporal().map(|family| {
            let record = self.record(family.choose(self.0.group)?)?;
            record.timespan()
        });
        let first = families.next()??;
        families.try_fold(first, |all, next| Some(all.intersection(next?)))
    }

    /// Encoded regions of its spatial families, if it is expanded; `None` for a family without one.
    pub fn regions(&self) -> impl Iterator<Item = Option<EncodedRegion>> {
        self.0.group.spatial().map(|family| {
            let element = family.choose(self.0.group)?;
            self.record(element)?.region().cloned()
        })
    }

    /// 16 bytes of BLAKE3 over names and values of the required dimensions.
    ///
    /// The encoding is versioned and independent of the universe's order: a
    /// version byte, then for each dimension by name: the name's length (u32,
    /// little-endian) and bytes, and either `i` and the integer (i64,
    /// little-endian) or `s`, the length (u32) and bytes of the string.
    #[must_use]
    pub fn digest(&self) -> [u8; 16] {
        let mut pairs: SmallVec<[(&str, &DimensionValue); 6]> = self
            .0
            .group
            .required()
            .map(|dimension| dimension.name().as_str())
            .zip(self.required_values())
            .collect();
        pairs.sort_unstable_by_key(|(name, _)| *name);
        let mut bytes: SmallVec<[u8; 256]> = SmallVec::new();
        bytes.push(DIGEST_VERSION);
        for (name, value) in pairs {
            push_text(&mut bytes, name);
            match value {
                DimensionValue::Int(value) => {
                    bytes.push(b'i');
                    bytes.extend_from_slice(&value.to_le_bytes());
                }
                DimensionValue::Text(value) => {
                    bytes.push(b's');
                    push_text(&mut bytes, value);
                }
            }
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..16]);
        digest
    }
}

fn push_text(bytes: &mut SmallVec<[u8; 256]>, text: &str) {
    bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

pub(crate) fn check_value(dimension: DimensionElement, value: &DimensionValue) -> Result<()> {
    let key = dimension.key().map(|key| key.ty);
    let expected = match (key, value) {
        (Some(FieldType::Int), DimensionValue::Int(_))
        | (Some(FieldType::Text(_)), DimensionValue::Text(_)) => {
            return Ok(());
        }
        (Some(FieldType::Int), _) => "an int",
        _ => "a string",
    };
    Err(Error::new(
        ErrorKind::DimensionValue,
        format!("dimension '{dimension}' takes {expected}, not the {} {value}", value.type_name()),
    ))
}

impl PartialEq for DataId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.group == other.0.group && self.required_values() == other.required_values())
    }
}

impl Eq for DataId {}

impl Hash for DataId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.group.hash(state);
        self.required_values().hash(state);
    }
}

/// Order of required values; data IDs of different groups order by the groups' names.
impl Ord for DataId {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.0.group != other.0.group {
            let by_name = self.0.group.required_names().cmp(&other.0.group.required_names());
            if by_name != Ordering::Equal {
                return by_name;
            }
        }
        self.required_values().cmp(other.required_values())
    }
}

impl PartialOrd for DataId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `{instrument: 'HSC', detector: 50}`: known values, required ones first.
impl fmt::Display for DataId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (dimension, value)) in self.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{dimension}: {value}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for DataId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A map of the known values, keys in the universe's order.
impl Serialize for DataId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pairs: SmallVec<[_; 8]> = self.iter().collect();
        pairs.sort_unstable_by_key(|(dimension, _)| *dimension);
        let mut map = serializer.serialize_map(Some(pairs.len()))?;
        for (dimension, value) in pairs {
            map.serialize_entry(dimension.name().as_str(), value)?;
        }
        map.end()
    }
}

/// A map of names and values, in the universe in [scope](DimensionUniverse::scope); the
/// group is the smallest that has all of them.
impl<'de> Deserialize<'de> for DataId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = BTreeMap::<String, DimensionValue>::deserialize(deserializer)?;
        let group = DimensionUniverse::scoped()?.conform(pairs.keys()).map_err(serde::de::Error::custom)?;
        Self::from_pairs(group, pairs).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
