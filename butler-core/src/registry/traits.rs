//! The registry trait.

use std::fmt::Debug;

use arcstr::ArcStr;
use async_trait::async_trait;

use super::batch::{Operation, RegistryBatch};
use super::check::{RegistryCheck, Violation};
use super::find::{CollectionQuery, DatasetTypeQuery, FindRequest};
use super::opaque::{JournalOutcome, OpaqueFetch, Outcome};
use super::provenance::{ProvenanceGraph, ProvenanceQuery};
use super::removal::{Removal, RemovalPlan};
use super::report::{BatchReport, OperationReport};
use crate::backend::ColumnBatch;
use crate::collection::CollectionInfo;
use crate::dataset::{DatasetId, DatasetRef, DatasetType};
use crate::dimension::{DataId, DimensionUniverse};
use crate::query::{Explanation, Query, QueryStream};
use crate::{Error, ErrorKind, Result};

/// The organisation of datasets: dimensions, dataset types, collections,
/// dataset records, associations, provenance, opaque tables.
///
/// It is written through one method and read through a few; both take and give
/// plain data, in which everything goes by name. It never touches an artifact.
#[async_trait]
pub trait Registry: Debug + Send + Sync + 'static {
    /// The universe of its dimensions.
    fn universe(&self) -> DimensionUniverse;

    /// Whether it was opened for reading only.
    fn is_read_only(&self) -> bool;

    /// Applies all changes of a batch in one transaction, or none.
    ///
    /// Behaviour: in the order of [phases](Operation::phase); reports come in the order of the batch.
    ///
    /// # Errors
    /// `ReadOnly`; what each operation says; `OutcomeUnknown` if the reply to the commit was lost.
    async fn apply(&self, batch: RegistryBatch) -> Result<BatchReport>;

    /// What a removal would take with it. Nothing changes.
    ///
    /// # Errors
    /// `MissingCollection`, `MissingDatasetType` for names that are not there; ids that are not there are passed over.
    async fn plan(&self, removal: Removal) -> Result<RemovalPlan>;

    /// Expands data IDs: implied values and records of all elements.
    ///
    /// Behaviour: in the order given; records of one value are shared.
    ///
    /// # Errors
    /// `DataIdValue` if a dimension has no record for a value, `InconsistentDataId` if
    /// given implied values, or relations between dimensions, disagree with the records.
    async fn expand(&self, data_ids: Vec<DataId>) -> Result<Vec<DataId>>;

    /// Finds one dataset for each request, or none.
    ///
    /// Behaviour: in the order given; data IDs of the results are at the level of the request's.
    ///
    /// # Errors
    /// `CalibrationLookup` if several match in the winning collection, `DatasetType` for nonsingular types.
    async fn find(&self, requests: Vec<FindRequest>) -> Result<Vec<Option<DatasetRef>>>;

    /// Datasets by id.
    ///
    /// Behaviour: in the order given; `None` for ids that are not there; data IDs are minimal.
    ///
    /// # Errors
    /// `Connection` and the like.
    async fn get(&self, ids: Vec<DatasetId>) -> Result<Vec<Option<DatasetRef>>>;

    /// Collections.
    ///
    /// Behaviour: in the order in which they were registered; names that are not there are passed over.
    ///
    /// # Errors
    /// `Connection` and the like.
    async fn collections(&self, query: CollectionQuery) -> Result<Vec<CollectionInfo>>;

    /// Dataset types.
    ///
    /// Behaviour: in the order in which they were registered; names that are not there are passed over.
    ///
    /// # Errors
    /// `Connection` and the like.
    async fn dataset_types(&self, query: DatasetTypeQuery) -> Result<Vec<DatasetType>>;

    /// Rows of a query, streamed.
    ///
    /// Behaviour: no row twice; in the order asked for, and in any order if none was; data IDs are full.
    ///
    /// # Errors
    /// `InvalidQuery` for a query that cannot be answered, `CalibrationLookup` for an
    /// ambiguous validity; later errors are items of the stream.
    async fn query(&self, query: Query) -> Result<QueryStream>;

    /// Exact number of rows of a query, its limit and offset included.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    async fn count(&self, query: Query) -> Result<u64>;

    /// How a query is evaluated, and, if it has no rows, why.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    async fn explain(&self, query: Query) -> Result<Explanation>;

    /// Datasets and quanta connected with some datasets.
    ///
    /// Behaviour: ends on cyclic data; ids that are not there are passed over.
    ///
    /// # Errors
    /// `Connection` and the like.
    async fn provenance(&self, query: ProvenanceQuery) -> Result<ProvenanceGraph>;

    /// Rows of tables of datastores, of [outcomes](JournalOutcome::TABLE), or of
    /// [locations](super::DatastoreBridgeManager::TABLE), one batch for each fetch.
    ///
    /// # Errors
    /// `NotFound` for a table that is not registered.
    async fn fetch_opaque(&self, fetches: Vec<OpaqueFetch>) -> Result<Vec<ColumnBatch>>;

    /// Facts about the repository, of all names or of some.
    ///
    /// # Errors
    /// `Connection` and the like.
    async fn attributes(&self, keys: Option<Vec<ArcStr>>) -> Result<Vec<(ArcStr, ArcStr)>>;

    /// Looks for rows that break a rule, and repairs what can be repaired without losing anything.
    ///
    /// Behaviour: others may write meanwhile, and break no rule by that.
    ///
    /// # Errors
    /// `Unsupported` if it cannot tell; `ReadOnly` if it is to repair.
    async fn verify(&self, _check: RegistryCheck) -> Result<Vec<Violation>> {
        Err(Error::new(ErrorKind::Unsupported, "this registry cannot be verified"))
    }

    /// Forgets what it has cached of the database, so that changes by others are seen.
    fn refresh(&self);
}

