//! The traits that databases implement.

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};

use super::batch::{ColumnBatch, RowBatch};
use super::relation::Relation;
use super::table::{TableRef, TableSpec};
use super::value::Value;
use crate::{Error, ErrorKind, Result};

/// Version of the static tables: migrations are numbered from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SchemaVersion(pub u32);

/// What a backend can do; everything declared must work, and everything else fails cleanly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Name of the kind of database, for messages.
    pub name: &'static str,
    /// Whether it was opened for reading only.
    pub read_only: bool,
    /// Whether static tables come from its migrations; otherwise the registry creates them.
    pub migrations: bool,
    /// Whether [`Exclusion`](super::Exclusion) rules are enforced by the database;
    /// otherwise the writer checks under a lock.
    pub exclusion: bool,
    /// Whether what was committed survives the process.
    pub persistent: bool,
    /// Whether several transactions may write at once, so that rows must be locked.
    pub concurrent_writers: bool,
}

/// What to do with a row whose primary key is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnConflict {
    /// The whole call is an error.
    Fail,
    /// The row is left out, and what its other columns say does not matter, so long as they
    /// are of the right types and not wrongly NULL; the other rows must follow all other rules.
    Ignore,
    /// The row replaces all other columns of the one that is there, those not given by NULL;
    /// rows that refer to it stay.
    Replace,
}

/// Strength of a lock on rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strength {
    /// The rows stay as they are for as long as the transaction lasts: taken by who refers to them.
    KeyShare,
    /// Nobody else holds a lock on the rows: taken by who changes or removes them.
    Update,
}

/// What [`Transaction::sync`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct Synced {
    /// Whether the row is new.
    pub inserted: bool,
    /// The row as it is now, all columns of the table.
    pub row: Vec<Value>,
}

/// A transaction in progress.
///
/// Synchronous: it runs on the thread that owns the connection. Calls see the
/// effects of those before them, and nothing of other transactions that
/// committed since a row was locked.
///
/// A call that fails ends the innermost [`savepoint`](Self::savepoint) or, outside
/// of all, the transaction: calls after it fail too, and that part is undone with
/// the error of the first failed call, even if its body says `Ok`. A body that
/// wants to go on after a failure runs the call in a savepoint.
///
/// A table that is not there is `NotFound` for every method but `create` and
/// `drop_table`. On a backend opened for reading only, `select` works, and what
/// could write is `ReadOnly`.
pub trait Transaction {
    /// Creates a table, if it is not there.
    ///
    /// Behaviour: an identical table is left as it is, also one that another transaction creates at the same time;
    /// comments, and the order of indexes and of foreign keys, make no difference. Undone with the transaction.
    ///
    /// # Errors
    /// `Argument` for an unsound specification, also if a table that it refers to is not there (it may
    /// be the table itself), or if what it refers to are not the columns of the primary key, of the
    /// same types; `ConflictingDefinition` for another table of that name.
    fn create(&mut self, spec: &TableSpec) -> Result<()>;

    /// Removes a table with all its rows, if it is there. Undone with the transaction.
    ///
    /// # Errors
    /// `OrphanedRecord` if another table refers to it, with rows or without.
    fn drop_table(&mut self, table: &TableRef) -> Result<()>;

    /// Inserts rows, all or none; returns the number of rows inserted or replaced.
    ///
    /// Behaviour: columns that are not given are NULL; an identity column may be
    /// left out; no rows are no error; of rows with one key in one batch, `Ignore`
    /// keeps the first and `Replace` the last, which is the only one that counts.
    /// Rows may refer to rows before them in the batch, and to themselves. Rules hold after
    /// each row or after all: a violation that later rows of the batch mend may be an error or not.
    ///
    /// # Errors
    /// `ConflictingDefinition` if a primary key (with `Fail`), a unique or an exclusion rule is
    /// violated, `OrphanedRecord` if a referenced row is missing, `Argument` for NULL in
    /// a column that does not allow it (an identity column, too), for columns unknown or given twice,
    /// for columns of wrong types, and for values that no column holds: text with NUL,
    /// a float that is not finite, an empty range of an [`Exclusion`](super::Exclusion).
    fn insert(&mut self, into: &TableRef, rows: &RowBatch, on: OnConflict) -> Result<u64>;

    /// Inserts one row unless its [natural key](TableSpec::natural_key) is there; returns what is there then.
    ///
    /// Behaviour: the row that is there is not changed, and not compared; two
    /// transactions that sync one key at once get the same row.
    ///
    /// # Errors
    /// As [`insert`](Self::insert), and `Argument` if it is not one row, or a column of the key is missing or NULL.
    fn sync(&mut self, into: &TableRef, row: &RowBatch) -> Result<Synced>;

    /// Changes the given columns of rows, found by primary key; returns the number of rows found.
    ///
    /// Behaviour: keys that are not there are no error; of rows with one key in one batch,
    /// the last counts; the key alone changes nothing, and is counted; no rows are no error.
    ///
    /// # Errors
    /// As [`insert`](Self::insert), and `Argument` if a column of the primary key is missing.
    fn update(&mut self, table: &TableRef, rows: &RowBatch) -> Result<u64>;

