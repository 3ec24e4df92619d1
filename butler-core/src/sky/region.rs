//! The one type for every kind of region.

use std::sync::Arc;

use super::circle::Circle;
use super::compound::{Combination, CompoundRegion};
use super::ellipse::Ellipse;
use super::polygon::{self, ConvexPolygon};
use super::relationship::Relationship;
use super::skybox::SkyBox;
use super::vector::UnitVector;

/// Region of the sky, boundary included.
///
/// Cloning shares what is large. Regions of different kinds are never equal.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Region {
    /// Circle.
    Circle(Circle),
    /// Rectangle in longitude and latitude.
    Box(SkyBox),
    /// Convex polygon of great circle arcs.
    Polygon(ConvexPolygon),
    /// Ellipse.
    Ellipse(Arc<Ellipse>),
    /// Union or intersection of regions.
    Compound(CompoundRegion),
}

impl Region {
    /// Points in any of some regions.
    #[must_use]
    pub fn union(operands: impl IntoIterator<Item = Self>) -> Self {
        CompoundRegion::new(Combination::Union, operands).into()
    }

    /// Points in all of some regions.
    #[must_use]
    pub fn intersection(operands: impl IntoIterator<Item = Self>) -> Self {
        CompoundRegion::new(Combination::Intersection, operands).into()
    }

    /// Whether the region certainly has no point; an intersection may be empty without this being
    /// known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Circle(circle) => circle.is_empty(),
            Self::Box(skybox) => skybox.is_empty(),
            Self::Polygon(_) => false,
            Self::Ellipse(ellipse) => ellipse.is_empty(),
            Self::Compound(compound) => compound.is_empty(),
        }
    }

    /// Whether a point is in the region or on its boundary.
    #[must_use]
    pub fn contains(&self, point: UnitVector) -> bool {
        match self {
            Self::Circle(circle) => circle.contains(point),
            Self::Box(skybox) => skybox.contains(point),
            Self::Polygon(polygon) => polygon.contains(point),
            Self::Ellipse(ellipse) => ellipse.contains(point),
            Self::Compound(compound) => compound.contains(point),
        }
    }

    /// Circle that holds the region.
    #[must_use]
    pub fn bounding_circle(&self) -> Circle {
        match self {
            Self::Circle(circle) => *circle,
            Self::Box(skybox) => skybox.bounding_circle(),
            Self::Polygon(polygon) => polygon.bounding_circle(),
            Self::Ellipse(ellipse) => ellipse.bounding_circle(),
            Self::Compound(compound) => compound.bounding_circle(),
        }
    }

    /// Box in longitude and latitude that holds the region.
    #[must_use]
    pub fn bounding_box(&self) -> SkyBox {
        match self {
            Self::Circle(circle) => circle.bounding_box(),
            Self::Box(skybox) => *skybox,
            Self::Polygon(polygon) => polygon.bounding_box(),
            Self::Ellipse(ellipse) => ellipse.bounding_box(),
            Self::Compound(compound) => compound.bounding_box(),
        }
    }

    /// What is certain about how this region lies to another one.
    ///
    /// Answers are those of LSST `sphgeom`, its conservative ones included: a
    /// polygon and a box are compared by the polygon's bounding box, an ellipse
    /// by its bounding circle, and compounds by their operands one by one.
    #[must_use]
    pub fn relate(&self, other: &Self) -> Relationship {
        use Relationship as R;
        match (self, other) {
            (Self::Compound(ours), _) => ours.relate(other),
            (_, Self::Compound(_)) => other.relate(self).inverted(),
            // Computed from the other side, as the reference does: sums are rounded in that order.
            (Self::Circle(ours), Self::Circle(theirs)) => theirs.relate_circle(ours).inverted(),
            (Self::Box(ours), Self::Box(theirs)) => theirs.relate_box(ours).inverted(),
            (Self::Polygon(ours), Self::Polygon(theirs)) => {
                polygon::relate_polygon(ours.vertices(), theirs.vertices())
            }
            (Self::Ellipse(ours), Self::Ellipse(theirs)) => {
                theirs.bounding_circle().relate_circle(&ours.bounding_circle()) & R::DISJOINT
            }
            (Self::Box(ours), Self::Circle(theirs)) => ours.relate_circle(theirs),
            (Self::Polygon(ours), Self::Circle(theirs)) => polygon::relate_circle(ours.vertices(), theirs),
            (Self::Polygon(ours), Self::Box(theirs)) => polygon::relate_box(ours.vertices(), theirs),
            (Self::Ellipse(ours), Self::Circle(theirs)) => {
                ours.bounding_circle().relate_circle(theirs) & (R::DISJOINT | R::WITHIN)
            }
            (Self::Ellipse(ours), Self::Box(theirs)) => {
                theirs.relate_circle(&ours.bounding_circle()).inverted() & (R::DISJOINT | R::WITHIN)
            }
            (Self::Polygon(ours), Self::Ellipse(theirs)) => {
                polygon::relate_circle(ours.vertices(), &theirs.bounding_circle())
                    & (R::DISJOINT | R::CONTAINS)
            }
            (Self::Circle(_), Self::Box(_) | Self::Polygon(_) | Self::Ellipse(_))
            | (Self::Box(_), Self::Polygon(_) | Self::Ellipse(_))
            | (Self::Ellipse(_), Self::Polygon(_)) => other.relate(self).inverted(),
        }
    }

    /// Whether this region and another one have a point in common; nothing if that is not known.
    ///
    /// Answers are those of LSST `sphgeom`. They are exact between circles,
    /// boxes and polygons, except between a box and a polygon. Ellipses and
    /// intersections are often undecided.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::Compound(ours), _) => ours.overlaps(other),
            (_, Self::Compound(theirs)) => theirs.overlaps(self),
            (Self::Box(ours), Self::Box(theirs)) => Some(ours.intersects_box(theirs)),
            (Self::Polygon(ours), Self::Polygon(theirs)) => {
                Some(polygon::overlap(ours.vertices(), theirs.vertices()))
            }
            (Self::Ellipse(_), _) | (_, Self::Ellipse(_)) => self.relate(other).overlap(),
            (Self::Polygon(_), Self::Box(_)) | (Self::Box(_), Self::Polygon(_)) => {
                self.relate(other).overlap()
            }
            (
                Self::Circle(_) | Self::Box(_) | Self::Polygon(_),
                Self::Circle(_) | Self::Box(_) | Self::Polygon(_),
            ) => Some(!self.relate(other).contains(Relationship::DISJOINT)),
        }
    }
}

impl From<Circle> for Region {
    fn from(circle: Circle) -> Self {
        Self::Circle(circle)
    }
}

impl From<SkyBox> for Region {
    fn from(skybox: SkyBox) -> Self {
        Self::Box(skybox)
    }
}

impl From<ConvexPolygon> for Region {
    fn from(polygon: ConvexPolygon) -> Self {
        Self::Polygon(polygon)
    }
}

impl From<Ellipse> for Region {
    fn from(ellipse: Ellipse) -> Self {
        Self::Ellipse(Arc::new(ellipse))
    }
}

impl From<CompoundRegion> for Region {
    fn from(compound: CompoundRegion) -> Self {
        Self::Compound(compound)
    }
}
