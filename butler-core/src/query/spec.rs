//! Queries as plain data: what crosses from the Butler to a registry.

use std::pin::Pin;
use std::sync::Arc;

use arcstr::ArcStr;
use futures::Stream;
use serde::{Deserialize, Serialize};

use super::typed::{Field, Predicate, TypedExpr};
use crate::Result;
use crate::collection::CollectionSearch;
use crate::dataset::{DatasetRef, DatasetType};
use crate::dimension::{DataId, DimensionElement, DimensionGroup, DimensionRecord, FieldValue};
use crate::time::Timespan;

/// Search for datasets of one type, joined into a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetSearch {
    /// The type.
    pub dataset_type: DatasetType,
    /// Where to search; order matters if the first is wanted.
    pub collections: Arc<CollectionSearch>,
}

/// What the rows of a query are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultSpec {
    /// Datasets of one of the searched types.
    Datasets {
        /// Name of the type.
        dataset_type: ArcStr,
        /// Whether of each data ID only the dataset of the first collection is wanted.
        find_first: bool,
    },
    /// Distinct data IDs.
    DataIds {
        /// Their dimensions.
        dimensions: DimensionGroup,
    },
    /// Records of one dimension element.
    Records {
        /// The element.
        element: DimensionElement,
    },
    /// Values of any fields, for distinct data IDs.
    General {
        /// Dimensions of the data IDs.
        dimensions: DimensionGroup,
        /// The fields.
        fields: Vec<Field>,
        /// Dataset type of which only the dataset of the first collection is wanted.
        find_first: Option<ArcStr>,
    },
    /// Datasets of a type with each collection, and validity, in which they are found.
    Associations {
        /// Name of the type.
        dataset_type: ArcStr,
    },
}

/// Expression to order rows by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderTerm {
    /// The expression; it has an order.
    pub value: TypedExpr,
    /// Whether great values come first. NULL is smaller than every value.
    pub descending: bool,
}

/// A question about data IDs, datasets and dimension records.
///
/// Rows are the combinations of values of `dimensions` that the dimension
/// records allow, that have a dataset of each search, that are in every
/// upload, and that satisfy the predicate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Dimensions of the rows before they are projected to the result.
    pub dimensions: DimensionGroup,
    /// Searches for datasets, each of another type.
    pub datasets: Vec<DatasetSearch>,
    /// Data IDs of the caller.
    pub uploads: Vec<Arc<[DataId]>>,
    /// Condition.
    pub predicate: Predicate,
    /// What the rows are.
    pub result: ResultSpec,
    /// Order of the rows.
    pub order_by: Vec<OrderTerm>,
    /// Greatest number of rows.
    pub limit: Option<u64>,
    /// Number of rows to leave out first.
    pub offset: u64,
    /// Whether data IDs carry dimension records.
    pub expanded: bool,
}

/// A dataset as a member of a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Association {
    /// The dataset.
    pub dataset: DatasetRef,
    /// Name of the collection.
    pub collection: ArcStr,
    /// Validity, in calibration collections.
    pub timespan: Option<Timespan>,
}

/// Value of a field in a general row.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RowValue {
    /// Of a dimension or a record.
    Field(FieldValue),
    /// Identity of a dataset.
    DatasetId(crate::DatasetId),
    /// Point in time.
    Instant(crate::time::Instant),
}

/// A row of any fields.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneralRow {
    /// The data ID.
    pub data_id: DataId,
    /// Values, in the order of the fields asked for.
    pub values: Vec<RowValue>,
}

/// Rows of a query's result.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryRows {
    /// Datasets.
    Datasets(Vec<DatasetRef>),
    /// Data IDs.
    DataIds(Vec<DataId>),
    /// Dimension records.
    Records(Vec<DimensionRecord>),
    /// Rows of fields.
    General(Vec<GeneralRow>),
    /// Memberships.
    Associations(Vec<Association>),
}

impl QueryRows {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Datasets(rows) => rows.len(),
            Self::DataIds(rows) => rows.len(),
            Self::Records(rows) => rows.len(),
            Self::General(rows) => rows.len(),
            Self::Associations(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Rows of a query in batches, as they arrive.
pub type QueryStream = Pin<Box<dyn Stream<Item = Result<QueryRows>> + Send>>;

/// How a query is evaluated, and why it may have no rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Reasons for an empty answer, most telling first.
    pub reasons: Vec<String>,
    /// The relation that is asked of the backend, for people.
    pub relation: String,
    /// How the database evaluates it, for people.
    pub plan: String,
}
