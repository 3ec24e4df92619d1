//! Relations as trees: their inputs, and the same operator on other inputs.

use butler_core::backend::{Relation, Scalar};

/// The relations that an operator reads, in order.
pub(crate) fn inputs(relation: &Relation) -> Vec<&Relation> {
    match relation {
        Relation::Table { .. } | Relation::Values { .. } => vec![],
        Relation::Join { left, right, .. }
        | Relation::Semi { left, right, .. }
        | Relation::Anti { left, right, .. } => vec![left, right],
        Relation::Closure { seeds, edges, .. } => vec![seeds, edges],
        Relation::UnionAll { inputs } => inputs.iter().collect(),
        Relation::Filter { input, .. }
        | Relation::Project { input, .. }
        | Relation::Distinct { input }
        | Relation::FirstBy { input, .. }
        | Relation::Aggregate { input, .. }
        | Relation::Sort { input, .. }
        | Relation::Slice { input, .. } => vec![input],
    }
}

/// Calls `change` with each input of an operator.
pub(crate) fn for_each_input(relation: &mut Relation, mut change: impl FnMut(&mut Relation)) {
    match relation {
        Relation::Table { .. } | Relation::Values { .. } => {}
        Relation::Join { left, right, .. }
        | Relation::Semi { left, right, .. }
        | Relation::Anti { left, right, .. } => {
            change(left);
            change(right);
        }
        Relation::Closure { seeds, edges, .. } => {
            change(seeds);
            change(edges);
        }
        Relation::UnionAll { inputs } => inputs.iter_mut().for_each(change),
        Relation::Filter { input, .. }
        | Relation::Project { input, .. }
        | Relation::Distinct { input }
        | Relation::FirstBy { input, .. }
        | Relation::Aggregate { input, .. }
        | Relation::Sort { input, .. }
        | Relation::Slice { input, .. } => change(input),
    }
}

/// A relation in which every operator, innermost first, is what `change` makes of it.
pub(crate) fn rewritten(mut relation: Relation, change: &dyn Fn(Relation) -> Relation) -> Relation {
    for_each_input(&mut relation, |input| {
        let original = std::mem::replace(input, Relation::UnionAll { inputs: Vec::new() });
        *input = rewritten(original, change);
    });
    change(relation)
}

/// A relation in which every scalar, innermost first, is what `change` makes of it.
pub(crate) fn rewritten_scalars(relation: Relation, change: &dyn Fn(Scalar) -> Scalar) -> Relation {
    rewritten(relation, &|mut relation| {
        match &mut relation {
            Relation::Join { on, .. } | Relation::Semi { on, .. } | Relation::Anti { on, .. } => {
                replace(on, change);
            }
            Relation::Filter { predicate, .. } => replace(predicate, change),
            Relation::Project { columns, .. } => {
                columns.iter_mut().for_each(|column| replace(&mut column.value, change));
            }
            _ => {}
        }
        relation
    })
}

fn replace(scalar: &mut Scalar, change: &dyn Fn(Scalar) -> Scalar) {
    match scalar {
        Scalar::Column(_) | Scalar::Literal(_) | Scalar::Null(_) => {}
        Scalar::Compare { left, right, .. } | Scalar::Arithmetic { left, right, .. } => {
            replace(left, change);
            replace(right, change);
        }
        Scalar::And(operands) | Scalar::Or(operands) | Scalar::Coalesce(operands) => {
            operands.iter_mut().for_each(|operand| replace(operand, change));
        }
        Scalar::Not(operand) | Scalar::IsNull(operand) | Scalar::Negate(operand) => replace(operand, change),
        Scalar::In { value, .. } | Scalar::Glob { value, .. } => replace(value, change),
    }
    *scalar = change(std::mem::replace(scalar, Scalar::And(Vec::new())));
}
