//! Names and patterns of collections and dataset types.

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

/// A name, or a pattern that matches names as a shell does: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "ArcStr", into = "ArcStr")]
pub struct NamePattern(ArcStr);

impl NamePattern {
    /// A name or pattern.
    #[must_use]
    pub fn new(text: impl Into<ArcStr>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &ArcStr {
        &self.0
    }

    /// Whether it is a pattern, not a name.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        self.0.contains(['*', '?', '['])
    }

    /// Whether a name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        if !self.is_glob() {
            return self.0 == name;
        }
        matches(&parse(&self.0), &name.chars().collect::<Vec<_>>())
    }
}

impl From<ArcStr> for NamePattern {
    fn from(text: ArcStr) -> Self {
        Self(text)
    }
}

impl From<NamePattern> for ArcStr {
    fn from(pattern: NamePattern) -> Self {
        pattern.0
    }
}

impl From<&str> for NamePattern {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

#[derive(Debug)]
enum Part {
    Run,
    One,
    Literal(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Part {
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::Run => false,
            Self::One => true,
            Self::Literal(literal) => *literal == c,
            Self::Class { negated, ranges } => ranges.iter().any(|(a, b)| (*a..=*b).contains(&c)) != *negated,
        }
    }
}

fn parse(pattern: &str) -> Vec<Part> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut parts = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let part = match chars[at] {
            '*' => Part::Run,
            '?' => Part::One,
            '[' => match parse_class(&chars[at + 1..]) {
                Some((class, len)) => {
                    at += len;
                    class
                }
                // A bracket that nothing closes is itself.
                None => Part::Literal('['),
            },
            other => Part::Literal(other),
        };
        parts.push(part);
        at += 1;
    }
    parts
}

/// Reads a class after its opening bracket; also its length with the closing one.
fn parse_class(chars: &[char]) -> Option<(Part, usize)> {
    let negated = chars.first() == Some(&'!');
    let begin = usize::from(negated);
    // A closing bracket that comes first is a member.
    let end = begin + 1 + chars.get(begin + 1..)?.iter().position(|&c| c == ']')?;
    let members = &chars[begin..end];
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < members.len() {
        if at + 2 < members.len() && members[at + 1] == '-' {
            ranges.push((members[at], members[at + 2]));
            at += 3;
        } else {
            ranges.push((members[at], members[at]));
            at += 1;
        }
    }
    Some((Part::Class { negated, ranges }, end + 1))
}

fn matches(parts: &[Part], text: &[char]) -> bool {
    let (mut part, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match parts.get(part) {
            Some(Part::Run) => {
                retry = Some((part + 1, at));
                part += 1;
            }
            Some(other) if other.accepts(text[at]) => (part, at) = (part + 1, at + 1),
            _ => match &mut retry {
                Some((after, begin)) => {
                    *begin += 1;
                    (part, at) = (*after, *begin);
                }
                None => return false,
            },
        }
    }
    parts[part..].iter().all(|part| matches!(part, Part::Run))
}

/// Names and patterns in the order given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NamePatterns(Vec<NamePattern>);

impl NamePatterns {
    /// The pattern that every name matches.
    #[must_use]
    pub fn all() -> Self {
        Self(vec!["*".into()])
    }

    /// The patterns.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &NamePattern> {
        self.0.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them is a pattern, not a name: then the order means nothing.
    #[must_use]
    pub fn has_globs(&self) -> bool {
        self.0.iter().any(NamePattern::is_glob)
    }

    /// Whether a name matches one of them.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }
}

impl<P: Into<NamePattern>> FromIterator<P> for NamePatterns {
    fn from_iter<I: IntoIterator<Item = P>>(patterns: I) -> Self {
        Self(patterns.into_iter().map(Into::into).collect())
    }
}

/// One name or pattern.
impl From<&str> for NamePatterns {
    fn from(text: &str) -> Self {
        Self(vec![text.into()])
    }
}

/// Several names or patterns.
impl<const N: usize> From<[&str; N]> for NamePatterns {
    fn from(texts: [&str; N]) -> Self {
        texts.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_a_shell_does() {
        let cases = [
            ("imported_?", "imported_g", true),
            ("imported_?", "imported_", false),
            ("calib/*", "calib/a/b", true),
            ("[ab]*", "bias", true),
            ("[!ab]*", "bias", false),
            ("[a-c]x", "bx", true),
            ("[]x]", "]", true),
            ("[x", "[x", true),
            ("[a-]", "-", true),
            ("*", "", true),
            ("plain", "plain", true),
            ("plain", "plainer", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(NamePattern::new(pattern).matches(name), expected, "{pattern} {name}");
        }
        assert!(!NamePattern::new("plain").is_glob());
    }
}
