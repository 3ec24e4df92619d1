//! Threads that own a connection each.
//!
//! A job goes to a thread that has nothing to do, most recently used first; else to a new one, with a
//! connection of its own; else, when there are as many as allowed, to a fair
//! queue. So nothing blocks an async worker for longer than some [microseconds](PATIENCE), and no runtime is needed.
//! Threads that had nothing to do for a while close their connection and end.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use butler_core::{Error, ErrorKind, Result};
use futures::channel::oneshot;

use crate::error::Failure;

/// How long a thread waits for a job before it ends.
const IDLE: Duration = Duration::from_secs(60);

/// How long one who asks looks for the answer, and a thread that has answered for the next job, before they sleep.
///
/// Most questions are answered in some microseconds. To wake a thread on a processor that has
/// nothing else to do takes several times as long, and processor time of both, above all on a virtual one.
const PATIENCE: Duration = Duration::from_micros(50);

/// Looks for something again and again for a while.
fn look<T>(mut find: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        for _ in 0..16 {
            if let Some(found) = find() {
                return Some(found);
            }
            std::hint::spin_loop();
        }
        if begun.elapsed() > PATIENCE {
            return None;
        }
    }
}

/// Waits for an answer; whoever is [alone](Workers::submit) looks for it first: where many ask there is better to do.
pub(crate) async fn receive<T>(
    mut answer: oneshot::Receiver<T>,
    alone: bool,
) -> std::result::Result<T, oneshot::Canceled> {
    match alone.then(|| look(|| answer.try_recv().transpose())).flatten() {
        Some(answer) => answer,
        None => answer.await,
    }
}

/// What becomes of a connection after a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It is used again.
    Keep,
    /// It is closed: it may be in any state.
    Close,
}

/// Work for a connection, or what to do without one.
type Job<C> = Box<dyn FnOnce(Result<&mut C>) -> Done + Send>;

/// How a job ended.
pub(crate) struct Done {
    after: After,
    answer: Box<dyn FnOnce()>,
}

impl Done {
    /// What becomes of the connection, and how to answer whoever waits: when the thread is free again, so
    /// that who asks next finds it, with the statements and pages that its connection remembers.
    pub(crate) fn new(after: After, answer: impl FnOnce() + 'static) -> Self {
        Self { after, answer: Box::new(answer) }
    }
}

enum Order<C> {
    Work(Job<C>),
    /// Close the connection, if it is of an older generation.
    Renew,
    Leave,
}

struct Slot<C> {
    order: Mutex<Option<Order<C>>>,
    thread: Thread,
}

impl<C> Slot<C> {
    fn give(&self, order: Order<C>) {
        *lock(&self.order) = Some(order);
        self.thread.unpark();
    }
}

struct State<C> {
    idle: Vec<Arc<Slot<C>>>,
    threads: usize,
    waiting: VecDeque<Job<C>>,
    closed: bool,
    /// Connections that were opened before the last change of generation are closed after use.
    generation: u64,
    /// Open connections of this generation, and of older ones.
    open: usize,
    old: usize,
}

struct Shared<C> {
    open: Box<dyn Fn() -> Result<C> + Send + Sync>,
    name: &'static str,
    limit: usize,
    state: Mutex<State<C>>,
    closed: Condvar,
}

/// A pool of threads with connections.
pub(crate) struct Workers<C: 'static> {
    shared: Arc<Shared<C>>,
}

impl<C> Workers<C> {
    /// A pool without threads yet.
    pub(crate) fn new(
        name: &'static str,
        limit: usize,
        open: impl Fn() -> Result<C> + Send + Sync + 'static,
    ) -> Self {
        let state = State {
            idle: Vec::new(),
            threads: 0,
            waiting: VecDeque::new(),
            closed: false,
            generation: 0,
            open: 0,
            old: 0,
        };
        let (state, closed) = (Mutex::new(state), Condvar::new());
        Self { shared: Arc::new(Shared { open: Box::new(open), name, limit, state, closed }) }
    }

