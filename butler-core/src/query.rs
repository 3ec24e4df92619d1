//! Queries: from the text of an expression to a question that a registry answers.
//!
//! Text becomes a syntax tree ([`language`]), names are resolved and types
//! checked against the dimension universe, and a [`Query`] of plain data crosses
//! to the registry, which plans and answers it.

mod governors;
mod joins;
pub mod language;
mod resolve;
mod spec;
mod typed;

pub use governors::{FixedValues, apply_governors};
pub use joins::with_automatic_joins;
pub use resolve::{BindValue, Binds, Scope};
pub use spec::{
    Association, DatasetSearch, Explanation, GeneralRow, OrderTerm, Query, QueryRows, QueryStream,
    ResultSpec, RowValue,
};
pub use typed::{DatasetField, ExprType, Field, Literal, Predicate, TypedExpr};
