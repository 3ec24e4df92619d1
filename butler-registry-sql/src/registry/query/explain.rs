//! How a query is evaluated, and why it has no rows.

use std::sync::Arc;

use butler_core::backend::Relation;
use butler_core::query::{Explanation, FixedValues, Predicate, Query};
use butler_core::{DimensionElement, DimensionValue, Result};

use super::{Prepared, count, prepare};
use crate::registry::Shared;
use crate::registry::layout::element_table;
use crate::registry::records::{RecordKey, fetch};

/// Explains a query.
pub(crate) async fn explain(shared: &Arc<Shared>, query: Query) -> Result<Explanation> {
    let prepared = prepare(shared, &query).await?;
    let mut reasons = evident_reasons(&query, &prepared);
    if reasons.is_empty() && is_empty(shared, query.clone()).await? {
        reasons = found_reasons(shared, &query).await?;
    }
    let relation = format!("{:#?}", prepared.shaped.relation);
    let plan = shared.backend.explain(prepared.shaped.relation).await?;
    Ok(Explanation { reasons, relation, plan })
}

async fn is_empty(shared: &Arc<Shared>, query: Query) -> Result<bool> {
    // Order may decide nothing about that, and a calibration in doubt is found out elsewhere.
    Ok(count(shared, Query { limit: Some(1), offset: 0, order_by: Vec::new(), ..query }).await? == 0)
}

/// Reasons that need no look at the rows.
fn evident_reasons(query: &Query, prepared: &Prepared) -> Vec<String> {
    let mut reasons = Vec::new();
    for (search, plan) in query.datasets.iter().zip(&prepared.searches) {
        let (name, members) = (search.dataset_type.name(), search.collections.members());
        if members.is_empty() {
            reasons.push(format!("no collections are searched for datasets of type '{name}'"));
        } else if plan.places.is_empty() {
            let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
            reasons.push(format!("there are no datasets of type '{name}' in {}", names.join(", ")));
        }
    }
    if query.uploads.iter().any(|upload| upload.is_empty()) {
        reasons.push("the data IDs that the caller gave are none".to_owned());
    }
    for (dimension, one, other) in FixedValues::of(&query.predicate).contradictions {
        reasons.push(format!("dimension '{dimension}' cannot have both the values {one} and {other}"));
    }
    reasons
}

/// Reasons that are found by looking.
async fn found_reasons(shared: &Arc<Shared>, query: &Query) -> Result<Vec<String>> {
    let mut reasons = Vec::new();
    let fixed = FixedValues::of(&query.predicate);
    let tables = |element: &DimensionElement| element.has_table() && element.is_dimension();
    for element in query.dimensions.elements().filter(tables) {
        let key: Option<RecordKey> =
            element.required().map(|dimension| fixed.values.get(&dimension).cloned()).collect();
        if is_relation_empty(shared, element_table(element).scan()).await? {
            reasons.push(format!("there are no records of dimension '{element}'"));
        } else if let Some(key) = key
            && fetch(shared, element, std::slice::from_ref(&key)).await?.is_empty()
        {
            let values: Vec<String> = key.iter().map(DimensionValue::to_string).collect();
            reasons.push(format!("dimension '{element}' has no record for {}", values.join(", ")));
        }
    }
    if !reasons.is_empty() {
        return Ok(reasons);
    }
    let unconditional = Query { predicate: Predicate::always(), ..query.clone() };
    Ok(vec![if query.predicate.is_always() || is_empty(shared, unconditional).await? {
        "the records, datasets and data IDs that are joined have no values in common".to_owned()
    } else {
        "the condition holds for none of the rows that there are without it".to_owned()
    }])
}

async fn is_relation_empty(shared: &Shared, relation: Relation) -> Result<bool> {
    let counted = shared.collect(relation.count()).await?;
    let count = counted.iter().find(|batch| !batch.is_empty()).and_then(|batch| batch.columns()[0].int(0));
    Ok(count.unwrap_or_default() == 0)
}
