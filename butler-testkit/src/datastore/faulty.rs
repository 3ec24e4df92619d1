//! A datastore that fails now and then: a wrapper around one that does not.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::backend::ColumnBatch;
use butler_core::datastore::{
    Acceptance, Artifact, ArtifactUris, Bookkeeper, Datastore, DatastoreCapabilities, Finding, GetRequest,
    RecordsByDataset, RecoverOptions, RecoveredEntry, RemoveTransaction, VerifyOptions, WriteRequest,
    WriteTransaction, Written,
};
use butler_core::registry::{OpaqueFetch, OpaqueTable, Outcome};
use butler_core::{
    DataId, DatasetRef, DatasetType, DatastoreContext, DatastoreFactory, Error, ErrorKind, Object, Result,
    Retry, Section,
};
use fastrand::Rng;

/// A call that can fail: of a datastore, of its transactions, or of the books that it is lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Datastore::prepare_write`].
    PrepareWrite,
    /// [`Datastore::write`].
    Write,
    /// [`WriteTransaction::execute`].
    Execute,
    /// [`WriteTransaction::commit`].
    CommitWrite,
    /// [`WriteTransaction::roll_back`].
    RollBackWrite,
    /// [`Datastore::prepare_remove`].
    PrepareRemove,
    /// [`RemoveTransaction::commit`].
    CommitRemove,
    /// [`RemoveTransaction::roll_back`].
    RollBackRemove,
    /// [`Datastore::get`].
    Get,
    /// [`Datastore::exists`].
    Exists,
    /// [`Datastore::uris`] and [`Datastore::signed_uris`].
    Uris,
    /// [`Datastore::verify`].
    Verify,
    /// [`Datastore::open`].
    Open,
    /// [`Datastore::recover`].
    Recover,
    /// [`Bookkeeper::claim`].
    Claim,
    /// [`Bookkeeper::outcomes`].
    Outcomes,
    /// [`Bookkeeper::forget`].
    Forget,
    /// [`Bookkeeper::fetch`].
    Fetch,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done; transactions are dropped.
    Error,
    /// All is done, and the reply is lost.
    Lost,
    /// It takes too long, and is given up half-way: its future is dropped after so many polls. No
    /// clock is involved.
    GivenUp(u32),
}

/// Which calls fail; clones share it. At first, none do.
#[derive(Clone, Debug, Default)]
pub struct CallFaults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    armed: Option<(Call, Fault, usize)>,
    random: Option<(Rng, f64)>,
    struck: usize,
}

impl CallFaults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call fail once: the next of its kind, or one so many calls later.
    pub fn arm(&self, call: Call, fault: Fault, later: usize) {
        *self.state() = State { armed: Some((call, fault, later)), ..State::default() };
    }

    /// Makes a share of all calls fail: half of them with an error, half by a lost reply.
    pub fn arm_at_random(&self, seed: u64, share: f64) {
        *self.state() = State { random: Some((Rng::with_seed(seed), share)), ..State::default() };
    }

    /// From now on nothing fails; returns how many calls have failed.
    pub fn disarm(&self) -> usize {
        std::mem::take(&mut *self.state()).struck
    }

    fn next(&self, call: Call) -> Option<Fault> {
        let mut state = self.state();
        let fault = match &mut state.armed {
            Some((armed, fault, later)) if *armed == call => {
                let fault = *fault;
                let strikes = *later == 0;
                *later = later.wrapping_sub(1);
                strikes.then_some(fault)
            }
            _ => None,
        };
        let random = |(rng, share): &mut (Rng, f64)| {
            let fault = if rng.bool() { Fault::Error } else { Fault::Lost };
            (rng.f64() < *share).then_some(fault)
        };
        let fault = fault.or_else(|| state.random.as_mut().and_then(random));
        state.struck += usize::from(fault.is_some());
        fault
    }

    /// Does something, unless it is to fail.
    async fn meet<T>(&self, call: Call, act: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let failed = |kind, retry, how: &str| {
            Err(Error::new(kind, format!("injected: {call:?} {how}")).with_retry(retry))
        };
        match self.next(call) {
            None => act.await,
            Some(Fault::Error) => failed(ErrorKind::Connection, Retry::Temporary, "fails"),
            Some(Fault::Lost) => {
                drop(act.await);
                failed(ErrorKind::Connection, Retry::OutcomeUnknown, "gives no reply")
            }
            Some(Fault::GivenUp(polls)) => {
                let mut act = pin!(act);
                let mut left = polls;
                poll_fn(|context| {
                    left = left.saturating_sub(1);
                    match act.as_mut().poll(context) {
                        Poll::Pending if left > 0 => Poll::Pending,
                        _ => Poll::Ready(()),
                    }
                })
                .await;
                failed(ErrorKind::Timeout, Retry::OutcomeUnknown, "takes too long")
            }
        }
    }
}

