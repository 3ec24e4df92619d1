//! What is known of a dataset's existence.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

use serde::{Deserialize, Serialize};

/// What registry and datastore know of a dataset, as a set of flags.
///
/// The flags and their bits are those of the Python butler.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DatasetExistence(u8);

impl DatasetExistence {
    /// Nothing is known of it.
    pub const UNRECOGNIZED: Self = Self(0);
    /// The registry has it.
    pub const RECORDED: Self = Self(1);
    /// The datastore has records of it.
    pub const DATASTORE: Self = Self(2);
    /// Its artifact was looked for, and found.
    pub const ARTIFACT: Self = Self(4);
    /// Its artifact was not looked for.
    pub const ASSUMED: Self = Self(8);
    /// Registry and datastore know it; the artifact was not looked for.
    pub const KNOWN: Self = Self(1 | 2 | 8);
    /// Registry and datastore know it, and the artifact is there.
    pub const VERIFIED: Self = Self(1 | 2 | 4);

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all flags of the other are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the dataset can be read, as far as was looked: only
    /// [`KNOWN`](Self::KNOWN) and [`VERIFIED`](Self::VERIFIED) say so.
    #[must_use]
    pub fn exists(self) -> bool {
        self == Self::KNOWN || self == Self::VERIFIED
    }
}

impl BitOr for DatasetExistence {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for DatasetExistence {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for DatasetExistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = [
            (Self::RECORDED, "RECORDED"),
            (Self::DATASTORE, "DATASTORE"),
            (Self::ARTIFACT, "ARTIFACT"),
            (Self::ASSUMED, "ASSUMED"),
        ]
        .into_iter()
        .filter(|(flag, _)| self.contains(*flag))
        .map(|(_, name)| name)
        .collect();
        f.write_str(if names.is_empty() { "UNRECOGNIZED" } else { "" })?;
        f.write_str(&names.join("|"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_and_verified_exist() {
        let existing: Vec<u8> = (0..16).filter(|&bits| DatasetExistence(bits).exists()).collect();
        assert_eq!(existing, [DatasetExistence::VERIFIED.bits(), DatasetExistence::KNOWN.bits()]);
        let flags = DatasetExistence::RECORDED | DatasetExistence::DATASTORE;
        assert!(!flags.exists() && (flags | DatasetExistence::ARTIFACT).exists());
        assert_eq!(format!("{flags:?}"), "RECORDED|DATASTORE");
        assert_eq!(format!("{:?}", DatasetExistence::UNRECOGNIZED), "UNRECOGNIZED");
    }
}
