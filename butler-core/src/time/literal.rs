//! Time literals of the query language.

use super::calendar::{Style, days_from_civil};
use super::decimal::{Decimal, Unit};
use super::instant::out_of_range;
use super::scale::{NoInstant, Scale};
use super::{ATTOS, ATTOS_PER_DAY, Instant, TimeParseError};

/// Parses `value`, `format/value`, `value/scale` or `format/value/scale`.
pub(super) fn parse(text: &str) -> Result<Instant, TimeParseError> {
    let parts = Parts::split(text)?;
    let value_at = parts.value_at;
    let value = parts.value.strip_suffix("+00:00").unwrap_or(parts.value);
    let format = match parts.format {
        Some(name) => format_named(name)?,
        None => guess(value).map_err(|e| e.shifted(value_at))?,
    };
    let scale = match parts.scale {
        Some(name) => scale_named(name).map_err(|e| e.shifted(value_at + parts.value.len() + 1))?,
        None => format.scale,
    };
    let tai = format.kind.to_tai(value, scale).map_err(|e| e.shifted(value_at))?;
    tai.and_then(|tai| Instant::from_attoseconds(tai).ok_or(NoInstant::OutOfRange))
        .map_err(|why| explain(why, value).shifted(value_at))
}

/// Says why a well-formed text is no instant.
pub(super) fn explain(why: NoInstant, text: &str) -> TimeParseError {
    let message = match why {
        NoInstant::BeforeUtc => {
            format!("'{text}' is before 1960, when UTC began; give another scale, such as '/tai'")
        }
        NoInstant::NoSuchSecond => {
            format!("'{text}' never was: that day ended before it in this scale, without a leap second")
        }
        NoInstant::OutOfRange => out_of_range(&format!("'{text}'")),
    };
    TimeParseError::new(0, message)
}

/// A literal, taken apart at its slashes.
#[derive(Clone, Copy)]
struct Parts<'a> {
    format: Option<&'a str>,
    value: &'a str,
    value_at: usize,
    scale: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, TimeParseError> {
        let mut parts = text.splitn(4, '/');
        let first = parts.next().unwrap_or_default();
        let after = first.len() + 1;
        match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => Ok(Self { format: None, value: first, value_at: 0, scale: None }),
            (Some(second), None, _) if first.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                Ok(Self { format: Some(first), value: second, value_at: after, scale: None })
            }
            (Some(second), None, _) => {
                Ok(Self { format: None, value: first, value_at: 0, scale: Some(second) })
            }
            (Some(second), Some(third), None) => {
                Ok(Self { format: Some(first), value: second, value_at: after, scale: Some(third) })
            }
            (Some(second), Some(third), Some(_)) => {
                let at = after + second.len() + 1 + third.len();
                Err(TimeParseError::new(at, "a time is at most FORMAT/VALUE/SCALE, with two slashes"))
            }
        }
    }
}

/// A way to write a time.
struct Format {
    name: &'static str,
    kind: Kind,
    /// Scale of a literal that names none.
    scale: Scale,
}

/// How the value of a format is read.
#[derive(Clone, Copy)]
enum Kind {
    /// A date, perhaps with a time of day.
    Calendar(Style),
    /// A year and the part of it that has passed.
    DecimalYear,
    /// Units since an epoch (in attoseconds since 1970), by the literal's scale.
    Count(Unit, i128),
    /// Units since an epoch (in attoseconds since 1970), by a scale of the format's own.
    Clock(Unit, i128, Scale),
}

impl Kind {
    fn to_tai(self, value: &str, scale: Scale) -> Result<Result<i128, NoInstant>, TimeParseError> {
        Ok(match self {
            Self::Calendar(style) => scale.civil_to_tai(style.parse(value)?),
            Self::Count(unit, epoch) => scale.count_to_tai(epoch + Decimal::parse(value)?.times(unit)),
            Self::Clock(unit, epoch, own) => own.count_to_tai(epoch + Decimal::parse(value)?.times(unit)),
            Self::DecimalYear => match Decimal::parse(value)?.parts() {
                Some((year, passed)) => scale.year_to_tai(year, passed),
                None => Err(NoInstant::OutOfRange),
            },
        })
    }
}

const SECOND: Unit = Unit { mantissa: 1, exponent: 18 };
const DAY: Unit = Unit { mantissa: 864, exponent: 20 };
/// 365.25 days.
const JULIAN_YEAR: Unit = Unit { mantissa: 315_576, exponent: 20 };
/// 365.242198781 days (Lieske 1979, A&A 73, 282).
const BESSELIAN_YEAR: Unit = Unit { mantissa: 315_569_259_746_784, exponent: 11 };
/// 0.397766856 days, as astropy has it.
const STARDATE: Unit = Unit { mantissa: 343_670_563_584, exponent: 11 };

const fn midnight(year: i64, month: i64, day: i64) -> i128 {
    days_from_civil(year, month, day) as i128 * ATTOS_PER_DAY
}

/// Epoch at which a count of so many units would be zero.
const fn before(instant: i128, units: i128, unit: Unit) -> i128 {
    instant - units * unit.mantissa * 10_i128.pow(unit.exponent)
}

const ISO: Style = Style {
    ordinal: false,
    separators: b" ",
    padded: false,
    fits: false,
    pattern: "YYYY-MM-DD[ HH:MM[:SS[.fraction]]] without a zone",
};
const ISOT: Style =
    Style { separators: b"T", pattern: "YYYY-MM-DD[THH:MM[:SS[.fraction]]] without a zone", ..ISO };
const YDAY: Style = Style {
    ordinal: true,
    separators: b":",
    pattern: "YYYY:DDD[:HH:MM[:SS[.fraction]]] without a zone",
    ..ISO
};
const FITS: Style = Style {
    padded: true,
    fits: true,
    separators: b"T",
    pattern: "YYYY-MM-DD[THH:MM:SS[.fraction]] or with a year of a plus and five digits",
    ..ISO
};

