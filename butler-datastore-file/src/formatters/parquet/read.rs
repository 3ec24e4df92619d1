//! Reading columns.

use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::{Error, ErrorKind, ReadSource, Result};
use bytes::{Buf, Bytes};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{AsBytes, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length, SerializedPageReader};
use parquet::schema::types::SchemaDescriptor;

use super::schema::{Column, Kind, columns};
use super::thrift::{check_schema, page_numbers};
use super::{decoded, malformed};
use crate::table::{ColumnValues, Table};

/// Bytes at the end of a file: the length of the metadata, and the magic.
const TAIL: u64 = 8;

/// Bytes at the end of a file that are read first.
const END: u64 = 64 << 10;

const MAGIC: &[u8] = b"PAR1";

/// Rows that are read at once.
const BATCH: usize = 1 << 14;

/// Bytes of memory that any file may take.
const FREE: u64 = 256 << 20;

/// Bytes of memory that a file may take for each of its bytes.
const RATIO: u64 = 4096;

/// Encodings of which the decoder makes room for as many values as the bytes announce, whatever that is:
/// `DELTA_LENGTH_BYTE_ARRAY` and `DELTA_BYTE_ARRAY`.
const UNREAD: [i64; 2] = [6, 7];

fn unreadable(error: &ParquetError) -> Error {
    malformed(error)
}

/// What a file may still take of the memory: one of a few bytes may say that it holds billions of values.
struct Budget(u64);

impl Budget {
    fn take(&mut self, bytes: u64) -> Result<()> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            Error::new(
                ErrorKind::Exhausted,
                "a file of Parquet holds thousands of times more than it is large",
            )
            .with_hint("if it is no attack, read some of its columns by the parameter 'columns'")
        })?;
        Ok(())
    }
}

/// A file, of which the end was read.
pub(super) struct File<'a> {
    source: &'a mut dyn ReadSource,
    metadata: ParquetMetaData,
    columns: Vec<Column>,
    rows: usize,
    budget: Budget,
}

impl<'a> File<'a> {
    /// Reads what the file says of itself.
    ///
    /// # Errors
    /// `Formatter` if that is not sound; those of the source.
    pub(super) fn open(source: &'a mut dyn ReadSource) -> Result<Self> {
        let bytes = metadata_bytes(source)?;
        check_schema(&bytes)?;
        let metadata =
            decoded(|| ParquetMetaDataReader::decode_metadata(&bytes).map_err(|error| unreadable(&error)))?;
        let groups = metadata.row_groups().iter();
        let rows = groups
            .map(|group| usize::try_from(group.num_rows()).ok())
            .try_fold(0_usize, |sum, rows| sum.checked_add(rows?))
            .ok_or_else(|| malformed("its number of rows makes no sense"))?;
        let columns = columns(metadata.file_metadata().schema_descr());
        let budget = Budget(FREE.saturating_add(source.size().saturating_mul(RATIO)));
        Ok(Self { source, metadata, columns, rows, budget })
    }

