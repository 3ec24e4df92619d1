//! Questions about single datasets, collections and dataset types.

use std::sync::Arc;

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use crate::collection::CollectionSearch;
use crate::dataset::DatasetType;
use crate::dimension::DataId;
use crate::time::Timespan;

/// Which dataset of a type and data ID is meant.
///
/// Of standard types, the one in the first of the collections that has one; of
/// global types, the one there is. A calibration collection is searched only
/// if a timespan is given, for a dataset whose validity overlaps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindRequest {
    /// The type.
    pub dataset_type: DatasetType,
    /// The data ID, of the type's dimensions.
    pub data_id: DataId,
    /// Where to search.
    pub collections: Arc<CollectionSearch>,
    /// When a calibration must be valid; unbounded for any time.
    pub timespan: Option<Timespan>,
}

/// Which collections are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionQuery {
    /// Names; all collections if none are given.
    pub names: Option<Vec<ArcStr>>,
    /// Whether children of chains, and theirs, are wanted too.
    pub descendants: bool,
    /// Whether summaries are wanted.
    pub summaries: bool,
}

/// Which dataset types are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetTypeQuery {
    /// Names; all dataset types if none are given. Components go by their composites.
    pub names: Option<Vec<ArcStr>>,
}
