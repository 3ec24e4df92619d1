//! Elements of a dimension universe and the fields of their records.

use std::fmt;
use std::hash::{Hash, Hasher};

use arcstr::ArcStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::group::DimensionGroup;
use super::universe::{DimensionUniverse, Family, Space, UniverseInner};
use crate::backend::{ColumnSpec, ColumnType};

/// Type of a field of a dimension record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// 64-bit signed integer.
    Int,
    /// Finite 64-bit float.
    Float,
    /// Boolean.
    Bool,
    /// Text of at most so many characters.
    Text(u32),
    /// Bytes, at most so many.
    Hash(u32),
    /// Region on the sphere, in the byte encoding of LSST's `sphgeom`.
    Region,
    /// Half-open timespan in TAI nanoseconds.
    Timespan,
}

/// What a field is to its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldRole {
    /// Value of a required dimension, the element's own key included.
    Required,
    /// Value of an implied dimension.
    Implied,
    /// Unique among records that agree in the other required dimensions.
    AlternateKey,
    /// Anything else, `region` and `timespan` included.
    Metadata,
}

/// Field of the records of one element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name; a key has the name of its dimension.
    pub name: ArcStr,
    /// Type of its values.
    pub ty: FieldType,
    /// What it is to the element.
    pub role: FieldRole,
    /// Description, perhaps empty.
    pub doc: ArcStr,
}

impl Field {
    /// Whether values may be absent: keys and implied dimensions may not.
    #[must_use]
    pub fn nullable(&self) -> bool {
        matches!(self.role, FieldRole::AlternateKey | FieldRole::Metadata)
    }
}

/// System and level of a sky pixelisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SkyPixLevel {
    pub(super) system: ArcStr,
    pub(super) level: u32,
}

#[derive(Debug)]
pub(super) struct ElementInner {
    pub(super) name: ArcStr,
    pub(super) doc: ArcStr,
    /// Name and type of the own key; none for elements that only combine.
    pub(super) key: Option<Field>,
    /// Required dimensions with their closure, universe order, itself included.
    pub(super) required: Vec<u16>,
    /// Directly implied dimensions, universe order.
    pub(super) implied: Vec<u16>,
    pub(super) fields: Vec<Field>,
    pub(super) governor: Option<u16>,
    pub(super) cached: bool,
    pub(super) union_of: Option<u16>,
    pub(super) always_join: bool,
    pub(super) populated_by: Option<u16>,
    pub(super) skypix: Option<SkyPixLevel>,
    pub(super) spatial: Option<u16>,
    pub(super) temporal: Option<u16>,
}

/// Element of a [`DimensionUniverse`]: a dimension, or a combination of
/// dimensions that has records of its own.
///
/// A copyable handle, compared by identity within its universe.
#[derive(Clone, Copy)]
pub struct DimensionElement {
    pub(super) universe: &'static UniverseInner,
    pub(super) index: u16,
}

