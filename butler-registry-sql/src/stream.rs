//! Results on their way from the thread that reads them to whoever asked.
//!
//! A small result comes back in one hop. Of a greater one the first batch does;
//! the others follow through a queue of few batches. If the reader does nothing for a
//! while, the rest is spilled, to memory and then to an unlinked file, so that the
//! connection gets free. Who drops a stream interrupts the statement.

mod batches;
mod feed;
mod running;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use butler_core::Result;
use butler_core::backend::{ColumnBatch, ColumnStream};
use futures::channel::oneshot;
use futures::{StreamExt, stream};

pub(crate) use batches::Batches;
pub(crate) use feed::{Feed, Inlet};
pub(crate) use running::Running;

use crate::workers::{gone, receive};

/// How long the first rows may wait for more of them.
const EARLY: Duration = Duration::from_millis(20);

/// Rows of the first batch, and of the others.
const FIRST_BATCH: usize = 1024;
const BATCH: usize = 4096;

/// The begin of a result.
pub(crate) struct First {
    batch: Option<ColumnBatch>,
    rest: Option<Feed>,
}

impl First {
    fn into_stream(self) -> ColumnStream {
        let first = stream::iter(self.batch.map(Ok));
        match self.rest {
            None => first.boxed(),
            Some(rest) => first.chain(rest).boxed(),
        }
    }
}

/// Where the reading thread puts what it reads.
pub(crate) struct Outlet {
    reply: Option<oneshot::Sender<Result<First>>>,
    held: Option<ColumnBatch>,
    inlet: Option<Inlet>,
    running: Arc<Running>,
    eager: bool,
    began: Instant,
}

/// What whoever asked waits for; the statement is interrupted if it is dropped.
pub(crate) struct Answer {
    first: oneshot::Receiver<Result<First>>,
    guard: running::Guard,
}

/// A connection between a reading thread and whoever asked; if `eager`, the reader is not waited for.
pub(crate) fn outlet(running: &Arc<Running>, eager: bool) -> (Outlet, Answer) {
    let (reply, answer) = oneshot::channel();
    let outlet = Outlet {
        reply: Some(reply),
        held: None,
        inlet: None,
        running: Arc::clone(running),
        eager,
        began: Instant::now(),
    };
    (outlet, Answer { first: answer, guard: running::Guard::new(running) })
}

impl Answer {
    /// Waits for the first batch, or the end; `alone` as [`submit`](crate::workers::Workers::submit) says.
    pub(crate) async fn wait(self, alone: bool) -> Result<ColumnStream> {
        let Self { first, guard } = self;
        let first = receive(first, alone).await.unwrap_or_else(|_| Err(gone()));
        guard.disarm();
        Ok(first?.into_stream())
    }
}

impl Outlet {
    /// Whether nobody waits for the result any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.running.is_cancelled() || self.reply.as_ref().is_some_and(oneshot::Sender::is_canceled)
    }

    /// Passes a batch on.
    pub(crate) fn push(&mut self, batch: ColumnBatch) -> ControlFlow<()> {
        if let Some(inlet) = &mut self.inlet {
            return inlet.push(batch);
        }
        if self.held.is_none() && batch.len() < FIRST_BATCH && self.began.elapsed() < EARLY {
            // Likely all there is.
            self.held = Some(batch);
            return ControlFlow::Continue(());
        }
        let (inlet, rest) = feed::feed(&self.running, self.eager);
        let inlet = self.inlet.insert(inlet);
        let (first, second) = match self.held.take() {
            Some(held) => (held, Some(batch)),
            None => (batch, None),
        };
        let Some(reply) = self.reply.take() else { return ControlFlow::Break(()) };
        if reply.send(Ok(First { batch: Some(first), rest: Some(rest) })).is_err() {
            return ControlFlow::Break(());
        }
        second.map_or(ControlFlow::Continue(()), |second| inlet.push(second))
    }

    /// Says how it ended.
    pub(crate) fn finish(mut self, result: Result<()>) {
        if let Some(inlet) = self.inlet.take() {
            inlet.finish(result);
        } else if let Some(reply) = self.reply.take() {
            // Whoever asked may be gone.
            let _ = reply.send(result.map(|()| First { batch: self.held.take(), rest: None }));
        }
    }
}
