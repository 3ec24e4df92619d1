//! Configuration: TOML from several sources, merged, with the origin of every value.

mod section;
mod source;
mod url;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Error, ErrorKind, Result};

pub use section::{Section, parse_duration};
pub use source::{ConfigSource, MemorySource};
pub use url::local_file;

/// Prefix of environment variables that set values: `BUTLER__REGISTRY__URL` is `registry.url`.
const ENVIRONMENT_PREFIX: &str = "BUTLER__";

/// What is printed in place of a secret.
const REDACTED: &str = "********";

/// A value, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Table(BTreeMap<String, Self>),
    Array(Vec<Self>),
    Leaf { value: toml::Value, origin: Arc<str> },
}

/// Merged configuration. Every value remembers where it comes from.
///
/// ```
/// use butler_core::Config;
///
/// # fn main() -> butler_core::Result<()> {
/// let mut config = Config::default();
/// config.merge_text("[registry]\nkind = 'sql'\ndurability = 'synced'", "defaults")?;
/// config.merge_text("registry.durability = 'fast'", "butler.toml")?;
/// let registry = config.section("registry")?;
/// assert_eq!(registry.required_text("durability")?, "fast");
/// assert_eq!(registry.required_text("kind")?, "sql");
/// registry.finish()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    root: Node,
    variables: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { root: Node::Table(BTreeMap::new()), variables: BTreeMap::new() }
    }
}

impl Config {
    /// Lets `<name>` in texts stand for a value; `<root>` is the repository's.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Merges TOML over what is there: tables are merged, everything else is replaced.
    ///
    /// # Errors
    /// `Configuration` if the text is malformed, with line and column.
    pub fn merge_text(&mut self, text: &str, origin: &str) -> Result<()> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let place = error.span().map_or_else(String::new, |span| {
                let before = &text[..span.start.min(text.len())];
                let line = before.matches('\n').count() + 1;
                let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
                format!(", line {line}, column {column}")
            });
            Error::new(ErrorKind::Configuration, format!("{origin}{place}: {}", error.message().trim()))
        })?;
        let origin = Arc::from(origin);
        merge(&mut self.root, node(toml::Value::Table(table), &origin));
        Ok(())
    }

    /// Merges environment variables such as `BUTLER__REGISTRY__URL` over what is there.
    ///
    /// Values are TOML where they can be read so, and texts otherwise.
    pub fn merge_environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in variables {
            let Some(path) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            let path: Vec<String> = path.split("__").map(str::to_lowercase).collect();
            if path.iter().any(String::is_empty) {
                continue;
            }
            let parsed = format!("value = {value}").parse::<toml::Table>().ok();
            let value =
                parsed.and_then(|mut table| table.remove("value")).unwrap_or(toml::Value::String(value));
            self.set(&path, value, &format!("environment variable {name}"));
        }
    }

    /// Sets one value, given by the names of the tables that lead to it and its own.
    pub fn set(&mut self, path: &[String], value: toml::Value, origin: &str) {
        let leaf = node(value, &Arc::from(origin));
        let tree =
            path.iter().rev().fold(leaf, |inner, name| Node::Table(BTreeMap::from([(name.clone(), inner)])));
        merge(&mut self.root, tree);
    }

    /// A table at the top level; one that is not there is empty.
    ///
    /// # Errors
    /// `Configuration` if it is something else.
    pub fn section(&self, name: &str) -> Result<Section<'_>> {
        self.root_section().section(name)
    }

    /// The top level.
    #[must_use]
    pub fn root_section(&self) -> Section<'_> {
        Section::new(String::new(), self.table(), &self.variables)
    }

    fn table(&self) -> &BTreeMap<String, Node> {
        match &self.root {
            Node::Table(table) => table,
            _ => unreachable!("merging never replaces the root table"),
        }
    }

    /// All values, as they were given: nothing is expanded.
    #[must_use]
    pub fn to_table(&self) -> toml::Table {
        self.table().iter().map(|(name, node)| (name.clone(), section::plain(node))).collect()
    }

    /// All values with their origins, as TOML with comments; secrets are left out.
    ///
    /// # Errors
    /// `NotFound` if a subset is asked for that is not there.
    pub fn dump(&self, subset: Option<&str>) -> Result<String> {
        let mut lines = Vec::new();
        dump(&self.root, String::new(), &mut lines);
        if let Some(subset) = subset {
            let inside = format!("{subset}.");
            lines.retain(|(path, _)| path == subset || path.starts_with(&inside));
            if lines.is_empty() {
                return Err(Error::new(ErrorKind::NotFound, format!("configuration has no key '{subset}'")));
            }
        }
        Ok(lines.into_iter().map(|(_, line)| line + "\n").collect())
    }
}

fn node(value: toml::Value, origin: &Arc<str>) -> Node {
    match value {
        toml::Value::Table(table) => {
            Node::Table(table.into_iter().map(|(name, value)| (name, node(value, origin))).collect())
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            Node::Array(items.into_iter().map(|item| node(item, origin)).collect())
        }
        value => Node::Leaf { value, origin: Arc::clone(origin) },
    }
}

fn merge(old: &mut Node, new: Node) {
    match (old, new) {
        (Node::Table(old), Node::Table(new)) => {
            for (name, value) in new {
                match old.get_mut(&name) {
                    Some(old) => merge(old, value),
                    None => {
                        old.insert(name, value);
                    }
                }
            }
        }
        (old, new) => *old = new,
    }
}

