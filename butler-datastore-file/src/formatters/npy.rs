//! Arrays of NumPy: NumPy Enhancement Proposal 1, versions 1 to 3.

use std::io::Write;

use butler_core::{
    Error, ErrorKind, Formatter, Object, ReadOutcome, ReadRequest, ReadSource, Result, StorageClass,
};

use super::write_all;
use crate::array::{Array, ArrayValues};

const MAGIC: &[u8] = b"\x93NUMPY";

/// Multiple of bytes at which values begin.
const ALIGNMENT: usize = 64;

/// Bytes that a header may have.
const HEADER: u64 = 1 << 16;

/// Values that are written at once.
const BLOCK: usize = 1 << 16;

/// Formatter `npy`.
#[derive(Debug)]
pub(super) struct Npy;

fn malformed(problem: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Formatter, format!("no valid array of NumPy: {problem}"))
}

impl Formatter for Npy {
    fn name(&self) -> &'static str {
        "npy"
    }

    fn extension(&self) -> &'static str {
        ".npy"
    }

    fn in_memory(&self) -> &'static [&'static str] {
        &["array"]
    }

    fn read(&self, source: &mut dyn ReadSource, _: &ReadRequest<'_>) -> Result<ReadOutcome> {
        Ok(Object::new(read_array(source)?).into())
    }

    fn write(&self, object: &Object, _: &StorageClass, sink: &mut dyn Write) -> Result<()> {
        write_array(object.downcast_ref()?, sink)
    }
}

/// Reads an array.
///
/// # Errors
/// `Formatter`, and those of the source.
pub(super) fn read_array(source: &mut dyn ReadSource) -> Result<Array> {
    let begin = source.read_range(0, 12)?;
    let (header_at, header_len) = match begin.get(..10) {
        Some(begin) if !begin.starts_with(MAGIC) => return Err(malformed("it does not begin as one")),
        None => return Err(malformed("it is cut short")),
        Some(first) => match (first[6], begin.get(8..12)) {
            (1, _) => (10, u64::from(u16::from_le_bytes([first[8], first[9]]))),
            (2 | 3, Some(&[a, b, c, d])) => (12, u64::from(u32::from_le_bytes([a, b, c, d]))),
            (2 | 3, _) => return Err(malformed("it is cut short")),
            (version, _) => return Err(malformed(format!("version {version} is not known"))),
        },
    };
    if header_len > HEADER {
        return Err(malformed(format!("its header has {header_len} bytes")));
    }
    let bytes = source.read_range(header_at, header_len)?;
    if (bytes.len() as u64) < header_len {
        return Err(malformed("its header is cut short"));
    }
    let header = Header::parse(std::str::from_utf8(&bytes).map_err(|_| malformed("its header is no text"))?)?;
    let expected =
        header.bytes().ok_or_else(|| malformed(format!("its shape {:?} is too large", header.shape)))?;
    let at = header_at + header_len;
    let there = source.size().saturating_sub(at);
    // Seen before room is made for anything.
    if there != expected {
        return Err(malformed(format!("there are {there} bytes of values, and not {expected}")));
    }
    let values = ArrayValues::read(&header.code, header.big_endian, &source.read_range(at, expected)?)
        .ok_or_else(|| malformed(format!("the type '{}' is not known", header.code)))?;
    Array::new(header.shape, values).map_err(|error| malformed(error.message()))
}

/// Writes an array.
///
/// # Errors
/// `Formatter` if it has too many dimensions; those of the sink.
pub(super) fn write_array(array: &Array, sink: &mut dyn Write) -> Result<()> {
    let code = array.values().type_code();
    let order = if code.ends_with('1') { '|' } else { '<' };
    let mut shape: String = array.shape().iter().map(|length| format!("{length}, ")).collect();
    if array.shape().len() != 1 {
        shape.truncate(shape.len().saturating_sub(2));
    } else {
        shape.truncate(shape.len() - 1);
    }
    let mut header = format!("{{'descr': '{order}{code}', 'fortran_order': False, 'shape': ({shape}), }}");
    let unpadded = MAGIC.len() + 4 + header.len() + 1;
    header.push_str(&" ".repeat(unpadded.next_multiple_of(ALIGNMENT) - unpadded));
    header.push('\n');
    let length = u16::try_from(header.len()).map_err(|_| {
        Error::new(ErrorKind::Formatter, "an array has too many dimensions for a header of NumPy")
    })?;
    let mut bytes = [MAGIC, &[1, 0], &length.to_le_bytes(), header.as_bytes()].concat();
    for begin in (0..array.values().len()).step_by(BLOCK) {
        array.values().write_range(begin..(begin + BLOCK).min(array.values().len()), &mut bytes);
        write_all(sink, &bytes)?;
        bytes.clear();
    }
    write_all(sink, &bytes)
}

/// What the header says.
struct Header {
    /// Type without the order of bytes.
    code: String,
    big_endian: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads a dictionary as Python writes it, with these three keys.
    fn parse(text: &str) -> Result<Self> {
        let wrong = || malformed(format!("its header says {}", text.trim_end().escape_debug()));
        let inner =
            text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or_else(wrong)?;
        let (mut kind, mut fortran, mut shape) = (None, None, None);
        let mut rest = inner.trim();
        while !rest.is_empty() {
            let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or_else(wrong)?;
            let (key, after) = rest[1..].split_once(quote).ok_or_else(wrong)?;
            let value = after.trim_start().strip_prefix(':').ok_or_else(wrong)?.trim_start();
            let end = match value.chars().next() {
                Some('(') => value.find(')').map(|end| end + 1),
                Some(c @ ('\'' | '"')) => value[1..].find(c).map(|end| end + 2),
                _ => Some(value.find(',').unwrap_or(value.len())),
            }
            .ok_or_else(wrong)?;
            let (value, after) = value.split_at(end);
            match key {
                "descr" => kind = Some(value.trim_matches(['\'', '"'])),
                "fortran_order" => fortran = Some(value.trim()),
                "shape" => shape = Some(value),
                _ => return Err(wrong()),
            }
            rest = after.trim_start().strip_prefix(',').unwrap_or(after).trim_start();
        }
        let (Some(kind), Some(fortran), Some(shape)) = (kind, fortran, shape) else { return Err(wrong()) };
        let code = kind.strip_prefix(['<', '>', '|', '=']).unwrap_or(kind);
        if ArrayValues::size_of(code).is_none() {
            let known = "integers and floating-point numbers are";
            return Err(
                malformed(format!("the type '{}' is not known", kind.escape_debug())).with_hint(known)
            );
        }
        let lengths =
            shape.trim_matches(['(', ')']).split(',').map(str::trim).filter(|length| !length.is_empty());
        let shape: Vec<usize> =
            lengths.map(|length| length.parse().map_err(|_| wrong())).collect::<Result<_>>()?;
        match fortran {
            "False" => {}
            "True" if shape.iter().filter(|length| **length > 1).count() < 2 => {}
            "True" => return Err(malformed("the first index runs fastest, which is not read here")),
            _ => return Err(wrong()),
        }
        Ok(Self { code: code.to_owned(), big_endian: kind.starts_with('>'), shape })
    }

    /// Bytes of all values, unless that is too many.
    fn bytes(&self) -> Option<u64> {
        let size = ArrayValues::size_of(&self.code)? as u64;
        self.shape.iter().try_fold(size, |product, length| product.checked_mul(*length as u64))
    }
}
