//! Reading dimension records.

use arcstr::ArcStr;
use butler_core::backend::{Column, ColumnBatch, Relation, Scalar};
use butler_core::{
    DataId, DimensionElement, DimensionRecord, DimensionValue, EncodedRegion, Error, ErrorKind, FieldType,
    FieldValue, Result, Timespan,
};
use rustc_hash::FxHashMap;

use super::Shared;
use super::layout::element_table;
use super::rows::{Strings, equal, key_values};

/// Values of an element's required dimensions.
pub(crate) type RecordKey = Box<[DimensionValue]>;

/// Columns of an element's records under their names in a batch, in the order of the table.
pub(crate) struct RecordColumns<'a> {
    element: DimensionElement,
    columns: Vec<&'a Column>,
}

impl<'a> RecordColumns<'a> {
    /// The columns of a batch, found by a function from the names in the table.
    pub(crate) fn new(
        element: DimensionElement,
        batch: &'a ColumnBatch,
        name: impl Fn(&ArcStr) -> ArcStr,
    ) -> Result<Self> {
        let table = element_table(element);
        let columns =
            table.columns.iter().map(|column| batch.column(&name(&column.name))).collect::<Result<_>>()?;
        Ok(Self { element, columns })
    }

    /// The record of a row.
    pub(crate) fn record(&self, row: usize, strings: &mut Strings) -> Result<DimensionRecord> {
        let fields = self.element.fields();
        let mut values = Vec::with_capacity(fields.len());
        let mut columns = self.columns.iter();
        for field in fields {
            let column = columns.next().ok_or_else(corrupt)?;
            values.push(if field.ty == FieldType::Timespan {
                let end = columns.next().ok_or_else(corrupt)?;
                match (column.int(row), end.int(row)) {
                    (Some(begin), Some(end)) => FieldValue::Timespan(Timespan::from_raw(begin, end)),
                    _ => FieldValue::Null,
                }
            } else {
                field_value(field.ty, column, row, strings)
            });
        }
        Ok(DimensionRecord::from_trusted(self.element, values))
    }
}

fn corrupt() -> Error {
    Error::new(ErrorKind::Corrupt, "a table of dimension records lacks a column")
}

/// The value of a field in a row; a timespan takes two columns and is read elsewhere.
fn field_value(ty: FieldType, column: &Column, row: usize, strings: &mut Strings) -> FieldValue {
    let value = match ty {
        FieldType::Bool => column.bool(row).map(FieldValue::Bool),
        FieldType::Int => column.int(row).map(FieldValue::Int),
        FieldType::Float => column.float(row).map(FieldValue::Float),
        FieldType::Text(_) => column.text(row).map(|text| FieldValue::Text(strings.share(text))),
        FieldType::Hash(_) => column.bytes(row).map(|bytes| FieldValue::Hash(bytes.into())),
        FieldType::Region => {
            column.bytes(row).map(|bytes| FieldValue::Region(EncodedRegion::from_bytes(bytes)))
        }
        FieldType::Timespan => None,
    };
    value.unwrap_or(FieldValue::Null)
}

/// Records of an element for some keys; those that are not there are left out.
pub(crate) async fn fetch(
    shared: &Shared,
    element: DimensionElement,
    keys: &[RecordKey],
) -> Result<FxHashMap<RecordKey, DimensionRecord>> {
    let mut found = FxHashMap::default();
    if keys.is_empty() {
        return Ok(found);
    }
    let mut strings = Strings::default();
    for batch in shared.collect(rows_of(element, keys)).await? {
        let columns = RecordColumns::new(element, &batch, Clone::clone)?;
        for row in 0..batch.len() {
            let record = columns.record(row, &mut strings)?;
            found.insert(record.required_values().into_vec().into_boxed_slice(), record);
        }
    }
    Ok(found)
}

/// Records of some elements for one data ID, in one question; none at all if one is missing.
///
/// The elements are in the group's order of looking up.
pub(crate) async fn fetch_row(
    shared: &Shared,
    data_id: &DataId,
    elements: &[DimensionElement],
) -> Result<Vec<(DimensionElement, DimensionRecord)>> {
    let Some(row) = row_of(data_id, elements) else { return Ok(Vec::new()) };
    let mut strings = Strings::default();
    let mut found = Vec::new();
    for batch in shared.collect(row).await?.iter().filter(|batch| !batch.is_empty()) {
        for (at, &element) in elements.iter().enumerate() {
            let columns = RecordColumns::new(element, batch, |name| column_of(at, name))?;
            found.push((element, columns.record(0, &mut strings)?));
        }
    }
    Ok(found)
}

fn column_of(at: usize, name: &str) -> ArcStr {
    format!("e{at}_{name}").into()
}

/// The records of some elements, joined: keys are those of the data ID, or what an earlier element implies.
fn row_of(data_id: &DataId, elements: &[DimensionElement]) -> Option<Relation> {
    let required = |dimension| data_id.group().required().position(|other| other == dimension);
    let mut row: Option<Relation> = None;
    for (at, &element) in elements.iter().enumerate() {
        let table = element_table(element);
        let mut given = Vec::new();
        let mut on = Vec::new();
        for dimension in element.required() {
            let name = dimension.name();
            if let Some(position) = required(dimension) {
                given.push(super::rows::is(name.clone(), data_id.required_values()[position].clone()));
            } else {
                let implying = |other: &DimensionElement| other.implied().any(|implied| implied == dimension);
                let by = elements[..at].iter().position(implying)?;
                on.push((column_of(at, name), column_of(by, name)));
            }
        }
        let columns = table.columns.iter().map(|column| (column_of(at, &column.name), column.name.clone()));
        let rows = table.scan().filter(Scalar::all(given)).rename(columns);
        row = Some(match row {
            None => rows,
            Some(others) => others.join(rows, equal(on)),
        });
    }
    row
}

fn rows_of(element: DimensionElement, keys: &[RecordKey]) -> Relation {
    let dimensions: Vec<DimensionElement> = element.required().collect();
    let scan = element_table(element).scan();
    if let [key] = keys {
        let pairs = dimensions.iter().zip(key.iter().cloned());
        return scan.filter(Scalar::all(
            pairs.map(|(dimension, value)| super::rows::is(dimension.name().clone(), value)),
        ));
    }
    let names: Vec<ArcStr> = dimensions.iter().map(|dimension| format!("given_{dimension}").into()).collect();
    let on = equal(dimensions.iter().map(|dimension| dimension.name().clone()).zip(names.iter().cloned()));
    let columns: Vec<ArcStr> =
        element_table(element).columns.iter().map(|column| column.name.clone()).collect();
    // The keys are distinct. SQLite would use no more than the first column of an index for rows that have a partner.
    key_values(&dimensions, &names, keys.iter().map(|key| &**key)).join(scan, on).select(columns)
}
