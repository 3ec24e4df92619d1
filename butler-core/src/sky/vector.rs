//! Vectors in three dimensions, points on the unit sphere, and the orientation of three of them.

use std::ops::{Add, Mul, Neg, Sub};

use robust::{Coord, Coord3D};

use super::angle::LonLat;
use crate::{Error, ErrorKind, Result};

/// How far the squared length of a stored unit vector may be from one.
const UNIT_TOLERANCE: f64 = 1e-6;

/// Any vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Vector {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) z: f64,
}

impl Vector {
    pub(super) const ZERO: Self = Self::new(0.0, 0.0, 0.0);

    pub(super) const fn new(x: f64, y: f64, z: f64) -> Self {
        Self { x, y, z }
    }

    #[inline]
    pub(super) fn dot(self, other: Self) -> f64 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    #[inline]
    pub(super) fn cross(self, other: Self) -> Self {
        Self::new(
            self.y * other.z - self.z * other.y,
            self.z * other.x - self.x * other.z,
            self.x * other.y - self.y * other.x,
        )
    }

    #[inline]
    pub(super) fn squared_norm(self) -> f64 {
        self.dot(self)
    }

    pub(super) fn norm(self) -> f64 {
        self.squared_norm().sqrt()
    }

    /// Unit vector of the same direction and the length, or nothing for the zero vector.
    ///
    /// Everything is divided by the component of largest magnitude first, so
    /// that no square overflows or vanishes; the rounding of the result depends
    /// on these steps and their order.
    #[inline]
    pub(super) fn normalized(self) -> Option<(Self, f64)> {
        let (x, y, z) = (self.x.abs(), self.y.abs(), self.z.abs());
        let largest = x.max(y).max(z);
        if largest == 0.0 || largest.is_nan() {
            return None;
        }
        let (u, v, w) = (self.x / largest, self.y / largest, self.z / largest);
        // The squares of the two smaller components, the one that is 1 left out.
        let rest = if z == largest {
            u * u + v * v
        } else if y == largest {
            u * u + w * w
        } else {
            v * v + w * w
        };
        let norm = (1.0 + rest).sqrt();
        Some((Self::new(u / norm, v / norm, w / norm), norm * largest))
    }

    /// Rodrigues' rotation around `axis` by `angle` radians.
    pub(super) fn rotated_around(self, axis: Self, angle: f64) -> Self {
        let (sin, cos) = (angle.sin(), angle.cos());
        self * cos + axis.cross(self) * sin + axis * (axis.dot(self) * (1.0 - cos))
    }
}

impl Add for Vector {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self::new(self.x + other.x, self.y + other.y, self.z + other.z)
    }
}

impl Sub for Vector {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self::new(self.x - other.x, self.y - other.y, self.z - other.z)
    }
}

impl Mul<f64> for Vector {
    type Output = Self;

    #[inline]
    fn mul(self, factor: f64) -> Self {
        Self::new(self.x * factor, self.y * factor, self.z * factor)
    }
}

impl Neg for Vector {
    type Output = Self;

    #[inline]
    fn neg(self) -> Self {
        Self::new(-self.x, -self.y, -self.z)
    }
}

/// Point on the unit sphere, as Cartesian coordinates.
///
/// `x` points to longitude 0° and latitude 0°, `y` to longitude 90°, `z` to the
/// north pole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitVector(Vector);

impl UnitVector {
    /// Longitude 0°, latitude 0°.
    pub const X: Self = Self(Vector::new(1.0, 0.0, 0.0));
    /// Longitude 90°, latitude 0°.
    pub const Y: Self = Self(Vector::new(0.0, 1.0, 0.0));
    /// North pole.
    pub const Z: Self = Self(Vector::new(0.0, 0.0, 1.0));

    /// Direction of a vector of any length.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] for the zero vector and for components that are not finite.
    pub fn new(x: f64, y: f64, z: f64) -> Result<Self> {
        let vector = Vector::new(x, y, z);
        let finite = x.is_finite() && y.is_finite() && z.is_finite();
        vector.normalized().filter(|_| finite).map(|(unit, _)| Self(unit)).ok_or_else(|| {
            Error::new(ErrorKind::Argument, format!("({x}, {y}, {z}) is not a direction"))
                .with_hint("a point on the sphere needs three finite components, not all zero")
        })
    }

    /// Component towards longitude 0°, latitude 0°.
    #[must_use]
    pub fn x(self) -> f64 {
        self.0.x
    }

    /// Component towards longitude 90°, latitude 0°.
    #[must_use]
    pub fn y(self) -> f64 {
        self.0.y
    }

    /// Component towards the north pole.
    #[must_use]
    pub fn z(self) -> f64 {
        self.0.z
    }

    /// Takes components as they are.
    pub(super) const fn from_normalized(vector: Vector) -> Self {
        Self(vector)
    }

    /// Takes stored components as they are, if they are those of a unit vector up to rounding.
    pub(super) fn from_stored(vector: Vector) -> Option<Self> {
        ((vector.squared_norm() - 1.0).abs() <= UNIT_TOLERANCE).then_some(Self(vector))
    }

    /// Direction of a vector, or nothing for the zero vector.
    #[inline]
    pub(super) fn from_direction(vector: Vector) -> Option<Self> {
        vector.normalized().map(|(unit, _)| Self(unit))
    }

    /// Direction half way between two points that are not antipodal; of antipodal ones, the first.
    #[inline]
    pub(super) fn between(a: Self, b: Self) -> Self {
        Self::from_direction(a.0 + b.0).unwrap_or(a)
    }

    #[inline]
    pub(super) fn vector(self) -> Vector {
        self.0
    }

