//! Rows of the caller: whether a table, or any database, can take them.

use std::collections::HashMap;

use arcstr::ArcStr;
use butler_core::backend::{Column, ColumnType, RowBatch, TableSpec, Value};
use butler_core::{Error, ErrorKind, Result};

/// Checks that rows fit the columns of a table.
///
/// # Errors
/// `Argument` if a column is unknown, repeated or of the wrong type, or a value is none that databases keep.
pub(crate) fn check_columns(table: &TableSpec, rows: &RowBatch) -> Result<()> {
    for (index, (name, column)) in rows.names().iter().zip(rows.columns()).enumerate() {
        let spec = table.get(name).ok_or_else(|| {
            let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            problem(table, format!("has no column '{name}', only {}", names.join(", ")))
        })?;
        if rows.names()[..index].contains(name) {
            return Err(problem(table, format!("is given the column '{name}' twice")));
        }
        if spec.ty != column.ty() {
            let message =
                format!("has a column '{name}' of type {}, which does not take {}", spec.ty, column.ty());
            return Err(problem(table, message));
        }
        if !spec.nullable
            && column.ints().is_none()
            && let Some(row) = (0..rows.len()).find(|row| column.is_null(*row))
        {
            return Err(problem(table, format!("needs a value of '{name}', which is NULL in row {row}")));
        }
        check_values(name, column)?;
    }
    Ok(())
}

/// Checks that every column that cannot be NULL is given.
///
/// # Errors
/// `Argument` if one is missing.
pub(crate) fn check_complete(table: &TableSpec, rows: &RowBatch) -> Result<()> {
    let missing = table.columns.iter().find(|column| {
        !column.nullable
            && table.identity.as_ref() != Some(&column.name)
            && !rows.names().contains(&column.name)
    });
    match missing {
        Some(column) => {
            Err(problem(table, format!("needs a value of '{}', which is not given", column.name)))
        }
        None => Ok(()),
    }
}

/// Checks that the primary key is given.
///
/// # Errors
/// `Argument` if a column of it is missing.
pub(crate) fn check_key(table: &TableSpec, rows: &RowBatch) -> Result<()> {
    match table.primary_key.iter().find(|name| !rows.names().contains(name)) {
        Some(name) => Err(problem(table, format!("needs the column '{name}' of its primary key"))),
        None => Ok(()),
    }
}

/// Checks values that the caller wants to be read as a relation.
///
/// # Errors
/// `Argument` for what databases do not keep.
pub(crate) fn check_batch(rows: &RowBatch) -> Result<()> {
    rows.names().iter().zip(rows.columns()).try_for_each(|(name, column)| check_values(name, column))
}

fn check_values(name: &ArcStr, column: &Column) -> Result<()> {
    let bad = |row: usize| match column.ty() {
        ColumnType::Text => column.text(row).is_some_and(|text| text.contains('\0')),
        ColumnType::Float => column.float(row).is_some_and(|value| !value.is_finite()),
        _ => false,
    };
    if !matches!(column.ty(), ColumnType::Text | ColumnType::Float) {
        return Ok(());
    }
    match (0..column.len()).find(|row| bad(*row)) {
        None => Ok(()),
        Some(row) => Err(refused(name, &column.value(row)).with_context("row", row)),
    }
}

/// The rows without those whose primary key comes again; none if no key does.
///
/// # Errors
/// None that can happen: the rows are copied.
pub(crate) fn last_of_each_key(table: &TableSpec, rows: &RowBatch) -> Result<Option<RowBatch>> {
    let position = |name: &ArcStr| rows.names().iter().position(|other| other == name);
    // Without its key, which is an identity, no row is like another.
    let Some(key) = table.primary_key.iter().map(position).collect::<Option<Vec<usize>>>() else {
        return Ok(None);
    };
    let mut last = HashMap::with_capacity(rows.len());
    for row in 0..rows.len() {
        let mut bytes = Vec::new();
        key.iter().for_each(|column| push_bytes(&rows.columns()[*column], row, &mut bytes));
        last.insert(bytes, row);
    }
    if last.len() == rows.len() {
        return Ok(None);
    }
    let mut kept: Vec<usize> = last.into_values().collect();
    kept.sort_unstable();
    let columns = rows.names().iter().cloned().zip(rows.columns().iter().map(Column::ty));
    let mut fewer = RowBatch::new(columns);
    kept.into_iter().try_for_each(|row| fewer.push_row(&rows.row(row)))?;
    Ok(Some(fewer))
}

