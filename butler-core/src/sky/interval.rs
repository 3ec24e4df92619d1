//! Intervals of longitude, which wrap, and of latitude, which do not.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use super::angle::normalized;
use super::relationship::Relationship;

/// Closed interval of normalised longitudes in radians; it wraps through 0 if `a > b`, and is
/// empty if an end is not a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct LonInterval {
    pub(super) a: f64,
    pub(super) b: f64,
}

impl LonInterval {
    pub(super) const EMPTY: Self = Self { a: f64::NAN, b: f64::NAN };
    pub(super) const FULL: Self = Self { a: 0.0, b: TAU };

    /// Interval between angles of any turn; nothing if they decrease and need normalisation.
    pub(super) fn between(a: f64, b: f64) -> Option<Self> {
        if a.is_nan() || b.is_nan() {
            return Some(Self::EMPTY);
        }
        let is_normalized = |angle: f64| (0.0..=TAU).contains(&angle);
        if !(is_normalized(a) && is_normalized(b)) {
            if a > b {
                return None;
            }
            if b - a >= TAU {
                return Some(Self::FULL);
            }
        }
        Some(Self { a: normalized(a), b: normalized(b) })
    }

    pub(super) fn is_empty(self) -> bool {
        self.a.is_nan() || self.b.is_nan()
    }

    pub(super) fn is_full(self) -> bool {
        self.a == 0.0 && self.b == TAU
    }

    pub(super) fn wraps(self) -> bool {
        self.a > self.b
    }

    pub(super) fn center(self) -> f64 {
        let center = 0.5 * (self.a + self.b);
        if self.a <= self.b {
            center
        } else if center < PI {
            center + PI
        } else {
            center - PI
        }
    }

    pub(super) fn size(self) -> f64 {
        angle_from_to(self.a, self.b)
    }

    pub(super) fn contains(self, lon: f64) -> bool {
        if self.wraps() { lon <= self.b || self.a <= lon } else { self.a <= lon && lon <= self.b }
    }

    pub(super) fn is_disjoint_from(self, other: Self) -> bool {
        if self.is_empty() || other.is_empty() {
            return true;
        }
        match (self.wraps(), other.wraps()) {
            (true, true) => false,
            (false, true) => other.a > self.b && other.b < self.a,
            (true, false) => self.a > other.b && self.b < other.a,
            (false, false) => other.b < self.a || other.a > self.b,
        }
    }

    pub(super) fn relate(self, other: Self) -> Relationship {
        use Relationship as R;
        match (self.is_empty(), other.is_empty()) {
            (true, true) => return R::all(),
            (true, false) => return R::DISJOINT | R::WITHIN,
            (false, true) => return R::DISJOINT | R::CONTAINS,
            (false, false) => {}
        }
        if self.a == other.a && self.b == other.b {
            return R::CONTAINS | R::WITHIN;
        }
        match (self.wraps(), other.wraps()) {
            (true, false) => self.relate_wrapped_to_plain(other),
            (false, true) => other.relate_wrapped_to_plain(self).inverted(),
            _ if self.a <= other.a && self.b >= other.b => R::CONTAINS,
            _ if self.a >= other.a && self.b <= other.b => R::WITHIN,
            (false, false) if self.a > other.b || self.b < other.a => R::DISJOINT,
            _ => R::INTERSECTS,
        }
    }

    fn relate_wrapped_to_plain(self, other: Self) -> Relationship {
        if other.is_full() {
            Relationship::WITHIN
        } else if self.a <= other.a || self.b >= other.b {
            Relationship::CONTAINS
        } else if self.a > other.b && self.b < other.a {
            Relationship::DISJOINT
        } else {
            Relationship::INTERSECTS
        }
    }

    /// Smallest interval that holds the intersection.
    pub(super) fn clipped_to(self, other: Self) -> Self {
        if other.is_empty() {
            return Self::EMPTY;
        }
        match (self.contains(other.a), self.contains(other.b)) {
            (true, true) if self.size() >= other.size() => other,
            (true, true) => self,
            (true, false) => Self { a: other.a, ..self },
            (false, true) => Self { b: other.b, ..self },
            (false, false) if other.contains(self.a) => self,
            (false, false) => Self::EMPTY,
        }
    }

    /// Smallest interval that holds both.
    pub(super) fn expanded_to(self, other: Self) -> Self {
        if other.is_empty() {
            return self;
        }
        match (self.contains(other.a), self.contains(other.b)) {
            (true, true) if self.wraps() != other.wraps() => Self::FULL,
            (true, true) => self,
            (true, false) => Self { b: other.b, ..self },
            (false, true) => Self { a: other.a, ..self },
            (false, false) if self.is_empty() || other.contains(self.a) => other,
            (false, false) if angle_from_to(self.b, other.a) < angle_from_to(other.b, self.a) => {
                Self { b: other.b, ..self }
            }
            (false, false) => Self { a: other.a, ..self },
        }
    }

