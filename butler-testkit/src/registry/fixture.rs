//! What cases are written with: a fresh registry, and short ways to fill it and to look at it.

use std::fmt::Debug;
use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::query::{Association, Binds, DatasetSearch, Predicate, Query, QueryRows, ResultSpec, Scope};
use butler_core::registry::{
    BatchReport, CollectionQuery, DatasetInsert, DatasetTypeQuery, FindRequest, InsertMode, Operation,
    OperationReport, Quantum, QuantumStatus, RecordConflict, RecordSet, Registry, RegistryExt, Removal,
    RemovalPlan,
};
use butler_core::{
    ChainEdit, CollectionCatalog, CollectionInfo, CollectionSearch, CollectionType, DataId, DatasetId,
    DatasetRef, DatasetType, DimensionElement, DimensionGroup, DimensionRecord, DimensionUniverse, Error,
    ErrorKind, IdIssuer, Instant, Result, Timespan,
};
use futures::StreamExt;

use super::{Place, RegistryHarness};

/// A data ID: `data_id!(instrument: "Cam1", detector: 1)`.
macro_rules! data_id {
    ($($name:ident: $value:expr),* $(,)?) => {
        $crate::registry::fixture::data_id_of(
            &[$((stringify!($name), butler_core::DimensionValue::from($value))),*],
        )
    };
}
pub(crate) use data_id;

/// A dimension record: `record!(detector { instrument: "Cam1", id: 1 })`.
macro_rules! record {
    ($element:ident { $($field:ident: $value:expr),* $(,)? }) => {
        $crate::registry::fixture::record_of(
            stringify!($element),
            vec![$((stringify!($field), butler_core::FieldValue::from($value))),*],
        )
    };
}
pub(crate) use record;

/// The universe of nearly all cases.
pub(crate) fn universe() -> DimensionUniverse {
    DimensionUniverse::default()
}

#[expect(clippy::expect_used, reason = "the cases name dimensions of the universe")]
pub(crate) fn group(names: &[&str]) -> DimensionGroup {
    universe().conform(names).expect("the universe has these dimensions")
}

#[expect(clippy::expect_used, reason = "the cases name elements of the universe")]
pub(crate) fn element(name: &str) -> DimensionElement {
    universe().element(name).expect("the universe has this element")
}

#[expect(clippy::expect_used, reason = "the cases give values of all dimensions")]
pub(crate) fn data_id_of(pairs: &[(&str, butler_core::DimensionValue)]) -> DataId {
    let names: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
    DataId::from_pairs(group(&names), pairs.iter().cloned()).expect("a data ID has a value of each dimension")
}

#[expect(clippy::expect_used, reason = "the cases give fields that the elements have")]
pub(crate) fn record_of(name: &str, fields: Vec<(&str, butler_core::FieldValue)>) -> DimensionRecord {
    DimensionRecord::new(element(name), fields).expect("a record has the fields of its element")
}

/// A detector of `Cam1`, as a data ID.
pub(crate) fn detector(number: i64) -> DataId {
    data_id!(instrument: "Cam1", detector: number)
}

/// A dataset type of bytes.
#[expect(clippy::expect_used, reason = "the cases use names that are allowed")]
pub(crate) fn dataset_type(name: &str, dimensions: &[&str]) -> DatasetType {
    DatasetType::new(name, group(dimensions), "Bytes").expect("a dataset type has a sound name")
}

/// The dataset type of most cases: one for each detector, a calibration.
pub(crate) fn bias() -> DatasetType {
    dataset_type("bias", &["detector"]).with_is_calibration(true)
}

/// An instant, some seconds after 2020-01-01.
#[expect(clippy::expect_used, reason = "the cases stay near 2020")]
pub(crate) fn at(seconds: i64) -> Instant {
    Instant::from_nanoseconds((1_577_836_800 + seconds) * 1_000_000_000).expect("an instant of our age")
}

