//! Where an artifact is: under the root, or somewhere else.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use arcstr::ArcStr;
use butler_core::{Error, ErrorKind, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::journal::looks_reserved;

/// What is encoded in a path: everything but letters, digits, and `/-._~`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What stands in a record between the path of an archive and the name of a member, as in the Python butler.
pub(crate) const MEMBER: &str = "#zip-path=";

/// Place of an artifact, as a record says it: a file, or the archive that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// Path under the root.
    Inside(ArcStr),
    /// URI of something that is not the datastore's.
    Outside(ArcStr),
}

impl Location {
    /// Reads the path of a record.
    ///
    /// # Errors
    /// `Corrupt` for a path that leaves the root or lies in the datastore's own directory.
    pub(crate) fn of_record(path: &str) -> Result<Self> {
        if scheme(path).is_some() {
            return Ok(Self::Outside(path.into()));
        }
        check_inside(path)?;
        Ok(Self::Inside(path.into()))
    }

    /// As it is recorded.
    pub(crate) fn as_str(&self) -> &ArcStr {
        match self {
            Self::Inside(path) | Self::Outside(path) => path,
        }
    }
}

/// Scheme of a URI; a path under the root has no two slashes in a row.
pub(crate) fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let mut chars = scheme.chars();
    let sound = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    sound.then_some(scheme)
}

/// Checks that a path stays under the root and out of the datastore's own directory.
///
/// # Errors
/// `Corrupt` if it does not.
pub(crate) fn check_inside(path: &str) -> Result<()> {
    let mut parts = path.split('/');
    let sound = !path.contains(MEMBER)
        && parts.clone().all(|part| !matches!(part, "" | "." | ".."))
        && !parts.next().is_some_and(looks_reserved)
        && !path.contains('\0');
    if sound {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Corrupt, format!("'{}' is no path of an artifact", path.escape_debug())))
}

/// A path as part of a URI.
pub(crate) fn encode(path: &str) -> String {
    percent_encode(path.as_bytes(), ENCODED).to_string()
}

/// URI of a local file.
pub(crate) fn file_uri(path: &Path) -> String {
    format!("file://{}", percent_encode(path.as_os_str().as_bytes(), ENCODED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_lead_inside_or_outside() {
        assert_eq!(Location::of_record("r/a.json").unwrap(), Location::Inside("r/a.json".into()));
        assert_eq!(Location::of_record("file:///x").unwrap(), Location::Outside("file:///x".into()));
        assert_eq!(Location::of_record("s3://b/x").unwrap(), Location::Outside("s3://b/x".into()));
        for path in ["/etc/passwd", "../x", "a/../b", "a//b", "", "a/", "./a", ".butler/journal/x", "a\0"] {
            assert_eq!(Location::of_record(path).unwrap_err().kind(), ErrorKind::Corrupt, "{path}");
        }
    }

    #[test]
    fn uris_are_encoded() {
        assert_eq!(file_uri(Path::new("/a b/ä#%?.x")), "file:///a%20b/%C3%A4%23%25%3F.x");
    }

    proptest! {
        #[test]
        fn uris_lead_back(path in "/[^\0]{0,20}") {
            prop_assert_eq!(butler_core::local_file(&file_uri(Path::new(&path))).unwrap(), Some(path.into()));
        }
    }
}
