//! Scalar expressions as SQL.

use arcstr::ArcStr;
use butler_core::backend::{Arithmetic, ColumnType, Comparison, Scalar, Value};
use butler_core::{Error, ErrorKind, Result};

use super::arithmetic::{self, OutOfRange};
use super::block::Output;
use super::builder::Builder;
use super::fragment::{Bind, Fragment, push_quoted};

/// First float above all integers.
const INT_END: f64 = 9_223_372_036_854_775_808.0;

/// Operands that one level of parentheses takes, so that no parser finds the nesting too deep.
const JUNCTION: usize = 32;

/// A scalar expression over the sources of a block.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    /// The expression, in parentheses where it needs them.
    pub(crate) sql: Fragment,
    /// Type.
    pub(crate) ty: ColumnType,
    /// Whether it may be NULL.
    pub(crate) nullable: bool,
    /// What kind it is.
    pub(crate) kind: ExprKind,
}

/// How much there is to an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ExprKind {
    /// A column of a source, by its name there.
    Column(ArcStr),
    /// A bound value or NULL.
    Constant(Value),
    /// Anything else.
    Computed,
}

impl Expr {
    /// A column of a source.
    pub(crate) fn column(source: &str, name: &ArcStr, ty: ColumnType, nullable: bool) -> Self {
        let mut sql = String::with_capacity(source.len() + name.len() + 3);
        sql.push_str(source);
        sql.push('.');
        push_quoted(&mut sql, name);
        Self { sql: Fragment::sql(sql), ty, nullable, kind: ExprKind::Column(name.clone()) }
    }

    /// A column of a source whose columns are named by position.
    pub(crate) fn nth(source: &str, index: usize, ty: ColumnType, nullable: bool) -> Self {
        let name = ArcStr::from(format!("c{index}"));
        Self { sql: Fragment::sql(format!("{source}.{name}")), ty, nullable, kind: ExprKind::Column(name) }
    }

    /// Whether it costs nothing to evaluate it twice.
    pub(crate) fn is_cheap(&self) -> bool {
        self.kind != ExprKind::Computed
    }

    /// The value, if it is the same in all rows.
    fn constant(&self) -> Option<&Value> {
        match &self.kind {
            ExprKind::Constant(value) => Some(value),
            _ => None,
        }
    }

    fn computed(sql: Fragment, ty: ColumnType, nullable: bool) -> Self {
        Self { sql, ty, nullable, kind: ExprKind::Computed }
    }
}

