//! Dataset types.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arcstr::ArcStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::kind::DatasetKind;
use crate::dimension::DimensionGroup;
use crate::{Error, ErrorKind, Result};

const NAME_MAX: usize = 128;

/// A named kind of data: which dimensions identify it, and how it looks in memory.
///
/// Immutable and cheap to clone. A component of a composite dataset is a dataset
/// type of its own, named `composite.component`; it is derived, never registered.
#[derive(Clone)]
pub struct DatasetType(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    name: ArcStr,
    group: DimensionGroup,
    storage_class: ArcStr,
    parent_storage_class: Option<ArcStr>,
    is_calibration: bool,
    kind: DatasetKind,
    genre: Option<ArcStr>,
}

impl DatasetType {
    /// A standard dataset type that is no calibration.
    ///
    /// # Errors
    /// `Argument` if the name is not of letters, digits and underscores (at
    /// most 128, no digit first), or is that of a governor dimension.
    pub fn new(name: &str, group: DimensionGroup, storage_class: &str) -> Result<Self> {
        if !is_valid_name(name) {
            return Err(Error::new(
                ErrorKind::Argument,
                format!(
                    "'{}' cannot name a dataset type: use at most {NAME_MAX} letters, digits and underscores, no digit first",
                    name.escape_debug()
                ),
            ));
        }
        if group.universe().governors().any(|governor| governor.name() == name) {
            return Err(Error::new(
                ErrorKind::Argument,
                format!("'{name}' cannot name a dataset type: it is a governor dimension"),
            ));
        }
        Ok(Self(Arc::new(Inner {
            name: name.into(),
            group,
            storage_class: storage_class.into(),
            parent_storage_class: None,
            is_calibration: false,
            kind: DatasetKind::Standard,
            genre: None,
        })))
    }

    /// The same type, of calibrations or not.
    #[must_use]
    pub fn with_is_calibration(mut self, is_calibration: bool) -> Self {
        Arc::make_mut(&mut self.0).is_calibration = is_calibration;
        self
    }

    /// The same type of another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: DatasetKind) -> Self {
        Arc::make_mut(&mut self.0).kind = kind;
        self
    }

    /// The same type, under the policies of a genre.
    #[must_use]
    pub fn with_genre(mut self, genre: Option<ArcStr>) -> Self {
        Arc::make_mut(&mut self.0).genre = genre;
        self
    }

    /// The same type, read as another storage class.
    #[must_use]
    pub fn with_storage_class(mut self, storage_class: &str) -> Self {
        Arc::make_mut(&mut self.0).storage_class = storage_class.into();
        self
    }

    /// The type of a component, which has a storage class of its own.
    ///
    /// # Errors
    /// `Argument` if the component's name is malformed.
    pub fn component(&self, component: &str, storage_class: &str) -> Result<Self> {
        if !component.split('.').all(is_valid_name) {
            return Err(Error::new(
                ErrorKind::Argument,
                format!("'{}' cannot name a component", component.escape_debug()),
            ));
        }
        let mut inner = (*self.0).clone();
        inner.name = format!("{}.{component}", self.name()).into();
        inner.parent_storage_class = Some(std::mem::replace(&mut inner.storage_class, storage_class.into()));
        Ok(Self(Arc::new(inner)))
    }

    /// The composite that it is a component of, or itself.
    #[must_use]
    pub fn composite(&self) -> Self {
        let Some(parent) = &self.0.parent_storage_class else { return self.clone() };
        let mut inner = (*self.0).clone();
        inner.name = split_component(self.name()).0.into();
        inner.storage_class = parent.clone();
        inner.parent_storage_class = None;
        Self(Arc::new(inner))
    }

    /// Name.
    #[must_use]
    pub fn name(&self) -> &ArcStr {
        &self.0.name
    }

    /// Name of the component, if it is one: everything after the first dot.
    #[must_use]
    pub fn component_name(&self) -> Option<&str> {
        split_component(self.name()).1
    }

    /// Dimensions that identify its datasets.
    #[must_use]
    pub fn group(&self) -> DimensionGroup {
        self.0.group
    }

    /// Name of the storage class that its datasets are read as.
    #[must_use]
    pub fn storage_class(&self) -> &ArcStr {
        &self.0.storage_class
    }

    /// Name of the composite's storage class, if it is a component.
    #[must_use]
    pub fn parent_storage_class(&self) -> Option<&ArcStr> {
        self.0.parent_storage_class.as_ref()
    }

    /// Whether its datasets may be members of calibration collections.
    #[must_use]
    pub fn is_calibration(&self) -> bool {
        self.0.is_calibration
    }

    /// How its datasets are identified and found.
    #[must_use]
    pub fn kind(&self) -> DatasetKind {
        self.0.kind
    }

    /// Name of the genre whose policies its datasets follow, if any. It is no part of the definition.
    #[must_use]
    pub fn genre(&self) -> Option<&ArcStr> {
        self.0.genre.as_ref()
    }

    /// What differs from another definition of the same name, one line each; nothing if they are equal.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let mut note = |what: &str, mine: String, theirs: String| {
            if mine != theirs {
                differences.push(format!("{what}: {mine} is not {theirs}"));
            }
        };
        note("name", self.name().to_string(), other.name().to_string());
        note("dimensions", self.group().to_string(), other.group().to_string());
        note("storage class", self.storage_class().to_string(), other.storage_class().to_string());
        note("is_calibration", self.is_calibration().to_string(), other.is_calibration().to_string());
        note("kind", self.kind().to_string(), other.kind().to_string());
        differences
    }
}

