//! The datastore that keeps objects in memory.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arcstr::ArcStr;
use async_trait::async_trait;

use super::check::{check_datastore_name, refuse_component, refuse_repeated};
use super::constraints::Constraints;
use super::read::{ReadGoal, Reader};
use super::request::{Artifact, ArtifactUris, GetRequest, RecordsByDataset, WriteRequest};
use super::traits::{
    Acceptance, Bookkeeper, Datastore, DatastoreCapabilities, Finding, RecoverOptions, RecoveredEntry,
    RemoveTransaction, VerifyOptions, WriteTransaction,
};
use crate::config::Section;
use crate::dataset::{DatasetId, DatasetRef, DatasetType};
use crate::dimension::DataId;
use crate::factory::{DatastoreContext, DatastoreFactory};
use crate::formatter::ReadOutcome;
use crate::object::Object;
use crate::registry::OpaqueTable;
use crate::{Error, ErrorKind, Result};

/// A datastore that keeps objects as they are, for scratch and for tests.
///
/// Nothing is serialised: one gets the very object that was put, which nobody can
/// change. Everything is gone with the process, and so it has neither records
/// nor a journal: it knows by itself what it stores, and a transaction that is
/// dropped is undone at once.
#[derive(Clone)]
pub struct MemoryDatastore {
    name: ArcStr,
    constraints: Constraints,
    reader: Reader,
    read_only: bool,
    stored: Arc<Mutex<HashMap<DatasetId, Stored>>>,
}

#[derive(Clone, Debug)]
struct Stored {
    object: Object,
    storage_class: ArcStr,
}

impl MemoryDatastore {
    /// An empty datastore.
    #[must_use]
    pub fn new(name: impl Into<ArcStr>, constraints: Constraints, reader: Reader) -> Self {
        Self { name: name.into(), constraints, reader, read_only: false, stored: Arc::default() }
    }

    fn stored(&self) -> MutexGuard<'_, HashMap<DatasetId, Stored>> {
        // Each change is one call on the map: a panic elsewhere leaves it whole.
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse_read_only(&self) -> Result<()> {
        if !self.read_only {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ReadOnly, format!("datastore '{}' was opened for reading only", self.name)))
    }

    fn unsupported(&self, what: &str) -> Error {
        Error::new(
            ErrorKind::Unsupported,
            format!("datastore '{}' keeps objects in memory and {what}", self.name),
        )
    }

    fn read(&self, request: &GetRequest) -> Result<Object> {
        let stored = self.stored().get(&request.dataset.id()).cloned();
        let Stored { object, storage_class } = stored.ok_or_else(|| self.missing(&request.dataset))?;
        let goal = ReadGoal::of(request);
        let written = self.reader.class(&storage_class);
        self.reader.check(&goal, &written)?;
        self.reader.finish(&goal, &written, ReadOutcome::from(object))
    }

    fn missing(&self, dataset: &DatasetRef) -> Error {
        Error::new(ErrorKind::NotFound, format!("datastore '{}' does not have dataset {dataset}", self.name))
    }

    fn uri(&self, dataset: &DatasetRef) -> String {
        let mut name = String::new();
        for byte in self.name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    name.push(char::from(byte));
                }
                _ => name.push_str(&format!("%{byte:02X}")),
            }
        }
        format!("mem://{name}/{}/{}", dataset.dataset_type().composite().name(), dataset.id())
    }
}

impl fmt::Debug for MemoryDatastore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDatastore")
            .field("name", &self.name)
            .field("datasets", &self.stored().len())
            .finish()
    }
}

#[async_trait]
impl Datastore for MemoryDatastore {
    fn name(&self) -> &ArcStr {
        &self.name
    }

    fn capabilities(&self) -> DatastoreCapabilities {
        DatastoreCapabilities {
            ephemeral: true,
            writable: !self.read_only,
            readable: true,
            transfer_modes: Vec::new(),
            archives: false,
            artifacts: false,
            no_clobber: true,
            uris: true,
            signed_uris: false,
            on_one_thread: 0,
        }
    }

    fn tables(&self) -> Vec<OpaqueTable> {
        Vec::new()
    }

    fn acceptance(&self, dataset_type: &DatasetType, data_id: Option<&DataId>) -> Acceptance {
        match self.constraints.accepts(dataset_type, data_id) {
            true => Acceptance::Minimal,
            false => Acceptance::Refused,
        }
    }

    fn knows(&self, dataset: &DatasetRef) -> bool {
        self.stored().contains_key(&dataset.id())
    }

    async fn prepare_write(&self, requests: Vec<WriteRequest>) -> Result<Box<dyn WriteTransaction>> {
        self.refuse_read_only()?;
        refuse_repeated(requests.iter().flat_map(WriteRequest::datasets))?;
        let mut pending = Vec::with_capacity(requests.len());
        for request in requests {
            let WriteRequest::Put { dataset, object } = request else {
                return Err(self.unsupported("takes no files").with_hint("put the object instead"));
            };
            let dataset_type = dataset.dataset_type();
            if !self.constraints.accepts(dataset_type, Some(dataset.data_id())) {
                return Err(self.constraints.refusal(&self.name, dataset_type));
            }
            refuse_component(&dataset)?;
            self.reader
                .class(dataset_type.storage_class())
                .check_object(&object)
                .map_err(|error| error.with_context("dataset", &dataset))?;
            pending.push((dataset, object));
        }
        Ok(Box::new(MemoryWrite { datastore: self.clone(), pending, written: Vec::new() }))
    }

