//! Imports of small exports into repositories with an SQLite registry and local files.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]
#![cfg(all(feature = "registry-sqlite", feature = "datastore-fs"))]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use butler::exchange::{ExportFile, ImportOptions, ImportReport, Stage, Tally, import};
use butler::registry::CollectionQuery;
use butler::{Butler, DatasetId, ErrorKind, Lookup, Result, data_id};
use tempfile::TempDir;

const CAM: &str = include_str!("data/cam.yaml");
const ONE: &str = "11111111-1111-4111-8111-111111111111";

struct Fixture {
    butler: Butler,
    directory: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let repository = directory.path().join("repo");
        let butler = butler::create(repository.to_str().unwrap()).await.unwrap();
        std::fs::create_dir(directory.path().join("export")).unwrap();
        Self { butler, directory }
    }

    fn export(&self) -> std::path::PathBuf {
        self.directory.path().join("export")
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.export().join(name), text).unwrap();
    }

    async fn import(&self, text: &str, options: ImportOptions) -> Result<ImportReport> {
        let path = self.export().join("export.yaml");
        std::fs::write(&path, text).unwrap();
        import(&self.butler, ExportFile::open(&path).unwrap(), options).await
    }

    async fn collections(&self) -> Vec<String> {
        let found = self.butler.registry().collections(CollectionQuery::default()).await.unwrap();
        found.iter().map(|info| info.name.to_string()).collect()
    }
}

fn registry_only() -> ImportOptions {
    ImportOptions { registry_only: true, ..ImportOptions::default() }
}

fn new(inserted: u64) -> Tally {
    Tally { inserted, existing: 0 }
}

fn same(existing: u64) -> Tally {
    Tally { inserted: 0, existing }
}

#[tokio::test]
async fn all_that_a_file_has_is_imported() {
    let fixture = Fixture::new().await;
    let report = fixture.import(CAM, registry_only()).await.unwrap();
    assert_eq!(report.records["detector"], new(2));
    assert_eq!((report.collections, report.dataset_types), (new(4), new(1)));
    assert_eq!((report.datasets, report.tags, report.validity), (new(2), new(1), new(1)));
    assert_eq!(report.files, 0);

    let butler = &fixture.butler;
    let records = butler.query_records("detector").collect().await.unwrap();
    assert_eq!(records.len(), 2);
    let chain = butler.collection("all").await.unwrap();
    assert_eq!(chain.children, ["tagged", "run/a"]);
    assert_eq!(chain.doc, "everything");
    let tagged = butler.query_datasets("bias").collections("tagged").collect().await.unwrap();
    assert_eq!(tagged.len(), 1);
    assert_eq!(tagged[0].id(), ONE.parse::<DatasetId>().unwrap());
    assert_eq!(tagged[0].run(), "run/a");
    let valid = butler.query_associations("bias").collections("calib").collect().await.unwrap();
    assert_eq!(valid.len(), 1);
    let timespan = valid[0].timespan.unwrap();
    assert!(timespan.begin().is_some() && timespan.end().is_none(), "{timespan}");
    // UUID v3 of "7" in the namespace of legacy ids.
    assert_eq!(valid[0].dataset.id().to_string(), "84438d17-690c-3b4d-a528-61850703f1f4");
}

#[tokio::test]
async fn what_is_there_stays() {
    let fixture = Fixture::new().await;
    fixture.import(CAM, registry_only()).await.unwrap();
    let again = fixture.import(CAM, registry_only()).await.unwrap();
    assert_eq!(again.records["detector"], same(2));
    assert_eq!((again.collections, again.dataset_types), (same(4), same(1)));
    assert_eq!((again.datasets, again.tags, again.validity), (same(2), same(1), same(1)));
}

#[tokio::test]
async fn what_differs_is_a_conflict_and_changes_nothing() {
    let fixture = Fixture::new().await;
    fixture.import(CAM, registry_only()).await.unwrap();
    let before = fixture.collections().await;
    for (from, to) in [
        ("purpose: GUIDE", "purpose: WAVEFRONT"),
        ("storage_class: StructuredDataDict", "storage_class: StructuredDataList"),
        ("- {instrument: Cam, detector: 1}\n    path", "- {instrument: Cam, detector: 2}\n    path"),
    ] {
        let text = CAM.replace(from, to).replace("name: all", "name: fresh");
        assert!(text.contains(to));
        let error = fixture.import(&text, registry_only()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConflictingDefinition, "{error}");
        assert_eq!(fixture.collections().await, before, "{to}");
    }
}

