//! Rows of relations, collected and read.

use std::ops::ControlFlow;

use arcstr::ArcStr;
use butler_core::backend::{
    Column, ColumnBatch, ColumnType, Relation, RowBatch, Scalar, TableRef, Transaction, Value,
};
use butler_core::{DatasetId, DimensionElement, DimensionValue, Error, ErrorKind, Result};
use rustc_hash::FxHashMap;

use super::layout::key_type;

/// Ranges of ids that a question is split into at most.
const RANGES_MAX: usize = 16;

/// Mean length of ranges of ids, at least: a few single ids are better listed.
const RANGE_LENGTH_MIN: usize = 4;

/// All rows of a relation, in a transaction.
pub(crate) fn collect(tx: &mut dyn Transaction, relation: &Relation) -> Result<Vec<ColumnBatch>> {
    let mut batches = Vec::new();
    tx.select(relation, &mut |batch| {
        batches.push(batch);
        ControlFlow::Continue(())
    })?;
    Ok(batches)
}

/// Whether a relation has a row.
pub(crate) fn any(tx: &mut dyn Transaction, relation: &Relation) -> Result<bool> {
    let mut found = false;
    tx.select(relation, &mut |batch| {
        found |= !batch.is_empty();
        if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}

/// The integer of a column that is never NULL.
pub(crate) fn int(column: &Column, row: usize) -> Result<i64> {
    column.int(row).ok_or_else(|| Error::new(ErrorKind::Corrupt, "an integer is missing in the registry"))
}

/// The text of a column that is never NULL.
pub(crate) fn text(column: &Column, row: usize) -> Result<&str> {
    column.text(row).ok_or_else(|| Error::new(ErrorKind::Corrupt, "a text is missing in the registry"))
}

/// The value of a dimension in a row.
pub(crate) fn key(column: &Column, row: usize, strings: &mut Strings) -> Result<DimensionValue> {
    match column.ty() {
        ColumnType::Text => Ok(DimensionValue::Text(strings.share(text(column, row)?))),
        _ => int(column, row).map(DimensionValue::Int),
    }
}

/// Texts that occur again and again in a result, kept once.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    last: ArcStr,
    known: FxHashMap<ArcStr, ()>,
}

impl Strings {
    /// The shared text of the same content.
    pub(crate) fn share(&mut self, text: &str) -> ArcStr {
        if self.last == text {
            return self.last.clone();
        }
        let shared = match self.known.get_key_value(text) {
            Some((shared, ())) => shared.clone(),
            None => {
                let shared = ArcStr::from(text);
                self.known.insert(shared.clone(), ());
                shared
            }
        };
        self.last = shared.clone();
        shared
    }
}

/// A batch of named columns to be filled row by row.
pub(crate) fn batch<'a>(columns: impl IntoIterator<Item = (&'a ArcStr, ColumnType)>) -> RowBatch {
    RowBatch::new(columns.into_iter().map(|(name, ty)| (name.clone(), ty)))
}

/// One row of values of some of a table's columns.
pub(crate) fn row(
    table: &TableRef,
    values: impl IntoIterator<Item = (&'static str, Value)>,
) -> Result<RowBatch> {
    let (names, values): (Vec<_>, Vec<Value>) = values.into_iter().unzip();
    let columns =
        names.into_iter().filter_map(|name| table.get(name).map(|column| (ArcStr::from(name), column.ty)));
    let mut batch = RowBatch::new(columns);
    batch.push_row(&values)?;
    Ok(batch)
}

/// Appends the value of a dimension to its column.
pub(crate) fn push_key(column: &mut Column, value: &DimensionValue) {
    match value {
        DimensionValue::Int(value) => column.push_int(*value),
        DimensionValue::Text(value) => column.push_text(value),
    }
}

/// A relation of distinct keys, with columns of these names.
pub(crate) fn key_values<'a>(
    dimensions: &[DimensionElement],
    names: &[ArcStr],
    keys: impl IntoIterator<Item = &'a [DimensionValue]>,
) -> Relation {
    let mut rows = batch(names.iter().zip(dimensions.iter().map(|dimension| key_type(*dimension))));
    for key in keys {
        for (column, value) in rows.columns_mut().iter_mut().zip(key) {
            push_key(column, value);
        }
        rows.end_row();
    }
    Relation::values(rows)
}

