//! What is wrong with the text of a time.

use std::error::Error as StdError;
use std::fmt;

use crate::{Error, ErrorKind};

/// Text that is no time, and where it stops being one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeParseError {
    /// Bytes of the text before the offending place.
    pub offset: usize,
    /// What was found and what was expected: a lower-case fragment.
    pub message: String,
}

impl TimeParseError {
    pub(super) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into() }
    }

    /// The same error, found in a part that starts `by` bytes into the whole.
    #[must_use]
    pub(super) fn shifted(mut self, by: usize) -> Self {
        self.offset += by;
        self
    }

    /// The error of this crate, of the kind that suits the place the text came from.
    #[must_use]
    pub fn into_error(self, kind: ErrorKind) -> Error {
        Error::new(kind, self.message.clone()).with_context("offset", self.offset).with_source(self)
    }
}

impl fmt::Display for TimeParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for TimeParseError {}
