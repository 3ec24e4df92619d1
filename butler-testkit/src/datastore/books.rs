//! What a registry keeps for datastores, in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::backend::{ColumnBatch, Value};
use butler_core::datastore::{Bookkeeper, RecordsByDataset};
use butler_core::registry::{OpaqueFetch, OpaqueTable, Outcome};
use butler_core::{ArtifactRecord, ArtifactRecords, DatasetId, DatasetRef, Error, ErrorKind, Result};

/// Records and outcomes, in memory: a [`Bookkeeper`], and the transactions of a registry that
/// concern datastores.
#[derive(Clone, Debug, Default)]
pub struct Books {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    tables: Vec<OpaqueTable>,
    records: BTreeMap<DatasetId, Vec<ArtifactRecord>>,
    outcomes: BTreeMap<ArcStr, Outcome>,
}

impl Books {
    /// Books with some tables.
    #[must_use]
    pub fn new(tables: Vec<OpaqueTable>) -> Self {
        Self { state: Arc::new(Mutex::new(State { tables, ..State::default() })) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The registry's transaction of a write: entries are claimed, and records come.
    ///
    /// # Errors
    /// `Aborted` if a recovery has claimed an entry, `AlreadyExists` for a record that is there.
    pub fn insert(&self, entries: &[ArcStr], records: RecordsByDataset) -> Result<()> {
        let mut state = self.state();
        state.claim(entries)?;
        for (id, record) in records.0 {
            let known = state.records.entry(id).or_default();
            let key = |record: &ArtifactRecord| (record.table.clone(), record.values.first().cloned());
            if known.iter().any(|other| key(other) == key(&record)) {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    format!("a record of {id} is there: {record:?}"),
                ));
            }
            known.push(record);
        }
        Ok(())
    }

    /// The registry's transaction of a removal: entries are claimed, and records go.
    ///
    /// # Errors
    /// `Aborted` if a recovery has claimed an entry.
    pub fn delete<'a>(
        &self,
        entries: &[ArcStr],
        datasets: impl IntoIterator<Item = &'a DatasetRef>,
    ) -> Result<()> {
        let mut state = self.state();
        state.claim(entries)?;
        for dataset in datasets {
            state.records.remove(&dataset.id());
        }
        Ok(())
    }

    /// A dataset with its records.
    #[must_use]
    pub fn attach(&self, dataset: &DatasetRef) -> DatasetRef {
        let records = self.state().records.get(&dataset.id()).cloned().unwrap_or_default();
        dataset.with_records(Some(Arc::new(ArtifactRecords(records))))
    }

    /// Who has won an entry, as far as that is decided.
    #[must_use]
    pub fn outcome(&self, entry: &str) -> Option<Outcome> {
        self.state().outcomes.get(entry).copied()
    }
}

impl State {
    fn claim(&mut self, entries: &[ArcStr]) -> Result<()> {
        if let Some(entry) = entries.iter().find(|entry| self.outcomes.get(*entry) == Some(&Outcome::Aborted))
        {
            return Err(Error::new(ErrorKind::Aborted, format!("a recovery has undone '{entry}'")));
        }
        self.outcomes.extend(entries.iter().map(|entry| (entry.clone(), Outcome::Committed)));
        Ok(())
    }
}

#[async_trait]
impl Bookkeeper for Books {
    async fn claim(&self, entry: &str, outcome: Outcome) -> Result<Outcome> {
        Ok(*self.state().outcomes.entry(entry.into()).or_insert(outcome))
    }

    async fn outcomes(&self, entries: Vec<ArcStr>) -> Result<Vec<Option<Outcome>>> {
        let state = self.state();
        Ok(entries.iter().map(|entry| state.outcomes.get(entry).copied()).collect())
    }

    async fn forget(&self, entries: Vec<ArcStr>) -> Result<()> {
        self.state().outcomes.retain(|entry, _| !entries.contains(entry));
        Ok(())
    }

    async fn fetch(&self, fetch: OpaqueFetch) -> Result<ColumnBatch> {
        let state = self.state();
        let table =
            state.tables.iter().find(|table| table.spec.name == fetch.table).ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("there is no table '{}'", fetch.table))
            })?;
        let mut rows =
            ColumnBatch::new(table.spec.columns.iter().map(|column| (column.name.clone(), column.ty)));
        let positions: Vec<usize> = fetch
            .columns
            .iter()
            .map(|column| {
                let unknown = || Error::new(ErrorKind::Argument, format!("there is no column '{column}'"));
                table.spec.position(column).ok_or_else(unknown)
            })
            .collect::<Result<_>>()?;
        for (id, records) in &state.records {
            for record in records.iter().filter(|record| record.table == fetch.table) {
                let mut row = vec![Value::Int(id.origin()), Value::Int(id.id())];
                row.extend(record.values.iter().cloned());
                let key: Vec<&Value> = positions.iter().filter_map(|position| row.get(*position)).collect();
                if fetch
                    .keys
                    .as_ref()
                    .is_none_or(|keys| keys.iter().any(|wanted| wanted.iter().eq(key.iter().copied())))
                {
                    rows.push_row(&row)?;
                }
            }
        }
        Ok(rows)
    }
}
