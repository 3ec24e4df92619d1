//! Datasets: their types, identities and references.

mod existence;
mod id;
mod kind;
mod reference;
mod ty;

pub use existence::DatasetExistence;
pub use id::{DatasetId, IdGenerationMode, IdIssuer};
pub use kind::DatasetKind;
pub use reference::{ArtifactRecord, ArtifactRecords, DatasetRef, NewDataset};
pub use ty::DatasetType;
pub(crate) use ty::split_component;
