//! Opening and creating repositories.

use std::collections::BTreeMap;
use std::sync::Arc;

use arcstr::ArcStr;

use super::cache::Names;
use super::defaults::Defaults;
use super::expansion::Records;
use super::hosted::Host;
use super::places::Places;
use super::session::Session;
use super::target::LooseDataId;
use super::{Butler, Inner};
use crate::config::{Config, ConfigSource, Section, local_file};
use crate::datastore::Datastore;
use crate::dimension::DimensionUniverse;
use crate::factory::{DatastoreContext, Factories, Upkeep};
use crate::formatter::Formatters;
use crate::genre::Genres;
use crate::registry::{CollectionQuery, DatasetTypeQuery, Registry, RegistryBatch};
use crate::storage_class::{Delegates, StorageClass, StorageClassConfig, StorageClasses};
use crate::work::Workplace;
use crate::{Error, ErrorKind, Result, suggest};

/// Name of a repository's configuration file.
const CONFIG_FILE: &str = "butler.toml";

/// Name of the files on the search path.
const DEFAULTS_FILE: &str = "defaults.toml";

/// Version of the configuration that this code reads.
const FORMAT: u64 = 1;

/// How a Butler is to be: what it is made of, and what it does by default.
///
/// The configuration is put together from, weakest first: `defaults.toml` in
/// the directories of the search path, the repository's `butler.toml`, files
/// named here, environment variables such as `BUTLER__REGISTRY__URL`, and values set here.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until something is opened or created"]
pub struct ButlerBuilder {
    factories: Arc<Factories>,
    source: Arc<dyn ConfigSource>,
    formatters: Formatters,
    delegates: Delegates,
    classes: Vec<StorageClass>,
    search_path: Vec<String>,
    index: Option<String>,
    files: Vec<String>,
    environment: Vec<(String, String)>,
    values: Vec<(String, toml::Value)>,
    writable: Option<bool>,
    collections: Option<Vec<ArcStr>>,
    run: Option<ArcStr>,
    data_id: LooseDataId,
    infer: Option<bool>,
    workplace: Option<Arc<dyn Workplace>>,
}

/// What a new repository is made of.
#[derive(Clone, Debug, Default)]
pub struct Creation {
    /// URL of the registry's database; by default `sqlite:<root>/registry.sqlite3`.
    pub registry: Option<String>,
    /// Root of the file datastore; by default `<root>`, the repository itself.
    pub datastore: Option<String>,
    /// Texts of configuration files to begin with, weakest first, each with its name for messages.
    pub configs: Vec<(String, String)>,
    /// The dimensions; by default those that Rubin repositories use.
    pub universe: Option<DimensionUniverse>,
}

/// What configuration makes, besides the registry.
struct Parts {
    datastore: Arc<dyn Datastore>,
    storage_classes: Arc<StorageClasses>,
    genres: Arc<Genres>,
}

/// Where a repository is.
struct Place {
    /// For messages.
    name: String,
    /// What `<root>` stands for.
    root: String,
    /// Location of `butler.toml`.
    file: String,
}

impl ButlerBuilder {
    /// A builder of what some factories can make, with configuration from a source.
    pub fn new(factories: Arc<Factories>, source: Arc<dyn ConfigSource>) -> Self {
        Self {
            factories,
            source,
            formatters: Formatters::default(),
            delegates: Delegates::default(),
            classes: Vec::new(),
            search_path: Vec::new(),
            index: None,
            files: Vec::new(),
            environment: Vec::new(),
            values: Vec::new(),
            writable: None,
            collections: None,
            run: None,
            data_id: LooseDataId::default(),
            infer: None,
            workplace: None,
        }
    }

    /// With formatters, added to those there are.
    pub fn formatters(mut self, formatters: Formatters) -> Self {
        for formatter in formatters.iter() {
            self.formatters.register(Arc::clone(formatter));
        }
        self
    }

    /// With these delegates of storage classes, instead of those of the core alone.
    pub fn delegates(mut self, delegates: Delegates) -> Self {
        self.delegates = delegates;
        self
    }

    /// With a delegate of storage classes.
    pub fn delegate(
        mut self,
        name: impl Into<ArcStr>,
        delegate: Arc<dyn crate::storage_class::StorageClassDelegate>,
    ) -> Self {
        self.delegates.register(name, delegate);
        self
    }

    /// With a storage class of the program.
    pub fn storage_class(mut self, class: StorageClass) -> Self {
        self.classes.push(class);
        self
    }

