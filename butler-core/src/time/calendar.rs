//! The proleptic Gregorian calendar, and dates written in it.

use super::decimal::{Fraction, Unit};
use super::{ATTOS, TimeParseError};

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
///
/// Counts in eras of 400 years that begin on 1 March, so that the leap day is the
/// last day of a year.
pub(super) const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of the date so many days after 1970-01-01.
pub(super) const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + (month <= 2) as i64;
    (year, month, day)
}

/// Days of a month, or `None` if there is no such month.
pub(super) const fn days_in_month(year: i64, month: i64) -> Option<i64> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(days_in_year(year) - 337),
        _ => None,
    }
}

/// Days of a year.
pub(super) const fn days_in_year(year: i64) -> i64 {
    days_from_civil(year + 1, 1, 1) - days_from_civil(year, 1, 1)
}

/// A date and a time of day, as they were written and in no scale yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    /// Days since 1970-01-01.
    pub(super) day: i64,
    /// Attoseconds since midnight; 86 400 s and more only in a leap second.
    pub(super) attos: i128,
    /// Whether the seconds are 60 or more, which only a leap second can justify.
    pub(super) leap: bool,
}

/// How a date and a time of day are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Year and day of the year, separated by colons, instead of year, month and day.
    pub(super) ordinal: bool,
    /// Characters that may separate the date from the time of day.
    pub(super) separators: &'static [u8],
    /// Every number has all its digits, rather than up to two (or three).
    pub(super) padded: bool,
    /// The FITS way: a `+` announces a year of five digits, and no time without seconds.
    pub(super) fits: bool,
    /// The pattern, for messages.
    pub(super) pattern: &'static str,
}

impl Style {
    /// Parses a whole text; errors count bytes from its start.
    pub(super) fn parse(self, text: &str) -> Result<Civil, TimeParseError> {
        let mut cursor = Cursor { text, at: 0, pattern: self.pattern };
        let day = if self.ordinal { self.ordinal_date(&mut cursor)? } else { self.date(&mut cursor)? };
        if cursor.at_end() {
            return Ok(Civil { day, attos: 0, leap: false });
        }
        cursor.one_of(self.separators)?;
        self.time_of_day(&mut cursor, day)
    }

    fn two_digits(self) -> std::ops::RangeInclusive<usize> {
        if self.padded { 2..=2 } else { 1..=2 }
    }

    fn year(self, cursor: &mut Cursor<'_>) -> Result<i64, TimeParseError> {
        let digits = if self.fits && cursor.skip(b'+') { 5 } else { 4 };
        cursor.number("year", digits..=digits, 0..=99_999)
    }

    fn date(self, cursor: &mut Cursor<'_>) -> Result<i64, TimeParseError> {
        let year = self.year(cursor)?;
        cursor.one_of(b"-")?;
        let month = cursor.number("month", self.two_digits(), 1..=12)?;
        cursor.one_of(b"-")?;
        let last = days_in_month(year, month).expect("the month was checked");
        let day = cursor.number("day", self.two_digits(), 1..=last)?;
        Ok(days_from_civil(year, month, day))
    }

    fn ordinal_date(self, cursor: &mut Cursor<'_>) -> Result<i64, TimeParseError> {
        let year = self.year(cursor)?;
        cursor.one_of(b":")?;
        let day = cursor.number("day of the year", 1..=3, 1..=days_in_year(year))?;
        Ok(days_from_civil(year, 1, day))
    }

    fn time_of_day(self, cursor: &mut Cursor<'_>, day: i64) -> Result<Civil, TimeParseError> {
        let hour = cursor.number("hour", self.two_digits(), 0..=23)?;
        cursor.one_of(b":")?;
        let minute = cursor.number("minute", self.two_digits(), 0..=59)?;
        let midnight = i128::from(hour * 3600 + minute * 60);
        if cursor.at_end() && !self.fits {
            return Ok(Civil { day, attos: midnight * ATTOS, leap: false });
        }
        cursor.one_of(b":")?;
        // 60 is a leap second, if anything: only the scale can tell.
        let leap_minute = hour == 23 && minute == 59;
        let second = cursor.number("second", self.two_digits(), 0..=59 + i64::from(leap_minute))?;
        let fraction = if cursor.skip(b'.') { cursor.digits() } else { "" };
        if !cursor.at_end() {
            return Err(cursor.expected("the end"));
        }
        let fraction = Fraction::new(fraction).times(Unit { mantissa: 1, exponent: 18 });
        let attos = (midnight + i128::from(second)) * ATTOS + fraction;
        Ok(Civil { day, attos, leap: second == 60 })
    }
}

/// A place in a text that is being read.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
    pattern: &'static str,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn at_end(&self) -> bool {
        self.peek().is_none()
    }

    fn expected(&self, what: &str) -> TimeParseError {
        let Self { text, at, pattern } = self;
        let found = match text.get(*at..).and_then(|rest| rest.chars().next()) {
            Some(character) => format!("'{character}'"),
            None => "the end".to_owned(),
        };
        let message = format!("expected {what} but found {found} in '{text}', which should be {pattern}");
        TimeParseError::new(*at, message)
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn one_of(&mut self, bytes: &[u8]) -> Result<(), TimeParseError> {
        if bytes.iter().any(|&byte| self.skip(byte)) {
            return Ok(());
        }
        let quoted: Vec<_> = bytes.iter().map(|&b| format!("'{}'", char::from(b))).collect();
        Err(self.expected(&quoted.join(" or ")))
    }

    fn digits(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.at += length;
        &rest[..length]
    }

    fn number(
        &mut self,
        what: &str,
        lengths: std::ops::RangeInclusive<usize>,
        values: std::ops::RangeInclusive<i64>,
    ) -> Result<i64, TimeParseError> {
        let start = self.at;
        let digits = self.digits();
        if !lengths.contains(&digits.len()) {
            self.at = start;
            let (least, most) = (lengths.start(), lengths.end());
            let count = if least == most { format!("{least}") } else { format!("{least} to {most}") };
            return Err(self.expected(&format!("{count} digits of the {what}")));
        }
        let value = digits.bytes().fold(0, |value, b| value * 10 + i64::from(b - b'0'));
        if values.contains(&value) {
            return Ok(value);
        }
        let (first, last) = (values.start(), values.end());
        let message = format!("{what} {digits} does not exist, it goes from {first} to {last} here");
        Err(TimeParseError::new(start, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(1969, 12, 31), -1);
        assert_eq!(days_from_civil(1858, 11, 17), -40_587);
        assert_eq!(days_from_civil(2000, 2, 29), 11_016);
        assert_eq!(days_from_civil(0, 3, 1), -719_468);
    }

    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let mut date = (1599, 12, 31);
        for days in days_from_civil(1600, 1, 1)..days_from_civil(2400, 1, 1) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
            let (y, m, d) = date;
            let next = if d < days_in_month(y, m).unwrap() {
                (y, m, d + 1)
            } else if m < 12 {
                (y, m + 1, 1)
            } else {
                (y + 1, 1, 1)
            };
            date = (year, month, day);
            assert_eq!(date, next);
        }
    }
}
