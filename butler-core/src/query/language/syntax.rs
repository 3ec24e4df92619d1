//! The syntax tree.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Part of a source text: a half-open range of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    /// The bytes from `start` up to and without `end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// From the beginning of this one to the end of another one.
    #[must_use]
    pub const fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }

    /// A part of this span, in bytes from its beginning.
    ///
    /// The field of the name `detector.raft` is `span.part(9..13)`; the content
    /// of a time literal without quotes in it is `span.part(2..2 + content.len())`.
    #[must_use]
    pub const fn part(self, range: Range<usize>) -> Self {
        Self { start: self.start + range.start, end: self.start + range.end }
    }
}

/// A node of the tree.
///
/// Trees can be stored, but many readers of nested formats have limits below
/// [`MAX_DEPTH`](super::MAX_DEPTH); the text that a tree prints as has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expr {
    /// What the node is.
    pub kind: ExprKind,
    /// Where it stands, without parentheses around it.
    pub span: Span,
}

/// What a node is, and its children.
///
/// Parentheses are no node, they only shape the tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExprKind {
    /// `a OR b OR …`, two operands at least; one in parentheses may be another `Or`.
    Or(Vec<Expr>),
    /// `a AND b AND …`, two operands at least; one in parentheses may be another `And`.
    And(Vec<Expr>),
    /// `NOT a`.
    Not(Box<Expr>),
    /// `a = b` and the like.
    Compare {
        /// The comparison.
        op: CompareOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `a [NOT] IN (…)`.
    In {
        /// What is looked for.
        value: Box<Expr>,
        /// Where it is looked for; at least one.
        items: Vec<Item>,
        /// Whether it is `NOT IN`.
        negated: bool,
    },
    /// `a [NOT] BETWEEN low AND high`, both ends included.
    Between {
        /// What is looked for.
        value: Box<Expr>,
        /// Lower bound.
        low: Box<Expr>,
        /// Upper bound.
        high: Box<Expr>,
        /// Whether it is `NOT BETWEEN`.
        negated: bool,
    },
    /// `a IS [NOT] NULL`.
    IsNull {
        /// What is tested.
        value: Box<Expr>,
        /// Whether it is `IS NOT NULL`.
        negated: bool,
    },
    /// `a + b` and the like.
    Arithmetic {
        /// The operation.
        op: ArithmeticOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `-a` or `+a`; the sign of a number is part of the [`Literal`], unless the
    /// number is in parentheses.
    Signed {
        /// The sign.
        sign: Sign,
        /// Its operand.
        operand: Box<Expr>,
    },
    /// `(a, b)`: a time span.
    Tuple(Box<Expr>, Box<Expr>),
    /// `name(…)`; the span begins with the name, whose case is as written.
    Call {
        /// Name of the function, one word.
        name: String,
        /// Its arguments; there may be none.
        args: Vec<Expr>,
    },
    /// A name of one to three words, joined by dots.
    Name(String),
    /// `:name`, here without the colon.
    Bind(String),
    /// A value that stands for itself.
    Literal(Literal),
}

/// A member of an `IN` list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// A literal, a name of one word, a bind name or a function call.
    Value(Expr),
    /// Integers `start..end:stride`, both ends included.
    Range {
        /// First integer.
        start: i64,
        /// Last integer, if the stride meets it; `start - 1`, the empty range, at least.
        end: i64,
        /// Distance between members, 1 unless said otherwise; positive.
        stride: i64,
        /// Where the range stands.
        span: Span,
    },
}

impl Item {
    /// Where the item stands.
    #[must_use]
    pub const fn span(&self) -> Span {
        match self {
            Self::Value(expr) => expr.span,
            Self::Range { span, .. } => *span,
        }
    }
}

/// A value that stands for itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Literal {
    /// `NULL`.
    Null,
    /// `TRUE` or `FALSE`.
    Bool(bool),
    /// Digits without point and exponent.
    Integer(i64),
    /// A number with point or exponent; finite.
    Float(f64),
    /// `'…'`, without the quotes and with `''` made `'`.
    String(String),
    /// `T'…'`: what is between the quotes, not looked into.
    Time(String),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompareOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `OVERLAPS`
    Overlaps,
}

/// An operation of arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArithmeticOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
}

/// The sign before an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// `+`
    Plus,
    /// `-`
    Minus,
}

/// One term of an ordering.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderTerm {
    /// Whether a `-` precedes the name.
    pub descending: bool,
    /// What to order by: one to three words, joined by dots.
    pub name: String,
    /// Where the name stands.
    pub span: Span,
}

/// How tightly a construct binds, loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Or,
    And,
    Not,
    Compare,
    Predicate,
    Sum,
    Product,
    Value,
}

impl ArithmeticOp {
    pub(super) const fn level(self) -> Level {
        match self {
            Self::Add | Self::Subtract => Level::Sum,
            Self::Multiply | Self::Divide | Self::Modulo => Level::Product,
        }
    }
}

impl ExprKind {
    pub(super) const fn level(&self) -> Level {
        match self {
            Self::Or(_) => Level::Or,
            Self::And(_) => Level::And,
            Self::Not(_) => Level::Not,
            Self::Compare { .. } => Level::Compare,
            Self::In { .. } | Self::Between { .. } | Self::IsNull { .. } => Level::Predicate,
            Self::Arithmetic { op, .. } => op.level(),
            _ => Level::Value,
        }
    }
}

impl Level {
    /// What the right operand of a left-associative operator must be.
    pub(super) const fn tighter(self) -> Self {
        match self {
            Self::Or => Self::And,
            Self::And => Self::Not,
            Self::Not => Self::Compare,
            Self::Compare => Self::Predicate,
            Self::Predicate => Self::Sum,
            Self::Sum => Self::Product,
            Self::Product | Self::Value => Self::Value,
        }
    }
}
