//! What mutants do to files.

use std::fs;
use std::path::{Path, PathBuf};

use butler_core::datastore::JournalEntry;

use super::super::fixture::JOURNAL;

/// The directory of a storage; nothing is done without one, and failures are nobody's business.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    root: Option<PathBuf>,
}

impl Disk {
    pub(super) fn of(root: Option<&Path>) -> Self {
        Self { root: root.map(Path::to_owned) }
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.root.clone().unwrap_or_default().join(relative)
    }

    /// All files under the root.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let (mut files, mut directories) = (Vec::new(), Vec::from_iter(self.root.clone()));
        while let Some(directory) = directories.pop() {
            for item in fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = item.path();
                if path.is_dir() && !path.is_symlink() { directories.push(path) } else { files.push(path) }
            }
        }
        files
    }

    /// Files of entries of the journal, of an action.
    pub(super) fn entries(&self, action: &str) -> Vec<PathBuf> {
        let journal = self.path(JOURNAL);
        let ending = format!("{action}.jsonl");
        let is_entry = |path: &PathBuf| path.to_string_lossy().ends_with(&ending);
        fs::read_dir(journal)
            .into_iter()
            .flatten()
            .flatten()
            .map(|item| item.path())
            .filter(is_entry)
            .collect()
    }

    /// Changes entries, unless that makes no difference; their age stays.
    pub(super) fn rewrite(&self, action: &str, change: impl Fn(&mut JournalEntry)) {
        for path in self.entries(action) {
            let Ok(bytes) = fs::read(&path) else { continue };
            let Ok(mut entry) = JournalEntry::from_bytes(&bytes) else { continue };
            change(&mut entry);
            let modified = path.metadata().and_then(|metadata| metadata.modified());
            if let Ok(bytes) = entry.to_bytes() {
                let _ = fs::write(&path, bytes);
            }
            if let (Ok(file), Ok(modified)) = (fs::File::options().write(true).open(&path), modified) {
                let _ = file.set_modified(modified);
            }
        }
    }

    /// Hides entries while something is done.
    pub(super) fn hide(&self, hidden: Vec<PathBuf>) -> Hidden {
        let renamed = hidden.into_iter().map(|path| {
            let aside = path.with_extension("aside");
            let _ = fs::rename(&path, &aside);
            (path, aside)
        });
        Hidden(renamed.collect())
    }

    /// Deletes what lies at a path.
    pub(super) fn delete(&self, relative: &str) {
        let _ = fs::remove_file(self.path(relative));
    }

    /// Removes all empty directories.
    pub(super) fn prune(&self) {
        fn prune(directory: &Path) {
            for item in fs::read_dir(directory).into_iter().flatten().flatten() {
                if item.path().is_dir() && !item.path().is_symlink() {
                    prune(&item.path());
                    let _ = fs::remove_dir(item.path());
                }
            }
        }
        if let Some(root) = &self.root {
            prune(root);
        }
    }

    /// Removes everything.
    pub(super) fn clear(&self) {
        if let Some(root) = &self.root {
            let _ = fs::remove_dir_all(root);
        }
    }
}

/// Entries that are shown again when this is dropped.
pub(super) struct Hidden(Vec<(PathBuf, PathBuf)>);

impl Drop for Hidden {
    fn drop(&mut self) {
        for (path, aside) in &self.0 {
            let _ = fs::rename(aside, path);
        }
    }
}