#[tokio::test]
async fn records_of_an_element_are_left_out() {
    let fixture = Fixture::new().await;
    fixture.import(CAM, registry_only()).await.unwrap();
    let options = ImportOptions { skip_dimensions: vec!["detector".into()], ..registry_only() };
    let text = CAM.replace("purpose: GUIDE", "purpose: WAVEFRONT");
    let report = fixture.import(&text, options).await.unwrap();
    assert!(!report.records.contains_key("detector"));
    let options = ImportOptions { skip_dimensions: vec!["detectr".into()], ..registry_only() };
    let error = fixture.import(&text, options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DimensionName, "{error}");
}

#[tokio::test]
async fn flaws_have_a_place_and_change_nothing() {
    let fixture = Fixture::new().await;
    for (from, to, place, kind) in [
        ("detector_max: 4", "detector_max: 4: 5", ":12:", ErrorKind::Argument),
        ("detector_max: 4", "detector_max: many", ":12:19: ", ErrorKind::DimensionValue),
        ("type: dataset_type", "type: dataset_tpe", ":36:9: ", ErrorKind::Argument),
        ("run: run/a", "run: run/b", ":43:8: ", ErrorKind::MissingCollection),
        ("children: [tagged, run/a]", "children: [nowhere]", ":23:13: ", ErrorKind::MissingCollection),
        ("version: 1.0.2", "version: 2.0.0", ":2:10: ", ErrorKind::SchemaVersion),
    ] {
        let text = CAM.replacen(from, to, 1);
        assert_ne!(text, CAM);
        let error = fixture.import(&text, registry_only()).await.unwrap_err();
        assert!(error.message().contains(&format!("export.yaml{place}")), "{error}");
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(fixture.collections().await, [""; 0]);
    }
}

#[tokio::test]
async fn files_come_in_and_keep_their_ids() {
    let fixture = Fixture::new().await;
    fixture.write("one.yaml", "value: 1\n");
    fixture.write("two.yaml", "value: 2\n");
    let report = fixture.import(CAM, ImportOptions::default()).await.unwrap();
    assert_eq!((report.datasets, report.files), (new(2), 2));
    assert_eq!((report.tags, report.validity), (new(1), new(1)));
    let lookup = Lookup::new("bias", data_id! { instrument: "Cam", detector: 1 }).collections(["all"]);
    let found = fixture.butler.find(lookup.clone()).await.unwrap().unwrap();
    assert_eq!(found.id(), ONE.parse::<DatasetId>().unwrap());
    let object = fixture.butler.get(lookup).await.unwrap();
    assert!(format!("{object:?}").contains("value"), "{object:?}");

    let again = fixture.import(CAM, ImportOptions::default()).await.unwrap();
    assert_eq!((again.datasets, again.files), (same(2), 2));
}

#[tokio::test]
async fn a_missing_file_changes_nothing() {
    let fixture = Fixture::new().await;
    fixture.write("one.yaml", "value: 1\n");
    let error = fixture.import(CAM, ImportOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.message().contains("two.yaml"), "{error}");
    assert_eq!(fixture.collections().await, [""; 0]);
}

#[tokio::test]
async fn files_are_looked_for_in_the_directory_that_is_given() {
    let fixture = Fixture::new().await;
    let elsewhere = fixture.directory.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    for name in ["one.yaml", "two.yaml"] {
        std::fs::write(elsewhere.join(name), "value: 3\n").unwrap();
    }
    let directory = Some(elsewhere.to_str().unwrap().into());
    let options = ImportOptions {
        directory,
        transfer: butler::datastore::TransferMode::Move,
        ..ImportOptions::default()
    };
    fixture.import(CAM, options).await.unwrap();
    assert!(!Path::new(&elsewhere).join("one.yaml").exists());
}

#[tokio::test]
async fn long_files_come_in_batches() {
    let fixture = Fixture::new().await;
    let mut text = CAM.replace("data:\n", "data:\n- type: dimension\n  element: day_obs\n  records:\nDAYS");
    let days: String = (0..10_500).map(|day| format!("  - {{instrument: Cam, id: {day}}}\n")).collect();
    text = text.replace("DAYS", &days);
    let told = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&told);
    let options = ImportOptions {
        observer: Some(Arc::new(move |progress| {
            assert!(progress.bytes <= progress.size);
            counter.fetch_add(u64::from(progress.stage == Stage::Import), Ordering::Relaxed);
            Ok(())
        })),
        ..registry_only()
    };
    let report = fixture.import(&text, options).await.unwrap();
    assert_eq!(report.records["day_obs"], new(10_500));
    assert_eq!((report.datasets, report.tags, report.validity), (new(2), new(1), new(1)));
    assert!(told.load(Ordering::Relaxed) > 4);
    let again = fixture.import(&text, registry_only()).await.unwrap();
    assert_eq!(again.records["day_obs"], same(10_500));
    assert_eq!((again.datasets, again.tags, again.validity), (same(2), same(1), same(1)));
}
