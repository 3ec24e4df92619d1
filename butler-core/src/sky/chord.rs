//! Distances on the sphere as squared chord lengths, which are exact where cosines are not.
//!
//! Two points θ apart have a chord of 2·sin(θ/2); its square runs from 0 to 4.

use std::f64::consts::{FRAC_PI_2, PI};

use super::vector::{UnitVector, Vector};

/// Bound on the rounding error of the squared chord of two unit vectors.
pub(super) const MAX_SQUARED_CHORD_ERROR: f64 = 2.5e-15;

/// Bound, in radians, on the error of an arcsine whose argument has one rounding error.
pub(super) const MAX_ASIN_ERROR: f64 = 1.5e-8;

/// Squared chord of an angle in radians: -1 for negative angles, 4 from π on.
pub(super) fn squared_chord_of(angle: f64) -> f64 {
    if angle < 0.0 {
        return -1.0;
    }
    if angle >= PI {
        return 4.0;
    }
    let s = (0.5 * angle).sin();
    4.0 * s * s
}

/// Angle in radians of a squared chord: -1 for negative chords, π from 4 on.
pub(super) fn angle_of(squared_chord: f64) -> f64 {
    if squared_chord < 0.0 {
        return -1.0;
    }
    if squared_chord >= 4.0 {
        return PI;
    }
    2.0 * (0.5 * squared_chord.sqrt()).asin()
}

/// Squared chord from `v` to the nearest point inside the arc from `a` to `b`, whose great circle
/// has the direction `normal`; 4 if the nearest point is an end of the arc.
pub(super) fn min_squared_chord_to_arc(v: UnitVector, a: UnitVector, b: UnitVector, normal: Vector) -> f64 {
    let across = v.vector().cross(normal);
    if !(across.dot(a.vector()) > 0.0 && across.dot(b.vector()) < 0.0) {
        return 4.0;
    }
    let sin = v.vector().dot(normal).abs();
    let cos = across.norm();
    let angle = if cos == 0.0 { FRAC_PI_2 } else { (sin / cos).atan() };
    let d = (0.5 * angle).sin();
    4.0 * d * d
}

/// Squared chord from `v` to the farthest point inside the arc from `a` to `b`, whose great circle
/// has the direction `normal`; 0 if the farthest point is an end of the arc.
pub(super) fn max_squared_chord_to_arc(v: UnitVector, a: UnitVector, b: UnitVector, normal: Vector) -> f64 {
    let across = v.vector().cross(normal);
    if !(across.dot(a.vector()) < 0.0 && across.dot(b.vector()) > 0.0) {
        return 0.0;
    }
    let sin = v.vector().dot(normal).abs();
    let cos = -across.norm();
    let d = (0.5 * sin.atan2(cos)).sin();
    4.0 * d * d
}
