//! What chained datastores do besides what all datastores do.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::datastore::{
    Acceptance, Artifact, ArtifactBody, ArtifactUris, Bookkeeper, Constraints, Datastore,
    DatastoreCapabilities, FileDataset, GetRequest, RecordsByDataset, RecoverOptions, RecoveredEntry,
    RemoveTransaction, TransferMode, WriteRequest, WriteTransaction,
};
use butler_core::registry::OpaqueTable;
use butler_core::{
    Config, DataId, DatasetRef, DatasetType, DimensionUniverse, Error, ErrorKind, IdIssuer, Object,
    ReadParameters, Result, Retry, Structured,
};
use butler_datastore_chained::{ChainedDatastore, Child, WritePolicy};
use butler_testkit::datastore::{Books, Opening};
use bytes::Bytes;
use tempfile::TempDir;

use super::harness::build;

const LEASE: Duration = Duration::ZERO;

/// A chain in a directory, with a registry's books.
struct Fixture {
    directory: TempDir,
    datastore: Arc<dyn Datastore>,
    books: Books,
    issuer: IdIssuer,
}

impl Fixture {
    /// `text` is the table of the chain; `<d>` in it is the directory.
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let text = text.replace("<d>", directory.path().to_str().unwrap());
        let datastore = build(&text, &Opening::default()).unwrap();
        Self::of(datastore, directory)
    }

    fn of(datastore: Arc<dyn Datastore>, directory: TempDir) -> Self {
        let books = Books::new(datastore.tables());
        Self { directory, datastore, books, issuer: IdIssuer::new() }
    }

    fn dataset(&self, name: &str) -> DatasetRef {
        let universe = DimensionUniverse::default();
        let dataset_type = DatasetType::new(name, universe.empty(), "Number").unwrap();
        let data_id = DataId::from_pairs(dataset_type.group(), std::iter::empty::<(&str, i64)>()).unwrap();
        DatasetRef::new(self.issuer.issue(), dataset_type, data_id, "run".into()).unwrap()
    }

    async fn write(&self, requests: Vec<WriteRequest>) -> Result<()> {
        let mut transaction = self.datastore.prepare_write(requests).await?;
        match transaction.execute().await {
            Ok(records) => {
                self.books.insert(&transaction.entries(), records)?;
                transaction.commit().await
            }
            Err(error) => {
                transaction.roll_back().await?;
                Err(error)
            }
        }
    }

    async fn put(&self, name: &str, value: i64) -> Result<DatasetRef> {
        let dataset = self.dataset(name);
        self.write(vec![put(&dataset, value)]).await?;
        Ok(self.books.attach(&dataset))
    }

    async fn get(&self, dataset: &DatasetRef) -> Result<Structured> {
        let request = GetRequest { dataset: dataset.clone(), parameters: ReadParameters::new() };
        let object = self.datastore.get(vec![request]).await.remove(0)?;
        object.downcast_ref::<Structured>().cloned()
    }

    async fn remove(&self, dataset: &DatasetRef) -> Result<()> {
        let transaction = self.datastore.prepare_remove(vec![dataset.clone()]).await?;
        self.books.delete(&transaction.entries(), [dataset])?;
        transaction.commit(&self.books).await
    }

    /// Names of files under a child's root.
    fn files(&self, child: &str) -> Vec<String> {
        files(&self.directory.path().join(child))
    }

    /// Children in whose directories something lies.
    fn children(&self) -> Vec<&'static str> {
        ["a", "b", "c"].into_iter().filter(|child| !self.files(child).is_empty()).collect()
    }

    async fn recover(&self) -> Vec<RecoveredEntry> {
        let options = RecoverOptions { lease: LEASE, dry_run: false };
        self.datastore.recover(&self.books, &options).await.unwrap()
    }
}

fn files(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for item in std::fs::read_dir(root).into_iter().flatten().flatten() {
        match item.path().is_dir() {
            true => names.extend(files(&item.path())),
            false => names.push(item.file_name().to_string_lossy().into_owned()),
        }
    }
    names.sort_unstable();
    names
}

