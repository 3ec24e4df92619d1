//! The connection that writes a database.
//!
//! There is one in a process for each file, with a thread of its own. Whoever uses it takes its turn among the
//! processes, and then commits the transactions that wait together, a savepoint
//! each, so that they share one wait for the disk. One that fails is undone
//! alone. If all are lost, because the disk is full or the commit fails, each is run
//! once more by itself, so that only the guilty one fails.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use butler_core::backend::TransactionBody;
use butler_core::work::may_block;
use butler_core::{Error, ErrorKind, Result, Retry, failpoint};
use futures::channel::oneshot;

use super::place::Place;
use super::queue::Queue;
use super::session::SqliteSession;
use crate::config::Durability;
use crate::error::Failure;
use crate::retry::Attempts;
use crate::sql::{Session, run_body};
use crate::workers::gone;

/// Transactions that share one commit at most.
const GROUP: usize = 256;

/// How long a group takes more transactions, before other processes have their turn.
const GROUP_TIME: Duration = Duration::from_millis(50);

/// Times that a transaction is begun while somebody who does not queue writes, each as long as the busy time-out.
const BEGIN_ATTEMPTS: usize = 5;

/// Times that the kind of journal is set, and the pause between them.
const JOURNAL_ATTEMPTS: usize = 100;
const JOURNAL_PAUSE: Duration = Duration::from_millis(20);

/// How long the connection stays open when there is nothing to do.
const IDLE: Duration = Duration::from_secs(60);

/// Bytes of the write-ahead log that may be left when the last one that writes a database goes: whoever
/// opens it alone reads all of it first.
const LOG_LEFT: u64 = 100 * 4096;

/// Marks our files.
const APPLICATION_ID: i64 = 0x4254_4c52;

/// Writers of this process.
static WRITERS: LazyLock<Mutex<HashMap<Key, Weak<Writer>>>> = LazyLock::new(Mutex::default);

/// What tells a file from others, also from a later one of its name; and the kind of its journal.
type Key = (PathBuf, (u64, u64), bool);

/// A transaction that somebody waits for.
pub(crate) struct Request {
    body: TransactionBody,
    durability: Durability,
    attempts: Attempts,
    reply: oneshot::Sender<Result<()>>,
}

/// Something else to be done with the connection, between transactions.
type Call = Box<dyn FnOnce(&mut State) + Send>;

enum Job {
    Transaction(Request),
    Call(Call),
}

/// The way to the connection that writes a database.
///
/// A thread has it. Whoever may block, and finds nobody else there, uses it himself: what he would wait for
/// otherwise is mostly that the system puts one thread in the place of another, and back.
pub(crate) struct Writer {
    place: Place,
    desk: Arc<Desk>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The connection, and what is to be done with it.
struct Desk {
    waiting: Mutex<Waiting>,
    /// There is something for the thread to see.
    news: Condvar,
}

struct Waiting {
    jobs: VecDeque<Job>,
    /// Transactions that are tried again at some time.
    later: Vec<(Instant, Request)>,
    /// The connection, unless somebody uses it.
    state: Option<Box<State>>,
    /// When it was used last.
    used: Instant,
    closed: bool,
}

/// The connection, as long as one uses it.
struct Turn<'a> {
    desk: &'a Desk,
    state: Option<Box<State>>,
}

impl Desk {
    fn new(place: Place) -> Self {
        let state = State { place, queue: None, session: None, synchronous: None, marked: false };
        let (jobs, later, state) = (VecDeque::new(), Vec::new(), Some(Box::new(state)));
        let waiting = Waiting { jobs, later, state, used: Instant::now(), closed: false };
        Self { waiting: Mutex::new(waiting), news: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, if nobody uses it or waits for it.
    fn turn(&self) -> Option<Turn<'_>> {
        let mut waiting = self.lock();
        let state = if waiting.has_work() { None } else { waiting.state.take() }?;
        Some(Turn { desk: self, state: Some(state) })
    }

    /// The transaction that waits next, if it can be committed with others of a durability.
    fn follower(&self, durability: Durability) -> Option<Request> {
        let mut waiting = self.lock();
        match waiting.jobs.pop_front()? {
            Job::Transaction(request) if request.durability <= durability => Some(request),
            job => {
                waiting.jobs.push_front(job);
                None
            }
        }
    }
}

impl Waiting {
    /// Whether something is to be done now.
    fn has_work(&self) -> bool {
        !self.jobs.is_empty() || self.later.iter().any(|(due, _)| *due <= Instant::now())
    }

