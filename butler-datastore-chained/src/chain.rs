//! The datastore that consists of others.

mod distribute;
mod read;
mod remove;
mod share;
mod write;

use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::datastore::{
    Acceptance, Artifact, ArtifactUris, Bookkeeper, Constraints, Datastore, DatastoreCapabilities, Finding,
    GetRequest, RecoverOptions, RecoveredEntry, RemoveTransaction, TransferMode, VerifyOptions, WriteRequest,
    WriteTransaction,
};
use butler_core::registry::OpaqueTable;
use butler_core::{DataId, DatasetRef, DatasetType, Error, ErrorKind, Object, Result};
use rustc_hash::{FxHashMap, FxHashSet};

/// Which of the children that accept a dataset store it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WritePolicy {
    /// All of them.
    #[default]
    All,
    /// The first of them, and those that only publish.
    First,
}

/// A datastore that is part of a [`ChainedDatastore`].
#[derive(Clone, Debug)]
pub struct Child {
    /// The datastore, whose own constraints say what it gets.
    pub datastore: Arc<dyn Datastore>,
    /// Whether a write fails if it fails here. Otherwise that is only logged, as long as
    /// another child has the dataset.
    pub required: bool,
    /// Whether what is read from a child behind it is kept here, too; for ephemeral datastores,
    /// which need no records for that.
    pub fill_back: bool,
}

impl Child {
    /// A child whose failures are failures, unless nothing can be read from it anyway.
    #[must_use]
    pub fn new(datastore: Arc<dyn Datastore>) -> Self {
        let required = datastore.capabilities().readable;
        Self { datastore, required, fill_back: false }
    }
}

/// A datastore that hands what it gets to others, its children, and asks them in their order.
///
/// It stores nothing by itself: tables, records and journal entries are those of its
/// children, and so a recovery of it is one of each of them.
///
/// A write goes to each child that accepts a dataset, or to the first ([`WritePolicy`]). Children
/// that cannot take files, or artifacts, are passed over when there are such. A file that is
/// moved is copied, except for the last child that gets it. One that is taken over in place, or
/// given by a relative path, belongs to the first child under whose root it lies, and to no other.
///
/// A read comes from the first child that knows the dataset; if that fails there, from the next.
#[derive(Clone, Debug)]
pub struct ChainedDatastore {
    chain: Arc<Chain>,
}

#[derive(Debug)]
struct Chain {
    name: ArcStr,
    constraints: Constraints,
    policy: WritePolicy,
    children: Vec<Child>,
}

impl ChainedDatastore {
    /// A datastore of children, nearest first.
    ///
    /// # Errors
    /// `Configuration` if there are none, if two of them have one name, table or place, or if
    /// one that is not ephemeral is to be filled back.
    pub fn new(
        name: impl Into<ArcStr>,
        constraints: Constraints,
        policy: WritePolicy,
        children: Vec<Child>,
    ) -> Result<Self> {
        let chain = Chain { name: name.into(), constraints, policy, children };
        chain.check()?;
        Ok(Self { chain: Arc::new(chain) })
    }
}

impl Chain {
    fn check(&self) -> Result<()> {
        let wrong = |problem: String| {
            Err(Error::new(ErrorKind::Configuration, format!("datastore '{}' {problem}", self.name)))
        };
        if self.children.is_empty() {
            return wrong("has no children".to_owned());
        }
        let (mut names, mut tables) = (FxHashSet::default(), FxHashSet::default());
        let mut places: FxHashMap<ArcStr, &ArcStr> = FxHashMap::default();
        for child in &self.children {
            let name = child.datastore.name();
            if !names.insert(name.clone()) {
                return wrong(format!("has two children that are called '{name}': give them other names"));
            }
            for table in child.datastore.tables() {
                if !tables.insert(table.spec.name) {
                    return wrong(format!("contains datastore '{}' twice", table.datastore));
                }
            }
            for place in child.datastore.places() {
                if let Some(other) = places.insert(place.clone(), name) {
                    return wrong(format!(
                        "has two children that store in '{place}', '{other}' and '{name}': give each a root of its own"
                    ));
                }
            }
            let capabilities = child.datastore.capabilities();
            if child.fill_back && !(capabilities.ephemeral && capabilities.readable) {
                return wrong(format!("cannot fill back child '{name}', which is not in memory"));
            }
        }
        Ok(())
    }

    /// What an error of a child is to who asked the chain.
    fn told(&self, child: &Child, what: &str, error: Error) -> Error {
        let message = format!(
            "child '{}' of datastore '{}' {what}: {}",
            child.datastore.name(),
            self.name,
            error.message()
        );
        let context = error.context().iter();
        let told = context
            .fold(Error::new(error.kind(), message), |told, (key, value)| told.with_context(key, value));
        let told = match error.hint().map(str::to_owned) {
            Some(hint) => told.with_hint(hint),
            None => told,
        };
        told.with_retry(error.retry()).with_source(error)
    }

