//! Zip archives: many artifacts in one file, each of which is read without the others.
//!
//! An archive comes from outside, and so do the names and sizes in it. What is in the way
//! of reading it safely is refused before anything is taken out: names that lead out of a directory,
//! links, members that lie over each other, and far more data than the archive could honestly hold.

mod name;
mod seek;
mod source;
mod write;

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::{Error, ErrorKind, ReadSource, Result};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use zip::CompressionMethod;
use zip::read::{ZipArchive, ZipArchiveMetadata, ZipReadOptions};
use zip::result::ZipError;

use crate::store::FileSource;
pub use name::{check_member_name, member_name};
use seek::Seeking;
pub(crate) use source::MemberSource;
pub use write::ArchiveWriter;

/// Bytes at the end of a file in which the end of an archive is looked for: its record, and the longest comment.
const END: u64 = 22 + 65_535;

const END_MAGIC: &[u8] = b"PK\x05\x06";

/// Bytes that the members of any archive may have.
const FREE: u64 = 256 << 20;

/// Bytes that members may have for each byte of their archive.
const RATIO: u64 = 250;

/// What an archive says of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name: a path with slashes.
    pub name: ArcStr,
    /// Number of its bytes.
    pub size: u64,
    /// Number of bytes that it takes in the archive.
    pub stored_size: u64,
    /// Its number in the list of contents.
    pub position: usize,
}

/// The list of contents of an archive.
#[derive(Clone)]
pub struct Archive {
    metadata: Arc<ZipArchiveMetadata>,
    by_name: Arc<FxHashMap<ArcStr, usize>>,
    size: u64,
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").field("members", &self.by_name.len()).finish_non_exhaustive()
    }
}

fn malformed(problem: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("no sound zip archive: {problem}"))
}

fn unreadable(error: ZipError) -> Error {
    match error {
        // What the source reported, as it was.
        ZipError::Io(error) => match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) => malformed(error),
        },
        error => malformed(error),
    }
}

impl Archive {
    /// Reads the list of contents at the end of an archive.
    ///
    /// # Errors
    /// `Corrupt` if it is none, or one that cannot be honest: with names that are no paths of files below a
    /// directory, links, members over each other, or hundreds of times more data than bytes; those of the source.
    pub fn read(source: &mut dyn ReadSource) -> Result<Self> {
        let size = source.size();
        let end = source.read_range(size.saturating_sub(END), END)?;
        // Otherwise all of the file would be searched for it.
        if !end.windows(END_MAGIC.len()).any(|bytes| bytes == END_MAGIC) {
            return Err(malformed("it does not end as one").with_hint("it may be cut short"));
        }
        let archive = ZipArchive::new(Seeking::new(source, end.len() as u64)).map_err(unreadable)?;
        let metadata = archive.metadata();
        if metadata.has_duplicate_names() {
            return Err(malformed("two members have one name"));
        }
        let mut by_name = FxHashMap::default();
        let (mut total, mut places) = (0_u64, Vec::with_capacity(metadata.len()));
        for index in 0..metadata.len() {
            let entry = metadata.entry(index).map_err(unreadable)?;
            let name = entry.name().map_err(unreadable)?;
            let refused = |what: &str| malformed(format!("member '{}' is {what}", name.escape_debug()));
            if entry.is_dir() {
                continue;
            }
            check_member_name(&name)?;
            if entry.is_symlink() {
                return Err(refused("a symbolic link"));
            }
            if entry.encrypted() {
                return Err(refused("encrypted"));
            }
            if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
                return Err(refused("compressed in a way that is not known here"));
            }
            if entry.compressed_size() > size {
                return Err(refused("larger than the archive"));
            }
            total = total.saturating_add(entry.size());
            // A header is of 30 bytes, and the name.
            let header = 30 + entry.name_raw().len() as u64;
            places.push((entry.header_start(), header.saturating_add(entry.compressed_size())));
            by_name.insert(ArcStr::from(&*name), index);
        }
        places.sort_unstable();
        // Otherwise a few bytes could be data of all of them.
        if places.windows(2).any(|pair| pair[0].0.saturating_add(pair[0].1) > pair[1].0) {
            return Err(malformed("its members lie over each other"));
        }
        if total > FREE.saturating_add(size.saturating_mul(RATIO)) {
            return Err(malformed(format!("of its {size} bytes, {total} bytes would come"))
                .with_hint(format!("no more than {RATIO} times as much is taken out of an archive")));
        }
        Ok(Self { metadata, by_name: Arc::new(by_name), size })
    }

    /// Number of bytes of the archive.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// What it holds, in no order.
    ///
    /// # Errors
    /// `Corrupt` if it makes no sense.
    pub fn members(&self) -> Result<Vec<Member>> {
        self.by_name.keys().map(|name| self.member(name)).collect()
    }

    /// A member.
    ///
    /// # Errors
    /// `NotFound` if there is none of that name.
    pub fn member(&self, name: &str) -> Result<Member> {
        let position = self.index(name)?;
        let entry = self.metadata.entry(position).map_err(unreadable)?;
        let (size, stored_size) = (entry.size(), entry.compressed_size());
        Ok(Member { name: name.into(), size, stored_size, position })
    }

    fn index(&self, name: &str) -> Result<usize> {
        self.by_name.get(name).copied().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("a zip archive has no member '{}'", name.escape_debug()))
        })
    }

    /// Reads the list of contents of a local file; the file is given, too, to read members.
    ///
    /// # Errors
    /// As [`read`](Self::read); `NotFound`, `Argument` if it is no regular file.
    pub fn open(path: &Path) -> Result<(Self, impl ReadSource + use<>)> {
        let mut source = FileSource::open(path)?;
        Ok((Self::read(&mut source)?, source))
    }

    /// The bytes of a member.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` if they are not what the archive says; `Exhausted` without memory for them;
    /// those of the source.
    pub fn extract(&self, source: &mut dyn ReadSource, name: &str) -> Result<Bytes> {
        let entry = self.metadata.entry(self.index(name)?).map_err(unreadable)?;
        let size = entry.size();
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(|error| {
            Error::new(ErrorKind::Exhausted, format!("no memory for the {size} bytes of member '{name}'"))
                .with_source(error)
        })?;
        // Header, name and what else there may be, so that one read is enough for a small member.
        let together = entry.compressed_size().saturating_add(512);
        let mut seeking = Seeking::new(source, together);
        let member = entry.with_reader(&mut seeking, ZipReadOptions::new()).map_err(unreadable)?;
        let read = member.take(size.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| unreadable(error.into()))?;
        if bytes.len() != length {
            return Err(malformed(format!("member '{name}' has more or fewer bytes than it says")));
        }
        Ok(bytes.into())
    }

    /// Where the bytes of a member begin, if they are stored as they are.
    fn begin(&self, source: &mut dyn ReadSource, name: &str) -> Result<Option<u64>> {
        let entry = self.metadata.entry(self.index(name)?).map_err(unreadable)?;
        if entry.compression() != CompressionMethod::Stored {
            return Ok(None);
        }
        let mut seeking = Seeking::new(source, 512);
        Ok(entry.with_reader(&mut seeking, ZipReadOptions::new()).map_err(unreadable)?.data_start())
    }
}

#[cfg(test)]
mod tests;
