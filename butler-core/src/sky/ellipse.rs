//! Ellipses on the sphere.

use std::f64::consts::{FRAC_PI_2, PI};

use super::angle::{DEGREES_PER_RADIAN, RADIANS_PER_DEGREE};
use super::chord::MAX_ASIN_ERROR;
use super::circle::Circle;
use super::relationship::Relationship;
use super::skybox::SkyBox;
use super::vector::{UnitVector, Vector};
use crate::{Error, ErrorKind, Result};

/// All points whose angles to two foci sum up to at most twice the semi-axis α, the boundary included.
///
/// With α beyond 90° it is the complement of an ellipse around the opposite
/// point. Relations with other regions are those of the bounding circle, so far as
/// they can be concluded from it.
#[derive(Clone, Debug)]
pub struct Ellipse {
    pub(super) parts: EllipseParts,
}

/// What is stored of an ellipse; angles in radians.
#[derive(Clone, Copy, Debug)]
pub(super) struct EllipseParts {
    /// Rows of the rotation into the frame whose axes are the first semi-axis, the second one, and the
    /// centre.
    pub(super) axes: [Vector; 3],
    /// α - π/2, where α is the semi-axis along the foci.
    pub(super) a: f64,
    /// β - π/2, where β is the other semi-axis.
    pub(super) b: f64,
    /// Half of the angle between the foci.
    pub(super) gamma: f64,
    /// |tan a|.
    pub(super) tan_a: f64,
    /// |tan b|.
    pub(super) tan_b: f64,
}

impl Ellipse {
    /// No point at all.
    pub const EMPTY: Self = Self {
        parts: EllipseParts {
            axes: [Vector::new(1.0, 0.0, 0.0), Vector::new(0.0, 1.0, 0.0), Vector::new(0.0, 0.0, 1.0)],
            a: -2.0,
            b: -2.0,
            gamma: 0.0,
            tan_a: f64::INFINITY,
            tan_b: f64::INFINITY,
        },
    };
    /// The whole sphere.
    pub const FULL: Self = Self {
        parts: EllipseParts {
            axes: [Vector::new(-1.0, -0.0, -0.0), Vector::new(0.0, 1.0, 0.0), Vector::new(-0.0, -0.0, -1.0)],
            a: 2.0,
            b: 2.0,
            gamma: 0.0,
            tan_a: f64::INFINITY,
            tan_b: f64::INFINITY,
        },
    };

    /// Ellipse of two foci and the semi-axis `alpha` in degrees.
    ///
    /// It is empty if the foci are farther apart than twice the semi-axis.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] if the semi-axis is not a number.
    pub fn from_foci(f1: UnitVector, f2: UnitVector, alpha: f64) -> Result<Self> {
        let alpha = alpha * RADIANS_PER_DEGREE;
        if alpha.is_nan() {
            return Err(invalid("the semi-axis of an ellipse is not a number"));
        }
        let gamma = if f1 == f2 {
            0.0
        } else if f1 == -f2 {
            FRAC_PI_2
        } else {
            0.5 * f1.angle_to(f2)
        };
        let a = alpha - FRAC_PI_2;
        if is_empty(a, gamma) {
            return Ok(Self::EMPTY);
        }
        if is_full(a, gamma) {
            return Ok(Self::FULL);
        }
        if gamma == 0.0 {
            return Ok(Self::circular(f1, a));
        }
        let (first, center) = (f1.vector() - f2.vector(), f1.vector() + f2.vector());
        let axes =
            [first, first.cross(center), center].map(|axis| axis.normalized().map_or(axis, |(unit, _)| unit));
        let b = (alpha.cos() / gamma.cos()).clamp(-1.0, 1.0).acos() - FRAC_PI_2;
        // Rounding must not turn the longer semi-axis into the shorter one.
        let b = if a <= 0.0 { b.min(a) } else { b.max(a) };
        Ok(Self::assembled(axes, a, b, gamma))
    }

    /// Ellipse of a centre, two semi-axes and the position angle of the first one, east of north, all
    /// in degrees.
    ///
    /// It is empty if a semi-axis is negative, and the whole sphere if one is
    /// beyond 180°.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] if the semi-axes are not both below, both at or both beyond 90°, or if an
    /// angle is not a number or the orientation is infinite.
    pub fn new(center: UnitVector, alpha: f64, beta: f64, orientation: f64) -> Result<Self> {
        let [mut alpha, mut beta, mut orientation] =
            [alpha, beta, orientation].map(|angle| angle * RADIANS_PER_DEGREE);
        if !orientation.is_finite() {
            return Err(invalid("the orientation of an ellipse is not a finite number"));
        }
        if alpha.partial_cmp(&FRAC_PI_2).is_none()
            || alpha.partial_cmp(&FRAC_PI_2) != beta.partial_cmp(&FRAC_PI_2)
        {
            return Err(invalid("the semi-axes of an ellipse are not both below, at or beyond 90 degrees"));
        }
        if alpha < 0.0 || beta < 0.0 {
            return Ok(Self::EMPTY);
        }
        if alpha > PI || beta > PI || (alpha == PI && beta == PI) {
            return Ok(Self::FULL);
        }
        if alpha == beta {
            return Ok(Self::circular(center, alpha - FRAC_PI_2));
        }
        if (alpha < FRAC_PI_2 && alpha < beta) || (alpha > FRAC_PI_2 && alpha > beta) {
            std::mem::swap(&mut alpha, &mut beta);
            orientation += FRAC_PI_2;
        }
        let first = center.north().vector().rotated_around(center.vector(), -orientation);
        let first = UnitVector::from_direction(first).unwrap_or(center.orthogonal());
        let second = first.vector().cross(center.vector());
        let second = second.normalized().map_or(second, |(unit, _)| unit);
        let gamma = (alpha.cos() / beta.cos()).clamp(-1.0, 1.0).acos();
        let axes = [first.vector(), second, center.vector()];
        Ok(Self::assembled(axes, alpha - FRAC_PI_2, beta - FRAC_PI_2, gamma))
    }

