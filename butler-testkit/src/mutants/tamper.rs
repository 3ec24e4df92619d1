//! A backend around the reference backend, with single calls redirected.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use butler_core::Result;
use butler_core::backend::{
    Backend, Capabilities, ColumnBatch, ColumnStream, OnConflict, Relation, RowBatch, Scalar, SchemaVersion,
    Strength, Synced, TableRef, TableSpec, Transaction, TransactionBody,
};
use futures::future::BoxFuture;
use tokio::sync::{RwLock, Semaphore};

use super::Mutant;
use crate::backend::{BackendHarness, Namespace};
use crate::case::Harness;
use crate::reference::{Flaw, ReferenceBackend};
use crate::walk::{rewritten, rewritten_scalars};

/// What receives batches.
pub(super) type Each<'a> = &'a mut dyn FnMut(ColumnBatch) -> ControlFlow<()>;
/// Part of a transaction.
pub(super) type Part<'a> = &'a mut dyn FnMut(&mut dyn Transaction) -> Result<()>;

// What mutants redirect, by method; an implementation of the trait with those of a mutant replaced.
pub(super) type Create = fn(&mut dyn Transaction, &TableSpec) -> Result<()>;
pub(super) type DropTable = fn(&mut dyn Transaction, &TableRef) -> Result<()>;
pub(super) type Insert = fn(&mut dyn Transaction, &TableRef, &RowBatch, OnConflict) -> Result<u64>;
pub(super) type Sync = fn(&mut dyn Transaction, &TableRef, &RowBatch) -> Result<Synced>;
pub(super) type Update = fn(&mut dyn Transaction, &TableRef, &RowBatch) -> Result<u64>;
pub(super) type Delete = fn(&mut dyn Transaction, &TableRef, &Relation) -> Result<u64>;
pub(super) type Select = fn(&mut dyn Transaction, &Relation, Each) -> Result<()>;
pub(super) type Lock = fn(&mut dyn Transaction, &TableRef, &Relation) -> Result<()>;
pub(super) type Savepoint = fn(&mut dyn Transaction, Part) -> Result<()>;
pub(super) type Stream = fn(Arc<TamperedBackend>, Relation) -> BoxFuture<'static, Result<ColumnStream>>;

/// What a mutant does instead of what it should: nothing else, for what is left out.
#[derive(Clone, Default)]
pub(super) struct Tamper {
    pub(super) name: String,
    pub(super) breaks: &'static str,
    /// Topics whose cases find it out.
    pub(super) topics: &'static [&'static str],
    pub(super) flaw: Option<Flaw>,
    pub(super) capabilities: Option<fn(&mut Capabilities)>,
    pub(super) tables: Option<fn(Vec<TableSpec>) -> Vec<TableSpec>>,
    pub(super) migrate: Option<fn() -> Result<()>>,
    /// Each operator of each relation, innermost first.
    pub(super) relation: Option<fn(Relation) -> Relation>,
    /// Each scalar of each relation, innermost first.
    pub(super) scalar: Option<fn(Scalar) -> Scalar>,
    pub(super) create: Option<Create>,
    pub(super) drop_table: Option<DropTable>,
    pub(super) insert: Option<Insert>,
    pub(super) sync: Option<Sync>,
    pub(super) update: Option<Update>,
    pub(super) delete: Option<Delete>,
    pub(super) select: Option<Select>,
    pub(super) lock: Option<Lock>,
    pub(super) savepoint: Option<Savepoint>,
    pub(super) body: Option<fn(TransactionBody) -> TransactionBody>,
    pub(super) outcome: Option<fn(Result<()>) -> Result<()>>,
    pub(super) stream: Option<Stream>,
    pub(super) explain: Option<fn(Result<String>) -> Result<String>>,
    /// How a namespace is opened.
    pub(super) opening: Opening,
}

/// Name of a mutant that is none.
pub(super) const SOUND: &str = "sound";

/// How a namespace is opened.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Opening {
    /// As it should be.
    #[default]
    Sound,
    /// Every namespace is the same.
    Shared,
    /// Every handle has a namespace of its own.
    Apart,
    /// A handle for reading only can write.
    Writable,
    /// A handle for reading only cannot even read in a transaction.
    Unreadable,
}

impl Tamper {
    pub(super) fn new(name: impl Into<String>, breaks: &'static str) -> Self {
        Self { name: name.into(), breaks, ..Self::default() }
    }

