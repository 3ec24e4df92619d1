//! Relations as text: the steps in which the reference backend evaluates them.

use butler_core::backend::Relation;

use super::table::show;

/// How many rows of the caller are shown.
const SHOWN: usize = 10;

/// One line for each operator, its inputs below it.
pub(super) fn explain(relation: &Relation) -> String {
    let mut text = String::new();
    write(relation, 0, &mut text);
    text
}

fn write(relation: &Relation, depth: usize, text: &mut String) {
    let (what, inputs): (String, Vec<&Relation>) = match relation {
        Relation::Table { table } => (format!("table {}", table.name), vec![]),
        Relation::Values { rows } => {
            let first: Vec<String> = rows.rows().take(SHOWN).map(|row| show(&row)).collect();
            (format!("{} rows of {}: {}", rows.len(), rows.names().join(", "), first.join(" ")), vec![])
        }
        Relation::Join { left, right, on } => (format!("join on {on:?}"), vec![left, right]),
        Relation::Semi { left, right, on } => (format!("semi-join on {on:?}"), vec![left, right]),
        Relation::Anti { left, right, on } => (format!("anti-join on {on:?}"), vec![left, right]),
        Relation::Filter { input, predicate } => (format!("filter {predicate:?}"), vec![input]),
        Relation::Project { input, columns } => {
            let columns: Vec<String> =
                columns.iter().map(|c| format!("{} = {:?}", c.name, c.value)).collect();
            (format!("project {}", columns.join(", ")), vec![input])
        }
        Relation::UnionAll { inputs } => ("union".into(), inputs.iter().collect()),
        Relation::Distinct { input } => ("distinct".into(), vec![input]),
        Relation::FirstBy { input, partition, order } => {
            (format!("first of each {} by {order:?}", partition.join(", ")), vec![input])
        }
        Relation::Aggregate { input, by, aggregates } => {
            (format!("aggregate {aggregates:?} by {}", by.join(", ")), vec![input])
        }
        Relation::Sort { input, keys } => (format!("sort by {keys:?}"), vec![input]),
        Relation::Slice { input, keys, offset, limit } => {
            (format!("slice {limit:?} from {offset} by {keys:?}"), vec![input])
        }
        Relation::Closure { seeds, edges, from, to, max_depth } => {
            let ends = format!("{} to {}", from.join(", "), to.join(", "));
            (format!("closure from {ends} up to {max_depth:?}"), vec![seeds, edges])
        }
    };
    text.push_str(&"  ".repeat(depth));
    text.push_str(&what);
    text.push('\n');
    inputs.into_iter().for_each(|input| write(input, depth + 1, text));
}