    fn writable(&self) -> impl Iterator<Item = (usize, &Child)> {
        self.children.iter().enumerate().filter(|(_, child)| child.datastore.capabilities().writable)
    }

    fn refuse_read_only(&self) -> Result<()> {
        if self.writable().next().is_some() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ReadOnly, format!("datastore '{}' can only be read", self.name)))
    }

    /// Of children that all might store something, those that do.
    fn chosen<T>(&self, candidates: impl IntoIterator<Item = (usize, T)>) -> Vec<(usize, T)> {
        let mut stored = false;
        let mut chosen = Vec::new();
        for (index, what) in candidates {
            let readable = self.children[index].datastore.capabilities().readable;
            if self.policy == WritePolicy::All || !readable || !stored {
                chosen.push((index, what));
            }
            stored |= readable;
        }
        chosen
    }

    /// The child whose URIs are those of a dataset: one that outlives the process, if there is one.
    fn locator(&self, dataset: &DatasetRef) -> Option<&Child> {
        let with_uris = |child: &&Child| child.datastore.capabilities().uris;
        let knowing =
            || self.children.iter().filter(with_uris).filter(|child| child.datastore.knows(dataset));
        knowing().find(|child| !child.datastore.capabilities().ephemeral).or_else(|| knowing().next())
    }

    /// The child where a dataset would be put.
    fn predictor(&self, dataset: &DatasetRef) -> Option<&Child> {
        let accepts = |(_, child): &(usize, &Child)| {
            child.datastore.acceptance(dataset.dataset_type(), Some(dataset.data_id())) != Acceptance::Refused
        };
        let chosen = self.chosen(self.writable().filter(accepts));
        let with_uris =
            || chosen.iter().map(|(_, child)| *child).filter(|child| child.datastore.capabilities().uris);
        with_uris().find(|child| !child.datastore.capabilities().ephemeral).or_else(|| with_uris().next())
    }

    fn not_found(&self, dataset: &DatasetRef) -> Error {
        Error::new(
            ErrorKind::NotFound,
            format!("no child of datastore '{}' has dataset {dataset}", self.name),
        )
    }

    async fn uris_of(&self, dataset: &DatasetRef, predict: bool) -> Result<ArtifactUris> {
        let child = match self.locator(dataset) {
            Some(child) => child,
            None if !predict => return Err(self.not_found(dataset)),
            None => match self.predictor(dataset) {
                Some(child) => child,
                // It would be nowhere that has an address.
                None => return Ok(ArtifactUris::default()),
            },
        };
        let uris = child.datastore.uris(std::slice::from_ref(dataset), predict).await;
        let mut uris = uris.map_err(|error| self.told(child, "could not locate a dataset", error))?;
        uris.pop().ok_or_else(|| Error::new(ErrorKind::Unexpected, "a datastore gave too few answers"))
    }
}

impl Chain {
    fn signer(&self, dataset: &DatasetRef) -> Result<&Child> {
        let mut knowing = self.children.iter().filter(|child| child.datastore.knows(dataset)).peekable();
        if knowing.peek().is_none() {
            return Err(self.not_found(dataset));
        }
        knowing.find(|child| child.datastore.capabilities().signed_uris).ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                format!(
                    "no child of datastore '{}' that has dataset {dataset} can sign addresses",
                    self.name
                ),
            )
        })
    }

    /// Signed by the first child that has the dataset and can.
    async fn signed_uris_of(&self, dataset: &DatasetRef, lifetime: Duration) -> Result<ArtifactUris> {
        let child = self.signer(dataset)?;
        let uris = child.datastore.signed_uris(std::slice::from_ref(dataset), lifetime).await;
        let mut uris = uris.map_err(|error| self.told(child, "could not sign addresses", error))?;
        uris.pop().ok_or_else(|| Error::new(ErrorKind::Unexpected, "a datastore gave too few answers"))
    }
}

#[async_trait]
impl Datastore for ChainedDatastore {
    fn name(&self) -> &ArcStr {
        &self.chain.name
    }

    fn capabilities(&self) -> DatastoreCapabilities {
        let all: Vec<DatastoreCapabilities> =
            self.chain.children.iter().map(|child| child.datastore.capabilities()).collect();
        let modes = |mode: &TransferMode| {
            all.iter().any(|child| child.writable && child.readable && child.transfer_modes.contains(mode))
        };
        let mut capabilities = DatastoreCapabilities::default();
        capabilities.ephemeral = all.iter().all(|child| child.ephemeral);
        capabilities.writable = all.iter().any(|child| child.writable);
        capabilities.readable = all.iter().any(|child| child.readable);
        capabilities.transfer_modes = TransferMode::ALL.into_iter().filter(modes).collect();
        capabilities.archives = all.iter().any(|child| child.archives && child.writable && child.readable);
        capabilities.artifacts = all.iter().any(|child| child.artifacts);
        capabilities.no_clobber = all.iter().all(|child| child.no_clobber || !child.writable);
        capabilities.uris = all.iter().any(|child| child.uris);
        capabilities.signed_uris = all.iter().any(|child| child.signed_uris);
        capabilities
    }