/// Ids of datasets or quanta, as a relation with columns `given_origin` and `given_id`.
pub(crate) fn given_ids(ids: impl IntoIterator<Item = DatasetId>) -> Relation {
    let names = [arcstr::literal!("given_origin"), arcstr::literal!("given_id")];
    let mut rows = batch(names.iter().map(|name| (name, ColumnType::Int)));
    for id in ids {
        rows.columns_mut()[0].push_int(id.origin());
        rows.columns_mut()[1].push_int(id.id());
        rows.end_row();
    }
    Relation::values(rows)
}

/// Rows of a relation whose columns for an id are among some ids.
///
/// Ids are issued one after the other, so that those that are asked for together mostly make a few
/// ranges: these need no table of ids, and lead the database straight to the rows.
pub(crate) fn among_ids(
    relation: Relation,
    origin: &str,
    id: &str,
    ids: impl IntoIterator<Item = DatasetId>,
) -> Relation {
    let ids: Vec<DatasetId> = ids.into_iter().collect();
    let Some(ranges) = ranges(&ids) else {
        return relation.semi(given_ids(ids), equal([(origin, "given_origin"), (id, "given_id")]));
    };
    relation.filter(Scalar::any(ranges.into_iter().map(|(first, last)| {
        let column = Scalar::column(id);
        Scalar::all([
            is(origin, first.origin()),
            column.clone().ge(first.id()),
            Scalar::literal(last.id()).ge(column),
        ])
    })))
}

/// Ids as ranges, first and last of each, if they are long and few.
fn ranges(ids: &[DatasetId]) -> Option<Vec<(DatasetId, DatasetId)>> {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let mut ranges: Vec<(DatasetId, DatasetId)> = Vec::new();
    for id in sorted {
        match ranges.last_mut() {
            Some((_, last)) if *last == id || follows(*last, id) => *last = id,
            _ => ranges.push((id, id)),
        }
        if ranges.len() > RANGES_MAX {
            return None;
        }
    }
    (!ids.is_empty() && ids.len() >= RANGE_LENGTH_MIN * ranges.len()).then_some(ranges)
}

/// Whether an id is the next one after another, with nothing between them.
fn follows(before: DatasetId, after: DatasetId) -> bool {
    before.origin() == after.origin() && before.id().checked_add(1) == Some(after.id())
}

/// Equality of pairs of columns.
pub(crate) fn equal<A: Into<ArcStr>, B: Into<ArcStr>>(pairs: impl IntoIterator<Item = (A, B)>) -> Scalar {
    Scalar::all(pairs.into_iter().map(|(a, b)| Scalar::column(a).eq(Scalar::column(b))))
}

/// Equality of a column with a value.
pub(crate) fn is(column: impl Into<ArcStr>, value: impl Into<Value>) -> Scalar {
    Scalar::column(column).eq(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(origin: i64, id: i64) -> DatasetId {
        DatasetId::from_trusted(origin, id)
    }

    #[test]
    fn neighbours_make_ranges() {
        let mut ids: Vec<DatasetId> = (5..50).chain(60..100).map(|n| id(7, n)).collect();
        ids.extend((50..60).map(|n| id(8, n)));
        ids.reverse();
        ids.push(id(7, 20));
        let expected = vec![(id(7, 5), id(7, 49)), (id(7, 60), id(7, 99)), (id(8, 50), id(8, 59))];
        assert_eq!(ranges(&ids), Some(expected));
    }

    #[test]
    fn what_lies_apart_is_listed() {
        let apart: Vec<DatasetId> = (0..1000).map(|n| id(7, 2 * n)).collect();
        assert_eq!(ranges(&apart), None);
        assert_eq!(ranges(&[id(1, 1), id(1, 2), id(1, 3)]), None);
        assert_eq!(ranges(&[]), None);
        assert_eq!(
            ranges(&[id(1, i64::MAX), id(1, i64::MAX - 1), id(2, i64::MIN), id(2, i64::MIN + 1)]),
            None
        );
    }
}
