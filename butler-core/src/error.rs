//! The one error type that crosses the seams between crates.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// Result with the error of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! error_kinds {
    ($( $(#[$doc:meta])* $name:ident = $code:literal, )*) => {
        /// What went wrong, coarse enough for a program to decide what to do.
        ///
        /// Codes are stable; where the Python butler has an error of the same
        /// meaning, its code is used.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $( $(#[$doc])* $name, )* }

        impl ErrorKind {
            /// Every kind, in the order of definition.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            /// Stable, machine-readable name in `snake_case`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $( Self::$name => $code, )* }
            }
        }
    };
}

error_kinds! {
    /// An argument is unusable: malformed, out of range, or contradicting another one.
    Argument = "argument",
    /// A recovery declared the writer dead and undid its work; the call may be repeated.
    Aborted = "aborted",
    /// An artifact, file or row that must be new is there already.
    AlreadyExists = "already_exists",
    /// The storage is busy; the call may be repeated.
    Busy = "busy",
    /// A calibration look-up matched several datasets.
    CalibrationLookup = "calibration_lookup",
    /// A chain of collections would contain itself.
    CollectionCycle = "collection_cycle",
    /// A collection has another type than the operation needs.
    CollectionType = "collection_type",
    /// Configuration is malformed, incomplete or names something unknown.
    Configuration = "configuration",
    /// What is stored disagrees with what was asked to be stored.
    ConflictingDefinition = "conflicting_definition",
    /// A connection to a database or store was lost or could not be made.
    Connection = "connection",
    /// Stored data cannot be understood; it is damaged or was written by something else.
    Corrupt = "corrupt",
    /// A data ID names values that do not exist.
    DataIdValue = "data_id_value",
    /// No dataset answers the request.
    DatasetNotFound = "dataset_not_found",
    /// A dataset type is not of the kind that the operation needs.
    DatasetType = "dataset_type",
    /// Every datastore refuses this dataset by configuration.
    DatasetTypeNotSupported = "dataset_type_not_supported",
    /// A dimension is unknown, missing or superfluous.
    DimensionName = "dimension_name",
    /// A dimension value is of the wrong type, unknown or ambiguous.
    DimensionValue = "dimension_value",
    /// The storage or a quota is full.
    Exhausted = "exhausted",
    /// A formatter could not read or write an object.
    Formatter = "formatter",
    /// Values of a data ID contradict each other or the dimension records.
    InconsistentDataId = "inconsistent_data_id",
    /// Two repositories or files describe different dimension universes.
    InconsistentUniverse = "inconsistent_universe",
    /// An artifact does not have the recorded size or checksum.
    Integrity = "integrity",
    /// The caller asked to stop.
    Interrupted = "interrupted",
    /// A query expression cannot be parsed, resolved or typed.
    InvalidQuery = "invalid_query",
    /// A collection does not exist.
    MissingCollection = "missing_collection",
    /// A dataset type is not registered.
    MissingDatasetType = "missing_dataset_type",
    /// No collections were given and there are no default ones.
    NoDefaultCollection = "no_default_collection",
    /// A file, artifact or repository does not exist.
    NotFound = "not_found",
    /// What should be removed is still referred to.
    OrphanedRecord = "orphaned_record",
    /// The operating system or a service refuses access.
    Permission = "permission",
    /// A write to something that was opened for reading only.
    ReadOnly = "read_only",
    /// The repository was written by another version of the schema.
    SchemaVersion = "schema_version",
    /// A storage class is unknown or cannot do what is asked.
    StorageClass = "storage_class",
    /// A file template is malformed or not unique.
    Template = "template",
    /// An operation did not end in time.
    Timeout = "timeout",
    /// A dataset has no such component.
    UnknownComponent = "unknown_component",
    /// The backend, formatter or build cannot do this.
    Unsupported = "unsupported",
    /// Anything that should not happen.
    Unexpected = "unexpected",
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Whether repeating the failed call can help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same call fails again.
    #[default]
    Permanent,
    /// The same call may succeed; nothing was changed.
    Temporary,
    /// It was temporary, and was repeated as often as allowed.
    Exhausted,
    /// It may or may not have happened: look, or repeat it only through a call
    /// that is idempotent by dataset id.
    OutcomeUnknown,
}

