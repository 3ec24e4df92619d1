//! Dimension universes: all elements there are, and how they relate.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, OnceLock, PoisonError};

use arcstr::ArcStr;
use rustc_hash::FxHashMap;

use super::bits::BitSet;
use super::config::{ElementConfig, FieldConfig, FieldTypeConfig, UniverseConfig};
use super::element::{DimensionElement, ElementInner, Field, FieldRole, FieldType, SkyPixLevel};
use super::group::{DimensionGroup, GroupInner};
use crate::{Error, ErrorKind, Result, suggest};

/// Universes are few and referred to from everywhere: they live as long as the
/// process, once per definition, and a handle is a pointer.
static UNIVERSES: Mutex<Option<HashMap<[u8; 32], &'static UniverseInner>>> = Mutex::new(None);

const DEFAULT: &str = include_str!("default.toml");

/// The same definition in its canonical form, which takes a tenth of the time to read: every start of a
/// program does. A test keeps the two together.
const DEFAULT_CANONICAL: &str = include_str!("default.json");

pub(super) struct UniverseInner {
    pub(super) namespace: String,
    pub(super) version: u32,
    pub(super) source: String,
    pub(super) digest: [u8; 32],
    pub(super) elements: Vec<ElementInner>,
    pub(super) by_name: FxHashMap<ArcStr, u16>,
    pub(super) spatial: Vec<FamilyInner>,
    pub(super) temporal: Vec<FamilyInner>,
    pub(super) common_skypix: u16,
    pub(super) groups: Mutex<FxHashMap<BitSet, &'static GroupInner>>,
    pub(super) minimal: Vec<OnceLock<DimensionGroup>>,
}

pub(super) struct FamilyInner {
    name: ArcStr,
    /// Finest first.
    members: Vec<u16>,
}

impl fmt::Debug for UniverseInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DimensionUniverse({} {})", self.namespace, self.version)
    }
}

/// Kind of extent that the records of a [`Family`] describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// Regions on the sphere.
    Spatial,
    /// Timespans.
    Temporal,
}

/// Elements that describe the same space or time at different resolutions, such as `patch` and `tract`.
#[derive(Clone, Copy)]
pub struct Family {
    pub(super) universe: &'static UniverseInner,
    pub(super) space: Space,
    pub(super) index: u16,
}

impl Family {
    fn inner(self) -> &'static FamilyInner {
        let families = match self.space {
            Space::Spatial => &self.universe.spatial,
            Space::Temporal => &self.universe.temporal,
        };
        &families[usize::from(self.index)]
    }

    /// Name, unique among the families of one space.
    #[must_use]
    pub fn name(self) -> &'static str {
        &self.inner().name
    }

    /// Whether it is spatial or temporal.
    #[must_use]
    pub fn space(self) -> Space {
        self.space
    }

    /// Its finest member among the elements of a group.
    #[must_use]
    pub fn choose(self, group: DimensionGroup) -> Option<DimensionElement> {
        self.inner()
            .members
            .iter()
            .map(|&index| DimensionElement { universe: self.universe, index })
            .find(|element| group.contains_element(*element))
    }
}

impl PartialEq for Family {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && self.space == other.space && std::ptr::eq(self.universe, other.universe)
    }
}

