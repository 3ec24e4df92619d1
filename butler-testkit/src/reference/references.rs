//! Foreign keys: what rows refer to, and what goes with what is deleted.

use std::collections::{BTreeMap, HashSet};

use arcstr::ArcStr;
use butler_core::backend::{ForeignKey, OnDelete, TableSpec, Value};
use butler_core::{Error, ErrorKind, Result};

use super::database::Database;
use super::flaw::{Flaw, Flawed};
use super::incoming::refused;
use super::key::Key;
use super::table::{Table, positions, show};

/// Primary keys of rows that are to be deleted, for each table.
pub(super) type Going = BTreeMap<ArcStr, HashSet<Key>>;

impl Database {
    /// That a foreign key of a new table refers to the primary key of a table, or of itself.
    pub(super) fn check_rule(&self, spec: &TableSpec, rule: &ForeignKey) -> Result<()> {
        let other = match self.tables.get(&rule.table) {
            Some(table) => table.spec(),
            None if rule.table == spec.name => spec,
            None if self.flaw.is(Flaw::MissingTableReferred) => return Ok(()),
            None => return Err(refused(spec, &format!("refers to '{}', which is not there", rule.table))),
        };
        let key: HashSet<&ArcStr> = other.primary_key.iter().collect();
        let same =
            rule.referenced.iter().collect::<HashSet<_>>() == key && rule.referenced.len() == key.len();
        if !same && !self.flaw.is(Flaw::ReferredKeyUnchecked) {
            return Err(refused(
                spec,
                &format!("refers to columns of '{}' that are not its key", rule.table),
            ));
        }
        let types = |spec: &TableSpec, columns: &[ArcStr]| -> Vec<_> {
            columns.iter().filter_map(|column| spec.get(column)).map(|column| column.ty).collect()
        };
        if types(spec, &rule.columns) == types(other, &rule.referenced)
            || self.flaw.is(Flaw::ReferenceUntyped)
        {
            Ok(())
        } else {
            Err(refused(spec, &format!("refers to columns of '{}' of other types", rule.table)))
        }
    }

    /// That what a row refers to is there.
    pub(super) fn check_references(&self, table: &Table, row: &[Value]) -> Result<()> {
        for rule in &table.spec().foreign_keys {
            let Some(referenced) = self.tables.get(&rule.table) else { continue };
            let Some(key) = self.referenced_key(table, rule, row) else { continue };
            if referenced.get(&key).is_none() && !self.flaw.is(Flaw::ReferencesUnchecked) {
                let (from, to, key) = (&table.spec().name, &rule.table, show(&key.0));
                let message = format!("table '{from}' refers to {key} in '{to}', which is not there");
                return Err(Error::new(ErrorKind::OrphanedRecord, message));
            }
        }
        Ok(())
    }

    /// Rows of a table, and all that go with them by cascades.
    pub(super) fn going(&self, table: &ArcStr, keys: HashSet<Key>) -> Going {
        let mut going = Going::new();
        let mut pending = vec![(table.clone(), keys)];
        while let Some((name, keys)) = pending.pop() {
            let keys: HashSet<Key> = keys
                .into_iter()
                .filter(|key| !going.get(&name).is_some_and(|known| known.contains(key)))
                .collect();
            let last = keys.is_empty() || self.flaw.is(Flaw::CascadeOneLevel) && name != *table;
            for (referring, rule) in self.referring(&name).filter(|_| !last) {
                if rule.on_delete == OnDelete::Cascade && !self.flaw.is(Flaw::CascadeIsRestrict) {
                    pending
                        .push((referring.spec().name.clone(), self.rows_referring(referring, rule, &keys)));
                }
            }
            going.entry(name).or_default().extend(keys);
        }
        going
    }

    /// That no row that stays refers to one that goes.
    pub(super) fn check_left(&self, going: &Going) -> Result<()> {
        for (name, keys) in going {
            for (referring, rule) in self.referring(name) {
                let cascades = rule.on_delete == OnDelete::Cascade && !self.flaw.is(Flaw::CascadeIsRestrict);
                if cascades || self.flaw.is(Flaw::RestrictUnchecked) {
                    continue;
                }
                let gone =
                    going.get(&referring.spec().name).filter(|_| !self.flaw.is(Flaw::RestrictCountsGoing));
                let mut left = self.rows_referring(referring, rule, keys);
                left.retain(|key| !gone.is_some_and(|gone| gone.contains(key)));
                if let Some(key) = left.iter().next() {
                    let (from, key) = (&referring.spec().name, show(&key.0));
                    let message =
                        format!("a row of '{name}' cannot go, because {key} in '{from}' refers to it");
                    return Err(Error::new(ErrorKind::OrphanedRecord, message));
                }
            }
        }
        Ok(())
    }

    /// Tables that refer to one, and the rules by which they do.
    pub(super) fn referring<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = (&'a Table, &'a ForeignKey)> {
        self.tables.values().flat_map(move |table| {
            let rules = table.spec().foreign_keys.iter().filter(move |rule| rule.table == name);
            rules.map(move |rule| (&**table, rule))
        })
    }

    /// Keys of the rows that refer to one of some keys.
    fn rows_referring(&self, referring: &Table, rule: &ForeignKey, keys: &HashSet<Key>) -> HashSet<Key> {
        let refers =
            |row: &[Value]| self.referenced_key(referring, rule, row).is_some_and(|key| keys.contains(&key));
        referring.rows().filter(|row| refers(row)).map(|row| referring.key(row)).collect()
    }

    /// Primary key of the row that a row refers to; none if it refers to nothing.
    fn referenced_key(&self, referring: &Table, rule: &ForeignKey, row: &[Value]) -> Option<Key> {
        let columns = positions(referring.spec(), &rule.columns);
        let referenced = self.tables.get(&rule.table)?;
        let in_order_of_key = referenced.spec().primary_key.iter().enumerate().filter_map(|(place, name)| {
            let place = rule
                .referenced
                .iter()
                .position(|other| other == name)
                .filter(|_| !self.flaw.is(Flaw::ReferencesByPosition))
                .unwrap_or(place);
            columns.get(place).copied()
        });
        let key = Key::of(row, &in_order_of_key.collect::<Vec<_>>());
        let nothing = if self.flaw.is(Flaw::ReferencesByHalves) {
            key.0.iter().all(Value::is_null)
        } else {
            key.has_null()
        };
        (!nothing).then_some(key)
    }
}
