//! Specifications of tables, compared.

use butler_core::backend::TableSpec;
use butler_core::{Error, ErrorKind, Result};

/// What distinguishes one table from another: comments, and the order of indexes and foreign keys, do not.
fn essence(spec: &TableSpec) -> TableSpec {
    let mut spec = spec.clone();
    spec.comment = arcstr::ArcStr::new();
    spec.columns.iter_mut().for_each(|column| column.comment = arcstr::ArcStr::new());
    spec.indexes.sort_by(|a, b| a.columns.cmp(&b.columns));
    spec.foreign_keys
        .sort_by(|a, b| (&a.table, &a.columns, &a.referenced).cmp(&(&b.table, &b.columns, &b.referenced)));
    spec
}

/// Whether two specifications describe the same table.
pub(crate) fn same_table(a: &TableSpec, b: &TableSpec) -> bool {
    essence(a) == essence(b)
}

/// The error of a table that is there with another specification.
pub(crate) fn conflicting(existing: &TableSpec, wanted: &TableSpec) -> Error {
    let (there, wanted) = (essence(existing), essence(wanted));
    let what = if there.columns == wanted.columns {
        "with other keys or rules".to_owned()
    } else {
        let names = |spec: &TableSpec| {
            let column = |c: &butler_core::backend::ColumnSpec| {
                format!("{} {}{}", c.name, c.ty, if c.nullable { "?" } else { "" })
            };
            spec.columns.iter().map(column).collect::<Vec<_>>().join(", ")
        };
        format!("with the columns {}, not {}", names(&there), names(&wanted))
    };
    Error::new(ErrorKind::ConflictingDefinition, format!("table '{}' is there {what}", there.name))
}

/// Checks that the tables that a table refers to are there, with the keys that it refers to.
///
/// # Errors
/// `Argument` if not; those of `find`, which looks a table up.
pub(crate) fn check_references(
    spec: &TableSpec,
    find: &mut dyn FnMut(&str) -> Result<Option<TableSpec>>,
) -> Result<()> {
    let problem =
        |message: String| Error::new(ErrorKind::Argument, format!("table '{}' {message}", spec.name));
    for key in &spec.foreign_keys {
        let other = if key.table == spec.name { Some(spec.clone()) } else { find(&key.table)? };
        let Some(other) = other else {
            return Err(problem(format!("refers to table '{}', which is not there", key.table)));
        };
        let (mut there, mut wanted) = (other.primary_key.clone(), key.referenced.clone());
        there.sort_unstable();
        wanted.sort_unstable();
        if there != wanted {
            return Err(problem(format!("refers to other columns of '{}' than its primary key", key.table)));
        }
        let ty = |spec: &TableSpec, name: &str| spec.get(name).map(|column| column.ty);
        let mut pairs = key.columns.iter().zip(&key.referenced);
        if let Some((own, _)) = pairs.find(|(own, referenced)| ty(spec, own) != ty(&other, referenced)) {
            return Err(problem(format!("refers to table '{}' by '{own}', of another type", key.table)));
        }
    }
    Ok(())
}
