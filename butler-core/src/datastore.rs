//! Artifacts: what a datastore stores, and how it finds it again.

mod journal;
mod request;
mod traits;
mod transfer;

pub use journal::{JournalAction, JournalArtifact, JournalHeader, JournalOperation};
pub use request::{
    Artifact, ArtifactBody, ArtifactUris, FileDataset, GetRequest, RecordsByDataset, WriteRequest,
};
pub use traits::{
    Acceptance, Bookkeeper, Datastore, DatastoreCapabilities, Finding, FindingKind, RecoverOptions,
    RecoveredEntry, RemoveTransaction, VerifyOptions, WriteTransaction,
};
pub use transfer::TransferMode;
