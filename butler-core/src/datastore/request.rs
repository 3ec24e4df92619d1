//! What is asked of a datastore.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;

use arcstr::ArcStr;
use bytes::Bytes;
use futures::Stream;
use serde::Serialize;

use super::transfer::TransferMode;
use crate::Result;
use crate::dataset::{ArtifactRecord, DatasetId, DatasetRef};
use crate::object::Object;
use crate::storage_class::ReadParameters;

/// A file that holds one or more datasets.
#[derive(Clone, Debug, PartialEq)]
pub struct FileDataset {
    /// Path or URL.
    pub path: ArcStr,
    /// Datasets that it holds, at least one.
    pub datasets: Vec<DatasetRef>,
    /// Name of the formatter that reads it, if not that of the storage class.
    pub formatter: Option<ArcStr>,
}

/// A zip archive of artifacts.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchiveFile {
    /// Path or URL.
    pub path: ArcStr,
    /// Path under the root of a datastore, which does not depend on where it comes from.
    pub name: ArcStr,
    /// Datasets that it holds, at least one.
    pub datasets: Vec<DatasetRef>,
    /// What it holds of them.
    pub members: Vec<ArchiveMember>,
}

/// An artifact in an archive.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchiveMember {
    /// Path in the archive.
    pub path: ArcStr,
    /// Datasets that it is of, at least one.
    pub datasets: Vec<DatasetId>,
    /// Component that it holds, if not the whole.
    pub component: Option<ArcStr>,
    /// Name of the formatter that reads it.
    pub formatter: ArcStr,
    /// Name of the storage class that it was written as.
    pub storage_class: ArcStr,
    /// Number of bytes, if it is known.
    pub size: Option<u64>,
    /// BLAKE3 of the bytes in hexadecimal, if it is known.
    pub checksum: Option<ArcStr>,
}

/// Bytes of an artifact on their way from one datastore to another.
pub enum ArtifactBody {
    /// All of them.
    Bytes(Bytes),
    /// A local file, which is not changed.
    File(PathBuf),
    /// Parts, in order.
    Stream(Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>),
}

impl fmt::Debug for ArtifactBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// An artifact of a dataset, with what is known of it.
#[derive(Debug)]
pub struct Artifact {
    /// Component that it holds, if not the whole.
    pub component: Option<ArcStr>,
    /// Name of the formatter that reads it.
    pub formatter: ArcStr,
    /// Name of the storage class that it was written as.
    pub storage_class: ArcStr,
    /// Name of its file, with extension.
    pub file_name: ArcStr,
    /// Number of bytes, if known.
    pub size: Option<u64>,
    /// BLAKE3 of the bytes in hexadecimal, if known.
    pub checksum: Option<ArcStr>,
    /// The bytes.
    pub body: ArtifactBody,
}

/// Something to be stored.
#[derive(Debug)]
pub enum WriteRequest {
    /// An object.
    Put {
        /// The dataset, with an expanded data ID where a file template needs it.
        dataset: DatasetRef,
        /// The object.
        object: Object,
    },
    /// A file.
    Ingest {
        /// The file and its datasets.
        file: FileDataset,
        /// How it comes in.
        mode: TransferMode,
        /// Whether size and checksum are determined.
        track_attributes: bool,
    },
    /// An archive of artifacts, which stays one file.
    IngestArchive {
        /// The archive and its datasets.
        archive: ArchiveFile,
        /// How it comes in.
        mode: TransferMode,
    },
    /// Artifacts of another datastore.
    Copy {
        /// Datasets that the artifacts are of.
        datasets: Vec<DatasetRef>,
        /// The artifacts.
        artifacts: Vec<Artifact>,
    },
}

impl WriteRequest {
    /// Datasets that are to be stored.
    #[must_use]
    pub fn datasets(&self) -> &[DatasetRef] {
        match self {
            Self::Put { dataset, .. } => std::slice::from_ref(dataset),
            Self::Ingest { file, .. } => &file.datasets,
            Self::IngestArchive { archive, .. } => &archive.datasets,
            Self::Copy { datasets, .. } => datasets,
        }
    }
}

/// Something to be read.
#[derive(Clone, Debug)]
pub struct GetRequest {
    /// The dataset, with its records attached; its type says which component is
    /// wanted and as which storage class.
    pub dataset: DatasetRef,
    /// Parameters of the read.
    pub parameters: ReadParameters,
}

/// Where the artifacts of a dataset are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ArtifactUris {
    /// Of the whole, unless it was taken apart.
    pub primary: Option<String>,
    /// Of components, by name.
    pub components: BTreeMap<ArcStr, String>,
}

/// Records of datasets that were stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordsByDataset(pub Vec<(DatasetId, ArtifactRecord)>);
