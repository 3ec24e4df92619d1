//! Kinds of dataset types.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// How datasets of a type are identified and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatasetKind {
    /// A data ID occurs once in a collection; found by data ID and collections.
    #[default]
    Standard,
    /// A data ID occurs once in the world, and the dataset's id follows from
    /// it; only ingested or imported, found by data ID in any collection.
    Global,
    /// A data ID may occur any number of times; found by id, or by iterating.
    Nonsingular,
}

impl DatasetKind {
    /// Name, as in configuration and output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Global => "global",
            Self::Nonsingular => "nonsingular",
        }
    }
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DatasetKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        [Self::Standard, Self::Global, Self::Nonsingular]
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Argument,
                    format!("'{}' is no kind of dataset type", name.escape_debug()),
                )
                .with_hint("there are standard, global and nonsingular")
            })
    }
}
