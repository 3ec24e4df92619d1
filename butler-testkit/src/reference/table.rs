//! One stored table: its rows, and the rules that need nothing but them.

use std::ops::Bound;
use std::sync::Arc;

use butler_core::backend::{TableRef, TableSpec, Value};
use butler_core::{Error, ErrorKind, Result};
use rpds::RedBlackTreeMapSync;

use super::flaw::{Flaw, Flawed};
use super::key::{Key, Row};

/// Where the columns of the rules are in a row.
#[derive(Debug)]
struct Layout {
    key: Vec<usize>,
    unique: Vec<Vec<usize>>,
    range: Option<Range>,
}

#[derive(Debug)]
struct Range {
    equal: Vec<usize>,
    begin: usize,
    end: usize,
}

/// A table and its rows. A clone is a snapshot, and costs next to nothing.
#[derive(Clone, Debug)]
pub(super) struct Table {
    spec: TableRef,
    layout: Arc<Layout>,
    rows: RedBlackTreeMapSync<Key, Row>,
    /// For each unique rule: its values, and the primary key of the row that has them.
    unique: Vec<RedBlackTreeMapSync<Key, Key>>,
    /// Equal columns and begin of each range: its end, and the primary key of its row.
    ranges: RedBlackTreeMapSync<Key, (Value, Key)>,
    /// Greatest identity issued or given.
    issued: i64,
    flaw: Option<Flaw>,
}

impl Table {
    pub(super) fn new(spec: TableRef, flaw: Option<Flaw>) -> Self {
        let layout = Layout {
            key: positions(&spec, &spec.primary_key),
            unique: spec.unique.iter().map(|rule| positions(&spec, &rule.columns)).collect(),
            range: spec.exclusion.as_ref().map(|rule| Range {
                equal: positions(&spec, &rule.equal),
                begin: spec.position(&rule.begin).unwrap_or_default(),
                end: spec.position(&rule.end).unwrap_or_default(),
            }),
        };
        Self {
            unique: vec![RedBlackTreeMapSync::new_sync(); layout.unique.len()],
            spec,
            layout: Arc::new(layout),
            rows: RedBlackTreeMapSync::new_sync(),
            ranges: RedBlackTreeMapSync::new_sync(),
            issued: 0,
            flaw,
        }
    }

    pub(super) fn spec(&self) -> &TableRef {
        &self.spec
    }

