//! Building registries from configuration.

use std::sync::Arc;

use async_trait::async_trait;
use butler_core::backend::Backend;
use butler_core::registry::Registry;
use butler_core::{
    DimensionUniverse, Error, ErrorKind, RegistryConfig, RegistryFactory, Result, Section, Upkeep, redact_url,
};

use crate::{Durability, SqlRegistry};

/// Builds registries of the kind `sql`.
///
/// | key | default | meaning |
/// |---|---|---|
/// | `url` | | `sqlite:PATH`, or `postgresql://USER@HOST/DATABASE?schema=NAME` |
/// | `durability` | `synced` | what is safe when a call returns: `strict`, `synced` or `fast`, see [`Durability`] |
/// | `connections` | 8 | greatest number of idle connections, on PostgreSQL |
#[derive(Clone, Copy, Debug, Default)]
pub struct SqlRegistryFactory;

#[derive(Debug)]
enum Settings {
    #[cfg(feature = "sqlite")]
    Sqlite(crate::SqliteConfig),
    #[cfg(feature = "postgres")]
    Postgres(crate::PostgresConfig),
}

#[async_trait]
impl RegistryFactory for SqlRegistryFactory {
    fn configure(&self, section: &Section<'_>) -> Result<RegistryConfig> {
        section.text("kind")?;
        let url = section.required_text("url")?;
        let durability = section.value::<Durability>("durability")?.unwrap_or_default();
        let connections = section.number("connections")?;
        section.finish()?;
        Ok(Arc::new(settings(&url, durability, connections)?))
    }

    async fn create(&self, config: RegistryConfig, universe: DimensionUniverse) -> Result<Arc<dyn Registry>> {
        let backend = backend(&config, true, false).await?;
        Ok(Arc::new(SqlRegistry::create(backend, universe).await?))
    }

    async fn open(&self, config: RegistryConfig, read_only: bool) -> Result<Arc<dyn Registry>> {
        let backend = backend(&config, false, read_only).await?;
        Ok(Arc::new(SqlRegistry::open(backend, read_only).await?))
    }

    async fn upkeep(&self, config: RegistryConfig, upkeep: Upkeep) -> Result<String> {
        match upkeep {
            Upkeep::Migrate { dry_run } => {
                SqlRegistry::migrate(&backend(&config, false, dry_run).await?, dry_run).await
            }
            Upkeep::Freeze => freeze(&config).await,
        }
    }
}

async fn freeze(config: &RegistryConfig) -> Result<String> {
    #[cfg(feature = "sqlite")]
    if let Some(Settings::Sqlite(config)) = config.downcast_ref::<Settings>() {
        crate::SqliteBackend::open(&config.clone().create(false))?.freeze().await?;
        return Ok(
            "the database can be read in a directory that nobody may write, until somebody writes again"
                .into(),
        );
    }
    let _ = config;
    Err(Error::new(ErrorKind::Unsupported, "only SQLite databases are frozen")
        .with_hint("on PostgreSQL, grant read access to its users"))
}

fn settings(url: &str, durability: Durability, connections: Option<u64>) -> Result<Settings> {
    match url.split_once(':').map_or(url, |(scheme, _)| scheme) {
        #[cfg(feature = "sqlite")]
        "sqlite" => {
            if connections.is_some() {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    "configuration key 'registry.connections' means nothing to SQLite",
                ));
            }
            Ok(Settings::Sqlite(crate::SqliteConfig::from_url(url)?.durability(durability)))
        }
        #[cfg(feature = "postgres")]
        "postgresql" | "postgres" => {
            let mut config = crate::PostgresConfig::from_url(url)?.durability(durability);
            if let Some(connections) = connections {
                config = config.connections(usize::try_from(connections).unwrap_or(usize::MAX));
            }
            Ok(Settings::Postgres(config))
        }
        #[cfg(not(feature = "sqlite"))]
        "sqlite" => Err(missing("SQLite", "registry-sqlite")),
        #[cfg(not(feature = "postgres"))]
        "postgresql" | "postgres" => Err(missing("PostgreSQL", "registry-postgres")),
        _ => Err(Error::new(
            ErrorKind::Configuration,
            format!("'{}' names no database that is known", redact_url(url)),
        )
        .with_hint("write sqlite:PATH, or postgresql://USER@HOST/DATABASE?schema=NAME")),
    }
}

#[cfg(not(all(feature = "sqlite", feature = "postgres")))]
fn missing(database: &str, feature: &str) -> Error {
    Error::new(ErrorKind::Configuration, format!("{database} was not compiled in"))
        .with_hint(format!("build with the cargo feature '{feature}'"))
}

#[cfg_attr(
    not(feature = "sqlite"),
    expect(unused_variables, reason = "only databases that are files are created")
)]
async fn backend(config: &RegistryConfig, create: bool, read_only: bool) -> Result<Arc<dyn Backend>> {
    let settings = config.downcast_ref::<Settings>().ok_or_else(|| {
        Error::new(ErrorKind::Unexpected, "a registry was given the configuration of another kind")
    })?;
    Ok(match settings {
        #[cfg(feature = "sqlite")]
        Settings::Sqlite(config) => {
            let config = config.clone().create(create).read_only(read_only);
            if let Some(directory) = config.path().and_then(std::path::Path::parent).filter(|_| create) {
                std::fs::create_dir_all(directory).map_err(|error| {
                    Error::new(
                        ErrorKind::Permission,
                        format!("{} cannot be created: {error}", directory.display()),
                    )
                    .with_source(error)
                })?;
            }
            Arc::new(crate::SqliteBackend::open(&config)?)
        }
        #[cfg(feature = "postgres")]
        Settings::Postgres(config) => {
            let config = config.clone().read_only(read_only);
            Arc::new(crate::PostgresBackend::open(&config).await?)
        }
    })
}
