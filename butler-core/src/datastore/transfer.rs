//! Ways in which files come into a datastore.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result, suggest};

/// How a file comes into a datastore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferMode {
    /// What suits: in place if all files are inside the root, split if some are; otherwise linked if local, and copied.
    #[default]
    Auto,
    /// Not at all: it lies inside the root already.
    InPlace,
    /// Copied.
    Copy,
    /// Moved: the source is gone afterwards.
    Move,
    /// Hard-linked if possible, otherwise symbolically.
    Link,
    /// Hard-linked.
    Hardlink,
    /// Linked symbolically, by absolute path.
    Symlink,
    /// Linked symbolically, by relative path.
    Relsymlink,
    /// Not at all: the datastore refers to it where it is, and never deletes it.
    Direct,
    /// In place if inside the root, otherwise direct.
    Split,
}

impl TransferMode {
    /// All modes.
    pub const ALL: [Self; 10] = [
        Self::Auto,
        Self::InPlace,
        Self::Copy,
        Self::Move,
        Self::Link,
        Self::Hardlink,
        Self::Symlink,
        Self::Relsymlink,
        Self::Direct,
        Self::Split,
    ];

    /// Name, as on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::InPlace => "in_place",
            Self::Copy => "copy",
            Self::Move => "move",
            Self::Link => "link",
            Self::Hardlink => "hardlink",
            Self::Symlink => "symlink",
            Self::Relsymlink => "relsymlink",
            Self::Direct => "direct",
            Self::Split => "split",
        }
    }
}

impl fmt::Display for TransferMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TransferMode {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name).ok_or_else(|| {
            let error =
                Error::new(ErrorKind::Argument, format!("'{}' is no transfer mode", name.escape_debug()));
            let names = Self::ALL.map(Self::name);
            match suggest::nearest(name, names) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => error.with_hint(format!("there are {}", names.join(", "))),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for mode in TransferMode::ALL {
            assert_eq!(mode.to_string().parse::<TransferMode>().unwrap(), mode);
        }
        let error = "hardlnk".parse::<TransferMode>().unwrap_err();
        assert!(error.to_string().contains("did you mean 'hardlink'?"), "{error}");
    }
}
