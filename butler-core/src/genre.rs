//! Genres: named templates of dataset types, and the policies that their datasets follow.

use std::collections::BTreeMap;

use arcstr::ArcStr;

use crate::collection::NamePattern;
use crate::config::Section;
use crate::dataset::{DatasetKind, DatasetType};
use crate::dimension::{DimensionGroup, DimensionUniverse};
use crate::formatter::Formatters;
use crate::lookup::{LookupKey, LookupTable, in_configuration};
use crate::storage_class::StorageClasses;
use crate::{Error, ErrorKind, Result, suggest};

/// A named template of dataset types.
///
/// What a dataset type takes over when it is registered: `storage_class`, `dimensions`,
/// `kind`, `is_calibration`. What datastores do with its datasets, now and later:
/// `formatter`, `template`, `cache` and `datastores`. In a datastore's own table, entries for dataset
/// types and name patterns come before the genre's, as does one of the key `genre:NAME`; entries for
/// dimensions and storage classes come after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Genre {
    name: ArcStr,
    storage_class: Option<ArcStr>,
    dimensions: Option<DimensionGroup>,
    kind: DatasetKind,
    is_calibration: bool,
    formatter: Option<ArcStr>,
    template: Option<String>,
    cache: Option<bool>,
    datastores: Vec<NamePattern>,
}

/// What is said of a dataset type that is registered from a genre; the rest is as the genre has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GenreOverrides {
    /// Name of its storage class.
    pub storage_class: Option<ArcStr>,
    /// Its dimensions.
    pub dimensions: Option<DimensionGroup>,
    /// How its datasets are identified and found.
    pub kind: Option<DatasetKind>,
    /// Whether its datasets may be certified.
    pub is_calibration: Option<bool>,
}

impl Genre {
    fn from_section(
        name: &str,
        section: &Section<'_>,
        universe: DimensionUniverse,
        formatters: &Formatters,
        classes: &StorageClasses,
    ) -> Result<Self> {
        let wrong = |key, error| in_configuration(section, key, error);
        let storage_class = section.text("storage_class")?.map(ArcStr::from);
        if let Some(class) = &storage_class {
            classes.get(class).map_err(|error| wrong("storage_class", error))?;
        }
        let formatter = section.text("formatter")?.map(ArcStr::from);
        if let Some(formatter) = &formatter {
            formatters.get(formatter).map_err(|error| wrong("formatter", error))?;
        }
        let dimensions: Option<Vec<String>> = section.value("dimensions")?;
        let dimensions = dimensions
            .map(|names| universe.conform(names).map_err(|error| wrong("dimensions", error)))
            .transpose()?;
        let kind = section.text("kind")?.map(|kind| kind.parse().map_err(|error| wrong("kind", error)));
        let this = Self {
            name: name.into(),
            storage_class,
            dimensions,
            kind: kind.transpose()?.unwrap_or_default(),
            is_calibration: section.flag("is_calibration")?.unwrap_or(false),
            formatter,
            // Braces and angle brackets are the template's own.
            template: section.value("template")?,
            cache: section.flag("cache")?,
            datastores: section.texts("datastores")?.into_iter().map(NamePattern::new).collect(),
        };
        section.finish()?;
        Ok(this)
    }

    /// Name.
    #[must_use]
    pub fn name(&self) -> &ArcStr {
        &self.name
    }

    /// Name of the formatter that writes its datasets, if not that of their storage class.
    #[must_use]
    pub fn formatter(&self) -> Option<&ArcStr> {
        self.formatter.as_ref()
    }

    /// File template of its datasets.
    #[must_use]
    pub fn template(&self) -> Option<&str> {
        self.template.as_deref()
    }

    /// Whether copies of its artifacts are kept near to where they are read, if that is said.
    #[must_use]
    pub fn cache(&self) -> Option<bool> {
        self.cache
    }

    /// Whether a datastore takes its datasets, if that is said.
    #[must_use]
    pub fn is_taken_by(&self, datastore: &str) -> Option<bool> {
        let any = || self.datastores.iter().any(|pattern| pattern.matches(datastore));
        (!self.datastores.is_empty()).then(any)
    }

