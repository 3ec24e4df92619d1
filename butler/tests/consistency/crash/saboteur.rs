//! Datastores that break the protocol, each in one way.

use std::path::PathBuf;
use std::sync::Arc;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler::datastore::{
    Acceptance, Artifact, ArtifactUris, Bookkeeper, Datastore, DatastoreCapabilities, Finding, GetRequest,
    RecordsByDataset, RecoverOptions, RecoveredEntry, RemoveTransaction, VerifyOptions, WriteRequest,
    WriteTransaction,
};
use butler::registry::OpaqueTable;
use butler::{
    ButlerBuilder, DataId, DatasetRef, DatasetType, DatastoreContext, DatastoreFactory, Object, Result,
    Section,
};

/// What is done wrong.
pub(super) const FLAWS: [&str; 5] = [
    // Bytes are moved that no entry names.
    "write without an entry",
    // The entry goes as soon as the bytes are there.
    "entry gone before the commit",
    // Artifacts go before the registry has said that they do.
    "delete before the commit",
    // The registry's transaction does not tell that it was committed.
    "commit without a claim",
    // What is removed is not announced.
    "removal without an entry",
];

/// A builder whose file datastore has a flaw.
pub(super) fn builder(flaw: &str) -> ButlerBuilder {
    let flaw = FLAWS.into_iter().find(|known| *known == flaw).unwrap();
    let mut factories = butler::factories();
    factories.add_datastore("file", Arc::new(Factory(flaw)));
    ButlerBuilder::new(Arc::new(factories), Arc::new(butler::FileSource))
        .formatters(butler::formatters())
        .environment(std::env::vars())
}

#[derive(Debug)]
struct Factory(&'static str);

impl DatastoreFactory for Factory {
    fn build(&self, section: &Section<'_>, context: &DatastoreContext) -> Result<Arc<dyn Datastore>> {
        let honest = butler::factories().datastore("file")?.build(section, context)?;
        Ok(Arc::new(Saboteur { honest, flaw: self.0 }))
    }
}

#[derive(Debug)]
struct Saboteur {
    honest: Arc<dyn Datastore>,
    flaw: &'static str,
}

fn delete_entries(names: &[ArcStr], action: &str) {
    let place = PathBuf::from(std::env::var_os(super::PLACE).unwrap()).join("repo/.butler/journal");
    for name in names {
        std::fs::remove_file(place.join(format!("{name}.{action}.jsonl"))).unwrap();
    }
}

#[async_trait]
impl Datastore for Saboteur {
    fn name(&self) -> &ArcStr {
        self.honest.name()
    }

    fn capabilities(&self) -> DatastoreCapabilities {
        self.honest.capabilities()
    }

    fn tables(&self) -> Vec<OpaqueTable> {
        self.honest.tables()
    }

    fn children(&self) -> Vec<Arc<dyn Datastore>> {
        self.honest.children()
    }

    fn places(&self) -> Vec<ArcStr> {
        self.honest.places()
    }

    fn acceptance(&self, dataset_type: &DatasetType, data_id: Option<&DataId>) -> Acceptance {
        self.honest.acceptance(dataset_type, data_id)
    }

    async fn prepare_write(&self, requests: Vec<WriteRequest>) -> Result<Box<dyn WriteTransaction>> {
        let honest = self.honest.prepare_write(requests).await?;
        if self.flaw == "write without an entry" {
            delete_entries(&honest.entries(), "put");
        }
        Ok(Box::new(Write { honest, flaw: self.flaw }))
    }

    async fn prepare_remove(&self, datasets: Vec<DatasetRef>) -> Result<Box<dyn RemoveTransaction>> {
        let mut uris = Vec::new();
        for dataset in datasets.iter().filter(|_| self.flaw == "delete before the commit") {
            // What is not stored is nowhere.
            uris.extend(self.honest.uris(std::slice::from_ref(dataset), false).await.unwrap_or_default());
        }
        let honest = self.honest.prepare_remove(datasets).await?;
        if self.flaw == "removal without an entry" {
            delete_entries(&honest.entries(), "remove");
        }
        for uri in uris.iter().filter_map(|uris| uris.primary.as_deref()) {
            let _ = std::fs::remove_file(uri.strip_prefix("file://").unwrap());
        }
        Ok(Box::new(Remove { honest, flaw: self.flaw }))
    }

    async fn get(&self, requests: Vec<GetRequest>) -> Vec<Result<Object>> {
        self.honest.get(requests).await
    }

    async fn exists(&self, datasets: &[DatasetRef]) -> Result<Vec<bool>> {
        self.honest.exists(datasets).await
    }

    async fn uris(&self, datasets: &[DatasetRef], predict: bool) -> Result<Vec<ArtifactUris>> {
        self.honest.uris(datasets, predict).await
    }

    async fn verify(
        &self,
        books: &dyn Bookkeeper,
        datasets: &[DatasetRef],
        options: &VerifyOptions,
    ) -> Result<Vec<Finding>> {
        self.honest.verify(books, datasets, options).await
    }

    async fn open(&self, dataset: &DatasetRef) -> Result<Vec<Artifact>> {
        self.honest.open(dataset).await
    }

    async fn recover(&self, books: &dyn Bookkeeper, options: &RecoverOptions) -> Result<Vec<RecoveredEntry>> {
        self.honest.recover(books, options).await
    }
}

struct Write {
    honest: Box<dyn WriteTransaction>,
    flaw: &'static str,
}

#[async_trait]
impl WriteTransaction for Write {
    fn entries(&self) -> Vec<ArcStr> {
        if self.flaw == "commit without a claim" { Vec::new() } else { self.honest.entries() }
    }

    async fn execute(&mut self) -> Result<RecordsByDataset> {
        let records = self.honest.execute().await?;
        if self.flaw == "entry gone before the commit" {
            delete_entries(&self.honest.entries(), "put");
        }
        Ok(records)
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.honest.commit().await
    }

    async fn roll_back(self: Box<Self>) -> Result<()> {
        self.honest.roll_back().await
    }
}

struct Remove {
    honest: Box<dyn RemoveTransaction>,
    flaw: &'static str,
}

#[async_trait]
impl RemoveTransaction for Remove {
    fn entries(&self) -> Vec<ArcStr> {
        if self.flaw == "commit without a claim" { Vec::new() } else { self.honest.entries() }
    }

    async fn commit(self: Box<Self>, books: &dyn Bookkeeper) -> Result<()> {
        self.honest.commit(books).await
    }

    async fn roll_back(self: Box<Self>) -> Result<()> {
        self.honest.roll_back().await
    }
}
