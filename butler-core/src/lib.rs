//! The model and the traits of the Data Butler.

mod error;
pub mod sky;

pub use error::{Error, ErrorKind, Result, Retry};
