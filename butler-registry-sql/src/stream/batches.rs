//! Rows that are gathered into batches.

use std::ops::ControlFlow;
use std::time::Instant;

use butler_core::backend::{Column, ColumnBatch, ColumnType, Schema};

use super::{BATCH, EARLY, FIRST_BATCH};

/// Rows after which the clock is read.
const CLOCK: usize = 64;

/// Rows on their way to whoever takes batches; the first batch is small, and does not wait for long.
pub(crate) struct Batches<'a> {
    schema: &'a Schema,
    each: &'a mut dyn FnMut(ColumnBatch) -> ControlFlow<()>,
    batch: ColumnBatch,
    size: usize,
    began: Instant,
}

impl<'a> Batches<'a> {
    /// No rows so far.
    pub(crate) fn new(schema: &'a Schema, each: &'a mut dyn FnMut(ColumnBatch) -> ControlFlow<()>) -> Self {
        Self { schema, each, batch: empty(schema), size: FIRST_BATCH, began: Instant::now() }
    }

    /// Columns that take the values of the next row, with their types.
    pub(crate) fn columns(&mut self) -> impl Iterator<Item = (&mut Column, ColumnType)> {
        self.batch.columns_mut().iter_mut().zip(self.schema.iter().map(|column| column.ty))
    }

    /// Ends a row; breaks if no more rows are wanted.
    pub(crate) fn end_row(&mut self) -> ControlFlow<()> {
        self.batch.end_row();
        let len = self.batch.len();
        if len < self.size && (!len.is_multiple_of(CLOCK) || self.began.elapsed() <= EARLY) {
            return ControlFlow::Continue(());
        }
        let full = std::mem::replace(&mut self.batch, empty(self.schema));
        let goes_on = (self.each)(full);
        (self.size, self.began) = (BATCH, Instant::now());
        goes_on
    }

    /// Hands on the rows that are left.
    pub(crate) fn finish(self) {
        if !self.batch.is_empty() {
            let _ = (self.each)(self.batch);
        }
    }
}

fn empty(schema: &Schema) -> ColumnBatch {
    ColumnBatch::new(schema.iter().map(|column| (column.name.clone(), column.ty)))
}
