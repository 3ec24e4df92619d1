//! The registry: datasets, collections and dimensions over any [`Backend`].

mod apply;
mod catalog;
mod create;
mod expand;
mod find;
mod layout;
mod opaque;
mod plan;
mod provenance;
mod query;
mod records;
mod rows;
mod verify;

use std::sync::Arc;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::backend::{Backend, BackendExt, ColumnBatch, Relation};
use butler_core::query::{Explanation, Query, QueryStream};
use butler_core::registry::{
    BatchReport, CollectionQuery, DatasetTypeQuery, FindRequest, OpaqueFetch, ProvenanceGraph,
    ProvenanceQuery, Registry, RegistryBatch, RegistryCheck, Removal, RemovalPlan, Violation,
};
use butler_core::{
    CollectionInfo, DataId, DatasetId, DatasetRef, DatasetType, DimensionUniverse, Error, ErrorKind, Result,
};

use catalog::Handles;

/// A [`Registry`] over any [`Backend`].
///
/// It knows the layout of the tables and nothing of SQL.
#[derive(Clone, Debug)]
pub struct SqlRegistry(Arc<Shared>);

/// What a registry shares with the work that it hands to the backend.
#[derive(Debug)]
struct Shared {
    backend: Arc<dyn Backend>,
    universe: DimensionUniverse,
    read_only: bool,
    handles: Handles,
}

impl SqlRegistry {
    fn new(backend: Arc<dyn Backend>, universe: DimensionUniverse, read_only: bool) -> Self {
        Self(Arc::new(Shared { backend, universe, read_only, handles: Handles::default() }))
    }

    /// The backend.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.0.backend
    }
}

impl Shared {
    /// All rows of a relation, in a snapshot of their own.
    async fn collect(&self, relation: Relation) -> Result<Vec<ColumnBatch>> {
        self.backend.collect(relation).await
    }
}

#[async_trait]
impl Registry for SqlRegistry {
    fn universe(&self) -> DimensionUniverse {
        self.0.universe
    }

    fn is_read_only(&self) -> bool {
        self.0.read_only
    }

    async fn apply(&self, batch: RegistryBatch) -> Result<BatchReport> {
        if self.0.read_only {
            return Err(Error::new(ErrorKind::ReadOnly, "the registry was opened for reading only")
                .with_hint("open the repository for writing"));
        }
        let shared = Arc::clone(&self.0);
        let (report, learnt) = self.0.backend.run(move |tx| apply::apply(tx, &shared, &batch)).await?;
        self.0.handles.learn(learnt);
        Ok(report)
    }

    async fn plan(&self, removal: Removal) -> Result<RemovalPlan> {
        plan::plan(&self.0, removal).await
    }

    async fn expand(&self, data_ids: Vec<DataId>) -> Result<Vec<DataId>> {
        expand::expand(&self.0, data_ids).await
    }

    async fn find(&self, requests: Vec<FindRequest>) -> Result<Vec<Option<DatasetRef>>> {
        find::find(&self.0, requests).await
    }

    async fn get(&self, ids: Vec<DatasetId>) -> Result<Vec<Option<DatasetRef>>> {
        find::get(&self.0, ids).await
    }

    async fn collections(&self, query: CollectionQuery) -> Result<Vec<CollectionInfo>> {
        catalog::collections(&self.0, query).await
    }

    async fn dataset_types(&self, query: DatasetTypeQuery) -> Result<Vec<DatasetType>> {
        let handles = catalog::dataset_types(&self.0, query.names.as_deref()).await?;
        Ok(handles.into_iter().map(|handle| handle.definition.clone()).collect())
    }

    async fn query(&self, query: Query) -> Result<QueryStream> {
        query::stream(&self.0, query).await
    }

    async fn count(&self, query: Query) -> Result<u64> {
        query::count(&self.0, query).await
    }

    async fn explain(&self, query: Query) -> Result<Explanation> {
        query::explain(&self.0, query).await
    }

    async fn provenance(&self, query: ProvenanceQuery) -> Result<ProvenanceGraph> {
        provenance::provenance(&self.0, query).await
    }

    async fn fetch_opaque(&self, fetches: Vec<OpaqueFetch>) -> Result<Vec<ColumnBatch>> {
        opaque::fetch(&self.0, fetches).await
    }

    async fn attributes(&self, keys: Option<Vec<ArcStr>>) -> Result<Vec<(ArcStr, ArcStr)>> {
        create::attributes(&self.0, keys).await
    }

    async fn verify(&self, check: RegistryCheck) -> Result<Vec<Violation>> {
        if check.repair && self.0.read_only {
            return Err(Error::new(ErrorKind::ReadOnly, "the registry was opened for reading only"));
        }
        verify::verify(&self.0, check).await
    }

    fn refresh(&self) {
        self.0.handles.forget();
    }
}
