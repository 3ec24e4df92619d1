//! Zip archives of datasets leave a repository and come into another.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]
#![cfg(all(feature = "registry-sqlite", feature = "datastore-fs"))]

use std::fs;
use std::path::{Path, PathBuf};

use butler::datastore::TransferMode;
use butler::exchange::{ExportFile, ImportOptions, IngestZipOptions, import, ingest_zip, retrieve_zip};
use butler::{
    Butler, DatasetRef, DatasetType, DimensionValue, Draft, ErrorKind, Lookup, PruneOptions, Structured,
    Timespan,
};
use serde_json::json;
use tempfile::TempDir;

const SURVEY: &str = include_str!("data/survey.yaml");

async fn repository(directory: &TempDir, name: &str) -> Butler {
    butler::create(directory.path().join(name).to_str().unwrap()).await.unwrap()
}

/// A repository with dimension records, and a dataset type of them.
async fn survey(directory: &TempDir, name: &str, with_records: bool) -> Butler {
    let butler = repository(directory, name).await;
    if with_records {
        let file = directory.path().join(format!("{name}.yaml"));
        fs::write(&file, SURVEY).unwrap();
        let options = ImportOptions { registry_only: true, ..ImportOptions::default() };
        import(&butler, ExportFile::open(file).unwrap(), options).await.unwrap();
    }
    let group = butler.universe().conform(["instrument", "detector"]).unwrap();
    let dataset_type = DatasetType::new("value", group, "StructuredDataDict").unwrap();
    butler.register_dataset_type(&dataset_type).await.unwrap();
    butler
}

async fn values(butler: &Butler) -> Vec<DatasetRef> {
    let mut stored = Vec::new();
    for detector in [1, 2, 3] {
        let values =
            [("instrument", DimensionValue::from("Cam1")), ("detector", DimensionValue::Int(detector))];
        let draft = Draft::new("value", values);
        stored.push(butler.put(json!({ "detector": detector }), draft.new_run("u/run")).await.unwrap());
    }
    stored
}

async fn get(butler: &Butler, dataset: &DatasetRef) -> Structured {
    let object = butler.get(Lookup::from(dataset.id())).await.unwrap();
    object.downcast_ref::<Structured>().unwrap().clone()
}