    /// Directories with a `defaults.toml`, strongest first.
    pub fn search_path<S: Into<String>>(mut self, directories: impl IntoIterator<Item = S>) -> Self {
        self.search_path = directories.into_iter().map(Into::into).collect();
        self
    }

    /// Location of the repository index: TOML with `label = "location"`.
    pub fn index(mut self, location: impl Into<String>) -> Self {
        self.index = Some(location.into());
        self
    }

    /// With a further configuration file, stronger than the repository's.
    pub fn config_file(mut self, location: impl Into<String>) -> Self {
        self.files.push(location.into());
        self
    }

    /// With environment variables, of which those that begin with `BUTLER__` count.
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(variables);
        self
    }

    /// With a value for a key such as `registry.durability`, stronger than everything else.
    pub fn set(mut self, key: impl Into<String>, value: impl Into<toml::Value>) -> Self {
        self.values.push((key.into(), value.into()));
        self
    }

    /// Whether to open it for writing; by default, if a run is given.
    pub fn writable(mut self, writable: bool) -> Self {
        self.writable = Some(writable);
        self
    }

    /// Collections to search by default, first first.
    pub fn collections<S: Into<ArcStr>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.collections = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Run for new datasets; it is registered if it is not there.
    pub fn run(mut self, run: impl Into<ArcStr>) -> Self {
        self.run = Some(run.into());
        self
    }

    /// Default values of governor dimensions.
    pub fn data_id(mut self, data_id: impl Into<LooseDataId>) -> Self {
        self.data_id = data_id.into();
        self
    }

    /// Whether the only value of a governor dimension in the default collections is its default; by default it is.
    pub fn infer(mut self, infer: bool) -> Self {
        self.infer = Some(infer);
        self
    }

    /// Where a small change is made as a whole, on one thread that may block; without this each part of
    /// it goes to a thread of its own.
    pub fn workplace(mut self, workplace: Arc<dyn Workplace>) -> Self {
        self.workplace = Some(workplace);
        self
    }

    /// Opens a repository: a directory, a `butler.toml`, a URL of either, or a label.
    ///
    /// # Errors
    /// `NotFound` if there is none; `Configuration`, naming the culprit; `SchemaVersion`;
    /// `ReadOnly` if it is to be written and cannot be; those of registry and datastore.
    pub async fn open(self, location: &str) -> Result<Butler> {
        let (place, config) = self.find(location).await?;
        let wanted = self.writable.unwrap_or(self.run.is_some());
        let (kind, section) = kind_of(&config, "registry", "sql")?;
        let factory = Arc::clone(self.factories.registry(&kind)?);
        let registry = factory
            .open(factory.configure(&section)?, !wanted)
            .await
            .map_err(|error| error.with_context("repository", &place.name))?;
        if wanted && registry.is_read_only() && self.writable.is_some() {
            return Err(Error::new(
                ErrorKind::ReadOnly,
                format!("the repository {} cannot be written", place.name),
            )
            .with_hint("ask its owner for permission, or open it for reading"));
        }
        self.finish(place, config, registry).await
    }

    /// The complete configuration of a repository, whose registry and datastore are left alone.
    ///
    /// # Errors
    /// `NotFound` if there is no repository, `Configuration` if it cannot be read.
    pub async fn config(self, location: &str) -> Result<Config> {
        Ok(self.find(location).await?.1)
    }

    async fn find(&self, location: &str) -> Result<(Place, Config)> {
        let place = self.place(location).await?;
        let Some(text) = self.source.read(&place.file).await? else {
            return Err(self.no_repository(location, &place).await);
        };
        let config = self.assemble(&place, &text).await?;
        Ok((place, config))
    }

    /// Does something for the registry's database of a repository that nobody has open; says what was done.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`RegistryFactory::upkeep`](crate::RegistryFactory::upkeep).
    pub async fn upkeep(self, location: &str, upkeep: Upkeep) -> Result<String> {
        let (place, config) = self.find(location).await?;
        let (kind, section) = kind_of(&config, "registry", "sql")?;
        let factory = Arc::clone(self.factories.registry(&kind)?);
        factory
            .upkeep(factory.configure(&section)?, upkeep)
            .await
            .map_err(|error| error.with_context("repository", &place.name))
    }

    /// Creates a repository, and opens it for writing.
    ///
    /// The configuration file comes last: what was interrupted can be done again.
    ///
    /// # Errors
    /// `AlreadyExists` if there is one; `Configuration`; those of registry and datastore.
    pub async fn create(self, location: &str, creation: Creation) -> Result<Butler> {
        let place = self.place(location).await?;
        if self.source.read(&place.file).await?.is_some() {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("{} exists: there is a repository already", place.file),
            )
            .with_hint("choose another directory"));
        }
        let text = initial_config(&creation)?;
        let config = self.assemble(&place, &text).await?;
        // What is wrong with the datastore must be known before a registry is made.
        let universe = creation.universe.unwrap_or_default();
        self.parts(&config, universe, false)?;
        let (kind, section) = kind_of(&config, "registry", "sql")?;
        let factory = Arc::clone(self.factories.registry(&kind)?);
        let settings = factory.configure(&section)?;
        let registry = match factory.create(Arc::clone(&settings), universe).await {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let registry = factory.open(settings, false).await?;
                if registry.universe() != universe || !is_empty(&*registry).await? {
                    return Err(error);
                }
                // An earlier attempt was interrupted.
                registry
            }
            other => other?,
        };
        let (file, source) = (place.file.clone(), Arc::clone(&self.source));
        let butler = self.writable(true).finish(place, config, registry).await?;
        // The first transaction of the session makes the tables of the datastores.
        butler.apply(RegistryBatch::new()).await?;
        let header = "# Configuration of a data butler repository.\n\n";
        source.create(&file, &format!("{header}{text}")).await?;
        Ok(butler)
    }

    async fn finish(self, place: Place, config: Config, registry: Arc<dyn Registry>) -> Result<Butler> {
        let wanted = self.writable.unwrap_or(self.run.is_some());
        let read_only = !wanted || registry.is_read_only();
        let Parts { datastore, storage_classes, genres } =
            self.parts(&config, registry.universe(), read_only)?;
        let places = Places::initialize(Arc::clone(&registry), &datastore).await?;
        let session = (!read_only).then(|| Session::new(datastore.tables(), places.bridges().preamble()));
        let mut defaults = Defaults::from_section(&config.section("defaults")?)?;
        if let Some(collections) = self.collections {
            defaults.collections = collections;
        }
        defaults.run = self.run.clone().or(defaults.run);
        if !self.data_id.is_empty() {
            defaults.data_id = self.data_id;
        }
        defaults.infer = self.infer.unwrap_or(defaults.infer);
        // Parts of a datastore that has several do their work side by side.
        let few = if datastore.children().is_empty() { datastore.capabilities().on_one_thread } else { 0 };
        let inner = Inner {
            location: place.name,
            config,
            registry,
            datastore,
            storage_classes,
            genres,
            names: Names::default(),
            records: Records::default(),
            places,
            host: self.workplace.filter(|_| few > 0).map(|workplace| Host::new(workplace, few)),
            session,
        };
        let defaults = inner.resolve_defaults(defaults).await?;
        let butler = Butler { inner: Arc::new(inner), defaults: Arc::new(defaults) };
        if let Some(run) = self.run.filter(|_| !read_only) {
            butler.register_collection(run, crate::CollectionType::Run, None).await?;
        }
        Ok(butler)
    }

    /// The configuration of a repository whose `butler.toml` has some text.
    async fn assemble(&self, place: &Place, text: &str) -> Result<Config> {
        let mut config = Config::default();
        config.set_variable("root", &place.root);
        for directory in self.search_path.iter().rev() {
            let file = join(directory, DEFAULTS_FILE);
            if let Some(text) = self.source.read(&file).await? {
                config.merge_text(&text, &file)?;
            }
        }
        config.merge_text(text, &place.file)?;
        for file in &self.files {
            let text = self.source.read(file).await?.ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("configuration file {file} does not exist"))
            })?;
            config.merge_text(&text, file)?;
        }
        config.merge_environment(self.environment.iter().cloned());
        for (key, value) in &self.values {
            let path: Vec<String> = key.split('.').map(str::to_owned).collect();
            config.set(&path, value.clone(), "program");
        }
        check_top_level(&config)?;
        Ok(config)
    }

    fn parts(&self, config: &Config, universe: DimensionUniverse, read_only: bool) -> Result<Parts> {
        let definitions: BTreeMap<ArcStr, StorageClassConfig> =
            config.root_section().value("storage_classes")?.unwrap_or_default();
        let mut classes = StorageClasses::from_config(&definitions)?;
        for class in &self.classes {
            classes.register(class.clone())?;
        }
        let storage_classes = Arc::new(classes);
        let durability = config.section("registry")?.text("durability")?;
        let genres = config.section("genres")?;
        let genres = Arc::new(Genres::from_section(&genres, universe, &self.formatters, &storage_classes)?);
        let context = DatastoreContext {
            universe,
            formatters: Arc::new(self.formatters.clone()),
            storage_classes: Arc::clone(&storage_classes),
            genres: Arc::clone(&genres),
            delegates: Arc::new(self.delegates.clone()),
            factories: Arc::clone(&self.factories),
            read_only,
            strict: durability.as_deref() == Some("strict"),
        };
        let (kind, section) = kind_of(config, "datastore", "file")?;
        let datastore = self.factories.datastore(&kind)?.build(&section, &context)?;
        Ok(Parts { datastore, storage_classes, genres })
    }

    async fn place(&self, location: &str) -> Result<Place> {
        let mut target = location.to_owned();
        let mut name = location.to_owned();
        if let Some(known) = self.labels(location).await?.remove(location) {
            name = format!("{location} ({})", crate::config::redact_url(&known));
            target = known;
        }
        if let Some(path) = local_file(&target)? {
            target = path.into_os_string().into_string().map_err(|path| {
                Error::new(ErrorKind::Argument, format!("path '{}' is no text", path.to_string_lossy()))
            })?;
        }
        if target.is_empty() {
            return Err(Error::new(ErrorKind::Argument, "an empty text is no repository"));
        }
        let (root, file) = if target.ends_with(".toml") {
            (target.rsplit_once('/').map_or(".", |(directory, _)| directory).to_owned(), target)
        } else {
            let root = if target.len() > 1 { target.trim_end_matches('/') } else { &target };
            (root.to_owned(), join(root, CONFIG_FILE))
        };
        Ok(Place { name, root, file })
    }

    /// Labels of the repository index, if the location may be one.
    async fn labels(&self, location: &str) -> Result<BTreeMap<String, String>> {
        let Some(index) = self.index.as_ref().filter(|_| !location.contains('/')) else {
            return Ok(BTreeMap::new());
        };
        let text = self.source.read(index).await?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the repository index {index} does not exist"))
        })?;
        toml::from_str(&text).map_err(|error| {
            Error::new(
                ErrorKind::Configuration,
                format!("the repository index {index} cannot be read: {}", error.message()),
            )
            .with_hint("it has lines such as `label = \"/path/to/repository\"`")
        })
    }

    async fn no_repository(&self, location: &str, place: &Place) -> Error {
        let error = Error::new(
            ErrorKind::NotFound,
            format!("{} is no repository: there is no {}", place.name, place.file),
        );
        let labels = self.labels(location).await.unwrap_or_default();
        match suggest::nearest(location, labels.keys().map(String::as_str)) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None => error.with_hint("`butler create` makes one"),
        }
    }
}

