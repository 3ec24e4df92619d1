//! A connection, and statements on it.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;

use butler_core::Result;
use butler_core::backend::{
    ColumnBatch, ColumnType, OnConflict, RowBatch, Schema, SchemaColumn, Strength, TableRef, TableSpec, Value,
};
use diesel::connection::{CacheSize, Connection, DefaultLoadingMode, LoadConnection, SimpleConnection};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::row::{Field, Row};
use diesel::sql_types::{BigInt, Binary, Bool, Double, Integer, Nullable, Text, Untyped};
use diesel::sqlite::{Sqlite, SqliteValue};
use diesel::{QueryResult, SqliteConnection};

use super::dialect::SqliteDialect;
use super::handle::{Handle, Interrupt, establish};
use super::insert::{InsertRows, insert_rows, update_rows};
use super::{catalog, functions};
use crate::error::Failure;
use crate::sql::builder::Upload;
use crate::sql::{Bind, Dialect, Fragment, Session, Statement, quoted};
use crate::stream::Batches;

/// Statements that a connection keeps prepared; beyond, all are forgotten.
const TEXTS: usize = 500;

/// Statements that begin and end transactions, and parts of them.
const BRACKETS: [&str; 4] = ["BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"];

/// A connection.
pub(crate) struct SqliteSession {
    // Forgets the connection before that is closed.
    handle: Handle,
    connection: SqliteConnection,
    texts: HashSet<u64>,
    hasher: RandomState,
}

