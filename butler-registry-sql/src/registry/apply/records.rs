//! Dimension records, and the pixels that their regions touch.

use std::ops::Range;

use butler_core::backend::{OnConflict, Relation, RowBatch, Value};
use butler_core::registry::{OperationReport, RecordConflict, RecordDifference, RecordSet};
use butler_core::sky::Pixelization;
use butler_core::{DimensionElement, DimensionRecord, DimensionValue, Error, ErrorKind, FieldValue, Result};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::existence::check_keys;
use super::session::Session;
use crate::registry::layout::{PIXEL_RANGE_MAX, element_table, key_type, pixel_table};
use crate::registry::rows::{batch, collect, equal, key_values, push_key};

type RecordKey = SmallVec<[DimensionValue; 6]>;

/// Inserts records of one element.
pub(super) fn insert(
    session: &mut Session<'_>,
    set: &RecordSet,
    on_conflict: RecordConflict,
) -> Result<OperationReport> {
    let element = set.element;
    if element.universe() != session.universe() {
        return Err(Error::new(
            ErrorKind::InconsistentUniverse,
            format!(
                "records of '{element}' are of another universe than the repository's {}",
                session.universe()
            ),
        ));
    }
    if !element.has_table() {
        return Err(Error::new(ErrorKind::DimensionName, format!("'{element}' has no records of its own")));
    }
    check_references(session, &set.records)?;
    let report = match on_conflict {
        RecordConflict::Fail => insert_new(session, element, &set.records)?,
        RecordConflict::Skip => {
            let fresh = without_existing(session, element, &set.records)?;
            let existing = (set.records.len() - fresh.len()) as u64;
            OperationReport { existing, ..insert_new(session, element, &fresh)? }
        }
        RecordConflict::Replace => replace(session, element, &set.records)?,
        RecordConflict::Sync => sync(session, element, &set.records, false)?,
        RecordConflict::SyncUpdate => sync(session, element, &set.records, true)?,
    };
    let keys =
        set.records.iter().map(|record| (element, record.required_values().into_vec().into_boxed_slice()));
    session.know_keys(keys);
    Ok(report)
}

/// Checks that what records require and imply has records.
fn check_references(session: &mut Session<'_>, records: &[DimensionRecord]) -> Result<()> {
    let Some(element) = records.first().map(DimensionRecord::element) else { return Ok(()) };
    let others = element.required().chain(element.implied()).filter(|other| *other != element);
    for other in others.filter(|other| other.has_table()) {
        let positions: Vec<usize> = other
            .required()
            .filter_map(|required| element.dimensions().position(|dimension| dimension == required))
            .collect();
        let keys: FxHashSet<Box<[DimensionValue]>> = records
            .iter()
            .map(|record| {
                positions.iter().filter_map(|&at| record.values()[at].to_dimension_value()).collect()
            })
            .collect();
        check_keys(session, other, keys, ErrorKind::DataIdValue)
            .map_err(|error| error.with_context("record of", element))?;
    }
    Ok(())
}

fn insert_new(
    session: &mut Session<'_>,
    element: DimensionElement,
    records: &[DimensionRecord],
) -> Result<OperationReport> {
    let table = element_table(element);
    let rows = to_rows(element, records)?;
    let mut inserted = 0;
    let outcome = session.savepoint(|tx| {
        inserted = tx.insert(&table, &rows, OnConflict::Fail)?;
        Ok(())
    });
    if let Err(error) = outcome {
        return Err(explain_conflict(session, element, records, error)?);
    }
    insert_pixels(session, element, records)?;
    Ok(OperationReport { inserted, ..OperationReport::default() })
}

/// An error that shows both sides of a conflict.
fn explain_conflict(
    session: &mut Session<'_>,
    element: DimensionElement,
    records: &[DimensionRecord],
    error: Error,
) -> Result<Error> {
    if error.kind() != ErrorKind::ConflictingDefinition {
        return Ok(error.with_context("element", element));
    }
    let existing = stored(session, element, records)?;
    let repeated = {
        let mut seen = FxHashSet::default();
        records.iter().find(|record| !seen.insert(record.required_values()))
    };
    let message =
        match records.iter().find_map(|record| Some((record, existing.get(&record.required_values())?))) {
            Some((new, old)) => {
                format!("a record of '{element}' is there already: {old}; the new one is {new}")
            }
            None => match repeated {
                Some(record) => format!("a record of '{element}' is given twice: {}", record.data_id()),
                None => format!("a record of '{element}' has an alternate key that another record has"),
            },
        };
    Ok(Error::new(ErrorKind::ConflictingDefinition, message).with_source(error))
}

