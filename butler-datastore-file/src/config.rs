//! Configuration of a file datastore.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use butler_core::datastore::{Constraints, Datastore, Reader, check_datastore_name};
use butler_core::{
    DatastoreContext, DatastoreFactory, Error, ErrorKind, LookupTable, Result, Section, local_file,
};

use crate::cache::Cache;
use crate::datastore::{FileDatastore, Settings};
use crate::location::scheme;
use crate::record;
use crate::store::{LocalStore, Store};
use crate::template::Templates;

/// How long an entry of the journal is honoured, unless configuration says otherwise.
const LEASE: Duration = Duration::from_secs(3600);

/// Schemes of object stores, and what adds them.
const SERVICES: [(&str, &str); 11] = [
    ("memory", "memory"),
    ("s3", "s3"),
    ("http", "http"),
    ("https", "http"),
    ("gs", "gcs"),
    ("gcs", "gcs"),
    ("az", "azblob"),
    ("azblob", "azblob"),
    ("dav", "webdav"),
    ("davs", "webdav"),
    ("webdav", "webdav"),
];

/// Feature of this crate that adds the object stores of a scheme, if there are such.
#[cfg(feature = "objects")]
pub(crate) fn service(scheme: &str) -> Option<&'static str> {
    SERVICES.iter().find(|(known, _)| *known == scheme).map(|(_, feature)| *feature)
}

/// What is compared with the records when an artifact is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verification {
    /// The number of bytes.
    Size,
    /// The number of bytes, and the checksum.
    Checksum,
}

/// Builds datastores of the kind `file`, on local files and on object stores.
///
/// | key | default | meaning |
/// |---|---|---|
/// | `name` | `file` | name that is written down in the registry |
/// | `root` | | directory, made on first write (a path or a `file:` URL), or place in an object store |
/// | `accept`, `reject` | everything | [constraints](Constraints) |
/// | `templates` | as the Python butler | file templates, by [lookup key](LookupTable) |
/// | `formatters` | of the storage class | names of formatters, by lookup key |
/// | `disassemble` | `false` | whether composites are stored component by component, by lookup key |
/// | `checksum` | `true` | whether the BLAKE3 of what is written is recorded |
/// | `verify_on_read` | `size` | `checksum` to compare checksums too |
/// | `lease` | `1h` | age at which a writer or remover is taken for dead |
/// | `cache` | none | table of the local cache of what lies in an object store, see below |
/// | `concurrency` | 4, or the number of processors; 32 for objects | threads that work for one call |
///
/// What a [genre](butler_core::Genres) says of templates, formatters and the cache counts as an entry of the key
/// `genre:NAME`: after those of dataset types and patterns, before those of dimensions and storage classes.
///
/// Roots in object stores come with cargo features:
///
/// | root | feature | |
/// |---|---|---|
/// | `s3://bucket/prefix` | `s3` | |
/// | `gs://bucket/prefix` | `gcs` | |
/// | `az://container/prefix` | `azblob` | |
/// | `dav://host/path`, `davs://host/path` | `webdav` | without conditional puts: paths must have `{id}` in them |
/// | `http://host/path`, `https://host/path` | `http` | read-only |
/// | `memory://name` | `memory` | in the memory of this process, for tests |
///
/// Redirects are followed on the same server alone, and for web servers only to files below the root.
///
/// They have these keys besides:
///
/// | key | default | meaning |
/// |---|---|---|
/// | `options` | | table of what the service wants to know, such as `endpoint`, `region`, `access_key_id` |
/// | `timeout` | `60s` | how long a request, or a part of one, may take |
/// | `retries` | 4 | how often something is tried again |
/// | `connections` | 64 | requests at once, of all calls |
/// | `conditional_puts` | `true` | `false` for an S3 server that ignores `If-None-Match`: paths must have `{id}` in them |
///
/// The table `cache` has these keys, one at least:
///
/// | key | default | meaning |
/// |---|---|---|
/// | `root` | a directory of this process | directory, which processes may share; `DAF_BUTLER_CACHE_DIRECTORY` of the environment comes first, `DAF_BUTLER_CACHE_DIRECTORY_IF_UNSET` last |
/// | `mode` | `datasets` | what is counted: `datasets`, `files`, `size` (bytes), `age` (a duration), or `never` and `disabled`; the environment's `DAF_BUTLER_CACHE_EXPIRATION_MODE` (`disabled`, or `MODE=THRESHOLD`) comes first |
/// | `threshold` | 4 datasets | how much stays when something new comes |
/// | `cacheable` | `true` | whether artifacts are kept, by lookup key |
///
/// Whole artifacts are kept; who asks for a component, or with parameters, reads no more than that
/// unless the whole is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileDatastoreFactory;

