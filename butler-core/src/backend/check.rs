//! Names and types of relations and scalars.

use std::collections::HashSet;

use arcstr::ArcStr;

use super::relation::{Aggregate, AggregateColumn, Relation, Schema, SchemaColumn, SortKey};
use super::scalar::{Arithmetic, Scalar};
use super::value::{ColumnType, Value};
use crate::{Error, ErrorKind, Result};

impl Relation {
    /// Columns of the result, after a check that all names and types are sound.
    ///
    /// # Errors
    /// `Argument` if a column is unknown or repeated, or an operand is of the wrong type.
    pub fn schema(&self) -> Result<Schema> {
        match self {
            Self::Table { table } => {
                Ok(table.columns.iter().map(|c| SchemaColumn { name: c.name.clone(), ty: c.ty }).collect())
            }
            Self::Values { rows } => unique(
                rows.names()
                    .iter()
                    .zip(rows.columns())
                    .map(|(name, column)| SchemaColumn { name: name.clone(), ty: column.ty() })
                    .collect(),
            ),
            Self::Join { left, right, on } => {
                let both = joined(left, right)?;
                on.expect(&both, ColumnType::Bool)?;
                Ok(both)
            }
            Self::Semi { left, right, on } | Self::Anti { left, right, on } => {
                let left_schema = left.schema()?;
                on.expect(&joined(left, right)?, ColumnType::Bool)?;
                Ok(left_schema)
            }
            Self::Filter { input, predicate } => {
                let schema = input.schema()?;
                predicate.expect(&schema, ColumnType::Bool)?;
                Ok(schema)
            }
            Self::Project { input, columns } => {
                let schema = input.schema()?;
                let columns = columns.iter().map(|column| {
                    Ok(SchemaColumn { name: column.name.clone(), ty: column.value.ty(&schema)? })
                });
                unique(columns.collect::<Result<_>>()?)
            }
            Self::UnionAll { inputs } => union_schema(inputs),
            Self::Distinct { input } => input.schema(),
            Self::FirstBy { input, partition, order } => {
                let schema = input.schema()?;
                partition.iter().try_for_each(|name| find(&schema, name).map(drop))?;
                check_keys(&schema, order)?;
                Ok(schema)
            }
            Self::Aggregate { input, by, aggregates } => aggregate_schema(&input.schema()?, by, aggregates),
            Self::Sort { input, keys } | Self::Slice { input, keys, .. } => {
                let schema = input.schema()?;
                check_keys(&schema, keys)?;
                Ok(schema)
            }
            Self::Closure { seeds, edges, from, to, .. } => closure_schema(seeds, edges, from, to),
        }
    }
}

fn unique(schema: Schema) -> Result<Schema> {
    let mut seen = HashSet::with_capacity(schema.len());
    match schema.iter().find(|column| !seen.insert(&column.name)) {
        Some(column) => Err(problem(format!("the column '{}' occurs twice", column.name))),
        None => Ok(schema),
    }
}

fn joined(left: &Relation, right: &Relation) -> Result<Schema> {
    let mut both = left.schema()?;
    both.extend(right.schema()?);
    unique(both)
}

fn union_schema(inputs: &[Relation]) -> Result<Schema> {
    let Some((first, rest)) = inputs.split_first() else {
        return Err(problem("a union has no inputs".into()));
    };
    let schema = first.schema()?;
    for other in rest {
        let other = other.schema()?;
        if other != schema {
            return Err(problem(format!("the inputs of a union differ: {schema:?} and {other:?}")));
        }
    }
    Ok(schema)
}

fn aggregate_schema(schema: &Schema, by: &[ArcStr], aggregates: &[AggregateColumn]) -> Result<Schema> {
    let mut result: Schema = by.iter().map(|name| find(schema, name).cloned()).collect::<Result<_>>()?;
    for AggregateColumn { name, function } in aggregates {
        let ty = match function {
            Aggregate::Count => ColumnType::Int,
            Aggregate::Min(column) | Aggregate::Max(column) => {
                let ty = find(schema, column)?.ty;
                if !matches!(ty, ColumnType::Int | ColumnType::Float | ColumnType::Text) {
                    return Err(problem(format!("the column '{column}' of type {ty} has no smallest value")));
                }
                ty
            }
        };
        result.push(SchemaColumn { name: name.clone(), ty });
    }
    unique(result)
}

