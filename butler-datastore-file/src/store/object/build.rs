//! Object stores of configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use butler_core::{Error, ErrorKind, Result, Section, redact_url, suggest};
use opendal::layers::{ConcurrentLimitLayer, RetryLayer, TimeoutLayer, TracingLayer};
use opendal::{Configurator, Operator};
use serde::Serialize;

use super::{ObjectStore, TIMEOUT};
use crate::config::{service, unusable};
use crate::location::encode;

/// Threads that work for one call, each of which mostly waits for its request.
const WORKERS: usize = 32;

/// Requests at once of all calls.
const CONNECTIONS: usize = 64;

/// Operations at once: what is limited is requests.
const OPERATIONS: usize = 1 << 20;

const RETRIES: usize = 4;

/// What all object stores have in common.
#[derive(Clone, Debug)]
pub(crate) struct ObjectSettings {
    /// What URIs begin with.
    pub(crate) uri: String,
    /// The place, which is another at another endpoint.
    pub(crate) place: String,
    pub(crate) workers: usize,
    /// How often something is tried again.
    pub(crate) retries: usize,
    /// Whether the service makes conditions of puts, if it can.
    pub(crate) conditional: bool,
    /// Age at which a remover is taken for dead.
    pub(crate) lease: Duration,
}

/// A root, taken apart.
struct Root<'a> {
    scheme: &'a str,
    /// Bucket, container, or host.
    place: &'a str,
    prefix: &'a str,
}

/// Whether URLs of a scheme can be roots in this build.
pub(crate) fn is_compiled(scheme: &str) -> bool {
    let services = [
        ("memory", cfg!(feature = "memory")),
        ("s3", cfg!(feature = "s3")),
        ("http", cfg!(feature = "http")),
        ("gcs", cfg!(feature = "gcs")),
        ("azblob", cfg!(feature = "azblob")),
        ("webdav", cfg!(feature = "webdav")),
    ];
    service(scheme).is_some_and(|name| services.contains(&(name, true)))
}

/// The store of a root, with the keys of the datastore's section that concern it.
///
/// # Errors
/// `Configuration`.
pub(crate) fn object_store(
    section: &Section<'_>,
    root: &str,
    workers: Option<usize>,
    lease: Duration,
) -> Result<ObjectStore> {
    let timeout = section.duration("timeout")?.unwrap_or(TIMEOUT);
    let number = |key, default| -> Result<usize> {
        Ok(section.number(key)?.map_or(default, |number| usize::try_from(number).unwrap_or(usize::MAX)))
    };
    let (retries, connections) = (number("retries", RETRIES)?, number("connections", CONNECTIONS)?);
    if connections == 0 || timeout.is_zero() {
        let key = if connections == 0 { "connections" } else { "timeout" };
        return Err(unusable(section, key, &"it must be more than nothing"));
    }
    let (scheme, rest) = root.split_once("://").unwrap_or((root, ""));
    let (place, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_matches('/');
    let options = options(section)?;
    let endpoint = options.get("endpoint").map(|endpoint| endpoint.trim_end_matches('/').to_owned());
    let root = Root { scheme, place, prefix };
    let operator = operator(section, &root, options)?;
    #[cfg(feature = "remote")]
    let operator = operator.with_context(super::transport::context(root.web_path()));
    let operator = operator
        .layer(ConcurrentLimitLayer::new(OPERATIONS).with_http_concurrent_limit(connections))
        .layer(TimeoutLayer::new().with_timeout(timeout).with_io_timeout(timeout))
        .layer(TracingLayer::new());
    let retry = RetryLayer::new()
        .with_max_times(retries)
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter();
    let uri = match prefix {
        "" => format!("{scheme}://{place}"),
        _ => format!("{scheme}://{place}/{}", encode(prefix)),
    };
    let settings = ObjectSettings {
        place: root.written_alike(endpoint.as_deref()),
        uri,
        workers: workers.unwrap_or(WORKERS),
        retries,
        conditional: section.flag("conditional_puts")?.unwrap_or(true),
        lease: lease.max(Duration::from_millis(1)),
    };
    Ok(ObjectStore::new(operator.clone(), operator.layer(retry), settings))
}

/// Options of the service, of which only texts are expanded.
fn options(section: &Section<'_>) -> Result<BTreeMap<String, String>> {
    let table = section.section("options")?;
    let mut options = BTreeMap::new();
    for key in table.keys() {
        let value = match table.flag(key) {
            Ok(Some(flag)) => flag.to_string(),
            _ => match table.number(key) {
                Ok(Some(number)) => number.to_string(),
                _ => table.required_text(key)?,
            },
        };
        options.insert(key.to_owned(), value);
    }
    table.finish()?;
    Ok(options)
}

impl Root<'_> {
    /// The root as text that is the same for each way to write it.
    fn written_alike(&self, endpoint: Option<&str>) -> String {
        let service = service(self.scheme).unwrap_or(self.scheme);
        let parts = self.prefix.split('/').filter(|part| !part.is_empty());
        let path: String = parts.map(|part| format!("/{part}")).collect();
        let endpoint = endpoint.map(|endpoint| format!(" at {}", redact_url(endpoint))).unwrap_or_default();
        format!("{service}://{}{}{endpoint}", self.place, encode(&path))
    }

    /// The path of a root that is a place on a web server.
    #[cfg(feature = "remote")]
    fn web_path(&self) -> Option<&str> {
        matches!(self.scheme, "http" | "https" | "dav" | "davs" | "webdav").then_some(self.prefix)
    }

    /// Options of a service whose places are buckets and the like.
    #[cfg(any(feature = "s3", feature = "gcs", feature = "azblob"))]
    fn place(&self, key: &'static str) -> Vec<(&'static str, String)> {
        vec![(key, self.place.to_owned()), ("root", format!("/{}", self.prefix))]
    }

    /// Options of a service that is a web server.
    #[cfg(any(feature = "http", feature = "webdav"))]
    fn endpoint(&self, scheme: &str) -> Vec<(&'static str, String)> {
        vec![("endpoint", format!("{scheme}://{}", self.place)), ("root", format!("/{}", self.prefix))]
    }
}

