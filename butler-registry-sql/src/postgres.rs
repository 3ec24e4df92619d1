//! PostgreSQL as a backend.

mod array;
mod catalog;
mod config;
mod dialect;
mod insert;
mod session;
#[cfg(test)]
mod tests;
mod transaction;

use std::fmt;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use butler_core::backend::{
    Backend, Capabilities, ColumnStream, ColumnType, Relation, SchemaVersion, TableSpec, TransactionBody,
};
use butler_core::{ErrorKind, Result};
use diesel::connection::SimpleConnection;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub(crate) use array::ArrayColumn;
pub use config::PostgresConfig;
use session::PostgresSession;

use crate::sql::{Fragment, Query, Session};
use crate::stream::{Outlet, Running, outlet};
use crate::workers::{After, Done, Workers};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// A schema in a PostgreSQL database.
///
/// Connections are made when they are needed, up to a limit; who needs one more
/// waits for it, first come, first served. Each transaction and each running
/// stream has one of its own. Two backends with different schemas in one
/// database know nothing of each other.
pub struct PostgresBackend {
    config: PostgresConfig,
    read_only: bool,
    exclusion: AtomicBool,
    workers: Workers<PostgresSession>,
}

impl PostgresBackend {
    /// Opens a database; makes a first connection, to see what the server can do.
    ///
    /// # Errors
    /// `Connection`, `Permission` or `NotFound` if there is no connection, `Unsupported` if
    /// the database does not keep text in UTF-8.
    pub async fn open(config: &PostgresConfig) -> Result<Self> {
        let theirs = config.clone();
        let open = move || PostgresSession::open(&theirs);
        let workers = Workers::new("butler-postgres", config.connections, open);
        let facts = workers.call(|session| (Ok(session.facts()), After::Keep)).await?;
        Ok(Self {
            config: config.clone(),
            read_only: config.read_only || facts.follows,
            exclusion: AtomicBool::new(facts.exclusion),
            workers,
        })
    }

    /// Does something with a connection that is in no transaction.
    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut PostgresSession, &PostgresConfig) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let config = self.config.clone();
        self.workers
            .call(move |session| {
                let result = session.refresh(&config).and_then(|()| call(session, &config));
                let after = if result.is_ok() { After::Keep } else { After::Close };
                (result, after)
            })
            .await
    }
}

/// Evaluates a relation, on the thread of the connection.
fn select(
    session: &mut PostgresSession,
    config: &PostgresConfig,
    relation: &Relation,
    running: &Running,
    outlet: &mut Outlet,
) -> (Result<()>, After) {
    if outlet.is_abandoned() {
        return (Ok(()), After::Keep);
    }
    let query = match Query::new(session.dialect(), relation) {
        Ok(query) => query,
        Err(error) => return (Err(error), After::Keep),
    };
    let mut empty = true;
    let mut attempt = |session: &mut PostgresSession| {
        let (config, process) = (config.clone(), session.facts().process);
        if !running.begin(Box::new(move || cancel(&config, process))) {
            return (Ok(()), true, false);
        }
        let result = session.fetch(query.clone(), &mut |batch| {
            empty = false;
            outlet.push(batch)
        });
        (result, running.end(), empty)
    };
    let (mut result, mut cancelled, empty) = attempt(session);
    let is_stale = |result: &Result<()>| {
        result.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Connection | ErrorKind::Busy))
    };
    if is_stale(&result) && !cancelled && empty {
        // The server may have closed an old connection, or forgotten a plan; nothing has happened yet.
        match PostgresSession::open(config) {
            Ok(fresh) => {
                *session = fresh;
                (result, cancelled, _) = attempt(session);
            }
            Err(error) => result = Err(error),
        }
    }
    // A cancellation on its way must not hit what comes next.
    let after = if cancelled || is_stale(&result) { After::Close } else { After::Keep };
    (result, after)
}

/// Cancels what another connection is doing.
fn cancel(config: &PostgresConfig, process: i64) {
    match session::connect(config) {
        Ok(mut connection) => {
            let cancelled = connection.batch_execute(&format!("SELECT pg_cancel_backend({process})"));
            if let Err(error) = cancelled {
                tracing::debug!(%error, "a statement could not be cancelled");
            }
        }
        Err(error) => tracing::debug!(%error, "a statement could not be cancelled"),
    }
}

#[async_trait]
impl Backend for PostgresBackend {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.name = "PostgreSQL";
        capabilities.read_only = self.read_only;
        capabilities.migrations = true;
        capabilities.exclusion = self.exclusion.load(Ordering::Relaxed);
        capabilities.persistent = true;
        capabilities.concurrent_writers = true;
        capabilities
    }

    async fn migrate(&self, to: SchemaVersion) -> Result<()> {
        if self.read_only {
            return self.call(move |session, _| transaction::check_version(session, &MIGRATIONS, to)).await;
        }
        let exclusion =
            self.call(move |session, config| transaction::migrate(session, config, &MIGRATIONS, to)).await?;
        self.exclusion.store(exclusion, Ordering::Relaxed);
        Ok(())
    }

    async fn tables(&self) -> Result<Vec<TableSpec>> {
        self.call(|session, _| {
            session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
            let specs = catalog::specs(session, None)?;
            session.run("COMMIT")?;
            Ok(specs)
        })
        .await
    }

    async fn transaction(&self, body: TransactionBody) -> Result<()> {
        let (config, read_only) = (self.config.clone(), self.read_only);
        self.workers.call(move |session| transaction::run(session, &config, read_only, body)).await
    }

    async fn stream(&self, relation: Relation) -> Result<ColumnStream> {
        let running = Running::new(true);
        let (mut outlet, answer) = outlet(&running, false);
        let config = self.config.clone();
        let alone = self.workers.submit(move |session| {
            let (result, after) = match session {
                Ok(session) => select(session, &config, &relation, &running, &mut outlet),
                Err(error) => (Err(error), After::Close),
            };
            Done::new(after, move || outlet.finish(result))
        });
        answer.wait(alone).await
    }

    async fn explain(&self, relation: Relation) -> Result<String> {
        self.call(move |session, _| {
            let query = Query::new(session.dialect(), &relation)?;
            let mut text = query.statement.sql.display();
            let sql = Fragment::sql("EXPLAIN ").then(query.statement.sql);
            for row in session.rows(sql, &[("plan", ColumnType::Text)])? {
                let _ = write!(text, "\n-- {}", row[0].as_str().unwrap_or_default());
            }
            Ok(text)
        })
        .await
    }
}

impl fmt::Debug for PostgresBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBackend")
            .field("config", &self.config)
            .field("read_only", &self.read_only)
            .finish()
    }
}