/// A datastore whose calls can be made to fail.
#[derive(Clone, Debug)]
pub struct FaultyDatastore {
    inner: Arc<dyn Datastore>,
    faults: CallFaults,
}

impl FaultyDatastore {
    /// A datastore that fails as another one and some faults say.
    #[must_use]
    pub fn new(inner: Arc<dyn Datastore>, faults: CallFaults) -> Self {
        Self { inner, faults }
    }
}

/// Builds datastores of another factory, all of which fail as the same faults say.
#[derive(Clone, Debug)]
pub struct FaultyFactory {
    factory: Arc<dyn DatastoreFactory>,
    faults: CallFaults,
}

impl FaultyFactory {
    /// A factory of what another one builds, with faults.
    #[must_use]
    pub fn new(factory: Arc<dyn DatastoreFactory>, faults: CallFaults) -> Self {
        Self { factory, faults }
    }
}

impl DatastoreFactory for FaultyFactory {
    fn build(&self, section: &Section<'_>, context: &DatastoreContext) -> Result<Arc<dyn Datastore>> {
        let inner = self.factory.build(section, context)?;
        Ok(Arc::new(FaultyDatastore::new(inner, self.faults.clone())))
    }
}

#[async_trait]
impl Datastore for FaultyDatastore {
    fn name(&self) -> &ArcStr {
        self.inner.name()
    }

    fn capabilities(&self) -> DatastoreCapabilities {
        self.inner.capabilities()
    }

    fn tables(&self) -> Vec<OpaqueTable> {
        self.inner.tables()
    }

    fn children(&self) -> Vec<Arc<dyn Datastore>> {
        self.inner.children()
    }

    fn places(&self) -> Vec<ArcStr> {
        self.inner.places()
    }

    fn acceptance(&self, dataset_type: &DatasetType, data_id: Option<&DataId>) -> Acceptance {
        self.inner.acceptance(dataset_type, data_id)
    }

    fn knows(&self, dataset: &DatasetRef) -> bool {
        self.inner.knows(dataset)
    }

    fn recorded_bytes(&self, dataset: &DatasetRef) -> Option<u64> {
        self.inner.recorded_bytes(dataset)
    }

    async fn prepare_write(&self, requests: Vec<WriteRequest>) -> Result<Box<dyn WriteTransaction>> {
        let inner = self.faults.meet(Call::PrepareWrite, self.inner.prepare_write(requests)).await?;
        Ok(Box::new(FaultyWrite { inner, faults: self.faults.clone() }))
    }

    async fn write(&self, requests: Vec<WriteRequest>) -> Result<Written> {
        let Written { transaction: inner, records } =
            self.faults.meet(Call::Write, self.inner.write(requests)).await?;
        Ok(Written { transaction: Box::new(FaultyWrite { inner, faults: self.faults.clone() }), records })
    }

    async fn prepare_remove(&self, datasets: Vec<DatasetRef>) -> Result<Box<dyn RemoveTransaction>> {
        let inner = self.faults.meet(Call::PrepareRemove, self.inner.prepare_remove(datasets)).await?;
        Ok(Box::new(FaultyRemove { inner, faults: self.faults.clone() }))
    }

