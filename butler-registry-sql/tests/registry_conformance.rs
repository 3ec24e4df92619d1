//! The registry passes the suite of registries on all backends.

use std::sync::Arc;

use async_trait::async_trait;
use butler_core::backend::Backend;
use butler_core::registry::Registry;
use butler_core::{DimensionUniverse, Result};
use butler_registry_sql::SqlRegistry;
use butler_testkit::Harness;
use butler_testkit::reference::ReferenceBackend;
use butler_testkit::registry::{Place, RegistryHarness};

/// A backend that all handles share.
struct Shared(Arc<dyn Backend>);

#[async_trait]
impl Place for Shared {
    async fn create(&self, universe: DimensionUniverse) -> Result<Arc<dyn Registry>> {
        Ok(Arc::new(SqlRegistry::create(Arc::clone(&self.0), universe).await?))
    }

    async fn open(&self, read_only: bool) -> Result<Arc<dyn Registry>> {
        Ok(Arc::new(SqlRegistry::open(Arc::clone(&self.0), read_only).await?))
    }
}

mod reference {
    use super::*;

    struct Reference;

    impl Harness for Reference {
        fn name(&self) -> &str {
            "reference"
        }
    }

    #[async_trait]
    impl RegistryHarness for Reference {
        async fn place(&self) -> Result<Box<dyn Place>> {
            Ok(Box::new(Shared(Arc::new(ReferenceBackend::new()))))
        }

        fn large(&self) -> usize {
            400
        }
    }

    butler_testkit::registry_suite!(|| Some(Reference));
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use butler_registry_sql::{Durability, SqliteBackend, SqliteConfig};
    use tempfile::TempDir;

    use super::*;

    mod temporary {
        use super::*;

        struct Temporary;

        impl Harness for Temporary {
            fn name(&self) -> &str {
                "temporary SQLite database"
            }
        }

        #[async_trait]
        impl RegistryHarness for Temporary {
            async fn place(&self) -> Result<Box<dyn Place>> {
                Ok(Box::new(Shared(Arc::new(SqliteBackend::open(&SqliteConfig::temporary())?))))
            }
        }

        butler_testkit::registry_suite!(|| Some(Temporary));
    }

    mod file {
        use super::*;

        struct File;

        impl Harness for File {
            fn name(&self) -> &str {
                "SQLite file"
            }
        }

        #[async_trait]
        impl RegistryHarness for File {
            async fn place(&self) -> Result<Box<dyn Place>> {
                let directory = tempfile::tempdir().expect("there is room for a test");
                let config = SqliteConfig::file(directory.path().join("registry.sqlite3"));
                Ok(Box::new(Directory { config: config.durability(Durability::Fast), _directory: directory }))
            }
        }

        struct Directory {
            config: SqliteConfig,
            _directory: TempDir,
        }

        #[async_trait]
        impl Place for Directory {
            async fn create(&self, universe: DimensionUniverse) -> Result<Arc<dyn Registry>> {
                let backend = SqliteBackend::open(&self.config.clone().create(true))?;
                Ok(Arc::new(SqlRegistry::create(Arc::new(backend), universe).await?))
            }

            async fn open(&self, read_only: bool) -> Result<Arc<dyn Registry>> {
                let backend = SqliteBackend::open(&self.config.clone().read_only(read_only))?;
                Ok(Arc::new(SqlRegistry::open(Arc::new(backend), read_only).await?))
            }
        }

        butler_testkit::registry_suite!(|| Some(File));
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
    impl RegistryHarness for Postgres {
        async fn place(&self) -> Result<Box<dyn Place>> {
            let url = format!("{}?schema={}", self.0.url("postgres"), self.0.fresh_name());
            Ok(Box::new(Schema { url }))
        }
    }

    struct Schema {
        url: String,
    }

    impl Schema {
        async fn backend(&self, read_only: bool) -> Result<Arc<dyn Backend>> {
            let config =
                PostgresConfig::from_url(&self.url)?.durability(Durability::Fast).read_only(read_only);
            Ok(Arc::new(PostgresBackend::open(&config).await?))
        }
    }

    #[async_trait]
    impl Place for Schema {
        async fn create(&self, universe: DimensionUniverse) -> Result<Arc<dyn Registry>> {
            Ok(Arc::new(SqlRegistry::create(self.backend(false).await?, universe).await?))
        }

        async fn open(&self, read_only: bool) -> Result<Arc<dyn Registry>> {
            Ok(Arc::new(SqlRegistry::open(self.backend(read_only).await?, read_only).await?))
        }
    }

    butler_testkit::registry_suite!(|| shared().map(Postgres));
}
