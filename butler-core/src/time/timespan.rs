//! The timespan and its algebra.

use crate::{Error, ErrorKind, Result};

use super::calendar::{days_from_civil, days_in_month};
use super::{Instant, NANOS, NANOS_PER_DAY};

mod text;

/// A half-open range of time, `[begin, end)`; either end may be unbounded.
///
/// As a set of instants: two timespans are equal exactly if they are the same
/// raw pair, and every empty one is [`EMPTY`](Self::EMPTY). The empty timespan is
/// contained in every timespan and overlaps none, not even itself.
///
/// `Display` is `[2020-01-01T00:00:00, ∞)`, `(-∞, …)` or `(empty)`, in TAI. `FromStr`
/// reads `BEGIN/END`, two ISO 8601 TAI instants either of which may be missing.
/// Serialised as `{"begin": …, "end": …}` with `null` for unbounded, or `"empty"`,
/// where people may read it; otherwise as the raw pair.
///
/// ```
/// use butler_core::{Instant, Timespan};
///
/// let day: Timespan = "2020-01-01/2020-01-02".parse()?;
/// assert!(day.contains_instant(Instant::from_iso_tai("2020-01-01T23:59:59")?));
/// let rest: Vec<String> = Timespan::UNBOUNDED.difference(day).map(|t| t.to_string()).collect();
/// assert_eq!(rest, ["(-∞, 2020-01-01T00:00:00)", "[2020-01-02T00:00:00, ∞)"]);
/// # Ok::<(), butler_core::time::TimeParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timespan {
    begin: i64,
    end: i64,
}

impl Timespan {
    /// No time at all: the raw pair (`i64::MAX`, `i64::MIN`).
    pub const EMPTY: Self = Self { begin: i64::MAX, end: i64::MIN };

    /// All of time: the raw pair (`i64::MIN`, `i64::MAX`).
    pub const UNBOUNDED: Self = Self { begin: i64::MIN, end: i64::MAX };

    /// The timespan from `begin` until just before `end`, `None` for an unbounded end.
    ///
    /// A begin after the end makes the empty timespan. Where both are the same
    /// instant, it is that instant, as in [`from_instant`](Self::from_instant).
    #[must_use]
    pub fn new(begin: Option<Instant>, end: Option<Instant>) -> Self {
        match (begin, end) {
            (Some(begin), Some(end)) if begin == end => Self::from_instant(begin),
            _ => Self::from_raw(
                begin.map_or(i64::MIN, Instant::nanoseconds),
                end.map_or(i64::MAX, Instant::nanoseconds),
            ),
        }
    }

    /// The nanosecond that begins at an instant, `[t, t + 1 ns)`.
    ///
    /// For [`Instant::MAX`], after which there is no instant, the end is unbounded.
    #[must_use]
    pub const fn from_instant(instant: Instant) -> Self {
        let begin = instant.nanoseconds();
        Self { begin, end: begin + 1 }
    }

    /// The timespan with these bounds in TAI nanoseconds since 1970, as
    /// [`to_raw`](Self::to_raw) gives them.
    ///
    /// `i64::MIN` as begin and `i64::MAX` as end are unbounded; a begin at or after
    /// the end makes the empty timespan.
    #[must_use]
    pub const fn from_raw(begin: i64, end: i64) -> Self {
        if begin < end { Self { begin, end } } else { Self::EMPTY }
    }

    /// The timespan that the Python butler stores as these integers.
    ///
    /// There, 0 as begin and 4102444800000000000 (2100-01-01) as end are unbounded.
    #[must_use]
    pub const fn from_python_raw(begin: i64, end: i64) -> Self {
        if begin >= end {
            return Self::EMPTY;
        }
        let begin = if begin == Self::PYTHON_MIN { i64::MIN } else { begin };
        let end = if end == Self::PYTHON_MAX { i64::MAX } else { end };
        Self { begin, end }
    }

    const PYTHON_MIN: i64 = 0;
    const PYTHON_MAX: i64 = 4_102_444_800_000_000_000;

