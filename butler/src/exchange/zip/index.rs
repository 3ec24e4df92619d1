//! The index of an archive: what the Python butler writes into `_butler_zip_index.json`.

use std::collections::{BTreeMap, BTreeSet};

use arcstr::ArcStr;
use butler_core::registry::RecordSet;
use butler_core::{
    DataId, DatasetId, DatasetRef, DatasetType, DimensionElement, DimensionRecord, DimensionUniverse,
    DimensionValue, Error, ErrorKind, FieldType, FieldValue, Instant, Result, Structured, Timespan,
};
use serde::{Deserialize, Serialize};

/// Nanoseconds that stand for an open begin of a timespan in the Python butler.
const BEGIN: i64 = 0;
/// Those of an open end.
const END: i64 = 4_102_444_800_000_000_000;

/// An index.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Index {
    index_version: String,
    refs: References,
    pub(super) artifact_map: BTreeMap<String, Artifact>,
}

/// Datasets, with what they have in common told once.
#[derive(Debug, Serialize, Deserialize)]
struct References {
    container_version: String,
    universe_version: u32,
    universe_namespace: String,
    dataset_types: BTreeMap<String, Type>,
    compact_refs: BTreeMap<DatasetId, Reference>,
    /// By element, the values of each record in the order of its fields.
    #[serde(default)]
    dimension_records: Option<BTreeMap<String, Vec<Vec<Structured>>>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Type {
    name: String,
    #[serde(default)]
    storage_class: Option<String>,
    #[serde(default)]
    dimensions: Option<Vec<String>>,
    #[serde(default)]
    parent_storage_class: Option<String>,
    #[serde(default)]
    is_calibration: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Reference {
    dataset_type_name: String,
    run: ArcStr,
    data_id: serde_json::Map<String, Structured>,
}

/// A member of an archive.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Artifact {
    pub(super) info: Info,
    pub(super) ids: BTreeSet<DatasetId>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Info {
    pub(super) formatter: ArcStr,
    pub(super) path: String,
    pub(super) storage_class: ArcStr,
    #[serde(default)]
    pub(super) component: Option<ArcStr>,
    #[serde(default)]
    pub(super) checksum: Option<ArcStr>,
    /// -1 if it is not known.
    pub(super) file_size: i64,
}

fn malformed(problem: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the index of a zip archive is unsound: {problem}"))
}

impl Index {
    /// An index of datasets; their dimension records are in it if all have them.
    pub(super) fn new(
        universe: DimensionUniverse,
        datasets: &[DatasetRef],
        artifact_map: BTreeMap<String, Artifact>,
    ) -> Result<Self> {
        let types = datasets.iter().map(DatasetRef::dataset_type);
        let refs = References {
            container_version: "V1".into(),
            universe_version: universe.version(),
            universe_namespace: universe.namespace().to_string(),
            dataset_types: types.map(|ty| (ty.name().to_string(), Type::of(ty))).collect(),
            compact_refs: datasets.iter().map(|dataset| (dataset.id(), Reference::of(dataset))).collect(),
            dimension_records: records_of(datasets),
        };
        Ok(Self { index_version: "V1".into(), refs, artifact_map })
    }

    /// Reads an index.
    ///
    /// # Errors
    /// `Corrupt` if it is none, `SchemaVersion` for another version.
    pub(super) fn read(json: &[u8]) -> Result<Self> {
        let index: Self = serde_json::from_slice(json).map_err(malformed)?;
        match (index.index_version.as_str(), index.refs.container_version.as_str()) {
            ("V1", "V1") => Ok(index),
            (version, container) => Err(Error::new(
                ErrorKind::SchemaVersion,
                format!(
                    "the index of a zip archive is of version {version}, {container}, and only V1 is read"
                ),
            )),
        }
    }

    /// As it is written.
    ///
    /// # Errors
    /// None, unless numbers are not finite.
    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(malformed)
    }

    /// Names of the dataset types.
    pub(super) fn dataset_types(&self) -> impl Iterator<Item = &str> {
        self.refs.dataset_types.keys().map(String::as_str)
    }

    /// The datasets, of types that are registered.
    ///
    /// # Errors
    /// `InconsistentUniverse`; `ConflictingDefinition` for a type with other dimensions; `Corrupt`.
    pub(super) fn datasets(
        &self,
        universe: DimensionUniverse,
        types: &BTreeMap<String, DatasetType>,
    ) -> Result<Vec<DatasetRef>> {
        if self.refs.universe_namespace != universe.namespace() {
            return Err(Error::new(
                ErrorKind::InconsistentUniverse,
                format!(
                    "the datasets of a zip archive are of the universe '{}', and this repository is of '{}'",
                    self.refs.universe_namespace,
                    universe.namespace()
                ),
            ));
        }
        for (name, described) in &self.refs.dataset_types {
            let of_here = types.get(name).map(|ty| ty.group().required_names());
            if let (Some(here), Some(there)) = (of_here, &described.dimensions)
                && !here.iter().all(|dimension| there.iter().any(|other| other == dimension))
            {
                return Err(Error::new(
                    ErrorKind::ConflictingDefinition,
                    format!(
                        "dataset type '{name}' has the dimensions {here:?} here, and {there:?} in the archive"
                    ),
                ));
            }
        }
        self.refs.compact_refs.iter().map(|(id, reference)| reference.dataset(*id, types)).collect()
    }

    /// The dimension records that are in it, by element.
    ///
    /// # Errors
    /// `InconsistentUniverse` for another version of the universe, whose records are not understood; `Corrupt`.
    pub(super) fn records(&self, universe: DimensionUniverse) -> Result<Vec<RecordSet>> {
        let Some(elements) = &self.refs.dimension_records else { return Ok(Vec::new()) };
        if self.refs.universe_version != universe.version() {
            return Err(Error::new(
                ErrorKind::InconsistentUniverse,
                format!(
                    "the dimension records of a zip archive are of version {} of the universe, and not {}",
                    self.refs.universe_version,
                    universe.version()
                ),
            )
            .with_hint("insert them first, and ingest the archive without them"));
        }
        let mut sets = Vec::new();
        for (name, rows) in elements {
            let element = universe.element(name).map_err(malformed)?;
            if !element.has_table() {
                continue;
            }
            let records = rows.iter().map(|row| record(element, row)).collect::<Result<_>>()?;
            sets.push(RecordSet::new(element, records));
        }
        // What is referred to comes first.
        let order: Vec<&ArcStr> = universe.elements().map(DimensionElement::name).collect();
        sets.sort_by_key(|set| order.iter().position(|name| *name == set.element.name()));
        Ok(sets)
    }
}

impl Type {
    fn of(dataset_type: &DatasetType) -> Self {
        Self {
            name: dataset_type.name().to_string(),
            storage_class: Some(dataset_type.storage_class().to_string()),
            dimensions: Some(dataset_type.group().required_names().into_iter().map(str::to_owned).collect()),
            parent_storage_class: None,
            is_calibration: dataset_type.is_calibration(),
        }
    }
}

impl Reference {
    fn of(dataset: &DatasetRef) -> Self {
        let data_id = dataset.data_id();
        Self {
            dataset_type_name: dataset.dataset_type().name().to_string(),
            run: dataset.run().clone(),
            data_id: data_id
                .iter()
                .map(|(dimension, of)| (dimension.name().to_string(), plain(of)))
                .collect(),
        }
    }

