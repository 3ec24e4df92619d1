//! What the database cannot do: exact geometry, and what must come after it.

use arcstr::ArcStr;
use butler_core::backend::{Column, ColumnBatch, ColumnType, RowBatch, Value};
use butler_core::sky::{Pixelization, RangeSet, Region};
use butler_core::{DimensionElement, DimensionValue, Error, ErrorKind, Result};
use rustc_hash::{FxHashMap, FxHashSet};

use super::shape::{MATCHES, Post};
use super::spatial::{Exact, Place};
use crate::registry::Shared;
use crate::registry::layout::element_table;
use crate::registry::records::RecordKey;
use crate::registry::rows::{Strings, equal, key, key_values};

/// Regions of an element's records, each decoded once.
#[derive(Debug, Default)]
struct Regions {
    by_key: FxHashMap<RecordKey, Option<Region>>,
}

/// Decides rows as they arrive, and keeps what later rows depend on.
#[derive(Debug)]
pub(super) struct PostState {
    post: Post,
    regions: FxHashMap<DimensionElement, Regions>,
    envelopes: FxHashMap<(Pixelization, DimensionElement, RecordKey), RangeSet>,
    last: Option<Vec<Value>>,
    skipped: u64,
    taken: u64,
    /// Rows kept until all are seen, if the first of each group is wanted.
    groups: Option<Groups>,
}

/// The best row of each group so far.
#[derive(Debug, Default)]
struct Groups {
    /// In order; none where a better one came later.
    kept: Vec<Option<Kept>>,
    index: FxHashMap<Vec<GroupValue>, usize>,
}

#[derive(Debug)]
struct Kept {
    row: Vec<Value>,
    rank: i64,
    matches: i64,
}

/// A value by which rows are grouped.
#[derive(Debug, PartialEq, Eq, Hash)]
enum GroupValue {
    Int(i64),
    Text(ArcStr),
}

impl PostState {
    pub(super) fn new(post: Post) -> Self {
        Self {
            groups: post.first_by.is_some().then(Groups::default),
            post,
            regions: FxHashMap::default(),
            envelopes: FxHashMap::default(),
            last: None,
            skipped: 0,
            taken: 0,
        }
    }

    /// Whether no further row can come out.
    pub(super) fn is_done(&self) -> bool {
        self.groups.is_none() && self.post.limit.is_some_and(|limit| self.taken >= limit)
    }

    /// The rows of a batch that remain; none yet if groups are formed.
    pub(super) async fn take(&mut self, shared: &Shared, rows: &ColumnBatch) -> Result<ColumnBatch> {
        self.load_regions(shared, rows).await?;
        let mut out = empty_like(rows);
        let conditions = std::mem::take(&mut self.post.exact);
        let outcome = (0..rows.len()).try_for_each(|row| {
            for condition in &conditions {
                if self.holds(condition, rows, row)? != Some(true) {
                    return Ok(());
                }
            }
            self.keep(rows, row, &mut out)
        });
        self.post.exact = conditions;
        outcome.map(|()| out)
    }

    /// The rows that were kept until the end.
    pub(super) fn finish(&mut self, template: Option<&ColumnBatch>) -> Result<Option<ColumnBatch>> {
        let (Some(groups), Some(template)) = (self.groups.take(), template) else { return Ok(None) };
        let mut out = with_matches(empty_like(template));
        let identity: Vec<usize> = self
            .post
            .identity
            .iter()
            .filter_map(|name| template.names().iter().position(|n| n == name))
            .collect();
        let mut last: Option<Vec<Value>> = None;
        for Kept { mut row, matches, .. } in groups.kept.into_iter().flatten() {
            let own: Vec<Value> = identity.iter().map(|&at| row[at].clone()).collect();
            if last.as_ref() == Some(&own) {
                continue;
            }
            last = Some(own);
            if self.skipped < self.post.offset {
                self.skipped += 1;
            } else if self.post.limit.is_none_or(|limit| self.taken < limit) {
                self.taken += 1;
                row.push(matches.into());
                out.push_row(&row)?;
            }
        }
        Ok(Some(out))
    }

