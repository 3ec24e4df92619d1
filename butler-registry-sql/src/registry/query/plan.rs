//! The join of everything that a query mentions.

use arcstr::ArcStr;
use butler_core::backend::{ColumnType, Relation, Scalar, TableRef};
use butler_core::query::{DatasetField, Field, Predicate, Query, ResultSpec};
use butler_core::{DimensionElement, DimensionGroup, Error, ErrorKind, Result};
use rustc_hash::{FxHashMap, FxHashSet};

use super::pairs::Pairs;
use super::searches::{SearchColumns, SearchPlan};
use super::spatial::Exact;
use crate::registry::layout::{element_table, key_type};
use crate::registry::rows::{batch, push_key};

/// A relation that grows part by part, and what its columns mean.
///
/// Each part gets a prefix of its own, so that no two columns have one name.
/// Parts that share a dimension are joined by its values.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) dimensions: DimensionGroup,
    pub(super) relation: Option<Relation>,
    /// Column of each dimension, as far as a part has it.
    pub(super) keys: FxHashMap<DimensionElement, ArcStr>,
    /// Columns of fields of records: by element and column of its table.
    pub(super) records: FxHashMap<(DimensionElement, ArcStr), ArcStr>,
    /// Columns of searched datasets, by name of the type.
    pub(super) datasets: FxHashMap<ArcStr, SearchColumns>,
    /// Conditions that the database cannot decide exactly.
    pub(super) exact: Vec<Exact>,
    /// Columns of conditions that the database evaluates for the exact ones.
    pub(super) flags: Vec<(ArcStr, Scalar)>,
    /// Whether rows may occur more than once for one combination of the dimensions' values.
    pub(super) multiplies: bool,
    /// Pixels of levels without tables, by element and sky pixel dimension.
    pub(super) pixel_sets: FxHashMap<(DimensionElement, DimensionElement), Relation>,
    /// Pairs of records whose regions overlap, where they are known.
    pub(super) pairs: FxHashMap<(DimensionElement, DimensionElement), Pairs>,
    parts: usize,
}

impl Plan {
    pub(super) fn new(dimensions: DimensionGroup) -> Self {
        Self {
            dimensions,
            relation: None,
            keys: FxHashMap::default(),
            records: FxHashMap::default(),
            datasets: FxHashMap::default(),
            exact: Vec::new(),
            flags: Vec::new(),
            multiplies: false,
            pixel_sets: FxHashMap::default(),
            pairs: FxHashMap::default(),
            parts: 0,
        }
    }

