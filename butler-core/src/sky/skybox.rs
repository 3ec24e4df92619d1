//! Rectangles in longitude and latitude.

use std::f64::consts::{FRAC_PI_2, PI};

use super::angle::{DEGREES_PER_RADIAN, LonLat, RADIANS_PER_DEGREE, normalized};
use super::chord::{
    MAX_ASIN_ERROR, MAX_SQUARED_CHORD_ERROR, max_squared_chord_to_arc, min_squared_chord_to_arc,
    squared_chord_of,
};
use super::circle::Circle;
use super::interval::{LatInterval, LonInterval};
use super::relationship::Relationship;
use super::vector::{UnitVector, Vector};
use crate::{Error, ErrorKind, Result};

/// All points within an interval of longitude and one of latitude, the boundary included.
///
/// The interval of longitude may wrap through 0°.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SkyBox {
    lon: LonInterval,
    lat: LatInterval,
}

impl SkyBox {
    /// No point at all.
    pub const EMPTY: Self = Self { lon: LonInterval::EMPTY, lat: LatInterval::EMPTY };
    /// The whole sphere.
    pub const FULL: Self = Self { lon: LonInterval::FULL, lat: LatInterval::FULL };

    /// Box between two longitudes, going east, and two latitudes, all in degrees.
    ///
    /// Longitudes of [0, 360] may decrease: the box then wraps through 0°.
    /// Others must not decrease; a difference of 360° or more is the full circle.
    /// Latitudes are cut off at the poles; decreasing ones give an empty box.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] for decreasing longitudes outside [0, 360], and for not-a-number.
    pub fn from_degrees(lon: (f64, f64), lat: (f64, f64)) -> Result<Self> {
        if [lon.0, lon.1, lat.0, lat.1].iter().any(|angle| angle.is_nan()) {
            return Err(Error::new(ErrorKind::Argument, "a bound of a box is not a number"));
        }
        let lon_interval = LonInterval::between(lon.0 * RADIANS_PER_DEGREE, lon.1 * RADIANS_PER_DEGREE);
        let Some(lon_interval) = lon_interval else {
            let message = format!("longitudes from {} to {} degrees decrease", lon.0, lon.1);
            return Err(Error::new(ErrorKind::Argument, message)
                .with_hint("give both within 0 to 360 for a box that wraps through 0"));
        };
        let lat_interval = LatInterval { a: lat.0 * RADIANS_PER_DEGREE, b: lat.1 * RADIANS_PER_DEGREE };
        Ok(Self::from_intervals(lon_interval, lat_interval))
    }

    /// Box between two corners, going east and north from the first to the second.
    ///
    /// It is empty if the second one lies further south.
    #[must_use]
    pub fn from_corners(south_west: LonLat, north_east: LonLat) -> Self {
        Self::from_intervals(
            LonInterval { a: south_west.lon(), b: north_east.lon() },
            LatInterval { a: south_west.lat(), b: north_east.lat() },
        )
    }

    /// Box of all points within two half sizes, in degrees, of a point's longitude and latitude.
    ///
    /// A negative half size gives an empty box.
    #[must_use]
    pub fn around(center: LonLat, half_width: f64, half_height: f64) -> Self {
        Self::around_radians(center, half_width * RADIANS_PER_DEGREE, half_height * RADIANS_PER_DEGREE)
    }

    pub(super) fn around_radians(center: LonLat, half_width: f64, half_height: f64) -> Self {
        Self::from_intervals(
            LonInterval { a: center.lon(), b: center.lon() }.dilated_by(half_width),
            LatInterval { a: center.lat(), b: center.lat() }.dilated_by(half_height),
        )
    }

    /// Cuts latitudes off at the poles and makes both intervals empty if one is.
    pub(super) fn from_intervals(lon: LonInterval, lat: LatInterval) -> Self {
        let lat = lat.clipped_to(LatInterval::FULL);
        if lat.is_empty() {
            Self { lon: LonInterval::EMPTY, lat }
        } else if lon.is_empty() {
            Self::EMPTY
        } else {
            Self { lon, lat }
        }
    }

    /// West and east bound in degrees within [0, 360]; the first is larger if the box wraps
    /// through 0°, both are not a number if it is empty.
    #[must_use]
    pub fn lon_degrees(&self) -> (f64, f64) {
        (self.lon.a * DEGREES_PER_RADIAN, self.lon.b * DEGREES_PER_RADIAN)
    }

