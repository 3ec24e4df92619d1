//! References to datasets.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arcstr::ArcStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::id::DatasetId;
use super::ty::DatasetType;
use crate::backend::Value;
use crate::dimension::DataId;
use crate::{Error, ErrorKind, Result};

/// Rows by which a datastore finds the artifacts of one dataset again.
///
/// A datastore declares the tables that it needs; the columns here are those of
/// the table without the dataset's id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ArtifactRecords(pub Vec<ArtifactRecord>);

/// One row of a datastore's table that belongs to a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArtifactRecord {
    /// Name of the datastore that it belongs to.
    pub datastore: ArcStr,
    /// Name of the opaque table.
    pub table: ArcStr,
    /// Values of the table's columns after the two of the dataset's id.
    pub values: Box<[Value]>,
}

/// A dataset: its id, type, data ID and run, and perhaps the records of a datastore.
///
/// Immutable, always complete and cheap to clone. Equality and hash are those of the id.
#[derive(Clone)]
pub struct DatasetRef(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    id: DatasetId,
    dataset_type: DatasetType,
    data_id: DataId,
    run: ArcStr,
    records: Option<Arc<ArtifactRecords>>,
}

impl DatasetRef {
    /// A reference to a dataset.
    ///
    /// # Errors
    /// `DimensionName` if the data ID has other dimensions than the dataset type.
    pub fn new(id: DatasetId, dataset_type: DatasetType, data_id: DataId, run: ArcStr) -> Result<Self> {
        check_group(&dataset_type, &data_id)?;
        Ok(Self(Arc::new(Inner { id, dataset_type, data_id, run, records: None })))
    }

    /// Identity.
    #[must_use]
    pub fn id(&self) -> DatasetId {
        self.0.id
    }

    /// Type.
    #[must_use]
    pub fn dataset_type(&self) -> &DatasetType {
        &self.0.dataset_type
    }

    /// Values of the type's dimensions.
    #[must_use]
    pub fn data_id(&self) -> &DataId {
        &self.0.data_id
    }

    /// Name of the run that it lives in.
    #[must_use]
    pub fn run(&self) -> &ArcStr {
        &self.0.run
    }

    /// Records of datastores, if they are attached.
    #[must_use]
    pub fn records(&self) -> Option<&Arc<ArtifactRecords>> {
        self.0.records.as_ref()
    }

    /// The same dataset with another level of the same data ID.
    ///
    /// # Errors
    /// `InconsistentDataId` if it is another data ID.
    pub fn with_data_id(&self, data_id: DataId) -> Result<Self> {
        if data_id != self.0.data_id {
            return Err(Error::new(
                ErrorKind::InconsistentDataId,
                format!("dataset {self} cannot have the data ID {data_id}"),
            ));
        }
        Ok(Self(Arc::new(Inner { data_id, ..(*self.0).clone() })))
    }

    /// The same dataset with records of datastores attached, or without.
    #[must_use]
    pub fn with_records(&self, records: Option<Arc<ArtifactRecords>>) -> Self {
        Self(Arc::new(Inner { records, ..(*self.0).clone() }))
    }

    /// A component of the dataset, or its composite: the same dataset seen as another type.
    ///
    /// # Errors
    /// `DatasetType` if the type is of another composite.
    pub fn with_dataset_type(&self, dataset_type: DatasetType) -> Result<Self> {
        if dataset_type.composite().name() != self.0.dataset_type.composite().name()
            || dataset_type.group() != self.0.dataset_type.group()
        {
            return Err(Error::new(
                ErrorKind::DatasetType,
                format!("dataset {self} cannot be seen as {dataset_type}"),
            ));
        }
        Ok(Self(Arc::new(Inner { dataset_type, ..(*self.0).clone() })))
    }
}

fn check_group(dataset_type: &DatasetType, data_id: &DataId) -> Result<()> {
    if data_id.group() == dataset_type.group() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::DimensionName,
        format!(
            "data ID {data_id} has the dimensions {}, but dataset type '{}' has {}",
            data_id.group(),
            dataset_type.name(),
            dataset_type.group()
        ),
    ))
}

impl PartialEq for DatasetRef {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for DatasetRef {}

impl Hash for DatasetRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

/// Order by name of the type, data ID, run and id.
impl Ord for DatasetRef {
    fn cmp(&self, other: &Self) -> Ordering {
        self.dataset_type()
            .name()
            .cmp(other.dataset_type().name())
            .then_with(|| self.data_id().cmp(other.data_id()))
            .then_with(|| self.run().cmp(other.run()))
            .then_with(|| self.id().cmp(&other.id()))
    }
}

impl PartialOrd for DatasetRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `bias@{instrument: 'Cam1', detector: 1} [run 'imported_g', id …]`.
impl fmt::Display for DatasetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        write!(f, "{}@{} [run '{}', id {}]", inner.dataset_type.name(), inner.data_id, inner.run, inner.id)
    }
}

