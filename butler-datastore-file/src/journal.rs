//! The journal of a datastore: entries in a directory of its own under the root.

/// The datastore's own directory under its root.
pub(crate) const DIRECTORY: &str = ".butler";
