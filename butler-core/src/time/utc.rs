//! UTC: how far it was behind TAI, day by day.
//!
//! Source: IERS `Leap_Second.dat` and USNO `tai-utc.dat`; the entry of 1960 is
//! that of the BIH, as in IAU SOFA. The list that is valid until 2027-06-28 has no
//! leap second after that of 2017-01-01; later ones are not guessed.

use super::calendar::days_from_civil;
use super::{ATTOS_PER_DAY, ATTOS_PER_NANO, NANOS, NANOS_PER_DAY, mul_div};

/// The UTC clock was this far behind TAI from midnight of a day on.
struct Step {
    /// First day, in days since 1970-01-01.
    day: i64,
    /// TAI − UTC in nanoseconds at midnight of `reference`.
    offset: i64,
    /// Day that the drift is counted from.
    reference: i64,
    /// Growth of TAI − UTC in nanoseconds per day of UTC.
    rate: i64,
}

const fn drift(year: i64, month: i64, offset: i64, reference: i64, rate: i64) -> Step {
    Step { day: days_from_civil(year, month, 1), offset, reference: days_from_civil(reference, 1, 1), rate }
}

const fn leap(year: i64, month: i64, seconds: i64) -> Step {
    Step { day: days_from_civil(year, month, 1), offset: seconds * NANOS, reference: 0, rate: 0 }
}

const STEPS: [Step; 42] = [
    drift(1960, 1, 1_417_818_000, 1961, 1_296_000),
    drift(1961, 1, 1_422_818_000, 1961, 1_296_000),
    drift(1961, 8, 1_372_818_000, 1961, 1_296_000),
    drift(1962, 1, 1_845_858_000, 1962, 1_123_200),
    drift(1963, 11, 1_945_858_000, 1962, 1_123_200),
    drift(1964, 1, 3_240_130_000, 1965, 1_296_000),
    drift(1964, 4, 3_340_130_000, 1965, 1_296_000),
    drift(1964, 9, 3_440_130_000, 1965, 1_296_000),
    drift(1965, 1, 3_540_130_000, 1965, 1_296_000),
    drift(1965, 3, 3_640_130_000, 1965, 1_296_000),
    drift(1965, 7, 3_740_130_000, 1965, 1_296_000),
    drift(1965, 9, 3_840_130_000, 1965, 1_296_000),
    drift(1966, 1, 4_313_170_000, 1966, 2_592_000),
    drift(1968, 2, 4_213_170_000, 1966, 2_592_000),
    leap(1972, 1, 10),
    leap(1972, 7, 11),
    leap(1973, 1, 12),
    leap(1974, 1, 13),
    leap(1975, 1, 14),
    leap(1976, 1, 15),
    leap(1977, 1, 16),
    leap(1978, 1, 17),
    leap(1979, 1, 18),
    leap(1980, 1, 19),
    leap(1981, 7, 20),
    leap(1982, 7, 21),
    leap(1983, 7, 22),
    leap(1985, 7, 23),
    leap(1988, 1, 24),
    leap(1990, 1, 25),
    leap(1991, 1, 26),
    leap(1992, 7, 27),
    leap(1993, 7, 28),
    leap(1994, 7, 29),
    leap(1996, 1, 30),
    leap(1997, 7, 31),
    leap(1999, 1, 32),
    leap(2006, 1, 33),
    leap(2009, 1, 34),
    leap(2012, 7, 35),
    leap(2015, 7, 36),
    leap(2017, 1, 37),
];

impl Step {
    /// TAI − UTC in nanoseconds at a midnight.
    fn offset_at(&self, day: i64) -> i64 {
        self.offset + (day - self.reference) * self.rate
    }
}

/// One day of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UtcDay {
    day: i64,
    /// TAI − UTC at midnight, in nanoseconds.
    offset: i64,
    /// Growth of TAI − UTC over the day, in nanoseconds.
    rate: i64,
    /// TAI − UTC at the midnight that ends the day, in nanoseconds.
    next_offset: i64,
}

impl UtcDay {
    /// The day so many days after 1970-01-01; `None` before 1960, when there was no UTC.
    pub(super) fn new(day: i64) -> Option<Self> {
        let step = step_of(day)?;
        let next_offset = step_of(day + 1)?.offset_at(day + 1);
        Some(Self { day, offset: step.offset_at(day), rate: step.rate, next_offset })
    }

    /// The length by its own clock in nanoseconds: 86 400 s unless a step ends it.
    pub(super) fn length(self) -> i64 {
        NANOS_PER_DAY + self.next_offset - (self.offset + self.rate)
    }

    /// TAI of the day's first instant, in attoseconds since 1970 TAI.
    pub(super) fn start(self) -> i128 {
        i128::from(self.day) * ATTOS_PER_DAY + i128::from(self.offset) * ATTOS_PER_NANO
    }

    /// TAI of the next day's first instant, in attoseconds since 1970 TAI.
    pub(super) fn end(self) -> i128 {
        i128::from(self.day + 1) * ATTOS_PER_DAY + i128::from(self.next_offset) * ATTOS_PER_NANO
    }

    /// TAI at a time of day, both in attoseconds.
    pub(super) fn to_tai(self, since_midnight: i128) -> i128 {
        let drift = mul_div(since_midnight, i128::from(self.rate), i128::from(NANOS_PER_DAY));
        self.start() + since_midnight + drift
    }
}

fn step_of(day: i64) -> Option<&'static Step> {
    STEPS[..STEPS.partition_point(|step| step.day <= day)].last()
}