    /// Lets it take so many bytes of memory.
    #[cfg(test)]
    pub(super) fn limit(&mut self, bytes: u64) {
        self.budget = Budget(bytes);
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// A table of some columns.
    ///
    /// # Errors
    /// `Formatter` if they are not sound, or of a type that is not read here; `Exhausted` if they hold
    /// far more than the file could; those of the source.
    pub(super) fn table(&mut self, columns: &[Column]) -> Result<Table> {
        let values =
            columns.iter().map(|column| Ok((ArcStr::from(column.name.as_str()), self.read(column)?)));
        let table =
            Table::new(values.collect::<Result<Vec<_>>>()?).map_err(|error| malformed(error.message()))?;
        Ok(table.with_rows(self.rows))
    }

    fn read(&mut self, column: &Column) -> Result<ColumnValues> {
        let Some((kind, leaf)) = column.readable else {
            return Err(Error::new(
                ErrorKind::Formatter,
                format!(
                    "column '{}' holds values of type {}, which are not read here",
                    column.name.escape_debug(),
                    column.type_name
                ),
            )
            .with_hint("ask for other columns by the parameter 'columns'"));
        };
        self.budget.take(self.rows as u64 * 16)?;
        let mut values = match kind {
            Kind::Bool => ColumnValues::Bool(Vec::new()),
            Kind::Int | Kind::Unsigned => ColumnValues::Int(Vec::new()),
            Kind::Float => ColumnValues::Float(Vec::new()),
            Kind::Text => ColumnValues::Text(Vec::new()),
        };
        for group in self.metadata.row_groups() {
            let chunk = group.columns().get(leaf).ok_or_else(|| malformed("a column is missing"))?;
            let rows = usize::try_from(group.num_rows()).unwrap_or(usize::MAX);
            let part = fetch(self.source, chunk, rows, &mut self.budget)?;
            let schema = self.metadata.file_metadata().schema_descr();
            let budget = &mut self.budget;
            decoded(|| part.read(schema, leaf, chunk, kind, &mut values, budget))
                .map_err(|error| error.with_context("column", &column.name))?;
        }
        Ok(values)
    }
}

/// The metadata at the end of a file.
fn metadata_bytes(source: &mut dyn ReadSource) -> Result<Bytes> {
    let size = source.size();
    let end = source.read_range(size.saturating_sub(END), END)?;
    let tail = end.len().checked_sub(TAIL as usize).filter(|_| size > TAIL);
    let tail = tail.ok_or_else(|| malformed("it is cut short"))?;
    let [a, b, c, d, magic @ ..] = &end[tail..] else { return Err(malformed("it is cut short")) };
    if magic != MAGIC {
        return Err(malformed("it does not end as one").with_hint("it may be cut short, or encrypted"));
    }
    let length = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
    let begin = size.checked_sub(TAIL + length).filter(|begin| *begin >= MAGIC.len() as u64);
    let begin = begin.ok_or_else(|| malformed("its metadata are longer than the file"))?;
    if length <= tail as u64 {
        return Ok(end.slice(tail - length as usize..tail));
    }
    let bytes = source.read_range(begin, length)?;
    match bytes.len() as u64 == length {
        true => Ok(bytes),
        false => Err(malformed("it is cut short")),
    }
}

/// The values of a column in a group of rows.
fn fetch(
    source: &mut dyn ReadSource,
    chunk: &ColumnChunkMetaData,
    rows: usize,
    budget: &mut Budget,
) -> Result<Part> {
    let begin = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    let place = u64::try_from(begin).ok().zip(u64::try_from(chunk.compressed_size()).ok());
    let place =
        place.filter(|(begin, length)| begin.checked_add(*length).is_some_and(|end| end <= source.size()));
    let (begin, length) = place.ok_or_else(|| malformed("a column lies outside the file"))?;
    let bytes = source.read_range(begin, length)?;
    if (bytes.len() as u64) < length {
        return Err(malformed("it is cut short"));
    }
    check_pages(&bytes, rows, budget)?;
    Ok(Part { begin, bytes, rows })
}

/// Checks what pages announce, before room is made for it.
fn check_pages(bytes: &[u8], rows: usize, budget: &mut Budget) -> Result<()> {
    let (mut rest, mut values) = (bytes, 0_u64);
    while !rest.is_empty() {
        let page = page_numbers(rest)?;
        let number = |number: i64| u64::try_from(number).map_err(|_| malformed("a page makes no sense"));
        let (stored, size) = (number(page.compressed)?, number(page.uncompressed)?);
        values = values.saturating_add(number(page.values)?);
        let at = usize::try_from(stored).ok().and_then(|stored| page.header.checked_add(stored));
        rest = at.and_then(|at| rest.get(at..)).ok_or_else(|| malformed("a page is cut short"))?;
        budget.take(size)?;
        if UNREAD.contains(&page.encoding) {
            return Err(malformed("the encodings of text by differences are not read here"));
        }
        // Of a byte, no dictionary makes more than eight values.
        if values > rows as u64 || number(page.dictionary)? > size.saturating_mul(8) {
            return Err(malformed("a page announces more values than there are"));
        }
    }
    Ok(())
}

/// Bytes of a column in a group of rows, and where in the file they begin.
struct Part {
    begin: u64,
    bytes: Bytes,
    rows: usize,
}

impl Part {
    fn read(
        self,
        schema: &SchemaDescriptor,
        leaf: usize,
        chunk: &ColumnChunkMetaData,
        kind: Kind,
        values: &mut ColumnValues,
        budget: &mut Budget,
    ) -> Result<()> {
        let (rows, column) = (self.rows, schema.column(leaf));
        let pages = SerializedPageReader::new(Arc::new(self), chunk, rows, None)
            .map_err(|error| unreadable(&error))?;
        let reader = get_column_reader(column, Box::new(pages));
        match (reader, values) {
            (ColumnReader::BoolColumnReader(reader), ColumnValues::Bool(values)) => {
                fill(reader, rows, values, Ok)
            }
            (ColumnReader::Int32ColumnReader(reader), ColumnValues::Int(values)) => match kind {
                Kind::Unsigned => fill(reader, rows, values, |value| Ok(i64::from(value.cast_unsigned()))),
                _ => fill(reader, rows, values, |value| Ok(i64::from(value))),
            },
            (ColumnReader::Int64ColumnReader(reader), ColumnValues::Int(values)) => match kind {
                Kind::Unsigned => fill(reader, rows, values, |value| {
                    i64::try_from(value.cast_unsigned())
                        .map_err(|_| malformed(format!("{} is too large here", value.cast_unsigned())))
                }),
                _ => fill(reader, rows, values, Ok),
            },
            (ColumnReader::FloatColumnReader(reader), ColumnValues::Float(values)) => {
                fill(reader, rows, values, |value| Ok(f64::from(value)))
            }
            (ColumnReader::DoubleColumnReader(reader), ColumnValues::Float(values)) => {
                fill(reader, rows, values, Ok)
            }
            (ColumnReader::ByteArrayColumnReader(reader), ColumnValues::Text(values)) => {
                fill(reader, rows, values, |value| {
                    budget.take(value.len() as u64)?;
                    let text = std::str::from_utf8(value.as_bytes());
                    text.map(str::to_owned).map_err(|_| malformed("it holds bytes that are no text"))
                })
            }
            _ => Err(malformed("a column is of another type than it says")),
        }
    }
}

/// Reads all values of a column in a group of rows.
fn fill<T: DataType, V>(
    mut reader: ColumnReaderImpl<T>,
    rows: usize,
    into: &mut Vec<Option<V>>,
    mut make: impl FnMut(T::T) -> Result<V>,
) -> Result<()> {
    let (mut values, mut levels, mut left) = (Vec::new(), Vec::new(), rows);
    while left > 0 {
        values.clear();
        levels.clear();
        let (read, _, _) = reader
            .read_records(BATCH.min(left), Some(&mut levels), None, &mut values)
            .map_err(|error| unreadable(&error))?;
        if read == 0 {
            return Err(malformed("a column has fewer values than rows"));
        }
        left = left.saturating_sub(read);
        let required = levels.is_empty();
        levels.resize(read, i16::from(required));
        let mut present = values.drain(..);
        for level in &levels {
            into.push(match *level > 0 {
                true => match present.next() {
                    Some(value) => Some(make(value)?),
                    None => return Err(malformed("a column has fewer values than rows")),
                },
                false => None,
            });
        }
    }
    Ok(())
}

impl Length for Part {
    fn len(&self) -> u64 {
        self.begin + self.bytes.len() as u64
    }
}

impl Part {
    fn from(&self, start: u64) -> Result<Bytes, ParquetError> {
        let at = start.checked_sub(self.begin).and_then(|at| usize::try_from(at).ok());
        match at.filter(|at| *at <= self.bytes.len()) {
            Some(at) => Ok(self.bytes.slice(at..)),
            None => Err(ParquetError::General("a page lies outside its column".into())),
        }
    }
}

impl ChunkReader for Part {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.from(start)?;
        match length <= bytes.len() {
            true => Ok(bytes.slice(..length)),
            false => Err(ParquetError::General("a page is cut short".into())),
        }
    }
}
