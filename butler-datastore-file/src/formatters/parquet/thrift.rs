//! Numbers of a Parquet file, looked at before the library believes them.
//!
//! Parquet's metadata are in Thrift's compact protocol. A library that decodes them makes room for
//! as many things as they announce; what is announced here without being there is refused first.

use butler_core::Result;

use super::malformed;

/// Depth of nested structures of a schema, and of Thrift.
const DEPTH: usize = 64;

/// What a page announces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PageNumbers {
    /// Bytes of the header itself.
    pub(super) header: usize,
    /// Bytes of the page when it is decompressed.
    pub(super) uncompressed: i64,
    /// Bytes of the page as it is stored.
    pub(super) compressed: i64,
    /// Values of a page with data.
    pub(super) values: i64,
    /// Values of a dictionary.
    pub(super) dictionary: i64,
    /// Encoding of the values of a page with data.
    pub(super) encoding: i64,
}

/// Reads the header of a page.
///
/// # Errors
/// `Formatter` if it is none.
pub(super) fn page_numbers(bytes: &[u8]) -> Result<PageNumbers> {
    let mut numbers = PageNumbers::default();
    let mut input = Input { rest: bytes };
    input.fields(0, &mut |input, field, kind| {
        match field {
            2 => numbers.uncompressed = input.integer(kind)?,
            3 => numbers.compressed = input.integer(kind)?,
            5 => [numbers.values, numbers.encoding] = input.numbers(kind, [1, 2])?,
            8 => [numbers.values, numbers.encoding] = input.numbers(kind, [1, 4])?,
            7 => [numbers.dictionary] = input.numbers(kind, [1])?,
            _ => input.skip(kind, 0)?,
        }
        Ok(())
    })?;
    numbers.header = bytes.len() - input.rest.len();
    Ok(numbers)
}

/// Checks the shape of the schema in the metadata of a file: nested sanely, of as many elements as announced.
///
/// # Errors
/// `Formatter` if it is not.
pub(super) fn check_schema(metadata: &[u8]) -> Result<()> {
    let mut children: Vec<i64> = Vec::new();
    Input { rest: metadata }.fields(0, &mut |input, field, kind| {
        if field != 2 {
            return input.skip(kind, 0);
        }
        let (count, kind) = input.list()?;
        for _ in 0..count {
            let mut number = 0;
            input.expect_struct(kind)?;
            input.fields(1, &mut |input, field, kind| {
                match field {
                    5 => number = input.integer(kind)?,
                    _ => input.skip(kind, 1)?,
                }
                Ok(())
            })?;
            children.push(number);
        }
        Ok(())
    })?;
    let mut open: Vec<i64> = Vec::new();
    for number in &children {
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        if *number < 0 || *number > children.len() as i64 || open.len() >= DEPTH {
            return Err(malformed("its schema makes no sense"));
        }
        open.push(*number);
        while open.last() == Some(&0) {
            open.pop();
        }
    }
    Ok(())
}

/// Bytes that were not read yet.
struct Input<'a> {
    rest: &'a [u8],
}

impl Input<'_> {
    fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| malformed("its metadata are cut short"))?;
        self.rest = rest;
        Ok(*first)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(malformed("a number in its metadata is too long"))
    }

    fn zigzag(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A number of 16, 32 or 64 bits.
    fn integer(&mut self, kind: u8) -> Result<i64> {
        match kind {
            4..=6 => self.zigzag(),
            _ => Err(malformed("its metadata have something else where a number should be")),
        }
    }

    fn expect_struct(&self, kind: u8) -> Result<()> {
        match kind {
            12 => Ok(()),
            _ => Err(malformed("its metadata have something else where a structure should be")),
        }
    }

    /// Some fields of a structure, which are numbers.
    fn numbers<const N: usize>(&mut self, kind: u8, wanted: [i64; N]) -> Result<[i64; N]> {
        let mut numbers = [0; N];
        self.expect_struct(kind)?;
        self.fields(1, &mut |input, field, kind| {
            match wanted.iter().position(|number| *number == field) {
                Some(at) => numbers[at] = input.integer(kind)?,
                None => input.skip(kind, 1)?,
            }
            Ok(())
        })?;
        Ok(numbers)
    }

    /// Number and type of the items of a list.
    fn list(&mut self) -> Result<(u64, u8)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        match count > self.rest.len() as u64 {
            true => Err(malformed("a list in its metadata has fewer items than it says")),
            false => Ok((count, head & 0x0f)),
        }
    }

    /// Fields of a structure up to its end.
    fn fields(&mut self, depth: usize, see: &mut dyn FnMut(&mut Self, i64, u8) -> Result<()>) -> Result<()> {
        if depth > DEPTH {
            return Err(malformed("its metadata are nested too deeply"));
        }
        let mut field = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            field = match head >> 4 {
                0 => self.zigzag()?,
                delta => field.saturating_add(i64::from(delta)),
            };
            see(self, field, head & 0x0f)?;
        }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Result<()> {
        match kind {
            1 | 2 => Ok(()),
            3 => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            7 => (0..8).try_for_each(|_| self.byte().map(drop)),
            8 => {
                let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                self.rest = self.rest.get(length..).ok_or_else(|| malformed("its metadata are cut short"))?;
                Ok(())
            }
            9 | 10 => {
                let (count, kind) = self.list()?;
                // In a list, a flag is a byte of its own.
                let kind = if matches!(kind, 1 | 2) { 3 } else { kind };
                (0..count).try_for_each(|_| self.skip(kind, depth + 1))
            }
            12 => self.fields(depth + 1, &mut |input, _, kind| input.skip(kind, depth + 1)),
            other => Err(malformed(format!("its metadata have something of type {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pages_are_understood() {
        // Type 0; 100 bytes, 50 stored; a data page of 7 values with encodings.
        let bytes = [0x15, 0, 0x15, 200, 1, 0x15, 100, 0x2c, 0x15, 14, 0x15, 4, 0, 0, 9];
        let numbers = page_numbers(&bytes).unwrap();
        let expected = PageNumbers {
            header: 14,
            uncompressed: 100,
            compressed: 50,
            values: 7,
            dictionary: 0,
            encoding: 2,
        };
        assert_eq!(numbers, expected);
        assert!(page_numbers(&bytes[..10]).is_err());
    }

    #[test]
    fn schemas_do_not_announce_what_is_not_there() {
        // One element each, with so many children.
        let schema = |children: &[u8]| {
            let elements = children.iter().flat_map(|number| [0x55, number * 2, 0]);
            let list = (children.len() as u8) << 4 | 12;
            [0x29, list].into_iter().chain(elements).chain([0]).collect::<Vec<u8>>()
        };
        check_schema(&schema(&[2, 0, 0])).unwrap();
        assert!(check_schema(&schema(&[63, 0])).is_err());
        let deep = [vec![0x29, 0xfc, 100], [0x55, 2, 0].repeat(100), vec![0]].concat();
        assert!(check_schema(&deep).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = page_numbers(&bytes);
            let _ = check_schema(&bytes);
        }
    }
}
