//! SELECT blocks: what a relation is while it is still growing.

use arcstr::ArcStr;
use butler_core::backend::{ColumnType, TableRef};

use super::builder::Builder;
use super::dialect::Dialect;
use super::fragment::Fragment;
use super::scalar::{Expr, junction};

/// Column of a block's result.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// Name in the relation; it does not occur in SQL.
    pub(crate) name: ArcStr,
    /// Value.
    pub(crate) expr: Expr,
}

/// Key to sort by.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Value.
    pub(crate) expr: Expr,
    /// Index of the output that had the value when the key was set.
    pub(crate) output: usize,
    /// Whether great values come first.
    pub(crate) descending: bool,
}

/// A SELECT statement in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    /// Sources with their aliases, all joined.
    pub(crate) from: Vec<Fragment>,
    /// Conditions, all of which hold.
    pub(crate) filters: Vec<Fragment>,
    /// Columns of the result.
    pub(crate) outputs: Vec<Output>,
    /// Whether duplicates are left out.
    pub(crate) distinct: bool,
    /// Columns of groups; none if rows are not grouped.
    pub(crate) group: Option<Vec<Fragment>>,
    /// Keys to sort by, most significant first.
    pub(crate) order: Vec<Order>,
    /// Offset and limit.
    pub(crate) slice: Option<(u64, Option<u64>)>,
    /// The table, if that is the only source.
    pub(crate) table: Option<TableRef>,
    /// Columns of that table that are compared with constants for equality.
    pub(crate) fixed: Vec<ArcStr>,
}

impl Block {
    /// Whether it is nothing but joined and filtered sources.
    pub(crate) fn is_plain(&self) -> bool {
        !self.distinct && self.group.is_none() && self.slice.is_none()
    }

    /// Forgets the order, unless it decides which rows there are.
    pub(crate) fn unordered(mut self) -> Self {
        if self.slice.is_none() {
            self.order.clear();
        }
        self
    }

    /// The statement. Columns are named `c0` and so on.
    pub(crate) fn render(&self, dialect: &dyn Dialect) -> Fragment {
        self.render_columns(dialect, &self.columns())
    }

    /// The outputs with their names.
    pub(crate) fn columns(&self) -> Fragment {
        let mut columns = Fragment::default();
        for (index, output) in self.outputs.iter().enumerate() {
            if index > 0 {
                columns.push(", ");
            }
            columns.copy(&output.expr.sql);
            columns.push_name(index);
        }
        if self.outputs.is_empty() {
            // Rows without columns are rows; a total is one row even of nothing.
            let total = self.group.as_ref().is_some_and(Vec::is_empty);
            columns.push(if total { "count(*) AS c0" } else { "1 AS c0" });
        }
        columns
    }

    /// The statement with other columns than the outputs.
    pub(crate) fn render_columns(&self, dialect: &dyn Dialect, columns: &Fragment) -> Fragment {
        let mut sql = Fragment::with_capacity(2 * columns.len() + 64);
        sql.push(if self.distinct { "SELECT DISTINCT " } else { "SELECT " });
        sql.copy(columns);
        if !self.from.is_empty() {
            sql.push(" FROM ");
            sql.copy_all(&self.from, ", ");
        }
        if !self.filters.is_empty() {
            sql.push(" WHERE ");
            sql.append(junction(self.filters.clone(), " AND "));
        }
        if let Some(group) = &self.group
            && !group.is_empty()
        {
            sql.push(" GROUP BY ");
            sql.copy_all(group, ", ");
        }
        for (index, key) in self.order.iter().enumerate() {
            sql.push(if index == 0 { " ORDER BY " } else { ", " });
            if self.distinct {
                // What is left of duplicates is sorted by its columns.
                sql.push(&(key.output + 1).to_string());
            } else {
                sql.copy(&key.expr.sql);
            }
            sql.push(dialect.direction(key.descending, key.expr.nullable));
        }
        if let Some((offset, limit)) = self.slice {
            sql.append(dialect.slice(offset, limit));
        }
        sql
    }
}

impl Builder<'_> {
    /// A block that selects everything from another one.
    pub(crate) fn nest(&mut self, block: &Block) -> Block {
        let source = Fragment::sql("(").then(block.render(self.dialect)).text(")");
        let columns = block.outputs.iter().map(|o| (o.name.clone(), o.expr.ty, o.expr.nullable)).collect();
        self.derived(source, columns)
    }

    /// A block that selects everything from a source whose columns are named `c0` and so on.
    pub(crate) fn derived(&mut self, source: Fragment, columns: Vec<(ArcStr, ColumnType, bool)>) -> Block {
        let alias = self.alias();
        let outputs = columns
            .into_iter()
            .enumerate()
            .map(|(index, (name, ty, nullable))| Output {
                name,
                expr: Expr::nth(&alias, index, ty, nullable),
            })
            .collect();
        Block { from: vec![source.text(" AS ").text(&alias)], outputs, ..Block::default() }
    }

    /// A block that selects everything from a table.
    pub(crate) fn scan(&mut self, table: &TableRef) -> Block {
        let alias = self.alias();
        let source = Fragment::sql(self.dialect.table(&table.name)).text(" AS ").text(&alias);
        let outputs = table
            .columns
            .iter()
            .map(|column| Output {
                name: column.name.clone(),
                expr: Expr::column(&alias, &column.name, column.ty, column.nullable),
            })
            .collect();
        Block { from: vec![source], outputs, table: Some(table.clone()), ..Block::default() }
    }
}
