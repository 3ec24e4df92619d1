//! What mutants do to batches.

use butler_core::Result;
use butler_core::backend::{ColumnBatch, ColumnType, RowBatch, TableSpec, Value};

/// The batch with other rows.
pub(super) fn with_rows(batch: &RowBatch, rows: impl IntoIterator<Item = Vec<Value>>) -> Result<RowBatch> {
    let columns = batch.names().iter().zip(batch.columns());
    let mut changed = ColumnBatch::new(columns.map(|(name, column)| (name.clone(), column.ty())));
    rows.into_iter().try_for_each(|row| changed.push_row(&row))?;
    Ok(changed)
}

/// Rows in reverse.
pub(super) fn reversed(batch: &RowBatch) -> Result<RowBatch> {
    with_rows(batch, (0..batch.len()).rev().map(|row| batch.row(row)))
}

/// At most so many rows.
pub(super) fn cut(batch: &RowBatch, rows: usize) -> Result<RowBatch> {
    with_rows(batch, batch.rows().take(rows))
}

/// Batches of so many rows each; at least one.
pub(super) fn pieces(batch: &RowBatch, size: usize) -> Result<Vec<RowBatch>> {
    let rows: Vec<Vec<Value>> = batch.rows().collect();
    match rows.is_empty() {
        true => Ok(vec![batch.clone()]),
        false => rows.chunks(size).map(|chunk| with_rows(batch, chunk.to_vec())).collect(),
    }
}

/// Other values.
pub(super) fn mapped(batch: &RowBatch, change: fn(Value) -> Value) -> Result<RowBatch> {
    with_rows(batch, batch.rows().map(|row| row.into_iter().map(change).collect()))
}

/// Only some of the columns.
pub(super) fn only(batch: &RowBatch, keep: impl Fn(&str, ColumnType) -> bool) -> Result<RowBatch> {
    let columns = || batch.names().iter().zip(batch.columns());
    let kept: Vec<usize> =
        columns().enumerate().filter(|(_, (name, column))| keep(name, column.ty())).map(|(i, _)| i).collect();
    let names = kept.iter().map(|&i| (batch.names()[i].clone(), batch.columns()[i].ty()));
    let mut changed = ColumnBatch::new(names);
    for row in batch.rows() {
        changed.push_row(&kept.iter().map(|&i| row[i].clone()).collect::<Vec<_>>())?;
    }
    Ok(changed)
}

/// All columns of a table: those that are not given have a value.
pub(super) fn filled(batch: &RowBatch, spec: &TableSpec, value: fn(ColumnType) -> Value) -> Result<RowBatch> {
    let missing: Vec<_> = spec
        .columns
        .iter()
        .filter(|column| {
            !batch.names().contains(&column.name) && Some(&column.name) != spec.identity.as_ref()
        })
        .map(|column| (column.name.clone(), column.ty))
        .collect();
    let given = batch.names().iter().cloned().zip(batch.columns().iter().map(|column| column.ty()));
    let mut changed = ColumnBatch::new(given.chain(missing.clone()));
    for mut row in batch.rows() {
        row.extend(missing.iter().map(|(_, ty)| value(*ty)));
        changed.push_row(&row)?;
    }
    Ok(changed)
}

/// Whether all columns of the primary key are there.
pub(super) fn has_key(batch: &RowBatch, spec: &TableSpec) -> bool {
    spec.primary_key.iter().all(|column| batch.names().contains(column))
}

/// A row as a table has it, with NULL in columns that are not given.
pub(super) fn whole(batch: &RowBatch, spec: &TableSpec, row: usize) -> Vec<Value> {
    let position = |name| batch.names().iter().position(|other| other == name);
    spec.columns
        .iter()
        .map(|column| position(&column.name).map_or(Value::Null, |i| batch.columns()[i].value(row)))
        .collect()
}