/// The first of each key, of those that are not stored.
fn without_existing(
    session: &mut Session<'_>,
    element: DimensionElement,
    records: &[DimensionRecord],
) -> Result<Vec<DimensionRecord>> {
    let existing = stored_keys(session, element, records)?;
    let mut seen = FxHashSet::default();
    Ok(records
        .iter()
        .filter(|record| {
            let key = record.required_values();
            !existing.contains(&key) && seen.insert(key)
        })
        .cloned()
        .collect())
}

fn replace(
    session: &mut Session<'_>,
    element: DimensionElement,
    records: &[DimensionRecord],
) -> Result<OperationReport> {
    // Of records of one key, the last counts.
    let mut last: FxHashMap<RecordKey, &DimensionRecord> = FxHashMap::default();
    for record in records {
        last.insert(record.required_values(), record);
    }
    let records: Vec<DimensionRecord> = records
        .iter()
        .filter(|record| std::ptr::eq(last[&record.required_values()], *record))
        .cloned()
        .collect();
    let existing = stored_keys(session, element, &records)?.len() as u64;
    let written =
        session.tx.insert(&element_table(element), &to_rows(element, &records)?, OnConflict::Replace)?;
    delete_pixels(session, element, &records)?;
    insert_pixels(session, element, &records)?;
    Ok(OperationReport { inserted: written - existing, changed: existing, ..OperationReport::default() })
}

fn sync(
    session: &mut Session<'_>,
    element: DimensionElement,
    records: &[DimensionRecord],
    update: bool,
) -> Result<OperationReport> {
    let existing = stored(session, element, records)?;
    let mut report = OperationReport::default();
    let (mut fresh, mut changed) = (Vec::new(), Vec::new());
    for record in records {
        let Some(old) = existing.get(&record.required_values()) else {
            fresh.push(record.clone());
            continue;
        };
        let differences = differences(old, record);
        if differences.is_empty() {
            report.existing += 1;
        } else if update {
            report.differences.extend(differences);
            changed.push(merged(old, record));
        } else {
            let told: Vec<String> = differences
                .iter()
                .map(|d| format!("{} is {:?}, not {:?}", d.field, d.before, record.get(&d.field)))
                .collect();
            return Err(Error::new(
                ErrorKind::ConflictingDefinition,
                format!("the record of '{element}' for {} differs: {}", record.data_id(), told.join("; ")),
            ));
        }
    }
    report.inserted = insert_new(session, element, &fresh)?.inserted;
    report.changed = changed.len() as u64;
    session.tx.insert(&element_table(element), &to_rows(element, &changed)?, OnConflict::Replace)?;
    delete_pixels(session, element, &changed)?;
    insert_pixels(session, element, &changed)?;
    Ok(report)
}

/// Fields that are given and differ from those that are stored.
fn differences(old: &DimensionRecord, new: &DimensionRecord) -> Vec<RecordDifference> {
    let pairs = old.element().fields().iter().zip(old.values().iter().zip(new.values()));
    pairs
        .filter(|(_, (before, after))| **after != FieldValue::Null && before != after)
        .map(|(field, (before, _))| RecordDifference {
            data_id: new.data_id(),
            field: field.name.clone(),
            before: before.clone(),
        })
        .collect()
}

/// The stored record with the fields that are given.
fn merged(old: &DimensionRecord, new: &DimensionRecord) -> DimensionRecord {
    let pairs = old.values().iter().zip(new.values());
    let values: Vec<FieldValue> = pairs
        .map(|(before, after)| if *after == FieldValue::Null { before } else { after }.clone())
        .collect();
    DimensionRecord::from_trusted(old.element(), values)
}

fn to_rows(element: DimensionElement, records: &[DimensionRecord]) -> Result<RowBatch> {
    let mut rows = batch(element_table(element).columns.iter().map(|column| (&column.name, column.ty)));
    for record in records {
        rows.push_row(&record.to_values())?;
    }
    Ok(rows)
}

