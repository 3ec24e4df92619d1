//! Hierarchical Equal Area isoLatitude Pixelisation in the nested scheme.
//!
//! Formulae are those of Górski et al. 2005 (ApJ 622, 759). The sphere is divided
//! into twelve faces: 0 to 3 around the north pole, 4 to 7 on the equator, 8 to 11
//! around the south pole. On each face `x` runs to the north-east and `y` to the
//! north-west. An index has the face and then one bit of `y` and one of `x` for
//! each level.

mod cover;
mod shape;

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, FRAC_PI_4};

use super::angle::{DEGREES_PER_RADIAN, RADIANS_PER_DEGREE, normalized};
use super::vector::{UnitVector, Vector};

pub(super) use cover::cover;

/// Rings between the north pole and the southern corner of each face, in units of nside.
const SOUTHERN_CORNER: [i8; 12] = [2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4];
/// Longitude of the middle of each face in units of 45°.
const MIDDLE: [i8; 12] = [1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7];

/// Place of a pixel on a face.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    face: u8,
    x: u32,
    y: u32,
}

impl Cell {
    fn of_index(level: u8, index: u64) -> Self {
        let face = (index >> (2 * level)) as u8;
        let within = index & ((1 << (2 * level)) - 1);
        Self { face, x: even_bits(within), y: even_bits(within >> 1) }
    }

    fn index(self, level: u8) -> u64 {
        (u64::from(self.face) << (2 * level)) | spread_bits(self.x) | (spread_bits(self.y) << 1)
    }

    /// The four parts of a cell, in order of their index.
    fn children(self) -> [Self; 4] {
        let Self { face, x, y } = self;
        [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| Self { face, x: 2 * x + dx, y: 2 * y + dy })
    }

    /// Place within a cell; `x` and `y` are within [0, 1].
    fn location(self, level: u8, x: f64, y: f64) -> Location {
        let side = f64::from(1_u32 << level);
        Location::on_face(self.face, (f64::from(self.x) + x) / side, (f64::from(self.y) + y) / side)
    }

    fn center(self, level: u8) -> UnitVector {
        self.location(level, 0.5, 0.5).vector()
    }

    /// Corners: north, west, south, east.
    fn corners(self, level: u8) -> [UnitVector; 4] {
        [(1.0, 1.0), (0.0, 1.0), (0.0, 0.0), (1.0, 0.0)].map(|(x, y)| {
            let place = self.location(level, x, y);
            UnitVector::from_radians(normalized(place.lon), FRAC_PI_2 - place.colatitude())
        })
    }

    /// Neighbour in a direction, each of which is -1, 0 or 1; nothing at the eight corners where only
    /// three faces meet.
    fn neighbour(self, level: u8, dx: i8, dy: i8) -> Option<Self> {
        let side = 1_i64 << level;
        let (x, y) = (i64::from(self.x) + i64::from(dx), i64::from(self.y) + i64::from(dy));
        let step = |v: i64| if v < 0 { -1 } else { i8::from(v >= side) };
        let (face, turn) = neighbouring_face(self.face, step(x), step(y))?;
        let (x, y) = (x.rem_euclid(side) as u32, y.rem_euclid(side) as u32);
        let far = |v: u32| (side - 1) as u32 - v;
        let (x, y) = match turn {
            Turn::None => (x, y),
            Turn::AcrossX => (y, far(x)),
            Turn::AcrossY => (far(y), x),
            Turn::Half => (far(x), far(y)),
        };
        Some(Self { face, x, y })
    }
}

/// How coordinates turn on the way from one face to another: by 90° between two faces at the same
/// pole, by 180° between opposite ones.
#[derive(Clone, Copy)]
enum Turn {
    None,
    AcrossX,
    AcrossY,
    Half,
}

/// Face beyond an edge or a corner of another one.
fn neighbouring_face(face: u8, dx: i8, dy: i8) -> Option<(u8, Turn)> {
    let (east, west, across) = ((face + 1) % 4, (face + 3) % 4, (face + 2) % 4);
    let here = face % 4;
    let plain = |face| Some((face, Turn::None));
    match (face / 4, dx, dy) {
        (_, 0, 0) => plain(face),
        // Around the north pole.
        (0, 1, 0) => Some((east, Turn::AcrossX)),
        (0, 0, 1) => Some((west, Turn::AcrossY)),
        (0, 1, 1) => Some((across, Turn::Half)),
        (0, -1, 0) => plain(4 + here),
        (0, 0, -1) => plain(4 + east),
        (0, -1, -1) => plain(8 + here),
        // On the equator.
        (1, 1, 0) => plain(here),
        (1, 0, 1) => plain(west),
        (1, -1, 0) => plain(8 + west),
        (1, 0, -1) => plain(8 + here),
        (1, 1, -1) => plain(4 + east),
        (1, -1, 1) => plain(4 + west),
        // Around the south pole.
        (2, -1, 0) => Some((8 + west, Turn::AcrossX)),
        (2, 0, -1) => Some((8 + east, Turn::AcrossY)),
        (2, -1, -1) => Some((8 + across, Turn::Half)),
        (2, 1, 0) => plain(4 + east),
        (2, 0, 1) => plain(4 + here),
        (2, 1, 1) => plain(here),
        _ => None,
    }
}

