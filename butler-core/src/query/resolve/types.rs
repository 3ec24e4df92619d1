//! Which operators take which types.

use super::problem;
use crate::backend::{Arithmetic, Comparison};
use crate::query::language::{ArithmeticOp, CompareOp, Diagnostic, Span};
use crate::query::typed::{ExprType, Predicate, TypedExpr};

/// A comparison of two values, if their types allow it.
pub(super) fn compare(
    op: CompareOp,
    left: TypedExpr,
    right: TypedExpr,
    span: Span,
) -> Result<Predicate, Diagnostic> {
    use ExprType::{Instant, Region, Timespan};
    let (a, b) = (left.ty(), right.ty());
    let allowed = match op {
        CompareOp::Overlaps => matches!(
            (a, b),
            (Timespan, Timespan) | (Timespan, Instant) | (Instant, Timespan) | (Region, Region)
        ),
        CompareOp::Equal | CompareOp::NotEqual => {
            (a == b && !matches!(a, Region | Timespan)) || (a.is_number() && b.is_number())
        }
        _ => (a == b && a.is_ordered()) || (a.is_number() && b.is_number()),
    };
    if !allowed {
        return Err(type_error(op.to_string(), a, b, span));
    }
    let op = match op {
        CompareOp::Overlaps => return overlaps(left, right, span),
        CompareOp::Equal => Comparison::Eq,
        CompareOp::NotEqual => Comparison::Ne,
        CompareOp::Less => Comparison::Lt,
        CompareOp::LessEqual => Comparison::Le,
        CompareOp::Greater => Comparison::Gt,
        CompareOp::GreaterEqual => Comparison::Ge,
    };
    Ok(Predicate::Compare { op, left, right })
}

fn overlaps(left: TypedExpr, right: TypedExpr, span: Span) -> Result<Predicate, Diagnostic> {
    let is_field = |operand: &TypedExpr| matches!(operand, TypedExpr::Field(_));
    if left.ty() == ExprType::Region && !is_field(&left) && !is_field(&right) {
        return Err(Diagnostic::new(span, "an overlap of two constant regions says nothing about the rows")
            .with_help("one side must be a region of a dimension, such as `visit.region`"));
    }
    Ok(Predicate::Overlaps { left, right })
}

fn type_error(op: String, a: ExprType, b: ExprType, span: Span) -> Diagnostic {
    let diagnostic = Diagnostic::new(span, format!("`{op}` does not take {} and {}", a.name(), b.name()));
    match (a, b) {
        (ExprType::Text, ExprType::Instant | ExprType::Timespan)
        | (ExprType::Instant | ExprType::Timespan, ExprType::Text) => {
            diagnostic.with_help("a time is written T'2025-01-31T12:00:00'")
        }
        (ExprType::Int | ExprType::Float, ExprType::Text)
        | (ExprType::Text, ExprType::Int | ExprType::Float) => {
            diagnostic.with_help("a number is written without quotes, a string with them")
        }
        (ExprType::Uuid, ExprType::Text) | (ExprType::Text, ExprType::Uuid) => {
            diagnostic.with_help("a UUID is written UUID('…')")
        }
        (ExprType::Region, ExprType::Region) | (ExprType::Timespan, ExprType::Timespan) => {
            diagnostic.with_help("use OVERLAPS")
        }
        _ => diagnostic,
    }
}

/// Arithmetic on two values, if their types allow it.
pub(super) fn arithmetic(
    op: ArithmeticOp,
    left: TypedExpr,
    right: TypedExpr,
    span: Span,
) -> Result<TypedExpr, Diagnostic> {
    let (a, b) = (left.ty(), right.ty());
    let allowed = match op {
        ArithmeticOp::Modulo => a == ExprType::Int && b == ExprType::Int,
        _ => a.is_number() && b.is_number(),
    };
    if !allowed {
        return Err(type_error(op.to_string(), a, b, span));
    }
    let op = match op {
        ArithmeticOp::Add => Arithmetic::Add,
        ArithmeticOp::Subtract => Arithmetic::Sub,
        ArithmeticOp::Multiply => Arithmetic::Mul,
        ArithmeticOp::Divide => Arithmetic::Div,
        ArithmeticOp::Modulo => Arithmetic::Rem,
    };
    Ok(TypedExpr::Arithmetic { op, left: Box::new(left), right: Box::new(right) })
}

/// A number with the other sign.
pub(super) fn negate(operand: TypedExpr, span: Span) -> Result<TypedExpr, Diagnostic> {
    if !operand.ty().is_number() {
        return problem(span, format!("`-` does not take a {}", operand.ty().name()));
    }
    Ok(TypedExpr::Negate(Box::new(operand)))
}
