//! A registry around another one, with single calls redirected.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::backend::ColumnBatch;
use butler_core::query::{Explanation, Query, QueryRows, QueryStream};
use butler_core::registry::{
    BatchReport, CollectionQuery, DatasetTypeQuery, FindRequest, OpaqueFetch, Operation, OperationReport,
    ProvenanceGraph, ProvenanceQuery, Registry, RegistryBatch, RegistryCheck, Removal, RemovalPlan,
    Violation,
};
use butler_core::{
    CollectionInfo, DataId, DatasetId, DatasetRef, DatasetType, DimensionUniverse, Error, Result,
};
use futures::StreamExt;
use futures::future::BoxFuture;

use crate::case::Harness;
use crate::registry::fixture::stream_all;
use crate::registry::{Place, RegistryHarness};

/// A question that is put otherwise, or answered otherwise.
pub(super) type Ask<Q, A> = for<'a> fn(&'a dyn Registry, Q) -> BoxFuture<'a, Result<A>>;
/// Rows of a query that are changed on their way.
pub(super) type ChangeRows = fn(&Query, Vec<QueryRows>) -> Vec<QueryRows>;
/// Names that are asked for, all if there are none.
pub(super) type Names = Option<Vec<ArcStr>>;
/// Facts by name.
pub(super) type Facts = Vec<(ArcStr, ArcStr)>;
/// A value that is changed on its way.
pub(super) type Change<T> = fn(T) -> T;

/// What a mutant does instead of what it should: nothing else, for what is left out.
#[derive(Clone, Copy, Default)]
pub(super) struct Tamper {
    pub(super) name: &'static str,
    pub(super) breaks: &'static str,
    /// Topics whose cases find it out.
    pub(super) topics: &'static [&'static str],
    /// Each operation before it is applied; none is left out.
    pub(super) operation: Option<fn(Operation) -> Option<Operation>>,
    /// Each report, with the operation that was asked for.
    pub(super) report: Option<fn(&Operation, OperationReport) -> OperationReport>,
    /// Whole batches.
    pub(super) apply: Option<Ask<RegistryBatch, BatchReport>>,
    /// What comes of a batch that fails.
    pub(super) failure: Option<fn(Error, usize) -> Result<BatchReport>>,
    /// Errors of questions.
    pub(super) error: Option<Change<Error>>,
    pub(super) plan: Option<Ask<Removal, RemovalPlan>>,
    pub(super) expand: Option<Ask<Vec<DataId>, Vec<DataId>>>,
    pub(super) find: Option<Ask<Vec<FindRequest>, Vec<Option<DatasetRef>>>>,
    pub(super) get: Option<Ask<Vec<DatasetId>, Vec<Option<DatasetRef>>>>,
    pub(super) collections: Option<Ask<CollectionQuery, Vec<CollectionInfo>>>,
    pub(super) types: Option<Ask<DatasetTypeQuery, Vec<DatasetType>>>,
    /// Queries before they are asked and counted.
    pub(super) query: Option<Change<Query>>,
    /// Rows of queries; their number is counted accordingly.
    pub(super) rows: Option<ChangeRows>,
    pub(super) count: Option<Change<u64>>,
    pub(super) explanation: Option<Change<Explanation>>,
    pub(super) provenance: Option<Ask<ProvenanceQuery, ProvenanceGraph>>,
    pub(super) opaque: Option<Ask<Vec<OpaqueFetch>, Vec<ColumnBatch>>>,
    pub(super) attributes: Option<Ask<Names, Facts>>,
    pub(super) universe: Option<fn() -> DimensionUniverse>,
    pub(super) opening: Opening,
}

/// Mutants that differ from what is right in one field each.
macro_rules! mutants {
    ($($name:literal $breaks:literal in [$($topic:literal),*] $field:ident: $value:expr;)*) => {
        vec![$(
            Tamper {
                name: $name,
                breaks: $breaks,
                topics: &[$($topic),*],
                $field: Some($value),
                ..Tamper::default()
            }
        ),*]
    };
}
pub(super) use mutants;

/// How places and their registries are opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Opening {
    /// As it should be.
    #[default]
    Sound,
    /// Every place is the same.
    Shared,
    /// Every handle has a place of its own.
    Apart,
    /// A handle for reading only can write.
    Writable,
    /// A handle for writing says that it is for reading only.
    SaysReadOnly,
    /// A registry that is there is opened instead of created.
    CreatesTwice,
    /// A registry is always of the default universe.
    DefaultUniverse,
    /// A handle answers as it did before, until another one is opened.
    Stale,
}

