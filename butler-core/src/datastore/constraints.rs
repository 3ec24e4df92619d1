//! Which datasets a datastore takes.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::config::Section;
use crate::dataset::DatasetType;
use crate::dimension::{DataId, DimensionElement, DimensionUniverse, DimensionValue};
use crate::genre::Genres;
use crate::lookup::{LookupKey, LookupTable, in_configuration, parse_value};
use crate::{Error, ErrorKind, Result};

/// Datasets that a datastore takes and refuses, by `accept` and `reject` in its configuration.
///
/// Both are lists of keys as in a [`LookupTable`], without `default`; `all` (or
/// `*`) stands for everything. What is accepted by a key of its own is accepted,
/// then what is rejected by one is rejected; then a rejected `all` rejects; the
/// rest is accepted if `all` is, or if nothing is said to be accepted.
///
/// ```
/// use butler_core::datastore::Constraints;
/// use butler_core::{Config, DatasetType, DimensionUniverse};
///
/// # fn main() -> butler_core::Result<()> {
/// let universe = DimensionUniverse::default();
/// let mut config = Config::default();
/// config.merge_text("accept = ['*_preview', 'genre:catalog', 'visit+detector']", "example")?;
/// let constraints = Constraints::from_section(&config.root_section(), universe)?;
/// let dataset_type = |name| DatasetType::new(name, universe.empty(), "Bytes");
/// assert!(constraints.accepts(&dataset_type("flat_preview")?, None));
/// assert!(!constraints.accepts(&dataset_type("flat")?, None));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Constraints {
    accept: KeySet,
    reject: KeySet,
}

#[derive(Clone, Debug, Default)]
struct KeySet {
    /// Whether there are keys.
    given: bool,
    all: bool,
    all_of: Vec<(DimensionElement, DimensionValue)>,
    keys: LookupTable<()>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected names, or tables of names")]
enum Item {
    Key(String),
    Block(BTreeMap<String, Vec<String>>),
}

impl Constraints {
    /// Reads `accept` and `reject` of a datastore's section.
    ///
    /// # Errors
    /// `Configuration` for keys that name unknown dimensions, and if `all` is in both lists.
    pub fn from_section(section: &Section<'_>, universe: DimensionUniverse) -> Result<Self> {
        let this = Self {
            accept: KeySet::from_section(section, "accept", universe)?,
            reject: KeySet::from_section(section, "reject", universe)?,
        };
        if this.accept.all && this.reject.all {
            let whose = if section.path().is_empty() { "the configuration" } else { section.path() };
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("{whose} both accepts and rejects all datasets"),
            ));
        }
        Ok(this)
    }

    /// With what genres say of a datastore: an entry for each in `accept` or `reject`, unless there is one.
    ///
    /// Where a genre names its datastores, those take its datasets in any case, even if they are said to accept
    /// others only; those that it does not name refuse what they do not accept by a key of its own.
    #[must_use]
    pub fn with_genres(mut self, genres: &Genres, datastore: &str) -> Self {
        for genre in genres.iter() {
            let key = LookupKey::Genre(genre.name().clone());
            match genre.is_taken_by(datastore) {
                Some(true) => self.accept.keys.insert_default(key, ()),
                Some(false) => self.reject.keys.insert_default(key, ()),
                None => {}
            }
        }
        self
    }

    /// Whether datasets of a type and, if given, a data ID are taken.
    #[must_use]
    pub fn accepts(&self, dataset_type: &DatasetType, data_id: Option<&DataId>) -> bool {
        if self.accept.names(dataset_type, data_id) {
            return true;
        }
        if self.reject.names(dataset_type, data_id) || self.reject.has_all(data_id) {
            return false;
        }
        !self.accept.given || self.accept.has_all(data_id)
    }

    /// The error for datasets that are not taken.
    #[must_use]
    pub fn refusal(&self, datastore: &str, dataset_type: &DatasetType) -> Error {
        Error::new(
            ErrorKind::DatasetTypeNotSupported,
            format!("datastore '{datastore}' refuses datasets of type '{}'", dataset_type.name()),
        )
        .with_hint("its configuration says so, under 'accept' and 'reject'")
    }
}

