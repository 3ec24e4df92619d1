//! The bridge between registry and datastores: which datastores have artifacts of which datasets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use arcstr::ArcStr;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{OpaqueFetch, OpaqueRows, Operation, Registry};
use crate::backend::Value;
use crate::dataset::DatasetId;
use crate::{Error, ErrorKind, Result};

/// Which datastores have artifacts of which datasets, in a registry and in memory.
///
/// Each datastore has a bridge. That of a persistent one is a thin view: changes are
/// [operations](Operation) for a batch, and questions are asked of the registry. What an ephemeral one has is
/// gone with the process, and so its bridge is a set in memory, which no registry hears of.
#[derive(Debug)]
pub struct DatastoreBridgeManager {
    registry: Arc<dyn Registry>,
    /// Whether the registry says of which version it is.
    versioned: bool,
    bridges: RwLock<BTreeMap<ArcStr, DatastoreBridge>>,
}

/// What one datastore has; clones share it.
#[derive(Clone, Debug)]
pub struct DatastoreBridge {
    name: ArcStr,
    /// Of an ephemeral one.
    remembered: Option<Arc<Mutex<FxHashSet<DatasetId>>>>,
}

impl DatastoreBridgeManager {
    /// Table of all locations, with the columns `origin` and `id` of the dataset, and `datastore`, a name: it
    /// can be [fetched](Registry::fetch_opaque) like those of datastores.
    pub const TABLE: &str = "dataset_location";

    /// Attribute of the registry with the version.
    pub const ATTRIBUTE: &str = "bridge_version";

    /// Version of what bridges write to a registry.
    pub const VERSION: u32 = 1;

    /// A manager without bridges, on a registry.
    ///
    /// # Errors
    /// `SchemaVersion` if newer bridges wrote to the registry; `Connection` and the like.
    pub async fn initialize(registry: Arc<dyn Registry>) -> Result<Self> {
        let found = registry.attributes(Some(vec![Self::ATTRIBUTE.into()])).await?;
        let found = found.into_iter().find(|(key, _)| key == Self::ATTRIBUTE);
        if let Some((_, version)) = &found {
            check_version(version)?;
        }
        Ok(Self { registry, versioned: found.is_some(), bridges: RwLock::default() })
    }

    /// What the first transaction of a session has to say.
    #[must_use]
    pub fn preamble(&self) -> Option<Operation> {
        let value = || Self::VERSION.to_string().into();
        (!self.versioned).then(|| Operation::SetAttribute { key: Self::ATTRIBUTE.into(), value: value() })
    }

    /// The bridge of a datastore, new or as it is.
    ///
    /// The name of a persistent one is written down with its [tables](Operation::RegisterOpaque).
    ///
    /// # Errors
    /// `ConflictingDefinition` if the name is that of a datastore that is ephemeral, and this one is not, or
    /// the other way round.
    pub fn register(&self, name: &ArcStr, ephemeral: bool) -> Result<DatastoreBridge> {
        let mut bridges = self.bridges.write().unwrap_or_else(PoisonError::into_inner);
        let bridge = bridges.entry(name.clone()).or_insert_with(|| DatastoreBridge {
            name: name.clone(),
            remembered: ephemeral.then(Arc::default),
        });
        if bridge.is_ephemeral() == ephemeral {
            return Ok(bridge.clone());
        }
        Err(Error::new(
            ErrorKind::ConflictingDefinition,
            format!("two datastores are called '{name}', one ephemeral and one not"),
        )
        .with_hint("give one of them another name"))
    }

    /// The bridge of a datastore that was registered.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<DatastoreBridge> {
        self.bridges.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Names of the datastores that have artifacts of datasets, in order: those that the registry knows, registered
    /// here or not, and the ephemeral ones of this manager.
    ///
    /// Answers come in the order of the questions; a dataset that is nowhere has none.
    ///
    /// # Errors
    /// As [`Registry::fetch_opaque`].
    pub async fn find_datastores(&self, datasets: &[DatasetId]) -> Result<Vec<Vec<ArcStr>>> {
        if datasets.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = self.persistent(datasets).await?;
        let bridges = self.bridges.read().unwrap_or_else(PoisonError::into_inner);
        for bridge in bridges.values() {
            let Some(remembered) = bridge.remembered() else { continue };
            for id in datasets.iter().filter(|id| remembered.contains(id)) {
                found.entry(*id).or_default().push(bridge.name.clone());
            }
        }
        for names in found.values_mut() {
            names.sort_unstable();
            names.dedup();
        }
        Ok(datasets.iter().map(|id| found.get(id).cloned().unwrap_or_default()).collect())
    }

