//! Writing archives.

use std::io::{self, Seek, Write};

use butler_core::{Error, ErrorKind, Result};
use zip::result::ZipError;
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime};

use super::name::check_member_name;
use crate::error::sink_error;

/// Writes an archive, one member after the other; the same members give the same bytes.
pub struct ArchiveWriter<W: Write + Seek> {
    zip: ZipWriter<W>,
}

fn failed(error: ZipError) -> Error {
    match error {
        ZipError::Io(error) => sink_error(error),
        error => Error::new(ErrorKind::Argument, format!("a zip archive cannot be written: {error}")),
    }
}

impl<W: Write + Seek> std::fmt::Debug for ArchiveWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchiveWriter").finish_non_exhaustive()
    }
}

impl<W: Write + Seek> ArchiveWriter<W> {
    /// Begins an archive.
    pub fn new(sink: W) -> Self {
        Self { zip: ZipWriter::new(sink) }
    }

    /// Begins a member, whose bytes are written then; stored as they are unless it is compressed.
    ///
    /// # Errors
    /// `Corrupt` for a name that is no path of a file below a directory; those of the sink.
    pub fn start(&mut self, name: &str, compressed: bool) -> Result<()> {
        check_member_name(name)?;
        let method = if compressed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644)
            .large_file(true);
        self.zip.start_file(name, options).map_err(failed)
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn finish(self) -> Result<W> {
        self.zip.finish().map_err(failed)
    }
}

/// Writes to the member that was begun last.
impl<W: Write + Seek> Write for ArchiveWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.zip.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.zip.flush()
    }
}
