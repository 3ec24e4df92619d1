//! Rows of a relation as data IDs, datasets, records and fields.

use arcstr::ArcStr;
use butler_core::backend::{Column, ColumnBatch, Relation};
use butler_core::query::{
    Association, DatasetField, Field, GeneralRow, Query, QueryRows, ResultSpec, RowValue,
};
use butler_core::{
    DataId, DatasetId, DatasetRef, DatasetType, DimensionElement, DimensionGroup, DimensionRecord,
    DimensionValue, EncodedRegion, Error, ErrorKind, FieldType, FieldValue, Instant, NewDataset, Result,
    Timespan,
};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::searches::SearchPlan;
use super::shape::{MATCHES, OutputColumns, record_column, result_group};
use crate::registry::Shared;
use crate::registry::expand::Expander;
use crate::registry::layout::element_table;
use crate::registry::records::{RecordColumns, RecordKey, fetch};
use crate::registry::rows::{Strings, equal, int, key, key_values};

type Values = SmallVec<[DimensionValue; 6]>;

/// Reads rows, and looks up what was left for the rows that come out.
pub(super) struct Output {
    columns: OutputColumns,
    group: DimensionGroup,
    result: ResultSpec,
    dataset_type: Option<DatasetType>,
    strings: Strings,
    implied: Implied,
    runs: FxHashMap<i64, ArcStr>,
    expander: Option<Expander>,
}

impl Output {
    pub(super) fn new(query: &Query, columns: OutputColumns, searches: &[SearchPlan]) -> Self {
        let group = result_group(query, searches);
        let of_type = |name: &ArcStr| {
            let search = query.datasets.iter().find(|search| search.dataset_type.name() == name)?;
            Some(search.dataset_type.clone())
        };
        let dataset_type = match &query.result {
            ResultSpec::Datasets { dataset_type, .. } | ResultSpec::Associations { dataset_type } => {
                of_type(dataset_type)
            }
            _ => None,
        };
        Self {
            implied: Implied::new(group, &columns),
            columns,
            group,
            result: query.result.clone(),
            dataset_type,
            strings: Strings::default(),
            runs: FxHashMap::default(),
            expander: query.expanded.then(Expander::default),
        }
    }

    /// The rows of a batch.
    pub(super) async fn rows(&mut self, shared: &Shared, batch: &ColumnBatch) -> Result<QueryRows> {
        self.check_matches(batch)?;
        if let ResultSpec::Records { element } = self.result {
            return self.records(shared, element, batch).await.map(QueryRows::Records);
        }
        let data_ids = self.data_ids(shared, batch).await?;
        match &self.result {
            ResultSpec::DataIds { .. } => Ok(QueryRows::DataIds(data_ids)),
            ResultSpec::Datasets { .. } => {
                self.datasets(shared, batch, data_ids).await.map(QueryRows::Datasets)
            }
            ResultSpec::Associations { .. } => {
                let datasets = self.datasets(shared, batch, data_ids).await?;
                self.associations(shared, batch, datasets).await.map(QueryRows::Associations)
            }
            ResultSpec::General { fields, .. } => {
                self.general(batch, data_ids, fields).map(QueryRows::General)
            }
            ResultSpec::Records { .. } => {
                Err(Error::new(ErrorKind::Unexpected, "records are read elsewhere"))
            }
        }
    }