/// Place on the sphere, as cylindrical coordinates.
struct Location {
    z: f64,
    /// Distance from the axis.
    sin: f64,
    /// Longitude in radians, from 0 to about 2π.
    lon: f64,
}

impl Location {
    /// Place on a face; `x` and `y` are within [0, 1].
    fn on_face(face: u8, x: f64, y: f64) -> Self {
        let face = usize::from(face);
        // Distance from the north pole, growing from 0 to 4.
        let ring = f64::from(SOUTHERN_CORNER[face]) - x - y;
        let polar = |width: f64, sign: f64| {
            let cap = width * width / 3.0;
            (sign * (1.0 - cap), (cap * (2.0 - cap)).sqrt(), width)
        };
        let (z, sin, width) = if ring < 1.0 {
            polar(ring, 1.0)
        } else if ring > 3.0 {
            polar(4.0 - ring, -1.0)
        } else {
            let z = (2.0 - ring) * 2.0 / 3.0;
            (z, ((1.0 - z) * (1.0 + z)).sqrt(), 1.0)
        };
        let eastward = f64::from(MIDDLE[face]) * width + x - y;
        let eastward = if eastward < 0.0 {
            eastward + 8.0
        } else if eastward >= 8.0 {
            eastward - 8.0
        } else {
            eastward
        };
        let lon = if width < 1e-15 { 0.0 } else { (FRAC_PI_4 * eastward) / width };
        Self { z, sin, lon }
    }

    fn vector(&self) -> UnitVector {
        UnitVector::from_normalized(Vector::new(self.sin * self.lon.cos(), self.sin * self.lon.sin(), self.z))
    }

    /// Angle from the north pole in radians.
    fn colatitude(&self) -> f64 {
        if self.z.abs() > 0.99 { self.sin.atan2(self.z) } else { self.z.acos() }
    }
}

/// Index of the pixel of a level that a point belongs to.
pub(super) fn index(level: u8, point: UnitVector) -> u64 {
    let shrink = 1.0 / point.vector().norm();
    let (x, y, z) = (point.x(), point.y(), point.z() * shrink);
    let side = f64::from(1_u32 << level);
    // Longitude in units of 90° within [0, 4).
    let lon = if x == 0.0 && y == 0.0 { 0.0 } else { y.atan2(x) * FRAC_2_PI };
    let lon = if lon < 0.0 { lon + 4.0 } else { lon };
    let lon = if lon >= 4.0 { 0.0 } else { lon };
    let cell = if z.abs() <= 2.0 / 3.0 {
        equatorial_cell(level, side * (0.5 + lon), side * z * 0.75)
    } else {
        let quarter = lon.floor();
        // √(3 (1 - |z|)), without cancellation near the pole.
        let ring = if z.abs() <= 0.99 {
            side * (3.0 * (1.0 - z.abs())).sqrt()
        } else {
            side * ((x * x + y * y).sqrt() * shrink) / ((1.0 + z.abs()) / 3.0).sqrt()
        };
        polar_cell(level, quarter, lon - quarter, ring, z > 0.0)
    };
    cell.index(level)
}

fn equatorial_cell(level: u8, lon: f64, height: f64) -> Cell {
    // Lines that ascend and descend to the east.
    let (ascending, descending) = ((lon - height) as u64, (lon + height) as u64);
    let (face_a, face_d) = (ascending >> level, descending >> level);
    let face = match face_a.cmp(&face_d) {
        std::cmp::Ordering::Equal => face_a | 4,
        std::cmp::Ordering::Less => face_a,
        std::cmp::Ordering::Greater => face_d + 8,
    };
    let mask = (1_u64 << level) - 1;
    Cell { face: face as u8, x: (descending & mask) as u32, y: (mask - (ascending & mask)) as u32 }
}

fn polar_cell(level: u8, quarter: f64, lon: f64, ring: f64, north: bool) -> Cell {
    let last = (1_u32 << level) - 1;
    let east = ((lon * ring) as u32).min(last);
    let west = (((1.0 - lon) * ring) as u32).min(last);
    let quarter = quarter as u8;
    if north {
        Cell { face: quarter, x: last - west, y: last - east }
    } else {
        Cell { face: quarter + 8, x: east, y: west }
    }
}

