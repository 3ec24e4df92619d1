//! Names of collections, dataset types and datastores, and the surrogate keys that never leave the database.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use arcstr::ArcStr;
use butler_core::backend::{ColumnBatch, Relation, Scalar, SortKey, TableRef, Value};
use butler_core::registry::CollectionQuery;
use butler_core::{
    CollectionInfo, CollectionSummary, CollectionType, DatasetKind, DatasetType, DimensionElement,
    DimensionUniverse, DimensionValue, Error, ErrorKind, Result,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Shared;
use super::layout::{SharedTypeHandle, TypeHandle, calib_table, data_table};
use super::rows::{equal, int, text};
use crate::schema::{COLLECTION, COLLECTION_CHAIN, COLLECTION_GOVERNOR, COLLECTION_SUMMARY, DATASET_TYPE};

/// Collections by key are remembered up to this number.
const COLLECTIONS_MAX: usize = 1 << 17;

/// Values of dimensions that are known to have records are remembered up to this number.
const KNOWN_KEYS_MAX: usize = 1 << 18;

/// A collection with its surrogate key.
#[derive(Clone, Debug)]
pub(crate) struct CollectionHandle {
    pub(crate) id: i64,
    pub(crate) name: ArcStr,
    pub(crate) ty: CollectionType,
}

/// Values of an element's required dimensions that have a record.
pub(crate) type KnownKey = (DimensionElement, Box<[DimensionValue]>);

/// What a transaction found out that stays true: kept once it is committed.
#[derive(Debug, Default)]
pub(crate) struct Learnt {
    pub(crate) collections: Vec<CollectionHandle>,
    pub(crate) types: Vec<SharedTypeHandle>,
    /// Collections and dataset types that are gone.
    pub(crate) removed: bool,
    /// Dimension records never go away.
    pub(crate) keys: Vec<KnownKey>,
    /// Tables of datastores.
    pub(crate) opaque: Vec<TableRef>,
    /// Keys of datastores.
    pub(crate) datastores: Vec<(ArcStr, i64)>,
}

/// Remembered names and keys.
///
/// A surrogate key is never issued twice, so what a key stands for never
/// changes; a name may come to stand for another key when somebody removes and
/// registers it again, which a miss or a write finds out.
#[derive(Debug, Default)]
pub(crate) struct Handles(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    collections: FxHashMap<ArcStr, CollectionHandle>,
    collection_names: FxHashMap<i64, ArcStr>,
    types: FxHashMap<ArcStr, SharedTypeHandle>,
    types_by_id: FxHashMap<i64, SharedTypeHandle>,
    keys: FxHashSet<KnownKey>,
    /// Tables of datastores never change once they are registered.
    opaque: FxHashMap<ArcStr, TableRef>,
    /// Keys of datastores, which never go.
    datastores: FxHashMap<ArcStr, i64>,
}

impl Handles {
    fn read<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps what a transaction found out.
    pub(crate) fn learn(&self, learnt: Learnt) {
        self.write(|known| {
            if learnt.removed {
                known.collections.clear();
                known.collection_names.clear();
                known.types.clear();
                known.types_by_id.clear();
            }
            if known.keys.len() + learnt.keys.len() > KNOWN_KEYS_MAX {
                known.keys.clear();
            }
            known.keys.extend(learnt.keys);
            known.opaque.extend(learnt.opaque.into_iter().map(|table| (table.name.clone(), table)));
            known.datastores.extend(learnt.datastores);
            known.add_collections(learnt.collections);
            known.add_types(learnt.types);
        });
    }

    /// Forgets everything that others may have changed.
    pub(crate) fn forget(&self) {
        self.write(|known| {
            let Known { keys, opaque, datastores, .. } = std::mem::take(known);
            *known = Known { keys, opaque, datastores, ..Known::default() };
        });
    }

    /// A datastore's table, if it is remembered.
    pub(crate) fn opaque_table(&self, name: &str) -> Option<TableRef> {
        self.read(|known| known.opaque.get(name).cloned())
    }

    /// Key of a datastore, if it is remembered.
    pub(crate) fn datastore(&self, name: &str) -> Option<i64> {
        self.read(|known| known.datastores.get(name).copied())
    }

    /// A dataset type by its key, if it is remembered.
    pub(crate) fn type_by_id(&self, id: i64) -> Option<SharedTypeHandle> {
        self.read(|known| known.types_by_id.get(&id).cloned())
    }

    /// Remembers a datastore's table.
    pub(crate) fn know_opaque_table(&self, table: TableRef) {
        self.write(|known| known.opaque.insert(table.name.clone(), table));
    }

    /// Whether values of dimensions are known to have a record.
    pub(crate) fn knows_key(&self, key: &KnownKey) -> bool {
        self.read(|known| known.keys.contains(key))
    }
}

impl Known {
    fn add_collections(&mut self, handles: impl IntoIterator<Item = CollectionHandle>) {
        for handle in handles {
            if self.collections.len() >= COLLECTIONS_MAX {
                self.collections.clear();
                self.collection_names.clear();
            }
            self.collection_names.insert(handle.id, handle.name.clone());
            self.collections.insert(handle.name.clone(), handle);
        }
    }

    fn add_types(&mut self, handles: impl IntoIterator<Item = SharedTypeHandle>) {
        for handle in handles {
            self.types_by_id.insert(handle.id, Arc::clone(&handle));
            self.types.insert(handle.definition.name().clone(), handle);
        }
    }
}

/// Rows of collections of these names, or of all.
pub(crate) fn collection_rows(names: Option<&[ArcStr]>) -> Relation {
    by_name(COLLECTION.scan(), names)
}

/// Rows of dataset types of these names, or of all.
pub(crate) fn type_rows(names: Option<&[ArcStr]>) -> Relation {
    by_name(DATASET_TYPE.scan(), names)
}

/// Whether a column has one of some names; no name contains NUL, which databases must not be asked for.
pub(crate) fn named(column: &'static str, names: &[ArcStr]) -> Scalar {
    let possible = names.iter().filter(|name| !name.contains('\0')).cloned();
    Scalar::column(column).is_in(possible.map(Value::Text).collect())
}

fn by_name(relation: Relation, names: Option<&[ArcStr]>) -> Relation {
    match names {
        None => relation,
        Some(names) => relation.filter(named("name", names)),
    }
}

/// Collections of a batch of [`collection_rows`], with their documentation.
pub(crate) fn read_collections(batch: &ColumnBatch) -> Result<Vec<(CollectionHandle, ArcStr)>> {
    let (id, name) = (batch.column("collection_id")?, batch.column("name")?);
    let (ty, doc) = (batch.column("type")?, batch.column("doc")?);
    (0..batch.len())
        .map(|row| {
            let handle = CollectionHandle {
                id: int(id, row)?,
                name: text(name, row)?.into(),
                ty: CollectionType::from_code(int(ty, row)?)?,
            };
            Ok((handle, text(doc, row)?.into()))
        })
        .collect()
}

/// Dataset types of a batch of [`type_rows`].
pub(crate) fn read_types(universe: DimensionUniverse, batch: &ColumnBatch) -> Result<Vec<SharedTypeHandle>> {
    let column = |name| batch.column(name);
    let (id, name, kind) = (column("dataset_type_id")?, column("name")?, column("kind")?);
    let (dimensions, class) = (column("dimensions")?, column("storage_class")?);
    let (is_calibration, genre) = (column("is_calibration")?, column("genre")?);
    let (data, calib) = (column("data_table")?, column("calib_table")?);
    (0..batch.len())
        .map(|row| {
            let kind: DatasetKind = text(kind, row)?.parse()?;
            let names = text(dimensions, row)?;
            let group = universe.conform(names.split(',').filter(|name| !name.is_empty()))?;
            let definition = DatasetType::new(text(name, row)?, group, text(class, row)?)?
                .with_is_calibration(is_calibration.bool(row).unwrap_or_default())
                .with_kind(kind)
                .with_genre(genre.text(row).map(ArcStr::from));
            Ok(Arc::new(TypeHandle {
                id: int(id, row)?,
                definition,
                data: data_table(text(data, row)?, group, kind),
                calib: calib.text(row).map(|name| calib_table(name, group, kind)),
            }))
        })
        .collect()
}

/// Collections as a registry describes them, in the order in which they were registered.
pub(crate) async fn collections(shared: &Shared, query: CollectionQuery) -> Result<Vec<CollectionInfo>> {
    let rows = match (&query.names, query.descendants) {
        (Some(names), true) => with_descendants(names),
        (names, _) => collection_rows(names.as_deref()),
    };
    let mut found = Vec::new();
    for batch in shared.collect(rows.sort(vec![SortKey::ascending("collection_id")])).await? {
        found.extend(read_collections(&batch)?);
    }
    let everything = query.names.is_none();
    let chains: Vec<i64> = ids_of(&found, |ty| ty == CollectionType::Chained);
    let mut children = chain_children(shared, &chains, everything).await?;
    let mut summaries = if query.summaries {
        let others = ids_of(&found, |ty| ty != CollectionType::Chained);
        summaries(shared, &others, everything).await?
    } else {
        HashMap::new()
    };
    shared.handles.write(|known| known.add_collections(found.iter().map(|(handle, _)| handle.clone())));
    Ok(found
        .into_iter()
        .map(|(handle, doc)| CollectionInfo {
            children: children.remove(&handle.id).unwrap_or_default(),
            summary: (query.summaries && handle.ty != CollectionType::Chained)
                .then(|| summaries.remove(&handle.id).unwrap_or_default()),
            name: handle.name,
            ty: handle.ty,
            doc,
        })
        .collect())
}

fn ids_of(found: &[(CollectionHandle, ArcStr)], wanted: impl Fn(CollectionType) -> bool) -> Vec<i64> {
    found.iter().filter(|(handle, _)| wanted(handle.ty)).map(|(handle, _)| handle.id).collect()
}

/// Collections of these names and everything below them.
fn with_descendants(names: &[ArcStr]) -> Relation {
    let seeds = collection_rows(Some(names)).rename([("reached", "collection_id")]);
    let edges = COLLECTION_CHAIN.scan().select(["parent_id", "child_id"]);
    let reached = Relation::Closure {
        seeds: Box::new(seeds),
        edges: Box::new(edges),
        from: vec!["parent_id".into()],
        to: vec!["child_id".into()],
        max_depth: None,
    };
    COLLECTION.scan().semi(reached, equal([("collection_id", "reached")]))
}

/// A relation restricted to rows whose column is one of a few integers.
fn among(relation: Relation, column: &str, ids: &[i64], everything: bool) -> Relation {
    if everything {
        return relation;
    }
    relation.filter(Scalar::column(column).is_in(ids.iter().map(|&id| Value::Int(id)).collect()))
}

async fn chain_children(
    shared: &Shared,
    chains: &[i64],
    everything: bool,
) -> Result<HashMap<i64, Vec<ArcStr>>> {
    let mut children: HashMap<i64, Vec<ArcStr>> = HashMap::new();
    if chains.is_empty() {
        return Ok(children);
    }
    let names = COLLECTION.scan().select(["collection_id", "name"]);
    let rows = among(COLLECTION_CHAIN.scan(), "parent_id", chains, everything)
        .join(names, equal([("child_id", "collection_id")]))
        .select(["parent_id", "position", "name"])
        .sort(vec![SortKey::ascending("parent_id"), SortKey::ascending("position")]);
    for batch in shared.collect(rows).await? {
        let (parent, name) = (batch.column("parent_id")?, batch.column("name")?);
        for row in 0..batch.len() {
            children.entry(int(parent, row)?).or_default().push(text(name, row)?.into());
        }
    }
    Ok(children)
}

async fn summaries(
    shared: &Shared,
    ids: &[i64],
    everything: bool,
) -> Result<HashMap<i64, CollectionSummary>> {
    let mut summaries: HashMap<i64, CollectionSummary> = HashMap::new();
    if ids.is_empty() {
        return Ok(summaries);
    }
    let types = DATASET_TYPE.scan().rename([("type_id", "dataset_type_id"), ("name", "name")]);
    let rows = among(COLLECTION_SUMMARY.scan(), "collection_id", ids, everything)
        .join(types, equal([("dataset_type_id", "type_id")]))
        .select(["collection_id", "name"]);
    for batch in shared.collect(rows).await? {
        let (id, name) = (batch.column("collection_id")?, batch.column("name")?);
        for row in 0..batch.len() {
            summaries.entry(int(id, row)?).or_default().dataset_types.insert(text(name, row)?.into());
        }
    }
    for batch in shared.collect(among(COLLECTION_GOVERNOR.scan(), "collection_id", ids, everything)).await? {
        let (id, governor, value) =
            (batch.column("collection_id")?, batch.column("governor")?, batch.column("value")?);
        for row in 0..batch.len() {
            let governors = &mut summaries.entry(int(id, row)?).or_default().governors;
            governors.entry(text(governor, row)?.into()).or_default().insert(text(value, row)?.into());
        }
    }
    Ok(summaries)
}

/// Dataset types with their keys and tables, in the order in which they were registered.
pub(crate) async fn dataset_types(
    shared: &Shared,
    names: Option<&[ArcStr]>,
) -> Result<Vec<SharedTypeHandle>> {
    let rows = type_rows(names).sort(vec![SortKey::ascending("dataset_type_id")]);
    let mut found = Vec::new();
    for batch in shared.collect(rows).await? {
        found.extend(read_types(shared.universe, &batch)?);
    }
    shared.handles.write(|known| known.add_types(found.iter().cloned()));
    Ok(found)
}

impl Shared {
    /// A dataset type with its key and tables, as far as it is remembered or registered.
    pub(crate) async fn type_handle(&self, definition: &DatasetType) -> Result<SharedTypeHandle> {
        let name = definition.name();
        let known = self.handles.read(|known| known.types.get(name).cloned());
        if let Some(handle) = known.filter(|handle| handle.definition.group() == definition.group()) {
            return Ok(handle);
        }
        dataset_types(self, Some(std::slice::from_ref(name))).await?.pop().ok_or_else(|| {
            Error::new(ErrorKind::MissingDatasetType, format!("dataset type '{name}' is not registered"))
        })
    }

    /// Dataset types by surrogate key.
    pub(crate) async fn type_handles_by_id(&self, ids: &[i64]) -> Result<FxHashMap<i64, SharedTypeHandle>> {
        let look = |known: &Known| -> FxHashMap<i64, SharedTypeHandle> {
            ids.iter()
                .filter_map(|id| known.types_by_id.get(id).map(|handle| (*id, Arc::clone(handle))))
                .collect()
        };
        let found = self.handles.read(look);
        if found.len() == ids.len() {
            return Ok(found);
        }
        dataset_types(self, None).await?;
        Ok(self.handles.read(look))
    }

    /// Collections by name; those that are not there are left out.
    pub(crate) async fn collection_handles(
        &self,
        names: &[ArcStr],
    ) -> Result<FxHashMap<ArcStr, CollectionHandle>> {
        let mut found: FxHashMap<ArcStr, CollectionHandle> = FxHashMap::default();
        let missing: Vec<ArcStr> = self.handles.read(|known| {
            names
                .iter()
                .filter(|name| match known.collections.get(*name) {
                    Some(handle) => {
                        found.insert((*name).clone(), handle.clone());
                        false
                    }
                    None => true,
                })
                .cloned()
                .collect()
        });
        if !missing.is_empty() {
            for batch in self.collect(collection_rows(Some(&missing))).await? {
                for (handle, _) in read_collections(&batch)? {
                    self.handles.write(|known| known.add_collections([handle.clone()]));
                    found.insert(handle.name.clone(), handle);
                }
            }
        }
        Ok(found)
    }

    /// Collections by surrogate key.
    pub(crate) async fn collections_by_id(&self, ids: &[i64]) -> Result<FxHashMap<i64, CollectionHandle>> {
        let names: Vec<ArcStr> = self.collection_names(ids).await?.into_values().collect();
        Ok(self.collection_handles(&names).await?.into_values().map(|handle| (handle.id, handle)).collect())
    }

    /// Names of collections by surrogate key.
    pub(crate) async fn collection_names(&self, ids: &[i64]) -> Result<FxHashMap<i64, ArcStr>> {
        let mut found: FxHashMap<i64, ArcStr> = FxHashMap::default();
        let missing: Vec<i64> = self.handles.read(|known| {
            ids.iter()
                .copied()
                .filter(|id| match known.collection_names.get(id) {
                    Some(name) => {
                        found.insert(*id, name.clone());
                        false
                    }
                    None => true,
                })
                .collect()
        });
        if !missing.is_empty() {
            for batch in self.collect(among(COLLECTION.scan(), "collection_id", &missing, false)).await? {
                for (handle, _) in read_collections(&batch)? {
                    found.insert(handle.id, handle.name.clone());
                    self.handles.write(|known| known.add_collections([handle]));
                }
            }
        }
        Ok(found)
    }
}
