//! From the join to the rows that are asked for: projection, find-first, order and slice.

use arcstr::ArcStr;
use butler_core::backend::{Aggregate, AggregateColumn, Relation, Scalar, SortKey};
use butler_core::query::{DatasetField, Field, Query, ResultSpec};
use butler_core::{DimensionElement, DimensionGroup, Result};

use super::plan::{Plan, unbound};
use super::searches::SearchPlan;
use super::spatial::{Exact, Place};
use crate::registry::layout::{clustered, element_table};
use crate::registry::rows::equal;

/// Number of ways in which a dataset was found for one data ID in one collection.
pub(super) const MATCHES: ArcStr = arcstr::literal!("matches");

const RANK: ArcStr = arcstr::literal!("rank");

/// Columns of the rows that come out, by what they mean.
#[derive(Clone, Debug, Default)]
pub(super) struct OutputColumns {
    pub(super) keys: Vec<(DimensionElement, ArcStr)>,
    pub(super) origin: Option<ArcStr>,
    pub(super) id: Option<ArcStr>,
    pub(super) run_id: Option<ArcStr>,
    pub(super) collection_id: Option<ArcStr>,
    pub(super) validity: Option<(ArcStr, ArcStr)>,
    /// Columns of each field of a general row.
    pub(super) fields: Vec<Vec<ArcStr>>,
    /// Whether [`MATCHES`] must be looked at.
    pub(super) checks_matches: bool,
    /// Whether the columns of the element's records are there, under the names of [`record_column`].
    pub(super) has_records: bool,
}

/// Name of a column of an element's table in a result.
pub(super) fn record_column(name: &ArcStr) -> ArcStr {
    format!("r_{name}").into()
}

/// What remains to be done with the rows of a relation, in order.
#[derive(Debug, Default)]
pub(super) struct Post {
    /// Conditions that are decided exactly.
    pub(super) exact: Vec<Exact>,
    /// Columns in which rows that are one agree; the first is kept.
    pub(super) distinct: Vec<ArcStr>,
    /// Columns in which the rows of a group agree of which the one of least rank is kept.
    pub(super) first_by: Option<Vec<ArcStr>>,
    /// Columns in which rows that are one agree once the first of each group is chosen.
    pub(super) identity: Vec<ArcStr>,
    pub(super) offset: u64,
    pub(super) limit: Option<u64>,
}

/// A relation to evaluate, what its columns mean, and what remains to be done.
#[derive(Debug)]
pub(super) struct Shaped {
    pub(super) relation: Relation,
    pub(super) output: OutputColumns,
    /// None if the relation says it all.
    pub(super) post: Option<Post>,
}

/// A column of the projection.
struct Column {
    name: ArcStr,
    value: Scalar,
}

struct Shaper<'a> {
    query: &'a Query,
    plan: Plan,
    searches: &'a [SearchPlan],
    columns: Vec<Column>,
    output: OutputColumns,
    order: Vec<SortKey>,
    /// Columns whose values tell rows of the result apart.
    identity: Vec<ArcStr>,
    /// Columns that depend on the dataset, not on the data ID alone.
    dataset_columns: Vec<ArcStr>,
    /// Columns that matter for the choice of the first dataset, and are no part of the result.
    hidden: Vec<ArcStr>,
}

/// How the first dataset is chosen.
struct First {
    /// Columns in which the rows agree of which one is chosen.
    partition: Vec<ArcStr>,
    calibration: bool,
}

/// Shapes the join of a query.
pub(super) fn shape(query: &Query, plan: Plan, searches: &[SearchPlan]) -> Result<Shaped> {
    let mut shaper = Shaper {
        query,
        plan,
        searches,
        columns: Vec::new(),
        output: OutputColumns::default(),
        order: Vec::new(),
        identity: Vec::new(),
        dataset_columns: ["origin", "id", "run_id"].map(ArcStr::from).to_vec(),
        hidden: Vec::new(),
    };
    shaper.project_result()?;
    shaper.project_order()?;
    if shaper.plan.exact.is_empty() { shaper.finish_in_database() } else { shaper.finish_afterwards() }
}