fn dump(node: &Node, path: String, lines: &mut Vec<(String, String)>) {
    match node {
        Node::Table(table) => {
            for (name, value) in table {
                let name = if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                    name.clone()
                } else {
                    toml::Value::String(name.clone()).to_string()
                };
                dump(value, if path.is_empty() { name } else { format!("{path}.{name}") }, lines);
            }
        }
        Node::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                dump(item, format!("{path}[{i}]"), lines);
            }
        }
        Node::Leaf { value, origin } => {
            let shown = redact(&path, value);
            lines.push((path.clone(), format!("{path} = {shown}  # {origin}")));
        }
    }
}

fn redact(path: &str, value: &toml::Value) -> String {
    const SECRETS: [&str; 6] = ["password", "secret", "token", "credential", "access_key", "private_key"];
    let name = path.rsplit('.').next().unwrap_or(path).to_lowercase();
    // What HTTP headers say is mostly who is allowed to.
    if SECRETS.iter().any(|secret| name.contains(secret)) || path.contains(".headers.") {
        return format!("\"{REDACTED}\"");
    }
    without_secrets(&name, value).to_string()
}

fn without_secrets(name: &str, value: &toml::Value) -> toml::Value {
    match value {
        // Whoever knows the path of a webhook may use it.
        toml::Value::String(text) if name == "to" && text.to_lowercase().starts_with("http") => {
            let (scheme, rest) = text.split_once("://").unwrap_or(("http", ""));
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = authority.rsplit('@').next().unwrap_or_default();
            toml::Value::String(format!("{scheme}://{host}/{REDACTED}"))
        }
        toml::Value::String(text) => toml::Value::String(redact_url(text)),
        toml::Value::Array(items) => {
            toml::Value::Array(items.iter().map(|item| without_secrets(name, item)).collect())
        }
        other => other.clone(),
    }
}

/// A URL without its password and without query parameters that are secret; anything else as it is.
#[must_use]
pub fn redact_url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:{REDACTED}@{host}"),
            None => format!("{user}@{host}"),
        },
        None => authority.to_owned(),
    };
    let path = match path.split_once('?') {
        None => path.to_owned(),
        Some((path, query)) => {
            let pairs: Vec<String> = query
                .split('&')
                .map(|pair| match pair.split_once('=') {
                    Some((key, _))
                        if ["key", "secret", "token", "password", "signature"]
                            .iter()
                            .any(|word| key.to_lowercase().contains(word)) =>
                    {
                        format!("{key}={REDACTED}")
                    }
                    _ => pair.to_owned(),
                })
                .collect();
            format!("{path}?{}", pairs.join("&"))
        }
    };
    format!("{scheme}://{authority}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let mut config = Config::default();
        config
            .merge_text(
                "[registry]\nkind = 'sql'\nurl = 'postgresql://me:pw@host/db?password=x&schema=s'",
                "defaults",
            )
            .unwrap();
        config
            .merge_text(
                "[[datastore.children]]\nroot = '<root>/a'\n[[datastore.children]]\nroot = '${HOME_X}/b'",
                "butler.toml",
            )
            .unwrap();
        config
    }

    #[test]
    fn later_sources_win_and_origins_are_kept() {
        let mut config = config();
        config.merge_environment([
            ("BUTLER__REGISTRY__POOL".into(), "7".into()),
            ("BUTLER__REGISTRY__KIND".into(), "other".into()),
            ("BUTLER__".into(), "x".into()),
            ("PATH".into(), "x".into()),
        ]);
        let dump = config.dump(None).unwrap();
        assert_eq!(
            dump,
            "datastore.children[0].root = \"<root>/a\"  # butler.toml\n\
             datastore.children[1].root = \"${HOME_X}/b\"  # butler.toml\n\
             registry.kind = \"other\"  # environment variable BUTLER__REGISTRY__KIND\n\
             registry.pool = 7  # environment variable BUTLER__REGISTRY__POOL\n\
             registry.url = \"postgresql://me:********@host/db?password=********&schema=s\"  # defaults\n"
        );
        assert_eq!(config.dump(Some("registry.kind")).unwrap().lines().count(), 1);
        assert_eq!(config.dump(Some("nix")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn malformed_text_is_told_with_its_place() {
        let error = Config::default().merge_text("a = 1\nb = = 2", "butler.toml").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().starts_with("butler.toml, line 2, column"), "{error}");
    }

    #[test]
    fn secrets_are_never_shown() {
        let mut config = Config::default();
        config.merge_text("[datastore]\nsecret_access_key = 'hush'\nroot = 's3://k:hush@b/p'", "x").unwrap();
        config
            .merge_text(
                "[[s]]\nto = ['unix:/s', 'https://u:hush@h:1/hush?x=hush']\nheaders = { Authorization = 'hush' }",
                "x",
            )
            .unwrap();
        let dump = config.dump(None).unwrap();
        assert!(!dump.contains("hush") && dump.contains("\"https://h:1/********\""), "{dump}");
        assert_eq!(redact_url("plain text"), "plain text");
        assert_eq!(redact_url("http://u@h/p"), "http://u@h/p");
    }
}
