//! Scalar expressions over the columns of a relation.

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use super::glob::GlobPattern;
use super::value::{ColumnType, Value};

/// Comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// Arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// True division: of integers too the result is a float.
    Div,
    /// Integer division, towards zero.
    Quotient,
    /// Remainder of integers, with the sign of the dividend.
    Rem,
}

/// Expression that has one value a row.
///
/// Databases disagree about nearly every corner of these; a backend must do as follows.
///
/// | expression | NULL | corner |
/// |---|---|---|
/// | `Compare` | NULL if a side is | an integer against a float is exact; text and bytes compare by bytes; false before true |
/// | `And`, `Or`, `Not` | three-valued | without operands `And` is true and `Or` false |
/// | `IsNull` | never NULL | |
/// | `In` | NULL if the value is, unless the list is empty | an empty list gives false; the list has no NULL |
/// | `Glob` | NULL if the value is | case counts; the pattern fits the whole text |
/// | `Coalesce` | NULL if all are | |
/// | `Arithmetic`, `Negate` | NULL if an operand is | a result out of range of its type is an error, also one that becomes zero only by underflow of `Mul` or `Div`; division and remainder by zero are NULL; of an integer and a float, and of two integers in `Div`, integers become the nearest float; a remainder by -1 is 0 |
///
/// An arithmetic error surfaces if the result depends on it: on the value, or on whether a row is
/// there. One that the result does not depend on — in a row that another condition removes,
/// in a column that is projected away, in an operand of an `And` that is false anyway — surfaces
/// or not: databases choose the order in which they evaluate. But one that no row has, does not.
/// The reference backend evaluates everything, and fails.
///
/// Values are never NaN or infinite, and negative zero is zero. Types are
/// checked by [`Relation::schema`](super::Relation::schema): comparisons take two
/// values of one type, or an integer and a float; arithmetic takes numbers, and
/// `Quotient` and `Rem` take integers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scalar {
    /// Column of the input.
    Column(ArcStr),
    /// A value other than NULL.
    Literal(Value),
    /// NULL of a type.
    Null(ColumnType),
    /// Comparison of two values.
    Compare {
        /// Operator.
        op: Comparison,
        /// Left side.
        left: Box<Self>,
        /// Right side.
        right: Box<Self>,
    },
    /// Whether all are true.
    And(Vec<Self>),
    /// Whether one is true.
    Or(Vec<Self>),
    /// The opposite.
    Not(Box<Self>),
    /// Whether the value is NULL.
    IsNull(Box<Self>),
    /// Whether the value is in a list of values of its type.
    In {
        /// The value.
        value: Box<Self>,
        /// The list.
        list: Vec<Value>,
    },
    /// Whether a text fits a pattern.
    Glob {
        /// The text.
        value: Box<Self>,
        /// The pattern.
        pattern: GlobPattern,
    },
    /// Arithmetic on two numbers.
    Arithmetic {
        /// Operator.
        op: Arithmetic,
        /// Left operand.
        left: Box<Self>,
        /// Right operand.
        right: Box<Self>,
    },
    /// The number with the other sign.
    Negate(Box<Self>),
    /// The first value that is not NULL, of values of one type; at least one.
    Coalesce(Vec<Self>),
}

impl Scalar {
    /// A column.
    #[must_use]
    pub fn column(name: impl Into<ArcStr>) -> Self {
        Self::Column(name.into())
    }

    /// A value other than NULL.
    #[must_use]
    pub fn literal(value: impl Into<Value>) -> Self {
        Self::Literal(value.into())
    }

    /// Whether all are true.
    #[must_use]
    pub fn all(operands: impl IntoIterator<Item = Self>) -> Self {
        let mut operands: Vec<Self> = operands.into_iter().collect();
        match operands.len() {
            1 => operands.swap_remove(0),
            _ => Self::And(operands),
        }
    }

    /// Whether one is true.
    #[must_use]
    pub fn any(operands: impl IntoIterator<Item = Self>) -> Self {
        let mut operands: Vec<Self> = operands.into_iter().collect();
        match operands.len() {
            1 => operands.swap_remove(0),
            _ => Self::Or(operands),
        }
    }

    /// Comparison with another value.
    #[must_use]
    pub fn compare(self, op: Comparison, other: Self) -> Self {
        Self::Compare { op, left: Box::new(self), right: Box::new(other) }
    }

    /// Equality with another value.
    #[must_use]
    pub fn eq(self, other: impl Into<Self>) -> Self {
        self.compare(Comparison::Eq, other.into())
    }

    /// Whether it is less than another value.
    #[must_use]
    pub fn lt(self, other: impl Into<Self>) -> Self {
        self.compare(Comparison::Lt, other.into())
    }

    /// Whether it is at least another value.
    #[must_use]
    pub fn ge(self, other: impl Into<Self>) -> Self {
        self.compare(Comparison::Ge, other.into())
    }

    /// Whether it is greater than another value.
    #[must_use]
    pub fn gt(self, other: impl Into<Self>) -> Self {
        self.compare(Comparison::Gt, other.into())
    }

    /// Whether it is in a list.
    #[must_use]
    pub fn is_in(self, list: Vec<Value>) -> Self {
        Self::In { value: Box::new(self), list }
    }

    /// Whether it is NULL.
    #[must_use]
    pub fn is_null(self) -> Self {
        Self::IsNull(Box::new(self))
    }

    /// The opposite.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Not(operand) => *operand,
            other => Self::Not(Box::new(other)),
        }
    }

    /// Arithmetic with another number.
    #[must_use]
    pub fn arithmetic(self, op: Arithmetic, other: impl Into<Self>) -> Self {
        Self::Arithmetic { op, left: Box::new(self), right: Box::new(other.into()) }
    }

    /// Calls `see` with every column that is read.
    pub fn for_each_column<'a>(&'a self, see: &mut impl FnMut(&'a ArcStr)) {
        match self {
            Self::Column(name) => see(name),
            Self::Literal(_) | Self::Null(_) => {}
            Self::Compare { left, right, .. } | Self::Arithmetic { left, right, .. } => {
                left.for_each_column(see);
                right.for_each_column(see);
            }
            Self::And(operands) | Self::Or(operands) | Self::Coalesce(operands) => {
                operands.iter().for_each(|operand| operand.for_each_column(see));
            }
            Self::Not(operand) | Self::IsNull(operand) | Self::Negate(operand) => {
                operand.for_each_column(see);
            }
            Self::In { value, .. } | Self::Glob { value, .. } => value.for_each_column(see),
        }
    }
}

/// A value is a literal.
impl From<Value> for Scalar {
    fn from(value: Value) -> Self {
        Self::Literal(value)
    }
}

/// An integer is a literal.
impl From<i64> for Scalar {
    fn from(value: i64) -> Self {
        Self::Literal(Value::Int(value))
    }
}