    /// Deletes the rows whose primary key is in a relation; returns their number.
    ///
    /// Behaviour: the relation has the columns of the primary key, perhaps more, in
    /// any order, and is evaluated before anything is deleted; keys that are not there are
    /// no error. Rows that refer to deleted ones go with them where the rule is to
    /// cascade, and so on; they are not counted.
    ///
    /// # Errors
    /// `OrphanedRecord` if a row that is not to go, by the relation or by a cascade, refers to one
    /// that is; `Argument` if a column of the primary key is missing or of another type, and
    /// as [`select`](Self::select).
    fn delete(&mut self, from: &TableRef, matching: &Relation) -> Result<u64>;

    /// Evaluates a relation, and hands its rows over in batches of any size until told to stop.
    ///
    /// Behaviour: each batch has the columns of [`Relation::schema`]; of no rows there may be no batch.
    ///
    /// # Errors
    /// `Argument` for an unsound relation, for values that no column holds, or for an arithmetic overflow
    /// (see [`Scalar`](super::Scalar)).
    fn select(
        &mut self,
        relation: &Relation,
        each: &mut dyn FnMut(ColumnBatch) -> ControlFlow<()>,
    ) -> Result<()>;

    /// Locks rows of a table until the end of the transaction, found as by [`delete`](Self::delete).
    ///
    /// Behaviour: waits for others; afterwards the rows are seen as they are now.
    /// Keys that are not there are no error. Where one transaction writes at a time,
    /// nothing remains to be done.
    ///
    /// # Errors
    /// As [`delete`](Self::delete), except `OrphanedRecord`; `Busy` if a deadlock was found.
    fn lock(&mut self, table: &TableRef, rows: &Relation, strength: Strength) -> Result<()>;

    /// Runs a part that is undone alone if it fails; the transaction goes on.
    ///
    /// Behaviour: savepoints may be nested; a part that succeeded is undone with what surrounds it.
    ///
    /// # Errors
    /// Those of the part, or that of a call in it that failed.
    fn savepoint(&mut self, body: &mut dyn FnMut(&mut dyn Transaction) -> Result<()>) -> Result<()>;
}

/// Work of a transaction. It may run several times, from the beginning each time.
pub type TransactionBody = Box<dyn FnMut(&mut dyn Transaction) -> Result<()> + Send>;

/// Batches of rows, as they arrive.
pub type ColumnStream = Pin<Box<dyn Stream<Item = Result<ColumnBatch>> + Send>>;

/// One namespace in one database.
///
/// It knows nothing of datasets. Write the name in full where Diesel's trait of the same name is near.
#[async_trait]
pub trait Backend: Debug + Send + Sync + 'static {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Brings the static tables to a version, upward only.
    ///
    /// Behaviour: idempotent; all or nothing; two callers at once do no harm; does nothing, for
    /// any version, without the capability.
    ///
    /// # Errors
    /// `SchemaVersion` if the tables are newer or the version is unknown.
    async fn migrate(&self, to: SchemaVersion) -> Result<()>;

    /// Specifications of all tables there are, read from the database's own catalogue.
    ///
    /// Behaviour: in order of names; only tables of this namespace, and none that the backend keeps for itself;
    /// everything as it was specified, but comments are empty where the database keeps none,
    /// and indexes and foreign keys may come in another order.
    ///
    /// # Errors
    /// `Connection` and the like.
    async fn tables(&self) -> Result<Vec<TableSpec>>;

    /// Runs a transaction: everything or, if the body fails, nothing.
    ///
    /// Behaviour: the body runs again after a failure that is [temporary](crate::Retry::Temporary)
    /// (busy, deadlock, serialisation), its own or a call's; it is pure database work that rebuilds
    /// its result each time. Dropping the future either lets it commit or undoes it. A body
    /// that panics is undone, and the backend is as good as before.
    ///
    /// # Errors
    /// Those of the body, with [`Retry::Exhausted`](crate::Retry::Exhausted) for a temporary one that
    /// was repeated as often as allowed, some seconds at most; `ReadOnly`; `OutcomeUnknown` if the
    /// reply to the commit was lost.
    async fn transaction(&self, body: TransactionBody) -> Result<()>;

    /// Evaluates a relation in a snapshot of its own, and streams the rows.
    ///
    /// Behaviour: sees what was committed when it was called, and nothing later; never waits for
    /// writers, nor makes them wait; many streams may be open at once,
    /// each idle for as long as its reader likes; dropping one interrupts it.
    ///
    /// # Errors
    /// As [`Transaction::select`]; later errors are items of the stream, and end it.
    async fn stream(&self, relation: Relation) -> Result<ColumnStream>;

    /// How it would evaluate a relation, as text for people; it need not evaluate it.
    ///
    /// # Errors
    /// As [`Transaction::select`].
    async fn explain(&self, relation: Relation) -> Result<String>;
}

/// Conveniences of every backend.
#[async_trait]
pub trait BackendExt: Backend {
    /// Runs a transaction that has a result.
    ///
    /// # Errors
    /// As [`Backend::transaction`].
    async fn run<T, F>(&self, mut body: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut dyn Transaction) -> Result<T> + Send + 'static,
    {
        let result = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&result);
        self.transaction(Box::new(move |transaction| {
            let value = body(transaction)?;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        }))
        .await?;
        let value = result.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| Error::new(ErrorKind::Unexpected, "a transaction ended without running its body"))
    }

    /// Evaluates a relation and collects all rows.
    ///
    /// # Errors
    /// As [`Backend::stream`].
    async fn collect(&self, relation: Relation) -> Result<Vec<ColumnBatch>> {
        let mut stream = self.stream(relation).await?;
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }
}

impl<B: Backend + ?Sized> BackendExt for B {}
