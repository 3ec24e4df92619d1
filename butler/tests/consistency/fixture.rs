//! A small repository on local files.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use butler::backend::Backend;
use butler::datastore::{RecoverOptions, WriteRequest, WriteTransaction};
use butler::registry::{Operation, RecordConflict, RecordSet, RegistryBatch};
use butler::{
    Butler, CollectionType, Creation, DatasetRef, DatasetType, DimensionRecord, Draft, FieldValue, Lookup,
    Object, data_id,
};
use butler_testkit::datastore::s3::S3Server;
use serde_json::json;
use tempfile::TempDir;

use crate::crash::Kind;

/// Name of the run that there is.
pub(crate) const RUN: &str = "run";
/// Number of detectors that there are.
pub(crate) const DETECTORS: i64 = 256;

/// A repository that goes with it.
pub(crate) struct Repository {
    pub(crate) directory: TempDir,
    pub(crate) butler: Butler,
    kind: Kind,
    server: Option<S3Server>,
    /// URL of a registry that is not in the directory.
    registry: Option<String>,
}

impl Repository {
    /// With an instrument `Cam` and its detectors, a dataset type `thing`, a calibration type
    /// `flat`, and a run.
    pub(crate) async fn new() -> Self {
        Self::of(Kind::Files).await.unwrap()
    }

    /// The same, of another kind; none if there is no server for it.
    pub(crate) async fn of(kind: Kind) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let (mut server, mut registry) = (None, None);
        if kind.has_server() {
            let postgres = butler_testkit::postgres::shared()?;
            registry = Some(format!("{}?schema={}", postgres.url("postgres"), postgres.fresh_name()));
            server = Some(S3Server::start().await.unwrap());
        }
        let configs = vec![("test".to_owned(), kind.config(server.as_ref()))];
        let creation = Creation { registry: registry.clone(), configs, ..Creation::default() };
        let butler = create_with(directory.path(), creation).await;
        fill(&butler).await;
        Some(Self { directory, butler, kind, server, registry })
    }

    /// Where artifacts lie, of a chain those that are nearest.
    pub(crate) fn root(&self) -> PathBuf {
        match (self.kind, &self.server) {
            (Kind::Chain | Kind::MixedChain, _) => self.path().join("near"),
            (_, Some(server)) => server.directory().path().to_owned(),
            _ => self.path().to_owned(),
        }
    }

    /// The tables of the registry, behind its back.
    pub(crate) async fn backend(&self) -> Arc<dyn Backend> {
        match &self.registry {
            Some(url) => {
                let config = butler_registry_sql::PostgresConfig::from_url(url).unwrap();
                Arc::new(butler_registry_sql::PostgresBackend::open(&config).await.unwrap())
            }
            None => {
                let config = butler_registry_sql::SqliteConfig::file(self.path().join("registry.sqlite3"));
                Arc::new(butler_registry_sql::SqliteBackend::open(&config).unwrap())
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Another process's Butler, as it were.
    pub(crate) async fn other(&self) -> Butler {
        open(self.path()).await
    }

    pub(crate) async fn put(&self, detector: i64) -> DatasetRef {
        put(&self.butler, RUN, detector, detector).await.unwrap()
    }

    /// Files under the root that are artifacts.
    pub(crate) fn artifacts(&self) -> Vec<String> {
        let mut all = artifacts(self.path());
        all.extend(self.server.iter().flat_map(|server| artifacts(server.directory().path())));
        all
    }

    /// Names of the journal's entries.
    pub(crate) fn entries(&self) -> Vec<String> {
        list(&self.path().join(".butler/journal"), self.path())
    }

    /// Runs the command.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let (verb, rest) = arguments.split_first().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_butler"))
            .arg(verb)
            .arg(self.path())
            .args(rest)
            .env("NO_COLOR", "1")
            .stdin(std::process::Stdio::null())
            .output();
        output.unwrap()
    }

    /// The file of a dataset.
    pub(crate) async fn file(&self, dataset: &DatasetRef) -> PathBuf {
        let uris = self.butler.uris_many(std::slice::from_ref(dataset), false).await.unwrap();
        let uri = uris[0].primary.clone().unwrap();
        let (_, path) = uri.rsplit_once(&format!("/{}/", dataset.run())).unwrap();
        self.root().join(dataset.run().as_str()).join(path)
    }
}

/// Standard output of a command that succeeded.
pub(crate) fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) async fn create(path: &Path) -> Butler {
    let butler = create_with(path, Creation::default()).await;
    fill(&butler).await;
    butler
}