impl Builder<'_> {
    /// A bound value.
    pub(crate) fn literal(&self, value: &Value) -> Result<Expr> {
        let ty = value.ty().ok_or_else(|| Error::new(ErrorKind::Argument, "a literal cannot be NULL"))?;
        let sql = self.dialect.literal(ty, Bind::Value(value.clone()));
        Ok(Expr { sql, ty, nullable: false, kind: ExprKind::Constant(value.clone()) })
    }

    /// NULL.
    pub(crate) fn null(&self, ty: ColumnType) -> Expr {
        Expr { sql: self.dialect.null(ty), ty, nullable: true, kind: ExprKind::Constant(Value::Null) }
    }

    /// An expression over the outputs of a block.
    pub(crate) fn scalar(&mut self, scalar: &Scalar, scope: &[&[Output]]) -> Result<Expr> {
        match scalar {
            Scalar::Column(name) => find(scope, name).cloned(),
            Scalar::Literal(value) => self.literal(value),
            Scalar::Null(ty) => Ok(self.null(*ty)),
            Scalar::Compare { op, left, right } => self.compare(*op, left, right, scope),
            Scalar::And(operands) if operands.is_empty() => self.literal(&true.into()),
            Scalar::Or(operands) if operands.is_empty() => self.literal(&false.into()),
            Scalar::And(operands) => self.junction(operands, " AND ", scope),
            Scalar::Or(operands) => self.junction(operands, " OR ", scope),
            Scalar::Not(operand) => {
                let operand = self.scalar(operand, scope)?;
                let sql = Fragment::sql("(NOT ").then(operand.sql).text(")");
                Ok(Expr::computed(sql, ColumnType::Bool, operand.nullable))
            }
            Scalar::IsNull(operand) => {
                let sql = Fragment::sql("(").then(self.scalar(operand, scope)?.sql).text(" IS NULL)");
                Ok(Expr::computed(sql, ColumnType::Bool, false))
            }
            Scalar::In { value, list } if list.is_empty() => {
                self.scalar(value, scope)?;
                self.literal(&false.into())
            }
            Scalar::In { value, list } => {
                let value = self.scalar(value, scope)?;
                let sql = self.dialect.membership(self, value.sql, value.ty, list)?;
                Ok(Expr::computed(sql, ColumnType::Bool, value.nullable))
            }
            Scalar::Glob { value, pattern } => {
                let value = self.scalar(value, scope)?;
                let sql = self.dialect.glob(value.sql, pattern);
                Ok(Expr::computed(sql, ColumnType::Bool, value.nullable))
            }
            Scalar::Arithmetic { op, left, right } => {
                let (left, right) = (self.scalar(left, scope)?, self.scalar(right, scope)?);
                self.arithmetic(*op, left, right)
            }
            Scalar::Coalesce(operands) => {
                let mut operands = operands.iter().map(|operand| self.scalar(operand, scope));
                let Some(first) = operands.next().transpose()? else {
                    return Err(Error::new(ErrorKind::Argument, "there is nothing to choose a value from"));
                };
                let (ty, mut nullable) = (first.ty, first.nullable);
                let mut parts = vec![first.sql];
                for operand in operands {
                    let operand = operand?;
                    nullable &= operand.nullable;
                    parts.push(operand.sql);
                }
                // SQLite takes no COALESCE of one value.
                if parts.len() == 1 {
                    parts.push(self.dialect.null(ty));
                }
                let sql = Fragment::sql("COALESCE(").then(Fragment::join(parts, ", ")).text(")");
                Ok(Expr::computed(sql, ty, nullable))
            }
            Scalar::Negate(operand) => {
                let operand = self.scalar(operand, scope)?;
                match operand.constant() {
                    Some(value) => self.result(arithmetic::negated(value), operand.ty),
                    None => {
                        let sql = self.dialect.negate(operand.ty, operand.sql);
                        Ok(Expr::computed(sql, operand.ty, operand.nullable))
                    }
                }
            }
        }
    }

    fn arithmetic(&self, op: Arithmetic, left: Expr, right: Expr) -> Result<Expr> {
        let is_float = |expr: &Expr| expr.ty == ColumnType::Float;
        let float = op == Arithmetic::Div || is_float(&left) || is_float(&right);
        let ty = if float { ColumnType::Float } else { ColumnType::Int };
        if let (Some(left), Some(right)) = (left.constant(), right.constant()) {
            return self.result(arithmetic::constant(op, ty, left, right), ty);
        }
        if let Some(by) = shift(op, &left, &right)
            && let Some(sql) = self.dialect.shift(&left.sql, by)
        {
            return Ok(Expr::computed(sql, ty, left.nullable));
        }
        let sql = self.dialect.arithmetic(op, (left.ty, left.sql), (right.ty, right.sql));
        // Division by zero is NULL.
        Ok(Expr::computed(sql, ty, true))
    }

    /// What constants make.
    fn result(&self, result: Result<Value, OutOfRange>, ty: ColumnType) -> Result<Expr> {
        match result {
            Ok(Value::Null) => Ok(self.null(ty)),
            Ok(value) => self.literal(&value),
            Err(OutOfRange) => Ok(Expr::computed(self.dialect.out_of_range(ty), ty, false)),
        }
    }

    fn compare(
        &mut self,
        op: Comparison,
        left: &Scalar,
        right: &Scalar,
        scope: &[&[Output]],
    ) -> Result<Expr> {
        let (left, right) = (self.scalar(left, scope)?, self.scalar(right, scope)?);
        let nullable = left.nullable || right.nullable;
        let sql = match (left.ty, right.ty) {
            (ColumnType::Int, ColumnType::Float) => self.compare_mixed(op, left, right)?,
            (ColumnType::Float, ColumnType::Int) => self.compare_mixed(flipped(op), right, left)?,
            _ => comparison(op, left.sql, right.sql),
        };
        Ok(Expr::computed(sql, ColumnType::Bool, nullable))
    }

    /// An integer against a float: constants take the type of the other side where they can, so that indexes serve.
    fn compare_mixed(&self, op: Comparison, int: Expr, float: Expr) -> Result<Fragment> {
        if let Some(Value::Int(value)) = int.constant()
            && let Some(value) = exact_float(*value)
        {
            return Ok(comparison(op, self.literal(&Value::Float(value))?.sql, float.sql));
        }
        if let Some(Value::Float(value)) = float.constant() {
            return Ok(match int_bound(op, *value) {
                Ok((op, bound)) => comparison(op, int.sql, self.literal(&Value::Int(bound))?.sql),
                // NULL if the integer is.
                Err(true) => comparison(Comparison::Eq, int.sql.clone(), int.sql),
                Err(false) => comparison(Comparison::Ne, int.sql.clone(), int.sql),
            });
        }
        Ok(self.dialect.compare_mixed(op, int.sql, float.sql))
    }

    fn junction(&mut self, operands: &[Scalar], separator: &str, scope: &[&[Output]]) -> Result<Expr> {
        let operands: Vec<Expr> =
            operands.iter().map(|operand| self.scalar(operand, scope)).collect::<Result<_>>()?;
        let nullable = operands.iter().any(|operand| operand.nullable);
        let sql = junction(operands.into_iter().map(|operand| operand.sql).collect(), separator);
        Ok(Expr::computed(sql, ColumnType::Bool, nullable))
    }
}

