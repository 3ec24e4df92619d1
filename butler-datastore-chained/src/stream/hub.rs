//! Subscribers in this process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arcstr::ArcStr;
use butler_core::{DatasetRef, Error, ErrorKind, Instant, Result};
use serde::{Serialize, Serializer};
use tokio::sync::mpsc;

/// What has happened to a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StreamEventKind {
    /// It was stored and registered.
    Stored,
    /// It was removed.
    Removed,
}

/// Something that has happened to a dataset.
#[derive(Clone, Debug)]
pub struct StreamEvent {
    /// What.
    pub kind: StreamEventKind,
    /// Name of the datastore that tells it.
    pub datastore: ArcStr,
    /// When.
    pub at: Instant,
    /// The dataset, as it was given to the datastore.
    pub dataset: DatasetRef,
    /// Number of events before this one that the subscriber missed because it was slow.
    pub missed: u64,
}

impl Serialize for StreamEvent {
    /// As in the lines that are published.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            event: StreamEventKind,
            datastore: &'a str,
            at: String,
            id: String,
            dataset_type: &'a str,
            storage_class: &'a str,
            run: &'a str,
            data_id: &'a butler_core::DataId,
            #[serde(skip_serializing_if = "is_zero")]
            missed: u64,
        }
        let dataset_type = self.dataset.dataset_type();
        Line {
            event: self.kind,
            datastore: &self.datastore,
            at: self.at.to_iso_tai(),
            id: self.dataset.id().to_string(),
            dataset_type: dataset_type.name(),
            storage_class: dataset_type.storage_class(),
            run: self.dataset.run(),
            data_id: self.dataset.data_id(),
            missed: self.missed,
        }
        .serialize(serializer)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Where datastores publish, and programs subscribe.
#[derive(Clone, Debug, Default)]
pub struct StreamHub {
    subscribers: Arc<Mutex<Vec<Subscriber>>>,
}

#[derive(Debug)]
struct Subscriber {
    sender: mpsc::Sender<StreamEvent>,
    missed: Arc<AtomicU64>,
}

/// Events that are waited for; nobody sends any to it after it is dropped.
#[derive(Debug)]
pub struct Subscription {
    receiver: mpsc::Receiver<StreamEvent>,
    missed: Arc<AtomicU64>,
}

impl StreamHub {
    /// Subscribes to what is published from now on, with room for so many events.
    ///
    /// # Errors
    /// `Argument` if there is room for none.
    pub fn subscribe(&self, capacity: usize) -> Result<Subscription> {
        if capacity == 0 {
            return Err(Error::new(ErrorKind::Argument, "a subscription needs room for one event at least"));
        }
        let (sender, receiver) = mpsc::channel(capacity);
        let missed = Arc::new(AtomicU64::new(0));
        let subscriber = Subscriber { sender, missed: Arc::clone(&missed) };
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner).push(subscriber);
        Ok(Subscription { receiver, missed })
    }

    /// Tells all subscribers; who has gone is forgotten.
    pub(super) fn publish(&self, event: &StreamEvent) {
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|subscriber| {
            let missed = subscriber.missed.swap(0, Ordering::Relaxed);
            match subscriber.sender.try_send(StreamEvent { missed, ..event.clone() }) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    subscriber.missed.fetch_add(missed + 1, Ordering::Relaxed);
                    true
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            }
        });
    }
}

impl Subscription {
    /// The next event, when there is one; none if nobody can publish any more.
    pub async fn next(&mut self) -> Option<StreamEvent> {
        self.receiver.recv().await
    }

    /// The next event, if there is one.
    pub fn try_next(&mut self) -> Option<StreamEvent> {
        self.receiver.try_recv().ok()
    }

    /// Number of events that were missed since the last one that came.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}