fn put(dataset: &DatasetRef, value: i64) -> WriteRequest {
    WriteRequest::Put { dataset: dataset.clone(), object: Structured::from(value).into() }
}

fn ingest(path: &str, datasets: &[DatasetRef], mode: TransferMode) -> WriteRequest {
    let file = FileDataset { path: path.into(), datasets: datasets.to_vec(), formatter: None };
    WriteRequest::Ingest { file, mode, track_attributes: true }
}

/// A child with files, with settings.
fn child(name: &str, settings: &str) -> String {
    format!("[[datastore.children]]\nkind = 'file'\nname = '{name}'\nroot = '<d>/{name}'\n{settings}\n")
}

fn memory(settings: &str) -> String {
    format!("[[datastore.children]]\nkind = 'memory'\n{settings}\n")
}

#[tokio::test]
async fn each_child_gets_what_it_accepts() {
    let children =
        child("a", "accept = ['x*']") + &child("b", "reject = ['xy']") + &child("c", "accept = ['z']");
    for (policy, name, expected) in [
        ("all", "x", vec!["a", "b"]),
        ("all", "xy", vec!["a"]),
        ("all", "z", vec!["b", "c"]),
        ("first", "x", vec!["a"]),
        ("first", "z", vec!["b"]),
    ] {
        let fixture = Fixture::new(&format!("write = '{policy}'\n{children}"));
        let stored = fixture.put(name, 1).await.unwrap();
        assert_eq!(fixture.children(), expected, "{policy} {name}");
        assert_eq!(fixture.get(&stored).await.unwrap(), 1);
        fixture.remove(&stored).await.unwrap();
        assert_eq!(fixture.children(), [""; 0], "{policy} {name}");
    }
    let fixture = Fixture::new(&child("a", "accept = ['x*']"));
    assert_eq!(fixture.put("z", 1).await.unwrap_err().kind(), ErrorKind::DatasetTypeNotSupported);
}

