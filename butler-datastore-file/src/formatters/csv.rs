//! Tables as CSV with a header that says their types: ECSV, Astropy Proposal for Enhancement 6.

use std::io::Write;

use arcstr::ArcStr;
use serde_json::json;

use butler_core::{
    Error, ErrorKind, Formatter, Object, ReadOutcome, ReadRequest, ReadSource, Result, StorageClass,
    Structured,
};

use super::{float_repr, malformed, utf8, write_all};
use crate::table::{ColumnValues, Table};

/// First line of ECSV.
const MAGIC: &str = "# %ECSV ";

/// Bytes that are written at once.
const BLOCK: usize = 1 << 16;

/// Formatter `csv`.
#[derive(Debug)]
pub(super) struct Csv;

impl Formatter for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn extension(&self) -> &'static str {
        ".ecsv"
    }

    fn in_memory(&self) -> &'static [&'static str] {
        &["table"]
    }

    fn read(&self, source: &mut dyn ReadSource, _: &ReadRequest<'_>) -> Result<ReadOutcome> {
        let bytes = source.read_all()?;
        let text = utf8("CSV", &bytes)?;
        let (header, body, line) = split(text.strip_prefix('\u{feff}').unwrap_or(text));
        let header = Header::read(&header)?;
        let mut records = Records { rest: body, line, delimiter: header.delimiter };
        let names =
            records.next()?.ok_or_else(|| malformed("CSV", line, 1, "there are no names of columns"))?;
        if names.iter().any(|name| !name.quoted && name.text.contains(is_binary)) {
            return Err(malformed("CSV", line, 1, "the name of a column has control characters"));
        }
        let mut columns: Vec<Vec<Field>> = names.iter().map(|_| Vec::new()).collect();
        loop {
            let at = records.line;
            let Some(record) = records.next()? else { break };
            if record.len() != columns.len() {
                let problem = format!("there are {} fields, and {} columns", record.len(), columns.len());
                return Err(malformed("CSV", at, 1, &problem));
            }
            columns.iter_mut().zip(record).for_each(|(column, field)| column.push(field));
        }
        let typed = names.into_iter().zip(columns).map(|(name, fields)| {
            let values = values(header.type_of(&name.text), &name.text, fields)?;
            Ok((ArcStr::from(name.text), values))
        });
        let table = Table::new(typed.collect::<Result<Vec<_>>>()?).map_err(|error| {
            Error::new(ErrorKind::Formatter, format!("no valid CSV: {}", error.message()))
        })?;
        Ok(Object::new(table).into())
    }

    fn write(&self, object: &Object, _: &StorageClass, sink: &mut dyn Write) -> Result<()> {
        let table: &Table = object.downcast_ref()?;
        if table.columns().len() == 0 {
            return Err(Error::new(ErrorKind::Formatter, "a table without columns cannot be written as CSV"));
        }
        let mut text = format!("{MAGIC}1.0\n# ---\n# delimiter: ','\n# datatype:\n");
        for (name, values) in table.columns() {
            if name.is_empty() || name.contains(['\n', '\r']) {
                let message = format!("a column cannot be called '{}' in CSV", name.escape_debug());
                return Err(Error::new(ErrorKind::Formatter, message));
            }
            text += &format!("# - {{name: {}, datatype: {}}}\n", quoted(name), values.type_name());
        }
        for (at, (name, _)) in table.columns().enumerate() {
            text.extend((at > 0).then_some(','));
            put_text(&mut text, name);
        }
        text.push('\n');
        for row in 0..table.rows() {
            for (at, (_, values)) in table.columns().enumerate() {
                text.extend((at > 0).then_some(','));
                put(&mut text, values, row);
            }
            text.push('\n');
            if text.len() > BLOCK {
                write_all(sink, text.as_bytes())?;
                text.clear();
            }
        }
        write_all(sink, text.as_bytes())
    }
}

/// Text in YAML's double quotes, of characters that every reader takes.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            c if u32::from(c) <= 0xffff => quoted += &format!("\\u{:04x}", u32::from(c)),
            c => quoted += &format!("\\U{:08x}", u32::from(c)),
        }
    }
    quoted.push('"');
    quoted
}

