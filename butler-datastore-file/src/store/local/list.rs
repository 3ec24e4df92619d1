//! Listing what is under the root.

use std::fs;
use std::io;
use std::path::Path;

use arcstr::ArcStr;
use butler_core::Result;

use crate::error::io_error;
use crate::journal::is_reserved;

/// Paths that are handed on at once.
const BLOCK: usize = 1000;

/// Hands on all files and links under the root, directory by directory; links are not followed.
///
/// What is not UTF-8 can be nobody's artifact, and is told in the nearest text.
pub(super) fn list(root: &Path, see: &mut dyn FnMut(Vec<ArcStr>) -> Result<()>) -> Result<()> {
    let mut block = Vec::new();
    let mut pending = vec![String::new()];
    while let Some(directory) = pending.pop() {
        let failed = |error: io::Error| {
            io_error(error, &format!("cannot list directory '{directory}' under the root"))
        };
        let items = match fs::read_dir(root.join(&directory)) {
            // It was empty and went, or there was never anything.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(failed)?,
        };
        for item in items {
            let item = item.map_err(failed)?;
            let name = item.file_name();
            let name = name.to_string_lossy();
            if directory.is_empty() && is_reserved(&name) {
                continue;
            }
            let path = if directory.is_empty() { name.into_owned() } else { format!("{directory}/{name}") };
            if item.file_type().map_err(failed)?.is_dir() {
                pending.push(path);
                continue;
            }
            block.push(path.into());
            if block.len() >= BLOCK {
                see(std::mem::take(&mut block))?;
            }
        }
    }
    if block.is_empty() { Ok(()) } else { see(block) }
}
