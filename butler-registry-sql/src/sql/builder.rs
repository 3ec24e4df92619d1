//! Relations as SELECT blocks.

use std::collections::HashMap;
use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::backend::{
    Aggregate, AggregateColumn, ColumnType, Comparison, ProjectColumn, Relation, RowBatch, Scalar, Schema,
    SortKey, Value,
};
use butler_core::{Error, ErrorKind, Result};

use super::block::{Block, Order, Output};
use super::dialect::Dialect;
use super::fragment::{Bind, Fragment};
use super::rows::check_batch;
use super::scalar::{Expr, ExprKind, comparison};

/// Length of an expression beyond which it is not substituted for a column.
const LONG: usize = 1 << 16;

/// Longest path that is counted; cycles would be walked that often.
const MAX_DEPTH: u32 = 1 << 20;

/// Greatest numbers of rows that are part of a statement, to be tried one after the other.
const INLINE: [usize; 3] = [512, 32, 1];

/// Rows that must be in a temporary table when the statement runs.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "PostgreSQL takes rows as arrays"))]
pub(crate) struct Upload {
    /// Name of the table; its columns are `c0` and so on.
    pub(crate) table: String,
    /// The rows.
    pub(crate) rows: Arc<RowBatch>,
}

/// A statement, and what it reads from temporary tables.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// The statement.
    pub(crate) sql: Fragment,
    /// Its temporary tables.
    pub(crate) uploads: Vec<Upload>,
}

/// A statement that evaluates a relation.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// The statement.
    pub(crate) statement: Statement,
    /// Columns of its result.
    pub(crate) schema: Schema,
}

impl Query {
    /// The query of a relation.
    ///
    /// # Errors
    /// `Argument` if the relation is unsound.
    pub(crate) fn new(dialect: &dyn Dialect, relation: &Relation) -> Result<Self> {
        let schema = relation.schema()?;
        let statement =
            Statement::build(dialect, &mut |builder| Ok(builder.block(relation)?.render(builder.dialect)))?;
        Ok(Self { statement, schema })
    }
}

impl Statement {
    /// Builds a statement, with fewer rows of the caller in it if it would bind too many values.
    pub(crate) fn build(
        dialect: &dyn Dialect,
        build: &mut dyn FnMut(&mut Builder<'_>) -> Result<Fragment>,
    ) -> Result<Self> {
        for inline in INLINE {
            let mut builder = Builder { dialect, inline, uploads: Vec::new(), aliases: 0 };
            let sql = build(&mut builder)?;
            if sql.bind_count() <= dialect.max_binds() {
                return Ok(Self { sql, uploads: builder.uploads });
            }
        }
        Err(Error::new(ErrorKind::Unsupported, "a relation has too many literals for one statement"))
    }
}

/// Builds one statement.
pub(crate) struct Builder<'d> {
    pub(crate) dialect: &'d dyn Dialect,
    /// Greatest number of rows or values that are part of the statement; more are uploaded.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "PostgreSQL takes rows as arrays"))]
    pub(crate) inline: usize,
    pub(crate) uploads: Vec<Upload>,
    aliases: usize,
}

