//! Listing the objects of a store.

use arcstr::ArcStr;
use butler_core::{Error, ErrorKind, Result};
use futures::TryStreamExt;

use super::ObjectStore;
use super::error::object_error;
use crate::journal::is_reserved;
use crate::work::wait;

/// Paths that are handed on at once.
const BLOCK: usize = 1000;

/// Hands on the paths of all objects, as the service lists them.
pub(super) fn list(store: &ObjectStore, see: &mut dyn FnMut(Vec<ArcStr>) -> Result<()>) -> Result<()> {
    if !store.capability.list {
        return Err(Error::new(ErrorKind::Unsupported, format!("{} cannot be listed", store.settings.uri)));
    }
    let failed = |error| object_error(error, "cannot list artifacts");
    wait(async {
        let mut items = store.again.lister_with("").recursive(true).await.map_err(failed)?;
        let mut block = Vec::new();
        while let Some(item) = items.try_next().await.map_err(failed)? {
            let path = item.path();
            let reserved = path.split('/').next().is_some_and(is_reserved);
            if reserved || path.is_empty() || item.metadata().is_dir() {
                continue;
            }
            block.push(path.into());
            if block.len() >= BLOCK {
                see(std::mem::take(&mut block))?;
            }
        }
        if block.is_empty() { Ok(()) } else { see(block) }
    })?
}