    async fn prepare_remove(&self, datasets: Vec<DatasetRef>) -> Result<Box<dyn RemoveTransaction>> {
        self.refuse_read_only()?;
        Ok(Box::new(MemoryRemove { datastore: self.clone(), datasets }))
    }

    async fn get(&self, requests: Vec<GetRequest>) -> Vec<Result<Object>> {
        requests.iter().map(|request| self.read(request)).collect()
    }

    async fn exists(&self, datasets: &[DatasetRef]) -> Result<Vec<bool>> {
        let stored = self.stored();
        Ok(datasets.iter().map(|dataset| stored.contains_key(&dataset.id())).collect())
    }

    async fn uris(&self, datasets: &[DatasetRef], predict: bool) -> Result<Vec<ArtifactUris>> {
        let stored = self.stored();
        datasets
            .iter()
            .map(|dataset| {
                let mut uri = self.uri(dataset);
                if !stored.contains_key(&dataset.id()) {
                    if !predict {
                        return Err(self.missing(dataset));
                    }
                    uri.push_str("#predicted");
                }
                Ok(ArtifactUris { primary: Some(uri), ..ArtifactUris::default() })
            })
            .collect()
    }

    async fn verify(&self, _: &dyn Bookkeeper, _: &[DatasetRef], _: &VerifyOptions) -> Result<Vec<Finding>> {
        // What it stores has no records that it could differ from.
        Ok(Vec::new())
    }

    async fn open(&self, _: &DatasetRef) -> Result<Vec<Artifact>> {
        Err(self.unsupported("has no artifacts to be opened"))
    }

    async fn recover(&self, _: &dyn Bookkeeper, _: &RecoverOptions) -> Result<Vec<RecoveredEntry>> {
        Ok(Vec::new())
    }
}

/// Objects on their way in: visible from `execute` on, gone again unless committed.
#[derive(Debug)]
struct MemoryWrite {
    datastore: MemoryDatastore,
    pending: Vec<(DatasetRef, Object)>,
    written: Vec<DatasetId>,
}

#[async_trait]
impl WriteTransaction for MemoryWrite {
    fn entries(&self) -> Vec<ArcStr> {
        Vec::new()
    }

    async fn execute(&mut self) -> Result<RecordsByDataset> {
        let mut stored = self.datastore.stored();
        if let Some((dataset, _)) =
            self.pending.iter().find(|(dataset, _)| stored.contains_key(&dataset.id()))
        {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("datastore '{}' has dataset {dataset} already", self.datastore.name),
            ));
        }
        for (dataset, object) in self.pending.drain(..) {
            let storage_class = dataset.dataset_type().storage_class().clone();
            stored.insert(dataset.id(), Stored { object, storage_class });
            self.written.push(dataset.id());
        }
        Ok(RecordsByDataset::default())
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.written.clear();
        Ok(())
    }

    async fn roll_back(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Drop for MemoryWrite {
    fn drop(&mut self) {
        let mut stored = self.datastore.stored();
        for id in &self.written {
            stored.remove(id);
        }
    }
}

#[derive(Debug)]
struct MemoryRemove {
    datastore: MemoryDatastore,
    datasets: Vec<DatasetRef>,
}

#[async_trait]
impl RemoveTransaction for MemoryRemove {
    fn entries(&self) -> Vec<ArcStr> {
        Vec::new()
    }

    async fn commit(self: Box<Self>, _: &dyn Bookkeeper) -> Result<()> {
        let gone: HashSet<DatasetId> = self.datasets.iter().map(DatasetRef::id).collect();
        self.datastore.stored().retain(|id, _| !gone.contains(id));
        Ok(())
    }

    async fn roll_back(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Builds datastores of the kind `memory`.
///
/// Keys: `kind`, `name` (`memory`), `accept` and `reject`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryDatastoreFactory;

impl DatastoreFactory for MemoryDatastoreFactory {
    fn build(&self, section: &Section<'_>, context: &DatastoreContext) -> Result<Arc<dyn Datastore>> {
        section.text("kind")?;
        let name = section.text("name")?.unwrap_or_else(|| "memory".to_owned());
        check_datastore_name(&name)?;
        let constraints =
            Constraints::from_section(section, context.universe)?.with_genres(&context.genres, &name);
        section.finish()?;
        let reader = Reader::new(Arc::clone(&context.storage_classes), Arc::clone(&context.delegates));
        let datastore = MemoryDatastore {
            read_only: context.read_only,
            ..MemoryDatastore::new(name, constraints, reader)
        };
        Ok(Arc::new(datastore))
    }
}