pub(crate) async fn create_with(path: &Path, creation: Creation) -> Butler {
    butler::builder().create(path.to_str().unwrap(), creation).await.unwrap()
}

/// Registers what tests need.
pub(crate) async fn fill(butler: &Butler) {
    let universe = butler.universe();
    let record = |element: &str, fields: Vec<(&str, FieldValue)>| {
        DimensionRecord::new(universe.element(element).unwrap(), fields).unwrap()
    };
    let insert = |records: Vec<DimensionRecord>| Operation::InsertRecords {
        records: RecordSet::new(records[0].element(), records),
        on_conflict: RecordConflict::Fail,
    };
    let detectors = (0..DETECTORS)
        .map(|id| {
            let name = format!("D{id}");
            record(
                "detector",
                vec![("instrument", "Cam".into()), ("id", id.into()), ("full_name", name.into())],
            )
        })
        .collect();
    let batch = RegistryBatch::new()
        .with(insert(vec![record("instrument", vec![("name", "Cam".into()), ("class_name", "cam".into())])]))
        .with(insert(detectors));
    butler.apply(batch).await.unwrap();
    let group = universe.conform(["instrument", "detector"]).unwrap();
    let thing = DatasetType::new("thing", group, "StructuredDataDict").unwrap();
    let flat = DatasetType::new("flat", group, "StructuredDataDict").unwrap().with_is_calibration(true);
    butler.register_dataset_type(&thing).await.unwrap();
    butler.register_dataset_type(&flat).await.unwrap();
    butler.register_collection(RUN, CollectionType::Run, None).await.unwrap();
}

pub(crate) async fn open(path: &Path) -> Butler {
    butler::builder().writable(true).open(path.to_str().unwrap()).await.unwrap()
}

/// An object that says what it is.
pub(crate) fn object(value: i64) -> Object {
    Object::new(json!({ "value": value }))
}

pub(crate) async fn put(butler: &Butler, run: &str, detector: i64, value: i64) -> butler::Result<DatasetRef> {
    butler
        .put(object(value), Draft::new("thing", data_id! { instrument: "Cam", detector: detector }).run(run))
        .await
}

/// What a dataset says it is.
pub(crate) async fn value(butler: &Butler, lookup: impl Into<Lookup>) -> butler::Result<i64> {
    let object = butler.get_as::<serde_json::Value>(lookup).await?;
    Ok(object["value"].as_i64().unwrap())
}

/// A recovery that takes everybody for dead.
pub(crate) fn at_once() -> RecoverOptions {
    RecoverOptions { lease: std::time::Duration::ZERO, dry_run: false }
}

/// A writer that dies after it has written, before the registry knows.
pub(crate) async fn write_half(butler: &Butler, detector: i64) -> Box<dyn WriteTransaction> {
    let inserted = butler
        .insert(
            vec![Draft::new("thing", data_id! { instrument: "Cam", detector: detector }).run(RUN)],
            butler::IdGenerationMode::Unique,
        )
        .await
        .unwrap();
    let dataset = butler.expand(inserted).await.unwrap().remove(0);
    let requests = vec![WriteRequest::Put { dataset, object: object(detector) }];
    let mut transaction = butler.datastore().prepare_write(requests).await.unwrap();
    transaction.execute().await.unwrap();
    transaction
}

/// Files under the root that are artifacts.
pub(crate) fn artifacts(root: &Path) -> Vec<String> {
    let mut files = list(root, root);
    files.retain(|file| {
        !file.contains(".butler/") && !file.starts_with("registry.sqlite3") && file != "butler.toml"
    });
    files
}

/// All files under a root.
pub(crate) fn all_files(root: &Path) -> Vec<String> {
    list(root, root)
}

/// Files in a directory and below, relative to a root, sorted.
fn list(directory: &Path, root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let Ok(items) = std::fs::read_dir(directory) else { return files };
    for item in items {
        let item = item.unwrap();
        if item.file_type().unwrap().is_dir() {
            files.extend(list(&item.path(), root));
        } else {
            files.push(item.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
    files.sort();
    files
}
