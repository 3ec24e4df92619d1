//! Binary tables: section 7.3 of the standard.

use std::io::Write;

use arcstr::ArcStr;
use butler_core::{Error, ErrorKind, ReadSource, Result};

use super::header::Header;
use super::{BLOCK, card, malformed};
use crate::formatters::write_all;
use crate::table::{ColumnValues, Table};

/// Bytes of rows that are read and written at once.
const PART: u64 = 1 << 20;

/// Columns that there may be.
const FIELDS: i64 = 999;

/// Characters of a text in a header.
const TEXT: usize = 68;

/// Type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    /// Integers of so many bytes; a single byte has no sign.
    Int(usize),
    Float(usize),
    Text,
}

/// A column of a table in a file.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    /// Name of its type, as NumPy calls it.
    pub(super) type_name: String,
    /// Type of its values; none if they are not read here.
    kind: Option<Kind>,
    /// Offset in a row.
    at: usize,
    width: usize,
    null: Option<i64>,
    scale: f64,
    zero: f64,
}

/// The columns of a table.
///
/// # Errors
/// `Formatter` if the header makes no sense.
pub(super) fn fields(header: &Header) -> Result<Vec<Field>> {
    let count = header.integer("TFIELDS")?;
    if !(0..=FIELDS).contains(&count) {
        return Err(malformed(format!("TFIELDS is {count}")));
    }
    let mut at = 0;
    let mut fields = Vec::new();
    for number in 1..=count {
        let field = field(header, number, at)?;
        at = at.checked_add(field.width).ok_or_else(|| malformed("its columns are too wide"))?;
        fields.push(field);
    }
    if header.axes()?.first() != Some(&(at as u64)) {
        return Err(malformed(format!(
            "its columns have {at} bytes, and its rows {:?}",
            header.axes()?.first()
        )));
    }
    Ok(fields)
}

fn field(header: &Header, number: i64, at: usize) -> Result<Field> {
    let key = |name: &str| format!("{name}{number}");
    let form = header.text(&key("TFORM")).ok_or_else(|| malformed(format!("it lacks TFORM{number}")))?;
    let digits = form.len() - form.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let repeat = if digits == 0 { Ok(1) } else { form[..digits].parse::<usize>() };
    let code = form[digits..].chars().next();
    let unusable = || malformed(format!("TFORM{number} is '{form}'"));
    let (size, kind, name) = match code.ok_or_else(unusable)? {
        'L' => (1, Some(Kind::Bool), "bool"),
        'B' => (1, Some(Kind::Int(1)), "uint8"),
        'I' => (2, Some(Kind::Int(2)), "int16"),
        'J' => (4, Some(Kind::Int(4)), "int32"),
        'K' => (8, Some(Kind::Int(8)), "int64"),
        'E' => (4, Some(Kind::Float(4)), "float32"),
        'D' => (8, Some(Kind::Float(8)), "float64"),
        'A' => (1, Some(Kind::Text), "string"),
        'X' => (1, None, "bits"),
        'C' => (8, None, "complex64"),
        'M' => (16, None, "complex128"),
        'P' => (8, None, "variable"),
        'Q' => (16, None, "variable"),
        _ => return Err(unusable()),
    };
    let repeat = repeat.map_err(|_| unusable())?;
    let items = if name == "bits" { repeat.div_ceil(8) } else { repeat };
    let width = items.checked_mul(size).ok_or_else(unusable)?;
    let is_plain = repeat == 1 || (kind == Some(Kind::Text) && repeat > 0);
    let (scale, zero) = (header.number(&key("TSCAL"), 1.0)?, header.number(&key("TZERO"), 0.0)?);
    let type_name = match (is_plain || kind.is_none(), kind) {
        (true, Some(Kind::Int(_))) if (scale, zero) != (1.0, 0.0) => {
            offset(size, scale, zero).map_or("float64", |(_, name)| name).to_owned()
        }
        (true, _) => name.to_owned(),
        (false, _) => format!("{name}[{repeat}]"),
    };
    let name = header.text(&key("TTYPE")).filter(|name| !name.is_empty());
    Ok(Field {
        name: name.map_or_else(|| format!("col{number}"), str::to_owned),
        type_name,
        kind: kind.filter(|_| is_plain),
        at,
        width,
        null: header.optional_integer(&key("TNULL"))?,
        scale,
        zero,
    })
}

/// What is added to integers that are stored with the other sign, and what they are called.
fn offset(size: usize, scale: f64, zero: f64) -> Option<(i128, &'static str)> {
    let known: [(usize, i128, &str); 4] =
        [(1, -128, "int8"), (2, 1 << 15, "uint16"), (4, 1 << 31, "uint32"), (8, 1 << 63, "uint64")];
    let found = known.iter().find(|(bytes, by, _)| *bytes == size && scale == 1.0 && *by as f64 == zero);
    found.map(|(_, by, name)| (*by, *name))
}

