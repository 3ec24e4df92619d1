//! Queries, put together step by step.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use arcstr::ArcStr;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};

use super::Butler;
use super::target::LooseDataId;
use crate::collection::{CollectionSearch, NamePatterns};
use crate::dataset::{DatasetRef, DatasetType};
use crate::dimension::{DataId, DimensionGroup, DimensionRecord};
use crate::query::{
    Association, BindValue, Binds, DatasetSearch, Explanation, Field, GeneralRow, OrderTerm, Predicate,
    Query, QueryRows, ResultSpec, Scope, apply_governors,
};
use crate::{Error, ErrorKind, Result};

/// Rows of a query, in batches as they arrive.
pub type RowBatches<R> = Pin<Box<dyn Stream<Item = Result<Vec<R>>> + Send>>;

/// A query on its way: what is asked for, and under which conditions.
///
/// Nothing is asked before one of the last methods: [`stream`](Self::stream),
/// [`collect`](Self::collect), [`count`](Self::count), [`any`](Self::any),
/// [`explain`](Self::explain).
///
/// ```no_run
/// # async fn example(butler: butler_core::Butler) -> butler_core::Result<()> {
/// let flats = butler
///     .query_datasets("flat")
///     .collections(["HSC/calib"])
///     .where_("instrument = 'HSC' AND detector IN (1..10) AND band = :band")
///     .bind("band", "i")
///     .find_first(true)
///     .order_by(["-detector"])
///     .limit(5)
///     .collect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a query does nothing until its rows are asked for"]
pub struct QueryBuilder<R> {
    butler: Butler,
    goal: Goal,
    joins: Vec<(NamePatterns, Option<NamePatterns>)>,
    uploads: Vec<Arc<[DataId]>>,
    conditions: Vec<String>,
    binds: Binds,
    data_id: LooseDataId,
    order_by: Vec<String>,
    limit: Option<u64>,
    offset: u64,
    expanded: bool,
    row: PhantomData<fn() -> R>,
}

/// Query for datasets.
pub type DatasetQuery = QueryBuilder<DatasetRef>;
/// Query for data IDs.
pub type DataIdQuery = QueryBuilder<DataId>;
/// Query for dimension records.
pub type RecordQuery = QueryBuilder<DimensionRecord>;
/// Query for values of any fields.
pub type RowQuery = QueryBuilder<GeneralRow>;
/// Query for datasets as members of collections.
pub type AssociationQuery = QueryBuilder<Association>;

#[derive(Clone, Debug)]
enum Goal {
    Datasets { types: NamePatterns, collections: Option<NamePatterns>, find_first: bool },
    DataIds { dimensions: Vec<ArcStr> },
    Records { element: ArcStr },
    Rows { dimensions: Vec<ArcStr>, fields: Vec<String>, find_first: Option<ArcStr> },
    Associations { dataset_type: ArcStr, collections: Option<NamePatterns> },
}

/// What the rows of a query can be.
pub trait QueryRow: Sized + Send + 'static {
    /// The rows of a batch.
    fn of(rows: QueryRows) -> Option<Vec<Self>>;
}

macro_rules! query_row {
    ($($row:ty => $variant:ident),* $(,)?) => {
        $(impl QueryRow for $row {
            fn of(rows: QueryRows) -> Option<Vec<Self>> {
                if let QueryRows::$variant(rows) = rows { Some(rows) } else { None }
            }
        })*
    };
}

query_row! {
    DatasetRef => Datasets, DataId => DataIds, DimensionRecord => Records, GeneralRow => General,
    Association => Associations,
}

impl Butler {
    /// Datasets of the types that match names and patterns.
    pub fn query_datasets(&self, types: impl Into<NamePatterns>) -> DatasetQuery {
        let goal = Goal::Datasets { types: types.into(), collections: None, find_first: false };
        QueryBuilder::new(self, goal)
    }

    /// Distinct data IDs of some dimensions.
    pub fn query_data_ids<S: Into<ArcStr>>(&self, dimensions: impl IntoIterator<Item = S>) -> DataIdQuery {
        QueryBuilder::new(
            self,
            Goal::DataIds { dimensions: dimensions.into_iter().map(Into::into).collect() },
        )
    }

    /// Records of a dimension element.
    pub fn query_records(&self, element: impl Into<ArcStr>) -> RecordQuery {
        QueryBuilder::new(self, Goal::Records { element: element.into() })
    }

    /// Values of fields, such as `visit.exposure_time` or `bias.run`, for distinct data IDs of some dimensions.
    pub fn query_rows<S: Into<ArcStr>, F: Into<String>>(
        &self,
        dimensions: impl IntoIterator<Item = S>,
        fields: impl IntoIterator<Item = F>,
    ) -> RowQuery {
        let goal = Goal::Rows {
            dimensions: dimensions.into_iter().map(Into::into).collect(),
            fields: fields.into_iter().map(Into::into).collect(),
            find_first: None,
        };
        QueryBuilder::new(self, goal)
    }

