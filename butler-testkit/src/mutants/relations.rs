//! Mutants that evaluate an operator of relations wrongly.

use butler_core::backend::{Aggregate, AggregateColumn, ProjectColumn, Relation, Scalar, SortKey, Value};

use super::batches::{cut, with_rows};
use super::tamper::Tamper;

pub(super) fn mutants() -> Vec<Tamper> {
    [
        Tamper::among(&["joins", "random"], joins()),
        Tamper::among(&["random", "shapes"], bags()),
        Tamper::among(&["grouping", "random"], groups()),
        Tamper::among(&["ordering", "random"], orders()),
        Tamper::among(&["closure", "random"], closures()),
        Tamper::among(&["large", "shapes"], limits()),
    ]
    .concat()
}

macro_rules! relation {
    ($name:literal, $breaks:literal, $($from:pat $(if $guard:expr)? => $to:expr),* $(,)?) => {
        Tamper {
            relation: Some(|relation| match relation {
                $($from $(if $guard)? => $to,)*
                other => other,
            }),
            ..Tamper::new($name, $breaks)
        }
    };
}

/// A condition that NULL satisfies, too.
fn or_null(condition: Scalar) -> Scalar {
    Scalar::Or(vec![condition.clone(), condition.is_null()])
}

fn none(relation: Relation) -> Relation {
    relation.filter(Scalar::Or(Vec::new()))
}

fn names(relation: &Relation) -> Vec<arcstr::ArcStr> {
    relation.schema().unwrap_or_default().into_iter().map(|column| column.name).collect()
}

fn is_null(columns: &[arcstr::ArcStr]) -> Scalar {
    Scalar::Or(columns.iter().map(|column| Scalar::Column(column.clone()).is_null()).collect())
}

fn joins() -> Vec<Tamper> {
    use Relation::{Anti, Join, Semi};
    vec![
        relation!("JoinOnNull", "joins rows on NULL",
            Join { left, right, on } => Join { left, right, on: or_null(on) }),
        relation!("JoinOnce", "joins each row with one partner at most",
        Join { left, right, on } => {
            let (first, rest) = (names(&left), names(&right));
            let order = rest.into_iter().map(SortKey::ascending).collect();
            Join { left, right, on }.first_by(first, order)
        }),
        relation!("JoinDistinct", "joins without duplicates",
            Join { left, right, on } => Join { left, right, on }.distinct()),
        relation!("SemiRepeats", "gives a row for each partner",
        Semi { left, right, on } => {
            let columns = names(&left);
            Join { left, right, on }.select(columns)
        }),
        relation!("SemiDistinct", "gives equal rows with a partner once",
            Semi { left, right, on } => Semi { left, right, on }.distinct()),
        relation!("AntiNullIsPartner", "takes NULL for a partner",
            Anti { left, right, on } => Anti { left, right, on: or_null(on) }),
        relation!("AntiDistinct", "gives equal rows without a partner once",
            Anti { left, right, on } => Anti { left, right, on }.distinct()),
        relation!("AntiNeedsRight", "gives no rows if there are none to be partners",
        Anti { left, right, on } => {
            let some = right.clone().select([""; 0]);
            Anti { left: Box::new(left.semi(some, Scalar::And(vec![]))), right, on }
        }),
    ]
}