#[tokio::test]
async fn children_choose_by_all_that_a_dataset_is() {
    let universe = DimensionUniverse::default();
    // Without dimension records there are no other paths.
    let child = |name: &str, settings: &str| {
        child(name, &format!("{settings}\ntemplates.default = '{{run}}/{{datasetType}}_{{id}}'"))
    };
    let children = child("a", "accept = ['detector+']")
        + &child("b", "accept = ['Pair', 'genre:calibration']")
        + &child("c", "reject = ['genre:calibration', 'Pair']\naccept = [{ 'instrument<Cam>' = ['all'] }]");
    let values: [(&str, butler_core::DimensionValue); 2] =
        [("instrument", "Cam".into()), ("detector", 1.into())];
    for (dimensions, class, genre, expected) in [
        (&["detector"][..], "Number", None, vec!["a", "c"]),
        (&["detector"][..], "Number", Some("calibration"), vec!["a", "b"]),
        (&["instrument"][..], "Number", None, vec!["c"]),
        (&["instrument"][..], "Number", Some("calibration"), vec!["b"]),
        (&[][..], "Number", Some("calibration"), vec!["b"]),
        (&["instrument"][..], "Pair", None, vec!["b"]),
        (&[][..], "Number", Some("raw"), vec![]),
    ] {
        let fixture = Fixture::new(&children);
        let group = universe.conform(dimensions).unwrap();
        let dataset_type = DatasetType::new("x", group, class).unwrap().with_genre(genre.map(ArcStr::from));
        let pairs = values.iter().filter(|(name, _)| group.names().contains(name)).cloned();
        let data_id = DataId::from_pairs(group, pairs).unwrap();
        let dataset = DatasetRef::new(fixture.issuer.issue(), dataset_type, data_id, "run".into()).unwrap();
        let acceptance = fixture.datastore.acceptance(dataset.dataset_type(), Some(dataset.data_id()));
        assert_eq!(acceptance == Acceptance::Refused, expected.is_empty());
        let accepting = format!("{dimensions:?} {class} {genre:?}");
        match fixture.datastore.prepare_write(vec![put(&dataset, 1)]).await {
            Ok(write) => {
                let entries = write.entries().len();
                assert_eq!((entries, fixture.children()), (expected.len(), expected), "{accepting}");
                write.roll_back().await.unwrap();
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::DatasetTypeNotSupported);
                assert!(expected.is_empty(), "{accepting}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn the_nearest_child_is_read() {
    let fixture = Fixture::new(&(child("a", "") + &child("b", "")));
    let stored = fixture.put("x", 1).await.unwrap();
    let path = |child: &str| {
        let name = fixture.files(child).remove(0);
        let root = fixture.directory.path().join(child);
        find(&root, &name).unwrap()
    };
    // Of one size, so that only their content tells who was asked.
    std::fs::write(path("b"), "2").unwrap();
    assert_eq!(fixture.get(&stored).await.unwrap(), 1);
    std::fs::write(path("a"), "3").unwrap();
    assert_eq!(fixture.get(&stored).await.unwrap(), 3);
    std::fs::remove_file(path("a")).unwrap();
    assert_eq!(fixture.get(&stored).await.unwrap(), 2);
}

fn find(root: &Path, name: &str) -> Option<std::path::PathBuf> {
    std::fs::read_dir(root).ok()?.flatten().find_map(|item| match item.path().is_dir() {
        true => find(&item.path(), name),
        false => (item.file_name().to_str() == Some(name)).then(|| item.path()),
    })
}

#[tokio::test]
async fn all_children_are_verified() {
    let fixture = Fixture::new(&(child("a", "") + &memory("") + &child("b", "")));
    let stored = fixture.put("x", 1).await.unwrap();
    let options = butler_core::datastore::VerifyOptions { checksum: true, orphans: true };
    let verify = async || {
        let found = fixture.datastore.verify(&fixture.books, std::slice::from_ref(&stored), &options).await;
        let mut found: Vec<String> = found
            .unwrap()
            .iter()
            .map(|finding| format!("{} {:?}", finding.datastore, finding.kind))
            .collect();
        found.sort();
        found
    };
    assert_eq!(verify().await, [""; 0]);
    let of = |child: &str| {
        let root = fixture.directory.path().join(child);
        find(&root, &fixture.files(child)[0]).unwrap()
    };
    std::fs::write(of("a").with_file_name("orphan.plain"), "1").unwrap();
    std::fs::write(of("b"), "2").unwrap();
    assert_eq!(verify().await, ["a Orphan", "b Checksum"]);
    std::fs::remove_file(of("b")).unwrap();
    assert_eq!(verify().await, ["a Orphan", "b Missing"]);
}

#[tokio::test]
async fn chains_are_nested_as_configured() {
    let text = "[[datastore.children]]
        kind = 'chained'
        name = 'near'
        write = 'first'
        [[datastore.children.children]]
        kind = 'chained'
        name = 'nearest'
        accept = ['x']
        [[datastore.children.children.children]]
        kind = 'memory'
        [[datastore.children.children.children]]
        kind = 'file'
        name = 'a'
        root = '<d>/a'
        [[datastore.children.children]]
        kind = 'file'
        name = 'b'
        root = '<d>/b'
        [[datastore.children]]
        kind = 'stream'
        to = 'file:<d>/log'
        accept = ['y']
        [[datastore.children]]
        kind = 'file'
        name = 'c'
        root = '<d>/c'
        reject = ['y']";
    for (name, expected, told) in [("x", vec!["a", "c"], 0), ("y", vec!["b"], 1), ("z", vec!["b", "c"], 0)] {
        let fixture = Fixture::new(text);
        let stored = fixture.put(name, 1).await.unwrap();
        assert_eq!(fixture.children(), expected, "{name}");
        let log = std::fs::read_to_string(fixture.directory.path().join("log")).unwrap_or_default();
        assert_eq!(log.lines().count(), told);
        assert_eq!(fixture.get(&stored).await.unwrap(), 1);
        fixture.remove(&stored).await.unwrap();
        assert_eq!(fixture.children(), [""; 0]);
    }
}

#[tokio::test]
async fn one_batch_is_split_between_children() {
    let fixture = Fixture::new(&(child("a", "accept = ['x']") + &child("b", "accept = ['y']")));
    let datasets = ["x", "y", "x"].map(|name| fixture.dataset(name));
    let datasets = [datasets[0].clone(), datasets[1].clone()];
    let transaction =
        fixture.datastore.prepare_write(datasets.iter().map(|d| put(d, 1)).collect()).await.unwrap();
    assert_eq!(transaction.entries().len(), 2);
    transaction.roll_back().await.unwrap();
    let path = fixture.directory.path().join("file.plain");
    std::fs::write(&path, "7").unwrap();
    let request = ingest(path.to_str().unwrap(), &datasets, TransferMode::Move);
    fixture.write(vec![request]).await.unwrap();
    assert!(!path.exists());
    for dataset in &datasets {
        assert_eq!(fixture.get(&fixture.books.attach(dataset)).await.unwrap(), 7);
    }
    assert_eq!((fixture.files("a").len(), fixture.files("b").len()), (1, 1));
}

#[tokio::test]
async fn what_is_moved_is_in_all_children() {
    let fixture = Fixture::new(&(child("a", "") + &memory("") + &child("b", "") + &memory("name = 'm'")));
    let path = fixture.directory.path().join("file.plain");
    std::fs::write(&path, "7").unwrap();
    let dataset = fixture.dataset("x");
    let request = ingest(path.to_str().unwrap(), std::slice::from_ref(&dataset), TransferMode::Move);
    fixture.write(vec![request]).await.unwrap();
    assert!(!path.exists());
    assert_eq!(fixture.children(), ["a", "b"]);
    assert_eq!(fixture.get(&fixture.books.attach(&dataset)).await.unwrap(), 7);
}

#[tokio::test]
async fn files_under_a_root_belong_to_that_child() {
    for (path, mode) in [
        ("f.plain", TransferMode::InPlace),
        ("f.plain", TransferMode::Auto),
        ("<d>/b/f.plain", TransferMode::InPlace),
    ] {
        let fixture = Fixture::new(&(child("a", "") + &child("b", "") + &child("c", "")));
        std::fs::create_dir_all(fixture.directory.path().join("b")).unwrap();
        std::fs::write(fixture.directory.path().join("b/f.plain"), "7").unwrap();
        let path = path.replace("<d>", fixture.directory.path().to_str().unwrap());
        let dataset = fixture.dataset("x");
        fixture.write(vec![ingest(&path, std::slice::from_ref(&dataset), mode)]).await.unwrap();
        assert_eq!(fixture.children(), ["b"], "{path} {mode}");
        let stored = fixture.books.attach(&dataset);
        assert_eq!(fixture.get(&stored).await.unwrap(), 7);
        fixture.remove(&stored).await.unwrap();
        assert_eq!(fixture.children(), [""; 0]);
        let missing = ingest("g.plain", &[fixture.dataset("x")], mode);
        assert_eq!(fixture.write(vec![missing]).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_stream_goes_to_all_children() {
    let fixture = Fixture::new(&(child("a", "") + &child("b", "") + &child("c", "")));
    let dataset = fixture.dataset("x");
    let parts = ["1", "2", "3"].map(|part| Ok(Bytes::from_static(part.as_bytes())));
    let artifact = Artifact {
        component: None,
        formatter: "plain".into(),
        storage_class: "Number".into(),
        file_name: "x.plain".into(),
        size: Some(3),
        checksum: None,
        body: ArtifactBody::Stream(Box::pin(futures::stream::iter(parts))),
    };
    let request = WriteRequest::Copy { datasets: vec![dataset.clone()], artifacts: vec![artifact] };
    fixture.write(vec![request]).await.unwrap();
    assert_eq!(fixture.children(), ["a", "b", "c"]);
    for gone in ["a", "b"] {
        std::fs::remove_dir_all(fixture.directory.path().join(gone)).unwrap();
    }
    assert_eq!(fixture.get(&fixture.books.attach(&dataset)).await.unwrap(), 123);
}

#[tokio::test]
async fn a_child_that_has_lost_it_is_passed_over() {
    let fixture = Fixture::new(&(child("a", "") + &child("b", "")));
    let stored = fixture.put("x", 1).await.unwrap();
    std::fs::remove_dir_all(fixture.directory.path().join("a")).unwrap();
    assert_eq!(fixture.get(&stored).await.unwrap(), 1);
    assert_eq!(fixture.datastore.exists(std::slice::from_ref(&stored)).await.unwrap(), [true]);
    assert_eq!(fixture.datastore.open(&stored).await.unwrap().len(), 1);
    std::fs::remove_dir_all(fixture.directory.path().join("b")).unwrap();
    assert_eq!(fixture.datastore.exists(std::slice::from_ref(&stored)).await.unwrap(), [false]);
    let error = fixture.get(&stored).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let told = format!("{error:#}");
    assert!(told.contains("child 'a'") && told.contains("child 'b'"), "{told}");
}

#[tokio::test]
async fn what_is_read_is_kept_nearer() {
    let fixture = Fixture::new(&(memory("fill_back = true\nreject = ['y']") + &child("a", "")));
    let memory_of = |dataset: &DatasetRef| dataset.with_records(None);
    let path = fixture.directory.path().join("f.plain");
    let mut kept = Vec::new();
    for name in ["x", "y"] {
        std::fs::write(&path, "7").unwrap();
        let dataset = fixture.dataset(name);
        let request = ingest(path.to_str().unwrap(), std::slice::from_ref(&dataset), TransferMode::Copy);
        fixture.write(vec![request]).await.unwrap();
        let stored = fixture.books.attach(&dataset);
        assert!(!fixture.datastore.knows(&memory_of(&stored)));
        assert_eq!(fixture.get(&stored).await.unwrap(), 7);
        kept.push(fixture.datastore.knows(&memory_of(&stored)));
        // Once more, from wherever it is now.
        assert_eq!(fixture.get(&stored).await.unwrap(), 7);
        fixture.remove(&stored).await.unwrap();
        assert!(!fixture.datastore.knows(&memory_of(&stored)));
    }
    assert_eq!(kept, [true, false]);
}

#[tokio::test]
async fn uris_are_of_what_lasts() {
    let fixture = Fixture::new(&(memory("") + &child("a", "")));
    let dataset = fixture.dataset("x");
    let predicted = fixture.datastore.uris(std::slice::from_ref(&dataset), true).await.unwrap();
    assert!(predicted[0].primary.as_deref().unwrap().starts_with("file://"), "{predicted:?}");
    let stored = fixture.put("x", 1).await.unwrap();
    let uris = fixture.datastore.uris(&[stored], false).await.unwrap();
    assert!(uris[0].primary.as_deref().unwrap().starts_with("file://"), "{uris:?}");
}

/// A datastore whose calls fail.
#[derive(Debug)]
struct Failing {
    inner: Arc<dyn Datastore>,
    at: &'static str,
}

impl Failing {
    fn check(&self, at: &str) -> Result<()> {
        match self.at == at {
            true => {
                Err(Error::new(ErrorKind::Connection, format!("no reply to {at}"))
                    .with_retry(Retry::Temporary))
            }
            false => Ok(()),
        }
    }
}

struct FailingWrite {
    inner: Box<dyn WriteTransaction>,
    failing: Failing,
}

#[async_trait]
impl Datastore for Failing {
    fn name(&self) -> &ArcStr {
        self.inner.name()
    }

    fn capabilities(&self) -> DatastoreCapabilities {
        self.inner.capabilities()
    }

    fn tables(&self) -> Vec<OpaqueTable> {
        self.inner.tables()
    }

    fn children(&self) -> Vec<Arc<dyn Datastore>> {
        self.inner.children()
    }

    fn places(&self) -> Vec<ArcStr> {
        self.inner.places()
    }

    fn acceptance(&self, dataset_type: &DatasetType, data_id: Option<&DataId>) -> Acceptance {
        self.inner.acceptance(dataset_type, data_id)
    }

    fn knows(&self, dataset: &DatasetRef) -> bool {
        self.inner.knows(dataset)
    }

    async fn prepare_write(&self, requests: Vec<WriteRequest>) -> Result<Box<dyn WriteTransaction>> {
        self.check("prepare")?;
        let failing = Self { inner: Arc::clone(&self.inner), at: self.at };
        Ok(Box::new(FailingWrite { inner: self.inner.prepare_write(requests).await?, failing }))
    }

    async fn prepare_remove(&self, datasets: Vec<DatasetRef>) -> Result<Box<dyn RemoveTransaction>> {
        self.check("remove")?;
        self.inner.prepare_remove(datasets).await
    }

    async fn get(&self, requests: Vec<GetRequest>) -> Vec<Result<Object>> {
        match self.check("get") {
            Ok(()) => self.inner.get(requests).await,
            Err(error) => requests.iter().map(|_| Err(Error::new(error.kind(), error.message()))).collect(),
        }
    }

    async fn exists(&self, datasets: &[DatasetRef]) -> Result<Vec<bool>> {
        self.check("exists")?;
        self.inner.exists(datasets).await
    }

    async fn uris(&self, datasets: &[DatasetRef], predict: bool) -> Result<Vec<ArtifactUris>> {
        self.inner.uris(datasets, predict).await
    }

    async fn open(&self, dataset: &DatasetRef) -> Result<Vec<Artifact>> {
        self.inner.open(dataset).await
    }

    async fn recover(&self, books: &dyn Bookkeeper, options: &RecoverOptions) -> Result<Vec<RecoveredEntry>> {
        self.check("recover")?;
        self.inner.recover(books, options).await
    }
}

#[async_trait]
impl WriteTransaction for FailingWrite {
    fn entries(&self) -> Vec<ArcStr> {
        self.inner.entries()
    }

    async fn execute(&mut self) -> Result<RecordsByDataset> {
        self.failing.check("before")?;
        let records = self.inner.execute().await?;
        self.failing.check("execute")?;
        Ok(records)
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.failing.check("commit")?;
        self.inner.commit().await
    }

    async fn roll_back(self: Box<Self>) -> Result<()> {
        self.failing.check("commit")?;
        self.inner.roll_back().await
    }
}

fn everything() -> Constraints {
    Constraints::from_section(&Config::default().root_section(), DimensionUniverse::default()).unwrap()
}

/// A chain of files in `a` and `b`, one of which fails.
fn failing(position: usize, at: &'static str, required: bool, accept: &str) -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let make = |name: &str, settings: &str| {
        let root = directory.path().join(name);
        let text = format!("name = '{name}'\nroot = '{}'\n{settings}", root.display());
        let opening = Opening { settings: text, ..Opening::default() };
        opening.build(&butler_datastore_file::FileDatastoreFactory, "").unwrap()
    };
    let mut children = vec![
        Child::new(make("a", if position == 1 { accept } else { "" })),
        Child::new(make("b", if position == 0 { accept } else { "" })),
    ];
    children[position].datastore = Arc::new(Failing { inner: Arc::clone(&children[position].datastore), at });
    children[position].required = required;
    let chain = ChainedDatastore::new("chain", everything(), WritePolicy::All, children).unwrap();
    Fixture::of(Arc::new(chain), directory)
}

#[tokio::test]
async fn a_required_child_that_fails_fails_the_write() {
    for position in [0, 1] {
        for at in ["prepare", "before", "execute"] {
            let fixture = failing(position, at, true, "");
            let error = fixture.put("x", 1).await.unwrap_err();
            assert_eq!((error.kind(), error.retry()), (ErrorKind::Connection, Retry::Temporary));
            let name = ["a", "b"][position];
            assert!(
                error.to_string().starts_with(&format!("child '{name}' of datastore 'chain' could not")),
                "{error}"
            );
            assert_eq!(fixture.children(), [""; 0], "{position} {at}");
        }
    }
}

#[tokio::test]
async fn another_child_that_fails_is_passed_over() {
    for position in [0, 1] {
        for at in ["prepare", "before", "execute"] {
            let fixture = failing(position, at, false, "");
            let stored = fixture.put("x", 1).await.unwrap();
            assert_eq!(fixture.get(&stored).await.unwrap(), 1);
            assert_eq!(fixture.children(), [["b"], ["a"]][position], "{position} {at}");
            assert_eq!(stored.records().unwrap().0.len(), 1);
        }
    }
}

#[tokio::test]
async fn what_no_other_child_has_must_not_fail() {
    for at in ["prepare", "before", "execute"] {
        for position in [0, 1] {
            let fixture = failing(position, at, false, "accept = ['y']");
            assert_eq!(fixture.put("x", 1).await.unwrap_err().kind(), ErrorKind::Connection);
            assert_eq!(fixture.children(), [""; 0], "{position} {at}");
            fixture.put("y", 1).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_a_failure_leaves_is_recovered() {
    for position in [0, 1] {
        // Stored, but one child could not end it.
        let fixture = failing(position, "commit", true, "");
        let dataset = fixture.dataset("x");
        let error = fixture.write(vec![put(&dataset, 1)]).await.unwrap_err();
        assert!(error.to_string().contains("could not end a write"), "{error}");
        assert_eq!(fixture.recover().await.len(), 1);
        let stored = fixture.books.attach(&dataset);
        assert_eq!(fixture.get(&stored).await.unwrap(), 1);
        assert_eq!((fixture.files("a").len(), fixture.files("b").len()), (1, 1));

        // Not stored, and one child could not undo it.
        let other = fixture.dataset("y");
        let mut transaction = fixture.datastore.prepare_write(vec![put(&other, 2)]).await.unwrap();
        transaction.execute().await.unwrap();
        transaction.roll_back().await.unwrap_err();
        fixture.recover().await;
        fixture.recover().await;
        assert_eq!((fixture.files("a").len(), fixture.files("b").len()), (1, 1));
        assert_eq!(fixture.get(&stored).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_removal_is_announced_everywhere_or_nowhere() {
    for position in [0, 1] {
        let fixture = failing(position, "remove", false, "");
        let stored = fixture.put("x", 1).await.unwrap();
        let error = fixture.remove(&stored).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connection);
        assert_eq!((fixture.files("a").len(), fixture.files("b").len()), (1, 1), "no entry is left");
        assert_eq!(fixture.get(&stored).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn not_knowing_is_not_missing() {
    for position in [0, 1] {
        let fixture = failing(position, "exists", true, "");
        let stored = fixture.put("x", 1).await.unwrap();
        assert_eq!(fixture.datastore.exists(std::slice::from_ref(&stored)).await.unwrap(), [true]);
        let other = ["b", "a"][position];
        std::fs::remove_dir_all(fixture.directory.path().join(other)).unwrap();
        let error = fixture.datastore.exists(&[stored]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connection);
        assert_eq!(fixture.datastore.exists(&[fixture.dataset("x")]).await.unwrap(), [false]);
    }
}

#[tokio::test]
async fn recovery_goes_on_without_a_child() {
    let fixture = failing(0, "recover", true, "");
    let mut transaction = fixture.datastore.prepare_write(vec![put(&fixture.dataset("x"), 1)]).await.unwrap();
    transaction.execute().await.unwrap();
    drop(transaction);
    let recovered = fixture.recover().await;
    assert_eq!(recovered.len(), 1);
    assert_eq!(recovered[0].header.datastore, "b");
}

#[test]
fn what_cannot_be_used_is_told() {
    let directory = tempfile::tempdir().unwrap();
    for (text, reason) in [
        ("", "has no children"),
        ("children = []", "has no children"),
        ("write = 'some'", "'all' or 'first'"),
        ("wirte = 'all'", "did you mean 'write'?"),
        ("[[datastore.children]]\nname = 'x'", "'datastore.children[0].kind' is missing"),
        ("[[datastore.children]]\nkind = 'flie'", "did you mean 'file'?"),
        ("[[datastore.children]]\nkind = 'memory'\nrequird = true", "did you mean 'required'?"),
        (
            "[[datastore.children]]\nkind = 'memory'\n[[datastore.children]]\nkind = 'memory'",
            "called 'memory'",
        ),
        ("[[datastore.children]]\nkind = 'file'\nroot = '/x'\nfill_back = true", "not in memory"),
        (
            "[[datastore.children]]\nkind = 'file'\nroot = '/x'\n[[datastore.children]]\nkind = 'chained'\n\
             [[datastore.children.children]]\nkind = 'file'\nroot = '/y'",
            "contains datastore 'file' twice",
        ),
    ] {
        let error = build(text, &Opening::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{text}: {error}");
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
    assert!(directory.path().exists());
}

#[test]
fn two_children_do_not_store_in_one_place() {
    let directory = tempfile::tempdir().unwrap();
    let at = |path: &str| format!("{}/{path}", directory.path().display());
    std::fs::create_dir(at("there")).unwrap();
    std::os::unix::fs::symlink(at("there"), at("link")).unwrap();
    std::os::unix::fs::symlink(directory.path(), at("up")).unwrap();
    let children = |one: &str, other: &str| {
        format!(
            "[[datastore.children]]\nkind = 'file'\nname = 'a'\nroot = '{one}'\n[[datastore.children]]\nkind = 'chained'\n\
             [[datastore.children.children]]\nkind = 'file'\nname = 'b'\nroot = '{other}'"
        )
    };
    for (one, other) in [
        ("there", "there"),
        ("there", "there/"),
        ("there", "./there"),
        ("there", "x/../there"),
        ("there", "link"),
        ("there", "up/there"),
        ("new", "new"),
        ("new/x", "up/new/x"),
        ("link/new", "up/there/new/"),
    ] {
        let error = build(&children(&at(one), &at(other)), &Opening::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{one} {other}");
        let told = error.to_string();
        assert!(told.contains("store in 'file://") && told.contains("'a' and 'chained'"), "{told}");
    }
    for (one, other) in [("there", "new"), ("new", "new2"), ("there", "there/new"), ("link", "up/link2")] {
        build(&children(&at(one), &at(other)), &Opening::default()).unwrap();
    }
    build(&children(&at("there"), &format!("file://{}", at("new"))), &Opening::default()).unwrap();
    assert!(build(&children(&at("there"), &format!("file://{}", at("link"))), &Opening::default()).is_err());
}

#[tokio::test]
async fn a_stream_learns_of_what_the_others_store() {
    for policy in ["all", "first"] {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let stream = format!(
            "[[datastore.children]]\nkind = 'stream'\naccept = ['x']\nto = 'file:{}'\n",
            log.display()
        );
        let fixture = Fixture::new(&format!("write = '{policy}'\n{stream}{}", child("a", "")));
        let stored = fixture.put("x", 1).await.unwrap();
        fixture.put("y", 1).await.unwrap();
        assert_eq!(fixture.get(&stored).await.unwrap(), 1);
        let path = fixture.directory.path().join("file.plain");
        std::fs::write(&path, "7").unwrap();
        fixture.remove(&stored).await.unwrap();
        let ingested = fixture.dataset("x");
        let request = ingest(path.to_str().unwrap(), std::slice::from_ref(&ingested), TransferMode::Move);
        fixture.write(vec![request]).await.unwrap();
        assert!(!path.exists());
        let text = std::fs::read_to_string(&log).unwrap();
        let lines: Vec<Structured> = text.lines().map(|line| line.parse().unwrap()).collect();
        let told: Vec<_> = lines.iter().map(|line| (line["event"].clone(), line["id"].clone())).collect();
        let expected = [("stored", stored.id()), ("removed", stored.id()), ("stored", ingested.id())];
        assert_eq!(told, expected.map(|(event, id)| (event.into(), id.to_string().into())));
        assert_eq!(fixture.files("a").len(), 2);
    }
}

#[tokio::test]
async fn a_stream_fails_a_write_only_if_it_is_required() {
    for required in [false, true] {
        let settings = format!("to = 'unix:/nowhere/at/all'\ntimeout = '1ms'\nrequired = {required}");
        let stream = format!("[[datastore.children]]\nkind = 'stream'\n{settings}\n");
        let fixture = Fixture::new(&(child("a", "") + &stream));
        let result = fixture.put("x", 1).await;
        assert_eq!(result.is_err(), required);
        assert_eq!(fixture.files("a").len(), usize::from(!required));
    }
}
