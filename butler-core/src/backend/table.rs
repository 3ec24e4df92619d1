//! Specifications of tables.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use super::relation::Relation;
use super::value::ColumnType;
use crate::{Error, ErrorKind, Result};

/// What PostgreSQL allows a name.
const NAME_MAX: usize = 63;

/// Prefixes of tables that SQLite and PostgreSQL refuse or hide.
const RESERVED_PREFIXES: [&str; 2] = ["sqlite_", "pg_"];

/// Columns that every table of PostgreSQL has.
const RESERVED_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// Column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnSpec {
    /// Name, made like that of a table; not one of the columns that PostgreSQL adds to every table (`xmin`, `ctid`, …).
    pub name: ArcStr,
    /// Type.
    pub ty: ColumnType,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// What it holds.
    pub comment: ArcStr,
}

/// Columns whose values occur together once at most; rows with a NULL among them do not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UniqueSpec {
    /// Columns.
    pub columns: Vec<ArcStr>,
}

/// Rows that agree in some columns have half-open ranges that do not overlap; rows
/// with a NULL among those columns do not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// Columns in which rows agree.
    pub equal: Vec<ArcStr>,
    /// Integer column of the ranges' included begin.
    pub begin: ArcStr,
    /// Integer column of the ranges' excluded end; it is greater than the begin, otherwise the row is refused as an `Argument`.
    pub end: ArcStr,
}

/// What happens to rows whose referenced row is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// The deletion is refused.
    Restrict,
    /// They are deleted too.
    Cascade,
}

/// Columns whose values, if none is NULL, are those of a row of another table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Columns of this table.
    pub columns: Vec<ArcStr>,
    /// The other table.
    pub table: ArcStr,
    /// Columns of the other table: its primary key.
    pub referenced: Vec<ArcStr>,
    /// What happens when the other row is deleted.
    pub on_delete: OnDelete,
}

/// Columns by whose values rows are found fast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexSpec {
    /// Columns, in the order of the index.
    pub columns: Vec<ArcStr>,
}

/// A table: columns, keys and rules.
///
/// Rows are clustered by the primary key where the database can. A table with
/// an `identity` column has that alone as its primary key; values are issued by the
/// database, ascending in the order of rows, from 1 at first, perhaps with gaps, and never
/// again, also not after a deletion. A value that a caller gives counts as issued:
/// later ones are greater. What a transaction that is undone was issued does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSpec {
    /// Name: lower-case letters, digits and underscores, not first a digit, at most 63 bytes; not
    /// with the prefix `sqlite_` or `pg_`.
    pub name: ArcStr,
    /// What it holds.
    pub comment: ArcStr,
    /// Columns, in order.
    pub columns: Vec<ColumnSpec>,
    /// Columns of the primary key; none of them is nullable.
    pub primary_key: Vec<ArcStr>,
    /// Integer column whose values the database issues.
    pub identity: Option<ArcStr>,
    /// Further unique columns.
    pub unique: Vec<UniqueSpec>,
    /// Rule about overlapping ranges.
    pub exclusion: Option<Exclusion>,
    /// References to other tables.
    pub foreign_keys: Vec<ForeignKey>,
    /// Indexes beyond those that the rules need.
    pub indexes: Vec<IndexSpec>,
}

impl TableSpec {
    /// A table without columns, to be built up.
    #[must_use]
    pub fn new(name: impl Into<ArcStr>, comment: impl Into<ArcStr>) -> Self {
        Self {
            name: name.into(),
            comment: comment.into(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            identity: None,
            unique: Vec::new(),
            exclusion: None,
            foreign_keys: Vec::new(),
            indexes: Vec::new(),
        }
    }

    /// Adds a column that is never NULL.
    #[must_use]
    pub fn column(mut self, name: &str, ty: ColumnType, comment: &str) -> Self {
        self.columns.push(ColumnSpec { name: name.into(), ty, nullable: false, comment: comment.into() });
        self
    }

    /// Adds a column that may be NULL.
    #[must_use]
    pub fn nullable(mut self, name: &str, ty: ColumnType, comment: &str) -> Self {
        self.columns.push(ColumnSpec { name: name.into(), ty, nullable: true, comment: comment.into() });
        self
    }

    /// Adds an integer column whose values the database issues, and makes it the primary key.
    #[must_use]
    pub fn identity(mut self, name: &str, comment: &str) -> Self {
        self.identity = Some(name.into());
        self.primary_key = vec![name.into()];
        self.column(name, ColumnType::Int, comment)
    }

    /// Sets the primary key.
    #[must_use]
    pub fn primary_key<S: AsRef<str>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.primary_key = names(columns);
        self
    }

