//! Images and tables of FITS: Flexible Image Transport System, standard 4.0.

mod header;
mod table;

use std::io::Write;

use butler_core::{
    Error, ErrorKind, Formatter, Object, ReadOutcome, ReadRequest, ReadSource, Result, StorageClass,
    Structured,
};

use super::write_all;
use crate::array::{Array, ArrayValues};
use crate::table::{Table, column_names, unknown_column};
use header::Header;

/// Bytes of which headers and data have a multiple.
const BLOCK: usize = 2880;

/// Values that are written at once.
const VALUES: usize = 1 << 16;

/// Parts of a file that are looked at.
const HDUS: u64 = 10_000;

/// Formatter `fits`.
#[derive(Debug)]
pub(super) struct Fits;

fn malformed(problem: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Formatter, format!("no valid FITS: {problem}"))
}

impl Formatter for Fits {
    fn name(&self) -> &'static str {
        "fits"
    }

    fn extension(&self) -> &'static str {
        ".fits"
    }

    fn in_memory(&self) -> &'static [&'static str] {
        &["array", "table"]
    }

    fn read(&self, source: &mut dyn ReadSource, request: &ReadRequest<'_>) -> Result<ReadOutcome> {
        let number = match request.parameters.get("hdu") {
            None => None,
            Some(number) => Some(number.as_u64().ok_or_else(|| {
                Error::new(ErrorKind::Argument, "read parameter 'hdu' is a number, from 0")
            })?),
        };
        if request.class.in_memory == "table" {
            return read_table(source, request, number);
        }
        let (header, at) = find(source, number, |_, size| size > 0)?;
        let parameters_applied = request.parameters.keys().all(|name| name == "hdu");
        let outcome = |object, is_component| ReadOutcome { object, is_component, parameters_applied };
        if request.component == Some("header") {
            return Ok(outcome(Object::new(header.to_structured()), true));
        }
        Ok(outcome(Object::new(image(source, &header, at)?), false))
    }

    fn write(&self, object: &Object, _: &StorageClass, sink: &mut dyn Write) -> Result<()> {
        if object.is::<Table>() {
            return table::write(object.downcast_ref()?, sink);
        }
        let array: &Array = object.downcast_ref()?;
        let (bitpix, zero) = stored_as(array.values());
        let mut cards = vec![card("SIMPLE", "T"), card("BITPIX", &bitpix.to_string())];
        cards.push(card("NAXIS", &array.shape().len().to_string()));
        // The first axis runs fastest, which is the last one of the array.
        for (axis, length) in (1..).zip(array.shape().iter().rev()) {
            cards.push(card(&format!("NAXIS{axis}"), &length.to_string()));
        }
        if array.shape().len() > 999 {
            return Err(Error::new(ErrorKind::Formatter, "FITS has no more than 999 axes"));
        }
        if let Some(zero) = zero {
            cards.extend([card("BSCALE", "1"), card("BZERO", zero)]);
        }
        cards.push(format!("{:<80}", "END"));
        let mut bytes = cards.concat().into_bytes();
        bytes.resize(bytes.len().next_multiple_of(BLOCK), b' ');
        write_all(sink, &bytes)?;
        let mut written = 0;
        for begin in (0..array.values().len()).step_by(VALUES) {
            let part = big_endian(array.values(), begin..(begin + VALUES).min(array.values().len()));
            written += part.len();
            write_all(sink, &part)?;
        }
        write_all(sink, &vec![0; written.next_multiple_of(BLOCK) - written])
    }
}

fn card(key: &str, value: &str) -> String {
    format!("{:<80}", format!("{key:<8}= {value:>20}"))
}

/// How values are stored: the type, and what must be added when they are read.
fn stored_as(values: &ArrayValues) -> (i64, Option<&'static str>) {
    match values {
        ArrayValues::U8(_) => (8, None),
        ArrayValues::I8(_) => (8, Some("-128")),
        ArrayValues::I16(_) => (16, None),
        ArrayValues::U16(_) => (16, Some("32768")),
        ArrayValues::I32(_) => (32, None),
        ArrayValues::U32(_) => (32, Some("2147483648")),
        ArrayValues::I64(_) => (64, None),
        ArrayValues::U64(_) => (64, Some("9223372036854775808")),
        ArrayValues::F32(_) => (-32, None),
        ArrayValues::F64(_) => (-64, None),
    }
}

/// Values as they are stored: what is added is that the first bit is turned.
fn big_endian(values: &ArrayValues, range: std::ops::Range<usize>) -> Vec<u8> {
    let mut bytes = Vec::new();
    values.write_range(range, &mut bytes);
    let size = ArrayValues::size_of(values.type_code()).unwrap_or(1);
    let turned = stored_as(values).1.is_some();
    for value in bytes.chunks_exact_mut(size) {
        value.reverse();
        if turned {
            value[0] ^= 0x80;
        }
    }
    bytes
}

