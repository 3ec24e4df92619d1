//! Searches that find no datasets at all.

use butler_core::query::{DatasetSearch, Predicate, Query, ResultSpec};
use butler_core::{CollectionType, Result};

use super::{Inquiry, has_rows};
use crate::registry::query::searches::Place;

/// No more collections than this are named one by one.
const NAMED_MAX: usize = 5;

impl Inquiry<'_> {
    /// Searches that have nowhere to look.
    pub(super) fn hopeless_searches(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for (search, plan) in self.query.datasets.iter().zip(self.searches) {
            let name = search.dataset_type.name();
            let members = search.collections.members();
            if members.is_empty() {
                reasons
                    .push(format!("the search for datasets of type '{name}' has no collection to look in"));
            } else if plan.places.is_empty() {
                let names = members.iter().map(|member| member.name.as_str());
                reasons.extend(no_datasets(name, names));
            }
        }
        reasons
    }

    /// Searches that find nothing, although something may once have been there.
    pub(super) async fn empty_searches(&self) -> Result<Vec<String>> {
        let mut reasons = Vec::new();
        for (search, plan) in self.query.datasets.iter().zip(self.searches) {
            if !has_rows(self.shared, &alone(search)).await? {
                let name = search.dataset_type.name();
                let uncertified = plan.handle.calib.is_none()
                    && plan.places.iter().all(|place| place.ty == CollectionType::Calibration);
                if uncertified {
                    reasons.push(format!(
                        "datasets of type '{name}' are no calibrations, and only calibration collections are searched"
                    ));
                } else {
                    reasons.extend(no_datasets(
                        name,
                        plan.places.iter().map(|Place { name, .. }| name.as_str()),
                    ));
                }
            }
        }
        Ok(reasons)
    }
}

/// A query for what one search finds.
fn alone(search: &DatasetSearch) -> Query {
    let dimensions = search.dataset_type.group();
    Query {
        dimensions,
        datasets: vec![search.clone()],
        uploads: Vec::new(),
        predicate: Predicate::always(),
        result: ResultSpec::Datasets { dataset_type: search.dataset_type.name().clone(), find_first: false },
        order_by: Vec::new(),
        limit: None,
        offset: 0,
        expanded: false,
    }
}

fn no_datasets<'a>(
    dataset_type: &str,
    collections: impl ExactSizeIterator<Item = &'a str>,
) -> impl Iterator<Item = String> {
    let others = collections.len().saturating_sub(NAMED_MAX);
    let named = collections.take(NAMED_MAX);
    named
        .map(move |name| format!("there are no datasets of type '{dataset_type}' in collection '{name}'"))
        .chain((others > 0).then(|| format!("nor in the {others} other collections")))
        .collect::<Vec<_>>()
        .into_iter()
}
