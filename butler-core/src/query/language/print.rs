//! A tree as text that parses to the same tree, with no more parentheses than it needs.

use std::fmt::{self, Display, Formatter, Write};

use super::syntax::{ArithmeticOp, CompareOp, Expr, ExprKind, Item, Level, Literal, Sign};

/// Text of the expression; it parses to an equal tree, but for the spans.
///
/// The exception are trees that no text gives: strings with a newline, numbers
/// that are not finite, chains of fewer than two operands.
impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Or(operands) => {
                separated(f, operands.iter().map(|operand| At(operand, Level::And)), " OR ")
            }
            ExprKind::And(operands) => {
                separated(f, operands.iter().map(|operand| At(operand, Level::Not)), " AND ")
            }
            ExprKind::Not(operand) => write!(f, "NOT {}", At(operand, Level::Not)),
            ExprKind::Compare { op, left, right } => {
                write!(f, "{} {op} {}", At(left, Level::Predicate), At(right, Level::Predicate))
            }
            ExprKind::In { value, items, negated } => {
                write!(f, "{}{} IN (", At(value, Level::Sum), not(*negated))?;
                separated(f, items, ", ")?;
                f.write_char(')')
            }
            ExprKind::Between { value, low, high, negated } => {
                let [value, low, high] = [value, low, high].map(|operand| At(operand, Level::Sum));
                write!(f, "{value}{} BETWEEN {low} AND {high}", not(*negated))
            }
            ExprKind::IsNull { value, negated } => {
                write!(f, "{} IS{} NULL", At(value, Level::Sum), not(*negated))
            }
            ExprKind::Arithmetic { op, left, right } => {
                write!(f, "{} {op} {}", At(left, op.level()), At(right, op.level().tighter()))
            }
            ExprKind::Signed { sign, operand } if begins_with_digit(operand) => {
                write!(f, "{sign}({operand})")
            }
            ExprKind::Signed { sign, operand } => write!(f, "{sign}{}", At(operand, Level::Value)),
            ExprKind::Tuple(first, second) => write!(f, "({first}, {second})"),
            ExprKind::Call { name, args } => {
                write!(f, "{name}(")?;
                separated(f, args, ", ")?;
                f.write_char(')')
            }
            ExprKind::Name(name) => f.write_str(name),
            ExprKind::Bind(name) => write!(f, ":{name}"),
            ExprKind::Literal(literal) => literal.fmt(f),
        }
    }
}

/// An operand, in parentheses if it binds less tightly than its place demands.
struct At<'a>(&'a Expr, Level);

impl Display for At<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(expr, floor) = self;
        if expr.kind.level() < *floor { write!(f, "({expr})") } else { expr.fmt(f) }
    }
}

fn separated(
    f: &mut Formatter<'_>,
    parts: impl IntoIterator<Item = impl Display>,
    separator: &str,
) -> fmt::Result {
    for (n, part) in parts.into_iter().enumerate() {
        f.write_str(if n == 0 { "" } else { separator })?;
        part.fmt(f)?;
    }
    Ok(())
}

const fn not(negated: bool) -> &'static str {
    if negated { " NOT" } else { "" }
}

/// Whether a sign before the operand would become a part of it.
fn begins_with_digit(operand: &Expr) -> bool {
    match operand.kind {
        ExprKind::Literal(Literal::Integer(value)) => value >= 0,
        ExprKind::Literal(Literal::Float(value)) => value.is_sign_positive(),
        _ => false,
    }
}

impl Display for Item {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(expr) => expr.fmt(f),
            Self::Range { start, end, stride: 1, .. } => write!(f, "{start}..{end}"),
            Self::Range { start, end, stride, .. } => write!(f, "{start}..{end}:{stride}"),
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Bool(true) => f.write_str("TRUE"),
            Self::Bool(false) => f.write_str("FALSE"),
            Self::Integer(value) => value.fmt(f),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::String(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Time(text) => write!(f, "T'{}'", text.replace('\'', "''")),
        }
    }
}

impl Display for CompareOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Overlaps => "OVERLAPS",
        })
    }
}

impl Display for ArithmeticOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        })
    }
}

impl Display for Sign {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plus => "+",
            Self::Minus => "-",
        })
    }
}
