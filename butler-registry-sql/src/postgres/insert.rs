//! Many rows at a time, as arrays of their columns.

use std::fmt::Write as _;

use arcstr::ArcStr;
use butler_core::Result;
use butler_core::backend::{OnConflict, RowBatch, TableRef, Value};
use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};

use super::array::ArraySlice;
use super::session::PostgresSession;
use crate::sql::{Bind, Fragment, Session, Statement, last_of_each_key, names, quoted, replaced};

/// Greatest number of rows of one statement.
const CHUNK: usize = 10_000;

/// A statement about some rows: text, their arrays, and text again.
struct WithArrays<'a> {
    head: &'a str,
    arrays: Vec<ArraySlice<'a>>,
    tail: &'a str,
}

impl QueryFragment<Pg> for WithArrays<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(self.head);
        for (index, array) in self.arrays.iter().enumerate() {
            if index > 0 {
                out.push_sql(", ");
            }
            array.push(&mut out)?;
        }
        out.push_sql(self.tail);
        Ok(())
    }
}

impl QueryId for WithArrays<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

fn run(session: &mut PostgresSession, rows: &RowBatch, head: &str, tail: &str) -> Result<u64> {
    let text = format!("{head}{tail}");
    let mut count = 0;
    for begin in (0..rows.len()).step_by(CHUNK) {
        let range = begin..rows.len().min(begin + CHUNK);
        let array = |column| ArraySlice { column, rows: range.clone() };
        let statement = WithArrays { head, arrays: rows.columns().iter().map(array).collect(), tail };
        count += session.change(&text, &statement)?;
    }
    Ok(count)
}

/// Inserts rows into a table.
pub(super) fn insert(
    session: &mut PostgresSession,
    into: &TableRef,
    rows: &RowBatch,
    on: OnConflict,
) -> Result<u64> {
    let name = session.dialect().table(&into.name);
    let last = if on == OnConflict::Replace { last_of_each_key(into, rows)? } else { None };
    let rows = last.as_ref().unwrap_or(rows);
    if rows.names().is_empty() {
        // Only an identity, which may be left out.
        let sql = Fragment::sql(format!("INSERT INTO {name} DEFAULT VALUES"));
        return (0..rows.len())
            .map(|_| session.execute(Statement { sql: sql.clone(), uploads: Vec::new() }))
            .sum();
    }
    let identity =
        into.identity.as_ref().and_then(|name| rows.names().iter().position(|other| other == name));
    if identity.is_some() {
        // Nobody is issued a value while the sequence is set.
        session.run(&format!("LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE"))?;
    }
    let head = format!("INSERT INTO {name} ({}) SELECT * FROM unnest(", names(rows.names()));
    let key = names(&into.primary_key);
    let tail = match on {
        OnConflict::Fail => ")".to_owned(),
        OnConflict::Ignore => format!(") ON CONFLICT ({key}) DO NOTHING"),
        OnConflict::Replace => format!(") ON CONFLICT ({key}) DO UPDATE SET {}", replaced(into)),
    };
    let count = run(session, rows, &head, &tail)?;
    if let Some(index) = identity
        && let Some(greatest) = (0..rows.len()).filter_map(|row| rows.columns()[index].int(row)).max()
    {
        count_as_issued(session, &name, &rows.names()[index], greatest)?;
    }
    Ok(count)
}

fn count_as_issued(session: &mut PostgresSession, table: &str, column: &str, greatest: i64) -> Result<()> {
    let bind = |value: Value| Fragment::bind(Bind::Value(value));
    let sql = Fragment::sql("SELECT setval(s.sequence, ")
        .then(bind(greatest.into()))
        .text(") FROM (SELECT pg_get_serial_sequence(")
        .then(bind(table.into()))
        .text(", ")
        .then(bind(column.into()))
        .text(")::regclass AS sequence) AS s WHERE ")
        .then(bind(greatest.into()))
        .text(" > coalesce(pg_sequence_last_value(s.sequence), 0)");
    session.rows(sql, &[]).map(drop)
}

/// Changes rows.
pub(super) fn update(session: &mut PostgresSession, table: &TableRef, rows: &RowBatch) -> Result<u64> {
    let last = last_of_each_key(table, rows)?;
    let rows = last.as_ref().unwrap_or(rows);
    let name = session.dialect().table(&table.name);
    let is_key = |name: &ArcStr| table.primary_key.contains(name);
    let given = |name: &ArcStr| rows.names().iter().position(|other| other == name);
    let others: Vec<&ArcStr> = rows.names().iter().filter(|name| !is_key(name)).collect();
    let changed: Vec<&ArcStr> = if others.is_empty() { table.primary_key.iter().collect() } else { others };
    let mut head = format!("UPDATE {name} AS t SET ");
    for (index, column) in changed.into_iter().enumerate() {
        let separator = if index > 0 { ", " } else { "" };
        let _ = write!(head, "{separator}{} = v.c{}", quoted(column), given(column).unwrap_or(0));
    }
    head.push_str(" FROM unnest(");
    let columns: Vec<String> = (0..rows.names().len()).map(|index| format!("c{index}")).collect();
    let mut tail = format!(") AS v({}) WHERE ", columns.join(", "));
    for (index, column) in table.primary_key.iter().enumerate() {
        let separator = if index > 0 { " AND " } else { "" };
        let _ = write!(tail, "{separator}t.{} = v.c{}", quoted(column), given(column).unwrap_or(0));
    }
    run(session, rows, &head, &tail)
}
