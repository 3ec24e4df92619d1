//! What is known about how two regions lie to each other.

use bitflags::bitflags;

bitflags! {
    /// What is known for certain about how a region lies to another one.
    ///
    /// A flag that is set is true. For circles, boxes among themselves, and
    /// polygons with circles or polygons, one that is not set is false; for the
    /// other pairs it may be true all the same. The empty set of flags, written
    /// [`Relationship::INTERSECTS`], says that nothing stronger is known.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Relationship: u8 {
        /// No point in common.
        const DISJOINT = 1;
        /// Every point of the other region is in this one.
        const CONTAINS = 2;
        /// Every point of this region is in the other one.
        const WITHIN = 4;
    }
}

impl Relationship {
    /// Nothing stronger is known.
    pub const INTERSECTS: Self = Self::empty();

    /// The relationship seen from the other region.
    #[must_use]
    pub const fn inverted(self) -> Self {
        let mut inverted = self.intersection(Self::DISJOINT);
        if self.contains(Self::CONTAINS) {
            inverted = inverted.union(Self::WITHIN);
        }
        if self.contains(Self::WITHIN) {
            inverted = inverted.union(Self::CONTAINS);
        }
        inverted
    }

    /// Whether regions in this relationship overlap, where only set flags can be trusted.
    pub(super) const fn overlap(self) -> Option<bool> {
        if self.contains(Self::DISJOINT) {
            Some(false)
        } else if self.is_empty() {
            None
        } else {
            Some(true)
        }
    }
}
