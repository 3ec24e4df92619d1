//! Versions of the static tables, as `diesel_migrations` keeps them.

use butler_core::backend::{SchemaVersion, Value};
use butler_core::{Error, ErrorKind, Result};
use diesel::backend::Backend;
use diesel::migration::{Migration, MigrationSource};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};

use crate::error::Failure;

/// Brings the static tables to a version, in a transaction of the caller.
///
/// # Errors
/// `SchemaVersion` if the tables are newer or the version is unknown.
pub(crate) fn migrate<DB: Backend, C: MigrationHarness<DB>>(
    connection: &mut C,
    migrations: &EmbeddedMigrations,
    to: SchemaVersion,
) -> Result<()> {
    let source: Vec<Box<dyn Migration<DB>>> = migrations.migrations().map_err(Failure::Migration)?;
    let mut known = source
        .into_iter()
        .map(|migration| Ok((number(&migration.name().version().to_string())?, migration)))
        .collect::<Result<Vec<_>>>()?;
    known.sort_by_key(|(version, _)| *version);
    let applied = connection.applied_migrations().map_err(Failure::Migration)?;
    let applied = applied.iter().map(|version| number(&version.to_string())).collect::<Result<Vec<_>>>()?;
    let latest = known.last().map_or(SchemaVersion(0), |(version, _)| *version);
    check(applied.iter().max().copied().unwrap_or(SchemaVersion(0)), to, latest)?;
    for (version, migration) in &known {
        if *version <= to && !applied.contains(version) {
            connection.run_migration(migration).map_err(Failure::Migration)?;
        }
    }
    Ok(())
}

/// Checks that tables that cannot be changed are of a version.
///
/// # Errors
/// `SchemaVersion` if they are newer, `ReadOnly` if they are older.
pub(crate) fn check_read_only<DB: Backend>(
    migrations: &EmbeddedMigrations,
    applied: &[Value],
    wanted: SchemaVersion,
) -> Result<()> {
    let latest = |numbers: Vec<SchemaVersion>| numbers.into_iter().max().unwrap_or(SchemaVersion(0));
    let known = MigrationSource::<DB>::migrations(migrations).map_err(Failure::Migration)?;
    let known = known.iter().map(|migration| number(&migration.name().version().to_string()));
    let found = applied.iter().map(|version| number(version.as_str().unwrap_or_default()));
    let (known, found) = (known.collect::<Result<_>>()?, latest(found.collect::<Result<_>>()?));
    check(found, wanted, latest(known))?;
    if found < wanted {
        let message = format!("the tables are of version {}, and cannot be brought to {}", found.0, wanted.0);
        return Err(Error::new(
            ErrorKind::ReadOnly,
            format!("{message}: the database is opened for reading only"),
        ));
    }
    Ok(())
}

/// Checks that tables of one version can be brought to another.
///
/// # Errors
/// `SchemaVersion` if not.
fn check(found: SchemaVersion, wanted: SchemaVersion, latest: SchemaVersion) -> Result<()> {
    let problem = |message: String| Err(Error::new(ErrorKind::SchemaVersion, message));
    if wanted > latest {
        return problem(format!("version {} of the tables is unknown; the latest is {}", wanted.0, latest.0));
    }
    if found > wanted {
        return problem(format!("the tables are of version {}, newer than {}", found.0, wanted.0))
            .map_err(|error| error.with_hint("a newer version of this program reads them"));
    }
    Ok(())
}

/// The number of a version.
///
/// # Errors
/// `Corrupt` if it is none of ours.
fn number(version: &str) -> Result<SchemaVersion> {
    version.parse().map(SchemaVersion).map_err(|_| {
        Error::new(
            ErrorKind::Corrupt,
            format!("the table of versions has '{}', which is none", version.escape_debug()),
        )
    })
}
