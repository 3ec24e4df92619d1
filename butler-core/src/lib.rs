//! The model and the traits of the Data Butler.

mod error;

pub use error::{Error, ErrorKind, Result, Retry};
