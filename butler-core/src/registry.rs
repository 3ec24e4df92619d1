//! The organisation of datasets: what a registry is told, and what it is asked.

mod batch;
mod bridge;
mod check;
mod find;
mod opaque;
mod provenance;
mod removal;
mod report;
mod traits;

pub use batch::{DatasetInsert, InsertMode, OpaqueRows, Operation, RecordConflict, RecordSet, RegistryBatch};
pub use bridge::{DatastoreBridge, DatastoreBridgeManager};
pub use check::{RegistryCheck, Rule, Violation};
pub use find::{CollectionQuery, DatasetTypeQuery, FindRequest};
pub use opaque::{JournalOutcome, OpaqueFetch, OpaqueTable, Outcome};
pub use provenance::{
    Direction, ProvenanceEdge, ProvenanceGraph, ProvenanceQuery, Quantum, QuantumStatus, QuantumUpdate,
};
pub use removal::{Removal, RemovalPlan};
pub use report::{BatchReport, OperationReport, RecordDifference};
pub use traits::{Registry, RegistryExt};
