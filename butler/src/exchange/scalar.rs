//! What plain scalars mean: the rules of YAML 1.1 as PyYAML has them.
//!
//! Files are written and read by PyYAML elsewhere, so that `0_30`, `yes` and
//! `2020-01-01 00:00:00` must mean the same here. The rules are those of the types
//! `bool`, `int`, `float`, `null` and `timestamp` on <https://yaml.org/type/>, as far
//! as PyYAML follows them (a float needs a point, its exponent a sign).

use std::time::{Duration, UNIX_EPOCH};

use butler_core::{Error, ErrorKind, Instant, Result};

/// Meaning of a plain scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning<'a> {
    Null,
    Bool(bool),
    /// None if it does not fit 64 bits.
    Int(Option<i64>),
    Float(f64),
    Timestamp(Timestamp<'a>),
    Text(&'a str),
}

/// Parts of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Timestamp<'a> {
    date: [u32; 3],
    time: [u32; 3],
    /// Digits after the point.
    fraction: &'a str,
    /// Minutes east of Greenwich.
    zone: i64,
}

/// What a plain scalar means.
pub(super) fn meaning(text: &str) -> Meaning<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Meaning::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Meaning::Bool(false);
        }
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Meaning::Text(text);
    }
    if let Some(value) = int(text) {
        return Meaning::Int(value);
    }
    if let Some(value) = float(text) {
        return Meaning::Float(value);
    }
    timestamp(text).map_or(Meaning::Text(text), Meaning::Timestamp)
}

/// A float in any notation of YAML, for places where nothing else can be meant.
pub(super) fn lenient_float(text: &str) -> Option<f64> {
    let plausible = text.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'+' | b'-' | b'.' | b'e' | b'E'));
    if plausible { text.parse().ok() } else { None }
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

fn all(text: &str, mut allowed: impl FnMut(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(|c| c == b'_' || allowed(c))
}

/// An integer: `Some(None)` if it is one, but too large.
fn int(text: &str) -> Option<Option<i64>> {
    let (negative, digits) = split_sign(text);
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'b', ..] if all(&digits[2..], |c| matches!(c, b'0' | b'1')) => (2, &digits[2..]),
        [b'0', b'x', ..] if all(&digits[2..], |c| c.is_ascii_hexdigit()) => (16, &digits[2..]),
        [b'0', _, ..] if all(&digits[1..], |c| matches!(c, b'0'..=b'7')) => (8, digits),
        [b'0'] => (10, digits),
        [b'1'..=b'9', ..] if all(digits, |c| c.is_ascii_digit()) => (10, digits),
        [b'1'..=b'9', ..] => return sexagesimal_int(digits).map(|value| signed(value, negative)),
        _ => return None,
    };
    let mut value = Some(0i128);
    let mut empty = true;
    for digit in digits.chars().filter_map(|c| c.to_digit(radix)) {
        empty = false;
        value = value.and_then(|v| v.checked_mul(radix.into())?.checked_add(digit.into()));
    }
    (!empty).then(|| signed(value, negative))
}

fn signed(value: Option<i128>, negative: bool) -> Option<i64> {
    value.and_then(|value| i64::try_from(if negative { -value } else { value }).ok())
}

/// Digits in groups to the base 60, such as `190:20:30`.
fn sexagesimal_int(digits: &str) -> Option<Option<i128>> {
    let mut parts = digits.split(':');
    let first = parts.next().filter(|first| all(first, |c| c.is_ascii_digit()))?;
    let mut value = first.replace('_', "").parse::<i128>().ok();
    let mut more = false;
    for part in parts {
        let part = sixtieth(part)?;
        value = value.and_then(|v| v.checked_mul(60)?.checked_add(part));
        more = true;
    }
    more.then_some(value)
}

