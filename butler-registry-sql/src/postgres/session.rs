//! A connection, and statements on it.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use butler_core::backend::{
    Column, ColumnBatch, ColumnType, OnConflict, RowBatch, Schema, SchemaColumn, Strength, TableRef,
    TableSpec, Value,
};
use butler_core::{Error, ErrorKind, Result};
use diesel::connection::{CacheSize, Connection, LoadConnection, SimpleConnection};
use diesel::pg::{Pg, PgConnection, PgRowByRowLoadingMode, PgValue};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::DatabaseErrorKind;
use diesel::row::{Field, Row};
use diesel::sql_types::{BigInt, Binary, Bool, Double, Text, Untyped};
use diesel::{ConnectionError, QueryResult};

use super::config::PostgresConfig;
use super::dialect::PostgresDialect;
use super::{catalog, insert};
use crate::config::Durability;
use crate::error::Failure;
use crate::sql::{Bind, Dialect, Fragment, Session, Statement, names, quoted};
use crate::stream::Batches;

/// Statements that a connection keeps prepared; beyond, all are forgotten.
const TEXTS: usize = 500;

/// How long a connection that nobody uses is taken for one that works.
const FRESH: Duration = Duration::from_secs(20);

/// A connection.
pub(crate) struct PostgresSession {
    connection: PgConnection,
    dialect: PostgresDialect,
    schema: String,
    facts: Facts,
    texts: HashSet<u64>,
    hasher: RandomState,
    used: Instant,
}

/// What the server says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Number of the process that serves the connection.
    pub(crate) process: i64,
    /// Whether it follows another server.
    pub(crate) follows: bool,
    /// Whether exclusion constraints may have scalar columns.
    pub(crate) exclusion: bool,
}

impl PostgresSession {
    /// Connects.
    ///
    /// # Errors
    /// As the server says; `Unsupported` if it does not keep text in UTF-8.
    pub(crate) fn open(config: &PostgresConfig) -> Result<Self> {
        let connection = connect(config)?;
        let dialect = PostgresDialect::new(&config.schema);
        let facts = Facts { process: 0, follows: false, exclusion: false };
        let schema = config.schema.clone();
        let (texts, hasher, used) = (HashSet::new(), RandomState::new(), Instant::now());
        let mut session = Self { connection, dialect, schema, facts, texts, hasher, used };
        let commit = if config.durability == Durability::Fast { "off" } else { "on" };
        session.run(&format!(
            "SET search_path TO {}, pg_temp; SET jit = off; SET synchronous_commit = {commit}",
            quoted(&config.schema)
        ))?;
        session.learn()?;
        Ok(session)
    }

    /// Asks what the server can do.
    ///
    /// # Errors
    /// As the database says; `Unsupported` if it does not keep text in UTF-8.
    pub(crate) fn learn(&mut self) -> Result<()> {
        let columns = [
            ("pg_backend_pid()::int8", ColumnType::Int),
            ("pg_is_in_recovery()", ColumnType::Bool),
            ("EXISTS (SELECT 1 FROM pg_catalog.pg_extension WHERE extname = 'btree_gist')", ColumnType::Bool),
            ("current_setting('server_encoding')", ColumnType::Text),
            ("current_setting('lc_messages')", ColumnType::Text),
        ];
        let sql = Fragment::sql(format!("SELECT {}", columns.map(|(sql, _)| sql).join(", ")));
        let rows = self.rows(sql, &columns)?;
        let Some([Value::Int(process), Value::Bool(follows), Value::Bool(exclusion), encoding, language]) =
            rows.first().map(Vec::as_slice)
        else {
            return Err(Error::new(ErrorKind::Unexpected, "the server does not say what it is"));
        };
        self.facts = Facts { process: *process, follows: *follows, exclusion: *exclusion };
        if encoding.as_str() != Some("UTF8") {
            let message = format!("the database keeps text as {encoding}, and not as UTF8");
            return Err(
                Error::new(ErrorKind::Unsupported, message).with_hint("create one with ENCODING 'UTF8'")
            );
        }
        let english = ["", "C", "POSIX"];
        if language.as_str().is_some_and(|name| !english.contains(&name) && !name.starts_with("en")) {
            // Errors are told apart by messages, too. Not every account may choose the language.
            let _ = self.run("SET lc_messages TO 'C'");
        }
        Ok(())
    }

