//! The datastore that publishes datasets, and keeps nothing.
//!
//! Who listens learns of a dataset after it is registered, and of its removal. A
//! subscriber that is slow or gone never holds a writer up: what does not fit into its
//! buffer is dropped, and the next event that reaches it says how many were.

mod config;
mod hub;
mod target;
#[cfg(feature = "webhook")]
mod webhook;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Moment};

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::datastore::{
    Acceptance, Artifact, ArtifactUris, Bookkeeper, Constraints, Datastore, DatastoreCapabilities, Finding,
    GetRequest, RecordsByDataset, RecoverOptions, RecoveredEntry, RemoveTransaction, VerifyOptions,
    WriteRequest, WriteTransaction, refuse_component, refuse_repeated,
};
use butler_core::registry::OpaqueTable;
use butler_core::work::may_block;
use butler_core::{DataId, DatasetRef, DatasetType, Error, ErrorKind, Instant, Object, Result};

pub use config::StreamDatastoreFactory;
pub use hub::{StreamEvent, StreamEventKind, StreamHub, Subscription};
use target::Target;

/// How often a target that is required is looked at while it is waited for.
const PAUSE: Duration = Duration::from_millis(2);

/// A datastore that publishes what it gets: to subscribers in this process, as lines
/// of JSON to sockets, pipes and files, and as arrays of JSON to web services.
///
/// A line, and an element of an array, is an object with the keys
///
/// | key | value |
/// |---|---|
/// | `event` | `stored` or `removed` |
/// | `datastore` | name of this datastore |
/// | `at` | time, TAI, as ISO 8601 |
/// | `id`, `dataset_type`, `storage_class`, `run` | of the dataset |
/// | `data_id` | values of dimensions, by name |
/// | `missed` | number of events that were dropped before this one, if any |
///
/// A web service (cargo feature `webhook`) gets POST requests, one after the other and in the order
/// of the events. What it does not answer with success is sent again, with the same header
/// `idempotency-key`; so an event may come twice, but never after a later one.
///
/// It can be written and not read: alone it keeps nothing, and in a chain it gets what it
/// accepts besides the children that do.
#[derive(Clone)]
pub struct StreamDatastore {
    stream: Arc<Stream>,
}

struct Stream {
    name: ArcStr,
    constraints: Constraints,
    hub: StreamHub,
    targets: Mutex<Vec<Target>>,
    #[cfg(feature = "webhook")]
    webhooks: Vec<webhook::Webhook>,
    /// How long a write waits for targets; none if it does not.
    patience: Option<Duration>,
    read_only: bool,
}

impl fmt::Debug for StreamDatastore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamDatastore").field("name", &self.stream.name).finish_non_exhaustive()
    }
}

impl StreamDatastore {
    /// A datastore that publishes to the subscribers of a hub.
    #[must_use]
    pub fn new(name: impl Into<ArcStr>, constraints: Constraints, hub: StreamHub) -> Self {
        let stream = Stream {
            name: name.into(),
            constraints,
            hub,
            targets: Mutex::default(),
            #[cfg(feature = "webhook")]
            webhooks: Vec::new(),
            patience: None,
            read_only: false,
        };
        Self { stream: Arc::new(stream) }
    }
}

impl Stream {
    fn accept(&self, dataset: &DatasetRef) -> Result<()> {
        let (dataset_type, data_id) = (dataset.dataset_type(), Some(dataset.data_id()));
        match self.constraints.accepts(dataset_type, data_id) {
            true => refuse_component(dataset),
            false => Err(self.constraints.refusal(&self.name, dataset_type)),
        }
    }

    fn refuse_read_only(&self) -> Result<()> {
        if !self.read_only {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ReadOnly, format!("datastore '{}' was opened for reading only", self.name)))
    }

    fn keeps_nothing(&self) -> String {
        format!("datastore '{}' only publishes datasets, and keeps none", self.name)
    }

    fn events(&self, kind: StreamEventKind, datasets: Vec<DatasetRef>) -> Result<Vec<StreamEvent>> {
        let at = Instant::now()?;
        let event = |dataset| StreamEvent { kind, datastore: self.name.clone(), at, dataset, missed: 0 };
        Ok(datasets.into_iter().map(event).collect())
    }

    /// Waits until all targets can take something, if they are required.
    fn wait(&self) -> Result<()> {
        let Some(patience) = self.patience else { return Ok(()) };
        let end = Moment::now() + patience;
        self.wait_until(end).map_err(|error| {
            let message = format!("datastore '{}' cannot publish: {}", self.name, error.message());
            Error::new(error.kind(), message).with_retry(error.retry()).with_source(error)
        })
    }

    fn wait_until(&self, end: Moment) -> Result<()> {
        loop {
            let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
            match targets.iter_mut().map(Target::ready).find(Result::is_err) {
                None => break,
                Some(result) if Moment::now() >= end => return result,
                Some(_) => {}
            }
            drop(targets);
            std::thread::sleep(PAUSE);
        }
        #[cfg(feature = "webhook")]
        self.webhooks.iter().try_for_each(|webhook| webhook.ready(end))?;
        Ok(())
    }

    fn publish(&self, events: &[StreamEvent]) {
        for event in events {
            self.hub.publish(event);
        }
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        for target in &mut *targets {
            events.iter().for_each(|event| target.publish(event));
        }
        drop(targets);
        #[cfg(feature = "webhook")]
        for webhook in &self.webhooks {
            webhook.publish(events, self.patience.map(|patience| Moment::now() + patience));
        }
    }
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    if may_block() {
        return run();
    }
    tokio::task::spawn_blocking(run)
        .await
        .map_err(|error| Error::new(ErrorKind::Interrupted, "the runtime is shut down").with_source(error))?
}