/// One or two digits below 60.
fn sixtieth(part: &str) -> Option<i128> {
    match part.as_bytes() {
        [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'] => part.parse().ok(),
        _ => None,
    }
}

fn float(text: &str) -> Option<f64> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let (negative, number) = split_sign(text);
    let (whole, rest) = number.split_once('.')?;
    if whole.contains(':') {
        let value = sexagesimal_float(whole, rest)?;
        return Some(if negative { -value } else { value });
    }
    let (fraction, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let digits_only = |part: &str| part.bytes().all(|c| c.is_ascii_digit() || c == b'_');
    let begins = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    // Without digits before the point there is no sign either.
    let mantissa = digits_only(whole)
        && digits_only(fraction)
        && (begins(whole) || whole.is_empty() && number.len() == text.len() && begins(fraction));
    let exponent = exponent.is_none_or(|exponent| {
        exponent.starts_with(['+', '-'])
            && exponent.len() > 1
            && exponent.bytes().skip(1).all(|c| c.is_ascii_digit())
    });
    (mantissa && exponent).then(|| text.replace('_', "").parse().ok())?
}

fn sexagesimal_float(whole: &str, fraction: &str) -> Option<f64> {
    let mut parts = whole.split(':');
    let first = parts.next().filter(|first| {
        first.starts_with(|c: char| c.is_ascii_digit()) && all(first, |c| c.is_ascii_digit())
    })?;
    let mut value: f64 = first.replace('_', "").parse().ok()?;
    for part in parts {
        value = value * 60.0 + sixtieth(part)? as f64;
    }
    let fraction = fraction.replace('_', "");
    let fraction: f64 = if fraction.is_empty() { 0.0 } else { lenient_float(&format!("0.{fraction}"))? };
    Some(value + fraction)
}

/// Reads digits from the front of a text.
fn digits(text: &str, min: usize, max: usize) -> Option<(u32, &str)> {
    let count = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    (count >= min).then_some(())?;
    Some((text[..count].parse().ok()?, &text[count..]))
}

fn timestamp(text: &str) -> Option<Timestamp<'_>> {
    let (year, rest) = digits(text, 4, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 1, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 1, 2)?;
    let date = [year, month, day];
    if rest.is_empty() {
        return (text.len() == 10).then_some(Timestamp { date, time: [0; 3], fraction: "", zone: 0 });
    }
    let blank = rest.trim_start_matches([' ', '\t']);
    let rest = if blank.len() < rest.len() { blank } else { rest.strip_prefix(['T', 't'])? };
    let (hour, rest) = digits(rest, 1, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2, 2)?;
    let (second, rest) = digits(rest.strip_prefix(':')?, 2, 2)?;
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("", rest),
    };
    let zone = match rest.trim_start_matches([' ', '\t']) {
        "" if rest.is_empty() => 0,
        "Z" => 0,
        zone => minutes_east(zone)?,
    };
    Some(Timestamp { date, time: [hour, minute, second], fraction, zone })
}

fn minutes_east(zone: &str) -> Option<i64> {
    zone.strip_prefix(['+', '-'])?;
    let (negative, zone) = split_sign(zone);
    let (hours, rest) = digits(zone, 1, 2)?;
    let minutes = match rest.strip_prefix(':') {
        Some(rest) => match digits(rest, 2, 2)? {
            (minutes, "") => minutes,
            _ => return None,
        },
        None if rest.is_empty() => 0,
        None => return None,
    };
    let east = i64::from(hours * 60 + minutes);
    Some(if negative { -east } else { east })
}

