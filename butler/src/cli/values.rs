//! Rows of the query verbs, as the machine-readable contract has them.

use butler::{
    ArcStr, CollectionInfo, CollectionType, DataId, DatasetRef, DatasetType, DimensionElement,
    DimensionGroup, DimensionRecord, FieldType, FieldValue, Structured,
};
use serde_json::{Map, json};

use super::output::{Column, Row};

/// Dimensions of a group as columns: required ones first, then implied ones.
pub(crate) fn dimension_columns(group: DimensionGroup) -> Vec<Column> {
    group.keys().map(dimension_column).collect()
}

fn dimension_column(dimension: DimensionElement) -> Column {
    match dimension.key().map(|key| key.ty) {
        Some(FieldType::Text(_)) => Column::text(dimension.name().as_str()),
        _ => Column::number(dimension.name().as_str()),
    }
}

/// Columns of datasets of some types: all their dimensions.
pub(crate) fn dataset_columns(types: &[DatasetType], uri: bool) -> Vec<Column> {
    let mut columns = vec![Column::text("type"), Column::text("run"), Column::text("id")];
    if let Some(group) = types.iter().map(DatasetType::group).reduce(DimensionGroup::union) {
        columns.extend(dimension_columns(group));
    }
    if uri {
        columns.push(Column::text("URI"));
    }
    columns
}

/// A dataset.
pub(crate) struct DatasetRow<'a> {
    pub(crate) dataset: &'a DatasetRef,
    /// Dimensions that are shown as columns.
    pub(crate) group: DimensionGroup,
    /// Name of the type, or of a component.
    pub(crate) name: &'a str,
    pub(crate) uri: Option<&'a str>,
}

impl<'a> DatasetRow<'a> {
    /// A dataset without its place.
    pub(crate) fn new(dataset: &'a DatasetRef, group: DimensionGroup) -> Self {
        Self { dataset, group, name: dataset.dataset_type().name(), uri: None }
    }
}

impl Row for DatasetRow<'_> {
    fn json(&self) -> Structured {
        let mut object = Map::new();
        object.insert("dataset_type".into(), self.name.into());
        object.insert("run".into(), self.dataset.run().as_str().into());
        object.insert("id".into(), self.dataset.id().to_string().into());
        object.insert("data_id".into(), data_id_json(self.dataset.data_id()));
        if let Some(uri) = self.uri {
            object.insert("uri".into(), uri.into());
        }
        Structured::Object(object)
    }

    fn cells(&self) -> Vec<String> {
        let mut cells =
            vec![self.name.to_owned(), self.dataset.run().to_string(), self.dataset.id().to_string()];
        cells.extend(data_id_cells(self.dataset.data_id(), self.group));
        cells.extend(self.uri.map(str::to_owned));
        cells
    }
}

/// A data ID as an object: known values in the universe's order.
pub(crate) fn data_id_json(data_id: &DataId) -> Structured {
    let known = data_id.group().dimensions().filter_map(|dimension| {
        let value = data_id.get_dimension(dimension)?;
        Some((dimension.name().to_string(), json!(value)))
    });
    Structured::Object(known.collect())
}

fn data_id_cells(data_id: &DataId, group: DimensionGroup) -> impl Iterator<Item = String> + '_ {
    group.keys().map(|dimension| {
        data_id
            .get_dimension(dimension)
            .map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    })
}

/// A data ID.
pub(crate) struct DataIdRow<'a>(pub(crate) &'a DataId);

impl Row for DataIdRow<'_> {
    fn json(&self) -> Structured {
        data_id_json(self.0)
    }

    fn cells(&self) -> Vec<String> {
        data_id_cells(self.0, self.0.group()).collect()
    }
}

/// Columns of an element's records.
pub(crate) fn record_columns(element: DimensionElement) -> Vec<Column> {
    let column = |field: &butler::Field| match field.ty {
        FieldType::Int | FieldType::Float => Column::number(field.name.as_str()),
        FieldType::Timespan => Column::text(format!("{} (TAI)", field.name)),
        _ => Column::text(field.name.as_str()),
    };
    element.fields().iter().map(column).collect()
}

