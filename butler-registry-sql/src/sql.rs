//! Relations as SQL, and transactions made of SQL statements: what SQLite and PostgreSQL have in common.
//!
//! A relation becomes as few SELECT blocks as its meaning allows: tables,
//! joins, filters and projections collapse into one; a block is nested only
//! where the order of operations would otherwise change. All values are bound,
//! all identifiers quoted, and columns inside of a statement are named by
//! position, so that statements of one shape have one text.

pub(crate) mod arithmetic;
mod block;
pub(crate) mod builder;
mod dialect;
mod fragment;
mod rows;
pub(crate) mod scalar;
mod semi;
mod spec;
mod transaction;

pub(crate) use block::{Block, Order, Output};
pub(crate) use builder::{Builder, Query, Statement};
pub(crate) use dialect::Dialect;
pub(crate) use fragment::{Bind, Fragment, quoted};
pub(crate) use rows::last_of_each_key;
pub(crate) use scalar::comparison;
pub(crate) use spec::{check_references, conflicting, same_table};
pub(crate) use transaction::{Session, names, replaced, run_body};
