//! Many rows at a time.

use std::fmt::Write as _;

use arcstr::ArcStr;
use butler_core::Result;
use butler_core::backend::{Column, ColumnType, OnConflict, RowBatch, TableRef, Value};
use diesel::QueryResult;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BigInt, Binary, Bool, Double, Nullable, Text};
use diesel::sqlite::Sqlite;

use super::session::SqliteSession;
use crate::sql::{Bind, Fragment, Session, Statement, last_of_each_key, names, quoted, replaced};

/// Greatest number of rows of one statement.
const CHUNK: usize = 1000;

/// Greatest number of values of one statement.
const MAX_BINDS: usize = 30_000;

/// Rows of the statements for what is left after those of the greatest size.
const REMAINDERS: [usize; 3] = [128, 16, 1];

/// Some rows as an INSERT statement.
pub(crate) struct InsertRows<'a> {
    head: &'a str,
    tail: &'a str,
    columns: Vec<Cells<'a>>,
    begin: usize,
    end: usize,
}

/// Values of one column, in a form that can be bound.
enum Cells<'a> {
    Ints(&'a [i64]),
    NullableInts(Vec<Option<i64>>),
    Floats(Vec<Option<f64>>),
    Bools(Vec<Option<bool>>),
    Texts(&'a Column),
    Bytes(&'a Column),
}

impl<'a> Cells<'a> {
    fn new(column: &'a Column) -> Self {
        let rows = 0..column.len();
        match (column.ty(), column.ints()) {
            (_, Some(values)) => Self::Ints(values),
            (ColumnType::Int, None) => Self::NullableInts(rows.map(|row| column.int(row)).collect()),
            (ColumnType::Float, None) => Self::Floats(rows.map(|row| column.float(row)).collect()),
            (ColumnType::Bool, None) => Self::Bools(rows.map(|row| column.bool(row)).collect()),
            (ColumnType::Text, None) => Self::Texts(column),
            (ColumnType::Bytes, None) => Self::Bytes(column),
        }
    }

    fn push<'b>(&'b self, row: usize, out: &mut AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        const NULL: &Option<i64> = &None;
        match self {
            Self::Ints(values) => out.push_bind_param::<BigInt, _>(&values[row]),
            Self::NullableInts(values) => out.push_bind_param::<Nullable<BigInt>, _>(&values[row]),
            Self::Floats(values) => out.push_bind_param::<Nullable<Double>, _>(&values[row]),
            Self::Bools(values) => out.push_bind_param::<Nullable<Bool>, _>(&values[row]),
            Self::Texts(column) => match column.text(row) {
                Some(text) => out.push_bind_param::<Text, str>(text),
                None => out.push_bind_param::<Nullable<BigInt>, _>(NULL),
            },
            Self::Bytes(column) => match column.bytes(row) {
                Some(bytes) => out.push_bind_param::<Binary, [u8]>(bytes),
                None => out.push_bind_param::<Nullable<BigInt>, _>(NULL),
            },
        }
    }
}

impl QueryFragment<Sqlite> for InsertRows<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(self.head);
        for row in self.begin..self.end {
            out.push_sql(if row == self.begin { "(" } else { "), (" });
            if self.columns.is_empty() {
                out.push_sql("NULL");
            }
            for (index, cells) in self.columns.iter().enumerate() {
                if index > 0 {
                    out.push_sql(", ");
                }
                cells.push(row, &mut out)?;
            }
        }
        out.push_sql(")");
        out.push_sql(self.tail);
        Ok(())
    }
}

/// Inserts rows in statements of few sizes.
pub(crate) fn insert_rows(
    session: &mut SqliteSession,
    table: &str,
    columns: &str,
    rows: &RowBatch,
    tail: &str,
) -> Result<u64> {
    let head = format!("INSERT INTO {table} ({columns}) VALUES ");
    let largest = CHUNK.min(MAX_BINDS / rows.columns().len().max(1)).max(1);
    let mut statement = InsertRows {
        head: &head,
        tail,
        columns: rows.columns().iter().map(Cells::new).collect(),
        begin: 0,
        end: 0,
    };
    let mut count = 0;
    while statement.begin < rows.len() {
        let left = rows.len() - statement.begin;
        let size = std::iter::once(largest).chain(REMAINDERS).find(|size| *size <= left && *size <= largest);
        statement.end = statement.begin + size.unwrap_or(1);
        count += session.change(&(&head, tail, statement.end - statement.begin), &statement)?;
        statement.begin = statement.end;
    }
    Ok(count)
}

/// Inserts rows into a table.
pub(crate) fn insert(
    session: &mut SqliteSession,
    into: &TableRef,
    rows: &RowBatch,
    on: OnConflict,
) -> Result<u64> {
    let key = names(&into.primary_key);
    let mut tail = String::new();
    match on {
        OnConflict::Fail => {}
        OnConflict::Ignore => {
            let _ = write!(tail, " ON CONFLICT ({key}) DO NOTHING");
        }
        OnConflict::Replace => {
            let _ = write!(tail, " ON CONFLICT ({key}) DO UPDATE SET {}", replaced(into));
        }
    }
    let last = if on == OnConflict::Replace { last_of_each_key(into, rows)? } else { None };
    let rows = last.as_ref().unwrap_or(rows);
    if rows.names().is_empty() {
        // Only an identity, which may be left out.
        let head = format!("INSERT INTO main.{} DEFAULT VALUES", quoted(&into.name));
        return (0..rows.len())
            .map(|_| session.execute(Statement { sql: Fragment::sql(&head), uploads: vec![] }))
            .sum();
    }
    insert_rows(session, &format!("main.{}", quoted(&into.name)), &names(rows.names()), rows, &tail)
}

/// Changes rows, one after the other.
pub(crate) fn update_rows(session: &mut SqliteSession, table: &TableRef, rows: &RowBatch) -> Result<u64> {
    let last = last_of_each_key(table, rows)?;
    let rows = last.as_ref().unwrap_or(rows);
    let is_key = |name: &ArcStr| table.primary_key.contains(name);
    let mut changed: Vec<usize> =
        (0..rows.names().len()).filter(|index| !is_key(&rows.names()[*index])).collect();
    let keys: Vec<usize> = (0..rows.names().len()).filter(|index| is_key(&rows.names()[*index])).collect();
    if changed.is_empty() {
        changed.clone_from(&keys);
    }
    let bind = |index: usize, row: usize| match rows.columns()[index].value(row) {
        Value::Null => Bind::Null,
        value => Bind::Value(value),
    };
    let equal = |index: usize, row: usize| {
        Fragment::identifier(&rows.names()[index]).text(" = ").then(Fragment::bind(bind(index, row)))
    };
    let mut count = 0;
    for row in 0..rows.len() {
        let sql = Fragment::sql(format!("UPDATE main.{} SET ", quoted(&table.name)))
            .then(Fragment::join(changed.iter().map(|index| equal(*index, row)), ", "))
            .text(" WHERE ")
            .then(Fragment::join(keys.iter().map(|index| equal(*index, row)), " AND "));
        count += session.execute(Statement { sql, uploads: Vec::new() })?;
    }
    Ok(count)
}