    /// A dataset type of this genre.
    ///
    /// # Errors
    /// `Argument` if neither the genre nor the overrides say its storage class, or its dimensions; as
    /// [`DatasetType::new`].
    pub fn dataset_type(&self, name: &str, overrides: &GenreOverrides) -> Result<DatasetType> {
        let group = overrides.dimensions.or(self.dimensions).ok_or_else(|| self.lacks("dimensions"))?;
        let class = overrides.storage_class.as_ref().or(self.storage_class.as_ref());
        let class = class.ok_or_else(|| self.lacks("storage_class"))?;
        Ok(DatasetType::new(name, group, class)?
            .with_kind(overrides.kind.unwrap_or(self.kind))
            .with_is_calibration(overrides.is_calibration.unwrap_or(self.is_calibration))
            .with_genre(Some(self.name.clone())))
    }

    fn lacks(&self, key: &str) -> Error {
        Error::new(ErrorKind::Argument, format!("genre '{}' does not say '{key}'", self.name.escape_debug()))
            .with_hint("say it where the dataset type is registered, or in the configuration of the genre")
    }
}

/// The genres of a repository: `[genres.NAME]` in its configuration.
///
/// | key | default | meaning |
/// |---|---|---|
/// | `storage_class` | | storage class of its dataset types |
/// | `dimensions` | | names of their dimensions |
/// | `kind` | `standard` | `standard`, `global` or `nonsingular` |
/// | `is_calibration` | `false` | whether their datasets may be certified |
/// | `formatter` | of the storage class | name of the formatter that writes them |
/// | `template` | of the datastore | file template |
/// | `cache` | of the datastore | whether a cache of what was read keeps their artifacts |
/// | `datastores` | all | names and patterns of the datastores that take them; the others of a chain do not |
///
/// A repository may have dataset types of genres that it does not know (any more): no policy is theirs then.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Genres(BTreeMap<ArcStr, Genre>);

impl Genres {
    /// Reads the table `genres`.
    ///
    /// # Errors
    /// `Configuration`, naming the culprit.
    pub fn from_section(
        section: &Section<'_>,
        universe: DimensionUniverse,
        formatters: &Formatters,
        classes: &StorageClasses,
    ) -> Result<Self> {
        let names: Vec<&str> = section.keys().collect();
        let read = |name| {
            let genre = Genre::from_section(name, &section.section(name)?, universe, formatters, classes)?;
            Ok((ArcStr::from(name), genre))
        };
        names.into_iter().map(read).collect::<Result<_>>().map(Self)
    }

    /// A genre.
    ///
    /// # Errors
    /// `Argument` if there is none of the name; the message lists those there are.
    pub fn get(&self, name: &str) -> Result<&Genre> {
        self.0.get(name).ok_or_else(|| {
            let error =
                Error::new(ErrorKind::Argument, format!("genre '{}' is unknown", name.escape_debug()));
            let known: Vec<&str> = self.0.keys().map(ArcStr::as_str).collect();
            match suggest::nearest(name, known.iter().copied()) {
                Some(near) => {
                    error.with_hint(format!("did you mean '{near}'? configuration has {}", known.join(", ")))
                }
                None if known.is_empty() => error.with_hint("configuration has none, under 'genres'"),
                None => error.with_hint(format!("configuration has {}", known.join(", "))),
            }
        })
    }