    /// Joins the records of an element that satisfy conditions on them alone, with the columns of some fields
    /// besides those that the conditions need.
    pub(super) fn join_restricted<'a>(
        &mut self,
        element: DimensionElement,
        fields: &[ArcStr],
        conditions: impl Iterator<Item = &'a Predicate> + Clone,
    ) -> Result<()> {
        let mut needs = Needs::default();
        for condition in conditions.clone() {
            condition.for_each_field(&mut |field| needs.add(field));
        }
        let mut needed = needs.fields.remove(&element).unwrap_or_default();
        needed.extend(fields.iter().cloned());
        self.join_element(element, &needed);
        for condition in conditions {
            let condition = self.predicate(condition)?;
            self.filter(condition);
        }
        Ok(())
    }

    /// Joins a relation by the dimensions that it shares; returns the new names of its other columns.
    pub(super) fn join(
        &mut self,
        relation: Relation,
        keys: &[(DimensionElement, ArcStr)],
        others: &[ArcStr],
        mut on: Vec<Scalar>,
    ) -> Vec<ArcStr> {
        let prefix = self.parts;
        self.parts += 1;
        let renamed = |name: &ArcStr| ArcStr::from(format!("p{prefix}_{name}"));
        let columns: Vec<(ArcStr, ArcStr)> = keys
            .iter()
            .map(|(_, name)| name)
            .chain(others)
            .map(|name| (renamed(name), name.clone()))
            .collect();
        let part = relation.rename(columns);
        for (dimension, name) in keys {
            let column = renamed(name);
            match self.keys.get(dimension) {
                Some(bound) => on.push(Scalar::column(bound.clone()).eq(Scalar::column(column))),
                None => {
                    self.keys.insert(*dimension, column);
                }
            }
        }
        self.relation = Some(match self.relation.take() {
            None if on.is_empty() => part,
            None => part.filter(Scalar::all(on)),
            Some(relation) => relation.join(part, Scalar::all(on)),
        });
        others.iter().map(renamed).collect()
    }

    /// Keeps the rows for which a condition holds.
    pub(super) fn filter(&mut self, condition: Scalar) {
        if let Some(relation) = self.relation.take() {
            self.relation = Some(relation.filter(condition));
        }
    }

    /// A new column name, for a part that is made by hand.
    pub(super) fn fresh(&mut self, name: &str) -> ArcStr {
        self.parts += 1;
        format!("x{}_{name}", self.parts).into()
    }

    /// The relation; one row without columns if nothing was joined.
    pub(super) fn finish(self) -> Relation {
        self.relation.unwrap_or_else(unit)
    }

    /// Column of a dimension that some part must have.
    pub(super) fn key(&self, dimension: DimensionElement) -> Result<Scalar> {
        self.keys
            .get(&dimension)
            .map(|name| Scalar::Column(name.clone()))
            .ok_or_else(|| unbound(dimension.name()))
    }

    /// Joins the table of an element, with the columns of some of its fields.
    pub(super) fn join_element(&mut self, element: DimensionElement, fields: &FxHashSet<ArcStr>) {
        if let Some(target) = element.union_of() {
            let name = element.name().clone();
            let values = element_table(target).scan().select([name.clone()]).distinct();
            self.join(values, &[(element, name)], &[], Vec::new());
            return;
        }
        let table = element_table(element);
        let keys: Vec<(DimensionElement, ArcStr)> =
            element.dimensions().map(|dimension| (dimension, dimension.name().clone())).collect();
        let others: Vec<ArcStr> = columns_of(&table, fields);
        let names = self.join(table.scan(), &keys, &others, Vec::new());
        for (column, name) in others.into_iter().zip(names) {
            self.records.insert((element, column), name);
        }
    }

    /// Joins data IDs of the caller.
    pub(super) fn join_upload(&mut self, data_ids: &[butler_core::DataId]) {
        let Some(first) = data_ids.first() else { return };
        let group = first.group();
        let dimensions: Vec<DimensionElement> = group.required().collect();
        let names: Vec<ArcStr> = dimensions.iter().map(|dimension| dimension.name().clone()).collect();
        let mut rows = batch(names.iter().zip(dimensions.iter().map(|dimension| key_type(*dimension))));
        let mut seen = FxHashSet::default();
        for data_id in data_ids.iter().filter(|data_id| seen.insert(*data_id)) {
            let columns = rows.columns_mut().iter_mut().zip(data_id.required_values());
            columns.for_each(|(column, value)| push_key(column, value));
            rows.end_row();
        }
        let keys: Vec<(DimensionElement, ArcStr)> = dimensions.into_iter().zip(names).collect();
        self.join(Relation::values(rows), &keys, &[], Vec::new());
    }

    /// Joins the tables of elements until every required dimension has a column.
    pub(super) fn join_missing(&mut self, wanted: &FxHashSet<DimensionElement>) -> Result<()> {
        loop {
            let missing: Vec<DimensionElement> = self
                .dimensions
                .dimensions()
                .filter(|dimension| wanted.contains(dimension) && !self.keys.contains_key(dimension))
                .collect();
            // The element that brings most of what is missing.
            let Some(best) = missing.iter().copied().max_by_key(|dimension| {
                (
                    dimension.dimensions().filter(|other| missing.contains(other)).count(),
                    std::cmp::Reverse(*dimension),
                )
            }) else {
                return Ok(());
            };
            if !best.has_table() && best.union_of().is_none() {
                return Err(Error::new(
                    ErrorKind::InvalidQuery,
                    format!(
                        "the pixels of '{best}' cannot be listed; nothing in the query says which are meant"
                    ),
                )
                .with_hint(format!("join it with regions, such as `{best}.region OVERLAPS patch.region`")));
            }
            self.join_element(best, &FxHashSet::default());
        }
    }
}

/// Columns of a table that hold some fields; a timespan takes two.
fn columns_of(table: &TableRef, fields: &FxHashSet<ArcStr>) -> Vec<ArcStr> {
    table
        .columns
        .iter()
        .map(|column| &column.name)
        .filter(|name| {
            let field = match name.as_str() {
                "timespan_begin" | "timespan_end" => "timespan",
                other => other,
            };
            fields.contains(field)
        })
        .cloned()
        .collect()
}

