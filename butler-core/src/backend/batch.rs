//! Typed columns of rows: what goes into a database and what comes out.

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use super::value::{ColumnType, Value};
use crate::{Error, ErrorKind, Result};

/// Texts of a column, in one allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strings {
    data: String,
    ends: Vec<usize>,
}

impl Strings {
    /// Appends a text.
    pub fn push(&mut self, text: &str) {
        self.data.push_str(text);
        self.ends.push(self.data.len());
    }

    /// The text of a row.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> &str {
        let begin = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.data[begin..self.ends[row]]
    }
}

/// Byte strings of a column, in one allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blobs {
    data: Vec<u8>,
    ends: Vec<usize>,
}

impl Blobs {
    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
        self.ends.push(self.data.len());
    }

    /// The bytes of a row.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> &[u8] {
        let begin = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.data[begin..self.ends[row]]
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Data {
    Bool(Vec<bool>),
    Int(Vec<i64>),
    Float(Vec<f64>),
    Text(Strings),
    Bytes(Blobs),
}

/// Values of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    data: Data,
    /// Which rows are NULL; empty as long as none is.
    nulls: Vec<bool>,
}

impl Column {
    /// A column without rows.
    #[must_use]
    pub fn new(ty: ColumnType) -> Self {
        let data = match ty {
            ColumnType::Bool => Data::Bool(Vec::new()),
            ColumnType::Int => Data::Int(Vec::new()),
            ColumnType::Float => Data::Float(Vec::new()),
            ColumnType::Text => Data::Text(Strings::default()),
            ColumnType::Bytes => Data::Bytes(Blobs::default()),
        };
        Self { data, nulls: Vec::new() }
    }

    /// Type.
    #[must_use]
    pub fn ty(&self) -> ColumnType {
        match self.data {
            Data::Bool(_) => ColumnType::Bool,
            Data::Int(_) => ColumnType::Int,
            Data::Float(_) => ColumnType::Float,
            Data::Text(_) => ColumnType::Text,
            Data::Bytes(_) => ColumnType::Bytes,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Bool(values) => values.len(),
            Data::Int(values) => values.len(),
            Data::Float(values) => values.len(),
            Data::Text(values) => values.ends.len(),
            Data::Bytes(values) => values.ends.len(),
        }
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a row is NULL.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.get(row).copied().unwrap_or(false)
    }

    fn note_null(&mut self, null: bool) {
        if null || !self.nulls.is_empty() {
            // The value itself is there already: fill up to it.
            let len = self.len();
            self.nulls.resize(len - 1, false);
            self.nulls.push(null);
        }
    }

    /// Appends NULL.
    pub fn push_null(&mut self) {
        match &mut self.data {
            Data::Bool(values) => values.push(false),
            Data::Int(values) => values.push(0),
            Data::Float(values) => values.push(0.0),
            Data::Text(values) => values.push(""),
            Data::Bytes(values) => values.push(&[]),
        }
        self.note_null(true);
    }

    /// Appends a value.
    ///
    /// # Errors
    /// `Argument` if the value is of another type, a float that is not finite,
    /// or text with NUL in it. Negative zero becomes zero.
    pub fn push(&mut self, value: &Value) -> Result<()> {
        match (&mut self.data, value) {
            (_, Value::Null) => {
                self.push_null();
                return Ok(());
            }
            (Data::Bool(values), Value::Bool(value)) => values.push(*value),
            (Data::Int(values), Value::Int(value)) => values.push(*value),
            (Data::Float(values), Value::Float(value)) if value.is_finite() => values.push(value + 0.0),
            (Data::Text(values), Value::Text(value)) if !value.contains('\0') => values.push(value),
            (Data::Bytes(values), Value::Bytes(value)) => values.push(value),
            _ => {
                return Err(Error::new(
                    ErrorKind::Argument,
                    format!(
                        "the value {} cannot be stored in a column of type {}",
                        value.to_string().escape_debug(),
                        self.ty()
                    ),
                ));
            }
        }
        self.note_null(false);
        Ok(())
    }

    /// Appends an integer; a column of another type gets NULL.
    pub fn push_int(&mut self, value: i64) {
        match &mut self.data {
            Data::Int(values) => {
                values.push(value);
                self.note_null(false);
            }
            _ => self.push_null(),
        }
    }

    /// Appends a float; a column of another type gets NULL.
    pub fn push_float(&mut self, value: f64) {
        match &mut self.data {
            Data::Float(values) => {
                values.push(value + 0.0);
                self.note_null(false);
            }
            _ => self.push_null(),
        }
    }

    /// Appends a boolean; a column of another type gets NULL.
    pub fn push_bool(&mut self, value: bool) {
        match &mut self.data {
            Data::Bool(values) => {
                values.push(value);
                self.note_null(false);
            }
            _ => self.push_null(),
        }
    }

