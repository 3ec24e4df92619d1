//! Transactions made of SQL statements.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arcstr::ArcStr;
use butler_core::backend::{
    ColumnBatch, ColumnType, Comparison, OnConflict, Relation, RowBatch, Scalar, Schema, Strength, Synced,
    TableRef, TableSpec, Transaction, Value,
};
use butler_core::{Error, ErrorKind, Result, Retry};

use super::builder::{Builder, Query, Statement};
use super::dialect::Dialect;
use super::fragment::{Fragment, quoted};
use super::rows::{check_columns, check_complete, check_key};
use super::scalar::{ExprKind, junction};

/// Times that a row to be synced may appear and vanish before we give up.
const SYNC_ATTEMPTS: usize = 8;

/// A connection with a transaction open on it.
pub(crate) trait Session {
    /// The dialect.
    fn dialect(&self) -> &dyn Dialect;

    /// Runs statements without values.
    fn run(&mut self, sql: &str) -> Result<()>;

    /// Runs a statement that changes rows; returns their number.
    fn execute(&mut self, statement: Statement) -> Result<u64>;

    /// Runs a statement that returns rows, and hands them over until told to stop.
    fn fetch(&mut self, query: Query, each: &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>) -> Result<()>;

    /// Creates a table.
    fn create(&mut self, spec: &TableSpec) -> Result<()>;

    /// Removes a table.
    fn drop_table(&mut self, name: &str) -> Result<()>;

    /// Inserts rows that were checked, of which there is at least one.
    fn insert(&mut self, into: &TableRef, rows: &RowBatch, on: OnConflict) -> Result<u64>;

    /// Changes rows that were checked, of which there is at least one.
    fn update(&mut self, table: &TableRef, rows: &RowBatch) -> Result<u64>;

    /// Locks the rows that a statement beginning with `FROM` describes.
    fn lock(&mut self, table: &TableRef, rows: Statement, strength: Strength) -> Result<()>;
}

/// A transaction on a connection.
pub(crate) struct SqlTransaction<'a, S> {
    session: &'a mut S,
    read_only: bool,
    depth: usize,
    /// The first call that failed.
    failed: Option<Error>,
}

/// Runs a body; the caller commits or rolls back.
///
/// # Errors
/// Those of the body, that of a call in it that failed, or `Unexpected` if it panics.
pub(crate) fn run_body<S: Session>(
    session: &mut S,
    read_only: bool,
    body: &mut dyn FnMut(&mut dyn Transaction) -> Result<()>,
) -> Result<()> {
    let mut transaction = SqlTransaction { session, read_only, depth: 0, failed: None };
    let result = catch_unwind(AssertUnwindSafe(|| body(&mut transaction)));
    let failed = transaction.failed.take();
    result.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))).and_then(|()| failed.map_or(Ok(()), Err))
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let message =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::new(
        ErrorKind::Unexpected,
        format!("the body of a transaction panicked: {}", message.unwrap_or("without a message")),
    )
}

/// What is told again of an error; its source stays with the first.
fn copied(error: &Error) -> Error {
    let mut copy = Error::new(error.kind(), error.message()).with_retry(error.retry());
    if let Some(operation) = error.operation() {
        copy = copy.with_operation(operation.to_owned());
    }
    if let Some(hint) = error.hint() {
        copy = copy.with_hint(hint);
    }
    error.context().iter().fold(copy, |copy, (key, value)| copy.with_context(key, value))
}

