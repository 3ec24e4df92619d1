//! Bytes of a file as characters, without holding the file.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::rc::Rc;

use butler_core::{Error, ErrorKind, Result};
use tempfile::SpooledTempFile;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// Bytes of a stream that are kept in memory before a temporary file takes them.
const SPOOL: usize = 8 << 20;

/// Characters between two events of the parser, at most: no value is so long, and
/// the parser's own queue stays small.
const MAX_GAP: usize = 1 << 20;

/// Text that can be read several times.
#[derive(Debug)]
pub(super) struct Source {
    input: Input,
    name: String,
    len: u64,
}

#[derive(Debug)]
enum Input {
    File(File),
    Spool(SpooledTempFile),
}

impl Source {
    /// A file; what cannot be read twice, such as a pipe, is copied first.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let failed = |error| io_error(&name, error);
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_file() {
            return Ok(Self { input: Input::File(file), name, len: metadata.len() });
        }
        if metadata.is_dir() {
            return Err(Error::new(
                ErrorKind::Argument,
                format!("{name} is a directory, not an export file"),
            ));
        }
        Self::copy(name, file)
    }

    /// All that a reader gives.
    pub(super) fn copy(name: String, mut reader: impl Read) -> Result<Self> {
        let mut spool = SpooledTempFile::new(SPOOL);
        let len = io::copy(&mut reader, &mut spool).map_err(|error| io_error(&name, error))?;
        Ok(Self { input: Input::Spool(spool), name, len })
    }

    /// Name, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Number of bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Its characters, from the beginning.
    pub(super) fn chars(&mut self) -> Result<(Chars<'_>, Rc<Progress>)> {
        let rewound = match &mut self.input {
            Input::File(file) => file.rewind(),
            Input::Spool(spool) => spool.rewind(),
        };
        rewound.map_err(|error| io_error(&self.name, error))?;
        let input: &mut dyn Read = match &mut self.input {
            Input::File(file) => file,
            Input::Spool(spool) => spool,
        };
        let progress = Rc::new(Progress::default());
        let chars =
            Chars { input, bytes: Vec::new(), text: String::new(), at: 0, progress: Rc::clone(&progress) };
        Ok((chars, progress))
    }
}

/// An error of the operating system about a file.
pub(super) fn io_error(name: &str, error: io::Error) -> Error {
    let (kind, what) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "does not exist".to_owned()),
        io::ErrorKind::PermissionDenied => (ErrorKind::Permission, "may not be read".to_owned()),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::Exhausted, "does not fit on the disk".to_owned())
        }
        _ => (ErrorKind::Unexpected, format!("cannot be read: {error}")),
    };
    Error::new(kind, format!("{name} {what}")).with_source(error)
}

/// How far the characters have been read, and why they ended early.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Bytes that were read.
    bytes: Cell<u64>,
    /// Characters since the last event.
    gap: Cell<usize>,
    /// Line breaks so far.
    lines: Cell<usize>,
    failure: RefCell<Option<Failure>>,
}

/// Why the characters ended before the end of the file.
#[derive(Debug)]
pub(super) enum Failure {
    Io(io::Error),
    /// Not UTF-8, in a line.
    NotText(usize),
    /// Something is too long, which ends in a line.
    TooLong(usize),
}

impl Progress {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Notes that the parser has come to an event.
    pub(super) fn event(&self) {
        self.gap.set(0);
    }

    /// Takes note of why the characters ended early, if they did.
    pub(super) fn take_failure(&self) -> Option<Failure> {
        self.failure.take()
    }

    fn fail(&self, failure: Failure) {
        *self.failure.borrow_mut() = Some(failure);
    }

    fn line(&self) -> usize {
        self.lines.get() + 1
    }
}

/// Characters of a source. They end early if something is wrong, which [`Progress`] tells.
pub(super) struct Chars<'a> {
    input: &'a mut dyn Read,
    /// Bytes that were read and are not decoded yet.
    bytes: Vec<u8>,
    text: String,
    at: usize,
    progress: Rc<Progress>,
}

impl Chars<'_> {
    /// Reads and decodes more; whether there was more.
    fn refill(&mut self) -> bool {
        loop {
            let before = self.bytes.len();
            let read = (&mut *self.input).take(CHUNK as u64).read_to_end(&mut self.bytes);
            match read {
                Err(error) => {
                    self.progress.fail(Failure::Io(error));
                    return false;
                }
                Ok(0) if before == 0 => return false,
                Ok(0) => {
                    self.progress.fail(Failure::NotText(self.progress.line()));
                    return false;
                }
                Ok(count) => {
                    let first = self.progress.bytes.replace(self.progress.bytes() + count as u64) == 0;
                    if self.decode(first) {
                        return true;
                    }
                    if self.bytes.len() > 3 {
                        self.progress.fail(Failure::NotText(self.progress.line()));
                        return false;
                    }
                }
            }
        }
    }

    /// Decodes as many bytes as possible; whether there were any characters.
    fn decode(&mut self, first: bool) -> bool {
        let valid = match std::str::from_utf8(&self.bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&self.bytes[..error.valid_up_to()]).unwrap_or_default(),
        };
        let used = valid.len();
        self.text.clear();
        self.text.push_str(if first { valid.strip_prefix('\u{feff}').unwrap_or(valid) } else { valid });
        self.at = 0;
        self.bytes.drain(..used);
        !self.text.is_empty()
    }
}

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        if self.at == self.text.len() && !self.refill() {
            return None;
        }
        let next = self.text[self.at..].chars().next()?;
        self.at += next.len_utf8();
        let gap = self.progress.gap.get() + 1;
        self.progress.gap.set(gap);
        if next == '\n' {
            self.progress.lines.set(self.progress.lines.get() + 1);
        }
        if gap > MAX_GAP {
            self.progress.fail(Failure::TooLong(self.progress.line()));
            return None;
        }
        Some(next)
    }
}
