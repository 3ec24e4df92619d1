//! Registries of the Data Butler on SQLite and PostgreSQL.

mod schema;
