//! Registries of the Data Butler on SQLite and PostgreSQL.

mod registry;
mod schema;

pub use registry::SqlRegistry;
