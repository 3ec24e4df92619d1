//! Circles on the sphere.

use std::f64::consts::PI;

use super::angle::{DEGREES_PER_RADIAN, LonLat, RADIANS_PER_DEGREE};
use super::chord::{MAX_ASIN_ERROR, angle_of, squared_chord_of};
use super::relationship::Relationship;
use super::skybox::{SkyBox, half_width_of_circle};
use super::vector::{UnitVector, Vector};

/// Slack of comparisons between sums of two computed opening angles and a distance.
const SLACK: f64 = 4.0 * MAX_ASIN_ERROR;

/// All points within an angle of a centre, the boundary included.
///
/// The opening angle is the one from the centre to the boundary. A circle with a
/// negative one is empty, one of 180° or more is the whole sphere.
#[derive(Clone, Copy, Debug)]
pub struct Circle {
    center: UnitVector,
    squared_chord: f64,
    opening: f64,
}

impl Circle {
    /// No point at all.
    pub const EMPTY: Self = Self { center: UnitVector::Z, squared_chord: -1.0, opening: -1.0 };
    /// The whole sphere.
    pub const FULL: Self = Self { center: UnitVector::Z, squared_chord: 4.0, opening: PI };

    /// Circle of all points at most `opening` degrees from `center`.
    #[must_use]
    pub fn new(center: UnitVector, opening: f64) -> Self {
        Self::from_radians(center, opening * RADIANS_PER_DEGREE)
    }

    pub(super) fn from_radians(center: UnitVector, opening: f64) -> Self {
        Self { center, squared_chord: squared_chord_of(opening), opening }
    }

    pub(super) fn from_squared_chord(center: UnitVector, squared_chord: f64) -> Self {
        Self { center, squared_chord, opening: angle_of(squared_chord) }
    }

    pub(super) fn from_stored(center: UnitVector, squared_chord: f64, opening: f64) -> Self {
        Self { center, squared_chord, opening }
    }

    /// Centre of the circle; of no meaning for an empty or full one.
    #[must_use]
    pub fn center(&self) -> UnitVector {
        self.center
    }

    /// Angle between centre and boundary in degrees.
    #[must_use]
    pub fn opening_degrees(&self) -> f64 {
        self.opening * DEGREES_PER_RADIAN
    }

    /// Angle between centre and boundary in radians.
    pub(super) fn opening(&self) -> f64 {
        self.opening
    }

    pub(super) fn squared_chord(&self) -> f64 {
        self.squared_chord
    }

    /// Whether the circle has no point.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.squared_chord.is_nan() || self.squared_chord < 0.0
    }

    /// Whether the circle is the whole sphere.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.squared_chord >= 4.0
    }

    /// Whether a point is in the circle or on its boundary.
    #[must_use]
    pub fn contains(&self, point: UnitVector) -> bool {
        self.is_full() || point.squared_chord_to(self.center) <= self.squared_chord
    }

    /// Box in longitude and latitude that holds the circle.
    #[must_use]
    pub fn bounding_box(&self) -> SkyBox {
        let center = LonLat::from(self.center);
        let height = self.opening + 2.0 * MAX_ASIN_ERROR;
        let width = half_width_of_circle(height, center.lat()) + MAX_ASIN_ERROR;
        SkyBox::around_radians(center, width, height)
    }

    pub(super) fn relate_circle(&self, other: &Self) -> Relationship {
        use Relationship as R;
        match (self.is_empty(), other.is_empty()) {
            (true, true) => return R::all(),
            (true, false) => return R::DISJOINT | R::WITHIN,
            (false, true) => return R::DISJOINT | R::CONTAINS,
            (false, false) => {}
        }
        if self == other {
            return R::CONTAINS | R::WITHIN;
        }
        if self.is_full() {
            return R::CONTAINS;
        }
        if other.is_full() {
            return R::WITHIN;
        }
        let distance = self.center.angle_to(other.center);
        if distance > self.opening + other.opening + SLACK {
            R::DISJOINT
        } else if distance + other.opening + SLACK <= self.opening {
            R::CONTAINS
        } else if distance + self.opening + SLACK <= other.opening {
            R::WITHIN
        } else {
            R::INTERSECTS
        }
    }

    /// Smaller of the two circles, or the empty one if they have no point in common: a bound of
    /// the intersection.
    pub(super) fn clipped_to(self, other: Self) -> Self {
        if self.is_empty() || other.is_full() {
            return self;
        }
        if self.is_full() || other.is_empty() {
            return other;
        }
        let distance = self.center.angle_to(other.center);
        if distance > self.opening + other.opening + SLACK {
            Self::EMPTY
        } else if other.opening < self.opening {
            other
        } else {
            self
        }
    }

    /// Circle that holds both.
    pub(super) fn expanded_to(self, other: Self) -> Self {
        if self.is_empty() || other.is_full() {
            return other;
        }
        if other.is_empty() || self.is_full() {
            return self;
        }
        let distance = self.center.angle_to(other.center);
        if distance + other.opening + SLACK <= self.opening {
            return self;
        }
        if distance + self.opening + SLACK <= other.opening {
            return other;
        }
        let opening = 0.5 * (distance + self.opening + other.opening);
        if opening + 2.0 * MAX_ASIN_ERROR >= PI {
            return Self::FULL;
        }
        // The new circle touches both from outside, on the great circle through the centres.
        let center = self.center_moved_towards(other.center, opening - self.opening);
        Self::from_radians(center, opening + MAX_ASIN_ERROR)
    }

    fn center_moved_towards(self, target: UnitVector, angle: f64) -> UnitVector {
        let center = self.center.vector();
        let pole = UnitVector::pole_of(self.center, target).vector();
        let moved: Vector = center * angle.cos() + pole.cross(center) * angle.sin();
        UnitVector::from_direction(moved).unwrap_or(self.center)
    }
}

/// Empty circles are equal, and so are full ones.
impl PartialEq for Circle {
    fn eq(&self, other: &Self) -> bool {
        (self.is_empty() && other.is_empty())
            || (self.is_full() && other.is_full())
            || (self.center == other.center
                && self.squared_chord == other.squared_chord
                && self.opening == other.opening)
    }
}