fn closure_schema(seeds: &Relation, edges: &Relation, from: &[ArcStr], to: &[ArcStr]) -> Result<Schema> {
    let (nodes, edges) = (seeds.schema()?, edges.schema()?);
    for ends in [from, to] {
        let types: Vec<ColumnType> =
            ends.iter().map(|name| find(&edges, name).map(|column| column.ty)).collect::<Result<_>>()?;
        if !types.iter().eq(nodes.iter().map(|column| &column.ty)) {
            return Err(problem(format!("ends of edges {ends:?} are not nodes of {nodes:?}")));
        }
    }
    Ok(nodes)
}

fn check_keys(schema: &Schema, keys: &[SortKey]) -> Result<()> {
    keys.iter().try_for_each(|key| find(schema, &key.column).map(drop))
}

fn find<'a>(schema: &'a Schema, name: &str) -> Result<&'a SchemaColumn> {
    schema.iter().find(|column| column.name == name).ok_or_else(|| {
        let names: Vec<&str> = schema.iter().map(|column| column.name.as_str()).collect();
        problem(format!("there is no column '{name}' among {}", names.join(", ")))
    })
}

impl Scalar {
    /// Type of its value over the columns of a schema.
    ///
    /// # Errors
    /// `Argument` if a column is unknown or an operand is of the wrong type.
    pub fn ty(&self, schema: &Schema) -> Result<ColumnType> {
        match self {
            Self::Column(name) => find(schema, name).map(|column| column.ty),
            Self::Literal(value) => literal_type(value),
            Self::Null(ty) => Ok(*ty),
            Self::Compare { left, right, .. } => {
                let (left, right) = (left.ty(schema)?, right.ty(schema)?);
                if left != right && !(is_number(left) && is_number(right)) {
                    return Err(problem(format!("{left} cannot be compared with {right}")));
                }
                Ok(ColumnType::Bool)
            }
            Self::And(operands) | Self::Or(operands) => {
                operands.iter().try_for_each(|operand| operand.expect(schema, ColumnType::Bool))?;
                Ok(ColumnType::Bool)
            }
            Self::Not(operand) => {
                operand.expect(schema, ColumnType::Bool)?;
                Ok(ColumnType::Bool)
            }
            Self::IsNull(operand) => operand.ty(schema).map(|_| ColumnType::Bool),
            Self::In { value, list } => {
                let ty = value.ty(schema)?;
                for other in list {
                    if literal_type(other)? != ty {
                        return Err(problem(format!("{other} is not of type {ty}")));
                    }
                }
                Ok(ColumnType::Bool)
            }
            Self::Glob { value, pattern } => {
                literal_type(&pattern.as_str().into())?;
                value.expect(schema, ColumnType::Text)?;
                Ok(ColumnType::Bool)
            }
            Self::Arithmetic { op, left, right } => arithmetic_type(*op, left.ty(schema)?, right.ty(schema)?),
            Self::Coalesce(operands) => {
                let Some((first, rest)) = operands.split_first() else {
                    return Err(problem("there is nothing to choose a value from".into()));
                };
                let ty = first.ty(schema)?;
                rest.iter().try_for_each(|operand| operand.expect(schema, ty))?;
                Ok(ty)
            }
            Self::Negate(operand) => {
                let ty = operand.ty(schema)?;
                if is_number(ty) { Ok(ty) } else { Err(problem(format!("{ty} has no sign"))) }
            }
        }
    }

    fn expect(&self, schema: &Schema, expected: ColumnType) -> Result<()> {
        let ty = self.ty(schema)?;
        if ty == expected { Ok(()) } else { Err(problem(format!("expected {expected}, found {ty}"))) }
    }
}

fn literal_type(value: &Value) -> Result<ColumnType> {
    match value {
        Value::Float(value) if !value.is_finite() => Err(problem(format!("{value} is no value"))),
        Value::Text(value) if value.contains('\0') => Err(problem("text cannot contain NUL".into())),
        _ => value.ty().ok_or_else(|| problem("a literal cannot be NULL".into())),
    }
}

fn is_number(ty: ColumnType) -> bool {
    matches!(ty, ColumnType::Int | ColumnType::Float)
}

