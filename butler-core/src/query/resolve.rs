//! Names and types: from a syntax tree to a typed predicate.

mod calls;
mod convert;
mod names;
mod types;

use std::collections::BTreeMap;

use arcstr::ArcStr;

use super::language::{Diagnostic, Span, parse, parse_order_term};
use super::spec::OrderTerm;
use super::typed::{Field, Literal, Predicate};
use crate::dataset::DatasetType;
use crate::dimension::{DimensionGroup, DimensionValue};
use crate::time::{Instant, Timespan};
use crate::{Error, Result};

/// Value that a name in an expression stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum BindValue {
    /// One value.
    One(Literal),
    /// Several values of one type, for the list of an `IN`.
    Many(Vec<Literal>),
}

macro_rules! bind_value_from {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(
            impl From<$from> for BindValue {
                fn from(value: $from) -> Self {
                    Self::One(Literal::$variant(value.into()))
                }
            }

            impl From<Vec<$from>> for BindValue {
                fn from(values: Vec<$from>) -> Self {
                    Self::Many(values.into_iter().map(|value| Literal::$variant(value.into())).collect())
                }
            }
        )*
    };
}

bind_value_from! {
    i64 => Int, i32 => Int, u32 => Int, f64 => Float, &str => Text, String => Text, bool => Bool,
    uuid::Uuid => Uuid, Instant => Instant, Timespan => Timespan, crate::sky::Region => Region,
}

impl From<DimensionValue> for BindValue {
    fn from(value: DimensionValue) -> Self {
        Self::One(match value {
            DimensionValue::Int(value) => Literal::Int(value),
            DimensionValue::Text(value) => Literal::Text(value),
        })
    }
}

impl From<crate::DatasetId> for BindValue {
    fn from(id: crate::DatasetId) -> Self {
        Self::One(Literal::Uuid(id.to_uuid()))
    }
}

/// Values of names in expressions.
pub type Binds = BTreeMap<ArcStr, BindValue>;

/// What the names in an expression may mean.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Dimensions in whose elements bare fields are looked up; others are known by their names only.
    pub dimensions: DimensionGroup,
    /// Dataset types whose fields may be meant without naming the type.
    pub datasets: &'a [DatasetType],
    /// Dataset types whose fields may be meant by `type.field`.
    pub searched: &'a [DatasetType],
    /// Values of names.
    pub binds: &'a Binds,
}

impl Scope<'_> {
    /// The predicate that an expression means.
    ///
    /// # Errors
    /// `InvalidQuery` for text that is not in the language, names that mean nothing
    /// or several things, and operands of wrong types; the message points at the place.
    pub fn predicate(&self, text: &str) -> Result<Predicate> {
        let tree = parse(text).map_err(Error::from)?;
        let Some(tree) = tree else { return Ok(Predicate::always()) };
        self.convert_predicate(&tree).map_err(|diagnostic| diagnostic.with_source(text).into())
    }

    /// The ordering that a term means: a name, with `-` before it for descending.
    ///
    /// # Errors
    /// `InvalidQuery` for a name that means nothing or several things, or has no order,
    /// or is of an element that the dimensions do not contain.
    pub fn order_term(&self, text: &str) -> Result<OrderTerm> {
        let term = parse_order_term(text).map_err(Error::from)?;
        self.order_value(&term.name, term.span)
            .map(|value| OrderTerm { value, descending: term.descending })
            .map_err(|diagnostic| diagnostic.with_source(text).into())
    }

    /// The field that a name means.
    ///
    /// # Errors
    /// `InvalidQuery` for a name that means nothing or several things, or is
    /// of an element that the dimensions do not contain.
    pub fn field(&self, text: &str) -> Result<Field> {
        let name = text.trim();
        let span = Span::new(0, name.len());
        self.determined_field(name, span).map_err(|diagnostic| diagnostic.with_source(name).into())
    }
}

/// Something wrong with a part of an expression.
fn problem<T>(span: Span, message: impl Into<String>) -> Result<T, Diagnostic> {
    Err(Diagnostic::new(span, message))
}

#[cfg(test)]
mod tests;
