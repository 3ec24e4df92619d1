//! The file datastore passes the suite of datastores on S3, over HTTP.

#![cfg(feature = "s3")]

use std::sync::Arc;

use butler_datastore_file::FileDatastoreFactory;
use butler_testkit::datastore::s3::S3Harness;

butler_testkit::datastore_suite!(|| Some(S3Harness::new(Arc::new(FileDatastoreFactory), "timeout = '20s'")));
