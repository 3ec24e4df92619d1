//! Mutants of datastores: wrappers that break one behaviour each of a datastore that is right.
//!
//! They are made around the datastore of a harness, so that those who write one can see
//! that the suite finds out what may be wrong with theirs. What they do to files takes a
//! storage in a local directory.

mod answers;
mod disk;
mod flaw;
mod opening;
mod recoveries;
mod removals;
mod verifications;
mod writes;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::datastore::{
    Acceptance, Artifact, ArtifactUris, Bookkeeper, Datastore, DatastoreCapabilities, Finding, GetRequest,
    RecordsByDataset, RecoverOptions, RecoveredEntry, RemoveTransaction, VerifyOptions, WriteRequest,
    WriteTransaction, Written,
};
use butler_core::registry::OpaqueTable;
use butler_core::{DataId, DatasetId, DatasetRef, DatasetType, Object, Result};

use super::{Backstage, CallFaults, DatastoreHarness, Opening, Storage};
use crate::case::Harness;
use crate::mutants::Mutant;
use disk::Disk;
use flaw::Flaw;

/// Mutants of the datastores of a harness, whose storages are local directories.
#[must_use]
pub fn of(harness: Arc<dyn DatastoreHarness>) -> Vec<Mutant<dyn DatastoreHarness>> {
    let mutant = |(flaw, breaks, topics): &(Flaw, &'static str, &'static [&'static str])| Mutant {
        name: format!("{flaw:?}"),
        breaks,
        topics,
        harness: Box::new(Tampered { base: Arc::clone(&harness), flaw: *flaw, name: format!("{flaw:?}") })
            as _,
    };
    Flaw::ALL.iter().map(mutant).collect()
}

/// The datastores of a harness in the surroundings of their mutants, to see that these are not what fails.
#[must_use]
pub fn sound(harness: Arc<dyn DatastoreHarness>) -> Box<dyn DatastoreHarness> {
    Box::new(Tampered { base: harness, flaw: Flaw::None, name: "sound".into() })
}

struct Tampered {
    base: Arc<dyn DatastoreHarness>,
    flaw: Flaw,
    name: String,
}

impl Harness for Tampered {
    fn name(&self) -> &str {
        &self.name
    }

    fn patience(&self) -> Duration {
        self.base.patience()
    }
}

#[async_trait]
impl DatastoreHarness for Tampered {
    async fn storage(&self) -> Result<Box<dyn Storage>> {
        Ok(Box::new(TamperedStorage { storage: self.base.storage().await?, flaw: self.flaw }))
    }

    fn large(&self) -> usize {
        self.base.large()
    }
}

struct TamperedStorage {
    storage: Box<dyn Storage>,
    flaw: Flaw,
}

#[async_trait]
impl Storage for TamperedStorage {
    async fn open(&self, opening: &Opening) -> Result<Arc<dyn Datastore>> {
        let disk = Disk::of(self.storage.backstage().and_then(Backstage::root));
        let (inner, other) = opening::open(self.flaw, &*self.storage, opening, &disk).await?;
        let name = match self.flaw {
            Flaw::NameForgotten => "file".into(),
            _ => inner.name().clone(),
        };
        let (reads, kept) = Default::default();
        Ok(Arc::new(TamperedDatastore { inner, other, disk, flaw: self.flaw, name, reads, kept }))
    }

    fn backstage(&self) -> Option<&dyn Backstage> {
        self.storage.backstage()
    }

    fn faults(&self) -> Option<&CallFaults> {
        self.storage.faults()
    }
}

/// A datastore with a flaw.
#[derive(Clone, Debug)]
struct TamperedDatastore {
    inner: Arc<dyn Datastore>,
    /// The same storage, opened otherwise.
    other: Option<Arc<dyn Datastore>>,
    disk: Disk,
    flaw: Flaw,
    name: ArcStr,
    /// Whether somebody is reading.
    reads: Arc<AtomicBool>,
    /// What was read before.
    kept: Arc<Mutex<HashMap<DatasetId, Object>>>,
}

#[async_trait]
impl Datastore for TamperedDatastore {
    fn name(&self) -> &ArcStr {
        &self.name
    }

    fn capabilities(&self) -> DatastoreCapabilities {
        answers::capabilities(self)
    }

    fn tables(&self) -> Vec<OpaqueTable> {
        answers::tables(self)
    }

    fn children(&self) -> Vec<Arc<dyn Datastore>> {
        self.inner.children()
    }

    fn places(&self) -> Vec<ArcStr> {
        answers::places(self)
    }

    fn acceptance(&self, dataset_type: &DatasetType, data_id: Option<&DataId>) -> Acceptance {
        match self.flaw {
            Flaw::AcceptsAll => Acceptance::Minimal,
            Flaw::AcceptanceByTypeAlone => self.inner.acceptance(dataset_type, None),
            _ => self.inner.acceptance(dataset_type, data_id),
        }
    }

    fn knows(&self, dataset: &DatasetRef) -> bool {
        match self.flaw {
            Flaw::KnowsNothing => false,
            Flaw::KnowsOthers => dataset.records().is_some_and(|records| !records.0.is_empty()),
            _ => self.inner.knows(dataset),
        }
    }

    async fn prepare_write(&self, requests: Vec<WriteRequest>) -> Result<Box<dyn WriteTransaction>> {
        writes::prepare(self, requests).await
    }

    async fn write(&self, requests: Vec<WriteRequest>) -> Result<Written> {
        let mut transaction = self.prepare_write(requests).await?;
        let records = match (transaction.execute().await, self.flaw) {
            (Err(error), Flaw::FailureStays) => return Err(error),
            (Ok(_), Flaw::RecordsForgotten) => Ok(RecordsByDataset::default()),
            (result, _) => result,
        };
        Written::of(transaction, records).await
    }

    async fn prepare_remove(&self, datasets: Vec<DatasetRef>) -> Result<Box<dyn RemoveTransaction>> {
        removals::prepare(self, datasets).await
    }

    async fn get(&self, requests: Vec<GetRequest>) -> Vec<Result<Object>> {
        answers::get(self, requests).await
    }

    async fn exists(&self, datasets: &[DatasetRef]) -> Result<Vec<bool>> {
        answers::exists(self, datasets).await
    }

    async fn uris(&self, datasets: &[DatasetRef], predict: bool) -> Result<Vec<ArtifactUris>> {
        answers::uris(self, datasets, predict).await
    }

    async fn signed_uris(&self, datasets: &[DatasetRef], lifetime: Duration) -> Result<Vec<ArtifactUris>> {
        match self.flaw {
            Flaw::SignsNothing => self.inner.uris(datasets, true).await,
            _ => self.inner.signed_uris(datasets, lifetime).await,
        }
    }

    fn recorded_bytes(&self, dataset: &DatasetRef) -> Option<u64> {
        self.inner.recorded_bytes(dataset)
    }

    async fn verify(
        &self,
        books: &dyn Bookkeeper,
        datasets: &[DatasetRef],
        options: &VerifyOptions,
    ) -> Result<Vec<Finding>> {
        verifications::verify(self, books, datasets, options).await
    }

    async fn open(&self, dataset: &DatasetRef) -> Result<Vec<Artifact>> {
        match self.flaw {
            Flaw::OpensNothing => Ok(Vec::new()),
            Flaw::SizesIgnored => self.inner.open(&answers::without_size(dataset)).await,
            _ => self.inner.open(dataset).await,
        }
    }

    async fn recover(&self, books: &dyn Bookkeeper, options: &RecoverOptions) -> Result<Vec<RecoveredEntry>> {
        recoveries::recover(self, books, options).await
    }
}
