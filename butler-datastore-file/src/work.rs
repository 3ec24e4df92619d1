//! Work on threads that may block.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use butler_core::work::may_block;
use butler_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

/// Starts something on a thread that may block.
///
/// # Errors
/// `Unexpected` outside of a Tokio runtime.
pub(crate) fn start<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    Ok(runtime()?.spawn_blocking(run))
}

/// Waits for something, on a thread that may.
///
/// # Errors
/// `Unexpected` outside of a Tokio runtime.
#[cfg(feature = "objects")]
pub(crate) fn wait<T>(something: impl Future<Output = T>) -> Result<T> {
    Ok(runtime()?.block_on(something))
}

fn runtime() -> Result<Handle> {
    Handle::try_current().map_err(|error| {
        Error::new(ErrorKind::Unexpected, "a file datastore is used outside of a Tokio runtime")
            .with_source(error)
    })
}

/// What became of something that was started.
///
/// # Errors
/// `Unexpected` if it panicked, `Interrupted` if the runtime is shut down.
pub(crate) fn joined<T>(result: Result<T, JoinError>) -> Result<T> {
    result.map_err(|error| match error.is_panic() {
        true => panicked().with_source(error),
        false => Error::new(ErrorKind::Interrupted, "the runtime is shut down").with_source(error),
    })
}

/// Runs something on a thread that may block, which the current one may be.
///
/// # Errors
/// Its own; `Unexpected` if it panics or there is no Tokio runtime, `Interrupted` if that is shut down.
pub(crate) async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if !may_block() {
        return joined(start(run)?.await)?;
    }
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(panicked()))
}

fn panicked() -> Error {
    Error::new(ErrorKind::Unexpected, "work of a file datastore panicked, perhaps in a formatter")
}

/// Has at most so many threads share items, and waits for all of them; on a thread that may block it is done there.
///
/// # Errors
/// The first one of theirs; as [`blocking`].
pub(crate) async fn on_threads(
    items: Shared,
    limit: usize,
    run: impl Fn(&Shared) -> Result<()> + Send + Sync + 'static,
) -> Result<()> {
    if may_block() {
        // To wait here for other threads could be to wait for ever: all may be lent, and wait as well.
        return blocking(move || run(&items)).await;
    }
    let threads = items.threads(limit);
    let work = Arc::new((items, run));
    let mut running = Vec::with_capacity(threads);
    for _ in 0..threads {
        let work = Arc::clone(&work);
        running.push(start(move || (work.1)(&work.0))?);
    }
    let mut result = Ok(());
    for thread in running {
        result = result.and(joined(thread.await).and_then(|result| result));
    }
    result
}

/// Items by number, of which threads take one block after the other.
#[derive(Debug)]
pub(crate) struct Shared {
    count: usize,
    block: usize,
    next: AtomicUsize,
}

impl Shared {
    /// `block` is how many a thread takes at once.
    pub(crate) fn new(count: usize, block: usize) -> Self {
        Self { count, block, next: AtomicUsize::new(0) }
    }

    /// How many threads are worth it, of as many as may be.
    pub(crate) fn threads(&self, limit: usize) -> usize {
        self.count.div_ceil(self.block).min(limit)
    }

    /// The next block; none when all are taken.
    pub(crate) fn take(&self) -> Option<Range<usize>> {
        let begin = self.next.fetch_add(self.block, Ordering::Relaxed);
        (begin < self.count).then(|| begin..(begin + self.block).min(self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_taken_once() {
        for count in [0, 1, 15, 16, 17, 100] {
            let shared = Shared::new(count, 16);
            let taken: Vec<usize> = std::iter::from_fn(|| shared.take()).flatten().collect();
            assert_eq!(taken, (0..count).collect::<Vec<_>>());
            assert_eq!(
                shared.threads(4),
                [0, 1, 1, 1, 2, 4][[0, 1, 15, 16, 17, 100].iter().position(|c| *c == count).unwrap()]
            );
        }
    }

    #[test]
    fn without_a_runtime_there_is_an_error() {
        assert_eq!(start(|| ()).unwrap_err().kind(), ErrorKind::Unexpected);
    }

    #[tokio::test]
    async fn a_panic_is_an_error() {
        let error = blocking(|| -> Result<()> { panic!("ouch") }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected);
    }
}
