//! Registries of the Data Butler on SQLite and PostgreSQL.

mod config;
mod error;
mod factory;
mod migrations;
#[cfg(feature = "postgres")]
mod postgres;
mod registry;
mod retry;
mod schema;
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod stream;
mod workers;

pub use config::Durability;
pub use factory::SqlRegistryFactory;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresBackend, PostgresConfig};
pub use registry::SqlRegistry;
#[cfg(feature = "sqlite")]
pub use sqlite::{Journal, SqliteBackend, SqliteConfig};
