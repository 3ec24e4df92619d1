//! What object stores report, as errors of the butler.

use butler_core::{Error, ErrorKind, Retry};

/// An error of a store, with what was tried.
pub(super) fn object_error(error: opendal::Error, what: &str) -> Error {
    use opendal::ErrorKind as Theirs;
    #[cfg(feature = "remote")]
    if let Some(refused) = super::transport::refused(&error) {
        return refused.into_error(what);
    }
    let text = error.to_string();
    let timed_out = text.contains("timeout reached") || text.contains("longer than half of the lease");
    // What may be repeated was repeated already.
    let transient = error.is_temporary() || error.is_persistent();
    let kind = match error.kind() {
        Theirs::NotFound => ErrorKind::NotFound,
        Theirs::PermissionDenied => ErrorKind::Permission,
        Theirs::AlreadyExists | Theirs::ConditionNotMatch => ErrorKind::AlreadyExists,
        Theirs::RateLimited => ErrorKind::Busy,
        Theirs::ConfigInvalid => ErrorKind::Configuration,
        Theirs::Unsupported => ErrorKind::Unsupported,
        Theirs::IsADirectory | Theirs::NotADirectory | Theirs::IsSameFile => ErrorKind::Argument,
        Theirs::RangeNotSatisfied => ErrorKind::Integrity,
        _ if timed_out => ErrorKind::Timeout,
        _ if transient => ErrorKind::Connection,
        _ => ErrorKind::Unexpected,
    };
    let retry = if transient { Retry::Exhausted } else { Retry::Permanent };
    Error::new(kind, format!("{what}: {}", brief(&text))).with_retry(retry).with_source(error)
}

/// The message without the context, which the source has.
fn brief(text: &str) -> &str {
    match text.rsplit_once(" => ") {
        Some((_, message)) => message,
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_kept() {
        let of = |kind| opendal::Error::new(kind, "it failed").with_context("path", "x");
        for (error, kind, retry) in [
            (of(opendal::ErrorKind::NotFound), ErrorKind::NotFound, Retry::Permanent),
            (of(opendal::ErrorKind::PermissionDenied), ErrorKind::Permission, Retry::Permanent),
            (of(opendal::ErrorKind::ConditionNotMatch), ErrorKind::AlreadyExists, Retry::Permanent),
            (of(opendal::ErrorKind::RateLimited).set_temporary(), ErrorKind::Busy, Retry::Exhausted),
            (of(opendal::ErrorKind::Unexpected).set_temporary(), ErrorKind::Connection, Retry::Exhausted),
            (of(opendal::ErrorKind::Unexpected).set_persistent(), ErrorKind::Connection, Retry::Exhausted),
            (of(opendal::ErrorKind::Unexpected), ErrorKind::Unexpected, Retry::Permanent),
        ] {
            let error = object_error(error, "cannot read 'x'");
            assert_eq!((error.kind(), error.retry()), (kind, retry));
            assert_eq!(error.message(), "cannot read 'x': it failed");
        }
    }
}