    /// What the server says of itself.
    pub(crate) fn facts(&self) -> Facts {
        self.facts
    }

    /// Name of the schema.
    pub(crate) fn schema(&self) -> String {
        self.schema.clone()
    }

    /// Diesel's connection.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// The rows that a statement returns, with names and types of their columns.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) fn rows(&mut self, sql: Fragment, columns: &[(&str, ColumnType)]) -> Result<Vec<Vec<Value>>> {
        let schema =
            columns.iter().map(|(name, ty)| SchemaColumn { name: (*name).into(), ty: *ty }).collect();
        let mut rows = Vec::new();
        let statement = Statement { sql, uploads: Vec::new() };
        self.fetch(crate::sql::Query { statement, schema }, &mut |batch| {
            rows.extend(batch.rows());
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }

    /// Forgets all prepared statements.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) fn forget_statements(&mut self) -> Result<()> {
        self.run("DEALLOCATE ALL")?;
        self.connection.set_prepared_statement_cache_size(CacheSize::Disabled);
        self.connection.set_prepared_statement_cache_size(CacheSize::Unbounded);
        self.texts.clear();
        Ok(())
    }

    /// Connects anew, if the connection was not used for long and is lost.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) fn refresh(&mut self, config: &PostgresConfig) -> Result<()> {
        if self.used.elapsed() > FRESH && self.run("SELECT 1").is_err() {
            *self = Self::open(config)?;
        }
        self.used = Instant::now();
        Ok(())
    }

    /// Notes that a text will be prepared and kept.
    fn note_text(&mut self, text: &str) -> Result<()> {
        self.texts.insert(self.hasher.hash_one(text));
        if self.texts.len() > TEXTS { self.forget_statements() } else { Ok(()) }
    }

    /// Runs a statement that changes rows.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) fn change<T: QueryFragment<Pg> + QueryId>(
        &mut self,
        text: &str,
        statement: &T,
    ) -> Result<u64> {
        self.note_text(text)?;
        let count = self.connection.execute_returning_count(statement).map_err(Failure::Postgres)?;
        Ok(count as u64)
    }

    fn load(
        &mut self,
        sql: Fragment,
        schema: &Schema,
        each: &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut batches = Batches::new(schema, each);
        let rows = LoadConnection::<PgRowByRowLoadingMode>::load(&mut self.connection, Sql(sql));
        for row in rows.map_err(Failure::Postgres)? {
            let row = row.map_err(Failure::Postgres)?;
            for (index, (column, ty)) in batches.columns().enumerate() {
                let field = row.get(index);
                match field.as_ref().and_then(Field::value) {
                    None => column.push_null(),
                    Some(value) => read(&value, ty, column)?,
                }
            }
            if batches.end_row().is_break() {
                return Ok(());
            }
        }
        batches.finish();
        Ok(())
    }
}

/// Opens a connection as Diesel does.
///
/// # Errors
/// As the server says, without parts of the URL.
pub(crate) fn connect(config: &PostgresConfig) -> Result<PgConnection> {
    Ok(PgConnection::establish(config.secret_url()).map_err(|error| match error {
        ConnectionError::BadConnection(message) => Failure::Connect(config.scrubbed(&message)),
        ConnectionError::CouldntSetupConfiguration(error) => Failure::Postgres(error),
        other => Failure::Connect(config.scrubbed(&other.to_string())),
    })?)
}

