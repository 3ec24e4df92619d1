//! Policies by dataset type: which entry of a configuration table is meant for a dataset.

use std::collections::BTreeMap;

use arcstr::ArcStr;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::collection::NamePattern;
use crate::config::Section;
use crate::dataset::{DatasetType, split_component};
use crate::dimension::{
    DataId, DimensionElement, DimensionGroup, DimensionUniverse, DimensionValue, check_value,
};
use crate::{Error, ErrorKind, Result};

/// Prefix of keys that name a genre.
const GENRE: &str = "genre:";

/// Key of the entry for everything else.
const DEFAULT: &str = "default";

/// What an entry of a [`LookupTable`] is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupKey {
    /// Dataset types of a name (with a component: `type.component`), or a storage class.
    Name(ArcStr),
    /// Dataset types whose names match a pattern.
    Pattern(NamePattern),
    /// Dataset types of a genre: `genre:NAME`.
    Genre(ArcStr),
    /// Dataset types with exactly these dimensions: `a+b+c`, or `a+` for one.
    Dimensions(DimensionGroup),
    /// Everything else: `default`.
    Default,
}

impl LookupKey {
    /// Reads a key.
    ///
    /// # Errors
    /// `DimensionName` if it names dimensions that the universe does not have.
    pub fn parse(key: &str, universe: DimensionUniverse) -> Result<Self> {
        if key == DEFAULT {
            return Ok(Self::Default);
        }
        if let Some(genre) = key.strip_prefix(GENRE) {
            return Ok(Self::Genre(genre.into()));
        }
        if key.contains('+') {
            let names = key.split('+').map(str::trim).filter(|name| !name.is_empty());
            return universe.conform(names).map(Self::Dimensions);
        }
        let pattern = NamePattern::new(key);
        Ok(if pattern.is_glob() { Self::Pattern(pattern) } else { Self::Name(key.into()) })
    }

    /// Whether it names dataset types one by one, not classes of them.
    #[must_use]
    pub fn is_type_of(&self, dataset_type: &DatasetType) -> bool {
        matches!(self, Self::Name(name) if name_of(dataset_type).contains(&Some(name.as_str())))
    }
}

/// Names of a dataset type: with its component and without.
fn name_of(dataset_type: &DatasetType) -> [Option<&str>; 2] {
    let name = dataset_type.name();
    let (composite, component) = split_component(name);
    [Some(name.as_str()), component.map(|_| composite)]
}

/// Entries for datasets that agree with what their block is for.
#[derive(Clone, Debug)]
struct Block<V> {
    entries: Vec<(LookupKey, V)>,
}

impl<V> Default for Block<V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<V> Block<V> {
    fn find(&self, dataset_type: &DatasetType) -> Option<&(LookupKey, V)> {
        if self.entries.is_empty() {
            return None;
        }
        let entry = |wanted: &dyn Fn(&LookupKey) -> bool| self.entries.iter().find(|(key, _)| wanted(key));
        let named = |name: &str| entry(&|key| matches!(key, LookupKey::Name(other) if other == name));
        let names = name_of(dataset_type);
        names
            .into_iter()
            .flatten()
            .find_map(named)
            .or_else(|| self.best_pattern(names[1].unwrap_or(dataset_type.name())))
            .or_else(|| {
                let genre = dataset_type.genre()?;
                entry(&|key| matches!(key, LookupKey::Genre(other) if other == genre))
            })
            .or_else(|| {
                entry(&|key| matches!(key, LookupKey::Dimensions(group) if *group == dataset_type.group()))
            })
            .or_else(|| named(dataset_type.storage_class()))
            .or_else(|| dataset_type.parent_storage_class().and_then(|class| named(class)))
            .or_else(|| entry(&|key| *key == LookupKey::Default))
    }

