//! Artifacts: what a datastore stores, and how it finds it again.

mod check;
mod constraints;
mod journal;
mod memory;
mod read;
mod request;
mod traits;
mod transfer;

pub use check::{check_datastore_name, refuse_component, refuse_repeated};
pub use constraints::Constraints;
pub use journal::{
    JournalAction, JournalArtifact, JournalEntry, JournalHeader, JournalOperation, alternative_path,
};
pub use memory::{MemoryDatastore, MemoryDatastoreFactory};
pub use read::{ReadGoal, Reader};
pub use request::{
    ArchiveFile, ArchiveMember, Artifact, ArtifactBody, ArtifactUris, FileDataset, GetRequest,
    RecordsByDataset, WriteRequest,
};
pub(crate) use traits::left_over;
pub use traits::{
    Acceptance, Bookkeeper, Datastore, DatastoreCapabilities, Finding, FindingKind, RecoverOptions,
    RecoveredEntry, RemoveTransaction, VerifyOptions, WriteTransaction, Written,
};
pub use transfer::TransferMode;