fn bags() -> Vec<Tamper> {
    use Relation::{Distinct, Filter, Project, UnionAll, Values};
    vec![
        relation!("FilterKeepsNull", "keeps rows for which a predicate is NULL",
            Filter { input, predicate } => Filter { input, predicate: or_null(predicate) }),
        relation!("FilterTwice", "keeps of two filters the outer",
        Filter { input, predicate } => match *input {
            Filter { input, .. } => Filter { input, predicate },
            other => Filter { input: Box::new(other), predicate },
        }),
        relation!("ProjectDistinct", "projects without duplicates",
            Project { input, columns } => Project { input, columns }.distinct()),
        relation!("ProjectSwaps", "gives the last column the value of the first of its type",
            Project { input, columns } => swapped(input, columns)),
        relation!("UnionDistinct", "unites without duplicates",
            UnionAll { inputs } => UnionAll { inputs }.distinct()),
        relation!("UnionForgetsLast", "forgets the third input of a union",
            UnionAll { inputs } => UnionAll { inputs: inputs.into_iter().enumerate().filter(|(i, _)| *i != 2).map(|(_, input)| input).collect() }),
        relation!("UnionForgetsSlices", "forgets limits within a union",
        UnionAll { mut inputs } => {
            for input in &mut inputs {
                if let Relation::Slice { limit, offset, .. } = input {
                    (*limit, *offset) = (None, 0);
                }
            }
            UnionAll { inputs }
        }),
        relation!("DistinctKeeps", "keeps duplicates", Distinct { input } => *input),
        relation!("DistinctNullsDiffer", "takes NULL for different from NULL among distinct rows",
        Distinct { input } => {
            let null = is_null(&names(&input));
            let with = input.clone().filter(null.clone());
            UnionOf(vec![input.filter(null.negated()).distinct(), with]).into()
        }),
        relation!("ValuesDistinct", "takes equal rows of the caller once",
            Values { rows } => Values { rows }.distinct()),
        relation!("ValuesNeedRows", "takes one row of NULL for no rows of the caller",
        Values { rows } => match with_rows(&rows, [vec![Value::Null; rows.columns().len()]]) {
            Ok(one) if rows.is_empty() => Relation::values(one),
            _ => Values { rows },
        }),
        relation!("NoColumnsNoRows", "has no rows where there are no columns",
            Project { input, columns } if columns.is_empty() => none(Project { input, columns }),
            Values { rows } if rows.names().is_empty() => none(Values { rows })),
        relation!("NamesFolded", "takes names of columns without regard to case",
            Project { input, columns } => folded(input, columns)),
    ]
}

/// A union of at least one.
struct UnionOf(Vec<Relation>);

impl From<UnionOf> for Relation {
    fn from(union: UnionOf) -> Self {
        Self::UnionAll { inputs: union.0 }
    }
}

fn swapped(input: Box<Relation>, mut columns: Vec<ProjectColumn>) -> Relation {
    let schema = input.schema().unwrap_or_default();
    if let [first, .., last] = &mut columns[..]
        && first.value.ty(&schema).ok() == last.value.ty(&schema).ok()
    {
        last.value = first.value.clone();
    }
    Relation::Project { input, columns }
}

fn folded(input: Box<Relation>, columns: Vec<ProjectColumn>) -> Relation {
    let found = |column: &ProjectColumn| {
        let name = column.name.to_lowercase();
        let same = columns.iter().find(|other| other.name.to_lowercase() == name);
        let value = same.map_or(&column.value, |other| &other.value);
        ProjectColumn { name: column.name.clone(), value: value.clone() }
    };
    let changed = columns.iter().map(found).collect();
    let sound = Relation::Project { input: input.clone(), columns: changed };
    let same = Relation::Project { input, columns };
    if sound.schema().ok() == same.schema().ok() { sound } else { same }
}

