//! Subscribers that are web services.
//!
//! Events wait in a bounded queue for a thread that sends them one request after the
//! other, and so nothing here holds a writer up unless the subscriber is required.

mod queue;
mod sender;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant as Moment};

use butler_core::{Error, ErrorKind, Result, Retry};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::StreamEvent;
use queue::{Failure, Queue};

/// Between two questions whether anybody is there.
const PAUSE: Duration = Duration::from_millis(50);

/// How a webhook is spoken to.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) place: Place,
    /// Bytes of events that may wait.
    pub(super) capacity: usize,
    /// Attempts after the first.
    pub(super) retries: u32,
    /// How long one attempt may take.
    pub(super) request_timeout: Duration,
    /// How long the end of the datastore waits for what is on its way.
    pub(super) linger: Duration,
    /// Whether nothing is given up while the process lives.
    pub(super) required: bool,
}

/// Where a webhook is, and who it is told that we are.
#[derive(Clone)]
pub(super) struct Place {
    url: Url,
    /// Scheme, host and port: all of the URL that is no secret.
    shown: String,
    headers: HeaderMap,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("shown", &self.shown).finish_non_exhaustive()
    }
}

impl Place {
    /// The place of a URL, with headers; `path` is where they are configured.
    ///
    /// # Errors
    /// `Configuration`, whose message has nothing of the URL, and no header's value.
    pub(super) fn new(path: &str, url: &str, headers: &BTreeMap<String, String>) -> Result<Self> {
        let wrong =
            |what: &str| Error::new(ErrorKind::Configuration, format!("configuration key '{path}.{what}"));
        let parsed = Url::parse(url).ok().filter(|url| url.host_str().is_some());
        let url = parsed.ok_or_else(|| wrong("to' has a webhook that is no URL of a web service"))?;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let unusable = || wrong(&format!("headers.{}' is no HTTP header", name.escape_debug()));
            let name = HeaderName::try_from(name.as_str()).map_err(|_| unusable())?;
            let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| unusable())?;
            value.set_sensitive(true);
            map.insert(name, value);
        }
        let shown = url.origin().ascii_serialization();
        Ok(Self { url, shown, headers: map })
    }
}

/// A subscriber that is told by POST requests.
#[derive(Debug)]
pub(super) struct Webhook {
    settings: Settings,
    queue: Arc<Queue>,
    /// That there is a thread that sends.
    started: OnceLock<()>,
}

impl Webhook {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, queue: Arc::default(), started: OnceLock::new() }
    }

    fn start(&self) {
        self.started.get_or_init(|| {
            let (queue, settings) = (Arc::clone(&self.queue), self.settings.clone());
            let thread = std::thread::Builder::new().name("butler-webhook".to_owned());
            if let Err(error) = thread.spawn(move || sender::run(&queue, &settings)) {
                tracing::warn!(to = %self.settings.place.shown, %error, "a webhook has no thread");
                self.queue.end();
            }
        });
    }

    /// Takes events, to send them soon. One that is required has until a moment to take them.
    pub(super) fn publish(&self, events: &[StreamEvent], end: Option<Moment>) {
        self.start();
        let capacity = if self.settings.required { usize::MAX } else { self.settings.capacity };
        events.iter().for_each(|event| self.queue.push(event, capacity));
        if end.is_some_and(|end| !self.queue.settle(end)) {
            let what = self.queue.failure().unwrap_or_else(Failure::no_answer).what;
            tracing::warn!(to = %self.settings.place.shown, "events are still to be told: the webhook {what}");
        }
    }

    /// Waits until somebody is there, and has taken all that there was.
    ///
    /// # Errors
    /// `Connection` if nobody is, `Busy` if somebody is slow.
    pub(super) fn ready(&self, end: Moment) -> Result<()> {
        self.start();
        let problem = |kind, what: &str| {
            let message = format!("the webhook {} {what}", self.settings.place.shown);
            Err(Error::new(kind, message).with_retry(Retry::Temporary))
        };
        if !self.queue.settle(end) {
            return match self.queue.failure() {
                Some(failure) => problem(ErrorKind::Connection, &failure.what),
                None => problem(ErrorKind::Busy, "does not take what was sent"),
            };
        }
        loop {
            match self.queue.ask(end) {
                Ok(()) => return Ok(()),
                Err(failure) if Moment::now() + PAUSE >= end => {
                    return problem(ErrorKind::Connection, &failure.what);
                }
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }
}

impl Drop for Webhook {
    /// Sends the rest, for a while.
    fn drop(&mut self) {
        if self.started.get().is_none() {
            return;
        }
        let left = self.queue.close(Moment::now() + self.settings.linger);
        if left > 0 {
            tracing::warn!(to = %self.settings.place.shown, events = left, "events are lost at the end of a stream");
        }
    }
}