/// The error of every trait of this crate.
///
/// `Display` is one line: the operation, what was asked, what was found, and
/// what to do. `{:#}` adds context and the chain of sources.
///
/// ```
/// use butler_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::MissingCollection, "collection 'u/somebody' does not exist")
///     .with_hint("`butler query-collections` lists the collections there are");
/// assert_eq!(error.kind().code(), "missing_collection");
/// assert_eq!(
///     error.to_string(),
///     "collection 'u/somebody' does not exist; `butler query-collections` lists the collections there are"
/// );
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    retry: Retry,
    operation: Option<Cow<'static, str>>,
    message: String,
    hint: Option<String>,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of a kind, with what was asked and what was found.
    ///
    /// The message is a lower-case fragment without a full stop. Kinds that are
    /// temporary by nature ([`Busy`](ErrorKind::Busy), [`Aborted`](ErrorKind::Aborted))
    /// are marked so; everything else is permanent until said otherwise.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retry = match kind {
            ErrorKind::Busy | ErrorKind::Aborted => Retry::Temporary,
            _ => Retry::Permanent,
        };
        Self(Box::new(Inner {
            kind,
            retry,
            operation: None,
            message: message.into(),
            hint: None,
            context: Vec::new(),
            source: None,
        }))
    }

    /// Kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether repeating the call can help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// Operation that failed, where it was noted.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.0.operation.as_deref()
    }

    /// What was asked and what was found.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Facts noted on the way up, oldest first.
    #[must_use]
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// Says whether repeating can help.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Names the operation that failed; the innermost name stays.
    #[must_use]
    pub fn with_operation(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.0.operation.get_or_insert_with(|| operation.into());
        self
    }

    /// Says what to do; the innermost hint stays.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Notes a fact that only this level knows.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Keeps the underlying error.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(hint) = &self.0.hint {
            write!(f, "; {hint}")?;
        }
        if f.alternate() {
            if let Some(operation) = &self.0.operation {
                write!(f, "\n  operation: {operation}")?;
            }
            for (key, value) in &self.0.context {
                write!(f, "\n  {key}: {value}")?;
            }
            let mut source = self.source();
            while let Some(cause) = source {
                write!(f, "\n  caused by: {cause}")?;
                source = cause.source();
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}): {self:#}", self.0.kind, self.0.retry)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_snake_case() {
        let mut codes: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
        assert!(codes.iter().all(|code| code.chars().all(|c| c.is_ascii_lowercase() || c == '_')));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
    }

    #[test]
    fn display_is_one_line_and_alternate_tells_everything() {
        let error = Error::new(ErrorKind::Connection, "no reply")
            .with_operation("find")
            .with_context("dataset type", "raw")
            .with_source(std::io::Error::other("broken pipe"))
            .with_retry(Retry::OutcomeUnknown);
        assert_eq!(error.to_string(), "no reply");
        assert_eq!(
            format!("{error:#}"),
            "no reply\n  operation: find\n  dataset type: raw\n  caused by: broken pipe"
        );
        assert_eq!(error.retry(), Retry::OutcomeUnknown);
    }

    #[test]
    fn innermost_operation_and_hint_stay() {
        let error = Error::new(ErrorKind::Busy, "locked")
            .with_operation("inner")
            .with_hint("wait")
            .with_operation("outer")
            .with_hint("despair");
        assert_eq!(error.operation(), Some("inner"));
        assert_eq!(error.hint(), Some("wait"));
        assert_eq!(error.retry(), Retry::Temporary);
    }

    #[test]
    fn an_error_is_one_word() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
