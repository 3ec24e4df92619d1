//! The first rows of an order, found among the first records of what they are ordered by.
//!
//! Most rows of a table are joined with its records and sorted in vain if only the first few are asked
//! for. The records are far fewer: the first of them alone mostly have enough rows.

use arcstr::ArcStr;
use butler_core::backend::{ColumnBatch, SortKey, Value};
use butler_core::query::{Field, Literal, OrderTerm, Predicate, Query, ResultSpec, TypedExpr};
use butler_core::{DimensionElement, DimensionGroup, DimensionValue, Result};

use super::plan::{Plan, unbound};
use super::spatial::{concerns, conjuncts, is_spatial};
use crate::registry::Shared;
use crate::registry::rows::{Strings, key};

/// More rows are not kept in memory.
const ROWS_MAX: u64 = 10_000;

/// Numbers of records that are tried.
pub(super) const ATTEMPTS: [usize; 2] = [16, 256];

/// More records than these are not looked at to find all that come at the same place.
const TIED_MAX: usize = 64;

const ORDER: ArcStr = arcstr::literal!("order");

/// What a query is ordered by first: something of one element's records.
pub(super) struct Leading<'a> {
    element: DimensionElement,
    term: &'a OrderTerm,
    conditions: Vec<Predicate>,
}

impl<'a> Leading<'a> {
    /// The element, if it is determined by each row of the result.
    pub(super) fn of(query: &'a Query) -> Option<Self> {
        query.limit.filter(|limit| (1..=ROWS_MAX).contains(limit))?;
        let term = query.order_by.first()?;
        let (mut element, mut same) = (None, true);
        term.value.for_each_field(&mut |field| match field {
            Field::Record { element: of, .. } => same &= *element.get_or_insert(*of) == *of,
            Field::Key(_) | Field::Dataset { .. } => same = false,
        });
        let element: DimensionElement = element.filter(|element| same && element.has_table())?;
        let group: DimensionGroup = match &query.result {
            ResultSpec::Datasets { dataset_type, .. } => {
                let search =
                    query.datasets.iter().find(|search| search.dataset_type.name() == dataset_type)?;
                search.dataset_type.group()
            }
            ResultSpec::DataIds { dimensions } => *dimensions,
            _ => return None,
        };
        let of_rows = element.is_dimension() && element.required().all(|d| group.required().any(|o| o == d));
        // Regions are compared before anything is sorted, for all rows.
        let plain = of_rows && !is_spatial(&query.predicate);
        let conditions = conjuncts(query.predicate.clone());
        let conditions = conditions.into_iter().filter(|condition| concerns(element, condition)).collect();
        plain.then_some(Self { element, term, conditions })
    }

    /// A condition for rows of about the first `count` records; none if there are no others, or that is not easily said.
    ///
    /// All rows that it keeps out come after all others.
    pub(super) async fn condition(&self, shared: &Shared, count: usize) -> Result<Option<Predicate>> {
        let dimensions: Vec<DimensionElement> = self.element.required().collect();
        let mut plan = Plan::new(self.element.minimal_group());
        let mut fields = Vec::new();
        self.term.value.for_each_field(&mut |field| {
            if let Field::Record { field, .. } = field {
                fields.push(field.clone());
            }
        });
        plan.join_restricted(self.element, &fields, self.conditions.iter())?;
        let mut columns = vec![(ORDER, plan.one(&self.term.value)?)];
        let mut order = vec![SortKey { column: ORDER, descending: self.term.descending }];
        for dimension in &dimensions {
            columns.push((dimension.name().clone(), plan.key(*dimension)?));
            order.push(SortKey::ascending(dimension.name().clone()));
        }
        let records = plan.finish().project(columns).slice(order, 0, Some((count + TIED_MAX) as u64));
        let mut rows = Vec::new();
        let mut strings = Strings::default();
        for found in shared.collect(records).await? {
            read(&found, &mut strings, &mut rows)?;
        }
        let Some(last) = rows.get(count - 1).map(|row| row.order.clone()) else { return Ok(None) };
        let end = count + rows[count..].iter().take_while(|row| row.order == last).count();
        if end == rows.len() {
            return Ok(None);
        }
        rows.truncate(end);
        self.among(&dimensions, &rows)
    }

    /// The condition to belong to some records, which must agree in all dimensions but their own.
    fn among(&self, dimensions: &[DimensionElement], rows: &[Row]) -> Result<Option<Predicate>> {
        let own = dimensions.iter().position(|d| *d == self.element).ok_or_else(|| unbound("a dimension"))?;
        let mut condition = Predicate::always();
        for (at, dimension) in dimensions.iter().enumerate().filter(|(at, _)| *at != own) {
            if rows.iter().any(|row| row.key[at] != rows[0].key[at]) {
                return Ok(None);
            }
            condition = condition.and(Predicate::key_equals(*dimension, &rows[0].key[at]));
        }
        let literal = |row: &Row| match &row.key[own] {
            DimensionValue::Int(value) => Literal::Int(*value),
            DimensionValue::Text(value) => Literal::Text(value.clone()),
        };
        let value = TypedExpr::Field(Field::Key(self.element));
        Ok(Some(condition.and(Predicate::InList { value, list: rows.iter().map(literal).collect() })))
    }
}

/// A record, by what it is ordered by.
struct Row {
    order: Value,
    key: Vec<DimensionValue>,
}

fn read(found: &ColumnBatch, strings: &mut Strings, into: &mut Vec<Row>) -> Result<()> {
    let (order, keys) = found.columns().split_first().ok_or_else(|| unbound(&ORDER))?;
    for row in 0..found.len() {
        let key = keys.iter().map(|column| key(column, row, strings)).collect::<Result<_>>()?;
        into.push(Row { order: order.value(row), key });
    }
    Ok(())
}