    /// Interval with both ends moved outwards by an angle, inwards by a negative one.
    pub(super) fn dilated_by(self, angle: f64) -> Self {
        if self.is_empty() || self.is_full() || angle == 0.0 || angle.is_nan() {
            return self;
        }
        let (a, b) = (self.a - angle, self.b + angle);
        if angle > 0.0 { self.grown_to(a, b, angle) } else { self.shrunk_to(a, b, angle) }
    }

    fn grown_to(self, mut a: f64, mut b: f64, by: f64) -> Self {
        if by >= PI || (self.wraps() && a <= b) {
            return Self::FULL;
        }
        if !self.wraps() {
            if a < 0.0 {
                a += TAU;
                if a <= b {
                    return Self::FULL;
                }
            }
            if b > TAU {
                b -= TAU;
                if a <= b {
                    return Self::FULL;
                }
            }
        }
        Self::between(a, b).unwrap_or(Self::FULL)
    }

    fn shrunk_to(self, mut a: f64, mut b: f64, by: f64) -> Self {
        if by <= -PI || (!self.wraps() && a > b) {
            return Self::EMPTY;
        }
        if self.wraps() {
            if a > TAU {
                a -= TAU;
                if a > b {
                    return Self::EMPTY;
                }
            }
            if b < 0.0 {
                b += TAU;
                if a > b {
                    return Self::EMPTY;
                }
            }
        }
        Self::between(a, b).unwrap_or(Self::EMPTY)
    }
}

impl PartialEq for LonInterval {
    fn eq(&self, other: &Self) -> bool {
        (self.a == other.a && self.b == other.b) || (self.is_empty() && other.is_empty())
    }
}

/// Angle to go east from one longitude to another.
fn angle_from_to(a: f64, b: f64) -> f64 {
    let difference = b - a;
    if difference < 0.0 { TAU + difference } else { difference }
}

/// Closed interval of latitudes in radians; empty unless `a <= b`.
#[derive(Clone, Copy, Debug)]
pub(super) struct LatInterval {
    pub(super) a: f64,
    pub(super) b: f64,
}

impl LatInterval {
    pub(super) const EMPTY: Self = Self { a: 1.0, b: 0.0 };
    pub(super) const FULL: Self = Self { a: -FRAC_PI_2, b: FRAC_PI_2 };

    pub(super) fn is_empty(self) -> bool {
        self.a.is_nan() || self.b.is_nan() || self.a > self.b
    }

    pub(super) fn center(self) -> f64 {
        0.5 * (self.a + self.b)
    }

    pub(super) fn contains(self, lat: f64) -> bool {
        self.a <= lat && lat <= self.b
    }

    pub(super) fn is_disjoint_from(self, other: Self) -> bool {
        self.is_empty() || other.is_empty() || self.a > other.b || self.b < other.a
    }

    pub(super) fn relate(self, other: Self) -> Relationship {
        use Relationship as R;
        match (self.is_empty(), other.is_empty()) {
            (true, true) => R::all(),
            (true, false) => R::DISJOINT | R::WITHIN,
            (false, true) => R::DISJOINT | R::CONTAINS,
            _ if self.a == other.a && self.b == other.b => R::CONTAINS | R::WITHIN,
            _ if self.a > other.b || self.b < other.a => R::DISJOINT,
            _ if self.a <= other.a && self.b >= other.b => R::CONTAINS,
            _ if other.a <= self.a && other.b >= self.b => R::WITHIN,
            _ => R::INTERSECTS,
        }
    }

    pub(super) fn clipped_to(self, other: Self) -> Self {
        if other.is_empty() {
            other
        } else if self.is_empty() {
            self
        } else {
            Self { a: self.a.max(other.a), b: self.b.min(other.b) }
        }
    }

    pub(super) fn expanded_to(self, other: Self) -> Self {
        if self.is_empty() {
            other
        } else if other.is_empty() {
            self
        } else {
            Self { a: self.a.min(other.a), b: self.b.max(other.b) }
        }
    }

    /// Interval with both ends moved outwards by an angle, inwards by a negative one.
    pub(super) fn dilated_by(self, angle: f64) -> Self {
        if angle.is_nan() || self.is_empty() {
            return self;
        }
        Self { a: self.a - angle, b: self.b + angle }
    }
}

impl PartialEq for LatInterval {
    fn eq(&self, other: &Self) -> bool {
        (self.a == other.a && self.b == other.b) || (self.is_empty() && other.is_empty())
    }
}
