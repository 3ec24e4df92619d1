//! A small repository.

use std::path::Path;
use std::process::Command;

use butler::registry::{Operation, RecordConflict, RecordSet, RegistryBatch};
use butler::{
    Butler, CollectionType, Creation, DatasetRef, DatasetType, DimensionRecord, Draft, FieldValue, Object,
    data_id,
};
use serde_json::json;
use tempfile::TempDir;

/// A chain of memory and two places on disk, and two genres.
pub(crate) const CONFIG: &str = "
[datastore]
kind = 'chained'

[[datastore.children]]
kind = 'memory'
name = 'scratch'

[[datastore.children]]
kind = 'file'
name = 'disk'
root = '<root>/disk'
formatters.exact = 'toml'

[[datastore.children]]
kind = 'file'
name = 'vault'
root = '<root>/vault'
accept = ['flat']

[genres.catalog]
storage_class = 'StructuredDataDict'
dimensions = ['detector']
formatter = 'yaml'
template = '{run}/catalogs/{datasetType}_{instrument}_{detector}'

[genres.secret]
storage_class = 'StructuredDataDict'
kind = 'nonsingular'
is_calibration = true
datastores = ['vau*']
";

pub(crate) fn record(butler: &Butler, element: &str, fields: Vec<(&str, FieldValue)>) -> DimensionRecord {
    DimensionRecord::new(butler.universe().element(element).unwrap(), fields).unwrap()
}

pub(crate) fn records(records: Vec<DimensionRecord>, on_conflict: RecordConflict) -> Operation {
    Operation::InsertRecords { records: RecordSet::new(records[0].element(), records), on_conflict }
}

pub(crate) fn detector(butler: &Butler, id: i64, name: &str) -> DimensionRecord {
    record(
        butler,
        "detector",
        vec![("instrument", "Cam".into()), ("id", id.into()), ("full_name", name.into())],
    )
}

/// A repository with an instrument of two detectors, a run, and a type `thing`.
pub(crate) async fn repository(config: &str) -> (TempDir, Butler) {
    let directory = TempDir::new().unwrap();
    let creation = Creation { configs: vec![("test".into(), config.into())], ..Creation::default() };
    let butler = butler::builder().create(directory.path().to_str().unwrap(), creation).await.unwrap();
    let batch = RegistryBatch::new()
        .with(records(
            vec![record(&butler, "instrument", vec![("name", "Cam".into())])],
            RecordConflict::Fail,
        ))
        .with(records(vec![detector(&butler, 1, "A"), detector(&butler, 2, "B")], RecordConflict::Fail));
    butler.apply(batch).await.unwrap();
    let group = butler.universe().conform(["detector"]).unwrap();
    let thing = DatasetType::new("thing", group, "StructuredDataDict").unwrap();
    butler.register_dataset_type(&thing).await.unwrap();
    butler.register_collection("run", CollectionType::Run, None).await.unwrap();
    (directory, butler)
}

pub(crate) async fn open(directory: &TempDir) -> Butler {
    butler::builder().writable(true).open(directory.path().to_str().unwrap()).await.unwrap()
}

pub(crate) fn draft(name: &str, id: i64) -> Draft {
    Draft::new(name, data_id! { instrument: "Cam", detector: id }).run("run")
}

pub(crate) async fn put(butler: &Butler, name: &str, id: i64) -> DatasetRef {
    butler.put(Object::new(json!({ "value": id })), draft(name, id)).await.unwrap()
}

pub(crate) fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for item in std::fs::read_dir(directory).into_iter().flatten() {
            let path = item.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    found.retain(|file| !file.starts_with(".butler"));
    found.sort();
    found
}

pub(crate) fn command(directory: &TempDir, words: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_butler"))
        .arg(words[0])
        .arg(directory.path())
        .args(&words[1..])
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(told).unwrap())
}
