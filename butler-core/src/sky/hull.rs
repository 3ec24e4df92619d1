//! Convex hulls of points on the sphere.

use super::vector::{UnitVector, orientation};
use crate::{Error, ErrorKind, Result};

/// Vertices, in counter-clockwise order, of the smallest convex polygon that holds all points.
///
/// Starts with a triangle and adds one point after the other.
pub(super) fn convex_hull(points: &[UnitVector]) -> Result<Vec<UnitVector>> {
    let (triangle, rest) = first_triangle(points)?;
    let mut hull = triangle.to_vec();
    for &point in rest {
        add(&mut hull, point)?;
    }
    Ok(hull)
}

fn whole_sphere() -> Error {
    Error::new(ErrorKind::Argument, "the convex hull of the points is the entire sphere")
        .with_hint("a polygon has to fit into a hemisphere")
}

fn not_a_polygon() -> Error {
    Error::new(ErrorKind::Argument, "a polygon needs 3 distinct points that are not on one great circle")
}

/// Two distinct points, and those that come after them.
fn first_pair(points: &[UnitVector]) -> Result<([UnitVector; 2], &[UnitVector])> {
    let (&first, others) = points.split_first().ok_or_else(not_a_polygon)?;
    for (index, &other) in others.iter().enumerate() {
        if other == -first {
            return Err(whole_sphere());
        }
        if other != first {
            return Ok(([first, other], &others[index + 1..]));
        }
    }
    Err(not_a_polygon())
}

/// Three points in counter-clockwise order, and those that come after them.
fn first_triangle(points: &[UnitVector]) -> Result<([UnitVector; 3], &[UnitVector])> {
    let ([mut a, mut b], rest) = first_pair(points)?;
    let pole = UnitVector::pole_of(a, b);
    for (index, &c) in rest.iter().enumerate() {
        match orientation(a, b, c) {
            1 => return Ok(([a, b, c], &rest[index + 1..])),
            -1 => return Ok(([b, a, c], &rest[index + 1..])),
            _ => {}
        }
        // All three are on one great circle: keep the ends of the arc that they span.
        if c == a || c == b {
            continue;
        }
        if c == -a || c == -b {
            return Err(whole_sphere());
        }
        let a_to_c = orientation(pole, a, c);
        let c_to_b = orientation(pole, c, b);
        let a_to_b = orientation(pole, a, b);
        if a_to_c == c_to_b {
            continue;
        } else if a_to_b == -c_to_b {
            b = c;
        } else if a_to_b == -a_to_c {
            a = c;
        } else {
            return Err(whole_sphere());
        }
    }
    Err(not_a_polygon())
}

/// Extends a hull by a point.
///
/// The edges that do not have the point on their left are a chain; its inner
/// vertices leave the hull, and the point takes their place.
fn add(hull: &mut Vec<UnitVector>, point: UnitVector) -> Result<()> {
    let before = |index: usize| if index == 0 { hull.len() - 1 } else { index - 1 };
    let on_left = |index: usize| orientation(point, hull[before(index)], hull[index]) > 0;
    let first_on_left = on_left(0);
    let (mut chain_begin, mut chain_end) = (None, None);
    let mut previous = first_on_left;
    for index in 1..=hull.len() {
        let current = if index == hull.len() { first_on_left } else { on_left(index) };
        if current && !previous {
            chain_end = Some(index - 1);
        } else if !current && previous {
            chain_begin = Some(index % hull.len());
        }
        previous = current;
    }
    match (chain_begin, chain_end) {
        (Some(begin), Some(end)) if end < begin => {
            hull.truncate(begin);
            hull.drain(..end);
            hull.push(point);
        }
        (Some(0), Some(0)) => hull.push(point),
        (Some(begin), Some(end)) => {
            hull.splice(begin..end, [point]);
        }
        _ if first_on_left => {}
        _ => return Err(whole_sphere()),
    }
    Ok(())
}
