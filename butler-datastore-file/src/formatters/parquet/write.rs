//! Writing tables.

use std::io::Write;
use std::sync::Arc;

use butler_core::{Error, ErrorKind, Result};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::super::write_all;
use crate::table::{ColumnValues, Table};

/// Rows of a group.
const ROWS: usize = 1 << 18;

/// Values that are handed on at once.
const BATCH: usize = 1 << 14;

fn unwritable(error: &ParquetError) -> Error {
    Error::new(ErrorKind::Formatter, format!("a table cannot be written as Parquet: {error}"))
}

/// Writes a table, group by group, with no more than one of them in memory.
///
/// # Errors
/// `Formatter` for a table without columns; those of the sink.
pub(super) fn write(table: &Table, sink: &mut dyn Write) -> Result<()> {
    if table.columns().len() == 0 {
        return Err(Error::new(ErrorKind::Formatter, "a table without columns cannot be written as Parquet"));
    }
    let schema = schema(table).map_err(|error| unwritable(&error))?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))
        .map_err(|error| unwritable(&error))?;
    for begin in (0..table.rows()).step_by(ROWS) {
        let rows = begin..(begin + ROWS).min(table.rows());
        write_group(&mut writer, table, rows).map_err(|error| unwritable(&error))?;
        write_all(sink, &std::mem::take(writer.inner_mut()))?;
    }
    writer.finish().map_err(|error| unwritable(&error))?;
    write_all(sink, writer.inner())
}

fn schema(table: &Table) -> Result<Type, ParquetError> {
    let field = |(name, values): (&arcstr::ArcStr, &ColumnValues)| {
        let (physical, logical) = match values {
            ColumnValues::Bool(_) => (Physical::BOOLEAN, None),
            ColumnValues::Int(_) => (Physical::INT64, None),
            ColumnValues::Float(_) => (Physical::DOUBLE, None),
            ColumnValues::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let builder = Type::primitive_type_builder(name, physical)
            .with_logical_type(logical)
            .with_repetition(Repetition::OPTIONAL);
        Ok(Arc::new(builder.build()?))
    };
    let fields = table.columns().map(field).collect::<Result<_, ParquetError>>()?;
    Type::group_type_builder("schema").with_fields(fields).build()
}

fn write_group(
    writer: &mut SerializedFileWriter<Vec<u8>>,
    table: &Table,
    rows: std::ops::Range<usize>,
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for (_, values) in table.columns() {
        let Some(mut column) = group.next_column()? else { break };
        let rows = rows.clone();
        match values {
            ColumnValues::Bool(values) => put::<BoolType, _>(&mut column, &values[rows], |value| *value)?,
            ColumnValues::Int(values) => put::<Int64Type, _>(&mut column, &values[rows], |value| *value)?,
            ColumnValues::Float(values) => put::<DoubleType, _>(&mut column, &values[rows], |value| *value)?,
            ColumnValues::Text(values) => {
                put::<ByteArrayType, _>(&mut column, &values[rows], |text| ByteArray::from(text.as_str()))?;
            }
        }
        column.close()?;
    }
    group.close().map(drop)
}

fn put<T: DataType, V>(
    column: &mut SerializedColumnWriter<'_>,
    values: &[Option<V>],
    stored: impl Fn(&V) -> T::T,
) -> Result<(), ParquetError> {
    let writer = column.typed::<T>();
    for batch in values.chunks(BATCH) {
        let present: Vec<T::T> = batch.iter().flatten().map(&stored).collect();
        let levels: Vec<i16> = batch.iter().map(|value| i16::from(value.is_some())).collect();
        writer.write_batch(&present, Some(&levels), None)?;
    }
    Ok(())
}
