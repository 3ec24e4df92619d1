//! Convex polygons whose edges are great circle arcs.

use std::sync::Arc;

use super::angle::{LonLat, latitude_of};
use super::chord::{MAX_SQUARED_CHORD_ERROR, max_squared_chord_to_arc, min_squared_chord_to_arc};
use super::circle::Circle;
use super::hull::convex_hull;
use super::interval::{LatInterval, LonInterval};
use super::relationship::Relationship;
use super::skybox::{SkyBox, all_inside};
use super::vector::{UnitVector, Vector, orientation, orientation_of_pole};
use crate::{Error, ErrorKind, Result};

/// Convex polygon of at least three vertices, the boundary included.
///
/// Vertices go counter-clockwise as seen from outside the sphere: the interior is
/// on the left of each edge. The polygon fits into a hemisphere. Cloning shares
/// the vertices.
#[derive(Clone, Debug)]
pub struct ConvexPolygon {
    vertices: Arc<[UnitVector]>,
}

impl ConvexPolygon {
    /// Polygon of vertices that are known to be in counter-clockwise order and convex.
    ///
    /// Neither is verified: relations of a polygon where it does not hold mean nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] for less than three vertices.
    pub fn from_vertices(vertices: impl Into<Arc<[UnitVector]>>) -> Result<Self> {
        let vertices = vertices.into();
        if vertices.len() < 3 {
            let message = format!("a polygon needs at least 3 vertices, {} were given", vertices.len());
            return Err(Error::new(ErrorKind::Argument, message));
        }
        Ok(Self { vertices })
    }

    /// Smallest convex polygon that holds all of some points, in any order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] if there are less than three distinct points that are not on one great
    /// circle, or if no hemisphere holds them all.
    pub fn convex_hull(points: &[UnitVector]) -> Result<Self> {
        Ok(Self { vertices: convex_hull(points)?.into() })
    }

    /// Vertices in counter-clockwise order.
    #[must_use]
    pub fn vertices(&self) -> &[UnitVector] {
        &self.vertices
    }

    /// Whether a point is in the polygon or on its boundary.
    #[must_use]
    pub fn contains(&self, point: UnitVector) -> bool {
        contains(&self.vertices, point)
    }

    /// Circle around the centre of mass that holds the polygon.
    #[must_use]
    pub fn bounding_circle(&self) -> Circle {
        let Some(center) = centroid(&self.vertices) else { return Circle::FULL };
        let farthest = self.vertices.iter().map(|vertex| vertex.squared_chord_to(center)).fold(0.0, f64::max);
        Circle::from_squared_chord(center, farthest + 2.0 * MAX_SQUARED_CHORD_ERROR)
    }

    /// Box in longitude and latitude that holds the polygon.
    #[must_use]
    pub fn bounding_box(&self) -> SkyBox {
        bounding_box(&self.vertices)
    }
}

/// Polygons are equal if they have the same vertices in the same order, whichever comes first.
impl PartialEq for ConvexPolygon {
    fn eq(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.vertices, &other.vertices) {
            return true;
        }
        if self.vertices.len() != other.vertices.len() {
            return false;
        }
        let Some(first) = other.vertices.iter().position(|vertex| *vertex == self.vertices[0]) else {
            return false;
        };
        let (tail, head) = other.vertices.split_at(first);
        self.vertices.iter().eq(head.iter().chain(tail))
    }
}

/// Edges as pairs of vertices; the one that ends at the first vertex comes first.
fn edges(vertices: &[UnitVector]) -> impl Iterator<Item = (UnitVector, UnitVector)> + '_ {
    let last = vertices[vertices.len() - 1];
    vertices.iter().scan(last, |previous, &vertex| Some((std::mem::replace(previous, vertex), vertex)))
}

/// Centre of mass of the boundary's cone, after Brock (1974); nothing if it vanishes.
fn centroid(vertices: &[UnitVector]) -> Option<UnitVector> {
    let mut sum = Vector::ZERO;
    for (a, b) in edges(vertices) {
        let Some((normal, length)) = a.robust_cross(b).normalized() else { continue };
        sum = sum + normal * (0.5 * length).atan2(a.dot(b));
    }
    UnitVector::from_direction(sum)
}

/// Box that holds a polygon, a little larger than needed to allow for rounding.
pub(super) fn bounding_box(vertices: &[UnitVector]) -> SkyBox {
    // About 0.1 milliarcseconds.
    const MARGIN: f64 = 5.0e-10;
    let mut bounds = SkyBox::EMPTY;
    let (mut any_clockwise, mut any_counter_clockwise) = (false, false);
    for (a, b) in edges(vertices) {
        bounds = bounds.expanded_to(SkyBox::around_radians(LonLat::from(b), MARGIN, MARGIN));
        match orientation_of_pole(a, b) {
            1 => any_counter_clockwise = true,
            -1 => any_clockwise = true,
            _ => {}
        }
        if let Some(lat) = extreme_latitude(a, b, MARGIN) {
            let lat = bounds.lat().expanded_to(LatInterval { a: lat, b: lat });
            bounds = SkyBox::from_intervals(bounds.lon(), lat);
        }
    }
    let pole = match (any_clockwise, any_counter_clockwise) {
        (false, _) => LatInterval::FULL.b,
        (true, false) => LatInterval::FULL.a,
        (true, true) => return bounds,
    };
    bounds.expanded_to(SkyBox::from_intervals(LonInterval::FULL, LatInterval { a: pole, b: pole }))
}