impl KeySet {
    fn from_section(section: &Section<'_>, key: &str, universe: DimensionUniverse) -> Result<Self> {
        let items: Vec<Item> = match section.value::<Item>(key) {
            Ok(Some(Item::Key(key))) => vec![Item::Key(key)],
            Ok(Some(block)) => vec![block],
            Ok(None) => Vec::new(),
            Err(_) => section.value(key)?.unwrap_or_default(),
        };
        let mut this = Self { given: !items.is_empty(), ..Self::default() };
        let is_all = |key: &str| key == "all" || key == "*";
        let add = || {
            for item in items {
                match item {
                    Item::Key(key) if is_all(&key) => this.all = true,
                    Item::Key(key) => this.keys.insert(&key, (), universe)?,
                    Item::Block(block) => {
                        for (whose, keys) in block {
                            for key in keys {
                                if is_all(&key) {
                                    this.all_of.push(parse_value(&whose, universe)?);
                                } else {
                                    this.keys.insert_for(&whose, &key, (), universe)?;
                                }
                            }
                        }
                    }
                }
            }
            Ok(())
        };
        add().map_err(|error| in_configuration(section, key, error))?;
        Ok(this)
    }

    fn names(&self, dataset_type: &DatasetType, data_id: Option<&DataId>) -> bool {
        self.keys.find(dataset_type, data_id).is_some()
    }

    fn has_all(&self, data_id: Option<&DataId>) -> bool {
        let value = |dimension| data_id.and_then(|id| id.get_dimension(dimension));
        self.all || self.all_of.iter().any(|(dimension, of)| value(*dimension) == Some(of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn constraints(text: &str) -> Result<Constraints> {
        let mut config = Config::default();
        config.merge_text(text, "test").unwrap();
        Constraints::from_section(&config.root_section(), DimensionUniverse::default())
    }

    fn of(name: &str, dimensions: &[&str], storage_class: &str) -> DatasetType {
        DatasetType::new(name, DimensionUniverse::default().conform(dimensions).unwrap(), storage_class)
            .unwrap()
    }

    #[test]
    fn what_is_accepted_and_what_is_not() {
        let (bias, flat) =
            (of("bias", &["detector"], "Exposure"), of("flat", &["detector", "band"], "ImageF"));
        for (text, takes_bias, takes_flat) in [
            ("", true, true),
            ("accept = 'bias'", true, false),
            ("reject = ['bias']", false, true),
            ("accept = ['all']\nreject = ['bias']", false, true),
            ("reject = ['all']\naccept = ['ImageF']", false, true),
            ("accept = ['detector+']", true, false),
            ("accept = ['band+detector']", false, true),
            ("accept = ['*']\nreject = ['fl*']", true, false),
            ("reject = '*'", false, false),
            ("accept = ['genre:calibration']", true, false),
        ] {
            let constraints = constraints(text).unwrap();
            let bias = bias.clone().with_genre(Some("calibration".into()));
            assert_eq!(constraints.accepts(&bias, None), takes_bias, "{text}");
            assert_eq!(constraints.accepts(&flat, None), takes_flat, "{text}");
        }
    }

    #[test]
    fn some_keys_are_for_single_values() {
        let bias = of("bias", &["detector"], "Exposure");
        let data_id = |instrument: &str| {
            DataId::from_pairs(
                bias.group(),
                [("instrument", DimensionValue::from(instrument)), ("detector", 1.into())],
            )
            .unwrap()
        };
        let constraints =
            constraints("accept = [{ 'instrument<HSC>' = ['bias'], 'instrument<LSST>' = ['all'] }, 'flat']")
                .unwrap();
        for (instrument, taken) in [("HSC", true), ("LSST", true), ("DECam", false)] {
            assert_eq!(constraints.accepts(&bias, Some(&data_id(instrument))), taken, "{instrument}");
        }
        assert!(!constraints.accepts(&bias, None));
    }

    #[test]
    fn unusable_constraints_are_refused() {
        for text in [
            "accept = ['all']\nreject = ['all']",
            "accept = ['visit+detectr']",
            "accept = [3]",
            "accept = [{ 'instrument' = ['bias'] }]",
            "accept = [{ 'detector<x>' = ['bias'] }]",
        ] {
            assert_eq!(constraints(text).unwrap_err().kind(), ErrorKind::Configuration, "{text}");
        }
    }
}
