//! What databases say, as errors of the Data Butler.
//!
//! Diesel tells the violated rules apart; everything else is known by its
//! message. SQLite's are fixed English; PostgreSQL's are English unless the server's
//! administrator chose another language and the account may not choose for itself.

use butler_core::{Error, ErrorKind, Retry};
use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

/// Something that a database or a file system refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// SQLite failed.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Sqlite(DieselError),
    /// SQLite could not open a file.
    #[cfg(feature = "sqlite")]
    #[error("the database cannot be opened")]
    Open(#[source] diesel::ConnectionError),
    /// PostgreSQL failed.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(DieselError),
    /// No connection to PostgreSQL.
    #[cfg(feature = "postgres")]
    #[error("{0}")]
    Connect(String),
    /// A migration failed, or the table of versions is not as it should be.
    #[error("the static tables cannot be brought to another version")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file could not be read or written.
    #[cfg(feature = "sqlite")]
    #[error("{path} cannot be {verb}")]
    File {
        /// What should have been done.
        verb: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// A spilled result could not be written or read.
    #[error("a result that nobody reads cannot be kept in a temporary file")]
    Spill(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A thread could not be started.
    #[error("no thread can be started")]
    Thread(#[source] std::io::Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let message = failure.to_string();
        match failure {
            #[cfg(feature = "sqlite")]
            Failure::Sqlite(error) => database(error, sqlite_kind),
            #[cfg(feature = "sqlite")]
            Failure::Open(error) => {
                let text = error.to_string();
                let (kind, retry) = sqlite_kind(&text);
                Self::new(kind, format!("{message}: {text}")).with_retry(retry).with_source(error)
            }
            #[cfg(feature = "postgres")]
            Failure::Postgres(error) => database(error, postgres_kind),
            #[cfg(feature = "postgres")]
            Failure::Connect(text) => {
                let (kind, retry) = connect_kind(&text);
                Self::new(kind, format!("no connection to PostgreSQL: {text}")).with_retry(retry)
            }
            Failure::Migration(error) => match error.downcast::<DieselError>() {
                Ok(error) => Self::new(ErrorKind::Unexpected, message).with_source(*error),
                Err(error) => Self::new(ErrorKind::Unexpected, message).with_source(error),
            },
            #[cfg(feature = "sqlite")]
            Failure::File { source, .. } => {
                Self::new(file_kind(&source), format!("{message}: {source}")).with_source(source)
            }
            Failure::Spill(source) => {
                Self::new(ErrorKind::Exhausted, format!("{message}: {source}")).with_source(source)
            }
            Failure::Thread(source) => Self::new(ErrorKind::Exhausted, message).with_source(source),
        }
    }
}

type Kind = (ErrorKind, Retry);

fn database(error: DieselError, by_message: fn(&str) -> Kind) -> Error {
    let (kind, retry) = match &error {
        DieselError::DatabaseError(kind, information) => by_kind(*kind, information.as_ref(), by_message),
        DieselError::RollbackErrorOnCommit { commit_error, .. } => match &**commit_error {
            DieselError::DatabaseError(kind, information) => by_kind(*kind, information.as_ref(), by_message),
            _ => (ErrorKind::Unexpected, Retry::Permanent),
        },
        DieselError::InvalidCString(_) | DieselError::SerializationError(_) => {
            (ErrorKind::Argument, Retry::Permanent)
        }
        DieselError::DeserializationError(_) => (ErrorKind::Corrupt, Retry::Permanent),
        DieselError::BrokenTransactionManager => (ErrorKind::Connection, Retry::Temporary),
        DieselError::NotFound
        | DieselError::QueryBuilderError(_)
        | DieselError::RollbackTransaction
        | DieselError::AlreadyInTransaction
        | DieselError::NotInTransaction
        | _ => (ErrorKind::Unexpected, Retry::Permanent),
    };
    let mut result = Error::new(kind, describe(kind, &error)).with_retry(retry);
    if let DieselError::DatabaseError(_, information) = &error {
        if let Some(details) = information.details() {
            result = result.with_context("detail", details);
        }
        if let Some(hint) = information.hint() {
            result = result.with_hint(hint.trim_end_matches('.').to_owned());
        }
    }
    result.with_source(error)
}

fn by_kind(
    kind: DatabaseErrorKind,
    information: &dyn DatabaseErrorInformation,
    by_message: fn(&str) -> Kind,
) -> Kind {
    match kind {
        DatabaseErrorKind::UniqueViolation | DatabaseErrorKind::ExclusionViolation => {
            (ErrorKind::ConflictingDefinition, Retry::Permanent)
        }
        DatabaseErrorKind::ForeignKeyViolation | DatabaseErrorKind::RestrictViolation => {
            (ErrorKind::OrphanedRecord, Retry::Permanent)
        }
        DatabaseErrorKind::NotNullViolation | DatabaseErrorKind::CheckViolation => {
            (ErrorKind::Argument, Retry::Permanent)
        }
        DatabaseErrorKind::ReadOnlyTransaction => (ErrorKind::ReadOnly, Retry::Permanent),
        DatabaseErrorKind::SerializationFailure => (ErrorKind::Busy, Retry::Temporary),
        DatabaseErrorKind::ClosedConnection => (ErrorKind::Connection, Retry::Temporary),
        // Also what SQLite has no kind for.
        DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::Unknown | _ => {
            by_message(information.message())
        }
    }
}

/// What was found: the database's own words, after ours where a person needs them.
fn describe(kind: ErrorKind, error: &DieselError) -> String {
    let (text, detail) = match error {
        DieselError::DatabaseError(_, information) => {
            (information.message().trim(), information.details().map(|detail| detail.trim_end_matches('.')))
        }
        other => return format!("the database failed: {other}"),
    };
    let what = detail.unwrap_or(text);
    match kind {
        ErrorKind::ConflictingDefinition => match text.strip_prefix("UNIQUE constraint failed: ") {
            Some(columns) => format!("a row with the same {columns} is there already"),
            None => format!("a row contradicts one that is there already: {what}"),
        },
        ErrorKind::OrphanedRecord => format!("a reference between rows would point nowhere: {what}"),
        ErrorKind::Argument => format!("the database refuses a value: {text}"),
        ErrorKind::Busy => format!("the database is busy: {text}"),
        ErrorKind::NotFound => format!("a table is not there: {text}"),
        ErrorKind::Exhausted => format!("the database cannot grow: {text}"),
        ErrorKind::ReadOnly => format!("the database cannot be written: {text}"),
        ErrorKind::Corrupt => format!("the database is damaged, or is none: {text}"),
        ErrorKind::Interrupted => "a statement was interrupted".into(),
        _ => format!("the database failed: {text}"),
    }
}

/// The first rule of which a part occurs in a message.
fn by_text(message: &str, rules: &[(ErrorKind, Retry, &[&str])]) -> Kind {
    rules
        .iter()
        .find(|(_, _, parts)| parts.iter().any(|part| message.contains(part)))
        .map_or((ErrorKind::Unexpected, Retry::Permanent), |(kind, retry, _)| (*kind, *retry))
}

#[cfg(feature = "sqlite")]
fn sqlite_kind(message: &str) -> Kind {
    use ErrorKind::{
        Argument, Busy, ConflictingDefinition, Connection, Corrupt, Exhausted, Interrupted, NotFound,
        Permission, ReadOnly, SchemaVersion, Unsupported,
    };
    use Retry::{Permanent, Temporary};
    by_text(
        message,
        &[
            (
                Argument,
                Permanent,
                &[crate::sqlite::OUT_OF_RANGE, "integer overflow", "cannot store ", "datatype mismatch"],
            ),
            (ConflictingDefinition, Permanent, &[crate::sqlite::EXCLUDED]),
            (Busy, Temporary, &["is locked", "locking protocol"]),
            (Exhausted, Permanent, &["database or disk is full", "out of memory"]),
            (ReadOnly, Permanent, &["readonly database"]),
            (Corrupt, Permanent, &["not a database", "malformed"]),
            (Interrupted, Permanent, &["interrupted"]),
            (NotFound, Permanent, &["no such table"]),
            (SchemaVersion, Permanent, &["no such column", "has no column named"]),
            (Permission, Permanent, &["access permission denied", "authorization denied"]),
            (Connection, Permanent, &["unable to open", "disk I/O error"]),
            (Argument, Permanent, &["string or blob too big", "pattern too complex"]),
            (Unsupported, Permanent, &["too many", "too large", "at most", "parser stack overflow"]),
        ],
    )
}

#[cfg(feature = "postgres")]
fn postgres_kind(message: &str) -> Kind {
    use ErrorKind::{
        Argument, Busy, ConflictingDefinition, Connection, Exhausted, Interrupted, NotFound, Permission,
        SchemaVersion, Timeout, Unsupported,
    };
    use Retry::{Permanent, Temporary};
    by_text(
        message,
        &[
            (Argument, Permanent, &["out of range", "invalid byte sequence", "range lower bound must be"]),
            (
                Busy,
                Temporary,
                &[
                    "deadlock detected",
                    "could not serialize",
                    "could not obtain lock",
                    "cached plan must not",
                ],
            ),
            (Interrupted, Permanent, &["due to user request"]),
            (Timeout, Permanent, &["due to lock timeout", "due to statement timeout", "idle-in-transaction"]),
            (
                Connection,
                Temporary,
                &[
                    "terminating connection",
                    "server closed the connection",
                    "no connection to the server",
                    "shutting down",
                    "starting up",
                    "connection to client lost",
                    "could not receive data",
                    "could not send data",
                    "SSL connection has been closed",
                    "in recovery mode",
                ],
            ),
            (
                Exhausted,
                Permanent,
                &["No space left", "could not extend file", "out of memory", "out of shared memory"],
            ),
            (Permission, Permanent, &["permission denied", "must be owner", "must be superuser"]),
            (SchemaVersion, Permanent, &["column "]),
            (NotFound, Permanent, &["does not exist"]),
            (ConflictingDefinition, Permanent, &["already exists"]),
            (
                Unsupported,
                Permanent,
                &["stack depth limit", "index row size", "has no equivalent in encoding"],
            ),
        ],
    )
}

#[cfg(feature = "postgres")]
fn connect_kind(message: &str) -> Kind {
    use ErrorKind::{Argument, Busy, Configuration, Connection, NotFound, Permission};
    use Retry::{Permanent, Temporary};
    match by_text(
        message,
        &[
            (
                Permission,
                Permanent,
                &[
                    "authentication failed",
                    "no password supplied",
                    "no pg_hba.conf entry",
                    "is not permitted",
                ],
            ),
            (NotFound, Permanent, &["database \"", "role \""]),
            (Busy, Temporary, &["too many clients", "remaining connection slots", "too many connections"]),
            (
                Connection,
                Temporary,
                &[
                    "starting up",
                    "shutting down",
                    "in recovery mode",
                    "not yet accepting connections",
                    // The server is not there, which may be for the moment only.
                    "Connection refused",
                    "Connection reset",
                    "No such file or directory",
                    "server closed the connection",
                    "timeout expired",
                    "could not receive data",
                    "could not send",
                ],
            ),
            (Configuration, Permanent, &["invalid ", "missing \"=\"", "unexpected ", "unrecognized"]),
            (Argument, Permanent, &["nul byte"]),
        ],
    ) {
        (ErrorKind::Unexpected, retry) => (Connection, retry),
        kind => kind,
    }
}

#[cfg(feature = "sqlite")]
fn file_kind(error: &std::io::Error) -> ErrorKind {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound | Io::NotADirectory => ErrorKind::NotFound,
        Io::PermissionDenied => ErrorKind::Permission,
        Io::ReadOnlyFilesystem => ErrorKind::ReadOnly,
        Io::AlreadyExists => ErrorKind::AlreadyExists,
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => ErrorKind::Exhausted,
        Io::Interrupted => ErrorKind::Interrupted,
        Io::TimedOut => ErrorKind::Timeout,
        _ => ErrorKind::Connection,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Said(&'static str);

    impl DatabaseErrorInformation for Said {
        fn message(&self) -> &str {
            self.0
        }

        fn details(&self) -> Option<&str> {
            Some("Key (a)=(1) already exists.")
        }

        fn hint(&self) -> Option<&str> {
            Some("Try another.")
        }

        fn table_name(&self) -> Option<&str> {
            None
        }

        fn column_name(&self) -> Option<&str> {
            None
        }

        fn constraint_name(&self) -> Option<&str> {
            None
        }

        fn statement_position(&self) -> Option<i32> {
            None
        }
    }

    fn said(kind: DatabaseErrorKind, message: &'static str) -> DieselError {
        DieselError::DatabaseError(kind, Box::new(Said(message)))
    }

    #[test]
    fn violated_rules_have_kinds() {
        let kinds = [
            (DatabaseErrorKind::UniqueViolation, ErrorKind::ConflictingDefinition),
            (DatabaseErrorKind::ExclusionViolation, ErrorKind::ConflictingDefinition),
            (DatabaseErrorKind::ForeignKeyViolation, ErrorKind::OrphanedRecord),
            (DatabaseErrorKind::RestrictViolation, ErrorKind::OrphanedRecord),
            (DatabaseErrorKind::NotNullViolation, ErrorKind::Argument),
            (DatabaseErrorKind::CheckViolation, ErrorKind::Argument),
            (DatabaseErrorKind::ReadOnlyTransaction, ErrorKind::ReadOnly),
            (DatabaseErrorKind::SerializationFailure, ErrorKind::Busy),
            (DatabaseErrorKind::ClosedConnection, ErrorKind::Connection),
        ];
        for (said_kind, kind) in kinds {
            let error = database(said(said_kind, "something"), |_| (ErrorKind::Unexpected, Retry::Permanent));
            assert_eq!(error.kind(), kind);
            let passing = matches!(kind, ErrorKind::Busy | ErrorKind::Connection);
            assert_eq!(error.retry() == Retry::Temporary, passing, "{kind}");
            assert_eq!(error.hint(), Some("Try another"));
            assert!(format!("{error:#}").contains("Key (a)=(1)"), "{error:#}");
        }
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn what_sqlite_says_has_kinds() {
        let kinds = [
            ("database is locked", ErrorKind::Busy),
            ("database table is locked: t", ErrorKind::Busy),
            ("database or disk is full", ErrorKind::Exhausted),
            ("attempt to write a readonly database", ErrorKind::ReadOnly),
            ("file is not a database", ErrorKind::Corrupt),
            ("database disk image is malformed", ErrorKind::Corrupt),
            ("interrupted", ErrorKind::Interrupted),
            ("no such table: main.t", ErrorKind::NotFound),
            ("no such column: t0.a", ErrorKind::SchemaVersion),
            ("cannot store TEXT value in INTEGER column t.a", ErrorKind::Argument),
            ("out of range: 1 Add 2", ErrorKind::Argument),
            ("EXCLUSION constraint failed: t.a", ErrorKind::ConflictingDefinition),
            ("unable to open database file", ErrorKind::Connection),
            ("disk I/O error", ErrorKind::Connection),
            ("too many SQL variables", ErrorKind::Unsupported),
            ("something else", ErrorKind::Unexpected),
        ];
        for (message, kind) in kinds {
            let error = Error::from(Failure::Sqlite(said(DatabaseErrorKind::Unknown, message)));
            assert_eq!(error.kind(), kind, "{message}");
            assert_eq!(error.retry() == Retry::Temporary, kind == ErrorKind::Busy);
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn what_postgres_says_has_kinds() {
        let kinds = [
            ("bigint out of range", ErrorKind::Argument),
            ("value out of range: underflow", ErrorKind::Argument),
            ("deadlock detected", ErrorKind::Busy),
            ("canceling statement due to user request", ErrorKind::Interrupted),
            ("canceling statement due to statement timeout", ErrorKind::Timeout),
            ("terminating connection due to administrator command", ErrorKind::Connection),
            ("server closed the connection unexpectedly", ErrorKind::Connection),
            ("relation \"s.t\" does not exist", ErrorKind::NotFound),
            ("column t0.a does not exist", ErrorKind::SchemaVersion),
            ("permission denied for table t", ErrorKind::Permission),
            ("could not extend file \"base/1/2\": No space left on device", ErrorKind::Exhausted),
            ("something else", ErrorKind::Unexpected),
        ];
        for (message, kind) in kinds {
            let error = Error::from(Failure::Postgres(said(DatabaseErrorKind::Unknown, message)));
            assert_eq!(error.kind(), kind, "{message}");
            let passing = matches!(kind, ErrorKind::Busy | ErrorKind::Connection);
            assert_eq!(error.retry() == Retry::Temporary, passing, "{message}");
        }
        let kinds = [
            ("FATAL:  password authentication failed for user \"me\"", ErrorKind::Permission),
            ("FATAL:  database \"d\" does not exist", ErrorKind::NotFound),
            ("FATAL:  sorry, too many clients already", ErrorKind::Busy),
            ("could not translate host name \"h\" to address", ErrorKind::Connection),
        ];
        for (message, kind) in kinds {
            assert_eq!(Error::from(Failure::Connect(message.into())).kind(), kind, "{message}");
        }
        let gone =
            Failure::Connect("connection to server at \"h\", port 5432 failed: Connection refused".into());
        assert_eq!(Error::from(gone).retry(), Retry::Temporary);
    }
}
