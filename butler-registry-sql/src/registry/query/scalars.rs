//! Typed expressions and predicates as scalars over the columns of a plan.

use arcstr::ArcStr;
use butler_core::backend::{Arithmetic, Comparison, Scalar, Value};
use butler_core::query::{DatasetField, ExprType, Field, Literal, Predicate, TypedExpr};
use butler_core::{DatasetId, Error, ErrorKind, Result, Timespan};

use super::plan::{Plan, unbound};

/// Distances of members of a range above this are not computed with remainders.
const STEP_MAX: i64 = 1 << 60;

/// A value in one or two columns.
enum Columns {
    One(Scalar),
    /// Begin and end of a timespan.
    Timespan(Scalar, Scalar),
    /// Origin and id of a dataset.
    Id(Scalar, Scalar),
}

impl Plan {
    /// The scalar of a predicate without overlaps of regions.
    pub(super) fn predicate(&self, predicate: &Predicate) -> Result<Scalar> {
        match predicate {
            Predicate::And(operands) => self.all(operands).map(Scalar::And),
            Predicate::Or(operands) => self.all(operands).map(Scalar::Or),
            Predicate::Not(operand) => self.predicate(operand).map(|operand| Scalar::Not(Box::new(operand))),
            Predicate::Field(field) => self.one(&TypedExpr::Field(field.clone())),
            Predicate::Compare { op, left, right } => self.comparison(*op, left, right),
            Predicate::IsNull(value) => self.is_null(value),
            Predicate::InList { value, list } => self.in_list(value, list),
            Predicate::InRange { value, start, stop, step } => {
                in_range(&self.one(value)?, *start, *stop, *step)
            }
            Predicate::Overlaps { left, right } => self.overlap(left, right),
            Predicate::Glob { value, pattern } => {
                Ok(Scalar::Glob { value: Box::new(self.one(value)?), pattern: pattern.clone() })
            }
        }
    }

    fn all(&self, operands: &[Predicate]) -> Result<Vec<Scalar>> {
        operands.iter().map(|operand| self.predicate(operand)).collect()
    }

    /// The scalar of an expression of a type that takes one column.
    pub(super) fn one(&self, expr: &TypedExpr) -> Result<Scalar> {
        match self.columns(expr)? {
            Columns::One(scalar) => Ok(scalar),
            Columns::Timespan(..) | Columns::Id(..) => {
                Err(Error::new(ErrorKind::InvalidQuery, format!("a {} has no order", expr.ty().name())))
            }
        }
    }

    fn columns(&self, expr: &TypedExpr) -> Result<Columns> {
        match expr {
            TypedExpr::Field(field) => self.field(field),
            TypedExpr::Literal(literal) => Ok(literal_columns(literal)),
            TypedExpr::Negate(operand) => Ok(Columns::One(Scalar::Negate(Box::new(self.one(operand)?)))),
            TypedExpr::Arithmetic { op, left, right } => {
                Ok(Columns::One(self.one(left)?.arithmetic(*op, self.one(right)?)))
            }
            TypedExpr::Begin(timespan) => self.bound(timespan, |begin, _| begin),
            TypedExpr::End(timespan) => self.bound(timespan, |_, end| end),
        }
    }

    /// A bound of a timespan. Where there is no timespan it is before all others, as in the reference.
    fn bound(&self, timespan: &TypedExpr, choose: impl Fn(Scalar, Scalar) -> Scalar) -> Result<Columns> {
        match self.columns(timespan)? {
            Columns::Timespan(begin, end) => {
                Ok(Columns::One(Scalar::Coalesce(vec![choose(begin, end), i64::MIN.into()])))
            }
            _ => Err(unbound("a timespan")),
        }
    }

    fn field(&self, field: &Field) -> Result<Columns> {
        match field {
            Field::Key(dimension) => self.key(*dimension).map(Columns::One),
            Field::Record { element, field } => {
                let column = |name: &str| {
                    self.records
                        .get(&(*element, ArcStr::from(name)))
                        .map(|column| Scalar::Column(column.clone()))
                        .ok_or_else(|| unbound(&format!("{element}.{name}")))
                };
                if field == "timespan" {
                    return Ok(Columns::Timespan(column("timespan_begin")?, column("timespan_end")?));
                }
                column(field).map(Columns::One)
            }
            Field::Dataset { dataset_type, field } => self.dataset_field(dataset_type, *field),
        }
    }

    fn dataset_field(&self, dataset_type: &ArcStr, field: DatasetField) -> Result<Columns> {
        let missing = || unbound(&format!("{dataset_type}.{}", field.name()));
        let columns = self.datasets.get(dataset_type).ok_or_else(missing)?;
        let column = |name: &Option<ArcStr>| name.clone().map(Scalar::Column).ok_or_else(missing);
        Ok(match field {
            DatasetField::DatasetId => {
                Columns::Id(Scalar::Column(columns.origin.clone()), Scalar::Column(columns.id.clone()))
            }
            DatasetField::Run => Columns::One(column(&columns.run_name)?),
            DatasetField::Collection => Columns::One(column(&columns.collection_name)?),
            DatasetField::IngestDate => Columns::One(column(&columns.ingested_at)?),
            DatasetField::Timespan => {
                let validity = columns.validity.as_ref().ok_or_else(missing)?;
                Columns::Timespan(
                    Scalar::Column(validity.begin.clone()),
                    Scalar::Column(validity.end.clone()),
                )
            }
        })
    }

