//! Columns as arrays: one bound value for any number of rows.

use std::io::Write as _;
use std::ops::Range;
use std::sync::Arc;

use butler_core::backend::{Column, ColumnType, RowBatch};
use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::AstPass;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Double, Nullable, Text};

/// A column of rows that are shared.
#[derive(Clone, Debug)]
pub(crate) struct ArrayColumn {
    /// The rows.
    pub(crate) rows: Arc<RowBatch>,
    /// Index of the column.
    pub(crate) column: usize,
}

/// A stretch of a column.
#[derive(Debug)]
pub(crate) struct ArraySlice<'a> {
    /// The column.
    pub(crate) column: &'a Column,
    /// The rows.
    pub(crate) rows: Range<usize>,
}

impl ArrayColumn {
    fn values(&self) -> (&Column, Range<usize>) {
        (&self.rows.columns()[self.column], 0..self.rows.len())
    }

    /// Binds it.
    pub(crate) fn push<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self.values().0.ty() {
            ColumnType::Bool => out.push_bind_param::<Array<Nullable<Bool>>, _>(self),
            ColumnType::Int => out.push_bind_param::<Array<Nullable<BigInt>>, _>(self),
            ColumnType::Float => out.push_bind_param::<Array<Nullable<Double>>, _>(self),
            ColumnType::Text => out.push_bind_param::<Array<Nullable<Text>>, _>(self),
            ColumnType::Bytes => out.push_bind_param::<Array<Nullable<Binary>>, _>(self),
        }
    }
}

impl ArraySlice<'_> {
    fn values(&self) -> (&Column, Range<usize>) {
        (self.column, self.rows.clone())
    }

    /// Binds it.
    pub(crate) fn push<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self.column.ty() {
            ColumnType::Bool => out.push_bind_param::<Array<Nullable<Bool>>, _>(self),
            ColumnType::Int => out.push_bind_param::<Array<Nullable<BigInt>>, _>(self),
            ColumnType::Float => out.push_bind_param::<Array<Nullable<Double>>, _>(self),
            ColumnType::Text => out.push_bind_param::<Array<Nullable<Text>>, _>(self),
            ColumnType::Bytes => out.push_bind_param::<Array<Nullable<Binary>>, _>(self),
        }
    }
}

macro_rules! to_sql {
    ($($sql:ty),*) => {
        $(
            impl ToSql<Array<Nullable<$sql>>, Pg> for ArrayColumn {
                fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                    let (column, rows) = self.values();
                    write(column, rows, out)
                }
            }

            impl ToSql<Array<Nullable<$sql>>, Pg> for ArraySlice<'_> {
                fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                    let (column, rows) = self.values();
                    write(column, rows, out)
                }
            }
        )*
    };
}

to_sql!(Bool, BigInt, Double, Text, Binary);

/// Object identifiers of types, from PostgreSQL's `pg_type.dat`.
fn element_oid(ty: ColumnType) -> u32 {
    match ty {
        ColumnType::Bool => 16,
        ColumnType::Bytes => 17,
        ColumnType::Int => 20,
        ColumnType::Text => 25,
        ColumnType::Float => 701,
    }
}

/// The binary form of an array of one dimension, as `array_recv` of PostgreSQL reads it.
fn write(column: &Column, rows: Range<usize>, out: &mut Output<'_, '_, Pg>) -> serialize::Result {
    let length = i32::try_from(rows.len())?;
    let mut bytes = Vec::with_capacity(20 + rows.len() * 12);
    let mut put = |part: &[u8]| bytes.extend_from_slice(part);
    if length == 0 {
        put(&0_i32.to_be_bytes());
        put(&0_i32.to_be_bytes());
        put(&element_oid(column.ty()).to_be_bytes());
        out.write_all(&bytes)?;
        return Ok(IsNull::No);
    }
    put(&1_i32.to_be_bytes());
    put(&1_i32.to_be_bytes());
    put(&element_oid(column.ty()).to_be_bytes());
    put(&length.to_be_bytes());
    put(&1_i32.to_be_bytes());
    for row in rows {
        if column.is_null(row) {
            put(&(-1_i32).to_be_bytes());
            continue;
        }
        let mut value = |value: &[u8]| -> Result<(), std::num::TryFromIntError> {
            put(&i32::try_from(value.len())?.to_be_bytes());
            put(value);
            Ok(())
        };
        match column.ty() {
            ColumnType::Bool => value(&[u8::from(column.bool(row).unwrap_or_default())])?,
            ColumnType::Int => value(&column.int(row).unwrap_or_default().to_be_bytes())?,
            ColumnType::Float => value(&column.float(row).unwrap_or_default().to_be_bytes())?,
            ColumnType::Text => value(column.text(row).unwrap_or_default().as_bytes())?,
            ColumnType::Bytes => value(column.bytes(row).unwrap_or_default())?,
        }
    }
    out.write_all(&bytes)?;
    Ok(IsNull::No)
}
