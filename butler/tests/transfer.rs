//! Datasets that come from another repository.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]
#![cfg(all(feature = "registry-sqlite", feature = "datastore-fs"))]

use std::fs;
use std::path::Path;

use butler::datastore::TransferMode;
use butler::exchange::{ExportFile, ImportOptions, import};
use butler::{
    Butler, CollectionType, Creation, DatasetExistence, DatasetRef, DatasetType, Draft, ErrorKind,
    IngestFile, IngestOptions, Object, PruneOptions, TransferOptions, VerifyOptions, WorkObserver, data_id,
};
use serde_json::json;
use tempfile::TempDir;

const SURVEY: &str = include_str!("data/survey.yaml");
const SKY: &str = include_str!("data/sky.yaml");

/// A repository that is configured in some way.
async fn with(directory: &TempDir, name: &str, config: &str) -> Butler {
    let place = directory.path().join(name);
    let configs = vec![("test".to_owned(), config.to_owned())];
    let creation = Creation { configs, ..Creation::default() };
    butler::builder().create(place.to_str().unwrap(), creation).await.unwrap()
}

async fn repository(directory: &TempDir, name: &str) -> Butler {
    with(directory, name, "").await
}

async fn imported(butler: &Butler, directory: &Path, text: &str, registry_only: bool) {
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("export.yaml"), text).unwrap();
    let file = ExportFile::open(directory.join("export.yaml")).unwrap();
    import(butler, file, ImportOptions { registry_only, ..ImportOptions::default() }).await.unwrap();
}

/// A repository with two biases and a flat, in two runs.
async fn survey(directory: &TempDir) -> Butler {
    let butler = repository(directory, "source").await;
    let files = directory.path().join("files");
    fs::create_dir_all(&files).unwrap();
    for name in ["bias1.yaml", "bias2.yaml", "flat3.yaml"] {
        fs::write(files.join(name), format!("name: {name}\n")).unwrap();
    }
    imported(&butler, &files, SURVEY, false).await;
    butler
}

async fn all(butler: &Butler) -> Vec<DatasetRef> {
    let mut found = butler.query_datasets("*").collections("*").find_first(false).collect().await.unwrap();
    found.sort_by_key(DatasetRef::id);
    found
}

fn everything() -> TransferOptions {
    TransferOptions { register_dataset_types: true, transfer_dimensions: true, ..TransferOptions::default() }
}

async fn stored(butler: &Butler, dataset: &DatasetRef) -> bool {
    butler.exists(dataset, true).await.unwrap().contains(DatasetExistence::ARTIFACT)
}

async fn verified(butler: &Butler) {
    let options = VerifyOptions { checksum: true, orphans: true, ..VerifyOptions::default() };
    let report = butler.verify(&options).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
}

#[tokio::test]
async fn datasets_come_with_all_that_they_need() {
    let directory = TempDir::new().unwrap();
    let (source, target) = (survey(&directory).await, repository(&directory, "target").await);
    source.register_collection("run/c", CollectionType::Run, Some("of no use")).await.unwrap();
    let report = target.transfer_from(&source, all(&source).await, &everything()).await.unwrap();
    assert_eq!((report.transferred.len(), report.existing, report.missing), (3, 0, 0));
    let here = all(&target).await;
    assert_eq!(here, all(&source).await);
    for (here, there) in here.iter().zip(all(&source).await) {
        assert_eq!((here.run(), here.data_id()), (there.run(), there.data_id()));
        let (ours, theirs) = (target.get(here).await.unwrap(), source.get(&there).await.unwrap());
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    }
    let detectors = target.query_records("detector").collect().await.unwrap();
    assert_eq!(detectors.len(), 3, "only those of the datasets");
    assert!(target.collection("run/c").await.is_err());
    verified(&target).await;
    // The repositories have nothing in common any more.
    source.remove_runs(vec!["run/a".into()], false, false, &WorkObserver::default()).await.unwrap();
    target.get(&here[0]).await.unwrap();
    // Once more is no change.
    let report = target.transfer_from(&source, here, &everything()).await;
    assert_eq!(report.unwrap().missing, 2);
}

