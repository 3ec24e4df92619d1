//! Relations, evaluated by definition.

use std::collections::{BTreeMap, HashMap, HashSet};

use arcstr::ArcStr;
use butler_core::backend::{
    Aggregate, AggregateColumn, Comparison, ProjectColumn, Relation, RowBatch, Scalar, Schema, SortKey, Value,
};
use butler_core::{Error, ErrorKind, Result};

use super::database::Database;
use super::flaw::{Flaw, Flawed};
use super::incoming::checked;
use super::key::{Key, Row};
use super::scalar::Scope;

/// The rows of a relation.
pub(super) struct Rows {
    pub(super) schema: Schema,
    pub(super) rows: Vec<Row>,
}

/// Evaluates a relation: each operator by what [`Relation`] says of it, with
/// everything evaluated and nothing left to chance.
///
/// # Errors
/// As of [`Transaction::select`](butler_core::backend::Transaction::select), and `Argument` if the order of a
/// `FirstBy` or `Slice` leaves a choice.
pub(super) fn evaluate(database: &Database, relation: &Relation) -> Result<Rows> {
    let schema = relation.schema()?;
    let evaluated = |input: &Relation| evaluate(database, input);
    let flaw = database.flaw;
    let rows = match relation {
        Relation::Table { table } => database.table(table)?.rows().cloned().collect(),
        Relation::Values { rows } => values(rows, flaw)?,
        Relation::Join { left, right, on } => {
            let (left, right) = (evaluated(left)?, evaluated(right)?);
            let mut rows = Vec::new();
            for_each_pair(&left, &right, on, flaw, |a, b| {
                rows.push(left.rows[a].iter().chain(right.rows[b].iter()).cloned().collect());
            })?;
            rows
        }
        Relation::Semi { left, right, on } => {
            partnered(evaluated(left)?, &evaluated(right)?, on, true, flaw)?
        }
        Relation::Anti { left, right, on } => {
            partnered(evaluated(left)?, &evaluated(right)?, on, false, flaw)?
        }
        Relation::Filter { input, predicate } => filter(evaluated(input)?, predicate, flaw)?,
        Relation::Project { input, columns } => project(&evaluated(input)?, columns, flaw)?,
        Relation::UnionAll { inputs } => {
            let mut rows = Vec::new();
            for input in inputs {
                rows.extend(evaluated(input)?.rows);
            }
            rows
        }
        Relation::Distinct { input } => {
            let mut seen = HashSet::new();
            let mut rows = evaluated(input)?.rows;
            rows.retain(|row| seen.insert(Key(row.clone())));
            rows
        }
        Relation::FirstBy { input, partition, order } => first_by(evaluated(input)?, partition, order)?,
        Relation::Aggregate { input, by, aggregates } => aggregate(&evaluated(input)?, by, aggregates, flaw),
        Relation::Sort { input, keys } => sorted(evaluated(input)?, keys).rows,
        Relation::Slice { input, keys, offset, limit } => {
            let input = sorted(evaluated(input)?, keys);
            check_no_choice(&input, keys)?;
            let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            let limit = limit.map_or(usize::MAX, whole);
            input.rows.into_iter().skip(whole(*offset)).take(limit).collect()
        }
        Relation::Closure { seeds, edges, from, to, max_depth } => {
            closure(&evaluated(seeds)?, &evaluated(edges)?, from, to, *max_depth, flaw)
        }
    };
    Ok(Rows { schema, rows })
}

fn values(batch: &RowBatch, flaw: Option<Flaw>) -> Result<Vec<Row>> {
    let row = |row| batch.columns().iter().map(|column| checked(column, row, flaw)).collect::<Result<Row>>();
    (0..batch.len()).map(row).collect()
}

fn positions<'a>(schema: &Schema, names: impl IntoIterator<Item = &'a ArcStr>) -> Vec<usize> {
    names.into_iter().filter_map(|name| schema.iter().position(|column| column.name == *name)).collect()
}

fn filter(input: Rows, predicate: &Scalar, flaw: Option<Flaw>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for row in input.rows {
        if (Scope { schema: &input.schema, row: &row, other: None, flaw }).holds(predicate)? {
            rows.push(row);
        }
    }
    Ok(rows)
}

