//! The file datastore passes the suite of datastores.

use std::sync::Arc;

use butler_datastore_file::FileDatastoreFactory;
use butler_testkit::datastore::FactoryHarness;

butler_testkit::datastore_suite!(|| Some(FactoryHarness::local("file", Arc::new(FileDatastoreFactory))));