    #[inline]
    pub(super) fn dot(self, other: Self) -> f64 {
        self.0.dot(other.0)
    }

    /// Twice the cross product, accurate even for points that are very close.
    #[inline]
    pub(super) fn robust_cross(self, other: Self) -> Vector {
        (other.0 + self.0).cross(other.0 - self.0)
    }

    #[inline]
    pub(super) fn squared_chord_to(self, other: Self) -> f64 {
        (self.0 - other.0).squared_norm()
    }

    /// Angle between two points, in radians within [0, π].
    pub(super) fn angle_to(self, other: Self) -> f64 {
        let sin = self.0.cross(other.0).norm();
        let cos = self.dot(other);
        if sin == 0.0 && cos == 0.0 { 0.0 } else { sin.atan2(cos) }
    }

    /// Some point 90° away.
    pub(super) fn orthogonal(self) -> Self {
        let Vector { x, y, z } = self.0;
        let direction = if x.abs() > y.abs() { Vector::new(-z, 0.0, x) } else { Vector::new(0.0, z, -y) };
        Self::from_direction(direction).unwrap_or(Self::X)
    }

    /// Pole of the great circle through two points; of equal or antipodal ones, any pole that fits.
    pub(super) fn pole_of(a: Self, b: Self) -> Self {
        Self::from_direction(a.robust_cross(b)).unwrap_or_else(|| a.orthogonal())
    }

    /// Direction of north as seen from this point, as a point 90° away.
    pub(super) fn north(self) -> Self {
        let Vector { x, y, z } = self.0;
        Self::from_direction(Vector::new(-x * z, -y * z, x * x + y * y)).unwrap_or(Self(Vector::new(
            -1.0_f64.copysign(z),
            0.0,
            0.0,
        )))
    }
}

impl Neg for UnitVector {
    type Output = Self;

    #[inline]
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl From<LonLat> for UnitVector {
    fn from(point: LonLat) -> Self {
        Self::from_radians(point.lon(), point.lat())
    }
}

impl UnitVector {
    /// Point of a longitude and a latitude in radians, not normalised again.
    pub(super) fn from_radians(lon: f64, lat: f64) -> Self {
        let (sin_lon, cos_lon) = (lon.sin(), lon.cos());
        let (sin_lat, cos_lat) = (lat.sin(), lat.cos());
        Self(Vector::new(cos_lon * cos_lat, sin_lon * cos_lat, sin_lat))
    }
}

/// Exact sign of the determinant of three points: 1 if they turn counter-clockwise (seen from
/// outside), -1 if clockwise, 0 if they lie on one great circle.
///
/// A plain evaluation decides unless the value is within its rounding error;
/// then the adaptive arithmetic of Shewchuk (1997) does.
#[inline]
pub(super) fn orientation(a: UnitVector, b: UnitVector, c: UnitVector) -> i8 {
    // Five roundings of terms whose magnitudes sum to at most 3.
    const ROUNDING: f64 = 1.8e-15;
    let determinant = a.vector().dot(b.vector().cross(c.vector()));
    if determinant > ROUNDING {
        1
    } else if determinant < -ROUNDING {
        -1
    } else {
        orientation_exact(a, b, c)
    }
}

#[cold]
fn orientation_exact(a: UnitVector, b: UnitVector, c: UnitVector) -> i8 {
    if a == b || b == c || a == c || a == -b || b == -c || a == -c {
        return 0;
    }
    let coordinates = |u: UnitVector| Coord3D { x: u.x(), y: u.y(), z: u.z() };
    let origin = Coord3D { x: 0.0, y: 0.0, z: 0.0 };
    sign(robust::orient3d(coordinates(a), coordinates(b), coordinates(c), origin))
}

/// Exact orientation of the north pole and two points.
pub(super) fn orientation_of_pole(b: UnitVector, c: UnitVector) -> i8 {
    let coordinates = |u: UnitVector| Coord { x: u.x(), y: u.y() };
    sign(robust::orient2d(coordinates(b), coordinates(c), Coord { x: 0.0, y: 0.0 }))
}

fn sign(value: f64) -> i8 {
    if value > 0.0 {
        1
    } else if value < 0.0 {
        -1
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directions_are_unit_vectors() {
        assert!(UnitVector::new(0.0, 0.0, 0.0).is_err());
        assert!(UnitVector::new(f64::NAN, 0.0, 1.0).is_err());
        assert!(UnitVector::new(0.0, f64::INFINITY, 1.0).is_err());
        let tiny = UnitVector::new(0.0, 0.0, -1e-310).expect("subnormal vectors have a direction");
        assert_eq!(tiny, -UnitVector::Z);
        let huge = UnitVector::new(3e307, 4e307, 0.0).expect("large vectors have a direction");
        assert!((huge.x() - 0.6).abs() < 1e-15 && (huge.y() - 0.8).abs() < 1e-15);
    }

    #[test]
    fn orientation_is_exact() {
        let turn = |a, b, c| orientation(a, b, c);
        assert_eq!(turn(UnitVector::X, UnitVector::Y, UnitVector::Z), 1);
        assert_eq!(turn(UnitVector::Y, UnitVector::X, UnitVector::Z), -1);
        let tilted = UnitVector::from_normalized(Vector::new(1.0, 1e-30, 0.0));
        assert_eq!(turn(UnitVector::X, tilted, UnitVector::Z), 1);
        assert_eq!(turn(tilted, UnitVector::X, UnitVector::Z), -1);
        assert_eq!(turn(UnitVector::X, UnitVector::Y, -UnitVector::X), 0);
        assert_eq!(orientation_of_pole(UnitVector::X, tilted), 1);
        assert_eq!(orientation_of_pole(UnitVector::X, -UnitVector::X), 0);
    }
}
