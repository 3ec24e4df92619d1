//! What a repository must hold after a child was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use butler::{Butler, Lookup, data_id};
use serde::{Deserialize, Serialize};

use crate::fixture::value;

/// A dataset: its run and detector.
pub(super) type Key = (String, i64);

/// What is known of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    Absent,
    /// Registered, and not stored.
    Known,
    /// Stored, with a value; and whether it is tagged.
    Stored(i64, bool),
}

/// What one operation changes, as a whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Effect {
    pub(super) name: String,
    pub(super) datasets: Vec<(Key, State)>,
    /// Files that are moved in.
    pub(super) sources: Vec<String>,
}

/// A line of what the child writes down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Line {
    Begins(Effect),
    Done,
}

/// What must be there.
#[derive(Debug, Default)]
pub(super) struct Model {
    sure: BTreeMap<Key, State>,
    moved: Vec<String>,
    open: Option<Effect>,
    pub(super) acknowledged: u64,
}

impl Model {
    /// From what a child wrote down; a line that was cut short is none.
    pub(super) fn read(text: &str) -> Self {
        let mut model = Self::default();
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            match serde_json::from_str(line).unwrap() {
                Line::Begins(effect) => model.open = Some(effect),
                Line::Done => {
                    let effect = model.open.take().unwrap();
                    model.sure.extend(effect.datasets);
                    model.moved.extend(effect.sources);
                    model.acknowledged += 1;
                }
            }
        }
        model
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Compares: what was acknowledged is there; what was interrupted is there as a whole, or not at all.
    pub(super) async fn compare(&self, butler: &Butler, directory: &Path) -> Result<(), String> {
        let mut keys: BTreeSet<&Key> = self.sure.keys().collect();
        keys.extend(self.open.iter().flat_map(|effect| effect.datasets.iter().map(|(key, _)| key)));
        let mut there = BTreeMap::new();
        for key in keys {
            let state = look(butler, key).await.map_err(|error| format!("{key:?}: {error:#}"))?;
            there.insert(key.clone(), state);
        }
        let before = |key: &Key| self.sure.get(key).copied().unwrap_or(State::Absent);
        let undone = there.iter().all(|(key, state)| *state == before(key));
        let mut after = self.sure.clone();
        after.extend(self.open.iter().flat_map(|effect| effect.datasets.clone()));
        let done =
            there.iter().all(|(key, state)| *state == after.get(key).copied().unwrap_or(State::Absent));
        if !undone && !done {
            return Err(format!(
                "neither done nor undone: {:#?}\nbefore: {:#?}\nthere: {there:#?}",
                self.open, self.sure
            ));
        }
        let wanted = there.values().filter(|state| **state != State::Absent).count() as u64;
        let all = butler.query_datasets("*").collections("*").count().await;
        let all = all.map_err(|error| format!("{error:#}"))?;
        if all != wanted {
            return Err(format!("{all} datasets are there instead of {wanted}"));
        }
        for source in &self.moved {
            if directory.join(source).exists() {
                return Err(format!("{source} was moved, and is there"));
            }
        }
        for source in self.open.iter().flat_map(|effect| &effect.sources) {
            // An effect that changes nothing else would be done and undone; this one does.
            if directory.join(source).exists() == done {
                return Err(format!("{source} is there: {}, and was moved: {done}", !done));
            }
        }
        Ok(())
    }
}

async fn look(butler: &Butler, (run, detector): &Key) -> butler::Result<State> {
    let lookup = Lookup::new("thing", data_id! { instrument: "Cam", detector: *detector });
    let found = match butler.find(lookup.collections([run.as_str()])).await {
        Err(error) if error.kind() == butler::ErrorKind::MissingCollection => return Ok(State::Absent),
        other => other?,
    };
    let Some(dataset) = found else { return Ok(State::Absent) };
    let stored = butler.exists(&dataset, true).await?;
    if !stored.exists() {
        return Ok(State::Known);
    }
    let tagged = butler.query_datasets("thing").collections("tag").collect().await?;
    let tagged = tagged.iter().any(|other| other.id() == dataset.id());
    Ok(State::Stored(value(butler, &dataset).await?, tagged))
}