    pub(super) fn into_mutant(self) -> Mutant<dyn BackendHarness> {
        let (name, breaks, topics) = (self.name.clone(), self.breaks, self.topics);
        Mutant { name, breaks, topics, harness: Box::new(TamperedHarness::new(self)) }
    }

    /// The same mutants, with the topics whose cases find them out.
    pub(super) fn among(topics: &'static [&'static str], mutants: Vec<Self>) -> Vec<Self> {
        mutants.into_iter().map(|mutant| Self { topics, ..mutant }).collect()
    }

    fn rewrite(&self, relation: &Relation) -> Relation {
        let mut relation = relation.clone();
        if let Some(change) = self.scalar {
            relation = rewritten_scalars(relation, &change);
        }
        match self.relation {
            Some(change) => rewritten(relation, &change),
            None => relation,
        }
    }
}

/// Makes namespaces of a mutant.
pub(super) struct TamperedHarness {
    tamper: Tamper,
    /// Of the mutant whose namespaces are one.
    shared: Mutex<Option<ReferenceBackend>>,
}

impl TamperedHarness {
    pub(super) fn new(tamper: Tamper) -> Self {
        Self { tamper, shared: Mutex::default() }
    }
}

impl Harness for TamperedHarness {
    fn name(&self) -> &str {
        &self.tamper.name
    }

    fn patience(&self) -> Duration {
        // Nothing of what is sound waits.
        Duration::from_millis(if self.tamper.name == SOUND { 10_000 } else { 100 })
    }
}

#[async_trait]
impl BackendHarness for TamperedHarness {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = ReferenceBackend::new().capabilities();
        // Claims that go beyond what is there are not found out by comparing claims.
        if let Some(change) = self.tamper.capabilities.filter(|_| self.tamper.name.starts_with("Claims")) {
            change(&mut capabilities);
        }
        capabilities
    }

    async fn namespace(&self) -> Result<Box<dyn Namespace>> {
        let mut reference = ReferenceBackend::with_flaw(self.tamper.flaw);
        if self.tamper.opening == Opening::Shared {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            reference = shared.get_or_insert(reference).clone();
        }
        Ok(Box::new(TamperedNamespace { reference, tamper: self.tamper.clone() }))
    }

    fn large(&self) -> usize {
        1500
    }

    fn relations(&self) -> usize {
        9
    }
}

struct TamperedNamespace {
    reference: ReferenceBackend,
    tamper: Tamper,
}

#[async_trait]
impl Namespace for TamperedNamespace {
    async fn open(&self) -> Result<Arc<dyn Backend>> {
        let reference = match self.tamper.opening {
            Opening::Apart => ReferenceBackend::new(),
            _ => self.reference.clone(),
        };
        Ok(TamperedBackend::open(reference, self.tamper.clone()))
    }

    async fn open_read_only(&self) -> Result<Option<Arc<dyn Backend>>> {
        let mut tamper = self.tamper.clone();
        let reference = match tamper.opening {
            Opening::Writable => {
                tamper.capabilities = Some(|capabilities| capabilities.read_only = true);
                self.reference.clone()
            }
            Opening::Unreadable => {
                tamper.select = Some(|t, _, _| t.create(&TableSpec::new("t", "")));
                self.reference.read_only()
            }
            _ => self.reference.read_only(),
        };
        Ok(Some(TamperedBackend::open(reference, tamper)))
    }
}

/// The reference backend with calls redirected.
pub(super) struct TamperedBackend {
    pub(super) inner: ReferenceBackend,
    tamper: Tamper,
    /// Held by streams of a mutant that makes writers wait.
    pub(super) gate: Arc<RwLock<()>>,
    /// Held by streams of a mutant that has only so many.
    pub(super) places: Arc<Semaphore>,
}

impl TamperedBackend {
    fn open(inner: ReferenceBackend, tamper: Tamper) -> Arc<dyn Backend> {
        let (gate, places) = (Arc::default(), Arc::new(Semaphore::new(20)));
        Arc::new(Handle(Arc::new(Self { inner, tamper, gate, places })))
    }
}

/// A backend that can hand itself on.
struct Handle(Arc<TamperedBackend>);

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(&self.0.tamper.name).field(&self.0.inner).finish()
    }
}

