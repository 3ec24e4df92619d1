//! SQL as SQLite wants it.

use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::Result;
use butler_core::backend::{Arithmetic, ColumnType, Comparison, GlobPart, GlobPattern, RowBatch, Value};

use super::functions;
use crate::sql::builder::Upload;
use crate::sql::scalar::{Expr, ExprKind, symbol};
use crate::sql::{Bind, Block, Builder, Dialect, Fragment, Order, Output, quoted};

/// The dialect of SQLite.
pub(crate) struct SqliteDialect;

/// Greatest number of values in the rows that are part of a statement.
const INLINE_VALUES: usize = 4096;

impl Dialect for SqliteDialect {
    fn table(&self, name: &str) -> String {
        format!("main.{}", quoted(name))
    }

    fn literal(&self, _: ColumnType, bind: Bind) -> Fragment {
        Fragment::bind(bind)
    }

    fn null(&self, _: ColumnType) -> Fragment {
        Fragment::sql("NULL")
    }

    fn arithmetic(
        &self,
        op: Arithmetic,
        left: (ColumnType, Fragment),
        right: (ColumnType, Fragment),
    ) -> Fragment {
        let float = op == Arithmetic::Div || left.0 == ColumnType::Float || right.0 == ColumnType::Float;
        call(functions::name(op, float), left.1, right.1)
    }

    fn shift(&self, column: &Fragment, by: i64) -> Option<Fragment> {
        // Calls of functions cost more than the comparison by which nearly all are avoided.
        let number = |value: i64| Fragment::bind(Bind::Value(value.into()));
        let (beyond, last) =
            if by < 0 { (" < ", i64::MIN.wrapping_sub(by)) } else { (" > ", i64::MAX.wrapping_sub(by)) };
        let checked = call(functions::name(Arithmetic::Add, false), column.clone(), number(by));
        let sql = Fragment::sql("(CASE WHEN ").then(column.clone()).text(beyond).then(number(last));
        let sql = sql.text(" THEN ").then(checked).text(" ELSE ").then(column.clone());
        Some(sql.text(" + ").then(number(by)).text(" END)"))
    }

    fn negate(&self, ty: ColumnType, operand: Fragment) -> Fragment {
        match ty {
            ColumnType::Int => call(functions::name(Arithmetic::Sub, false), Fragment::sql("0"), operand),
            _ => Fragment::sql("(-").then(operand).text(")"),
        }
    }

    fn out_of_range(&self, ty: ColumnType) -> Fragment {
        let (left, right) =
            if ty == ColumnType::Int { ("9223372036854775807", "1") } else { ("1e308", "1e308") };
        call(
            functions::name(Arithmetic::Add, ty != ColumnType::Int),
            Fragment::sql(left),
            Fragment::sql(right),
        )
    }

    fn compare_mixed(&self, op: Comparison, int: Fragment, float: Fragment) -> Fragment {
        // SQLite compares exactly, unless it looks an integer up in an index of floats.
        Fragment::sql("(").then(int).text(symbol(op)).text("+").then(float).text(")")
    }

    fn glob(&self, value: Fragment, pattern: &GlobPattern) -> Fragment {
        let mut text = String::new();
        for part in pattern.parts() {
            match part {
                GlobPart::Run => text.push('*'),
                GlobPart::One => text.push('?'),
                GlobPart::Literal(c @ ('*' | '?' | '[')) => text.extend(['[', c, ']']),
                GlobPart::Literal(c) => text.push(c),
            }
        }
        let pattern = Fragment::bind(Bind::Value(Value::from(text)));
        Fragment::sql("(").then(value).text(" GLOB ").then(pattern).text(")")
    }

