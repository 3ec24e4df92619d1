//! The instant.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::calendar::{Style, civil_from_days};
use super::scale::{NoInstant, Scale};
use super::utc::UtcDay;
use super::{ATTOS_PER_NANO, NANOS, NANOS_PER_DAY, TimeParseError, literal};
use crate::{Error, ErrorKind, Result};

/// A moment: TAI nanoseconds since 1970-01-01T00:00:00 TAI.
///
/// Always finite: `i64::MIN` and `i64::MAX` stand for the unbounded ends of a
/// [`Timespan`](super::Timespan) and are no instants, which leaves
/// 1677-09-21T00:12:43.145224193 to 2262-04-11T23:47:16.854775806.
///
/// `Display` is ISO 8601 in TAI without a zone and without trailing zeros;
/// [`to_iso_tai`](Self::to_iso_tai) always has nine decimals. Serialised as that
/// text where people may read it, otherwise as the integer.
///
/// ```
/// use butler_core::Instant;
///
/// let leap_second = Instant::from_literal("2016-12-31T23:59:60.5")?;
/// assert_eq!(leap_second.to_string(), "2017-01-01T00:00:36.5");
/// assert_eq!(leap_second.nanoseconds(), 1_483_228_836_500_000_000);
/// # Ok::<(), butler_core::time::TimeParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

const ISO_TAI: Style = Style {
    ordinal: false,
    separators: b"T ",
    padded: true,
    fits: false,
    pattern: "a TAI time without a zone, YYYY-MM-DD[THH:MM[:SS[.fraction]]]",
};

impl Instant {
    /// The first instant there is.
    pub const MIN: Self = Self(i64::MIN + 1);

    /// The last instant there is.
    pub const MAX: Self = Self(i64::MAX - 1);

    /// The instant so many TAI nanoseconds after 1970-01-01T00:00:00 TAI.
    ///
    /// # Errors
    ///
    /// [`Argument`](ErrorKind::Argument) for `i64::MIN` and `i64::MAX`, which are
    /// reserved for unbounded ends.
    pub fn from_nanoseconds(nanoseconds: i64) -> Result<Self> {
        match nanoseconds {
            i64::MIN | i64::MAX => {
                Err(Error::new(ErrorKind::Argument, out_of_range(&format!("{nanoseconds} ns"))))
            }
            _ => Ok(Self(nanoseconds)),
        }
    }

    /// TAI nanoseconds since 1970-01-01T00:00:00 TAI.
    #[must_use]
    pub const fn nanoseconds(self) -> i64 {
        self.0
    }

    /// The instant so many nanoseconds later (earlier if negative), if there is one.
    #[must_use]
    pub fn checked_add_nanoseconds(self, nanoseconds: i64) -> Option<Self> {
        self.0.checked_add(nanoseconds).and_then(|sum| Self::from_nanoseconds(sum).ok())
    }

    /// What the system clock says now.
    ///
    /// # Errors
    ///
    /// [`Argument`](ErrorKind::Argument) if the clock is set to a time before 1960
    /// or after 2262.
    pub fn now() -> Result<Self> {
        Self::try_from(SystemTime::now())
    }

    /// Parses an ISO 8601 time in TAI: `YYYY-MM-DD[THH:MM[:SS[.fraction]]]`.
    ///
    /// A space may stand for the `T`. Digits beyond the ninth decimal are rounded.
    ///
    /// # Errors
    ///
    /// Anything else, a zone (also `Z`), a leap second, and times out of range.
    pub fn from_iso_tai(text: &str) -> Result<Self, TimeParseError> {
        let civil = ISO_TAI.parse(text)?;
        Scale::Tai
            .civil_to_tai(civil)
            .and_then(|tai| Self::from_attoseconds(tai).ok_or(NoInstant::OutOfRange))
            .map_err(|why| literal::explain(why, text))
    }

