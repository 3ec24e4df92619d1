//! The Data Butler.

pub mod exchange;
