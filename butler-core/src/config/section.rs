//! Reading one table of a configuration.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::Node;
use crate::{Error, ErrorKind, Result, suggest};

/// A table of a [`Config`](super::Config), read key by key.
///
/// [`finish`](Self::finish) makes an error of every key that was not asked for.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    path: String,
    table: Option<&'a BTreeMap<String, Node>>,
    variables: &'a BTreeMap<String, String>,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Section<'a> {
    pub(super) fn new(
        path: String,
        table: &'a BTreeMap<String, Node>,
        variables: &'a BTreeMap<String, String>,
    ) -> Self {
        Self { path, table: Some(table), variables, asked: RefCell::default() }
    }

    /// Where it is, such as `datastore.children[0]`; empty at the top level.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_none_or(BTreeMap::is_empty)
    }

    /// Names of its keys.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.table.into_iter().flat_map(|table| table.keys().map(String::as_str))
    }

    fn key_path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn node(&self, key: &str) -> Option<&'a Node> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.table?.get(key)
    }

    fn wrong(&self, key: &str, node: &Node, expected: &str) -> Error {
        let (found, origin) = match node {
            Node::Table(_) => ("a table".to_owned(), String::new()),
            Node::Array(_) => ("an array of tables".to_owned(), String::new()),
            Node::Leaf { value, origin } => {
                (format!("the {} {value}", value.type_str()), format!(" ({origin})"))
            }
        };
        Error::new(
            ErrorKind::Configuration,
            format!("configuration key '{}' must be {expected}, not {found}{origin}", self.key_path(key)),
        )
    }

    /// A text, with `<name>` and `${VARIABLE}` expanded.
    ///
    /// # Errors
    /// `Configuration` if it is something else, or names a variable that is not set.
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        match self.node(key) {
            None => Ok(None),
            Some(Node::Leaf { value: toml::Value::String(text), .. }) => self.expand(key, text).map(Some),
            Some(node) => Err(self.wrong(key, node, "a string")),
        }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// As [`text`](Self::text), and if there is none.
    pub fn required_text(&self, key: &str) -> Result<String> {
        self.text(key)?.ok_or_else(|| {
            Error::new(
                ErrorKind::Configuration,
                format!("configuration key '{}' is missing", self.key_path(key)),
            )
        })
    }

    /// A list of texts; a single text is a list of one.
    ///
    /// # Errors
    /// `Configuration` if it is something else.
    pub fn texts(&self, key: &str) -> Result<Vec<String>> {
        match self.node(key) {
            None => Ok(Vec::new()),
            Some(Node::Leaf { value: toml::Value::String(text), .. }) => Ok(vec![self.expand(key, text)?]),
            Some(node @ Node::Leaf { value: toml::Value::Array(items), .. }) => items
                .iter()
                .map(|item| match item {
                    toml::Value::String(text) => self.expand(key, text),
                    _ => Err(self.wrong(key, node, "a list of strings")),
                })
                .collect(),
            Some(node) => Err(self.wrong(key, node, "a list of strings")),
        }
    }

    /// A boolean.
    ///
    /// # Errors
    /// `Configuration` if it is something else.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.node(key) {
            None => Ok(None),
            Some(Node::Leaf { value: toml::Value::Boolean(value), .. }) => Ok(Some(*value)),
            Some(node) => Err(self.wrong(key, node, "true or false")),
        }
    }

    /// An integer that is not negative.
    ///
    /// # Errors
    /// `Configuration` if it is something else.
    pub fn number(&self, key: &str) -> Result<Option<u64>> {
        match self.node(key) {
            None => Ok(None),
            Some(node @ Node::Leaf { value: toml::Value::Integer(value), .. }) => {
                u64::try_from(*value).map(Some).map_err(|_| self.wrong(key, node, "an integer of at least 0"))
            }
            Some(node) => Err(self.wrong(key, node, "an integer")),
        }
    }

    /// A duration: seconds, or text such as `200ms`, `30s`, `15m`, `1h`, `2d`.
    ///
    /// # Errors
    /// `Configuration` if it is something else.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>> {
        const EXPECTED: &str = "a duration such as '200ms', '30s', '15m', '1h' or '2d'";
        match self.node(key) {
            None => Ok(None),
            Some(node @ Node::Leaf { value: toml::Value::Integer(seconds), .. }) => u64::try_from(*seconds)
                .map(|s| Some(Duration::from_secs(s)))
                .map_err(|_| self.wrong(key, node, EXPECTED)),
            Some(node @ Node::Leaf { value: toml::Value::String(text), .. }) => {
                parse_duration(text).map(Some).ok_or_else(|| self.wrong(key, node, EXPECTED))
            }
            Some(node) => Err(self.wrong(key, node, EXPECTED)),
        }
    }

    /// A table; one that is not there is empty.
    ///
    /// # Errors
    /// `Configuration` if it is something else.
    pub fn section(&self, key: &str) -> Result<Self> {
        let path = self.key_path(key);
        match self.node(key) {
            None => Ok(Section { path, table: None, variables: self.variables, asked: RefCell::default() }),
            Some(Node::Table(table)) => Ok(Section::new(path, table, self.variables)),
            Some(node) => Err(self.wrong(key, node, "a table")),
        }
    }

    /// An array of tables; one that is not there is empty.
    ///
    /// # Errors
    /// `Configuration` if it is something else.
    pub fn sections(&self, key: &str) -> Result<Vec<Self>> {
        match self.node(key) {
            None => Ok(Vec::new()),
            Some(node @ Node::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(i, item)| match item {
                    Node::Table(table) => {
                        Ok(Section::new(format!("{}[{i}]", self.key_path(key)), table, self.variables))
                    }
                    _ => Err(self.wrong(key, node, "an array of tables")),
                })
                .collect(),
            Some(Node::Leaf { value: toml::Value::Array(items), .. }) if items.is_empty() => Ok(Vec::new()),
            Some(node) => Err(self.wrong(key, node, "an array of tables")),
        }
    }

    /// Anything that can be deserialised, without expansion of texts.
    ///
    /// # Errors
    /// `Configuration` if it does not fit.
    pub fn value<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(node) = self.node(key) else { return Ok(None) };
        T::deserialize(plain(node)).map(Some).map_err(|error| {
            Error::new(
                ErrorKind::Configuration,
                format!(
                    "configuration key '{}' cannot be read: {}",
                    self.key_path(key),
                    error.message().trim()
                ),
            )
        })
    }

    /// Makes an error of every key that nobody asked for.
    ///
    /// # Errors
    /// `Configuration`; the message suggests the nearest known key.
    pub fn finish(&self) -> Result<()> {
        let asked = self.asked.borrow();
        let Some(unknown) = self.keys().find(|key| !asked.contains(*key)) else { return Ok(()) };
        let origin = self.table.and_then(|table| table.get(unknown)).and_then(first_origin);
        let place = origin.map_or_else(String::new, |origin| format!(" ({origin})"));
        let error = Error::new(
            ErrorKind::Configuration,
            format!("configuration key '{}' is unknown{place}", self.key_path(unknown)),
        );
        Err(match suggest::nearest(unknown, asked.iter().map(String::as_str)) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None => {
                let known: Vec<&str> = asked.iter().map(String::as_str).collect();
                error.with_hint(format!("there are {}", known.join(", ")))
            }
        })
    }

    /// Expands `<name>` for known names and `${VARIABLE}` from the environment.
    fn expand(&self, key: &str, text: &str) -> Result<String> {
        let mut expanded = text.to_owned();
        for (name, value) in self.variables {
            expanded = expanded.replace(&format!("<{name}>"), value);
        }
        while let Some(begin) = expanded.find("${") {
            let Some(len) = expanded[begin..].find('}') else { break };
            let name = expanded[begin + 2..begin + len].to_owned();
            let value = std::env::var(&name).map_err(|_| {
                Error::new(
                    ErrorKind::Configuration,
                    format!(
                        "configuration key '{}' names the environment variable '{name}', which is not set",
                        self.key_path(key)
                    ),
                )
            })?;
            if value.contains("${") {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!("the environment variable '{name}' must not name variables itself"),
                ));
            }
            expanded.replace_range(begin..=begin + len, &value);
        }
        Ok(expanded)
    }
}