    fn keep(&mut self, rows: &ColumnBatch, row: usize, out: &mut ColumnBatch) -> Result<()> {
        let distinct = self.post.distinct.iter();
        let identity = distinct.map(|name| Ok(rows.column(name)?.value(row))).collect::<Result<Vec<_>>>()?;
        if self.last.as_ref() == Some(&identity) {
            return Ok(());
        }
        self.last = Some(identity);
        if let Some(groups) = &mut self.groups {
            let by = self.post.first_by.as_deref().unwrap_or_default();
            return groups.add(rows, row, by);
        }
        if self.skipped < self.post.offset {
            self.skipped += 1;
            return Ok(());
        }
        if self.post.limit.is_none_or(|limit| self.taken < limit) {
            self.taken += 1;
            out.push_row(&rows.row(row))?;
        }
        Ok(())
    }

    /// Looks up the regions that a batch of rows needs and that are not known yet.
    async fn load_regions(&mut self, shared: &Shared, rows: &ColumnBatch) -> Result<()> {
        let mut places = Vec::new();
        self.post.exact.iter().for_each(|condition| elements(condition, &mut places));
        for (element, keys) in places {
            let known = self.regions.entry(element).or_default();
            let columns = keys.iter().map(|name| rows.column(name)).collect::<Result<Vec<_>>>()?;
            let mut strings = Strings::default();
            let mut unknown: FxHashSet<RecordKey> = FxHashSet::default();
            for row in 0..rows.len() {
                let key = read_key(&columns, row, &mut strings)?;
                if !known.by_key.contains_key(&key) {
                    unknown.insert(key);
                }
            }
            known.load(shared, element, unknown).await?;
        }
        Ok(())
    }

    fn holds(&mut self, condition: &Exact, rows: &ColumnBatch, row: usize) -> Result<Option<bool>> {
        match condition {
            Exact::And(operands) => {
                let mut result = Some(true);
                for operand in operands {
                    match self.holds(operand, rows, row)? {
                        Some(false) => return Ok(Some(false)),
                        None => result = None,
                        Some(true) => {}
                    }
                }
                Ok(result)
            }
            Exact::Or(operands) => {
                let mut result = Some(false);
                for operand in operands {
                    match self.holds(operand, rows, row)? {
                        Some(true) => return Ok(Some(true)),
                        None => result = None,
                        Some(false) => {}
                    }
                }
                Ok(result)
            }
            Exact::Not(operand) => Ok(self.holds(operand, rows, row)?.map(|holds| !holds)),
            Exact::Flag(name) => Ok(rows.column(name)?.bool(row)),
            Exact::Overlap(a, b) => self.overlap(a, b, rows, row),
        }
    }

    fn overlap(&mut self, a: &Place, b: &Place, rows: &ColumnBatch, row: usize) -> Result<Option<bool>> {
        match (a, b) {
            (Place::Pixel { pixels, key }, Place::Element { element, keys })
            | (Place::Element { element, keys }, Place::Pixel { pixels, key }) => {
                let Some(index) = rows.column(key)?.int(row).and_then(|index| u64::try_from(index).ok())
                else {
                    return Ok(None);
                };
                let record = row_key(rows, keys, row)?;
                let Some(region) = self.region(*element, &record) else { return Ok(None) };
                let cached = (*pixels, *element, record);
                if let Some(envelope) = self.envelopes.get(&cached) {
                    return Ok(Some(envelope.contains(index)));
                }
                let envelope = pixels.envelope(region);
                let inside = envelope.contains(index);
                self.envelopes.insert(cached, envelope);
                Ok(Some(inside))
            }
            (Place::Pixel { pixels, key }, Place::Constant(region))
            | (Place::Constant(region), Place::Pixel { pixels, key }) => {
                let index = rows.column(key)?.int(row).and_then(|index| u64::try_from(index).ok());
                Ok(index.map(|index| pixels.envelope(region).contains(index)))
            }
            (Place::Pixel { .. }, Place::Pixel { .. }) => Err(Error::new(
                ErrorKind::InvalidQuery,
                "an overlap of two sky pixels needs a region between them",
            )),
            (Place::Constant(a), Place::Constant(b)) => Ok(Some(a.overlaps(b) != Some(false))),
            (Place::Element { element, keys }, Place::Constant(region))
            | (Place::Constant(region), Place::Element { element, keys }) => {
                let record = row_key(rows, keys, row)?;
                Ok(self.region(*element, &record).map(|own| own.overlaps(region) != Some(false)))
            }
            (Place::Element { element: a, keys: of_a }, Place::Element { element: b, keys: of_b }) => {
                let (x, y) = (row_key(rows, of_a, row)?, row_key(rows, of_b, row)?);
                let (Some(x), Some(y)) = (self.region(*a, &x), self.region(*b, &y)) else { return Ok(None) };
                // Maybe counts as an overlap.
                Ok(Some(x.overlaps(y) != Some(false)))
            }
        }
    }

