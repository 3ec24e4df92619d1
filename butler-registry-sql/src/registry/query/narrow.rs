//! Ranges of a dimension's values as lists of those that there are.
//!
//! Tables of datasets are in order of their data IDs. A range ends the use of that order: all detectors
//! of all exposures in it are read to find a few of the detectors. With the exposures listed, each
//! combination is looked up.

use arcstr::ArcStr;
use butler_core::backend::{Comparison, SortKey, Value};
use butler_core::query::{Field, FixedValues, Literal, Predicate, TypedExpr};
use butler_core::{DimensionElement, Result};

use super::plan::Plan;
use super::searches::SearchPlan;
use crate::registry::Shared;
use crate::registry::layout::clustered;

/// Most values that are listed.
const LISTED_MAX: usize = 500;

/// The values of which dimension a condition limits, on one side or both.
fn limited(condition: &Predicate) -> Option<DimensionElement> {
    match condition {
        Predicate::Compare {
            op: Comparison::Lt | Comparison::Le | Comparison::Gt | Comparison::Ge,
            left,
            right,
        } => match (left, right) {
            (TypedExpr::Field(Field::Key(dimension)), TypedExpr::Literal(_))
            | (TypedExpr::Literal(_), TypedExpr::Field(Field::Key(dimension))) => Some(*dimension),
            _ => None,
        },
        Predicate::InRange { value: TypedExpr::Field(Field::Key(dimension)), .. } => Some(*dimension),
        _ => None,
    }
}

/// The dimension whose values a condition lists.
fn listed(condition: &Predicate) -> Option<DimensionElement> {
    match condition {
        Predicate::Compare { op: Comparison::Eq, left, right } => match (left, right) {
            (TypedExpr::Field(Field::Key(dimension)), TypedExpr::Literal(_))
            | (TypedExpr::Literal(_), TypedExpr::Field(Field::Key(dimension))) => Some(*dimension),
            _ => None,
        },
        Predicate::InList { value: TypedExpr::Field(Field::Key(dimension)), .. } => Some(*dimension),
        _ => None,
    }
}

/// The dimension of a search whose range keeps conditions on later ones from being of use.
fn obstacle(search: &SearchPlan, fixed: &FixedValues, conditions: &[Predicate]) -> Option<DimensionElement> {
    let mut order = clustered(search.group()).into_iter();
    let dimension = order.find(|dimension| !fixed.values.contains_key(dimension))?;
    let scope = dimension.required().all(|other| other == dimension || fixed.values.contains_key(&other));
    let is_limited = conditions.iter().any(|condition| limited(condition) == Some(dimension));
    let later: Vec<DimensionElement> = order.collect();
    let is_useful =
        conditions.iter().any(|condition| listed(condition).is_some_and(|other| later.contains(&other)));
    (dimension.has_table() && scope && is_limited && is_useful).then_some(dimension)
}

/// Replaces ranges by lists, where that helps to find the datasets of a search.
///
/// Every value of a dataset's data ID has a record, so that the records tell which values there are.
pub(super) async fn list_ranges(
    shared: &Shared,
    searches: &[SearchPlan],
    fixed: &FixedValues,
    conditions: &mut Vec<Predicate>,
) -> Result<()> {
    for search in searches {
        let Some(dimension) = obstacle(search, fixed, conditions) else { continue };
        let Some(values) = values_in_range(shared, dimension, fixed, conditions).await? else { continue };
        conditions.retain(|condition| limited(condition) != Some(dimension));
        conditions.push(Predicate::InList { value: TypedExpr::Field(Field::Key(dimension)), list: values });
    }
    Ok(())
}

/// The values of a dimension that its range leaves; none if they are too many.
async fn values_in_range(
    shared: &Shared,
    dimension: DimensionElement,
    fixed: &FixedValues,
    conditions: &[Predicate],
) -> Result<Option<Vec<Literal>>> {
    let scope = dimension
        .required()
        .filter_map(|other| fixed.values.get(&other).map(|value| Predicate::key_equals(other, value)));
    let ranges = conditions.iter().filter(|condition| limited(condition) == Some(dimension)).cloned();
    let conditions: Vec<Predicate> = scope.chain(ranges).collect();
    let mut plan = Plan::new(dimension.minimal_group());
    plan.join_restricted(dimension, &[], conditions.iter())?;
    let (name, value): (ArcStr, _) = (dimension.name().clone(), plan.key(dimension)?);
    let relation = plan.finish().project([(name.clone(), value)]).slice(
        vec![SortKey::ascending(name)],
        0,
        Some(LISTED_MAX as u64 + 1),
    );
    let mut values = Vec::new();
    for found in shared.collect(relation).await? {
        values.extend((0..found.len()).filter_map(|row| match found.columns()[0].value(row) {
            Value::Int(value) => Some(Literal::Int(value)),
            Value::Text(value) => Some(Literal::Text(value)),
            _ => None,
        }));
    }
    Ok(Some(values).filter(|values| values.len() <= LISTED_MAX))
}
