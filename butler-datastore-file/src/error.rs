//! What the operating system reports, as errors of the butler.

use std::io;

use butler_core::{Error, ErrorKind, Retry};

/// An error of the operating system, with what was tried.
///
/// `what` says what was done to which path, such as `cannot read '/a/b'`.
pub(crate) fn io_error(error: impl Into<io::Error>, what: &str) -> Error {
    let error = error.into();
    let (kind, retry) = classify(error.kind());
    let mapped = Error::new(kind, format!("{what}: {error}")).with_retry(retry);
    match kind {
        ErrorKind::Exhausted => mapped.with_hint("free some space, or raise the quota or limit"),
        _ => mapped,
    }
    .with_source(error)
}

fn classify(kind: io::ErrorKind) -> (ErrorKind, Retry) {
    use io::ErrorKind as Io;
    match kind {
        Io::NotFound => (ErrorKind::NotFound, Retry::Permanent),
        Io::PermissionDenied => (ErrorKind::Permission, Retry::Permanent),
        Io::ReadOnlyFilesystem => (ErrorKind::ReadOnly, Retry::Permanent),
        Io::AlreadyExists => (ErrorKind::AlreadyExists, Retry::Permanent),
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge | Io::TooManyLinks | Io::OutOfMemory => {
            (ErrorKind::Exhausted, Retry::Permanent)
        }
        Io::InvalidFilename | Io::InvalidInput | Io::IsADirectory | Io::NotADirectory => {
            (ErrorKind::Argument, Retry::Permanent)
        }
        Io::Unsupported | Io::CrossesDevices => (ErrorKind::Unsupported, Retry::Permanent),
        Io::TimedOut => (ErrorKind::Timeout, Retry::Temporary),
        Io::StaleNetworkFileHandle
        | Io::NetworkDown
        | Io::NetworkUnreachable
        | Io::HostUnreachable
        | Io::ConnectionReset
        | Io::ConnectionAborted
        | Io::BrokenPipe
        | Io::NotConnected => (ErrorKind::Connection, Retry::Temporary),
        Io::Interrupted | Io::WouldBlock | Io::ResourceBusy | Io::Deadlock => {
            (ErrorKind::Busy, Retry::Temporary)
        }
        _ => (ErrorKind::Unexpected, Retry::Permanent),
    }
}

/// What an error that a formatter met while it wrote is: that of the sink.
pub(crate) fn sink_error(error: io::Error) -> Error {
    io_error(error, "cannot write an artifact")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_kept() {
        for (errno, kind) in [
            (rustix::io::Errno::NOENT, ErrorKind::NotFound),
            (rustix::io::Errno::ACCESS, ErrorKind::Permission),
            (rustix::io::Errno::EXIST, ErrorKind::AlreadyExists),
            (rustix::io::Errno::NOSPC, ErrorKind::Exhausted),
            (rustix::io::Errno::DQUOT, ErrorKind::Exhausted),
            (rustix::io::Errno::FBIG, ErrorKind::Exhausted),
            (rustix::io::Errno::ROFS, ErrorKind::ReadOnly),
            (rustix::io::Errno::STALE, ErrorKind::Connection),
            (rustix::io::Errno::NAMETOOLONG, ErrorKind::Argument),
            (rustix::io::Errno::IO, ErrorKind::Unexpected),
        ] {
            let error = io_error(errno, "cannot read 'x'");
            assert_eq!(error.kind(), kind, "{errno}");
            assert!(error.message().starts_with("cannot read 'x': "), "{error}");
            assert!(std::error::Error::source(&error).is_some());
        }
    }
}