fn project(input: &Rows, columns: &[ProjectColumn], flaw: Option<Flaw>) -> Result<Vec<Row>> {
    let row = |row: &Row| {
        let scope = Scope { schema: &input.schema, row, other: None, flaw };
        columns.iter().map(|column| scope.value(&column.value)).collect::<Result<Row>>()
    };
    input.rows.iter().map(row).collect()
}

fn partnered(left: Rows, right: &Rows, on: &Scalar, wanted: bool, flaw: Option<Flaw>) -> Result<Vec<Row>> {
    let mut has_partner = vec![false; left.rows.len()];
    for_each_pair(&left, right, on, flaw, |a, _| has_partner[a] = true)?;
    let rows = left.rows.into_iter().zip(has_partner);
    Ok(rows.filter(|(_, has)| *has == wanted).map(|(row, _)| row).collect())
}

/// Calls `see` with the positions of all pairs of rows for which `on` is true.
///
/// Pairs that a conjunction of equal columns excludes are passed over, provided
/// that the condition fails on none of them.
fn for_each_pair(
    left: &Rows,
    right: &Rows,
    on: &Scalar,
    flaw: Option<Flaw>,
    mut see: impl FnMut(usize, usize),
) -> Result<()> {
    let holds = |a: &Row, b: &Row| {
        Scope { schema: &left.schema, row: a, other: Some((&right.schema, b)), flaw }.holds(on)
    };
    let equal = equal_columns(left, right, on);
    if equal.is_empty() || can_fail(on) {
        for (a, left_row) in left.rows.iter().enumerate() {
            for (b, right_row) in right.rows.iter().enumerate() {
                if holds(left_row, right_row)? {
                    see(a, b);
                }
            }
        }
        return Ok(());
    }
    let (left_columns, right_columns): (Vec<usize>, Vec<usize>) = equal.into_iter().unzip();
    let mut partners: HashMap<Key, Vec<usize>> = HashMap::new();
    for (b, row) in right.rows.iter().enumerate() {
        partners.entry(Key::of(row, &right_columns)).or_default().push(b);
    }
    for (a, row) in left.rows.iter().enumerate() {
        for &b in partners.get(&Key::of(row, &left_columns)).into_iter().flatten() {
            if holds(row, &right.rows[b])? {
                see(a, b);
            }
        }
    }
    Ok(())
}

/// Pairs of columns of one type, left and right, that must be equal for a condition to hold.
fn equal_columns(left: &Rows, right: &Rows, on: &Scalar) -> Vec<(usize, usize)> {
    let single = std::slice::from_ref(on);
    let conditions = if let Scalar::And(operands) = on { operands } else { single };
    let pairs = conditions.iter().filter_map(|condition| {
        let Scalar::Compare { op: Comparison::Eq, left: a, right: b } = condition else { return None };
        let (Scalar::Column(a), Scalar::Column(b)) = (&**a, &**b) else { return None };
        let find = |rows: &Rows, name: &ArcStr| rows.schema.iter().position(|column| column.name == *name);
        let (a, b) = match (find(left, a), find(right, b)) {
            (Some(a), Some(b)) => (a, b),
            _ => (find(left, b)?, find(right, a)?),
        };
        (left.schema[a].ty == right.schema[b].ty).then_some((a, b))
    });
    pairs.collect()
}

/// Whether a scalar has arithmetic, which may overflow.
fn can_fail(scalar: &Scalar) -> bool {
    match scalar {
        Scalar::Arithmetic { .. } | Scalar::Negate(_) => true,
        Scalar::Column(_) | Scalar::Literal(_) | Scalar::Null(_) => false,
        Scalar::Compare { left, right, .. } => can_fail(left) || can_fail(right),
        Scalar::And(operands) | Scalar::Or(operands) | Scalar::Coalesce(operands) => {
            operands.iter().any(can_fail)
        }
        Scalar::Not(operand) | Scalar::IsNull(operand) => can_fail(operand),
        Scalar::In { value, .. } | Scalar::Glob { value, .. } => can_fail(value),
    }
}

