//! A backend against the reference.

use butler_core::backend::{Backend, Relation, SortKey, Value};
use butler_core::{Error, ErrorKind, Result};

use crate::backend::fixture::{Rows, sorted, streamed};
use crate::reference::ReferenceBackend;
use crate::walk::{for_each_input, inputs};

/// What is asked of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// Both fail, and with the same kind, or neither does.
    Alike,
    /// One may find an overflow that the other does not look at.
    Hidden,
}

/// Compares the rows of a relation: as a bag, and in order if its outermost operator makes one.
///
/// # Errors
/// A description of the difference.
pub async fn same_rows(
    reference: &ReferenceBackend,
    other: &dyn Backend,
    relation: &Relation,
    errors: Errors,
) -> Result<(), String> {
    let expected = streamed(reference, relation.clone()).await;
    let found = streamed(other, relation.clone()).await;
    match (expected, found) {
        (Ok(expected), Ok(found)) => same(relation, &expected, &found),
        (Err(expected), Err(found)) if expected.kind() == found.kind() => Ok(()),
        (expected, found) if errors == Errors::Hidden && is_overflow(&expected) && is_overflow(&found) => {
            Ok(())
        }
        (expected, found) => {
            Err(format!("the reference: {}\nthe other: {}", outcome(&expected), outcome(&found)))
        }
    }
}

/// Whether a result is an overflow, or may hide one.
fn is_overflow(result: &Result<Rows>) -> bool {
    result.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::Argument)
}

fn outcome(result: &Result<Rows, Error>) -> String {
    match result {
        Ok(rows) => format!("{} rows", rows.len()),
        Err(error) => format!("{error:?}"),
    }
}

fn same(relation: &Relation, expected: &Rows, found: &Rows) -> Result<(), String> {
    let (a, b) = (sorted(expected.clone()), sorted(found.clone()));
    if a != b {
        let only = |these: &Rows, those: &Rows| {
            let mut left = those.clone();
            let mut rest = these.clone();
            rest.retain(|row| {
                left.iter().position(|other| other == row).map(|i| left.swap_remove(i)).is_none()
            });
            rest.iter().take(5).map(|row| format!("\n  {row:?}")).collect::<String>()
        };
        return Err(format!(
            "the reference has {} rows, the other {}\nonly the reference:{}\nonly the other:{}",
            a.len(),
            b.len(),
            only(&a, &b),
            only(&b, &a)
        ));
    }
    let keys = |rows: &Rows, keys: &[SortKey]| -> Vec<Vec<Value>> {
        let schema = relation.schema().unwrap_or_default();
        let columns: Vec<usize> = keys
            .iter()
            .filter_map(|key| schema.iter().position(|column| column.name == key.column))
            .collect();
        rows.iter().map(|row| columns.iter().map(|&column| row[column].clone()).collect()).collect()
    };
    match relation {
        Relation::Sort { keys: order, .. } | Relation::Slice { keys: order, .. }
            if keys(expected, order) != keys(found, order) =>
        {
            Err(format!("rows in another order\nthe reference: {expected:?}\nthe other: {found:?}"))
        }
        _ => Ok(()),
    }
}

/// A part of a relation, or a simpler form of it, on which a backend still differs: the smallest that is found.
pub async fn smallest(
    reference: &ReferenceBackend,
    other: &dyn Backend,
    relation: Relation,
    errors: Errors,
) -> Relation {
    let mut smallest = relation;
    'search: loop {
        let simpler = inputs(&smallest).into_iter().cloned().chain(simplified(&smallest));
        for candidate in simpler {
            // What is simpler may be unsound, or leave a choice: then there is nothing to compare.
            let sound = errors == Errors::Hidden || streamed(reference, candidate.clone()).await.is_ok();
            if sound && same_rows(reference, other, &candidate, errors).await.is_err() {
                smallest = candidate;
                continue 'search;
            }
        }
        return smallest;
    }
}

/// Relations with one operator less somewhere within, and the same columns.
fn simplified(relation: &Relation) -> Vec<Relation> {
    let mut found = Vec::new();
    for (index, input) in inputs(relation).into_iter().enumerate() {
        let mut instead = simplified(input);
        instead.extend(match input {
            Relation::Filter { input, .. }
            | Relation::Distinct { input }
            | Relation::FirstBy { input, .. }
            | Relation::Sort { input, .. }
            | Relation::Slice { input, .. } => Some((**input).clone()),
            Relation::Semi { left, .. } | Relation::Anti { left, .. } => Some((**left).clone()),
            Relation::UnionAll { inputs } => inputs.first().cloned(),
            _ => None,
        });
        for new in instead {
            let mut changed = relation.clone();
            let mut place = 0;
            for_each_input(&mut changed, |input| {
                if place == index {
                    *input = new.clone();
                }
                place += 1;
            });
            found.push(changed);
        }
    }
    found
}
