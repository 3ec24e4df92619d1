//! Scalars, evaluated by definition.

use std::cmp::Ordering;

use butler_core::backend::{Arithmetic, Comparison, GlobPattern, Scalar, Schema, Value};
use butler_core::{Error, ErrorKind, Result};

use super::flaw::{Flaw, Flawed};

/// The row, or the two rows, whose columns a scalar reads.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) schema: &'a Schema,
    pub(super) row: &'a [Value],
    pub(super) other: Option<(&'a Schema, &'a [Value])>,
    pub(super) flaw: Option<Flaw>,
}

impl Scope<'_> {
    /// Whether a predicate is true, rather than false or NULL.
    pub(super) fn holds(&self, predicate: &Scalar) -> Result<bool> {
        Ok(matches!(self.value(predicate)?, Value::Bool(true)))
    }

    /// The value of a sound scalar. Every operand is evaluated, whether or not it decides.
    pub(super) fn value(&self, scalar: &Scalar) -> Result<Value> {
        Ok(match scalar {
            Scalar::Column(name) => self.column(name)?,
            Scalar::Literal(Value::Float(value)) => Value::Float(value + 0.0),
            Scalar::Literal(value) => value.clone(),
            Scalar::Null(_) => Value::Null,
            Scalar::Compare { op, left, right } => self.compare(*op, &self.value(left)?, &self.value(right)?),
            Scalar::And(operands) => self.connect(operands, false)?,
            Scalar::Or(operands) => self.connect(operands, true)?,
            Scalar::Not(operand) => match self.value(operand)? {
                Value::Bool(value) => Value::Bool(!value),
                _ => Value::Null,
            },
            Scalar::IsNull(operand) => Value::Bool(self.value(operand)?.is_null()),
            Scalar::In { value, list } => match self.value(value)? {
                Value::Null if !list.is_empty() => Value::Null,
                value => Value::Bool(list.contains(&value)),
            },
            Scalar::Glob { value, pattern } => match self.value(value)? {
                Value::Text(text) => Value::Bool(self.fits(pattern, &text)),
                _ => Value::Null,
            },
            Scalar::Coalesce(operands) => {
                let values =
                    operands.iter().map(|operand| self.value(operand)).collect::<Result<Vec<_>>>()?;
                values.into_iter().find(|value| !value.is_null()).unwrap_or(Value::Null)
            }
            Scalar::Arithmetic { op, left, right } => {
                self.arithmetic(*op, &self.value(left)?, &self.value(right)?)?
            }
            Scalar::Negate(operand) => match self.value(operand)? {
                Value::Int(value) if self.flaw.is(Flaw::NegationWraps) => Value::Int(value.wrapping_neg()),
                Value::Int(value) => {
                    Value::Int(value.checked_neg().ok_or_else(|| overflow(format!("-({value})")))?)
                }
                Value::Float(value) => Value::Float(0.0 - value),
                _ => Value::Null,
            },
        })
    }

    fn column(&self, name: &str) -> Result<Value> {
        let find = |schema: &Schema, row: &[Value]| {
            schema.iter().position(|column| column.name == name).map(|position| row[position].clone())
        };
        find(self.schema, self.row)
            .or_else(|| self.other.and_then(|(schema, row)| find(schema, row)))
            .ok_or_else(|| {
                Error::new(ErrorKind::Unexpected, format!("no column '{name}' in a checked scalar"))
            })
    }

    /// `decisive` is the value of an operand that decides: true for `Or`, false for `And`.
    fn connect(&self, operands: &[Scalar], decisive: bool) -> Result<Value> {
        let values = operands.iter().map(|operand| self.value(operand)).collect::<Result<Vec<_>>>()?;
        Ok(if values.contains(&Value::Bool(decisive)) {
            Value::Bool(decisive)
        } else if values.contains(&Value::Null) {
            Value::Null
        } else {
            Value::Bool(!decisive)
        })
    }

    fn compare(&self, op: Comparison, left: &Value, right: &Value) -> Value {
        if left.is_null() || right.is_null() {
            return Value::Null;
        }
        let ordering = self.order(left, right);
        Value::Bool(match op {
            Comparison::Eq => ordering.is_eq(),
            Comparison::Ne => ordering.is_ne(),
            Comparison::Lt => ordering.is_lt(),
            Comparison::Le => ordering.is_le(),
            Comparison::Gt => ordering.is_gt(),
            Comparison::Ge => ordering.is_ge(),
        })
    }

    fn order(&self, left: &Value, right: &Value) -> Ordering {
        match (left, right) {
            (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a))
                if self.flaw.is(Flaw::IntegersComparedAsFloats) =>
            {
                let ordering = (*a as f64).total_cmp(b);
                if matches!(left, Value::Int(_)) { ordering } else { ordering.reverse() }
            }
            (Value::Int(a), Value::Float(b)) => order_exactly(*a, *b),
            (Value::Float(a), Value::Int(b)) => order_exactly(*b, *a).reverse(),
            (Value::Text(a), Value::Text(b)) if self.flaw.is(Flaw::TextWithoutCase) => {
                a.to_lowercase().cmp(&b.to_lowercase())
            }
            (Value::Text(a), Value::Text(b)) if self.flaw.is(Flaw::TextByLocale) => {
                (a.to_lowercase(), b.as_str()).cmp(&(b.to_lowercase(), a.as_str()))
            }
            (Value::Text(a), Value::Text(b)) if self.flaw.is(Flaw::TextPadded) => {
                a.trim_end_matches(' ').cmp(b.trim_end_matches(' '))
            }
            (Value::Bytes(a), Value::Bytes(b)) if self.flaw.is(Flaw::BytesByLength) => {
                a.len().cmp(&b.len()).then_with(|| a.cmp(b))
            }
            (Value::Bool(a), Value::Bool(b)) if self.flaw.is(Flaw::TrueBeforeFalse) => b.cmp(a),
            _ => left.sort_cmp(right),
        }
    }

    fn fits(&self, pattern: &GlobPattern, text: &str) -> bool {
        if self.flaw.is(Flaw::GlobWithoutCase) {
            return GlobPattern::new(pattern.as_str().to_lowercase()).matches(&text.to_lowercase());
        }
        if self.flaw.is(Flaw::GlobBytewise) {
            let bytes = |text: &str| text.bytes().map(char::from).collect::<String>();
            return GlobPattern::new(bytes(pattern.as_str())).matches(&bytes(text));
        }
        pattern.matches(text)
    }

    fn arithmetic(&self, op: Arithmetic, left: &Value, right: &Value) -> Result<Value> {
        match (left, right) {
            (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
            (Value::Int(left), Value::Int(right)) if op != Arithmetic::Div => {
                self.integers(op, *left, *right)
            }
            _ => self.floats(op, as_float(left), as_float(right)),
        }
    }

    fn integers(&self, op: Arithmetic, left: i64, right: i64) -> Result<Value> {
        if right == 0 && matches!(op, Arithmetic::Quotient | Arithmetic::Rem) {
            return self.division_by_zero();
        }
        let result = match op {
            Arithmetic::Add | Arithmetic::Sub | Arithmetic::Mul if self.flaw.is(Flaw::IntegersWrap) => {
                Some(match op {
                    Arithmetic::Add => left.wrapping_add(right),
                    Arithmetic::Sub => left.wrapping_sub(right),
                    _ => left.wrapping_mul(right),
                })
            }
            Arithmetic::Add => left.checked_add(right),
            Arithmetic::Sub => left.checked_sub(right),
            Arithmetic::Mul => left.checked_mul(right),
            Arithmetic::Quotient if self.flaw.is(Flaw::QuotientRoundsDown) => left.checked_div_euclid(right),
            Arithmetic::Quotient if self.flaw.is(Flaw::QuotientWraps) => Some(left.wrapping_div(right)),
            Arithmetic::Quotient | Arithmetic::Div => left.checked_div(right),
            Arithmetic::Rem if self.flaw.is(Flaw::RemainderPositive) => Some(left.wrapping_rem_euclid(right)),
            Arithmetic::Rem if self.flaw.is(Flaw::RemainderOverflows) => left.checked_rem(right),
            Arithmetic::Rem => Some(left.wrapping_rem(right)),
        };
        result.map(Value::Int).ok_or_else(|| overflow(format!("{op:?} of {left} and {right}")))
    }

    fn floats(&self, op: Arithmetic, left: f64, right: f64) -> Result<Value> {
        if right == 0.0 && op == Arithmetic::Div {
            return self.division_by_zero();
        }
        let (result, underflow) = match op {
            Arithmetic::Add => (left + right, false),
            Arithmetic::Sub => (left - right, false),
            Arithmetic::Mul => (left * right, left != 0.0 && right != 0.0),
            Arithmetic::Div if self.flaw.is(Flaw::DivisionTruncates) => ((left / right).trunc(), false),
            Arithmetic::Div => (left / right, left != 0.0),
            Arithmetic::Quotient | Arithmetic::Rem => {
                return Err(Error::new(
                    ErrorKind::Unexpected,
                    format!("{op:?} of floats in a checked scalar"),
                ));
            }
        };
        if result == 0.0 && underflow && !self.flaw.is(Flaw::UnderflowIsZero) {
            return Err(overflow(format!("{op:?} of {left:?} and {right:?} underflows")));
        }
        match result.is_finite() {
            true => Ok(Value::Float(result + 0.0)),
            false if self.flaw.is(Flaw::FloatOverflowIsNull) => Ok(Value::Null),
            false => Err(overflow(format!("{op:?} of {left:?} and {right:?}"))),
        }
    }

    fn division_by_zero(&self) -> Result<Value> {
        if self.flaw.is(Flaw::DivisionByZeroFails) {
            return Err(overflow("division by zero".into()));
        }
        Ok(Value::Null)
    }
}

