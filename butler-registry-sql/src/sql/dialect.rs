//! Where the dialects of SQL differ.

use std::sync::Arc;

use butler_core::Result;
use butler_core::backend::{Arithmetic, ColumnType, Comparison, GlobPattern, RowBatch, TableSpec, Value};

use super::block::{Block, Order};
use super::builder::Builder;
use super::fragment::{Bind, Fragment};

/// A dialect of SQL.
pub(crate) trait Dialect: Send + Sync {
    /// A table by its name, quoted and qualified.
    fn table(&self, name: &str) -> String;

    /// A bound value as an operand.
    fn literal(&self, ty: ColumnType, bind: Bind) -> Fragment;

    /// NULL as an operand.
    fn null(&self, ty: ColumnType) -> Fragment;

    /// Arithmetic whose result is of type float if one operand is, and an error if it is out of range.
    fn arithmetic(
        &self,
        op: Arithmetic,
        left: (ColumnType, Fragment),
        right: (ColumnType, Fragment),
    ) -> Fragment;

    /// An integer column plus a constant, likewise, where there is something better than [`Self::arithmetic`].
    fn shift(&self, _column: &Fragment, _by: i64) -> Option<Fragment> {
        None
    }

    /// The number with the other sign.
    fn negate(&self, ty: ColumnType, operand: Fragment) -> Fragment;

    /// An expression that fails when it is evaluated, and not before.
    fn out_of_range(&self, ty: ColumnType) -> Fragment;

    /// Exact comparison of an integer with a float.
    fn compare_mixed(&self, op: Comparison, int: Fragment, float: Fragment) -> Fragment;

    /// Whether a text fits a pattern.
    fn glob(&self, value: Fragment, pattern: &GlobPattern) -> Fragment;

    /// Whether a value is in a list that is not empty.
    fn membership(
        &self,
        builder: &mut Builder<'_>,
        value: Fragment,
        ty: ColumnType,
        list: &[Value],
    ) -> Result<Fragment>;

    /// What follows a key to sort by, so that NULL comes before every value.
    fn direction(&self, descending: bool, nullable: bool) -> &'static str;

    /// What limits a sorted block.
    fn slice(&self, offset: u64, limit: Option<u64>) -> Fragment;

    /// At least two rows of the caller.
    fn values(&self, builder: &mut Builder<'_>, rows: &Arc<RowBatch>) -> Result<Block>;

    /// The first row by `order` of each group of rows that agree in some outputs, of which there is at least one.
    fn first_by(
        &self,
        builder: &mut Builder<'_>,
        block: Block,
        partition: &[usize],
        order: Vec<Order>,
    ) -> Block;

    /// Greatest number of values bound in one statement.
    fn max_binds(&self) -> usize;

    /// Greatest number of SELECTs in one UNION.
    fn union_limit(&self) -> usize;

    /// Whether rows that have a partner by equality are better found by IN than by EXISTS, unless the
    /// partner's table has an index that begins with the columns.
    fn prefers_in(&self) -> bool;
}

/// Whether a table has an index that begins with some columns, in any order.
pub(crate) fn has_index(spec: &TableSpec, columns: &[&str]) -> bool {
    let leads = |key: &[arcstr::ArcStr]| {
        key.len() >= columns.len()
            && key[..columns.len()].iter().all(|name| columns.contains(&name.as_str()))
            && columns.iter().all(|name| key[..columns.len()].iter().any(|other| other == name))
    };
    leads(&spec.primary_key)
        || spec.unique.iter().any(|rule| leads(&rule.columns))
        || spec.indexes.iter().any(|index| leads(&index.columns))
}