fn groups() -> Vec<Tamper> {
    use Relation::{Aggregate as Group, FirstBy};
    vec![
        relation!("FirstIsLast", "gives the last of a group",
        FirstBy { input, partition, mut order } => {
            order.iter_mut().for_each(|key| key.descending = !key.descending);
            FirstBy { input, partition, order }
        }),
        relation!("FirstBySomeKey", "orders groups by the first key, and then the other way",
        FirstBy { input, partition, mut order } => {
            order.iter_mut().skip(1).for_each(|key| key.descending = !key.descending);
            FirstBy { input, partition, order }
        }),
        relation!("FirstWithoutNulls", "takes NULL for different from NULL among partitions",
        FirstBy { input, partition, order } => {
            let null = is_null(&partition);
            let with = input.clone().filter(null.clone());
            UnionOf(vec![input.filter(null.negated()).first_by(partition, order), with]).into()
        }),
        relation!("FirstSkipsNulls", "orders NULL after everything in a group",
        FirstBy { input, partition, order } => nulls_last(*input, &order, |input, order| {
            input.first_by(partition.clone(), order)
        })),
        relation!("FirstOfAll", "does not partition",
            FirstBy { input, order, .. } => FirstBy { input, partition: vec![], order }),
        relation!("FirstRepeats", "gives all rows that are first",
        FirstBy { input, partition, order } => {
            let columns = names(&input);
            let first = FirstBy { input: input.clone(), partition, order };
            let other = first.project(columns.iter().map(|name| (format!("first {name}"), Scalar::Column(name.clone()))));
            let same = |name: &arcstr::ArcStr| {
                let (a, b) = (Scalar::Column(name.clone()), Scalar::column(format!("first {name}")));
                Scalar::Or(vec![a.clone().eq(b.clone()), Scalar::And(vec![a.is_null(), b.is_null()])])
            };
            input.semi(other, Scalar::And(columns.iter().map(same).collect()))
        }),
        relation!("NoGroupOfNothing", "has no row for a group of all rows if there are none",
        Group { input, by, aggregates } => {
            let some = input.clone().select([""; 0]);
            let result = Group { input, by: by.clone(), aggregates };
            if by.is_empty() { result.semi(some, Scalar::And(vec![])) } else { result }
        }),
        relation!("GroupOfNothing", "has a row for no groups",
        Group { input, by, aggregates } => {
            let result = Group { input: input.clone(), by: by.clone(), aggregates };
            let nulls = result.schema().unwrap_or_default().into_iter().map(|column| (column.name, Scalar::Null(column.ty)));
            let none = input.count().filter(Scalar::column("count").eq(0)).project(nulls);
            if by.is_empty() { result } else { UnionOf(vec![result, none]).into() }
        }),
        relation!("NullsAreNoGroup", "forgets groups of NULL",
        Group { input, by, aggregates } => {
            let null = is_null(&by);
            Group { input: Box::new(input.filter(null.negated())), by, aggregates }
        }),
        relation!("CountsDistinct", "counts equal rows once",
            Group { input, by, aggregates } => Group { input: Box::new(input.distinct()), by, aggregates }),
        relation!("LeastIsGreatest", "gives the greatest for the least",
        Group { input, by, mut aggregates } => {
            for AggregateColumn { function, .. } in &mut aggregates {
                if let Aggregate::Min(column) = function {
                    *function = Aggregate::Max(column.clone());
                }
            }
            Group { input, by, aggregates }
        }),
        relation!("GroupsOfOneColumn", "groups by the first column only",
        Group { input, by, aggregates } => match by.len() {
            0 | 1 => Group { input, by, aggregates },
            _ => {
                let order = names(&input).into_iter().map(SortKey::ascending).collect();
                Group { input: Box::new(input.first_by([by[0].clone()], order)), by, aggregates }
            }
        }),
    ]
}

/// Sorts by whether a key is NULL, and then by the key.
fn nulls_last(
    input: Relation,
    keys: &[SortKey],
    sort: impl FnOnce(Relation, Vec<SortKey>) -> Relation,
) -> Relation {
    let columns = names(&input);
    let flag = |key: &SortKey| format!("null {}", key.column);
    let flags: Vec<_> =
        keys.iter().map(|key| (flag(key).into(), Scalar::Column(key.column.clone()).is_null())).collect();
    let own = columns.iter().map(|name| (name.clone(), Scalar::Column(name.clone())));
    let order = keys
        .iter()
        .flat_map(|key| [SortKey { column: flag(key).into(), ..key.clone() }, key.clone()])
        .collect();
    sort(input.project(own.chain(flags)), order).select(columns)
}

fn orders() -> Vec<Tamper> {
    use Relation::{Slice, Sort};
    vec![
        relation!("SortForgotten", "does not sort", Sort { input, .. } => *input),
        relation!("SortDistinct", "sorts without duplicates", Sort { input, keys } => input.distinct().sort(keys)),
        relation!("SortAscending", "always sorts small values first",
        Sort { input, mut keys } => {
            keys.iter_mut().for_each(|key| key.descending = false);
            Sort { input, keys }
        }),
        relation!("SortByOne", "sorts by the first key only",
        Sort { input, mut keys } => {
            keys.truncate(1);
            Sort { input, keys }
        }),
        relation!("SortNullsLast", "sorts NULL after everything",
            Sort { input, keys } => nulls_last(*input, &keys, Relation::sort)),
        relation!("SliceNullsLast", "slices with NULL after everything",
        Slice { input, keys, offset, limit } => {
            nulls_last(*input, &keys, |input, keys| input.slice(keys, offset, limit))
        }),
        relation!("SliceWithoutOffset", "takes every slice from the beginning",
            Slice { input, keys, limit, .. } => Slice { input, keys, offset: 0, limit }),
        relation!("SliceWithoutLimit", "takes every slice to the end",
            Slice { input, keys, offset, .. } => Slice { input, keys, offset, limit: None }),
        relation!("SliceOfNothing", "takes a limit of 0 for none",
            Slice { input, keys, offset, limit } => Slice { input, keys, offset, limit: limit.filter(|n| *n > 0) }),
        relation!("SliceSigned", "takes great offsets for negative ones",
        Slice { input, keys, offset, limit } => {
            Slice { input, keys, offset: if offset > u64::MAX / 2 { 0 } else { offset }, limit }
        }),
        relation!("SliceDistinct", "slices equal rows once",
            Slice { input, keys, offset, limit } => Slice { input: Box::new(input.distinct()), keys, offset, limit }),
        relation!("SliceLimitFirst", "limits before it skips",
        Slice { input, keys, offset, limit } => {
            let limited = Slice { input, keys: keys.clone(), offset: 0, limit };
            limited.slice(keys, offset, None)
        }),
        relation!("SliceAfterFilter", "slices what a filter leaves",
        Relation::Filter { input, predicate } => match *input {
            Slice { input, keys, offset, limit } => input.filter(predicate).slice(keys, offset, limit),
            other => other.filter(predicate),
        }),
    ]
}

