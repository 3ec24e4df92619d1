//! Items as YAML, as the Python butler writes it.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use butler_core::registry::RecordSet;
use butler_core::{
    CollectionType, DataId, DatasetType, DimensionElement, DimensionRecord, DimensionUniverse,
    DimensionValue, FieldValue, Instant, Timespan,
};

use super::header::FormatVersion;
use super::item::{ExportedCollection, ExportedDatasets, ExportedTags, ExportedValidity, Item};
use super::scalar::{Meaning, meaning};

/// The beginning of a file, up to its first item.
#[must_use]
pub(super) fn header(universe: DimensionUniverse) -> String {
    format!(
        "description: Butler Data Repository Export\nversion: {}\nuniverse_version: {}\n\
         universe_namespace: {}\ndata:\n",
        FormatVersion::CURRENT,
        universe.version(),
        text(universe.namespace()),
    )
}

/// An item of a file.
#[must_use]
pub(super) fn item(item: &Item) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = match item {
        Item::Records(set) => records(&mut out, set),
        Item::Collection(it) => collection(&mut out, it),
        Item::DatasetType(it) => dataset_type(&mut out, it),
        Item::Datasets(it) => datasets(&mut out, it),
        Item::Tags(it) => tags(&mut out, it),
        Item::Validity(it) => validity(&mut out, it),
    };
    out
}

/// What a file without items has instead.
pub(super) const NOTHING: &str = "  []\n";

type Written = std::fmt::Result;

fn records(out: &mut String, set: &RecordSet) -> Written {
    write!(out, "- type: dimension\n  element: {}\n  records:\n", text(set.element.name()))?;
    set.records.iter().try_for_each(|one| record(out, one))
}

fn record(out: &mut String, record: &DimensionRecord) -> Written {
    let element = record.element();
    let mut start = "  - ";
    for (field, value) in element.fields().iter().zip(record.values()) {
        let name = match element.key() {
            // The own key goes by the name of its column.
            Some(key) if element.name() == &field.name => &key.name,
            _ => &field.name,
        };
        let lines = match value {
            FieldValue::Timespan(timespan) if !timespan.is_empty() => {
                let (begin, end) = (bound(timespan.begin()), bound(timespan.end()));
                format!("datetime_begin: {begin}\n    datetime_end: {end}")
            }
            FieldValue::Null if field.name == "timespan" => continue,
            value => format!("{}: {}", text(name), field_value(value)),
        };
        writeln!(out, "{start}{lines}")?;
        start = "    ";
    }
    Ok(())
}

fn field_value(value: &FieldValue) -> String {
    match value {
        FieldValue::Null => "null".to_owned(),
        FieldValue::Bool(value) => value.to_string(),
        FieldValue::Int(value) => value.to_string(),
        FieldValue::Float(value) => float(*value),
        FieldValue::Text(value) => text(value),
        FieldValue::Hash(bytes) => format!("!!binary {}", BASE64.encode(bytes)),
        FieldValue::Region(region) => {
            let bytes = region.as_bytes();
            let class = match bytes.first() {
                Some(b'b') => "Box",
                Some(b'c') => "Circle",
                Some(b'e') => "Ellipse",
                Some(b'u') => "UnionRegion",
                Some(b'i') => "IntersectionRegion",
                _ => "ConvexPolygon",
            };
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("!<lsst.sphgeom.{class}> {{encoded: {}}}", text(&hex))
        }
        FieldValue::Timespan(timespan) => span(*timespan),
    }
}

/// A timespan where it is a value.
fn span(timespan: Timespan) -> String {
    if timespan.is_empty() {
        return "!lsst.daf.butler.Timespan EMPTY".to_owned();
    }
    let (begin, end) = (bound(timespan.begin()), bound(timespan.end()));
    format!("!lsst.daf.butler.Timespan {{begin: {begin}, end: {end}}}")
}

fn bound(instant: Option<Instant>) -> String {
    instant.map_or_else(
        || "null".to_owned(),
        |instant| format!("!butler_time/tai/iso '{}'", instant.to_iso_tai().replace('T', " ")),
    )
}

fn collection(out: &mut String, collection: &ExportedCollection) -> Written {
    let ExportedCollection { name, ty, doc, children } = collection;
    write!(out, "- type: collection\n  collection_type: {}\n  name: {}\n", ty.name(), text(name))?;
    if let Some(doc) = doc {
        writeln!(out, "  doc: {}", text(doc))?;
    }
    match ty {
        CollectionType::Run => out.write_str("  host: null\n  timespan_begin: null\n  timespan_end: null\n"),
        CollectionType::Chained => {
            writeln!(out, "  children: {}", list(children.iter().map(|name| text(name))))
        }
        CollectionType::Tagged | CollectionType::Calibration => Ok(()),
    }
}

