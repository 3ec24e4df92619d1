//! Chained datastores pass the suite of datastores.

use super::harness::ChainHarness;

/// Files in the first, and everything in memory too.
mod files_and_memory {
    butler_testkit::datastore_suite!(|| Some(super::ChainHarness::new("all", &["file", "memory"])));
}

mod memory_and_files {
    butler_testkit::datastore_suite!(|| Some(super::ChainHarness::new("all", &["memory", "file"])));
}

mod files_and_files {
    butler_testkit::datastore_suite!(|| Some(super::ChainHarness::new("all", &["file", "file"])));
}

/// All is in the first, and so one can look there.
mod first_of_chained_files {
    butler_testkit::datastore_suite!(|| Some(super::ChainHarness::new("first", &["chained", "memory"])));
}

/// One child after the other is made to fail.
mod files_and_files_that_fail {
    butler_testkit::datastore_suite!(|| Some(super::ChainHarness::new("all", &["file", "file"]).faulty()));
}