/// Makes places of a mutant.
pub(super) struct Tampered {
    base: Arc<dyn RegistryHarness>,
    tamper: Tamper,
    /// Of the mutant whose places are one.
    shared: Mutex<Option<Arc<dyn Registry>>>,
}

impl Tampered {
    pub(super) fn new(base: Arc<dyn RegistryHarness>, tamper: Tamper) -> Self {
        Self { base, tamper, shared: Mutex::default() }
    }
}

impl Harness for Tampered {
    fn name(&self) -> &str {
        self.tamper.name
    }

    fn patience(&self) -> Duration {
        self.base.patience()
    }
}

#[async_trait]
impl RegistryHarness for Tampered {
    async fn place(&self) -> Result<Box<dyn Place>> {
        let place = self.base.place().await?;
        let mut shared = None;
        if self.tamper.opening == Opening::Shared {
            let known = self.shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let registry = match known {
                Some(registry) => registry,
                None => place.create(DimensionUniverse::default()).await?,
            };
            *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&registry));
            shared = Some(registry);
        }
        let apart = match self.tamper.opening {
            Opening::Apart => Some(self.base.place().await?),
            _ => None,
        };
        Ok(Box::new(TamperedPlace { place, shared, apart, tamper: self.tamper }))
    }

    fn large(&self) -> usize {
        self.base.large()
    }

    fn many_types(&self) -> usize {
        self.base.many_types()
    }
}

struct TamperedPlace {
    place: Box<dyn Place>,
    shared: Option<Arc<dyn Registry>>,
    apart: Option<Box<dyn Place>>,
    tamper: Tamper,
}

impl TamperedPlace {
    fn wrap(&self, inner: Arc<dyn Registry>) -> Arc<dyn Registry> {
        let inner = self.shared.clone().unwrap_or(inner);
        Arc::new(TamperedRegistry { inner, tamper: self.tamper, remembered: Mutex::default() })
    }
}

#[async_trait]
impl Place for TamperedPlace {
    async fn create(&self, universe: DimensionUniverse) -> Result<Arc<dyn Registry>> {
        let universe = match self.tamper.opening {
            Opening::DefaultUniverse => DimensionUniverse::default(),
            _ => universe,
        };
        let created = match (self.place.create(universe).await, self.tamper.opening) {
            (Err(_), Opening::CreatesTwice) => self.place.open(false).await,
            (created, _) => created,
        };
        created.map(|inner| self.wrap(inner))
    }

    async fn open(&self, read_only: bool) -> Result<Arc<dyn Registry>> {
        let read_only = read_only && self.tamper.opening != Opening::Writable;
        let opened = match &self.apart {
            Some(apart) => apart.create(DimensionUniverse::default()).await,
            None => self.place.open(read_only).await,
        };
        opened.map(|inner| self.wrap(inner))
    }
}

/// A registry with calls redirected.
struct TamperedRegistry {
    inner: Arc<dyn Registry>,
    tamper: Tamper,
    /// Answers of the mutant that never looks twice.
    remembered: Mutex<Option<Vec<CollectionInfo>>>,
}

impl std::fmt::Debug for TamperedRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple(self.tamper.name).field(&self.inner).finish()
    }
}

impl TamperedRegistry {
    /// Puts a question, unless the mutant puts it otherwise.
    async fn ask<Q, A>(&self, tampered: Option<Ask<Q, A>>, sound: Ask<Q, A>, question: Q) -> Result<A> {
        let answer = tampered.unwrap_or(sound)(&*self.inner, question).await;
        self.checked(answer)
    }

    fn checked<T>(&self, answer: Result<T>) -> Result<T> {
        answer.map_err(|error| match self.tamper.error {
            Some(change) => change(error),
            None => error,
        })
    }

    async fn all_rows(&self, query: Query) -> Result<Option<Vec<QueryRows>>> {
        let Some(change) = self.tamper.rows else { return Ok(None) };
        Ok(Some(change(&query, stream_all(&*self.inner, query.clone()).await?)))
    }

    fn asked(&self, query: Query) -> Query {
        match self.tamper.query {
            Some(change) => change(query),
            None => query,
        }
    }
}

#[async_trait]
impl Registry for TamperedRegistry {
    fn universe(&self) -> DimensionUniverse {
        self.tamper.universe.map_or_else(|| self.inner.universe(), |universe| universe())
    }

    fn is_read_only(&self) -> bool {
        self.inner.is_read_only() || self.tamper.opening == Opening::SaysReadOnly
    }