/// A timespan between seconds after 2020-01-01.
pub(crate) fn span(begin: i64, end: i64) -> Timespan {
    Timespan::new(Some(at(begin)), Some(at(end)))
}

pub(crate) fn names(names: &[&str]) -> Vec<ArcStr> {
    names.iter().map(|&name| name.into()).collect()
}

/// That a result is an error of a kind whose text says certain things; gives the text.
#[track_caller]
#[expect(clippy::panic, reason = "this is how a case fails")]
pub(crate) fn fails<T: Debug>(result: Result<T>, kind: ErrorKind, says: &[&str]) -> String {
    let error = match result {
        Err(error) => error,
        Ok(value) => panic!("an error of kind {kind} is expected, not {value:?}"),
    };
    assert_eq!(error.kind(), kind, "{error:?}");
    let text = error.to_string();
    for part in says {
        assert!(text.contains(part), "'{part}' is missing in: {text}");
    }
    text
}

/// Operations, short.
pub(crate) fn register_run(name: &str) -> Operation {
    register(name, CollectionType::Run)
}

pub(crate) fn register(name: &str, ty: CollectionType) -> Operation {
    Operation::RegisterCollection { name: name.into(), ty, doc: None }
}

pub(crate) fn edit(parent: &str, edit: ChainEdit) -> Operation {
    Operation::EditChain { parent: parent.into(), edit }
}

pub(crate) fn insert_records(records: Vec<DimensionRecord>) -> Operation {
    with_conflicts(records, RecordConflict::Fail)
}

/// Records of one element, at least one.
pub(crate) fn with_conflicts(records: Vec<DimensionRecord>, on_conflict: RecordConflict) -> Operation {
    let element = records[0].element();
    Operation::InsertRecords { records: RecordSet::new(element, records), on_conflict }
}

pub(crate) fn associate(collection: &str, datasets: &[DatasetRef]) -> Operation {
    Operation::Associate { collection: collection.into(), datasets: datasets.to_vec() }
}

pub(crate) fn disassociate(collection: &str, datasets: &[DatasetRef]) -> Operation {
    Operation::Disassociate { collection: collection.into(), datasets: datasets.to_vec() }
}

pub(crate) fn certify(collection: &str, datasets: &[DatasetRef], timespan: Timespan) -> Operation {
    Operation::Certify { collection: collection.into(), datasets: datasets.to_vec(), timespan }
}

pub(crate) fn decertify(
    collection: &str,
    dataset_type: &DatasetType,
    timespan: Timespan,
    data_ids: Option<Vec<DataId>>,
) -> Operation {
    let dataset_type = dataset_type.clone();
    Operation::Decertify { collection: collection.into(), dataset_type, timespan, data_ids }
}

pub(crate) fn remove_datasets(datasets: &[DatasetRef]) -> Operation {
    Operation::Remove(Removal::Datasets(ids(datasets)))
}

pub(crate) fn remove_collections(collections: &[&str], unlink: bool) -> Operation {
    Operation::Remove(Removal::Collections { names: names(collections), unlink })
}

pub(crate) fn remove_types(types: &[&str]) -> Operation {
    Operation::Remove(Removal::DatasetTypes(names(types)))
}

/// A datastore has artifacts of datasets, and no table that says more.
pub(crate) fn store(datastore: &str, datasets: &[DatasetRef]) -> Operation {
    Operation::InsertArtifacts { datastore: datastore.into(), datasets: ids(datasets), rows: Vec::new() }
}

pub(crate) fn unstore(datastore: &str, datasets: &[DatasetRef]) -> Operation {
    Operation::RemoveArtifacts { datastore: datastore.into(), datasets: ids(datasets), tables: Vec::new() }
}

/// A quantum that read some datasets and wrote others.
pub(crate) fn quantum(
    fixture: &Fixture,
    run: &str,
    status: QuantumStatus,
    read: &[DatasetRef],
    written: &[DatasetRef],
) -> Quantum {
    Quantum {
        id: fixture.issuer.issue(),
        label: "make".into(),
        task: "Make".into(),
        run: Some(run.into()),
        data_id: detector(1),
        host: None,
        began: None,
        ended: None,
        status,
        predicted_inputs: Vec::new(),
        actual_inputs: ids(read),
        outputs: ids(written),
    }
}

