//! The backends pass the suite of backends.
#![cfg(any(feature = "sqlite", feature = "postgres"))]

use std::sync::Arc;

use async_trait::async_trait;
use butler_core::Result;
use butler_core::backend::{Backend, Capabilities};
use butler_testkit::Harness;
use butler_testkit::backend::{BackendHarness, Namespace};

#[cfg(feature = "sqlite")]
mod sqlite {
    use butler_registry_sql::{Durability, Journal, SqliteBackend, SqliteConfig};
    use tempfile::TempDir;

    use super::*;

    /// A file with one or another kind of journal, or a temporary one.
    struct Sqlite(Option<Journal>);

    impl Harness for Sqlite {
        fn name(&self) -> &str {
            "SQLite"
        }
    }

    #[async_trait]
    impl BackendHarness for Sqlite {
        fn capabilities(&self) -> Capabilities {
            let mut capabilities = Capabilities::default();
            capabilities.name = "SQLite";
            capabilities.migrations = true;
            capabilities.exclusion = true;
            capabilities.persistent = self.0.is_some();
            capabilities
        }

        async fn namespace(&self) -> Result<Box<dyn Namespace>> {
            let Some(journal) = self.0 else {
                return Ok(Box::new(Temporary(Arc::new(SqliteBackend::open(&SqliteConfig::temporary())?))));
            };
            let directory = tempfile::tempdir().expect("there is room for a test");
            let config = SqliteConfig::file(directory.path().join("registry.sqlite3"));
            Ok(Box::new(File {
                config: config.journal(journal).durability(Durability::Fast),
                _directory: directory,
            }))
        }
    }

    struct Temporary(Arc<SqliteBackend>);

    #[async_trait]
    impl Namespace for Temporary {
        async fn open(&self) -> Result<Arc<dyn Backend>> {
            Ok(Arc::clone(&self.0) as Arc<dyn Backend>)
        }
    }

    struct File {
        config: SqliteConfig,
        _directory: TempDir,
    }

    #[async_trait]
    impl Namespace for File {
        async fn open(&self) -> Result<Arc<dyn Backend>> {
            Ok(Arc::new(SqliteBackend::open(&self.config.clone().create(true))?))
        }

        async fn open_read_only(&self) -> Result<Option<Arc<dyn Backend>>> {
            Ok(Some(Arc::new(SqliteBackend::open(&self.config.clone().read_only(true))?)))
        }
    }

    mod file {
        butler_testkit::backend_suite!(|| Some(super::Sqlite(Some(super::Journal::WriteAhead))));
    }

    mod shared_file {
        butler_testkit::backend_suite!(|| Some(super::Sqlite(Some(super::Journal::Rollback))));
    }

    mod temporary {
        butler_testkit::backend_suite!(|| Some(super::Sqlite(None)));
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use butler_registry_sql::{Durability, PostgresBackend, PostgresConfig};
    use butler_testkit::postgres::{TempPostgres, shared};

    use super::*;

    struct Postgres(&'static TempPostgres);

    impl Harness for Postgres {
        fn name(&self) -> &str {
            "PostgreSQL"
        }
    }

    #[async_trait]
    impl BackendHarness for Postgres {
        fn capabilities(&self) -> Capabilities {
            let mut capabilities = Capabilities::default();
            capabilities.name = "PostgreSQL";
            capabilities.migrations = true;
            capabilities.exclusion = true;
            capabilities.persistent = true;
            capabilities.concurrent_writers = true;
            capabilities
        }

        async fn namespace(&self) -> Result<Box<dyn Namespace>> {
            // A name that wants to be quoted.
            let url = format!("{}?schema={}%20\"x", self.0.url("postgres"), self.0.fresh_name());
            Ok(Box::new(Schema { url }))
        }
    }

    struct Schema {
        url: String,
    }

    #[async_trait]
    impl Namespace for Schema {
        async fn open(&self) -> Result<Arc<dyn Backend>> {
            let config = PostgresConfig::from_url(&self.url)?.durability(Durability::Fast);
            Ok(Arc::new(PostgresBackend::open(&config).await?))
        }

        async fn open_read_only(&self) -> Result<Option<Arc<dyn Backend>>> {
            let config = PostgresConfig::from_url(&self.url)?.read_only(true);
            Ok(Some(Arc::new(PostgresBackend::open(&config).await?)))
        }
    }

    butler_testkit::backend_suite!(|| shared().map(Postgres));
}