impl<S: Session> SqlTransaction<'_, S> {
    fn call<T>(
        &mut self,
        writes: bool,
        table: Option<&str>,
        call: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        if let Some(error) = &self.failed {
            return Err(copied(error));
        }
        let result = if writes && self.read_only {
            Err(Error::new(ErrorKind::ReadOnly, "the database was opened for reading only"))
        } else {
            call(self)
        };
        result.map_err(|error| {
            let error = match table {
                Some(name) => error.with_context("table", name),
                None => error,
            };
            self.failed = Some(copied(&error));
            error
        })
    }

    fn rows(&mut self, relation: &Relation) -> Result<Option<Vec<Value>>> {
        let query = Query::new(self.session.dialect(), relation)?;
        let mut row = None;
        self.session.fetch(query, &mut |batch| {
            row = batch.rows().next();
            ControlFlow::Break(())
        })?;
        Ok(row)
    }

    fn sync_row(&mut self, into: &TableRef, row: &RowBatch) -> Result<Synced> {
        if row.len() != 1 {
            return Err(Error::new(
                ErrorKind::Argument,
                format!("{} rows are to be synced, not one", row.len()),
            ));
        }
        check_columns(into, row)?;
        check_complete(into, row)?;
        let key = into.natural_key();
        let mut conditions = Vec::with_capacity(key.len());
        for name in key {
            let value = match row.names().iter().position(|other| other == name) {
                Some(index) if !row.columns()[index].is_null(0) => row.columns()[index].value(0),
                _ => {
                    let message = format!("table '{}' needs a value of '{name}' to sync a row by", into.name);
                    return Err(Error::new(ErrorKind::Argument, message));
                }
            };
            conditions.push(Scalar::Column(name.clone()).eq(value));
        }
        let existing = into.scan().filter(Scalar::And(conditions));
        for _ in 0..SYNC_ATTEMPTS {
            if let Some(row) = self.rows(&existing)? {
                return Ok(Synced { inserted: false, row });
            }
            if let Some(row) = self.insert_returning(into, row)? {
                return Ok(Synced { inserted: true, row });
            }
            // Somebody else inserted it after we looked.
        }
        Err(Error::new(ErrorKind::Busy, format!("a row of table '{}' comes and goes", into.name)))
    }

    /// Inserts a row unless its natural key is there.
    fn insert_returning(&mut self, into: &TableRef, row: &RowBatch) -> Result<Option<Vec<Value>>> {
        let schema: Schema = into.scan().schema()?;
        let statement = Statement::build(self.session.dialect(), &mut |builder| {
            let mut values = Vec::with_capacity(row.names().len());
            for column in row.columns() {
                values.push(match column.value(0) {
                    Value::Null => builder.null(column.ty()).sql,
                    value => builder.literal(&value)?.sql,
                });
            }
            Ok(Fragment::sql(format!(
                "INSERT INTO {} ({}) VALUES (",
                builder.dialect.table(&into.name),
                names(row.names())
            ))
            .then(Fragment::join(values, ", "))
            .text(&format!(
                ") ON CONFLICT ({}) DO NOTHING RETURNING {}",
                names(into.natural_key()),
                names(into.columns.iter().map(|column| &column.name)),
            )))
        })?;
        let mut inserted = None;
        self.session.fetch(Query { statement, schema }, &mut |batch| {
            inserted = batch.rows().next();
            ControlFlow::Continue(())
        })?;
        Ok(inserted)
    }

    /// The statement about rows whose primary key is in a relation, after its verb.
    fn matching(&self, table: &TableRef, matching: &Relation) -> Result<Statement> {
        let schema = matching.schema()?;
        for name in &table.primary_key {
            let expected: Option<ColumnType> = table.get(name).map(|column| column.ty);
            let found = schema.iter().find(|column| column.name == *name).map(|column| column.ty);
            if found.is_none() || found != expected {
                let message =
                    format!("rows of table '{}' are found by '{name}', which the relation lacks", table.name);
                return Err(Error::new(ErrorKind::Argument, message));
            }
        }
        Statement::build(self.session.dialect(), &mut |builder| matching_rows(builder, table, matching))
    }
}

/// `FROM … WHERE …` of the rows of a table whose primary key is in a relation.
fn matching_rows(builder: &mut Builder<'_>, table: &TableRef, matching: &Relation) -> Result<Fragment> {
    let mut block = builder.select(matching, &table.primary_key)?;
    let is_own =
        |(output, name): (&super::Output, &ArcStr)| output.expr.kind == ExprKind::Column(name.clone());
    if block.is_plain()
        && block.table.as_ref().is_some_and(|other| other.name == table.name)
        && block.outputs.iter().zip(&table.primary_key).all(is_own)
    {
        let source = Fragment::sql("FROM ").then(block.from.swap_remove(0));
        return Ok(source.text(" WHERE ").then(junction(block.filters, " AND ")));
    }
    let own = format!("FROM {} WHERE ", builder.dialect.table(&table.name));
    if block.is_plain() && block.from.is_empty() && block.filters.is_empty() {
        let keys = table.primary_key.iter().zip(block.outputs);
        let equal = |(name, output): (&ArcStr, super::Output)| {
            super::comparison(Comparison::Eq, Fragment::identifier(name), output.expr.sql)
        };
        return Ok(Fragment::sql(own).then(junction(keys.map(equal).collect(), " AND ")));
    }
    let sql = Fragment::sql(format!("{own}({}) IN (", names(&table.primary_key)));
    Ok(sql.then(block.render(builder.dialect)).text(")"))
}