impl DatastoreFactory for FileDatastoreFactory {
    fn build(&self, section: &Section<'_>, context: &DatastoreContext) -> Result<Arc<dyn Datastore>> {
        section.text("kind")?;
        let name = ArcStr::from(section.text("name")?.unwrap_or_else(|| "file".to_owned()));
        check_datastore_name(&name)?;
        let workers =
            section.number("concurrency")?.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        let lease = section.duration("lease")?.unwrap_or(LEASE);
        let mut formatters = LookupTable::from_section(section, "formatters", context.universe)?;
        context.genres.fill(&mut formatters, "formatter", |genre| Ok(genre.formatter().cloned()))?;
        let cache = Cache::from_section(section, context.universe, |name| std::env::var(name).ok())?;
        let cache = cache.map(|cache| cache.with_genres(&context.genres)).transpose()?;
        let settings = Settings {
            table: record::table(&name),
            constraints: Constraints::from_section(section, context.universe)?
                .with_genres(&context.genres, &name),
            templates: Templates::from_section(section, context.universe, &context.genres)?,
            formatters,
            disassemble: LookupTable::from_section(section, "disassemble", context.universe)?,
            known_formatters: Arc::clone(&context.formatters),
            reader: Reader::new(Arc::clone(&context.storage_classes), Arc::clone(&context.delegates)),
            checksum: section.flag("checksum")?.unwrap_or(true),
            verification: verification(section)?,
            cache,
            lease,
            read_only: context.read_only,
            name,
        };
        if workers == Some(0) {
            return Err(unusable(section, "concurrency", &"there must be one thread at least"));
        }
        let store = store(section, context, workers, lease)?;
        section.finish()?;
        for formatter in settings.formatters.values() {
            context.formatters.get(formatter).map_err(|error| unusable(section, "formatters", &error))?;
        }
        Ok(Arc::new(FileDatastore::new(settings, store)))
    }
}

pub(crate) fn unusable(section: &Section<'_>, key: &str, problem: &dyn std::fmt::Display) -> Error {
    let path = if section.path().is_empty() { key.to_owned() } else { format!("{}.{key}", section.path()) };
    Error::new(ErrorKind::Configuration, format!("configuration key '{path}' cannot be used: {problem}"))
}

/// The store of a root.
fn store(
    section: &Section<'_>,
    context: &DatastoreContext,
    workers: Option<usize>,
    lease: Duration,
) -> Result<Box<dyn Store>> {
    let root = section.required_text("root")?;
    #[cfg(feature = "objects")]
    if scheme(&root).is_some_and(crate::store::is_compiled) {
        return Ok(Box::new(crate::store::object_store(section, &root, workers, lease)?));
    }
    let _ = lease;
    Ok(Box::new(LocalStore::new(&directory(section, &root)?, workers, context.strict)?))
}

