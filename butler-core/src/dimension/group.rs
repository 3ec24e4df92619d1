//! Closed, ordered sets of dimensions.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bits::BitSet;
use super::element::DimensionElement;
use super::universe::{DimensionUniverse, Family, Space, UniverseInner};
use crate::{Error, ErrorKind, Result};

#[derive(Debug)]
pub(super) struct GroupInner {
    pub(super) universe: &'static UniverseInner,
    pub(super) bits: BitSet,
    pub(super) names: Vec<u16>,
    /// Required, then implied dimensions; the first `required_len` are required.
    pub(super) keys: Vec<u16>,
    pub(super) required_len: usize,
    pub(super) elements: Vec<u16>,
    pub(super) lookup_order: Vec<u16>,
    pub(super) governors: Vec<u16>,
    pub(super) spatial: Vec<u16>,
    pub(super) temporal: Vec<u16>,
}

/// A set of dimensions that contains everything that its members require or imply.
///
/// Groups are interned for the life of the process: a group is a pointer,
/// copied freely and compared by identity.
#[derive(Clone, Copy)]
pub struct DimensionGroup(pub(super) &'static GroupInner);

impl DimensionGroup {
    fn at(self, index: u16) -> DimensionElement {
        DimensionElement { universe: self.0.universe, index }
    }

    fn elements_of(self, indices: &'static [u16]) -> impl ExactSizeIterator<Item = DimensionElement> {
        indices.iter().map(move |&index| self.at(index))
    }

    /// The universe that it belongs to.
    #[must_use]
    pub fn universe(self) -> DimensionUniverse {
        DimensionUniverse(self.0.universe)
    }

    /// Number of dimensions.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.names.len()
    }

    /// Whether it has no dimensions.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.names.is_empty()
    }

    /// All dimensions, in universe order.
    pub fn dimensions(self) -> impl ExactSizeIterator<Item = DimensionElement> {
        self.elements_of(&self.0.names)
    }

    /// Dimensions that no other member implies, in universe order: they identify.
    pub fn required(self) -> impl ExactSizeIterator<Item = DimensionElement> {
        self.elements_of(&self.0.keys[..self.0.required_len])
    }

    /// Dimensions that another member implies, in universe order.
    pub fn implied(self) -> impl ExactSizeIterator<Item = DimensionElement> {
        self.elements_of(&self.0.keys[self.0.required_len..])
    }

    /// Required, then implied dimensions: the order of values in a data ID.
    pub fn keys(self) -> impl ExactSizeIterator<Item = DimensionElement> {
        self.elements_of(&self.0.keys)
    }

    /// Number of required dimensions.
    #[must_use]
    pub fn required_len(self) -> usize {
        self.0.required_len
    }

    /// Position of a dimension among [`keys`](Self::keys).
    #[must_use]
    pub fn key_index(self, dimension: DimensionElement) -> Option<usize> {
        debug_assert!(std::ptr::eq(dimension.universe, self.0.universe));
        self.0.keys.iter().position(|&index| index == dimension.index)
    }

    /// Position among [`keys`](Self::keys) of the dimension of a name.
    #[must_use]
    pub fn key_index_of(self, name: &str) -> Option<usize> {
        self.keys().position(|dimension| dimension.name() == name)
    }

    /// Every element whose required dimensions are all members, in universe order.
    pub fn elements(self) -> impl ExactSizeIterator<Item = DimensionElement> {
        self.elements_of(&self.0.elements)
    }

    /// Its elements in an order in which records can be looked up: each after
    /// those that it requires, and before those that it implies.
    pub fn lookup_order(self) -> impl ExactSizeIterator<Item = DimensionElement> {
        self.elements_of(&self.0.lookup_order)
    }

    /// Governor dimensions among the members.
    pub fn governors(self) -> impl ExactSizeIterator<Item = DimensionElement> {
        self.elements_of(&self.0.governors)
    }

    /// Spatial families of its elements, those of sky pixelisations included.
    pub fn spatial(self) -> impl ExactSizeIterator<Item = Family> {
        let universe = self.0.universe;
        self.0.spatial.iter().map(move |&index| Family { universe, space: Space::Spatial, index })
    }

    /// Temporal families of its elements.
    pub fn temporal(self) -> impl ExactSizeIterator<Item = Family> {
        let universe = self.0.universe;
        self.0.temporal.iter().map(move |&index| Family { universe, space: Space::Temporal, index })
    }

    /// Whether a dimension is a member.
    #[must_use]
    pub fn contains(self, dimension: DimensionElement) -> bool {
        debug_assert!(std::ptr::eq(dimension.universe, self.0.universe));
        self.0.bits.contains(dimension.index())
    }

    /// Whether a dimension of this name is a member.
    #[must_use]
    pub fn contains_name(self, name: &str) -> bool {
        self.dimensions().any(|dimension| dimension.name() == name)
    }

    /// Whether an element's required dimensions are all members.
    #[must_use]
    pub fn contains_element(self, element: DimensionElement) -> bool {
        self.0.elements.contains(&element.index)
    }

    /// Whether all members are also members of the other group.
    #[must_use]
    pub fn is_subset(self, other: Self) -> bool {
        self.0.bits.is_subset(&other.0.bits)
    }

    /// Whether no dimension is a member of both.
    #[must_use]
    pub fn is_disjoint(self, other: Self) -> bool {
        self.0.bits.is_disjoint(&other.0.bits)
    }

    /// The smallest group that contains both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if other.is_subset(self) {
            return self;
        }
        // The union of closed sets is closed.
        self.0.universe.intern(self.0.bits.union(&other.0.bits))
    }

    /// The members of both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        if self.is_subset(other) {
            return self;
        }
        // The intersection of closed sets is closed.
        self.0.universe.intern(self.0.bits.intersection(&other.0.bits))
    }

    /// Names of all dimensions, in universe order.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        self.dimensions().map(|dimension| dimension.name().as_str()).collect()
    }

    /// Names of the required dimensions, in universe order: enough to build it again.
    #[must_use]
    pub fn required_names(self) -> Vec<&'static str> {
        self.required().map(|dimension| dimension.name().as_str()).collect()
    }

    /// A member by name.
    ///
    /// # Errors
    /// `DimensionName` if the group has no such dimension.
    pub fn dimension(self, name: &str) -> Result<DimensionElement> {
        self.dimensions().find(|dimension| dimension.name() == name).ok_or_else(|| {
            Error::new(ErrorKind::DimensionName, format!("dimension '{name}' is not one of {self}"))
        })
    }
}