#[cfg_attr(not(feature = "remote"), expect(unused_variables, reason = "memory has no options"))]
fn operator(section: &Section<'_>, root: &Root<'_>, options: BTreeMap<String, String>) -> Result<Operator> {
    match root.scheme {
        #[cfg(feature = "memory")]
        "memory" => Ok(memory::operator(root.place, root.prefix)),
        #[cfg(feature = "s3")]
        "s3" => build::<opendal::services::S3Config>(section, root.place("bucket"), options),
        #[cfg(feature = "http")]
        "http" | "https" => {
            build::<opendal::services::HttpConfig>(section, root.endpoint(root.scheme), options)
        }
        #[cfg(feature = "gcs")]
        "gs" | "gcs" => build::<opendal::services::GcsConfig>(section, root.place("bucket"), options),
        #[cfg(feature = "azblob")]
        "az" | "azblob" => {
            build::<opendal::services::AzblobConfig>(section, root.place("container"), options)
        }
        #[cfg(feature = "webdav")]
        "dav" => build::<opendal::services::WebdavConfig>(section, root.endpoint("http"), options),
        #[cfg(feature = "webdav")]
        "davs" | "webdav" => {
            build::<opendal::services::WebdavConfig>(section, root.endpoint("https"), options)
        }
        scheme => Err(unusable(section, "root", &format!("'{scheme}' is not known here"))),
    }
}

/// Builds an operator of a service: what the root says must not be said by an option.
#[cfg_attr(not(feature = "remote"), expect(dead_code, reason = "there are no services in this build"))]
fn build<C: Configurator + Default + Serialize>(
    section: &Section<'_>,
    fixed: Vec<(&'static str, String)>,
    options: BTreeMap<String, String>,
) -> Result<Operator> {
    let known = serde_json::to_value(C::default()).unwrap_or_default();
    let known = known.as_object().map(|known| known.keys().map(String::as_str).collect::<Vec<_>>());
    let known = known.unwrap_or_default();
    let free = |key: &str| !fixed.iter().any(|(fixed, _)| *fixed == key);
    if let Some(key) = options.keys().find(|key| !known.contains(&key.as_str()) || !free(key)) {
        let error = unusable(section, &format!("options.{key}"), &"the service has no such option");
        let known = known.into_iter().filter(|known| free(known));
        return Err(match suggest::nearest(key, known.clone()) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None => error.with_hint(format!("there are {}", known.collect::<Vec<_>>().join(", "))),
        });
    }
    let fixed = fixed.into_iter().map(|(key, value)| (key.to_owned(), value));
    let config = C::from_iter(options.into_iter().chain(fixed));
    // The error may show values of options, which may be secrets.
    config.and_then(Operator::from_config).map_err(|error| {
        Error::new(
            ErrorKind::Configuration,
            format!("the object store of '{}' cannot be set up: {}", section.path(), error.message()),
        )
    })
}

#[cfg(feature = "memory")]
pub(super) mod memory {
    //! Stores in the memory of this process: a name stands for one until the process ends.

    use std::collections::HashMap;
    use std::sync::{Mutex, OnceLock, PoisonError};

    use opendal::{Operator, services};

    pub(in super::super) fn operator(place: &str, prefix: &str) -> Operator {
        static STORES: OnceLock<Mutex<HashMap<String, Operator>>> = OnceLock::new();
        let mut stores = STORES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Operator::new(services::Memory::default()).expect("memory needs no configuration");
        stores.entry(format!("{place}/{prefix}")).or_insert_with(make).clone()
    }
}
