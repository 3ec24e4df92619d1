//! Small changes that are made on one thread, from the first artifact to the last entry of the journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::channel::oneshot;
use tracing::Instrument;

use super::Butler;
use super::store::Change;
use crate::registry::BatchReport;
use crate::work::Workplace;
use crate::{Error, ErrorKind, Result};

/// Threads that are used at once, at most: they are not those of the registry, and others need some, too.
const THREADS: usize = 64;

/// Where small changes are made.
#[derive(Debug)]
pub(super) struct Host {
    workplace: Arc<dyn Workplace>,
    /// Artifacts of a small change; of more than these, several threads move the bytes.
    few: usize,
    busy: Arc<AtomicUsize>,
}

/// A thread that is taken.
pub(super) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl Host {
    pub(super) fn new(workplace: Arc<dyn Workplace>, few: usize) -> Self {
        Self { workplace, few, busy: Arc::default() }
    }

    /// A thread, if not all are taken.
    fn enter(&self) -> Option<Place> {
        let place = Place(Arc::clone(&self.busy));
        (self.busy.fetch_add(1, Ordering::Acquire) < THREADS).then_some(place)
    }
}

impl Butler {
    /// Where a change is to be made, if that is worth while: nothing of it may need further threads.
    pub(super) fn hosting(&self, change: &Change) -> Option<Place> {
        let host = self.inner.host.as_ref()?;
        let small = (1..=host.few).contains(&change.requests.len()) && change.unstored.is_empty();
        if small { host.enter() } else { None }
    }

    /// Makes a change on one thread.
    pub(super) async fn hosted(&self, place: Place, change: Change) -> Result<BatchReport> {
        let Some(host) = &self.inner.host else { return self.carry_out_here(change).await };
        let (reply, answer) = oneshot::channel();
        let butler = self.clone();
        let work = async move {
            let result = butler.carry_out_here(change).await;
            drop(place);
            // Whoever asked may be gone.
            let _ = reply.send(result);
        };
        let ended = host.workplace.run(Box::pin(work.in_current_span())).await;
        match answer.await {
            Ok(result) => result,
            Err(_) => Err(ended.err().unwrap_or_else(|| {
                Error::new(ErrorKind::Unexpected, "a change was begun, and nobody knows how it ended")
            })),
        }
    }
}
