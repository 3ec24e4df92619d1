//! Registries of other versions are refused, read, or brought up to date.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use butler_core::backend::Backend;
use butler_core::registry::{Operation, Registry, RegistryExt};
use butler_core::{CollectionType, DimensionUniverse, ErrorKind, Result};
use butler_registry_sql::SqlRegistry;
use butler_testkit::reference::ReferenceBackend;

async fn say(registry: &SqlRegistry, key: &str, value: &str) {
    let said = Operation::SetAttribute { key: key.into(), value: value.into() };
    registry.apply_one(said).await.unwrap();
}

fn refused(opened: Result<SqlRegistry>, kind: ErrorKind, says: &[&str]) {
    let error = opened.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    let told = error.to_string();
    assert!(says.iter().all(|what| told.contains(what)), "{told}");
}

/// What holds for a registry of any backend.
async fn check(backend: Arc<dyn Backend>) {
    let open = async |read_only| SqlRegistry::open(Arc::clone(&backend), read_only).await;
    refused(open(true).await, ErrorKind::NotFound, &["holds no registry", "butler create"]);
    let registry = SqlRegistry::create(Arc::clone(&backend), DimensionUniverse::default()).await.unwrap();
    let run = Operation::RegisterCollection { name: "r".into(), ty: CollectionType::Run, doc: None };
    registry.apply_one(run).await.unwrap();
    let attributes = registry.attributes(None).await.unwrap();
    for (key, what) in [("schema_version", "schema"), ("layout_version", "table layout")] {
        let known = &attributes.iter().find(|(name, _)| name == key).unwrap().1;
        // Too new: neither read nor written.
        say(&registry, key, "99").await;
        for read_only in [false, true] {
            let says = [what, "version 99", "use a newer version of this program"];
            refused(open(read_only).await, ErrorKind::SchemaVersion, &says);
        }
        // Older: read, and not written.
        say(&registry, key, "0").await;
        refused(open(false).await, ErrorKind::SchemaVersion, &[what, "version 0", "butler migrate"]);
        let reader = open(true).await.unwrap();
        assert!(reader.is_read_only());
        assert_eq!(reader.collections(Default::default()).await.unwrap().len(), 1);
        say(&registry, key, "odd").await;
        refused(open(false).await, ErrorKind::Corrupt, &["odd"]);
        say(&registry, key, known).await;
        assert!(!open(false).await.unwrap().is_read_only());
    }
    migrate(&backend, &registry).await;
    let (_, digest) = attributes.iter().find(|(name, _)| name == "universe_digest").unwrap();
    say(&registry, "universe_digest", &digest.replace(['0', '1', '2'], "3")).await;
    refused(open(false).await, ErrorKind::Corrupt, &["universe", "digest"]);
}

async fn migrate(backend: &Arc<dyn Backend>, registry: &SqlRegistry) {
    say(registry, "schema_version", "0").await;
    let told = SqlRegistry::migrate(backend, true).await.unwrap();
    assert!(told.contains("would be brought from version 0 to 1"), "{told}");
    refused(SqlRegistry::open(Arc::clone(backend), false).await, ErrorKind::SchemaVersion, &["version 0"]);
    SqlRegistry::migrate(backend, false).await.unwrap();
    SqlRegistry::open(Arc::clone(backend), false).await.unwrap();
    let told = SqlRegistry::migrate(backend, false).await.unwrap();
    assert!(told.contains("nothing is to be done"), "{told}");
    say(registry, "schema_version", "2").await;
    let error = SqlRegistry::migrate(backend, false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaVersion);
    say(registry, "schema_version", "1").await;
}

#[tokio::test]
async fn other_versions_are_told_by_the_reference() {
    check(Arc::new(ReferenceBackend::new())).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn other_versions_are_told_on_sqlite() {
    use butler_registry_sql::{SqliteBackend, SqliteConfig};
    let directory = tempfile::tempdir().unwrap();
    let config = SqliteConfig::file(directory.path().join("registry.sqlite3")).create(true);
    check(Arc::new(SqliteBackend::open(&config).unwrap())).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn other_versions_are_told_on_postgresql() {
    use butler_registry_sql::{PostgresBackend, PostgresConfig};
    let Some(server) = butler_testkit::postgres::shared() else { return };
    let url = format!("{}?schema={}", server.url("postgres"), server.fresh_name());
    let config = PostgresConfig::from_url(&url).unwrap();
    check(Arc::new(PostgresBackend::open(&config).await.unwrap())).await;
}
