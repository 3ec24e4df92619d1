//! Collections and chains.

use arcstr::ArcStr;
use butler_core::backend::{OnConflict, Scalar, SortKey, Strength, Value};
use butler_core::registry::OperationReport;
use butler_core::{
    ChainEdit, CollectionCatalog, CollectionInfo, CollectionType, Error, ErrorKind, Result,
    check_collection_name,
};
use rustc_hash::FxHashMap;

use super::session::Session;
use crate::registry::catalog::{CollectionHandle, collection_rows, read_collections};
use crate::registry::rows::{batch, collect, int, is, row};
use crate::schema::{COLLECTION, COLLECTION_CHAIN};

/// Registers a collection: new, or there already with the same type.
pub(super) fn register(
    session: &mut Session<'_>,
    name: &ArcStr,
    ty: CollectionType,
    doc: Option<&ArcStr>,
) -> Result<OperationReport> {
    check_collection_name(name)?;
    let known = match session.find_collection(name)? {
        Some(handle) => (handle, false),
        None => {
            let row = row(
                &COLLECTION,
                [
                    ("name", name.clone().into()),
                    ("type", ty.code().into()),
                    ("doc", doc.cloned().unwrap_or_default().into()),
                ],
            )?;
            let synced = session.tx.sync(&COLLECTION, &row)?;
            let column = |name: &str| {
                COLLECTION.position(name).and_then(|i| synced.row.get(i)).and_then(Value::as_int)
            };
            let (Some(id), Some(code)) = (column("collection_id"), column("type")) else {
                return Err(Error::new(ErrorKind::Corrupt, "a collection has no key or type"));
            };
            let handle = CollectionHandle { id, name: name.clone(), ty: CollectionType::from_code(code)? };
            session.know_collection(handle.clone());
            (handle, synced.inserted)
        }
    };
    match known {
        (_, true) => Ok(OperationReport { inserted: 1, ..OperationReport::default() }),
        (handle, false) if handle.ty == ty => {
            Ok(OperationReport { existing: 1, ..OperationReport::default() })
        }
        (handle, false) => Err(Error::new(
            ErrorKind::ConflictingDefinition,
            format!("collection '{name}' is registered already, as {}; it cannot become {ty}", handle.ty),
        )),
    }
}

/// Documents a collection.
pub(super) fn document(session: &mut Session<'_>, name: &ArcStr, doc: &ArcStr) -> Result<OperationReport> {
    let handle = session.collection(name)?;
    let row = row(&COLLECTION, [("collection_id", handle.id.into()), ("doc", doc.clone().into())])?;
    let changed = session.tx.update(&COLLECTION, &row)?;
    Ok(OperationReport { changed, ..OperationReport::default() })
}

/// Changes the children of a chain.
pub(super) fn edit_chain(
    session: &mut Session<'_>,
    parent: &ArcStr,
    edit: &ChainEdit,
) -> Result<OperationReport> {
    let handle = session.collection(parent)?;
    if handle.ty != CollectionType::Chained {
        return Err(Error::new(
            ErrorKind::CollectionType,
            format!(
                "cannot change the children of collection '{parent}' of type {}; it must be CHAINED",
                handle.ty
            ),
        ));
    }
    for name in edit.names() {
        let child = session.collection(name)?;
        session.lock_collection(child.id, Strength::KeyShare)?;
    }
    lock_chains(session)?;
    let catalog = read_catalog(session)?;
    let before = catalog.get(parent)?.children.clone();
    let after = edit.apply(&before)?;
    catalog.check_chain(parent, &after)?;
    if after != before {
        write_children(session, handle.id, &after)?;
    }
    Ok(OperationReport { changed: u64::from(after != before), children: after, ..OperationReport::default() })
}

/// Chains are edited one at a time: two edits that are sound alone may make a cycle together.
fn lock_chains(session: &mut Session<'_>) -> Result<()> {
    if !session.shared.backend.capabilities().concurrent_writers {
        return Ok(());
    }
    let chains = COLLECTION
        .scan()
        .filter(is("type", CollectionType::Chained.code()))
        .select(["collection_id"])
        .sort(vec![SortKey::ascending("collection_id")]);
    session.tx.lock(&COLLECTION, &chains, Strength::Update)
}

/// All collections, with the children of chains.
pub(super) fn read_catalog(session: &mut Session<'_>) -> Result<CollectionCatalog> {
    let mut names: FxHashMap<i64, ArcStr> = FxHashMap::default();
    let mut infos: FxHashMap<i64, CollectionInfo> = FxHashMap::default();
    for batch in collect(session.tx, &collection_rows(None))? {
        for (handle, doc) in read_collections(&batch)? {
            names.insert(handle.id, handle.name.clone());
            let info =
                CollectionInfo { name: handle.name, ty: handle.ty, doc, children: Vec::new(), summary: None };
            infos.insert(handle.id, info);
        }
    }
    let order = vec![SortKey::ascending("parent_id"), SortKey::ascending("position")];
    for batch in collect(session.tx, &COLLECTION_CHAIN.scan().sort(order))? {
        let (parent, child) = (batch.column("parent_id")?, batch.column("child_id")?);
        for row in 0..batch.len() {
            if let (Some(info), Some(child)) =
                (infos.get_mut(&int(parent, row)?), names.get(&int(child, row)?))
            {
                info.children.push(child.clone());
            }
        }
    }
    Ok(infos.into_values().collect())
}

/// Writes the children of a chain, in place of those that are there.
pub(super) fn write_children(session: &mut Session<'_>, parent: i64, children: &[ArcStr]) -> Result<()> {
    let old = COLLECTION_CHAIN.scan().filter(Scalar::column("parent_id").eq(parent));
    session.tx.delete(&COLLECTION_CHAIN, &old)?;
    let mut rows = batch(COLLECTION_CHAIN.columns.iter().map(|column| (&column.name, column.ty)));
    for (position, child) in (0i64..).zip(children) {
        let child = session.collection(child)?;
        rows.push_row(&[parent.into(), position.into(), child.id.into()])?;
    }
    session.tx.insert(&COLLECTION_CHAIN, &rows, OnConflict::Fail)?;
    Ok(())
}