/// The insertion of datasets that exist so far only as references; they are of one type and run.
pub(crate) fn insertion(datasets: &[DatasetRef], mode: InsertMode) -> DatasetInsert {
    DatasetInsert {
        dataset_type: datasets[0].dataset_type().clone(),
        run: datasets[0].run().clone(),
        ids: ids(datasets),
        data_ids: datasets.iter().map(|dataset| dataset.data_id().clone()).collect(),
        mode,
        ingested_at: at(0),
        quantum: None,
    }
}

pub(crate) fn insert(datasets: &[DatasetRef]) -> Operation {
    Operation::InsertDatasets(insertion(datasets, InsertMode::New))
}

pub(crate) fn import(datasets: &[DatasetRef]) -> Operation {
    Operation::InsertDatasets(insertion(datasets, InsertMode::Import))
}

pub(crate) fn ids(datasets: &[DatasetRef]) -> Vec<DatasetId> {
    datasets.iter().map(DatasetRef::id).collect()
}

/// That a dataset is the one that is expected, in all its parts.
#[track_caller]
pub(crate) fn assert_same(found: &DatasetRef, expected: &DatasetRef) {
    assert_eq!(found.id(), expected.id());
    assert_eq!(found.dataset_type(), expected.dataset_type(), "the type of {}", expected.id());
    assert_eq!(found.data_id(), expected.data_id(), "the data ID of {}", expected.id());
    assert_eq!(found.run(), expected.run(), "the run of {}", expected.id());
}

/// The error of a case that was given nothing to look at.
pub(crate) fn nothing(what: &str) -> Error {
    Error::new(ErrorKind::Unexpected, format!("{what} is expected, and nothing came"))
}

/// A question with nothing but a result.
pub(crate) fn question(dimensions: DimensionGroup, result: ResultSpec) -> Query {
    Query {
        dimensions,
        datasets: Vec::new(),
        uploads: Vec::new(),
        predicate: Predicate::always(),
        result,
        order_by: Vec::new(),
        limit: None,
        offset: 0,
        expanded: false,
    }
}

/// A query for data IDs that satisfy a condition.
pub(crate) fn select(dimensions: &[&str], condition: &str) -> Query {
    let dimensions = group(dimensions);
    satisfying(question(dimensions, ResultSpec::DataIds { dimensions }), condition)
}

/// A query for records of an element, with some dimensions beside its own, that satisfy a condition.
pub(crate) fn select_records(name: &str, dimensions: &[&str], condition: &str) -> Query {
    let element = element(name);
    let all = group(dimensions).union(element.minimal_group());
    satisfying(question(all, ResultSpec::Records { element }), condition)
}

/// A query with one more condition.
#[expect(clippy::expect_used, reason = "the cases write conditions that mean something")]
pub(crate) fn satisfying(query: Query, condition: &str) -> Query {
    let searched: Vec<DatasetType> =
        query.datasets.iter().map(|search| search.dataset_type.clone()).collect();
    let scope =
        Scope { dimensions: query.dimensions, datasets: &[], searched: &searched, binds: &Binds::new() };
    let condition = scope.predicate(condition).expect("a condition is in the language");
    Query { predicate: query.predicate.clone().and(condition), ..query }
}

/// A query with an order.
#[expect(clippy::expect_used, reason = "the cases write terms that mean something")]
pub(crate) fn ordered(query: Query, terms: &[&str]) -> Query {
    let searched: Vec<DatasetType> =
        query.datasets.iter().map(|search| search.dataset_type.clone()).collect();
    let scope =
        Scope { dimensions: query.dimensions, datasets: &[], searched: &searched, binds: &Binds::new() };
    let term = |text: &&str| scope.order_term(text).expect("a term is in the language");
    Query { order_by: terms.iter().map(term).collect(), ..query }
}

