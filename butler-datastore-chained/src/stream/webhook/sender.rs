//! What sends a webhook's requests: one after the other, in a thread of its own.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, RequestBuilder, StatusCode};

use super::Settings;
use super::queue::{Batch, Failure, Queue, Work};

/// Between the first attempt and the second; each further pause is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest pause that is made by itself, and the longest that a subscriber may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(10);
const ASKED_MAX: Duration = Duration::from_secs(60);

/// Redirections that are followed.
const REDIRECTIONS: usize = 5;

/// Same for all attempts to deliver the same events.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Sends what waits, until nothing more comes.
pub(super) fn run(queue: &Arc<Queue>, settings: &Settings) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(send_all(queue, settings)),
        Err(error) => tracing::warn!(to = %settings.place.shown, %error, "a webhook has no runtime"),
    }
    queue.end();
}

async fn send_all(queue: &Queue, settings: &Settings) {
    let sender = match client(settings) {
        Ok(client) => Sender { client, queue, settings, name: uuid::Uuid::new_v4().simple().to_string() },
        Err(error) => {
            tracing::warn!(to = %settings.place.shown, error = %error.without_url(), "a webhook cannot be set up");
            return;
        }
    };
    let mut number: u64 = 0;
    while let Some(work) = queue.next().await {
        match work {
            Work::Ask(question) => queue.answer(question, sender.ask().await),
            Work::Send(batch) => {
                number += 1;
                sender.deliver(batch, number).await;
            }
        }
    }
}

fn client(settings: &Settings) -> reqwest::Result<Client> {
    Client::builder()
        .timeout(settings.request_timeout)
        .redirect(Policy::custom(follow))
        .default_headers(settings.place.headers.clone())
        .build()
}

/// Follows what keeps to the origin and the method; anything else is an answer like others.
fn follow(attempt: Attempt<'_>) -> Action {
    let same = attempt.previous().last().is_some_and(|from| from.origin() == attempt.url().origin());
    let keeps = matches!(attempt.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    match same && keeps && attempt.previous().len() <= REDIRECTIONS {
        true => attempt.follow(),
        false => attempt.stop(),
    }
}

struct Sender<'a> {
    client: Client,
    queue: &'a Queue,
    settings: &'a Settings,
    /// Of this sender, in the keys of its requests.
    name: String,
}

impl Sender<'_> {
    /// Whether somebody answers, whatever that is.
    async fn ask(&self) -> Result<(), Failure> {
        match self.send(self.client.head(self.settings.place.url.clone())).await {
            Err(failure) if failure.again => Err(failure),
            _ => Ok(()),
        }
    }

    /// Delivers events, or gives up.
    async fn deliver(&self, batch: Batch, number: u64) {
        let key = format!("{}-{number}", self.name);
        let body = bytes::Bytes::from(batch.body);
        let mut attempts = 0;
        loop {
            let request = self.client.post(self.settings.place.url.clone());
            let request = request.header(CONTENT_TYPE, "application/json").header(IDEMPOTENCY_KEY, &key);
            let failure = match self.send(request.body(body.clone())).await {
                Ok(()) => return self.queue.taken(batch.count),
                Err(failure) => failure,
            };
            tracing::debug!(to = %self.settings.place.shown, attempts, "a webhook {}", failure.what);
            self.queue.failed(failure.clone());
            let tries = self.settings.required || (failure.again && attempts < self.settings.retries);
            if self.queue.is_closing().is_some() || !tries {
                tracing::warn!(
                    to = %self.settings.place.shown, events = batch.count, "events are lost: the webhook {}", failure.what
                );
                return self.queue.lose(batch.count);
            }
            let pause = (PAUSE * (1 << attempts.min(10))).min(PAUSE_MAX);
            let pause = pause.max(failure.pause.unwrap_or_default().min(ASKED_MAX));
            // Who wants to end lets the last attempt be at once.
            let _ = tokio::time::timeout(pause, self.queue.closed()).await;
            attempts += 1;
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<(), Failure> {
        if self.queue.is_closing() == Some(true) {
            return Err(Failure::no_answer());
        }
        let agent = concat!("data-butler/", env!("CARGO_PKG_VERSION"));
        let request = match self.settings.place.headers.contains_key(USER_AGENT) {
            true => request,
            false => request.header(USER_AGENT, agent),
        };
        let answer = request.send().await.map_err(told)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let again = status.is_server_error()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
            );
        let what = match status.is_redirection() {
            true => format!("answers {}, which leads elsewhere and is not followed", status.as_u16()),
            false => format!("answers {}", status.as_u16()),
        };
        let seconds = |value: &HeaderValue| value.to_str().ok()?.trim().parse().ok();
        let pause = answer.headers().get(RETRY_AFTER).and_then(seconds).map(Duration::from_secs);
        Err(Failure { what, again, pause })
    }
}

/// What happened to a request, without its URL, which may be secret.
fn told(error: reqwest::Error) -> Failure {
    if error.is_timeout() {
        return Failure::no_answer();
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    let mut inner = error.source();
    while let Some(source) = inner {
        cause = source;
        inner = source.source();
    }
    let verb = if error.is_connect() { "cannot be reached" } else { "lost the connection" };
    Failure { what: format!("{verb}: {cause}"), again: true, pause: None }
}