    fn comparison(&self, op: Comparison, left: &TypedExpr, right: &TypedExpr) -> Result<Scalar> {
        match (self.columns(left)?, self.columns(right)?) {
            (Columns::One(a), Columns::One(b)) => Ok(a.compare(op, b)),
            (Columns::Id(a, b), Columns::Id(c, d)) => {
                let same = Scalar::all([a.eq(c), b.eq(d)]);
                match op {
                    Comparison::Eq => Ok(same),
                    Comparison::Ne => Ok(same.negated()),
                    _ => Err(Error::new(ErrorKind::InvalidQuery, "dataset ids have no order")),
                }
            }
            // No dataset has an id that no dataset can have.
            (Columns::Id(..), _) | (_, Columns::Id(..)) => {
                Ok(if op == Comparison::Ne { Scalar::And(Vec::new()) } else { Scalar::Or(Vec::new()) })
            }
            _ => Err(Error::new(ErrorKind::InvalidQuery, "timespans are compared with OVERLAPS")),
        }
    }

    fn is_null(&self, value: &TypedExpr) -> Result<Scalar> {
        Ok(match self.columns(value)? {
            Columns::One(scalar) | Columns::Timespan(scalar, _) | Columns::Id(scalar, _) => scalar.is_null(),
        })
    }

    fn in_list(&self, value: &TypedExpr, list: &[Literal]) -> Result<Scalar> {
        match self.columns(value)? {
            Columns::One(scalar) => {
                let values = list
                    .iter()
                    .map(|literal| match literal_columns(literal) {
                        Columns::One(Scalar::Literal(value)) => Ok(value),
                        _ => Err(Error::new(ErrorKind::InvalidQuery, "a list holds values of another type")),
                    })
                    .collect::<Result<Vec<Value>>>()?;
                Ok(scalar.is_in(values))
            }
            Columns::Id(origin, id) => {
                let alternatives = list.iter().filter_map(|literal| match literal_columns(literal) {
                    Columns::Id(o, i) => Some(Scalar::all([origin.clone().eq(o), id.clone().eq(i)])),
                    _ => None,
                });
                Ok(Scalar::Or(alternatives.collect()))
            }
            Columns::Timespan(..) => Err(Error::new(ErrorKind::InvalidQuery, "IN does not take a timespan")),
        }
    }

    fn overlap(&self, left: &TypedExpr, right: &TypedExpr) -> Result<Scalar> {
        debug_assert_ne!(left.ty(), ExprType::Region, "overlaps of regions are dealt with before");
        match (self.columns(left)?, self.columns(right)?) {
            (Columns::Timespan(a, b), Columns::Timespan(c, d)) => Ok(Scalar::all([a.lt(d), c.lt(b)])),
            (Columns::Timespan(begin, end), Columns::One(instant))
            | (Columns::One(instant), Columns::Timespan(begin, end)) => {
                Ok(Scalar::all([begin.compare(Comparison::Le, instant.clone()), instant.lt(end)]))
            }
            _ => Err(Error::new(ErrorKind::InvalidQuery, "OVERLAPS does not take these values")),
        }
    }
}

fn literal_columns(literal: &Literal) -> Columns {
    let value = match literal {
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::Float(value) => Value::Float(*value),
        Literal::Text(value) => Value::Text(value.clone()),
        Literal::Hash(value) => Value::Bytes(value.clone()),
        Literal::Instant(value) => Value::Int(value.nanoseconds()),
        Literal::Region(value) => Value::Bytes(value.as_bytes().into()),
        Literal::Timespan(value) => return timespan(*value),
        Literal::Uuid(value) => {
            return match DatasetId::from_uuid(*value) {
                Ok(id) => Columns::Id(id.origin().into(), id.id().into()),
                Err(_) => Columns::One(Scalar::Or(Vec::new())),
            };
        }
    };
    Columns::One(Scalar::Literal(value))
}

fn timespan(value: Timespan) -> Columns {
    let (begin, end) = value.to_raw();
    Columns::Timespan(begin.into(), end.into())
}

/// Whether an integer is `start`, `start + step`, … and at most `stop`.
fn in_range(value: &Scalar, start: i64, stop: i64, step: i64) -> Result<Scalar> {
    if step < 1 {
        return Err(Error::new(
            ErrorKind::InvalidQuery,
            "the members of a range have a distance of at least 1",
        ));
    }
    if stop < start {
        return Ok(value.clone().is_in(Vec::new()));
    }
    let width = stop.abs_diff(start);
    if width < step.unsigned_abs() {
        return Ok(value.clone().eq(start));
    }
    let between = [value.clone().ge(start), value.clone().compare(Comparison::Le, stop.into())];
    if step == 1 {
        return Ok(Scalar::all(between));
    }
    if step > STEP_MAX {
        // At most a few members: they are listed, for differences might overflow.
        let members = (0..=width / step.unsigned_abs())
            .map(|n| Value::Int(start.wrapping_add_unsigned(n * step.unsigned_abs())))
            .collect();
        return Ok(value.clone().is_in(members));
    }
    let offset = value
        .clone()
        .arithmetic(Arithmetic::Rem, step)
        .arithmetic(Arithmetic::Sub, start % step)
        .arithmetic(Arithmetic::Rem, step);
    Ok(Scalar::all(between.into_iter().chain([offset.eq(0)])))
}