/// Values of an integer dimension, in order.
pub(crate) fn numbers(data_ids: &[DataId], dimension: &str) -> Vec<i64> {
    data_ids.iter().filter_map(|data_id| data_id.get(dimension)?.as_int()).collect()
}

/// Values of an integer dimension, sorted.
pub(crate) fn sorted(data_ids: &[DataId], dimension: &str) -> Vec<i64> {
    let mut numbers = numbers(data_ids, dimension);
    numbers.sort_unstable();
    numbers
}

/// A registry of its own, and a handle to it.
pub(crate) struct Fixture {
    pub(crate) place: Box<dyn Place>,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) issuer: IdIssuer,
}

impl Fixture {
    /// An empty one.
    pub(crate) async fn new(harness: &dyn RegistryHarness) -> Result<Self> {
        Self::of(harness, universe()).await
    }

    pub(crate) async fn of(harness: &dyn RegistryHarness, universe: DimensionUniverse) -> Result<Self> {
        let place = harness.place().await?;
        let registry = place.create(universe).await?;
        Ok(Self { place, registry, issuer: IdIssuer::new() })
    }

    /// With operations applied.
    pub(crate) async fn with(
        harness: &dyn RegistryHarness,
        operations: impl IntoIterator<Item = Operation>,
    ) -> Result<Self> {
        let this = Self::new(harness).await?;
        this.apply(operations).await?;
        Ok(this)
    }

    /// With an instrument, `Cam1`, that has four detectors, a run `r`, and `bias`.
    pub(crate) async fn with_camera(harness: &dyn RegistryHarness) -> Result<Self> {
        let operations = super::data::camera()
            .into_iter()
            .chain([register_run("r"), Operation::RegisterDatasetType(bias())]);
        Self::with(harness, operations).await
    }

    /// Another handle to the same registry, as another process has.
    pub(crate) async fn another(&self) -> Result<Self> {
        self.opened(false).await
    }

    /// A handle to the same registry for reading only.
    pub(crate) async fn reader(&self) -> Result<Self> {
        self.opened(true).await
    }

    async fn opened(&self, read_only: bool) -> Result<Self> {
        // Nobody asks the other one for a place; ids come from an issuer of its own.
        let registry = self.place.open(read_only).await?;
        Ok(Self { place: Box::new(Nowhere), registry, issuer: IdIssuer::new() })
    }

    pub(crate) async fn apply(&self, operations: impl IntoIterator<Item = Operation>) -> Result<BatchReport> {
        self.registry.apply(operations.into_iter().collect()).await
    }

    pub(crate) async fn one(&self, operation: Operation) -> Result<OperationReport> {
        self.registry.apply_one(operation).await
    }

    /// References to datasets that may come to be, with new ids.
    #[expect(clippy::expect_used, reason = "the cases give data IDs of the dimensions of the type")]
    pub(crate) fn new_refs(&self, ty: &DatasetType, run: &str, data_ids: &[DataId]) -> Vec<DatasetRef> {
        let new = |data_id: &DataId| {
            DatasetRef::new(self.issuer.issue(), ty.clone(), data_id.clone(), run.into())
                .expect("the data ID is of the dimensions of the type")
        };
        data_ids.iter().map(new).collect()
    }

    /// Inserts new datasets.
    pub(crate) async fn insert(
        &self,
        ty: &DatasetType,
        run: &str,
        data_ids: &[DataId],
    ) -> Result<Vec<DatasetRef>> {
        let datasets = self.new_refs(ty, run, data_ids);
        self.one(insert(&datasets)).await?;
        Ok(datasets)
    }

    /// Inserts a bias of each of some detectors.
    pub(crate) async fn biases(&self, run: &str, detectors: &[i64]) -> Result<Vec<DatasetRef>> {
        let data_ids: Vec<DataId> = detectors.iter().map(|&number| detector(number)).collect();
        self.insert(&bias(), run, &data_ids).await
    }

