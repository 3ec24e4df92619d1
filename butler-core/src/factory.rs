//! Factories: who builds registries and datastores of which kind.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use arcstr::ArcStr;
use async_trait::async_trait;

use crate::config::Section;
use crate::datastore::Datastore;
use crate::dimension::DimensionUniverse;
use crate::formatter::Formatters;
use crate::genre::Genres;
use crate::registry::Registry;
use crate::storage_class::{Delegates, StorageClasses};
use crate::{Error, ErrorKind, Result, suggest};

/// Builds registries of one kind.
#[async_trait]
pub trait RegistryFactory: Debug + Send + Sync {
    /// Creates the registry of a new repository, of a universe.
    ///
    /// # Errors
    /// `Configuration`; `AlreadyExists` if there is a repository already.
    async fn create(&self, config: RegistryConfig, universe: DimensionUniverse) -> Result<Arc<dyn Registry>>;

    /// Opens the registry of a repository.
    ///
    /// # Errors
    /// `Configuration`, `NotFound`, `SchemaVersion`, `Connection`, `Permission`.
    async fn open(&self, config: RegistryConfig, read_only: bool) -> Result<Arc<dyn Registry>>;

    /// Reads its table of the configuration.
    ///
    /// # Errors
    /// `Configuration` for missing, unknown and unusable keys.
    fn configure(&self, section: &Section<'_>) -> Result<RegistryConfig>;

    /// Does something for the database of a registry that nobody else has open; says what was done.
    ///
    /// # Errors
    /// `Unsupported` if there is no such thing for it; `Busy` if others have it open; as [`open`](Self::open).
    async fn upkeep(&self, config: RegistryConfig, upkeep: Upkeep) -> Result<String> {
        let _ = config;
        Err(Error::new(ErrorKind::Unsupported, format!("registries of this kind cannot be {upkeep}")))
    }
}

/// What an administrator may do for the database of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// Make it readable in a directory that nobody may write.
    Freeze,
    /// Bring its tables to the version of this program.
    Migrate {
        /// Only say what would be done.
        dry_run: bool,
    },
}

impl fmt::Display for Upkeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Freeze => "frozen",
            Self::Migrate { .. } => "migrated",
        })
    }
}

/// What a registry's table of the configuration says, as its factory understands it.
pub type RegistryConfig = Arc<dyn std::any::Any + Send + Sync>;

/// What every datastore may need to be built.
#[derive(Clone, Debug)]
pub struct DatastoreContext {
    /// The universe of the repository.
    pub universe: DimensionUniverse,
    /// Known formatters.
    pub formatters: Arc<Formatters>,
    /// Known storage classes.
    pub storage_classes: Arc<StorageClasses>,
    /// Known genres.
    pub genres: Arc<Genres>,
    /// Known delegates.
    pub delegates: Arc<Delegates>,
    /// Factories, for datastores that consist of others.
    pub factories: Arc<Factories>,
    /// Whether it is opened for reading only.
    pub read_only: bool,
    /// Whether artifacts and directories are synced to the disk before a commit.
    pub strict: bool,
}

/// Builds datastores of one kind.
pub trait DatastoreFactory: Debug + Send + Sync {
    /// Builds a datastore from its table of the configuration; touches nothing.
    ///
    /// # Errors
    /// `Configuration` for missing, unknown and unusable keys.
    fn build(&self, section: &Section<'_>, context: &DatastoreContext) -> Result<Arc<dyn Datastore>>;
}

/// Factories by kind: a value that a program fills, nothing global.
#[derive(Clone, Debug, Default)]
pub struct Factories {
    registries: BTreeMap<ArcStr, Arc<dyn RegistryFactory>>,
    datastores: BTreeMap<ArcStr, Arc<dyn DatastoreFactory>>,
    /// Kinds that exist but were not compiled in, with the cargo feature that adds them.
    missing: BTreeMap<ArcStr, ArcStr>,
}

impl Factories {
    /// Adds a kind of registry.
    pub fn add_registry(&mut self, kind: &str, factory: Arc<dyn RegistryFactory>) {
        self.registries.insert(kind.into(), factory);
    }

    /// Adds a kind of datastore.
    pub fn add_datastore(&mut self, kind: &str, factory: Arc<dyn DatastoreFactory>) {
        self.datastores.insert(kind.into(), factory);
    }

    /// Notes that a kind exists, but that this build lacks the cargo feature that adds it.
    pub fn note_missing(&mut self, kind: &str, feature: &str) {
        self.missing.insert(kind.into(), feature.into());
    }

    /// The factory of a kind of registry.
    ///
    /// # Errors
    /// `Configuration` if there is none; the message names those there are, and the cargo feature that would add it.
    pub fn registry(&self, kind: &str) -> Result<&Arc<dyn RegistryFactory>> {
        self.registries.get(kind).ok_or_else(|| self.unknown("registry", kind, self.registries.keys()))
    }

    /// The factory of a kind of datastore.
    ///
    /// # Errors
    /// `Configuration` if there is none; the message names those there are, and the cargo feature that would add it.
    pub fn datastore(&self, kind: &str) -> Result<&Arc<dyn DatastoreFactory>> {
        self.datastores.get(kind).ok_or_else(|| self.unknown("datastore", kind, self.datastores.keys()))
    }

    fn unknown<'a>(&self, what: &str, kind: &str, known: impl Iterator<Item = &'a ArcStr>) -> Error {
        if let Some(feature) = self.missing.get(kind) {
            return Error::new(ErrorKind::Configuration, format!("{what} kind '{kind}' was not compiled in"))
                .with_hint(format!("build with the cargo feature '{feature}'"));
        }
        let known: Vec<&str> = known.map(ArcStr::as_str).collect();
        let error =
            Error::new(ErrorKind::Configuration, format!("{what} kind '{}' is unknown", kind.escape_debug()));
        match suggest::nearest(kind, known.iter().copied()) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None if known.is_empty() => error.with_hint(format!("this build has no kind of {what}")),
            None => error.with_hint(format!("there are {}", known.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_was_not_compiled_in_names_its_feature() {
        let mut factories = Factories::default();
        factories.note_missing("s3", "datastore-s3");
        let error = factories.datastore("s3").unwrap_err();
        assert_eq!(
            error.to_string(),
            "datastore kind 's3' was not compiled in; build with the cargo feature 'datastore-s3'"
        );
        let error = factories.registry("sqll").unwrap_err();
        assert_eq!(error.to_string(), "registry kind 'sqll' is unknown; this build has no kind of registry");
    }
}
