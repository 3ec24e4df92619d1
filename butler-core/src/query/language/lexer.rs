//! Text to tokens.

use super::diagnostic::Diagnostic;
use super::syntax::{ArithmeticOp, CompareOp, Span};

/// A token; its text is that of its span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Name without a dot that is no keyword.
    Word,
    /// Name with one or two dots.
    Path,
    Bind,
    Integer,
    Float,
    String,
    Time,
    Or,
    And,
    Not,
    In,
    Open,
    Close,
    Comma,
    Colon,
    DotDot,
    Compare(CompareOp),
    Arithmetic(ArithmeticOp),
    End,
}

use TokenKind as Kind;

const KEYWORDS: [(&str, Kind); 5] = [
    ("OR", Kind::Or),
    ("AND", Kind::And),
    ("NOT", Kind::Not),
    ("IN", Kind::In),
    ("OVERLAPS", Kind::Compare(CompareOp::Overlaps)),
];

const QUOTES: &str = "strings are written in straight single quotes: 'text'";

/// What begins with these characters, the first that fits: a token, or what to
/// write instead of something known from other languages.
const SYMBOLS: [(&str, Result<Kind, &str>); 29] = [
    ("==", Err("write `=`")),
    ("<>", Err("write `!=`")),
    ("=<", Err("write `<=`")),
    ("=>", Err("write `>=`")),
    ("&&", Err("write `AND`")),
    ("||", Err("write `OR`")),
    ("..", Ok(Kind::DotDot)),
    ("!=", Ok(Kind::Compare(CompareOp::NotEqual))),
    ("<=", Ok(Kind::Compare(CompareOp::LessEqual))),
    (">=", Ok(Kind::Compare(CompareOp::GreaterEqual))),
    ("=", Ok(Kind::Compare(CompareOp::Equal))),
    ("<", Ok(Kind::Compare(CompareOp::Less))),
    (">", Ok(Kind::Compare(CompareOp::Greater))),
    ("+", Ok(Kind::Arithmetic(ArithmeticOp::Add))),
    ("-", Ok(Kind::Arithmetic(ArithmeticOp::Subtract))),
    ("*", Ok(Kind::Arithmetic(ArithmeticOp::Multiply))),
    ("/", Ok(Kind::Arithmetic(ArithmeticOp::Divide))),
    ("%", Ok(Kind::Arithmetic(ArithmeticOp::Modulo))),
    ("(", Ok(Kind::Open)),
    (")", Ok(Kind::Close)),
    (",", Ok(Kind::Comma)),
    (":", Ok(Kind::Colon)),
    ("!", Err("write `NOT`")),
    (".", Err("the words of a name are joined by dots without space: `visit.exposure_time`")),
    ("\"", Err(QUOTES)),
    ("‘", Err(QUOTES)),
    ("’", Err(QUOTES)),
    ("“", Err(QUOTES)),
    ("”", Err(QUOTES)),
];

/// Splits a text into tokens, one at a time, so that of several errors the first is reported.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token; after the last one `End`, as often as asked.
    pub(super) fn next(&mut self) -> Result<Token, Box<Diagnostic>> {
        let start = self.run(self.at, |byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        let (kind, end) = match (self.byte(start), self.byte(start + 1)) {
            (None, _) => (Kind::End, start),
            (Some(b'\''), _) => (Kind::String, self.string(start, start + 1)?),
            (Some(b't' | b'T'), Some(b'\'')) => (Kind::Time, self.string(start, start + 2)?),
            (Some(b'0'..=b'9'), _) | (Some(b'.'), Some(b'0'..=b'9')) => self.number(start),
            (Some(byte), _) if begins_word(byte) => self.name(start)?,
            (Some(b':'), Some(byte)) if begins_word(byte) => {
                (Kind::Bind, self.run(start + 1, continues_word))
            }
            _ => self.symbol(start)?,
        };
        self.at = end;
        Ok(Token { kind, span: Span::new(start, end) })
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// Where the bytes that `accept` takes end.
    fn run(&self, from: usize, accept: impl Fn(u8) -> bool) -> usize {
        self.text.as_bytes()[from..]
            .iter()
            .position(|byte| !accept(*byte))
            .map_or(self.text.len(), |n| from + n)
    }

    /// End of a string whose content begins at `at`; two quotes in it are one.
    fn string(&self, start: usize, mut at: usize) -> Result<usize, Box<Diagnostic>> {
        loop {
            at = self.run(at, |byte| byte != b'\'' && byte != b'\n');
            if self.byte(at) != Some(b'\'') {
                let diagnostic = Diagnostic::new(Span::new(start, at), "this string is not closed")
                    .with_help("a string ends with `'` on the line it begins; write `''` for a quote in it");
                return Err(Box::new(diagnostic));
            }
            if self.byte(at + 1) != Some(b'\'') {
                return Ok(at + 1);
            }
            at += 2;
        }
    }

    /// `1`, `1.`, `1.5`, `.5`, each but the first possibly without an exponent; in `1..2` the `1`.
    fn number(&self, start: usize) -> (Kind, usize) {
        let digit = |byte: u8| byte.is_ascii_digit();
        let mut kind = Kind::Integer;
        let mut end = self.run(start, digit);
        if self.byte(end) == Some(b'.') && self.byte(end + 1) != Some(b'.') {
            kind = Kind::Float;
            end = self.run(end + 1, digit);
        }
        if matches!(self.byte(end), Some(b'e' | b'E')) {
            let digits = end + 1 + usize::from(matches!(self.byte(end + 1), Some(b'+' | b'-')));
            if self.byte(digits).is_some_and(digit) {
                kind = Kind::Float;
                end = self.run(digits, digit);
            }
        }
        (kind, end)
    }

    /// A keyword or a name.
    fn name(&self, start: usize) -> Result<(Kind, usize), Box<Diagnostic>> {
        let mut end = self.run(start, continues_word);
        let mut words = 1;
        while self.byte(end) == Some(b'.') && self.byte(end + 1).is_some_and(begins_word) {
            end = self.run(end + 1, continues_word);
            words += 1;
        }
        let kind = match words {
            1 => KEYWORDS
                .iter()
                .find(|(word, _)| word.eq_ignore_ascii_case(&self.text[start..end]))
                .map_or(Kind::Word, |(_, kind)| *kind),
            2 | 3 => Kind::Path,
            _ => {
                let message = format!("a name has three words at most, this one has {words}");
                return Err(Box::new(Diagnostic::new(Span::new(start, end), message)));
            }
        };
        Ok((kind, end))
    }

    fn symbol(&self, start: usize) -> Result<(Kind, usize), Box<Diagnostic>> {
        let rest = &self.text[start..];
        if let Some((symbol, meaning)) = SYMBOLS.iter().find(|(symbol, _)| rest.starts_with(symbol)) {
            let end = start + symbol.len();
            return meaning.map(|kind| (kind, end)).map_err(|help| {
                Box::new(
                    Diagnostic::new(Span::new(start, end), format!("unexpected `{symbol}`")).with_help(help),
                )
            });
        }
        let found = rest.chars().next().unwrap_or_default();
        let span = Span::new(start, start + found.len_utf8());
        let message = if found.is_whitespace() || found.is_control() {
            format!("unexpected character U+{:04X}", u32::from(found))
        } else {
            format!("unexpected character `{found}`")
        };
        Err(Box::new(Diagnostic::new(span, message)))
    }
}

const fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

const fn continues_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