    /// An error if a calibration is in doubt.
    pub(super) fn check_matches(&self, batch: &ColumnBatch) -> Result<()> {
        if !self.columns.checks_matches || batch.is_empty() {
            return Ok(());
        }
        let matches = batch.column(&MATCHES)?;
        if (0..batch.len()).all(|row| matches.int(row) == Some(1)) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::CalibrationLookup,
            "several datasets in a calibration collection match one data ID",
        )
        .with_hint("say for which visit, exposure or time, or do not ask for the first only"))
    }

    /// Data IDs of the rows: full, and expanded if that is asked for.
    async fn data_ids(&mut self, shared: &Shared, batch: &ColumnBatch) -> Result<Vec<DataId>> {
        let columns: Vec<&Column> =
            self.columns.keys.iter().map(|(_, name)| batch.column(name)).collect::<Result<_>>()?;
        let mut rows: Vec<Values> = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            rows.push(
                columns.iter().map(|column| key(column, row, &mut self.strings)).collect::<Result<_>>()?,
            );
        }
        self.implied.complete(shared, &mut rows).await?;
        let data_ids: Vec<DataId> = rows
            .into_iter()
            .map(|values| DataId::from_trusted(self.group, self.implied.ordered(values)))
            .collect();
        match &mut self.expander {
            Some(expander) => expander.expand_group(shared, self.group, data_ids).await,
            None => Ok(data_ids),
        }
    }

    async fn datasets(
        &mut self,
        shared: &Shared,
        batch: &ColumnBatch,
        data_ids: Vec<DataId>,
    ) -> Result<Vec<DatasetRef>> {
        let missing = || Error::new(ErrorKind::Unexpected, "a query for datasets has no column for them");
        let column =
            |name: &Option<ArcStr>| -> Result<&Column> { batch.column(name.as_ref().ok_or_else(missing)?) };
        let (origin, id) = (column(&self.columns.origin)?, column(&self.columns.id)?);
        let run = column(&self.columns.run_id)?;
        let dataset_type = self.dataset_type.clone().ok_or_else(missing)?;
        let unknown: FxHashSet<i64> = (0..batch.len())
            .filter_map(|row| run.int(row))
            .filter(|run| !self.runs.contains_key(run))
            .collect();
        if !unknown.is_empty() {
            self.runs.extend(shared.collection_names(&unknown.into_iter().collect::<Vec<_>>()).await?);
        }
        data_ids
            .into_iter()
            .enumerate()
            .map(|(row, data_id)| {
                let id = DatasetId::from_trusted(int(origin, row)?, int(id, row)?);
                let run = self.runs.get(&int(run, row)?).cloned().ok_or_else(|| {
                    Error::new(ErrorKind::Corrupt, format!("the run of dataset {id} does not exist"))
                })?;
                NewDataset::new(dataset_type.clone(), data_id, run).map(|new| new.with_id(id))
            })
            .collect()
    }

    async fn associations(
        &mut self,
        shared: &Shared,
        batch: &ColumnBatch,
        datasets: Vec<DatasetRef>,
    ) -> Result<Vec<Association>> {
        let missing = || Error::new(ErrorKind::Unexpected, "a query for associations lacks a column");
        let collection = batch.column(self.columns.collection_id.as_ref().ok_or_else(missing)?)?;
        let (begin, end) = self.columns.validity.as_ref().ok_or_else(missing)?;
        let (begin, end) = (batch.column(begin)?, batch.column(end)?);
        let ids: Vec<i64> = (0..batch.len()).filter_map(|row| collection.int(row)).collect();
        let handles = shared.collections_by_id(&ids).await?;
        datasets
            .into_iter()
            .enumerate()
            .map(|(row, dataset)| {
                let handle = handles.get(&int(collection, row)?).ok_or_else(|| {
                    Error::new(
                        ErrorKind::Corrupt,
                        format!("a collection of dataset {} does not exist", dataset.id()),
                    )
                })?;
                let validity = Timespan::from_raw(int(begin, row)?, int(end, row)?);
                Ok(Association {
                    dataset,
                    collection: handle.name.clone(),
                    timespan: (handle.ty == butler_core::CollectionType::Calibration).then_some(validity),
                })
            })
            .collect()
    }

    fn general(
        &self,
        batch: &ColumnBatch,
        data_ids: Vec<DataId>,
        fields: &[Field],
    ) -> Result<Vec<GeneralRow>> {
        let columns: Vec<Vec<&Column>> = self
            .columns
            .fields
            .iter()
            .map(|names| names.iter().map(|name| batch.column(name)).collect::<Result<_>>())
            .collect::<Result<_>>()?;
        data_ids
            .into_iter()
            .enumerate()
            .map(|(row, data_id)| {
                let values = fields
                    .iter()
                    .zip(&columns)
                    .map(|(field, columns)| row_value(field, columns, row))
                    .collect::<Result<_>>()?;
                Ok(GeneralRow { data_id, values })
            })
            .collect()
    }

    async fn records(
        &mut self,
        shared: &Shared,
        element: DimensionElement,
        batch: &ColumnBatch,
    ) -> Result<Vec<DimensionRecord>> {
        if self.columns.has_records {
            let columns = RecordColumns::new(element, batch, record_column)?;
            return (0..batch.len()).map(|row| columns.record(row, &mut self.strings)).collect();
        }
        // Other columns may be there because a condition needs them.
        let required: Vec<DimensionElement> = element.required().collect();
        let columns: Vec<&Column> = self
            .columns
            .keys
            .iter()
            .filter(|(dimension, _)| required.contains(dimension))
            .map(|(_, name)| batch.column(name))
            .collect::<Result<_>>()?;
        let keys: Vec<RecordKey> = (0..batch.len())
            .map(|row| columns.iter().map(|column| key(column, row, &mut self.strings)).collect())
            .collect::<Result<_>>()?;
        if !element.has_table() {
            // Such an element has no fields but its keys.
            return Ok(keys
                .into_iter()
                .map(|key| {
                    let values: Vec<FieldValue> = key.into_iter().map(FieldValue::from).collect();
                    DimensionRecord::from_trusted(element, values)
                })
                .collect());
        }
        let found = fetch(shared, element, &keys).await?;
        keys.iter()
            .map(|key| {
                found.get(key).cloned().ok_or_else(|| {
                    Error::new(
                        ErrorKind::Unexpected,
                        format!("a record of '{element}' is gone while it was queried"),
                    )
                })
            })
            .collect()
    }
}