    /// Appends text; a column of another type gets NULL.
    pub fn push_text(&mut self, value: &str) {
        match &mut self.data {
            Data::Text(values) => {
                values.push(value);
                self.note_null(false);
            }
            _ => self.push_null(),
        }
    }

    /// Appends bytes; a column of another type gets NULL.
    pub fn push_bytes(&mut self, value: &[u8]) {
        match &mut self.data {
            Data::Bytes(values) => {
                values.push(value);
                self.note_null(false);
            }
            _ => self.push_null(),
        }
    }

    /// The integer of a row; none if it is NULL or the column is of another type.
    #[must_use]
    pub fn int(&self, row: usize) -> Option<i64> {
        match &self.data {
            Data::Int(values) if !self.is_null(row) => values.get(row).copied(),
            _ => None,
        }
    }

    /// The float of a row; none if it is NULL or the column is of another type.
    #[must_use]
    pub fn float(&self, row: usize) -> Option<f64> {
        match &self.data {
            Data::Float(values) if !self.is_null(row) => values.get(row).copied(),
            _ => None,
        }
    }

    /// The boolean of a row; none if it is NULL or the column is of another type.
    #[must_use]
    pub fn bool(&self, row: usize) -> Option<bool> {
        match &self.data {
            Data::Bool(values) if !self.is_null(row) => values.get(row).copied(),
            _ => None,
        }
    }

    /// The text of a row; none if it is NULL or the column is of another type.
    #[must_use]
    pub fn text(&self, row: usize) -> Option<&str> {
        match &self.data {
            Data::Text(values) if !self.is_null(row) && row < values.ends.len() => Some(values.get(row)),
            _ => None,
        }
    }

    /// The bytes of a row; none if it is NULL or the column is of another type.
    #[must_use]
    pub fn bytes(&self, row: usize) -> Option<&[u8]> {
        match &self.data {
            Data::Bytes(values) if !self.is_null(row) && row < values.ends.len() => Some(values.get(row)),
            _ => None,
        }
    }

    /// All integers, if it is a column of integers without NULL.
    #[must_use]
    pub fn ints(&self) -> Option<&[i64]> {
        match &self.data {
            Data::Int(values) if self.nulls.is_empty() => Some(values),
            _ => None,
        }
    }

    /// Some of the values, in the order given.
    fn picked(&self, rows: &[usize]) -> Self {
        let mut picked = Self::new(self.ty());
        for &row in rows {
            match &self.data {
                _ if self.is_null(row) => picked.push_null(),
                Data::Bool(values) => picked.push_bool(values[row]),
                Data::Int(values) => picked.push_int(values[row]),
                Data::Float(values) => picked.push_float(values[row]),
                Data::Text(values) => picked.push_text(values.get(row)),
                Data::Bytes(values) => picked.push_bytes(values.get(row)),
            }
        }
        picked
    }

    /// The value of a row.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn value(&self, row: usize) -> Value {
        if self.is_null(row) {
            return Value::Null;
        }
        match &self.data {
            Data::Bool(values) => Value::Bool(values[row]),
            Data::Int(values) => Value::Int(values[row]),
            Data::Float(values) => Value::Float(values[row]),
            Data::Text(values) => Value::Text(values.get(row).into()),
            Data::Bytes(values) => Value::Bytes(values.get(row).into()),
        }
    }
}

/// Rows that come out of a database: named columns of equal length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnBatch {
    names: Box<[ArcStr]>,
    columns: Vec<Column>,
    len: usize,
}

impl ColumnBatch {
    /// A batch without rows.
    #[must_use]
    pub fn new(columns: impl IntoIterator<Item = (ArcStr, ColumnType)>) -> Self {
        let (names, columns): (Vec<_>, Vec<_>) =
            columns.into_iter().map(|(name, ty)| (name, Column::new(ty))).unzip();
        Self { names: names.into(), columns, len: 0 }
    }

    /// Number of rows; a batch without columns has rows too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Names of the columns.
    #[must_use]
    pub fn names(&self) -> &[ArcStr] {
        &self.names
    }

    /// Columns, in the order of their names.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Columns to append one value each to; [`end_row`](Self::end_row) counts the row.
    pub fn columns_mut(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    /// Counts a row whose values were appended to each of the columns.
    pub fn end_row(&mut self) {
        self.len += 1;
        debug_assert!(self.columns.iter().all(|column| column.len() == self.len));
    }

    /// A column by name.
    ///
    /// # Errors
    /// `Unexpected` if there is none.
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.names
            .iter()
            .position(|other| other == name)
            .map(|index| &self.columns[index])
            .ok_or_else(|| Error::new(ErrorKind::Unexpected, format!("a result has no column '{name}'")))
    }