    async fn get(&self, requests: Vec<GetRequest>) -> Vec<Result<Object>> {
        let count = requests.len();
        match self.faults.meet(Call::Get, async { Ok(self.inner.get(requests).await) }).await {
            Ok(objects) => objects,
            Err(error) => {
                let copy = || Error::new(error.kind(), error.message()).with_retry(error.retry());
                (0..count).map(|_| Err(copy())).collect()
            }
        }
    }

    async fn exists(&self, datasets: &[DatasetRef]) -> Result<Vec<bool>> {
        self.faults.meet(Call::Exists, self.inner.exists(datasets)).await
    }

    async fn uris(&self, datasets: &[DatasetRef], predict: bool) -> Result<Vec<ArtifactUris>> {
        self.faults.meet(Call::Uris, self.inner.uris(datasets, predict)).await
    }

    async fn signed_uris(&self, datasets: &[DatasetRef], lifetime: Duration) -> Result<Vec<ArtifactUris>> {
        self.faults.meet(Call::Uris, self.inner.signed_uris(datasets, lifetime)).await
    }

    async fn verify(
        &self,
        books: &dyn Bookkeeper,
        datasets: &[DatasetRef],
        options: &VerifyOptions,
    ) -> Result<Vec<Finding>> {
        let books = FaultyBooks { books, faults: &self.faults };
        self.faults.meet(Call::Verify, self.inner.verify(&books, datasets, options)).await
    }

    async fn open(&self, dataset: &DatasetRef) -> Result<Vec<Artifact>> {
        self.faults.meet(Call::Open, self.inner.open(dataset)).await
    }

    async fn recover(&self, books: &dyn Bookkeeper, options: &RecoverOptions) -> Result<Vec<RecoveredEntry>> {
        let books = FaultyBooks { books, faults: &self.faults };
        self.faults.meet(Call::Recover, self.inner.recover(&books, options)).await
    }
}

struct FaultyWrite {
    inner: Box<dyn WriteTransaction>,
    faults: CallFaults,
}

#[async_trait]
impl WriteTransaction for FaultyWrite {
    fn entries(&self) -> Vec<ArcStr> {
        self.inner.entries()
    }

    async fn execute(&mut self) -> Result<RecordsByDataset> {
        self.faults.meet(Call::Execute, self.inner.execute()).await
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.faults.meet(Call::CommitWrite, self.inner.commit()).await
    }

    async fn roll_back(self: Box<Self>) -> Result<()> {
        self.faults.meet(Call::RollBackWrite, self.inner.roll_back()).await
    }
}

struct FaultyRemove {
    inner: Box<dyn RemoveTransaction>,
    faults: CallFaults,
}

#[async_trait]
impl RemoveTransaction for FaultyRemove {
    fn entries(&self) -> Vec<ArcStr> {
        self.inner.entries()
    }

    async fn commit(self: Box<Self>, books: &dyn Bookkeeper) -> Result<()> {
        let Self { inner, faults } = *self;
        let books = FaultyBooks { books, faults: &faults };
        faults.meet(Call::CommitRemove, inner.commit(&books)).await
    }

    async fn roll_back(self: Box<Self>) -> Result<()> {
        self.faults.meet(Call::RollBackRemove, self.inner.roll_back()).await
    }
}

/// Books that are lent to a datastore that fails.
struct FaultyBooks<'a> {
    books: &'a dyn Bookkeeper,
    faults: &'a CallFaults,
}

#[async_trait]
impl Bookkeeper for FaultyBooks<'_> {
    async fn claim(&self, entry: &str, outcome: Outcome) -> Result<Outcome> {
        self.faults.meet(Call::Claim, self.books.claim(entry, outcome)).await
    }

    async fn outcomes(&self, entries: Vec<ArcStr>) -> Result<Vec<Option<Outcome>>> {
        self.faults.meet(Call::Outcomes, self.books.outcomes(entries)).await
    }

    async fn forget(&self, entries: Vec<ArcStr>) -> Result<()> {
        self.faults.meet(Call::Forget, self.books.forget(entries)).await
    }

    async fn fetch(&self, fetch: OpaqueFetch) -> Result<ColumnBatch> {
        self.faults.meet(Call::Fetch, self.books.fetch(fetch)).await
    }
}
