//! Queries: from plain data to relations, and from their rows to results.

mod explain;
mod first;
mod local;
mod narrow;
mod output;
mod pairs;
mod plan;
mod post;
mod scalars;
mod searches;
mod shape;
mod spatial;

use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::backend::{ColumnBatch, ColumnStream, Relation};
use butler_core::query::{
    Field, FixedValues, Predicate, Query, QueryStream, ResultSpec, TypedExpr, with_automatic_joins,
};
use butler_core::{DataId, DimensionGroup, Error, ErrorKind, Result};
use futures::StreamExt;
use rustc_hash::FxHashSet;

use super::Shared;
use first::{ATTEMPTS, Leading};
use narrow::list_ranges;
use output::Output;
use pairs::overlap_pairs;
use plan::{Needs, Plan};
use post::PostState;
use searches::{SearchPlan, Wanted};
use shape::{Shaped, shape};
use spatial::{conjuncts, elements_of, is_spatial, pixel_joins, pixel_set};

pub(crate) use explain::explain;

/// A query that is ready to be asked.
struct Prepared {
    shaped: Shaped,
    searches: Vec<SearchPlan>,
    /// Whether a search has nowhere to look, so that there are no rows.
    hopeless: bool,
}

async fn prepare(shared: &Shared, query: &Query) -> Result<Prepared> {
    check(shared, query)?;
    let mut searches = Vec::with_capacity(query.datasets.len());
    for search in &query.datasets {
        searches.push(SearchPlan::new(shared, search).await?);
    }
    let calibrations: Vec<ArcStr> = searches
        .iter()
        .filter(|search| search.is_calibration())
        .map(|search| search.name().clone())
        .collect();
    let predicate = with_automatic_joins(query, &calibrations)?;
    let fixed = FixedValues::of(&predicate);
    let mut needs = Needs::of(query, &predicate);
    let mut conjuncts = conjuncts(predicate);
    // Regions are looked up for candidates only; deep inside, the record itself must be there.
    for conjunct in conjuncts.iter().filter(|conjunct| is_spatial(conjunct)) {
        let on_top = matches!(conjunct, Predicate::Overlaps { .. });
        for element in elements_of(conjunct) {
            if let Some(fields) = needs.fields.get_mut(&element) {
                fields.remove("region");
                if fields.is_empty() && on_top {
                    needs.fields.remove(&element);
                }
            }
            needs.keys.extend(element.required());
        }
    }
    if let ResultSpec::Records { element } = &query.result
        && element.has_table()
        && conjuncts.iter().any(is_spatial)
    {
        // Records are fetched for what is left at the end: only keys that have one may come so far.
        needs.fields.entry(*element).or_default();
    }
    keep_result_regions(query, &mut needs);
    let mut plan = Plan::new(query.dimensions);
    for (element, pixel) in pixel_joins(&conjuncts, query.dimensions.universe().common_skypix()) {
        let set = pixel_set(shared, element, pixel, &fixed).await?;
        plan.pixel_sets.insert((element, pixel), set);
    }
    let hopeless = searches.iter().any(|search| search.places.is_empty())
        || query.uploads.iter().any(|upload| upload.is_empty());
    if !hopeless {
        list_ranges(shared, &searches, &fixed, &mut conjuncts).await?;
        compare_regions(shared, query, &mut plan, &mut conjuncts).await?;
    }
    join_all(&mut plan, query, &searches, &needs, &conjuncts)?;
    let shaped = shape(query, plan, &searches)?;
    Ok(Prepared { shaped, searches, hopeless })
}

/// Finds the pairs of records that the query's overlaps ask for, and leaves out conditions that say nothing new of them.
async fn compare_regions(
    shared: &Shared,
    query: &Query,
    plan: &mut Plan,
    conjuncts: &mut Vec<Predicate>,
) -> Result<()> {
    if query.dimensions.contains(query.dimensions.universe().common_skypix()) {
        // Sky pixels tell which of the records belong together.
        return Ok(());
    }
    for conjunct in &*conjuncts {
        if let Some((elements, pairs)) = overlap_pairs(shared, conjunct, conjuncts).await? {
            plan.pairs.insert(elements, pairs);
        }
    }
    // Elsewhere conditions help the database to choose what to begin with.
    if query.datasets.is_empty() && query.uploads.is_empty() {
        conjuncts.retain(|conjunct| !plan.pairs.values().any(|pairs| pairs.satisfy(conjunct)));
    }
    Ok(())
}