fn row_value(field: &Field, columns: &[&Column], row: usize) -> Result<RowValue> {
    let first = columns[0];
    let timespan = || match (first.int(row), columns.get(1).and_then(|end| end.int(row))) {
        (Some(begin), Some(end)) => FieldValue::Timespan(Timespan::from_raw(begin, end)),
        _ => FieldValue::Null,
    };
    let text = || first.text(row).map_or(FieldValue::Null, |text| FieldValue::Text(text.into()));
    Ok(match field {
        Field::Dataset { field: DatasetField::DatasetId, .. } => {
            RowValue::DatasetId(DatasetId::from_trusted(int(first, row)?, int(columns[1], row)?))
        }
        Field::Dataset { field: DatasetField::IngestDate, .. } => {
            RowValue::Instant(Instant::from_nanoseconds(int(first, row)?)?)
        }
        Field::Dataset { field: DatasetField::Timespan, .. } => RowValue::Field(timespan()),
        Field::Dataset { .. } => RowValue::Field(text()),
        Field::Key(_) => RowValue::Field(first.int(row).map_or_else(text, FieldValue::Int)),
        Field::Record { element, field } => {
            let ty = element.field(field).map_or(FieldType::Int, |field| field.ty);
            let value = match ty {
                FieldType::Bool => first.bool(row).map(FieldValue::Bool),
                FieldType::Int => first.int(row).map(FieldValue::Int),
                FieldType::Float => first.float(row).map(FieldValue::Float),
                FieldType::Text(_) => first.text(row).map(|text| FieldValue::Text(text.into())),
                FieldType::Hash(_) => first.bytes(row).map(|bytes| FieldValue::Hash(bytes.into())),
                FieldType::Region => {
                    first.bytes(row).map(|bytes| FieldValue::Region(EncodedRegion::from_bytes(bytes)))
                }
                FieldType::Timespan => Some(timespan()),
            };
            RowValue::Field(value.unwrap_or(FieldValue::Null))
        }
    })
}

/// Implied values that the relation does not have, looked up once for each value that implies them.
struct Implied {
    /// Dimensions in the order of the values read: those of the relation, then those looked up.
    order: Vec<DimensionElement>,
    steps: Vec<Step>,
    /// For each key of the group, where its value is.
    positions: Vec<usize>,
}

/// One element that implies some of them.
struct Step {
    element: DimensionElement,
    /// Where the values of its required dimensions are.
    from: Vec<usize>,
    /// Implied dimensions that are taken from it.
    gives: Vec<DimensionElement>,
    known: FxHashMap<RecordKey, Values>,
}