fn as_float(value: &Value) -> f64 {
    match value {
        Value::Int(value) => *value as f64,
        Value::Float(value) => *value,
        _ => f64::NAN,
    }
}

/// An integer against a float, neither of them rounded.
fn order_exactly(a: i64, b: f64) -> Ordering {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if b >= LIMIT {
        Ordering::Less
    } else if b < -LIMIT {
        Ordering::Greater
    } else {
        // The cast is exact: what is cast has no fraction, and is in range.
        a.cmp(&(b.trunc() as i64)).then_with(|| 0.0_f64.total_cmp(&(b.fract() + 0.0)))
    }
}

fn overflow(what: String) -> Error {
    Error::new(ErrorKind::Argument, format!("arithmetic overflow: {what} has no value"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Exact by way of 128-bit integers: a float below 2^63 is a multiple of 2^-1074, but its
    /// halves suffice to tell it from an integer.
    fn order_by_halves(a: i64, b: f64) -> Ordering {
        let doubled = (b * 2.0).clamp(-1e30, 1e30);
        (i128::from(a) * 2).cmp(&(doubled.floor() as i128)).then(if doubled.fract() == 0.0 {
            Ordering::Equal
        } else {
            Ordering::Less
        })
    }

    proptest! {
        #[test]
        fn integers_compare_exactly_with_floats(a: i64, near in -3i32..3, scale in 0u32..64, free: f64) {
            let candidates = [free, a as f64, (a >> scale) as f64, (a as f64) + f64::from(near) / 2.0];
            for b in candidates.into_iter().filter(|b| b.is_finite()) {
                for a in [a, a >> scale] {
                    prop_assert_eq!(order_exactly(a, b), order_by_halves(a, b), "{} and {:?}", a, b);
                }
            }
        }
    }

    #[test]
    fn integers_near_the_limits_compare_exactly_with_floats() {
        assert_eq!(order_exactly(i64::MAX, 9_223_372_036_854_775_808.0), Ordering::Less);
        assert_eq!(order_exactly(i64::MIN, -9_223_372_036_854_775_808.0), Ordering::Equal);
        assert_eq!(order_exactly(9_007_199_254_740_993, 9_007_199_254_740_992.0), Ordering::Greater);
        assert_eq!(order_exactly(0, -0.0), Ordering::Equal);
        assert_eq!(order_exactly(0, f64::MIN_POSITIVE), Ordering::Less);
        assert_eq!(order_exactly(-1, -1.5), Ordering::Greater);
    }
}