/// The constant that arithmetic adds to a column of integers.
fn shift(op: Arithmetic, left: &Expr, right: &Expr) -> Option<i64> {
    match (op, &left.kind, right.constant()) {
        (Arithmetic::Add, ExprKind::Column(_), Some(Value::Int(by))) if left.ty == ColumnType::Int => {
            Some(*by)
        }
        (Arithmetic::Sub, ExprKind::Column(_), Some(Value::Int(by))) if left.ty == ColumnType::Int => {
            by.checked_neg()
        }
        _ => None,
    }
}

/// Operands with AND or OR between them, nested so that the depth grows with the logarithm of their number;
/// of none, what always holds.
pub(crate) fn junction(mut operands: Vec<Fragment>, separator: &str) -> Fragment {
    while operands.len() > 1 {
        let mut level = Vec::with_capacity(operands.len().div_ceil(JUNCTION));
        let mut rest = operands.into_iter().peekable();
        while rest.peek().is_some() {
            let group: Vec<Fragment> = rest.by_ref().take(JUNCTION).collect();
            level.push(Fragment::sql("(").then(Fragment::join(group, separator)).text(")"));
        }
        operands = level;
    }
    operands.pop().unwrap_or_else(|| Fragment::sql("TRUE"))
}

/// Comparison of two values of one type.
pub(crate) fn comparison(op: Comparison, left: Fragment, right: Fragment) -> Fragment {
    Fragment::sql("(").then(left).text(symbol(op)).then(right).text(")")
}

/// The operator, between spaces.
pub(crate) fn symbol(op: Comparison) -> &'static str {
    match op {
        Comparison::Eq => " = ",
        Comparison::Ne => " <> ",
        Comparison::Lt => " < ",
        Comparison::Le => " <= ",
        Comparison::Gt => " > ",
        Comparison::Ge => " >= ",
    }
}

/// The operator for exchanged sides.
fn flipped(op: Comparison) -> Comparison {
    match op {
        Comparison::Eq | Comparison::Ne => op,
        Comparison::Lt => Comparison::Gt,
        Comparison::Le => Comparison::Ge,
        Comparison::Gt => Comparison::Lt,
        Comparison::Ge => Comparison::Le,
    }
}