    async fn persistent(&self, datasets: &[DatasetId]) -> Result<FxHashMap<DatasetId, Vec<ArcStr>>> {
        let key = |id: &DatasetId| -> Box<[Value]> { [id.origin().into(), id.id().into()].into() };
        let fetch = OpaqueFetch {
            table: Self::TABLE.into(),
            columns: vec!["origin".into(), "id".into()],
            keys: Some(datasets.iter().map(key).collect()),
        };
        let mut found: FxHashMap<DatasetId, Vec<ArcStr>> = FxHashMap::default();
        for rows in self.registry.fetch_opaque(vec![fetch]).await? {
            let (origins, ids, names) =
                (rows.column("origin")?, rows.column("id")?, rows.column("datastore")?);
            for row in 0..rows.len() {
                let (Some(origin), Some(id)) = (origins.int(row), ids.int(row)) else { continue };
                let id = DatasetId::from_parts(origin, id)?;
                found.entry(id).or_default().extend(names.text(row).map(ArcStr::from));
            }
        }
        Ok(found)
    }

    /// Forgets what the registry has cached, so that changes by others are seen.
    pub fn refresh(&self) {
        self.registry.refresh();
    }

    /// The same datastores on another registry; what the ephemeral ones have is unknown there.
    ///
    /// # Errors
    /// As [`initialize`](Self::initialize).
    pub async fn clone_onto(&self, registry: Arc<dyn Registry>) -> Result<Self> {
        let clone = Self::initialize(registry).await?;
        let bridges: Vec<DatastoreBridge> =
            self.bridges.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for bridge in bridges {
            clone.register(&bridge.name, bridge.is_ephemeral())?;
        }
        Ok(clone)
    }
}

fn check_version(version: &str) -> Result<()> {
    let known = DatastoreBridgeManager::VERSION;
    match version.parse::<u32>() {
        Ok(version) if version <= known => Ok(()),
        Ok(version) => Err(Error::new(
            ErrorKind::SchemaVersion,
            format!(
                "the repository's bridge to datastores has version {version}, and this program has {known}"
            ),
        )
        .with_hint("use a newer version of this program")),
        Err(_) => Err(Error::new(
            ErrorKind::Corrupt,
            format!("'{}' is no version of a bridge to datastores", version.escape_debug()),
        )),
    }
}

impl DatastoreBridge {
    /// Name of the datastore.
    #[must_use]
    pub fn name(&self) -> &ArcStr {
        &self.name
    }

    /// Whether what the datastore has is gone with the process.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        self.remembered.is_some()
    }

    fn remembered(&self) -> Option<MutexGuard<'_, FxHashSet<DatasetId>>> {
        // Each change is one call on the set: a panic elsewhere leaves it whole.
        Some(self.remembered.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says that the datastore has artifacts of datasets: now, if it is ephemeral; otherwise when the operation is applied.
    #[must_use = "a registry has to be told"]
    pub fn insert(&self, datasets: Vec<DatasetId>, rows: Vec<OpaqueRows>) -> Option<Operation> {
        if let Some(mut remembered) = self.remembered() {
            remembered.extend(datasets);
            return None;
        }
        Some(Operation::InsertArtifacts { datastore: self.name.clone(), datasets, rows })
    }

    /// Says that the datastore has no artifacts of datasets any more, as [`insert`](Self::insert).
    #[must_use = "a registry has to be told"]
    pub fn remove(&self, datasets: Vec<DatasetId>, tables: Vec<ArcStr>) -> Option<Operation> {
        if let Some(mut remembered) = self.remembered() {
            datasets.iter().for_each(|id| {
                remembered.remove(id);
            });
            return None;
        }
        Some(Operation::RemoveArtifacts { datastore: self.name.clone(), datasets, tables })
    }
}