    /// Datasets of a type with each collection, and validity, in which they are.
    pub fn query_associations(&self, dataset_type: impl Into<ArcStr>) -> AssociationQuery {
        let goal = Goal::Associations { dataset_type: dataset_type.into(), collections: None };
        QueryBuilder::new(self, goal)
    }
}

impl DatasetQuery {
    /// Collections to search, instead of the default ones.
    pub fn collections(mut self, patterns: impl Into<NamePatterns>) -> Self {
        if let Goal::Datasets { collections, .. } = &mut self.goal {
            *collections = Some(patterns.into());
        }
        self
    }

    /// Whether of each data ID only the dataset of the first collection is wanted.
    pub fn find_first(mut self, wanted: bool) -> Self {
        if let Goal::Datasets { find_first, .. } = &mut self.goal {
            *find_first = wanted;
        }
        self
    }
}

impl RowQuery {
    /// Of a joined dataset type, takes only the dataset of the first collection.
    pub fn find_first(mut self, dataset_type: impl Into<ArcStr>) -> Self {
        if let Goal::Rows { find_first, .. } = &mut self.goal {
            *find_first = Some(dataset_type.into());
        }
        self
    }
}

impl AssociationQuery {
    /// Collections to search, instead of the default ones.
    pub fn collections(mut self, patterns: impl Into<NamePatterns>) -> Self {
        if let Goal::Associations { collections, .. } = &mut self.goal {
            *collections = Some(patterns.into());
        }
        self
    }
}

impl DataIdQuery {
    /// The data IDs, kept for joins into other queries.
    ///
    /// # Errors
    /// As [`stream`](Self::stream).
    pub async fn materialise(self) -> Result<Arc<[DataId]>> {
        Ok(self.collect().await?.into())
    }
}

impl<R: QueryRow> QueryBuilder<R> {
    fn new(butler: &Butler, goal: Goal) -> Self {
        Self {
            butler: butler.clone(),
            goal,
            joins: Vec::new(),
            uploads: Vec::new(),
            conditions: Vec::new(),
            binds: Binds::new(),
            data_id: LooseDataId::default(),
            order_by: Vec::new(),
            limit: None,
            offset: 0,
            expanded: false,
            row: PhantomData,
        }
    }

    /// Only rows for which there is a dataset of a type; in the default collections, if none are named.
    pub fn join_datasets(
        mut self,
        types: impl Into<NamePatterns>,
        collections: Option<NamePatterns>,
    ) -> Self {
        self.joins.push((types.into(), collections));
        self
    }

    /// Only rows that belong to one of some data IDs, all of the same dimensions.
    pub fn join_data_ids(mut self, data_ids: impl Into<Arc<[DataId]>>) -> Self {
        self.uploads.push(data_ids.into());
        self
    }

    /// Only rows for which an expression is true. Several are all true.
    pub fn where_(mut self, expression: impl Into<String>) -> Self {
        self.conditions.push(expression.into());
        self
    }

    /// Value of a name in expressions, which is written with a colon there: `:name`.
    pub fn bind(mut self, name: impl Into<ArcStr>, value: impl Into<BindValue>) -> Self {
        self.binds.insert(name.into(), value.into());
        self
    }

    /// Only rows with these values of dimensions, or of fields that lead to one.
    pub fn data_id(mut self, values: impl Into<LooseDataId>) -> Self {
        for (key, value) in values.into().pairs() {
            self.data_id = self.data_id.with(key.clone(), value.clone());
        }
        self
    }

    /// Orders rows by names of dimensions and fields, descending after `-`.
    pub fn order_by<S: Into<String>>(mut self, terms: impl IntoIterator<Item = S>) -> Self {
        self.order_by.extend(terms.into_iter().map(Into::into));
        self
    }

    /// At most so many rows.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Without so many rows at the beginning.
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Whether data IDs carry dimension records.
    pub fn expanded(mut self, expanded: bool) -> Self {
        self.expanded = expanded;
        self
    }

