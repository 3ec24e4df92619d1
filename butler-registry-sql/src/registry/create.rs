//! Creating and opening registries.

use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::backend::{
    Backend, BackendExt, ColumnBatch, OnConflict, Relation, Scalar, SchemaVersion, SortKey, Transaction,
    Value,
};
use butler_core::{DimensionUniverse, Error, ErrorKind, Result};

use super::catalog::named;
use super::layout::universe_tables;
use super::rows::{any, batch, row, text};
use super::{Shared, SqlRegistry};
use crate::schema::{REPO_ATTRIBUTE, SCHEMA_VERSION, static_tables};

/// Version of the tables that are made at run time.
const LAYOUT_VERSION: u32 = 1;

pub(crate) const FORMAT: &str = "format";
pub(crate) const SCHEMA: &str = "schema_version";
pub(crate) const LAYOUT: &str = "layout_version";
pub(crate) const UNIVERSE: &str = "universe";
pub(crate) const UNIVERSE_DIGEST: &str = "universe_digest";
pub(crate) const REPOSITORY: &str = "repository";

impl SqlRegistry {
    /// Creates the tables of a new registry, and opens it.
    ///
    /// # Errors
    /// `AlreadyExists` if the backend holds a registry already; those of the backend.
    pub async fn create(backend: Arc<dyn Backend>, universe: DimensionUniverse) -> Result<Self> {
        backend.migrate(SCHEMA_VERSION).await?;
        let migrations = backend.capabilities().migrations;
        backend.run(move |tx| create_tables(tx, universe, migrations)).await?;
        Ok(Self::new(backend, universe, false))
    }

    /// Opens a registry.
    ///
    /// # Errors
    /// `NotFound` if the backend holds none, `SchemaVersion` if it was written by a newer
    /// version, or by an older one and is to be written.
    pub async fn open(backend: Arc<dyn Backend>, read_only: bool) -> Result<Self> {
        let read_only = read_only || backend.capabilities().read_only;
        let rows = backend.collect(REPO_ATTRIBUTE.scan()).await.map_err(|error| match error.kind() {
            ErrorKind::Connection | ErrorKind::Permission | ErrorKind::Busy | ErrorKind::Timeout => error,
            _ => Error::new(ErrorKind::NotFound, "the database holds no registry")
                .with_hint("`butler create` makes a repository")
                .with_source(error),
        })?;
        let attributes = pairs(&rows)?;
        let get = |name: &str| {
            attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value).ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!("the database lacks the attribute '{name}' of a registry"),
                )
            })
        };
        check_version("schema", get(SCHEMA)?, SCHEMA_VERSION.0, read_only)?;
        check_version("table layout", get(LAYOUT)?, LAYOUT_VERSION, read_only)?;
        let universe = DimensionUniverse::from_toml(get(UNIVERSE)?)?;
        if *get(UNIVERSE_DIGEST)? != digest(universe) {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the dimension universe {universe} of the registry does not have the recorded digest"
                ),
            ));
        }
        Ok(Self::new(backend, universe, read_only))
    }

    /// Brings the tables of a registry to the version of this program; says what was done, or would be.
    ///
    /// # Errors
    /// `SchemaVersion` if they are of a newer one, `ReadOnly`; those of the backend.
    pub async fn migrate(backend: &Arc<dyn Backend>, dry_run: bool) -> Result<String> {
        let rows = backend.collect(REPO_ATTRIBUTE.scan()).await?;
        let found = pairs(&rows)?.into_iter().find(|(key, _)| key == SCHEMA).map(|(_, value)| value);
        let wanted = SCHEMA_VERSION.0;
        let found = found.and_then(|text| text.parse::<u32>().ok()).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, "the database does not say which version its tables have")
        })?;
        if found >= wanted {
            // A newer one is refused with what to do.
            check_version("schema", &found.to_string(), wanted, false)?;
            return Ok(format!(
                "the tables have version {found}, which is that of this program: nothing is to be done"
            ));
        }
        if dry_run {
            return Ok(format!("the tables would be brought from version {found} to {wanted}"));
        }
        backend.migrate(SCHEMA_VERSION).await?;
        let attribute = row(&REPO_ATTRIBUTE, [("key", SCHEMA.into()), ("value", wanted.to_string().into())])?;
        backend
            .run(move |tx| tx.insert(&REPO_ATTRIBUTE, &attribute, OnConflict::Replace).map(|_| ()))
            .await?;
        Ok(format!("the tables were brought from version {found} to {wanted}"))
    }
}

fn check_version(what: &str, found: &str, known: u32, read_only: bool) -> Result<()> {
    let version: u32 = found.parse().map_err(|_| {
        Error::new(ErrorKind::Corrupt, format!("'{}' is no version of a {what}", found.escape_debug()))
    })?;
    let problem = |hint: &str| {
        Err(Error::new(
            ErrorKind::SchemaVersion,
            format!("the repository has {what} version {version}, and this program has {known}"),
        )
        .with_hint(hint))
    };
    match version.cmp(&known) {
        std::cmp::Ordering::Greater => problem("use a newer version of this program"),
        std::cmp::Ordering::Less if !read_only => {
            problem("open it for reading only, or bring it up to date with `butler migrate`")
        }
        _ => Ok(()),
    }
}

fn digest(universe: DimensionUniverse) -> String {
    universe.digest().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn create_tables(tx: &mut dyn Transaction, universe: DimensionUniverse, migrations: bool) -> Result<()> {
    if !migrations {
        static_tables().iter().try_for_each(|table| tx.create(table))?;
    }
    let existing = REPO_ATTRIBUTE.scan().filter(Scalar::column("key").eq(Value::from(FORMAT)));
    if any(tx, &existing)? {
        return Err(Error::new(ErrorKind::AlreadyExists, "the database holds a registry already"));
    }
    universe_tables(universe.elements()).iter().try_for_each(|table| tx.create(table))?;
    let SchemaVersion(schema) = SCHEMA_VERSION;
    let mut rows = batch(REPO_ATTRIBUTE.columns.iter().map(|column| (&column.name, column.ty)));
    for (key, value) in [
        (FORMAT, "1".to_owned()),
        (SCHEMA, schema.to_string()),
        (LAYOUT, LAYOUT_VERSION.to_string()),
        (UNIVERSE, universe.source().to_owned()),
        (UNIVERSE_DIGEST, digest(universe)),
        (REPOSITORY, uuid::Uuid::new_v4().to_string()),
    ] {
        rows.push_row(&[key.into(), value.into()])?;
    }
    tx.insert(&REPO_ATTRIBUTE, &rows, OnConflict::Fail)?;
    Ok(())
}

/// Facts about the repository, of all names or of some, by name.
pub(crate) async fn attributes(shared: &Shared, keys: Option<Vec<ArcStr>>) -> Result<Vec<(ArcStr, ArcStr)>> {
    let mut rows: Relation = REPO_ATTRIBUTE.scan();
    if let Some(keys) = keys {
        rows = rows.filter(named("key", &keys));
    }
    pairs(&shared.collect(rows.sort(vec![SortKey::ascending("key")])).await?)
}

fn pairs(batches: &[ColumnBatch]) -> Result<Vec<(ArcStr, ArcStr)>> {
    let mut found = Vec::new();
    for batch in batches {
        let (key, value) = (batch.column("key")?, batch.column("value")?);
        for row in 0..batch.len() {
            found.push((text(key, row)?.into(), text(value, row)?.into()));
        }
    }
    Ok(found)
}