#[tokio::test]
async fn what_is_here_is_passed_over() {
    let directory = TempDir::new().unwrap();
    let (source, target) = (survey(&directory).await, repository(&directory, "target").await);
    let datasets = all(&source).await;
    target.transfer_from(&source, datasets[..1].to_vec(), &everything()).await.unwrap();
    let twice = [datasets.clone(), datasets.clone()].concat();
    let report = target.transfer_from(&source, twice.clone(), &everything()).await.unwrap();
    assert_eq!((report.transferred, report.existing), (datasets[1..].to_vec(), 1));
    let report = target.transfer_from(&source, twice, &everything()).await.unwrap();
    assert_eq!((report.transferred.len(), report.existing), (0, 3));
    // Known here and not stored, it is stored again.
    let options = PruneOptions { unstore: true, ..PruneOptions::default() };
    target.prune(datasets[..1].to_vec(), &options).await.unwrap();
    let report = target.transfer_from(&source, datasets.clone(), &everything()).await.unwrap();
    assert_eq!((report.transferred, report.existing), (datasets[..1].to_vec(), 2));
    verified(&target).await;
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let source = survey(&directory).await;
    let target = repository(&directory, "target").await;
    let options = TransferOptions { dry_run: true, ..everything() };
    let report = target.transfer_from(&source, all(&source).await, &options).await.unwrap();
    assert_eq!(report.transferred.len(), 3);
    assert!(target.query_records("instrument").collect().await.unwrap().is_empty());
    assert!(target.dataset_type("bias").await.is_err());
}

