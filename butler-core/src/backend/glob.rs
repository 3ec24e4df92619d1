//! Patterns with `*` and `?`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A pattern for whole texts: `*` stands for any run of characters, `?` for one,
/// a backslash takes the special meaning from what follows, everything else is itself.
///
/// ```
/// use butler_core::backend::GlobPattern;
///
/// let pattern = GlobPattern::new("A*_?");
/// assert!(pattern.matches("Abc_d"));
/// assert!(!pattern.matches("Abc_"));
/// assert!(GlobPattern::new(r"\*").matches("*"));
/// assert!(GlobPattern::new("[a]").matches("[a]"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GlobPattern(String);

/// Part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobPart {
    /// Any run of characters, also none.
    Run,
    /// Any one character.
    One,
    /// This character.
    Literal(char),
}

impl GlobPattern {
    /// A pattern; every text is one. A backslash at the end is itself.
    #[must_use]
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The text of the pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts, from left to right.
    pub fn parts(&self) -> impl Iterator<Item = GlobPart> + '_ {
        let mut chars = self.0.chars();
        std::iter::from_fn(move || {
            Some(match chars.next()? {
                '*' => GlobPart::Run,
                '?' => GlobPart::One,
                '\\' => GlobPart::Literal(chars.next().unwrap_or('\\')),
                other => GlobPart::Literal(other),
            })
        })
    }

    /// Whether a whole text fits.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let parts: Vec<GlobPart> = self.parts().collect();
        let text: Vec<char> = text.chars().collect();
        let (mut part, mut at) = (0, 0);
        // Where to go on after a mismatch: behind the last run, which then takes one character more.
        let mut retry: Option<(usize, usize)> = None;
        while at < text.len() {
            match parts.get(part) {
                Some(GlobPart::Run) => {
                    retry = Some((part + 1, at));
                    part += 1;
                }
                Some(GlobPart::One) => (part, at) = (part + 1, at + 1),
                Some(GlobPart::Literal(c)) if *c == text[at] => (part, at) = (part + 1, at + 1),
                _ => match &mut retry {
                    Some((after, begin)) => {
                        *begin += 1;
                        (part, at) = (*after, *begin);
                    }
                    None => return false,
                },
            }
        }
        parts[part..].iter().all(|part| *part == GlobPart::Run)
    }
}

impl fmt::Display for GlobPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Vectors of the reference: matches among the purposes and names of four detectors.
    #[test]
    fn matches_as_the_reference() {
        let names = ["Aa", "Ab", "Ba", "Bb"];
        let count =
            |pattern: &str| names.iter().filter(|name| GlobPattern::new(pattern).matches(name)).count();
        let cases = [
            ("*", 4),
            (r"\*", 0),
            ("A*", 2),
            ("A?", 2),
            ("??", 4),
            ("*a", 2),
            ("A[ab]", 0),
            ("%", 0),
            ("__", 0),
            ("a", 0),
            ("", 0),
        ];
        for (pattern, expected) in cases {
            assert_eq!(count(pattern), expected, "{pattern}");
        }
        assert!(GlobPattern::new("*EN?E").matches("SCIENCE"));
        assert!(!GlobPattern::new(r"\*CIENC\*").matches("SCIENCE"));
    }

    fn naive(parts: &[GlobPart], text: &[char]) -> bool {
        match (parts.first(), text.first()) {
            (None, None) => true,
            (Some(GlobPart::Run), _) => {
                naive(&parts[1..], text) || (!text.is_empty() && naive(parts, &text[1..]))
            }
            (Some(GlobPart::One), Some(_)) => naive(&parts[1..], &text[1..]),
            (Some(GlobPart::Literal(c)), Some(d)) if c == d => naive(&parts[1..], &text[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in r"[ab*?\\]{0,8}", text in "[ab*?]{0,8}") {
            let pattern = GlobPattern::new(pattern);
            let parts: Vec<_> = pattern.parts().collect();
            let chars: Vec<_> = text.chars().collect();
            prop_assert_eq!(pattern.matches(&text), naive(&parts, &chars));
        }
    }
}
