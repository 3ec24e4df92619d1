//! Regions as discs, the only shapes that distances to pixels are measured to.

use std::f64::consts::{FRAC_PI_2, PI};

use super::super::chord::squared_chord_of;
use super::super::circle::Circle;
use super::super::interval::LonInterval;
use super::super::polygon::ConvexPolygon;
use super::super::region::Region;
use super::super::skybox::SkyBox;
use super::super::vector::UnitVector;
use super::max_radius;

/// How a pixel lies to a shape, as far as the distance to its centre says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Outside,
    Unclear,
    Inside,
}

/// Union of intersections of discs.
///
/// A half of the sphere is a disc of 90°: a polygon is the intersection of one for
/// each edge.
pub(super) struct Shape {
    parts: Vec<Vec<Disc>>,
}

struct Disc {
    center: UnitVector,
    /// By level, the squared chords up to which a pixel with such a centre is inside and from which on it
    /// is outside.
    limits: Vec<(f64, f64)>,
}

impl Shape {
    /// Shape of a region that is no compound, for pixels up to a level.
    ///
    /// An ellipse becomes its bounding circle, and so does a polygon with a straight
    /// corner: its half-spheres would be too inexact.
    pub(super) fn of_region(region: &Region, max_level: u8) -> Self {
        let parts = match region {
            Region::Circle(circle) => discs_of_circle(circle),
            Region::Box(skybox) => discs_of_box(skybox),
            Region::Polygon(polygon) => match discs_of_polygon(polygon) {
                Some(discs) => vec![discs],
                None => discs_of_circle(&polygon.bounding_circle()),
            },
            Region::Ellipse(ellipse) => discs_of_circle(&ellipse.bounding_circle()),
            Region::Compound(_) => vec![],
        };
        let radii: Vec<_> = (0..=max_level).map(max_radius).collect();
        let disc = |(center, opening): (UnitVector, f64)| {
            let limit = |radius: &f64| (squared_chord_of(opening - radius), chord_beyond(opening + radius));
            Disc { center, limits: radii.iter().map(limit).collect() }
        };
        Self { parts: parts.into_iter().map(|part| part.into_iter().map(disc).collect()).collect() }
    }

    /// How the pixel of a level with some centre lies to the shape.
    pub(super) fn side(&self, center: UnitVector, level: u8) -> Side {
        let side_of_disc = |disc: &Disc| {
            let distance = center.squared_chord_to(disc.center);
            let (inner, outer) = disc.limits[usize::from(level)];
            if distance >= outer {
                Side::Outside
            } else if distance < inner {
                Side::Inside
            } else {
                Side::Unclear
            }
        };
        let side_of_part = |part: &Vec<Disc>| part.iter().map(side_of_disc).min().unwrap_or(Side::Outside);
        self.parts.iter().map(side_of_part).max().unwrap_or(Side::Outside)
    }
}

/// Squared chord of an angle, larger than any there is from 180° on.
fn chord_beyond(angle: f64) -> f64 {
    if angle >= PI { f64::INFINITY } else { squared_chord_of(angle) }
}

fn discs_of_circle(circle: &Circle) -> Vec<Vec<(UnitVector, f64)>> {
    if circle.is_empty() { vec![] } else { vec![vec![(circle.center(), circle.opening())]] }
}

fn discs_of_box(skybox: &SkyBox) -> Vec<Vec<(UnitVector, f64)>> {
    if skybox.is_empty() {
        return vec![];
    }
    let (lon, lat) = (skybox.lon(), skybox.lat());
    let parallels = [(UnitVector::Z, FRAC_PI_2 - lat.a), (-UnitVector::Z, FRAC_PI_2 + lat.b)];
    if lon.is_full() {
        return vec![parallels.to_vec()];
    }
    // Meridians bound what is between them only if that is less than a half: wide boxes are cut in two.
    let slices = if lon.size() < PI {
        vec![lon]
    } else {
        let middle = lon.center();
        vec![LonInterval { a: lon.a, b: middle }, LonInterval { a: middle, b: lon.b }]
    };
    let discs_of_slice = |slice: LonInterval| {
        let half = |lon: f64| (UnitVector::from_radians(lon, 0.0), FRAC_PI_2);
        // East of one bound, west of the other; around the middle, because near the opposite meridian
        // both bounds are near.
        let bounds = [half(slice.a + FRAC_PI_2), half(slice.b - FRAC_PI_2), half(slice.center())];
        parallels.into_iter().chain(bounds).collect()
    };
    slices.into_iter().map(discs_of_slice).collect()
}

/// A half-sphere for each edge, and the smallest circle around the vertices, which cuts off what the
/// half-spheres leave beyond sharp corners.
///
/// Nothing if a corner is straight or hollow, up to rounding.
fn discs_of_polygon(polygon: &ConvexPolygon) -> Option<Vec<(UnitVector, f64)>> {
    const DEGENERATE: f64 = 1e-10;
    let vertices = polygon.vertices();
    let mut discs = Vec::with_capacity(vertices.len() + 1);
    for (number, &vertex) in vertices.iter().enumerate() {
        let after = |steps: usize| vertices[(number + steps) % vertices.len()];
        let pole = UnitVector::from_direction(vertex.vector().cross(after(1).vector()))?;
        if pole.dot(after(2)) <= DEGENERATE {
            return None;
        }
        discs.push((pole, FRAC_PI_2));
    }
    discs.push(smallest_circle(vertices));
    Some(discs)
}

/// Smallest circle around points of a hemisphere, after Welzl (1991).
fn smallest_circle(points: &[UnitVector]) -> (UnitVector, f64) {
    let mut circle = (points[0], 0.0);
    for (i, &a) in points.iter().enumerate() {
        if beyond(circle, a) {
            circle = (a, 0.0);
            for (j, &b) in points[..i].iter().enumerate() {
                if beyond(circle, b) {
                    circle = around(UnitVector::between(a, b), a);
                    for &c in &points[..j] {
                        if beyond(circle, c) {
                            circle = circle_through(a, b, c);
                        }
                    }
                }
            }
        }
    }
    circle
}

fn beyond((center, opening): (UnitVector, f64), point: UnitVector) -> bool {
    center.angle_to(point) > opening + 1e-15
}

fn around(center: UnitVector, point: UnitVector) -> (UnitVector, f64) {
    (center, center.angle_to(point))
}

fn circle_through(a: UnitVector, b: UnitVector, c: UnitVector) -> (UnitVector, f64) {
    let normal = (b.vector() - a.vector()).cross(c.vector() - a.vector());
    let center = UnitVector::from_direction(normal).unwrap_or(a);
    let center = if center.dot(a) < 0.0 { -center } else { center };
    around(center, a)
}