/// Keys of records, as a relation with columns `given_<dimension>`.
fn given_keys(element: DimensionElement, records: &[DimensionRecord]) -> Relation {
    let dimensions: Vec<DimensionElement> = element.required().collect();
    let names: Vec<_> = dimensions.iter().map(|d| format!("given_{d}").into()).collect();
    let keys: Vec<RecordKey> = records.iter().map(DimensionRecord::required_values).collect();
    key_values(&dimensions, &names, keys.iter().map(SmallVec::as_slice))
}

fn matching(element: DimensionElement, records: &[DimensionRecord]) -> Relation {
    let on = equal(element.required().map(|d| (d.name().clone(), format!("given_{d}"))));
    element_table(element).scan().semi(given_keys(element, records), on)
}

fn stored_keys(
    session: &mut Session<'_>,
    element: DimensionElement,
    records: &[DimensionRecord],
) -> Result<FxHashSet<RecordKey>> {
    let keys = matching(element, records).select(element.required().map(|d| d.name().clone()));
    let mut found = FxHashSet::default();
    for batch in collect(session.tx, &keys)? {
        for row in batch.rows() {
            found.insert(row.iter().filter_map(dimension_value).collect());
        }
    }
    Ok(found)
}

fn dimension_value(value: &Value) -> Option<DimensionValue> {
    match value {
        Value::Int(value) => Some(DimensionValue::Int(*value)),
        Value::Text(value) => Some(DimensionValue::Text(value.clone())),
        _ => None,
    }
}

fn stored(
    session: &mut Session<'_>,
    element: DimensionElement,
    records: &[DimensionRecord],
) -> Result<FxHashMap<RecordKey, DimensionRecord>> {
    let mut found = FxHashMap::default();
    for batch in collect(session.tx, &matching(element, records))? {
        for row in batch.rows() {
            let record = DimensionRecord::from_values(element, &row)?;
            found.insert(record.required_values(), record);
        }
    }
    Ok(found)
}

fn delete_pixels(
    session: &mut Session<'_>,
    element: DimensionElement,
    records: &[DimensionRecord],
) -> Result<()> {
    if !element.has_region() || records.is_empty() {
        return Ok(());
    }
    let table = pixel_table(element);
    let on = equal(element.required().map(|d| (d.name().clone(), format!("given_{d}"))));
    session.tx.delete(&table, &table.scan().semi(given_keys(element, records), on))?;
    Ok(())
}

fn insert_pixels(
    session: &mut Session<'_>,
    element: DimensionElement,
    records: &[DimensionRecord],
) -> Result<()> {
    if !element.has_region() || records.is_empty() {
        return Ok(());
    }
    let pixels: Pixelization = element.universe().common_skypix().name().parse()?;
    let table = pixel_table(element);
    let mut rows =
        batch(element.required().map(|d| (d.name(), key_type(d))).chain(
            table.columns.iter().skip(element.required().len()).map(|column| (&column.name, column.ty)),
        ));
    for record in records {
        let Some(region) = record.region() else { continue };
        for (begin, end) in cut(pixels.envelope(region.decode()?).ranges()) {
            let key = record.required_values();
            let (keys, range) = rows.columns_mut().split_at_mut(key.len());
            keys.iter_mut().zip(&key).for_each(|(column, value)| push_key(column, value));
            range[0].push_int(begin);
            range[1].push_int(end);
            rows.end_row();
        }
    }
    session.tx.insert(&table, &rows, OnConflict::Fail)?;
    Ok(())
}

/// Ranges cut into pieces that are not too long, for joins count on that.
pub(crate) fn cut(ranges: &[Range<u64>]) -> impl Iterator<Item = (i64, i64)> {
    ranges.iter().flat_map(|range| {
        let end = range.end;
        range
            .clone()
            .step_by(PIXEL_RANGE_MAX as usize)
            .map(move |from| (from as i64, (from + PIXEL_RANGE_MAX).min(end) as i64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_without_loss() {
        let pieces: Vec<_> = cut(&[0..3, 10..150]).collect();
        assert_eq!(pieces, [(0, 3), (10, 74), (74, 138), (138, 150)]);
    }
}
