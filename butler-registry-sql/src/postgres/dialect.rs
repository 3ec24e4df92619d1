//! SQL as PostgreSQL wants it.

use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::Result;
use butler_core::backend::{Arithmetic, ColumnType, Comparison, GlobPart, GlobPattern, RowBatch, Value};

use super::array::ArrayColumn;
use crate::sql::{Bind, Block, Builder, Dialect, Fragment, Order, comparison, quoted};

/// Text is ordered by bytes wherever it comes from.
const C: &str = " COLLATE \"C\"";

/// The dialect of PostgreSQL, with the schema that tables are in.
#[derive(Clone, Debug)]
pub(crate) struct PostgresDialect {
    /// Name of the schema, quoted.
    schema: Arc<str>,
}

impl PostgresDialect {
    /// The dialect for a schema.
    pub(crate) fn new(schema: &str) -> Self {
        Self { schema: quoted(schema).into() }
    }
}

impl Dialect for PostgresDialect {
    fn table(&self, name: &str) -> String {
        format!("{}.{}", self.schema, quoted(name))
    }

    fn literal(&self, ty: ColumnType, bind: Bind) -> Fragment {
        match ty {
            ColumnType::Text => Fragment::sql("(").then(Fragment::bind(bind)).text(C).text(")"),
            _ => Fragment::bind(bind),
        }
    }

    fn null(&self, ty: ColumnType) -> Fragment {
        match ty {
            ColumnType::Text => Fragment::sql(format!("(NULL::text{C})")),
            _ => Fragment::sql(format!("NULL::{}", sql_type(ty))),
        }
    }

    fn arithmetic(
        &self,
        op: Arithmetic,
        left: (ColumnType, Fragment),
        right: (ColumnType, Fragment),
    ) -> Fragment {
        let float = op == Arithmetic::Div || left.0 == ColumnType::Float || right.0 == ColumnType::Float;
        let operand = |(ty, sql): (ColumnType, Fragment)| {
            if float && ty == ColumnType::Int { Fragment::sql("(").then(sql).text(")::float8") } else { sql }
        };
        let (left, right) = (operand(left), operand(right));
        let (symbol, divides) = match op {
            Arithmetic::Add => (" + ", false),
            Arithmetic::Sub => (" - ", false),
            Arithmetic::Mul => (" * ", false),
            Arithmetic::Div | Arithmetic::Quotient => (" / ", true),
            Arithmetic::Rem => (" % ", true),
        };
        let right = if divides { Fragment::sql("NULLIF(").then(right).text(", 0)") } else { right };
        Fragment::sql("(").then(left).text(symbol).then(right).text(")")
    }

    fn negate(&self, _: ColumnType, operand: Fragment) -> Fragment {
        Fragment::sql("(- ").then(operand).text(")")
    }

    fn out_of_range(&self, ty: ColumnType) -> Fragment {
        // What depends on chance is not evaluated by the planner.
        Fragment::sql(match ty {
            ColumnType::Int => "(9223372036854775807 + (random() >= 0)::int4)",
            _ => "(1e308::float8 * (10 * (random() >= 0)::int4))",
        })
    }

    fn compare_mixed(&self, op: Comparison, int: Fragment, float: Fragment) -> Fragment {
        // Integers and floats are compared as floats, which rounds the integer; so the float is
        // compared as an integer, where it is in range.
        let rounded = |function: &str| Fragment::sql(function).text("(").then(float.clone()).text(")");
        let whole = |function: &str| rounded(function).text("::int8");
        let (in_range, above, below) = match op {
            Comparison::Lt => (comparison(op, int.clone(), whole("ceil")), true, false),
            Comparison::Le => (comparison(op, int.clone(), whole("floor")), true, false),
            Comparison::Gt => (comparison(op, int.clone(), whole("floor")), false, true),
            Comparison::Ge => (comparison(op, int.clone(), whole("ceil")), false, true),
            Comparison::Eq | Comparison::Ne => {
                let is_whole = comparison(op, rounded("floor"), float.clone());
                let junction = if op == Comparison::Eq { " AND " } else { " OR " };
                let equal = comparison(op, int.clone(), whole("floor"));
                let both = Fragment::sql("(").then(is_whole).text(junction).then(equal).text(")");
                (both, op == Comparison::Ne, op == Comparison::Ne)
            }
        };
        Fragment::sql("(CASE WHEN ")
            .then(int)
            .text(" IS NULL THEN NULL WHEN ")
            .then(float.clone())
            .text(&format!(" >= 9223372036854775808::float8 THEN {above} WHEN "))
            .then(float)
            .text(&format!(" < (-9223372036854775808)::float8 THEN {below} ELSE "))
            .then(in_range)
            .text(" END)")
    }