/// Appends bytes that tell a value from every other one.
fn push_bytes(column: &Column, row: usize, bytes: &mut Vec<u8>) {
    match column.ty() {
        ColumnType::Int => bytes.extend(column.int(row).unwrap_or_default().to_le_bytes()),
        ColumnType::Bool => bytes.push(u8::from(column.bool(row).unwrap_or_default())),
        ColumnType::Float => {
            bytes.extend((column.float(row).unwrap_or_default() + 0.0).to_bits().to_le_bytes());
        }
        ColumnType::Text | ColumnType::Bytes => {
            let value = column.text(row).map(str::as_bytes).or_else(|| column.bytes(row)).unwrap_or_default();
            bytes.extend(value.len().to_le_bytes());
            bytes.extend(value);
        }
    }
}

fn refused(place: &str, value: &Value) -> Error {
    let what = match value {
        Value::Text(_) => "text cannot contain NUL".to_owned(),
        _ => format!("{value} is no value"),
    };
    Error::new(ErrorKind::Argument, format!("{what}, found in {place}: {}", value.to_string().escape_debug()))
}

fn problem(table: &TableSpec, message: String) -> Error {
    Error::new(ErrorKind::Argument, format!("table '{}' {message}", table.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TableSpec {
        TableSpec::new("t", "")
            .column("a", ColumnType::Int, "")
            .nullable("b", ColumnType::Text, "")
            .column("c", ColumnType::Float, "")
            .primary_key(["a"])
    }

    fn refuses(columns: &[(&str, ColumnType)], row: &[Value], reason: &str) {
        let mut rows = RowBatch::new(columns.iter().map(|(name, ty)| ((*name).into(), *ty)));
        for (column, value) in rows.columns_mut().iter_mut().zip(row) {
            match value {
                Value::Float(value) => column.push_float(*value),
                Value::Text(value) => column.push_text(value),
                other => column.push(other).unwrap(),
            }
        }
        rows.end_row();
        let error =
            check_columns(&table(), &rows).and_then(|()| check_complete(&table(), &rows)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
        assert!(error.to_string().contains(reason), "{error}");
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        use ColumnType::{Float, Int, Text};
        refuses(&[("z", Int)], &[1.into()], "no column 'z', only a, b, c");
        refuses(&[("a", Int), ("a", Int)], &[1.into(), 1.into()], "'a' twice");
        refuses(&[("a", Text)], &["x".into()], "of type int, which does not take text");
        refuses(&[("a", Int)], &[Value::Null], "'a', which is NULL in row 0");
        refuses(&[("b", Text)], &["x\0".into()], "cannot contain NUL");
        refuses(&[("c", Float)], &[f64::INFINITY.into()], "inf is no value");
        refuses(&[("a", Int)], &[1.into()], "'c', which is not given");
    }

    #[test]
    fn the_last_row_of_a_key_stays() {
        let mut rows = RowBatch::new([("b".into(), ColumnType::Text), ("a".into(), ColumnType::Int)]);
        for (text, key) in [("x", 1), ("y", 2), ("z", 1)] {
            rows.push_row(&[text.into(), key.into()]).unwrap();
        }
        let last = last_of_each_key(&table(), &rows).unwrap().unwrap();
        assert_eq!(last.rows().collect::<Vec<_>>(), [["y".into(), 2.into()], ["z".into(), Value::from(1)]]);
        assert!(last_of_each_key(&table(), &last).unwrap().is_none());
    }
}
