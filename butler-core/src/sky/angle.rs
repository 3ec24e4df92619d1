//! Angles: degrees for people, radians inside.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use super::vector::{UnitVector, Vector};
use crate::{Error, ErrorKind, Result};

/// π/180.
pub(super) const RADIANS_PER_DEGREE: f64 = 0.017_453_292_519_943_295;
/// 180/π.
pub(super) const DEGREES_PER_RADIAN: f64 = 57.295_779_513_082_32;

/// Brings an angle into [0, 2π], both ends allowed; not a number stays what it is.
pub(super) fn normalized(angle: f64) -> f64 {
    if angle < 0.0 {
        angle % TAU + TAU
    } else if angle > TAU {
        angle % TAU
    } else {
        angle
    }
}

/// Point on the sphere, as longitude and latitude.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LonLat {
    lon: f64,
    lat: f64,
}

impl LonLat {
    /// Point from a longitude of any turn and a latitude within [-90, 90], in degrees.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] for a latitude beyond a pole, and for what is not finite.
    pub fn from_degrees(lon: f64, lat: f64) -> Result<Self> {
        let point = Self { lon: normalized(lon * RADIANS_PER_DEGREE), lat: lat * RADIANS_PER_DEGREE };
        if !point.lon.is_finite() {
            return Err(Error::new(ErrorKind::Argument, format!("longitude {lon} is not a finite number")));
        }
        if point.lat.is_nan() || point.lat.abs() > FRAC_PI_2 {
            return Err(Error::new(
                ErrorKind::Argument,
                format!("latitude {lat} is not within -90 to 90 degrees"),
            ));
        }
        Ok(point)
    }

    /// Longitude in degrees, within [0, 360].
    #[must_use]
    pub fn lon_degrees(self) -> f64 {
        self.lon * DEGREES_PER_RADIAN
    }

    /// Latitude in degrees, within [-90, 90].
    #[must_use]
    pub fn lat_degrees(self) -> f64 {
        self.lat * DEGREES_PER_RADIAN
    }

    /// Longitude in radians.
    pub(super) fn lon(self) -> f64 {
        self.lon
    }

    /// Latitude in radians.
    pub(super) fn lat(self) -> f64 {
        self.lat
    }
}

impl From<UnitVector> for LonLat {
    fn from(point: UnitVector) -> Self {
        let vector = point.vector();
        Self { lon: longitude_of(vector), lat: latitude_of(vector) }
    }
}

/// Latitude of a direction in radians; 0 for the zero vector.
pub(super) fn latitude_of(v: Vector) -> f64 {
    if v.z == 0.0 {
        return 0.0;
    }
    v.z.atan2((v.x * v.x + v.y * v.y).sqrt()).clamp(-FRAC_PI_2, FRAC_PI_2)
}

/// Longitude of a direction in radians within [0, 2π]; 0 for the poles.
pub(super) fn longitude_of(v: Vector) -> f64 {
    if v.x * v.x + v.y * v.y == 0.0 {
        return 0.0;
    }
    let lon = v.y.atan2(v.x);
    if lon < 0.0 { lon + 2.0 * PI } else { lon }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longitudes_turn_and_latitudes_do_not() {
        let point = LonLat::from_degrees(-10.0, 90.0).expect("the pole is a point");
        assert!((point.lon_degrees() - 350.0).abs() < 1e-12);
        assert_eq!(point.lat_degrees(), 90.0);
        assert_eq!(
            LonLat::from_degrees(360.0, 0.0).expect("a full turn is a longitude").lon_degrees(),
            360.0
        );
        for (lon, lat) in [(0.0, 90.1), (0.0, f64::NAN), (f64::NAN, 0.0), (f64::INFINITY, 0.0)] {
            let error = LonLat::from_degrees(lon, lat).expect_err("not a point");
            assert_eq!(error.kind(), ErrorKind::Argument);
        }
    }

    #[test]
    fn poles_have_longitude_zero() {
        assert_eq!(LonLat::from(-UnitVector::Z), LonLat { lon: 0.0, lat: -FRAC_PI_2 });
    }
}
