//! Arithmetic that fails when a result is out of range.
//!
//! SQLite turns integers that overflow into floats, and floats into infinity.

use butler_core::backend::Arithmetic;
use diesel::serialize::{IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Double, Nullable};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, SqliteConnection};

use crate::sql::arithmetic;

/// Begins the message of an overflow; [`crate::error`] knows it.
pub(crate) const OUT_OF_RANGE: &str = "out of range: ";

#[diesel::declare_sql_function]
extern "SQL" {
    fn butler_int_add(left: Nullable<BigInt>, right: Nullable<BigInt>) -> Nullable<BigInt>;
    fn butler_int_sub(left: Nullable<BigInt>, right: Nullable<BigInt>) -> Nullable<BigInt>;
    fn butler_int_mul(left: Nullable<BigInt>, right: Nullable<BigInt>) -> Nullable<BigInt>;
    fn butler_int_quotient(left: Nullable<BigInt>, right: Nullable<BigInt>) -> Nullable<BigInt>;
    fn butler_int_rem(left: Nullable<BigInt>, right: Nullable<BigInt>) -> Nullable<BigInt>;
    fn butler_float_add(left: Nullable<Double>, right: Nullable<Double>) -> Nullable<Double>;
    fn butler_float_sub(left: Nullable<Double>, right: Nullable<Double>) -> Nullable<Double>;
    fn butler_float_mul(left: Nullable<Double>, right: Nullable<Double>) -> Nullable<Double>;
    fn butler_float_div(left: Nullable<Double>, right: Nullable<Double>) -> Nullable<Double>;
}

/// Name of the function for an operator.
pub(crate) fn name(op: Arithmetic, float: bool) -> &'static str {
    match (op, float) {
        (Arithmetic::Add, false) => "butler_int_add",
        (Arithmetic::Sub, false) => "butler_int_sub",
        (Arithmetic::Mul, false) => "butler_int_mul",
        (Arithmetic::Add, true) => "butler_float_add",
        (Arithmetic::Sub, true) => "butler_float_sub",
        (Arithmetic::Mul, true) => "butler_float_mul",
        (Arithmetic::Div, _) => "butler_float_div",
        (Arithmetic::Quotient, _) => "butler_int_quotient",
        (Arithmetic::Rem, _) => "butler_int_rem",
    }
}

/// Makes the functions known to a connection.
///
/// # Errors
/// If the memory is full.
pub(crate) fn register(connection: &mut SqliteConnection) -> QueryResult<()> {
    use Arithmetic::{Add, Div, Mul, Quotient, Rem, Sub};
    butler_int_add_utils::register_impl(connection, |l, r| int(Add, l, r))?;
    butler_int_sub_utils::register_impl(connection, |l, r| int(Sub, l, r))?;
    butler_int_mul_utils::register_impl(connection, |l, r| int(Mul, l, r))?;
    butler_int_quotient_utils::register_impl(connection, |l, r| int(Quotient, l, r))?;
    butler_int_rem_utils::register_impl(connection, |l, r| int(Rem, l, r))?;
    butler_float_add_utils::register_impl(connection, |l, r| float(Add, l, r))?;
    butler_float_sub_utils::register_impl(connection, |l, r| float(Sub, l, r))?;
    butler_float_mul_utils::register_impl(connection, |l, r| float(Mul, l, r))?;
    butler_float_div_utils::register_impl(connection, |l, r| float(Div, l, r))
}

/// A result, or what is wrong with it.
#[derive(Debug, PartialEq)]
struct Checked<T>(Result<Option<T>, String>);

fn int(op: Arithmetic, left: Option<i64>, right: Option<i64>) -> Checked<i64> {
    let (Some(l), Some(r)) = (left, right) else { return Checked(Ok(None)) };
    Checked(arithmetic::int(op, l, r).map_err(|_| format!("{OUT_OF_RANGE}{l} {op:?} {r}")))
}

fn float(op: Arithmetic, left: Option<f64>, right: Option<f64>) -> Checked<f64> {
    let (Some(l), Some(r)) = (left, right) else { return Checked(Ok(None)) };
    Checked(arithmetic::float(op, l, r).map_err(|_| format!("{OUT_OF_RANGE}{l:?} {op:?} {r:?}")))
}

macro_rules! to_sql {
    ($sql:ty, $rust:ty) => {
        impl ToSql<Nullable<$sql>, Sqlite> for Checked<$rust> {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> diesel::serialize::Result {
                match &self.0 {
                    Ok(None) => Ok(IsNull::Yes),
                    Ok(Some(value)) => {
                        out.set_value(*value);
                        Ok(IsNull::No)
                    }
                    Err(message) => Err(message.clone().into()),
                }
            }
        }
    };
}

to_sql!(BigInt, i64);
to_sql!(Double, f64);
