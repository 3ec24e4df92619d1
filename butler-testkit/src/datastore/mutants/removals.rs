//! Flaws of removals.

use std::fs;
use std::path::PathBuf;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::datastore::{Bookkeeper, RemoveTransaction};
use butler_core::{DatasetRef, Error, ErrorKind, Result};

use super::super::Books;
use super::super::fixture::decode;
use super::disk::Disk;
use super::flaw::Flaw;
use super::{TamperedDatastore, answers};

/// A removal with a flaw.
struct TamperedRemove {
    inner: Box<dyn RemoveTransaction>,
    flaw: Flaw,
    disk: Disk,
    empty_books: Books,
    /// Local files of the datasets.
    files: Vec<PathBuf>,
}

pub(super) async fn prepare(
    this: &TamperedDatastore,
    datasets: Vec<DatasetRef>,
) -> Result<Box<dyn RemoveTransaction>> {
    if this.flaw == Flaw::NeedsRecords && datasets.iter().any(|dataset| !this.inner.knows(dataset)) {
        return Err(Error::new(ErrorKind::NotFound, "a dataset has no records"));
    }
    let mut files = Vec::new();
    for dataset in &datasets {
        let uris = this.inner.uris(std::slice::from_ref(dataset), false).await.unwrap_or_default();
        files.extend(uris.iter().filter_map(|uris| file(uris.primary.as_deref()?)));
    }
    if this.flaw == Flaw::ReadsKeptUntilRemoved {
        answers::forget(this, &datasets);
    }
    let inner = this.inner.prepare_remove(datasets).await?;
    match this.flaw {
        Flaw::RemovesEarly => delete(&files),
        Flaw::RemovalUnannounced => delete(&this.disk.entries("remove")),
        _ => {}
    }
    let empty_books = Books::new(this.inner.tables());
    Ok(Box::new(TamperedRemove { inner, flaw: this.flaw, disk: this.disk.clone(), empty_books, files }))
}

fn file(uri: &str) -> Option<PathBuf> {
    uri.strip_prefix("file://").map(|path| PathBuf::from(decode(path)))
}

fn delete(files: &[PathBuf]) {
    files.iter().for_each(|path| drop(fs::remove_file(path)));
}

#[async_trait]
impl RemoveTransaction for TamperedRemove {
    fn entries(&self) -> Vec<ArcStr> {
        self.inner.entries()
    }

    async fn commit(self: Box<Self>, books: &dyn Bookkeeper) -> Result<()> {
        let Self { inner, flaw, disk, empty_books, files } = *self;
        let directories: Vec<PathBuf> =
            files.iter().filter_map(|path| path.parent().map(PathBuf::from)).collect();
        match flaw {
            Flaw::RemovesNothing => return inner.roll_back().await,
            Flaw::RemovesShared => return inner.commit(&empty_books).await,
            Flaw::RemovesDirect => delete(&files),
            Flaw::GoneIsAnError if files.iter().any(|path| !path.exists()) => {
                return Err(Error::new(ErrorKind::NotFound, "an artifact is gone"));
            }
            _ => {}
        }
        let hidden = (flaw == Flaw::WritersIgnored).then(|| disk.hide(disk.entries("put")));
        let result = inner.commit(books).await;
        drop(hidden);
        if flaw == Flaw::DirectoriesStay {
            directories.iter().for_each(|directory| drop(fs::create_dir_all(directory)));
        }
        result
    }

    async fn roll_back(self: Box<Self>) -> Result<()> {
        let result = self.inner.roll_back().await;
        if self.flaw == Flaw::RollBackRemoves {
            delete(&self.files);
        }
        result
    }
}