    /// All genres, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Genre> {
        self.0.values()
    }

    /// Adds what genres say to a datastore's table, where the table itself says nothing of a genre.
    ///
    /// # Errors
    /// `Configuration` with the genre and the key, if `value` fails.
    pub fn fill<V>(
        &self,
        table: &mut LookupTable<V>,
        key: &str,
        mut value: impl FnMut(&Genre) -> Result<Option<V>>,
    ) -> Result<()> {
        for genre in self.iter() {
            let value = value(genre).map_err(|error| {
                Error::new(
                    ErrorKind::Configuration,
                    format!("configuration key 'genres.{}.{key}' cannot be used: {error}", genre.name),
                )
                .with_source(error)
            })?;
            if let Some(value) = value {
                table.insert_default(LookupKey::Genre(genre.name.clone()), value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn genres(text: &str) -> Result<Genres> {
        let mut config = Config::default();
        config.merge_text(text, "butler.toml").unwrap();
        let classes = StorageClasses::default();
        let section = config.section("genres")?;
        Genres::from_section(&section, DimensionUniverse::default(), &Formatters::default(), &classes)
    }

    #[test]
    fn what_is_not_said_is_as_the_genre_has_it() {
        let genres = genres(
            "[genres.flat]\nstorage_class = 'StructuredDataDict'\ndimensions = ['detector']\n\
             is_calibration = true\nkind = 'nonsingular'\ntemplate = '{run}/{id}'\ncache = false",
        )
        .unwrap();
        let flat = genres.get("flat").unwrap();
        let plain = flat.dataset_type("flat_g", &GenreOverrides::default()).unwrap();
        assert_eq!(plain.genre().map(ArcStr::as_str), Some("flat"));
        assert_eq!((plain.kind(), plain.is_calibration()), (DatasetKind::Nonsingular, true));
        assert_eq!(plain.storage_class(), "StructuredDataDict");
        assert_eq!(plain.group().required_names(), ["instrument", "detector"]);
        let other = GenreOverrides {
            storage_class: Some("Bytes".into()),
            dimensions: DimensionUniverse::default().conform(["band"]).ok(),
            kind: Some(DatasetKind::Standard),
            is_calibration: Some(false),
        };
        let other = flat.dataset_type("x", &other).unwrap();
        assert_eq!((other.kind(), other.is_calibration()), (DatasetKind::Standard, false));
        assert_eq!((other.storage_class().as_str(), other.group().names()), ("Bytes", vec!["band"]));
        assert_eq!((flat.template(), flat.cache()), (Some("{run}/{id}"), Some(false)));
    }

    #[test]
    fn what_nobody_says_is_missing() {
        let genres = genres("[genres.a]\ndimensions = []\n[genres.b]\nstorage_class = 'Bytes'").unwrap();
        for (name, key) in [("a", "storage_class"), ("b", "dimensions")] {
            let error = genres.get(name).unwrap().dataset_type("x", &GenreOverrides::default()).unwrap_err();
            assert!(error.to_string().contains(&format!("does not say '{key}'")), "{error}");
        }
    }

    #[test]
    fn routes_are_names_and_patterns_of_datastores() {
        let genres = genres("[genres.a]\ndatastores = ['disk', 's3_*']\n[genres.b]").unwrap();
        let a = genres.get("a").unwrap();
        assert_eq!(["disk", "s3_x", "memory"].map(|name| a.is_taken_by(name)), [true, true, false].map(Some));
        assert_eq!(genres.get("b").unwrap().is_taken_by("memory"), None);
    }

    #[test]
    fn unknown_names_are_told() {
        let known = genres("[genres.catalog]\n[genres.image]").unwrap();
        let error = known.get("x").unwrap_err().to_string();
        assert_eq!(error, "genre 'x' is unknown; configuration has catalog, image");
        assert!(known.get("catalogue").unwrap_err().to_string().contains("did you mean 'catalog'?"));
        assert!(genres("").unwrap().get("x").unwrap_err().to_string().contains("has none"));
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        for (text, reason) in [
            ("storage_clas = 'Bytes'", "did you mean 'storage_class'?"),
            ("storage_class = 'Bites'", "'genres.g.storage_class' cannot be used"),
            ("formatter = 'jsn'", "'genres.g.formatter' cannot be used"),
            ("dimensions = ['detektor']", "did you mean 'detector'?"),
            ("dimensions = 'detector'", "'genres.g.dimensions'"),
            ("kind = 'odd'", "standard, global and nonsingular"),
            ("cache = 'yes'", "'genres.g.cache'"),
        ] {
            let error = genres(&format!("[genres.g]\n{text}")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
            assert!(error.to_string().contains(reason), "{text}: {error}");
        }
    }
}
