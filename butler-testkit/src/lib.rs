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
//! # What else is here
//!
//! - [`mod@reference`]: a backend in memory that does what is written, naively and strictly,
//!   for tests of what stands on a backend;
//! - [`random`]: random relations, compared with the reference; `BUTLER_TEST_RELATIONS`
//!   sets their number and `BUTLER_TEST_SEED` another beginning;
//! - [`mutants`]: implementations with one behaviour broken each, which show that the
//!   cases are worth something;
//! - [`postgres`]: a PostgreSQL server for the time of a test process.

pub mod backend;
mod case;
pub mod datastore;
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
