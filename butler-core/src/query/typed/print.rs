//! Typed expressions as text of the language.

use std::fmt::{self, Display, Formatter};

use super::{Field, Literal, Predicate, TypedExpr};
use crate::backend::{Arithmetic, Comparison};
use crate::query::language::{self, ArithmeticOp, CompareOp, Expr, ExprKind, Item, Sign, Span};
use crate::time::{Instant, Timespan};

/// Text that means the same condition to whoever knows the same names.
///
/// It parses to an equal predicate. The exceptions are what no text gives: digests,
/// regions that are no circle, box or polygon, strings with a newline, lists
/// without members, conjunctions of fewer than two conditions; and regions, whose
/// numbers are rounded. These are printed so that people understand them.
impl Display for Predicate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        condition(self).fmt(f)
    }
}

/// Text of the expression, as of a [`Predicate`].
impl Display for TypedExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        value(self).fmt(f)
    }
}

fn node(kind: ExprKind) -> Expr {
    Expr { kind, span: Span::default() }
}

fn boxed(expr: &TypedExpr) -> Box<Expr> {
    Box::new(value(expr))
}

fn condition(predicate: &Predicate) -> Expr {
    let kind = match predicate {
        Predicate::And(operands) | Predicate::Or(operands) if operands.is_empty() => {
            ExprKind::Literal(language::Literal::Bool(matches!(predicate, Predicate::And(_))))
        }
        Predicate::And(operands) | Predicate::Or(operands) if operands.len() == 1 => {
            return condition(&operands[0]);
        }
        Predicate::And(operands) => ExprKind::And(operands.iter().map(condition).collect()),
        Predicate::Or(operands) => ExprKind::Or(operands.iter().map(condition).collect()),
        Predicate::Not(operand) => ExprKind::Not(Box::new(condition(operand))),
        Predicate::Field(field) => name(field),
        Predicate::Compare { op, left, right } => {
            ExprKind::Compare { op: comparison(*op), left: boxed(left), right: boxed(right) }
        }
        Predicate::IsNull(operand) => ExprKind::IsNull { value: boxed(operand), negated: false },
        Predicate::InList { value: member, list } => ExprKind::In {
            value: boxed(member),
            items: list.iter().map(|item| Item::Value(node(literal(item)))).collect(),
            negated: false,
        },
        Predicate::InRange { value: member, start, stop, step } => {
            let range = Item::Range { start: *start, end: *stop, stride: *step, span: Span::default() };
            ExprKind::In { value: boxed(member), items: vec![range], negated: false }
        }
        Predicate::Overlaps { left, right } => {
            ExprKind::Compare { op: CompareOp::Overlaps, left: boxed(left), right: boxed(right) }
        }
        Predicate::Glob { value: text, pattern } => {
            call("GLOB", vec![value(text), node(string(pattern.to_string()))])
        }
    };
    node(kind)
}

fn value(expr: &TypedExpr) -> Expr {
    let bound = |operand: &TypedExpr, part: &str| match operand {
        TypedExpr::Field(field) => ExprKind::Name(format!("{}.{part}", field.qualified_name())),
        other => call(part, vec![value(other)]),
    };
    node(match expr {
        TypedExpr::Field(field) => name(field),
        TypedExpr::Literal(value) => literal(value),
        TypedExpr::Negate(operand) => ExprKind::Signed { sign: Sign::Minus, operand: boxed(operand) },
        TypedExpr::Arithmetic { op, left, right } => match arithmetic(*op) {
            Some(op) => ExprKind::Arithmetic { op, left: boxed(left), right: boxed(right) },
            None => call("QUOTIENT", vec![value(left), value(right)]),
        },
        TypedExpr::Begin(operand) => bound(operand, "begin"),
        TypedExpr::End(operand) => bound(operand, "end"),
    })
}

fn name(field: &Field) -> ExprKind {
    ExprKind::Name(field.qualified_name())
}

fn call(name: &str, args: Vec<Expr>) -> ExprKind {
    ExprKind::Call { name: name.to_owned(), args }
}

fn string(text: impl Into<String>) -> ExprKind {
    ExprKind::Literal(language::Literal::String(text.into()))
}

fn literal(value: &Literal) -> ExprKind {
    let text = |name: &str, text: String| call(name, vec![node(string(text))]);
    ExprKind::Literal(match value {
        Literal::Bool(value) => language::Literal::Bool(*value),
        Literal::Int(value) => language::Literal::Integer(*value),
        Literal::Float(value) => language::Literal::Float(*value),
        Literal::Text(text) => language::Literal::String(text.to_string()),
        Literal::Hash(bytes) => {
            return text("HASH", bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        Literal::Uuid(uuid) => return text("UUID", uuid.to_string()),
        Literal::Instant(instant) => time(*instant),
        Literal::Timespan(timespan) => return tuple(*timespan),
        Literal::Region(region) => {
            let pos = region.decode().ok().and_then(|region| region.to_ivoa_pos());
            return text("REGION", pos.unwrap_or_else(|| "…".to_owned()));
        }
    })
}

fn time(instant: Instant) -> language::Literal {
    language::Literal::Time(format!("{instant}/tai"))
}

fn tuple(timespan: Timespan) -> ExprKind {
    let bound =
        |instant: Option<Instant>| node(ExprKind::Literal(instant.map_or(language::Literal::Null, time)));
    let (begin, end) = if timespan.is_empty() {
        // A timespan that ends before it begins is the empty one.
        (Some(Instant::MAX), Some(Instant::MIN))
    } else {
        (timespan.begin(), timespan.end())
    };
    ExprKind::Tuple(Box::new(bound(begin)), Box::new(bound(end)))
}

const fn comparison(op: Comparison) -> CompareOp {
    match op {
        Comparison::Eq => CompareOp::Equal,
        Comparison::Ne => CompareOp::NotEqual,
        Comparison::Lt => CompareOp::Less,
        Comparison::Le => CompareOp::LessEqual,
        Comparison::Gt => CompareOp::Greater,
        Comparison::Ge => CompareOp::GreaterEqual,
    }
}

/// The operator of the language; it has none for integer division.
const fn arithmetic(op: Arithmetic) -> Option<ArithmeticOp> {
    match op {
        Arithmetic::Add => Some(ArithmeticOp::Add),
        Arithmetic::Sub => Some(ArithmeticOp::Subtract),
        Arithmetic::Mul => Some(ArithmeticOp::Multiply),
        Arithmetic::Div => Some(ArithmeticOp::Divide),
        Arithmetic::Rem => Some(ArithmeticOp::Modulo),
        Arithmetic::Quotient => None,
    }
}
