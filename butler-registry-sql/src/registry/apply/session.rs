//! What the operations of one transaction share.

use arcstr::ArcStr;
use butler_core::backend::{ColumnType, Relation, Strength, TableRef, Transaction, Value};
use butler_core::registry::{Operation, RegistryBatch, Removal};
use butler_core::{
    CollectionType, DatasetId, DatasetType, DimensionUniverse, Error, ErrorKind, Result, suggest,
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::registry::Shared;
use crate::registry::catalog::{
    CollectionHandle, KnownKey, Learnt, collection_rows, named, read_collections, read_types, type_rows,
};
use crate::registry::layout::SharedTypeHandle;
use crate::registry::opaque::read_spec;
use crate::registry::rows::{batch, collect, int, is, row, text};
use crate::schema::{COLLECTION, DATASET_TYPE, DATASTORE, OPAQUE_TABLE, REPO_ATTRIBUTE};

/// A transaction with what is known in it: named rows are read, and locked, once.
pub(super) struct Session<'a> {
    pub(super) tx: &'a mut dyn Transaction,
    pub(super) shared: &'a Shared,
    collections: FxHashMap<ArcStr, Option<CollectionHandle>>,
    types: FxHashMap<ArcStr, Option<SharedTypeHandle>>,
    locked: FxHashSet<(i64, bool, Strength)>,
    keys: FxHashSet<KnownKey>,
    /// Datasets that this transaction inserted, if that is of interest.
    fresh: Option<FxHashSet<DatasetId>>,
    opaque: Vec<TableRef>,
    datastores: Vec<(ArcStr, i64)>,
    pub(super) removed: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(tx: &'a mut dyn Transaction, shared: &'a Shared) -> Self {
        Self {
            tx,
            shared,
            collections: FxHashMap::default(),
            types: FxHashMap::default(),
            locked: FxHashSet::default(),
            keys: FxHashSet::default(),
            fresh: None,
            opaque: Vec::new(),
            datastores: Vec::new(),
            removed: false,
        }
    }

    pub(super) fn universe(&self) -> DimensionUniverse {
        self.shared.universe
    }

    pub(super) fn into_learnt(self) -> Learnt {
        Learnt {
            collections: self.collections.into_values().flatten().collect(),
            types: self.types.into_values().flatten().collect(),
            removed: self.removed,
            keys: self.keys.into_iter().collect(),
            opaque: self.opaque,
            datastores: self.datastores,
        }
    }

    /// Reads the named rows that a batch mentions, in two questions.
    pub(super) fn preload(&mut self, batch: &RegistryBatch) -> Result<()> {
        let stores = |operation: &Operation| matches!(operation, Operation::InsertArtifacts { .. });
        self.fresh = batch.operations().iter().any(stores).then(FxHashSet::default);
        let (mut collections, mut types) = (FxHashSet::default(), FxHashSet::default());
        for operation in batch.operations() {
            mentioned(operation, &mut collections, &mut types);
        }
        self.load_collections(collections.into_iter().cloned().collect())?;
        self.load_types(types.into_iter().cloned().collect())
    }

    fn load_collections(&mut self, names: Vec<ArcStr>) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        for batch in collect(self.tx, &collection_rows(Some(&names)))? {
            for (handle, _) in read_collections(&batch)? {
                self.collections.insert(handle.name.clone(), Some(handle));
            }
        }
        for name in names {
            self.collections.entry(name).or_default();
        }
        Ok(())
    }

    fn load_types(&mut self, names: Vec<ArcStr>) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        // What a key stands for never changes: only what is not remembered by it is read as a whole.
        let keys = DATASET_TYPE.scan().filter(named("name", &names)).select(["dataset_type_id", "name"]);
        let mut unknown = Vec::new();
        for batch in collect(self.tx, &keys)? {
            for row in 0..batch.len() {
                let name = ArcStr::from(text(&batch.columns()[1], row)?);
                match self.shared.handles.type_by_id(int(&batch.columns()[0], row)?) {
                    Some(handle) => drop(self.types.insert(name, Some(handle))),
                    None => unknown.push(name),
                }
            }
        }
        let universe = self.universe();
        if !unknown.is_empty() {
            for batch in collect(self.tx, &type_rows(Some(&unknown)))? {
                for handle in read_types(universe, &batch)? {
                    self.types.insert(handle.definition.name().clone(), Some(handle));
                }
            }
        }
        for name in names {
            self.types.entry(name).or_default();
        }
        Ok(())
    }

    /// A collection that may not be there.
    pub(super) fn find_collection(&mut self, name: &ArcStr) -> Result<Option<CollectionHandle>> {
        if !self.collections.contains_key(name) {
            self.load_collections(vec![name.clone()])?;
        }
        Ok(self.collections.get(name).cloned().flatten())
    }

    /// A collection that must be there.
    pub(super) fn collection(&mut self, name: &ArcStr) -> Result<CollectionHandle> {
        if let Some(handle) = self.find_collection(name)? {
            return Ok(handle);
        }
        let error = Error::new(
            ErrorKind::MissingCollection,
            format!("collection '{}' does not exist", name.escape_debug()),
        );
        let mut names = Vec::new();
        for batch in collect(self.tx, &COLLECTION.scan().select(["name"]))? {
            let column = batch.column("name")?;
            (0..batch.len()).filter_map(|row| column.text(row)).for_each(|name| names.push(name.to_owned()));
        }
        Err(match suggest::nearest(name, names.iter().map(String::as_str)) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None => error.with_hint("register it first"),
        })
    }

    /// A collection that must be there and of a type.
    pub(super) fn collection_of_type(
        &mut self,
        name: &ArcStr,
        ty: CollectionType,
        what: &str,
    ) -> Result<CollectionHandle> {
        let handle = self.collection(name)?;
        if handle.ty == ty {
            return Ok(handle);
        }
        Err(Error::new(
            ErrorKind::CollectionType,
            format!("cannot {what} collection '{name}' of type {}; it must be {ty}", handle.ty),
        ))
    }

    /// Remembers a collection that was registered or looked up.
    pub(super) fn know_collection(&mut self, handle: CollectionHandle) {
        self.collections.insert(handle.name.clone(), Some(handle));
    }

    /// Forgets a collection or dataset type that is gone.
    pub(super) fn forget_name(&mut self, name: &ArcStr, is_type: bool) {
        if is_type {
            self.types.insert(name.clone(), None);
        } else {
            self.collections.insert(name.clone(), None);
        }
        self.removed = true;
    }

    /// A dataset type that may not be registered.
    pub(super) fn find_type(&mut self, name: &ArcStr) -> Result<Option<SharedTypeHandle>> {
        if !self.types.contains_key(name) {
            self.load_types(vec![name.clone()])?;
        }
        Ok(self.types.get(name).cloned().flatten())
    }

    /// A dataset type that must be registered as it is given; another storage class does no harm.
    pub(super) fn dataset_type(&mut self, definition: &DatasetType) -> Result<SharedTypeHandle> {
        let definition = definition.composite();
        let Some(handle) = self.find_type(definition.name())? else {
            return Err(Error::new(
                ErrorKind::MissingDatasetType,
                format!("dataset type '{}' is not registered", definition.name()),
            )
            .with_hint("register it first"));
        };
        let given = definition.with_storage_class(handle.definition.storage_class());
        let differences = given.differences(&handle.definition);
        if differences.is_empty() {
            return Ok(handle);
        }
        Err(Error::new(
            ErrorKind::ConflictingDefinition,
            format!(
                "dataset type '{}' is registered otherwise: {}",
                handle.definition.name(),
                differences.join("; ")
            ),
        ))
    }

    /// Remembers a dataset type that was registered.
    pub(super) fn know_type(&mut self, handle: SharedTypeHandle) {
        self.types.insert(handle.definition.name().clone(), Some(handle));
    }

    /// Locks a collection: for as long as something refers to it, or to change or remove it.
    pub(super) fn lock_collection(&mut self, id: i64, strength: Strength) -> Result<()> {
        self.lock(&COLLECTION, "collection_id", id, false, strength)
    }

    /// Locks a dataset type.
    pub(super) fn lock_type(&mut self, id: i64, strength: Strength) -> Result<()> {
        self.lock(&DATASET_TYPE, "dataset_type_id", id, true, strength)
    }

    fn lock(
        &mut self,
        table: &TableRef,
        column: &'static str,
        id: i64,
        is_type: bool,
        strength: Strength,
    ) -> Result<()> {
        if !self.shared.backend.capabilities().concurrent_writers
            || !self.locked.insert((id, is_type, strength))
        {
            return Ok(());
        }
        let mut rows = batch([(&ArcStr::from(column), ColumnType::Int)]);
        rows.push_row(&[id.into()])?;
        self.tx.lock(table, &Relation::values(rows), strength)?;
        // Somebody may have removed it while we waited.
        if collect(self.tx, &table.scan().filter(is(column, id)).select([column]))?
            .iter()
            .all(|batch| batch.is_empty())
        {
            return Err(Error::new(
                ErrorKind::Busy,
                "a collection or dataset type was removed by somebody else while it was about to be used",
            ));
        }
        Ok(())
    }

    /// Whether values of dimensions are known to have a record.
    pub(super) fn knows_key(&self, key: &KnownKey) -> bool {
        self.keys.contains(key) || self.shared.handles.knows_key(key)
    }

    /// Remembers that values of dimensions have a record.
    pub(super) fn know_keys(&mut self, keys: impl IntoIterator<Item = KnownKey>) {
        self.keys.extend(keys);
    }

    /// Remembers datasets that this transaction inserted: nobody else can remove them.
    pub(super) fn know_fresh(&mut self, ids: impl IntoIterator<Item = DatasetId>) {
        if let Some(fresh) = &mut self.fresh {
            fresh.extend(ids);
        }
    }

    /// Whether this transaction inserted a dataset.
    pub(super) fn is_fresh(&self, id: DatasetId) -> bool {
        self.fresh.as_ref().is_some_and(|fresh| fresh.contains(&id))
    }

    /// A datastore's table, as it was registered.
    pub(super) fn opaque_table(&mut self, name: &ArcStr) -> Result<TableRef> {
        if let Some(table) = self.shared.handles.opaque_table(name) {
            return Ok(table);
        }
        for batch in collect(self.tx, &OPAQUE_TABLE.scan().filter(is("name", name.clone())))? {
            if !batch.is_empty() {
                let table = read_spec(text(batch.column("spec")?, 0)?)?;
                self.opaque.push(table.clone());
                return Ok(table);
            }
        }
        Err(Error::new(ErrorKind::NotFound, format!("no datastore has registered a table '{name}'")))
    }

    /// Key of a datastore, which is registered if it is new.
    pub(super) fn datastore(&mut self, name: &ArcStr) -> Result<i64> {
        if let Some(id) = self.shared.handles.datastore(name) {
            return Ok(id);
        }
        let synced = self.tx.sync(&DATASTORE, &row(&DATASTORE, [("name", name.clone().into())])?)?;
        let position = DATASTORE.position("datastore_id");
        let id = position.and_then(|index| synced.row.get(index)).and_then(Value::as_int);
        let id =
            id.ok_or_else(|| Error::new(ErrorKind::Corrupt, format!("datastore '{name}' has no key")))?;
        self.datastores.push((name.clone(), id));
        Ok(id)
    }

    /// Identity of the repository.
    pub(super) fn repository(&mut self) -> Result<ArcStr> {
        for batch in collect(self.tx, &REPO_ATTRIBUTE.scan().filter(is("key", "repository")))? {
            if !batch.is_empty() {
                return text(batch.column("value")?, 0).map(ArcStr::from);
            }
        }
        Err(Error::new(ErrorKind::Corrupt, "the registry lacks the repository's identity"))
    }

    /// Runs a part that is undone alone if it fails.
    pub(super) fn savepoint(
        &mut self,
        mut body: impl FnMut(&mut dyn Transaction) -> Result<()>,
    ) -> Result<()> {
        self.tx.savepoint(&mut body)
    }
}

fn mentioned<'b>(
    operation: &'b Operation,
    collections: &mut FxHashSet<&'b ArcStr>,
    types: &mut FxHashSet<&'b ArcStr>,
) {
    match operation {
        Operation::RegisterCollection { name, .. } | Operation::SetDocumentation { name, .. } => {
            collections.insert(name);
        }
        Operation::EditChain { parent, edit } => {
            collections.insert(parent);
            collections.extend(edit.names());
        }
        Operation::RegisterDatasetType(definition) => {
            types.insert(definition.name());
        }
        Operation::InsertDatasets(insert) => {
            types.insert(insert.dataset_type.name());
            collections.insert(&insert.run);
        }
        Operation::Associate { collection, datasets }
        | Operation::Disassociate { collection, datasets }
        | Operation::Certify { collection, datasets, .. } => {
            collections.insert(collection);
            types.extend(datasets.iter().map(|dataset| dataset.dataset_type().name()));
        }
        Operation::Decertify { collection, dataset_type, .. } => {
            collections.insert(collection);
            types.insert(dataset_type.name());
        }
        Operation::Remove(Removal::Collections { names, .. }) => collections.extend(names),
        Operation::Remove(Removal::DatasetTypes(names)) => types.extend(names),
        _ => {}
    }
}