    fn glob(&self, value: Fragment, pattern: &GlobPattern) -> Fragment {
        let mut text = String::new();
        for part in pattern.parts() {
            match part {
                GlobPart::Run => text.push('%'),
                GlobPart::One => text.push('_'),
                GlobPart::Literal(c @ ('%' | '_' | '\\')) => text.extend(['\\', c]),
                GlobPart::Literal(c) => text.push(c),
            }
        }
        let pattern = Fragment::bind(Bind::Value(Value::from(text)));
        Fragment::sql("(").then(value).text(" LIKE ").then(pattern).text(")")
    }

    fn membership(
        &self,
        _: &mut Builder<'_>,
        value: Fragment,
        ty: ColumnType,
        list: &[Value],
    ) -> Result<Fragment> {
        let mut rows = RowBatch::new([(ArcStr::new(), ty)]);
        for value in list {
            rows.push_row(std::slice::from_ref(value))?;
        }
        let list = Bind::Array(ArrayColumn { rows: Arc::new(rows), column: 0 });
        Ok(Fragment::sql("(").then(value).text(" = ANY(").then(Fragment::bind(list)).text("))"))
    }

    fn direction(&self, descending: bool, nullable: bool) -> &'static str {
        // An index has NULLs last; what cannot be NULL is better sorted as an index is.
        match (descending, nullable) {
            (false, false) => "",
            (false, true) => " NULLS FIRST",
            (true, false) => " DESC",
            (true, true) => " DESC NULLS LAST",
        }
    }

    fn slice(&self, offset: u64, limit: Option<u64>) -> Fragment {
        let bind = |value: u64| Fragment::bind(Bind::Value(i64::try_from(value).unwrap_or(i64::MAX).into()));
        let sql = match limit {
            Some(limit) => Fragment::sql(" LIMIT ").then(bind(limit)),
            None => Fragment::default(),
        };
        sql.text(" OFFSET ").then(bind(offset))
    }

    fn values(&self, builder: &mut Builder<'_>, rows: &Arc<RowBatch>) -> Result<Block> {
        let columns = rows.names().iter().zip(rows.columns()).map(|(name, column)| {
            let nullable = column.ints().is_none() && (0..column.len()).any(|row| column.is_null(row));
            (name.clone(), column.ty(), nullable)
        });
        let source = if rows.columns().is_empty() {
            let length = Bind::Value(i64::try_from(rows.len()).unwrap_or(i64::MAX).into());
            Fragment::sql("(SELECT g AS c0 FROM generate_series(1, ")
                .then(Fragment::bind(length))
                .text(") AS g)")
        } else {
            let name = |index: usize| Fragment::sql(format!("c{index}"));
            let collated = |(index, column): (usize, &butler_core::backend::Column)| match column.ty() {
                ColumnType::Text => Fragment::sql(format!("u.c{index}{C} AS c{index}")),
                _ => Fragment::sql(format!("u.c{index} AS c{index}")),
            };
            let array = |column| Fragment::bind(Bind::Array(ArrayColumn { rows: Arc::clone(rows), column }));
            let width = rows.columns().len();
            Fragment::sql("(SELECT ")
                .then(Fragment::join(rows.columns().iter().enumerate().map(collated), ", "))
                .text(" FROM unnest(")
                .then(Fragment::join((0..width).map(array), ", "))
                .text(") AS u(")
                .then(Fragment::join((0..width).map(name), ", "))
                .text("))")
        };
        Ok(builder.derived(source, columns.collect()))
    }

    fn first_by(
        &self,
        builder: &mut Builder<'_>,
        mut block: Block,
        partition: &[usize],
        order: Vec<Order>,
    ) -> Block {
        let group = |index: &usize| Order {
            expr: block.outputs[*index].expr.clone(),
            output: *index,
            descending: false,
        };
        block.order = partition.iter().map(group).chain(order).collect();
        let keys = partition.iter().map(|index| block.outputs[*index].expr.sql.clone());
        let columns =
            Fragment::sql("DISTINCT ON (").then(Fragment::join(keys, ", ")).text(") ").then(block.columns());
        let source = Fragment::sql("(").then(block.render_columns(self, &columns)).text(")");
        let outputs =
            block.outputs.into_iter().map(|output| (output.name, output.expr.ty, output.expr.nullable));
        builder.derived(source, outputs.collect())
    }

    fn max_binds(&self) -> usize {
        60_000
    }

    fn union_limit(&self) -> usize {
        1000
    }

    fn prefers_in(&self) -> bool {
        false
    }
}

