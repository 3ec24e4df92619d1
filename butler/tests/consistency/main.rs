//! Registry and datastore stay one: recovery, removal, verification, batches, crashes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod fixture;
mod recover;
mod remove;