    /// Has a job done, at some time; returns whether a thread is at it at once, and no other one works.
    pub(crate) fn submit(&self, job: impl FnOnce(Result<&mut C>) -> Done + Send + 'static) -> bool {
        let job: Job<C> = Box::new(job);
        let mut state = lock(&self.shared.state);
        if let Some(slot) = state.idle.pop() {
            let alone = state.threads - state.idle.len() == 1;
            drop(state);
            slot.give(Order::Work(job));
            return alone;
        }
        if state.threads < self.shared.limit {
            state.threads += 1;
            drop(state);
            self.start(job);
        } else {
            state.waiting.push_back(job);
        }
        false
    }

    fn start(&self, job: Job<C>) {
        // The job is handed over apart, so that it is not lost if there is no thread.
        let place = Arc::new(Mutex::new(Some(job)));
        let (shared, theirs) = (Arc::clone(&self.shared), Arc::clone(&place));
        let started = thread::Builder::new().name(self.shared.name.into()).spawn(move || {
            if let Some(job) = lock(&theirs).take() {
                work(&shared, job);
            }
        });
        if let Err(error) = started {
            let mut state = lock(&self.shared.state);
            state.threads -= 1;
            let Some(job) = lock(&place).take() else { return };
            if state.threads > 0 {
                state.waiting.push_back(job);
            } else {
                drop(state);
                (job(Err(Failure::Thread(error).into())).answer)();
            }
        }
    }

    /// Has something done, and waits for its result.
    ///
    /// # Errors
    /// Those of the call, and of opening a connection.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut C) -> (Result<T>, After) + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let alone = self.submit(move |connection| {
            if reply.is_canceled() {
                return Done::new(After::Keep, || {});
            }
            let (result, after) = match connection {
                Ok(connection) => call(connection),
                Err(error) => (Err(error), After::Close),
            };
            // Whoever asked may be gone.
            Done::new(after, move || drop(reply.send(result)))
        });
        receive(answer, alone).await.unwrap_or_else(|_| Err(gone()))
    }

    /// Closes all connections, each after the job that uses it; returns whether that happened in time.
    #[cfg_attr(not(any(feature = "sqlite", test)), expect(dead_code, reason = "only files are frozen"))]
    pub(crate) fn renew(&self, patience: Duration) -> bool {
        let mut state = lock(&self.shared.state);
        state.generation += 1;
        state.old += std::mem::take(&mut state.open);
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        idle.iter().for_each(|slot| slot.give(Order::Renew));
        let state = lock(&self.shared.state);
        let waited = self.shared.closed.wait_timeout_while(state, patience, |state| state.old > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0.old == 0
    }
}

impl<C> Drop for Workers<C> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.closed = true;
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        idle.iter().for_each(|slot| slot.give(Order::Leave));
    }
}

/// The error of a job that nobody will do.
pub(crate) fn gone() -> Error {
    Error::new(ErrorKind::Connection, "the database was closed while it was asked")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The connection of a thread.
struct Held<'a, C> {
    shared: &'a Shared<C>,
    connection: Option<C>,
    generation: u64,
}

impl<C> Held<'_, C> {
    fn perform(&mut self, job: Job<C>) -> Option<Box<dyn FnOnce()>> {
        let done = catch_unwind(AssertUnwindSafe(|| match &mut self.connection {
            Some(connection) => job(Ok(connection)),
            None => match (self.shared.open)() {
                Ok(opened) => {
                    let mut state = lock(&self.shared.state);
                    self.generation = state.generation;
                    state.open += 1;
                    drop(state);
                    job(Ok(self.connection.insert(opened)))
                }
                Err(error) => job(Err(error)),
            },
        }));
        let (after, answer) = done.map_or((After::Close, None), |done| (done.after, Some(done.answer)));
        if after == After::Close {
            self.close();
        }
        answer
    }

    fn close(&mut self) {
        if self.connection.take().is_some() {
            let mut state = lock(&self.shared.state);
            if self.generation == state.generation {
                state.open -= 1;
            } else {
                state.old -= 1;
            }
            drop(state);
            self.shared.closed.notify_all();
        }
    }
}

impl<C> Drop for Held<'_, C> {
    fn drop(&mut self) {
        self.close();
    }
}

