//! A storage, its datastore and the books beside it, with shorthand for what cases do.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::datastore::{
    Artifact, Datastore, FileDataset, GetRequest, JournalEntry, RemoveTransaction, TransferMode,
    WriteRequest, WriteTransaction, Written,
};
use butler_core::{
    DataId, DatasetRef, DatasetType, DimensionRecord, DimensionUniverse, DimensionValue, Error, ErrorKind,
    FieldValue, IdIssuer, Object, ReadParameters, Result, Structured,
};
use tempfile::TempDir;

use super::{Backstage, Books, DatastoreHarness, Opening, Storage};

/// Directory of the journal.
pub(super) const JOURNAL: &str = ".butler/journal/";

pub(super) struct Fixture {
    pub(super) storage: Box<dyn Storage>,
    pub(super) datastore: Arc<dyn Datastore>,
    pub(super) books: Books,
    pub(super) issuer: IdIssuer,
    pub(super) scratch: TempDir,
}

impl Fixture {
    pub(super) async fn new(h: &dyn DatastoreHarness) -> Result<Self> {
        Self::with(h, "").await
    }

    /// With settings of the configuration.
    pub(super) async fn with(h: &dyn DatastoreHarness, settings: &str) -> Result<Self> {
        let storage = h.storage().await?;
        let datastore = storage.open(&Opening { settings: settings.to_owned(), read_only: false }).await?;
        let books = Books::new(datastore.tables());
        let scratch =
            tempfile::tempdir().map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))?;
        Ok(Self { storage, datastore, books, issuer: IdIssuer::new(), scratch })
    }

    /// The datastore as somebody has it who is always too late.
    pub(super) async fn without_lease(&self) -> Result<Arc<dyn Datastore>> {
        self.storage.open(&Opening { settings: "lease = 0".to_owned(), read_only: false }).await
    }

    /// Whether the datastore holds artifacts, which some cases are about.
    pub(super) fn has_artifacts(&self) -> bool {
        self.datastore.capabilities().artifacts
    }

    /// Whether files come in in a way.
    pub(super) fn takes(&self, mode: TransferMode) -> bool {
        self.datastore.capabilities().transfer_modes.contains(&mode)
    }

    /// What lies in the storage, for cases about that.
    pub(super) fn backstage(&self) -> Option<&dyn Backstage> {
        self.storage.backstage()
    }

    /// The root, if that is a local directory.
    pub(super) fn root(&self) -> Option<PathBuf> {
        self.backstage()?.root().map(Path::to_owned)
    }

    /// A dataset of a type, number `n` of its kind, in the run `u/run`.
    pub(super) fn dataset(&self, name: &str, class: &str, n: i64) -> DatasetRef {
        self.dataset_of(&dataset_type(name, class), "u/run", n, &format!("D{n}"))
    }

    pub(super) fn dataset_of(
        &self,
        dataset_type: &DatasetType,
        run: &str,
        n: i64,
        full_name: &str,
    ) -> DatasetRef {
        let data_id = data_id(dataset_type, n, full_name).expect("the data ID of a detector is sound");
        DatasetRef::new(self.issuer.issue(), dataset_type.clone(), data_id, run.into())
            .expect("the dimensions are the type's")
    }

    /// The whole protocol of a write; gives the datasets with their records.
    pub(super) async fn write(&self, requests: Vec<WriteRequest>) -> Result<Vec<DatasetRef>> {
        let datasets: Vec<DatasetRef> = requests.iter().flat_map(WriteRequest::datasets).cloned().collect();
        let Written { transaction, records } = self.datastore.write(requests).await?;
        let entries = transaction.entries();
        self.books.insert(&entries, records)?;
        transaction.commit().await?;
        for entry in entries {
            butler_core::datastore::Bookkeeper::forget(&self.books, vec![entry]).await?;
        }
        Ok(datasets.iter().map(|dataset| self.books.attach(dataset)).collect())
    }

    /// Puts objects.
    pub(super) async fn put_all(&self, objects: Vec<(DatasetRef, Object)>) -> Result<Vec<DatasetRef>> {
        self.write(
            objects.into_iter().map(|(dataset, object)| WriteRequest::Put { dataset, object }).collect(),
        )
        .await
    }

    /// Puts an object.
    pub(super) async fn put(&self, dataset: &DatasetRef, object: impl Into<Object>) -> Result<DatasetRef> {
        let mut stored = self.put_all(vec![(dataset.clone(), object.into())]).await?;
        stored.pop().ok_or_else(|| Error::new(ErrorKind::Unexpected, "nothing was put"))
    }

    /// Puts a number as a new dataset.
    pub(super) async fn put_number(&self, name: &str, n: i64) -> Result<DatasetRef> {
        self.put(&self.dataset(name, "Number", n), Structured::from(n)).await
    }

    /// Writes without an end: what is returned is not committed.
    pub(super) async fn execute(&self, requests: Vec<WriteRequest>) -> Result<Box<dyn WriteTransaction>> {
        let mut transaction = self.datastore.prepare_write(requests).await?;
        transaction.execute().await?;
        Ok(transaction)
    }

    /// Writes, and registers it, but without the end.
    pub(super) async fn execute_and_register(
        &self,
        requests: Vec<WriteRequest>,
    ) -> Result<Box<dyn WriteTransaction>> {
        let mut transaction = self.datastore.prepare_write(requests).await?;
        let records = transaction.execute().await?;
        self.books.insert(&transaction.entries(), records)?;
        Ok(transaction)
    }

    /// The whole protocol of a removal.
    pub(super) async fn remove(&self, datasets: &[DatasetRef]) -> Result<()> {
        self.unregister(datasets).await?.commit(&self.books).await
    }

    /// Removes, up to the end of the registry's transaction.
    pub(super) async fn unregister(&self, datasets: &[DatasetRef]) -> Result<Box<dyn RemoveTransaction>> {
        let transaction = self.datastore.prepare_remove(datasets.to_vec()).await?;
        self.books.delete(&transaction.entries(), datasets)?;
        Ok(transaction)
    }

    pub(super) async fn get(&self, dataset: &DatasetRef) -> Result<Object> {
        self.get_with(dataset, &[]).await
    }

    /// Reads with parameters.
    pub(super) async fn get_with(&self, dataset: &DatasetRef, parameters: &[(&str, i64)]) -> Result<Object> {
        let parameters: ReadParameters =
            parameters.iter().map(|(name, value)| ((*name).into(), Structured::from(*value))).collect();
        let mut read = self.datastore.get(vec![GetRequest { dataset: dataset.clone(), parameters }]).await;
        assert_eq!(read.len(), 1, "one result for one request");
        read.remove(0)
    }

    /// Reads structured data.
    pub(super) async fn value(&self, dataset: &DatasetRef) -> Result<Structured> {
        self.get(dataset).await?.downcast_ref::<Structured>().cloned()
    }

    pub(super) async fn exists(&self, dataset: &DatasetRef) -> Result<bool> {
        let found = self.datastore.exists(std::slice::from_ref(dataset)).await?;
        assert_eq!(found.len(), 1, "one answer for one question");
        Ok(found[0])
    }

    /// URI of the whole of a dataset.
    pub(super) async fn uri(&self, dataset: &DatasetRef, predict: bool) -> Result<String> {
        let mut uris = self.datastore.uris(std::slice::from_ref(dataset), predict).await?;
        assert_eq!(uris.len(), 1, "one answer for one question");
        uris.remove(0)
            .primary
            .ok_or_else(|| Error::new(ErrorKind::Unexpected, "there is no URI of the whole"))
    }

    /// Path under the root at which a dataset of one artifact is, or would be.
    pub(super) async fn path(&self, dataset: &DatasetRef) -> Result<String> {
        let uri = self.uri(dataset, true).await?;
        Ok(self.path_of_uri(uri.strip_suffix("#predicted").unwrap_or(&uri)))
    }

    /// Path under the root of a URI.
    pub(super) fn path_of_uri(&self, uri: &str) -> String {
        let path = decode(uri.strip_prefix("file://").unwrap_or(uri));
        let root = self.root().map(|root| format!("{}/", root.display()));
        let place = || self.backstage().and_then(Backstage::uri).map(|uri| format!("{uri}/"));
        let root = root.or_else(place).unwrap_or_default();
        path.strip_prefix(&root).map(str::to_owned).unwrap_or(path)
    }

    /// Whatever lies in the storage.
    pub(super) async fn files(&self) -> Result<Vec<String>> {
        match self.backstage() {
            Some(backstage) => backstage.list().await,
            None => Ok(Vec::new()),
        }
    }

    /// Files of entries of the journal.
    pub(super) async fn journal(&self) -> Result<Vec<String>> {
        Ok(self.files().await?.into_iter().filter(|path| path.starts_with(JOURNAL)).collect())
    }

    /// The only entry of the journal.
    pub(super) async fn entry(&self) -> Result<JournalEntry> {
        let journal = self.journal().await?;
        assert_eq!(journal.len(), 1, "one entry of the journal: {journal:?}");
        match self.backstage() {
            Some(backstage) => JournalEntry::from_bytes(&backstage.read(&journal[0]).await?),
            None => Err(Error::new(ErrorKind::Unexpected, "nobody can look into the journal")),
        }
    }

    /// A file outside of the storage.
    pub(super) fn source(&self, name: &str, text: &str) -> Result<PathBuf> {
        let failed = |error: std::io::Error| Error::new(ErrorKind::Unexpected, error.to_string());
        let path = self.scratch().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        fs::write(&path, text).map_err(failed)?;
        Ok(path)
    }

    /// A directory outside of the storage.
    pub(super) fn scratch(&self) -> PathBuf {
        self.scratch.path().canonicalize().unwrap_or_else(|_| self.scratch.path().to_owned())
    }
}

