//! Relations and scalars as text for people.

use std::fmt::{self, Display, Formatter};

use super::relation::{Aggregate, Relation, SortKey};
use super::scalar::{Arithmetic, Comparison, Scalar};

/// No more rows of the caller, and members of lists, are shown.
const SHOWN: usize = 10;

/// One line for each operator, its inputs below it, indented.
impl Display for Relation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(self, 0, f)
    }
}

fn write(relation: &Relation, depth: usize, f: &mut Formatter<'_>) -> fmt::Result {
    let inputs: Vec<&Relation> = match relation {
        Relation::Table { .. } | Relation::Values { .. } => vec![],
        Relation::Join { left, right, .. }
        | Relation::Semi { left, right, .. }
        | Relation::Anti { left, right, .. } => vec![left, right],
        Relation::Filter { input, .. }
        | Relation::Project { input, .. }
        | Relation::Distinct { input }
        | Relation::FirstBy { input, .. }
        | Relation::Aggregate { input, .. }
        | Relation::Sort { input, .. }
        | Relation::Slice { input, .. } => vec![input],
        Relation::UnionAll { inputs } => inputs.iter().collect(),
        Relation::Closure { seeds, edges, .. } => vec![seeds, edges],
    };
    write!(f, "{}{}", "  ".repeat(depth), operator(relation))?;
    for input in inputs {
        writeln!(f)?;
        write(input, depth + 1, f)?;
    }
    Ok(())
}

fn operator(relation: &Relation) -> String {
    match relation {
        Relation::Table { table } => format!("table {}", table.name),
        Relation::Values { rows } => {
            let shown = rows.rows().take(SHOWN).map(|row| format!("({})", listed(&row)));
            let shown: Vec<String> = shown.collect();
            let more = if rows.len() > SHOWN { ", …" } else { "" };
            let names = rows.names().join(", ");
            format!("values ({names}): {} rows {}{more}", rows.len(), shown.join(", "))
        }
        Relation::Join { on, .. } => format!("join on {on}"),
        Relation::Semi { on, .. } => format!("semi-join on {on}"),
        Relation::Anti { on, .. } => format!("anti-join on {on}"),
        Relation::Filter { predicate, .. } => format!("filter {predicate}"),
        Relation::Project { columns, .. } => {
            let columns = columns.iter().map(|column| match &column.value {
                Scalar::Column(name) if *name == column.name => name.to_string(),
                value => format!("{} = {value}", column.name),
            });
            format!("project {}", columns.collect::<Vec<_>>().join(", "))
        }
        Relation::UnionAll { .. } => "union all".to_owned(),
        Relation::Distinct { .. } => "distinct".to_owned(),
        Relation::FirstBy { partition, order, .. } => {
            format!("first by {} of each ({})", listed(order), partition.join(", "))
        }
        Relation::Aggregate { by, aggregates, .. } => {
            let functions = aggregates.iter().map(|aggregate| {
                let function = match &aggregate.function {
                    Aggregate::Count => "count".to_owned(),
                    Aggregate::Min(column) => format!("min({column})"),
                    Aggregate::Max(column) => format!("max({column})"),
                };
                format!("{} = {function}", aggregate.name)
            });
            let functions = functions.collect::<Vec<_>>().join(", ");
            format!("aggregate {functions} of each ({})", by.join(", "))
        }
        Relation::Sort { keys, .. } => format!("sort by {}", listed(keys)),
        Relation::Slice { keys, offset, limit, .. } => {
            let limit = limit.map_or_else(|| "all".to_owned(), |limit| limit.to_string());
            format!("slice {limit} rows after {offset} by {}", listed(keys))
        }
        Relation::Closure { from, to, max_depth, .. } => {
            let depth = max_depth.map_or_else(String::new, |depth| format!(", {depth} deep"));
            format!("closure from ({}) to ({}){depth}", from.join(", "), to.join(", "))
        }
    }
}

impl Display for SortKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.descending { "-" } else { "" }, self.column)
    }
}

/// Text in the manner of SQL, with parentheses around every operator in another.
impl Display for Scalar {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let infix = |f: &mut Formatter<'_>, operands: &[Self], word: &str| {
            operands.iter().enumerate().try_for_each(|(n, operand)| {
                f.write_str(if n == 0 { "" } else { word })?;
                Operand(operand).fmt(f)
            })
        };
        match self {
            Self::Column(name) => f.write_str(name),
            Self::Literal(value) => value.fmt(f),
            Self::Null(ty) => write!(f, "NULL {ty:?}"),
            Self::Compare { op, left, right } => {
                write!(f, "{} {op} {}", Operand(left), Operand(right))
            }
            Self::And(operands) if operands.is_empty() => f.write_str("TRUE"),
            Self::Or(operands) if operands.is_empty() => f.write_str("FALSE"),
            Self::And(operands) => infix(f, operands, " AND "),
            Self::Or(operands) => infix(f, operands, " OR "),
            Self::Not(operand) => write!(f, "NOT {}", Operand(operand)),
            Self::IsNull(operand) => write!(f, "{} IS NULL", Operand(operand)),
            Self::In { value, list } => write!(f, "{} IN ({})", Operand(value), listed(list)),
            Self::Glob { value, pattern } => write!(f, "{} GLOB '{pattern}'", Operand(value)),
            Self::Arithmetic { op, left, right } => write!(f, "{} {op} {}", Operand(left), Operand(right)),
            Self::Negate(operand) => write!(f, "-{}", Operand(operand)),
            Self::Coalesce(operands) => write!(f, "COALESCE({})", listed(operands)),
        }
    }
}

/// An operand, in parentheses if it is more than a name or a value.
struct Operand<'a>(&'a Scalar);

impl Display for Operand<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            simple @ (Scalar::Column(_) | Scalar::Literal(_) | Scalar::Null(_) | Scalar::Coalesce(_)) => {
                simple.fmt(f)
            }
            other => write!(f, "({other})"),
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        })
    }
}

impl Display for Arithmetic {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Quotient => "//",
            Self::Rem => "%",
        })
    }
}

fn listed<T: Display>(items: &[T]) -> String {
    let mut texts: Vec<String> = items.iter().take(SHOWN).map(T::to_string).collect();
    if items.len() > SHOWN {
        texts.push(format!("… {} in all", items.len()));
    }
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use crate::backend::{ColumnType, Relation, RowBatch, Scalar, SortKey, TableRef, TableSpec, Value};

    #[test]
    fn people_can_read_it() {
        let table: TableRef = TableSpec::new("t", "").column("a", ColumnType::Int, "").into();
        let mut rows = RowBatch::new([("b".into(), ColumnType::Int), ("c".into(), ColumnType::Text)]);
        rows.push_row(&[1.into(), "it's".into()]).expect("a row of these types");
        rows.push_row(&[2.into(), Value::Null]).expect("a row of these types");
        let relation = table
            .scan()
            .filter(Scalar::any([
                Scalar::column("a").is_in(vec![1.into(), 2.into()]),
                Scalar::column("a").gt(7),
            ]))
            .join(Relation::values(rows), Scalar::column("a").eq(Scalar::column("b")))
            .slice(vec![SortKey::descending("a"), SortKey::ascending("b")], 3, Some(2));
        assert_eq!(
            relation.to_string(),
            "slice 2 rows after 3 by -a, b\n  \
               join on a = b\n    \
                 filter (a IN (1, 2)) OR (a > 7)\n      \
                   table t\n    \
                 values (b, c): 2 rows (1, 'it''s'), (2, NULL)"
        );
    }
}