impl Eq for Family {}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All dimensions and other elements that a repository knows.
///
/// A copyable handle; two universes are equal if their definitions are.
///
/// ```
/// use butler_core::DimensionUniverse;
///
/// # fn main() -> butler_core::Result<()> {
/// let universe = DimensionUniverse::default();
/// let group = universe.conform(["visit", "detector"])?;
/// assert_eq!(group.required_names(), ["instrument", "detector", "visit"]);
/// assert_eq!(group.names().len(), 6); // band, day_obs and physical_filter are implied
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct DimensionUniverse(pub(super) &'static UniverseInner);

impl DimensionUniverse {
    /// Reads a universe from TOML.
    ///
    /// # Errors
    /// `Configuration` if the text is malformed or breaks a rule; the message names the element and the rule.
    pub fn from_toml(text: &str) -> Result<Self> {
        if text == DEFAULT {
            return Ok(Self::default());
        }
        if let Some(known) = Self::of_source(text) {
            return Ok(known);
        }
        let config = UniverseConfig::parse(text)?;
        Self::known(&config, text, &config.canonical()?)
    }

    /// The universe of a definition, which lives as long as the process.
    fn known(config: &UniverseConfig, text: &str, canonical: &str) -> Result<Self> {
        let digest = *blake3::hash(canonical.as_bytes()).as_bytes();
        let mut known = UNIVERSES.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_with(HashMap::new);
        if let Some(&universe) = known.get(&digest) {
            return Ok(Self(universe));
        }
        let universe: &'static UniverseInner =
            Box::leak(Box::new(UniverseInner::build(config, text.to_owned(), digest)?));
        known.insert(digest, universe);
        Ok(Self(universe))
    }

    /// Name of the family of universes whose versions follow each other.
    #[must_use]
    pub fn namespace(self) -> &'static str {
        &self.0.namespace
    }

    /// Version within the namespace.
    #[must_use]
    pub fn version(self) -> u32 {
        self.0.version
    }

    /// The TOML that it was read from.
    #[must_use]
    pub fn source(self) -> &'static str {
        &self.0.source
    }

    /// Digest of the definition, equal for equal definitions however they are written.
    #[must_use]
    pub fn digest(self) -> &'static [u8; 32] {
        &self.0.digest
    }

    /// The universe that was read from exactly this text before.
    fn of_source(text: &str) -> Option<Self> {
        let known = UNIVERSES.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref()?.values().find(|universe| universe.source == text).map(|universe| Self(universe))
    }

    /// All elements in universe order, dimensions of sky pixelisations included.
    pub fn elements(self) -> impl ExactSizeIterator<Item = DimensionElement> {
        (0..self.0.elements.len())
            .map(move |index| DimensionElement { universe: self.0, index: index as u16 })
    }

    /// An element by name.
    ///
    /// # Errors
    /// `DimensionName` if there is none; the message suggests the nearest name.
    pub fn element(self, name: &str) -> Result<DimensionElement> {
        self.get(name).ok_or_else(|| self.unknown("dimension element", name, |_| true))
    }

    /// A dimension by name.
    ///
    /// # Errors
    /// `DimensionName` if there is none; the message suggests the nearest name.
    pub fn dimension(self, name: &str) -> Result<DimensionElement> {
        self.get(name)
            .filter(|element| element.is_dimension())
            .ok_or_else(|| self.unknown("dimension", name, DimensionElement::is_dimension))
    }

    /// An element by name, if there is one.
    #[must_use]
    pub fn get(self, name: &str) -> Option<DimensionElement> {
        self.0.by_name.get(name).map(|&index| DimensionElement { universe: self.0, index })
    }

    fn unknown(self, what: &str, name: &str, filter: impl Fn(DimensionElement) -> bool) -> Error {
        let error = Error::new(
            ErrorKind::DimensionName,
            format!("'{}' is no {what} of the universe {self}", name.escape_debug()),
        );
        let names = self.elements().filter(|element| filter(*element)).map(|e| e.name().as_str());
        match suggest::nearest(name, names) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None => error,
        }
    }

    /// The smallest group that contains dimensions of these names.
    ///
    /// # Errors
    /// `DimensionName` if a name is not that of a dimension.
    pub fn conform<S: AsRef<str>>(self, names: impl IntoIterator<Item = S>) -> Result<DimensionGroup> {
        let indices: Vec<usize> = names
            .into_iter()
            .map(|name| self.dimension(name.as_ref()).map(DimensionElement::index))
            .collect::<Result<_>>()?;
        Ok(self.0.intern(self.0.close(indices)))
    }

    /// The smallest group that contains these dimensions.
    #[must_use]
    pub fn conform_dimensions(
        self,
        dimensions: impl IntoIterator<Item = DimensionElement>,
    ) -> DimensionGroup {
        self.0.intern(self.0.close(dimensions.into_iter().map(DimensionElement::index)))
    }

    /// The group without dimensions.
    #[must_use]
    pub fn empty(self) -> DimensionGroup {
        self.0.intern(BitSet::default())
    }

    /// Governor dimensions, in universe order.
    pub fn governors(self) -> impl Iterator<Item = DimensionElement> {
        self.elements().filter(|element| element.is_governor())
    }

    /// The dimension in whose pixels overlaps of regions are stored.
    #[must_use]
    pub fn common_skypix(self) -> DimensionElement {
        DimensionElement { universe: self.0, index: self.0.common_skypix }
    }
}