#[async_trait]
impl Datastore for StreamDatastore {
    fn name(&self) -> &ArcStr {
        &self.stream.name
    }

    fn capabilities(&self) -> DatastoreCapabilities {
        let mut capabilities = DatastoreCapabilities::default();
        capabilities.ephemeral = true;
        capabilities.writable = !self.stream.read_only;
        capabilities.no_clobber = true;
        capabilities
    }

    fn tables(&self) -> Vec<OpaqueTable> {
        Vec::new()
    }

    fn acceptance(&self, dataset_type: &DatasetType, data_id: Option<&DataId>) -> Acceptance {
        match self.stream.constraints.accepts(dataset_type, data_id) {
            true => Acceptance::Minimal,
            false => Acceptance::Refused,
        }
    }

    fn knows(&self, _: &DatasetRef) -> bool {
        false
    }

    async fn prepare_write(&self, requests: Vec<WriteRequest>) -> Result<Box<dyn WriteTransaction>> {
        self.stream.refuse_read_only()?;
        let datasets: Vec<DatasetRef> = requests.iter().flat_map(WriteRequest::datasets).cloned().collect();
        refuse_repeated(&datasets)?;
        datasets.iter().try_for_each(|dataset| self.stream.accept(dataset))?;
        Ok(Box::new(Publication {
            stream: Arc::clone(&self.stream),
            kind: StreamEventKind::Stored,
            datasets,
        }))
    }

    async fn prepare_remove(&self, datasets: Vec<DatasetRef>) -> Result<Box<dyn RemoveTransaction>> {
        self.stream.refuse_read_only()?;
        let taken = datasets.into_iter().filter(|dataset| self.stream.accept(dataset).is_ok()).collect();
        let stream = Arc::clone(&self.stream);
        Ok(Box::new(Publication { stream, kind: StreamEventKind::Removed, datasets: taken }))
    }

    async fn get(&self, requests: Vec<GetRequest>) -> Vec<Result<Object>> {
        let error = |_| Err(Error::new(ErrorKind::NotFound, self.stream.keeps_nothing()));
        requests.iter().map(error).collect()
    }

    async fn exists(&self, datasets: &[DatasetRef]) -> Result<Vec<bool>> {
        Ok(vec![false; datasets.len()])
    }

    async fn uris(&self, datasets: &[DatasetRef], _: bool) -> Result<Vec<ArtifactUris>> {
        match datasets.is_empty() {
            true => Ok(Vec::new()),
            false => Err(Error::new(ErrorKind::NotFound, self.stream.keeps_nothing())),
        }
    }

    async fn verify(&self, _: &dyn Bookkeeper, _: &[DatasetRef], _: &VerifyOptions) -> Result<Vec<Finding>> {
        // What keeps nothing cannot lose it.
        Ok(Vec::new())
    }

    async fn open(&self, _: &DatasetRef) -> Result<Vec<Artifact>> {
        Err(Error::new(ErrorKind::Unsupported, self.stream.keeps_nothing()))
    }

    async fn recover(&self, _: &dyn Bookkeeper, _: &RecoverOptions) -> Result<Vec<RecoveredEntry>> {
        Ok(Vec::new())
    }
}

/// What is going to be published, once it is so.
struct Publication {
    stream: Arc<Stream>,
    kind: StreamEventKind,
    datasets: Vec<DatasetRef>,
}

impl Publication {
    async fn publish(self) -> Result<()> {
        let events = self.stream.events(self.kind, self.datasets)?;
        blocking(move || {
            self.stream.publish(&events);
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl WriteTransaction for Publication {
    fn entries(&self) -> Vec<ArcStr> {
        Vec::new()
    }

    async fn execute(&mut self) -> Result<RecordsByDataset> {
        if self.stream.patience.is_some() {
            let stream = Arc::clone(&self.stream);
            blocking(move || stream.wait()).await?;
        }
        Ok(RecordsByDataset::default())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.publish().await
    }

    async fn roll_back(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl RemoveTransaction for Publication {
    fn entries(&self) -> Vec<ArcStr> {
        Vec::new()
    }

    async fn commit(self: Box<Self>, _: &dyn Bookkeeper) -> Result<()> {
        self.publish().await
    }

    async fn roll_back(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
