//! Registry and datastore stay one: recovery, removal, verification, batches, crashes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod batch;
mod crash;
mod faults;
mod fixture;
mod interrupt;
mod recover;
mod remove;
mod verify;