impl DimensionUniverse {
    /// Runs `read` with this universe as the one that groups, data IDs, dataset
    /// types and everything made of them are deserialised in.
    ///
    /// Their serialised forms name dimensions, and names mean something in a
    /// universe only. Scopes nest; the innermost counts, on this thread.
    pub fn scope<T>(self, read: impl FnOnce() -> T) -> T {
        struct Restore(Option<DimensionUniverse>);
        impl Drop for Restore {
            fn drop(&mut self) {
                SCOPE.set(self.0);
            }
        }
        let _restore = Restore(SCOPE.replace(Some(self)));
        read()
    }

    /// The universe of the innermost [`scope`](Self::scope).
    pub(crate) fn scoped<E: serde::de::Error>() -> Result<Self, E> {
        SCOPE.get().ok_or_else(|| E::custom("deserialisation needs a DimensionUniverse::scope"))
    }
}

thread_local! {
    static SCOPE: Cell<Option<DimensionUniverse>> = const { Cell::new(None) };
}

/// The universe of Rubin Observatory's repositories, version 8.
impl Default for DimensionUniverse {
    fn default() -> Self {
        static UNIVERSE: OnceLock<DimensionUniverse> = OnceLock::new();
        *UNIVERSE.get_or_init(|| {
            let canonical = DEFAULT_CANONICAL.trim_ascii_end();
            UniverseConfig::from_canonical(canonical)
                .and_then(|config| Self::known(&config, DEFAULT, canonical))
                .expect("a test reads the default universe")
        })
    }
}

impl PartialEq for DimensionUniverse {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for DimensionUniverse {}

impl Hash for DimensionUniverse {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::hash(self.0, state);
    }
}

impl fmt::Debug for DimensionUniverse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `daf_butler 8`: namespace and version.
impl fmt::Display for DimensionUniverse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.namespace, self.0.version)
    }
}

impl UniverseInner {
    fn build(config: &UniverseConfig, source: String, digest: [u8; 32]) -> Result<Self> {
        let order = config.order()?;
        if order.len() > usize::from(u16::MAX) {
            return Err(Error::new(
                ErrorKind::Configuration,
                "a dimension universe has at most 65,535 elements",
            ));
        }
        let by_name: FxHashMap<ArcStr, u16> = order
            .iter()
            .enumerate()
            .map(|(index, name)| (ArcStr::from(name.as_str()), index as u16))
            .collect();
        let mut builder = Builder { config, by_name: &by_name, spatial: Vec::new(), temporal: Vec::new() };
        builder.families();
        let elements: Vec<ElementInner> =
            order.iter().map(|name| builder.element(name)).collect::<Result<_>>()?;
        let (spatial, temporal) = (builder.spatial, builder.temporal);
        Ok(Self {
            namespace: config.namespace.clone(),
            version: config.version,
            source,
            digest,
            minimal: elements.iter().map(|_| OnceLock::new()).collect(),
            common_skypix: by_name[config.skypix.common.as_str()],
            elements,
            by_name,
            spatial,
            temporal,
            groups: Mutex::default(),
        })
    }

    pub(super) fn minimal_group(&'static self, index: u16) -> DimensionGroup {
        let index = usize::from(index);
        *self.minimal[index].get_or_init(|| {
            let element = &self.elements[index];
            let members = element.required.iter().chain(&element.implied).map(|&i| usize::from(i));
            self.intern(self.close(members))
        })
    }
}

struct Builder<'a> {
    config: &'a UniverseConfig,
    by_name: &'a FxHashMap<ArcStr, u16>,
    spatial: Vec<FamilyInner>,
    temporal: Vec<FamilyInner>,
}

