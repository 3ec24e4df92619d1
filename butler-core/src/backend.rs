//! The vocabulary of databases: tables, rows, relations, and the [`Backend`] that stores and evaluates them.
//!
//! Nothing here knows of datasets. A backend is one namespace in one database;
//! what it must do is written at the traits and, for each operator, at
//! [`Relation`] and [`Scalar`].

mod batch;
mod check;
mod glob;
mod print;
mod relation;
mod scalar;
mod table;
mod traits;
mod value;

pub use batch::{Blobs, Column, ColumnBatch, RowBatch, Strings};
pub use glob::{GlobPart, GlobPattern};
pub use relation::{Aggregate, AggregateColumn, ProjectColumn, Relation, Schema, SchemaColumn, SortKey};
pub use scalar::{Arithmetic, Comparison, Scalar};
pub use table::{ColumnSpec, Exclusion, ForeignKey, IndexSpec, OnDelete, TableRef, TableSpec, UniqueSpec};
pub use traits::{
    Backend, BackendExt, Capabilities, ColumnStream, OnConflict, SchemaVersion, Strength, Synced,
    Transaction, TransactionBody,
};
pub use value::{ColumnType, Value};