fn work<C>(shared: &Shared<C>, first: Job<C>) {
    let slot = Arc::new(Slot { order: Mutex::new(None), thread: thread::current() });
    let mut held = Held { shared, connection: None, generation: 0 };
    let mut next = Some(Order::Work(first));
    while let Some(order) = next {
        let answer = match order {
            Order::Work(job) => held.perform(job),
            Order::Renew => None,
            Order::Leave => return,
        };
        next = wait(&mut held, &slot, answer);
    }
}

/// Answers who waits for the last job, and returns the next order; none if none came for long or the pool is closed.
fn wait<C>(
    held: &mut Held<'_, C>,
    slot: &Arc<Slot<C>>,
    answer: Option<Box<dyn FnOnce()>>,
) -> Option<Order<C>> {
    let answer = || {
        if let Some(answer) = answer {
            answer();
        }
    };
    let shared = held.shared;
    let mut state = lock(&shared.state);
    while held.connection.is_some() && held.generation != state.generation {
        drop(state);
        held.close();
        state = lock(&shared.state);
    }
    if let Some(job) = state.waiting.pop_front() {
        drop(state);
        answer();
        return Some(Order::Work(job));
    }
    if state.closed {
        state.threads -= 1;
        drop(state);
        answer();
        return None;
    }
    state.idle.push(Arc::clone(slot));
    drop(state);
    answer();
    if let Some(order) = look(|| slot.order.try_lock().ok()?.take()) {
        return Some(order);
    }
    let end = Instant::now() + IDLE;
    loop {
        if let Some(order) = lock(&slot.order).take() {
            return Some(order);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let mut state = lock(&shared.state);
            let before = state.idle.len();
            state.idle.retain(|other| !Arc::ptr_eq(other, slot));
            if state.idle.len() < before {
                state.threads -= 1;
                return None;
            }
            // Somebody has taken the slot, and is about to give an order.
            drop(state);
            thread::park_timeout(Duration::from_millis(1));
        } else {
            thread::park_timeout(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn jobs_share_few_connections() {
        let opened = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&opened);
        let workers = Workers::new("test", 2, move || Ok(count.fetch_add(1, Ordering::SeqCst)));
        let calls = (0..20).map(|n| {
            workers.call(move |_| {
                thread::sleep(Duration::from_millis(1));
                (Ok(n), After::Keep)
            })
        });
        let results: Vec<_> =
            block_on(futures::future::join_all(calls)).into_iter().map(Result::unwrap).collect();
        assert_eq!(results, (0..20).collect::<Vec<_>>());
        assert_eq!(opened.load(Ordering::SeqCst), 2);
        assert!(workers.renew(Duration::from_secs(5)));
        for _ in 0..9 {
            // One after the other, so one is enough.
            block_on(workers.call(|_| (Ok(()), After::Keep))).unwrap();
        }
        block_on(workers.call(|_| (Ok(()), After::Keep))).unwrap();
        assert_eq!(opened.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn a_bad_connection_is_not_used_again() {
        let opened = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&opened);
        let workers = Workers::new("test", 1, move || Ok(count.fetch_add(1, Ordering::SeqCst)));
        assert_eq!(block_on(workers.call(|c| (Ok(*c), After::Close))).unwrap(), 0);
        assert_eq!(block_on(workers.call(|c| (Ok(*c), After::Keep))).unwrap(), 1);
        assert_eq!(block_on(workers.call(|c| (Ok(*c), After::Keep))).unwrap(), 1);
        let panicked = block_on(workers.call::<()>(|_| panic!("on purpose")));
        assert_eq!(panicked.unwrap_err().kind(), ErrorKind::Connection);
        assert_eq!(block_on(workers.call(|c| (Ok(*c), After::Keep))).unwrap(), 2);
    }

    #[test]
    fn an_error_of_opening_reaches_the_caller() {
        let workers = Workers::<()>::new("test", 1, || Err(Error::new(ErrorKind::Permission, "no")));
        let result = block_on(workers.call(|_| (Ok(()), After::Keep)));
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Permission);
    }
}
