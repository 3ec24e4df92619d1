//! The model and the traits of the Data Butler.

mod error;
pub mod query;
pub mod suggest;

pub use error::{Error, ErrorKind, Result, Retry};
