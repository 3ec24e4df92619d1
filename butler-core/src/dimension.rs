//! Dimensions: the axes along which datasets are identified, and their values.

mod bits;
mod config;
mod data_id;
mod element;
mod field_text;
mod group;
mod record;
mod universe;
mod value;

pub(crate) use data_id::check_value;
pub use data_id::{DataId, DataIdRecords};
pub use element::{DimensionElement, Field, FieldRole, FieldType};
pub use group::DimensionGroup;
pub use record::{DimensionRecord, EncodedRegion, FieldValue};
pub use universe::{DimensionUniverse, Family, Space};
pub use value::DimensionValue;