fn unit() -> Relation {
    let mut row = batch(std::iter::once((&ArcStr::from("unit"), ColumnType::Int)));
    row.columns_mut()[0].push_int(1);
    row.end_row();
    Relation::values(row)
}

pub(super) fn unbound(what: &str) -> Error {
    Error::new(ErrorKind::Unexpected, format!("a query has no column for '{what}'"))
}

/// What a query needs of the records of elements and of searched datasets.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Fields of records, by element.
    pub(super) fields: FxHashMap<DimensionElement, FxHashSet<ArcStr>>,
    /// Fields of datasets, by name of the type.
    pub(super) datasets: FxHashMap<ArcStr, FxHashSet<DatasetField>>,
    /// Dimensions whose values decide something, or are fields of general rows.
    pub(super) keys: FxHashSet<DimensionElement>,
}

impl Needs {
    /// What a predicate, an ordering and a result need.
    pub(super) fn of(query: &Query, predicate: &Predicate) -> Self {
        let mut needs = Self::default();
        predicate.for_each_field(&mut |field| needs.add(field));
        for term in &query.order_by {
            term.value.for_each_field(&mut |field| needs.add(field));
        }
        // A dimension that the join merely implies is one that tells rows of the result apart.
        match &query.result {
            ResultSpec::General { fields, dimensions, .. } => {
                fields.iter().for_each(|field| needs.add(field));
                needs.keys.extend(dimensions.required());
            }
            ResultSpec::DataIds { dimensions } => needs.keys.extend(dimensions.required()),
            ResultSpec::Records { element } => needs.keys.extend(element.required()),
            ResultSpec::Datasets { .. } | ResultSpec::Associations { .. } => {}
        }
        needs
    }

    pub(super) fn add(&mut self, field: &Field) {
        match field {
            Field::Key(dimension) => {
                self.keys.insert(*dimension);
            }
            Field::Record { element, field } if element.skypix().is_none() => {
                self.fields.entry(*element).or_default().insert(field.clone());
            }
            // The region of a sky pixel follows from its number.
            Field::Record { element, .. } => {
                self.keys.insert(*element);
            }
            Field::Dataset { dataset_type, field } => {
                self.datasets.entry(dataset_type.clone()).or_default().insert(*field);
            }
        }
    }

    /// Elements whose tables must be joined, and dimensions that must have a column.
    ///
    /// An implied dimension needs the element that implies it only if its value
    /// decides something: otherwise it is looked up for the rows that come out.
    pub(super) fn closure(
        &self,
        dimensions: DimensionGroup,
        searches: &[SearchPlan],
        uploads: &[DimensionGroup],
    ) -> (Vec<DimensionElement>, FxHashSet<DimensionElement>) {
        let mut wanted: FxHashSet<DimensionElement> = self.keys.clone();
        wanted.extend(dimensions.required());
        let given = searches.iter().map(SearchPlan::group).chain(uploads.iter().copied());
        wanted.extend(given.flat_map(|group| group.required().collect::<Vec<_>>()));
        let mut implied_once: FxHashSet<DimensionElement> = FxHashSet::default();
        for implied in dimensions.elements().flat_map(|element| element.implied().collect::<Vec<_>>()) {
            if !implied_once.insert(implied) {
                // Two elements imply it, and must agree.
                wanted.insert(implied);
            }
        }
        // Datasets have records of all their values; what the caller brings may have none.
        let brought: FxHashSet<DimensionElement> = uploads
            .iter()
            .flat_map(|group| group.required())
            .filter(|dimension| !searches.iter().any(|search| search.group().contains(*dimension)))
            .collect();
        let mut joined: Vec<DimensionElement> =
            brought.iter().copied().filter(|dimension| dimension.union_of().is_some()).collect();
        loop {
            let next = dimensions.elements().find(|element| {
                !joined.contains(element)
                    && element.has_table()
                    && (self.fields.contains_key(element)
                        || brought.contains(element)
                        || element.always_join()
                        || element.implied().any(|implied| wanted.contains(&implied)))
            });
            let Some(element) = next else { break };
            joined.push(element);
            wanted.extend(element.required());
        }
        joined.sort_unstable();
        (joined, wanted)
    }
}