fn first_origin(node: &Node) -> Option<&str> {
    match node {
        Node::Leaf { origin, .. } => Some(origin),
        Node::Table(table) => table.values().find_map(first_origin),
        Node::Array(items) => items.iter().find_map(first_origin),
    }
}

pub(super) fn plain(node: &Node) -> toml::Value {
    match node {
        Node::Table(table) => {
            table.iter().map(|(name, node)| (name.clone(), plain(node))).collect::<toml::Table>().into()
        }
        Node::Array(items) => toml::Value::Array(items.iter().map(plain).collect()),
        Node::Leaf { value, .. } => value.clone(),
    }
}

/// Reads `200ms`, `30s`, `15m`, `1h`, `2d`; a number alone is seconds.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let seconds = |unit: u64| number.checked_mul(unit).map(Duration::from_secs);
    match &text[digits..] {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => seconds(1),
        "m" | "min" => seconds(60),
        "h" => seconds(3600),
        "d" => seconds(86_400),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Config, ErrorKind};
    use std::time::Duration;

    fn config(text: &str) -> Config {
        let mut config = Config::default();
        config.merge_text(text, "butler.toml").unwrap();
        config.set_variable("root", "/repo");
        config
    }

    #[test]
    fn values_are_read_by_type() {
        let config = config(
            "[a]\ntext = '<root>/x'\nlist = ['p', '<root>']\nflag = true\nnumber = 3\nwait = '200ms'\n[[a.items]]\nname = 'i'\n[a.map]\nk = 'v'",
        );
        let a = config.section("a").unwrap();
        assert_eq!(a.text("text").unwrap().unwrap(), "/repo/x");
        assert_eq!(a.texts("list").unwrap(), ["p", "/repo"]);
        assert_eq!(a.flag("flag").unwrap(), Some(true));
        assert_eq!(a.number("number").unwrap(), Some(3));
        assert_eq!(a.duration("wait").unwrap(), Some(Duration::from_millis(200)));
        assert_eq!(a.sections("items").unwrap()[0].required_text("name").unwrap(), "i");
        let map: std::collections::BTreeMap<String, String> = a.value("map").unwrap().unwrap();
        assert_eq!(map["k"], "v");
        assert_eq!(a.text("absent").unwrap(), None);
        a.finish().unwrap();
    }

    #[test]
    fn wrong_types_and_unknown_keys_are_told_with_place_and_origin() {
        let config = config("[registry]\nurl = 7\ndurabilty = 'fast'");
        let registry = config.section("registry").unwrap();
        let error = registry.text("url").unwrap_err();
        assert_eq!(
            error.to_string(),
            "configuration key 'registry.url' must be a string, not the integer 7 (butler.toml)"
        );
        registry.text("durability").unwrap();
        let error = registry.finish().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert_eq!(
            error.to_string(),
            "configuration key 'registry.durabilty' is unknown (butler.toml); did you mean 'durability'?"
        );
    }

    #[test]
    fn unset_variables_are_errors() {
        let config = config("x = '${SURELY_NOT_SET_ANYWHERE}'");
        assert!(config.root_section().text("x").unwrap_err().to_string().contains("not set"));
    }
}