impl PartialEq for DimensionGroup {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for DimensionGroup {}

impl Hash for DimensionGroup {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::hash(self.0, state);
    }
}

impl fmt::Debug for DimensionGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `{instrument, detector}`: all members in universe order.
impl fmt::Display for DimensionGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.names().join(", "))
    }
}

/// The names of the required dimensions, in universe order.
impl Serialize for DimensionGroup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.required().map(|dimension| dimension.name().as_str()))
    }
}

/// Names of dimensions of the universe in [scope](DimensionUniverse::scope).
impl<'de> Deserialize<'de> for DimensionGroup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        DimensionUniverse::scoped()?.conform(names).map_err(serde::de::Error::custom)
    }
}

impl UniverseInner {
    /// The group of a closed set of dimensions.
    pub(super) fn intern(&'static self, bits: BitSet) -> DimensionGroup {
        let mut groups = self.groups.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(&group) = groups.get(&bits) {
            return DimensionGroup(group);
        }
        let group: &'static GroupInner = Box::leak(Box::new(self.build_group(bits.clone())));
        groups.insert(bits, group);
        DimensionGroup(group)
    }

    /// Adds everything that the members require or imply, recursively.
    pub(super) fn close(&self, indices: impl IntoIterator<Item = usize>) -> BitSet {
        let mut bits = BitSet::default();
        let mut pending: Vec<usize> = indices.into_iter().collect();
        while let Some(index) = pending.pop() {
            if bits.insert(index) {
                let element = &self.elements[index];
                pending
                    .extend(element.required.iter().chain(&element.implied).map(|&other| usize::from(other)));
            }
        }
        bits
    }

    fn build_group(&'static self, bits: BitSet) -> GroupInner {
        let names: Vec<u16> = bits.iter().map(as_index).collect();
        let implied: BitSet = names
            .iter()
            .flat_map(|&name| &self.elements[usize::from(name)].implied)
            .map(|&other| usize::from(other))
            .collect();
        let (implied, required): (Vec<u16>, Vec<u16>) =
            names.iter().partition(|&&name| implied.contains(usize::from(name)));
        let elements: Vec<u16> = self
            .elements
            .iter()
            .enumerate()
            .filter(|(_, element)| element.required.iter().all(|&r| bits.contains(usize::from(r))))
            .map(|(index, _)| as_index(index))
            .collect();
        let governors =
            names.iter().copied().filter(|&n| self.elements[usize::from(n)].governor == Some(n)).collect();
        let lookup_order = self.lookup_order(&required, &elements);
        let families = |of: fn(&super::element::ElementInner) -> Option<u16>| {
            let mut families: Vec<u16> =
                elements.iter().filter_map(|&e| of(&self.elements[usize::from(e)])).collect();
            families.sort_unstable();
            families.dedup();
            families
        };
        GroupInner {
            universe: self,
            spatial: families(|element| element.spatial),
            temporal: families(|element| element.temporal),
            required_len: required.len(),
            keys: required.into_iter().chain(implied).collect(),
            bits,
            names,
            elements,
            lookup_order,
            governors,
        }
    }

    fn lookup_order(&self, required: &[u16], elements: &[u16]) -> Vec<u16> {
        let mut order = Vec::with_capacity(elements.len());
        while !required.iter().all(|dimension| order.contains(dimension)) {
            for &dimension in required {
                self.push_in_order(dimension, &mut order);
            }
        }
        for &element in elements {
            if !order.contains(&element) {
                order.push(element);
            }
        }
        order
    }

    fn push_in_order(&self, index: u16, order: &mut Vec<u16>) {
        let element = &self.elements[usize::from(index)];
        let ready = element.required.iter().all(|other| *other == index || order.contains(other));
        if order.contains(&index) || !ready {
            return;
        }
        order.push(index);
        for &implied in &element.implied {
            self.push_in_order(implied, order);
        }
    }
}

fn as_index(index: usize) -> u16 {
    u16::try_from(index).expect("a universe has at most 65,536 elements, which its constructor checks")
}
