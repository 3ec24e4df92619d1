//! Entries of a datastore's journal: what may be orphaned if its writer dies.

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use super::transfer::TransferMode;
use crate::dataset::DatasetId;
use crate::time::Instant;
use crate::{Error, ErrorKind, Result};

/// Version of the format that is written, and the only one that is read.
const VERSION: u32 = 1;

/// Whether an entry's artifacts are written or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalAction {
    /// Artifacts are written, and registered afterwards.
    Put,
    /// Artifacts are unregistered, and deleted afterwards.
    Remove,
}

impl JournalAction {
    /// Name, as in the file names of entries.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Remove => "remove",
        }
    }
}

/// What the user asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalOperation {
    /// Objects were put.
    Put,
    /// Files were ingested.
    Ingest,
    /// Datasets were transferred from another repository, or imported.
    Transfer,
    /// Artifacts were copied into a nearer datastore.
    FillBack,
    /// Datasets were unstored, purged, or went with their run.
    Remove,
}

/// First line of an entry: who does what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalHeader {
    /// Version of the format: 1.
    pub version: u32,
    /// Name of the entry, unique in the repository.
    pub entry: ArcStr,
    /// Whether artifacts are written or removed.
    pub action: JournalAction,
    /// What the user asked for.
    pub operation: JournalOperation,
    /// Name of the datastore.
    pub datastore: ArcStr,
    /// When it was written, by the writer's clock.
    pub at: Instant,
    /// Host that the writer runs on.
    pub host: ArcStr,
    /// Process of the writer.
    pub process: u32,
    /// Number of artifact lines that follow.
    pub artifacts: u64,
}

/// Further line of an entry: an artifact that may be orphaned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalArtifact {
    /// Path under the datastore's root. What is written may also be at [`alternative_path`].
    pub path: ArcStr,
    /// Datasets that it is of.
    pub ids: Vec<DatasetId>,
    /// How its file came in, if it was one: never `auto` or `split`, and what is `in_place` is nobody's to delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<TransferMode>,
    /// File that is moved or linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ArcStr>,
}

/// Where an artifact is written if an open `remove` entry names its path: `~`
/// and eight digits of the id, its first and last four, come before the extension.
///
/// ```
/// use butler_core::datastore::alternative_path;
///
/// let id = "0a26e9ff-fd58-55d4-bec6-677ecf355e61".parse()?;
/// assert_eq!(alternative_path("run/bias_1.fits.gz", id), "run/bias_1~0a265e61.fits.gz");
/// # Ok::<(), butler_core::Error>(())
/// ```
#[must_use]
pub fn alternative_path(path: &str, id: DatasetId) -> ArcStr {
    let digits = id.to_uuid().simple().to_string();
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    // A dot that comes first begins no extension.
    let dot =
        path[name..].char_indices().skip(1).find(|(_, c)| *c == '.').map_or(path.len(), |(at, _)| name + at);
    format!("{}~{}{}{}", &path[..dot], &digits[..4], &digits[28..], &path[dot..]).into()
}

/// A whole entry, as it is written: JSON lines, the header first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Who does what.
    pub header: JournalHeader,
    /// Artifacts that may be orphaned.
    pub artifacts: Vec<JournalArtifact>,
}

