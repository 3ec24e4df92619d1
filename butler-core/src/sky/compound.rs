//! Unions and intersections of regions.

use std::sync::Arc;

use super::circle::Circle;
use super::region::Region;
use super::relationship::Relationship;
use super::skybox::SkyBox;
use super::vector::UnitVector;

/// How the operands of a [`CompoundRegion`] are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Combination {
    /// Points in any operand; no operand makes nothing.
    Union,
    /// Points in all operands; no operand makes the whole sphere.
    Intersection,
}

/// Union or intersection of any number of regions.
///
/// Cloning shares the operands.
#[derive(Clone, Debug, PartialEq)]
pub struct CompoundRegion {
    combination: Combination,
    operands: Arc<[Region]>,
}

impl CompoundRegion {
    /// Compound of regions; operands that are compounds of the same combination are replaced by
    /// theirs.
    #[must_use]
    pub fn new(combination: Combination, operands: impl IntoIterator<Item = Region>) -> Self {
        let mut flat = Vec::new();
        for operand in operands {
            match operand {
                // Its own operands were flattened when it was made.
                Region::Compound(inner) if inner.combination == combination => {
                    flat.extend(inner.operands.iter().cloned());
                }
                other => flat.push(other),
            }
        }
        Self { combination, operands: flat.into() }
    }

    /// How the operands are combined.
    #[must_use]
    pub fn combination(&self) -> Combination {
        self.combination
    }

    /// Combined regions; none of them is a compound of the same combination.
    #[must_use]
    pub fn operands(&self) -> &[Region] {
        &self.operands
    }

    /// Whether a point is in the region or on its boundary.
    #[must_use]
    pub fn contains(&self, point: UnitVector) -> bool {
        match self.combination {
            Combination::Union => self.operands.iter().any(|operand| operand.contains(point)),
            Combination::Intersection => self.operands.iter().all(|operand| operand.contains(point)),
        }
    }

    /// Circle that holds the region.
    #[must_use]
    pub fn bounding_circle(&self) -> Circle {
        let mut bounds = self.operands.iter().map(Region::bounding_circle);
        match (self.combination, bounds.next()) {
            (Combination::Union, first) => {
                first.map_or(Circle::EMPTY, |first| bounds.fold(first, Circle::expanded_to))
            }
            (Combination::Intersection, first) => {
                first.map_or(Circle::FULL, |first| bounds.fold(first, Circle::clipped_to))
            }
        }
    }

    /// Box in longitude and latitude that holds the region.
    #[must_use]
    pub fn bounding_box(&self) -> SkyBox {
        let mut bounds = self.operands.iter().map(Region::bounding_box);
        match (self.combination, bounds.next()) {
            (Combination::Union, first) => {
                first.map_or(SkyBox::EMPTY, |first| bounds.fold(first, SkyBox::expanded_to))
            }
            (Combination::Intersection, first) => {
                first.map_or(SkyBox::FULL, |first| bounds.fold(first, SkyBox::clipped_to))
            }
        }
    }

    pub(super) fn relate(&self, other: &Region) -> Relationship {
        match self.combination {
            Combination::Union => self.relate_union(other),
            Combination::Intersection => self.relate_intersection(other),
        }
    }

    /// Disjoint and within if all operands are, containing if one of them is.
    fn relate_union(&self, other: &Region) -> Relationship {
        use Relationship as R;
        if self.operands.is_empty() {
            return R::DISJOINT;
        }
        let mut result = R::DISJOINT | R::WITHIN;
        for operand in self.operands.iter() {
            let relationship = operand.relate(other);
            result &= relationship | R::CONTAINS;
            result |= relationship & R::CONTAINS;
            if result == R::CONTAINS {
                break;
            }
        }
        result
    }

    /// Containing if all operands are, disjoint and within if one of them is.
    fn relate_intersection(&self, other: &Region) -> Relationship {
        use Relationship as R;
        let mut result = R::CONTAINS;
        for operand in self.operands.iter() {
            let relationship = operand.relate(other);
            result &= relationship | R::DISJOINT | R::WITHIN;
            result |= relationship & (R::DISJOINT | R::WITHIN);
            if result == R::DISJOINT | R::WITHIN {
                break;
            }
        }
        result
    }