/// Regions that are fields of the result, or tested for NULL, are columns after all.
fn keep_result_regions(query: &Query, needs: &mut Needs) {
    fn tested(predicate: &Predicate, see: &mut impl FnMut(&Field)) {
        match predicate {
            Predicate::And(operands) | Predicate::Or(operands) => {
                operands.iter().for_each(|operand| tested(operand, see));
            }
            Predicate::Not(operand) => tested(operand, see),
            Predicate::IsNull(TypedExpr::Field(field)) => see(field),
            _ => {}
        }
    }
    let mut keep = |field: &Field| {
        if let Field::Record { element, field } = field
            && element.skypix().is_none()
        {
            needs.fields.entry(*element).or_default().insert(field.clone());
        }
    };
    tested(&query.predicate, &mut keep);
    if let ResultSpec::General { fields, .. } = &query.result {
        fields.iter().for_each(keep);
    }
}

/// Checks what the types do not.
fn check(shared: &Shared, query: &Query) -> Result<()> {
    if query.dimensions.universe() != shared.universe {
        return Err(Error::new(
            ErrorKind::InconsistentUniverse,
            format!(
                "a query of the universe {} cannot be put to a registry of {}",
                query.dimensions.universe(),
                shared.universe
            ),
        ));
    }
    let mut groups: Vec<DimensionGroup> =
        query.datasets.iter().map(|search| search.dataset_type.group()).collect();
    groups.extend(query.uploads.iter().filter_map(|upload| upload.first()).map(DataId::group));
    if let Some(group) = groups.iter().find(|group| !group.is_subset(query.dimensions)) {
        return Err(Error::new(
            ErrorKind::InvalidQuery,
            format!("a query over {} cannot search or join {group}", query.dimensions),
        ));
    }
    for upload in &query.uploads {
        if upload.iter().any(|data_id| data_id.group() != upload[0].group()) {
            return Err(Error::new(ErrorKind::InvalidQuery, "uploaded data IDs have different dimensions"));
        }
    }
    let mut names = FxHashSet::default();
    if let Some(search) = query.datasets.iter().find(|search| !names.insert(search.dataset_type.name())) {
        return Err(Error::new(
            ErrorKind::InvalidQuery,
            format!("dataset type '{}' is searched for twice", search.dataset_type.name()),
        ));
    }
    let known = |name: &ArcStr| names.contains(name);
    let missing = match &query.result {
        ResultSpec::Datasets { dataset_type, .. }
        | ResultSpec::Associations { dataset_type }
        | ResultSpec::General { find_first: Some(dataset_type), .. } => {
            Some(dataset_type).filter(|name| !known(name))
        }
        _ => None,
    };
    match missing {
        None => Ok(()),
        Some(name) => {
            Err(Error::new(ErrorKind::InvalidQuery, format!("dataset type '{name}' is not searched for")))
        }
    }
}

fn join_all(
    plan: &mut Plan,
    query: &Query,
    searches: &[SearchPlan],
    needs: &Needs,
    conjuncts: &[Predicate],
) -> Result<()> {
    let uploads: Vec<DimensionGroup> =
        query.uploads.iter().filter_map(|upload| upload.first()).map(DataId::group).collect();
    let (elements, wanted) = needs.closure(query.dimensions, searches, &uploads);
    query.uploads.iter().for_each(|upload| plan.join_upload(upload));
    let find_first = match &query.result {
        ResultSpec::Datasets { dataset_type, find_first: true } => Some(dataset_type),
        ResultSpec::General { find_first, .. } => find_first.as_ref(),
        _ => None,
    };
    let associations = matches!(query.result, ResultSpec::Associations { .. });
    for search in searches {
        let mut wanted = Wanted::of(needs.datasets.get(search.name()));
        wanted.rank = find_first == Some(search.name());
        wanted.collection |= associations;
        // Ranges tell whether several of them match, or one in several rows.
        wanted.validity |= associations || wanted.rank && search.is_calibration();
        search.join(plan, wanted);
    }
    let (on_top, others): (Vec<_>, Vec<_>) = conjuncts
        .iter()
        .partition(|conjunct| is_spatial(conjunct) && matches!(conjunct, Predicate::Overlaps { .. }));
    on_top.into_iter().try_for_each(|conjunct| plan.join_overlap(conjunct))?;
    let none = FxHashSet::default();
    for element in elements {
        plan.join_element(element, needs.fields.get(&element).unwrap_or(&none));
    }
    plan.join_missing(&wanted)?;
    for conjunct in others {
        if is_spatial(conjunct) {
            plan.filter_nested(conjunct)?;
        } else {
            let condition = plan.predicate(conjunct)?;
            plan.filter(condition);
        }
    }
    Ok(())
}

/// What is needed to go on with a stream.
struct Running {
    shared: Arc<Shared>,
    input: ColumnStream,
    post: Option<PostState>,
    output: Output,
    template: Option<ColumnBatch>,
    ended: bool,
}