impl SqliteSession {
    /// Opens a connection and prepares it with some statements.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) fn open(url: &str, pragmas: &str) -> Result<Self> {
        let (connection, handle) = establish(url).map_err(Failure::Open)?;
        let mut session = Self { handle, connection, texts: HashSet::new(), hasher: RandomState::new() };
        session.run(pragmas)?;
        functions::register(&mut session.connection).map_err(Failure::Sqlite)?;
        Ok(session)
    }

    /// What interrupts it.
    pub(crate) fn interrupt(&self) -> Interrupt {
        self.handle.interrupt()
    }

    /// Whether a transaction is open.
    pub(crate) fn in_transaction(&self) -> bool {
        self.handle.in_transaction()
    }

    /// Diesel's connection.
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Notes that a text will be prepared and kept.
    fn note_text(&mut self, text: &impl std::hash::Hash) {
        self.texts.insert(self.hasher.hash_one(text));
        if self.texts.len() > TEXTS {
            self.connection.set_prepared_statement_cache_size(CacheSize::Disabled);
            self.connection.set_prepared_statement_cache_size(CacheSize::Unbounded);
            self.texts.clear();
        }
    }

    /// Runs a statement that changes rows, whose text is determined by something shorter.
    pub(crate) fn change<T: QueryFragment<Sqlite> + QueryId>(
        &mut self,
        text: &impl std::hash::Hash,
        statement: &T,
    ) -> Result<u64> {
        self.note_text(text);
        self.run_sql(statement)
    }

    fn run_sql<T: QueryFragment<Sqlite> + QueryId>(&mut self, statement: &T) -> Result<u64> {
        let count = self.connection.execute_returning_count(statement).map_err(Failure::Sqlite)?;
        Ok(count as u64)
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

    /// The values of the only column of what a statement returns.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) fn column(&mut self, sql: Fragment, ty: ColumnType) -> Result<Vec<Value>> {
        Ok(self.rows(sql, &[("value", ty)])?.into_iter().flatten().collect())
    }

    /// The integer that a statement returns.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) fn integer(&mut self, sql: &str) -> Result<i64> {
        let values = self.column(Fragment::sql(sql), ColumnType::Int)?;
        Ok(values.first().and_then(Value::as_int).unwrap_or_default())
    }

    /// The text that a statement returns.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) fn text(&mut self, sql: &str) -> Result<String> {
        let values = self.column(Fragment::sql(sql), ColumnType::Text)?;
        Ok(values.first().and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    fn with_uploads<T>(
        &mut self,
        uploads: &[Upload],
        call: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let mut result = Ok(());
        for upload in uploads {
            result = result.and_then(|()| self.upload(upload));
        }
        let result = result.and_then(|()| call(self));
        for upload in uploads {
            let dropped = self.run(&format!("DROP TABLE IF EXISTS temp.{}", quoted(&upload.table)));
            if result.is_ok() {
                dropped?;
            }
        }
        result
    }

    fn upload(&mut self, upload: &Upload) -> Result<()> {
        let types = upload.rows.columns().iter().map(|column| sql_type(column.ty()));
        let mut columns: Vec<String> =
            types.enumerate().map(|(index, ty)| format!("c{index} {ty}")).collect();
        if columns.is_empty() {
            columns.push("c0".into());
        }
        let name = format!("temp.{}", quoted(&upload.table));
        self.run(&format!("DROP TABLE IF EXISTS {name}; CREATE TABLE {name} ({})", columns.join(", ")))?;
        let names: Vec<String> = (0..columns.len()).map(|index| format!("c{index}")).collect();
        insert_rows(self, &name, &names.join(", "), &upload.rows, "").map(drop)
    }

    fn load(
        &mut self,
        sql: Fragment,
        schema: &Schema,
        each: &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut batches = Batches::new(schema, each);
        let rows = LoadConnection::<DefaultLoadingMode>::load(&mut self.connection, Sql(sql));
        for row in rows.map_err(Failure::Sqlite)? {
            let row = row.map_err(Failure::Sqlite)?;
            for (index, (column, ty)) in batches.columns().enumerate() {
                let field = row.get(index);
                match field.as_ref().and_then(Field::value) {
                    None => column.push_null(),
                    Some(value) => read(value, ty, column),
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

fn read(mut value: SqliteValue<'_, '_, '_>, ty: ColumnType, column: &mut butler_core::backend::Column) {
    match ty {
        ColumnType::Bool => column.push_bool(value.read_long() != 0),
        ColumnType::Int => column.push_int(value.read_long()),
        ColumnType::Float => column.push_float(value.read_double()),
        ColumnType::Text => column.push_text(value.read_text()),
        ColumnType::Bytes => column.push_bytes(value.read_blob()),
    }
}

/// The declared type of a column. Both kinds of integers are the same to SQLite; the catalogue tells them apart.
pub(crate) fn sql_type(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Bool => "INT",
        ColumnType::Int => "INTEGER",
        ColumnType::Float => "REAL",
        ColumnType::Text => "TEXT",
        ColumnType::Bytes => "BLOB",
    }
}

impl Session for SqliteSession {
    fn dialect(&self) -> &dyn Dialect {
        &SqliteDialect
    }

    fn run(&mut self, sql: &str) -> Result<()> {
        // What surrounds every transaction stays prepared.
        if BRACKETS.iter().any(|word| sql.starts_with(word)) && !sql.contains(';') {
            self.note_text(&sql);
            return self.run_sql(&Sql(Fragment::sql(sql))).map(drop);
        }
        Ok(self.connection.batch_execute(sql).map_err(Failure::Sqlite)?)
    }

    fn execute(&mut self, statement: Statement) -> Result<u64> {
        let Statement { sql, uploads } = statement;
        self.with_uploads(&uploads, |session| {
            session.note_text(&sql.as_str());
            session.run_sql(&Sql(sql))
        })
    }

    fn fetch(
        &mut self,
        query: crate::sql::Query,
        each: &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>,
    ) -> Result<()> {
        let crate::sql::Query { statement: Statement { sql, uploads }, schema } = query;
        self.note_text(&sql.as_str());
        self.with_uploads(&uploads, |session| session.load(sql, &schema, each))
    }

    fn create(&mut self, spec: &TableSpec) -> Result<()> {
        catalog::create(self, spec)
    }

    fn drop_table(&mut self, name: &str) -> Result<()> {
        catalog::drop_table(self, name)
    }

    fn insert(&mut self, into: &TableRef, rows: &RowBatch, on: OnConflict) -> Result<u64> {
        super::insert::insert(self, into, rows, on)
    }

    fn update(&mut self, table: &TableRef, rows: &RowBatch) -> Result<u64> {
        update_rows(self, table, rows)
    }

    fn lock(&mut self, table: &TableRef, _: Statement, _: Strength) -> Result<()> {
        // Nobody else writes. The table must be there all the same.
        let sql = format!("SELECT 1 FROM {} LIMIT 0", SqliteDialect.table(&table.name));
        self.rows(Fragment::sql(sql), &[]).map(drop)
    }
}

/// A fragment as Diesel sees it.
pub(crate) struct Sql(pub(crate) Fragment);

impl QueryFragment<Sqlite> for Sql {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        for (bind, text) in self.0.segments() {
            match bind {
                None => {}
                Some(Bind::Null) => out.push_bind_param::<Nullable<Integer>, _>(&None::<i32>)?,
                Some(Bind::Value(value)) => push_value(value, &mut out)?,
                #[cfg(feature = "postgres")]
                Some(Bind::Array(_)) => {
                    return Err(diesel::result::Error::QueryBuilderError("SQLite has no arrays".into()));
                }
            }
            out.push_sql(text);
        }
        Ok(())
    }
}

fn push_value<'b>(value: &'b Value, out: &mut AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
    match value {
        Value::Null => out.push_bind_param::<Nullable<Integer>, _>(&None::<i32>),
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

impl QueryId for InsertRows<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