    /// The query as plain data: one for each dataset type that is asked for.
    ///
    /// Limit and offset are those of the whole; of several queries, each
    /// has the rows that may be among those of the whole.
    ///
    /// # Errors
    /// `InvalidQuery`, with the place in the expression; `MissingCollection`, `MissingDatasetType`,
    /// `NoDefaultCollection`, `DimensionName`.
    pub async fn plan(&self) -> Result<Vec<Query>> {
        let joined = self.joined().await?;
        match &self.goal {
            Goal::Datasets { types, collections, find_first } => {
                let mut types = self.butler.dataset_types(types).await?;
                types.sort_by(|a, b| a.name().cmp(b.name()));
                let collections = self.searched(collections.as_ref(), *find_first).await?;
                let several = types.len() > 1;
                let mut queries = Vec::with_capacity(types.len());
                for dataset_type in types {
                    let result = ResultSpec::Datasets {
                        dataset_type: dataset_type.name().clone(),
                        find_first: *find_first,
                    };
                    let mut query =
                        self.query_of(result, dataset_type, Arc::clone(&collections), &joined).await?;
                    if several {
                        query.limit = self.limit.map(|limit| limit.saturating_add(self.offset));
                        query.offset = 0;
                    }
                    queries.push(query);
                }
                Ok(queries)
            }
            Goal::Associations { dataset_type, collections } => {
                let dataset_type = self.butler.dataset_type(dataset_type).await?;
                let collections = self.searched(collections.as_ref(), false).await?;
                let result = ResultSpec::Associations { dataset_type: dataset_type.name().clone() };
                Ok(vec![self.query_of(result, dataset_type, collections, &joined).await?])
            }
            Goal::DataIds { dimensions } => {
                let dimensions = self.butler.universe().conform(dimensions)?;
                let result = ResultSpec::DataIds { dimensions };
                Ok(vec![self.assemble(result, dimensions, &[], joined).await?])
            }
            Goal::Records { element } => {
                let element = self.butler.universe().element(element)?;
                let result = ResultSpec::Records { element };
                Ok(vec![self.assemble(result, element.minimal_group(), &[], joined).await?])
            }
            Goal::Rows { dimensions, fields, find_first } => {
                let dimensions = self.butler.universe().conform(dimensions)?;
                let result =
                    ResultSpec::General { dimensions, fields: Vec::new(), find_first: find_first.clone() };
                let searched: Vec<DatasetType> =
                    joined.iter().map(|search| search.dataset_type.clone()).collect();
                let mut query = self.assemble(result, dimensions, &[], joined).await?;
                let scope = Scope { dimensions, datasets: &[], searched: &searched, binds: &self.binds };
                let named = fields.iter().map(|name| scope.field(name)).collect::<Result<Vec<Field>>>()?;
                if let ResultSpec::General { fields, .. } = &mut query.result {
                    *fields = named;
                }
                Ok(vec![query])
            }
        }
    }

    async fn query_of(
        &self,
        result: ResultSpec,
        dataset_type: DatasetType,
        collections: Arc<CollectionSearch>,
        joined: &[DatasetSearch],
    ) -> Result<Query> {
        if dataset_type.component_name().is_some() {
            return Err(Error::new(
                ErrorKind::DatasetType,
                format!("{dataset_type} is a component, which has no rows of its own"),
            )
            .with_hint(format!("ask for '{}'", dataset_type.composite().name())));
        }
        let mut searches = vec![DatasetSearch { dataset_type: dataset_type.clone(), collections }];
        searches.extend(joined.iter().filter(|search| search.dataset_type != dataset_type).cloned());
        let own = std::slice::from_ref(&dataset_type);
        self.assemble(result, dataset_type.group(), own, searches).await
    }

    /// The searches of joined dataset types.
    async fn joined(&self) -> Result<Vec<DatasetSearch>> {
        let mut searches: Vec<DatasetSearch> = Vec::new();
        for (types, collections) in &self.joins {
            let collections = self.searched(collections.as_ref(), false).await?;
            for dataset_type in self.butler.dataset_types(types).await? {
                if searches.iter().any(|search| search.dataset_type.name() == dataset_type.name()) {
                    return Err(Error::new(
                        ErrorKind::InvalidQuery,
                        format!("dataset type '{}' is joined twice", dataset_type.name()),
                    ));
                }
                searches.push(DatasetSearch { dataset_type, collections: Arc::clone(&collections) });
            }
        }
        Ok(searches)
    }

    async fn searched(
        &self,
        patterns: Option<&NamePatterns>,
        ordered: bool,
    ) -> Result<Arc<CollectionSearch>> {
        let Some(patterns) = patterns else {
            return self.butler.fresh_search(self.butler.collections_or_default(None)?).await;
        };
        if ordered && patterns.has_globs() {
            return Err(Error::new(
                ErrorKind::InvalidQuery,
                "patterns of collection names have no order, in which a first one could be found",
            )
            .with_hint("name the collections, or ask for all datasets"));
        }
        let (names, catalog) = self.butler.collections(patterns, false).await?;
        Ok(Arc::new(catalog.flatten(&names)?))
    }