fn dataset_type(out: &mut String, dataset_type: &DatasetType) -> Written {
    let dimensions = dataset_type.group().dimensions().map(DimensionElement::name);
    write!(
        out,
        "- type: dataset_type\n  name: {}\n  dimensions: {}\n  storage_class: {}\n  is_calibration: {}\n",
        text(dataset_type.name()),
        list(dimensions.map(|name| text(name))),
        text(dataset_type.storage_class()),
        dataset_type.is_calibration(),
    )
}

fn datasets(out: &mut String, datasets: &ExportedDatasets) -> Written {
    let ExportedDatasets { dataset_type, run, files } = datasets;
    let (name, run) = (text(dataset_type.name()), text(run));
    write!(out, "- type: dataset\n  dataset_type: {name}\n  run: {run}\n  records:\n")?;
    for file in files {
        out.write_str("  - dataset_id:\n")?;
        for dataset in &file.datasets {
            writeln!(out, "    - !uuid {}", quoted(&dataset.id().to_string()))?;
        }
        out.write_str("    data_id:\n")?;
        for dataset in &file.datasets {
            writeln!(out, "    - {}", data_id(dataset.data_id()))?;
        }
        // The Python butler wants a path even where there is no file.
        writeln!(out, "    path: {}", text(file.path.as_deref().unwrap_or_default()))?;
        if let Some(formatter) = &file.formatter {
            writeln!(out, "    formatter: {}", text(formatter))?;
        }
    }
    Ok(())
}

fn data_id(data_id: &DataId) -> String {
    let required = data_id.group().required().zip(data_id.required_values());
    let pairs: Vec<String> = required
        .map(|(dimension, value)| {
            let value = match value {
                DimensionValue::Int(value) => value.to_string(),
                DimensionValue::Text(value) => text(value),
            };
            format!("{}: {value}", text(dimension.name()))
        })
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

fn tags(out: &mut String, tags: &ExportedTags) -> Written {
    let name = text(&tags.collection);
    write!(out, "- type: associations\n  collection: {name}\n  collection_type: TAGGED\n  dataset_ids:\n")?;
    tags.ids.iter().try_for_each(|id| writeln!(out, "  - !uuid {}", quoted(&id.to_string())))
}

fn validity(out: &mut String, validity: &ExportedValidity) -> Written {
    let (name, timespan) = (text(&validity.collection), span(validity.timespan));
    write!(
        out,
        "- type: associations\n  collection: {name}\n  collection_type: CALIBRATION\n  \
         validity_ranges:\n  - timespan: {timespan}\n    dataset_ids:\n"
    )?;
    validity.ids.iter().try_for_each(|id| writeln!(out, "    - !uuid {}", quoted(&id.to_string())))
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A float as YAML 1.1 wants it: with a point, and a sign in the exponent.
fn float(value: f64) -> String {
    let shortest = format!("{value:?}");
    let Some((mantissa, exponent)) = shortest.split_once('e') else { return shortest };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

/// A text, in quotes if it could be taken for something else without.
fn text(text: &str) -> String {
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+');
    if begins_well
        && text.chars().all(is_plain)
        && matches!(meaning(text), Meaning::Text(_))
        && !short_bool(text)
    {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Whether some readers take a word for a truth value.
fn short_bool(text: &str) -> bool {
    matches!(text, "y" | "Y" | "n" | "N")
}

/// A text in double quotes.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // What is not printable in YAML, ends lines there, or marks byte order.
            '\0'..' '
            | '\x7f'..='\u{a0}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_where_they_must_be() {
        for plain in ["run/a", "Cam1-G", "_x", "u/me/run.1"] {
            assert_eq!(text(plain), plain);
        }
        for (value, written) in [
            ("", "\"\""),
            ("1", "\"1\""),
            ("no", "\"no\""),
            ("Y", "\"Y\""),
            ("null", "\"null\""),
            ("2020-01-01", "\"2020-01-01\""),
            ("a: b", "\"a: b\""),
            ("it's \"\\", "\"it's \\\"\\\\\""),
            ("\n\u{7f}é", "\"\\n\\u007fé\""),
            ("~", "\"~\""),
        ] {
            assert_eq!(text(value), written);
        }
    }

    #[test]
    fn floats_are_those_of_yaml() {
        for (value, written) in [
            (1.0, "1.0"),
            (1e300, "1.0e+300"),
            (-2.5e-9, "-2.5e-9"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
        ] {
            assert_eq!(float(value), written);
            assert_eq!(meaning(written), Meaning::Float(value));
        }
    }
}