    pub(super) fn overlaps(&self, other: &Region) -> Option<bool> {
        match self.combination {
            Combination::Union => self.union_overlaps(other),
            Combination::Intersection => self.intersection_overlaps(other),
        }
    }

    fn union_overlaps(&self, other: &Region) -> Option<bool> {
        let mut result = Some(false);
        for operand in self.operands.iter() {
            match operand.overlaps(other) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => result = None,
            }
        }
        result
    }

    /// That operands overlap a region one by one does not say that their intersection does.
    fn intersection_overlaps(&self, other: &Region) -> Option<bool> {
        if self.operands.is_empty() {
            return Some(!other.is_empty());
        }
        let disjoint = self.operands.iter().any(|operand| operand.overlaps(other) == Some(false));
        if disjoint { Some(false) } else { None }
    }

    /// Whether the region certainly has no point; an intersection may be empty without this being
    /// known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let all_empty = || self.operands.iter().all(Region::is_empty);
        match self.combination {
            Combination::Union => all_empty(),
            Combination::Intersection if self.operands.is_empty() => false,
            Combination::Intersection => all_empty() || self.has_disjoint_operands(),
        }
    }

    fn has_disjoint_operands(&self) -> bool {
        let is_disjoint_from_a_later_one = |(index, operand): (usize, &Region)| {
            self.operands[index + 1..].iter().any(|other| operand.overlaps(other) == Some(false))
        };
        self.operands.iter().enumerate().any(is_disjoint_from_a_later_one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sky::{ConvexPolygon, Ellipse};

    fn octant() -> Region {
        ConvexPolygon::convex_hull(&[UnitVector::X, UnitVector::Y, UnitVector::Z]).expect("a polygon").into()
    }

    #[test]
    fn nested_compounds_of_one_kind_are_flattened() {
        let circle = Region::from(Circle::FULL);
        let inner = Region::union([circle.clone(), octant()]);
        let outer = Region::union([inner, Region::intersection([]), Region::union([])]);
        assert_eq!(outer, Region::union([circle, octant(), Region::intersection([])]));
    }

    #[test]
    fn no_operands_are_nothing_or_everything() {
        let (nothing, everything) = (Region::union([]), Region::intersection([]));
        assert!(nothing.is_empty() && !everything.is_empty());
        assert_eq!((nothing.bounding_circle(), nothing.bounding_box()), (Circle::EMPTY, SkyBox::EMPTY));
        assert_eq!((everything.bounding_circle(), everything.bounding_box()), (Circle::FULL, SkyBox::FULL));
        let ellipse = Region::from(Ellipse::new(UnitVector::X, 2.0, 1.0, 0.0).expect("an ellipse"));
        let circle = Region::from(Circle::new(UnitVector::Y, 1.0));
        for region in [octant(), circle, SkyBox::FULL.into(), ellipse, Region::union([octant()])] {
            assert_eq!((nothing.overlaps(&region), region.overlaps(&nothing)), (Some(false), Some(false)));
            assert_eq!(
                (everything.overlaps(&region), region.overlaps(&everything)),
                (Some(true), Some(true))
            );
            assert_eq!(nothing.relate(&region), Relationship::DISJOINT);
            assert_eq!(everything.relate(&region), Relationship::CONTAINS);
        }
        assert_eq!(everything.overlaps(&Circle::EMPTY.into()), Some(false));
        assert_eq!(everything.overlaps(&nothing), Some(false));
    }

    #[test]
    fn an_intersection_of_disjoint_regions_is_empty() {
        let circle = |center| Region::from(Circle::new(center, 1.0));
        assert!(Region::intersection([circle(UnitVector::X), circle(UnitVector::Y)]).is_empty());
        assert!(!Region::intersection([circle(UnitVector::X), octant()]).is_empty());
        assert!(!Region::union([circle(UnitVector::X), Circle::EMPTY.into()]).is_empty());
    }
}
