//! Exports that are imported again.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]
#![cfg(all(feature = "registry-sqlite", feature = "datastore-fs"))]

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use butler::datastore::TransferMode;
use butler::exchange::{
    ExportFile, ExportOptions, ExportReport, ExportSelection, ExportedArtifacts, ImportOptions, ImportReport,
    export, import,
};
use butler::registry::Operation;
use butler::{
    Butler, CollectionType, DatasetRef, ErrorKind, NamePatterns, RetrieveOptions, Retriever, Timespan,
};
use tempfile::TempDir;

const SURVEY: &str = include_str!("data/survey.yaml");
const SKY: &str = include_str!("data/sky.yaml");

async fn repository(directory: &TempDir, name: &str) -> Butler {
    butler::create(directory.path().join(name).to_str().unwrap()).await.unwrap()
}

async fn imported(butler: &Butler, directory: &Path, text: &str, options: ImportOptions) -> ImportReport {
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("export.yaml"), text).unwrap();
    import(butler, ExportFile::open(directory.join("export.yaml")).unwrap(), options).await.unwrap()
}

/// A repository with files, tags, chains and calibrations.
async fn survey(directory: &TempDir) -> Butler {
    let butler = repository(directory, "a").await;
    let files = directory.path().join("files");
    fs::create_dir_all(&files).unwrap();
    for name in ["bias1.yaml", "bias2.yaml", "flat3.yaml"] {
        fs::write(files.join(name), format!("name: {name}\n")).unwrap();
    }
    imported(&butler, &files, SURVEY, ImportOptions::default()).await;
    butler
        .register_collection("tagged", CollectionType::Tagged, Some("some: \"best\" ones\nof all"))
        .await
        .unwrap();
    butler.register_collection("all", CollectionType::Chained, None).await.unwrap();
    let children = ["tagged", "calib", "run/b"].map(Into::into).to_vec();
    butler.edit_chain("all", butler::ChainEdit::Redefine(children)).await.unwrap();
    let biases = butler.query_datasets("bias").collections("run/a").collect().await.unwrap();
    let datasets = biases[..1].to_vec();
    butler.apply(Operation::Associate { collection: "tagged".into(), datasets }.into()).await.unwrap();
    let certify = async |datasets: &[DatasetRef], timespan| {
        let (collection, datasets) = ("calib".into(), datasets.to_vec());
        butler.apply(Operation::Certify { collection, datasets, timespan }.into()).await.unwrap();
    };
    let spans = ["2020-01-01", "2021-06-01T12:00:00.000000001"]
        .map(|text| butler::Instant::from_iso_tai(text).unwrap());
    certify(&biases, Timespan::new(Some(spans[0]), Some(spans[1]))).await;
    certify(&biases[1..], Timespan::new(Some(spans[1]), None)).await;
    butler
}

fn everything() -> ExportSelection {
    ExportSelection {
        search: NamePatterns::all(),
        collections: vec!["all".into()],
        ..ExportSelection::default()
    }
}

async fn exported(
    butler: &Butler,
    file: &Path,
    selection: ExportSelection,
    options: ExportOptions,
) -> ExportReport {
    export(butler, selection, File::create(file).unwrap(), options).await.unwrap()
}

fn files_in(directory: &Path) -> ExportOptions {
    ExportOptions { artifacts: ExportedArtifacts::Retrieved(RetrieveOptions::new(directory)) }
}

#[tokio::test]
async fn what_is_exported_can_be_imported() {
    let directory = TempDir::new().unwrap();
    let butler = survey(&directory).await;
    let out = directory.path().join("out");
    fs::create_dir(&out).unwrap();
    let report = exported(&butler, &out.join("export.yaml"), everything(), files_in(&out)).await;
    assert_eq!((report.datasets, report.files, report.dataset_types, report.unstored), (3, 3, 2, 0));
    assert_eq!((report.tags, report.validity, report.collections), (1, 3, 5));
    assert_eq!(report.records["detector"], 3, "only detectors with datasets");
    assert!(out.join("run/a/bias").is_dir());

    let other = repository(&directory, "b").await;
    let text = fs::read_to_string(out.join("export.yaml")).unwrap();
    let again = imported(&other, &out, &text, ImportOptions::default()).await;
    assert_eq!((again.datasets.inserted, again.tags.inserted, again.validity.inserted), (3, 1, 3));
    assert_eq!(other.collection("tagged").await.unwrap().doc, "some: \"best\" ones\nof all");
    for dataset in other.query_datasets("bias").collections("all").collect().await.unwrap() {
        let (here, there) = (other.get(&dataset).await.unwrap(), butler.get(&dataset).await.unwrap());
        assert_eq!(format!("{here:?}"), format!("{there:?}"));
    }
    // What came out of it is the same again.
    let second = directory.path().join("second");
    fs::create_dir(&second).unwrap();
    exported(&other, &second.join("export.yaml"), everything(), files_in(&second)).await;
    assert_eq!(fs::read_to_string(second.join("export.yaml")).unwrap(), text);
}

