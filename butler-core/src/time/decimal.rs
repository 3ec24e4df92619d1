//! Decimal numbers, read without a float.

use super::TimeParseError;

/// Fraction digits that are kept; what follows only says "a little more".
const KEPT: u32 = 20;

/// A decimal number as it was written: sign, whole part, fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    whole: i64,
    fraction: Fraction,
}

/// `digits / 10^places`, in [0, 1), plus less than one unit of the last place if `inexact`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fraction {
    digits: i128,
    places: u32,
    inexact: bool,
}

/// `mantissa * 10^exponent` attoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) mantissa: i128,
    pub(super) exponent: u32,
}

impl Decimal {
    /// Parses `-?(digits . [digits] | . digits)`: the decimal point is required.
    pub(super) fn parse(text: &str) -> Result<Self, TimeParseError> {
        let (negative, unsigned, start) = match text.strip_prefix('-') {
            Some(rest) => (true, rest, 1),
            None => (false, text, 0),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        if let Some(at) = unsigned.bytes().position(|b| !b.is_ascii_digit() && b != b'.') {
            let message = format!("'{text}' is not a decimal number, such as 59466.5");
            return Err(TimeParseError::new(start + at, message));
        }
        if !unsigned.contains('.') {
            let message = format!("number '{text}' needs a decimal point, as in '{text}.'");
            return Err(TimeParseError::new(text.len(), message));
        }
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            let message = format!("'{text}' is not a decimal number, such as 59466.5");
            return Err(TimeParseError::new(start, message));
        }
        // No quantity of a time in range has more than ten digits before the point.
        let significant = whole.trim_start_matches('0');
        let whole = match significant.len() {
            0 => 0,
            1..=10 => digits(significant.as_bytes()) as i64,
            _ => return Err(TimeParseError::new(0, super::instant::out_of_range(text))),
        };
        Ok(Self { negative, whole, fraction: Fraction::new(fraction) })
    }

    /// The number of `unit`s, in attoseconds.
    pub(super) fn times(self, unit: Unit) -> i128 {
        let whole = i128::from(self.whole) * unit.mantissa * 10_i128.pow(unit.exponent);
        let magnitude = whole + self.fraction.times(unit);
        if self.negative { -magnitude } else { magnitude }
    }

    /// Whole part and fraction of a number that is not negative.
    pub(super) fn parts(self) -> Option<(i64, Fraction)> {
        (!self.negative).then_some((self.whole, self.fraction))
    }
}

impl Fraction {
    /// The fraction with these digits after the point, which are all decimal digits.
    pub(super) fn new(text: &str) -> Self {
        let (kept, rest) = text.as_bytes().split_at(text.len().min(KEPT as usize));
        let inexact = rest.iter().any(|&b| b != b'0');
        Self { digits: digits(kept), places: kept.len() as u32, inexact }
    }

    /// This fraction of `unit`, in attoseconds; odd where it had to be rounded.
    pub(super) fn times(self, unit: Unit) -> i128 {
        let Unit { mantissa, exponent } = unit;
        let value = if self.places <= exponent {
            self.digits * mantissa * 10_i128.pow(exponent - self.places)
        } else {
            super::mul_div(self.digits, mantissa, 10_i128.pow(self.places - exponent))
        };
        if self.inexact { value | 1 } else { value }
    }
}

fn digits(text: &[u8]) -> i128 {
    text.iter().fold(0, |value, &b| value * 10 + i128::from(b - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Unit = Unit { mantissa: 1, exponent: 18 };
    const DAY: Unit = Unit { mantissa: 864, exponent: 20 };

    fn attos(text: &str, unit: Unit) -> i128 {
        Decimal::parse(text).unwrap().times(unit)
    }

    #[test]
    fn digits_are_exact() {
        assert_eq!(attos("1.5", SECOND), 1_500_000_000_000_000_000);
        assert_eq!(attos("-.000000000000000001", SECOND), -1);
        assert_eq!(attos("59466.", DAY), 59466 * super::super::ATTOS_PER_DAY);
        assert_eq!(attos("0.00000000000000000001", DAY), 864);
        assert_eq!(attos("000000000000000000000000012.", SECOND), 12 * super::super::ATTOS);
    }

    #[test]
    fn what_cannot_be_kept_makes_it_odd() {
        assert_eq!(attos("0.0000000005000000000", SECOND), 500_000_000);
        assert_eq!(attos("0.00000000050000000001", SECOND), 500_000_001);
        let long = format!("0.0000000005{}1", "0".repeat(400));
        assert_eq!(attos(&long, SECOND), 500_000_001);
        let zeros = format!("0.0000000005{}", "0".repeat(400));
        assert_eq!(attos(&zeros, SECOND), 500_000_000);
    }

    #[test]
    fn malformed_numbers_point_at_the_place() {
        for (text, offset) in [
            ("59466", 5),
            ("", 0),
            (".", 0),
            ("-.", 1),
            ("1.2.3", 0),
            ("1.5e3", 3),
            ("+1.5", 0),
            ("12345678901.5", 0),
        ] {
            assert_eq!(Decimal::parse(text).unwrap_err().offset, offset, "{text}");
        }
    }
}
