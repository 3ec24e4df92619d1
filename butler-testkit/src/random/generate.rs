//! Random relations.

use butler_core::Result;
use butler_core::backend::{
    Aggregate, AggregateColumn, Backend, BackendExt, ColumnType, OnConflict, Relation, RowBatch, Scalar,
    SortKey, TableRef,
};
use fastrand::Rng;

use super::rows::{RandomColumn, rows, table, value};
use super::scalars::Scalars;

/// Greatest number of pairs that a join may look at, so that nested loops stay fast.
const PAIRS: usize = 1500;

/// Random tables with rows, and what is needed to make relations over them.
pub struct World {
    rng: Rng,
    tables: Vec<Stocked>,
    /// Number of the next column.
    next: usize,
    /// Whether arithmetic may overflow.
    explosive: bool,
    /// Whether rows may be chosen by order.
    choosing: bool,
}

struct Stocked {
    table: TableRef,
    columns: Vec<RandomColumn>,
    rows: RowBatch,
}

/// A relation and what is known of it.
#[derive(Clone)]
struct Made {
    relation: Relation,
    columns: Vec<RandomColumn>,
    /// At most so many rows.
    rows: usize,
}

impl World {
    /// Three tables, by a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let tables = ["random_a", "random_b", "random_c"].map(|name| {
            let (spec, columns) = table(&mut rng, name);
            let count = if rng.u8(..15) == 0 { 0 } else { rng.usize(6..25) };
            let rows = rows(&mut rng, &columns, count);
            Stocked { table: spec.into(), columns, rows }
        });
        Self { rng, tables: tables.into(), next: 0, explosive: false, choosing: true }
    }

    /// Creates the tables in a backend and fills them.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn create_in(&self, backend: &dyn Backend) -> Result<()> {
        for Stocked { table, rows, .. } in &self.tables {
            let (table, rows) = (table.clone(), rows.clone());
            let create = backend.run(move |t| {
                t.create(&table)?;
                t.insert(&table, &rows, OnConflict::Fail)
            });
            create.await?;
        }
        Ok(())
    }

    /// A relation that does not fail.
    pub fn relation(&mut self) -> Relation {
        (self.explosive, self.choosing) = (false, true);
        let made = self.made(4);
        match self.rng.u8(..4) {
            0 => self.sorted(made, false).relation,
            1 => self.sliced(made).relation,
            _ => made.relation,
        }
    }

    /// A relation that may fail, in the values of its result only.
    pub fn overflowing(&mut self) -> Relation {
        (self.explosive, self.choosing) = (false, false);
        let made = self.made(2);
        let mut columns = vec![];
        for _ in 0..self.rng.usize(1..3) {
            let ty = if self.rng.bool() { ColumnType::Int } else { ColumnType::Float };
            let mut scalars = Scalars { rng: &mut self.rng, columns: &made.columns, explosive: true };
            columns.push(scalars.arithmetic(ty, 1));
        }
        let named = columns.into_iter().enumerate().map(|(index, value)| (format!("x{index}"), value));
        made.relation.project(named)
    }

    /// A relation that may fail anywhere in it.
    pub fn explosive(&mut self) -> Relation {
        (self.explosive, self.choosing) = (true, true);
        self.made(3).relation
    }

    fn made(&mut self, depth: u32) -> Made {
        if depth == 0 || self.rng.u8(..12) == 0 {
            return self.leaf();
        }
        let input = self.made(depth - 1);
        match self.rng.u8(..20) {
            0..=1 => self.filtered(input),
            2..=4 => self.projected(input),
            5..=8 => self.joined(input, depth),
            9..=10 => self.partnered(input, depth),
            11..=12 => self.united(input, depth),
            13 => Made { relation: input.relation.distinct(), ..input },
            14..=15 if self.choosing => self.first(input),
            16..=17 => self.aggregated(input),
            18 if self.choosing => self.sliced(input),
            19 => self.closed(input, depth),
            _ => self.sorted(input, true),
        }
    }

    fn fresh(&mut self) -> String {
        self.next += 1;
        format!("n{}", self.next)
    }

    fn leaf(&mut self) -> Made {
        if self.rng.u8(..4) == 0 {
            return self.values();
        }
        let stocked = &self.tables[self.rng.usize(..self.tables.len())];
        let made = Made {
            relation: stocked.table.scan(),
            columns: stocked.columns.clone(),
            rows: stocked.rows.len(),
        };
        if self.rng.u8(..3) == 0 { made } else { self.renamed(made) }
    }

    fn values(&mut self) -> Made {
        let count = [1, 1, 2, 2, 3, 0][self.rng.usize(..6)];
        let columns: Vec<RandomColumn> = (0..count)
            .map(|_| {
                let name = self.fresh();
                RandomColumn::new(&mut self.rng, name)
            })
            .collect();
        let count = [0, 1, 2, 4, 5, 6, 7, 8][self.rng.usize(..8)];
        let rows = rows(&mut self.rng, &columns, count);
        Made { rows: rows.len(), relation: Relation::values(rows), columns }
    }

    /// The same rows under names that nothing else has.
    fn renamed(&mut self, made: Made) -> Made {
        let columns: Vec<RandomColumn> =
            made.columns.iter().map(|column| RandomColumn { name: self.fresh(), ..column.clone() }).collect();
        let names =
            columns.iter().zip(&made.columns).map(|(new, old)| (new.name.as_str(), old.name.as_str()));
        Made { relation: made.relation.rename(names), columns, rows: made.rows }
    }

    fn scalars<'a>(&'a mut self, columns: &'a [RandomColumn]) -> Scalars<'a> {
        Scalars { rng: &mut self.rng, columns, explosive: self.explosive }
    }

    fn filtered(&mut self, made: Made) -> Made {
        let mut scalars = self.scalars(&made.columns);
        let mut predicate = scalars.condition(2);
        if scalars.rng.bool() {
            // Conditions are seldom true.
            predicate = Scalar::Or(vec![predicate, scalars.condition(1)]);
        }
        Made { relation: made.relation.filter(predicate), ..made }
    }

    fn projected(&mut self, made: Made) -> Made {
        let mut columns = Vec::new();
        let mut values = Vec::new();
        for column in &made.columns {
            if self.rng.u8(..3) > 0 {
                columns.push(RandomColumn { name: self.fresh(), ..column.clone() });
                values.push(Scalar::column(column.name.as_str()));
            }
        }
        for _ in 0..self.rng.usize(..3) {
            let name = self.fresh();
            let RandomColumn { ty, .. } = RandomColumn::new(&mut self.rng, name.clone());
            values.push(self.scalars(&made.columns).of(ty, 2));
            columns.push(RandomColumn { name, ty, small: false });
        }
        let named = columns.iter().map(|column| column.name.clone()).zip(values);
        Made { relation: made.relation.project(named), columns, rows: made.rows }
    }

    /// Another relation, with other names, that is not too large to be paired with one.
    fn partner(&mut self, made: &Made, depth: u32) -> Made {
        let other = match self.made(depth.min(2) - 1) {
            other if other.rows.saturating_mul(made.rows) <= PAIRS => other,
            _ => self.values(),
        };
        self.renamed(other)
    }

    /// A condition that often has equal columns in it.
    fn meeting(&mut self, left: &Made, right: &Made) -> Scalar {
        let mut operands = Vec::new();
        for a in &left.columns {
            for b in right.columns.iter().filter(|b| b.ty == a.ty) {
                if operands.len() < 2 && self.rng.u8(..4) == 0 {
                    let pair = (Scalar::column(a.name.as_str()), Scalar::column(b.name.as_str()));
                    let (a, b) = if self.rng.bool() { pair } else { (pair.1, pair.0) };
                    operands.push(a.eq(b));
                }
            }
        }
        if operands.is_empty() || self.rng.u8(..6) == 0 {
            let both = [&left.columns[..], &right.columns[..]].concat();
            operands.push(self.scalars(&both).condition(1));
        }
        Scalar::all(operands)
    }

    fn joined(&mut self, left: Made, depth: u32) -> Made {
        let right = self.partner(&left, depth);
        let on = self.meeting(&left, &right);
        Made {
            relation: left.relation.join(right.relation, on),
            columns: [left.columns, right.columns].concat(),
            rows: left.rows * right.rows,
        }
    }

    fn partnered(&mut self, left: Made, depth: u32) -> Made {
        let right = self.partner(&left, depth);
        let on = self.meeting(&left, &right);
        let relation = if self.rng.bool() {
            left.relation.semi(right.relation, on)
        } else {
            left.relation.anti(right.relation, on)
        };
        Made { relation, ..left }
    }

    fn united(&mut self, first: Made, depth: u32) -> Made {
        let mut inputs = vec![first.relation];
        let mut count = first.rows;
        let mut columns = first.columns;
        for _ in 0..self.rng.usize(1..3) {
            let other = self.made(depth.min(2) - 1);
            let values: Vec<Scalar> =
                columns.iter().map(|column| self.scalars(&other.columns).of(column.ty, 0)).collect();
            let names = columns.iter().map(|column| column.name.clone());
            inputs.push(other.relation.project(names.zip(values)));
            count += other.rows;
        }
        columns.iter_mut().for_each(|column| column.small = false);
        Made { relation: Relation::UnionAll { inputs }, columns, rows: count }
    }

    /// Some columns, and for each whether great values come first.
    fn some_keys(&mut self, columns: &[RandomColumn]) -> Vec<SortKey> {
        let mut columns: Vec<&RandomColumn> = columns.iter().collect();
        self.rng.shuffle(&mut columns);
        let count = self.rng.usize(..=columns.len());
        columns.truncate(count);
        let key = |column: &RandomColumn| SortKey {
            column: column.name.as_str().into(),
            descending: self.rng.bool(),
        };
        columns.into_iter().map(key).collect()
    }

    /// An order that leaves no choice.
    fn total_order(&mut self, columns: &[RandomColumn]) -> Vec<SortKey> {
        let mut keys = self.some_keys(columns);
        for column in columns {
            if !keys.iter().any(|key| key.column == column.name) {
                keys.push(SortKey { column: column.name.as_str().into(), descending: self.rng.bool() });
            }
        }
        keys
    }

    fn some_names(&mut self, columns: &[RandomColumn]) -> Vec<String> {
        columns.iter().filter(|_| self.rng.u8(..3) == 0).map(|column| column.name.clone()).collect()
    }

    fn sorted(&mut self, made: Made, inside: bool) -> Made {
        let keys = if inside { self.some_keys(&made.columns) } else { self.total_order(&made.columns) };
        Made { relation: made.relation.sort(keys), ..made }
    }

    fn sliced(&mut self, made: Made) -> Made {
        let keys = self.total_order(&made.columns);
        let offset = [0, 0, 0, 1, 1, 3][self.rng.usize(..6)];
        let limit = [None, None, Some(0), Some(1), Some(3), Some(5), Some(10)][self.rng.usize(..7)];
        Made { relation: made.relation.slice(keys, offset, limit), ..made }
    }

    fn first(&mut self, made: Made) -> Made {
        let (partition, order) = (self.some_names(&made.columns), self.total_order(&made.columns));
        Made { relation: made.relation.first_by(partition, order), ..made }
    }

    fn aggregated(&mut self, made: Made) -> Made {
        let by = self.some_names(&made.columns);
        let mut columns: Vec<RandomColumn> =
            made.columns.iter().filter(|column| by.contains(&column.name)).cloned().collect();
        let mut aggregates = Vec::new();
        for column in &made.columns {
            let ordered = matches!(column.ty, ColumnType::Int | ColumnType::Float | ColumnType::Text);
            let of = || column.name.as_str().into();
            let (function, ty) = match self.rng.u8(..6) {
                0 => (Aggregate::Count, ColumnType::Int),
                1 if ordered => (Aggregate::Min(of()), column.ty),
                2 if ordered => (Aggregate::Max(of()), column.ty),
                _ => continue,
            };
            let name = self.fresh();
            aggregates.push(AggregateColumn { name: name.as_str().into(), function });
            columns.push(RandomColumn { name, ty, small: false });
        }
        Made { relation: made.relation.aggregate(by, aggregates), columns, rows: made.rows.max(1) }
    }

    fn closed(&mut self, made: Made, depth: u32) -> Made {
        let edges = self.made(depth.min(2) - 1);
        let Some(node) = self.rng.choice(made.columns.clone()) else { return made };
        let fitting: Vec<&RandomColumn> =
            edges.columns.iter().filter(|column| column.ty == node.ty).collect();
        let ends = (self.rng.choice(fitting.clone()), self.rng.choice(fitting));
        let (edges, from, to) = match ends {
            (Some(from), Some(to)) => (edges.relation.clone(), from.name.clone(), to.name.clone()),
            _ => self.path(&node),
        };
        let relation = Relation::Closure {
            seeds: Box::new(made.relation.select([node.name.as_str()])),
            edges: Box::new(edges),
            from: vec![from.into()],
            to: vec![to.into()],
            max_depth: [None, Some(0), Some(1), Some(2)][self.rng.usize(..4)],
        };
        Made { relation, columns: vec![RandomColumn { small: false, ..node }], rows: made.rows + 25 }
    }

    /// Edges between nodes of a type, and their ends.
    fn path(&mut self, node: &RandomColumn) -> (Relation, String, String) {
        let ends = [self.fresh(), self.fresh()].map(|name| RandomColumn { name, ..node.clone() });
        let mut batch = rows(&mut self.rng, &ends, 6);
        let loops = value(&mut self.rng, node.ty, node.small);
        // A row of two equal values of the type of its columns.
        batch.push_row(&[loops.clone(), loops]).ok();
        let [from, to] = ends.map(|column| column.name);
        (Relation::values(batch), from, to)
    }
}
