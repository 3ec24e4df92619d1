//! The Data Butler.
