//! Transactions on a connection, and how often they are tried.

use butler_core::backend::{ColumnType, SchemaVersion, TransactionBody, Value};
use butler_core::{Error, ErrorKind, Result, Retry};
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::pg::Pg;
use diesel_migrations::EmbeddedMigrations;

use super::catalog::{create_schema, lock_name};
use super::config::PostgresConfig;
use super::session::{PostgresSession, is_lost};
use crate::error::Failure;
use crate::migrations;
use crate::retry::Attempts;
use crate::sql::{Fragment, Session, quoted, run_body};
use crate::workers::After;

/// Runs a transaction, again after failures that pass.
pub(super) fn run(
    session: &mut PostgresSession,
    config: &PostgresConfig,
    read_only: bool,
    mut body: TransactionBody,
) -> (Result<()>, After) {
    let mut attempts = Attempts::default();
    loop {
        let error = match attempt(session, read_only, &mut body) {
            Ok(()) => return (Ok(()), After::Keep),
            Err(error) => error,
        };
        let lost = error.kind() == ErrorKind::Connection;
        let after = if lost { After::Close } else { After::Keep };
        if error.retry() != Retry::Temporary {
            return (Err(error), after);
        }
        let Some(pause) = attempts.next() else { return (Err(error.with_retry(Retry::Exhausted)), after) };
        tracing::debug!(%error, ?pause, "a transaction is tried again");
        std::thread::sleep(pause);
        // It may be a plan that does not fit any more.
        if lost || session.forget_statements().is_err() {
            match PostgresSession::open(config) {
                Ok(fresh) => *session = fresh,
                // It is tried with the old connection, which fails in the same way.
                Err(error) if error.retry() == Retry::Temporary => {}
                Err(error) => return (Err(error), After::Close),
            }
        }
    }
}

fn attempt(session: &mut PostgresSession, read_only: bool, body: &mut TransactionBody) -> Result<()> {
    session.run(if read_only {
        "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"
    } else {
        "BEGIN ISOLATION LEVEL READ COMMITTED"
    })?;
    match run_body(session, read_only, body) {
        Ok(()) => commit(session),
        // What cannot be rolled back is on a lost connection, and the rest of it with it.
        Err(error) => session.run("ROLLBACK").map_or_else(Err, |()| Err(error)),
    }
}

fn commit(session: &mut PostgresSession) -> Result<()> {
    session.connection().batch_execute("COMMIT").map_err(|error| {
        let lost = is_lost(&error);
        let error = Error::from(Failure::Postgres(error));
        // If nobody answers, it may have happened.
        if lost { error.with_retry(Retry::OutcomeUnknown).with_operation("commit") } else { error }
    })
}

/// Brings the static tables to a version; returns whether exclusions may have scalar columns.
///
/// # Errors
/// `SchemaVersion` if the tables are newer or the version is unknown.
pub(super) fn migrate(
    session: &mut PostgresSession,
    config: &PostgresConfig,
    known: &EmbeddedMigrations,
    to: SchemaVersion,
) -> Result<bool> {
    AnsiTransactionManager::begin_transaction_sql(session.connection(), "BEGIN")
        .map_err(Failure::Postgres)?;
    let result = (|| {
        create_schema(session, &config.schema)?;
        lock_name(session, "__diesel_schema_migrations")?;
        session.run(&format!("SET LOCAL search_path TO {}, pg_temp", quoted(&config.schema)))?;
        migrations::migrate(session.connection(), known, to)
    })();
    match result {
        Ok(()) => {
            AnsiTransactionManager::commit_transaction(session.connection()).map_err(Failure::Postgres)?;
        }
        Err(error) => {
            AnsiTransactionManager::rollback_transaction(session.connection()).map_err(Failure::Postgres)?;
            return Err(error);
        }
    }
    if !session.facts().exclusion {
        // Not every account may.
        let _ = session.run("CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public");
    }
    session.learn()?;
    Ok(session.facts().exclusion)
}

/// Checks that the static tables are of a version.
///
/// # Errors
/// `SchemaVersion` if they are newer, `ReadOnly` if they are older.
pub(super) fn check_version(
    session: &mut PostgresSession,
    known: &EmbeddedMigrations,
    wanted: SchemaVersion,
) -> Result<()> {
    let name = session.dialect().table("__diesel_schema_migrations");
    let there = format!("SELECT to_regclass('{}') IS NOT NULL", name.replace('\'', "''"));
    let there = session.rows(Fragment::sql(there), &[("there", ColumnType::Bool)])?;
    let mut applied = Vec::new();
    if there.first().is_some_and(|row| row[0] == Value::Bool(true)) {
        let versions = Fragment::sql(format!("SELECT version::text FROM {name}"));
        applied = session.rows(versions, &[("version", ColumnType::Text)])?.into_iter().flatten().collect();
    }
    migrations::check_read_only::<Pg>(known, &applied, wanted)
}