    fn membership(
        &self,
        builder: &mut Builder<'_>,
        value: Fragment,
        ty: ColumnType,
        list: &[Value],
    ) -> Result<Fragment> {
        let sql = Fragment::sql("(").then(value).text(" IN (");
        if list.len() <= builder.inline {
            // Few lengths make few statements: the last value fills up.
            let length = list.len().next_power_of_two();
            let values = (0..length).map(|index| Bind::Value(list[index.min(list.len() - 1)].clone()));
            return Ok(sql.then(Fragment::join(values.map(Fragment::bind), ", ")).text("))"));
        }
        let mut rows = RowBatch::new([(ArcStr::new(), ty)]);
        for value in list {
            rows.push_row(std::slice::from_ref(value))?;
        }
        let table = upload(builder, &Arc::new(rows));
        Ok(sql.text(&format!("SELECT c0 FROM {table}))")))
    }

    fn direction(&self, descending: bool, _: bool) -> &'static str {
        if descending { " DESC" } else { "" }
    }

    fn slice(&self, offset: u64, limit: Option<u64>) -> Fragment {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        // SQLite plans for a limit that is bound, and prepares the statement again for each value.
        let sql = Fragment::sql(format!(" LIMIT {}", limit.map_or(-1, number)));
        match offset {
            0 => sql,
            _ => sql.text(" OFFSET ").then(Fragment::bind(Bind::Value(number(offset).into()))),
        }
    }

    fn values(&self, builder: &mut Builder<'_>, rows: &Arc<RowBatch>) -> Result<Block> {
        let width = rows.columns().len();
        let source = if rows.len() <= builder.inline && rows.len() * width <= INLINE_VALUES {
            inline_rows(rows)
        } else {
            Fragment::sql(upload(builder, rows))
        };
        let columns = rows
            .names()
            .iter()
            .zip(rows.columns())
            .map(|(name, column)| {
                let nullable = column.ints().is_none() && (0..column.len()).any(|row| column.is_null(row));
                (name.clone(), column.ty(), nullable)
            })
            .collect();
        Ok(builder.derived(source, columns))
    }

    fn first_by(
        &self,
        builder: &mut Builder<'_>,
        mut block: Block,
        partition: &[usize],
        order: Vec<Order>,
    ) -> Block {
        let group: Vec<Fragment> =
            partition.iter().map(|index| block.outputs[*index].expr.sql.clone()).collect();
        if let [key] = &order[..]
            && (key.descending || !key.expr.nullable)
        {
            return least(builder, block, group, key);
        }
        let mut rank = Fragment::sql("row_number() OVER (PARTITION BY ").then(Fragment::join(group, ", "));
        for (index, key) in order.into_iter().enumerate() {
            rank.push(if index == 0 { " ORDER BY " } else { ", " });
            rank.append(key.expr.sql.text(self.direction(key.descending, true)));
        }
        rank.push(")");
        let expr = Expr { sql: rank, ty: ColumnType::Int, nullable: false, kind: ExprKind::Computed };
        block.outputs.push(Output { name: ArcStr::new(), expr });
        let mut ranked = builder.nest(&block);
        if let Some(rank) = ranked.outputs.pop() {
            ranked.filters.push(rank.expr.sql.text(" = 1"));
        }
        ranked
    }

    fn max_binds(&self) -> usize {
        30_000
    }

    fn union_limit(&self) -> usize {
        200
    }

    fn prefers_in(&self) -> bool {
        true
    }
}

/// The first row of each group by one key, several times as fast as by a window: beside `min` or
/// `max`, other columns are those of the row that has it (<https://sqlite.org/lang_select.html#bareagg>).
fn least(builder: &mut Builder<'_>, mut block: Block, group: Vec<Fragment>, key: &Order) -> Block {
    let function = if key.descending { "max(" } else { "min(" };
    let sql = Fragment::sql(function).then(key.expr.sql.clone()).text(")");
    let expr = Expr { sql, ty: key.expr.ty, nullable: true, kind: ExprKind::Computed };
    block.outputs.push(Output { name: ArcStr::new(), expr });
    block.group = Some(group);
    let mut first = builder.nest(&block);
    first.outputs.pop();
    first
}