    /// All rows, in the order of the primary key.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// Primary key of a row.
    pub(super) fn key(&self, row: &[Value]) -> Key {
        Key::of(row, &self.layout.key)
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key)
    }

    /// The row that has the values of a row in the columns of a unique rule.
    pub(super) fn find_unique(&self, rule: usize, row: &[Value]) -> Option<&Row> {
        let key = self.unique[rule].get(&Key::of(row, &self.layout.unique[rule]))?;
        self.rows.get(key)
    }

    /// The next value of the identity.
    ///
    /// # Errors
    /// `Exhausted` at the end of the integers.
    pub(super) fn issue(&mut self) -> Result<Value> {
        if self.flaw.is(Flaw::IdentityReused) {
            self.issued = self.rows.keys().last().and_then(|key| key.0[0].as_int()).unwrap_or(0).max(0);
        }
        self.issued = self.issued.checked_add(1).ok_or_else(|| {
            Error::new(ErrorKind::Exhausted, format!("table '{}' has no identity left", self.spec.name))
        })?;
        Ok(Value::Int(self.issued))
    }

    /// Puts a row in place of the one with its primary key, if there is any.
    ///
    /// # Errors
    /// As of [`Transaction::insert`](butler_core::backend::Transaction::insert), for rules of this table alone.
    pub(super) fn put(&mut self, row: &Row) -> Result<()> {
        let key = self.key(row);
        self.check_unique(row, &key)?;
        self.check_range(row, &key)?;
        if let (Some(_), Some(value)) = (&self.spec.identity, key.0[0].as_int())
            && !self.flaw.is(Flaw::IdentityGivenForgotten)
        {
            self.issued = self.issued.max(value);
        }
        self.remove(&key);
        for (positions, index) in self.layout.unique.iter().zip(&mut self.unique) {
            let values = Key::of(row, positions);
            if !values.has_null() || self.flaw.is(Flaw::UniqueNullsClash) {
                index.insert_mut(values, key.clone());
            }
        }
        if let Some(range) = &self.layout.range
            && !range.is_outside(row, self.flaw)
        {
            self.ranges.insert_mut(
                range.place(&row[range.begin], row, self.flaw),
                (row[range.end].clone(), key.clone()),
            );
        }
        self.rows.insert_mut(key, Arc::clone(row));
        Ok(())
    }

    /// Removes a row, if it is there.
    pub(super) fn remove(&mut self, key: &Key) {
        let Some(row) = self.rows.get(key).cloned() else { return };
        for (positions, index) in self.layout.unique.iter().zip(&mut self.unique) {
            index.remove_mut(&Key::of(&row, positions));
        }
        if let Some(range) = &self.layout.range {
            self.ranges.remove_mut(&range.place(&row[range.begin], &row, self.flaw));
        }
        self.rows.remove_mut(key);
    }

    fn check_unique(&self, row: &Row, key: &Key) -> Result<()> {
        let checked = match self.flaw {
            Some(Flaw::UniqueUnchecked) => 0,
            Some(Flaw::SecondUniqueUnchecked) => 1,
            _ => self.unique.len(),
        };
        for (index, positions) in self.unique.iter().zip(&self.layout.unique).take(checked) {
            let values = Key::of(row, positions);
            if index.get(&values).is_some_and(|other| other != key) {
                let columns: Vec<&str> =
                    positions.iter().map(|&i| self.spec.columns[i].name.as_str()).collect();
                let found = format!("has ({}) = {} already", columns.join(", "), show(&values.0));
                return Err(conflict(&self.spec, &found));
            }
        }
        Ok(())
    }

    fn check_range(&self, row: &Row, key: &Key) -> Result<()> {
        let Some(range) = &self.layout.range else { return Ok(()) };
        let (begin, end) = (&row[range.begin], &row[range.end]);
        if begin.sort_cmp(end).is_ge() && !self.flaw.is(Flaw::EmptyRangeAccepted) {
            return Err(Error::new(
                ErrorKind::Argument,
                format!("table '{}' cannot hold the empty range from {begin} to {end}", self.spec.name),
            ));
        }
        if range.is_outside(row, self.flaw) || self.flaw.is(Flaw::ExclusionUnchecked) {
            return Ok(());
        }
        // The ranges of a group do not overlap: of those that begin before the end, the last reaches farthest.
        let own = |other: &Key| other == key && !self.flaw.is(Flaw::ExclusionCountsItself);
        let at = |position| range.place(position, row, self.flaw);
        let touching = self.flaw.is(Flaw::ExclusionTouching);
        let upper = if touching { Bound::Included(at(end)) } else { Bound::Excluded(at(end)) };
        let before = self.ranges.range((Bound::Included(at(&Value::Null)), upper));
        let Some((place, (other_end, _))) = before.rev().find(|(_, (_, other))| !own(other)) else {
            return Ok(());
        };
        let other_begin = &place.0[place.0.len() - 1];
        let reaches = other_end.sort_cmp(begin).is_gt() || touching && other_end.sort_cmp(begin).is_eq();
        if reaches && !(self.flaw.is(Flaw::ExclusionByBegin) && other_begin.sort_cmp(begin).is_lt()) {
            let found =
                format!("has the range from {other_begin} to {other_end}, which {begin} to {end} meets");
            return Err(conflict(&self.spec, &found));
        }
        Ok(())
    }
}

impl Range {
    /// Whether a row does not count.
    fn is_outside(&self, row: &[Value], flaw: Option<Flaw>) -> bool {
        self.equal.iter().any(|&position| row[position].is_null()) && !flaw.is(Flaw::ExclusionNullsAgree)
    }

    /// The equal columns of a row, and a point.
    fn place(&self, point: &Value, row: &[Value], flaw: Option<Flaw>) -> Key {
        let equal = if flaw.is(Flaw::ExclusionForAll) { &[][..] } else { &self.equal };
        Key(equal.iter().map(|&position| &row[position]).chain([point]).cloned().collect())
    }
}

/// Positions of columns that a checked rule names.
pub(super) fn positions(spec: &TableSpec, columns: &[arcstr::ArcStr]) -> Vec<usize> {
    columns.iter().filter_map(|column| spec.position(column)).collect()
}

pub(super) fn conflict(spec: &TableSpec, found: &str) -> Error {
    Error::new(ErrorKind::ConflictingDefinition, format!("table '{}' {found}", spec.name))
}

/// Values as in a message.
pub(super) fn show(values: &[Value]) -> String {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    format!("({})", values.join(", "))
}
