//! Which datastores have what: the bridges of the datastores that the Butler's consists of.

use std::sync::Arc;

use arcstr::ArcStr;

use super::Butler;
use crate::dataset::{DatasetId, DatasetRef};
use crate::datastore::{Datastore, WriteRequest};
use crate::registry::{DatastoreBridge, DatastoreBridgeManager, Registry};
use crate::{Error, ErrorKind, Result};

/// The bridges of all datastores, and the ephemeral datastores, which tell no registry what they have.
#[derive(Debug)]
pub(super) struct Places {
    bridges: DatastoreBridgeManager,
    ephemeral: Vec<(DatastoreBridge, Arc<dyn Datastore>)>,
}

impl Places {
    /// Registers the datastores that one consists of.
    pub(super) async fn initialize(
        registry: Arc<dyn Registry>,
        datastore: &Arc<dyn Datastore>,
    ) -> Result<Self> {
        let bridges = DatastoreBridgeManager::initialize(registry).await?;
        let mut ephemeral = Vec::new();
        let mut open = vec![Arc::clone(datastore)];
        while let Some(datastore) = open.pop() {
            let children = datastore.children();
            if children.is_empty() {
                // What has tables is known to the registry, however long it lasts.
                let ephemeral_only = datastore.capabilities().ephemeral && datastore.tables().is_empty();
                let bridge = bridges.register(datastore.name(), ephemeral_only)?;
                if bridge.is_ephemeral() {
                    ephemeral.push((bridge, datastore));
                }
            }
            open.extend(children);
        }
        Ok(Self { bridges, ephemeral })
    }

    pub(super) fn bridges(&self) -> &DatastoreBridgeManager {
        &self.bridges
    }

    /// The bridge of a datastore that has records.
    pub(super) fn bridge(&self, name: &ArcStr) -> Option<DatastoreBridge> {
        // One that a datastore keeps records for, without being told as a child, is persistent.
        self.bridges.get(name).or_else(|| self.bridges.register(name, false).ok())
    }

    /// Datasets whose places in memory may change.
    pub(super) fn moved(&self, requests: &[WriteRequest], unstored: &[DatasetRef]) -> Vec<DatasetRef> {
        if self.ephemeral.is_empty() {
            return Vec::new();
        }
        requests.iter().flat_map(WriteRequest::datasets).chain(unstored).cloned().collect()
    }

    /// Remembers which of them are in which memory now.
    pub(super) fn remember(&self, moved: &[DatasetRef]) {
        for (bridge, datastore) in &self.ephemeral {
            let (there, gone): (Vec<&DatasetRef>, Vec<&DatasetRef>) =
                moved.iter().partition(|dataset| datastore.knows(dataset));
            let ids = |datasets: Vec<&DatasetRef>| datasets.into_iter().map(DatasetRef::id).collect();
            let told = (bridge.insert(ids(there), Vec::new()), bridge.remove(ids(gone), Vec::new()));
            debug_assert_eq!(told, (None, None), "no registry hears of what is in memory");
        }
    }

    /// Of an error that datasets are stored, and cannot go: by whom, if configuration does not know them.
    pub(super) async fn explained(&self, error: Error, gone: &[DatasetId]) -> Error {
        if error.kind() != ErrorKind::OrphanedRecord || gone.is_empty() {
            return error;
        }
        let Ok(found) = self.bridges.find_datastores(gone).await else { return error };
        let stranger = found.into_iter().flatten().find(|name| self.bridges.get(name).is_none());
        match stranger {
            None => error,
            Some(name) => Error::new(
                ErrorKind::OrphanedRecord,
                format!("datastore '{name}', which configuration does not have, has artifacts of datasets that are to go"),
            )
            .with_hint("add the datastore to the configuration")
            .with_source(error),
        }
    }
}

impl Butler {
    /// The bridges between the registry and the datastores.
    #[must_use]
    pub fn bridges(&self) -> &DatastoreBridgeManager {
        self.inner.places.bridges()
    }

    /// Names of the datastores that have artifacts of datasets, in the order asked for; also of such
    /// that configuration does not have any more.
    ///
    /// # Errors
    /// `Connection` and the like.
    pub async fn datastores_of(&self, datasets: &[DatasetRef]) -> Result<Vec<Vec<ArcStr>>> {
        let ids: Vec<DatasetId> = datasets.iter().map(DatasetRef::id).collect();
        self.inner.places.bridges().find_datastores(&ids).await
    }
}
