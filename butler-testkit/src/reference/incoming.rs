//! What goes into a table: batches, checked against its columns.

use butler_core::backend::{Column, RowBatch, TableSpec, Value};
use butler_core::{Error, ErrorKind, Result};

use super::flaw::{Flaw, Flawed};

/// A batch whose columns are those of a table.
pub(super) struct Incoming<'a> {
    spec: &'a TableSpec,
    batch: &'a RowBatch,
    /// For each column of the table, its position in the batch.
    given: Vec<Option<usize>>,
    flaw: Option<Flaw>,
}

impl<'a> Incoming<'a> {
    /// Checks names and types.
    ///
    /// # Errors
    /// `Argument` if a column is unknown, given twice, or of another type.
    pub(super) fn new(spec: &'a TableSpec, batch: &'a RowBatch, flaw: Option<Flaw>) -> Result<Self> {
        let mut given = vec![None; spec.columns.len()];
        for (index, (name, column)) in batch.names().iter().zip(batch.columns()).enumerate() {
            let Some(position) = spec.position(name) else {
                return Err(refused(spec, &format!("has no column '{}'", name.escape_debug())));
            };
            let ty = spec.columns[position].ty;
            if column.ty() != ty {
                return Err(refused(
                    spec,
                    &format!("has the column '{name}' of type {ty}, not {}", column.ty()),
                ));
            }
            if given[position].replace(index).is_some() && !flaw.is(Flaw::ColumnsGivenTwice) {
                return Err(refused(spec, &format!("was given the column '{name}' twice")));
            }
        }
        Ok(Self { spec, batch, given, flaw })
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.batch.len()
    }

    /// That some columns are given, and not NULL in a row.
    ///
    /// # Errors
    /// `Argument` if one is not, or if the row is not there.
    pub(super) fn require<'c>(
        &self,
        columns: impl IntoIterator<Item = &'c arcstr::ArcStr>,
        row: usize,
    ) -> Result<()> {
        for column in columns {
            if self.spec.position(column).is_none_or(|position| self.value(row, position).is_null()) {
                return Err(refused(self.spec, &format!("needs a value of the column '{column}'")));
            }
        }
        Ok(())
    }

    /// A value of a row, or NULL if its column is not given.
    fn value(&self, row: usize, position: usize) -> Value {
        self.given[position].map_or(Value::Null, |index| self.batch.columns()[index].value(row))
    }

    /// The values of a row, with NULL in columns that are not given.
    pub(super) fn sparse(&self, row: usize) -> Vec<Value> {
        (0..self.given.len()).map(|position| self.value(row, position)).collect()
    }

    /// A whole row of the table; `other` supplies the columns that are not given.
    ///
    /// # Errors
    /// `Argument` for what the columns cannot hold.
    pub(super) fn row(
        &self,
        row: usize,
        mut other: impl FnMut(usize) -> Result<Value>,
    ) -> Result<Vec<Value>> {
        let values = self.spec.columns.iter().enumerate().map(|(position, column)| {
            let value = match self.given[position] {
                Some(index) => checked(&self.batch.columns()[index], row, self.flaw)?,
                None => other(position)?,
            };
            if value.is_null() && !column.nullable && !self.flaw.is(Flaw::NullAllowed) {
                let message = format!("does not allow NULL in the column '{}'", column.name);
                return Err(refused(self.spec, &message));
            }
            Ok(value)
        });
        values.collect()
    }
}

/// The value of a row; columns may have been filled without checks.
///
/// # Errors
/// `Argument` for text with NUL, and for floats that are not finite.
pub(super) fn checked(column: &Column, row: usize, flaw: Option<Flaw>) -> Result<Value> {
    let value = column.value(row);
    let unusable = match &value {
        Value::Text(text) => text.contains('\0') && !flaw.is(Flaw::TextEndsAtNul),
        Value::Float(float) => !float.is_finite() && !flaw.is(Flaw::InfinityIsNull),
        _ => false,
    };
    match value {
        value if unusable => Err(Error::new(
            ErrorKind::Argument,
            format!("{} is no value of a column", value.to_string().escape_debug()),
        )),
        Value::Text(text) if text.contains('\0') => Ok(text.split('\0').next().unwrap_or_default().into()),
        Value::Float(float) if !float.is_finite() => Ok(Value::Null),
        value => Ok(value),
    }
}

pub(super) fn refused(spec: &TableSpec, found: &str) -> Error {
    Error::new(ErrorKind::Argument, format!("table '{}' {found}", spec.name))
}