impl fmt::Debug for DatasetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    id: DatasetId,
    dataset_type: DatasetType,
    data_id: DataId,
    run: ArcStr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    records: Option<Arc<ArtifactRecords>>,
}

impl Serialize for DatasetRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Inner { id, dataset_type, data_id, run, records } = (*self.0).clone();
        Wire { id, dataset_type, data_id, run, records }.serialize(serializer)
    }
}

/// In the universe in [scope](crate::DimensionUniverse::scope).
impl<'de> Deserialize<'de> for DatasetRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire { id, dataset_type, data_id, run, records } = Wire::deserialize(deserializer)?;
        // A data ID names its dimensions only: those that the type adds are none.
        Self::new(id, dataset_type, data_id, run)
            .map(|this| this.with_records(records))
            .map_err(serde::de::Error::custom)
    }
}

/// A dataset that has no id yet: what an insertion turns into a [`DatasetRef`].
#[derive(Clone, Debug, PartialEq)]
pub struct NewDataset {
    dataset_type: DatasetType,
    data_id: DataId,
    run: ArcStr,
}

impl NewDataset {
    /// A dataset to be.
    ///
    /// # Errors
    /// `DimensionName` if the data ID has other dimensions than the dataset type.
    pub fn new(dataset_type: DatasetType, data_id: DataId, run: ArcStr) -> Result<Self> {
        check_group(&dataset_type, &data_id)?;
        Ok(Self { dataset_type, data_id, run })
    }

    /// Type.
    #[must_use]
    pub fn dataset_type(&self) -> &DatasetType {
        &self.dataset_type
    }

    /// Values of the type's dimensions.
    #[must_use]
    pub fn data_id(&self) -> &DataId {
        &self.data_id
    }

    /// Name of the run that it will live in.
    #[must_use]
    pub fn run(&self) -> &ArcStr {
        &self.run
    }

    /// The dataset, once it has an id.
    #[must_use]
    pub fn with_id(self, id: DatasetId) -> DatasetRef {
        let Self { dataset_type, data_id, run } = self;
        DatasetRef(Arc::new(Inner { id, dataset_type, data_id, run, records: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DimensionUniverse, DimensionValue};

    fn bias(id: &str) -> DatasetRef {
        let group = DimensionUniverse::default().conform(["detector"]).unwrap();
        let data_id =
            DataId::from_pairs(group, [("instrument", DimensionValue::from("Cam1")), ("detector", 1.into())])
                .unwrap();
        NewDataset::new(DatasetType::new("bias", group, "Exposure").unwrap(), data_id, "r".into())
            .unwrap()
            .with_id(id.parse().unwrap())
    }

    const ID: &str = "e15ab039-bc8b-4135-87c5-90902a7c0b22";

    #[test]
    fn equality_is_that_of_the_id() {
        let (one, same) = (bias(ID), bias(ID));
        assert_eq!(one, same.with_records(Some(Arc::default())));
        assert_ne!(one, bias("51352db4-a47a-447c-b12d-a50b206b17cd"));
        assert_eq!(one.to_string(), format!("bias@{{instrument: 'Cam1', detector: 1}} [run 'r', id {ID}]"));
        assert_eq!(size_of::<DatasetRef>(), size_of::<usize>());
    }

    #[test]
    fn other_dimensions_than_those_of_the_type_are_refused() {
        let data_id = DataId::empty(DimensionUniverse::default());
        let error = NewDataset::new(bias(ID).dataset_type().clone(), data_id, "r".into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DimensionName);
    }

    #[test]
    fn a_component_is_the_same_dataset() {
        let wcs = bias(ID).dataset_type().component("wcs", "Wcs").unwrap();
        assert_eq!(bias(ID).with_dataset_type(wcs).unwrap(), bias(ID));
        let other = DatasetType::new("dark", bias(ID).dataset_type().group(), "Exposure").unwrap();
        assert_eq!(bias(ID).with_dataset_type(other).unwrap_err().kind(), ErrorKind::DatasetType);
    }

    #[test]
    fn survives_json() {
        let json = serde_json::to_string(&bias(ID)).unwrap();
        let back = DimensionUniverse::default().scope(|| serde_json::from_str::<DatasetRef>(&json)).unwrap();
        assert_eq!(back, bias(ID));
        assert_eq!(back.data_id(), bias(ID).data_id());
        assert_eq!(back.run(), "r");
    }
}