    /// Adds unique columns.
    #[must_use]
    pub fn unique<S: AsRef<str>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.unique.push(UniqueSpec { columns: names(columns) });
        self
    }

    /// Adds an index.
    #[must_use]
    pub fn index<S: AsRef<str>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.indexes.push(IndexSpec { columns: names(columns) });
        self
    }

    /// Adds a reference to the primary key of another table, whose columns have the same names.
    #[must_use]
    pub fn references<S: AsRef<str>>(
        mut self,
        columns: impl IntoIterator<Item = S>,
        table: &str,
        referenced: &[&str],
        on_delete: OnDelete,
    ) -> Self {
        self.foreign_keys.push(ForeignKey {
            columns: names(columns),
            table: table.into(),
            referenced: names(referenced),
            on_delete,
        });
        self
    }

    /// Sets the rule about overlapping ranges.
    #[must_use]
    pub fn exclude<S: AsRef<str>>(
        mut self,
        equal: impl IntoIterator<Item = S>,
        begin: &str,
        end: &str,
    ) -> Self {
        self.exclusion = Some(Exclusion { equal: names(equal), begin: begin.into(), end: end.into() });
        self
    }

    /// Position of a column.
    #[must_use]
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|spec| spec.name == column)
    }

    /// A column by name.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&ColumnSpec> {
        self.columns.iter().find(|spec| spec.name == column)
    }

    /// Columns that are in no key that identifies rows: neither primary nor, for
    /// a table with an identity, its first unique one.
    pub fn payload(&self) -> impl Iterator<Item = &ColumnSpec> {
        let key = self.natural_key();
        self.columns
            .iter()
            .filter(move |spec| !key.contains(&spec.name) && self.identity.as_ref() != Some(&spec.name))
    }

    /// Columns by which callers know a row: the primary key or, where that is
    /// issued by the database, the first unique columns.
    #[must_use]
    pub fn natural_key(&self) -> &[ArcStr] {
        match (&self.identity, self.unique.first()) {
            (Some(_), Some(unique)) => &unique.columns,
            _ => &self.primary_key,
        }
    }

    /// Checks that the specification is sound, as far as it shows.
    ///
    /// # Errors
    /// `Argument` if a name is malformed or repeated, or a rule names a column twice, or one that is not there
    /// or of the wrong type.
    pub fn validate(&self) -> Result<()> {
        self.check_names()
            .and_then(|()| self.check_columns_of_rules())
            .and_then(|()| self.check_keys())
            .map_err(|problem| {
                Error::new(ErrorKind::Argument, format!("table '{}' {problem}", self.name.escape_debug()))
            })
    }

    fn check_names(&self) -> Result<(), String> {
        let names = self.columns.iter().map(|column| &column.name);
        if let Some(name) = std::iter::once(&self.name).chain(names.clone()).find(|name| !is_sound(name)) {
            return Err(format!("has the unusable name '{}'", name.escape_debug()));
        }
        if RESERVED_PREFIXES.iter().any(|prefix| self.name.starts_with(prefix)) {
            return Err("has a name that databases keep for themselves".into());
        }
        if let Some(name) = names.clone().find(|name| RESERVED_COLUMNS.contains(&name.as_str())) {
            return Err(format!("has the column '{name}', a name that databases keep for themselves"));
        }
        match repeated(names) {
            Some(name) => Err(format!("has the column '{name}' twice")),
            None => Ok(()),
        }
    }

    fn check_columns_of_rules(&self) -> Result<(), String> {
        let rules = std::iter::once(&self.primary_key)
            .chain(self.unique.iter().map(|rule| &rule.columns))
            .chain(self.foreign_keys.iter().map(|rule| &rule.columns))
            .chain(self.indexes.iter().map(|rule| &rule.columns));
        if rules.clone().skip(1).any(Vec::is_empty) {
            return Err("has a rule about no columns".into());
        }
        for columns in rules.chain(self.exclusion.iter().map(|rule| &rule.equal)) {
            if let Some(missing) = columns.iter().find(|name| self.get(name).is_none()) {
                return Err(format!("has a rule about the column '{missing}', which it lacks"));
            }
            if let Some(name) = repeated(columns) {
                return Err(format!("has a rule with the column '{name}' twice"));
            }
        }
        if self.foreign_keys.iter().any(|rule| rule.columns.len() != rule.referenced.len()) {
            return Err("refers to another number of columns".into());
        }
        Ok(())
    }

    fn check_keys(&self) -> Result<(), String> {
        if self.primary_key.is_empty()
            || self.primary_key.iter().any(|key| self.get(key).is_some_and(|c| c.nullable))
        {
            return Err("needs a primary key that is never NULL".into());
        }
        if self.identity.as_ref().is_some_and(|identity| self.primary_key != [identity.clone()]) {
            return Err("needs its identity as the primary key".into());
        }
        let ranges = self.exclusion.iter().flat_map(|rule| [&rule.begin, &rule.end]);
        let integer = |name: &ArcStr| self.get(name).is_some_and(|c| c.ty == ColumnType::Int && !c.nullable);
        match ranges.chain(&self.identity).find(|name| !integer(name)) {
            Some(column) => Err(format!("needs an integer column '{column}' that is never NULL")),
            None => Ok(()),
        }
    }
}

