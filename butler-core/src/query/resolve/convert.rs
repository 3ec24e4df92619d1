//! From the nodes of a syntax tree to typed expressions and predicates.

use super::types::{arithmetic, compare, negate};
use super::{BindValue, Scope, problem};
use crate::query::language::{self, CompareOp, Diagnostic, Expr, ExprKind, Item, Sign, Span};
use crate::query::typed::{ExprType, Literal, Predicate, TypedExpr};
use crate::time::{Instant, Timespan};

/// What a node means.
pub(super) enum Value {
    /// A condition.
    Predicate(Predicate),
    /// A value.
    Expr(TypedExpr),
    /// `NULL`.
    Null,
    /// `TRUE` or `FALSE`.
    Bool(bool),
    /// Values bound to a name, for the list of an `IN`.
    Many(Vec<Literal>),
}

impl Value {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Predicate(_) | Self::Bool(_) => "bool",
            Self::Expr(expr) => expr.ty().name(),
            Self::Null => "null",
            Self::Many(_) => "sequence",
        }
    }
}

impl Scope<'_> {
    /// The condition that a node means.
    pub(super) fn convert_predicate(&self, node: &Expr) -> Result<Predicate, Diagnostic> {
        match self.convert(node)? {
            Value::Predicate(predicate) => Ok(predicate),
            Value::Bool(value) => Ok(constant(value)),
            other => problem(node.span, format!("expected a condition here, found a {}", other.type_name())),
        }
    }

    /// What a node means.
    pub(super) fn convert(&self, node: &Expr) -> Result<Value, Diagnostic> {
        match &node.kind {
            ExprKind::Or(operands) => {
                self.predicates(operands).map(|all| Value::Predicate(Predicate::Or(all)))
            }
            ExprKind::And(operands) => {
                self.predicates(operands).map(|all| Value::Predicate(Predicate::And(all)))
            }
            ExprKind::Not(operand) => {
                let operand = self.convert_predicate(operand)?;
                Ok(Value::Predicate(Predicate::Not(Box::new(operand))))
            }
            ExprKind::Compare { op, left, right } => {
                self.comparison(*op, left, right, node.span).map(Value::Predicate)
            }
            ExprKind::In { value, items, negated } => {
                let inside = self.is_in(value, items)?;
                Ok(Value::Predicate(negated_if(*negated, inside)))
            }
            ExprKind::Between { value, low, high, negated } => {
                let between = [(CompareOp::GreaterEqual, low), (CompareOp::LessEqual, high)]
                    .into_iter()
                    .map(|(op, bound)| self.comparison(op, value, bound, value.span.to(bound.span)))
                    .collect::<Result<_, _>>()?;
                Ok(Value::Predicate(negated_if(*negated, Predicate::And(between))))
            }
            ExprKind::IsNull { value, negated } => {
                let is_null = is_null(self.convert(value)?, value.span)?;
                Ok(Value::Predicate(negated_if(*negated, is_null)))
            }
            ExprKind::Arithmetic { op, left, right } => {
                let operands = (self.scalar(left)?, self.scalar(right)?);
                arithmetic(*op, operands.0, operands.1, node.span).map(Value::Expr)
            }
            ExprKind::Signed { sign, operand } => {
                let value = self.scalar(operand)?;
                match sign {
                    Sign::Minus => negate(value, node.span).map(Value::Expr),
                    Sign::Plus if value.ty().is_number() => Ok(Value::Expr(value)),
                    Sign::Plus => problem(node.span, format!("`+` does not take a {}", value.ty().name())),
                }
            }
            ExprKind::Tuple(begin, end) => {
                let timespan = Timespan::new(self.timespan_bound(begin)?, self.timespan_bound(end)?);
                Ok(Value::Expr(TypedExpr::Literal(Literal::Timespan(timespan))))
            }
            ExprKind::Call { name, args } => self.call(name, args, node.span),
            ExprKind::Name(name) => self.name_or_bind(name, node.span),
            ExprKind::Bind(name) => self.bind(name, node.span),
            ExprKind::Literal(literal) => self.literal(literal, node.span),
        }
    }

    fn predicates(&self, operands: &[Expr]) -> Result<Vec<Predicate>, Diagnostic> {
        operands.iter().map(|operand| self.convert_predicate(operand)).collect()
    }

    fn scalar(&self, node: &Expr) -> Result<TypedExpr, Diagnostic> {
        match self.convert(node)? {
            Value::Expr(expr) => Ok(expr),
            other => problem(node.span, format!("expected a value here, found a {}", other.type_name())),
        }
    }

    fn literal(&self, literal: &language::Literal, span: Span) -> Result<Value, Diagnostic> {
        let literal = match literal {
            language::Literal::Null => return Ok(Value::Null),
            language::Literal::Bool(value) => return Ok(Value::Bool(*value)),
            language::Literal::Integer(value) => Literal::Int(*value),
            language::Literal::Float(value) => Literal::Float(*value),
            language::Literal::String(text) if text.contains('\0') => {
                return problem(span, "a string cannot contain NUL");
            }
            language::Literal::String(text) => Literal::Text(text.as_str().into()),
            language::Literal::Time(text) => Literal::Instant(time(text, span)?),
        };
        Ok(Value::Expr(TypedExpr::Literal(literal)))
    }

    fn name_or_bind(&self, name: &str, span: Span) -> Result<Value, Diagnostic> {
        if self.binds.contains_key(name) {
            return self.bind(name, span);
        }
        let value = self.name(name, span)?;
        Ok(match value {
            TypedExpr::Field(field) if field.ty() == ExprType::Bool => {
                Value::Predicate(Predicate::Field(field))
            }
            other => Value::Expr(other),
        })
    }

    fn bind(&self, name: &str, span: Span) -> Result<Value, Diagnostic> {
        match self.binds.get(name) {
            Some(BindValue::One(Literal::Bool(value))) => Ok(Value::Bool(*value)),
            Some(BindValue::One(literal)) => Ok(Value::Expr(TypedExpr::Literal(literal.clone()))),
            Some(BindValue::Many(literals)) => Ok(Value::Many(literals.clone())),
            None => Err(Diagnostic::new(span, format!("no value is bound to `{name}`"))
                .with_help("bind one, or write the value itself")),
        }
    }

    fn comparison(
        &self,
        op: CompareOp,
        left: &Expr,
        right: &Expr,
        span: Span,
    ) -> Result<Predicate, Diagnostic> {
        let equality = match op {
            CompareOp::Equal => Some(false),
            CompareOp::NotEqual => Some(true),
            _ => None,
        };
        match (self.convert(left)?, self.convert(right)?, equality) {
            (Value::Expr(a), Value::Expr(b), _) => compare(op, a, b, span),
            (
                value @ (Value::Expr(_) | Value::Predicate(Predicate::Field(_))),
                Value::Null,
                Some(negated),
            )
            | (
                Value::Null,
                value @ (Value::Expr(_) | Value::Predicate(Predicate::Field(_))),
                Some(negated),
            ) => Ok(negated_if(negated, is_null(value, span)?)),
            (Value::Predicate(condition), Value::Bool(value), Some(negated))
            | (Value::Bool(value), Value::Predicate(condition), Some(negated)) => {
                Ok(negated_if(negated == value, condition))
            }
            (a, b, _) => {
                let diagnostic = Diagnostic::new(
                    span,
                    format!("`{op}` does not take {} and {}", a.type_name(), b.type_name()),
                );
                Err(match (&a, &b) {
                    (Value::Null, _) | (_, Value::Null) => {
                        diagnostic.with_help("NULL is only compared with `=` and `!=`, and with a field")
                    }
                    (Value::Predicate(_), _) | (_, Value::Predicate(_)) => {
                        diagnostic.with_help("a condition stands alone, or after NOT")
                    }
                    _ => diagnostic,
                })
            }
        }
    }

    fn is_in(&self, value: &Expr, items: &[Item]) -> Result<Predicate, Diagnostic> {
        let member = match self.convert(value)? {
            Value::Expr(expr) => expr,
            other => return problem(value.span, format!("IN does not take a {}", other.type_name())),
        };
        if matches!(member.ty(), ExprType::Timespan | ExprType::Region) {
            return Err(Diagnostic::new(value.span, format!("IN does not take a {}", member.ty().name()))
                .with_help("use OVERLAPS"));
        }
        let mut alternatives = Vec::new();
        let mut list = Vec::new();
        for item in items {
            match item {
                Item::Range { start, end, stride, span } => {
                    if member.ty() != ExprType::Int {
                        return problem(
                            *span,
                            format!("a range holds integers, and no {}", member.ty().name()),
                        );
                    }
                    alternatives.push(Predicate::InRange {
                        value: member.clone(),
                        start: *start,
                        stop: *end,
                        step: *stride,
                    });
                }
                Item::Value(item) => self.in_item(&member, item, &mut list, &mut alternatives)?,
            }
        }
        if !list.is_empty() {
            alternatives.push(Predicate::InList { value: member, list });
        }
        Ok(if alternatives.len() == 1 { alternatives.swap_remove(0) } else { Predicate::Or(alternatives) })
    }

    /// Adds one item of a list: to the values of the member's own type, or as an alternative of its own.
    fn in_item(
        &self,
        member: &TypedExpr,
        item: &Expr,
        list: &mut Vec<Literal>,
        alternatives: &mut Vec<Predicate>,
    ) -> Result<(), Diagnostic> {
        match self.convert(item)? {
            Value::Expr(TypedExpr::Literal(literal)) if literal.ty() == member.ty() => list.push(literal),
            Value::Expr(other) => {
                alternatives.push(compare(CompareOp::Equal, member.clone(), other, item.span)?);
            }
            Value::Null => alternatives.push(Predicate::IsNull(member.clone())),
            Value::Many(literals) => {
                if let Some(other) = literals.iter().find(|literal| literal.ty() != member.ty()) {
                    let (found, expected) = (other.ty().name(), member.ty().name());
                    return problem(
                        item.span,
                        format!("expected values of type {expected} here, found a {found}"),
                    );
                }
                list.extend(literals);
                if list.is_empty() {
                    // Nothing is in an empty list.
                    alternatives.push(Predicate::InList { value: member.clone(), list: Vec::new() });
                }
            }
            other => {
                return problem(item.span, format!("a list cannot contain a {}", other.type_name()));
            }
        }
        Ok(())
    }

    fn timespan_bound(&self, node: &Expr) -> Result<Option<Instant>, Diagnostic> {
        match self.convert(node)? {
            Value::Null => Ok(None),
            Value::Expr(TypedExpr::Literal(Literal::Instant(instant))) => Ok(Some(instant)),
            _ => Err(Diagnostic::new(node.span, "the bounds of a timespan are times or NULL")
                .with_help("a time is written T'2025-01-31T12:00:00'")),
        }
    }
}

fn time(text: &str, span: Span) -> Result<Instant, Diagnostic> {
    Instant::from_literal(text).map_err(|error| {
        // After the T and the quote.
        let begin = (2 + error.offset).min(span.end - span.start - 1);
        Diagnostic::new(span.part(begin..span.end - span.start - 1), error.message)
    })
}

fn is_null(value: Value, span: Span) -> Result<Predicate, Diagnostic> {
    match value {
        Value::Expr(expr) => Ok(Predicate::IsNull(expr)),
        Value::Predicate(Predicate::Field(field)) => Ok(Predicate::IsNull(TypedExpr::Field(field))),
        other => problem(span, format!("a {} is never NULL", other.type_name())),
    }
}

fn negated_if(negated: bool, predicate: Predicate) -> Predicate {
    if negated { Predicate::Not(Box::new(predicate)) } else { predicate }
}

/// The condition that always or never holds.
fn constant(value: bool) -> Predicate {
    if value { Predicate::always() } else { Predicate::Or(Vec::new()) }
}