/// A dimension record.
pub(crate) struct RecordRow<'a>(pub(crate) &'a DimensionRecord);

impl Row for RecordRow<'_> {
    fn json(&self) -> Structured {
        let fields = self.0.element().fields().iter().zip(self.0.values());
        Structured::Object(fields.map(|(field, value)| (field.name.to_string(), json!(value))).collect())
    }

    fn cells(&self) -> Vec<String> {
        let cell = |value: &FieldValue| match value {
            FieldValue::Region(_) => "(elided)".to_owned(),
            FieldValue::Hash(_) => format!("0x{}", plain(value)),
            FieldValue::Timespan(span) => {
                let bound = |bound: Option<butler::time::Instant>, none: &str| {
                    bound.map_or_else(|| none.to_owned(), |instant| instant.to_iso_tai())
                };
                match span.is_empty() {
                    true => "(empty)".to_owned(),
                    false => format!("{}\n{}", bound(span.begin(), "-∞"), bound(span.end(), "∞")),
                }
            }
            other => plain(other),
        };
        self.0.values().iter().map(cell).collect()
    }

    fn values(&self) -> Vec<String> {
        self.0.values().iter().map(plain).collect()
    }
}

/// A value as text: what the contract has in quotes, without them.
fn plain(value: &FieldValue) -> String {
    match value {
        FieldValue::Null => String::new(),
        FieldValue::Timespan(span) if !span.is_empty() => {
            let bound = |bound: Option<butler::time::Instant>| {
                bound.map_or_else(String::new, |instant| instant.to_iso_tai())
            };
            format!("{}/{}", bound(span.begin()), bound(span.end()))
        }
        other => match json!(other) {
            Structured::String(text) => text,
            other => other.to_string(),
        },
    }
}

/// A collection.
pub(crate) struct CollectionRow<'a>(pub(crate) &'a CollectionInfo);

impl Row for CollectionRow<'_> {
    fn json(&self) -> Structured {
        let mut object = Map::new();
        object.insert("name".into(), self.0.name.as_str().into());
        object.insert("type".into(), self.0.ty.name().into());
        object.insert("doc".into(), self.0.doc.as_str().into());
        if self.0.ty == CollectionType::Chained {
            object.insert("children".into(), json!(self.0.children));
        }
        Structured::Object(object)
    }

    fn cells(&self) -> Vec<String> {
        vec![self.0.name.to_string(), self.0.ty.name().to_owned()]
    }

    fn values(&self) -> Vec<String> {
        let children: Vec<&str> = self.0.children.iter().map(ArcStr::as_str).collect();
        vec![self.0.name.to_string(), self.0.ty.name().to_owned(), self.0.doc.to_string(), children.join(",")]
    }
}

/// A dataset type.
pub(crate) struct DatasetTypeRow<'a> {
    pub(crate) dataset_type: &'a DatasetType,
    /// Whether people are shown more than the name.
    pub(crate) verbose: bool,
    /// Whether they are shown the genre, which is no part of the definition.
    pub(crate) genre: bool,
}

impl Row for DatasetTypeRow<'_> {
    fn json(&self) -> Structured {
        let dimensions: Vec<&str> = self.dataset_type.group().names();
        json!({
            "name": self.dataset_type.name(),
            "dimensions": dimensions,
            "storage_class": self.dataset_type.storage_class(),
            "is_calibration": self.dataset_type.is_calibration(),
            "kind": self.dataset_type.kind().name(),
        })
    }

    fn cells(&self) -> Vec<String> {
        let mut all = self.values();
        if self.genre {
            all.push(self.dataset_type.genre().cloned().unwrap_or_default().to_string());
        }
        if self.verbose { all } else { all.into_iter().take(1).collect() }
    }

    fn values(&self) -> Vec<String> {
        let names: Vec<&str> = self.dataset_type.group().names();
        vec![
            self.dataset_type.name().to_string(),
            names.join(", "),
            self.dataset_type.storage_class().to_string(),
            self.dataset_type.kind().name().to_owned(),
            if self.dataset_type.is_calibration() { "calibration" } else { "" }.to_owned(),
        ]
    }
}
