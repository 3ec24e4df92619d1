//! What a backend says of itself is true.

use butler_core::backend::SchemaVersion;
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{Fixture, NULL, batch, fails, rows, streamed, things};

pub(super) async fn they_are_those_that_are_expected(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let found = db.backend.capabilities();
    assert!(!found.name.is_empty());
    assert_eq!(found, h.capabilities());
    assert_eq!(db.namespace.open().await?.capabilities(), found);
    Ok(())
}

pub(super) async fn what_is_persistent_outlives_its_handles(h: &dyn BackendHarness) -> Result<()> {
    let (db, table) = Fixture::with(h, things(), batch!([id: Int] [1])).await?;
    let Fixture { namespace, backend, .. } = db;
    if !backend.capabilities().persistent {
        return Ok(());
    }
    drop(backend);
    let again = namespace.open().await?;
    assert_eq!(streamed(&*again, table.scan()).await?, rows!([1, NULL]));
    assert_eq!(again.tables().await?.len(), 1);
    Ok(())
}

pub(super) async fn without_migrations_nothing_is_migrated(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    if db.backend.capabilities().migrations {
        return Ok(());
    }
    for version in [1, 1, 0, u32::MAX] {
        db.backend.migrate(SchemaVersion(version)).await?;
    }
    assert_eq!(db.backend.tables().await?, []);
    Ok(())
}

pub(super) async fn migrations_are_idempotent(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    if !db.backend.capabilities().migrations {
        return Ok(());
    }
    let other = db.namespace.open().await?;
    let first = SchemaVersion(1);
    let (here, there) = futures::join!(db.backend.migrate(first), other.migrate(first));
    here.and(there)?;
    let tables = db.backend.tables().await?;
    assert!(!tables.is_empty(), "there is a first version");
    db.backend.migrate(first).await?;
    assert_eq!(db.backend.tables().await?, tables);
    Ok(())
}

pub(super) async fn unknown_versions_are_refused(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    if !db.backend.capabilities().migrations {
        return Ok(());
    }
    fails(db.backend.migrate(SchemaVersion(u32::MAX)).await, ErrorKind::SchemaVersion);
    assert_eq!(db.backend.tables().await?, []);
    Ok(())
}
