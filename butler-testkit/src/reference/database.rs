//! All tables of a namespace, and what is done to their rows.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::backend::{OnConflict, Relation, RowBatch, Synced, TableSpec, Value};
use butler_core::{Error, ErrorKind, Result};

use super::evaluate::evaluate;
use super::flaw::{Flaw, Flawed};
use super::incoming::{Incoming, refused};
use super::key::{Key, Row};
use super::table::{Table, conflict, show};

/// The tables. A clone is a snapshot, and costs next to nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Database {
    pub(super) tables: BTreeMap<ArcStr, Arc<Table>>,
    pub(super) flaw: Option<Flaw>,
}

impl Database {
    /// Specifications of all tables, in order of names.
    pub(super) fn specs(&self) -> Vec<TableSpec> {
        self.tables.values().map(|table| (**table.spec()).clone()).collect()
    }

    /// See [`Transaction::create`](butler_core::backend::Transaction::create).
    pub(super) fn create(&mut self, spec: &TableSpec) -> Result<()> {
        if !self.flaw.is(Flaw::SpecificationsUnchecked) {
            spec.validate()?;
        }
        match self.tables.get(&spec.name) {
            Some(table) if same_table(table.spec(), spec, self.flaw) => Ok(()),
            Some(_) => Err(conflict(spec, "is there already, with another specification")),
            None => {
                spec.foreign_keys.iter().try_for_each(|rule| self.check_rule(spec, rule))?;
                self.tables.insert(spec.name.clone(), Arc::new(Table::new(spec.clone().into(), self.flaw)));
                Ok(())
            }
        }
    }

    /// See [`Transaction::drop_table`](butler_core::backend::Transaction::drop_table).
    pub(super) fn drop_table(&mut self, table: &TableSpec) -> Result<()> {
        if let Some((other, _)) =
            self.referring(&table.name).find(|(other, _)| other.spec().name != table.name)
            && !self.flaw.is(Flaw::DropLeavesReferences)
        {
            let message =
                format!("table '{}' cannot go, because '{}' refers to it", table.name, other.spec().name);
            return Err(Error::new(ErrorKind::OrphanedRecord, message));
        }
        self.tables.remove(&table.name);
        Ok(())
    }

    /// The rows of a table.
    ///
    /// # Errors
    /// `NotFound` if it is not there, `Argument` if it has other columns than is said.
    pub(super) fn table(&self, named: &TableSpec) -> Result<&Table> {
        let table = self.tables.get(&named.name).ok_or_else(|| missing(named))?;
        let columns =
            |spec: &TableSpec| spec.columns.iter().map(|c| (c.name.clone(), c.ty)).collect::<Vec<_>>();
        if columns(table.spec()) == columns(named) {
            Ok(table)
        } else {
            Err(refused(named, "has other columns than those named"))
        }
    }

    fn table_mut(&mut self, named: &TableSpec) -> Result<&mut Table> {
        self.table(named)?;
        self.tables.get_mut(&named.name).map(Arc::make_mut).ok_or_else(|| missing(named))
    }

    /// See [`Transaction::insert`](butler_core::backend::Transaction::insert).
    pub(super) fn insert(&mut self, into: &TableSpec, batch: &RowBatch, on: OnConflict) -> Result<u64> {
        let mut rows = self.complete(into, batch)?;
        if on == OnConflict::Replace {
            rows = self.last_of_each_key(into, rows)?;
        }
        let mut count = 0;
        for row in &rows {
            let table = self.table(into)?;
            match (table.get(&table.key(row)), on) {
                (Some(_), OnConflict::Ignore) => continue,
                (Some(old), OnConflict::Fail) => {
                    let key = show(&table.key(old).0);
                    return Err(conflict(into, &format!("has a row with the primary key {key} already")));
                }
                _ => self.put(into, row)?,
            }
            count += 1;
        }
        Ok(count)
    }

    /// Whole rows of a table, with identities issued.
    fn complete(&mut self, into: &TableSpec, batch: &RowBatch) -> Result<Vec<Row>> {
        let flaw = self.flaw;
        let table = self.table_mut(into)?;
        let spec = table.spec().clone();
        let incoming = Incoming::new(&spec, batch, flaw)?;
        let identity = spec.identity.as_ref().and_then(|column| spec.position(column));
        let row = |index| {
            let row = incoming.row(index, |position| match identity {
                Some(identity) if identity == position => table.issue(),
                _ => Ok(Value::Null),
            });
            row.map(Row::from)
        };
        if flaw.is(Flaw::IdentityDescends) {
            return (0..incoming.len()).rev().map(row).collect();
        }
        (0..incoming.len()).map(row).collect()
    }

    fn last_of_each_key(&self, table: &TableSpec, mut rows: Vec<Row>) -> Result<Vec<Row>> {
        let table = self.table(table)?;
        let mut seen = HashSet::new();
        rows.reverse();
        rows.retain(|row| seen.insert(table.key(row)));
        rows.reverse();
        Ok(rows)
    }

