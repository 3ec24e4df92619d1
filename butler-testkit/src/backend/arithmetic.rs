//! Each row of the table at [`Scalar`]: arithmetic.

use butler_core::backend::{Arithmetic, ColumnType, Comparison, Relation, Scalar, Value};
use butler_core::{ErrorKind, Result};

use super::BackendHarness;
use super::fixture::{Fixture, NULL, batch, batch_of, col, lit, made_up, rows, things, values};

use Arithmetic::{Add, Div, Mul, Quotient, Rem, Sub};
use ColumnType::{Float, Int};

/// The result of an operator on two values, as columns and then as literals; NULLs have a type.
fn operations(op: Arithmetic, left: (ColumnType, Value), right: (ColumnType, Value)) -> [Relation; 2] {
    let literal = |(ty, value): &(ColumnType, Value)| match value {
        Value::Null => Scalar::Null(*ty),
        value => lit(value.clone()),
    };
    let (a, b) = (literal(&left), literal(&right));
    let columns = values(batch_of(&[("a", left.0), ("b", right.0)], vec![vec![left.1, right.1]]));
    let one = values(batch!([x: Int] [1]));
    [columns.project([("v", col("a").arithmetic(op, col("b")))]), one.project([("v", a.arithmetic(op, b))])]
}

fn typed(value: impl Into<Value>) -> (ColumnType, Value) {
    let value = value.into();
    (value.ty().unwrap_or(Int), value)
}

async fn gives(
    db: &Fixture,
    op: Arithmetic,
    left: (ColumnType, Value),
    right: (ColumnType, Value),
    result: impl Into<Value>,
) -> Result<()> {
    let result = result.into();
    for relation in operations(op, left.clone(), right.clone()) {
        let found = db.value(relation).await?;
        assert_eq!(found, result, "{op:?} of {} and {}", left.1, right.1);
        if let Value::Float(found) = found {
            assert!(found != 0.0 || found.is_sign_positive(), "{op:?} of {} and {} is -0.0", left.1, right.1);
        }
    }
    Ok(())
}

async fn overflows(db: &Fixture, op: Arithmetic, left: impl Into<Value>, right: impl Into<Value>) {
    for relation in operations(op, typed(left), typed(right)) {
        db.refuses(relation, ErrorKind::Argument).await;
    }
}

pub(super) async fn integers_are_added_and_multiplied(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    for (op, left, right, result) in [
        (Add, i64::MAX - 1, 1, i64::MAX),
        (Add, i64::MIN, i64::MAX, -1),
        (Add, (1 << 53) + 1, 0, (1 << 53) + 1),
        (Sub, i64::MIN + 1, 1, i64::MIN),
        (Sub, -1, i64::MIN, i64::MAX),
        (Sub, 3, 5, -2),
        (Mul, 3_037_000_499, 3_037_000_499, 9_223_372_030_926_249_001),
        (Mul, i64::MIN, 1, i64::MIN),
        (Mul, -(1 << 31), 1 << 32, i64::MIN),
        (Mul, 0, i64::MIN, 0),
    ] {
        gives(&db, op, typed(left), typed(right), result).await?;
    }
    Ok(())
}

pub(super) async fn overflow_of_integers_is_an_error(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    for (op, left, right) in [
        (Add, i64::MAX, 1),
        (Add, i64::MIN, -1),
        (Add, i64::MAX, i64::MAX),
        (Sub, i64::MIN, 1),
        (Sub, 0, i64::MIN),
        (Sub, i64::MAX, -1),
        (Mul, 1 << 32, 1 << 31),
        (Mul, i64::MIN, -1),
        (Mul, -1, i64::MIN),
        (Mul, i64::MAX, 2),
        (Mul, 3_037_000_500, 3_037_000_500),
    ] {
        overflows(&db, op, left, right).await;
    }
    Ok(())
}

