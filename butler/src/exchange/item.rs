//! What export files consist of.

use arcstr::ArcStr;
use butler_core::registry::RecordSet;
use butler_core::{CollectionType, DatasetId, DatasetRef, DatasetType, Timespan};

/// Rows of one item, at most, and rows of one transaction of an import.
pub(super) const BATCH: usize = 10_000;

/// A part of an export file, of at most 10,000 records, datasets or ids.
///
/// Only a single file that holds more datasets than that is more: it stays one.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Dimension records of one element.
    Records(RecordSet),
    /// A collection.
    Collection(ExportedCollection),
    /// A dataset type.
    DatasetType(DatasetType),
    /// Datasets of one type in one run.
    Datasets(ExportedDatasets),
    /// Members of a tagged collection.
    Tags(ExportedTags),
    /// Members of a calibration collection.
    Validity(ExportedValidity),
}

/// A collection, as an export describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedCollection {
    /// Name.
    pub name: ArcStr,
    /// Type.
    pub ty: CollectionType,
    /// Documentation, if there is any.
    pub doc: Option<ArcStr>,
    /// Children of a chain, in search order.
    pub children: Vec<ArcStr>,
}

/// Datasets of one type in one run, by the files that hold them.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedDatasets {
    /// The type.
    pub dataset_type: DatasetType,
    /// The run.
    pub run: ArcStr,
    /// The files.
    pub files: Vec<ExportedFile>,
}

/// A file and the datasets that it holds, or datasets without a file.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedFile {
    /// Path, relative to the directory of the artifacts, or URL; none for datasets that are only registered.
    pub path: Option<ArcStr>,
    /// Name of the formatter that reads it, if not that of the storage class.
    pub formatter: Option<ArcStr>,
    /// The datasets, at least one.
    pub datasets: Vec<DatasetRef>,
}

/// Members of a tagged collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedTags {
    /// Name of the collection.
    pub collection: ArcStr,
    /// Its members.
    pub ids: Vec<DatasetId>,
}

/// Members of a calibration collection that are valid at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedValidity {
    /// Name of the collection.
    pub collection: ArcStr,
    /// When they are valid; perhaps empty.
    pub timespan: Timespan,
    /// Its members.
    pub ids: Vec<DatasetId>,
}

impl ExportedDatasets {
    /// Number of datasets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.iter().map(|file| file.datasets.len()).sum()
    }

    /// Whether there are no datasets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

impl Item {
    /// Number of rows that it is.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Records(set) => set.records.len(),
            Self::Collection(collection) => 1 + collection.children.len(),
            Self::DatasetType(_) => 1,
            Self::Datasets(datasets) => datasets.len(),
            Self::Tags(tags) => tags.ids.len(),
            Self::Validity(validity) => validity.ids.len(),
        }
    }
}
