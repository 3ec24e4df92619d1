//! Mutants that evaluate conditions wrongly.

use butler_core::backend::{Arithmetic, ColumnType, Comparison, GlobPattern, Scalar, Value};

use super::tamper::Tamper;

macro_rules! scalar {
    ($name:literal, $breaks:literal, $from:pat $(if $guard:expr)? => $to:expr) => {
        Tamper {
            scalar: Some(|scalar| match scalar {
                $from $(if $guard)? => $to,
                other => other,
            }),
            ..Tamper::new($name, $breaks)
        }
    };
}

/// A condition that is false where it would be NULL.
fn two_valued(condition: Scalar) -> Scalar {
    Scalar::And(vec![condition.clone(), condition.is_null().negated()])
}

fn globbed(value: Box<Scalar>, pattern: String) -> Scalar {
    Scalar::Glob { value, pattern: GlobPattern::new(pattern) }
}

pub(super) fn mutants() -> Vec<Tamper> {
    [
        Tamper::among(&["scalars"], conditions()),
        Tamper::among(&["arithmetic", "scalars"], numbers()),
        Tamper::among(&["large"], limits()),
    ]
    .concat()
}

fn conditions() -> Vec<Tamper> {
    use Scalar::{And, Compare, Glob, In, Not, Or};
    vec![
        scalar!("NullLiteralsMissed", "does not find the NULL of a literal",
            Scalar::IsNull(operand) if matches!(*operand, Scalar::Null(_)) => Or(vec![])),
        scalar!("NullEqualsNull", "takes NULL for equal to NULL",
        Compare { op: Comparison::Eq, left, right } => {
            let both = And(vec![left.clone().is_null(), right.clone().is_null()]);
            Or(vec![Compare { op: Comparison::Eq, left, right }, both])
        }),
        scalar!("NullDiffers", "takes NULL for different from values",
        Compare { op: Comparison::Ne, left, right } => {
            let one = left.clone().is_null().compare(Comparison::Ne, right.clone().is_null());
            Or(vec![Compare { op: Comparison::Ne, left, right }, one])
        }),
        scalar!("NullIsNotLess", "takes comparison with NULL for false",
        Compare { op: Comparison::Lt, left, right } => {
            two_valued(Compare { op: Comparison::Lt, left, right })
        }),
        scalar!("AtMostIsLess", "compares with <= as with <",
            Compare { op: Comparison::Le, left, right } => Compare { op: Comparison::Lt, left, right }),
        scalar!("NotNullIsTrue", "takes the opposite of NULL for true",
        Not(operand) => {
            let null = operand.clone().is_null();
            Or(vec![Not(operand), null])
        }),
        scalar!("AndIsNeverNull", "takes a conjunction with NULL for false", And(operands) => two_valued(And(operands))),
        scalar!("OrIsNeverNull", "takes a disjunction with NULL for false", Or(operands) => two_valued(Or(operands))),
        scalar!("NothingIsFalse", "takes a conjunction of nothing for false",
            And(operands) if operands.is_empty() => Or(operands)),
        scalar!("NothingIsTrue", "takes a disjunction of nothing for true",
            Or(operands) if operands.is_empty() => And(operands)),
        scalar!("OrForgetsNull", "takes a disjunction with a literal NULL for false",
            Or(operands) if operands.iter().any(|operand| matches!(operand, Scalar::Null(_))) => two_valued(Or(operands))),
        scalar!("NullInListIsFalse", "takes NULL in a list for false",
            In { value, list } if !list.is_empty() => two_valued(In { value, list })),
        scalar!("NullInNothingIsNull", "takes NULL in an empty list for NULL",
            In { value, list } if list.is_empty() => value.clone().compare(Comparison::Ne, *value)),
        scalar!("ListsQuoted", "finds no text with a quote in a list",
        In { value, mut list } => {
            list.retain(|value| value.as_str().is_none_or(|text| !text.contains('\'')));
            In { value, list }
        }),
        scalar!("GlobFitsParts", "fits patterns to parts of a text",
            Glob { value, pattern } => globbed(value, format!("*{}*", pattern.as_str()))),
        scalar!("GlobAsLike", "takes % and _ for wildcards",
            Glob { value, pattern } => globbed(value, pattern.as_str().replace('%', "*").replace('_', "?"))),
        scalar!("GlobUnescaped", "takes no backslash for an escape",
            Glob { value, pattern } => globbed(value, pattern.as_str().replace('\\', r"\\"))),
        scalar!("GlobOfAllIsTrue", "takes * on NULL for true",
        Glob { value, pattern } if pattern.as_str() == "*" => {
            let null = value.clone().is_null();
            Or(vec![Glob { value, pattern }, null])
        }),
        scalar!("LiteralsQuoted", "doubles quotes in literals",
            Scalar::Literal(Value::Text(text)) => Scalar::Literal(text.replace('\'', "''").into())),
    ]
}

fn numbers() -> Vec<Tamper> {
    vec![
        scalar!("LiteralsRounded", "rounds integer literals to floats",
            Scalar::Literal(Value::Int(value)) => Scalar::Literal(Value::Int(value as f64 as i64))),
        scalar!("NullIsZero", "takes NULL for zero in arithmetic",
        Scalar::Arithmetic { op, left, right } if matches!(*right, Scalar::Null(_)) => {
            let zero = if matches!(*right, Scalar::Null(ColumnType::Float)) { Value::Float(0.0) } else { Value::Int(0) };
            Scalar::Arithmetic { op, left, right: Box::new(Scalar::Literal(zero)) }
        }),
        scalar!("SubtractionGroupsRight", "takes a - b - c for a - (b - c)",
        Scalar::Arithmetic { op: Arithmetic::Sub, left, right } => match *left {
            Scalar::Arithmetic { op: Arithmetic::Sub, left: a, right: b } => {
                let rest = b.arithmetic(Arithmetic::Sub, *right);
                a.arithmetic(Arithmetic::Sub, rest)
            }
            other => other.arithmetic(Arithmetic::Sub, *right),
        }),
        scalar!("NegationForgotten", "does not negate", Scalar::Negate(operand) => *operand),
        scalar!("LastValueChosen", "chooses the last value that is not NULL, not the first",
            Scalar::Coalesce(operands) => Scalar::Coalesce(operands.into_iter().rev().collect())),
    ]
}

fn limits() -> Vec<Tamper> {
    use Scalar::{In, Or};
    vec![
        scalar!("OperandsCut", "takes the first thousand operands",
            Or(operands) if operands.len() > 1000 => Or(operands.into_iter().skip(5).take(1000).collect())),
        scalar!("ListsCut", "searches the first thousand values of a list",
        In { value, mut list } => {
            list.truncate(1000);
            In { value, list }
        }),
    ]
}
