//! Time scales, and how their readings become TAI.

use super::calendar::{Civil, days_from_civil, days_in_year};
use super::decimal::{Fraction, Unit};
use super::utc::UtcDay;
use super::{ATTOS, ATTOS_PER_DAY, ATTOS_PER_NANO, NANOS_PER_DAY, mul_div};

/// A time scale that a literal can be given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// International Atomic Time.
    Tai,
    /// Coordinated Universal Time.
    Utc,
    /// Terrestrial Time, TAI + 32.184 s.
    Tt,
    /// Barycentric Dynamical Time.
    Tdb,
    /// Geocentric Coordinate Time.
    Tcg,
    /// Barycentric Coordinate Time.
    Tcb,
}

/// Why a reading of a scale is no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoInstant {
    /// UTC did not exist yet.
    BeforeUtc,
    /// There is no such second.
    NoSuchSecond,
    /// It is centuries away from what 64 bits of nanoseconds can hold.
    OutOfRange,
}

/// TT − TAI.
const TT_MINUS_TAI: i128 = 32_184 * (ATTOS / 1000);

/// Reading of TT, TCG and TCB at 1977-01-01T00:00:00 TAI, when they agreed.
const COORDINATE_EPOCH: i128 = days_from_civil(1977, 1, 1) as i128 * ATTOS_PER_DAY + TT_MINUS_TAI;

/// 1 − dTT/dTCG in units of 1e-19 (IAU 2000 resolution B1.9).
const L_G: i128 = 6_969_290_134;

/// 1 − dTDB/dTCB in units of 1e-17 (IAU 2006 resolution B3).
const L_B: i128 = 1_550_519_768;

/// TDB − TCB at the coordinate epoch, −65.5 µs (IAU 2006 resolution B3).
const TDB_0: i128 = -655 * (ATTOS / 10_000_000);

/// Readings beyond this are no instants in any scale; those within do not overflow.
const REACH: i128 = (i64::MAX as i128) * ATTOS_PER_NANO + ATTOS_PER_DAY;

/// Julian date of 1970-01-01T00:00:00.
const JULIAN_DATE_1970: f64 = 2_440_587.5;

impl Scale {
    /// TAI of a date and a time of day.
    pub(super) fn civil_to_tai(self, civil: Civil) -> Result<i128, NoInstant> {
        let Civil { day, attos, leap } = civil;
        if self != Self::Utc {
            let reading = i128::from(day) * ATTOS_PER_DAY + attos;
            return if leap { Err(NoInstant::NoSuchSecond) } else { self.uniform_to_tai(reading) };
        }
        let day = UtcDay::new(day).ok_or(NoInstant::BeforeUtc)?;
        let tai = day.to_tai(attos);
        if tai < day.end() { Ok(tai) } else { Err(NoInstant::NoSuchSecond) }
    }

    /// TAI of a count of attoseconds since midnight 1970-01-01, in days of 86 400 seconds.
    ///
    /// In UTC the count is a quasi-Julian date: a day with a leap second is
    /// stretched over 86 401 seconds, as IAU SOFA and astropy do.
    pub(super) fn count_to_tai(self, count: i128) -> Result<i128, NoInstant> {
        if self != Self::Utc {
            return self.uniform_to_tai(count);
        }
        let day = i64::try_from(count.div_euclid(ATTOS_PER_DAY)).map_err(|_| NoInstant::OutOfRange)?;
        let day = UtcDay::new(day).ok_or(NoInstant::BeforeUtc)?;
        let fraction = count.rem_euclid(ATTOS_PER_DAY);
        Ok(day.to_tai(mul_div(fraction, i128::from(day.length()), i128::from(NANOS_PER_DAY))))
    }

    /// TAI of a year and the part of it that has passed.
    pub(super) fn year_to_tai(self, year: i64, passed: Fraction) -> Result<i128, NoInstant> {
        if !(1000..=9999).contains(&year) {
            return Err(NoInstant::OutOfRange);
        }
        let midnight = |year| days_from_civil(year, 1, 1);
        if self != Self::Utc {
            let length = Unit { mantissa: i128::from(days_in_year(year) * NANOS_PER_DAY), exponent: 9 };
            let start = i128::from(midnight(year)) * ATTOS_PER_DAY;
            return self.uniform_to_tai(start + passed.times(length));
        }
        let start = UtcDay::new(midnight(year)).ok_or(NoInstant::BeforeUtc)?.start();
        let end = UtcDay::new(midnight(year + 1)).ok_or(NoInstant::BeforeUtc)?.start();
        let length = Unit { mantissa: (end - start) / ATTOS_PER_NANO, exponent: 9 };
        Ok(start + passed.times(length))
    }

    /// TAI of a reading of a scale without steps, both in attoseconds since 1970-01-01T00:00:00.
    fn uniform_to_tai(self, reading: i128) -> Result<i128, NoInstant> {
        if reading.abs() > REACH {
            return Err(NoInstant::OutOfRange);
        }
        let since_epoch = reading - COORDINATE_EPOCH;
        Ok(match self {
            Self::Tai | Self::Utc => reading,
            Self::Tt => reading - TT_MINUS_TAI,
            Self::Tcg => reading - mul_div(since_epoch, L_G, 10_i128.pow(19)) - TT_MINUS_TAI,
            Self::Tdb => reading - tdb_minus_tt(reading) - TT_MINUS_TAI,
            Self::Tcb => {
                let tdb = reading - mul_div(since_epoch, L_B, 10_i128.pow(17)) + TDB_0;
                tdb - tdb_minus_tt(tdb) - TT_MINUS_TAI
            }
        })
    }
}

/// TDB − TT in attoseconds at the geocentre, given a reading of TDB.
///
/// The series of Fairhead & Bretagnon with all its 787 terms, good to a few
/// nanoseconds. The routine is derived from one provided by SOFA, but is neither
/// provided nor endorsed by SOFA.
fn tdb_minus_tt(tdb: i128) -> i128 {
    let day = tdb.div_euclid(ATTOS_PER_DAY) as f64;
    let fraction = tdb.rem_euclid(ATTOS_PER_DAY) as f64 / ATTOS_PER_DAY as f64;
    // Without an offset from the geocentre, neither UT1 nor the longitude matters.
    let seconds = sofars::ts::dtdb(JULIAN_DATE_1970 + day, fraction, 0.0, 0.0, 0.0, 0.0);
    (seconds * ATTOS as f64) as i128
}
