//! How a query is evaluated, and why it has no rows.

mod conditions;
mod searches;
mod values;

use std::sync::Arc;

use butler_core::backend::Relation;
use butler_core::query::{Explanation, Query, ResultSpec};
use butler_core::{ErrorKind, Result};
use futures::StreamExt;

use super::searches::SearchPlan;
use super::{prepare, run};
use crate::registry::Shared;

/// Explains a query.
pub(crate) async fn explain(shared: &Arc<Shared>, query: Query) -> Result<Explanation> {
    let prepared = prepare(shared, &query).await?;
    let reasons = Inquiry { shared, query: &query, searches: &prepared.searches }.reasons().await?;
    let relation = prepared.shaped.relation.to_string();
    let plan = shared.backend.explain(prepared.shaped.relation).await?;
    Ok(Explanation { reasons, relation, plan })
}

/// A query of which we want to know why it has no rows.
struct Inquiry<'a> {
    shared: &'a Arc<Shared>,
    query: &'a Query,
    searches: &'a [SearchPlan],
}

impl Inquiry<'_> {
    /// Why there are no rows, most telling first; none if there are rows.
    ///
    /// Each step looks only if those before it found nothing, because what they find
    /// also makes later ones fail.
    async fn reasons(&self) -> Result<Vec<String>> {
        let mut reasons = self.evident();
        if !reasons.is_empty() {
            return Ok(reasons);
        }
        if has_rows(self.shared, self.query).await? {
            return self.outside_slice().await;
        }
        reasons = self.missing_records().await?;
        if reasons.is_empty() {
            reasons = self.empty_searches().await?;
        }
        if reasons.is_empty() {
            reasons = self.conditions().await?;
        }
        Ok(reasons)
    }

    /// Reasons that are seen without a look at rows.
    fn evident(&self) -> Vec<String> {
        let mut reasons = self.hopeless_searches();
        if self.query.uploads.iter().any(|upload| upload.is_empty()) {
            reasons.push("the data IDs to be joined are none".to_owned());
        }
        reasons.extend(self.contradictions());
        if self.query.limit == Some(0) {
            reasons.push("the limit is 0 rows".to_owned());
        }
        reasons
    }

    /// Why there are no rows left of those that there are.
    async fn outside_slice(&self) -> Result<Vec<String>> {
        let offset = self.query.offset;
        if offset == 0 {
            return Ok(Vec::new());
        }
        let all = super::count(self.shared, Query { limit: None, offset: 0, ..self.query.clone() }).await?;
        let past = all <= offset;
        Ok(past
            .then(|| format!("the first {offset} rows are left out, and there are only {all}"))
            .into_iter()
            .collect())
    }
}

/// Whether a query has rows before it is ordered and sliced.
async fn has_rows(shared: &Arc<Shared>, query: &Query) -> Result<bool> {
    let mut query = Query { order_by: Vec::new(), limit: None, offset: 0, ..query.clone() };
    // The first dataset of several is there if any is, and finding out which takes longer.
    match &mut query.result {
        ResultSpec::Datasets { find_first, .. } => *find_first = false,
        ResultSpec::General { find_first, .. } => *find_first = None,
        _ => {}
    }
    let Some(mut running) = run(shared, &query).await? else { return Ok(false) };
    Ok(running.next().await?.is_some())
}

/// Whether a variation of a query has rows; none if it cannot be asked.
///
/// What is left when conditions are taken away may be ambiguous, or fail in
/// rows that they kept out.
async fn variation_has_rows(shared: &Arc<Shared>, query: &Query) -> Result<Option<bool>> {
    match has_rows(shared, query).await {
        Ok(has_rows) => Ok(Some(has_rows)),
        Err(error) if matches!(error.kind(), ErrorKind::InvalidQuery | ErrorKind::Argument) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a relation has rows.
async fn exists(shared: &Shared, relation: Relation) -> Result<bool> {
    let mut rows = shared.backend.stream(relation).await?;
    while let Some(batch) = rows.next().await.transpose()? {
        if !batch.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Things in a row, as one reads them.
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