/// The kind that a table of the configuration names, and the table.
fn kind_of<'a>(config: &'a Config, name: &str, default: &str) -> Result<(String, Section<'a>)> {
    let section = config.section(name)?;
    let kind = section.text("kind")?.unwrap_or_else(|| default.to_owned());
    Ok((kind, section))
}

/// Checks version and keys at the top level.
fn check_top_level(config: &Config) -> Result<()> {
    let root = config.root_section();
    let format = root.number("format")?.unwrap_or(FORMAT);
    if format != FORMAT {
        return Err(Error::new(
            ErrorKind::SchemaVersion,
            format!("the configuration has format {format}, and this program reads format {FORMAT}"),
        )
        .with_hint("use a newer version of this program"));
    }
    for table in ["registry", "datastore", "defaults", "genres", "storage_classes"] {
        root.section(table)?;
    }
    root.finish()
}

/// The text of a new repository's `butler.toml`.
fn initial_config(creation: &Creation) -> Result<String> {
    let mut config = Config::default();
    for (name, text) in &creation.configs {
        config.merge_text(text, name)?;
    }
    let mut table = config.to_table();
    table.entry("format").or_insert_with(|| toml::Value::Integer(FORMAT as i64));
    let registry = sub_table(&mut table, "registry")?;
    if let Some(url) = &creation.registry {
        registry.insert("url".into(), url.clone().into());
    }
    if kind_in(registry, "sql") == "sql" {
        registry.entry("url").or_insert_with(|| "sqlite:<root>/registry.sqlite3".into());
    }
    let datastore = sub_table(&mut table, "datastore")?;
    if let Some(root) = &creation.datastore {
        datastore.insert("root".into(), root.clone().into());
    }
    if kind_in(datastore, "file") == "file" {
        datastore.entry("root").or_insert_with(|| "<root>".into());
    }
    name_datastores(datastore, &mut Vec::new());
    toml::to_string(&ordered(table)).map_err(|error| {
        Error::new(ErrorKind::Unexpected, format!("a configuration cannot be written: {error}"))
    })
}

