//! Conditions that no row satisfies.

use arcstr::ArcStr;
use butler_core::Result;
use butler_core::query::{Predicate, Query, TypedExpr, with_automatic_joins};

use super::{Inquiry, listed, variation_has_rows};
use crate::registry::query::spatial::conjuncts;

/// No more conditions than this are tried one by one.
const TRIED_MAX: usize = 50;

/// Longer conditions are shortened, in characters.
const SHOWN_MAX: usize = 300;

impl Inquiry<'_> {
    /// What is empty without conditions, else conditions that leave nothing by themselves, else the
    /// one that removes the last of what those before it leave.
    pub(super) async fn conditions(&self) -> Result<Vec<String>> {
        let (joins, conditions): (Vec<Predicate>, Vec<Predicate>) =
            conjuncts(self.query.predicate.clone()).into_iter().partition(is_join);
        if self.fails(&joins, &[]).await? == Some(true) {
            return Ok(vec![self.nothing_joined(&joins)?]);
        }
        let mut reasons = Vec::new();
        if conditions.len() > 1 {
            for condition in conditions.iter().take(TRIED_MAX) {
                if self.fails(&joins, std::slice::from_ref(condition)).await? == Some(true) {
                    reasons.push(format!("no row satisfies the condition `{}`", shown(condition)));
                }
            }
        }
        if reasons.is_empty()
            && let Some(last) = self.last_straw(&joins, &conditions).await?
        {
            reasons.push(last);
        }
        Ok(reasons)
    }

    /// Whether no row satisfies some conditions; none if that cannot be asked.
    async fn fails(&self, joins: &[Predicate], conditions: &[Predicate]) -> Result<Option<bool>> {
        let all = joins.iter().chain(conditions).cloned().collect();
        let query = Query { predicate: Predicate::And(all), ..self.query.clone() };
        Ok(variation_has_rows(self.shared, &query).await?.map(|has_rows| !has_rows))
    }

    /// The first condition that leaves no row; all conditions together do.
    async fn last_straw(&self, joins: &[Predicate], conditions: &[Predicate]) -> Result<Option<String>> {
        // The more conditions, the fewer rows: so halves tell.
        let (mut left, mut right) = (0, conditions.len());
        while right - left > 1 {
            let middle = usize::midpoint(left, right);
            match self.fails(joins, &conditions[..middle]).await? {
                Some(true) => right = middle,
                Some(false) => left = middle,
                None => return Ok(None),
            }
        }
        let Some(last) = conditions.get(left) else { return Ok(None) };
        if left == 0 {
            return Ok(Some(format!("no row satisfies the condition `{}`", shown(last))));
        }
        let before = shown(&Predicate::And(conditions[..left].to_vec()));
        Ok(Some(format!("no row that satisfies `{before}` also satisfies the condition `{}`", shown(last))))
    }

    /// That there is nothing even without conditions.
    fn nothing_joined(&self, joins: &[Predicate]) -> Result<String> {
        let query = Query { predicate: Predicate::And(joins.to_vec()), ..self.query.clone() };
        let calibrations: Vec<ArcStr> = self
            .searches
            .iter()
            .filter(|search| search.is_calibration())
            .map(|search| search.name().clone())
            .collect();
        let mut parts: Vec<String> =
            self.searches.iter().map(|search| format!("datasets of type '{}'", search.name())).collect();
        if !self.query.uploads.is_empty() {
            parts.push("the data IDs to be joined".to_owned());
        }
        if parts.is_empty() {
            parts.push("records".to_owned());
        }
        let overlaps: Vec<String> = conjuncts(with_automatic_joins(&query, &calibrations)?)
            .iter()
            .map(|join| format!("`{}`", shown(join)))
            .collect();
        let joined = if overlaps.is_empty() { String::new() } else { format!(" with {}", listed(&overlaps)) };
        Ok(format!(
            "even without conditions, no combination of {} has {}{joined}",
            self.query.dimensions,
            listed(&parts)
        ))
    }
}

/// Whether a condition says which records belong together: without it another join might be chosen.
fn is_join(condition: &Predicate) -> bool {
    matches!(condition, Predicate::Overlaps { left: TypedExpr::Field(_), right: TypedExpr::Field(_) })
}

fn shown(condition: &Predicate) -> String {
    let mut text = condition.to_string();
    if let Some((end, _)) = text.char_indices().nth(SHOWN_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}
