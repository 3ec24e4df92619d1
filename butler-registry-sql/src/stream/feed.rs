//! A queue of batches between a thread and an async reader, which spills.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use butler_core::backend::{Column, ColumnBatch, ColumnType};
use butler_core::{Error, ErrorKind, Result};
use futures::Stream;

use super::running::Running;
use crate::error::Failure;

/// Batches that wait for the reader.
const QUEUE: usize = 4;

/// How long a connection waits for a reader.
const IDLE: Duration = Duration::from_secs(1);

/// Bytes of spilled batches that are kept in memory.
const SPILL_MEMORY: usize = 64 << 20;

/// Batches that are read back at a time.
const READ_BACK: usize = 8;

#[derive(Default)]
struct State {
    /// Batches in memory, before those in the file.
    memory: VecDeque<(ColumnBatch, usize)>,
    /// Bytes of spilled batches in memory.
    bytes: usize,
    /// Offsets and lengths of batches in the file.
    filed: VecDeque<(u64, usize)>,
    file: Option<Arc<File>>,
    file_end: u64,
    reading_back: bool,
    spilling: bool,
    waker: Option<Waker>,
    end: Option<Result<()>>,
    dropped: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    room: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The end where batches go in.
pub(crate) struct Inlet {
    shared: Arc<Shared>,
}

/// The end where batches come out.
pub(crate) struct Feed {
    shared: Arc<Shared>,
    running: Arc<Running>,
}

/// A queue; if `eager`, the reader is not waited for at all.
pub(crate) fn feed(running: &Arc<Running>, eager: bool) -> (Inlet, Feed) {
    let shared = Arc::new(Shared::default());
    shared.lock().spilling = eager;
    (Inlet { shared: Arc::clone(&shared) }, Feed { shared, running: Arc::clone(running) })
}

impl Inlet {
    /// Passes a batch on; waits for a reader that is busy, but not for long.
    pub(crate) fn push(&mut self, batch: ColumnBatch) -> ControlFlow<()> {
        let mut state = self.shared.lock();
        let end = Instant::now() + IDLE;
        while !state.dropped && !state.spilling && state.memory.len() >= QUEUE {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.spilling = true;
            } else {
                state = self.shared.room.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        if state.dropped {
            return ControlFlow::Break(());
        }
        if !state.spilling {
            state.memory.push_back((batch, 0));
            state.wake();
            return ControlFlow::Continue(());
        }
        let size = size_of_batch(&batch);
        if state.filed.is_empty() && !state.reading_back && state.bytes + size <= SPILL_MEMORY {
            state.bytes += size;
            state.memory.push_back((batch, size));
            state.wake();
            return ControlFlow::Continue(());
        }
        drop(state);
        self.spill(&batch)
    }

    fn spill(&self, batch: &ColumnBatch) -> ControlFlow<()> {
        let mut state = self.shared.lock();
        let (file, offset) = (state.file.clone(), state.file_end);
        drop(state);
        let written = (|| -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
            let bytes = rmp_serde::to_vec(batch)?;
            let file = match file {
                Some(file) => file,
                None => Arc::new(tempfile::tempfile()?),
            };
            file.write_all_at(&bytes, offset)?;
            Ok((file, bytes.len()))
        })();
        state = self.shared.lock();
        match written {
            Ok((file, length)) => {
                state.file = Some(file);
                state.file_end = offset + length as u64;
                state.filed.push_back((offset, length));
                state.wake();
                ControlFlow::Continue(())
            }
            Err(error) => {
                state.end = Some(Err(Failure::Spill(error).into()));
                state.wake();
                ControlFlow::Break(())
            }
        }
    }

    /// Says how it ended.
    pub(crate) fn finish(self, result: Result<()>) {
        let mut state = self.shared.lock();
        state.end.get_or_insert(result);
        state.wake();
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.end.is_none() {
            state.end = Some(Err(Error::new(ErrorKind::Unexpected, "a result ended before its end")));
            state.wake();
        }
    }
}

/// About the number of bytes that a batch takes.
fn size_of_batch(batch: &ColumnBatch) -> usize {
    let size = |column: &Column| match column.ty() {
        ColumnType::Text => (0..column.len()).filter_map(|row| column.text(row)).map(str::len).sum(),
        ColumnType::Bytes => (0..column.len()).filter_map(|row| column.bytes(row)).map(<[u8]>::len).sum(),
        _ => 0,
    };
    let fixed = 9 * batch.len() * batch.columns().len();
    fixed + batch.columns().iter().map(size).sum::<usize>()
}

/// Moves some batches from the file into memory.
fn read_back(shared: &Shared) {
    let mut state = shared.lock();
    let count = READ_BACK.min(state.filed.len());
    let filed: Vec<(u64, usize)> = state.filed.drain(..count).collect();
    let Some(file) = state.file.clone() else { return };
    drop(state);
    let read = |(offset, length): (u64, usize)| -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset)?;
        Ok(rmp_serde::from_slice::<ColumnBatch>(&bytes)?)
    };
    let batches: Result<Vec<_>, _> = filed.into_iter().map(read).collect();
    let mut state = shared.lock();
    match batches {
        Ok(batches) => state.memory.extend(batches.into_iter().map(|batch| (batch, 0))),
        Err(error) => {
            state.filed.clear();
            state.end = Some(Err(Failure::Spill(error).into()));
        }
    }
    state.reading_back = false;
    state.wake();
}