/// Reads a table, some of its columns, or what its header tells.
fn read_table(
    source: &mut dyn ReadSource,
    request: &ReadRequest<'_>,
    number: Option<u64>,
) -> Result<ReadOutcome> {
    let (header, at) = find(source, number, |header, _| is_table(header))?;
    let parameters_applied = request.parameters.keys().all(|name| name == "hdu" || name == "columns");
    let outcome = |object, is_component| ReadOutcome { object, is_component, parameters_applied };
    if request.component == Some("header") {
        return Ok(outcome(Object::new(header.to_structured()), true));
    }
    if !is_table(&header) {
        return Err(malformed("this part is no binary table").with_hint("name one by the parameter 'hdu'"));
    }
    let all = table::fields(&header)?;
    let wanted = match request.parameters.get("columns") {
        None => all,
        Some(names) => {
            let field = |name: &String| {
                let found = all.iter().find(|field| field.name == *name).cloned();
                found.ok_or_else(|| unknown_column(name, all.iter().map(|field| field.name.as_str())))
            };
            column_names(names)?.iter().map(field).collect::<Result<Vec<_>>>()?
        }
    };
    let fields =
        || wanted.iter().map(|field| (field.name.clone(), Structured::from(field.type_name.as_str())));
    Ok(match request.component {
        Some("columns") => outcome(Object::new(fields().map(|(name, _)| name).collect::<Structured>()), true),
        Some("rowcount") => outcome(Object::new(Structured::from(header.axes()?.get(1).copied())), true),
        Some("schema") => outcome(Object::new(Structured::Object(fields().collect())), true),
        _ => outcome(Object::new(table::read(source, &header, at, &wanted)?), false),
    })
}

fn is_table(header: &Header) -> bool {
    matches!(header.text("XTENSION"), Some("BINTABLE" | "A3DTABLE"))
}

/// The header of a part, and where its data begin: the one that is wanted, or the first that suits by its
/// header and number of bytes, or the last.
fn find(
    source: &mut dyn ReadSource,
    wanted: Option<u64>,
    suits: impl Fn(&Header, u64) -> bool,
) -> Result<(Header, u64)> {
    let mut at = 0;
    for number in 0..HDUS {
        let (header, data_at) = Header::read(source, at, number == 0)?;
        let size = header.data_size()?;
        let end = size.checked_next_multiple_of(BLOCK as u64).and_then(|size| data_at.checked_add(size));
        let end = end.ok_or_else(|| malformed(format!("part {number} is too large")))?;
        let last = end >= source.size();
        // The last block need not be filled up: there are many such files.
        if data_at + size > source.size() {
            let there = source.size().saturating_sub(data_at);
            return Err(malformed(format!("part {number} has {there} bytes of data, and not {size}")));
        }
        if wanted.map_or_else(|| suits(&header, size) || last, |wanted| wanted == number) {
            return Ok((header, data_at));
        }
        if last {
            break;
        }
        at = end;
    }
    let message = format!("there is no part {} in a FITS file", wanted.unwrap_or(HDUS));
    Err(Error::new(ErrorKind::Argument, message))
}

/// The image of a part.
fn image(source: &mut dyn ReadSource, header: &Header, at: u64) -> Result<Array> {
    if header.text("XTENSION").is_some_and(|kind| kind != "IMAGE") {
        return Err(
            malformed("this part is a table, and no image").with_hint("read it by a storage class of tables")
        );
    }
    let shape: Vec<usize> = header
        .axes()?
        .into_iter()
        .rev()
        .map(|length| usize::try_from(length).unwrap_or(usize::MAX))
        .collect();
    let bytes = source.read_range(at, header.data_size()?)?;
    let bitpix = header.integer("BITPIX")?;
    let (scale, zero) = (header.number("BSCALE", 1.0)?, header.number("BZERO", 0.0)?);
    let offset = [
        (8, -128.0, "u1"),
        (16, 32_768.0, "u2"),
        (32, 2_147_483_648.0, "u4"),
        (64, 9_223_372_036_854_775_808.0, "u8"),
    ];
    let turned = offset.iter().find(|(known, by, _)| *known == bitpix && *by == zero && scale == 1.0);
    let code = match bitpix {
        8 => "u1",
        16 => "i2",
        32 => "i4",
        64 => "i8",
        -32 => "f4",
        -64 => "f8",
        other => return Err(malformed(format!("values of type {other} are not known"))),
    };
    let values = if let Some((_, _, unsigned)) = turned {
        let mut bytes = bytes.to_vec();
        bytes.chunks_exact_mut(bitpix.unsigned_abs() as usize / 8).for_each(|value| value[0] ^= 0x80);
        ArrayValues::read(if bitpix == 8 { "i1" } else { unsigned }, true, &bytes)
    } else {
        ArrayValues::read(code, true, &bytes)
    };
    let mut values = values.ok_or_else(|| malformed("its values are of no type"))?;
    if turned.is_none() && (scale != 1.0 || zero != 0.0) {
        values = scaled(&values, scale, zero, header.optional_integer("BLANK")?);
    }
    // No axes at all are no data, and not one value.
    let shape = if shape.is_empty() { vec![0] } else { shape };
    Array::new(shape, values).map_err(|error| malformed(error.message()))
}

/// Physical values; those that are blank are not a number.
fn scaled(values: &ArrayValues, scale: f64, zero: f64, blank: Option<i64>) -> ArrayValues {
    let integer = |value: i64| match blank == Some(value) {
        true => f64::NAN,
        false => zero + scale * value as f64,
    };
    ArrayValues::F64(match values {
        ArrayValues::U8(values) => values.iter().map(|value| integer(i64::from(*value))).collect(),
        ArrayValues::I16(values) => values.iter().map(|value| integer(i64::from(*value))).collect(),
        ArrayValues::I32(values) => values.iter().map(|value| integer(i64::from(*value))).collect(),
        ArrayValues::I64(values) => values.iter().map(|value| integer(*value)).collect(),
        ArrayValues::F32(values) => values.iter().map(|value| zero + scale * f64::from(*value)).collect(),
        ArrayValues::F64(values) => values.iter().map(|value| zero + scale * value).collect(),
        _ => Vec::new(),
    })
}

#[cfg(test)]
mod tests;
