//! What goes when something new comes.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use butler_core::DatasetId;

use super::TEMPORARY;

/// Age at which a file that never became whole is taken for left over.
const LEFT_OVER: Duration = Duration::from_secs(3600);

/// What a cache keeps. What is new comes in after the others have gone, so that there may be one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Nothing comes in.
    Disabled,
    /// Everything stays.
    Never,
    /// So many files, of which the oldest goes first.
    Files(u64),
    /// So many datasets, whose components count once.
    Datasets(u64),
    /// So many bytes.
    Size(u64),
    /// What is not older.
    Age(Duration),
}

/// A file of a cache.
#[derive(Debug)]
pub(super) struct CachedFile {
    pub(super) path: PathBuf,
    pub(super) id: DatasetId,
    modified: SystemTime,
    size: u64,
}

/// Files of a cache, the oldest first; others in the directory are none of its.
///
/// # Errors
/// Those of the system.
pub(super) fn files(directory: &Path) -> io::Result<Vec<CachedFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        // Others may delete it meanwhile.
        let Ok(metadata) = entry.metadata() else { continue };
        let modified = metadata.modified()?;
        if name.starts_with(TEMPORARY) {
            if modified.elapsed().is_ok_and(|age| age > LEFT_OVER) {
                let _ = fs::remove_file(entry.path());
            }
            continue;
        }
        let id = name.split_once('_').and_then(|(id, _)| id.parse::<DatasetId>().ok());
        if let Some(id) = id.filter(|_| metadata.is_file()) {
            files.push(CachedFile { path: entry.path(), id, modified, size: metadata.len() });
        }
    }
    files.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
    Ok(files)
}

/// Deletes what must go.
///
/// # Errors
/// Those of the system, but not of files that are gone already.
pub(super) fn expire(directory: &Path, expiry: &Expiry) -> io::Result<()> {
    let files = files(directory)?;
    for file in &files[..going(&files, expiry, SystemTime::now())] {
        match fs::remove_file(&file.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// How many of the files, from the oldest on, must go.
///
/// Of a dataset that goes, all files that are as old as the last one of those that go do so too.
fn going(files: &[CachedFile], expiry: &Expiry, now: SystemTime) -> usize {
    let count = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    match expiry {
        Expiry::Disabled | Expiry::Never => 0,
        Expiry::Files(limit) => files.len().saturating_sub(count(*limit)),
        Expiry::Datasets(limit) => {
            // From the newest on, until there are too many.
            let mut kept = HashSet::new();
            let newest = files.iter().rev().take_while(|file| {
                kept.insert(file.id);
                kept.len() <= count(*limit)
            });
            files.len() - newest.count()
        }
        Expiry::Size(limit) => {
            let mut total: u64 = files.iter().map(|file| file.size).sum();
            let goes = |file: &&CachedFile| {
                let too_much = total > *limit;
                total -= file.size;
                too_much
            };
            files.iter().take_while(goes).count()
        }
        Expiry::Age(limit) => {
            let is_old = |file: &&CachedFile| now.duration_since(file.modified).is_ok_and(|age| age > *limit);
            files.iter().take_while(is_old).count()
        }
    }
}