impl Builder<'_> {
    fn families(&mut self) {
        let named = |(name, members): (&String, &Vec<String>)| FamilyInner {
            name: name.as_str().into(),
            members: members.iter().map(|member| self.by_name[member.as_str()]).collect(),
        };
        self.spatial = self.config.spatial.iter().map(named).collect();
        self.temporal = self.config.temporal.iter().map(named).collect();
        self.spatial.extend(self.config.skypix.systems.iter().map(|(name, system)| {
            FamilyInner {
                name: name.as_str().into(),
                members: (system.min_level..=system.max_level)
                    .rev()
                    .map(|level| self.by_name[format!("{name}{level}").as_str()])
                    .collect(),
            }
        }));
    }

    fn element(&self, name: &str) -> Result<ElementInner> {
        match self.config.elements.get(name) {
            Some(element) => self.configured(name, element),
            None => Ok(self.skypix(name)),
        }
    }

    fn configured(&self, name: &str, element: &ElementConfig) -> Result<ElementInner> {
        let index = self.by_name[name];
        let mut required: Vec<u16> =
            self.config.required_closure(name)?.into_iter().map(|other| self.by_name[other]).collect();
        required.sort_unstable();
        let mut implied: Vec<u16> =
            element.implies.iter().map(|other| self.by_name[other.as_str()]).collect();
        implied.sort_unstable();
        implied.dedup();
        let (spatial, temporal) = (family_of(&self.spatial, index), family_of(&self.temporal, index));
        let governor = self
            .config
            .required_closure(name)?
            .into_iter()
            .find(|other| self.config.elements[*other].governor)
            .map(|other| self.by_name[other]);
        Ok(ElementInner {
            fields: self.fields(&required, &implied, element, spatial.is_some(), temporal.is_some()),
            name: self.interned(name),
            doc: element.doc.as_str().into(),
            key: element.key.as_ref().map(|key| field(key, FieldRole::Required)),
            required,
            implied,
            governor,
            cached: element.cached,
            union_of: element.union_of.as_ref().map(|other| self.by_name[other.as_str()]),
            always_join: element.always_join,
            populated_by: element.populated_by.as_ref().map(|other| self.by_name[other.as_str()]),
            skypix: None,
            spatial,
            temporal,
        })
    }

    fn skypix(&self, name: &str) -> ElementInner {
        let index = self.by_name[name];
        let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
        let key = Field {
            name: "id".into(),
            ty: FieldType::Int,
            role: FieldRole::Required,
            doc: "Index of a pixel.".into(),
        };
        ElementInner {
            name: self.interned(name),
            doc: format!("Pixels of the sphere at level {digits} of a hierarchical pixelisation.").into(),
            fields: vec![Field { name: self.interned(name), ..key.clone() }],
            key: Some(key),
            required: vec![index],
            implied: Vec::new(),
            governor: None,
            cached: false,
            union_of: None,
            always_join: false,
            populated_by: None,
            skypix: Some(SkyPixLevel {
                system: name.trim_end_matches(|c: char| c.is_ascii_digit()).into(),
                level: digits.parse().expect("a name that the levels of a system were given"),
            }),
            spatial: family_of(&self.spatial, index),
            temporal: None,
        }
    }

    fn interned(&self, name: &str) -> ArcStr {
        self.by_name.get_key_value(name).expect("every element is in the index").0.clone()
    }

    fn fields(
        &self,
        required: &[u16],
        implied: &[u16],
        element: &ElementConfig,
        region: bool,
        timespan: bool,
    ) -> Vec<Field> {
        let names: FxHashMap<u16, &ArcStr> =
            self.by_name.iter().map(|(name, &index)| (index, name)).collect();
        let key = |role| {
            let names = &names;
            move |index: &u16| {
                let name: &ArcStr = names[index];
                let config = self.config.elements[name.as_str()].key.as_ref().expect("dimensions have keys");
                Field { name: name.clone(), ..field(config, role) }
            }
        };
        let extent = |present: bool, name: &str, ty, doc: &str| {
            present.then(|| Field { name: name.into(), ty, role: FieldRole::Metadata, doc: doc.into() })
        };
        required
            .iter()
            .map(key(FieldRole::Required))
            .chain(implied.iter().map(key(FieldRole::Implied)))
            .chain(element.alternate_keys.iter().map(|config| field(config, FieldRole::AlternateKey)))
            .chain(element.metadata.iter().map(|config| field(config, FieldRole::Metadata)))
            .chain(extent(region, "region", FieldType::Region, "Region on the sphere."))
            .chain(extent(timespan, "timespan", FieldType::Timespan, "Half-open timespan, TAI."))
            .collect()
    }
}

fn family_of(families: &[FamilyInner], index: u16) -> Option<u16> {
    families.iter().position(|family| family.members.contains(&index)).map(|position| position as u16)
}

fn field(config: &FieldConfig, role: FieldRole) -> Field {
    let length = config.length.unwrap_or_default();
    Field {
        name: config.name.as_str().into(),
        ty: match config.ty {
            FieldTypeConfig::Int => FieldType::Int,
            FieldTypeConfig::Float => FieldType::Float,
            FieldTypeConfig::Bool => FieldType::Bool,
            FieldTypeConfig::String => FieldType::Text(length),
            FieldTypeConfig::Hash => FieldType::Hash(length),
        },
        role,
        doc: config.doc.as_str().into(),
    }
}

#[cfg(test)]
mod tests;
