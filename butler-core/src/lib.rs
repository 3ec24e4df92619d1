//! The model and the traits of the Data Butler.

pub mod backend;
mod collection;
mod dataset;
mod dimension;
mod error;
mod object;
pub mod query;
pub mod registry;
pub mod sky;
mod storage_class;
pub mod suggest;
pub mod time;

pub use collection::{
    ChainEdit, CollectionCatalog, CollectionInfo, CollectionSearch, CollectionSummary, CollectionType, NamePattern,
    NamePatterns, SearchMember, check_collection_name,
};
pub use dataset::{
    ArtifactRecord, ArtifactRecords, DatasetExistence, DatasetId, DatasetKind, DatasetRef, DatasetType,
    IdGenerationMode, IdIssuer, NewDataset,
};
pub use dimension::{
    DataId, DataIdRecords, DimensionElement, DimensionGroup, DimensionRecord, DimensionUniverse,
    DimensionValue, EncodedRegion, Family, Field, FieldRole, FieldType, FieldValue, Space,
};
pub use error::{Error, ErrorKind, Result, Retry};
pub use object::{Object, Structured};
pub use storage_class::{
    Delegates, ReadParameters, StorageClass, StorageClassConfig, StorageClassDelegate, StorageClasses,
    StructuredDelegate,
};
pub use time::{Instant, Timespan};
