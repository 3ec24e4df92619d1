//! What a child does until it is killed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use butler::datastore::TransferMode;
use butler::registry::{Operation, RegistryBatch};
use butler::{
    Butler, CollectionType, DatasetRef, Draft, IngestFile, IngestOptions, PruneOptions, WorkObserver, data_id,
};

use super::model::{Effect, Key, Line, State};
use super::{FLAW, PLACE, SEED, saboteur};
use crate::fixture::{DETECTORS, at_once, object};

/// Operations of one child.
const OPERATIONS: usize = 60;

/// A child at work.
struct Worker {
    butler: Butler,
    place: PathBuf,
    journal: File,
    random: fastrand::Rng,
    datasets: BTreeMap<Key, (DatasetRef, State)>,
    number: i64,
}

fn started() -> Option<(PathBuf, u64)> {
    let place = std::env::var_os(PLACE)?;
    Some((place.into(), std::env::var(SEED).ok()?.parse().ok()?))
}

async fn open(place: &Path) -> Butler {
    let builder = match std::env::var(FLAW) {
        Ok(flaw) => saboteur::builder(&flaw),
        Err(_) => butler::builder(),
    };
    builder.writable(true).open(place.join("repo").to_str().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a child of other tests"]
async fn recovers() {
    let Some((place, _)) = started() else { return };
    let butler = open(&place).await;
    for _ in 0..2 {
        butler.recover(&at_once()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a child of other tests"]
async fn works() {
    let Some((place, seed)) = started() else { return };
    let butler = open(&place).await;
    let batch = RegistryBatch::new().with(Operation::RegisterCollection {
        name: "tag".into(),
        ty: CollectionType::Tagged,
        doc: None,
    });
    butler.apply(batch).await.unwrap();
    let journal = File::create(place.join("journal")).unwrap();
    let random = fastrand::Rng::with_seed(seed);
    let mut worker = Worker { butler, place, journal, random, datasets: BTreeMap::new(), number: 0 };
    for _ in 0..OPERATIONS {
        worker.step().await;
    }
}

fn draft(key: &Key) -> Draft {
    Draft::new("thing", data_id! { instrument: "Cam", detector: key.1 }).run(key.0.as_str())
}

impl Worker {
    fn write(&mut self, line: &Line) {
        let text = serde_json::to_string(line).unwrap() + "\n";
        self.journal.write_all(text.as_bytes()).unwrap();
    }

    fn begins(&mut self, name: &str, datasets: Vec<(Key, State)>, sources: Vec<String>) {
        self.write(&Line::Begins(Effect { name: name.into(), datasets, sources }));
    }

    fn done(&mut self) {
        self.write(&Line::Done);
    }

    /// A data ID that is free.
    fn fresh(&mut self) -> Key {
        self.number += 1;
        (format!("run{}", self.number / 12), self.number % DETECTORS)
    }

    fn value(&mut self) -> i64 {
        self.random.i64(0..1_000_000)
    }

    /// Some datasets of a kind.
    fn some(&mut self, count: usize, wanted: impl Fn(State) -> bool) -> Vec<(Key, DatasetRef, State)> {
        let mut all: Vec<_> = self
            .datasets
            .iter()
            .filter(|(_, (_, state))| wanted(*state))
            .map(|(key, (dataset, state))| (key.clone(), dataset.clone(), *state))
            .collect();
        self.random.shuffle(&mut all);
        all.truncate(count);
        all
    }

    async fn step(&mut self) {
        match self.random.u8(0..12) {
            0..=2 => self.put().await,
            3..=5 => self.ingest().await,
            6 => self.unstore().await,
            7 => self.put_again().await,
            8 => self.purge().await,
            9 | 10 => self.batch().await,
            _ => self.remove_run().await,
        }
    }

    async fn put(&mut self) {
        let count = self.random.usize(1..5);
        let new: Vec<(Key, i64)> = (0..count).map(|_| (self.fresh(), self.value())).collect();
        let effects = new.iter().map(|(key, value)| (key.clone(), State::Stored(*value, false))).collect();
        self.begins("put", effects, Vec::new());
        let puts = new.iter().map(|(key, value)| (draft(key).into(), object(*value))).collect();
        for (key, _) in &new {
            self.butler.register_collection(key.0.as_str(), CollectionType::Run, None).await.unwrap();
        }
        let datasets = self.butler.put_many(puts).await.unwrap();
        self.done();
        for ((key, value), dataset) in new.into_iter().zip(datasets) {
            self.datasets.insert(key, (dataset, State::Stored(value, false)));
        }
    }

    /// A file to be ingested.
    fn source(&mut self, value: i64) -> String {
        let name = format!("source{}.json", self.number);
        std::fs::write(self.place.join(&name), format!("{{\"value\": {value}}}")).unwrap();
        name
    }

    async fn ingest(&mut self) {
        let modes = [TransferMode::Copy, TransferMode::Move, TransferMode::Hardlink, TransferMode::Symlink];
        let possible = self.butler.datastore().capabilities().transfer_modes;
        let modes: Vec<TransferMode> = modes.into_iter().filter(|mode| possible.contains(mode)).collect();
        let mode = modes[self.random.usize(..modes.len())];
        let (mut effects, mut files, mut sources) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.random.usize(1..4) {
            let (key, value) = (self.fresh(), self.value());
            let name = self.source(value);
            files.push(IngestFile::new(self.place.join(&name).to_str().unwrap(), draft(&key)));
            effects.push((key, State::Stored(value, false)));
            if mode == TransferMode::Move {
                sources.push(name);
            }
        }
        self.begins(&format!("ingest by {mode}"), effects.clone(), sources);
        let options = IngestOptions { mode, ..IngestOptions::default() };
        let datasets = self.butler.ingest(files, &options).await.unwrap();
        self.done();
        for ((key, state), dataset) in effects.into_iter().zip(datasets) {
            self.datasets.insert(key, (dataset, state));
        }
    }

    async fn unstore(&mut self) {
        let some = self.some(3, |state| matches!(state, State::Stored(_, false)));
        let effects: Vec<_> = some.iter().map(|(key, ..)| (key.clone(), State::Known)).collect();
        self.begins("unstore", effects.clone(), Vec::new());
        let options = PruneOptions { unstore: true, ..PruneOptions::default() };
        let datasets = some.into_iter().map(|(_, dataset, _)| dataset).collect();
        self.butler.prune(datasets, &options).await.unwrap();
        self.done();
        for (key, state) in effects {
            self.datasets.get_mut(&key).unwrap().1 = state;
        }
    }

    async fn put_again(&mut self) {
        let Some((key, dataset, _)) = self.some(1, |state| state == State::Known).pop() else { return };
        let value = self.value();
        self.begins("put again", vec![(key.clone(), State::Stored(value, false))], Vec::new());
        self.butler.put(object(value), &dataset).await.unwrap();
        self.done();
        self.datasets.insert(key, (dataset, State::Stored(value, false)));
    }

    async fn purge(&mut self) {
        let some = self.some(4, |_| true);
        let effects = some.iter().map(|(key, ..)| (key.clone(), State::Absent)).collect();
        self.begins("purge", effects, Vec::new());
        let options = PruneOptions { purge: true, referenced: true, ..PruneOptions::default() };
        let datasets = some.iter().map(|(_, dataset, _)| dataset.clone()).collect();
        self.butler.prune(datasets, &options).await.unwrap();
        self.done();
        some.iter().for_each(|(key, ..)| drop(self.datasets.remove(key)));
    }

    /// Datasets come, one of them in place of another; others go; some are tagged.
    async fn batch(&mut self) {
        let gone = self.some(2, |_| true);
        let mut new: Vec<(Key, i64)> = (0..2).map(|_| (self.fresh(), self.value())).collect();
        if let Some((key, ..)) = gone.first() {
            let value = self.value();
            new.push((key.clone(), value));
        }
        let name = self.source(new[0].1);
        let mut effects: Vec<_> = gone.iter().map(|(key, ..)| (key.clone(), State::Absent)).collect();
        let tagged = |(key, value): &(Key, i64)| (key.clone(), State::Stored(*value, true));
        effects.extend(new.iter().map(tagged));
        self.begins("batch", effects, vec![name.clone()]);
        let mut batch = self.butler.batch().unwrap();
        let purge = PruneOptions { purge: true, referenced: true, ..PruneOptions::default() };
        if !gone.is_empty() {
            let datasets = gone.iter().map(|(_, dataset, _)| dataset.clone()).collect();
            batch.prune(datasets, &purge).await.unwrap();
        }
        let file = IngestFile::new(self.place.join(&name).to_str().unwrap(), draft(&new[0].0));
        let options = IngestOptions { mode: TransferMode::Move, ..IngestOptions::default() };
        let mut datasets = batch.ingest(vec![file], &options).await.unwrap();
        for (key, value) in &new[1..] {
            let (name, ty) = (key.0.as_str().into(), CollectionType::Run);
            batch.push(Operation::RegisterCollection { name, ty, doc: None });
            datasets.push(batch.put(object(*value), draft(key)).await.unwrap());
        }
        batch.push(Operation::Associate { collection: "tag".into(), datasets: datasets.clone() });
        batch.commit().await.unwrap();
        self.done();
        gone.iter().for_each(|(key, ..)| drop(self.datasets.remove(key)));
        for ((key, value), dataset) in new.into_iter().zip(datasets) {
            self.datasets.insert(key, (dataset, State::Stored(value, true)));
        }
    }

    async fn remove_run(&mut self) {
        let Some((run, _)) = self.datasets.keys().next().cloned() else { return };
        let keys: Vec<Key> = self.datasets.keys().filter(|key| key.0 == run).cloned().collect();
        self.begins("remove run", keys.iter().map(|key| (key.clone(), State::Absent)).collect(), Vec::new());
        self.butler
            .remove_runs(vec![run.as_str().into()], true, true, &WorkObserver::default())
            .await
            .unwrap();
        self.done();
        keys.iter().for_each(|key| drop(self.datasets.remove(key)));
    }
}
