//! The datastore.

mod archives;
mod look;
mod plan;
mod read;
mod recover;
mod remove;
mod verify;
mod write;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::datastore::{
    Acceptance, Artifact, ArtifactUris, Bookkeeper, Constraints, Datastore, DatastoreCapabilities, Finding,
    GetRequest, Reader, RecoverOptions, RecoveredEntry, RemoveTransaction, VerifyOptions, WriteRequest,
    WriteTransaction, Written,
};
use butler_core::registry::OpaqueTable;
use butler_core::{
    DataId, DatasetRef, DatasetType, Error, ErrorKind, Formatters, LookupTable, Object, Result,
};

use crate::cache::Cache;
use crate::config::Verification;
use crate::record::FileRecord;
use crate::store::Store;
use crate::template::Templates;
use archives::Archives;

/// What configuration says.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: ArcStr,
    pub(crate) table: OpaqueTable,
    pub(crate) constraints: Constraints,
    pub(crate) templates: Templates,
    pub(crate) formatters: LookupTable<ArcStr>,
    pub(crate) disassemble: LookupTable<bool>,
    pub(crate) known_formatters: Arc<Formatters>,
    pub(crate) reader: Reader,
    pub(crate) checksum: bool,
    pub(crate) verification: Verification,
    pub(crate) cache: Option<Cache>,
    pub(crate) lease: Duration,
    pub(crate) read_only: bool,
}

/// What every part of the datastore has: settings, and the store.
#[derive(Debug)]
struct Inner {
    settings: Settings,
    store: Box<dyn Store>,
    archives: Archives,
}

impl Deref for Inner {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

/// Artifacts in files, one or several for each dataset.
pub(crate) struct FileDatastore {
    inner: Arc<Inner>,
}

impl FileDatastore {
    /// A datastore over a store.
    pub(crate) fn new(settings: Settings, store: Box<dyn Store>) -> Self {
        Self { inner: Arc::new(Inner { settings, store, archives: Archives::default() }) }
    }
}

impl Inner {
    fn refuse_read_only(&self) -> Result<()> {
        if !self.store.is_writable() {
            return Err(Error::new(
                ErrorKind::ReadOnly,
                format!("datastore '{}' can only be read", self.name),
            ));
        }
        if !self.read_only {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ReadOnly, format!("datastore '{}' was opened for reading only", self.name)))
    }
}

impl fmt::Debug for FileDatastore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileDatastore")
            .field("name", &self.inner.name)
            .field("store", &self.inner.store)
            .finish()
    }
}

#[async_trait]
impl Datastore for FileDatastore {
    fn name(&self) -> &ArcStr {
        &self.inner.name
    }

    fn capabilities(&self) -> DatastoreCapabilities {
        let mut capabilities = DatastoreCapabilities::default();
        capabilities.writable = !self.inner.read_only && self.inner.store.is_writable();
        capabilities.readable = true;
        capabilities.transfer_modes = self.inner.store.transfer_modes();
        capabilities.artifacts = true;
        capabilities.archives = true;
        capabilities.no_clobber = self.inner.store.replaces_nothing();
        capabilities.uris = true;
        capabilities.signed_uris = self.inner.store.signs();
        capabilities.on_one_thread = self.inner.store.block();
        capabilities
    }

    fn tables(&self) -> Vec<OpaqueTable> {
        vec![self.inner.table.clone()]
    }

    fn places(&self) -> Vec<ArcStr> {
        vec![self.inner.store.place().into()]
    }

    fn acceptance(&self, dataset_type: &DatasetType, data_id: Option<&DataId>) -> Acceptance {
        if !self.inner.constraints.accepts(dataset_type, data_id) {
            return Acceptance::Refused;
        }
        match self.inner.templates.resolve(dataset_type, None, data_id) {
            Ok(paths) if !paths.needs_expansion() => Acceptance::Minimal,
            // What is wrong with a template is told when it is used.
            _ => Acceptance::Expanded,
        }
    }

    fn recorded_bytes(&self, dataset: &DatasetRef) -> Option<u64> {
        let records = FileRecord::of(dataset, &self.inner.name).ok()?;
        records.iter().map(|record| record.size).sum::<Option<u64>>().filter(|_| !records.is_empty())
    }

    async fn prepare_write(&self, requests: Vec<WriteRequest>) -> Result<Box<dyn WriteTransaction>> {
        write::prepare(Arc::clone(&self.inner), requests).await
    }

    async fn write(&self, requests: Vec<WriteRequest>) -> Result<Written> {
        write::write(Arc::clone(&self.inner), requests).await
    }

    async fn prepare_remove(&self, datasets: Vec<DatasetRef>) -> Result<Box<dyn RemoveTransaction>> {
        remove::prepare(Arc::clone(&self.inner), datasets).await
    }

    async fn get(&self, requests: Vec<GetRequest>) -> Vec<Result<Object>> {
        read::get(&self.inner, requests).await
    }

    async fn exists(&self, datasets: &[DatasetRef]) -> Result<Vec<bool>> {
        look::exists(&self.inner, datasets).await
    }

    async fn uris(&self, datasets: &[DatasetRef], predict: bool) -> Result<Vec<ArtifactUris>> {
        datasets.iter().map(|dataset| look::uris(&self.inner, dataset, predict)).collect()
    }

    async fn signed_uris(&self, datasets: &[DatasetRef], lifetime: Duration) -> Result<Vec<ArtifactUris>> {
        look::signed_uris(&self.inner, datasets.to_vec(), lifetime).await
    }

    async fn verify(
        &self,
        books: &dyn Bookkeeper,
        datasets: &[DatasetRef],
        options: &VerifyOptions,
    ) -> Result<Vec<Finding>> {
        verify::verify(&self.inner, books, datasets, options).await
    }

    async fn open(&self, dataset: &DatasetRef) -> Result<Vec<Artifact>> {
        look::open(&self.inner, dataset.clone()).await
    }

    async fn recover(&self, books: &dyn Bookkeeper, options: &RecoverOptions) -> Result<Vec<RecoveredEntry>> {
        recover::recover(&self.inner, books, options).await
    }
}
