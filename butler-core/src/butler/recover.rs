//! Finishing and undoing what dead writers left.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arcstr::ArcStr;
use async_trait::async_trait;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

use super::{Butler, Inner};
use crate::backend::{ColumnBatch, Value};
use crate::datastore::{Bookkeeper, RecoverOptions, RecoveredEntry};
use crate::registry::{JournalOutcome, OpaqueFetch, Operation, Outcome, RegistryExt};
use crate::time::Instant;
use crate::{Error, ErrorKind, Result};

/// How long it is remembered that a writer was declared dead, in case it is only
/// asleep: whoever wakes up later than that might commit what was undone.
const ABORTED_KEPT: Duration = Duration::from_secs(90 * 86_400);

/// Outcomes without an entry go when they are so many leases old: there may be an
/// entry in a place that cannot be reached today.
const LEASES_KEPT: u32 = 10;

/// What a recovery did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecoveryReport {
    /// Whether it only looked.
    pub dry_run: bool,
    /// Journal entries that were dealt with.
    pub entries: Vec<RecoveredEntry>,
    /// Number of journal entries that were left alone: their writers may be alive, or another recovery is at them.
    pub left: u64,
    /// Number of outcomes that were forgotten because their entries are long gone.
    pub forgotten: u64,
}

impl Butler {
    /// Finishes or undoes what dead writers left.
    ///
    /// Entries that are younger than the lease belong to live writers, and are
    /// left alone; a lease that is shorter than that of the datastores is for those who
    /// know that nobody is at work. Several recoveries may run at once, and one after another does no harm.
    ///
    /// # Errors
    /// `ReadOnly`, unless it is a dry run; those of registry and datastore if nothing could be done.
    pub async fn recover(&self, options: &RecoverOptions) -> Result<RecoveryReport> {
        if !options.dry_run {
            self.session()?;
        }
        let books = self.books();
        let entries = self.inner.datastore.recover(&books, options).await?;
        let left = books.asked().len().saturating_sub(entries.len()) as u64;
        let forgotten = books.sweep(options).await?;
        Ok(RecoveryReport { dry_run: options.dry_run, entries, left, forgotten })
    }

    /// The registry, as far as datastores need it.
    pub(super) fn books(&self) -> Books<'_> {
        Books { inner: &self.inner, asked: Mutex::default() }
    }
}

/// The registry, as far as datastores need it.
pub(super) struct Books<'a> {
    inner: &'a Inner,
    /// Entries whose outcomes somebody wanted to know: they are there.
    asked: Mutex<FxHashSet<ArcStr>>,
}

/// A row of the outcomes.
struct OutcomeRow {
    entry: ArcStr,
    outcome: Outcome,
    at: i64,
}

impl Books<'_> {
    /// Names of the entries there are, as far as datastores have asked for their outcomes.
    pub(super) fn entries(&self) -> Vec<ArcStr> {
        let mut entries: Vec<ArcStr> = self.asked().iter().cloned().collect();
        entries.sort_unstable();
        entries
    }

    fn asked(&self) -> MutexGuard<'_, FxHashSet<ArcStr>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn rows(&self, entries: Option<&[ArcStr]>) -> Result<Vec<OutcomeRow>> {
        let keys = entries.map(|entries| entries.iter().map(|name| [Value::Text(name.clone())].into()));
        let fetch = OpaqueFetch {
            table: JournalOutcome::TABLE.into(),
            columns: vec!["entry".into()],
            keys: keys.map(Iterator::collect),
        };
        let batches = self.inner.registry.fetch_opaque(vec![fetch]).await?;
        let mut rows = Vec::new();
        for batch in &batches {
            let (names, outcomes, at) =
                (batch.column("entry")?, batch.column("outcome")?, batch.column("at")?);
            for row in 0..batch.len() {
                let (Some(name), Some(outcome), Some(at)) =
                    (names.text(row), outcomes.text(row), at.int(row))
                else {
                    continue;
                };
                rows.push(OutcomeRow { entry: name.into(), outcome: outcome.parse()?, at });
            }
        }
        Ok(rows)
    }

    /// Forgets outcomes whose entries nobody has any more; returns their number.
    async fn sweep(&self, options: &RecoverOptions) -> Result<u64> {
        let old = |age: Duration| -> Result<i64> {
            let age = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
            Ok(Instant::now()?.nanoseconds().saturating_sub(age))
        };
        let committed = old(options.lease.saturating_mul(LEASES_KEPT))?;
        let aborted = old(ABORTED_KEPT)?;
        let mut rows = self.rows(None).await?;
        {
            let asked = self.asked();
            rows.retain(|row| {
                let limit = match row.outcome {
                    Outcome::Committed => committed,
                    Outcome::Aborted => aborted,
                };
                row.at <= limit && !asked.contains(&row.entry)
            });
        }
        let count = rows.len() as u64;
        if count > 0 && !options.dry_run {
            let entries = rows.into_iter().map(|row| row.entry).collect();
            self.inner.registry.apply_one(Operation::ForgetOutcomes(entries)).await?;
        }
        Ok(count)
    }
}

#[async_trait]
impl Bookkeeper for Books<'_> {
    async fn claim(&self, entry: &str, outcome: Outcome) -> Result<Outcome> {
        self.inner.registry.claim(entry.into(), outcome).await
    }

    async fn outcomes(&self, entries: Vec<ArcStr>) -> Result<Vec<Option<Outcome>>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        self.asked().extend(entries.iter().cloned());
        let rows = self.rows(Some(&entries)).await?;
        let known: FxHashMap<ArcStr, Outcome> =
            rows.into_iter().map(|row| (row.entry, row.outcome)).collect();
        Ok(entries.iter().map(|entry| known.get(entry).copied()).collect())
    }

    /// Not yet: whoever made an entry, and got no reply to its commit, may still ask. They are swept away when they are old.
    async fn forget(&self, _entries: Vec<ArcStr>) -> Result<()> {
        Ok(())
    }

    async fn fetch(&self, fetch: OpaqueFetch) -> Result<ColumnBatch> {
        let name = fetch.table.clone();
        match self.inner.registry.fetch_opaque(vec![fetch]).await {
            Ok(mut batches) => batches
                .pop()
                .ok_or_else(|| Error::new(ErrorKind::Unexpected, "a registry gave no answer to a question")),
            // Nothing was ever stored there, so that there are no rows.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let tables = self.inner.datastore.tables();
                let table = tables.iter().find(|table| table.spec.name == name).ok_or(error)?;
                Ok(ColumnBatch::new(table.spec.columns.iter().map(|column| (column.name.clone(), column.ty))))
            }
            Err(error) => Err(error),
        }
    }
}