    /// South and north bound in degrees; the first is larger if the box is empty.
    #[must_use]
    pub fn lat_degrees(&self) -> (f64, f64) {
        (self.lat.a * DEGREES_PER_RADIAN, self.lat.b * DEGREES_PER_RADIAN)
    }

    pub(super) fn lon(&self) -> LonInterval {
        self.lon
    }

    pub(super) fn lat(&self) -> LatInterval {
        self.lat
    }

    /// Whether the box has no point.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lat.is_empty()
    }

    /// Whether the box is the whole sphere.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.lon.is_full() && self.lat == LatInterval::FULL
    }

    /// Whether a point is in the box or on its boundary.
    #[must_use]
    pub fn contains(&self, point: UnitVector) -> bool {
        self.contains_lon_lat(LonLat::from(point))
    }

    fn contains_lon_lat(&self, point: LonLat) -> bool {
        self.lat.contains(point.lat()) && self.lon.contains(point.lon())
    }

    pub(super) fn intersects_box(&self, other: &Self) -> bool {
        !self.lat.is_disjoint_from(other.lat) && !self.lon.is_disjoint_from(other.lon)
    }

    pub(super) fn clipped_to(self, other: Self) -> Self {
        Self::from_intervals(self.lon.clipped_to(other.lon), self.lat.clipped_to(other.lat))
    }

    pub(super) fn expanded_to(self, other: Self) -> Self {
        Self { lon: self.lon.expanded_to(other.lon), lat: self.lat.expanded_to(other.lat) }
    }

    /// Circle that holds the box.
    #[must_use]
    pub fn bounding_circle(&self) -> Circle {
        if self.is_empty() {
            Circle::EMPTY
        } else if self.is_full() {
            Circle::FULL
        } else if self.lon.size() <= PI {
            self.bounding_circle_of_narrow()
        } else {
            self.bounding_circle_of_wide()
        }
    }

    /// Smallest circle around a box of at most 180° of longitude.
    ///
    /// Its centre is on the middle meridian, where the farther one of the
    /// southern and the northern corners is nearest: at the latitude nearest to
    /// the southern corners, at the one nearest to the northern ones, or where both
    /// are equally far.
    fn bounding_circle_of_narrow(&self) -> Circle {
        let corners = self.corners();
        let middle = self.lon.center();
        let cos = (0.5 * self.lon.size()).cos();
        let near_south = (self.lat.a.tan() / cos).atan();
        let near_north = (self.lat.b.tan() / cos).atan();
        let equal = (cos * self.lat.center().tan()).atan();
        let center = if near_south <= equal && equal <= near_north {
            UnitVector::from_radians(middle, equal)
        } else {
            let south = UnitVector::from_radians(middle, near_south);
            let north = UnitVector::from_radians(middle, near_north);
            if south.dot(corners[0]) > north.dot(corners[1]) { north } else { south }
        };
        let farthest =
            corners.iter().map(|corner| center.squared_chord_to(*corner)).fold(f64::NEG_INFINITY, f64::max);
        Circle::from_squared_chord(center, farthest + 2.0 * MAX_SQUARED_CHORD_ERROR)
    }

    /// Smaller one of the circles around the nearer pole and around the middle of the equator.
    fn bounding_circle_of_wide(&self) -> Circle {
        let (pole, from_pole) = if self.lat.a.abs() <= self.lat.b.abs() {
            (UnitVector::Z, FRAC_PI_2 - self.lat.a)
        } else {
            (-UnitVector::Z, self.lat.b + FRAC_PI_2)
        };
        let half_width = 0.5 * self.lon.size();
        let (center, opening) = if !self.lon.is_full() && half_width < from_pole {
            (UnitVector::from_radians(self.lon.center(), 0.0), half_width)
        } else {
            (pole, from_pole)
        };
        Circle::from_radians(center, opening + 4.0 * MAX_ASIN_ERROR)
    }

    /// Corners: south-west, north-west, south-east, north-east.
    fn corners(&self) -> [UnitVector; 4] {
        [
            UnitVector::from_radians(self.lon.a, self.lat.a),
            UnitVector::from_radians(self.lon.a, self.lat.b),
            UnitVector::from_radians(self.lon.b, self.lat.a),
            UnitVector::from_radians(self.lon.b, self.lat.b),
        ]
    }

    pub(super) fn relate_box(&self, other: &Self) -> Relationship {
        let lon = self.lon.relate(other.lon);
        let lat = self.lat.relate(other.lat);
        let both = (lon & lat) & (Relationship::CONTAINS | Relationship::WITHIN);
        both | ((lon | lat) & Relationship::DISJOINT)
    }

    pub(super) fn relate_circle(&self, circle: &Circle) -> Relationship {
        use Relationship as R;
        match (self.is_empty(), circle.is_empty()) {
            (true, true) => return R::all(),
            (true, false) => return R::DISJOINT | R::WITHIN,
            (false, true) => return R::DISJOINT | R::CONTAINS,
            (false, false) => {}
        }
        match (self.is_full(), circle.is_full()) {
            (true, true) => return R::CONTAINS | R::WITHIN,
            (true, false) => return R::CONTAINS,
            (false, true) => return R::WITHIN,
            (false, false) => {}
        }
        let corners = self.corners();
        match all_inside(&corners, circle) {
            None => R::INTERSECTS,
            Some(true) => self.relate_to_circle_around_corners(circle, &corners),
            Some(false) => self.relate_to_circle_off_corners(circle, &corners),
        }
    }

    fn relate_to_circle_around_corners(&self, circle: &Circle, corners: &[UnitVector; 4]) -> Relationship {
        let limit = circle.squared_chord() - MAX_SQUARED_CHORD_ERROR;
        let leaves = self.meridians().into_iter().enumerate().any(|(side, normal)| {
            let (south, north) = (corners[2 * side], corners[2 * side + 1]);
            max_squared_chord_to_arc(circle.center(), north, south, normal) > limit
        });
        let opposite = LonLat::from(-circle.center());
        if leaves
            || (self.lon.contains(opposite.lon())
                && squared_chord_of(PI - self.angle_to_parallels(opposite.lat())) > limit)
            // The circle may be the sphere but for a hole that is inside the box.
            || self.contains_lon_lat(opposite)
        {
            return Relationship::INTERSECTS;
        }
        Relationship::WITHIN
    }

    fn relate_to_circle_off_corners(&self, circle: &Circle, corners: &[UnitVector; 4]) -> Relationship {
        let limit = circle.squared_chord() + MAX_SQUARED_CHORD_ERROR;
        let enters = self.meridians().into_iter().enumerate().any(|(side, normal)| {
            let (south, north) = (corners[2 * side], corners[2 * side + 1]);
            min_squared_chord_to_arc(circle.center(), north, south, normal) < limit
        });
        let center = LonLat::from(circle.center());
        if enters
            || (self.lon.contains(center.lon())
                && squared_chord_of(self.angle_to_parallels(center.lat())) < limit)
        {
            Relationship::INTERSECTS
        } else if self.contains_lon_lat(center) {
            Relationship::CONTAINS
        } else {
            Relationship::DISJOINT
        }
    }

    /// Poles of the great circles of the western and the eastern edge.
    fn meridians(&self) -> [Vector; 2] {
        [self.lon.a, self.lon.b].map(|lon| Vector::new(-lon.sin(), lon.cos(), 0.0))
    }

    /// Smaller angle between a latitude and the two edges of constant latitude.
    fn angle_to_parallels(&self, lat: f64) -> f64 {
        (lat - self.lat.a).abs().min((lat - self.lat.b).abs())
    }
}

/// Whether points are all inside a circle or all outside; nothing if they are neither, or if one
/// is too close to the boundary to tell.
pub(super) fn all_inside(points: &[UnitVector], circle: &Circle) -> Option<bool> {
    let mut inside = None;
    for point in points {
        let distance = point.squared_chord_to(circle.center());
        if (distance - circle.squared_chord()).abs() < MAX_SQUARED_CHORD_ERROR {
            return None;
        }
        let is_inside = distance < circle.squared_chord();
        if *inside.get_or_insert(is_inside) != is_inside {
            return None;
        }
    }
    inside
}

/// Half of the longitudes that a circle of an opening angle around a latitude covers, in radians.
///
/// The meridian that touches the circle makes an angle α with the one of the
/// centre, where sin α = sin r / cos δ.
pub(super) fn half_width_of_circle(opening: f64, lat: f64) -> f64 {
    if opening <= 0.0 {
        return 0.0;
    }
    if lat.abs() + opening >= FRAC_PI_2 {
        return PI;
    }
    let sin = (opening.sin() / lat.cos()).abs();
    if sin >= 1.0 { FRAC_PI_2 } else { normalized(sin.asin()) }
}
