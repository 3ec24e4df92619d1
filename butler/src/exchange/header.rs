//! What a file says of itself: versions of the format and of the universe.

use std::fmt;

use arcstr::ArcStr;
use butler_core::{DimensionUniverse, ErrorKind};

use super::node::{At, Flaw, Found, Node, twice, unknown_key};
use super::scalar::Meaning;

/// Version of the format of export files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FormatVersion {
    /// Changes if older readers would misunderstand.
    pub major: u32,
    /// Changes if older readers would fail.
    pub minor: u32,
    /// Changes otherwise.
    pub patch: u32,
}

impl FormatVersion {
    /// The version that is written, and the newest minor version that is read.
    pub const CURRENT: Self = Self { major: 1, minor: 0, patch: 2 };
}

impl fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Description, perhaps empty.
    pub description: ArcStr,
    /// Version of the format.
    pub version: FormatVersion,
    /// Namespace of the universe of its dimensions.
    pub universe_namespace: ArcStr,
    /// Version of the universe in the namespace.
    pub universe_version: u32,
}

impl Default for Header {
    /// What is meant where a file says nothing: the universe that was there before universes had versions.
    fn default() -> Self {
        Self {
            description: ArcStr::new(),
            version: FormatVersion { major: 1, minor: 0, patch: 0 },
            universe_namespace: arcstr::literal!("daf_butler"),
            universe_version: 0,
        }
    }
}

impl Header {
    /// Whether the file's dimensions are those of a universe.
    pub(super) fn is_of(&self, universe: DimensionUniverse) -> bool {
        self.universe_namespace == universe.namespace() && self.universe_version == universe.version()
    }
}

/// The keys at the top of a file, as far as they were read.
#[derive(Debug, Default)]
pub(super) struct Top {
    header: Header,
    seen: Vec<String>,
}

const KEYS: [&str; 5] = ["description", "version", "universe_version", "universe_namespace", "data"];

impl Top {
    /// What is known so far, with what is meant otherwise.
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// Takes note of a key; no value is taken for `data`.
    pub(super) fn key(&mut self, at: At, key: &str) -> Found<()> {
        if !KEYS.contains(&key) {
            return Err(unknown_key(at, key, &KEYS));
        }
        if self.seen.iter().any(|seen| seen == key) {
            return Err(twice(at, key));
        }
        self.seen.push(key.to_owned());
        Ok(())
    }

    /// Takes the value of a key.
    pub(super) fn value(&mut self, key: &str, node: &Node) -> Found<()> {
        match key {
            "description" => self.header.description = node.optional_text()?.unwrap_or_default().into(),
            "version" => self.header.version = version(node)?,
            "universe_version" => {
                self.header.universe_version = u32::try_from(node.int()?)
                    .map_err(|_| node.unlike("the version of a universe, an integer from 0"))?;
            }
            _ => self.header.universe_namespace = node.text()?.into(),
        }
        Ok(())
    }

    /// Checks that nothing is missing.
    pub(super) fn finish(self, at: At) -> Found<Header> {
        match ["version", "data"].into_iter().find(|key| !self.seen.iter().any(|seen| seen == key)) {
            None => Ok(self.header),
            Some(key) => Err(Flaw::form(at, format!("this is no export of a butler: it has no '{key}'"))),
        }
    }
}

/// A version such as `1.0.2`; the integer 0 is that of the first files.
fn version(node: &Node) -> Found<FormatVersion> {
    let wrong = || node.unlike("the version of the format, such as 1.0.2");
    let version = match node.meaning() {
        Some(Meaning::Int(Some(0))) => FormatVersion { major: 1, minor: 0, patch: 0 },
        Some(Meaning::Text(text)) => {
            let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
            match parts.as_deref() {
                Some(&[major, minor, patch]) => FormatVersion { major, minor, patch },
                _ => return Err(wrong()),
            }
        }
        _ => return Err(wrong()),
    };
    let current = FormatVersion::CURRENT;
    if version.major == current.major && version.minor <= current.minor {
        return Ok(version);
    }
    Err(Flaw::new(
        node.at,
        ErrorKind::SchemaVersion,
        format!(
            "the export has version {version}; versions {}.0.0 to {}.{} are read",
            current.major, current.major, current.minor
        ),
    )
    .hint("use a newer version of this program"))
}