fn sub_table<'a>(table: &'a mut toml::Table, name: &str) -> Result<&'a mut toml::Table> {
    table.entry(name).or_insert_with(|| toml::Value::Table(toml::Table::new())).as_table_mut().ok_or_else(
        || Error::new(ErrorKind::Configuration, format!("configuration key '{name}' must be a table")),
    )
}

fn kind_in(table: &mut toml::Table, default: &str) -> String {
    let kind = table.entry("kind").or_insert_with(|| default.into());
    kind.as_str().unwrap_or_default().to_owned()
}

/// Writes down a name for each datastore that has none: what its records go by, wherever it moves.
fn name_datastores(table: &mut toml::Table, taken: &mut Vec<String>) {
    if let Some(name) = table.get("name").and_then(toml::Value::as_str) {
        taken.push(name.to_owned());
    } else {
        let kind = table.get("kind").and_then(toml::Value::as_str).unwrap_or("file").to_owned();
        let numbered = (2..).map(|number| format!("{kind}_{number}"));
        let free = std::iter::once(kind.clone()).chain(numbered).find(|name| !taken.contains(name));
        let name = free.unwrap_or(kind);
        taken.push(name.clone());
        table.insert("name".into(), name.into());
    }
    for child in table.get_mut("children").and_then(toml::Value::as_array_mut).into_iter().flatten() {
        if let Some(child) = child.as_table_mut() {
            name_datastores(child, taken);
        }
    }
}

