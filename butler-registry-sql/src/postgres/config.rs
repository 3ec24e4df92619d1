//! What a PostgreSQL database is opened with.

use std::fmt;

use butler_core::{Error, ErrorKind, Result};

use crate::config::Durability;

/// Connections of a backend, unless said otherwise.
const CONNECTIONS: usize = 8;

/// What PostgreSQL allows a name.
const NAME_MAX: usize = 63;

/// Which PostgreSQL database, and how.
///
/// The password is shown nowhere.
///
/// ```
/// use butler_registry_sql::PostgresConfig;
///
/// let config = PostgresConfig::from_url("postgresql://me:secret@host/data?schema=survey")?;
/// assert_eq!(config.schema(), "survey");
/// assert!(format!("{config:?}").contains("postgresql://me:***@host/data"));
/// # Ok::<(), butler_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresConfig {
    /// URL for libpq.
    url: String,
    pub(crate) schema: String,
    pub(crate) durability: Durability,
    pub(crate) read_only: bool,
    pub(crate) connections: usize,
}

impl PostgresConfig {
    /// The database of a URL as libpq takes it, with one more parameter: `schema`, the PostgreSQL
    /// schema whose tables are meant; `public` if it is not given.
    ///
    /// # Errors
    /// `Configuration` if it is not such a URL, or the schema cannot be one of ours.
    pub fn from_url(url: &str) -> Result<Self> {
        let problem = |message: String| Err(Error::new(ErrorKind::Configuration, message));
        if !["postgresql://", "postgres://"].iter().any(|scheme| url.starts_with(scheme)) {
            return problem(format!("'{}' names no PostgreSQL database", redacted(url))).map_err(
                |error: Error| error.with_hint("write postgresql://user@host/database?schema=name"),
            );
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut schema = "public".to_owned();
        let mut parameters = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.strip_prefix("schema=") {
                Some(name) => schema = decoded(name),
                None => parameters.push(parameter),
            }
        }
        let reserved = schema.starts_with("pg_") || schema == "information_schema";
        if schema.is_empty() || schema.len() > NAME_MAX || schema.contains(['\0', '\u{1}']) || reserved {
            return problem(format!("'{}' cannot be the name of a schema", schema.escape_debug()));
        }
        for (name, value) in [("fallback_application_name=", "butler"), ("connect_timeout=", "20")] {
            if !parameters.iter().any(|parameter| parameter.starts_with(name)) {
                parameters.push(match value {
                    "butler" => "fallback_application_name=butler",
                    _ => "connect_timeout=20",
                });
            }
        }
        Ok(Self {
            url: format!("{base}?{}", parameters.join("&")),
            schema,
            durability: Durability::default(),
            read_only: false,
            connections: CONNECTIONS,
        })
    }

    /// Name of the schema.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Sets what a committed transaction survives.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets whether it is only read. So is a server that only follows another one, in any case.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Sets how many connections there may be at the same time, at least one; who needs more waits.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// The URL with the password.
    pub(super) fn secret_url(&self) -> &str {
        &self.url
    }

    /// A message of libpq without parts of the URL that it may have quoted.
    pub(super) fn scrubbed(&self, message: &str) -> String {
        let mut message = message.trim().replace(&self.url, &redacted(&self.url));
        for secret in secrets(&self.url) {
            message = message.replace(secret, "***").replace(&decoded(secret), "***");
        }
        message
    }
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("url", &redacted(&self.url))
            .field("schema", &self.schema)
            .field("durability", &self.durability)
            .field("read_only", &self.read_only)
            .field("connections", &self.connections)
            .finish()
    }
}

/// Parts of a URL that are nobody's business.
fn secrets(url: &str) -> Vec<&str> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
    // A password may contain what should have been encoded.
    let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
    let password = user.split_once(':').map(|(_, password)| password);
    let parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
    let parameters =
        parameters.filter(|(name, _)| name.to_lowercase().contains("password")).map(|(_, value)| value);
    password.into_iter().chain(parameters).filter(|secret| !secret.is_empty()).collect()
}

fn redacted(url: &str) -> String {
    secrets(url).into_iter().fold(url.to_owned(), |text, secret| {
        text.replace(&format!(":{secret}@"), ":***@").replace(&format!("={secret}"), "=***")
    })
}

/// Text without percent-encoding.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                plain.push(byte);
                at += 3;
            }
            (byte, _) => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let config =
            PostgresConfig::from_url("postgres://h/d?sslmode=prefer&schema=a%20b&connect_timeout=3").unwrap();
        assert_eq!(config.schema(), "a b");
        assert_eq!(
            config.url,
            "postgres://h/d?sslmode=prefer&connect_timeout=3&fallback_application_name=butler"
        );
        assert_eq!(PostgresConfig::from_url("postgresql:///d").unwrap().schema(), "public");
        for wrong in
            ["sqlite:x", "postgresql://h/d?schema=", "postgresql://h/d?schema=pg_x", "host=h dbname=d"]
        {
            assert_eq!(PostgresConfig::from_url(wrong).unwrap_err().kind(), ErrorKind::Configuration);
        }
    }

    #[test]
    fn passwords_are_shown_nowhere() {
        for url in [
            "postgresql://me:hush%21hush@h/d",
            "postgresql://me@h/d?password=hush%21hush&schema=s",
            "postgresql://h/d?sslpassword=hush%21hush",
            "postgresql://me:hush@!hush@h/d",
        ] {
            let config = PostgresConfig::from_url(url).unwrap();
            assert!(!format!("{config:?}").contains("hush"), "{config:?}");
            let said = format!("cannot use \"{}\": hush%21hush hush!hush hush@!hush", config.url);
            let scrubbed = config.scrubbed(&said);
            assert!(!scrubbed.contains(secrets(url)[0]), "{scrubbed}");
        }
        let error = PostgresConfig::from_url("postgrexql://me:hush@h/d").unwrap_err();
        assert!(!format!("{error:#?}").contains("hush"), "{error}");
    }
}
