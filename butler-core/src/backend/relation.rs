//! Relations: what can be asked of a backend.

use std::sync::Arc;

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use super::batch::RowBatch;
use super::scalar::Scalar;
use super::table::TableRef;
use super::value::ColumnType;

/// Column of the result of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaColumn {
    /// Name, unique in the relation.
    pub name: ArcStr,
    /// Type.
    pub ty: ColumnType,
}

/// Columns of the result of a relation, in order.
pub type Schema = Vec<SchemaColumn>;

/// Column that a projection makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProjectColumn {
    /// Its name.
    pub name: ArcStr,
    /// Its value.
    pub value: Scalar,
}

/// Column to sort by. NULL sorts before every value, and after them if descending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SortKey {
    /// Name of the column.
    pub column: ArcStr,
    /// Whether great values come first.
    pub descending: bool,
}

impl SortKey {
    /// Small values first.
    #[must_use]
    pub fn ascending(column: impl Into<ArcStr>) -> Self {
        Self { column: column.into(), descending: false }
    }

    /// Great values first.
    #[must_use]
    pub fn descending(column: impl Into<ArcStr>) -> Self {
        Self { column: column.into(), descending: true }
    }
}

/// Function of the rows of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Number of rows.
    Count,
    /// Smallest value of a column of integers, floats or text; NULLs do not count, and of none it is NULL.
    Min(ArcStr),
    /// Greatest value, likewise.
    Max(ArcStr),
}

/// Column that an aggregation makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregateColumn {
    /// Its name.
    pub name: ArcStr,
    /// Its function.
    pub function: Aggregate,
}

/// A bag of rows, described by what makes it: the question that a backend answers.
///
/// The algebra is small and closed. Names of columns are any text, unique in each
/// relation; where two relations meet, their columns must differ in name
/// (project before). A relation without columns has rows all the same. Rows are a
/// bag: duplicates count, and order means nothing except that of an outermost
/// `Sort` or `Slice`.
///
/// | operator | rows |
/// |---|---|
/// | `Table` | all rows of a table |
/// | `Values` | the caller's rows; large ones are uploaded first |
/// | `Join` | pairs of rows for which `on` is true (not NULL) |
/// | `Semi`, `Anti` | rows of the left for which `on` is true with some, or with no, row of the right |
/// | `Filter` | rows for which the predicate is true (not NULL) |
/// | `Project` | one row for each, with new columns |
/// | `UnionAll` | the rows of all inputs, which agree in names and types of columns, in order |
/// | `Distinct` | each row once; NULL is like NULL, 0.0 like -0.0 |
/// | `FirstBy` | of the rows that agree in `partition` (NULL is like NULL), the first by `order` |
/// | `Aggregate` | one row for each group of rows that agree in `by`; one for all if `by` is empty, also if there are none |
/// | `Sort` | the same rows, in order |
/// | `Slice` | `limit` rows after the first `offset`, in order |
/// | `Closure` | each node that a path of edges (of at most `max_depth`) leads to from a seed, the seeds included, once (NULL is like NULL); edges with a NULL in `from` lead nowhere; cycles do no harm |
///
/// `FirstBy` and `Slice` need an order that leaves no choice: rows that agree in
/// the keys must be equal. The reference backend refuses others; databases may
/// return any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Rows of a table.
    Table {
        /// The table.
        table: TableRef,
    },
    /// Rows of the caller.
    Values {
        /// The rows.
        rows: Arc<RowBatch>,
    },
    /// Inner join.
    Join {
        /// Left side.
        left: Box<Self>,
        /// Right side.
        right: Box<Self>,
        /// Condition over the columns of both.
        on: Scalar,
    },
    /// Rows of the left with a partner on the right.
    Semi {
        /// Left side.
        left: Box<Self>,
        /// Right side.
        right: Box<Self>,
        /// Condition over the columns of both.
        on: Scalar,
    },
    /// Rows of the left without a partner on the right.
    Anti {
        /// Left side.
        left: Box<Self>,
        /// Right side.
        right: Box<Self>,
        /// Condition over the columns of both.
        on: Scalar,
    },
    /// Rows that satisfy a predicate.
    Filter {
        /// Input.
        input: Box<Self>,
        /// Condition.
        predicate: Scalar,
    },
    /// Rows with other columns.
    Project {
        /// Input.
        input: Box<Self>,
        /// The columns.
        columns: Vec<ProjectColumn>,
    },
    /// Rows of several relations.
    UnionAll {
        /// Inputs, at least one.
        inputs: Vec<Self>,
    },
    /// Rows without duplicates.
    Distinct {
        /// Input.
        input: Box<Self>,
    },
    /// First row of each group.
    FirstBy {
        /// Input.
        input: Box<Self>,
        /// Columns in which the rows of a group agree; all rows are one group if empty.
        partition: Vec<ArcStr>,
        /// Order in a group.
        order: Vec<SortKey>,
    },
    /// Functions of groups of rows.
    Aggregate {
        /// Input.
        input: Box<Self>,
        /// Columns in which the rows of a group agree; they come first in the result.
        by: Vec<ArcStr>,
        /// Functions.
        aggregates: Vec<AggregateColumn>,
    },
    /// Rows in order.
    Sort {
        /// Input.
        input: Box<Self>,
        /// Keys, most significant first.
        keys: Vec<SortKey>,
    },
    /// A stretch of the rows in order.
    Slice {
        /// Input.
        input: Box<Self>,
        /// Keys, most significant first.
        keys: Vec<SortKey>,
        /// Number of rows to leave out.
        offset: u64,
        /// Greatest number of rows.
        limit: Option<u64>,
    },
    /// Nodes reachable in a graph.
    Closure {
        /// Nodes to begin from; its columns are those of the result.
        seeds: Box<Self>,
        /// Edges.
        edges: Box<Self>,
        /// Columns of the edges' begin, in the order of the seeds' columns.
        from: Vec<ArcStr>,
        /// Columns of the edges' end, in the order of the seeds' columns.
        to: Vec<ArcStr>,
        /// Greatest length of a path.
        max_depth: Option<u32>,
    },
}

