//! Format specifications of Python's, as far as paths need them.

/// `[[fill]align][sign][0][width][.precision][type]`
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FormatSpec {
    fill: Option<char>,
    align: Option<Align>,
    sign: Option<char>,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    ty: Option<char>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Align {
    Left,
    Right,
    Centre,
    /// Between sign and digits.
    Inside,
}

impl Align {
    fn parse(c: char) -> Option<Self> {
        match c {
            '<' => Some(Self::Left),
            '>' => Some(Self::Right),
            '^' => Some(Self::Centre),
            '=' => Some(Self::Inside),
            _ => None,
        }
    }
}

/// Widths beyond this make no file name.
const WIDTH_MAX: usize = 200;

impl FormatSpec {
    /// Reads a specification; none if it is malformed or unreasonably wide.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut chars: Vec<char> = text.chars().collect();
        chars.reverse();
        let mut this = Self::default();
        let second = chars.len().checked_sub(2).and_then(|at| Align::parse(chars[at]));
        if second.is_some() {
            this.fill = chars.pop();
            this.align = second;
            chars.pop();
        } else if let Some(align) = chars.last().copied().and_then(Align::parse) {
            this.align = Some(align);
            chars.pop();
        }
        this.sign = chars.pop_if(|c| matches!(c, '+' | '-' | ' '));
        this.zero = chars.pop_if(|c| *c == '0').is_some();
        this.width = number(&mut chars)?.unwrap_or(0);
        if chars.pop_if(|c| *c == '.').is_some() {
            this.precision = Some(number(&mut chars)??);
        }
        this.ty = chars.pop_if(|c| "bdoxXneEfFgGs".contains(*c));
        (chars.is_empty() && this.width.max(this.precision.unwrap_or(0)) <= WIDTH_MAX).then_some(this)
    }

    /// An integer; in its plain form if the specification is for something else.
    pub(super) fn int(&self, value: i64) -> String {
        let digits = match (self.ty, self.precision) {
            (None | Some('d' | 'n'), None) => value.unsigned_abs().to_string(),
            (Some('b'), None) => format!("{:b}", value.unsigned_abs()),
            (Some('o'), None) => format!("{:o}", value.unsigned_abs()),
            (Some('x'), None) => format!("{:x}", value.unsigned_abs()),
            (Some('X'), None) => format!("{:X}", value.unsigned_abs()),
            (Some('e' | 'E' | 'f' | 'F'), _) => return self.float(value as f64),
            _ => return value.to_string(),
        };
        self.pad(self.sign_of(value < 0), &digits, Align::Right)
    }

    /// A float; in its plain form if the specification is for something else.
    pub(super) fn float(&self, value: f64) -> String {
        let magnitude = value.abs();
        let precision = self.precision.unwrap_or(6);
        let digits = match self.ty {
            Some('f' | 'F') => format!("{magnitude:.precision$}"),
            Some('e') => exponential(&format!("{magnitude:.precision$e}")),
            Some('E') => exponential(&format!("{magnitude:.precision$E}")),
            None if self.precision.is_none() => crate::formatters::float_repr(magnitude),
            _ => return crate::formatters::float_repr(value),
        };
        self.pad(self.sign_of(value.is_sign_negative()), &digits, Align::Right)
    }

    /// A text; as it is if the specification is for something else.
    pub(super) fn text(&self, value: &str) -> String {
        let fits =
            matches!(self.ty, None | Some('s')) && self.sign.is_none() && self.align != Some(Align::Inside);
        if !fits {
            return value.to_owned();
        }
        match self.precision {
            None => self.pad("", value, Align::Left),
            Some(precision) => self.pad("", &value.chars().take(precision).collect::<String>(), Align::Left),
        }
    }

    fn sign_of(&self, negative: bool) -> &'static str {
        match (negative, self.sign) {
            (true, _) => "-",
            (false, Some('+')) => "+",
            (false, Some(' ')) => " ",
            _ => "",
        }
    }

    fn pad(&self, sign: &str, body: &str, natural: Align) -> String {
        let fill = self.fill.unwrap_or(if self.zero { '0' } else { ' ' });
        let align = match self.align {
            Some(align) => align,
            None if self.zero && natural == Align::Right => Align::Inside,
            None => natural,
        };
        let missing = self.width.saturating_sub(sign.chars().count() + body.chars().count());
        let fills = |count: usize| std::iter::repeat_n(fill, count).collect::<String>();
        match align {
            Align::Left => format!("{sign}{body}{}", fills(missing)),
            Align::Right => format!("{}{sign}{body}", fills(missing)),
            Align::Centre => format!("{}{sign}{body}{}", fills(missing / 2), fills(missing - missing / 2)),
            Align::Inside => format!("{sign}{}{body}", fills(missing)),
        }
    }
}

/// The number at the end of reversed characters; none within if there is none, none at all if it is too large.
#[expect(clippy::option_option, reason = "absent and unreadable differ")]
fn number(reversed: &mut Vec<char>) -> Option<Option<usize>> {
    let mut digits = String::new();
    while let Some(digit) = reversed.pop_if(|c| c.is_ascii_digit()) {
        digits.push(digit);
    }
    if digits.is_empty() { Some(None) } else { digits.parse().ok().map(Some) }
}

/// The exponent as Python writes it: with a sign, and two digits at least.
fn exponential(text: &str) -> String {
    let Some(at) = text.find(['e', 'E']) else { return text.to_owned() };
    let (digits, exponent) = text.split_at(at);
    let (letter, exponent) = exponent.split_at(1);
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}{letter}{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of Python 3.11.
    #[test]
    fn values_are_formatted_as_python_does() {
        let spec = |text: &str| FormatSpec::parse(text).unwrap_or_else(|| panic!("{text}"));
        for (text, value, expected) in [
            ("", 5, "5"),
            ("08d", 42, "00000042"),
            ("08d", -42, "-0000042"),
            (">04", 5, "0005"),
            ("<04", 5, "5000"),
            ("*^7", 5, "***5***"),
            ("+d", 5, "+5"),
            (" d", 5, " 5"),
            ("x", 255, "ff"),
            ("04X", 255, "00FF"),
            ("b", -5, "-101"),
            ("o", 8, "10"),
            (".2f", 5, "5.00"),
            ("e", 12345, "1.234500e+04"),
            ("s", 5, "5"),
            ("3", i64::MIN, "-9223372036854775808"),
        ] {
            assert_eq!(spec(text).int(value), expected, "{text}");
        }
        for (text, value, expected) in [
            ("", 30.0, "30.0"),
            (".1f", 30.25, "30.2"),
            ("08.2f", -1.5, "-0001.50"),
            (".1e", 0.000_012, "1.2e-05"),
            ("d", 1.5, "1.5"),
            ("7", 1.5, "    1.5"),
        ] {
            assert_eq!(spec(text).float(value), expected, "{text}");
        }
        for (text, value, expected) in [
            ("", "ab", "ab"),
            (">04", "ab", "00ab"),
            ("04", "ab", "ab00"),
            ("5", "ab", "ab   "),
            ("é>4", "ä", "éééä"),
            (".1", "ab", "a"),
            ("04d", "ab", "ab"),
            ("=4", "ab", "ab"),
        ] {
            assert_eq!(spec(text).text(value), expected, "{text}");
        }
    }

    #[test]
    fn malformed_specifications_are_none() {
        for text in ["q", "3q", ".", "d3", "99999999999999999999", "201", ",", "_d", "!r", "{}", "%"] {
            assert_eq!(FormatSpec::parse(text), None, "{text}");
        }
    }
}