fn arithmetic_type(op: Arithmetic, left: ColumnType, right: ColumnType) -> Result<ColumnType> {
    use ColumnType::{Float, Int};
    match (op, left, right) {
        (Arithmetic::Div, Int | Float, Int | Float) => Ok(Float),
        (_, Int, Int) => Ok(Int),
        (Arithmetic::Add | Arithmetic::Sub | Arithmetic::Mul, Int | Float, Int | Float) => Ok(Float),
        _ => Err(problem(format!("{op:?} does not take {left} and {right}"))),
    }
}

fn problem(message: String) -> Error {
    Error::new(ErrorKind::Argument, format!("a relation is unsound: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{ColumnBatch, TableRef, TableSpec};

    fn table() -> TableRef {
        TableSpec::new("t", "")
            .column("a", ColumnType::Int, "")
            .nullable("b", ColumnType::Text, "")
            .primary_key(["a"])
            .into()
    }

    fn refuses(relation: &Relation, reason: &str) {
        let error = relation.schema().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
        assert!(error.to_string().contains(reason), "{error}");
    }

    #[test]
    fn unsound_relations_are_refused() {
        let scan = table().scan();
        let a = || Scalar::column("a");
        refuses(&scan.clone().join(scan.clone(), Scalar::And(vec![])), "'a' occurs twice");
        refuses(&scan.clone().filter(a()), "expected bool, found int");
        refuses(&scan.clone().filter(a().eq(Value::from("x"))), "int cannot be compared with text");
        refuses(&scan.clone().filter(Scalar::column("c").is_null()), "no column 'c' among a, b");
        refuses(&scan.clone().filter(a().is_in(vec!["x".into()])), "'x' is not of type int");
        refuses(&scan.clone().filter(a().is_in(vec![Value::Null])), "cannot be NULL");
        refuses(&scan.clone().filter(Scalar::column("b").is_in(vec!["\0".into()])), "cannot contain NUL");
        refuses(&scan.clone().project([("x", a()), ("x", a())]), "'x' occurs twice");
        refuses(&scan.clone().project([("x", Scalar::Literal(f64::NAN.into()))]), "NaN is no value");
        refuses(&scan.clone().project([("x", Scalar::Literal(Value::Null))]), "cannot be NULL");
        refuses(&scan.clone().sort(vec![SortKey::ascending("z")]), "no column 'z'");
        refuses(&Relation::union_all(vec![]), "no inputs");
        refuses(&Relation::union_all(vec![scan.clone(), scan.clone().select(["a"])]), "differ");
        let text = || Scalar::column("b");
        refuses(
            &scan.clone().project([("x", text().arithmetic(Arithmetic::Add, 1))]),
            "Add does not take text",
        );
        refuses(
            &scan.clone().project([("x", Scalar::Literal(1.5.into()).arithmetic(Arithmetic::Rem, 1))]),
            "Rem",
        );
        let closure = Relation::Closure {
            seeds: Box::new(scan.clone().select(["a"])),
            edges: Box::new(scan),
            from: vec!["a".into()],
            to: vec!["b".into()],
            max_depth: None,
        };
        refuses(&closure, "are not nodes");
    }

    #[test]
    fn sound_relations_know_their_columns() {
        let values = Relation::values(ColumnBatch::new([("x".into(), ColumnType::Float)]));
        let relation = table()
            .scan()
            .join(values, Scalar::column("a").lt(Scalar::column("x")))
            .project([
                ("half", Scalar::column("a").arithmetic(Arithmetic::Div, 2)),
                ("b", Scalar::column("b")),
            ])
            .aggregate(
                ["b"],
                vec![
                    AggregateColumn { name: "n".into(), function: Aggregate::Count },
                    AggregateColumn { name: "least".into(), function: Aggregate::Min("half".into()) },
                ],
            );
        let schema = relation.schema().unwrap();
        let columns: Vec<_> = schema.iter().map(|column| (column.name.as_str(), column.ty)).collect();
        assert_eq!(columns, [("b", ColumnType::Text), ("n", ColumnType::Int), ("least", ColumnType::Float)]);
        let json = serde_json::to_string(&relation).unwrap();
        assert_eq!(serde_json::from_str::<Relation>(&json).unwrap(), relation);
    }
}
