//! Configuration of a stream datastore.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use butler_core::datastore::{Constraints, Datastore, check_datastore_name};
use butler_core::{DatastoreContext, DatastoreFactory, Error, ErrorKind, Result, Section};

use super::target::{Kind, Target};
#[cfg(feature = "webhook")]
use super::webhook::{Place, Settings, Webhook};
use super::{Stream, StreamDatastore, StreamHub};

/// Bytes that may wait for a receiver, unless configuration says otherwise.
const CAPACITY: u64 = 1 << 20;

/// How long a write waits for what is required.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How often a web service is tried again, how long it may take, and how long it is waited for at the end.
#[cfg(feature = "webhook")]
const RETRIES: u64 = 5;
#[cfg(feature = "webhook")]
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
#[cfg(feature = "webhook")]
const LINGER: Duration = Duration::from_secs(1);

/// Builds datastores of the kind `stream`.
///
/// | key | default | meaning |
/// |---|---|---|
/// | `name` | `stream` | name, in what is published |
/// | `accept`, `reject` | everything | [constraints](Constraints) |
/// | `to` | | where events go as JSON: `unix:PATH` (a socket, or a directory of sockets), `pipe:PATH`, `file:PATH`, `https://…` |
/// | `capacity` | 1048576 | bytes that may wait for each of them; events that do not fit are dropped, and counted |
/// | `required` | `false` | whether a write fails if one of them is not there, or takes nothing |
/// | `timeout` | `5s` | how long a write waits for them, if they are required |
/// | `headers` | | table of HTTP headers for web services, such as `Authorization`; never shown |
/// | `retries` | 5 | attempts after the first, with longer and longer pauses, before a web service misses events |
/// | `request_timeout` | `10s` | how long one attempt may take |
/// | `linger` | `1s` | how long the end of the datastore waits for what a web service was not told yet |
///
/// The last four are known only with the cargo feature `webhook` (`datastore-webhook` of the crate
/// `butler`). Of the URL of a web service no message shows more than scheme, host and port. It is
/// asked by HEAD whether it is there, if it is required: any answer but one of a failing server will
/// do. Nothing is then given up while the process lives, and a write ends when it is told, or
/// the time is over. Redirections are followed to the same host and port only (307 and 308).
///
/// Programs subscribe at the factory's [hub](Self::hub), which all datastores of one factory share.
#[derive(Clone, Debug, Default)]
pub struct StreamDatastoreFactory {
    hub: StreamHub,
}

impl StreamDatastoreFactory {
    /// Where programs subscribe to what the datastores of this factory publish.
    #[must_use]
    pub fn hub(&self) -> &StreamHub {
        &self.hub
    }
}

impl DatastoreFactory for StreamDatastoreFactory {
    fn build(&self, section: &Section<'_>, context: &DatastoreContext) -> Result<Arc<dyn Datastore>> {
        section.text("kind")?;
        let name = section.text("name")?.unwrap_or_else(|| "stream".to_owned());
        check_datastore_name(&name)?;
        let capacity = section.number("capacity")?.unwrap_or(CAPACITY);
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        let required = section.flag("required")?.unwrap_or(false);
        let to = section.texts("to")?;
        let (urls, paths): (Vec<String>, Vec<String>) = to.into_iter().partition(|text| is_web(text));
        let targets = paths.iter().map(|text| target(section, text, capacity)).collect::<Result<_>>()?;
        #[cfg(feature = "webhook")]
        let webhooks = webhooks(section, &urls, capacity, required)?;
        #[cfg(not(feature = "webhook"))]
        if !urls.is_empty() {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "configuration key '{}.to' has a web service, which was not compiled in",
                    section.path()
                ),
            )
            .with_hint("build with the cargo feature 'datastore-webhook'"));
        }
        let timeout = section.duration("timeout")?.unwrap_or(TIMEOUT);
        let stream = Stream {
            constraints: Constraints::from_section(section, context.universe)?
                .with_genres(&context.genres, &name),
            hub: self.hub.clone(),
            targets: Mutex::new(targets),
            #[cfg(feature = "webhook")]
            webhooks,
            patience: required.then_some(timeout),
            read_only: context.read_only,
            name: name.into(),
        };
        section.finish()?;
        Ok(Arc::new(StreamDatastore { stream: Arc::new(stream) }))
    }
}

fn is_web(text: &str) -> bool {
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web))
}

#[cfg(feature = "webhook")]
fn webhooks(section: &Section<'_>, urls: &[String], capacity: usize, required: bool) -> Result<Vec<Webhook>> {
    let table = section.section("headers")?;
    let headers = table.keys().map(|name| Ok((name.to_owned(), table.required_text(name)?)));
    let headers = headers.collect::<Result<_>>()?;
    let retries = u32::try_from(section.number("retries")?.unwrap_or(RETRIES)).unwrap_or(u32::MAX);
    let request_timeout = section.duration("request_timeout")?.unwrap_or(REQUEST_TIMEOUT);
    let linger = section.duration("linger")?.unwrap_or(LINGER);
    let webhook = |url: &String| {
        let place = Place::new(section.path(), url, &headers)?;
        Ok(Webhook::new(Settings { place, capacity, retries, request_timeout, linger, required }))
    };
    urls.iter().map(webhook).collect()
}

fn target(section: &Section<'_>, text: &str, capacity: usize) -> Result<Target> {
    let kinds = [("unix:", Kind::Socket), ("pipe:", Kind::Pipe), ("file:", Kind::File)];
    let found = kinds.iter().find_map(|(prefix, kind)| Some((*kind, text.strip_prefix(prefix)?)));
    let (kind, path) =
        found.filter(|(_, path)| !path.is_empty() && !path.contains('\0')).ok_or_else(|| {
            Error::new(
                ErrorKind::Configuration,
                // What was meant for a URL may have secrets.
                match text.split_once("://") {
                    Some((scheme, _)) => format!(
                        "configuration key '{}.to' has a URL of the unknown scheme '{}'",
                        section.path(),
                        scheme.escape_debug()
                    ),
                    None => format!(
                        "configuration key '{}.to' has '{}', which is nowhere",
                        section.path(),
                        text.escape_debug()
                    ),
                },
            )
            .with_hint("use unix:PATH, pipe:PATH, file:PATH or https://HOST/PATH")
        })?;
    let path = path.strip_prefix("//").unwrap_or(path);
    Ok(Target::new(kind, PathBuf::from(path), capacity))
}