    /// The longest pattern that matches; of equally long ones the first.
    fn best_pattern(&self, name: &str) -> Option<&(LookupKey, V)> {
        let length = |key: &LookupKey| match key {
            LookupKey::Pattern(pattern) if pattern.matches(name) => Some(pattern.as_str().len()),
            _ => None,
        };
        let best = self.entries.iter().filter_map(|(key, _)| length(key)).max()?;
        self.entries.iter().find(|(key, _)| length(key) == Some(best))
    }
}

/// Values of a configuration table whose keys say for which datasets they are.
///
/// Of the entries that fit, the first of this order is taken: dataset type with
/// component, dataset type, longest name pattern, genre (`genre:NAME`), dimensions
/// (`a+b+c`), storage class, storage class of the composite, `default`. A table
/// within the table with a key like `instrument<HSC>` holds entries for data IDs
/// with that value, which come before all others.
///
/// ```
/// use butler_core::{Config, DatasetType, DimensionUniverse, LookupTable};
///
/// # fn main() -> butler_core::Result<()> {
/// let universe = DimensionUniverse::default();
/// let mut config = Config::default();
/// config.merge_text("[formatters]\ndefault = 'bytes'\nStructuredData = 'json'\n'raw*' = 'fits'", "example")?;
/// let formatters: LookupTable<String> = LookupTable::from_section(&config.root_section(), "formatters", universe)?;
/// let bias = DatasetType::new("bias", universe.conform(["detector"])?, "StructuredData")?;
/// assert_eq!(formatters.get(&bias, None).map(String::as_str), Some("json"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LookupTable<V> {
    everywhere: Block<V>,
    values: Vec<(DimensionElement, DimensionValue, Block<V>)>,
}