#[async_trait]
impl Backend for Handle {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.0.inner.capabilities();
        if let Some(change) = self.0.tamper.capabilities {
            change(&mut capabilities);
        }
        capabilities
    }

    async fn migrate(&self, to: SchemaVersion) -> Result<()> {
        match self.0.tamper.migrate {
            Some(migrate) => migrate(),
            None => self.0.inner.migrate(to).await,
        }
    }

    async fn tables(&self) -> Result<Vec<TableSpec>> {
        let tables = self.0.inner.tables().await?;
        Ok(self.0.tamper.tables.map_or(tables.clone(), |change| change(tables)))
    }

    async fn transaction(&self, mut body: TransactionBody) -> Result<()> {
        let tamper = self.0.tamper.clone();
        let mut tampered: TransactionBody =
            Box::new(move |inner| body(&mut TamperedTransaction { inner, tamper: &tamper }));
        if let Some(change) = self.0.tamper.body {
            tampered = change(tampered);
        }
        let gate = self.0.gate.write().await;
        let outcome = self.0.inner.transaction(tampered).await;
        drop(gate);
        match self.0.tamper.outcome {
            Some(change) => change(outcome),
            None => outcome,
        }
    }

    async fn stream(&self, relation: Relation) -> Result<ColumnStream> {
        let relation = self.0.tamper.rewrite(&relation);
        match self.0.tamper.stream {
            Some(stream) => stream(Arc::clone(&self.0), relation).await,
            None => self.0.inner.stream(relation).await,
        }
    }

    async fn explain(&self, relation: Relation) -> Result<String> {
        let text = self.0.inner.explain(self.0.tamper.rewrite(&relation)).await;
        match self.0.tamper.explain {
            Some(change) => change(text),
            None => text,
        }
    }
}

struct TamperedTransaction<'a> {
    inner: &'a mut dyn Transaction,
    tamper: &'a Tamper,
}

impl Transaction for TamperedTransaction<'_> {
    fn create(&mut self, spec: &TableSpec) -> Result<()> {
        match self.tamper.create {
            Some(create) => create(self.inner, spec),
            None => self.inner.create(spec),
        }
    }

    fn drop_table(&mut self, table: &TableRef) -> Result<()> {
        match self.tamper.drop_table {
            Some(drop_table) => drop_table(self.inner, table),
            None => self.inner.drop_table(table),
        }
    }

    fn insert(&mut self, into: &TableRef, rows: &RowBatch, on: OnConflict) -> Result<u64> {
        match self.tamper.insert {
            Some(insert) => insert(self.inner, into, rows, on),
            None => self.inner.insert(into, rows, on),
        }
    }

    fn sync(&mut self, into: &TableRef, row: &RowBatch) -> Result<Synced> {
        match self.tamper.sync {
            Some(sync) => sync(self.inner, into, row),
            None => self.inner.sync(into, row),
        }
    }

    fn update(&mut self, table: &TableRef, rows: &RowBatch) -> Result<u64> {
        match self.tamper.update {
            Some(update) => update(self.inner, table, rows),
            None => self.inner.update(table, rows),
        }
    }

    fn delete(&mut self, from: &TableRef, matching: &Relation) -> Result<u64> {
        let matching = self.tamper.rewrite(matching);
        match self.tamper.delete {
            Some(delete) => delete(self.inner, from, &matching),
            None => self.inner.delete(from, &matching),
        }
    }

    fn select(&mut self, relation: &Relation, each: Each) -> Result<()> {
        let relation = self.tamper.rewrite(relation);
        match self.tamper.select {
            Some(select) => select(self.inner, &relation, each),
            None => self.inner.select(&relation, each),
        }
    }

    fn lock(&mut self, table: &TableRef, rows: &Relation, strength: Strength) -> Result<()> {
        let rows = self.tamper.rewrite(rows);
        match self.tamper.lock {
            Some(lock) => lock(self.inner, table, &rows),
            None => self.inner.lock(table, &rows, strength),
        }
    }

    fn savepoint(&mut self, body: Part) -> Result<()> {
        let tamper = self.tamper;
        let mut tampered = |inner: &mut dyn Transaction| body(&mut TamperedTransaction { inner, tamper });
        match tamper.savepoint {
            Some(savepoint) => savepoint(self.inner, &mut tampered),
            None => self.inner.savepoint(&mut tampered),
        }
    }
}