/// The type of a column.
pub(crate) fn sql_type(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Bool => "boolean",
        ColumnType::Int => "bigint",
        ColumnType::Float => "double precision",
        ColumnType::Text => "text",
        ColumnType::Bytes => "bytea",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Query;
    use butler_core::backend::{Relation, Scalar, SortKey, TableRef, TableSpec};

    fn sql(relation: &Relation) -> String {
        Query::new(&PostgresDialect::new("s"), relation).unwrap().statement.sql.display()
    }

    fn table() -> TableRef {
        TableSpec::new("t", "")
            .column("a", ColumnType::Int, "")
            .nullable("b", ColumnType::Text, "")
            .primary_key(["a"])
            .into()
    }

    #[test]
    fn rows_of_any_number_have_one_text() {
        let values = |length: i64| {
            let mut rows = RowBatch::new([("x".into(), ColumnType::Int), ("y".into(), ColumnType::Text)]);
            (0..length).for_each(|n| rows.push_row(&[n.into(), "z".into()]).unwrap());
            let on = Scalar::column("a").eq(Scalar::column("x"));
            sql(&table().scan().semi(Relation::values(rows), on))
        };
        assert_eq!(values(2), values(100_000));
        assert_eq!(
            values(2),
            "SELECT t0.\"a\" AS c0, t0.\"b\" AS c1 FROM \"s\".\"t\" AS t0 WHERE EXISTS (SELECT 1 FROM (SELECT u.c0 AS \
             c0, u.c1 COLLATE \"C\" AS c1 FROM unnest(?, ?) AS u(c0, c1)) AS t1 WHERE (t0.\"a\" = t1.c0))"
        );
    }

    #[test]
    fn null_comes_first_where_there_can_be_one() {
        let keys = vec![SortKey::ascending("b"), SortKey::descending("b"), SortKey::ascending("a")];
        let text = sql(&table().scan().sort(keys));
        assert!(
            text.ends_with(" ORDER BY t0.\"b\" NULLS FIRST, t0.\"b\" DESC NULLS LAST, t0.\"a\""),
            "{text}"
        );
    }

    #[test]
    fn the_first_of_a_group_is_distinct_on() {
        let text = sql(&table().scan().first_by(["b"], vec![SortKey::descending("a")]).select(["a"]));
        assert_eq!(
            text,
            "SELECT t1.c0 AS c0 FROM (SELECT DISTINCT ON (t0.\"b\") t0.\"a\" AS c0, t0.\"b\" AS c1 FROM \"s\".\"t\" AS \
             t0 ORDER BY t0.\"b\" NULLS FIRST, t0.\"a\" DESC) AS t1"
        );
    }

    #[test]
    fn patterns_are_escaped() {
        let fragment = PostgresDialect::new("s").glob(Fragment::sql("x"), &GlobPattern::new(r"a*\*?%_\\"));
        let Some((Some(Bind::Value(Value::Text(text))), _)) = fragment.segments().nth(1) else {
            panic!("no bind")
        };
        assert_eq!(text.as_str(), r"a%*_\%\_\\");
    }
}