    fn dataset(&self, id: DatasetId, types: &BTreeMap<String, DatasetType>) -> Result<DatasetRef> {
        let dataset_type = types
            .get(&self.dataset_type_name)
            .ok_or_else(|| malformed(format!("it lacks the dataset type '{}'", self.dataset_type_name)))?;
        let group = dataset_type.group();
        let mut pairs = Vec::new();
        for (name, value) in &self.data_id {
            let value = match value {
                Structured::Null => continue,
                Structured::String(text) => DimensionValue::from(text.as_str()),
                value => DimensionValue::Int(value.as_i64().ok_or_else(|| {
                    malformed(format!("{value} is no value of the dimension '{}'", name.escape_debug()))
                })?),
            };
            // Of another version of the universe, more may be implied.
            if group.contains_name(name) {
                pairs.push((name.as_str(), value));
            }
        }
        let of = |error: Error| error.with_context("dataset", id);
        DatasetRef::new(
            id,
            dataset_type.clone(),
            DataId::from_pairs(group, pairs).map_err(of)?,
            self.run.clone(),
        )
        .map_err(of)
    }
}

/// Records of the data IDs, if all of them are expanded.
fn records_of(datasets: &[DatasetRef]) -> Option<BTreeMap<String, Vec<Vec<Structured>>>> {
    let mut known: BTreeMap<DimensionElement, BTreeMap<Vec<DimensionValue>, Vec<Structured>>> =
        BTreeMap::new();
    for dataset in datasets {
        let data_id = dataset.data_id();
        if !data_id.is_expanded() {
            return None;
        }
        for element in dataset.dataset_type().group().elements().filter(|element| element.skypix().is_none())
        {
            let (key, values) = match (data_id.record(element), data_id.get_dimension(element)) {
                (Some(record), _) => {
                    (record.required_values().to_vec(), record.values().iter().map(written).collect())
                }
                // One whose values other records have, such as a band.
                (None, Some(value)) if !element.has_table() => (vec![value.clone()], vec![plain(value)]),
                _ => continue,
            };
            known.entry(element).or_default().insert(key, values);
        }
    }
    let rows =
        known.into_iter().map(|(element, rows)| (element.name().to_string(), rows.into_values().collect()));
    Some(rows.collect())
}

fn plain(value: &DimensionValue) -> Structured {
    match value {
        DimensionValue::Int(value) => Structured::from(*value),
        DimensionValue::Text(text) => Structured::from(text.as_str()),
    }
}

fn written(value: &FieldValue) -> Structured {
    match value {
        FieldValue::Null => Structured::Null,
        FieldValue::Bool(value) => Structured::from(*value),
        FieldValue::Int(value) => Structured::from(*value),
        FieldValue::Float(value) => Structured::from(*value),
        FieldValue::Text(text) => Structured::from(text.as_str()),
        FieldValue::Hash(bytes) => hex(bytes).into(),
        FieldValue::Region(region) => hex(region.as_bytes()).into(),
        FieldValue::Timespan(span) if span.is_empty() => vec![END, BEGIN].into(),
        FieldValue::Timespan(span) => {
            let begin = span.begin().map_or(BEGIN, Instant::nanoseconds);
            vec![begin, span.end().map_or(END, Instant::nanoseconds)].into()
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn record(element: DimensionElement, row: &[Structured]) -> Result<DimensionRecord> {
    let of = |error: Error| malformed(format!("a record of '{element}': {error}"));
    if row.len() != element.fields().len() {
        let (found, expected) = (row.len(), element.fields().len());
        return Err(malformed(format!("a record of '{element}' has {found} values, and not {expected}")));
    }
    let fields = element.fields().iter().zip(row).map(|(field, value)| {
        let value = match field.ty {
            FieldType::Timespan => timespan(value)?,
            ty => FieldValue::from_structured(ty, value).map_err(of)?,
        };
        Ok((field.name.as_str(), value))
    });
    DimensionRecord::new(element, fields.collect::<Result<Vec<_>>>()?).map_err(of)
}

fn timespan(value: &Structured) -> Result<FieldValue> {
    if value.is_null() {
        return Ok(FieldValue::Null);
    }
    let wrong = || malformed(format!("{value} is no timespan"));
    let [begin, end]: [i64; 2] = serde_json::from_value(value.clone()).map_err(|_| wrong())?;
    if begin >= end {
        return Ok(Timespan::EMPTY.into());
    }
    let instant = |nanoseconds, open| match nanoseconds == open {
        true => Ok(None),
        false => Instant::from_nanoseconds(nanoseconds).map(Some).map_err(malformed),
    };
    Ok(Timespan::new(instant(begin, BEGIN)?, instant(end, END)?).into())
}
