//! Random tables and random relations over them, to compare a backend with the reference.
//!
//! A seed makes always the same. Relations are well typed and have one
//! answer: where rows are taken by order, the order is total, and arithmetic
//! that may fail is used only where [`Errors`] says.

mod compare;
mod generate;
mod rows;
mod scalars;

pub use compare::{Errors, same_rows, smallest};
pub use generate::World;

/// A number that the environment may set.
pub(crate) fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}