fn files(root: &Path) -> Vec<PathBuf> {
    let zips = root.join("datastore/zips");
    let zips = if zips.exists() { zips } else { root.join("zips") };
    let Ok(directories) = fs::read_dir(zips) else { return Vec::new() };
    directories
        .flat_map(|entry| fs::read_dir(entry.unwrap().path()).unwrap())
        .map(|e| e.unwrap().path())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_archives_refuse_are_put_into_them() {
    let directory = tempfile::tempdir().unwrap();
    let first = survey(&directory, "a", true).await;
    let mut stored = Vec::new();
    for run in ["a…b", "a‥b", "👩\u{200d}🚀", "100%ff", "plain"] {
        let values = [("instrument", DimensionValue::from("Cam1")), ("detector", DimensionValue::Int(1))];
        let draft = Draft::new("value", values);
        stored.push(first.put(json!({ "run": run }), draft.new_run(run)).await.unwrap());
    }
    let zip = retrieve_zip(&first, stored.clone(), &directory.path().join("out"), false).await.unwrap();
    let second = survey(&directory, "b", true).await;
    ingest_zip(&second, &zip, &IngestZipOptions::default()).await.unwrap();
    for dataset in &stored {
        assert_eq!(get(&second, dataset).await, json!({ "run": dataset.run() }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_comes_into_another_repository() {
    let directory = tempfile::tempdir().unwrap();
    let first = survey(&directory, "a", true).await;
    let stored = values(&first).await;
    let target = directory.path().join("out");
    let zip = retrieve_zip(&first, stored.clone(), &target, false).await.unwrap();
    let again = retrieve_zip(&first, stored.clone(), &target, false).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    assert_eq!(retrieve_zip(&first, stored.clone(), &target, true).await.unwrap(), zip);
    assert_eq!(fs::read_dir(&target).unwrap().count(), 1, "nothing else is left");

    let second = survey(&directory, "b", false).await;
    let copy = IngestZipOptions { transfer: TransferMode::Copy, ..IngestZipOptions::default() };
    let error = ingest_zip(&second, &zip, &copy).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataIdValue, "{error}");
    let with_records = IngestZipOptions { transfer_dimensions: true, ..copy.clone() };
    let dry = IngestZipOptions { dry_run: true, ..with_records.clone() };
    assert_eq!(ingest_zip(&second, &zip, &dry).await.unwrap().datasets.len(), 3);
    assert!(files(&directory.path().join("b")).is_empty());
    let contents = ingest_zip(&second, &zip, &with_records).await.unwrap();
    assert_eq!((contents.datasets.len(), contents.artifacts), (3, 3));
    assert!(contents.records >= 4);
    for dataset in &stored {
        assert_eq!(get(&second, dataset).await, get(&first, dataset).await);
    }
    let error = ingest_zip(&second, &zip, &copy).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConflictingDefinition);
    let skip = IngestZipOptions { skip_existing: true, ..copy };
    assert!(ingest_zip(&second, &zip, &skip).await.unwrap().datasets.is_empty());

    // The file goes with its last dataset, and has the name that follows from its members.
    let there = files(&directory.path().join("b"));
    assert_eq!(there.len(), 1);
    let unstore = PruneOptions { unstore: true, ..PruneOptions::default() };
    assert_eq!(there[0].file_name(), zip.file_name());
    second.prune(stored[..2].to_vec(), &unstore).await.unwrap();
    assert_eq!(get(&second, &stored[2]).await["detector"], 3);
    second.prune(stored[2..].to_vec(), &unstore).await.unwrap();
    assert!(files(&directory.path().join("b")).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_of_the_python_butler_comes_in() {
    let directory = tempfile::tempdir().unwrap();
    let butler = repository(&directory, "a").await;
    let group = butler.universe().conform(["visit", "detector"]).unwrap();
    let dataset_type = DatasetType::new("cal", group, "StructuredDataDict").unwrap();
    let zip = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/python.zip");
    let options = IngestZipOptions {
        transfer: TransferMode::Copy,
        transfer_dimensions: true,
        ..IngestZipOptions::default()
    };
    let error = ingest_zip(&butler, &zip, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingDatasetType);
    butler.register_dataset_type(&dataset_type).await.unwrap();
    let contents = ingest_zip(&butler, &zip, &options).await.unwrap();
    let [dataset] = &contents.datasets[..] else { panic!("there is one") };
    assert_eq!(get(&butler, dataset).await, json!({ "a": 1 }));
    let visits = butler.query_records("visit").collect().await.unwrap();
    assert_eq!(visits.len(), 1);
    assert!(visits[0].region().unwrap().decode().is_ok());
    let span: Timespan = "2021-09-09T03:00:00/2021-09-09T03:01:00".parse().unwrap();
    assert_eq!(visits[0].timespan(), Some(span));
    // Made again, it has the same name as the one that Python made.
    let again = retrieve_zip(&butler, contents.datasets.clone(), &directory.path().join("out"), false).await;
    assert!(again.unwrap().to_string_lossy().ends_with(".zip"));
    assert_eq!(files(&directory.path().join("a"))[0].file_name().unwrap(), PYTHON);
}

/// Name that the Python butler gave to its archive.
const PYTHON: &str = "649a7f93-27ab-5136-af06-5ee0bbcdca95.zip";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_archive_of_a_butler_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let butler = survey(&directory, "a", true).await;
    let path = directory.path().join("x.zip");
    let options = IngestZipOptions::default();
    assert_eq!(ingest_zip(&butler, &path, &options).await.unwrap_err().kind(), ErrorKind::NotFound);
    fs::write(&path, "no zip").unwrap();
    assert_eq!(ingest_zip(&butler, &path, &options).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let write = |name: &str, index: &str| {
        use std::io::Write;
        let mut writer = butler::datastore_file::ArchiveWriter::new(fs::File::create(&path).unwrap());
        writer.start(name, true).unwrap();
        writer.write_all(index.as_bytes()).unwrap();
        writer.finish().unwrap();
    };
    let index = "_butler_zip_index.json";
    write("other", "x");
    let error = ingest_zip(&butler, &path, &options).await.unwrap_err();
    assert!(error.to_string().contains("retrieve-artifacts --zip"), "{error}");
    for (json, kind) in [
        ("{", ErrorKind::Corrupt),
        ("{}", ErrorKind::Corrupt),
        (&sound().replace("\"V1\",\"refs\"", "\"V2\",\"refs\""), ErrorKind::SchemaVersion),
        (&sound().replace("daf_butler", "elsewhere"), ErrorKind::InconsistentUniverse),
        (&sound().replace("\"value\"", "\"other\""), ErrorKind::MissingDatasetType),
        (&sound().replace("\"instrument\",\"detector\"]", "\"visit\"]"), ErrorKind::ConflictingDefinition),
        // Its member is not there, or leads elsewhere.
        (&sound(), ErrorKind::Corrupt),
        (&sound().replace("member.yaml", "../../member.yaml"), ErrorKind::Corrupt),
    ] {
        write(index, json);
        let error = ingest_zip(&butler, &path, &options).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(files(&directory.path().join("a")).is_empty());
    }
}

fn sound() -> String {
    let id = "01a1ffe9-46eb-7634-b9b9-3575fad0e7d1";
    json!({
        "index_version": "V1",
        "refs": {
            "container_version": "V1", "universe_version": 8, "universe_namespace": "daf_butler",
            "dataset_types": {"value": {"name": "value", "storageClass": "StructuredDataDict",
                "dimensions": ["instrument", "detector"]}},
            "compact_refs": {id: {"dataset_type_name": "value", "run": "r",
                "data_id": {"instrument": "Cam1", "detector": 1}}},
        },
        "artifact_map": {"member.yaml": {"info": {"formatter": "yaml", "path": "x",
            "storage_class": "StructuredDataDict", "file_size": 3}, "ids": [id]}},
    })
    .to_string()
}