    /// Appends a row.
    ///
    /// # Errors
    /// `Argument` if it has too few or too many values, or one of the wrong type.
    pub fn push_row(&mut self, values: &[Value]) -> Result<()> {
        if values.len() != self.columns.len() {
            return Err(Error::new(
                ErrorKind::Argument,
                format!("a row of {} values does not fit {} columns", values.len(), self.columns.len()),
            ));
        }
        for (column, value) in self.columns.iter().zip(values) {
            // Checked before any is appended, so that columns stay of one length.
            Column::new(column.ty()).push(value)?;
        }
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value)?;
        }
        self.end_row();
        Ok(())
    }

    /// The values of a row.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, row: usize) -> Vec<Value> {
        self.columns.iter().map(|column| column.value(row)).collect()
    }

    /// The same rows with some of the columns, each as (new name, old name).
    ///
    /// # Errors
    /// `Unexpected` if there is no column of a name.
    pub fn renamed(&self, columns: impl IntoIterator<Item = (ArcStr, ArcStr)>) -> Result<Self> {
        let (names, columns): (Vec<_>, Vec<_>) = columns
            .into_iter()
            .map(|(new, old)| self.column(&old).map(|column| (new, column.clone())))
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .unzip();
        Ok(Self { names: names.into(), columns, len: self.len })
    }

    /// Some of the rows, in the order given.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn picked(&self, rows: &[usize]) -> Self {
        let columns = self.columns.iter().map(|column| column.picked(rows)).collect();
        Self { names: self.names.clone(), columns, len: rows.len() }
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = Vec<Value>> + '_ {
        (0..self.len).map(|row| self.row(row))
    }
}

/// Rows that go into a database: typed, named columns in any order.
///
/// The same layout as a [`ColumnBatch`]; the two names say the direction.
pub type RowBatch = ColumnBatch;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(ty: ColumnType) -> BoxedStrategy<Value> {
        let some = match ty {
            ColumnType::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
            ColumnType::Int => any::<i64>().prop_map(Value::Int).boxed(),
            ColumnType::Float => proptest::num::f64::NORMAL.prop_map(Value::Float).boxed(),
            ColumnType::Text => "[^\0]{0,5}".prop_map(|text| Value::Text(text.into())).boxed(),
            ColumnType::Bytes => proptest::collection::vec(any::<u8>(), 0..5).prop_map(Value::from).boxed(),
        };
        prop_oneof![1 => Just(Value::Null), 4 => some].boxed()
    }

    fn rows() -> impl Strategy<Value = Vec<(Value, Value, Value, Value, Value)>> {
        proptest::collection::vec(
            (
                values(ColumnType::Bool),
                values(ColumnType::Int),
                values(ColumnType::Float),
                values(ColumnType::Text),
                values(ColumnType::Bytes),
            ),
            0..20,
        )
    }

    proptest! {
        #[test]
        fn keeps_what_was_pushed(rows in rows()) {
            let types = [ColumnType::Bool, ColumnType::Int, ColumnType::Float, ColumnType::Text, ColumnType::Bytes];
            let mut batch = ColumnBatch::new(types.map(|ty| (ArcStr::from(ty.to_string()), ty)));
            let rows: Vec<Vec<Value>> = rows.into_iter().map(|(a, b, c, d, e)| vec![a, b, c, d, e]).collect();
            for row in &rows {
                batch.push_row(row).unwrap();
            }
            prop_assert_eq!(batch.len(), rows.len());
            prop_assert_eq!(batch.rows().collect::<Vec<_>>(), rows.clone());
            let backwards: Vec<usize> = (0..rows.len()).rev().collect();
            let renamed = batch.picked(&backwards).renamed([("x".into(), "text".into())]).unwrap();
            let texts: Vec<Vec<Value>> = rows.iter().rev().map(|row| vec![row[3].clone()]).collect();
            prop_assert_eq!(renamed.rows().collect::<Vec<_>>(), texts);
            prop_assert!(batch.renamed([("x".into(), "y".into())]).is_err());
        }
    }

    #[test]
    fn refuses_what_a_database_would_not_keep() {
        let mut column = Column::new(ColumnType::Float);
        assert!(column.push(&Value::Float(f64::NAN)).is_err());
        assert!(column.push(&Value::Float(f64::INFINITY)).is_err());
        column.push(&Value::Float(-0.0)).unwrap();
        assert!(column.float(0).unwrap().is_sign_positive());
        assert!(column.push(&Value::Int(1)).is_err());
        assert!(Column::new(ColumnType::Text).push(&"a\0".into()).is_err());
    }

    #[test]
    fn a_row_is_taken_whole_or_not_at_all() {
        let mut batch = ColumnBatch::new([("a".into(), ColumnType::Int), ("b".into(), ColumnType::Int)]);
        assert!(batch.push_row(&[1.into(), "x".into()]).is_err());
        assert!(batch.push_row(&[1.into()]).is_err());
        batch.push_row(&[1.into(), Value::Null]).unwrap();
        assert_eq!(batch.row(0), [Value::Int(1), Value::Null]);
        assert_eq!(batch.len(), 1);
    }
}
