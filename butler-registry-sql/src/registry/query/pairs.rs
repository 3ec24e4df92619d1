//! Records of two elements whose regions overlap, found before the query is asked.
//!
//! A join by pixels makes the database produce several candidates for each pair, some of them
//! several times, and sort out which are the same. Where the records are not too many, they are
//! read once and compared here; the query then joins the pairs that are left.

use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::backend::{ColumnBatch, Relation, RowBatch, Scalar, SortKey};
use butler_core::query::{Field, FixedValues, Predicate};
use butler_core::sky::{Pixelization, RangeSet, Region, overlapping_pairs};
use butler_core::{DimensionElement, DimensionValue, Result};
use futures::StreamExt;
use rustc_hash::FxHashSet;

use super::plan::{Plan, unbound};
use super::spatial::{compared_elements, concerns, is_spatial, touching};
use crate::registry::Shared;
use crate::registry::layout::key_type;
use crate::registry::rows::{Strings, batch, key, push_key};

/// Most records of an element that are read.
const RECORDS_MAX: usize = 50_000;

/// Of as many records at most, the pixels tell which of the other element to read.
const FEW: usize = 256;

/// Most pairs that are kept in memory.
const PAIRS_MAX: usize = 1_000_000;

const REGION: ArcStr = arcstr::literal!("region");

/// Pairs of records, by the values of their required dimensions.
#[derive(Debug)]
pub(super) struct Pairs {
    rows: Arc<RowBatch>,
    elements: [DimensionElement; 2],
    /// Columns of the dimensions.
    pub(super) keys: Vec<(DimensionElement, ArcStr)>,
}

impl Pairs {
    pub(super) fn relation(&self) -> Relation {
        Relation::values(Arc::clone(&self.rows))
    }

    /// Whether the pairs satisfy a condition because the records of one of the elements had to.
    pub(super) fn satisfy(&self, condition: &Predicate) -> bool {
        !is_spatial(condition)
            && self.elements.iter().any(|element| {
                let mut all = true;
                condition.for_each_field(&mut |field| {
                    all &= matches!(field, Field::Key(key) if element.required().any(|own| own == *key));
                });
                all
            })
    }
}

/// The pairs that an overlap asks for; none if that is no overlap of two elements, or one that is
/// better decided for the rows that come out of the database.
///
/// Only records are compared that satisfy those of the query's conditions that concern them alone.
pub(super) async fn overlap_pairs(
    shared: &Shared,
    overlap: &Predicate,
    conditions: &[Predicate],
) -> Result<Option<((DimensionElement, DimensionElement), Pairs)>> {
    let Some((a, b)) = compared_elements(overlap)? else { return Ok(None) };
    let (left, right) = (Side::new(a, conditions), Side::new(b, conditions));
    let Some((ours, theirs)) = read_both(shared, &left, &right).await? else { return Ok(None) };
    let Some(pairs) = overlapping_pairs(&ours.regions, &theirs.regions, PAIRS_MAX) else { return Ok(None) };
    Ok(Some(((a, b), joined(&left, &right, &ours, &theirs, &pairs))))
}

async fn read_both(shared: &Shared, left: &Side<'_>, right: &Side<'_>) -> Result<Option<(Records, Records)>> {
    // What more is said of is likely to be few.
    if left.conditions.len() > right.conditions.len() {
        return read_in_order(shared, left, right).await;
    }
    Ok(read_in_order(shared, right, left).await?.map(|(theirs, ours)| (ours, theirs)))
}

async fn read_in_order(
    shared: &Shared,
    first: &Side<'_>,
    second: &Side<'_>,
) -> Result<Option<(Records, Records)>> {
    if let Some(a) = first.read(shared, None, FEW).await? {
        return Ok(second.read_near(shared, first, &a).await?.map(|b| (a, b)));
    }
    if let Some(b) = second.read(shared, None, FEW).await? {
        return Ok(first.read_near(shared, second, &b).await?.map(|a| (a, b)));
    }
    let Some(a) = first.read(shared, None, RECORDS_MAX).await? else { return Ok(None) };
    Ok(second.read(shared, None, RECORDS_MAX).await?.map(|b| (a, b)))
}

/// An element, and the conditions that concern its records alone.
struct Side<'a> {
    element: DimensionElement,
    conditions: Vec<&'a Predicate>,
    /// Conditions that fix governors.
    governors: Vec<&'a Predicate>,
}

/// Records that have a region.
#[derive(Default)]
struct Records {
    keys: Vec<Vec<DimensionValue>>,
    regions: Vec<Region>,
}

impl Records {
    /// Pixels that any of the regions may touch.
    fn envelope(&self, element: DimensionElement) -> Result<RangeSet> {
        let pixels: Pixelization = element.universe().common_skypix().name().parse()?;
        let ranges = self.regions.iter().map(|region| pixels.envelope(region));
        Ok(ranges.flat_map(|set| set.ranges().to_vec()).collect())
    }

    fn retain(&mut self, keep: impl Fn(&[DimensionValue]) -> bool) {
        let mut kept = self.keys.iter().map(|key| keep(key)).collect::<Vec<_>>().into_iter();
        self.regions.retain(|_| kept.next().unwrap_or_default());
        self.keys.retain(|key| keep(key));
    }