impl Running {
    /// The next rows; none at the end.
    async fn next(&mut self) -> Result<Option<ColumnBatch>> {
        while !self.ended && !self.post.as_ref().is_some_and(PostState::is_done) {
            match self.input.next().await.transpose()? {
                Some(batch) => {
                    let rows = match &mut self.post {
                        Some(post) => {
                            let rows = post.take(&self.shared, &batch).await?;
                            self.template.get_or_insert(batch);
                            rows
                        }
                        None => batch,
                    };
                    if !rows.is_empty() {
                        return Ok(Some(rows));
                    }
                }
                None => {
                    self.ended = true;
                    let kept = match &mut self.post {
                        Some(post) => post.finish(self.template.as_ref())?,
                        None => None,
                    };
                    return Ok(kept.filter(|rows| !rows.is_empty()));
                }
            }
        }
        Ok(None)
    }
}

/// The rows of a relation, which are at hand if nothing else is asked for.
async fn rows_of(shared: &Shared, relation: Relation) -> Result<ColumnStream> {
    match local::evaluate(&relation) {
        Some(rows) => Ok(Box::pin(futures::stream::once(async move { Ok(Arc::unwrap_or_clone(rows)) }))),
        None => shared.backend.stream(relation).await,
    }
}

async fn run(shared: &Arc<Shared>, query: &Query) -> Result<Option<Running>> {
    let Prepared { shaped, searches, hopeless } = prepare(shared, query).await?;
    if hopeless || query.limit == Some(0) {
        return Ok(None);
    }
    let output = Output::new(query, shaped.output, &searches);
    let input = rows_of(shared, shaped.relation).await?;
    Ok(Some(Running {
        shared: Arc::clone(shared),
        input,
        post: shaped.post.map(PostState::new),
        output,
        template: None,
        ended: false,
    }))
}

/// What [`run`] would give, if the first rows in the query's order are found without all others.
async fn run_first(shared: &Arc<Shared>, query: &Query) -> Result<Option<Running>> {
    let Some(leading) = Leading::of(query) else { return Ok(None) };
    for count in ATTEMPTS {
        let Some(condition) = leading.condition(shared, count).await? else { return Ok(None) };
        let narrowed = Query { predicate: query.predicate.clone().and(condition), ..query.clone() };
        let Some(mut running) = run(shared, &narrowed).await? else { return Ok(None) };
        let mut batches = Vec::new();
        while let Some(batch) = running.next().await? {
            batches.push(batch);
        }
        let rows: u64 = batches.iter().map(|batch| batch.len() as u64).sum();
        if query.limit == Some(rows) {
            let input = Box::pin(futures::stream::iter(batches.into_iter().map(Ok)));
            return Ok(Some(Running { input, post: None, ended: false, ..running }));
        }
    }
    Ok(None)
}

/// Rows of a query, streamed.
pub(crate) async fn stream(shared: &Arc<Shared>, query: Query) -> Result<QueryStream> {
    let first = run_first(shared, &query).await?;
    let Some(running) = (match first {
        Some(running) => Some(running),
        None => run(shared, &query).await?,
    }) else {
        return Ok(Box::pin(futures::stream::empty()));
    };
    Ok(Box::pin(futures::stream::try_unfold(running, |mut running| async move {
        let Some(batch) = running.next().await? else { return Ok(None) };
        let shared = Arc::clone(&running.shared);
        let rows = running.output.rows(&shared, &batch).await?;
        Ok(Some((rows, running)))
    })))
}

/// Exact number of rows of a query.
pub(crate) async fn count(shared: &Arc<Shared>, mut query: Query) -> Result<u64> {
    // Order does not change a number, and costs time.
    if query.limit.is_none() && query.offset == 0 {
        query.order_by.clear();
    }
    let Prepared { shaped, searches, hopeless } = prepare(shared, &query).await?;
    if hopeless || query.limit == Some(0) {
        return Ok(0);
    }
    if shaped.post.is_none() && !shaped.output.checks_matches {
        if let Some(rows) = local::evaluate(&shaped.relation) {
            return Ok(rows.len() as u64);
        }
        let rows = match shaped.relation {
            // There are as many first rows as groups.
            Relation::FirstBy { input, partition, .. } => input.select(partition).distinct(),
            other => other,
        };
        let batches = shared.collect(rows.count()).await?;
        let count =
            batches.iter().find(|batch| !batch.is_empty()).and_then(|batch| batch.columns()[0].int(0));
        return Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default());
    }
    let output = Output::new(&query, shaped.output, &searches);
    let input = rows_of(shared, shaped.relation).await?;
    let post = shaped.post.map(PostState::new);
    let mut running =
        Running { shared: Arc::clone(shared), input, post, output, template: None, ended: false };
    let mut count = 0;
    while let Some(batch) = running.next().await? {
        running.output.check_matches(&batch)?;
        count += batch.len() as u64;
    }
    Ok(count)
}