/// Stable, so that rows that agree in the keys stay in order.
fn sorted(mut input: Rows, keys: &[SortKey]) -> Rows {
    let columns = positions(&input.schema, keys.iter().map(|key| &key.column));
    input.rows.sort_by(|a, b| {
        let orderings = keys.iter().zip(&columns).map(|(key, &column)| {
            let ordering = a[column].sort_cmp(&b[column]);
            if key.descending { ordering.reverse() } else { ordering }
        });
        orderings.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    input
}

fn check_no_choice(sorted: &Rows, keys: &[SortKey]) -> Result<()> {
    let columns = positions(&sorted.schema, keys.iter().map(|key| &key.column));
    let agree = |pair: &&[Row]| Key::of(&pair[0], &columns) == Key::of(&pair[1], &columns);
    let choice = |pair: &[Row]| Key(pair[0].clone()) != Key(pair[1].clone());
    match sorted.rows.windows(2).filter(agree).find(|pair| choice(pair)) {
        Some(pair) => Err(Error::new(
            ErrorKind::Argument,
            format!("an order leaves the choice between {:?} and {:?}: {keys:?}", pair[0], pair[1]),
        )
        .with_hint("add sort keys until rows that agree in them are equal")),
        None => Ok(()),
    }
}

fn first_by(input: Rows, partition: &[ArcStr], order: &[SortKey]) -> Result<Vec<Row>> {
    let columns = positions(&input.schema, partition);
    let mut groups: BTreeMap<Key, Vec<Row>> = BTreeMap::new();
    for row in input.rows {
        groups.entry(Key::of(&row, &columns)).or_default().push(row);
    }
    let first = |rows| {
        let group = sorted(Rows { schema: input.schema.clone(), rows }, order);
        check_no_choice(&group, order)?;
        Ok(group.rows[0].clone())
    };
    groups.into_values().map(first).collect()
}

fn aggregate(input: &Rows, by: &[ArcStr], aggregates: &[AggregateColumn], flaw: Option<Flaw>) -> Vec<Row> {
    let columns = positions(&input.schema, by);
    let mut groups: BTreeMap<Key, Vec<&Row>> = BTreeMap::new();
    if by.is_empty() {
        groups.insert(Key::of(&[], &[]), Vec::new());
    }
    for row in &input.rows {
        groups.entry(Key::of(row, &columns)).or_default().push(row);
    }
    let value = |rows: &[&Row], function: &Aggregate| {
        let of = |name| {
            let column = positions(&input.schema, [name]);
            let values = rows.iter().map(move |row| &row[column[0]]);
            values.filter(|value| !value.is_null() || flaw.is(Flaw::NullIsSmallest))
        };
        match function {
            Aggregate::Count => Value::Int(rows.len() as i64),
            Aggregate::Min(name) => of(name).min_by(|a, b| a.sort_cmp(b)).cloned().unwrap_or(Value::Null),
            Aggregate::Max(name) => of(name).max_by(|a, b| a.sort_cmp(b)).cloned().unwrap_or(Value::Null),
        }
    };
    let row = |(key, rows): (Key, Vec<&Row>)| {
        let computed = aggregates.iter().map(|column| value(&rows, &column.function));
        key.0.iter().cloned().chain(computed).collect()
    };
    groups.into_iter().map(row).collect()
}

fn closure(
    seeds: &Rows,
    edges: &Rows,
    from: &[ArcStr],
    to: &[ArcStr],
    max_depth: Option<u32>,
    flaw: Option<Flaw>,
) -> Vec<Row> {
    let (from, to) = (positions(&edges.schema, from), positions(&edges.schema, to));
    let mut next: HashMap<Key, Vec<Key>> = HashMap::new();
    for edge in &edges.rows {
        let begin = Key::of(edge, &from);
        if !begin.has_null() || flaw.is(Flaw::NullLeadsOn) {
            next.entry(begin).or_default().push(Key::of(edge, &to));
        }
    }
    let mut seen: HashSet<Key> = HashSet::new();
    let mut reached: Vec<Row> = Vec::new();
    let mut frontier: Vec<Key> = seeds.rows.iter().map(|row| Key(row.clone())).collect();
    let mut depth = 0;
    while !frontier.is_empty() {
        frontier.retain(|node| seen.insert(node.clone()));
        reached.extend(frontier.iter().map(|node| node.0.clone()));
        if max_depth.is_some_and(|max| depth >= max) {
            break;
        }
        depth += 1;
        frontier = frontier.iter().filter_map(|node| next.get(node)).flatten().cloned().collect();
    }
    reached
}