/// Splits a name at its first dot into dataset type and component.
#[must_use]
pub(crate) fn split_component(name: &str) -> (&str, Option<&str>) {
    name.split_once('.').map_or((name, None), |(composite, component)| (composite, Some(component)))
}

fn is_valid_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= NAME_MAX
}

impl PartialEq for DatasetType {
    fn eq(&self, other: &Self) -> bool {
        let key = |inner: &Inner| {
            let Inner { name, group, storage_class, parent_storage_class, is_calibration, kind, genre: _ } =
                inner;
            (
                (name.clone(), *group),
                (storage_class.clone(), parent_storage_class.clone()),
                (*is_calibration, *kind),
            )
        };
        Arc::ptr_eq(&self.0, &other.0) || key(&self.0) == key(&other.0)
    }
}

impl Eq for DatasetType {}

impl Hash for DatasetType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

/// `bias{instrument, detector}: Exposure`.
impl fmt::Display for DatasetType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}: {}", self.name(), self.group(), self.storage_class())
    }
}

impl fmt::Debug for DatasetType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        if self.is_calibration() {
            f.write_str(" (calibration)")?;
        }
        match self.kind() {
            DatasetKind::Standard => Ok(()),
            kind => write!(f, " ({kind})"),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    name: ArcStr,
    dimensions: DimensionGroup,
    storage_class: ArcStr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent_storage_class: Option<ArcStr>,
    #[serde(default)]
    is_calibration: bool,
    #[serde(default)]
    kind: DatasetKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    genre: Option<ArcStr>,
}

impl Serialize for DatasetType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire {
            name: self.0.name.clone(),
            dimensions: self.0.group,
            storage_class: self.0.storage_class.clone(),
            parent_storage_class: self.0.parent_storage_class.clone(),
            is_calibration: self.0.is_calibration,
            kind: self.0.kind,
            genre: self.0.genre.clone(),
        }
        .serialize(serializer)
    }
}

/// In the universe in [scope](crate::DimensionUniverse::scope).
impl<'de> Deserialize<'de> for DatasetType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let (name, component) = split_component(&wire.name);
        let storage_class = wire.parent_storage_class.as_ref().unwrap_or(&wire.storage_class);
        Self::new(name, wire.dimensions, storage_class)
            .map(|ty| ty.with_is_calibration(wire.is_calibration).with_kind(wire.kind).with_genre(wire.genre))
            .and_then(|ty| match component {
                Some(component) => ty.component(component, &wire.storage_class),
                None => Ok(ty),
            })
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DimensionUniverse;

    fn group(names: &[&str]) -> DimensionGroup {
        DimensionUniverse::default().conform(names).unwrap()
    }

    fn calexp() -> DatasetType {
        DatasetType::new("calexp", group(&["visit", "detector"]), "ExposureF").unwrap()
    }

    #[test]
    fn hostile_names_are_refused() {
        for name in ["1abc", "", "a b", "a.b", "a;b", "a/b", "ä", "a\0", "instrument", &"x".repeat(129)] {
            assert!(DatasetType::new(name, group(&[]), "Bytes").is_err(), "{name}");
        }
        for name in ["_x", "A1", "detector", &"x".repeat(128)] {
            assert!(DatasetType::new(name, group(&[]), "Bytes").is_ok(), "{name}");
        }
    }

    #[test]
    fn components_are_derived_and_lead_back() {
        let wcs = calexp().component("wcs", "Wcs").unwrap();
        assert_eq!(wcs.name(), "calexp.wcs");
        assert_eq!((wcs.component_name(), wcs.storage_class().as_str()), (Some("wcs"), "Wcs"));
        assert_eq!(wcs.composite(), calexp());
        assert_eq!(calexp().component_name(), None);
        let deep = calexp().component("b.c", "X").unwrap();
        assert_eq!((deep.composite().name().as_str(), deep.component_name()), ("calexp", Some("b.c")));
    }

    #[test]
    fn differences_say_what_and_how() {
        let other =
            DatasetType::new("calexp", group(&["visit"]), "ExposureF").unwrap().with_is_calibration(true);
        assert_eq!(
            calexp().differences(&other),
            [
                "dimensions: {band, instrument, day_obs, detector, physical_filter, visit} is not {band, instrument, day_obs, physical_filter, visit}",
                "is_calibration: false is not true",
            ]
        );
        assert!(calexp().differences(&calexp()).is_empty());
    }

    #[test]
    fn survives_json() {
        for ty in
            [calexp(), calexp().with_kind(DatasetKind::Global), calexp().component("wcs", "Wcs").unwrap()]
        {
            let json = serde_json::to_string(&ty).unwrap();
            let back =
                DimensionUniverse::default().scope(|| serde_json::from_str::<DatasetType>(&json)).unwrap();
            assert_eq!(back, ty);
            assert!(serde_json::from_str::<DatasetType>(&json).is_err());
        }
    }
}