/// The local directory that a root names.
fn directory(section: &Section<'_>, root: &str) -> Result<PathBuf> {
    if let Some(scheme) = scheme(root) {
        let local = local_file(root).map_err(|error| unusable(section, "root", &error))?;
        return local.ok_or_else(|| {
            let error = unusable(section, "root", &format!("'{scheme}' is no local directory"));
            match SERVICES.iter().find(|(known, _)| *known == scheme) {
                Some((_, feature)) => error
                    .with_hint(format!("this object store needs the cargo feature 'datastore-{feature}'")),
                None => error.with_hint("there are file, s3, http(s), gs, az, dav(s) and memory"),
            }
        });
    }
    if root.is_empty() || root.contains('\0') {
        return Err(unusable(section, "root", &"it is no path of a directory"));
    }
    Ok(PathBuf::from(root))
}

fn verification(section: &Section<'_>) -> Result<Verification> {
    match section.text("verify_on_read")?.as_deref() {
        None | Some("size") => Ok(Verification::Size),
        Some("checksum") => Ok(Verification::Checksum),
        Some(other) => Err(unusable(
            section,
            "verify_on_read",
            &format!("it is 'size' or 'checksum', not '{}'", other.escape_debug()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use butler_core::{Config, Delegates, DimensionUniverse, Factories, StorageClasses};

    fn build(text: &str) -> Result<Arc<dyn Datastore>> {
        let mut config = Config::default();
        config.merge_text(&format!("[datastore]\n{text}"), "butler.toml").unwrap();
        config.set_variable("root", "/repo");
        let context = DatastoreContext {
            universe: DimensionUniverse::default(),
            formatters: Arc::new(crate::formatters()),
            storage_classes: Arc::new(StorageClasses::default()),
            genres: Arc::default(),
            delegates: Arc::new(Delegates::default()),
            factories: Arc::new(Factories::default()),
            read_only: false,
            strict: false,
        };
        FileDatastoreFactory.build(&config.section("datastore").unwrap(), &context)
    }

    #[test]
    fn a_full_configuration_is_read() {
        let datastore = build(
            "kind = 'file'\nname = 'archive'\nroot = '<root>/datastore'\naccept = ['all']\nreject = ['raw']\n\
             checksum = false\nverify_on_read = 'checksum'\nlease = '5m'\nconcurrency = 2\n\
             templates.raw = '{run}/{id}'\nformatters.StructuredData = 'yaml'\ndisassemble.Exposure = true",
        )
        .unwrap();
        assert_eq!(datastore.name(), "archive");
        assert_eq!(datastore.tables()[0].spec.name, "file_artifacts_archive");
        assert_eq!(build("root = 'file:///repo/x'").unwrap().name(), "file");
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        for (text, reason) in [
            ("", "'datastore.root' is missing"),
            #[cfg(not(feature = "s3"))]
            ("root = 's3://bucket/x'", "datastore-s3"),
            #[cfg(feature = "s3")]
            ("root = 's3://b/x'\noptions = { regoin = 'x' }", "did you mean 'region'?"),
            #[cfg(feature = "s3")]
            ("root = 's3://b/x'\noptions = { bucket = 'x' }", "no such option"),
            #[cfg(feature = "s3")]
            ("root = 's3://b/x'\ntimeout = 0", "more than nothing"),
            ("root = 'ftp://x/y'", "there are file, s3"),
            ("root = ''", "no path"),
            ("root = 'file://elsewhere/x'", "no URI of a local file"),
            ("root = '/x'\nrooot = '/y'", "'datastore.rooot' is unknown (butler.toml); did you mean 'root'?"),
            ("root = '/x'\nformatters.default = 'jsn'", "did you mean 'json'?"),
            ("root = '/x'\nformatters.default = 3", "wrong type"),
            ("root = '/x'\ndisassemble.default = 'yes'", "wrong type"),
            ("root = '/x'\ntemplates.default = '{'", "brace"),
            ("root = '/x'\nverify_on_read = 'sum'", "'size' or 'checksum'"),
            ("root = '/x'\nlease = 'soon'", "duration"),
            ("root = '/x'\nconcurrency = 0", "one thread"),
            ("root = '/x'\nname = ''", "cannot name"),
        ] {
            let error = build(text).unwrap_err();
            assert!(error.to_string().contains(reason), "{text}: {error}");
        }
    }
}
