//! Registries of the Data Butler on SQLite and PostgreSQL.
//!
//! A [`Backend`](butler_core::backend::Backend) keeps tables in a database and answers relations. There is one
//! for SQLite, with the cargo feature `sqlite`, and one for PostgreSQL, with the feature `postgres`. With the
//! feature `bundled` the C libraries of both are built from source, so that nothing needs to be installed.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # futures::executor::block_on(async {
//! use butler_core::backend::{Backend, BackendExt, ColumnType, OnConflict, RowBatch, TableRef, TableSpec};
//! use butler_registry_sql::{SqliteBackend, SqliteConfig};
//!
//! let backend = SqliteBackend::open(&SqliteConfig::temporary())?;
//! let table: TableRef =
//!     TableSpec::new("t", "Numbers").column("a", ColumnType::Int, "A number").primary_key(["a"]).into();
//! let scan = table.scan();
//! backend
//!     .run(move |transaction| {
//!         transaction.create(&table)?;
//!         let mut batch = RowBatch::new([("a".into(), ColumnType::Int)]);
//!         batch.push_row(&[42.into()])?;
//!         transaction.insert(&table, &batch, OnConflict::Fail)
//!     })
//!     .await?;
//! let found = backend.collect(scan).await?;
//! assert_eq!(found[0].column("a")?.int(0), Some(42));
//! # Ok::<_, butler_core::Error>(()) }).unwrap();
//! ```

mod config;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod error;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod factory;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod migrations;
#[cfg(feature = "postgres")]
mod postgres;
mod registry;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod retry;
mod schema;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod stream;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod workers;

pub use config::Durability;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use factory::SqlRegistryFactory;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresBackend, PostgresConfig};
pub use registry::SqlRegistry;
#[cfg(feature = "sqlite")]
pub use sqlite::{Journal, SqliteBackend, SqliteConfig};