pub(super) async fn floats_are_calculated(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    for (op, left, right, result) in [
        (Add, 0.1, 0.2, 0.1 + 0.2),
        (Add, 1e308, -1e308, 0.0),
        (Sub, 0.3, 0.1, 0.3 - 0.1),
        (Mul, 0.1, 3.0, 0.1 * 3.0),
        (Mul, 5e-324, 1.0, 5e-324),
        (Mul, 1e-200, 1e-120, 1e-200 * 1e-120),
        (Mul, -1.5, 0.0, 0.0),
        (Div, 1.0, 3.0, 1.0 / 3.0),
        (Div, 0.0, -5.0, 0.0),
        (Div, f64::MAX, -1.0, f64::MIN),
        (Add, f64::MAX, 1.0, f64::MAX),
    ] {
        gives(&db, op, typed(left), typed(right), result).await?;
    }
    Ok(())
}

pub(super) async fn overflow_of_floats_is_an_error(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    overflows(&db, Add, f64::MAX, f64::MAX).await;
    overflows(&db, Sub, f64::MIN, f64::MAX).await;
    overflows(&db, Mul, 1e200, -1e200).await;
    overflows(&db, Div, 1e300, 1e-300).await;
    overflows(&db, Mul, 1e300, i64::MAX).await;
    Ok(())
}

pub(super) async fn underflow_of_floats_is_an_error(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    overflows(&db, Mul, 1e-200, 1e-200).await;
    overflows(&db, Mul, 5e-324, -0.5).await;
    overflows(&db, Div, 5e-324, 2.0).await;
    overflows(&db, Div, 1e-300, 1e300).await;
    Ok(())
}

pub(super) async fn an_integer_becomes_a_float_beside_one(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    gives(&db, Add, typed(1), typed(0.5), 1.5).await?;
    gives(&db, Sub, typed(0.5), typed(2), -1.5).await?;
    gives(&db, Mul, typed((1_i64 << 53) + 1), typed(1.0), 9_007_199_254_740_992.0).await?;
    gives(&db, Add, typed(i64::MAX), typed(0.0), 9_223_372_036_854_775_808.0).await?;
    gives(&db, Div, typed(1), typed(4.0), 0.25).await?;
    Ok(())
}

pub(super) async fn division_is_true_division(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    gives(&db, Div, typed(7), typed(2), 3.5).await?;
    gives(&db, Div, typed(6), typed(2), 3.0).await?;
    gives(&db, Div, typed(-1), typed(3), -1.0 / 3.0).await?;
    gives(&db, Div, typed(i64::MAX), typed(i64::MAX - 1), 1.0).await?;
    gives(&db, Div, typed(i64::MIN), typed(-1), 9_223_372_036_854_775_808.0).await?;
    Ok(())
}

pub(super) async fn division_by_zero_is_null(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    for op in [Div, Quotient, Rem] {
        gives(&db, op, typed(5), typed(0), NULL).await?;
        gives(&db, op, typed(0), typed(0), NULL).await?;
        gives(&db, op, typed(i64::MIN), typed(0), NULL).await?;
    }
    gives(&db, Div, typed(1.5), typed(0.0), NULL).await?;
    gives(&db, Div, typed(1.5), typed(0), NULL).await?;
    gives(&db, Div, typed(5), typed(-0.0), NULL).await?;
    Ok(())
}

pub(super) async fn quotients_go_towards_zero(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    for (left, right, result) in [
        (7, 2, 3),
        (-7, 2, -3),
        (7, -2, -3),
        (-7, -2, 3),
        (1, 2, 0),
        (-1, 2, 0),
        (i64::MIN, 2, i64::MIN / 2),
        (i64::MAX, -1, -i64::MAX),
        (i64::MAX, i64::MAX - 1, 1),
    ] {
        gives(&db, Quotient, typed(left), typed(right), result).await?;
    }
    overflows(&db, Quotient, i64::MIN, -1).await;
    Ok(())
}

pub(super) async fn remainders_have_the_sign_of_the_dividend(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    for (left, right, result) in [
        (7, 2, 1),
        (-7, 2, -1),
        (7, -2, 1),
        (-7, -2, -1),
        (6, 3, 0),
        (-6, 3, 0),
        (5, -1, 0),
        (i64::MIN, -1, 0),
        (i64::MIN, i64::MAX, -1),
    ] {
        gives(&db, Rem, typed(left), typed(right), result).await?;
    }
    Ok(())
}