fn closures() -> Vec<Tamper> {
    use Relation::Closure;
    vec![
        relation!("ClosureWithoutSeeds", "leaves out the seeds",
        Closure { seeds, edges, from, to, max_depth } => {
            let columns = names(&seeds);
            let others = seeds.clone().project(columns.iter().map(|name| (format!("seed {name}"), Scalar::Column(name.clone()))));
            let same = columns.iter().map(|name| Scalar::Column(name.clone()).eq(Scalar::column(format!("seed {name}"))));
            let on = Scalar::And(same.collect());
            Closure { seeds, edges, from, to, max_depth }.anti(others, on)
        }),
        relation!("ClosureRepeats", "gives seeds twice",
        Closure { seeds, edges, from, to, max_depth } => {
            let again = Relation::clone(&seeds);
            UnionOf(vec![Closure { seeds, edges, from, to, max_depth }, again]).into()
        }),
        relation!("ClosureUnlimited", "follows paths of any length",
            Closure { seeds, edges, from, to, .. } => Closure { seeds, edges, from, to, max_depth: None }),
        relation!("ClosureOneStep", "follows one edge only",
            Closure { seeds, edges, from, to, .. } => Closure { seeds, edges, from, to, max_depth: Some(1) }),
        relation!("ClosureTooFar", "follows paths of one edge more",
        Closure { seeds, edges, from, to, max_depth } => {
            Closure { seeds, edges, from, to, max_depth: max_depth.map(|depth| depth.saturating_add(1)) }
        }),
        relation!("ClosureBackwards", "follows edges backwards",
            Closure { seeds, edges, from, to, max_depth } => Closure { seeds, edges, from: to, to: from, max_depth }),
        relation!("ClosureByOneColumn", "compares the first columns of nodes only",
        Closure { seeds, edges, from, to, max_depth } => {
            let ends = || Scalar::Column(from[0].clone()).eq(Scalar::Column(to[0].clone()));
            let edges = Box::new(if from.len() > 1 { edges.filter(ends()) } else { *edges });
            Closure { seeds, edges, from, to, max_depth }
        }),
        relation!("ClosureForgetsNull", "leaves out NULL",
        Closure { seeds, edges, from, to, max_depth } => {
            let null = is_null(&names(&seeds));
            Closure { seeds, edges, from, to, max_depth }.filter(null.negated())
        }),
    ]
}

fn depth(relation: &Relation) -> usize {
    1 + crate::walk::inputs(relation).into_iter().map(depth).max().unwrap_or(0)
}

fn limits() -> Vec<Tamper> {
    vec![
        relation!("ValuesCut", "takes the first thousand rows of the caller",
        Relation::Values { rows } => match cut(&rows, 1000) {
            Ok(rows) => Relation::values(rows),
            Err(_) => Relation::Values { rows },
        }),
        relation!("ClosureBounded", "gives up after a hundred edges",
        Relation::Closure { seeds, edges, from, to, max_depth } => {
            Relation::Closure { seeds, edges, from, to, max_depth: Some(max_depth.unwrap_or(100).min(100)) }
        }),
        relation!("UnionsCut", "unites 64 inputs at most",
        Relation::UnionAll { mut inputs } => {
            inputs.truncate(64);
            Relation::UnionAll { inputs }
        }),
        relation!("NestingCut", "forgets slices in the depth of a relation",
        Relation::Slice { input, keys, offset, limit } => match depth(&input) {
            0..12 => Relation::Slice { input, keys, offset, limit },
            _ => *input,
        }),
        relation!("JoinsCut", "joins ten relations at most",
        Relation::Join { left, right, on } => match depth(&left) {
            0..10 => Relation::Join { left, right, on },
            _ => none(Relation::Join { left, right, on }),
        }),
    ]
}