fn is_sound(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && name.len() <= NAME_MAX
}

fn repeated<'a>(names: impl IntoIterator<Item = &'a ArcStr>) -> Option<&'a ArcStr> {
    let mut seen = HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

fn names<S: AsRef<str>>(columns: impl IntoIterator<Item = S>) -> Vec<ArcStr> {
    columns.into_iter().map(|column| column.as_ref().into()).collect()
}

/// A shared [`TableSpec`]: how a table is named to a backend.
///
/// Callers always hold the specification, so a backend need not look into its catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRef(Arc<TableSpec>);

impl TableRef {
    /// The relation of all rows, with all columns.
    #[must_use]
    pub fn scan(&self) -> Relation {
        Relation::Table { table: self.clone() }
    }
}

impl From<TableSpec> for TableRef {
    fn from(spec: TableSpec) -> Self {
        Self(Arc::new(spec))
    }
}

impl Deref for TableRef {
    type Target = TableSpec;

    fn deref(&self) -> &TableSpec {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(spec: &TableSpec, reason: &str) {
        let error = spec.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
        assert!(error.to_string().contains(reason), "{error}");
    }

    #[test]
    fn unsound_specifications_are_refused() {
        let named = |name: &str| TableSpec::new(name, "").column("a", ColumnType::Int, "").primary_key(["a"]);
        let with = |name: &str| named("t").column(name, ColumnType::Text, "");
        named(&"x".repeat(63)).validate().unwrap();
        for name in ["", "T", "1t", "t-1", "tä", &"x".repeat(64)] {
            refuses(&named(name), "unusable name");
            refuses(&with(name), "unusable name");
        }
        refuses(&named("sqlite_t"), "keep for themselves");
        refuses(&named("pg_t"), "keep for themselves");
        refuses(&with("xmax"), "keep for themselves");
        refuses(&with("a"), "column 'a' twice");
        refuses(&named("t").unique(["b"]), "'b', which it lacks");
        refuses(&named("t").index(["a", "a"]), "rule with the column 'a' twice");
        refuses(&named("t").unique(Vec::<&str>::new()), "about no columns");
        refuses(&named("t").references(["a"], "u", &["a", "b"], OnDelete::Restrict), "another number");
        refuses(&named("t").primary_key(Vec::<&str>::new()), "needs a primary key");
        refuses(&named("t").nullable("b", ColumnType::Int, "").primary_key(["b"]), "needs a primary key");
        refuses(&named("t").identity("b", "").primary_key(["a"]), "its identity as the primary key");
        refuses(&with("b").exclude(["a"], "a", "b"), "needs an integer column 'b'");
    }
}