#[tokio::test]
async fn all_types_of_values_survive() {
    let directory = TempDir::new().unwrap();
    let butler = repository(&directory, "a").await;
    let options = || ImportOptions { registry_only: true, ..ImportOptions::default() };
    imported(&butler, &directory.path().join("in"), SKY, options()).await;
    let file = directory.path().join("first.yaml");
    let report = exported(&butler, &file, everything_of("run"), ExportOptions::default()).await;
    assert_eq!((report.datasets, report.files, report.unstored), (2, 0, 0), "files were not asked for");
    assert_eq!(report.records["exposure"], 1, "the exposure that the visit is made of");
    let text = fs::read_to_string(&file).unwrap();

    let other = repository(&directory, "b").await;
    imported(&other, &directory.path().join("again"), &text, options()).await;
    for element in
        ["instrument", "visit", "exposure", "visit_definition", "skymap", "tract", "patch", "day_obs"]
    {
        let of =
            async |butler: &Butler| butler.query_records(element).order_by([""; 0]).collect().await.unwrap();
        assert_eq!(of(&other).await, of(&butler).await, "{element}");
    }
    exported(&other, &file, everything_of("run"), ExportOptions::default()).await;
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

fn everything_of(collection: &str) -> ExportSelection {
    let collections = vec![collection.into()];
    ExportSelection { search: collection.into(), collections, ..ExportSelection::default() }
}

#[tokio::test]
async fn an_empty_export_can_be_imported() {
    let directory = TempDir::new().unwrap();
    let butler = repository(&directory, "a").await;
    let file = directory.path().join("export.yaml");
    let report = exported(&butler, &file, ExportSelection::default(), ExportOptions::default()).await;
    assert_eq!(report, ExportReport::default());
    let text = fs::read_to_string(&file).unwrap();
    let report = imported(&butler, &directory.path().join("in"), &text, ImportOptions::default()).await;
    assert_eq!(report.datasets.inserted, 0);
}

#[tokio::test]
async fn what_is_not_stored_is_counted() {
    let directory = TempDir::new().unwrap();
    let butler = survey(&directory).await;
    let biases = butler.query_datasets("bias").collections("run/a").collect().await.unwrap();
    let options = butler::PruneOptions { unstore: true, ..butler::PruneOptions::default() };
    butler.prune(biases[..1].to_vec(), &options).await.unwrap();
    let out = directory.path().join("out");
    fs::create_dir(&out).unwrap();
    let report = exported(&butler, &out.join("export.yaml"), everything(), files_in(&out)).await;
    assert_eq!((report.datasets, report.files, report.unstored), (3, 2, 1));
}

#[tokio::test]
async fn a_condition_selects() {
    let directory = TempDir::new().unwrap();
    let butler = survey(&directory).await;
    let selection =
        ExportSelection { condition: "instrument = 'Cam1' AND detector > 1".into(), ..everything() };
    let report =
        exported(&butler, &directory.path().join("e.yaml"), selection, ExportOptions::default()).await;
    assert_eq!((report.datasets, report.tags, report.validity), (2, 0, 2));
}

fn listed(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[tokio::test]
async fn artifacts_are_retrieved() {
    let directory = TempDir::new().unwrap();
    let butler = survey(&directory).await;
    let datasets: Vec<DatasetRef> =
        butler.query_datasets("bias").collections("run/a").collect().await.unwrap();
    for transfer in
        [TransferMode::Copy, TransferMode::Hardlink, TransferMode::Symlink, TransferMode::Relsymlink]
    {
        let place = directory.path().join(format!("to-{transfer}"));
        let options = |clobber| RetrieveOptions { transfer, clobber, ..RetrieveOptions::new(&place) };
        let mut retriever = Retriever::new(&butler, options(false)).unwrap();
        let found = retriever.retrieve(&datasets).await.unwrap();
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
        for artifact in found.iter().flatten() {
            assert!(artifact.path.starts_with("run/a/bias/"), "{artifact:?}");
            assert!(fs::read_to_string(place.join(&*artifact.path)).unwrap().starts_with("name: bias"));
        }
        // The same retriever brings nothing twice; another one is in the way of the first.
        assert_eq!(retriever.retrieve(&datasets).await.unwrap(), found);
        let error = Retriever::new(&butler, options(false)).unwrap().retrieve(&datasets).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
        Retriever::new(&butler, options(true)).unwrap().retrieve(&datasets).await.unwrap();
        assert_eq!(listed(&place.join("run/a/bias")).len(), found.len(), "nothing is left over");
    }
    let flat = directory.path().join("flat");
    let options = RetrieveOptions { preserve_path: false, ..RetrieveOptions::new(&flat) };
    Retriever::new(&butler, options).unwrap().retrieve(&datasets).await.unwrap();
    assert_eq!(listed(&flat).len(), 2);
    let options = RetrieveOptions { transfer: TransferMode::Move, ..RetrieveOptions::new(&flat) };
    assert_eq!(Retriever::new(&butler, options).unwrap_err().kind(), ErrorKind::Unsupported);
}
