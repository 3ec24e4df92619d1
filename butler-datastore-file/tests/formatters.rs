//! The formatters pass the suite of formatters.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::sync::Arc;

use ::bytes::Bytes;
use butler_core::{Formatter, StorageClass, StorageClasses, Structured};
use butler_datastore_file::{Array, ArrayValues, Arrays, ColumnValues, Table};
use butler_testkit::Harness;
use butler_testkit::formatter::{FormatterHarness, Sample};
use serde_json::json;

/// A formatter by name, and what it writes as a storage class.
struct BuiltIn {
    name: &'static str,
    samples: Vec<Sample>,
}

impl Harness for BuiltIn {
    fn name(&self) -> &str {
        self.name
    }
}

impl FormatterHarness for BuiltIn {
    fn formatter(&self) -> Arc<dyn Formatter> {
        Arc::clone(butler_datastore_file::formatters().get(self.name).unwrap())
    }

    fn samples(&self) -> Vec<Sample> {
        self.samples.clone()
    }

    fn takes_any_bytes(&self) -> bool {
        self.name == "bytes"
    }
}

fn class(name: &str) -> Arc<StorageClass> {
    Arc::clone(StorageClasses::default().get(name).unwrap())
}

fn structured(name: &'static str, more: &[Structured]) -> BuiltIn {
    let map = json!({
        "text": "ä\"\\\n 'yes' \u{1F600}", "integer": -9_007_199_254_740_993_i64, "float": 0.1, "whole": 1.0,
        "yes": true, "list": [1, "2", {"3": []}], "empty": "", "long": "x".repeat(3000), "last": {"a": {"b": "null"}},
    });
    let values = [map, json!({"a": 1})].into_iter().chain(more.iter().cloned());
    BuiltIn { name, samples: values.map(|value| Sample::of(&class("StructuredData"), value)).collect() }
}

fn anything() -> [Structured; 7] {
    let big = json!([u64::MAX, i64::MIN, 1e300, -0.5]);
    [big, json!({"a": null, "b": 1}), json!([]), json!("text"), json!(true), json!(null), json!({})]
}

/// A table; FITS has no other text than ASCII.
fn table(letter: char) -> Table {
    Table::new([
        ("id", ColumnValues::Int((0..500).map(|n| Some(n * n - 7)).collect())),
        ("flux", ColumnValues::Float((0..500).map(|n| Some(f64::from(n) / 7.0)).collect())),
        ("name", ColumnValues::Text((0..500).map(|n| Some(format!("star, \"{n}\" {letter}"))).collect())),
        ("good", ColumnValues::Bool((0..500).map(|n| Some(n % 3 == 0)).collect())),
    ])
    .unwrap()
}

fn tables(name: &'static str, of: &str) -> BuiltIn {
    let ints = |values: &[i64]| ColumnValues::Int(values.iter().copied().map(Some).collect());
    let one = Table::new([("a", ints(&[1, i64::MAX, i64::MIN + 1]))]).unwrap();
    let none = Table::new([("a", ints(&[]))]).unwrap();
    let table = table(if name == "fits" { 'a' } else { 'ä' });
    BuiltIn { name, samples: [table, one, none].map(|table| Sample::of(&class(of), table)).to_vec() }
}

fn array() -> Array {
    Array::new(vec![30, 40], ArrayValues::F64((0..1200).map(|n| f64::from(n) / 3.0).collect())).unwrap()
}

fn arrays(name: &'static str, of: &str) -> BuiltIn {
    let bytes = Array::new(vec![2, 1, 3], ArrayValues::U8(vec![1, 2, 3, 4, 5, 255])).unwrap();
    let unsigned = Array::new(vec![2], ArrayValues::U64(vec![u64::MAX, 0])).unwrap();
    let signed = Array::new(vec![3], ArrayValues::I8(vec![-128, 0, 127])).unwrap();
    let samples = [array(), bytes, unsigned, signed];
    BuiltIn { name, samples: samples.map(|array| Sample::of(&class(of), array)).to_vec() }
}

macro_rules! suites {
    ($($name:ident = $harness:expr,)*) => {
        $(mod $name {
            butler_testkit::formatter_suite!(|| Some({
                use super::*;
                $harness
            }));
        })*
    };
}

suites! {
    json = structured("json", &anything()),
    // In YAML nothing is null: no document, and no item.
    yaml = structured("yaml", &anything().map(|value| if value.is_null() { json!([value, 1]) } else { value })),
    toml = structured("toml", &[json!({"times": "2020-01-01", "map": {"of": {"maps": [1.5]}}})]),
    msgpack = structured("msgpack", &anything()),
    csv = tables("csv", "AstropyTable"),
    fits_table = tables("fits", "FitsTable"),
    fits = arrays("fits", "FitsImage"),
    npy = arrays("npy", "NumpyArray"),
    npz = {
        let one = Arrays::new([("a", array()), ("b c", array())]).unwrap();
        let other = Arrays::new([("a", array())]).unwrap();
        BuiltIn { name: "npz", samples: [one, other].map(|arrays| Sample::of(&class("NumpyArrays"), arrays)).to_vec() }
    },
    text = {
        let texts = ["Grüße, 星\n".to_owned(), "x\0y".to_owned(), String::new(), "long ".repeat(2000)];
        BuiltIn { name: "text", samples: texts.map(|text| Sample::of(&class("Text"), text)).to_vec() }
    },
    any_bytes = {
        let bytes = [Bytes::from_static(b"\0\xff"), Bytes::new(), Bytes::from(vec![7; 10_000])];
        BuiltIn { name: "bytes", samples: bytes.map(|bytes| Sample::of(&class("Bytes"), bytes)).to_vec() }
    },
}

#[cfg(feature = "parquet")]
suites! {
    parquet = tables("parquet", "ArrowTable"),
}
