//! Datasets on their way into the children.

use std::sync::Arc;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::datastore::{
    RecordsByDataset, WriteRequest, WriteTransaction, refuse_component, refuse_repeated,
};
use butler_core::{DatasetId, Error, ErrorKind, Result};
use futures::future::join_all;
use rustc_hash::{FxHashMap, FxHashSet};

use super::distribute::distribute;
use super::{Chain, Child};

/// What one child does.
struct Part {
    /// Position of the child.
    child: usize,
    datasets: Vec<DatasetId>,
    transaction: Box<dyn WriteTransaction>,
}

/// What all children do.
struct ChainedWrite {
    chain: Arc<Chain>,
    parts: Vec<Part>,
    /// Positions of datasets in the requests.
    order: FxHashMap<DatasetId, usize>,
}

/// A failure of a child.
struct Failure {
    child: usize,
    datasets: Vec<DatasetId>,
    error: Error,
}

pub(super) async fn prepare(
    chain: Arc<Chain>,
    requests: Vec<WriteRequest>,
) -> Result<Box<dyn WriteTransaction>> {
    chain.refuse_read_only()?;
    refuse_repeated(requests.iter().flat_map(WriteRequest::datasets))?;
    let mut order = FxHashMap::default();
    for (position, request) in requests.iter().enumerate() {
        for dataset in request.datasets() {
            refuse_component(dataset)?;
            order.insert(dataset.id(), position);
        }
        if request.datasets().is_empty() {
            return Err(Error::new(ErrorKind::Argument, "something is to be stored for no dataset"));
        }
    }
    let shares = distribute(&chain, requests).await?;
    let mut write = ChainedWrite { chain, parts: Vec::new(), order };
    let mut failures = Vec::new();
    for (child, share) in shares.into_iter().enumerate().filter(|(_, share)| !share.is_empty()) {
        let datasets = share.iter().flat_map(WriteRequest::datasets).map(|dataset| dataset.id()).collect();
        match write.chain.children[child].datastore.prepare_write(share).await {
            Ok(transaction) => write.parts.push(Part { child, datasets, transaction }),
            Err(error) => {
                failures.push(Failure { child, datasets, error });
                if write.chain.children[child].required {
                    break;
                }
            }
        }
    }
    match write.judge(failures, "could not begin to store") {
        Ok(()) => Ok(Box::new(write)),
        Err(error) => {
            write.roll_back_all().await.unwrap_or_else(|leftover| leave(&leftover));
            Err(error)
        }
    }
}

/// What is left over after something else failed, which is what is told.
fn leave(error: &Error) {
    tracing::warn!(%error, "something is left over that `recover` removes");
}

impl ChainedWrite {
    /// Whether the write can go on without children that failed.
    fn judge(&self, failures: Vec<Failure>, what: &str) -> Result<()> {
        let stored: FxHashSet<DatasetId> = self
            .parts
            .iter()
            .filter(|part| self.child(part.child).datastore.capabilities().readable)
            .flat_map(|part| part.datasets.iter().copied())
            .collect();
        let matters = |failure: &Failure| {
            let child = self.child(failure.child);
            let lost = || failure.datasets.iter().any(|id| !stored.contains(id));
            child.required || (child.datastore.capabilities().readable && lost())
        };
        if !failures.iter().any(matters) {
            for Failure { child, error, .. } in failures {
                let error = self.chain.told(self.child(child), what, error);
                tracing::warn!(%error, "datasets are stored without a child that is not required");
            }
            return Ok(());
        }
        // What matters comes first.
        let (first, others): (Vec<Failure>, Vec<Failure>) = failures.into_iter().partition(matters);
        let mut errors = first.into_iter().chain(others);
        let told = |failure: Failure| self.chain.told(self.child(failure.child), what, failure.error);
        match errors.next().map(told) {
            Some(error) => {
                Err(errors.map(told).fold(error, |error, other| error.with_context("also", other)))
            }
            None => Ok(()),
        }
    }

    fn child(&self, position: usize) -> &Child {
        &self.chain.children[position]
    }

    /// Takes the parts out that failed, and rolls them back if the write goes on without them.
    async fn drop_failed(&mut self, results: Vec<Option<Error>>) -> Result<()> {
        let (mut failures, mut failed, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for (part, error) in std::mem::take(&mut self.parts).into_iter().zip(results) {
            match error {
                None => kept.push(part),
                Some(error) => {
                    failures.push(Failure { child: part.child, datasets: part.datasets.clone(), error });
                    failed.push(part);
                }
            }
        }
        self.parts = kept;
        let judged = self.judge(failures, "could not store");
        if judged.is_err() {
            self.parts.append(&mut failed);
            self.parts.sort_unstable_by_key(|part| part.child);
            return judged;
        }
        for part in failed {
            part.transaction.roll_back().await.unwrap_or_else(|error| leave(&error));
        }
        Ok(())
    }

    async fn roll_back_all(mut self) -> Result<()> {
        let mut result = Ok(());
        while let Some(part) = self.parts.pop() {
            let rolled_back = part.transaction.roll_back().await;
            let child = &self.chain.children[part.child];
            let told = rolled_back.map_err(|error| self.chain.told(child, "could not undo a write", error));
            result = told.and(result);
        }
        result
    }
}

#[async_trait]
impl WriteTransaction for ChainedWrite {
    fn entries(&self) -> Vec<ArcStr> {
        self.parts.iter().flat_map(|part| part.transaction.entries()).collect()
    }

    async fn execute(&mut self) -> Result<RecordsByDataset> {
        // Of several writers of a dataset, its first child decides who wins: if all went on
        // everywhere at once, each might lose somewhere.
        let readable = |part: &Part| self.chain.children[part.child].datastore.capabilities().readable;
        let first = self.parts.iter().position(readable).map_or(0, |first| first + 1);
        let mut results = Vec::with_capacity(self.parts.len());
        for part in &mut self.parts[..first] {
            results.push(part.transaction.execute().await);
        }
        for (part, result) in self.parts[..first].iter().zip(&mut results) {
            if self.child(part.child).required && result.is_err() {
                let result = std::mem::replace(result, Ok(RecordsByDataset::default()));
                return result
                    .map_err(|error| self.chain.told(self.child(part.child), "could not store", error));
            }
        }
        let others = self.parts[first..].iter_mut();
        results.extend(join_all(others.map(|part| part.transaction.execute())).await);
        let (mut records, mut errors) = (Vec::new(), Vec::with_capacity(results.len()));
        for result in results {
            match result {
                Ok(some) => {
                    records.extend(some.0);
                    errors.push(None);
                }
                Err(error) => errors.push(Some(error)),
            }
        }
        if errors.iter().any(Option::is_some) {
            self.drop_failed(errors).await?;
        }
        records.sort_by_key(|(id, _)| self.order.get(id).copied());
        Ok(RecordsByDataset(records))
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let mut result = Ok(());
        for part in self.parts {
            let committed = part.transaction.commit().await;
            let child = &self.chain.children[part.child];
            let told = committed.map_err(|error| self.chain.told(child, "could not end a write", error));
            result = result.and(told);
        }
        result
    }

    async fn roll_back(self: Box<Self>) -> Result<()> {
        self.roll_back_all().await
    }
}
