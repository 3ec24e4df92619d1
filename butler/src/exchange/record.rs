//! Dimension records and data IDs of a file.

use butler_core::{
    DataId, DatasetType, DimensionElement, DimensionRecord, DimensionValue, ErrorKind, FieldValue, suggest,
};

use super::node::{Entry, Flaw, Found, Node, Value, at, timespan_between, twice};

/// The record that a mapping's entries are.
pub(super) fn record(
    element: DimensionElement,
    node_at: super::node::At,
    entries: &[Entry],
) -> Found<DimensionRecord> {
    let mut fields: Vec<(&str, FieldValue)> = Vec::with_capacity(entries.len());
    // Where in `fields` each field of the element is.
    let mut places: Vec<Option<usize>> = vec![None; element.fields().len()];
    let mut begin = None;
    let mut end = None;
    for entry in entries {
        let name = entry.key.as_str();
        match name {
            "datetime_begin" if element.has_timespan() => once(&mut begin, entry)?,
            "datetime_end" if element.has_timespan() => once(&mut end, entry)?,
            _ => {
                let index = element.field_index(name).ok_or_else(|| unknown_field(element, entry))?;
                let field = &element.fields()[index];
                let value =
                    entry.value.field(field.ty).map_err(|flaw| of_field(element, &field.name, flaw))?;
                // The own key may be there under both its names.
                match places[index].replace(fields.len()).map(|place| &fields[place]) {
                    Some((known, same)) if *known != name && *same == value => places[index] = None,
                    Some(_) => return Err(twice(entry.at, name)),
                    None => fields.push((name, value)),
                }
            }
        }
    }
    match (begin, end) {
        (None, None) => {}
        (Some(begin), Some(end)) => {
            if fields.iter().any(|(name, value)| *name == "timespan" && *value != FieldValue::Null) {
                return Err(twice(begin.at, "timespan"));
            }
            fields.retain(|(name, _)| *name != "timespan");
            fields.push(("timespan", timespan_between(begin.at, begin, end)?.into()));
        }
        (begin, _) => {
            let missing = if begin.is_some() { "datetime_end" } else { "datetime_begin" };
            return Err(Flaw::new(
                node_at,
                ErrorKind::DimensionName,
                format!("a record of '{element}' has one end of its timespan, but no '{missing}'"),
            ));
        }
    }
    DimensionRecord::new(element, fields).map_err(at(node_at))
}

fn once<'a>(place: &mut Option<&'a Node>, entry: &'a Entry) -> Found<()> {
    match place.replace(&entry.value) {
        None => Ok(()),
        Some(_) => Err(twice(entry.at, &entry.key)),
    }
}

fn of_field(element: DimensionElement, field: &str, flaw: Flaw) -> Flaw {
    let Flaw { at, error } = flaw;
    let named = Flaw::new(at, error.kind(), format!("field '{field}' of '{element}': {}", error.message()));
    match error.hint() {
        Some(hint) => named.hint(hint),
        None => named,
    }
}

fn unknown_field(element: DimensionElement, entry: &Entry) -> Flaw {
    let flaw = Flaw::new(
        entry.at,
        ErrorKind::DimensionName,
        format!("'{element}' has no field '{}'", entry.key.escape_debug()),
    );
    let own = element.key().map(|key| key.name.as_str());
    let times = if element.has_timespan() { &["datetime_begin", "datetime_end"][..] } else { &[] };
    let known = element.fields().iter().map(|field| field.name.as_str());
    match suggest::nearest(&entry.key, known.chain(own).chain(times.iter().copied())) {
        Some(near) => flaw.hint(format!("did you mean '{near}'?")),
        None => flaw,
    }
}

/// The data ID of a dataset of some type.
pub(super) fn data_id(dataset_type: &DatasetType, node: &Node) -> Found<DataId> {
    let Value::Map(entries) = &node.value else { return Err(node.unlike("a data ID, a mapping")) };
    let group = dataset_type.group();
    let mut pairs: Vec<(&str, DimensionValue)> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        if entries[..index].iter().any(|earlier| earlier.key == entry.key) {
            return Err(twice(entry.at, &entry.key));
        }
        let dimension = group.universe().dimension(&entry.key).map_err(at(entry.at))?;
        // A dimension that is implied need not have a value.
        if entry.value.is_null() && !group.required().any(|required| required == dimension) {
            continue;
        }
        let Some(key) = dimension.key() else { continue };
        let value = entry.value.dimension_value(key.ty).map_err(|flaw| {
            let Flaw { at, error } = flaw;
            Flaw::new(at, error.kind(), format!("dimension '{dimension}': {error}"))
        })?;
        pairs.push((&entry.key, value));
    }
    DataId::from_pairs(group, pairs).map_err(at(node.at))
}