/// Points on the boundary of a pixel, four on each edge.
///
/// They go from the northern corner by the western, southern and eastern one.
/// Angles go by way of degrees, as in the reference: where edges are meridians,
/// rounding decides which points are vertices of the hull.
pub(super) fn boundary(level: u8, index: u64) -> [UnitVector; 16] {
    let cell = Cell::of_index(level, index);
    std::array::from_fn(|number| {
        let along = (number % 4) as f64 / 4.0;
        let (x, y) = match number / 4 {
            0 => (1.0 - along, 1.0),
            1 => (0.0, 1.0 - along),
            2 => (along, 0.0),
            _ => (1.0, along),
        };
        let place = cell.location(level, x, y);
        let lon = place.lon * DEGREES_PER_RADIAN % 360.0 * RADIANS_PER_DEGREE;
        let lat = (FRAC_PI_2 - place.colatitude()) * DEGREES_PER_RADIAN * RADIANS_PER_DEGREE;
        let colatitude = FRAC_PI_2 - lat;
        let sin = colatitude.sin();
        let vector = Vector::new(sin * lon.cos(), sin * lon.sin(), colatitude.cos());
        UnitVector::from_direction(vector).unwrap_or(UnitVector::Z)
    })
}

/// Largest angle between the centre and a corner of any pixel of a level, in radians.
///
/// It is reached by pixels whose western or eastern corner is where polar and
/// equatorial faces meet.
fn max_radius(level: u8) -> f64 {
    let side = f64::from(1_u32 << level);
    let place = |z: f64, lon: f64| Location { z, sin: ((1.0 - z) * (1.0 + z)).sqrt(), lon }.vector();
    let shrunk = 1.0 - 1.0 / side;
    place(2.0 / 3.0, FRAC_PI_4 / side).angle_to(place(1.0 - shrunk * shrunk / 3.0, 0.0))
}

/// Bits of a number at the even places of another one.
fn spread_bits(value: u32) -> u64 {
    let mut v = u64::from(value);
    v = (v | (v << 16)) & 0x0000_ffff_0000_ffff;
    v = (v | (v << 8)) & 0x00ff_00ff_00ff_00ff;
    v = (v | (v << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    v = (v | (v << 2)) & 0x3333_3333_3333_3333;
    (v | (v << 1)) & 0x5555_5555_5555_5555
}

/// Number whose bits are at the even places of another one.
fn even_bits(value: u64) -> u32 {
    let mut v = value & 0x5555_5555_5555_5555;
    v = (v | (v >> 1)) & 0x3333_3333_3333_3333;
    v = (v | (v >> 2)) & 0x0f0f_0f0f_0f0f_0f0f;
    v = (v | (v >> 4)) & 0x00ff_00ff_00ff_00ff;
    v = (v | (v >> 8)) & 0x0000_ffff_0000_ffff;
    (v | (v >> 16)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: u8 = 3;

    fn neighbours(cell: Cell) -> Vec<u64> {
        let steps = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)];
        steps
            .iter()
            .filter_map(|(dx, dy)| cell.neighbour(LEVEL, *dx, *dy))
            .map(|cell| cell.index(LEVEL))
            .collect()
    }

    #[test]
    fn neighbours_are_mutual_and_share_a_corner() {
        let count = 12 << (2 * LEVEL);
        let of_index = |index| Cell::of_index(LEVEL, index);
        let mut with_seven = 0;
        for cell in (0..count).map(of_index) {
            let found = neighbours(cell);
            with_seven += usize::from(found.len() == 7);
            for neighbour in found.into_iter().map(of_index) {
                assert!(neighbours(neighbour).contains(&cell.index(LEVEL)), "{cell:?} {neighbour:?}");
                let (ours, theirs) = (cell.corners(LEVEL), neighbour.corners(LEVEL));
                let is_shared =
                    |corner: &UnitVector| theirs.iter().any(|other| corner.angle_to(*other) < 1e-12);
                assert!(ours.iter().any(is_shared), "{cell:?} {neighbour:?}");
            }
        }
        // Three cells meet, instead of four, at eight corners.
        assert_eq!(with_seven, 24);
    }

    #[test]
    fn cells_are_counted_by_their_places() {
        for level in [0, 1, 5, 17, 23] {
            for index in [0, 1, 2, 3, (12 << (2 * level)) - 1, 7 << (2 * level)] {
                let cell = Cell::of_index(level, index);
                assert_eq!(cell.index(level), index);
                assert_eq!(super::index(level, cell.center(level)), index);
                assert_eq!(
                    cell.children().map(|child| child.index(level + 1)),
                    [0, 1, 2, 3].map(|n| 4 * index + n)
                );
            }
        }
    }

    #[test]
    fn no_corner_is_farther_than_the_largest_radius() {
        for cell in (0..12 << (2 * LEVEL)).map(|index| Cell::of_index(LEVEL, index)) {
            let center = cell.center(LEVEL);
            let farthest =
                cell.corners(LEVEL).iter().map(|corner| center.angle_to(*corner)).fold(0.0, f64::max);
            assert!(farthest <= max_radius(LEVEL) + 1e-15, "{cell:?}");
        }
    }

    #[test]
    fn a_corner_after_a_full_turn_is_brought_back() {
        // Its longitude comes out one rounding error beyond 2π.
        let north = Cell::of_index(6, 13_791).corners(6)[0];
        assert!(north.y() > 0.0 && north.y() < 1e-15);
    }
}