impl Builder<'_> {
    /// A name for a source, new in this statement.
    pub(crate) fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("t{}", self.aliases - 1)
    }

    /// The block of a sound relation.
    pub(crate) fn block(&mut self, relation: &Relation) -> Result<Block> {
        match relation {
            Relation::Table { table } => Ok(self.scan(table)),
            Relation::Values { rows } => self.values(rows),
            Relation::Join { left, right, on } => self.join(left, right, on),
            Relation::Semi { left, right, on } => self.semi(left, right, on, false),
            Relation::Anti { left, right, on } => self.semi(left, right, on, true),
            Relation::Filter { input, predicate } => self.filter(input, predicate),
            Relation::Project { input, columns } => self.project(input, columns),
            Relation::UnionAll { inputs } => self.union_all(inputs),
            Relation::Distinct { input } => {
                let block = self.block(input)?.unordered();
                let mut block = if block.slice.is_some() { self.nest(&block) } else { block };
                block.distinct = true;
                Ok(block)
            }
            Relation::FirstBy { input, partition, order } => self.first_by(input, partition, order),
            Relation::Aggregate { input, by, aggregates } => self.aggregate(input, by, aggregates),
            Relation::Sort { input, keys } => self.sort(input, keys),
            Relation::Slice { input, keys, offset, limit } => {
                let mut block = self.sort(input, keys)?;
                block.slice = Some((*offset, *limit));
                Ok(block)
            }
            Relation::Closure { seeds, edges, from, to, max_depth } => {
                self.closure(seeds, edges, (from, to), *max_depth)
            }
        }
    }

    /// A block to which sources and conditions can be added.
    pub(crate) fn plain(&mut self, relation: &Relation) -> Result<Block> {
        let block = self.block(relation)?.unordered();
        Ok(if block.is_plain() { block } else { self.nest(&block) })
    }

    /// A block to which conditions on its outputs can be added.
    pub(crate) fn filterable(&mut self, relation: &Relation) -> Result<Block> {
        let block = self.block(relation)?.unordered();
        Ok(if block.group.is_none() && block.slice.is_none() { block } else { self.nest(&block) })
    }

    fn values(&mut self, rows: &Arc<RowBatch>) -> Result<Block> {
        check_batch(rows)?;
        if rows.len() > 1 {
            return self.dialect.values(self, rows);
        }
        let cell = |(column, name): (usize, &ArcStr)| {
            let ty = rows.columns()[column].ty();
            let expr = if rows.is_empty() || rows.columns()[column].is_null(0) {
                self.null(ty)
            } else {
                self.literal(&rows.columns()[column].value(0))?
            };
            Ok(Output { name: name.clone(), expr })
        };
        let outputs = rows.names().iter().enumerate().map(cell).collect::<Result<_>>()?;
        let filters = if rows.is_empty() { vec![Fragment::sql("FALSE")] } else { Vec::new() };
        Ok(Block { outputs, filters, ..Block::default() })
    }

    fn join(&mut self, left: &Relation, right: &Relation, on: &Scalar) -> Result<Block> {
        let (mut block, mut right) = (self.plain(left)?, self.plain(right)?);
        block.from.append(&mut right.from);
        block.filters.append(&mut right.filters);
        block.outputs.append(&mut right.outputs);
        block.table = None;
        block.fixed.clear();
        self.restrict(&mut block, on)?;
        Ok(block)
    }

    fn filter(&mut self, input: &Relation, predicate: &Scalar) -> Result<Block> {
        let mut block = self.filterable(input)?;
        self.restrict(&mut block, predicate)?;
        Ok(block)
    }

    /// Adds a condition on the outputs.
    fn restrict(&mut self, block: &mut Block, predicate: &Scalar) -> Result<()> {
        for part in conjuncts(predicate) {
            block.filters.extend(self.condition(part, &[&block.outputs])?);
            if let Some(column) = fixed_column(part)
                && let Some(output) = block.outputs.iter().find(|output| output.name == *column)
                && let ExprKind::Column(name) = &output.expr.kind
            {
                block.fixed.push(name.clone());
            }
        }
        Ok(())
    }

    /// A condition as SQL; none if it always holds.
    pub(crate) fn condition(&mut self, predicate: &Scalar, scope: &[&[Output]]) -> Result<Option<Fragment>> {
        let expr = self.scalar(predicate, scope)?;
        Ok(match expr.kind {
            ExprKind::Constant(Value::Bool(true)) => None,
            ExprKind::Constant(_) => Some(Fragment::sql("FALSE")),
            _ => Some(expr.sql),
        })
    }

    fn project(&mut self, input: &Relation, columns: &[ProjectColumn]) -> Result<Block> {
        let block = self.block(input)?.unordered();
        self.project_block(block, columns)
    }

    /// A block with other outputs.
    fn project_block(&mut self, mut block: Block, columns: &[ProjectColumn]) -> Result<Block> {
        let mut reads: HashMap<&str, usize> = HashMap::new();
        for column in columns {
            column.value.for_each_column(&mut |name| *reads.entry(name.as_str()).or_default() += 1);
        }
        // A value that is not a plain column is written once; an expression that doubles
        // with each projection would soon fill the memory.
        let repeated = |output: &Output| {
            !output.expr.is_cheap()
                && (reads.get(output.name.as_str()).is_some_and(|n| *n > 1) || output.expr.sql.len() > LONG)
        };
        // A total of which no function is left would no longer be one row.
        let total = block.group.as_ref().is_some_and(Vec::is_empty);
        if block.distinct || total || block.outputs.iter().any(repeated) {
            block = self.nest(&block);
        }
        let output = |column: &ProjectColumn| {
            let expr = self.scalar(&column.value, &[&block.outputs])?;
            Ok(Output { name: column.name.clone(), expr })
        };
        block.outputs = columns.iter().map(output).collect::<Result<_>>()?;
        Ok(block)
    }

    /// The block of a relation, with only some columns.
    pub(crate) fn select(&mut self, relation: &Relation, names: &[ArcStr]) -> Result<Block> {
        let block = self.block(relation)?.unordered();
        let column =
            |name: &ArcStr| ProjectColumn { name: name.clone(), value: Scalar::Column(name.clone()) };
        self.project_block(block, &names.iter().map(column).collect::<Vec<_>>())
    }

    fn union_all(&mut self, inputs: &[Relation]) -> Result<Block> {
        let [first, ..] = inputs else {
            return Err(Error::new(ErrorKind::Argument, "a union has no inputs"));
        };
        if inputs.len() == 1 {
            return self.block(first);
        }
        let limit = self.dialect.union_limit();
        if inputs.len() > limit {
            let size = inputs.len().div_ceil(inputs.len().div_ceil(limit));
            let groups =
                inputs.chunks(size).map(|group| self.union_all(group)).collect::<Result<Vec<_>>>()?;
            return Ok(self.union_blocks(&groups));
        }
        let blocks = inputs.iter().map(|input| self.block(input)).collect::<Result<Vec<_>>>()?;
        Ok(self.union_blocks(&blocks))
    }

    fn union_blocks(&mut self, blocks: &[Block]) -> Block {
        let parts: Vec<Fragment> = blocks
            .iter()
            .map(|block| {
                let block = block.clone().unordered();
                let block = if block.slice.is_some() { self.nest(&block) } else { block };
                block.render(self.dialect)
            })
            .collect();
        let columns = blocks[0]
            .outputs
            .iter()
            .enumerate()
            .map(|(index, output)| {
                let nullable = blocks.iter().any(|block| block.outputs[index].expr.nullable);
                (output.name.clone(), output.expr.ty, nullable)
            })
            .collect();
        self.derived(Fragment::sql("(").then(Fragment::join(parts, " UNION ALL ")).text(")"), columns)
    }

    fn sort(&mut self, input: &Relation, keys: &[SortKey]) -> Result<Block> {
        let block = self.block(input)?.unordered();
        let mut block = if block.slice.is_some() { self.nest(&block) } else { block };
        block.order = keys.iter().map(|key| order(&block, key)).collect::<Result<_>>()?;
        // The order of equal values is none, and PostgreSQL refuses some of them.
        block.order.retain(|key| !matches!(key.expr.kind, ExprKind::Constant(_)));
        Ok(block)
    }

    fn first_by(&mut self, input: &Relation, partition: &[ArcStr], keys: &[SortKey]) -> Result<Block> {
        if partition.is_empty() {
            let mut block = self.sort(input, keys)?;
            block.slice = Some((0, Some(1)));
            return Ok(block);
        }
        let mut block = self.plain(input)?;
        let columns = partition.iter().chain(keys.iter().map(|key| &key.column));
        let outputs = columns.map(|name| position(&block, name)).collect::<Result<Vec<usize>>>()?;
        if outputs.iter().any(|index| !matches!(block.outputs[*index].expr.kind, ExprKind::Column(_))) {
            block = self.nest(&block);
        }
        let keys = keys.iter().map(|key| order(&block, key)).collect::<Result<_>>()?;
        Ok(self.dialect.first_by(self, block, &outputs[..partition.len()], keys))
    }

    fn aggregate(
        &mut self,
        input: &Relation,
        by: &[ArcStr],
        aggregates: &[AggregateColumn],
    ) -> Result<Block> {
        let mut block = self.plain(input)?;
        let keys = by.iter().map(|name| position(&block, name)).collect::<Result<Vec<usize>>>()?;
        if keys.iter().any(|index| !matches!(block.outputs[*index].expr.kind, ExprKind::Column(_))) {
            block = self.nest(&block);
        }
        let mut outputs: Vec<Output> = keys.iter().map(|index| block.outputs[*index].clone()).collect();
        block.group = Some(outputs.iter().map(|output| output.expr.sql.clone()).collect());
        for AggregateColumn { name, function } in aggregates {
            let (sql, ty, nullable) = match function {
                Aggregate::Count => (Fragment::sql("count(*)"), ColumnType::Int, false),
                Aggregate::Min(column) | Aggregate::Max(column) => {
                    let expr = &block.outputs[position(&block, column)?].expr;
                    let function = if matches!(function, Aggregate::Min(_)) { "min(" } else { "max(" };
                    (Fragment::sql(function).then(expr.sql.clone()).text(")"), expr.ty, true)
                }
            };
            outputs.push(Output {
                name: name.clone(),
                expr: Expr { sql, ty, nullable, kind: ExprKind::Computed },
            });
        }
        block.outputs = outputs;
        Ok(block)
    }

    fn closure(
        &mut self,
        seeds: &Relation,
        edges: &Relation,
        (from, to): (&[ArcStr], &[ArcStr]),
        max_depth: Option<u32>,
    ) -> Result<Block> {
        let seeds = self.block(seeds)?.unordered();
        let seeds = if seeds.slice.is_some() { self.nest(&seeds) } else { seeds };
        let mut step = self.plain(edges)?;
        let nodes = self.alias();
        let columns: Vec<_> = seeds.outputs.iter().map(|o| (o.name.clone(), o.expr.ty, true)).collect();
        let max_depth = max_depth.filter(|depth| *depth < MAX_DEPTH);

        for (index, name) in from.iter().enumerate() {
            let begin = step.outputs[position(&step, name)?].expr.sql.clone();
            step.filters.push(comparison(Comparison::Eq, Fragment::sql(format!("{nodes}.c{index}")), begin));
        }
        let mut ends: Vec<Fragment> = to
            .iter()
            .map(|name| Ok(step.outputs[position(&step, name)?].expr.sql.clone()))
            .collect::<Result<_>>()?;
        let mut begins: Vec<Fragment> = seeds.outputs.iter().map(|output| output.expr.sql.clone()).collect();
        if ends.is_empty() {
            // Nodes without columns are all the same one.
            begins.push(Fragment::sql("1"));
            ends.push(Fragment::sql("1"));
        }
        let width = ends.len();
        if let Some(depth) = max_depth {
            begins.push(Fragment::sql("0"));
            ends.push(Fragment::sql(format!("{nodes}.c{width} + 1")));
            let limit = self.dialect.literal(ColumnType::Int, Bind::Value(i64::from(depth).into()));
            step.filters.push(comparison(Comparison::Lt, Fragment::sql(format!("{nodes}.c{width}")), limit));
        }
        step.from.insert(0, Fragment::sql(&nodes));
        let names = |count| Fragment::join((0..count).map(|index| Fragment::sql(format!("c{index}"))), ", ");
        let source = Fragment::sql(format!("(WITH RECURSIVE {nodes}("))
            .then(names(begins.len()))
            .text(") AS (")
            .then(seeds.render_columns(self.dialect, &Fragment::join(begins, ", ")))
            .text(" UNION ")
            .then(step.render_columns(self.dialect, &Fragment::join(ends, ", ")))
            .text(if max_depth.is_some() { ") SELECT DISTINCT " } else { ") SELECT " })
            .then(names(width))
            .text(&format!(" FROM {nodes})"));
        Ok(self.derived(source, columns))
    }
}

/// The parts of a conjunction.
pub(crate) fn conjuncts(predicate: &Scalar) -> Vec<&Scalar> {
    match predicate {
        Scalar::And(operands) => operands.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

/// The column that a condition compares with constants for equality.
fn fixed_column(predicate: &Scalar) -> Option<&ArcStr> {
    match predicate {
        Scalar::Compare { op: Comparison::Eq, left, right } => match (&**left, &**right) {
            (Scalar::Column(name), Scalar::Literal(_)) | (Scalar::Literal(_), Scalar::Column(name)) => {
                Some(name)
            }
            _ => None,
        },
        Scalar::In { value, .. } => match &**value {
            Scalar::Column(name) => Some(name),
            _ => None,
        },
        _ => None,
    }
}

/// Index of an output.
pub(crate) fn position(block: &Block, name: &str) -> Result<usize> {
    block.outputs.iter().position(|output| output.name == name).ok_or_else(|| {
        Error::new(ErrorKind::Argument, format!("a relation is unsound: there is no column '{name}'"))
    })
}

fn order(block: &Block, key: &SortKey) -> Result<Order> {
    let output = position(block, &key.column)?;
    Ok(Order { expr: block.outputs[output].expr.clone(), output, descending: key.descending })
}