impl DimensionElement {
    pub(super) fn inner(self) -> &'static ElementInner {
        &self.universe.elements[usize::from(self.index)]
    }

    fn at(self, index: u16) -> Self {
        Self { universe: self.universe, index }
    }

    /// Name, unique in the universe.
    #[must_use]
    pub fn name(self) -> &'static ArcStr {
        &self.inner().name
    }

    /// Description, perhaps empty.
    #[must_use]
    pub fn doc(self) -> &'static str {
        &self.inner().doc
    }

    /// The universe that it belongs to.
    #[must_use]
    pub fn universe(self) -> DimensionUniverse {
        DimensionUniverse(self.universe)
    }

    /// Whether it is a dimension, i.e. has a key of its own.
    #[must_use]
    pub fn is_dimension(self) -> bool {
        self.inner().key.is_some()
    }

    /// Own key under the name that its column has elsewhere (`id`, `name`).
    #[must_use]
    pub fn key(self) -> Option<&'static Field> {
        self.inner().key.as_ref()
    }

    /// Required dimensions and theirs, in universe order, itself included if it is a dimension.
    pub fn required(self) -> impl ExactSizeIterator<Item = Self> {
        self.inner().required.iter().map(move |&index| self.at(index))
    }

    /// Directly implied dimensions, in universe order.
    pub fn implied(self) -> impl ExactSizeIterator<Item = Self> {
        self.inner().implied.iter().map(move |&index| self.at(index))
    }

    /// Required, then implied dimensions.
    pub fn dimensions(self) -> impl Iterator<Item = Self> {
        self.required().chain(self.implied())
    }

    /// Fields of its records: required keys, implied keys, alternate keys,
    /// metadata, `region`, `timespan`.
    #[must_use]
    pub fn fields(self) -> &'static [Field] {
        &self.inner().fields
    }

    /// Columns of a table of its records: one for each field, in order, and two
    /// for a timespan, `timespan_begin` and `timespan_end`.
    #[must_use]
    pub fn columns(self) -> Vec<ColumnSpec> {
        let mut columns = Vec::with_capacity(self.fields().len() + 1);
        for field in self.fields() {
            let mut push = |name: ArcStr, ty| {
                let (nullable, comment) = (field.nullable(), field.doc.clone());
                columns.push(ColumnSpec { name, ty, nullable, comment });
            };
            match field.ty {
                FieldType::Int => push(field.name.clone(), ColumnType::Int),
                FieldType::Float => push(field.name.clone(), ColumnType::Float),
                FieldType::Bool => push(field.name.clone(), ColumnType::Bool),
                FieldType::Text(_) => push(field.name.clone(), ColumnType::Text),
                FieldType::Hash(_) | FieldType::Region => push(field.name.clone(), ColumnType::Bytes),
                FieldType::Timespan => {
                    push("timespan_begin".into(), ColumnType::Int);
                    push("timespan_end".into(), ColumnType::Int);
                }
            }
        }
        columns
    }

    /// Position of a field, looked up by name; the own key is known by the
    /// dimension's name and by its own (`id`, `name`) unless another field has that.
    #[must_use]
    pub fn field_index(self, name: &str) -> Option<usize> {
        let inner = self.inner();
        inner.fields.iter().position(|field| field.name == name).or_else(|| {
            // What a dimension requires comes before it, so its own key is the last of the required ones.
            inner.key.as_ref().filter(|key| key.name == name).map(|_| inner.required.len() - 1)
        })
    }

    /// A field by name, as [`field_index`](Self::field_index) finds it.
    #[must_use]
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.field_index(name).map(|index| &self.inner().fields[index])
    }

    /// The governor dimension that scopes it, if any; itself for a governor.
    #[must_use]
    pub fn governor(self) -> Option<Self> {
        self.inner().governor.map(|index| self.at(index))
    }

    /// Whether it is a governor dimension.
    #[must_use]
    pub fn is_governor(self) -> bool {
        self.inner().governor == Some(self.index)
    }

    /// Whether its records are few and worth keeping in memory.
    #[must_use]
    pub fn is_cached(self) -> bool {
        self.inner().cached
    }

    /// Whether queries over its dimensions always join it.
    #[must_use]
    pub fn always_join(self) -> bool {
        self.inner().always_join
    }

    /// Dimension with whose records its own are inserted and exported, if any.
    #[must_use]
    pub fn populated_by(self) -> Option<Self> {
        self.inner().populated_by.map(|index| self.at(index))
    }

    /// Whether its records say which values belong together: it implies dimensions or is always joined.
    #[must_use]
    pub fn defines_relationships(self) -> bool {
        !self.inner().implied.is_empty() || self.inner().always_join
    }

    /// The dimension that implies it, where its values are those that one implies.
    #[must_use]
    pub fn union_of(self) -> Option<Self> {
        self.inner().union_of.map(|index| self.at(index))
    }

    /// Whether it has records of its own in a table.
    #[must_use]
    pub fn has_table(self) -> bool {
        self.inner().skypix.is_none() && self.inner().union_of.is_none()
    }

    /// System and level, for a dimension of a sky pixelisation.
    #[must_use]
    pub fn skypix(self) -> Option<(&'static str, u32)> {
        self.inner().skypix.as_ref().map(|skypix| (skypix.system.as_str(), skypix.level))
    }

    /// Family of elements that describe the same space, if its records have a region.
    #[must_use]
    pub fn spatial(self) -> Option<Family> {
        self.inner().spatial.map(|index| Family { universe: self.universe, space: Space::Spatial, index })
    }

    /// Family of elements that describe the same time, if its records have a timespan.
    #[must_use]
    pub fn temporal(self) -> Option<Family> {
        self.inner().temporal.map(|index| Family { universe: self.universe, space: Space::Temporal, index })
    }

    /// Whether its records have a region.
    #[must_use]
    pub fn has_region(self) -> bool {
        self.inner().spatial.is_some() && self.inner().skypix.is_none()
    }

    /// Whether its records have a timespan.
    #[must_use]
    pub fn has_timespan(self) -> bool {
        self.inner().temporal.is_some()
    }

    /// The smallest group that contains its dimensions.
    #[must_use]
    pub fn minimal_group(self) -> DimensionGroup {
        self.universe.minimal_group(self.index)
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.index)
    }
}

impl PartialEq for DimensionElement {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && std::ptr::eq(self.universe, other.universe)
    }
}

impl Eq for DimensionElement {}

impl Hash for DimensionElement {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.index.hash(state);
    }
}

/// Universe order.
impl Ord for DimensionElement {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.index
            .cmp(&other.index)
            .then_with(|| std::ptr::from_ref(self.universe).cmp(&std::ptr::from_ref(other.universe)))
    }
}

impl PartialOrd for DimensionElement {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for DimensionElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for DimensionElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Its name.
impl Serialize for DimensionElement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Name of an element of the universe in [scope](DimensionUniverse::scope).
impl<'de> Deserialize<'de> for DimensionElement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        DimensionUniverse::scoped()?.element(&name).map_err(serde::de::Error::custom)
    }
}