    pub(crate) async fn get(&self, ids: &[DatasetId]) -> Result<Vec<Option<DatasetRef>>> {
        self.registry.get(ids.to_vec()).await
    }

    /// Those of some datasets that are in the registry.
    pub(crate) async fn present(&self, datasets: &[DatasetRef]) -> Result<Vec<DatasetRef>> {
        Ok(self.get(&ids(datasets)).await?.into_iter().flatten().collect())
    }

    /// All collections, in the order of registration.
    pub(crate) async fn collections(&self) -> Result<Vec<CollectionInfo>> {
        self.registry.collections(CollectionQuery { summaries: true, ..CollectionQuery::default() }).await
    }

    /// Names of all collections, in the order of registration.
    pub(crate) async fn collection_names(&self) -> Result<Vec<ArcStr>> {
        Ok(self.collections().await?.into_iter().map(|info| info.name).collect())
    }

    /// One collection.
    pub(crate) async fn collection(&self, name: &str) -> Result<CollectionInfo> {
        let query = CollectionQuery { names: Some(names(&[name])), descendants: false, summaries: true };
        let mut found = self.registry.collections(query).await?;
        assert!(found.len() <= 1, "one collection has one name: {found:?}");
        found.pop().ok_or_else(|| Error::new(ErrorKind::MissingCollection, name))
    }

    pub(crate) async fn children(&self, chain: &str) -> Result<Vec<ArcStr>> {
        Ok(self.collection(chain).await?.children)
    }

    /// Names of all dataset types, in the order of registration.
    pub(crate) async fn type_names(&self) -> Result<Vec<ArcStr>> {
        let types = self.registry.dataset_types(DatasetTypeQuery::default()).await?;
        Ok(types.iter().map(|ty| ty.name().clone()).collect())
    }

    /// Collections to search, chains resolved.
    pub(crate) async fn search(&self, collections: &[&str]) -> Result<Arc<CollectionSearch>> {
        let wanted = names(collections);
        let query = CollectionQuery { names: Some(wanted.clone()), descendants: true, summaries: false };
        let catalog: CollectionCatalog = self.registry.collections(query).await?.into_iter().collect();
        Ok(Arc::new(catalog.flatten(&wanted)?))
    }

    pub(crate) async fn find_in(
        &self,
        ty: &DatasetType,
        data_id: &DataId,
        collections: &[&str],
        timespan: Option<Timespan>,
    ) -> Result<Option<DatasetRef>> {
        let request = FindRequest {
            dataset_type: ty.clone(),
            data_id: data_id.clone(),
            collections: self.search(collections).await?,
            timespan,
        };
        self.registry.find_one(request).await
    }

    pub(crate) async fn find(
        &self,
        ty: &DatasetType,
        data_id: &DataId,
        collections: &[&str],
    ) -> Result<Option<DatasetRef>> {
        self.find_in(ty, data_id, collections, None).await
    }

    pub(crate) async fn plan(&self, removal: Removal) -> Result<RemovalPlan> {
        self.registry.plan(removal).await
    }

    /// Rows of a query, after a check that they are as many as are counted.
    pub(crate) async fn rows(&self, query: Query) -> Result<Vec<QueryRows>> {
        let batches = stream_all(&*self.registry, query.clone()).await?;
        let rows: usize = batches.iter().map(QueryRows::len).sum();
        assert_eq!(self.registry.count(query).await?, rows as u64, "as many rows are counted as there are");
        Ok(batches)
    }

    /// Datasets of a query.
    pub(crate) async fn datasets(&self, query: Query) -> Result<Vec<DatasetRef>> {
        self.rows(query).await.map(|batches| batches.into_iter().flat_map(into_datasets).collect())
    }

    /// A search for datasets of a type in some collections.
    pub(crate) async fn searching(&self, ty: &DatasetType, collections: &[&str]) -> Result<DatasetSearch> {
        Ok(DatasetSearch { dataset_type: ty.clone(), collections: self.search(collections).await? })
    }