/// Reads columns of a table whose data begin at an offset.
///
/// # Errors
/// `Formatter` for columns that are not read here, and values that make no sense; those of the source.
pub(super) fn read(source: &mut dyn ReadSource, header: &Header, at: u64, wanted: &[Field]) -> Result<Table> {
    let [row, rows] = header.axes()?[..] else { return Err(malformed("a table has two axes")) };
    let mut columns = wanted.iter().map(column).collect::<Result<Vec<_>>>()?;
    let width = usize::try_from(row).unwrap_or(usize::MAX);
    let together = (PART / row.max(1)).max(1);
    let mut done = 0;
    while done < rows && !wanted.is_empty() {
        let count = together.min(rows - done);
        let bytes = source.read_range(at + done * row, count * row)?;
        if bytes.len() as u64 != count * row {
            return Err(malformed("its rows are cut short"));
        }
        for (field, column) in wanted.iter().zip(&mut columns) {
            for row in bytes.chunks_exact(width.max(1)) {
                field.push(&row[field.at..field.at + field.width], column)?;
            }
        }
        done += count;
    }
    let columns =
        wanted.iter().zip(columns).map(|(field, values)| (ArcStr::from(field.name.as_str()), values));
    let table = Table::new(columns).map_err(|error| malformed(error.message()))?;
    Ok(table.with_rows(usize::try_from(rows).unwrap_or(usize::MAX)))
}

/// No values of a column.
fn column(field: &Field) -> Result<ColumnValues> {
    Ok(match field.kind {
        Some(Kind::Bool) => ColumnValues::Bool(Vec::new()),
        Some(Kind::Int(_)) if field.type_name == "float64" => ColumnValues::Float(Vec::new()),
        Some(Kind::Int(_)) => ColumnValues::Int(Vec::new()),
        Some(Kind::Float(_)) => ColumnValues::Float(Vec::new()),
        Some(Kind::Text) => ColumnValues::Text(Vec::new()),
        None => {
            let message = format!(
                "column '{}' holds values of type {}, which are not read here",
                field.name.escape_debug(),
                field.type_name
            );
            return Err(Error::new(ErrorKind::Formatter, message)
                .with_hint("ask for other columns by the parameter 'columns'"));
        }
    })
}

impl Field {
    /// Adds a value of so many bytes.
    fn push(&self, bytes: &[u8], column: &mut ColumnValues) -> Result<()> {
        match (self.kind, column) {
            (Some(Kind::Bool), ColumnValues::Bool(values)) => values.push(match bytes {
                b"T" => Some(true),
                b"F" => Some(false),
                b"\0" => None,
                _ => return Err(self.wrong("no truth value")),
            }),
            (Some(Kind::Int(_)), ColumnValues::Int(values)) => {
                let stored = integer(bytes);
                let by = offset(bytes.len(), self.scale, self.zero).map_or(0, |(by, _)| by);
                let value = i64::try_from(i128::from(stored) + by);
                let value = value.map_err(|_| self.wrong("an integer that is too large here"))?;
                values.push(Some(value).filter(|_| self.null != Some(stored)));
            }
            (Some(Kind::Int(_)), ColumnValues::Float(values)) => {
                let stored = integer(bytes);
                let value = self.zero + self.scale * stored as f64;
                values.push(Some(value).filter(|_| self.null != Some(stored)));
            }
            (Some(Kind::Float(_)), ColumnValues::Float(values)) => {
                let stored = match bytes {
                    [a, b, c, d] => f64::from(f32::from_be_bytes([*a, *b, *c, *d])),
                    _ => f64::from_be_bytes(bytes.try_into().unwrap_or_default()),
                };
                values.push(Some(self.zero + self.scale * stored).filter(|value| !value.is_nan()));
            }
            (Some(Kind::Text), ColumnValues::Text(values)) => values.push(self.text(bytes)?),
            _ => return Err(self.wrong("something of another type")),
        }
        Ok(())
    }

    /// A text ends with NUL, or is filled up with blanks; one that begins with NUL is missing.
    fn text(&self, bytes: &[u8]) -> Result<Option<String>> {
        let text = match bytes.iter().position(|byte| *byte == 0) {
            Some(0) => return Ok(None),
            Some(end) => &bytes[..end],
            None => bytes.trim_ascii_end(),
        };
        let text = std::str::from_utf8(text).map_err(|_| self.wrong("bytes that are no text"))?;
        Ok(Some(text.to_owned()))
    }

    fn wrong(&self, what: &str) -> Error {
        malformed(format!("column '{}' holds {what}", self.name.escape_debug()))
    }
}

/// An integer of 1, 2, 4 or 8 bytes; a single byte has no sign.
fn integer(bytes: &[u8]) -> i64 {
    match bytes {
        [byte] => i64::from(*byte),
        [first, rest @ ..] => {
            rest.iter().fold(i64::from(first.cast_signed()), |value, byte| value << 8 | i64::from(*byte))
        }
        [] => 0,
    }
}

/// A column that is written.
struct Written<'a> {
    values: &'a ColumnValues,
    width: usize,
    /// Stands for an integer that is missing.
    null: Option<i64>,
}

