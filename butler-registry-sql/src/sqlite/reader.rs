//! Connections that only read.

use std::error::Error as _;
use std::fmt::Write as _;
use std::time::Duration;

use butler_core::backend::{ColumnType, Relation, SchemaVersion, TransactionBody};
use butler_core::{Error, ErrorKind, Result, Retry};
use diesel::sqlite::Sqlite;
use diesel_migrations::EmbeddedMigrations;

use super::place::{Place, Stamp};
use super::session::SqliteSession;
use crate::migrations;
use crate::retry::Attempts;
use crate::sql::{Fragment, Query, Session, run_body};

const PRAGMAS: &str = "PRAGMA busy_timeout = 60000; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384";

/// Times that something is done with connections that may not write, and the pause between them.
const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// A connection that reads.
pub(crate) struct Reader {
    // Closed before the place of a temporary database goes.
    session: SqliteSession,
    place: Place,
    /// How the file was, if it is read as one that nobody changes.
    unchanging: Option<Stamp>,
}

impl Reader {
    /// Opens a connection.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) fn open(place: &Place) -> Result<Self> {
        let (session, unchanging) = open(place)?;
        Ok(Self { place: place.clone(), session, unchanging })
    }

    /// Does something with the connection, which is opened anew if others changed what it relies on.
    ///
    /// `call` also says whether it may be called again.
    ///
    /// # Errors
    /// Those of the call, and of opening a connection.
    pub(crate) fn run<T>(
        &mut self,
        call: &mut dyn FnMut(&mut SqliteSession) -> (Result<T>, bool),
    ) -> Result<T> {
        if self.unchanging.is_some() && self.unchanging != self.place.stamp() {
            (self.session, self.unchanging) = open(&self.place)?;
        }
        for _ in 1..ATTEMPTS {
            match call(&mut self.session) {
                (Err(error), true) if !self.place.writable && is_passing(&error) => {
                    // Who may not write depends on what those who may have just left behind.
                    std::thread::sleep(PAUSE);
                    (self.session, self.unchanging) = open(&self.place)?;
                }
                (result, _) => return result,
            }
        }
        call(&mut self.session).0
    }
}

/// Whether an error may be due to a log, or what readers share, that came or went.
fn is_passing(error: &Error) -> bool {
    let caused = error.source().is_some();
    caused && matches!(error.kind(), ErrorKind::ReadOnly | ErrorKind::Connection | ErrorKind::Busy)
}

fn open(place: &Place) -> Result<(SqliteSession, Option<Stamp>)> {
    if place.writable {
        return Ok((SqliteSession::open(&place.url("mode=rw"), PRAGMAS)?, None));
    }
    let stamp = place.stamp();
    let shared = SqliteSession::open(&place.url("mode=ro"), PRAGMAS).and_then(|mut session| {
        session.integer("SELECT count(*) FROM sqlite_schema")?;
        Ok(session)
    });
    match shared {
        Ok(session) => Ok((session, None)),
        // The state of the write-ahead log cannot be shared in this directory; without a log there is none.
        Err(_) if stamp.is_some_and(|stamp| !stamp.has_log()) => {
            Ok((SqliteSession::open(&place.url("mode=ro&immutable=1"), PRAGMAS)?, stamp))
        }
        Err(error) => Err(error),
    }
}

/// Runs a transaction that writes nothing.
///
/// # Errors
/// Those of the body; `ReadOnly` if it wants to write.
pub(crate) fn transaction(session: &mut SqliteSession, body: &mut TransactionBody) -> Result<()> {
    let mut attempts = Attempts::default();
    loop {
        session.run("BEGIN")?;
        let result = run_body(session, true, body);
        session.run("ROLLBACK")?;
        match result {
            Err(error) if error.retry() == Retry::Temporary => match attempts.next() {
                Some(pause) => std::thread::sleep(pause),
                None => return Err(error.with_retry(Retry::Exhausted)),
            },
            result => return result,
        }
    }
}

/// Checks that the static tables are of a version.
///
/// # Errors
/// `SchemaVersion` if they are newer, `ReadOnly` if they are older.
pub(crate) fn check_version(
    session: &mut SqliteSession,
    known: &EmbeddedMigrations,
    wanted: SchemaVersion,
) -> Result<()> {
    let there = "SELECT count(*) FROM main.sqlite_schema WHERE name = '__diesel_schema_migrations'";
    let mut applied = Vec::new();
    if session.integer(there)? > 0 {
        let versions = Fragment::sql("SELECT version FROM main.\"__diesel_schema_migrations\"");
        applied = session.column(versions, ColumnType::Text)?;
    }
    migrations::check_read_only::<Sqlite>(known, &applied, wanted)
}

/// The statement and the plan of a relation.
///
/// # Errors
/// `Argument` if it is unsound.
pub(crate) fn explain(session: &mut SqliteSession, relation: &Relation) -> Result<String> {
    let query = Query::new(session.dialect(), relation)?;
    let mut text = query.statement.sql.display();
    if !query.statement.uploads.is_empty() {
        let _ = write!(
            text,
            "\n-- reads {} temporary tables; no plan without them",
            query.statement.uploads.len()
        );
        return Ok(text);
    }
    let sql = Fragment::sql("EXPLAIN QUERY PLAN ").then(query.statement.sql);
    let names = ["id", "parent", "unused", "detail"];
    let types = [ColumnType::Int, ColumnType::Int, ColumnType::Int, ColumnType::Text];
    for row in session.rows(sql, &names.into_iter().zip(types).collect::<Vec<_>>())? {
        if let Some(detail) = row[3].as_str() {
            let _ = write!(text, "\n-- {detail}");
        }
    }
    Ok(text)
}