/// Quoted names, with commas between.
pub(crate) fn names<'a>(names: impl IntoIterator<Item = &'a ArcStr>) -> String {
    names.into_iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// Assignments that replace a row: of all columns but the key or, for want of others, of the key to itself.
pub(crate) fn replaced(table: &TableRef) -> String {
    let others: Vec<&ArcStr> = table
        .columns
        .iter()
        .map(|column| &column.name)
        .filter(|name| !table.primary_key.contains(name))
        .collect();
    let columns = if others.is_empty() { table.primary_key.iter().collect() } else { others };
    let assignments: Vec<String> =
        columns.iter().map(|name| format!("{0} = excluded.{0}", quoted(name))).collect();
    assignments.join(", ")
}

impl<S: Session> Transaction for SqlTransaction<'_, S> {
    fn create(&mut self, spec: &TableSpec) -> Result<()> {
        self.call(true, Some(&spec.name), |this| {
            spec.validate()?;
            this.session.create(spec)
        })
    }

    fn drop_table(&mut self, table: &TableRef) -> Result<()> {
        self.call(true, Some(&table.name), |this| this.session.drop_table(&table.name))
    }

    fn insert(&mut self, into: &TableRef, rows: &RowBatch, on: OnConflict) -> Result<u64> {
        self.call(true, Some(&into.name), |this| {
            check_columns(into, rows)?;
            check_complete(into, rows)?;
            this.session.insert(into, rows, on)
        })
    }

    fn sync(&mut self, into: &TableRef, row: &RowBatch) -> Result<Synced> {
        self.call(true, Some(&into.name), |this| this.sync_row(into, row))
    }

    fn update(&mut self, table: &TableRef, rows: &RowBatch) -> Result<u64> {
        self.call(true, Some(&table.name), |this| {
            check_columns(table, rows)?;
            check_key(table, rows)?;
            this.session.update(table, rows)
        })
    }

    fn delete(&mut self, from: &TableRef, matching: &Relation) -> Result<u64> {
        self.call(true, Some(&from.name), |this| {
            let Statement { sql, uploads } = this.matching(from, matching)?;
            this.session.execute(Statement { sql: Fragment::sql("DELETE ").then(sql), uploads })
        })
    }

    fn select(
        &mut self,
        relation: &Relation,
        each: &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>,
    ) -> Result<()> {
        self.call(false, None, |this| {
            let query = Query::new(this.session.dialect(), relation)?;
            this.session.fetch(query, each)
        })
    }

    fn lock(&mut self, table: &TableRef, rows: &Relation, strength: Strength) -> Result<()> {
        self.call(true, Some(&table.name), |this| {
            let rows = this.matching(table, rows)?;
            this.session.lock(table, rows, strength)
        })
    }

    fn savepoint(&mut self, body: &mut dyn FnMut(&mut dyn Transaction) -> Result<()>) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(copied(error));
        }
        let depth = self.depth + 1;
        let name = format!("part_{depth}");
        self.call(false, None, |this| this.session.run(&format!("SAVEPOINT {name}")))?;
        let mut part =
            SqlTransaction { session: &mut *self.session, read_only: self.read_only, depth, failed: None };
        let result = body(&mut part);
        let failed = part.failed.take();
        let lost = failed.as_ref().is_some_and(|error| error.retry() == Retry::Temporary);
        match result.and_then(|()| failed.map_or(Ok(()), Err)) {
            Ok(()) => self.call(false, None, |this| this.session.run(&format!("RELEASE SAVEPOINT {name}"))),
            Err(error) => {
                // After a failure that calls for a new attempt the transaction itself may be gone.
                let undone =
                    self.session.run(&format!("ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}"));
                if lost || undone.is_err() {
                    self.failed = Some(copied(&error));
                }
                Err(error)
            }
        }
    }
}
