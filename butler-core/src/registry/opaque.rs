//! Tables that datastores declare, and outcomes of their journals.

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use crate::backend::{TableSpec, Value};
use crate::{Error, ErrorKind, Result};

/// A table whose content only a datastore understands.
///
/// Its primary key begins with `origin` and `id`, the two parts of a dataset's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpaqueTable {
    /// Name of the datastore whose records it holds.
    pub datastore: ArcStr,
    /// Layout.
    pub spec: TableSpec,
    /// Version of the layout; another one than the stored is refused.
    pub version: u32,
}

/// Rows of an opaque table, asked for by the values of one column or pair of columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpaqueFetch {
    /// Name of the table.
    pub table: ArcStr,
    /// Columns that are compared.
    pub columns: Vec<ArcStr>,
    /// Values of those columns, of any number; all rows if none are given.
    pub keys: Option<Vec<Box<[Value]>>>,
}

/// Who won a journal entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its writer: what it describes holds.
    Committed,
    /// A recovery: what it describes is to be undone.
    Aborted,
}

impl Outcome {
    /// Name by which it is stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Aborted => "aborted",
        }
    }
}

impl std::str::FromStr for Outcome {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        [Self::Committed, Self::Aborted].into_iter().find(|outcome| outcome.name() == name).ok_or_else(|| {
            Error::new(
                ErrorKind::Corrupt,
                format!("'{}' is no outcome of a journal entry", name.escape_debug()),
            )
        })
    }
}

/// Outcome of an entry of a datastore's journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalOutcome {
    /// Name of the entry, unique in the repository.
    pub entry: ArcStr,
    /// Who won.
    pub outcome: Outcome,
}

impl JournalOutcome {
    /// Table of all outcomes, with the columns `entry`, `outcome` and `at` (TAI nanoseconds): it
    /// can be [fetched](super::Registry::fetch_opaque) like those of datastores.
    pub const TABLE: &str = "journal_outcome";
}