    /// What is to be done now; or how long nothing is, if that is known.
    fn next(&mut self) -> std::result::Result<Job, Option<Duration>> {
        if let Some(job) = self.jobs.pop_front() {
            return Ok(job);
        }
        let Some(due) = self.later.iter().map(|(due, _)| *due).min() else { return Err(None) };
        let pause = due.saturating_duration_since(Instant::now());
        if !pause.is_zero() && !self.closed {
            return Err(Some(pause));
        }
        let index = self.later.iter().position(|(other, _)| *other == due).unwrap_or(0);
        Ok(Job::Transaction(self.later.swap_remove(index).1))
    }
}

impl Turn<'_> {
    fn perform(&mut self, job: Job) {
        let Some(state) = &mut self.state else { return };
        let desk = self.desk;
        // Whoever asked learns of a panic by getting no answer; what he had was not committed.
        let done = catch_unwind(AssertUnwindSafe(|| match job {
            Job::Call(call) => call(state),
            Job::Transaction(first) => state.group(first, desk),
        }));
        if done.is_err() {
            state.close();
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.desk.lock();
        waiting.state = self.state.take();
        waiting.used = Instant::now();
        let news = waiting.closed || !waiting.jobs.is_empty() || !waiting.later.is_empty();
        drop(waiting);
        if news {
            self.desk.news.notify_one();
        }
    }
}

impl Writer {
    /// The writer of a file in this process.
    pub(crate) fn of(place: &Place) -> Arc<Self> {
        let mut writers = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (place.path.clone(), place.identity, place.write_ahead);
        if let Some(writer) = writers.get(&key).and_then(Weak::upgrade) {
            return writer;
        }
        writers.retain(|_, writer| writer.strong_count() > 0);
        let desk = Arc::new(Desk::new(place.clone()));
        let writer = Arc::new(Self { place: place.clone(), desk, thread: Mutex::new(None) });
        writers.insert(key, Arc::downgrade(&writer));
        writer
    }

    /// Starts the thread, unless it runs.
    fn start(&self) -> Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let desk = Arc::clone(&self.desk);
            let builder = std::thread::Builder::new().name("butler-sqlite-write".into());
            *thread = Some(builder.spawn(move || serve(&desk)).map_err(Failure::Thread)?);
        }
        Ok(())
    }

    fn submit(&self, job: Job) -> Result<()> {
        self.start()?;
        let mut waiting = self.desk.lock();
        waiting.jobs.push_back(job);
        // Who uses the connection looks for more when it is given back.
        let free = waiting.state.is_some();
        drop(waiting);
        if free {
            self.desk.news.notify_one();
        }
        Ok(())
    }

    /// Runs a transaction.
    ///
    /// # Errors
    /// Those of the body and of the commit.
    pub(crate) async fn transaction(&self, body: TransactionBody, durability: Durability) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Transaction(Request { body, durability, attempts: Attempts::default(), reply });
        match self.run_here(job)? {
            None => {}
            Some(job) => self.submit(job)?,
        }
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Does something on the current thread, if that may block and need not wait; gives it back otherwise.
    fn run_here(&self, job: Job) -> Result<Option<Job>> {
        if !may_block() {
            return Ok(Some(job));
        }
        // It sees to what is left over, and closes the connection when there is nothing to do.
        self.start()?;
        let Some(mut turn) = self.desk.turn() else { return Ok(Some(job)) };
        turn.perform(job);
        Ok(None)
    }

    /// Has something done with the connection.
    ///
    /// # Errors
    /// Those of the call.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut State) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Call(Box::new(move |state| {
            let _ = reply.send(call(state));
        })))?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Drop for Writer {
    /// Waits for the thread if it leaves a long log, which a process that ends would not let it put away.
    fn drop(&mut self) {
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        self.desk.lock().closed = true;
        self.desk.news.notify_one();
        // What waited for it last may be what the thread itself drops.
        if self.place.log_length() > LOG_LEFT && thread.thread().id() != std::thread::current().id() {
            // One that panicked leaves the log as it is, which does no harm.
            let _ = thread.join();
        }
    }
}

/// What belongs to the connection.
pub(crate) struct State {
    // Closed before the place of a temporary database goes.
    session: Option<SqliteSession>,
    queue: Option<Queue>,
    place: Place,
    synchronous: Option<Durability>,
    /// Whether something was read after something was written.
    marked: bool,
}