    fn region(&self, element: DimensionElement, key: &RecordKey) -> Option<&Region> {
        self.regions.get(&element)?.by_key.get(key)?.as_ref()
    }
}

impl Groups {
    fn add(&mut self, rows: &ColumnBatch, row: usize, by: &[ArcStr]) -> Result<()> {
        let group = by
            .iter()
            .map(|name| {
                let column = rows.column(name)?;
                Ok(match column.int(row) {
                    Some(value) => GroupValue::Int(value),
                    None => GroupValue::Text(column.text(row).unwrap_or_default().into()),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let rank = rows.column("rank")?.int(row).unwrap_or(i64::MAX);
        let new = Some(Kept { row: rows.row(row), rank, matches: 1 });
        let Some(at) = self.index.get_mut(&group) else {
            self.index.insert(group, self.kept.len());
            self.kept.push(new);
            return Ok(());
        };
        match &mut self.kept[*at] {
            Some(kept) if kept.rank == rank => kept.matches += 1,
            Some(kept) if kept.rank < rank => {}
            kept => {
                // The better row has its own place in the order.
                *kept = None;
                *at = self.kept.len();
                self.kept.push(new);
            }
        }
        Ok(())
    }
}

impl Regions {
    async fn load(
        &mut self,
        shared: &Shared,
        element: DimensionElement,
        keys: FxHashSet<RecordKey>,
    ) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let dimensions: Vec<DimensionElement> = element.required().collect();
        let names: Vec<ArcStr> =
            dimensions.iter().map(|dimension| format!("given_{dimension}").into()).collect();
        let columns = dimensions.iter().map(|d| d.name().clone()).chain([arcstr::literal!("region")]);
        let on = equal(dimensions.iter().map(|d| d.name().clone()).zip(names.iter().cloned()));
        let rows = key_values(&dimensions, &names, keys.iter().map(|key| &**key))
            .join(element_table(element).scan(), on)
            .select(columns);
        let mut strings = Strings::default();
        for found in shared.collect(rows).await? {
            let (columns, region) = found.columns().split_at(dimensions.len());
            let columns: Vec<&Column> = columns.iter().collect();
            for row in 0..found.len() {
                let region = region[0].bytes(row).map(Region::decode).transpose()?;
                self.by_key.insert(read_key(&columns, row, &mut strings)?, region);
            }
        }
        // A value without a record has no region.
        for key in keys {
            self.by_key.entry(key).or_default();
        }
        Ok(())
    }
}

fn elements(condition: &Exact, into: &mut Vec<(DimensionElement, Vec<ArcStr>)>) {
    match condition {
        Exact::And(operands) | Exact::Or(operands) => {
            operands.iter().for_each(|operand| elements(operand, into));
        }
        Exact::Not(operand) => elements(operand, into),
        Exact::Flag(_) => {}
        Exact::Overlap(a, b) => {
            for place in [a, b] {
                if let Place::Element { element, keys } = place {
                    into.push((*element, keys.clone()));
                }
            }
        }
    }
}

fn read_key(columns: &[&Column], row: usize, strings: &mut Strings) -> Result<RecordKey> {
    columns.iter().map(|column| key(column, row, strings)).collect()
}

fn row_key(rows: &ColumnBatch, names: &[ArcStr], row: usize) -> Result<RecordKey> {
    names
        .iter()
        .map(|name| {
            let column = rows.column(name)?;
            match (column.int(row), column.text(row)) {
                (Some(value), _) => Ok(DimensionValue::Int(value)),
                (None, Some(value)) => Ok(DimensionValue::Text(value.into())),
                (None, None) => Err(Error::new(ErrorKind::Corrupt, "a dimension has no value in a row")),
            }
        })
        .collect()
}

fn empty_like(rows: &ColumnBatch) -> ColumnBatch {
    RowBatch::new(rows.names().iter().cloned().zip(rows.columns().iter().map(Column::ty)))
}

fn with_matches(rows: ColumnBatch) -> ColumnBatch {
    let columns: Vec<(ArcStr, ColumnType)> =
        rows.names().iter().cloned().zip(rows.columns().iter().map(Column::ty)).collect();
    RowBatch::new(columns.into_iter().chain([(MATCHES, ColumnType::Int)]))
}
