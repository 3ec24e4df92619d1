//! Instants and timespans.
//!
//! Time is one integer: [`Instant`] counts TAI nanoseconds since
//! 1970-01-01T00:00:00 TAI, and [`Timespan`] is a half-open range of instants,
//! possibly unbounded or empty. Every other way to write a time — a calendar
//! date, a Julian date, seconds since some epoch; in TAI, UTC, TT, TDB, TCG or
//! TCB — is converted on the way in by [`Instant::from_literal`].
//!
//! # Exactness
//!
//! Text is decimal and is read as decimal: no digit passes through a float.
//! Scales that are linear in TAI (TAI, UTC, TT, TCG) are converted in integer
//! attoseconds and rounded once, half to even, to the nanosecond. UTC follows the
//! table of TAI − UTC published by the IERS: leap seconds from 1972, offsets with
//! drift rates from 1960 to 1972; earlier UTC is refused. No leap second is known
//! after 2017-01-01, and later ones are not guessed. TDB and TCB use the series
//! of Fairhead & Bretagnon (1990, A&A 229, 240) at the geocentre, as astropy does.
//!
//! Against astropy 8.0, which computes in one or two doubles: calendar dates with
//! up to nine decimals agree to the nanosecond in TAI, UTC since 1972 and TT, and
//! within one nanosecond (its rounding) everywhere else. Numbers agree within one
//! nanosecond with what astropy makes of the same digits given as text, except
//! where it has one double only: decimal years (4 ns), Julian and Besselian years
//! (10 µs) and star dates (2 µs). Given as a float, as the Python butler does, a
//! Julian date of today is uncertain by 20 µs, a modified one by 0.3 µs and Unix
//! seconds by 0.12 µs; here they are what their digits say.

mod calendar;
mod decimal;
mod error;
mod instant;
mod literal;
mod scale;
mod timespan;
mod utc;

pub use error::TimeParseError;
pub use instant::Instant;
pub use timespan::Timespan;

/// Attoseconds of a second.
const ATTOS: i128 = 1_000_000_000_000_000_000;

/// Attoseconds of a nanosecond.
const ATTOS_PER_NANO: i128 = 1_000_000_000;

/// Attoseconds of a day of 86 400 seconds.
const ATTOS_PER_DAY: i128 = 86_400 * ATTOS;

/// Nanoseconds of a second.
const NANOS: i64 = 1_000_000_000;

/// Nanoseconds of a day of 86 400 seconds.
const NANOS_PER_DAY: i64 = 86_400 * NANOS;

/// `a * numerator / denominator`, to within one unit.
///
/// A result that is not whole is made odd ("round to odd"), so that it is never
/// mistaken for a tie when it is rounded to nanoseconds later.
const fn mul_div(a: i128, numerator: i128, denominator: i128) -> i128 {
    let product = a * numerator;
    let quotient = product.div_euclid(denominator);
    if product.rem_euclid(denominator) == 0 { quotient } else { quotient | 1 }
}
