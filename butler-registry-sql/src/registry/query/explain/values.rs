//! Values of dimensions that no record has.

use arcstr::ArcStr;
use butler_core::backend::{Relation, Scalar};
use butler_core::query::{FixedValues, ResultSpec};
use butler_core::{DimensionElement, DimensionValue, Result, suggest};
use futures::StreamExt;

use super::{Inquiry, exists, listed};
use crate::registry::layout::element_table;
use crate::registry::rows::is;

/// No more names than this are looked through for one that may have been meant.
const CANDIDATES_MAX: usize = 10_000;

impl Inquiry<'_> {
    /// Dimensions that are demanded to have two values.
    pub(super) fn contradictions(&self) -> impl Iterator<Item = String> {
        FixedValues::of(&self.query.predicate).contradictions.into_iter().map(|(dimension, one, other)| {
            format!("the condition requires both {dimension} = {one} and {dimension} = {other}")
        })
    }

    /// Elements without records, and values that no record has.
    pub(super) async fn missing_records(&self) -> Result<Vec<String>> {
        let fixed = FixedValues::of(&self.query.predicate).values;
        let mut missing: Vec<DimensionElement> = Vec::new();
        let mut reasons = Vec::new();
        for element in self.elements() {
            if element.required().any(|dimension| missing.contains(&dimension)) {
                continue;
            }
            let records = records_of(element);
            let known: Vec<(DimensionElement, &DimensionValue)> = element
                .required()
                .filter_map(|dimension| Some((dimension, fixed.get(&dimension)?)))
                .collect();
            let (own, scope): (Vec<_>, Vec<_>) =
                known.into_iter().partition(|(dimension, _)| *dimension == element);
            let scoped = with_values(records, &scope);
            if !exists(self.shared, scoped.clone()).await? {
                missing.push(element);
                reasons.push(format!("there are no records of '{element}'{}", of(&scope)));
            } else if let [(_, value)] = own[..]
                && !exists(self.shared, with_values(scoped.clone(), &own)).await?
            {
                missing.push(element);
                let hint = match value {
                    DimensionValue::Text(name) => self.meant(element, name, scoped).await?,
                    DimensionValue::Int(_) => None,
                };
                let hint = hint.map_or_else(String::new, |near| format!("; did you mean '{near}'?"));
                reasons.push(format!("there is no {element} {value}{}{hint}", of(&scope)));
            }
        }
        Ok(reasons)
    }

    /// Elements that must have a record for each row.
    fn elements(&self) -> impl Iterator<Item = DimensionElement> {
        let result = match &self.query.result {
            ResultSpec::Records { element } => Some(*element),
            _ => None,
        };
        let dimensions = self.query.dimensions;
        let required: Vec<DimensionElement> = dimensions.required().collect();
        let fixed = FixedValues::of(&self.query.predicate).values;
        dimensions.elements().filter(move |element| {
            (element.has_table() || element.union_of().is_some())
                && (required.contains(element)
                    || element.always_join()
                    || Some(*element) == result
                    || fixed.contains_key(element))
        })
    }

    /// The name that was probably meant.
    async fn meant(
        &self,
        element: DimensionElement,
        name: &str,
        records: Relation,
    ) -> Result<Option<String>> {
        let mut names: Vec<String> = Vec::new();
        let mut batches = self.shared.backend.stream(records.select([element.name().clone()])).await?;
        while let Some(batch) = batches.next().await.transpose()? {
            let column = &batch.columns()[0];
            names.extend((0..batch.len()).filter_map(|row| column.text(row).map(str::to_owned)));
            if names.len() > CANDIDATES_MAX {
                break;
            }
        }
        Ok(suggest::nearest(name, names.iter().map(String::as_str)).map(str::to_owned))
    }
}

/// The records of an element; for one without a table, those of the element that has its values.
fn records_of(element: DimensionElement) -> Relation {
    element_table(element.union_of().unwrap_or(element)).scan()
}

fn with_values(records: Relation, values: &[(DimensionElement, &DimensionValue)]) -> Relation {
    if values.is_empty() {
        return records;
    }
    let conditions =
        values.iter().map(|(dimension, value)| is(ArcStr::clone(dimension.name()), (*value).clone()));
    records.filter(Scalar::all(conditions))
}

/// What something belongs to.
fn of(scope: &[(DimensionElement, &DimensionValue)]) -> String {
    let parts: Vec<String> = scope.iter().map(|(dimension, value)| format!("{dimension} {value}")).collect();
    if parts.is_empty() { String::new() } else { format!(" of {}", listed(&parts)) }
}
