//! How a query is evaluated, and why it has no rows.

use std::sync::Arc;

use butler_core::Result;
use butler_core::query::{Explanation, Query};

use super::prepare;
use crate::registry::Shared;

/// Explains a query.
pub(crate) async fn explain(shared: &Arc<Shared>, query: Query) -> Result<Explanation> {
    let prepared = prepare(shared, &query).await?;
    let relation = format!("{:#?}", prepared.shaped.relation);
    let plan = shared.backend.explain(prepared.shaped.relation).await?;
    Ok(Explanation { reasons: Vec::new(), relation, plan })
}
