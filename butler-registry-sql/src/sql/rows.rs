//! Rows of the caller: whether a table, or any database, can take them.

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
            let message = format!("has a column '{name}' of type {}, which does not take {}", spec.ty, column.ty());
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
        !column.nullable && table.identity.as_ref() != Some(&column.name) && !rows.names().contains(&column.name)
    });
    match missing {
        Some(column) => Err(problem(table, format!("needs a value of '{}', which is not given", column.name))),
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

/// Checks one value.
///
/// # Errors
/// `Argument` for what databases do not keep.
pub(crate) fn check_value(value: &Value) -> Result<()> {
    match value {
        Value::Text(text) if text.contains('\0') => Err(refused("a list", value)),
        Value::Float(float) if !float.is_finite() => Err(refused("a list", value)),
        _ => Ok(()),
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
        let error = check_columns(&table(), &rows).and_then(|()| check_complete(&table(), &rows)).unwrap_err();
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
}