fn call(function: &str, left: Fragment, right: Fragment) -> Fragment {
    Fragment::sql(function).text("(").then(left).text(", ").then(right).text(")")
}

/// Rows as part of a statement: as many as a power of two, numbered, of which the first are used.
///
/// A limit would not do: SQLite may sort by what surrounds it before it counts.
fn inline_rows(rows: &RowBatch) -> Fragment {
    let row = |number: usize| {
        let row = number.min(rows.len() - 1);
        let cells = rows.columns().iter().map(|column| match column.value(row) {
            Value::Null => Bind::Null,
            value => Bind::Value(value),
        });
        let number = Fragment::sql(format!("({number}"));
        Fragment::join(std::iter::once(number).chain(cells.map(Fragment::bind)), ", ").text(")")
    };
    let mut names: Vec<String> =
        (0..rows.columns().len()).map(|column| format!("column{} AS c{column}", column + 2)).collect();
    if names.is_empty() {
        names.push("column1 AS c0".into());
    }
    let length = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    Fragment::sql(format!("(SELECT {} FROM (VALUES ", names.join(", ")))
        .then(Fragment::join((0..rows.len().next_power_of_two()).map(row), ", "))
        .text(") WHERE column1 < ")
        .then(Fragment::bind(Bind::Value(length.into())))
        .text(")")
}