impl Shaper<'_> {
    fn group(&self) -> DimensionGroup {
        result_group(self.query, self.searches)
    }

    fn find_first(&self) -> Option<&SearchPlan> {
        let name = match &self.query.result {
            ResultSpec::Datasets { dataset_type, find_first: true } => dataset_type,
            ResultSpec::General { find_first: Some(dataset_type), .. } => dataset_type,
            _ => return None,
        };
        self.searches
            .iter()
            .find(|search| search.name() == name)
            .filter(|search| search.places.len() > 1 || search.is_calibration())
    }

    fn add(&mut self, name: impl Into<ArcStr>, value: Scalar) -> ArcStr {
        let name = name.into();
        if !self.columns.iter().any(|column| column.name == name) {
            self.columns.push(Column { name: name.clone(), value });
        }
        name
    }

    fn project_result(&mut self) -> Result<()> {
        let group = self.group();
        for dimension in group.keys() {
            // Implied values that decided nothing are looked up when rows come out.
            let Some(column) = self.plan.keys.get(&dimension).cloned() else { continue };
            let name = self.add(format!("k_{dimension}"), Scalar::Column(column));
            if group.required().any(|required| required == dimension) {
                self.identity.push(name.clone());
            }
            self.output.keys.push((dimension, name));
        }
        match &self.query.result {
            ResultSpec::Datasets { dataset_type, .. } => self.project_dataset(&dataset_type.clone(), false),
            ResultSpec::Associations { dataset_type } => self.project_dataset(&dataset_type.clone(), true),
            ResultSpec::General { fields, .. } => {
                fields.clone().iter().try_for_each(|field| self.project_field(field))
            }
            ResultSpec::DataIds { .. } | ResultSpec::Records { .. } => Ok(()),
        }?;
        self.project_choice()
    }

    /// Adds what the choice of the first dataset needs.
    fn project_choice(&mut self) -> Result<()> {
        let Some(search) = self.find_first() else { return Ok(()) };
        let (name, dimensions) = (search.name().clone(), search.group().required());
        let columns = self.plan.datasets.get(&name).cloned().ok_or_else(|| unbound(&name))?;
        for dimension in dimensions.filter(|dimension| !self.group().contains(*dimension)).collect::<Vec<_>>()
        {
            let value = self.plan.key(dimension)?;
            let column = self.add(format!("k_{dimension}"), value);
            self.hidden.push(column);
        }
        if let Some(validity) = columns.validity {
            let begin = self.add("v_begin", Scalar::Column(validity.begin));
            let end = self.add("v_end", Scalar::Column(validity.end));
            self.dataset_columns.extend([begin.clone(), end.clone()]);
            self.hidden.extend([begin, end]);
        }
        self.add(RANK, Scalar::Column(columns.rank.ok_or_else(|| unbound("rank"))?));
        Ok(())
    }

    fn first(&self) -> Option<First> {
        let search = self.find_first()?;
        let group = self.group().union(search.group());
        // In the order of the table, so that nothing is sorted.
        let partition = clustered(group).into_iter().map(|d| ArcStr::from(format!("k_{d}"))).collect();
        Some(First { partition, calibration: search.is_calibration() })
    }

    fn project_dataset(&mut self, dataset_type: &ArcStr, associations: bool) -> Result<()> {
        let columns = self.plan.datasets.get(dataset_type).cloned().ok_or_else(|| unbound(dataset_type))?;
        self.output.origin = Some(self.add("origin", Scalar::Column(columns.origin)));
        self.output.id = Some(self.add("id", Scalar::Column(columns.id)));
        self.output.run_id = Some(self.add("run_id", Scalar::Column(columns.run_id)));
        self.identity.extend([arcstr::literal!("origin"), arcstr::literal!("id")]);
        if associations {
            let collection = columns.collection_id.ok_or_else(|| unbound("collection"))?;
            let collection = self.add("collection_id", Scalar::Column(collection));
            let validity = columns.validity.ok_or_else(|| unbound("timespan"))?;
            let begin = self.add("validity_begin", Scalar::Column(validity.begin));
            let end = self.add("validity_end", Scalar::Column(validity.end));
            self.identity.extend([collection.clone(), begin.clone(), end.clone()]);
            self.output.collection_id = Some(collection);
            self.output.validity = Some((begin, end));
        }
        Ok(())
    }

    fn project_field(&mut self, field: &Field) -> Result<()> {
        let at = self.output.fields.len();
        let columns = match field {
            Field::Key(dimension) => vec![self.plan.key(*dimension)?],
            Field::Record { element, field } => {
                let names: &[&str] =
                    if field == "timespan" { &["timespan_begin", "timespan_end"] } else { &[field] };
                names
                    .iter()
                    .map(|name| {
                        let key = (*element, ArcStr::from(*name));
                        self.plan.records.get(&key).cloned().map(Scalar::Column).ok_or_else(|| unbound(name))
                    })
                    .collect::<Result<_>>()?
            }
            Field::Dataset { dataset_type, field } => self.dataset_field(dataset_type, *field)?,
        };
        let names: Vec<ArcStr> = columns
            .into_iter()
            .enumerate()
            .map(|(part, value)| self.add(format!("f{at}_{part}"), value))
            .collect();
        self.identity.extend(names.iter().cloned());
        if matches!(field, Field::Dataset { .. }) {
            self.dataset_columns.extend(names.iter().cloned());
        }
        self.output.fields.push(names);
        Ok(())
    }

    fn dataset_field(&self, dataset_type: &ArcStr, field: DatasetField) -> Result<Vec<Scalar>> {
        let missing = || unbound(field.name());
        let columns = self.plan.datasets.get(dataset_type).ok_or_else(missing)?;
        let names = match field {
            DatasetField::DatasetId => vec![Some(columns.origin.clone()), Some(columns.id.clone())],
            DatasetField::Run => vec![columns.run_name.clone()],
            DatasetField::Collection => vec![columns.collection_name.clone()],
            DatasetField::IngestDate => vec![columns.ingested_at.clone()],
            DatasetField::Timespan => {
                let validity = columns.validity.as_ref().ok_or_else(missing)?;
                vec![Some(validity.begin.clone()), Some(validity.end.clone())]
            }
        };
        names.into_iter().map(|name| name.map(Scalar::Column).ok_or_else(missing)).collect()
    }

    fn project_order(&mut self) -> Result<()> {
        for (n, term) in self.query.order_by.iter().enumerate() {
            let value = self.plan.one(&term.value)?;
            let column = self.add(format!("o{n}"), value);
            term.value.for_each_field(&mut |field| {
                if matches!(field, Field::Dataset { .. }) {
                    self.dataset_columns.push(column.clone());
                }
            });
            self.order.push(SortKey { column, descending: term.descending });
        }
        Ok(())
    }

    /// Whether the join may have several rows for one row of the result.
    fn repeats(&self) -> bool {
        let same = self.group() == self.plan.dimensions
            || self.group().required().eq(self.plan.dimensions.required());
        let other_searches = self.searches.iter().any(|search| {
            let is_result = matches!(
                &self.query.result,
                ResultSpec::Datasets { dataset_type, .. } | ResultSpec::Associations { dataset_type } if dataset_type == search.name()
            );
            search.repeats() || (!is_result && search.places.len() > 1)
        });
        let nonsingular = self
            .searches
            .iter()
            .any(|search| search.handle.definition.kind() == butler_core::DatasetKind::Nonsingular);
        !same || other_searches || nonsingular || self.plan.multiplies
    }

    fn projected(&mut self, extra: Vec<(ArcStr, Scalar)>) -> Relation {
        let columns: Vec<(ArcStr, Scalar)> =
            self.columns.drain(..).map(|column| (column.name, column.value)).chain(extra).collect();
        let plan = std::mem::replace(&mut self.plan, Plan::new(self.query.dimensions));
        plan.finish().project(columns)
    }

    /// A total order: what is asked for, then what tells rows apart.
    fn total_order(&self, apart: &[ArcStr]) -> Vec<SortKey> {
        let mut order = self.order.clone();
        for column in apart {
            if !order.iter().any(|key| key.column == *column) {
                order.push(SortKey::ascending(column.clone()));
            }
        }
        order
    }

    fn finish_in_database(mut self) -> Result<Shaped> {
        let repeats = self.repeats();
        let first = self.first();
        let names: Vec<ArcStr> = self.columns.iter().map(|column| column.name.clone()).collect();
        let mut relation = self.projected(Vec::new());
        match &first {
            Some(First { calibration: true, .. }) => {
                // Ranges that agree in data ID and collection are counted: more than one is in doubt.
                let of_dataset = |name: &ArcStr| self.dataset_columns.contains(name);
                let by: Vec<ArcStr> = names.iter().filter(|name| !of_dataset(name)).cloned().collect();
                let mut aggregates: Vec<AggregateColumn> = names
                    .iter()
                    .filter(|name| of_dataset(name))
                    .map(|name| AggregateColumn {
                        name: name.clone(),
                        function: Aggregate::Min(name.clone()),
                    })
                    .collect();
                aggregates.push(AggregateColumn { name: MATCHES, function: Aggregate::Count });
                relation = relation.distinct().aggregate(by, aggregates);
                self.output.checks_matches = true;
            }
            _ if repeats => relation = relation.distinct(),
            _ => {}
        }
        if let Some(First { partition, calibration }) = first {
            let mut order = vec![SortKey::ascending(RANK)];
            // A run has one dataset of a data ID: its rank decides.
            if repeats {
                order.extend(self.identity.iter().cloned().map(SortKey::ascending));
            }
            relation = relation.first_by(partition, order);
            if !self.hidden.is_empty() {
                let shown = |name: &ArcStr| *name != RANK && !self.hidden.contains(name);
                let matches = calibration.then_some(MATCHES);
                relation = relation.select(names.into_iter().filter(shown).chain(matches)).distinct();
            }
        }
        if let ResultSpec::Records { element } = &self.query.result
            && element.has_table()
        {
            relation = self.with_records(*element, relation);
        }
        let sliced = self.query.limit.is_some() || self.query.offset > 0;
        if sliced {
            relation = relation.slice(self.total_order(&self.identity), self.query.offset, self.query.limit);
        } else if !self.order.is_empty() {
            relation = relation.sort(self.total_order(&self.identity));
        }
        Ok(Shaped { relation, output: self.output, post: None })
    }

    /// Adds the columns of an element's records to its keys.
    fn with_records(&mut self, element: DimensionElement, keys: Relation) -> Relation {
        let table = element_table(element);
        let columns: Vec<(ArcStr, ArcStr)> =
            table.columns.iter().map(|column| (record_column(&column.name), column.name.clone())).collect();
        let on = equal(element.required().map(|d| (format!("k_{d}"), record_column(d.name()))));
        self.output.has_records = true;
        keys.join(table.scan().rename(columns), on)
    }

    fn finish_afterwards(mut self) -> Result<Shaped> {
        let exact = std::mem::take(&mut self.plan.exact);
        let mut extra: Vec<(ArcStr, Scalar)> = std::mem::take(&mut self.plan.flags);
        let mut needed = Vec::new();
        exact.iter().for_each(|condition| columns_of(condition, &mut needed));
        for name in needed {
            if !extra.iter().any(|(known, _)| *known == name) {
                extra.push((name.clone(), Scalar::Column(name)));
            }
        }
        let first = self.first();
        self.output.checks_matches = first.as_ref().is_some_and(|first| first.calibration);
        // Rows of one identity come together, so that the first is easily kept.
        let distinct = [&self.identity[..], &self.hidden].concat();
        let order = self.total_order(&distinct);
        let relation = self.projected(extra).sort(order);
        let post = Post {
            exact,
            distinct,
            first_by: first.map(|first| first.partition),
            identity: std::mem::take(&mut self.identity),
            offset: self.query.offset,
            limit: self.query.limit,
        };
        Ok(Shaped { relation, output: self.output, post: Some(post) })
    }
}

