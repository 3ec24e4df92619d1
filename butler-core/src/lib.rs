//! The model and the traits of the Data Butler.

pub mod backend;
mod dataset;
mod dimension;
mod error;
pub mod sky;
pub mod suggest;
pub mod time;

pub use dataset::{
    ArtifactRecord, ArtifactRecords, DatasetExistence, DatasetId, DatasetKind, DatasetRef, DatasetType,
    IdGenerationMode, IdIssuer, NewDataset,
};
pub use dimension::{
    DataId, DataIdRecords, DimensionElement, DimensionGroup, DimensionRecord, DimensionUniverse,
    DimensionValue, EncodedRegion, Family, Field, FieldRole, FieldType, FieldValue, Space,
};
pub use error::{Error, ErrorKind, Result, Retry};