/// The float that is equal to an integer, if there is one.
fn exact_float(value: i64) -> Option<f64> {
    let float = value as f64;
    (float < INT_END && float as i64 == value).then_some(float)
}

/// What an integer is compared with instead of a float; otherwise the answer for all integers.
fn int_bound(op: Comparison, float: f64) -> Result<(Comparison, i64), bool> {
    if float >= INT_END {
        return Err(matches!(op, Comparison::Lt | Comparison::Le | Comparison::Ne));
    }
    if float < -INT_END {
        return Err(matches!(op, Comparison::Gt | Comparison::Ge | Comparison::Ne));
    }
    match op {
        Comparison::Lt | Comparison::Ge => Ok((op, float.ceil() as i64)),
        Comparison::Le | Comparison::Gt => Ok((op, float.floor() as i64)),
        Comparison::Eq | Comparison::Ne if float.floor() == float => Ok((op, float as i64)),
        Comparison::Eq => Err(false),
        Comparison::Ne => Err(true),
    }
}

fn find<'a>(scope: &[&'a [Output]], name: &str) -> Result<&'a Expr> {
    scope
        .iter()
        .flat_map(|outputs| outputs.iter())
        .find(|output| output.name == name)
        .map(|output| &output.expr)
        .ok_or_else(|| {
            Error::new(ErrorKind::Argument, format!("a relation is unsound: there is no column '{name}'"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_junctions_nest_little() {
        let operands = (0..5000).map(|i| Fragment::sql(i.to_string())).collect();
        let text = junction(operands, " AND ").display();
        let (mut depth, mut deepest) = (0, 0);
        for c in text.chars() {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            deepest = deepest.max(depth);
        }
        assert_eq!((depth, deepest), (0, 3));
        assert_eq!(text.matches("AND").count(), 4999);
        assert_eq!(junction(vec![], " AND ").display(), "TRUE");
    }

    fn exactly(op: Comparison, int: i64, float: f64) -> bool {
        // Integers below 2^53 are exact as floats; greater ones meet only floats that are integers.
        let order = if float.floor() == float && float.abs() < 1e19 {
            i128::from(int).cmp(&(float as i128))
        } else if float.abs() >= 1e19 {
            if float > 0.0 { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater }
        } else {
            // Not an integer, so below 2^52.
            let floor = float.floor() as i128;
            if i128::from(int) <= floor { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater }
        };
        holds(op, order)
    }

    fn holds(op: Comparison, order: std::cmp::Ordering) -> bool {
        match op {
            Comparison::Eq => order.is_eq(),
            Comparison::Ne => order.is_ne(),
            Comparison::Lt => order.is_lt(),
            Comparison::Le => order.is_le(),
            Comparison::Gt => order.is_gt(),
            Comparison::Ge => order.is_ge(),
        }
    }

    proptest! {
        #[test]
        fn bounds_are_exact(
            int in prop_oneof![any::<i64>(), -9_i64..9, Just(i64::MAX), Just(i64::MIN)],
            float in prop_oneof![
                -9.0..9.0, any::<i64>().prop_map(|i| i as f64), proptest::num::f64::NORMAL, Just(INT_END), Just(-INT_END),
            ],
        ) {
            for op in [
                Comparison::Eq, Comparison::Ne, Comparison::Lt, Comparison::Le, Comparison::Gt, Comparison::Ge,
            ] {
                let found = match int_bound(op, float) {
                    Ok((op, bound)) => holds(op, int.cmp(&bound)),
                    Err(always) => always,
                };
                prop_assert_eq!(found, exactly(op, int, float), "{:?} {} {}", op, int, float);
            }
        }

        #[test]
        fn exact_floats_are_exact(int in any::<i64>()) {
            if let Some(float) = exact_float(int) {
                prop_assert_eq!(float as i128, i128::from(int));
            } else {
                prop_assert!(int as f64 as i128 != i128::from(int));
            }
        }
    }
}
