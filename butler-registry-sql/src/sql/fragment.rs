//! Pieces of SQL with the values bound in them, and the statements that they become.

use std::fmt::Write as _;

use butler_core::backend::Value;

/// Stands for a bound value in the text of a fragment; no identifier contains it.
const MARK: char = '\u{1}';

/// A value bound in a statement.
#[derive(Clone, Debug)]
pub(crate) enum Bind {
    /// A value other than NULL.
    Value(Value),
    /// NULL, where its type does not matter.
    #[cfg(feature = "sqlite")]
    Null,
    /// A column of the caller's rows, as an array.
    #[cfg(feature = "postgres")]
    Array(crate::postgres::ArrayColumn),
}

/// SQL text with values bound in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fragment {
    text: String,
    binds: Vec<Bind>,
}

impl Fragment {
    /// Text without values.
    pub(crate) fn sql(text: impl Into<String>) -> Self {
        Self { text: text.into(), binds: Vec::new() }
    }

    /// Nothing, with room for text.
    pub(crate) fn with_capacity(length: usize) -> Self {
        Self { text: String::with_capacity(length), binds: Vec::new() }
    }

    /// Appends the name of a column by its position.
    pub(crate) fn push_name(&mut self, index: usize) {
        // Writing to a string does not fail.
        let _ = write!(self.text, " AS c{index}");
    }

    /// A bound value.
    pub(crate) fn bind(bind: Bind) -> Self {
        Self { text: MARK.into(), binds: vec![bind] }
    }

    /// A quoted identifier.
    pub(crate) fn identifier(name: &str) -> Self {
        Self::sql(quoted(name))
    }

    /// Appends text.
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Appends a copy of another fragment.
    pub(crate) fn copy(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        self.binds.extend_from_slice(&other.binds);
    }

    /// Appends copies of other fragments, with a separator between them.
    pub(crate) fn copy_all<'a>(&mut self, others: impl IntoIterator<Item = &'a Self>, separator: &str) {
        for (index, other) in others.into_iter().enumerate() {
            if index > 0 {
                self.push(separator);
            }
            self.copy(other);
        }
    }

    /// Appends another fragment.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.text.push_str(&other.text);
        self.binds.append(&mut other.binds);
    }

    /// This, followed by text.
    #[must_use]
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.push(text);
        self
    }

    /// This, followed by another fragment.
    #[must_use]
    pub(crate) fn then(mut self, other: Self) -> Self {
        self.append(other);
        self
    }

    /// Fragments with a separator between them.
    pub(crate) fn join(parts: impl IntoIterator<Item = Self>, separator: &str) -> Self {
        let mut all = Self::default();
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                all.push(separator);
            }
            all.append(part);
        }
        all
    }

    /// Length of the text.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Number of bound values.
    pub(crate) fn bind_count(&self) -> usize {
        self.binds.len()
    }

    /// Text between bound values, each but the first after one of them.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (Option<&Bind>, &str)> {
        let mut binds = self.binds.iter();
        self.text
            .split(MARK)
            .enumerate()
            .map(move |(index, text)| (if index == 0 { None } else { binds.next() }, text))
    }

    /// The text, with marks for values.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The text for people, with question marks for values.
    pub(crate) fn display(&self) -> String {
        self.text.replace(MARK, "?")
    }
}

/// An identifier in quotes, as both dialects want it.
pub(crate) fn quoted(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    push_quoted(&mut text, name);
    text
}

/// Appends an identifier in quotes.
pub(crate) fn push_quoted(text: &mut String, name: &str) {
    text.push('"');
    if name.contains(['"', MARK, '\0']) {
        // No name of a table has the others: the statement fails as for any unknown name.
        text.push_str(&name.replace('"', "\"\"").replace([MARK, '\0'], "?"));
    } else {
        text.push_str(name);
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_with_their_place() {
        let one = Fragment::bind(Bind::Value(1.into()));
        let two = Fragment::sql("f(").then(Fragment::bind(Bind::Value(2.into()))).text(")");
        let all = Fragment::join([one, two, Fragment::sql("x")], ", ");
        assert_eq!(all.display(), "?, f(?), x");
        let segments: Vec<_> = all.segments().map(|(bind, text)| (bind.is_some(), text)).collect();
        assert_eq!(segments, [(false, ""), (true, ", f("), (true, "), x")]);
        assert_eq!(all.bind_count(), 2);
    }

    #[test]
    fn identifiers_are_quoted() {
        assert_eq!(quoted("a\"b\u{1}\0"), "\"a\"\"b??\"");
    }
}