impl Relation {
    /// Rows of the caller.
    #[must_use]
    pub fn values(rows: impl Into<Arc<RowBatch>>) -> Self {
        Self::Values { rows: rows.into() }
    }

    /// Inner join.
    #[must_use]
    pub fn join(self, right: Self, on: Scalar) -> Self {
        Self::Join { left: Box::new(self), right: Box::new(right), on }
    }

    /// Rows with a partner in another relation.
    #[must_use]
    pub fn semi(self, right: Self, on: Scalar) -> Self {
        Self::Semi { left: Box::new(self), right: Box::new(right), on }
    }

    /// Rows without a partner in another relation.
    #[must_use]
    pub fn anti(self, right: Self, on: Scalar) -> Self {
        Self::Anti { left: Box::new(self), right: Box::new(right), on }
    }

    /// Rows that satisfy a predicate.
    #[must_use]
    pub fn filter(self, predicate: Scalar) -> Self {
        Self::Filter { input: Box::new(self), predicate }
    }

    /// Rows with other columns.
    #[must_use]
    pub fn project<N: Into<ArcStr>>(self, columns: impl IntoIterator<Item = (N, Scalar)>) -> Self {
        let columns =
            columns.into_iter().map(|(name, value)| ProjectColumn { name: name.into(), value }).collect();
        Self::Project { input: Box::new(self), columns }
    }

    /// Rows with some of the columns, under their names.
    #[must_use]
    pub fn select<N: Into<ArcStr>>(self, columns: impl IntoIterator<Item = N>) -> Self {
        self.project(columns.into_iter().map(|name| {
            let name = name.into();
            (name.clone(), Scalar::Column(name))
        }))
    }

    /// Rows with some of the columns, each as (new name, old name).
    #[must_use]
    pub fn rename<N: Into<ArcStr>, O: Into<ArcStr>>(self, columns: impl IntoIterator<Item = (N, O)>) -> Self {
        self.project(columns.into_iter().map(|(new, old)| (new, Scalar::Column(old.into()))))
    }

    /// Rows of several relations.
    #[must_use]
    pub fn union_all(mut inputs: Vec<Self>) -> Self {
        match inputs.len() {
            1 => inputs.swap_remove(0),
            _ => Self::UnionAll { inputs },
        }
    }

    /// Rows without duplicates.
    #[must_use]
    pub fn distinct(self) -> Self {
        Self::Distinct { input: Box::new(self) }
    }

    /// First row of each group.
    #[must_use]
    pub fn first_by<N: Into<ArcStr>>(
        self,
        partition: impl IntoIterator<Item = N>,
        order: Vec<SortKey>,
    ) -> Self {
        let partition = partition.into_iter().map(Into::into).collect();
        Self::FirstBy { input: Box::new(self), partition, order }
    }

    /// Functions of groups of rows.
    #[must_use]
    pub fn aggregate<N: Into<ArcStr>>(
        self,
        by: impl IntoIterator<Item = N>,
        aggregates: Vec<AggregateColumn>,
    ) -> Self {
        Self::Aggregate { input: Box::new(self), by: by.into_iter().map(Into::into).collect(), aggregates }
    }

    /// Number of rows, in a column `count`.
    #[must_use]
    pub fn count(self) -> Self {
        let count = AggregateColumn { name: "count".into(), function: Aggregate::Count };
        self.aggregate(std::iter::empty::<ArcStr>(), vec![count])
    }

    /// Rows in order.
    #[must_use]
    pub fn sort(self, keys: Vec<SortKey>) -> Self {
        Self::Sort { input: Box::new(self), keys }
    }

    /// A stretch of the rows in order.
    #[must_use]
    pub fn slice(self, keys: Vec<SortKey>, offset: u64, limit: Option<u64>) -> Self {
        Self::Slice { input: Box::new(self), keys, offset, limit }
    }
}