impl<V> Default for LookupTable<V> {
    fn default() -> Self {
        Self { everywhere: Block::default(), values: Vec::new() }
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a value has the wrong type")]
enum Entry<V> {
    Value(V),
    Block(BTreeMap<String, V>),
}

impl<V> LookupTable<V> {
    /// Reads a table of a section; one that is not there is empty.
    ///
    /// # Errors
    /// `Configuration` for values of another type and keys that name unknown dimensions.
    pub fn from_section(section: &Section<'_>, key: &str, universe: DimensionUniverse) -> Result<Self>
    where
        V: DeserializeOwned,
    {
        let mut this = Self::default();
        let table: BTreeMap<String, Entry<V>> = section.value(key)?.unwrap_or_default();
        for (name, entry) in table {
            let added = match entry {
                Entry::Value(value) => this.insert(&name, value, universe),
                Entry::Block(block) => block
                    .into_iter()
                    .try_for_each(|(inner, value)| this.insert_for(&name, &inner, value, universe)),
            };
            added.map_err(|error| in_configuration(section, key, error))?;
        }
        Ok(this)
    }

    /// Adds an entry, or replaces that of the key.
    ///
    /// # Errors
    /// `DimensionName` if the key names unknown dimensions.
    pub fn insert(&mut self, key: &str, value: V, universe: DimensionUniverse) -> Result<()> {
        put(&mut self.everywhere, LookupKey::parse(key, universe)?, value);
        Ok(())
    }

    /// Adds an entry unless there is one of the key.
    pub fn insert_default(&mut self, key: LookupKey, value: V) {
        if !self.everywhere.entries.iter().any(|(other, _)| *other == key) {
            self.everywhere.entries.push((key, value));
        }
    }

    /// Adds an entry for data IDs with a value, given as `dimension<value>`, or replaces that of the key.
    ///
    /// # Errors
    /// `DimensionName` if a key names unknown dimensions, `Argument` if the first has another form.
    pub fn insert_for(
        &mut self,
        whose: &str,
        key: &str,
        value: V,
        universe: DimensionUniverse,
    ) -> Result<()> {
        let (dimension, of) = parse_value(whose, universe)?;
        let key = LookupKey::parse(key, universe)?;
        let index = self.values.iter().position(|(other, value, _)| *other == dimension && *value == of);
        let index = index.unwrap_or_else(|| {
            self.values.push((dimension, of, Block::default()));
            self.values.len() - 1
        });
        put(&mut self.values[index].2, key, value);
        Ok(())
    }

    /// The same table with other values.
    ///
    /// # Errors
    /// Those of the function, with the first of which it ends.
    pub fn try_map<W>(self, mut map: impl FnMut(V) -> Result<W>) -> Result<LookupTable<W>> {
        let mut mapped = |block: Block<V>| -> Result<Block<W>> {
            let entries = block.entries.into_iter().map(|(key, value)| Ok((key, map(value)?)));
            Ok(Block { entries: entries.collect::<Result<_>>()? })
        };
        Ok(LookupTable {
            everywhere: mapped(self.everywhere)?,
            values: self
                .values
                .into_iter()
                .map(|(dimension, value, block)| Ok((dimension, value, mapped(block)?)))
                .collect::<Result<_>>()?,
        })
    }

    /// The value for datasets of a type and, if given, a data ID.
    #[must_use]
    pub fn get(&self, dataset_type: &DatasetType, data_id: Option<&DataId>) -> Option<&V> {
        self.find(dataset_type, data_id).map(|(_, value)| value)
    }

    /// As [`get`](Self::get), with the key that led to it.
    #[must_use]
    pub fn find(&self, dataset_type: &DatasetType, data_id: Option<&DataId>) -> Option<(&LookupKey, &V)> {
        self.values
            .iter()
            .filter(|(dimension, value, _)| {
                data_id.and_then(|id| id.get_dimension(*dimension)) == Some(value)
            })
            .find_map(|(_, _, block)| block.find(dataset_type))
            .or_else(|| self.everywhere.find(dataset_type))
            .map(|(key, value)| (key, value))
    }

    /// Dimensions of which single values have entries of their own.
    pub fn dimensions(&self) -> impl Iterator<Item = DimensionElement> {
        self.values.iter().map(|(dimension, _, _)| *dimension)
    }

    /// All values.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        let blocks = self.values.iter().map(|(_, _, block)| block).chain([&self.everywhere]);
        blocks.flat_map(|block| block.entries.iter().map(|(_, value)| value))
    }
}

fn put<V>(block: &mut Block<V>, key: LookupKey, value: V) {
    match block.entries.iter_mut().find(|(other, _)| *other == key) {
        Some(entry) => entry.1 = value,
        None => block.entries.push((key, value)),
    }
}

/// Reads `dimension<value>`.
pub(crate) fn parse_value(
    text: &str,
    universe: DimensionUniverse,
) -> Result<(DimensionElement, DimensionValue)> {
    let parts = text.strip_suffix('>').and_then(|text| text.split_once('<'));
    let Some((dimension, value)) = parts else {
        return Err(Error::new(
            ErrorKind::Argument,
            format!("the table '{}' is for no value of a dimension", text.escape_debug()),
        )
        .with_hint("its key has the form dimension<value>, such as instrument<HSC>"));
    };
    let dimension = universe.dimension(dimension)?;
    let candidates = [value.parse::<i64>().ok().map(DimensionValue::Int), Some(DimensionValue::from(value))];
    let fits = |value: &DimensionValue| check_value(dimension, value).is_ok();
    candidates.into_iter().flatten().find(fits).map(|value| (dimension, value)).ok_or_else(|| {
        Error::new(
            ErrorKind::Argument,
            format!("'{}' is no value of the dimension '{dimension}'", value.escape_debug()),
        )
    })
}

pub(crate) fn in_configuration(section: &Section<'_>, key: &str, error: Error) -> Error {
    let path = if section.path().is_empty() { key.to_owned() } else { format!("{}.{key}", section.path()) };
    Error::new(ErrorKind::Configuration, format!("configuration key '{path}' cannot be used: {error}"))
        .with_source(error)
}

#[cfg(test)]
mod tests;