/// A dataset type of the dimensions instrument and detector.
pub(super) fn dataset_type(name: &str, class: &str) -> DatasetType {
    let group =
        DimensionUniverse::default().conform(["detector"]).expect("the default universe has detectors");
    DatasetType::new(name, group, class).expect("the name is sound")
}

/// An expanded data ID.
fn data_id(dataset_type: &DatasetType, n: i64, full_name: &str) -> Result<DataId> {
    let values: [(&str, DimensionValue); 2] = [("instrument", "Cam".into()), ("detector", n.into())];
    let records: Vec<Option<DimensionRecord>> = dataset_type
        .group()
        .elements()
        .map(|element| {
            let mut fields: Vec<(&str, FieldValue)> = vec![("instrument", "Cam".into())];
            match element.name().as_str() {
                "instrument" => fields.push(("class_name", "x.Cam".into())),
                _ => fields.extend([("detector", n.into()), ("full_name", full_name.into())]),
            }
            DimensionRecord::new(element, fields).map(Some)
        })
        .collect::<Result<_>>()?;
    DataId::from_pairs(dataset_type.group(), values)?.with_records(Arc::from(records))
}

/// Ingests a file for datasets.
pub(super) fn ingest(path: &Path, datasets: &[DatasetRef], mode: TransferMode) -> WriteRequest {
    ingest_as(&path.to_string_lossy(), datasets, mode)
}

