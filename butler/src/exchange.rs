//! Export files of the Python butler: reading, writing, importing.
//!
//! An export is a YAML file that describes dimension records, collections, dataset
//! types, datasets with their files, and which datasets are in tagged and calibration
//! collections. Large ones have millions of rows: they are read and written as streams.

mod block;
mod events;
mod export;
mod facts;
mod file;
mod formatters;
mod header;
mod import;
mod item;
mod migrate;
mod node;
mod pass;
mod record;
mod scalar;
mod source;
mod write;
#[cfg(feature = "datastore-fs")]
mod zip;

pub use export::{ExportOptions, ExportReport, ExportSelection, ExportedArtifacts, export};
pub use file::{Contents, Counts, ExportFile, Known};
pub use header::{FormatVersion, Header};
pub use import::{ImportOptions, ImportReport, Observer, Progress, Stage, Tally, import};
pub use item::{ExportedCollection, ExportedDatasets, ExportedFile, ExportedTags, ExportedValidity, Item};
pub use pass::Part;
#[cfg(feature = "datastore-fs")]
pub use zip::{IngestZipOptions, ZipContents, ingest_zip, retrieve_zip};
