//! Queries: from the text of an expression to a question that a registry answers.

mod spec;
mod typed;

pub use spec::{
    Association, DatasetSearch, Explanation, GeneralRow, OrderTerm, Query, QueryRows, QueryStream, ResultSpec, RowValue,
};
pub use typed::{DatasetField, ExprType, Field, Literal, Predicate, TypedExpr};
