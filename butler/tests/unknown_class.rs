//! Datasets of storage classes, and of formatters, that a program does not know: nobody's data is held hostage.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]
#![cfg(all(feature = "registry-sqlite", feature = "datastore-fs"))]

use std::fs::{self, File};
use std::io::Write;
use std::sync::Arc;

use butler::datastore::{ArtifactBody, TransferMode};
use butler::exchange::{
    ExportFile, ExportOptions, ExportSelection, ExportedArtifacts, ImportOptions, export, import,
};
use butler::{
    Butler, ButlerBuilder, Creation, DatasetRef, DatasetType, Draft, ErrorKind, Formatter, LooseDataId,
    Object, ReadOutcome, ReadRequest, ReadSource, Result, RetrieveOptions, StorageClass, Structured,
    TransferOptions,
};
use bytes::Bytes;
use tempfile::TempDir;

/// A spectrum: what only the program that makes them knows.
struct Spectrum(Vec<u8>);

#[derive(Debug)]
struct Spectra;

impl Formatter for Spectra {
    fn name(&self) -> &'static str {
        "spectra"
    }

    fn extension(&self) -> &'static str {
        ".spec"
    }

    fn in_memory(&self) -> &'static [&'static str] {
        &["spectrum"]
    }

    fn read(&self, source: &mut dyn ReadSource, _: &ReadRequest<'_>) -> Result<ReadOutcome> {
        Ok(Object::new(Spectrum(source.read_all()?.to_vec())).into())
    }

    fn write(&self, object: &Object, _: &StorageClass, sink: &mut dyn Write) -> Result<()> {
        sink.write_all(&object.downcast_ref::<Spectrum>()?.0).unwrap();
        Ok(())
    }
}

/// The program that knows them.
fn knowing() -> ButlerBuilder {
    let mut formatters = butler::formatters();
    formatters.register(Arc::new(Spectra));
    butler::builder()
        .formatters(formatters)
        .set("storage_classes.Spectrum.in_memory", "spectrum")
        .set("storage_classes.Spectrum.formatter", "spectra")
        .set("storage_classes.Facts.in_memory", "structured")
        .set("storage_classes.Facts.formatter", "yaml")
}

const SPECTRUM: &[u8] = b"\x00\xff spectrum \n";
const FACTS: &[u8] = b"a: 1\n";

fn at(directory: &TempDir, name: &str) -> String {
    directory.path().join(name).to_str().unwrap().to_owned()
}

async fn create(builder: ButlerBuilder, directory: &TempDir, name: &str) -> Butler {
    builder.create(&at(directory, name), Creation::default()).await.unwrap()
}

/// Those of the program that knows them, stored in a repository.
async fn known(directory: &TempDir) -> Vec<DatasetRef> {
    let butler = create(knowing(), directory, "known").await;
    for (name, class) in [("facts", "Facts"), ("spectrum", "Spectrum")] {
        let dataset_type = DatasetType::new(name, butler.universe().empty(), class).unwrap();
        butler.register_dataset_type(&dataset_type).await.unwrap();
    }
    let draft = |name: &str| Draft::new(name, LooseDataId::default()).new_run("run");
    let facts = butler.put(Object::new(serde_json::json!({"a": 1})), draft("facts")).await.unwrap();
    let spectrum = butler.put(Object::new(Spectrum(SPECTRUM.to_vec())), draft("spectrum")).await.unwrap();
    butler.close().await.unwrap();
    vec![facts, spectrum]
}

/// What a program that knows neither class reads.
async fn assert_bytes(butler: &Butler, datasets: &[DatasetRef]) {
    for (dataset, content) in datasets.iter().zip([FACTS, SPECTRUM]) {
        let found = butler.find(dataset.id()).await.unwrap().unwrap();
        let read = butler.get(&found).await.unwrap();
        assert_eq!(read.downcast_ref::<Bytes>().unwrap(), content, "{found}");
        match butler.open(&found).await.unwrap().remove(0).body {
            ArtifactBody::File(path) => assert_eq!(fs::read(path).unwrap(), content),
            other => unreachable!("{other:?}"),
        }
    }
}

/// What the program that knows them reads in a repository.
async fn assert_known(place: &str, datasets: &[DatasetRef]) {
    let butler = knowing().open(place).await.unwrap();
    let read = butler.get(datasets[0].id()).await.unwrap();
    assert_eq!(read.downcast_ref::<Structured>().unwrap()["a"], 1, "{place}");
    let read = butler.get(datasets[1].id()).await.unwrap();
    assert_eq!(read.downcast_ref::<Spectrum>().unwrap().0, SPECTRUM, "{place}");
}

async fn carried(from: &Butler, to: &Butler, directory: &TempDir, name: &str) {
    let out = directory.path().join(name);
    fs::create_dir(&out).unwrap();
    let selection = ExportSelection { search: "run".into(), ..ExportSelection::default() };
    let options = ExportOptions { artifacts: ExportedArtifacts::Retrieved(RetrieveOptions::new(&out)) };
    let file = File::create(out.join("export.yaml")).unwrap();
    let report = export(from, selection, file, options).await.unwrap();
    assert_eq!((report.datasets, report.files), (2, 2));
    let file = ExportFile::open(out.join("export.yaml")).unwrap();
    let report = import(to, file, ImportOptions::default()).await.unwrap();
    assert_eq!(report.datasets.inserted, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_carry_what_is_not_known() {
    let directory = TempDir::new().unwrap();
    let datasets = known(&directory).await;
    let unknowing = butler::builder().writable(true).open(&at(&directory, "known")).await.unwrap();
    assert_bytes(&unknowing, &datasets).await;
    // From the program that does not know them, and from the one that does.
    let of_unknowing = create(butler::builder(), &directory, "one").await;
    carried(&unknowing, &of_unknowing, &directory, "out one").await;
    let of_knowing = create(butler::builder(), &directory, "two").await;
    let knowing = knowing().open(&at(&directory, "known")).await.unwrap();
    carried(&knowing, &of_knowing, &directory, "out two").await;
    for (name, butler) in [("one", of_unknowing), ("two", of_knowing)] {
        assert_bytes(&butler, &datasets).await;
        butler.close().await.unwrap();
        assert_known(&at(&directory, name), &datasets).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_known_is_copied_put_and_retrieved() {
    let directory = TempDir::new().unwrap();
    let datasets = known(&directory).await;
    let source = butler::builder().open(&at(&directory, "known")).await.unwrap();
    let target = create(butler::builder(), &directory, "copy").await;
    let options = TransferOptions {
        mode: TransferMode::Copy,
        register_dataset_types: true,
        ..TransferOptions::default()
    };
    let found = source.datasets(datasets.iter().map(DatasetRef::id).collect()).await.unwrap();
    target.transfer_from(&source, found.into_iter().flatten().collect(), &options).await.unwrap();
    assert_bytes(&target, &datasets).await;
    // Bytes are put as they are; who knows the class says what they are when they are read.
    let draft = Draft::new("facts", LooseDataId::default()).new_run("other");
    let stored = target.put(Object::new(Bytes::from_static(b"b: 2\n")), draft.clone()).await.unwrap();
    assert_eq!(target.get(&stored).await.unwrap().downcast_ref::<Bytes>().unwrap(), "b: 2\n".as_bytes());
    let refused = target.put(Object::new(serde_json::json!({"b": 2})), draft.new_run("third")).await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageClass, "{error}");
    target.close().await.unwrap();
    assert_known(&at(&directory, "copy"), &datasets).await;
}
