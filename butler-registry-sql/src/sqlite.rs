//! SQLite as a backend.

mod catalog;
mod config;
mod dialect;
mod functions;
mod handle;
mod insert;
mod place;
mod queue;
mod reader;
mod session;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use butler_core::backend::{
    Backend, Capabilities, ColumnStream, Relation, SchemaVersion, TableSpec, TransactionBody,
};
use butler_core::{Error, ErrorKind, Result};
use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub(crate) use catalog::EXCLUDED;
pub use config::{Journal, SqliteConfig};
pub(crate) use functions::OUT_OF_RANGE;
use place::Place;
use reader::Reader;
use session::SqliteSession;
use writer::{State, Writer};

use crate::config::Durability;
use crate::error::Failure;
use crate::migrations;
use crate::sql::{Query, Session};
use crate::stream::{Outlet, Running, outlet};
use crate::workers::{After, Done, Workers};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Connections that read at the same time; more wait for one of them.
const READERS: usize = 256;

/// How long running streams may hold up what needs the file for itself.
const PATIENCE: Duration = Duration::from_secs(3);

/// A SQLite database.
///
/// All backends of a process on one file share one connection that writes, on a
/// thread of its own, which takes turns with other processes and commits what
/// waits together. Readers have connections of their own: with a write-ahead
/// log they never wait for the writer, nor it for them. Nothing is opened and no
/// thread is started before there is something to do.
pub struct SqliteBackend {
    place: Place,
    durability: Durability,
    writer: Option<Arc<Writer>>,
    readers: Arc<Workers<Reader>>,
}

impl SqliteBackend {
    /// Opens a database. This looks at the file, but does not read it.
    ///
    /// A file or directory that the account may not write is opened for reading only.
    ///
    /// # Errors
    /// `NotFound` if there is no such file, and it is not to be made; `Permission` and the like.
    pub fn open(config: &SqliteConfig) -> Result<Self> {
        let place = Place::find(config)?;
        let writer = place.writable.then(|| Writer::of(&place));
        let theirs = place.clone();
        let readers = Workers::new("butler-sqlite-read", READERS, move || Reader::open(&theirs));
        Ok(Self { place, durability: config.durability, writer, readers: Arc::new(readers) })
    }

    /// Leaves the database in a state in which it can be read from a directory that nobody may write, and closes it.
    ///
    /// The write-ahead log is moved into the file. The state lasts until somebody writes again.
    ///
    /// # Errors
    /// `Busy` if others have the database open; `ReadOnly`.
    pub async fn freeze(&self) -> Result<()> {
        let Some(writer) = &self.writer else {
            return Err(Error::new(ErrorKind::ReadOnly, "the database was opened for reading only"));
        };
        let readers = Arc::clone(&self.readers);
        writer.call(move |state| state.in_turn(|state| freeze(state, &readers))).await
    }

    /// Does something with a connection that reads, perhaps more than once.
    async fn read<T: Send + 'static>(
        &self,
        mut call: impl FnMut(&mut SqliteSession) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.readers.call(move |reader| (reader.run(&mut |session| (call(session), true)), After::Keep)).await
    }
}

fn freeze(state: &mut State, readers: &Workers<Reader>) -> Result<()> {
    readers.renew(PATIENCE);
    let session = state.session()?;
    let mode = session.text("PRAGMA journal_mode = DELETE");
    // The next one that writes opens it anew.
    state.close();
    match mode.as_deref() {
        Ok("delete") => Ok(()),
        Ok(_) => Err(Error::new(ErrorKind::Busy, "the database cannot be frozen while others have it open")),
        Err(_) => mode.map(drop).map_err(|error| match error.kind() {
            ErrorKind::Busy => {
                Error::new(ErrorKind::Busy, "the database cannot be frozen while others have it open")
                    .with_source(error)
            }
            _ => error,
        }),
    }
}

fn migrate(session: &mut SqliteSession, to: SchemaVersion) -> Result<()> {
    let connection = session.connection();
    AnsiTransactionManager::begin_transaction_sql(connection, "BEGIN IMMEDIATE").map_err(Failure::Sqlite)?;
    let result = migrations::migrate(connection, &MIGRATIONS, to);
    let ended = match &result {
        Ok(()) => AnsiTransactionManager::commit_transaction(connection),
        Err(_) => AnsiTransactionManager::rollback_transaction(connection),
    };
    result.and(ended.map_err(|error| Failure::Sqlite(error).into()))
}

/// Evaluates a relation, on the thread of the connection.
fn select(reader: &mut Reader, relation: &Relation, running: &Running, outlet: &mut Outlet) -> Result<()> {
    if outlet.is_abandoned() {
        return Ok(());
    }
    let mut empty = true;
    reader.run(&mut |session| {
        let interrupt = session.interrupt();
        if !running.begin(Box::new(move || interrupt.interrupt())) {
            return (Ok(()), false);
        }
        let result = Query::new(session.dialect(), relation).and_then(|query| {
            session.fetch(query, &mut |batch| {
                empty = false;
                outlet.push(batch)
            })
        });
        running.end();
        (result, empty)
    })
}

#[async_trait]
impl Backend for SqliteBackend {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.name = "SQLite";
        capabilities.read_only = self.writer.is_none();
        capabilities.migrations = true;
        capabilities.exclusion = true;
        capabilities.persistent = self.place.temporary.is_none();
        capabilities
    }

    async fn migrate(&self, to: SchemaVersion) -> Result<()> {
        match &self.writer {
            Some(writer) => {
                writer.call(move |state| state.in_turn(|state| migrate(state.session()?, to))).await
            }
            None => self.read(move |session| reader::check_version(session, &MIGRATIONS, to)).await,
        }
    }

    async fn tables(&self) -> Result<Vec<TableSpec>> {
        self.read(|session| {
            session.run("BEGIN")?;
            let specs = catalog::specs(session, None);
            session.run("COMMIT")?;
            specs
        })
        .await
    }

    async fn transaction(&self, body: TransactionBody) -> Result<()> {
        match &self.writer {
            Some(writer) => writer.transaction(body, self.durability).await,
            None => {
                let mut body = body;
                self.read(move |session| reader::transaction(session, &mut body)).await
            }
        }
    }

    async fn stream(&self, relation: Relation) -> Result<ColumnStream> {
        let running = Running::new(false);
        // A rollback journal lets nobody write while somebody reads.
        let (mut outlet, answer) = outlet(&running, !self.place.write_ahead);
        let alone = self.readers.submit(move |reader| {
            let result = reader.and_then(|reader| select(reader, &relation, &running, &mut outlet));
            Done::new(After::Keep, move || outlet.finish(result))
        });
        answer.wait(alone).await
    }

    async fn explain(&self, relation: Relation) -> Result<String> {
        self.read(move |session| reader::explain(session, &relation)).await
    }
}

impl fmt::Debug for SqliteBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteBackend")
            .field("path", &self.place.path)
            .field("read_only", &self.writer.is_none())
            .field("durability", &self.durability)
            .finish()
    }
}