/// Writes a file of an empty first part and a table.
///
/// # Errors
/// `Formatter` for names and texts that FITS cannot hold; those of the sink.
pub(super) fn write(table: &Table, sink: &mut dyn Write) -> Result<()> {
    let columns = table.columns().map(|(_, values)| written(values)).collect::<Result<Vec<_>>>()?;
    write_header(sink, &[card("SIMPLE", "T"), card("BITPIX", "8"), card("NAXIS", "0"), card("EXTEND", "T")])?;
    let width: usize = columns.iter().map(|column| column.width).sum();
    write_header(sink, &cards(table, &columns, width)?)?;
    let (mut bytes, mut total) = (Vec::new(), 0);
    for row in 0..table.rows() {
        columns.iter().for_each(|column| column.put(row, &mut bytes));
        if bytes.len() as u64 > PART || row + 1 == table.rows() {
            total += bytes.len();
            write_all(sink, &bytes)?;
            bytes.clear();
        }
    }
    write_all(sink, &vec![0; total.next_multiple_of(BLOCK) - total])
}

fn write_header(sink: &mut dyn Write, cards: &[String]) -> Result<()> {
    let mut bytes = cards.concat().into_bytes();
    bytes.extend_from_slice(format!("{:<80}", "END").as_bytes());
    bytes.resize(bytes.len().next_multiple_of(BLOCK), b' ');
    write_all(sink, &bytes)
}

fn cards(table: &Table, columns: &[Written<'_>], width: usize) -> Result<Vec<String>> {
    let count = columns.len();
    if count as i64 > FIELDS {
        return Err(Error::new(ErrorKind::Formatter, format!("FITS has no more than {FIELDS} columns")));
    }
    let text = |key: &str, value: &str| -> Result<String> {
        let quoted = value.replace('\'', "''");
        let sound = !value.is_empty() && value.trim_end() == value && quoted.len() <= TEXT;
        if !sound || value.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
            let message = format!("a column cannot be called '{}' in FITS", value.escape_debug());
            return Err(Error::new(ErrorKind::Formatter, message));
        }
        Ok(format!("{:<80}", format!("{key:<8}= '{quoted:<8}'")))
    };
    let mut cards = vec![format!("{:<80}", "XTENSION= 'BINTABLE'"), card("BITPIX", "8"), card("NAXIS", "2")];
    let numbers =
        [("NAXIS1", width), ("NAXIS2", table.rows()), ("PCOUNT", 0), ("GCOUNT", 1), ("TFIELDS", count)];
    cards.extend(numbers.iter().map(|(key, number)| card(key, &number.to_string())));
    for (number, ((name, _), column)) in (1..).zip(table.columns().zip(columns)) {
        let form = match column.values {
            ColumnValues::Bool(_) => "L".to_owned(),
            ColumnValues::Int(_) => "K".to_owned(),
            ColumnValues::Float(_) => "D".to_owned(),
            ColumnValues::Text(_) => format!("{}A", column.width),
        };
        cards.push(text(&format!("TTYPE{number}"), name)?);
        cards.push(text(&format!("TFORM{number}"), &form)?);
        cards.extend(column.null.map(|null| card(&format!("TNULL{number}"), &null.to_string())));
    }
    Ok(cards)
}

fn written(values: &ColumnValues) -> Result<Written<'_>> {
    let (mut width, mut null) = (8, None);
    match values {
        ColumnValues::Bool(_) => width = 1,
        ColumnValues::Float(_) => {}
        ColumnValues::Int(values) if values.contains(&None) => {
            let taken: rustc_hash::FxHashSet<i64> = values.iter().flatten().copied().collect();
            null = (i64::MIN..).find(|value| !taken.contains(value));
        }
        ColumnValues::Int(_) => {}
        ColumnValues::Text(values) => {
            width = 1;
            for text in values.iter().flatten() {
                if text.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
                    let message = format!("the text '{}' cannot be written in FITS", text.escape_debug());
                    return Err(Error::new(ErrorKind::Formatter, message).with_hint("it has ASCII only"));
                }
                // A blank at the end counts only if something comes after it.
                width = width.max(text.len() + usize::from(text.ends_with(' ')));
            }
        }
    }
    Ok(Written { values, width, null })
}

impl Written<'_> {
    fn put(&self, row: usize, bytes: &mut Vec<u8>) {
        match self.values {
            ColumnValues::Bool(values) => {
                bytes.push(values[row].map_or(0, |value| b"FT"[usize::from(value)]));
            }
            ColumnValues::Int(values) => {
                let value = values[row].or(self.null).unwrap_or_default();
                bytes.extend_from_slice(&value.to_be_bytes());
            }
            ColumnValues::Float(values) => {
                bytes.extend_from_slice(&values[row].unwrap_or(f64::NAN).to_be_bytes());
            }
            ColumnValues::Text(values) => {
                let end = bytes.len() + self.width;
                let text = values[row].as_deref();
                bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
                // An empty text is one of blanks: it is not missing.
                bytes.resize(end, if text == Some("") { b' ' } else { 0 });
            }
        }
    }
}
