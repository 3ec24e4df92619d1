//! Disks, directories, connections and services fail; afterwards everything is whole again.

mod disk;
mod objects;
mod postgres;
mod proxy;

use butler::{Butler, Retry, VerifyOptions};

use crate::fixture::at_once;

/// After a failure: recovers, and checks that nothing is left over and nothing is wrong.
async fn examine(butler: &Butler) {
    for _ in 0..2 {
        butler.recover(&at_once()).await.unwrap();
    }
    let options = VerifyOptions { checksum: true, orphans: true, ..VerifyOptions::default() };
    let report = butler.verify(&options).await.unwrap();
    assert!(report.is_sound() && report.pending.is_empty(), "{report:#?}");
}

/// Whether an error says that what was wanted was not done, or that this is not known.
fn is_undone(error: &butler::Error) -> Option<bool> {
    match error.retry() {
        Retry::OutcomeUnknown => None,
        Retry::Permanent | Retry::Temporary | Retry::Exhausted => Some(true),
    }
}