/// `format` first, as a table's keys must come before further tables.
fn ordered(mut table: toml::Table) -> toml::Table {
    let mut all = toml::Table::new();
    for key in ["format", "registry", "datastore"] {
        if let Some(value) = table.remove(key) {
            all.insert(key.into(), value);
        }
    }
    all.extend(table);
    all
}

async fn is_empty(registry: &dyn Registry) -> Result<bool> {
    let collections = registry.collections(CollectionQuery::default()).await?;
    let types = registry.dataset_types(DatasetTypeQuery::default()).await?;
    Ok(collections.is_empty() && types.is_empty())
}

fn join(directory: &str, file: &str) -> String {
    format!("{}/{file}", directory.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_configuration_says_everything() {
        let text = initial_config(&Creation::default()).unwrap();
        assert_eq!(
            text,
            "format = 1\n\n[registry]\nkind = \"sql\"\nurl = \"sqlite:<root>/registry.sqlite3\"\n\n\
             [datastore]\nkind = \"file\"\nroot = \"<root>\"\nname = \"file\"\n"
        );
        let seed = "[datastore]\nkind = 'chained'\n[[datastore.children]]\nkind = 'file'\nroot = 'a'\n\
                    [[datastore.children]]\nkind = 'file'\nroot = 'b'\n[registry]\ndurability = 'fast'";
        let creation = Creation {
            registry: Some("postgresql://host/db".into()),
            configs: vec![("seed".into(), seed.into())],
            ..Creation::default()
        };
        let text = initial_config(&creation).unwrap();
        for expected in
            ["name = \"chained\"", "name = \"file\"", "name = \"file_2\"", "postgresql://host/db", "fast"]
        {
            assert!(text.contains(expected), "{text}");
        }
        assert!(!text.contains("<root>"), "{text}");
    }

    #[test]
    fn unknown_keys_at_the_top_are_told() {
        let mut config = Config::default();
        config.merge_text("registri.kind = 'sql'", "butler.toml").unwrap();
        let error = check_top_level(&config).unwrap_err();
        assert!(error.to_string().contains("did you mean 'registry'?"), "{error}");
        let mut config = Config::default();
        config.merge_text("format = 2", "butler.toml").unwrap();
        assert_eq!(check_top_level(&config).unwrap_err().kind(), ErrorKind::SchemaVersion);
    }
}
