//! Rows of relations, collected and read.

use std::ops::ControlFlow;

use arcstr::ArcStr;
use butler_core::backend::{
    Column, ColumnBatch, ColumnType, Relation, RowBatch, Scalar, TableRef, Transaction, Value,
};
use butler_core::{DatasetId, DimensionElement, DimensionValue, Error, ErrorKind, Result};
use rustc_hash::FxHashMap;

use super::layout::key_type;

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
pub(crate) fn among_ids(
    relation: Relation,
    origin: &str,
    id: &str,
    ids: impl IntoIterator<Item = DatasetId>,
) -> Relation {
    relation.semi(given_ids(ids), equal([(origin, "given_origin"), (id, "given_id")]))
}

/// Equality of pairs of columns.
pub(crate) fn equal<A: Into<ArcStr>, B: Into<ArcStr>>(pairs: impl IntoIterator<Item = (A, B)>) -> Scalar {
    Scalar::all(pairs.into_iter().map(|(a, b)| Scalar::column(a).eq(Scalar::column(b))))
}

/// Equality of a column with a value.
pub(crate) fn is(column: impl Into<ArcStr>, value: impl Into<Value>) -> Scalar {
    Scalar::column(column).eq(value.into())
}