impl JournalEntry {
    /// The entry as bytes; the header's version and number of artifacts are set.
    ///
    /// # Errors
    /// `Unexpected` if it cannot be written as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let artifacts = self.artifacts.len() as u64;
        let header = JournalHeader { version: VERSION, artifacts, ..self.header.clone() };
        let mut bytes = Vec::with_capacity(256 + 256 * self.artifacts.len());
        let line = |value: serde_json::Result<()>, bytes: &mut Vec<u8>| {
            bytes.push(b'\n');
            value.map_err(|error| {
                Error::new(ErrorKind::Unexpected, "a journal entry cannot be written").with_source(error)
            })
        };
        let result = serde_json::to_writer(&mut bytes, &header);
        line(result, &mut bytes)?;
        for artifact in &self.artifacts {
            let result = serde_json::to_writer(&mut bytes, artifact);
            line(result, &mut bytes)?;
        }
        Ok(bytes)
    }

    /// Reads an entry. One that a power cut has cut short is read as far as it goes: it has
    /// fewer artifacts than its header says.
    ///
    /// # Errors
    /// `Corrupt` if the header or a complete line cannot be understood, `SchemaVersion` for another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let corrupt = |error: serde_json::Error| {
            Error::new(ErrorKind::Corrupt, format!("a journal entry cannot be read: {error}"))
                .with_source(error)
        };
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
        let first: JournalHeader =
            serde_json::from_slice(lines.next().unwrap_or_default()).map_err(corrupt)?;
        if first.version != VERSION {
            return Err(Error::new(
                ErrorKind::SchemaVersion,
                format!(
                    "journal entry '{}' is of version {}, but only {VERSION} is known here",
                    first.entry, first.version
                ),
            ));
        }
        let artifacts = lines
            .filter(|line| line.ends_with(b"\n"))
            .map(|line| serde_json::from_slice(line).map_err(corrupt))
            .collect::<Result<_>>()?;
        Ok(Self { header: first, artifacts })
    }

    /// Whether all artifacts are there that its header counts.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.header.artifacts == self.artifacts.len() as u64
    }

    /// Paths at which it may have artifacts: those that it names, and the alternatives of what is written.
    pub fn paths(&self) -> impl Iterator<Item = ArcStr> + '_ {
        self.artifacts.iter().flat_map(|artifact| {
            let written =
                self.header.action == JournalAction::Put && artifact.mode != Some(TransferMode::InPlace);
            let first = artifact.ids.first().filter(|_| written);
            std::iter::once(artifact.path.clone())
                .chain(first.map(|id| alternative_path(&artifact.path, *id)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> JournalEntry {
        let id: DatasetId = "0a26e9ff-fd58-55d4-bec6-677ecf355e61".parse().unwrap();
        let artifact =
            |path: &str, mode| JournalArtifact { path: path.into(), ids: vec![id], mode, source: None };
        JournalEntry {
            header: JournalHeader {
                version: VERSION,
                entry: "20260101T000000-0123456789abcdef".into(),
                action: JournalAction::Put,
                operation: JournalOperation::Ingest,
                datastore: "archive".into(),
                at: Instant::from_nanoseconds(0).unwrap(),
                host: "here".into(),
                process: 1,
                artifacts: 3,
            },
            artifacts: vec![
                artifact("r/a.json", None),
                artifact("r/b\n.json", Some(TransferMode::Move)),
                artifact("c", Some(TransferMode::InPlace)),
            ],
        }
    }

    #[test]
    fn survives_its_bytes() {
        let bytes = entry().to_bytes().unwrap();
        assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), 4);
        let back = JournalEntry::from_bytes(&bytes).unwrap();
        assert_eq!(back, entry());
        assert!(back.is_complete());
        let paths: Vec<_> = back.paths().collect();
        assert_eq!(paths, ["r/a.json", "r/a~0a265e61.json", "r/b\n.json", "r/b\n~0a265e61.json", "c"]);
    }

    #[test]
    fn what_is_cut_short_is_read_as_far_as_it_goes() {
        let bytes = entry().to_bytes().unwrap();
        let second = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0;
        for cut in [second + 1, second + 2, bytes.len() - 1] {
            let back = JournalEntry::from_bytes(&bytes[..cut]).unwrap();
            assert!(!back.is_complete());
            assert_eq!(back.artifacts[..], entry().artifacts[..back.artifacts.len()]);
        }
        assert_eq!(JournalEntry::from_bytes(&bytes[..20]).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(JournalEntry::from_bytes(b"").unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn another_version_is_refused() {
        let text =
            String::from_utf8(entry().to_bytes().unwrap()).unwrap().replace("\"version\":1", "\"version\":2");
        assert_eq!(JournalEntry::from_bytes(text.as_bytes()).unwrap_err().kind(), ErrorKind::SchemaVersion);
    }

    #[test]
    fn alternatives_go_before_the_extension() {
        let id = "0a26e9ff-fd58-55d4-bec6-677ecf355e61".parse().unwrap();
        for (path, expected) in [
            ("a.json", "a~0a265e61.json"),
            ("a", "a~0a265e61"),
            ("d.x/a", "d.x/a~0a265e61"),
            ("d.x/.a", "d.x/.a~0a265e61"),
            ("", "~0a265e61"),
            ("ä/ö.b.c", "ä/ö~0a265e61.b.c"),
        ] {
            assert_eq!(alternative_path(path, id), expected, "{path}");
        }
    }
}
