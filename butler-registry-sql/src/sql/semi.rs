//! Rows with and without a partner.

use std::collections::HashSet;

use butler_core::Result;
use butler_core::backend::{Comparison, Relation, Scalar};

use super::block::{Block, Output};
use super::builder::{Builder, conjuncts};
use super::dialect::has_index;
use super::fragment::Fragment;
use super::scalar::{ExprKind, junction};

/// Values of the left and of the right that must be equal.
struct Equalities {
    left: Vec<Fragment>,
    right: Vec<Fragment>,
    /// Whether an index of the right's table finds the partners.
    indexed: bool,
}

impl Builder<'_> {
    /// Rows of the left with a partner or, negated, without one.
    pub(crate) fn semi(
        &mut self,
        left: &Relation,
        right: &Relation,
        on: &Scalar,
        negated: bool,
    ) -> Result<Block> {
        let mut block = self.filterable(left)?;
        let mut partner = self.block(right)?.unordered();
        if partner.group.is_some() || partner.slice.is_some() {
            partner = self.nest(&partner);
        }
        partner.distinct = false;
        let parts = conjuncts(on);
        if self.dialect.prefers_in()
            && let Some(found) = self.equalities(&parts, &block, &partner)?
            && !found.indexed
        {
            block.filters.push(self.membership_of_rows(found, &partner, negated));
            return Ok(block);
        }
        for part in parts {
            partner.filters.extend(self.condition(part, &[&block.outputs, &partner.outputs])?);
        }
        block.filters.push(if partner.from.is_empty() && !negated {
            junction(partner.filters, " AND ")
        } else {
            Fragment::sql(if negated { "NOT EXISTS (" } else { "EXISTS (" })
                .then(partner.render_columns(self.dialect, &Fragment::sql("1")))
                .text(")")
        });
        Ok(block)
    }

    /// The condition as equalities of one value of each side, if it is nothing else.
    fn equalities(
        &mut self,
        parts: &[&Scalar],
        block: &Block,
        partner: &Block,
    ) -> Result<Option<Equalities>> {
        if parts.is_empty() || partner.from.is_empty() {
            return Ok(None);
        }
        let mut found = Equalities { left: Vec::new(), right: Vec::new(), indexed: false };
        let mut columns = Vec::new();
        for part in parts {
            let Scalar::Compare { op: Comparison::Eq, left: a, right: b } = part else { return Ok(None) };
            let (a, b) = if reads_only(a, &block.outputs) && reads_only(b, &partner.outputs) {
                (a, b)
            } else if reads_only(b, &block.outputs) && reads_only(a, &partner.outputs) {
                (b, a)
            } else {
                return Ok(None);
            };
            let (a, b) = (self.scalar(a, &[&block.outputs])?, self.scalar(b, &[&partner.outputs])?);
            if a.ty != b.ty {
                return Ok(None);
            }
            if let ExprKind::Column(name) = &b.kind {
                columns.push(name.clone());
            }
            found.left.push(a.sql);
            found.right.push(b.sql);
        }
        found.indexed = columns.len() == found.right.len()
            && partner.table.as_ref().is_some_and(|table| {
                let mut all: Vec<&str> =
                    columns.iter().chain(&partner.fixed).map(|name| name.as_str()).collect();
                all.sort_unstable();
                all.dedup();
                let own: Vec<&str> = columns.iter().map(|name| name.as_str()).collect();
                has_index(table, &all) || has_index(table, &own)
            });
        Ok(Some(found))
    }

    fn membership_of_rows(&self, found: Equalities, partner: &Block, negated: bool) -> Fragment {
        let row = |values: Vec<Fragment>| {
            let several = values.len() > 1;
            let values = Fragment::join(values, ", ");
            if several { Fragment::sql("(").then(values).text(")") } else { values }
        };
        let partners = partner.render_columns(self.dialect, &Fragment::join(found.right, ", "));
        let sql = Fragment::sql("(").then(row(found.left)).text(" IN (").then(partners).text(")");
        // Not to be in a list with NULLs is NULL.
        sql.text(if negated { " IS NOT TRUE)" } else { ")" })
    }
}

fn reads_only(scalar: &Scalar, outputs: &[Output]) -> bool {
    let names: HashSet<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
    let mut all = true;
    scalar.for_each_column(&mut |name| all &= names.contains(name.as_str()));
    all
}