    fn tables(&self) -> Vec<OpaqueTable> {
        self.chain.children.iter().flat_map(|child| child.datastore.tables()).collect()
    }

    fn children(&self) -> Vec<Arc<dyn Datastore>> {
        self.chain.children.iter().map(|child| Arc::clone(&child.datastore)).collect()
    }

    fn places(&self) -> Vec<ArcStr> {
        self.chain.children.iter().flat_map(|child| child.datastore.places()).collect()
    }

    fn acceptance(&self, dataset_type: &DatasetType, data_id: Option<&DataId>) -> Acceptance {
        if !self.chain.constraints.accepts(dataset_type, data_id) {
            return Acceptance::Refused;
        }
        let acceptances = self
            .chain
            .writable()
            .map(|(index, child)| (index, child.datastore.acceptance(dataset_type, data_id)))
            .filter(|(_, acceptance)| *acceptance != Acceptance::Refused);
        let chosen = self.chain.chosen(acceptances);
        match chosen.is_empty() {
            true => Acceptance::Refused,
            false if chosen.iter().all(|(_, acceptance)| *acceptance == Acceptance::Minimal) => {
                Acceptance::Minimal
            }
            false => Acceptance::Expanded,
        }
    }

    fn knows(&self, dataset: &DatasetRef) -> bool {
        self.chain.children.iter().any(|child| child.datastore.knows(dataset))
    }

    async fn prepare_write(&self, requests: Vec<WriteRequest>) -> Result<Box<dyn WriteTransaction>> {
        write::prepare(Arc::clone(&self.chain), requests).await
    }

    async fn prepare_remove(&self, datasets: Vec<DatasetRef>) -> Result<Box<dyn RemoveTransaction>> {
        remove::prepare(Arc::clone(&self.chain), datasets).await
    }

    async fn get(&self, requests: Vec<GetRequest>) -> Vec<Result<Object>> {
        read::get(&self.chain, requests).await
    }

    async fn exists(&self, datasets: &[DatasetRef]) -> Result<Vec<bool>> {
        read::exists(&self.chain, datasets).await
    }

    async fn uris(&self, datasets: &[DatasetRef], predict: bool) -> Result<Vec<ArtifactUris>> {
        let mut all = Vec::with_capacity(datasets.len());
        for dataset in datasets {
            all.push(self.chain.uris_of(dataset, predict).await?);
        }
        Ok(all)
    }

    async fn signed_uris(&self, datasets: &[DatasetRef], lifetime: Duration) -> Result<Vec<ArtifactUris>> {
        let mut all = Vec::with_capacity(datasets.len());
        for dataset in datasets {
            all.push(self.chain.signed_uris_of(dataset, lifetime).await?);
        }
        Ok(all)
    }

    fn recorded_bytes(&self, dataset: &DatasetRef) -> Option<u64> {
        let known = self.chain.children.iter().filter_map(|child| child.datastore.recorded_bytes(dataset));
        known.reduce(|sum, bytes| sum + bytes)
    }

    async fn verify(
        &self,
        books: &dyn Bookkeeper,
        datasets: &[DatasetRef],
        options: &VerifyOptions,
    ) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for child in &self.chain.children {
            let found = child.datastore.verify(books, datasets, options).await;
            findings.extend(found.map_err(|error| self.chain.told(child, "cannot be verified", error))?);
        }
        Ok(findings)
    }

    async fn open(&self, dataset: &DatasetRef) -> Result<Vec<Artifact>> {
        read::open(&self.chain, dataset).await
    }

    async fn recover(&self, books: &dyn Bookkeeper, options: &RecoverOptions) -> Result<Vec<RecoveredEntry>> {
        if !options.dry_run {
            self.chain.refuse_read_only()?;
        }
        let (mut recovered, mut first_error) = (Vec::new(), None);
        for child in &self.chain.children {
            if !options.dry_run && !child.datastore.capabilities().writable {
                continue;
            }
            match child.datastore.recover(books, options).await {
                Ok(entries) => recovered.extend(entries),
                // The others can be dealt with nevertheless.
                Err(error) => {
                    let error = self.chain.told(child, "cannot be recovered", error);
                    tracing::warn!(%error, "a recovery goes on without a child");
                    first_error.get_or_insert(error);
                }
            }
        }
        match first_error {
            Some(error) if recovered.is_empty() => Err(error),
            _ => Ok(recovered),
        }
    }
}