/// Ingests what a text names.
pub(super) fn ingest_as(path: &str, datasets: &[DatasetRef], mode: TransferMode) -> WriteRequest {
    let file =
        FileDataset { path: path.into(), datasets: datasets.to_vec(), formatter: Some("plain".into()) };
    WriteRequest::Ingest { file, mode, track_attributes: true }
}

pub(super) fn put(dataset: &DatasetRef, object: impl Into<Object>) -> WriteRequest {
    WriteRequest::Put { dataset: dataset.clone(), object: object.into() }
}

/// A component of a dataset.
pub(super) fn component(dataset: &DatasetRef, name: &str, class: &str) -> Result<DatasetRef> {
    dataset.with_dataset_type(dataset.dataset_type().component(name, class)?)
}

/// Names of artifacts, for comparison.
pub(super) fn names(artifacts: &[Artifact]) -> Vec<(Option<ArcStr>, ArcStr)> {
    artifacts.iter().map(|artifact| (artifact.component.clone(), artifact.formatter.clone())).collect()
}

/// Fails unless something failed in the expected way.
#[track_caller]
pub(super) fn fails<T>(result: Result<T>, kind: ErrorKind) -> Error {
    match result {
        Ok(_) => unreachable!("it should have failed with {kind}"),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{error:?}");
            error
        }
    }
}

/// Text of a URI without percent encoding.
pub(super) fn decode(uri: &str) -> String {
    let bytes = uri.as_bytes();
    let mut text = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = uri.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(code)) => {
                text.push(code);
                at += 3;
            }
            (byte, _) => {
                text.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}
