//! A source of bytes as a reader that seeks, with few and large reads.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use butler_core::ReadSource;
use bytes::Bytes;

/// Bytes that are read at once, in the end.
const MOST: u64 = 8 << 20;

/// Reads what is asked for in blocks, which grow.
pub(crate) struct Seeking<'a> {
    source: &'a mut dyn ReadSource,
    at: u64,
    size: u64,
    /// What was read, and from where.
    block: Bytes,
    begin: u64,
    /// Bytes that are read next.
    next: u64,
}

impl<'a> Seeking<'a> {
    /// Begins with blocks of so many bytes.
    pub(crate) fn new(source: &'a mut dyn ReadSource, first: u64) -> Self {
        let size = source.size();
        Self { source, at: 0, size, block: Bytes::new(), begin: 0, next: first.clamp(512, MOST) }
    }
}

impl BufRead for Seeking<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let end = self.begin + self.block.len() as u64;
        if self.at < self.begin || (self.at >= end && self.at < self.size) {
            let block = self.source.read_range(self.at, self.next).map_err(io::Error::other)?;
            if block.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            (self.block, self.begin) = (block, self.at);
            self.next = (self.next * 2).min(MOST);
        }
        let skip = usize::try_from(self.at - self.begin).unwrap_or(usize::MAX).min(self.block.len());
        Ok(&self.block[skip..])
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.at.saturating_add(amount as u64);
    }
}

impl Read for Seeking<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size {
            return Ok(0);
        }
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl Seek for Seeking<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
