//! Files of datasets: where they are, and who reads them.

use std::path::{Path, PathBuf};

use arcstr::ArcStr;
use butler_core::{Butler, Error, ErrorKind, IngestFile, PutTarget, Result, local_file};

use crate::exchange::formatters;
use crate::exchange::item::{ExportedFile, Item};

/// Where paths of files are relative to.
#[derive(Clone, Debug)]
pub(super) enum Directory {
    Local(PathBuf),
    Url(String),
}

impl Directory {
    /// The directory that was given, or that of the export, or the current one.
    ///
    /// # Errors
    /// `Argument` if there is no such path.
    pub(super) fn new(given: Option<&str>, export: Option<&Path>) -> Result<Self> {
        let path = match given {
            Some(url) if is_url(url) => match local_file(url)? {
                Some(path) => path,
                None => return Ok(Self::Url(url.trim_end_matches('/').to_owned())),
            },
            Some(path) => path.into(),
            None => export.unwrap_or(Path::new(".")).to_owned(),
        };
        let absolute = std::path::absolute(&path).map_err(|error| {
            Error::new(ErrorKind::Argument, format!("'{}' is no directory", path.display()))
                .with_source(error)
        })?;
        Ok(Self::Local(absolute))
    }

    /// Path or URL of a file.
    fn join(&self, path: &str) -> ArcStr {
        if is_url(path) {
            return path.into();
        }
        match self {
            Self::Local(directory) => directory.join(path).to_string_lossy().into(),
            Self::Url(url) => format!("{url}/{path}").into(),
        }
    }

    /// Checks that local files of an item are there.
    ///
    /// # Errors
    /// `NotFound`.
    pub(super) fn check(&self, item: &Item) -> Result<()> {
        let Item::Datasets(datasets) = item else { return Ok(()) };
        let paths = datasets.files.iter().filter_map(|file| Some((file, file.path.as_deref()?)));
        for (file, path) in paths {
            let place = self.join(path);
            let there = match local_file(&place)? {
                Some(path) => path.is_file(),
                None => is_url(&place) || Path::new(place.as_str()).is_file(),
            };
            if there {
                continue;
            }
            let dataset = file.datasets.first().map(ToString::to_string).unwrap_or_default();
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("file '{}' of dataset {dataset} is not there", place.escape_debug()),
            )
            .with_hint("name the directory that paths are relative to, or import into the registry only"));
        }
        Ok(())
    }
}

fn is_url(path: &str) -> bool {
    path.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// What is ingested of a file, if there is one.
pub(super) fn ingest_file(butler: &Butler, directory: &Directory, file: &ExportedFile) -> Option<IngestFile> {
    Some(IngestFile {
        path: directory.join(file.path.as_deref()?),
        datasets: file.datasets.iter().map(PutTarget::from).collect(),
        formatter: file.formatter.as_ref().and_then(|name| formatter(butler, name, file)),
    })
}

/// The formatter of a file; none for that of the storage class.
///
/// Of classes of the Python butler that have no counterpart, the name is
/// kept only if nothing else is known: such files can be had, though not read.
fn formatter(butler: &Butler, name: &ArcStr, file: &ExportedFile) -> Option<ArcStr> {
    let Some((_, class)) = name.rsplit_once('.') else { return Some(name.clone()) };
    if let Some(own) = formatters::own(class) {
        return Some(own.into());
    }
    let dataset_type = file.datasets.first()?.dataset_type();
    let class = butler.storage_classes().get(dataset_type.storage_class());
    let has_own = class.is_ok_and(|class| class.formatter.is_some());
    (!has_own).then(|| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_a_directory_or_url() {
        let local = Directory::new(Some("/data/in"), None).unwrap();
        assert_eq!(local.join("a/b.json"), "/data/in/a/b.json");
        assert_eq!(local.join("/else/b.json"), "/else/b.json");
        assert_eq!(local.join("s3://bucket/b.json"), "s3://bucket/b.json");
        let same = Directory::new(Some("file:///data/in"), None).unwrap();
        assert_eq!(same.join("b.json"), "/data/in/b.json");
        let remote = Directory::new(Some("https://host/in/"), None).unwrap();
        assert_eq!(remote.join("b.json"), "https://host/in/b.json");
        let export = Directory::new(None, Some(Path::new("/export"))).unwrap();
        assert_eq!(export.join("b.json"), "/export/b.json");
    }

    #[test]
    fn only_schemes_make_urls() {
        assert!(is_url("s3://b/c"));
        assert!(!is_url("a/b://c"));
        assert!(!is_url("://c"));
    }
}