#[tokio::test]
async fn types_and_records_must_be_here_unless_they_come() {
    let directory = TempDir::new().unwrap();
    let (source, target) = (survey(&directory).await, repository(&directory, "target").await);
    let datasets = all(&source).await;
    let options = TransferOptions { register_dataset_types: false, ..everything() };
    let error = target.transfer_from(&source, datasets.clone(), &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingDatasetType, "{error}");
    let options = TransferOptions { transfer_dimensions: false, ..everything() };
    let error = target.transfer_from(&source, datasets.clone(), &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataIdValue, "{error}");
    assert!(target.dataset_type("bias").await.is_err(), "nothing is half-done");
    // Another type of the same name.
    let group = target.universe().conform(["instrument", "detector"]).unwrap();
    let other = DatasetType::new("bias", group, "StructuredDataDict").unwrap();
    target.register_dataset_type(&other).await.unwrap();
    let error = target.transfer_from(&source, datasets.clone(), &everything()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConflictingDefinition, "{error}");
    assert!(error.to_string().contains("'bias'"), "{error}");
    for mode in [TransferMode::Move, TransferMode::InPlace, TransferMode::Split] {
        let options = TransferOptions { mode, ..everything() };
        let error = target.transfer_from(&source, datasets.clone(), &options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    assert!(all(&target).await.is_empty());
}

#[tokio::test]
async fn another_dataset_in_the_way_is_a_conflict() {
    let directory = TempDir::new().unwrap();
    let (source, target) = (survey(&directory).await, repository(&directory, "target").await);
    let datasets = all(&source).await;
    target.transfer_from(&source, datasets[1..].to_vec(), &everything()).await.unwrap();
    let detector = source.query_data_ids(["detector"]).expanded(true).collect().await.unwrap();
    assert!(target.transfer_dimension_records_from(&source, detector).await.unwrap() > 0);
    let id = data_id! { instrument: "Cam1", detector: 1 };
    target.put(Object::from(json!({"a": 1})), Draft::new("bias", id).run("run/a")).await.unwrap();
    let before = all(&target).await;
    let error = target.transfer_from(&source, datasets, &everything()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConflictingDefinition, "{error}");
    assert_eq!(all(&target).await, before);
    verified(&target).await;
}

#[tokio::test]
async fn missing_artifacts_are_left_out_or_an_error() {
    let directory = TempDir::new().unwrap();
    let (source, target) = (survey(&directory).await, repository(&directory, "target").await);
    let datasets = all(&source).await;
    let uris = source.uris_many(&datasets, false).await.unwrap();
    fs::remove_file(uris[0].primary.as_ref().unwrap().strip_prefix("file://").unwrap()).unwrap();
    let options = PruneOptions { unstore: true, ..PruneOptions::default() };
    source.prune(datasets[1..2].to_vec(), &options).await.unwrap();
    let keep = TransferOptions { skip_missing: false, ..everything() };
    let error = target.transfer_from(&source, datasets.clone(), &keep).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    // What is known and not stored there is known and not stored here.
    let report = target.transfer_from(&source, datasets[1..].to_vec(), &keep).await.unwrap();
    assert_eq!(report.transferred, datasets[1..]);
    assert!(!stored(&target, &datasets[1]).await);
    let report = target.transfer_from(&source, datasets.clone(), &everything()).await.unwrap();
    assert_eq!((report.transferred.len(), report.existing, report.missing), (0, 1, 2));
    verified(&target).await;
}

#[tokio::test]
async fn files_are_linked_or_referred_to() {
    let directory = TempDir::new().unwrap();
    let source = survey(&directory).await;
    let datasets = all(&source).await;
    for mode in
        [TransferMode::Hardlink, TransferMode::Symlink, TransferMode::Relsymlink, TransferMode::Direct]
    {
        let target = repository(&directory, mode.name()).await;
        let options = TransferOptions { mode, ..everything() };
        let report = target.transfer_from(&source, datasets.clone(), &options).await.unwrap();
        assert_eq!(report.transferred.len(), 3, "{mode}");
        for dataset in &datasets {
            target.get(dataset).await.unwrap();
        }
        verified(&target).await;
        target
            .remove_runs(vec!["run/a".into(), "run/b".into()], false, false, &WorkObserver::default())
            .await
            .unwrap();
    }
    // Whatever they did, the files of the other repository are its own.
    verified(&source).await;
    assert!(stored(&source, &datasets[0]).await);
}

#[tokio::test]
async fn files_of_several_datasets_stay_whole() {
    let directory = TempDir::new().unwrap();
    let (source, target) = (survey(&directory).await, repository(&directory, "target").await);
    let file = directory.path().join("both.json");
    fs::write(&file, "{\"both\": true}").unwrap();
    let draft = |detector: i64| {
        let id = data_id! { instrument: "Cam1", detector: detector };
        Draft::new("bias", id).run("run/b").into()
    };
    let files = vec![IngestFile {
        path: file.to_str().unwrap().into(),
        datasets: vec![draft(1), draft(2)],
        formatter: None,
    }];
    let options = IngestOptions { mode: TransferMode::Copy, ..IngestOptions::default() };
    let both = source.ingest(files, &options).await.unwrap();
    target.transfer_from(&source, both.clone(), &everything()).await.unwrap();
    let uris = target.uris_many(&both, false).await.unwrap();
    assert_eq!(uris[0], uris[1]);
    verified(&target).await;
}

#[tokio::test]
async fn any_datastore_takes_from_any_other() {
    let directory = TempDir::new().unwrap();
    let source = survey(&directory).await;
    let chain = "datastore.kind = 'chained'\n\
         datastore.children = [{ kind = 'memory', name = 'fast' }, { kind = 'file', name = 'slow', root = '<root>/slow' }]";
    let in_memory = with(&directory, "memory", "datastore.kind = 'memory'").await;
    let in_chain = with(&directory, "chain", chain).await;
    let back = repository(&directory, "back").await;
    let datasets = all(&source).await;
    // Files to memory, memory to a chain, and that to files again.
    for (from, to) in [(&source, &in_memory), (&in_memory, &in_chain), (&in_chain, &back)] {
        let report = to.transfer_from(from, datasets.clone(), &everything()).await.unwrap();
        assert_eq!(report.transferred.len(), 3);
        for dataset in &datasets {
            let (here, there) = (to.get(dataset).await.unwrap(), source.get(dataset).await.unwrap());
            assert_eq!(format!("{here:?}"), format!("{there:?}"));
        }
    }
    let links = TransferOptions { mode: TransferMode::Hardlink, ..everything() };
    let other = repository(&directory, "other").await;
    let error = other.transfer_from(&in_memory, datasets, &links).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn records_come_with_those_that_belong_to_them() {
    let directory = TempDir::new().unwrap();
    let (source, target) = (repository(&directory, "source").await, repository(&directory, "target").await);
    imported(&source, &directory.path().join("sky"), SKY, true).await;
    let visits = source.query_data_ids(["visit"]).collect().await.unwrap();
    let count = target.transfer_dimension_records_from(&source, visits.clone()).await.unwrap();
    assert!(count > 0);
    for element in ["visit", "exposure", "visit_definition", "instrument", "day_obs"] {
        let of = async |butler: &Butler| butler.query_records(element).collect().await.unwrap();
        assert_eq!(of(&target).await, of(&source).await, "{element}");
    }
    assert_eq!(target.transfer_dimension_records_from(&source, visits).await.unwrap(), 0);
}
