//! A member of an archive, as a formatter reads it.

use arcstr::ArcStr;
use butler_core::{ReadSource, Result};
use bytes::Bytes;

use super::Archive;

/// Bytes of a member that is taken out at once.
const SMALL: u64 = 1 << 20;

/// A member: all of it, or ranges of it where it is stored as it is.
pub(crate) struct MemberSource {
    archive: Archive,
    source: Box<dyn ReadSource>,
    name: ArcStr,
    size: u64,
    /// Where its bytes begin, if they are stored as they are, and it is large.
    begin: Option<u64>,
    whole: Option<Bytes>,
}

impl MemberSource {
    /// Opens a member.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt`, those of the source.
    pub(crate) fn open(archive: Archive, mut source: Box<dyn ReadSource>, name: &ArcStr) -> Result<Self> {
        let size = archive.member(name)?.size;
        let begin = if size > SMALL { archive.begin(&mut *source, name)? } else { None };
        Ok(Self { archive, source, name: name.clone(), size, begin, whole: None })
    }
}

impl ReadSource for MemberSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_all(&mut self) -> Result<Bytes> {
        if let Some(whole) = &self.whole {
            return Ok(whole.clone());
        }
        let whole = self.archive.extract(&mut *self.source, &self.name)?;
        self.whole = Some(whole.clone());
        Ok(whole)
    }

    fn read_range(&mut self, offset: u64, len: u64) -> Result<Bytes> {
        match self.begin {
            Some(begin) if self.whole.is_none() => {
                let len = len.min(self.size.saturating_sub(offset));
                self.source.read_range(begin.saturating_add(offset), len)
            }
            // What is compressed is taken out once.
            _ => self.read_all()?.read_range(offset, len),
        }
    }
}
