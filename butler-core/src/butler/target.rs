//! What callers name: dataset types, data IDs, datasets.

use arcstr::ArcStr;

use crate::dataset::{DatasetId, DatasetRef, DatasetType};
use crate::dimension::{DataId, DimensionUniverse, DimensionValue, FieldType, FieldValue};
use crate::storage_class::ReadParameters;
use crate::time::Timespan;
use crate::{Error, ErrorKind, Result};

/// A dataset type, or the name of a registered one; `type.component` for a component.
#[derive(Clone, Debug)]
pub enum TypeName {
    /// Name.
    Name(ArcStr),
    /// Definition.
    Type(DatasetType),
}

macro_rules! type_name_from {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(impl From<$from> for TypeName {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

type_name_from! { &str => Name, String => Name, ArcStr => Name, DatasetType => Type }

impl From<&ArcStr> for TypeName {
    fn from(name: &ArcStr) -> Self {
        Self::Name(name.clone())
    }
}

impl From<&DatasetType> for TypeName {
    fn from(dataset_type: &DatasetType) -> Self {
        Self::Type(dataset_type.clone())
    }
}

/// Values that people know data by, before it is clear which data ID they mean.
///
/// Keys are names of dimensions, whose values may also be those of an
/// alternate key (`detector="Bb"`); `element.field`; or bare names of fields
/// (`seq_num`). [`data_id!`](crate::data_id) writes one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LooseDataId(Vec<(ArcStr, FieldValue)>);

impl LooseDataId {
    /// The pairs of key and value.
    #[must_use]
    pub fn pairs(&self) -> &[(ArcStr, FieldValue)] {
        &self.0
    }

    /// Whether nothing is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With one more value.
    #[must_use]
    pub fn with(mut self, key: impl Into<ArcStr>, value: impl Into<FieldValue>) -> Self {
        self.0.push((key.into(), value.into()));
        self
    }

    /// Reads values from `KEY=VALUE` texts, by the types of the keys.
    ///
    /// Text that is no value of an integer dimension is left as text: an alternate key, perhaps.
    ///
    /// # Errors
    /// `Argument` without `=`; `DimensionName` for a key that nothing has; `DimensionValue` for a field's value that cannot be read.
    pub fn from_texts<S: AsRef<str>>(
        universe: DimensionUniverse,
        texts: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        texts
            .into_iter()
            .map(|text| {
                let text = text.as_ref();
                let (key, value) = text.split_once('=').ok_or_else(|| {
                    Error::new(
                        ErrorKind::Argument,
                        format!("'{}' is not of the form KEY=VALUE", text.escape_debug()),
                    )
                })?;
                Ok((key.into(), read_value(universe, key, value)?))
            })
            .collect::<Result<_>>()
            .map(Self)
    }
}

fn read_value(universe: DimensionUniverse, key: &str, text: &str) -> Result<FieldValue> {
    if let Some(dimension) = universe.get(key).filter(|element| element.is_dimension()) {
        let ty = dimension.key().map_or(FieldType::Text(0), |field| field.ty);
        return Ok(FieldValue::from_text(ty, text).unwrap_or_else(|_| text.into()));
    }
    let ty = match key.split_once('.') {
        Some((element, field)) => universe.element(element)?.field(field).map(|field| field.ty),
        None => universe.elements().find_map(|element| element.field(key)).map(|field| field.ty),
    };
    match ty {
        Some(ty) => FieldValue::from_text(ty, text).map_err(|error| error.with_context("key", key)),
        // Names the nearest dimension.
        None => universe.dimension(key).map(|_| text.into()),
    }
}

impl<K: Into<ArcStr>, V: Into<FieldValue>> FromIterator<(K, V)> for LooseDataId {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl From<&DataId> for LooseDataId {
    fn from(data_id: &DataId) -> Self {
        data_id.iter().map(|(dimension, value)| (dimension.name().clone(), value.clone())).collect()
    }
}

impl From<DataId> for LooseDataId {
    fn from(data_id: DataId) -> Self {
        Self::from(&data_id)
    }
}

impl<K: Into<ArcStr>, V: Into<DimensionValue>, const N: usize> From<[(K, V); N]> for LooseDataId {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().map(|(key, value)| (key, value.into())).collect()
    }
}

/// A [`LooseDataId`] from names and values.
///
/// ```
/// use butler_core::data_id;
///
/// let id = data_id! { instrument: "HSC", visit: 903334, detector.full_name: "1_54" };
/// assert_eq!(id.pairs().len(), 3);
/// ```
#[macro_export]
macro_rules! data_id {
    ($($key:ident $(. $field:ident)?: $value:expr),* $(,)?) => {
        <$crate::LooseDataId as ::std::iter::FromIterator<(&str, $crate::FieldValue)>>::from_iter([
            $((
                concat!(stringify!($key) $(, ".", stringify!($field))?),
                <$crate::FieldValue as ::std::convert::From<_>>::from($value),
            )),*
        ])
    };
}

/// Which dataset is meant.
#[derive(Clone, Debug)]
pub enum LookupTarget {
    /// A dataset that is known.
    Dataset(DatasetRef),
    /// The dataset of an id.
    Id(DatasetId),
    /// The dataset of a type and data ID in the first of some collections that has one.
    Named {
        /// The type.
        dataset_type: TypeName,
        /// The data ID.
        data_id: LooseDataId,
    },
}

/// A dataset that somebody asks for, and how it is wanted.
///
/// Made from a [`DatasetRef`], a [`DatasetId`], or a pair of type and data ID.
///
/// ```
/// use butler_core::{Lookup, data_id};
///
/// let lookup = Lookup::new("flat", data_id! { instrument: "HSC", detector: 16, band: "i" })
///     .collections(["calib/2024", "calib/default"])
///     .parameter("columns", ["x", "y"]);
/// assert_eq!(lookup.parameters.len(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Lookup {
    /// Which dataset.
    pub target: LookupTarget,
    /// Where to search, unless in the default collections.
    pub collections: Option<Vec<ArcStr>>,
    /// When a calibration must be valid.
    pub timespan: Option<Timespan>,
    /// Name of the component that is wanted.
    pub component: Option<ArcStr>,
    /// Name of the storage class that it is wanted as.
    pub storage_class: Option<ArcStr>,
    /// Parameters of the read.
    pub parameters: ReadParameters,
}

impl Lookup {
    /// The dataset of a type and data ID.
    #[must_use]
    pub fn new(dataset_type: impl Into<TypeName>, data_id: impl Into<LooseDataId>) -> Self {
        LookupTarget::Named { dataset_type: dataset_type.into(), data_id: data_id.into() }.into()
    }

    /// Searched in these collections, first first.
    #[must_use]
    pub fn collections<S: Into<ArcStr>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.collections = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Valid at some time of a timespan, if it is a calibration.
    #[must_use]
    pub fn timespan(mut self, timespan: Timespan) -> Self {
        self.timespan = Some(timespan);
        self
    }

    /// A component of it.
    #[must_use]
    pub fn component(mut self, name: impl Into<ArcStr>) -> Self {
        self.component = Some(name.into());
        self
    }

    /// Converted to another storage class.
    #[must_use]
    pub fn storage_class(mut self, name: impl Into<ArcStr>) -> Self {
        self.storage_class = Some(name.into());
        self
    }

    /// With a parameter of the read.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<ArcStr>, value: impl Into<crate::Structured>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }
}

impl From<LookupTarget> for Lookup {
    fn from(target: LookupTarget) -> Self {
        Self {
            target,
            collections: None,
            timespan: None,
            component: None,
            storage_class: None,
            parameters: ReadParameters::default(),
        }
    }
}

impl From<DatasetRef> for Lookup {
    fn from(dataset: DatasetRef) -> Self {
        LookupTarget::Dataset(dataset).into()
    }
}

impl From<&DatasetRef> for Lookup {
    fn from(dataset: &DatasetRef) -> Self {
        dataset.clone().into()
    }
}

impl From<DatasetId> for Lookup {
    fn from(id: DatasetId) -> Self {
        LookupTarget::Id(id).into()
    }
}

impl<T: Into<TypeName>, D: Into<LooseDataId>> From<(T, D)> for Lookup {
    fn from((dataset_type, data_id): (T, D)) -> Self {
        Self::new(dataset_type, data_id)
    }
}

/// A dataset to be: of a type and data ID, in a run.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The type.
    pub dataset_type: TypeName,
    /// The data ID.
    pub data_id: LooseDataId,
    /// The run, unless it is the default run.
    pub run: Option<ArcStr>,
    /// Whether the run is registered with the dataset if it is new, rather than required to be there.
    pub new_run: bool,
}

impl Draft {
    /// A dataset of a type and data ID.
    #[must_use]
    pub fn new(dataset_type: impl Into<TypeName>, data_id: impl Into<LooseDataId>) -> Self {
        Self { dataset_type: dataset_type.into(), data_id: data_id.into(), run: None, new_run: false }
    }

    /// In a run.
    #[must_use]
    pub fn run(mut self, run: impl Into<ArcStr>) -> Self {
        self.run = Some(run.into());
        self
    }

    /// In a run that is registered in the same transaction if it is new.
    #[must_use]
    pub fn new_run(self, run: impl Into<ArcStr>) -> Self {
        Self { new_run: true, ..self.run(run) }
    }
}

/// What is put: a new dataset, or one that has its id already.
#[derive(Clone, Debug)]
pub enum PutTarget {
    /// A new dataset.
    New(Draft),
    /// A dataset whose id is known; it may be registered already.
    Known(DatasetRef),
}

impl From<Draft> for PutTarget {
    fn from(draft: Draft) -> Self {
        Self::New(draft)
    }
}

impl From<DatasetRef> for PutTarget {
    fn from(dataset: DatasetRef) -> Self {
        Self::Known(dataset)
    }
}

impl From<&DatasetRef> for PutTarget {
    fn from(dataset: &DatasetRef) -> Self {
        Self::Known(dataset.clone())
    }
}

impl<T: Into<TypeName>, D: Into<LooseDataId>> From<(T, D)> for PutTarget {
    fn from((dataset_type, data_id): (T, D)) -> Self {
        Self::New(Draft::new(dataset_type, data_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_by_the_types_of_their_keys() {
        let universe = DimensionUniverse::default();
        let id = LooseDataId::from_texts(
            universe,
            ["instrument=7", "detector=7", "visit=name", "seq_num=3", "exposure.exposure_time=1.5"],
        )
        .unwrap();
        let values: Vec<&FieldValue> = id.pairs().iter().map(|(_, value)| value).collect();
        assert_eq!(
            values,
            [&"7".into(), &FieldValue::Int(7), &"name".into(), &FieldValue::Int(3), &FieldValue::Float(1.5)]
        );
        for (text, kind, reason) in [
            ("detector", ErrorKind::Argument, "KEY=VALUE"),
            ("detectr=1", ErrorKind::DimensionName, "did you mean 'detector'?"),
            ("seq_num=x", ErrorKind::DimensionValue, "not an integer"),
        ] {
            let error = LooseDataId::from_texts(universe, [text]).unwrap_err();
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