/// Dimensions of the rows of a query's result.
pub(super) fn result_group(query: &Query, searches: &[SearchPlan]) -> DimensionGroup {
    let of_type = |name: &ArcStr| {
        searches.iter().find(|search| search.name() == name).map_or(query.dimensions, |search| search.group())
    };
    match &query.result {
        ResultSpec::Datasets { dataset_type, .. } | ResultSpec::Associations { dataset_type } => {
            of_type(dataset_type)
        }
        ResultSpec::DataIds { dimensions } | ResultSpec::General { dimensions, .. } => *dimensions,
        ResultSpec::Records { element } => element.universe().conform_dimensions(element.required()),
    }
}

fn columns_of(exact: &Exact, into: &mut Vec<ArcStr>) {
    let place = |place: &Place, into: &mut Vec<ArcStr>| match place {
        Place::Element { keys, .. } => into.extend(keys.iter().cloned()),
        Place::Pixel { key, .. } => into.push(key.clone()),
        Place::Constant(_) => {}
    };
    match exact {
        Exact::And(operands) | Exact::Or(operands) => {
            operands.iter().for_each(|operand| columns_of(operand, into));
        }
        Exact::Not(operand) => columns_of(operand, into),
        Exact::Flag(_) => {}
        Exact::Overlap(a, b) => {
            place(a, into);
            place(b, into);
        }
    }
}