/// What the thread does.
fn serve(desk: &Desk) {
    let mut waiting = desk.lock();
    loop {
        let Some(state) = waiting.state.take() else {
            // Whoever uses it tells of what there is to do, but not that there is nothing.
            let wait = desk.news.wait_timeout(waiting, IDLE);
            waiting = wait.unwrap_or_else(PoisonError::into_inner).0;
            continue;
        };
        let next = waiting.next();
        let closed = waiting.closed;
        let mut idle = IDLE.saturating_sub(waiting.used.elapsed());
        match next {
            Ok(job) => {
                drop(waiting);
                Turn { desk, state: Some(state) }.perform(job);
                waiting = desk.lock();
            }
            Err(None) if closed => {
                drop(waiting);
                let mut state = state;
                return state.put_log_away();
            }
            Err(pause) => {
                let mut state = state;
                if idle.is_zero() {
                    state.close();
                    idle = IDLE;
                }
                waiting.state = Some(state);
                let wait = desk.news.wait_timeout(waiting, pause.unwrap_or(idle));
                waiting = wait.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

/// A transaction of a group, and how its body ended.
type Done = (Request, Result<()>);

impl State {
    /// The connection, opened if it is not.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) fn session(&mut self) -> Result<&mut SqliteSession> {
        let session = match self.session.take() {
            Some(session) => session,
            None => {
                self.synchronous = None;
                self.marked = false;
                open(&self.place)?
            }
        };
        Ok(self.session.insert(session))
    }

    /// Closes the connection.
    pub(crate) fn close(&mut self) {
        self.session = None;
    }

    /// Moves a long write-ahead log into the file, unless somebody else uses it just now.
    fn put_log_away(&mut self) {
        if self.place.temporary.is_some() || self.place.log_length() <= LOG_LEFT {
            return;
        }
        if let Some(session) = &mut self.session {
            let done = session.run("PRAGMA busy_timeout = 250; PRAGMA wal_checkpoint(TRUNCATE)");
            if let Err(error) = done {
                tracing::debug!(%error, "the write-ahead log stays");
            }
        }
    }

    /// Runs something while no other process writes.
    ///
    /// # Errors
    /// Those of the call, and of waiting for a turn.
    pub(crate) fn in_turn<T>(&mut self, call: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let queue = match self.queue.take() {
            Some(queue) => queue,
            None => Queue::open(&self.place)?,
        };
        let result = queue.enter().and_then(|turn| {
            let result = call(self);
            drop(turn);
            result
        });
        self.queue = Some(queue);
        result
    }

    /// Runs a transaction, and others that wait.
    fn group(&mut self, first: Request, desk: &Desk) {
        let mut done: Vec<Done> = Vec::new();
        let mut waiting = Some(first);
        let outcome = self.in_turn(|this| this.group_in_turn(&mut waiting, desk, &mut done));
        if let Err(error) = outcome
            && let Some(request) = waiting
        {
            done.push((request, Err(error)));
        }
        for (mut request, result) in done {
            match result {
                Err(error) if error.retry() == Retry::Temporary => match request.attempts.next() {
                    Some(pause) => {
                        tracing::debug!(%error, ?pause, "a transaction is tried again");
                        desk.lock().later.push((Instant::now() + pause, request));
                    }
                    None => request.answer(Err(error.with_retry(Retry::Exhausted))),
                },
                result => request.answer(result),
            }
        }
    }

    fn group_in_turn(
        &mut self,
        waiting: &mut Option<Request>,
        desk: &Desk,
        done: &mut Vec<Done>,
    ) -> Result<()> {
        let durability = waiting.as_ref().map_or(Durability::Synced, |request| request.durability);
        self.synchronise(durability)?;
        let end = Instant::now() + GROUP_TIME;
        let mut begun = false;
        let mut committable = 0;
        while let Some(mut request) = waiting.take() {
            if !request.reply.is_canceled() {
                if !begun {
                    if let Err(error) = self.begin() {
                        done.push((request, Err(error)));
                        break;
                    }
                    begun = true;
                }
                let result = self.part(&mut request, committable > 0);
                let lost = result.is_err() && committable > 0 && !self.is_in_transaction();
                committable += usize::from(result.is_ok());
                // Without a savepoint everything was undone.
                begun = begun && committable > 0;
                done.push((request, result));
                if lost {
                    self.again(done);
                    return Ok(());
                }
            }
            if done.len() < GROUP && Instant::now() < end {
                *waiting = desk.follower(durability);
            }
        }
        if committable > 0
            && let Err(error) = self.commit()
        {
            if committable == 1 {
                if let Some((_, result)) = done.iter_mut().find(|(_, result)| result.is_ok()) {
                    *result = Err(error);
                }
            } else {
                self.again(done);
            }
        }
        Ok(())
    }

    /// Runs a transaction as a part of the one that is open, or as all of it.
    fn part(&mut self, request: &mut Request, savepoint: bool) -> Result<()> {
        let session = self.session()?;
        if savepoint {
            session.run("SAVEPOINT part_0")?;
        }
        let result = run_body(session, false, &mut request.body);
        match (&result, savepoint) {
            (Ok(()), true) => session.run("RELEASE SAVEPOINT part_0")?,
            (Ok(()), false) => {}
            // If it cannot be undone, SQLite has undone everything, which is seen by whoever called.
            (Err(_), true) => drop(session.run("ROLLBACK TO SAVEPOINT part_0; RELEASE SAVEPOINT part_0")),
            (Err(_), false) => self.roll_back(),
        }
        result
    }

    /// Runs each of the transactions that would have succeeded by itself.
    fn again(&mut self, done: &mut [Done]) {
        self.roll_back();
        for (request, result) in done.iter_mut().filter(|(_, result)| result.is_ok()) {
            *result = self.begin().and_then(|()| self.part(request, false)).and_then(|()| self.commit());
        }
    }

    fn begin(&mut self) -> Result<()> {
        let session = self.session()?;
        for _ in 1..BEGIN_ATTEMPTS {
            match session.run("BEGIN IMMEDIATE") {
                Err(error) if error.kind() == ErrorKind::Busy => {}
                result => return result,
            }
        }
        session.run("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> Result<()> {
        let result = self.session()?.run("COMMIT");
        if result.is_err() {
            self.roll_back();
        } else if !std::mem::replace(&mut self.marked, true) {
            // Who may read the log, but not write what readers share, needs the mark of another reader in it.
            self.session()?.integer("SELECT count(*) FROM sqlite_schema")?;
        }
        result
    }

    fn roll_back(&mut self) {
        let Some(session) = &mut self.session else { return };
        if session.in_transaction() && session.run("ROLLBACK").is_err() {
            self.close();
        }
    }

    fn is_in_transaction(&self) -> bool {
        self.session.as_ref().is_some_and(SqliteSession::in_transaction)
    }

    /// Sets how commits reach the disk.
    fn synchronise(&mut self, durability: Durability) -> Result<()> {
        self.session()?;
        if self.synchronous != Some(durability) {
            let level = match durability {
                Durability::Fast => "NORMAL",
                Durability::Synced => "FULL",
                Durability::Strict => "EXTRA",
            };
            self.session()?.run(&format!("PRAGMA synchronous = {level}"))?;
            self.synchronous = Some(durability);
        }
        Ok(())
    }
}

impl Request {
    fn answer(self, result: Result<()>) {
        let Self { body, reply, .. } = self;
        // What it holds on to, such as the writer itself, must be given up before who asked goes on, or ends.
        drop(body);
        // Whoever asked may be gone.
        let _ = reply.send(result);
    }
}

/// Opens the connection that writes.
fn open(place: &Place) -> Result<SqliteSession> {
    const PRAGMAS: &str = "PRAGMA busy_timeout = 60000; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; \
                           PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 4000; \
                           PRAGMA journal_size_limit = 67108864";
    let mut session = SqliteSession::open(&place.url("mode=rw"), PRAGMAS)?;
    if let Some(more) = failpoint::number("BUTLER_FAILPOINT_PAGES") {
        let pages = session.integer("PRAGMA page_count")?;
        session.run(&format!("PRAGMA max_page_count = {}", pages + more))?;
    }
    set_journal(&mut session, place.write_ahead)?;
    match session.integer("PRAGMA application_id")? {
        APPLICATION_ID => {}
        0 if session.integer("SELECT count(*) FROM sqlite_schema")? == 0 => {
            session.run(&format!("PRAGMA application_id = {APPLICATION_ID}"))?;
        }
        0 => {}
        other => {
            let message =
                format!("'{}' belongs to another application, number {other:#x}", place.path.display());
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
    }
    Ok(session)
}

/// Sets the kind of journal, which takes that nobody else reads or writes just now.
fn set_journal(session: &mut SqliteSession, write_ahead: bool) -> Result<()> {
    let sql = if write_ahead { "PRAGMA journal_mode = WAL" } else { "PRAGMA journal_mode = DELETE" };
    for _ in 0..JOURNAL_ATTEMPTS {
        match session.text(sql) {
            Err(error) if error.kind() == ErrorKind::Busy => std::thread::sleep(JOURNAL_PAUSE),
            result => return result.map(drop),
        }
    }
    // Others have it open with the other kind of journal, which serves as well.
    Ok(())
}
