//! Tables that datastores declare, and outcomes of their journals.

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use crate::backend::{TableSpec, Value};

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

/// Outcome of an entry of a datastore's journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalOutcome {
    /// Name of the entry, unique in the repository.
    pub entry: ArcStr,
    /// Who won.
    pub outcome: Outcome,
}