fn put(text: &mut String, values: &ColumnValues, row: usize) {
    match values {
        ColumnValues::Bool(values) => match values[row] {
            Some(true) => text.push_str("True"),
            Some(false) => text.push_str("False"),
            None => text.push_str("\"\""),
        },
        ColumnValues::Int(values) => match values[row] {
            Some(value) => text.push_str(&value.to_string()),
            None => text.push_str("\"\""),
        },
        ColumnValues::Float(values) => match values[row] {
            Some(value) if value.is_finite() => text.push_str(&float_repr(value)),
            Some(value) if value.is_nan() => text.push_str("nan"),
            Some(value) => text.push_str(if value > 0.0 { "inf" } else { "-inf" }),
            None => text.push_str("\"\""),
        },
        // Missing text is nothing at all, and empty text is quoted.
        ColumnValues::Text(values) => {
            if let Some(value) = &values[row] {
                put_text(text, value);
            }
        }
    }
}

/// Whether a character is in no text that is not quoted, but in files of other formats.
fn is_binary(c: char) -> bool {
    c.is_ascii_control() && c != '\t'
}

fn put_text(text: &mut String, value: &str) {
    let plain = |c: char| !matches!(c, ',' | '"' | '\n' | '\r' | '#') && !is_binary(c);
    let edges = value.starts_with(char::is_whitespace) || value.ends_with(char::is_whitespace);
    if !value.is_empty() && !edges && value.chars().all(plain) {
        text.push_str(value);
        return;
    }
    text.push('"');
    text.push_str(&value.replace('"', "\"\""));
    text.push('"');
}

/// Lines of the header, what follows, and the number of its first line.
fn split(text: &str) -> (String, &str, u64) {
    let (mut header, mut rest, mut line) = (String::new(), text, 1);
    while rest.starts_with('#') {
        let (first, others) = rest.split_once('\n').unwrap_or((rest, ""));
        header.push_str(first.trim_end_matches('\r'));
        header.push('\n');
        (rest, line) = (others, line + 1);
    }
    (header, rest, line)
}

/// What the header says.
struct Header {
    delimiter: char,
    /// Types by names of columns.
    types: Vec<(String, String)>,
}

impl Header {
    /// Reads a header; text without one is CSV whose types show in the values.
    fn read(text: &str) -> Result<Self> {
        if !text.starts_with(MAGIC) {
            return Ok(Self { delimiter: ',', types: Vec::new() });
        }
        let lines = text
            .lines()
            .skip(1)
            .map(|line| line.strip_prefix("# ").unwrap_or_else(|| line.trim_start_matches('#')));
        let yaml: String = lines.flat_map(|line| [line, "\n"]).collect();
        let wrong =
            |problem: &str| Error::new(ErrorKind::Formatter, format!("no valid header of ECSV: {problem}"));
        let value: Structured =
            serde_saphyr::from_str(&yaml).map_err(|error| wrong(&error.without_snippet().to_string()))?;
        let delimiter = match value.get("delimiter") {
            None => ' ',
            Some(delimiter) if delimiter == &json!(",") => ',',
            Some(delimiter) if delimiter == &json!(" ") => ' ',
            Some(other) => return Err(wrong(&format!("the delimiter {other} is not known"))),
        };
        let columns = value
            .get("datatype")
            .and_then(Structured::as_array)
            .ok_or_else(|| wrong("it has no list 'datatype'"))?;
        let types = columns.iter().map(|column| {
            let text = |key: &str| column.get(key).and_then(Structured::as_str).map(str::to_owned);
            text("name").zip(text("datatype")).ok_or_else(|| wrong("a column has no name or type"))
        });
        Ok(Self { delimiter, types: types.collect::<Result<_>>()? })
    }

    fn type_of(&self, column: &str) -> Option<&str> {
        self.types.iter().find(|(name, _)| name == column).map(|(_, kind)| kind.as_str())
    }
}

#[derive(Debug)]
struct Field {
    text: String,
    quoted: bool,
    line: u64,
}

impl Field {
    fn is_missing(&self) -> bool {
        self.text.is_empty()
    }
}

