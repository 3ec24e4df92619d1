//! Queries: from the text of an expression to a question that a registry answers.
//!
//! Text becomes a syntax tree ([`language`]), names are resolved and types
//! checked against the dimension universe, and a [`Query`] of plain data crosses
//! to the registry, which plans and answers it.

pub mod language;
mod spec;
mod typed;

pub use spec::{
    Association, DatasetSearch, Explanation, GeneralRow, OrderTerm, Query, QueryRows, QueryStream, ResultSpec, RowValue,
};
pub use typed::{DatasetField, ExprType, Field, Literal, Predicate, TypedExpr};
