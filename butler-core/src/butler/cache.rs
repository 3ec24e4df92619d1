//! What a Butler remembers of names, so that it need not ask again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use arcstr::ArcStr;
use quick_cache::sync::Cache;

use crate::collection::CollectionSearch;
use crate::dataset::DatasetType;
use crate::registry::Operation;

/// Greatest number of dataset types that are remembered.
const TYPES: usize = 10_000;

/// Greatest number of lists of collections whose flattened search is remembered.
const SEARCHES: usize = 1_000;

/// Dataset types and searches by name.
///
/// Own changes are seen at once. Changes by others are seen when something is
/// missed: a name that is not here, a dataset that is not found. The caches are made when they are first used, as
/// that asks the system how many processors there are, and many commands remember nothing.
#[derive(Debug)]
pub(super) struct Names {
    types: LazyLock<Cache<ArcStr, DatasetType>>,
    searches: LazyLock<Cache<Arc<[ArcStr]>, Arc<CollectionSearch>>>,
    /// Grows with each change, so that an answer from before it is not remembered after it.
    generation: AtomicU64,
}

/// A moment in the history of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation(pub(super) u64);

impl Default for Names {
    fn default() -> Self {
        Self {
            types: LazyLock::new(|| Cache::new(TYPES)),
            searches: LazyLock::new(|| Cache::new(SEARCHES)),
            generation: AtomicU64::new(0),
        }
    }
}

impl Names {
    pub(super) fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    pub(super) fn dataset_type(&self, name: &str) -> Option<DatasetType> {
        self.types.get(name)
    }

    /// Remembers a dataset type that was asked for at some moment.
    pub(super) fn remember_type(&self, dataset_type: DatasetType, asked: Generation) {
        let name = dataset_type.name().clone();
        self.types.insert(name.clone(), dataset_type);
        if self.generation() != asked {
            self.types.remove(&name);
        }
    }

    pub(super) fn search(&self, names: &[ArcStr]) -> Option<Arc<CollectionSearch>> {
        self.searches.get(names)
    }

    /// Remembers a search that was asked for at some moment.
    pub(super) fn remember_search(&self, names: &[ArcStr], search: Arc<CollectionSearch>, asked: Generation) {
        self.searches.insert(names.into(), search);
        if self.generation() != asked {
            self.searches.remove(names);
        }
    }

    /// Forgets what the operations of a batch may have changed.
    pub(super) fn forget_changed<'a>(&self, operations: impl IntoIterator<Item = &'a Operation>) {
        // What is new was not remembered.
        let changes = |operation| matches!(operation, &Operation::EditChain { .. } | &Operation::Remove(_));
        if operations.into_iter().any(changes) {
            self.forget_all();
        }
    }

    pub(super) fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.types.clear();
        self.searches.clear();
    }
}