    /// The 24 hours of an observing day, which begins so many seconds after
    /// midnight TAI of the date with the digits YYYYMMDD.
    ///
    /// # Errors
    ///
    /// [`Argument`](ErrorKind::Argument) if there is no such date, or the day is
    /// out of range.
    pub fn from_day_obs(day_obs: i64, offset_seconds: i64) -> Result<Self> {
        let (year, month, day) = (day_obs / 10_000, day_obs / 100 % 100, day_obs % 100);
        let exists = (1..=9999).contains(&year)
            && days_in_month(year, month).is_some_and(|last| (1..=last).contains(&day));
        if !exists {
            let message = format!("observing day {day_obs} is not a date of the form YYYYMMDD");
            return Err(Error::new(ErrorKind::Argument, message));
        }
        days_from_civil(year, month, day)
            .checked_mul(NANOS_PER_DAY)
            .and_then(|midnight| midnight.checked_add(offset_seconds.checked_mul(NANOS)?))
            .and_then(|begin| {
                let end = Instant::from_nanoseconds(begin.checked_add(NANOS_PER_DAY)?).ok()?;
                Some(Self::new(Some(Instant::from_nanoseconds(begin).ok()?), Some(end)))
            })
            .ok_or_else(|| {
                let what = format!("observing day {day_obs} with an offset of {offset_seconds} s");
                Error::new(ErrorKind::Argument, super::instant::out_of_range(&what))
            })
    }

    /// The bounds in TAI nanoseconds since 1970: `i64::MIN` and `i64::MAX` where
    /// unbounded, (`i64::MAX`, `i64::MIN`) if empty.
    #[must_use]
    pub const fn to_raw(self) -> (i64, i64) {
        (self.begin, self.end)
    }

    /// The first instant; `None` if unbounded or empty.
    #[must_use]
    pub fn begin(self) -> Option<Instant> {
        Instant::from_nanoseconds(self.begin).ok()
    }

    /// The first instant that no longer belongs to it; `None` if unbounded or empty.
    #[must_use]
    pub fn end(self) -> Option<Instant> {
        Instant::from_nanoseconds(self.end).ok()
    }