    /// A query for the datasets of a type in some collections.
    pub(crate) async fn query_for(
        &self,
        ty: &DatasetType,
        collections: &[&str],
        find_first: bool,
    ) -> Result<Query> {
        let result = ResultSpec::Datasets { dataset_type: ty.name().clone(), find_first };
        let datasets = vec![self.searching(ty, collections).await?];
        Ok(Query { datasets, ..question(ty.group(), result) })
    }

    /// Data IDs of a query.
    pub(crate) async fn data_ids(&self, query: Query) -> Result<Vec<DataId>> {
        self.rows(query).await.map(|batches| batches.into_iter().flat_map(into_data_ids).collect())
    }

    /// Records of an element, in order of their keys.
    pub(crate) async fn records(&self, name: &str) -> Result<Vec<DimensionRecord>> {
        let element = element(name);
        let dimensions = universe().conform_dimensions(element.required());
        let batches = self.rows(question(dimensions, ResultSpec::Records { element })).await?;
        let mut records: Vec<DimensionRecord> = batches.into_iter().flat_map(into_records).collect();
        records.sort_by_key(DimensionRecord::required_values);
        Ok(records)
    }

    /// Memberships of the datasets of a type in collections, by data ID, collection and begin.
    pub(crate) async fn memberships(
        &self,
        ty: &DatasetType,
        collections: &[&str],
    ) -> Result<Vec<Association>> {
        let result = ResultSpec::Associations { dataset_type: ty.name().clone() };
        let datasets =
            vec![DatasetSearch { dataset_type: ty.clone(), collections: self.search(collections).await? }];
        let batches = self.rows(Query { datasets, ..question(ty.group(), result) }).await?;
        let mut found: Vec<Association> = batches.into_iter().flat_map(into_associations).collect();
        let begin = |association: &Association| association.timespan.map(|timespan| timespan.to_raw().0);
        found.sort_by(|a, b| {
            let by_dataset = a.dataset.data_id().cmp(b.dataset.data_id());
            by_dataset.then_with(|| a.collection.cmp(&b.collection)).then_with(|| begin(a).cmp(&begin(b)))
        });
        Ok(found)
    }

    /// Ids of the members of a collection, by data ID.
    pub(crate) async fn members(&self, ty: &DatasetType, collection: &str) -> Result<Vec<DatasetId>> {
        let found = self.memberships(ty, &[collection]).await?;
        Ok(found.into_iter().map(|association| association.dataset.id()).collect())
    }
}

/// All rows of a query, batch by batch.
pub(crate) async fn stream_all(registry: &dyn Registry, query: Query) -> Result<Vec<QueryRows>> {
    let mut stream = registry.query(query).await?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        batches.push(batch?);
    }
    Ok(batches)
}

/// The rows of a batch, if they are of one sort.
macro_rules! rows_of_sort {
    ($($name:ident: $variant:ident($row:ty);)*) => {
        $(
            pub(crate) fn $name(rows: QueryRows) -> Vec<$row> {
                match rows {
                    QueryRows::$variant(rows) => rows,
                    other => panic!("rows of another sort were asked for: {other:?}"),
                }
            }
        )*
    };
}

rows_of_sort! {
    into_datasets: Datasets(DatasetRef);
    into_data_ids: DataIds(DataId);
    into_records: Records(DimensionRecord);
    into_general: General(butler_core::query::GeneralRow);
    into_associations: Associations(Association);
}

/// Where nothing is made or opened.
struct Nowhere;

#[async_trait::async_trait]
impl Place for Nowhere {
    async fn create(&self, _universe: DimensionUniverse) -> Result<Arc<dyn Registry>> {
        self.open(false).await
    }

    async fn open(&self, _read_only: bool) -> Result<Arc<dyn Registry>> {
        Err(Error::new(ErrorKind::Unexpected, "a second handle opens no third"))
    }
}
