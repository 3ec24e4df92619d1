//! Arithmetic as the Data Butler defines it, on values.
//!
//! Databases must not see arithmetic on constants: PostgreSQL evaluates it while
//! it plans, and fails even if there is no row for which it matters.

use butler_core::backend::{Arithmetic, ColumnType, Value};

/// Where a result is out of range of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfRange;

/// The result for two integers.
pub(crate) fn int(op: Arithmetic, left: i64, right: i64) -> Result<Option<i64>, OutOfRange> {
    let result = match op {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Sub => left.checked_sub(right),
        Arithmetic::Mul => left.checked_mul(right),
        Arithmetic::Quotient | Arithmetic::Rem | Arithmetic::Div if right == 0 => return Ok(None),
        Arithmetic::Quotient | Arithmetic::Div => left.checked_div(right),
        Arithmetic::Rem => Some(left.wrapping_rem(right)),
    };
    result.map(Some).ok_or(OutOfRange)
}

/// The result for two floats.
pub(crate) fn float(op: Arithmetic, left: f64, right: f64) -> Result<Option<f64>, OutOfRange> {
    let (result, may_be_zero) = match op {
        Arithmetic::Add => (left + right, true),
        Arithmetic::Sub => (left - right, true),
        Arithmetic::Mul => (left * right, left == 0.0 || right == 0.0),
        Arithmetic::Div | Arithmetic::Quotient | Arithmetic::Rem if right == 0.0 => return Ok(None),
        Arithmetic::Div | Arithmetic::Quotient | Arithmetic::Rem => (left / right, left == 0.0),
    };
    // Zero is right only as the result of zero, not of an underflow.
    let sound = result.is_finite() && (result != 0.0 || may_be_zero);
    if sound { Ok(Some(result)) } else { Err(OutOfRange) }
}

/// The result for two constants, which are numbers or NULL; `ty` is its type.
pub(crate) fn constant(
    op: Arithmetic,
    ty: ColumnType,
    left: &Value,
    right: &Value,
) -> Result<Value, OutOfRange> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) if ty == ColumnType::Int => Ok(int(op, *left, *right)?.into()),
        _ => match (as_float(left), as_float(right)) {
            (Some(left), Some(right)) => Ok(float(op, left, right)?.map(|value| value + 0.0).into()),
            _ => Ok(Value::Null),
        },
    }
}

/// The constant with the other sign.
pub(crate) fn negated(value: &Value) -> Result<Value, OutOfRange> {
    match value {
        Value::Int(value) => value.checked_neg().map(Value::Int).ok_or(OutOfRange),
        Value::Float(value) => Ok(Value::Float(0.0 - value)),
        _ => Ok(Value::Null),
    }
}

fn as_float(value: &Value) -> Option<f64> {
    match value {
        Value::Int(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners() {
        use Arithmetic::{Add, Div, Mul, Quotient, Rem, Sub};
        assert_eq!(int(Add, i64::MAX, 1), Err(OutOfRange));
        assert_eq!(int(Quotient, i64::MIN, -1), Err(OutOfRange));
        assert_eq!(int(Rem, i64::MIN, -1), Ok(Some(0)));
        assert_eq!(int(Rem, -7, 4), Ok(Some(-3)));
        assert_eq!(int(Quotient, -7, 4), Ok(Some(-1)));
        assert_eq!(int(Quotient, 1, 0), Ok(None));
        assert_eq!(float(Mul, 1e-200, 1e-200), Err(OutOfRange));
        assert_eq!(float(Div, 1e-300, 1e300), Err(OutOfRange));
        assert_eq!(float(Add, f64::MAX, f64::MAX), Err(OutOfRange));
        assert_eq!(float(Mul, 0.0, 1e-200), Ok(Some(0.0)));
        assert_eq!(float(Sub, 1e-300, 1e-300), Ok(Some(0.0)));
        assert_eq!(float(Div, 1.0, -0.0), Ok(None));
    }

    #[test]
    fn constants_have_the_type_of_the_result() {
        let value = |op, ty, left: Value, right: Value| constant(op, ty, &left, &right).unwrap();
        assert_eq!(value(Arithmetic::Div, ColumnType::Float, 7.into(), 2.into()), Value::Float(3.5));
        assert_eq!(value(Arithmetic::Add, ColumnType::Float, 7.into(), 0.5.into()), Value::Float(7.5));
        assert_eq!(value(Arithmetic::Add, ColumnType::Int, 7.into(), Value::Null), Value::Null);
        assert_eq!(value(Arithmetic::Rem, ColumnType::Int, 7.into(), 4.into()), Value::Int(3));
        assert_eq!(negated(&i64::MIN.into()), Err(OutOfRange));
        assert_eq!(negated(&Value::Float(0.0)).unwrap().to_string(), "0.0");
    }
}