/// Northernmost or southernmost latitude of an edge, moved outwards by a margin in radians, if it
/// is reached between the ends.
fn extreme_latitude(a: UnitVector, b: UnitVector, margin: f64) -> Option<f64> {
    let n = a.robust_cross(b);
    // The northernmost point of the great circle.
    let top = Vector::new(-n.x * n.z, -n.y * n.z, n.x * n.x + n.y * n.y);
    if top == Vector::ZERO {
        return None;
    }
    let side_of_a = a.y() * n.x - a.x() * n.y;
    let side_of_b = b.y() * n.x - b.x() * n.y;
    if side_of_a > 0.0 && side_of_b < 0.0 {
        Some(latitude_of(top) + margin)
    } else if side_of_a < 0.0 && side_of_b > 0.0 {
        Some(latitude_of(-top) - margin)
    } else {
        None
    }
}

/// Whether a point is nowhere on the right of an edge.
pub(super) fn contains(vertices: &[UnitVector], point: UnitVector) -> bool {
    edges(vertices).all(|(a, b)| orientation(point, a, b) >= 0)
}

/// Relationship with a box, decided by the polygon's bounding box: only disjointness and being
/// within are certain.
pub(super) fn relate_box(vertices: &[UnitVector], other: &SkyBox) -> Relationship {
    bounding_box(vertices).relate_box(other) & (Relationship::DISJOINT | Relationship::WITHIN)
}

/// Relationship with a circle.
pub(super) fn relate_circle(vertices: &[UnitVector], circle: &Circle) -> Relationship {
    use Relationship as R;
    if circle.is_empty() {
        return R::CONTAINS | R::DISJOINT;
    }
    if circle.is_full() {
        return R::WITHIN;
    }
    let center = circle.center();
    match all_inside(vertices, circle) {
        None => R::INTERSECTS,
        Some(true) => {
            let limit = circle.squared_chord() - MAX_SQUARED_CHORD_ERROR;
            let leaves = edges(vertices)
                .any(|(a, b)| max_squared_chord_to_arc(center, a, b, a.robust_cross(b)) > limit);
            // The circle may be the sphere but for a hole that is inside the polygon.
            if leaves || contains(vertices, -center) { R::INTERSECTS } else { R::WITHIN }
        }
        Some(false) => {
            let limit = circle.squared_chord() + MAX_SQUARED_CHORD_ERROR;
            let enters = edges(vertices)
                .any(|(a, b)| min_squared_chord_to_arc(center, a, b, a.robust_cross(b)) < limit);
            if enters {
                R::INTERSECTS
            } else if contains(vertices, center) {
                R::CONTAINS
            } else {
                R::DISJOINT
            }
        }
    }
}

/// Relationship with another polygon.
pub(super) fn relate_polygon(vertices: &[UnitVector], others: &[UnitVector]) -> Relationship {
    use Relationship as R;
    // Most pairs are apart, and most of these at a glance.
    if is_cut_off(vertices, others) || is_cut_off(others, vertices) {
        return R::DISJOINT;
    }
    let (all, any) = contained(vertices, others);
    let (all_others, any_other) = contained(others, vertices);
    let mut relationship = R::INTERSECTS;
    if all {
        relationship |= R::WITHIN;
    }
    if all_others {
        relationship |= R::CONTAINS;
    }
    if any || any_other || edges_cross(vertices, others) { relationship } else { R::DISJOINT }
}

/// Whether two polygons have a point in common: what [`relate_polygon`] says, and no more.
pub(super) fn overlap(vertices: &[UnitVector], others: &[UnitVector]) -> bool {
    let any_inside = |points: &[UnitVector], vertices| points.iter().any(|&point| contains(vertices, point));
    !is_cut_off(vertices, others)
        && !is_cut_off(others, vertices)
        && (any_inside(vertices, others) || any_inside(others, vertices) || edges_cross(vertices, others))
}

/// Whether an edge has all vertices of another polygon strictly on its right.
fn is_cut_off(vertices: &[UnitVector], others: &[UnitVector]) -> bool {
    edges(vertices).any(|(a, b)| others.iter().all(|&other| orientation(other, a, b) < 0))
}

/// Whether all, and whether any, of some points are in a polygon.
fn contained(points: &[UnitVector], vertices: &[UnitVector]) -> (bool, bool) {
    points.iter().fold((true, false), |(all, any), &point| {
        let inside = contains(vertices, point);
        (all && inside, any || inside)
    })
}

/// Whether an edge of one polygon properly crosses an edge of the other.
fn edges_cross(vertices: &[UnitVector], others: &[UnitVector]) -> bool {
    edges(vertices).any(|(a, b)| {
        edges(others).any(|(c, d)| {
            let turn = orientation(a, c, d);
            turn != 0
                && turn == orientation(b, d, c)
                && turn == orientation(c, b, a)
                && turn == orientation(d, a, b)
        })
    })
}