    /// Puts a row in place, and checks what it refers to.
    fn put(&mut self, into: &TableSpec, row: &Row) -> Result<()> {
        self.table_mut(into)?.put(row)?;
        self.check_references(self.table(into)?, row)
    }

    /// See [`Transaction::sync`](butler_core::backend::Transaction::sync).
    pub(super) fn sync(&mut self, into: &TableSpec, batch: &RowBatch) -> Result<Synced> {
        let table = self.table(into)?;
        let spec = table.spec().clone();
        let incoming = Incoming::new(&spec, batch, self.flaw)?;
        if incoming.len() != 1 {
            return Err(refused(&spec, &format!("is synced with one row, not {}", incoming.len())));
        }
        incoming.require(spec.natural_key(), 0)?;
        let given = incoming.sparse(0);
        let by_unique = spec.identity.is_some() && !spec.unique.is_empty();
        let found = if by_unique { table.find_unique(0, &given) } else { table.get(&table.key(&given)) };
        if let Some(row) = found {
            return Ok(Synced { inserted: false, row: row.to_vec() });
        }
        let rows = self.complete(into, batch)?;
        self.put(into, &rows[0])?;
        Ok(Synced { inserted: true, row: rows[0].to_vec() })
    }

    /// See [`Transaction::update`](butler_core::backend::Transaction::update).
    pub(super) fn update(&mut self, named: &TableSpec, batch: &RowBatch) -> Result<u64> {
        let table = self.table(named)?;
        let spec = table.spec().clone();
        let incoming = Incoming::new(&spec, batch, self.flaw)?;
        let mut rows: Vec<Row> = Vec::with_capacity(incoming.len());
        for index in 0..incoming.len() {
            incoming.require(&spec.primary_key, index)?;
            let old = table.get(&table.key(&incoming.sparse(index)));
            // What is given is checked even if there is no such row; then what is not given does not matter.
            let new =
                incoming.row(index, |position| Ok(old.map_or(Value::Int(0), |old| old[position].clone())))?;
            if old.is_some() {
                rows.push(new.into());
            }
        }
        let rows = self.last_of_each_key(named, rows)?;
        rows.iter().try_for_each(|row| self.put(named, row))?;
        Ok(rows.len() as u64)
    }

    /// See [`Transaction::delete`](butler_core::backend::Transaction::delete).
    pub(super) fn delete(&mut self, from: &TableSpec, matching: &Relation) -> Result<u64> {
        let keys = self.matching(from, matching)?;
        let mut count = keys.len() as u64;
        let going = self.going(&from.name, keys);
        if self.flaw.is(Flaw::DeleteCountsCascaded) {
            count = going.values().map(|keys| keys.len() as u64).sum();
        }
        self.check_left(&going)?;
        for (name, keys) in going {
            if let Some(table) = self.tables.get_mut(&name).map(Arc::make_mut) {
                keys.iter().for_each(|key| table.remove(key));
            }
        }
        Ok(count)
    }

    /// Primary keys of those rows of a table that are in a relation.
    pub(super) fn matching(&self, named: &TableSpec, relation: &Relation) -> Result<HashSet<Key>> {
        let table = self.table(named)?;
        let rows = evaluate(self, relation)?;
        let position = |name: &ArcStr| {
            let ty = named.get(name).map(|column| column.ty);
            rows.schema.iter().position(|column| column.name == *name && Some(column.ty) == ty).ok_or_else(
                || {
                    refused(
                        named,
                        &format!("is matched by a relation without the column '{name}' of its type"),
                    )
                },
            )
        };
        let columns = table.spec().primary_key.iter().map(position).collect::<Result<Vec<_>>>()?;
        let keys = rows.rows.iter().map(|row| Key::of(row, &columns));
        Ok(keys.filter(|key| table.get(key).is_some()).collect())
    }
}

/// Whether two specifications say the same: comments, and the order of indexes and foreign keys, do not count.
fn same_table(a: &TableSpec, b: &TableSpec, flaw: Option<Flaw>) -> bool {
    if flaw.is(Flaw::CreateComparesComments) {
        return a == b;
    }
    if flaw.is(Flaw::CreateComparesOrder) && (&a.indexes, &a.foreign_keys) != (&b.indexes, &b.foreign_keys) {
        return false;
    }
    let plain = |spec: &TableSpec| {
        let mut spec = spec.clone();
        spec.comment = ArcStr::new();
        spec.columns.iter_mut().for_each(|column| column.comment = ArcStr::new());
        spec.indexes.sort_by(|a, b| a.columns.cmp(&b.columns));
        spec.foreign_keys.sort_by(|a, b| (&a.columns, &a.table).cmp(&(&b.columns, &b.table)));
        spec
    };
    plain(a) == plain(b)
}

fn missing(table: &TableSpec) -> Error {
    Error::new(ErrorKind::NotFound, format!("table '{}' is not there", table.name))
        .with_hint("was it created in this namespace?")
}