    async fn assemble(
        &self,
        result: ResultSpec,
        dimensions: DimensionGroup,
        own: &[DatasetType],
        datasets: Vec<DatasetSearch>,
    ) -> Result<Query> {
        let searched: Vec<DatasetType> = datasets.iter().map(|search| search.dataset_type.clone()).collect();
        let scope = Scope { dimensions, datasets: own, searched: &searched, binds: &self.binds };
        let mut predicate = Predicate::always();
        for expression in &self.conditions {
            predicate = predicate.and(scope.predicate(expression)?);
        }
        for (dimension, value) in self.butler.known_values(dimensions, false, &self.data_id).await? {
            predicate = predicate.and(Predicate::key_equals(dimension, &value));
        }
        let order_by =
            self.order_by.iter().map(|term| scope.order_term(term)).collect::<Result<Vec<OrderTerm>>>()?;
        let mut all = dimensions;
        let groups = searched.iter().map(DatasetType::group);
        let uploaded = self.uploads.iter().filter_map(|upload| upload.first()).map(DataId::group);
        for group in groups.chain(uploaded) {
            all = all.union(group);
        }
        let all = with_dimensions_of(&predicate, all);
        let predicate = apply_governors(predicate, all, &self.butler.defaults.data_id)?;
        Ok(Query {
            dimensions: all,
            datasets,
            uploads: self.uploads.clone(),
            predicate,
            result,
            order_by,
            limit: self.limit,
            offset: self.offset,
            expanded: self.expanded,
        })
    }

    /// Rows in batches, as they arrive. Dropping the stream ends the query.
    ///
    /// # Errors
    /// As [`plan`](Self::plan) and [`Registry::query`](crate::registry::Registry::query).
    pub async fn stream(self) -> Result<RowBatches<R>> {
        let mut queries = self.plan().await?;
        let registry = Arc::clone(self.butler.registry());
        if queries.len() <= 1 {
            let Some(query) = queries.pop() else { return Ok(stream::empty().boxed()) };
            return Ok(registry.query(query).await?.map(rows_of).boxed());
        }
        let (mut to_skip, mut to_take) = (self.offset, self.limit.unwrap_or(u64::MAX));
        let batches = stream::iter(queries).then(move |query| {
            let registry = Arc::clone(&registry);
            async move { registry.query(query).await }
        });
        let batches = batches.try_flatten().map(rows_of::<R>).map_ok(move |mut rows| {
            let skipped = rows.len().min(usize::try_from(to_skip).unwrap_or(usize::MAX));
            rows.drain(..skipped);
            to_skip -= skipped as u64;
            rows.truncate(usize::try_from(to_take).unwrap_or(usize::MAX));
            to_take -= rows.len() as u64;
            (rows, to_take > 0)
        });
        // The batch that reaches the limit is the last one.
        let mut more = true;
        let until_limit = batches.take_while(move |batch| {
            let go_on = more;
            if let Ok((_, after)) = batch {
                more = *after;
            }
            futures::future::ready(go_on)
        });
        Ok(until_limit.map_ok(|(rows, _)| rows).boxed())
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`stream`](Self::stream).
    pub async fn collect(self) -> Result<Vec<R>> {
        self.stream().await?.try_concat().await
    }

    /// Exact number of rows, with limit and offset.
    ///
    /// # Errors
    /// As [`stream`](Self::stream).
    pub async fn count(self) -> Result<u64> {
        let queries = self.plan().await?;
        let several = queries.len() > 1;
        let mut total = 0;
        for query in queries {
            total += self.butler.registry().count(query).await?;
        }
        if several {
            total = total.saturating_sub(self.offset).min(self.limit.unwrap_or(u64::MAX));
        }
        Ok(total)
    }

    /// Whether there is a row.
    ///
    /// # Errors
    /// As [`stream`](Self::stream).
    pub async fn any(self) -> Result<bool> {
        for mut query in self.plan().await? {
            query.limit = Some(query.limit.map_or(1, |limit| limit.min(1)));
            query.order_by.clear();
            let mut rows = self.butler.registry().query(query).await?;
            while let Some(batch) = rows.next().await {
                if !batch?.is_empty() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// How the query is evaluated and, if it has no rows, why: for each dataset type that is asked for.
    ///
    /// # Errors
    /// As [`stream`](Self::stream).
    pub async fn explain(self) -> Result<Vec<Explanation>> {
        let mut explanations = Vec::new();
        for query in self.plan().await? {
            explanations.push(self.butler.registry().explain(query).await?);
        }
        Ok(explanations)
    }
}

fn rows_of<R: QueryRow>(rows: Result<QueryRows>) -> Result<Vec<R>> {
    R::of(rows?)
        .ok_or_else(|| Error::new(ErrorKind::Unexpected, "a registry answered with rows of another kind"))
}

/// Some dimensions, with those that the fields of a predicate need.
fn with_dimensions_of(predicate: &Predicate, dimensions: DimensionGroup) -> DimensionGroup {
    let mut all = dimensions;
    predicate.for_each_field(&mut |field| {
        if let Field::Key(element) | Field::Record { element, .. } = field {
            all = all.union(element.minimal_group());
        }
    });
    all
}