/// Reads a value in PostgreSQL's binary format.
fn read(value: &PgValue<'_>, ty: ColumnType, column: &mut Column) -> Result<()> {
    let bytes = value.as_bytes();
    let unreadable = || {
        Error::new(ErrorKind::Corrupt, format!("a value of {} bytes is no {ty} as it should be", bytes.len()))
    };
    match ty {
        ColumnType::Bool => column.push_bool(bytes.first().ok_or_else(unreadable)? != &0),
        ColumnType::Int => column.push_int(i64::from_be_bytes(bytes.try_into().map_err(|_| unreadable())?)),
        ColumnType::Float => {
            column.push_float(f64::from_be_bytes(bytes.try_into().map_err(|_| unreadable())?));
        }
        ColumnType::Text => column.push_text(std::str::from_utf8(bytes).map_err(|_| unreadable())?),
        ColumnType::Bytes => column.push_bytes(bytes),
    }
    Ok(())
}

impl Session for PostgresSession {
    fn dialect(&self) -> &dyn Dialect {
        &self.dialect
    }

    fn run(&mut self, sql: &str) -> Result<()> {
        Ok(self.connection.batch_execute(sql).map_err(Failure::Postgres)?)
    }

    fn execute(&mut self, statement: Statement) -> Result<u64> {
        let sql = Sql(statement.sql);
        self.note_text(sql.0.as_str())?;
        let count = self.connection.execute_returning_count(&sql).map_err(Failure::Postgres)?;
        Ok(count as u64)
    }

    fn fetch(
        &mut self,
        query: crate::sql::Query,
        each: &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>,
    ) -> Result<()> {
        let crate::sql::Query { statement, schema } = query;
        self.note_text(statement.sql.as_str())?;
        self.load(statement.sql, &schema, each)
    }

    fn create(&mut self, spec: &TableSpec) -> Result<()> {
        catalog::create(self, spec)
    }

    fn drop_table(&mut self, name: &str) -> Result<()> {
        catalog::drop_table(self, name)
    }

    fn insert(&mut self, into: &TableRef, rows: &RowBatch, on: OnConflict) -> Result<u64> {
        insert::insert(self, into, rows, on)
    }

    fn update(&mut self, table: &TableRef, rows: &RowBatch) -> Result<u64> {
        insert::update(self, table, rows)
    }

    fn lock(&mut self, table: &TableRef, rows: Statement, strength: Strength) -> Result<()> {
        let strength = match strength {
            Strength::KeyShare => "FOR KEY SHARE",
            Strength::Update => "FOR UPDATE",
        };
        // In the order of keys, so that two do not wait for each other.
        let order = names(&table.primary_key);
        let sql = Fragment::sql("SELECT 1 ").then(rows.sql).text(&format!(" ORDER BY {order} {strength}"));
        self.rows(sql, &[]).map(drop)
    }
}

/// A fragment as Diesel sees it.
pub(crate) struct Sql(pub(crate) Fragment);

impl QueryFragment<Pg> for Sql {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for (bind, text) in self.0.segments() {
            match bind {
                None => {}
                #[cfg(feature = "sqlite")]
                Some(Bind::Null) => push_value(&Value::Null, &mut out)?,
                Some(Bind::Value(value)) => push_value(value, &mut out)?,
                Some(Bind::Array(array)) => array.push(&mut out)?,
            }
            out.push_sql(text);
        }
        Ok(())
    }
}

fn push_value<'b>(value: &'b Value, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    match value {
        Value::Null => Err(diesel::result::Error::QueryBuilderError("NULL without a type".into())),
        Value::Bool(value) => out.push_bind_param::<Bool, _>(value),
        Value::Int(value) => out.push_bind_param::<BigInt, _>(value),
        Value::Float(value) => out.push_bind_param::<Double, _>(value),
        Value::Text(value) => out.push_bind_param::<Text, _>(value.as_str()),
        Value::Bytes(value) => out.push_bind_param::<Binary, [u8]>(value),
    }
}

impl QueryId for Sql {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Sql {
    type SqlType = Untyped;
}

/// Whether the connection is lost, so that the end of a transaction is not known.
pub(crate) fn is_lost(error: &diesel::result::Error) -> bool {
    use diesel::result::Error::{DatabaseError, RollbackErrorOnCommit};
    match error {
        DatabaseError(DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand, _) => {
            true
        }
        RollbackErrorOnCommit { commit_error, .. } => is_lost(commit_error),
        _ => false,
    }
}
