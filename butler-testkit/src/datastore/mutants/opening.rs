//! Flaws of how a datastore is opened.

use std::sync::Arc;

use butler_core::Result;
use butler_core::datastore::Datastore;

use super::super::{Opening, Storage};
use super::disk::Disk;
use super::flaw::Flaw;

/// Settings without the lines that begin with some of these words.
fn without(opening: &Opening, words: &[&str]) -> Opening {
    let kept = opening.settings.lines().filter(|line| !words.iter().any(|word| line.starts_with(word)));
    Opening { settings: kept.collect::<Vec<_>>().join("\n"), ..opening.clone() }
}

/// The datastore, and where a flaw needs it the same storage opened otherwise.
pub(super) async fn open(
    flaw: Flaw,
    storage: &dyn Storage,
    opening: &Opening,
    disk: &Disk,
) -> Result<(Arc<dyn Datastore>, Option<Arc<dyn Datastore>>)> {
    let unconstrained = without(opening, &["accept", "reject"]);
    let changed = match flaw {
        Flaw::ReadOnlyIgnored => Opening { read_only: false, ..opening.clone() },
        Flaw::ConstraintsIgnored => unconstrained.clone(),
        Flaw::DisassemblyIgnored => without(opening, &["disassemble"]),
        Flaw::ChecksumsIgnored => without(opening, &["verify_on_read"]),
        Flaw::LeaseIgnored => without(opening, &["lease"]),
        Flaw::ChecksumsForgotten if !opening.settings.contains("checksum") => {
            Opening { settings: format!("checksum = false\n{}", opening.settings), ..opening.clone() }
        }
        _ => opening.clone(),
    };
    if flaw == Flaw::LosesAllOnOpening {
        disk.clear();
    }
    let opened = match storage.open(&changed).await {
        Err(_) if flaw == Flaw::UnknownKeysIgnored => {
            storage.open(&Opening { settings: String::new(), ..opening.clone() }).await?
        }
        opened => opened?,
    };
    let other = match flaw {
        Flaw::FilesNotConstrained => Some(storage.open(&unconstrained).await?),
        _ => None,
    };
    Ok((opened, other))
}