pub(super) async fn a_number_is_negated(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let negated = |ty, value: Value| {
        let column = values(batch_of(&[("a", ty)], vec![vec![value]]));
        column.project([("v", Scalar::Negate(Box::new(col("a"))))])
    };
    for (value, result) in [(5, -5), (0, 0), (i64::MAX, -i64::MAX), (-3, 3)] {
        assert_eq!(db.value(negated(Int, value.into())).await?, Value::Int(result));
    }
    assert_eq!(db.value(negated(Float, 1.5.into())).await?, Value::Float(-1.5));
    let Value::Float(zero) = db.value(negated(Float, 0.0.into())).await? else {
        return Err(made_up());
    };
    assert!(zero == 0.0 && zero.is_sign_positive());
    db.refuses(negated(Int, i64::MIN.into()), ErrorKind::Argument).await;
    Ok(())
}

pub(super) async fn null_makes_null(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    for op in [Add, Sub, Mul, Div, Quotient, Rem] {
        gives(&db, op, (Int, NULL), typed(2), NULL).await?;
        gives(&db, op, typed(2), (Int, NULL), NULL).await?;
        gives(&db, op, (Int, NULL), typed(0), NULL).await?;
        gives(&db, op, (Int, NULL), (Int, NULL), NULL).await?;
    }
    gives(&db, Mul, (Float, NULL), typed(0.0), NULL).await?;
    gives(&db, Add, (Int, NULL), typed(0.5), NULL).await?;
    let column = values(batch_of(&[("a", Int)], vec![vec![NULL]]));
    assert_eq!(db.value(column.project([("v", Scalar::Negate(Box::new(col("a"))))])).await?, NULL);
    Ok(())
}

pub(super) async fn operands_have_types(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    for (op, left, right) in [
        (Add, Value::from("1"), Value::from(1)),
        (Rem, 1.5.into(), 1.into()),
        (Quotient, 3.into(), 1.5.into()),
        (Mul, true.into(), 1.into()),
    ] {
        overflows(&db, op, left, right).await;
    }
    Ok(())
}

pub(super) async fn operators_bind_as_they_are_nested(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let input = || values(batch!([a: Int, b: Int, c: Int] [10, 4, 3]));
    let (a, b, c) = (|| col("a"), || col("b"), || col("c"));
    let cases: [(Scalar, i64); 6] = [
        (a().arithmetic(Sub, b().arithmetic(Sub, c())), 9),
        (a().arithmetic(Sub, b()).arithmetic(Sub, c()), 3),
        (a().arithmetic(Add, b()).arithmetic(Mul, c()), 42),
        (a().arithmetic(Quotient, b().arithmetic(Quotient, c())), 10),
        (Scalar::Negate(Box::new(Scalar::Negate(Box::new(a().arithmetic(Add, b()))))), 14),
        (a().arithmetic(Rem, b().arithmetic(Rem, c())), 0),
    ];
    for (scalar, expected) in cases {
        assert_eq!(
            db.value(input().project([("v", scalar.clone())])).await?,
            Value::Int(expected),
            "{scalar:?}"
        );
    }
    let either = a().lt(0).negated().compare(Comparison::Eq, b().gt(c()));
    assert_eq!(db.rows(input().project([("v", either)])).await?, rows!([true]));
    Ok(())
}

/// In any row of the result; whether it does elsewhere is left open.
pub(super) async fn an_error_in_any_row_surfaces(h: &dyn BackendHarness) -> Result<()> {
    let db = Fixture::new(h).await?;
    let spec = things();
    let table = db.create(spec).await?;
    db.insert(&table, batch!([id: Int] [1] [2] [i64::MAX] [3])).await?;
    let next = table.scan().project([("next", col("id").arithmetic(Add, 1))]);
    db.refuses(next, ErrorKind::Argument).await;
    let condition = table.scan().filter(col("id").arithmetic(Mul, 2).gt(0));
    db.refuses(condition, ErrorKind::Argument).await;
    let fine = table.scan().filter(col("id").lt(100)).project([("id", col("id"))]);
    assert_eq!(db.count(fine).await?, 3);
    Ok(())
}
