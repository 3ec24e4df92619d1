//! URLs of local files.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::{Error, ErrorKind, Result};

/// The local path that a `file:` URL names (RFC 8089); none for other locations.
///
/// # Errors
/// `Argument` for a file of another host, a relative path, or a NUL in the path.
pub fn local_file(location: &str) -> Result<Option<PathBuf>> {
    let Some(rest) = location.strip_prefix("file://") else { return Ok(None) };
    let path = rest.strip_prefix("localhost").filter(|path| path.starts_with('/')).unwrap_or(rest);
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    if !path.starts_with('/') || bytes.contains(&0) {
        return Err(Error::new(
            ErrorKind::Argument,
            format!("'{}' is no URI of a local file", location.escape_debug()),
        ));
    }
    Ok(Some(PathBuf::from(OsString::from_vec(bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_files_name_paths() {
        assert_eq!(local_file("file:///a%20b").unwrap(), Some("/a b".into()));
        assert_eq!(local_file("file://localhost/a").unwrap(), Some("/a".into()));
        for other in ["/a", "a", "s3://b/c", "file.toml"] {
            assert_eq!(local_file(other).unwrap(), None, "{other}");
        }
        for bad in ["file://elsewhere/a", "file://a", "file:///a%00b", "file://localhostile"] {
            assert_eq!(local_file(bad).unwrap_err().kind(), ErrorKind::Argument, "{bad}");
        }
    }
}
