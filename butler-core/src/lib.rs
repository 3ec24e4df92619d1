//! The model and the traits of the Data Butler.

mod error;
pub mod time;

pub use error::{Error, ErrorKind, Result, Retry};
pub use time::{Instant, Timespan};
