//! Local files that are read.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use arcstr::ArcStr;
use butler_core::{Error, ErrorKind, ReadSource, Result};
use bytes::Bytes;
use rustix::fs::{Mode, OFlags};

use crate::error::io_error;

/// Bytes that are read at once.
pub(super) const BLOCK: usize = 256 * 1024;

/// What makes a file itself, whatever its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
    /// Number of its names, when it was looked at.
    pub(crate) links: u64,
}

impl FileId {
    pub(crate) fn of(metadata: &std::fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), links: metadata.nlink() }
    }

    #[expect(
        clippy::useless_conversion,
        clippy::unnecessary_cast,
        reason = "the types of these fields differ between systems"
    )]
    pub(super) fn of_stat(stat: &rustix::fs::Stat) -> Self {
        Self { device: stat.st_dev as u64, inode: stat.st_ino.into(), links: stat.st_nlink.into() }
    }

    /// Whether both are one file.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }
}

/// An open file.
#[derive(Debug)]
pub(crate) struct FileSource {
    file: File,
    path: PathBuf,
    size: u64,
    /// Whether it was read from the beginning already.
    moved: bool,
}

impl FileSource {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// `NotFound`, `Argument` if it is no regular file, and those of the system.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| {
            let error = match error.kind() {
                std::io::ErrorKind::NotADirectory => std::io::ErrorKind::NotFound.into(),
                _ => error,
            };
            io_error(error, &format!("cannot open '{}'", path.display()))
        };
        // Opening a named pipe must not wait for somebody who writes into it.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file =
            File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?);
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::Argument, format!("'{}' is no regular file", path.display())));
        }
        Ok(Self { file, path: path.to_owned(), size: metadata.len(), moved: false })
    }

    /// BLAKE3 of the bytes in hexadecimal, and their number.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn checksum(mut self) -> Result<(ArcStr, u64)> {
        let size = self.size;
        let digest = checksum(&mut self.file, size, &mut Vec::new()).map_err(|error| self.failed(error))?;
        Ok((digest, size))
    }

    fn failed(&self, error: std::io::Error) -> Error {
        io_error(error, &format!("cannot read '{}'", self.path.display()))
    }
}

impl ReadSource for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_all(&mut self) -> Result<Bytes> {
        let capacity = usize::try_from(self.size).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(capacity).map_err(|error| {
            Error::new(
                ErrorKind::Exhausted,
                format!("no memory for the {} bytes of '{}'", self.size, self.path.display()),
            )
            .with_source(error)
        })?;
        if std::mem::replace(&mut self.moved, true) {
            self.file.rewind().map_err(|error| self.failed(error))?;
        }
        // With the limit known, no further read is needed to find the end.
        (&self.file).take(self.size).read_to_end(&mut bytes).map_err(|error| self.failed(error))?;
        Ok(bytes.into())
    }

    fn read_range(&mut self, offset: u64, len: u64) -> Result<Bytes> {
        let len = usize::try_from(len.min(self.size.saturating_sub(offset))).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            match self.file.read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        bytes.truncate(filled);
        Ok(bytes.into())
    }

    fn local_path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

/// BLAKE3 of the rest of a file, in hexadecimal.
///
/// # Errors
/// Those of the system.
pub(crate) fn checksum(file: &mut File, size: u64, buffer: &mut Vec<u8>) -> std::io::Result<ArcStr> {
    let mut hasher = blake3::Hasher::new();
    buffer.resize(BLOCK, 0);
    let mut done = 0;
    while done < size {
        let read = read_block(file, buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        done += read as u64;
    }
    Ok(hex(&hasher))
}

/// Reads into the buffer; nothing if the file has ended.
pub(super) fn read_block(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

pub(super) fn hex(hasher: &blake3::Hasher) -> ArcStr {
    hasher.finalize().to_hex().as_str().into()
}
