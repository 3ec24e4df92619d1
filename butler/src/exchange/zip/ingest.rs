//! Archives that come into a repository.

use std::collections::BTreeMap;
use std::path::Path;

use arcstr::ArcStr;
use butler_core::datastore::{ArchiveFile, ArchiveMember, TransferMode};
use butler_core::registry::{Operation, RecordConflict};
use butler_core::{Butler, DatasetRef, Error, ErrorKind, IngestOptions, Result};
use butler_datastore_file::Archive;

use super::index::Index;
use super::{INDEX, file_name, path_in_store};
use crate::exchange::formatters;
use crate::source::on_thread;

/// How an archive comes in.
#[derive(Clone, Debug, Default)]
pub struct IngestZipOptions {
    /// How the file comes in.
    pub transfer: TransferMode,
    /// Whether the dimension records in it are inserted where there are none.
    pub transfer_dimensions: bool,
    /// Whether nothing is done, rather than refused, if all its datasets are stored already.
    pub skip_existing: bool,
    /// Whether it is only looked at.
    pub dry_run: bool,
}

/// What an archive holds.
#[derive(Clone, Debug, Default)]
pub struct ZipContents {
    /// Datasets; when it was ingested, those that came in.
    pub datasets: Vec<DatasetRef>,
    /// Number of artifacts.
    pub artifacts: u64,
    /// Number of dimension records that were inserted.
    pub records: u64,
}

/// Makes the datasets in a zip archive known; the archive stays one file.
///
/// Such an archive is made by [`retrieve_zip`](super::retrieve_zip), or by the Python butler. All its
/// datasets come in, or none; dimension records, if they are asked for, stay in any case.
///
/// # Errors
/// `NotFound`; `Corrupt` for an archive that is unsound, or not what its index says; `MissingDatasetType` for a
/// dataset type that is not registered; `InconsistentUniverse`, `DataIdValue`; `ConflictingDefinition` if some
/// of the datasets are stored already; `Unsupported` for a datastore that takes no archives.
pub async fn ingest_zip(butler: &Butler, path: &Path, options: &IngestZipOptions) -> Result<ZipContents> {
    let absolute = std::path::absolute(path).map_err(|error| {
        Error::new(ErrorKind::Argument, format!("'{}' is no path of a file", path.display()))
            .with_source(error)
    })?;
    let shown = ArcStr::from(absolute.to_string_lossy().as_ref());
    let index = on_thread(move || {
        let (archive, mut source) = Archive::open(&absolute)?;
        Index::read(&archive.extract(&mut source, INDEX).map_err(|error| {
            match error.kind() {
                ErrorKind::NotFound => {
                    Error::new(ErrorKind::Corrupt, format!("a zip archive has no '{INDEX}'"))
                        .with_hint("it was not made by `retrieve-artifacts --zip`")
                }
                _ => error,
            }
        })?)
    })
    .await
    .map_err(|error| error.with_context("archive", &shown))?;
    let mut types = BTreeMap::new();
    for name in index.dataset_types() {
        types.insert(name.to_owned(), butler.dataset_type(name).await?);
    }
    let datasets = index.datasets(butler.universe(), &types)?;
    let mut contents = ZipContents { datasets, artifacts: index.artifact_map.len() as u64, records: 0 };
    if options.dry_run {
        return Ok(contents);
    }
    if options.transfer_dimensions {
        for records in index.records(butler.universe())? {
            let insertion = Operation::InsertRecords { records, on_conflict: RecordConflict::Skip };
            contents.records += butler.apply_one(insertion).await?.inserted;
        }
    }
    let archive = archive_file(butler, shown, contents.datasets, &index)?;
    let ingest = IngestOptions {
        mode: options.transfer,
        skip_existing: options.skip_existing,
        ..IngestOptions::default()
    };
    contents.datasets = butler.ingest_archive(archive, &ingest).await?;
    Ok(contents)
}

fn archive_file(
    butler: &Butler,
    path: ArcStr,
    datasets: Vec<DatasetRef>,
    index: &Index,
) -> Result<ArchiveFile> {
    let members = index.artifact_map.iter().map(|(name, artifact)| ArchiveMember {
        path: name.into(),
        datasets: artifact.ids.iter().copied().collect(),
        component: artifact.info.component.clone(),
        formatter: own_formatter(butler, &artifact.info.formatter, &artifact.info.storage_class),
        storage_class: artifact.info.storage_class.clone(),
        size: u64::try_from(artifact.info.file_size).ok(),
        // Those of the Python butler are of another kind, and longer.
        checksum: artifact.info.checksum.clone().filter(|checksum| checksum.len() == 64),
    });
    let members: Vec<ArchiveMember> = members.collect();
    let name = file_name(index.artifact_map.keys().map(String::as_str));
    Ok(ArchiveFile { path, name: path_in_store(&name).into(), datasets, members })
}

/// Our formatter for what a class of the Python butler wrote; that of the storage class, if there is no other.
fn own_formatter(butler: &Butler, name: &ArcStr, storage_class: &str) -> ArcStr {
    let Some((_, class)) = name.rsplit_once('.') else { return name.clone() };
    if let Some(own) = formatters::own(class) {
        return own.into();
    }
    let class = butler.storage_classes().get(storage_class).ok();
    class.and_then(|class| class.formatter.clone()).unwrap_or_else(|| name.clone())
}
