//! Relations that need no database.

use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::backend::{Column, ColumnBatch, ProjectColumn, Relation, RowBatch, Scalar};
use rustc_hash::FxHashSet;

/// The rows of a relation that reads nothing but rows of the caller, and does little with them; none if the
/// database must be asked.
pub(super) fn evaluate(relation: &Relation) -> Option<Arc<RowBatch>> {
    match relation {
        Relation::Values { rows } => Some(Arc::clone(rows)),
        Relation::Project { input, columns } => project(&*evaluate(input)?, columns).map(Arc::new),
        Relation::Distinct { input } => distinct(&*evaluate(input)?).map(Arc::new),
        _ => None,
    }
}

fn project(rows: &RowBatch, columns: &[ProjectColumn]) -> Option<ColumnBatch> {
    let columns = columns.iter().map(|column| match &column.value {
        Scalar::Column(name) => Some((column.name.clone(), name.clone())),
        _ => None,
    });
    rows.renamed(columns.collect::<Option<Vec<(ArcStr, ArcStr)>>>()?).ok()
}

/// A value by which rows are told apart; as bytes, where columns have one type each.
fn value(column: &Column, row: usize) -> Option<(i64, &str)> {
    match column.int(row) {
        Some(value) => Some((value, "")),
        None => column.text(row).map(|text| (0, text)),
    }
}

fn distinct(rows: &RowBatch) -> Option<ColumnBatch> {
    let mut seen = FxHashSet::default();
    let mut kept = Vec::new();
    for row in 0..rows.len() {
        let values = rows.columns().iter().map(|column| value(column, row)).collect::<Option<Vec<_>>>()?;
        if seen.insert(values) {
            kept.push(row);
        }
    }
    Some(rows.picked(&kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use butler_core::backend::{ColumnType, Value};

    fn rows(rows: &[(i64, &str)]) -> Relation {
        let mut batch = RowBatch::new([("a".into(), ColumnType::Int), ("b".into(), ColumnType::Text)]);
        for (a, b) in rows {
            batch.push_row(&[(*a).into(), (*b).into()]).unwrap();
        }
        Relation::values(batch)
    }

    #[test]
    fn columns_are_renamed_and_rows_told_apart() {
        let input = rows(&[(1, "x"), (2, "x"), (1, "y"), (1, "x")]);
        let found = evaluate(&input.clone().rename([("c", "b"), ("d", "a")]).distinct()).unwrap();
        let expected: Vec<Vec<Value>> =
            [("x", 1), ("x", 2), ("y", 1)].map(|(c, d)| vec![c.into(), d.into()]).to_vec();
        assert_eq!(found.rows().collect::<Vec<_>>(), expected);
        assert_eq!(found.names(), ["c", "d"]);
        let none = evaluate(&input.clone().select(Vec::<&str>::new()).distinct()).unwrap();
        assert_eq!((none.columns().len(), none.len()), (0, 1));
        assert!(evaluate(&input.filter(Scalar::column("a").gt(1))).is_none());
    }

    #[test]
    fn what_may_be_null_is_left_to_the_database() {
        let mut batch = RowBatch::new([("a".into(), ColumnType::Int)]);
        batch.push_row(&[Value::Null]).unwrap();
        assert!(evaluate(&Relation::values(batch).distinct()).is_none());
    }
}
