//! Transactions on a private copy of the tables.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use butler_core::backend::{
    ColumnBatch, OnConflict, Relation, RowBatch, Strength, Synced, TableRef, TableSpec, Transaction,
};
use butler_core::{Error, ErrorKind, Result, Retry};

use super::database::Database;
use super::evaluate::{Rows, evaluate};
use super::flaw::{Flaw, Flawed};

/// Rows of a batch that a reader gets.
const BATCH_ROWS: usize = 100;

/// A transaction: what it does becomes real when its tables replace the committed ones.
pub(super) struct ReferenceTransaction<'a> {
    database: Database,
    /// What others see; only flawed ones touch it.
    committed: &'a Mutex<Database>,
    read_only: bool,
    failed: Option<Failed>,
}

/// The first call that failed, since the beginning or the savepoint.
struct Failed {
    kind: ErrorKind,
    retry: Retry,
    message: String,
}

impl Failed {
    fn to_error(&self) -> Error {
        let message = format!("a call of the transaction failed: {}", self.message);
        Error::new(self.kind, message).with_retry(self.retry).with_hint("run such a call in a savepoint")
    }
}

impl<'a> ReferenceTransaction<'a> {
    pub(super) fn new(database: Database, committed: &'a Mutex<Database>, read_only: bool) -> Self {
        Self { database, committed, read_only, failed: None }
    }

    /// The tables as the transaction leaves them.
    ///
    /// # Errors
    /// That of the first call that failed.
    pub(super) fn finish(self) -> Result<Database> {
        match self.failed {
            Some(failed) => Err(failed.to_error()),
            None => Ok(self.database),
        }
    }

    /// Makes a call, unless one has failed, and notes whether it fails.
    fn call<T>(&mut self, call: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if let Some(failed) = &self.failed {
            return Err(failed.to_error());
        }
        call(self).inspect_err(|error| {
            let (kind, retry, message) = (error.kind(), error.retry(), error.message().to_owned());
            if !self.database.flaw.is(Flaw::FailureForgiven) {
                self.failed = Some(Failed { kind, retry, message });
            }
        })
    }

    fn write<T>(&mut self, call: impl FnOnce(&mut Database) -> Result<T>) -> Result<T> {
        self.call(|this| {
            if this.read_only {
                return Err(Error::new(ErrorKind::ReadOnly, "the backend was opened for reading only"));
            }
            let value = call(&mut this.database)?;
            if this.database.flaw.is(Flaw::EachCallCommits) {
                this.publish();
            }
            Ok(value)
        })
    }

    fn define(&mut self, call: impl FnOnce(&mut Database) -> Result<()>) -> Result<()> {
        self.write(call)?;
        if self.database.flaw.is(Flaw::DefinitionsCommit) {
            self.publish();
        }
        Ok(())
    }

    fn publish(&self) {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = self.database.clone();
    }
}

impl Transaction for ReferenceTransaction<'_> {
    fn create(&mut self, spec: &TableSpec) -> Result<()> {
        self.define(|database| database.create(spec))
    }

    fn drop_table(&mut self, table: &TableRef) -> Result<()> {
        self.define(|database| database.drop_table(table))
    }

    fn insert(&mut self, into: &TableRef, rows: &RowBatch, on: OnConflict) -> Result<u64> {
        self.write(|database| database.insert(into, rows, on))
    }

    fn sync(&mut self, into: &TableRef, row: &RowBatch) -> Result<Synced> {
        self.write(|database| database.sync(into, row))
    }

    fn update(&mut self, table: &TableRef, rows: &RowBatch) -> Result<u64> {
        self.write(|database| database.update(table, rows))
    }

    fn delete(&mut self, from: &TableRef, matching: &Relation) -> Result<u64> {
        self.write(|database| database.delete(from, matching))
    }

    fn select(
        &mut self,
        relation: &Relation,
        each: &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>,
    ) -> Result<()> {
        self.call(|this| {
            for batch in batches(&evaluate(&this.database, relation)?)? {
                if each(batch).is_break() && !this.database.flaw.is(Flaw::SelectGoesOn) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Transactions run one after the other: the rows cannot change.
    fn lock(&mut self, table: &TableRef, rows: &Relation, _strength: Strength) -> Result<()> {
        self.write(|database| match database.matching(table, rows) {
            Err(_) if database.flaw.is(Flaw::LockUnchecked) => Ok(()),
            keys => keys.map(drop),
        })
    }

    fn savepoint(&mut self, body: &mut dyn FnMut(&mut dyn Transaction) -> Result<()>) -> Result<()> {
        if let Some(failed) = &self.failed {
            return Err(failed.to_error());
        }
        let before = self.database.clone();
        let outcome = body(self).and_then(|()| match self.failed.take() {
            Some(failed) if !self.database.flaw.is(Flaw::FailureInSavepointForgiven) => {
                Err(failed.to_error())
            }
            _ => Ok(()),
        });
        self.failed = None;
        if outcome.is_err() {
            self.database = before;
        }
        outcome
    }
}

/// Rows as a reader gets them.
pub(super) fn batches(rows: &Rows) -> Result<Vec<ColumnBatch>> {
    let batch = |chunk: &[super::key::Row]| {
        let mut batch = ColumnBatch::new(rows.schema.iter().map(|column| (column.name.clone(), column.ty)));
        chunk.iter().try_for_each(|row| batch.push_row(row))?;
        Ok(batch)
    };
    rows.rows.chunks(BATCH_ROWS).map(batch).collect()
}