impl Implied {
    fn new(group: DimensionGroup, columns: &OutputColumns) -> Self {
        let mut order: Vec<DimensionElement> = columns.keys.iter().map(|(dimension, _)| *dimension).collect();
        let mut steps = Vec::new();
        for element in group.lookup_order() {
            let gives: Vec<DimensionElement> =
                element.implied().filter(|d| group.contains(*d) && !order.contains(d)).collect();
            let from: Option<Vec<usize>> =
                element.required().map(|d| order.iter().position(|known| *known == d)).collect();
            if let (false, Some(from)) = (gives.is_empty(), from) {
                order.extend(&gives);
                steps.push(Step { element, from, gives, known: FxHashMap::default() });
            }
        }
        let positions =
            group.keys().filter_map(|dimension| order.iter().position(|known| *known == dimension)).collect();
        Self { order, steps, positions }
    }

    /// Appends the missing values to each row.
    async fn complete(&mut self, shared: &Shared, rows: &mut [Values]) -> Result<()> {
        for step in &mut self.steps {
            step.look_up(shared, rows).await?;
            let mut last: Option<(RecordKey, Values)> = None;
            for row in rows.iter_mut() {
                let same = last
                    .as_ref()
                    .is_some_and(|(key, _)| step.from.iter().zip(key).all(|(&at, value)| row[at] == *value));
                if !same {
                    let key = step.key(row);
                    let values = step.known.get(&key).cloned().ok_or_else(|| {
                        Error::new(
                            ErrorKind::InconsistentDataId,
                            format!("'{}' has no record for the values {key:?} of a dataset", step.element),
                        )
                    })?;
                    last = Some((key, values));
                }
                if let Some((_, values)) = &last {
                    row.extend(values.iter().cloned());
                }
            }
        }
        Ok(())
    }

    /// The values in the order of the group's keys.
    fn ordered(&self, values: Values) -> Values {
        if self.positions.iter().copied().eq(0..values.len()) {
            return values;
        }
        debug_assert_eq!(values.len(), self.order.len());
        self.positions.iter().map(|&at| values[at].clone()).collect()
    }
}

impl Step {
    fn key(&self, row: &Values) -> RecordKey {
        self.from.iter().map(|&at| row[at].clone()).collect()
    }

    async fn look_up(&mut self, shared: &Shared, rows: &[Values]) -> Result<()> {
        let mut unknown: FxHashSet<RecordKey> = FxHashSet::default();
        let mut last: Option<RecordKey> = None;
        for row in rows {
            let same = last
                .as_ref()
                .is_some_and(|key| self.from.iter().zip(key).all(|(&at, value)| row[at] == *value));
            if !same {
                let key = self.key(row);
                if !self.known.contains_key(&key) {
                    unknown.insert(key.clone());
                }
                last = Some(key);
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let dimensions: Vec<DimensionElement> = self.element.required().collect();
        let mut strings = Strings::default();
        for batch in shared.collect(self.rows(&dimensions, &unknown)).await? {
            let (keys, values) = batch.columns().split_at(dimensions.len());
            for row in 0..batch.len() {
                let mut read = |columns: &[Column]| -> Result<Values> {
                    columns.iter().map(|column| key(column, row, &mut strings)).collect()
                };
                let (key, values) = (read(keys)?, read(values)?);
                self.known.insert(key.into_vec().into_boxed_slice(), values);
            }
        }
        Ok(())
    }

    fn rows(&self, dimensions: &[DimensionElement], keys: &FxHashSet<RecordKey>) -> Relation {
        let names: Vec<ArcStr> =
            dimensions.iter().map(|dimension| format!("given_{dimension}").into()).collect();
        let on = equal(dimensions.iter().map(|d| d.name().clone()).zip(names.iter().cloned()));
        key_values(dimensions, &names, keys.iter().map(|key| &**key))
            .join(element_table(self.element).scan(), on)
            .select(dimensions.iter().chain(&self.gives).map(|dimension| dimension.name().clone()))
    }
}