/// The quoted name of a temporary table with the rows.
fn upload(builder: &mut Builder<'_>, rows: &Arc<RowBatch>) -> String {
    // Statements that read tables of other types must not have the same text.
    let types: String = rows.columns().iter().map(|column| column.ty().to_string().remove(0)).collect();
    let table = format!("values_{}_{types}", builder.uploads.len());
    let name = format!("temp.{}", quoted(&table));
    builder.uploads.push(Upload { table, rows: Arc::clone(rows) });
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Query;
    use butler_core::backend::{Relation, Scalar, SortKey, TableRef, TableSpec};

    fn table(name: &str) -> TableRef {
        TableSpec::new(name, "")
            .column("a", ColumnType::Int, "")
            .nullable("b", ColumnType::Text, "")
            .primary_key(["a"])
            .into()
    }

    fn sql(relation: &Relation) -> String {
        Query::new(&SqliteDialect, relation).unwrap().statement.sql.display()
    }

    fn a() -> Scalar {
        Scalar::column("a")
    }

    #[test]
    fn projections_filters_and_joins_are_one_block() {
        let right = table("u").scan().rename([("x", "a"), ("y", "b")]);
        let relation = table("t")
            .scan()
            .filter(a().gt(5))
            .join(right, a().eq(Scalar::column("x")))
            .filter(Scalar::column("y").is_null())
            .select(["b", "x"])
            .sort(vec![SortKey::descending("x")]);
        assert_eq!(
            sql(&relation),
            "SELECT t0.\"b\" AS c0, t1.\"a\" AS c1 FROM main.\"t\" AS t0, main.\"u\" AS t1 \
             WHERE ((t0.\"a\" > ?) AND (t0.\"a\" = t1.\"a\") AND (t1.\"b\" IS NULL)) ORDER BY t1.\"a\" DESC"
        );
    }

    #[test]
    fn one_row_of_values_is_no_source() {
        let mut rows = RowBatch::new([("x".into(), ColumnType::Int)]);
        rows.push_row(&[7.into()]).unwrap();
        let relation =
            table("t").scan().join(Relation::values(rows), a().eq(Scalar::column("x"))).select(["b"]);
        assert_eq!(sql(&relation), "SELECT t0.\"b\" AS c0 FROM main.\"t\" AS t0 WHERE (t0.\"a\" = ?)");
    }

    #[test]
    fn operations_out_of_order_are_nested() {
        let scan = || table("t").scan();
        assert_eq!(
            sql(&scan().distinct().filter(a().gt(5)).select(["b"])),
            "SELECT t1.c1 AS c0 FROM (SELECT DISTINCT t0.\"a\" AS c0, t0.\"b\" AS c1 FROM main.\"t\" AS t0 \
             WHERE (t0.\"a\" > ?)) AS t1"
        );
        assert_eq!(
            sql(&scan().slice(vec![SortKey::ascending("a")], 0, Some(2)).filter(a().gt(5)).count()),
            "SELECT count(*) AS c0 FROM (SELECT t0.\"a\" AS c0, t0.\"b\" AS c1 FROM main.\"t\" AS t0 \
             ORDER BY t0.\"a\" LIMIT 2) AS t1 WHERE (t1.c0 > ?)"
        );
        assert_eq!(
            sql(&scan().first_by(["a"], vec![SortKey::ascending("b")]).select(["a"])),
            "SELECT t1.c0 AS c0 FROM (SELECT t0.\"a\" AS c0, t0.\"b\" AS c1, row_number() OVER (PARTITION BY \
             t0.\"a\" ORDER BY t0.\"b\") AS c2 FROM main.\"t\" AS t0) AS t1 WHERE t1.c2 = 1"
        );
        assert_eq!(
            sql(&scan().first_by(["b"], vec![SortKey::ascending("a")]).select(["a"])),
            "SELECT t1.c0 AS c0 FROM (SELECT t0.\"a\" AS c0, t0.\"b\" AS c1, min(t0.\"a\") AS c2 FROM main.\"t\" \
             AS t0 GROUP BY t0.\"b\") AS t1"
        );
    }

    #[test]
    fn partners_are_found_by_index_or_by_in() {
        let keys = || Relation::values(keys(3));
        let on = || a().eq(Scalar::column("x"));
        let by_values = sql(&table("t").scan().semi(keys(), on()));
        assert!(
            by_values
                .contains("WHERE (t0.\"a\" IN (SELECT t1.c0 FROM (SELECT column2 AS c0 FROM (VALUES (0, ?)"),
            "{by_values}"
        );
        let anti = sql(&table("t").scan().anti(keys(), on()));
        assert!(anti.contains(" IS NOT TRUE)"), "{anti}");
        let other = table("u").scan().rename([("x", "a")]);
        let by_index = sql(&table("t").scan().semi(other, on()));
        assert!(
            by_index.ends_with("EXISTS (SELECT 1 FROM main.\"u\" AS t1 WHERE (t0.\"a\" = t1.\"a\"))"),
            "{by_index}"
        );
    }

    fn keys(length: i64) -> RowBatch {
        let mut rows = RowBatch::new([("x".into(), ColumnType::Int)]);
        (0..length).for_each(|key| rows.push_row(&[key.into()]).unwrap());
        rows
    }

    #[test]
    fn texts_are_few() {
        let semi = |length| {
            sql(&table("t").scan().semi(Relation::values(keys(length)), a().eq(Scalar::column("x"))))
        };
        assert_eq!(semi(5), semi(8));
        assert_ne!(semi(8), semi(9));
        assert_eq!(semi(1000), semi(5000));
        let is_in =
            |length| sql(&table("t").scan().filter(a().is_in((0_i64..length).map(Value::from).collect())));
        assert_eq!(is_in(5), is_in(8));
        assert_eq!(is_in(1000), is_in(5000));
    }

    #[test]
    fn values_beyond_the_limit_are_uploaded() {
        let list = |begin: i64| (begin..begin + 500).map(Value::from).collect();
        let many = Scalar::Or((0..100).map(|begin| a().is_in(list(begin))).collect());
        let query = Query::new(&SqliteDialect, &table("t").scan().filter(many)).unwrap();
        assert_eq!(query.statement.uploads.len(), 100);
    }

    #[test]
    fn patterns_are_escaped() {
        let fragment = SqliteDialect.glob(Fragment::sql("x"), &GlobPattern::new(r"a*\*?[b]\?"));
        let Some((Some(Bind::Value(Value::Text(text))), _)) = fragment.segments().nth(1) else {
            panic!("no bind")
        };
        assert_eq!(text.as_str(), "a*[*]?[[]b][?]");
    }
}
