//! What is wrong with an expression, and where.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_width::UnicodeWidthStr;

use super::syntax::Span;
use crate::{Error, ErrorKind};

/// An error that points at the characters of an expression that caused it.
///
/// `Display` is one line: the message, the position, and the text there.
/// [`render`](Self::render) shows the line with the place underlined. As an
/// [`Error`] it is of kind [`InvalidQuery`](ErrorKind::InvalidQuery), with the
/// [`picture`](Self::picture) on lines of its own in the context `expression`.
///
/// ```
/// use butler_core::query::language::{Diagnostic, Span};
///
/// let diagnostic = Diagnostic::new(Span::new(0, 7), "unknown name `detectr`")
///     .with_help("did you mean `detector`?")
///     .with_source("detectr = 1");
/// assert_eq!(diagnostic.to_string(), "unknown name `detectr` (at character 1)");
/// assert_eq!(
///     diagnostic.render(),
///     "unknown name `detectr`\n  detectr = 1\n  ^^^^^^^\nhelp: did you mean `detector`?"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// What was expected and what was found: a lower-case fragment.
    pub message: String,
    /// The bytes of the source that are to blame; empty at its end.
    pub span: Span,
    /// What could stand there, for programs that complete input; empty where that is not known.
    pub expected: Vec<String>,
    /// What to do.
    pub help: Option<String>,
    /// The whole expression; empty until [`with_source`](Self::with_source) gives it.
    pub source: String,
}

/// Characters that a picture has room for before the place, for the place, and after it.
const LONGEST: usize = 60;

impl Diagnostic {
    /// A message about a part of an expression that is not at hand.
    #[must_use]
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), span, expected: Vec::new(), help: None, source: String::new() }
    }

    /// Says what could stand there.
    #[must_use]
    pub fn with_expected(mut self, expected: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.expected = expected.into_iter().map(Into::into).collect();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Gives the expression that the span is about.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// Where the place begins, in characters; the first one is 1.
    #[must_use]
    pub fn character(&self) -> usize {
        self.source[..self.start()].chars().count() + 1
    }

    /// The message, the [`picture`](Self::picture) and the help, without a newline at the end.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("{}\n{}", self.message, self.picture());
        if let Some(help) = &self.help {
            text.push_str("\nhelp: ");
            text.push_str(help);
        }
        text
    }

    /// The line of the expression, and below it one that underlines the place.
    ///
    /// Of an expression of several lines it is the one where the place begins,
    /// with its number; of a long line the part around the place. Columns are
    /// counted as terminals do, approximately; there are no colours.
    #[must_use]
    pub fn picture(&self) -> String {
        let start = self.start();
        let first = self.source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let last = self.source[start..].find('\n').map_or(self.source.len(), |newline| start + newline);
        let gutter = if self.source.trim_end().contains('\n') {
            format!("  {} | ", self.source[..start].matches('\n').count() + 1)
        } else {
            "  ".to_owned()
        };
        let before = keep_end(&self.source[first..start]);
        let place = keep_start(self.fragment());
        let after = keep_start(self.source[start + self.fragment().len()..last].trim_end());
        let indent = " ".repeat(gutter.width() + before.width());
        let underline = "^".repeat(place.width().max(1));
        format!("{gutter}{before}{place}{after}\n{indent}{underline}")
    }

    /// Where the place begins, a character boundary inside the source whatever the span says.
    fn start(&self) -> usize {
        self.source.floor_char_boundary(self.span.start)
    }

    /// The text of the place, up to the end of its first line.
    fn fragment(&self) -> &str {
        let start = self.start();
        let end = self.source.floor_char_boundary(self.span.end.max(start));
        self.source[start..end].lines().next().unwrap_or_default()
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.source.is_empty() {
            return Ok(());
        }
        let fragment = keep_start(self.fragment());
        if fragment.is_empty() || self.message.contains(&format!("`{fragment}`")) {
            write!(f, " (at character {})", self.character())
        } else {
            write!(f, " (at character {}, `{fragment}`)", self.character())
        }
    }
}

impl std::error::Error for Diagnostic {}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        let mut error = Self::new(ErrorKind::InvalidQuery, diagnostic.to_string());
        if !diagnostic.source.is_empty() {
            error = error.with_context("expression", format_args!("\n{}", diagnostic.picture()));
        }
        match diagnostic.help {
            Some(help) => error.with_hint(help),
            None => error,
        }
    }
}

/// Text in backquotes for a message, cut where it is too long for one.
pub(super) fn quote(text: &str) -> String {
    format!("`{}`", keep_start(text))
}

/// As much of a text as a picture has room for, control characters made spaces.
fn keep_start(text: &str) -> String {
    let cut = text.char_indices().nth(LONGEST);
    cut.map_or_else(|| printable(text), |(at, _)| printable(&text[..at]) + "…")
}

fn keep_end(text: &str) -> String {
    let cut = text.char_indices().rev().nth(LONGEST - 1).filter(|(at, _)| *at > 0);
    cut.map_or_else(|| printable(text), |(at, _)| format!("…{}", printable(&text[at..])))
}

fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}