    /// Ellipse that is a circle, of semi-axes a + π/2.
    fn circular(center: UnitVector, a: f64) -> Self {
        let first = center.orthogonal().vector();
        let second = center.vector().cross(first);
        let second = second.normalized().map_or(second, |(unit, _)| unit);
        Self::assembled([first, second, center.vector()], a, a, 0.0)
    }

    fn assembled(axes: [Vector; 3], a: f64, b: f64, gamma: f64) -> Self {
        Self { parts: EllipseParts { axes, a, b, gamma, tan_a: a.tan().abs(), tan_b: b.tan().abs() } }
    }

    /// Centre of the ellipse.
    #[must_use]
    pub fn center(&self) -> UnitVector {
        UnitVector::from_normalized(self.parts.axes[2])
    }

    /// Semi-axis along the foci in degrees.
    #[must_use]
    pub fn alpha_degrees(&self) -> f64 {
        (FRAC_PI_2 + self.parts.a) * DEGREES_PER_RADIAN
    }

    /// Semi-axis across the foci in degrees.
    #[must_use]
    pub fn beta_degrees(&self) -> f64 {
        (FRAC_PI_2 + self.parts.b) * DEGREES_PER_RADIAN
    }

    /// Whether the ellipse has no point.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        is_empty(self.parts.a, self.parts.gamma)
    }

    /// Whether the ellipse is the whole sphere.
    #[must_use]
    pub fn is_full(&self) -> bool {
        is_full(self.parts.a, self.parts.gamma)
    }

    /// Whether a point is in the ellipse or on its boundary.
    #[must_use]
    pub fn contains(&self, point: UnitVector) -> bool {
        if self.is_full() {
            return true;
        }
        let center = self.center().vector();
        let point_dot_center = point.vector().dot(center);
        // Near the centre and its opposite only the difference to them is rotated, which is more accurate.
        let (offset, pole) = if point_dot_center > 0.5 {
            (point.vector() - center, 1.0)
        } else if point_dot_center < -0.5 {
            (point.vector() + center, -1.0)
        } else {
            (point.vector(), 0.0)
        };
        let [x, y, z] = self.parts.axes.map(|axis| axis.dot(offset));
        let (x, y, z) = (x * self.parts.tan_a, y * self.parts.tan_b, z + pole);
        let cone = (x * x + y * y) - z * z;
        if self.parts.a > 0.0 { z >= 0.0 || cone >= 0.0 } else { z >= 0.0 && cone <= 0.0 }
    }

    /// Circle around the centre that holds the ellipse.
    #[must_use]
    pub fn bounding_circle(&self) -> Circle {
        let (alpha, beta) = (FRAC_PI_2 + self.parts.a, FRAC_PI_2 + self.parts.b);
        Circle::from_radians(self.center(), alpha.max(beta) + 2.0 * MAX_ASIN_ERROR)
    }

    /// Circle around the centre that the ellipse holds.
    pub(super) fn inner_circle(&self) -> Circle {
        let (alpha, beta) = (FRAC_PI_2 + self.parts.a, FRAC_PI_2 + self.parts.b);
        Circle::from_radians(self.center(), alpha.min(beta) - 2.0 * MAX_ASIN_ERROR)
    }

    /// What is certain about the ellipse and a circle of a radius in radians, by the angles to the foci.
    pub(super) fn relate_to_disc(&self, center: UnitVector, radius: f64) -> Relationship {
        let EllipseParts { axes, a, gamma, .. } = self.parts;
        let focus = |angle: f64| {
            let direction = axes[2].rotated_around(axes[1], angle);
            UnitVector::from_direction(direction).unwrap_or(self.center())
        };
        let sum = center.angle_to(focus(gamma)) + center.angle_to(focus(-gamma));
        let (limit, slack) = (PI + 2.0 * a, 2.0 * radius + 8.0 * MAX_ASIN_ERROR);
        if sum > limit + slack {
            Relationship::DISJOINT
        } else if sum < limit - slack {
            Relationship::CONTAINS
        } else {
            Relationship::INTERSECTS
        }
    }

    /// Box in longitude and latitude that holds the ellipse: the one of its bounding circle.
    #[must_use]
    pub fn bounding_box(&self) -> SkyBox {
        self.bounding_circle().bounding_box()
    }
}

/// Ellipses are equal if their axes and both semi-axes are.
impl PartialEq for Ellipse {
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.parts, &other.parts);
        ours.axes == theirs.axes && ours.a == theirs.a && ours.b == theirs.b
    }
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::Argument, message)
}

fn is_empty(a: f64, gamma: f64) -> bool {
    FRAC_PI_2 + a < gamma
}

fn is_full(a: f64, gamma: f64) -> bool {
    FRAC_PI_2 - a <= gamma
}
