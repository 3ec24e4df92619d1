//! A backend in memory that does exactly what is written, naively and strictly.

mod database;
mod evaluate;
mod flaw;
mod incoming;
mod key;
mod references;
mod scalar;
mod table;
#[cfg(test)]
mod tests;
mod transaction;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;

use async_trait::async_trait;
use butler_core::backend::{
    Backend, Capabilities, ColumnStream, Relation, SchemaVersion, TableSpec, TransactionBody,
};
use butler_core::{Error, ErrorKind, Result, Retry};
use futures::channel::oneshot;
use futures::{StreamExt, stream};

use database::Database;
pub(crate) use flaw::{Flaw, Flawed};
use transaction::{ReferenceTransaction, batches};

/// How often the body of a transaction runs, if its failures are temporary.
const ATTEMPTS: usize = 5;

/// The [`Backend`] by definition, in memory.
///
/// Relations are evaluated as the table at [`Relation`] says, operator by
/// operator and row by row (joins on equal columns by hashing, so that tests with
/// ten thousand rows stay fast). Rules are checked after each row. It is stricter
/// than a database may be: everything is evaluated, so that an overflow anywhere is an
/// error, and an order that leaves a choice to `FirstBy` or `Slice` is refused.
///
/// Transactions run one after the other, on a thread of the namespace. What
/// is asynchronous yields at least once, whatever the runtime. Clones share the namespace.
#[derive(Clone)]
pub struct ReferenceBackend {
    namespace: Arc<Namespace>,
    read_only: bool,
}

struct Namespace {
    committed: Arc<Mutex<Database>>,
    /// Work for the thread that runs transactions; it ends when this is dropped.
    queue: Mutex<Option<Sender<Job>>>,
}

struct Job {
    body: TransactionBody,
    /// The tables when it was asked for; only flawed ones begin with them.
    begun: Database,
    read_only: bool,
    reply: oneshot::Sender<Result<()>>,
}

impl Default for ReferenceBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ReferenceBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables: Vec<_> = self.snapshot().specs().into_iter().map(|spec| spec.name).collect();
        f.debug_struct("ReferenceBackend")
            .field("read_only", &self.read_only)
            .field("tables", &tables)
            .finish()
    }
}

impl ReferenceBackend {
    /// An empty namespace.
    #[must_use]
    pub fn new() -> Self {
        Self::with_flaw(None)
    }

    pub(crate) fn with_flaw(flaw: Option<Flaw>) -> Self {
        let committed = Arc::new(Mutex::new(Database { flaw, ..Database::default() }));
        let namespace = Namespace { committed, queue: Mutex::default() };
        Self { namespace: Arc::new(namespace), read_only: false }
    }

    /// The same namespace, for reading only.
    #[must_use]
    pub fn read_only(&self) -> Self {
        Self { namespace: Arc::clone(&self.namespace), read_only: true }
    }

    fn snapshot(&self) -> Database {
        lock(&self.namespace.committed).clone()
    }

    /// Hands a job to the thread of the namespace.
    fn submit(&self, job: Job) -> Result<()> {
        let mut queue = lock(&self.namespace.queue);
        let sender = match &*queue {
            Some(sender) => sender,
            None => {
                let (sender, jobs) = channel::<Job>();
                let committed = Arc::clone(&self.namespace.committed);
                let worker = thread::Builder::new().name("reference backend".into());
                worker.spawn(move || jobs.into_iter().for_each(|job| run(&committed, job))).map_err(
                    |error| Error::new(ErrorKind::Exhausted, "no thread for transactions").with_source(error),
                )?;
                queue.insert(sender)
            }
        };
        sender.send(job).map_err(|_| Error::new(ErrorKind::Unexpected, "the thread for transactions ended"))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a transaction, and commits it if it succeeds.
fn run(committed: &Mutex<Database>, mut job: Job) {
    let flaw = lock(committed).flaw;
    let mut attempt = || {
        let current = lock(committed).clone();
        if flaw.is(Flaw::CreationRaces) && !current.tables.keys().eq(job.begun.tables.keys()) {
            return Err(Error::new(ErrorKind::ConflictingDefinition, "a table was created meanwhile"));
        }
        let database = if flaw.is(Flaw::UpdatesLost) { job.begun.clone() } else { current };
        let mut transaction = ReferenceTransaction::new(database, committed, job.read_only);
        let outcome = catch_unwind(AssertUnwindSafe(|| (job.body)(&mut transaction)));
        match outcome {
            Ok(Err(error)) => return Err(error),
            Err(_) if !flaw.is(Flaw::PanicCommits) => {
                return Err(Error::new(ErrorKind::Unexpected, "the body of a transaction panicked"));
            }
            _ => {}
        }
        *lock(committed) = transaction.finish()?;
        Ok(())
    };
    let mut outcome = attempt();
    for _ in 1..ATTEMPTS {
        match &outcome {
            Err(error) if error.retry() == Retry::Temporary => outcome = attempt(),
            _ => break,
        }
    }
    let outcome = outcome.map_err(|error| match error.retry() {
        Retry::Temporary => error.with_retry(Retry::Exhausted),
        _ => error,
    });
    // Nobody waits if the future was dropped.
    job.reply.send(outcome).ok();
}

/// Lets others run once.
async fn step() {
    let mut stepped = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut stepped, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[async_trait]
impl Backend for ReferenceBackend {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.name = "reference";
        capabilities.read_only = self.read_only;
        capabilities.exclusion = true;
        capabilities
    }

    async fn migrate(&self, _to: SchemaVersion) -> Result<()> {
        step().await;
        Ok(())
    }

    async fn tables(&self) -> Result<Vec<TableSpec>> {
        step().await;
        Ok(self.snapshot().specs())
    }

    async fn transaction(&self, body: TransactionBody) -> Result<()> {
        let begun = self.snapshot();
        step().await;
        let (reply, outcome) = oneshot::channel();
        self.submit(Job { body, begun, read_only: self.read_only, reply })?;
        outcome.await.map_err(|_| Error::new(ErrorKind::Unexpected, "the thread for transactions ended"))?
    }

    async fn stream(&self, relation: Relation) -> Result<ColumnStream> {
        let snapshot = self.snapshot();
        step().await;
        let batches = batches(&evaluate::evaluate(&snapshot, &relation)?)?;
        Ok(Box::pin(stream::iter(batches).then(|batch| async {
            step().await;
            Ok(batch)
        })))
    }

    async fn explain(&self, relation: Relation) -> Result<String> {
        step().await;
        relation.schema()?;
        Ok(relation.to_string())
    }
}