/// Records, one after the other.
struct Records<'a> {
    rest: &'a str,
    line: u64,
    delimiter: char,
}

impl Records<'_> {
    fn next(&mut self) -> Result<Option<Vec<Field>>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut fields = Vec::new();
        loop {
            let field = self.field()?;
            fields.push(field);
            let mut chars = self.rest.chars();
            match chars.next() {
                Some(c) if c == self.delimiter => self.rest = chars.as_str(),
                Some('\n') => {
                    self.rest = chars.as_str();
                    self.line += 1;
                    return Ok(Some(fields));
                }
                None => return Ok(Some(fields)),
                Some(c) => {
                    let problem = format!("'{}' follows a quoted field", c.escape_debug());
                    return Err(malformed("CSV", self.line, fields.len() as u64, &problem));
                }
            }
        }
    }

    fn field(&mut self) -> Result<Field> {
        let line = self.line;
        let Some(mut rest) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([self.delimiter, '\n']).unwrap_or(self.rest.len());
            let text = &self.rest[..end];
            let text = text.strip_suffix('\r').unwrap_or(text).to_owned();
            if text.contains('\0') {
                return Err(malformed("CSV", line, 1, "a field has a zero byte, and is not quoted"));
            }
            self.rest = &self.rest[end..];
            return Ok(Field { text, quoted: false, line });
        };
        let mut text = String::new();
        loop {
            let end =
                rest.find('"').ok_or_else(|| malformed("CSV", line, 1, "a quoted field does not end"))?;
            text.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix('"') {
                Some(after) => {
                    text.push('"');
                    rest = after;
                }
                None => break,
            }
        }
        self.line += text.matches('\n').count() as u64;
        self.rest = rest.strip_prefix('\r').filter(|after| after.starts_with('\n')).unwrap_or(rest);
        Ok(Field { text, quoted: true, line })
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "True" | "true" => Some(true),
        "False" | "false" => Some(false),
        _ => None,
    }
}

/// Values of a column, of the type that the header says, or that fits.
fn values(kind: Option<&str>, name: &str, fields: Vec<Field>) -> Result<ColumnValues> {
    fn typed<T>(
        name: &str,
        kind: &str,
        fields: &[Field],
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<Option<T>>> {
        let value = |field: &Field| match field.is_missing() {
            true => Ok(None),
            false => parse(&field.text).map(Some).ok_or_else(|| {
                let problem = format!(
                    "'{}' in column '{}' is no {kind}",
                    field.text.escape_debug(),
                    name.escape_debug()
                );
                malformed("CSV", field.line, 1, &problem)
            }),
        };
        fields.iter().map(value).collect()
    }
    let int = |text: &str| text.parse::<i64>().ok();
    let float = |text: &str| text.parse::<f64>().ok();
    let text = |fields: Vec<Field>| {
        let values =
            fields.into_iter().map(|field| (field.quoted || !field.is_missing()).then_some(field.text));
        ColumnValues::Text(values.collect())
    };
    match kind {
        Some("bool") => Ok(ColumnValues::Bool(typed(name, "boolean", &fields, parse_bool)?)),
        Some(kind) if kind.starts_with("int") || kind.starts_with("uint") => {
            Ok(ColumnValues::Int(typed(name, "integer of 64 bits", &fields, int)?))
        }
        Some(kind) if kind.starts_with("float") => {
            Ok(ColumnValues::Float(typed(name, "number", &fields, float)?))
        }
        Some(_) => Ok(text(fields)),
        None => {
            let all = |fits: &dyn Fn(&str) -> bool| {
                let mut there = fields.iter().filter(|field| !field.is_missing()).peekable();
                there.peek().is_some() && there.all(|field| !field.quoted && fits(&field.text))
            };
            if all(&|text| parse_bool(text).is_some()) {
                Ok(ColumnValues::Bool(typed(name, "boolean", &fields, parse_bool)?))
            } else if all(&|text| int(text).is_some()) {
                Ok(ColumnValues::Int(typed(name, "integer", &fields, int)?))
            } else if all(&|text| float(text).is_some()) {
                Ok(ColumnValues::Float(typed(name, "number", &fields, float)?))
            } else {
                Ok(text(fields))
            }
        }
    }
}