/// Every format of astropy whose values the literal syntax can hold.
const FORMATS: [Format; 16] = [
    Format { name: "iso", kind: Kind::Calendar(ISO), scale: Scale::Utc },
    Format { name: "isot", kind: Kind::Calendar(ISOT), scale: Scale::Utc },
    Format { name: "fits", kind: Kind::Calendar(FITS), scale: Scale::Utc },
    Format { name: "yday", kind: Kind::Calendar(YDAY), scale: Scale::Utc },
    Format { name: "mjd", kind: Kind::Count(DAY, midnight(1858, 11, 17)), scale: Scale::Tai },
    Format {
        name: "jd",
        kind: Kind::Count(DAY, midnight(1858, 11, 17) - 2_400_000 * ATTOS_PER_DAY - ATTOS_PER_DAY / 2),
        scale: Scale::Tai,
    },
    Format {
        name: "jyear",
        kind: Kind::Count(JULIAN_YEAR, before(midnight(2000, 1, 1) + ATTOS_PER_DAY / 2, 2000, JULIAN_YEAR)),
        scale: Scale::Tai,
    },
    Format {
        name: "byear",
        // B1900.0 is MJD 15019.81352.
        kind: Kind::Count(
            BESSELIAN_YEAR,
            before(midnight(1858, 11, 17) + 1_501_981_352 * (ATTOS_PER_DAY / 100_000), 1900, BESSELIAN_YEAR),
        ),
        scale: Scale::Tai,
    },
    Format { name: "decimalyear", kind: Kind::DecimalYear, scale: Scale::Tai },
    Format { name: "unix", kind: Kind::Clock(SECOND, 0, Scale::Utc), scale: Scale::Utc },
    Format { name: "unix_tai", kind: Kind::Clock(SECOND, 0, Scale::Tai), scale: Scale::Tai },
    Format {
        name: "gps",
        kind: Kind::Clock(SECOND, midnight(1980, 1, 6) + 19 * ATTOS, Scale::Tai),
        scale: Scale::Tai,
    },
    Format {
        name: "galexsec",
        kind: Kind::Clock(SECOND, midnight(1980, 1, 6), Scale::Utc),
        scale: Scale::Tai,
    },
    Format { name: "cxcsec", kind: Kind::Clock(SECOND, midnight(1998, 1, 1), Scale::Tt), scale: Scale::Tt },
    Format {
        // Days since 0001-01-01, plus one. Where matplotlib is installed, astropy
        // counts from 1970 instead; such values are out of range here, never wrong.
        name: "plot_date",
        kind: Kind::Clock(DAY, midnight(1, 1, 1) - ATTOS_PER_DAY, Scale::Utc),
        scale: Scale::Tai,
    },
    Format {
        name: "stardate",
        kind: Kind::Clock(STARDATE, midnight(2318, 7, 5) + 11 * 3600 * ATTOS, Scale::Tai),
        scale: Scale::Tai,
    },
];

/// Formats of astropy whose values are objects, or begin with a letter.
const UNWRITABLE: [&str; 5] = ["datetime", "datetime64", "ymdhms", "byear_str", "jyear_str"];

fn format_named(name: &str) -> Result<&'static Format, TimeParseError> {
    if let Some(format) = FORMATS.iter().find(|format| name.eq_ignore_ascii_case(format.name)) {
        return Ok(format);
    }
    let known: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
    let known = known.join(", ");
    let problem = if UNWRITABLE.iter().any(|other| name.eq_ignore_ascii_case(other)) {
        "cannot be written in a literal"
    } else {
        "is unknown"
    };
    let message = format!(
        "time format '{name}' {problem}; a time is FORMAT/VALUE/SCALE with one of the formats {known}"
    );
    Err(TimeParseError::new(0, message))
}

fn scale_named(name: &str) -> Result<Scale, TimeParseError> {
    let message = match name.to_ascii_lowercase().as_str() {
        "tai" => return Ok(Scale::Tai),
        "utc" => return Ok(Scale::Utc),
        "tt" => return Ok(Scale::Tt),
        "tdb" => return Ok(Scale::Tdb),
        "tcg" => return Ok(Scale::Tcg),
        "tcb" => return Ok(Scale::Tcb),
        "ut1" => "scale 'ut1' needs tables of the Earth's rotation; use utc, which is within 0.9 s of it",
        "local" => "scale 'local' has no relation to TAI; use tai, utc, tt, tdb, tcg or tcb",
        _ => {
            let message = format!("time scale '{name}' is unknown; there are tai, utc, tt, tdb, tcg and tcb");
            return Err(TimeParseError::new(0, message));
        }
    };
    Err(TimeParseError::new(0, message))
}

/// The format of a value that comes without one.
fn guess(value: &str) -> Result<&'static Format, TimeParseError> {
    let unsigned = value.strip_prefix('-').unwrap_or(value);
    let after_digits = unsigned.trim_start_matches(|c: char| c.is_ascii_digit());
    let has_digits = after_digits.len() < unsigned.len();
    let name = match after_digits.as_bytes().first() {
        Some(b'+') if !has_digits => "fits",
        Some(b'-' | b'T') if value.contains('T') => "isot",
        Some(b'-') => "iso",
        Some(b':') => "yday",
        Some(b'.') => "mjd",
        _ if has_digits => "mjd",
        _ => {
            let message = format!(
                "'{value}' is no time; write a date, such as 2021-09-09T03:00:00, or a number, such as 59466.5"
            );
            return Err(TimeParseError::new(0, message));
        }
    };
    format_named(name)
}