impl Stream for Feed {
    type Item = Result<ColumnBatch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.shared.lock();
        if let Some((batch, size)) = state.memory.pop_front() {
            state.bytes -= size;
            drop(state);
            self.shared.room.notify_one();
            return Poll::Ready(Some(Ok(batch)));
        }
        if state.filed.is_empty() && !state.reading_back {
            match state.end.replace(Ok(())) {
                Some(Ok(())) => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => state.end = None,
            }
        } else if !state.reading_back {
            state.reading_back = true;
            let shared = Arc::clone(&self.shared);
            let started =
                std::thread::Builder::new().name("butler-spill".into()).spawn(move || read_back(&shared));
            if let Err(error) = started {
                state.filed.clear();
                state.reading_back = false;
                state.end = Some(Ok(()));
                return Poll::Ready(Some(Err(Failure::Thread(error).into())));
            }
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.dropped = true;
        let running = state.end.is_none();
        let spilled = (std::mem::take(&mut state.memory), state.file.take());
        drop(state);
        self.shared.room.notify_one();
        if running {
            self.running.cancel();
        }
        drop(spilled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use butler_core::backend::Value;
    use futures::StreamExt;
    use futures::executor::block_on;

    fn batch(first: i64, text: &str) -> ColumnBatch {
        let mut batch = ColumnBatch::new([("a".into(), ColumnType::Int), ("b".into(), ColumnType::Text)]);
        batch.push_row(&[first.into(), text.into()]).unwrap();
        batch.push_row(&[Value::Null, Value::Null]).unwrap();
        batch
    }

    fn all(feed: Feed) -> Vec<ColumnBatch> {
        block_on(feed.map(Result::unwrap).collect())
    }

    #[test]
    fn batches_arrive_in_order() {
        let (mut inlet, feed) = feed(&Running::new(false), false);
        let writer = std::thread::spawn(move || {
            for n in 0..100 {
                assert!(inlet.push(batch(n, "x")).is_continue());
            }
            inlet.finish(Ok(()));
        });
        assert_eq!(all(feed), (0..100).map(|n| batch(n, "x")).collect::<Vec<_>>());
        writer.join().unwrap();
    }

    #[test]
    fn an_idle_reader_is_not_waited_for() {
        let (mut inlet, feed) = feed(&Running::new(false), false);
        let began = Instant::now();
        for n in 0..1000 {
            assert!(inlet.push(batch(n, "x")).is_continue());
        }
        inlet.finish(Ok(()));
        assert!(began.elapsed() < 2 * IDLE);
        assert_eq!(all(feed).len(), 1000);
    }

    #[test]
    fn what_is_too_much_for_memory_comes_back_from_a_file() {
        let (mut inlet, mut feed) = feed(&Running::new(false), true);
        let text = "y".repeat(SPILL_MEMORY / 10);
        for n in 0..30 {
            assert!(inlet.push(batch(n, &text)).is_continue());
            if n == 12 {
                // Some is read while more is written.
                assert_eq!(block_on(feed.next()).unwrap().unwrap(), batch(0, &text));
            }
        }
        assert!(feed.shared.lock().file.is_some());
        inlet.finish(Err(Error::new(ErrorKind::Busy, "the end")));
        for n in 1..30 {
            assert_eq!(block_on(feed.next()).unwrap().unwrap(), batch(n, &text));
        }
        assert_eq!(block_on(feed.next()).unwrap().unwrap_err().kind(), ErrorKind::Busy);
        assert!(block_on(feed.next()).is_none());
    }

    #[test]
    fn dropping_the_reader_stops_the_writer() {
        let running = Running::new(false);
        let (mut inlet, reader) = feed(&running, false);
        drop(reader);
        assert!(running.is_cancelled());
        assert!(inlet.push(batch(0, "x")).is_break());
    }

    #[test]
    fn a_vanished_writer_is_an_error() {
        let (inlet, mut feed) = feed(&Running::new(false), false);
        drop(inlet);
        assert_eq!(block_on(feed.next()).unwrap().unwrap_err().kind(), ErrorKind::Unexpected);
    }
}
