//! Conformance suites, reference implementations and fixtures that every backend of the Data Butler is tested with.
//!
//! # Proving a backend
//!
//! Whoever writes a [`Backend`](butler_core::backend::Backend) says how to make an
//! empty namespace and what it can do, and gets a test for each behaviour that the
//! documentation of the trait lists. This is a whole `tests/conformance.rs`:
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use butler_core::Result;
//! use butler_core::backend::{Backend, Capabilities};
//! use butler_testkit::Harness;
//! use butler_testkit::backend::{BackendHarness, Namespace};
//! # mod mine { pub use butler_testkit::reference::ReferenceBackend as MyBackend; }
//! use mine::MyBackend;
//!
//! struct MyHarness;
//!
//! impl Harness for MyHarness {
//!     fn name(&self) -> &str {
//!         "mine"
//!     }
//! }
//!
//! #[async_trait]
//! impl BackendHarness for MyHarness {
//!     fn capabilities(&self) -> Capabilities {
//!         let mut capabilities = Capabilities::default();
//!         capabilities.name = "reference";
//!         capabilities.exclusion = true;
//!         capabilities
//!     }
//!
//!     async fn namespace(&self) -> Result<Box<dyn Namespace>> {
//!         Ok(Box::new(MyNamespace(MyBackend::new())))
//!     }
//! }
//!
//! /// A directory, a schema, …: what it occupies goes when it is dropped.
//! struct MyNamespace(MyBackend);
//!
//! #[async_trait]
//! impl Namespace for MyNamespace {
//!     async fn open(&self) -> Result<Arc<dyn Backend>> {
//!         Ok(Arc::new(self.0.clone()))
//!     }
//! }
//!
//! butler_testkit::backend_suite!(|| Some(MyHarness));
//! # fn main() {
//! #     for case in butler_testkit::backend::CASES.iter().filter(|case| case.topic == "joins") {
//! #         case.check(&MyHarness).unwrap();
//! #     }
//! # }
//! ```
//!
//! Each case becomes a test with a name that states what should hold, such as
//! `insert::ignore_keeps_the_first_of_a_batch`. A capability that is not declared
//! makes its cases pass, except that what is declared must be what the backend says of itself. If
//! the function returns no harness, because a server is not installed, the tests pass
//! and [`require`] says so, unless `BUTLER_TEST_REQUIRE` forbids it.
//!
//! # Proving a registry
//!
//! A [`Registry`](butler_core::registry::Registry) is proved likewise: whoever writes one says how to create one
//! and how to open it again. This is a whole `tests/conformance.rs`:
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use butler_core::registry::Registry;
//! use butler_core::{DimensionUniverse, Result};
//! use butler_testkit::Harness;
//! use butler_testkit::registry::{Place, RegistryHarness};
//! # mod mine {
//! #     use super::*;
//! #     use butler_core::{Error, ErrorKind};
//! #     pub(crate) async fn create(_: &str, _: DimensionUniverse) -> Result<Arc<dyn Registry>> {
//! #         Err(Error::new(ErrorKind::Unsupported, "there is none"))
//! #     }
//! #     pub(crate) async fn open(_: &str, _: bool) -> Result<Arc<dyn Registry>> {
//! #         Err(Error::new(ErrorKind::Unsupported, "there is none"))
//! #     }
//! # }
//!
//! struct MyHarness;
//!
//! impl Harness for MyHarness {
//!     fn name(&self) -> &str {
//!         "mine"
//!     }
//! }
//!
//! #[async_trait]
//! impl RegistryHarness for MyHarness {
//!     async fn place(&self) -> Result<Box<dyn Place>> {
//!         Ok(Box::new(MyPlace { url: "mine://a-new-one".to_owned() }))
//!     }
//! }
//!
//! /// A file, a schema, …: what it occupies goes when it is dropped.
//! struct MyPlace {
//!     url: String,
//! }
//!
//! #[async_trait]
//! impl Place for MyPlace {
//!     async fn create(&self, universe: DimensionUniverse) -> Result<Arc<dyn Registry>> {
//!         mine::create(&self.url, universe).await
//!     }
//!
//!     async fn open(&self, read_only: bool) -> Result<Arc<dyn Registry>> {
//!         mine::open(&self.url, read_only).await
//!     }
//! }
//!
//! butler_testkit::registry_suite!(|| Some(MyHarness));
//! # fn main() {}
//! ```
//!
//! The mutants of [`registry::mutants`] are made around that registry, and show that the suite would
//! find out what may be wrong with it.
//!
//! # Proving a formatter
//!
//! A [`Formatter`](butler_core::Formatter) is proved by the suite of [`formatter`], whose page has an example.
//!
//! # What else is here
//!
//! - [`mod@reference`]: a backend in memory that does what is written, naively and strictly,
//!   for tests of what stands on a backend;
//! - [`random`]: random relations, compared with the reference; `BUTLER_TEST_RELATIONS`
//!   sets their number and `BUTLER_TEST_SEED` another beginning;
//! - [`mutants`]: implementations with one behaviour broken each, which show that the
//!   cases are worth something;
//! - [`datastore::FaultyDatastore`]: a wrapper that makes calls of a datastore fail;
//! - [`model`]: the protocol by which registry and datastore stay one, with all its histories;
//! - [`postgres`]: a PostgreSQL server for the time of a test process.

pub mod backend;
mod case;
pub mod datastore;
pub mod formatter;
pub mod model;
pub mod mutants;
#[cfg(unix)]
pub mod postgres;
pub mod random;
pub mod reference;
pub mod registry;
mod require;
mod walk;

pub use case::{Case, Harness};
pub use require::require;
