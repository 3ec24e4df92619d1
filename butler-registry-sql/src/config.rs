//! What both databases are opened with.

use serde::{Deserialize, Serialize};

/// What a transaction that was reported as committed survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The end of the process, but perhaps not a power cut. The database stays sound in any case.
    Fast,
    /// A power cut: it is on disk when the call returns.
    #[default]
    Synced,
    /// A power cut, and so do the directory entries of files that it needs.
    Strict,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durability_is_ordered_and_has_names() {
        assert!(Durability::Fast < Durability::Synced && Durability::Synced < Durability::Strict);
        assert_eq!(serde_json::to_string(&Durability::default()).unwrap(), "\"synced\"");
    }
}