    /// Whether there is no instant in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.begin >= self.end
    }

    /// Whether all of it is earlier than all of `other`; never if one of them is empty.
    #[must_use]
    pub const fn is_before(self, other: Self) -> bool {
        self.end <= other.begin && !self.is_empty() && !other.is_empty()
    }

    /// Whether all of it is later than all of `other`; never if one of them is empty.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        other.is_before(self)
    }

    /// Whether all of it is earlier than an instant; never if it is empty.
    #[must_use]
    pub const fn is_before_instant(self, instant: Instant) -> bool {
        self.end <= instant.nanoseconds() && !self.is_empty()
    }

    /// Whether all of it is later than an instant; never if it is empty.
    #[must_use]
    pub const fn is_after_instant(self, instant: Instant) -> bool {
        self.begin > instant.nanoseconds() && !self.is_empty()
    }

    /// Whether some instant is in both; adjacent timespans do not overlap.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.begin < other.end && other.begin < self.end
    }

    /// Whether every instant of `other` is in it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.begin <= other.begin && other.end <= self.end
    }

    /// Whether an instant is in it.
    #[must_use]
    pub const fn contains_instant(self, instant: Instant) -> bool {
        self.begin <= instant.nanoseconds() && instant.nanoseconds() < self.end
    }

    /// The instants that are in both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self::from_raw(self.begin.max(other.begin), self.end.min(other.end))
    }

    /// The instants of this that are not in `other`: none, one or two timespans
    /// that are not empty, the earlier one first.
    pub fn difference(self, other: Self) -> impl Iterator<Item = Self> + use<> {
        let pieces = if self.overlaps(other) {
            [Self::from_raw(self.begin, other.begin), Self::from_raw(other.end, self.end)]
        } else {
            [self, Self::EMPTY]
        };
        pieces.into_iter().filter(|piece| !piece.is_empty())
    }

    /// The instants that are in either, or `None` if there is a gap between them.
    #[must_use]
    pub fn union(self, other: Self) -> Option<Self> {
        if self.is_empty() {
            Some(other)
        } else if other.is_empty() {
            Some(self)
        } else if self.begin <= other.end && other.begin <= self.end {
            Some(Self { begin: self.begin.min(other.begin), end: self.end.max(other.end) })
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bounds of the model: unbounded, neighbours, far ones, unbounded.
    const BOUNDS: [i64; 8] =
        [i64::MIN, i64::MIN + 1, -1, 0, 1, 4_102_444_800_000_000_000, i64::MAX - 1, i64::MAX];

    /// The model of a timespan: which of the cells between neighbouring bounds are in it.
    fn cells(timespan: Timespan) -> u8 {
        (0..7).filter(|&i| timespan.begin <= BOUNDS[i] && BOUNDS[i + 1] <= timespan.end).map(|i| 1 << i).sum()
    }

    fn all() -> Vec<Timespan> {
        let pairs = BOUNDS.iter().flat_map(|&begin| BOUNDS.iter().map(move |&end| (begin, end)));
        pairs.map(|(begin, end)| Timespan::from_raw(begin, end)).collect()
    }

    fn pairs() -> impl Iterator<Item = (Timespan, Timespan)> {
        all().into_iter().flat_map(|a| all().into_iter().map(move |b| (a, b)))
    }

    #[test]
    fn raw_pairs_are_sets_of_cells() {
        for (i, &begin) in BOUNDS.iter().enumerate() {
            for (j, &end) in BOUNDS.iter().enumerate() {
                let timespan = Timespan::from_raw(begin, end);
                let expected: u8 = (i..j).map(|cell| 1 << cell).sum();
                assert_eq!(cells(timespan), expected);
                assert_eq!(timespan.is_empty(), expected == 0);
                let (begin, end) = timespan.to_raw();
                assert_eq!(Timespan::from_raw(begin, end), timespan);
            }
        }
        assert_eq!(cells(Timespan::UNBOUNDED), 0b111_1111);
        assert_eq!(cells(Timespan::EMPTY), 0);
        for (a, b) in pairs() {
            assert_eq!(a == b, cells(a) == cells(b));
        }
    }

    #[test]
    fn relations_are_those_of_sets() {
        for (a, b) in pairs() {
            let (x, y) = (cells(a), cells(b));
            assert_eq!(a.overlaps(b), x & y != 0, "{a} {b}");
            assert_eq!(a.contains(b), y & !x == 0, "{a} {b}");
            let before = x != 0 && y != 0 && x.leading_zeros() >= 8 - y.trailing_zeros();
            assert_eq!(a.is_before(b), before, "{a} {b}");
            assert_eq!(b.is_after(a), before, "{a} {b}");
        }
    }

    #[test]
    fn instants_are_members_of_their_cell() {
        for timespan in all() {
            let set = cells(timespan);
            for (cell, &bound) in BOUNDS.iter().enumerate().skip(1).take(6) {
                let instant = Instant::from_nanoseconds(bound).unwrap();
                assert_eq!(timespan.contains_instant(instant), set & 1 << cell != 0);
                assert_eq!(timespan.is_before_instant(instant), set != 0 && set >> cell == 0);
                assert_eq!(timespan.is_after_instant(instant), set != 0 && set << (7 - cell) == 0);
                let alone = Timespan::from_instant(instant);
                assert_eq!(timespan.contains_instant(instant), timespan.overlaps(alone));
                assert_eq!(timespan.contains_instant(instant), timespan.contains(alone));
            }
        }
    }

    #[test]
    fn operations_are_those_of_sets() {
        for (a, b) in pairs() {
            let (x, y) = (cells(a), cells(b));
            assert_eq!(cells(a.intersection(b)), x & y, "{a} {b}");

            let pieces: Vec<_> = a.difference(b).collect();
            assert!(pieces.len() <= 2);
            assert!(pieces.iter().all(|piece| !piece.is_empty()), "{a} {b}");
            assert!(pieces.windows(2).all(|two| two[0].is_before(two[1])), "{a} {b}");
            assert_eq!(pieces.iter().map(|&piece| cells(piece)).sum::<u8>(), x & !y, "{a} {b}");

            let joined = x | y;
            let one_run =
                joined == 0 || (joined >> joined.trailing_zeros()).trailing_ones() == joined.count_ones();
            assert_eq!(a.union(b).map(cells), one_run.then_some(joined), "{a} {b}");
        }
    }

    #[test]
    fn intersection_is_associative() {
        let all = all();
        for (a, b) in pairs() {
            for &c in all.iter().step_by(5) {
                assert_eq!(a.intersection(b).intersection(c), a.intersection(b.intersection(c)));
            }
        }
    }
}