    async fn apply(&self, batch: RegistryBatch) -> Result<BatchReport> {
        let asked = batch.operations().to_vec();
        let change = |operation: Operation| match self.tamper.operation {
            Some(change) => change(operation),
            None => Some(operation),
        };
        let changed: Vec<Option<Operation>> = asked.iter().cloned().map(change).collect();
        let kept: RegistryBatch = changed.iter().flatten().cloned().collect();
        let applied = match self.tamper.apply {
            Some(apply) => apply(&*self.inner, kept).await,
            None => self.inner.apply(kept).await,
        };
        let applied = match (applied, self.tamper.failure) {
            (Err(error), Some(change)) => change(error, asked.len()),
            (applied, _) => applied,
        };
        let mut reports = applied?.operations.into_iter();
        // Who leaves an operation out pretends to have done something.
        let pretended = || OperationReport { inserted: 1, ..OperationReport::default() };
        let told = asked.iter().zip(changed).map(|(operation, changed)| {
            let report = changed.and_then(|_| reports.next()).unwrap_or_else(pretended);
            match self.tamper.report {
                Some(change) => change(operation, report),
                None => report,
            }
        });
        Ok(BatchReport { operations: told.collect() })
    }

    async fn verify(&self, check: RegistryCheck) -> Result<Vec<Violation>> {
        self.inner.verify(check).await
    }

    async fn plan(&self, removal: Removal) -> Result<RemovalPlan> {
        self.ask(self.tamper.plan, |inner, removal| inner.plan(removal), removal).await
    }

    async fn expand(&self, data_ids: Vec<DataId>) -> Result<Vec<DataId>> {
        self.ask(self.tamper.expand, |inner, data_ids| inner.expand(data_ids), data_ids).await
    }

    async fn find(&self, requests: Vec<FindRequest>) -> Result<Vec<Option<DatasetRef>>> {
        self.ask(self.tamper.find, |inner, requests| inner.find(requests), requests).await
    }

    async fn get(&self, ids: Vec<DatasetId>) -> Result<Vec<Option<DatasetRef>>> {
        self.ask(self.tamper.get, |inner, ids| inner.get(ids), ids).await
    }

    async fn collections(&self, query: CollectionQuery) -> Result<Vec<CollectionInfo>> {
        let all = query == CollectionQuery { summaries: true, ..CollectionQuery::default() };
        if all && self.tamper.opening == Opening::Stale {
            let known = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(known) = known {
                return Ok(known);
            }
        }
        let found = self.ask(self.tamper.collections, |inner, query| inner.collections(query), query).await?;
        if all {
            *self.remembered.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
        }
        Ok(found)
    }

    async fn dataset_types(&self, query: DatasetTypeQuery) -> Result<Vec<DatasetType>> {
        self.ask(self.tamper.types, |inner, query| inner.dataset_types(query), query).await
    }

    async fn query(&self, query: Query) -> Result<QueryStream> {
        let query = self.asked(query);
        match self.all_rows(query.clone()).await? {
            Some(rows) => Ok(futures::stream::iter(rows).map(Ok).boxed()),
            None => self.checked(self.inner.query(query).await),
        }
    }

    async fn count(&self, query: Query) -> Result<u64> {
        let query = self.asked(query);
        let count = match self.all_rows(query.clone()).await? {
            Some(rows) => rows.iter().map(QueryRows::len).sum::<usize>() as u64,
            None => self.checked(self.inner.count(query).await)?,
        };
        Ok(self.tamper.count.map_or(count, |change| change(count)))
    }

    async fn explain(&self, query: Query) -> Result<Explanation> {
        let explanation = self.checked(self.inner.explain(query).await)?;
        Ok(match self.tamper.explanation {
            Some(change) => change(explanation),
            None => explanation,
        })
    }

    async fn provenance(&self, query: ProvenanceQuery) -> Result<ProvenanceGraph> {
        self.ask(self.tamper.provenance, |inner, query| inner.provenance(query), query).await
    }

    async fn fetch_opaque(&self, fetches: Vec<OpaqueFetch>) -> Result<Vec<ColumnBatch>> {
        self.ask(self.tamper.opaque, |inner, fetches| inner.fetch_opaque(fetches), fetches).await
    }

    async fn attributes(&self, keys: Option<Vec<ArcStr>>) -> Result<Vec<(ArcStr, ArcStr)>> {
        self.ask(self.tamper.attributes, |inner, keys| inner.attributes(keys), keys).await
    }

    fn refresh(&self) {
        if self.tamper.opening != Opening::Stale {
            self.inner.refresh();
        }
    }
}