    /// Parses the content of a time literal of the query language, the part
    /// between the quotes of `T'…'`.
    ///
    /// A literal is `value`, `format/value`, `value/scale` or `format/value/scale`;
    /// formats and scales are those of astropy, in any case.
    ///
    /// | value | format, if not given | other formats it may have |
    /// |---|---|---|
    /// | `59466.5`; the point is required, an exponent is not possible | `mjd` | `jd`, `decimalyear`, `byear`, `jyear`, `unix`, `unix_tai`, `gps`, `galexsec`, `cxcsec`, `plot_date`, `stardate` |
    /// | `2021-09-09`, `2021-9-9 3:00`, `2021-09-09 03:00:00.5` | `iso` | |
    /// | `2021-09-09T03:00`, `2021-09-09T03:00:00.5` | `isot` | `fits` |
    /// | `2021:252`, `2021:252:03:00`, `2021:252:03:00:00.5` | `yday` | |
    /// | `+02021-09-09T03:00:00` | `fits` | |
    ///
    /// The scale is `tai`, `utc`, `tt`, `tdb`, `tcg` or `tcb`; if none is given it is
    /// UTC for `iso`, `isot`, `yday`, `fits` and `unix`, TT for `cxcsec`, and TAI for
    /// everything else, `mjd` and `jd` included. Formats that count seconds or days
    /// from an epoch in a scale of their own (`unix`, `unix_tai`, `gps`, `galexsec`,
    /// `cxcsec`, `plot_date`, `stardate`) mean the same whatever scale is given. A
    /// trailing `+00:00` of the value is ignored.
    ///
    /// In UTC a Julian date, Unix time and the like divide a day with a leap second
    /// into 86 400 equal parts, as astropy does.
    ///
    /// # Errors
    ///
    /// What does not have this form; seconds and days that did not exist; UTC before
    /// 1960, when there was none; UT1 and local time, which cannot be converted
    /// without tables of the Earth's rotation; and times out of range.
    pub fn from_literal(text: &str) -> Result<Self, TimeParseError> {
        literal::parse(text)
    }

    /// ISO 8601 in TAI with nine decimals and no zone.
    #[must_use]
    pub fn to_iso_tai(self) -> String {
        IsoTai(self).to_string()
    }

    /// The nearest instant, ties to even; `None` if it is out of range.
    pub(super) fn from_attoseconds(attos: i128) -> Option<Self> {
        let floor = attos.div_euclid(ATTOS_PER_NANO);
        let rest = attos.rem_euclid(ATTOS_PER_NANO);
        let half = ATTOS_PER_NANO / 2;
        let up = rest > half || rest == half && floor % 2 != 0;
        i64::try_from(floor + i128::from(up))
            .ok()
            .and_then(|nanoseconds| Self::from_nanoseconds(nanoseconds).ok())
    }
}

/// Text of the error for what no instant can hold.
pub(super) fn out_of_range(what: &str) -> String {
    format!(
        "{what} is outside the range of times, {} to {} TAI",
        Instant::MIN.to_iso_tai(),
        Instant::MAX.to_iso_tai()
    )
}

impl TryFrom<SystemTime> for Instant {
    type Error = Error;

    /// Reads the system clock as UTC: POSIX seconds, which repeat or skip nothing
    /// but leap seconds.
    fn try_from(time: SystemTime) -> Result<Self> {
        let nanoseconds = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i128::try_from(after.as_nanos()).ok(),
            Err(before) => i128::try_from(before.duration().as_nanos()).ok().map(|n| -n),
        };
        nanoseconds
            .and_then(|n| {
                let day = i64::try_from(n.div_euclid(i128::from(NANOS_PER_DAY))).ok()?;
                let since_midnight = n.rem_euclid(i128::from(NANOS_PER_DAY)) * ATTOS_PER_NANO;
                Self::from_attoseconds(UtcDay::new(day)?.to_tai(since_midnight))
            })
            .ok_or_else(|| {
                Error::new(ErrorKind::Argument, "the system time is not between 1960 and 2262")
                    .with_hint("set the clock of this machine")
            })
    }
}

/// Nine decimals, always.
struct IsoTai(Instant);

fn write_seconds(f: &mut fmt::Formatter<'_>, instant: Instant) -> fmt::Result {
    let (year, month, day) = civil_from_days(instant.0.div_euclid(NANOS_PER_DAY));
    let second = instant.0.rem_euclid(NANOS_PER_DAY) / NANOS;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

impl fmt::Display for IsoTai {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_seconds(f, self.0)?;
        write!(f, ".{:09}", self.0.0.rem_euclid(NANOS))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_seconds(f, *self)?;
        match self.0.rem_euclid(NANOS) {
            0 => Ok(()),
            fraction => f.write_str(format!(".{fraction:09}").trim_end_matches('0')),
        }
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&IsoTai(*self))
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
            Self::from_iso_tai(&text).map_err(de::Error::custom)
        } else {
            Self::from_nanoseconds(i64::deserialize(deserializer)?).map_err(de::Error::custom)
        }
    }
}