    /// Adds rows; with `seen`, which holds the keys so far, each record once.
    fn add(
        &mut self,
        found: &ColumnBatch,
        strings: &mut Strings,
        mut seen: Option<&mut FxHashSet<Vec<DimensionValue>>>,
    ) -> Result<()> {
        let (region, keys) = found.columns().split_last().ok_or_else(|| unbound("region"))?;
        for row in 0..found.len() {
            let Some(bytes) = region.bytes(row) else { continue };
            let own: Vec<DimensionValue> =
                keys.iter().map(|column| key(column, row, strings)).collect::<Result<_>>()?;
            if seen.as_mut().is_none_or(|seen| seen.insert(own.clone())) {
                self.regions.push(Region::decode(bytes)?);
                self.keys.push(own);
            }
        }
        Ok(())
    }
}

impl<'a> Side<'a> {
    fn new(element: DimensionElement, conditions: &'a [Predicate]) -> Self {
        let own = conditions.iter().filter(|condition| concerns(element, condition));
        let (governors, conditions) =
            own.partition(|condition| FixedValues::of(condition).values.keys().any(|d| d.is_governor()));
        Self { element, conditions, governors }
    }

    /// The records that may meet a few others; none if there are too many.
    async fn read_near(
        &self,
        shared: &Shared,
        other: &Side<'_>,
        others: &Records,
    ) -> Result<Option<Records>> {
        // A few that were chosen are in one place; a few that are all there are may be everywhere.
        if other.conditions.is_empty()
            && let Some(all) = self.read(shared, None, RECORDS_MAX).await?
        {
            return Ok(Some(all));
        }
        self.read(shared, Some(&others.envelope(other.element)?), RECORDS_MAX).await
    }

    /// The records, all of them or those that may touch some pixels; none if there are more than `most`.
    async fn read(&self, shared: &Shared, pixels: Option<&RangeSet>, most: usize) -> Result<Option<Records>> {
        let mut records = Records::default();
        let mut strings = Strings::default();
        // A region touches several pixels. Which records are the same is sorted out here: the database would
        // keep a tree of their keys for it.
        let mut seen = pixels.map(|_| FxHashSet::default());
        let mut rows = shared.backend.stream(self.relation(pixels, most)?).await?;
        while let Some(found) = rows.next().await.transpose()? {
            records.add(&found, &mut strings, seen.as_mut())?;
            if records.regions.len() > most {
                return Ok(None);
            }
        }
        if pixels.is_some() {
            records.retain(|key| self.is_governed(key));
        }
        Ok(Some(records))
    }

    /// Whether a record satisfies the conditions on governors.
    fn is_governed(&self, key: &[DimensionValue]) -> bool {
        self.governors.iter().all(|condition| {
            let fixed = FixedValues::of(condition).values;
            self.element
                .required()
                .zip(key)
                .all(|(dimension, own)| fixed.get(&dimension).is_none_or(|value| value == own))
        })
    }

    fn relation(&self, pixels: Option<&RangeSet>, most: usize) -> Result<Relation> {
        let mut plan = Plan::new(self.element.minimal_group());
        if let Some(pixels) = pixels {
            let (touched, keys) = touching(self.element, pixels.ranges());
            plan.join(touched, &keys, &[], Vec::new());
        }
        // Beside pixels, SQLite would rather look for all records of an instrument than for those that touch them.
        let governors = self.governors.iter().filter(|_| pixels.is_none());
        plan.join_restricted(self.element, &[REGION], self.conditions.iter().chain(governors).copied())?;
        let region = plan.records.get(&(self.element, REGION)).cloned().ok_or_else(|| unbound(&REGION))?;
        let mut columns: Vec<(ArcStr, Scalar)> = self
            .element
            .required()
            .map(|dimension| Ok((dimension.name().clone(), plan.key(dimension)?)))
            .collect::<Result<_>>()?;
        let order: Vec<SortKey> = columns.iter().map(|(name, _)| SortKey::ascending(name.clone())).collect();
        columns.push((REGION, Scalar::Column(region.clone())));
        plan.filter(Scalar::Not(Box::new(Scalar::IsNull(Box::new(Scalar::Column(region))))));
        let records = plan.finish().project(columns);
        Ok(match pixels {
            // The order of the table.
            None => records.slice(order, 0, Some(most as u64 + 1)),
            // To be sorted for nothing; what is too much is noticed.
            Some(_) => records,
        })
    }
}

/// The rows of pairs that agree in the dimensions that both have.
fn joined(
    left: &Side<'_>,
    right: &Side<'_>,
    ours: &Records,
    theirs: &Records,
    pairs: &[(usize, usize)],
) -> Pairs {
    let a: Vec<DimensionElement> = left.element.required().collect();
    let (mut shared, mut own) = (Vec::new(), Vec::new());
    for (at, dimension) in right.element.required().enumerate() {
        match a.iter().position(|other| *other == dimension) {
            Some(other) => shared.push((other, at)),
            None => own.push((at, dimension)),
        }
    }
    let keys: Vec<(DimensionElement, ArcStr)> = a
        .iter()
        .copied()
        .chain(own.iter().map(|(_, dimension)| *dimension))
        .map(|dimension| (dimension, dimension.name().clone()))
        .collect();
    let mut rows = batch(keys.iter().map(|(dimension, name)| (name, key_type(*dimension))));
    for (x, y) in pairs {
        let (x, y) = (&ours.keys[*x], &theirs.keys[*y]);
        if shared.iter().all(|(i, j)| x[*i] == y[*j]) {
            let values = x.iter().chain(own.iter().map(|(at, _)| &y[*at]));
            rows.columns_mut().iter_mut().zip(values).for_each(|(column, value)| push_key(column, value));
            rows.end_row();
        }
    }
    Pairs { rows: Arc::new(rows), elements: [left.element, right.element], keys }
}
