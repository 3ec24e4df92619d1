//! The model and the traits of the Data Butler.

pub mod backend;
mod butler;
mod collection;
mod config;
mod dataset;
pub mod datastore;
mod dimension;
mod error;
mod factory;
#[doc(hidden)]
pub mod failpoint;
mod formatter;
mod genre;
mod host;
mod lookup;
mod object;
pub mod query;
pub mod registry;
pub mod sky;
mod storage_class;
pub mod suggest;
pub mod time;
pub mod work;

pub use butler::{
    AssociationQuery, Batch, Butler, ButlerBuilder, Creation, DataIdQuery, DatasetHandle, DatasetQuery,
    Defaults, Draft, IngestFile, IngestOptions, Lookup, LookupTarget, LooseDataId, PruneOptions, PutTarget,
    QueryBuilder, QueryRow, RecordQuery, RecoveryReport, RelatedRecords, RowBatches, RowQuery,
    TransferOptions, TransferReport, TypeName, VerifyOptions, VerifyReport, WorkObserver, WorkProgress,
};
pub use collection::{
    ChainEdit, CollectionCatalog, CollectionInfo, CollectionSearch, CollectionSummary, CollectionType,
    NamePattern, NamePatterns, SearchMember, check_collection_name,
};
pub use config::{Config, ConfigSource, MemorySource, Section, local_file, parse_duration, redact_url};
pub use dataset::{
    ArtifactRecord, ArtifactRecords, DatasetExistence, DatasetId, DatasetKind, DatasetRef, DatasetType,
    IdGenerationMode, IdIssuer, NewDataset,
};
pub use dimension::{
    DataId, DataIdRecords, DimensionElement, DimensionGroup, DimensionRecord, DimensionUniverse,
    DimensionValue, EncodedRegion, Family, Field, FieldRole, FieldType, FieldValue, Space,
};
pub use error::{Error, ErrorKind, Result, Retry};
pub use factory::{DatastoreContext, DatastoreFactory, Factories, RegistryConfig, RegistryFactory, Upkeep};
pub use formatter::{Formatter, Formatters, ReadOutcome, ReadRequest, ReadSource};
pub use genre::{Genre, GenreOverrides, Genres};
pub use host::{host_name, user_name};
pub use lookup::{LookupKey, LookupTable};
pub use object::{Object, Structured, rounded_integer};
pub use storage_class::{
    Delegates, ReadParameters, StorageClass, StorageClassConfig, StorageClassDelegate, StorageClasses,
    StructuredDelegate,
};
pub use time::{Instant, Timespan};