/// Conveniences of every registry.
#[async_trait]
pub trait RegistryExt: Registry {
    /// Applies one change.
    ///
    /// # Errors
    /// As [`Registry::apply`].
    async fn apply_one(&self, operation: Operation) -> Result<OperationReport> {
        let mut report = self.apply(operation.into()).await?;
        report
            .operations
            .pop()
            .ok_or_else(|| Error::new(ErrorKind::Unexpected, "a registry did not report on an operation"))
    }

    /// Expands one data ID.
    ///
    /// # Errors
    /// As [`Registry::expand`].
    async fn expand_one(&self, data_id: DataId) -> Result<DataId> {
        one(self.expand(vec![data_id]).await?)
    }

    /// Finds one dataset.
    ///
    /// # Errors
    /// As [`Registry::find`].
    async fn find_one(&self, request: FindRequest) -> Result<Option<DatasetRef>> {
        one(self.find(vec![request]).await?)
    }

    /// A dataset by id.
    ///
    /// # Errors
    /// As [`Registry::get`].
    async fn get_one(&self, id: DatasetId) -> Result<Option<DatasetRef>> {
        one(self.get(vec![id]).await?)
    }

    /// Claims a journal entry; tells who has won.
    ///
    /// # Errors
    /// As [`Registry::apply`], except `Aborted`.
    async fn claim(&self, entry: ArcStr, outcome: Outcome) -> Result<Outcome> {
        let other = match outcome {
            Outcome::Committed => Outcome::Aborted,
            Outcome::Aborted => Outcome::Committed,
        };
        match self.apply_one(Operation::ClaimOutcome(JournalOutcome { entry, outcome })).await {
            Ok(_) => Ok(outcome),
            Err(error) if error.kind() == ErrorKind::Aborted => Ok(other),
            Err(error) => Err(error),
        }
    }
}

impl<R: Registry + ?Sized> RegistryExt for R {}

fn one<T>(mut items: Vec<T>) -> Result<T> {
    items.pop().ok_or_else(|| Error::new(ErrorKind::Unexpected, "a registry gave no answer to a question"))
}