impl Timestamp<'_> {
    /// The instant, which is in UTC.
    pub(super) fn instant(self) -> Result<Instant> {
        let ([year, month, day], [hour, minute, second]) = (self.date, self.time);
        let fraction = if self.fraction.is_empty() { "0" } else { self.fraction };
        let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction}");
        let wrong = |error| Error::new(ErrorKind::DimensionValue, format!("{error}"));
        if self.zone == 0 {
            return Instant::from_literal(&format!("{text}/utc")).map_err(wrong);
        }
        // Read as TAI, the clock time is a count of nanoseconds without leap seconds, as POSIX time is.
        let count = Instant::from_iso_tai(&text).map_err(wrong)?.nanoseconds();
        let count = i128::from(count) - i128::from(self.zone) * 60_000_000_000;
        let distance = u64::try_from(count.unsigned_abs()).ok().map(Duration::from_nanos);
        let time = distance.and_then(|distance| match count < 0 {
            true => UNIX_EPOCH.checked_sub(distance),
            false => UNIX_EPOCH.checked_add(distance),
        });
        match time {
            Some(time) => Instant::try_from(time),
            None => {
                Err(Error::new(ErrorKind::DimensionValue, format!("{text} is out of the range of times")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of PyYAML 6.
    #[test]
    fn plain_scalars_mean_what_they_mean_to_pyyaml() {
        let int = |value| Meaning::Int(Some(value));
        for (text, expected) in [
            ("0_30", int(24)),
            ("0_29", Meaning::Text("0_29")),
            ("017", int(15)),
            ("0o17", Meaning::Text("0o17")),
            ("0x1F", int(31)),
            ("-0b11", int(-3)),
            ("1_000", int(1000)),
            ("190:20:30", int(685_230)),
            ("1:60", Meaning::Text("1:60")),
            ("+12", int(12)),
            ("0", int(0)),
            ("08", Meaning::Text("08")),
            ("-9223372036854775808", int(i64::MIN)),
            ("9223372036854775808", Meaning::Int(None)),
            ("99999999999999999999999999999999999999999999", Meaning::Int(None)),
            ("1.5", Meaning::Float(1.5)),
            ("1e5", Meaning::Text("1e5")),
            ("1.0e5", Meaning::Text("1.0e5")),
            ("1.0e+5", Meaning::Float(1e5)),
            ("1.", Meaning::Float(1.0)),
            (".5", Meaning::Float(0.5)),
            ("-.5", Meaning::Text("-.5")),
            ("1_0.5_0", Meaning::Float(10.5)),
            ("190:20:30.15", Meaning::Float(685_230.15)),
            ("-.inf", Meaning::Float(f64::NEG_INFINITY)),
            ("yes", Meaning::Bool(true)),
            ("Off", Meaning::Bool(false)),
            ("y", Meaning::Text("y")),
            ("NULL", Meaning::Null),
            ("~", Meaning::Null),
            ("", Meaning::Null),
            ("nUll", Meaning::Text("nUll")),
            ("-", Meaning::Text("-")),
            (".", Meaning::Text(".")),
            ("1.2.3", Meaning::Text("1.2.3")),
            ("2020-1-1", Meaning::Text("2020-1-1")),
            ("20200101", int(20_200_101)),
            ("R02_S01", Meaning::Text("R02_S01")),
        ] {
            assert_eq!(meaning(text), expected, "{text}");
        }
    }

    #[test]
    fn timestamps_are_utc() {
        for (text, tai) in [
            ("2021-09-09 03:00:00", "2021-09-09T03:00:37.000000000"),
            ("2021-09-09T03:00:00.5Z", "2021-09-09T03:00:37.500000000"),
            ("2021-09-09t3:00:00 +02:30", "2021-09-09T00:30:37.000000000"),
            ("2021-09-09 23:00:00-2", "2021-09-10T01:00:37.000000000"),
            ("2021-9-9 03:00:00.", "2021-09-09T03:00:37.000000000"),
            ("2021-09-09", "2021-09-09T00:00:37.000000000"),
            // The zone carries it over a leap second.
            (
                "2017-01-01 00:30:00 +01:00",
                "2017-01-01T00:30:36.000000000".replace("2017-01-01T00", "2016-12-31T23").as_str(),
            ),
            ("2016-12-31 23:59:60", "2017-01-01T00:00:36.000000000"),
        ] {
            match meaning(text) {
                Meaning::Timestamp(time) => assert_eq!(time.instant().unwrap().to_iso_tai(), tai, "{text}"),
                other => panic!("{text} is {other:?}"),
            }
        }
        for text in ["2021-09-09 03:00", "2021-09-09 03:00:00 CET", "2021-09-09 03:00:00+1:2", "12021-09-09"]
        {
            assert_eq!(meaning(text), Meaning::Text(text));
        }
        for text in ["2021-02-30", "2021-09-09 25:00:00 +01:00", "1959-01-01 00:00:00"] {
            match meaning(text) {
                Meaning::Timestamp(time) => assert!(time.instant().is_err(), "{text}"),
                other => panic!("{text} is {other:?}"),
            }
        }
    }
}
