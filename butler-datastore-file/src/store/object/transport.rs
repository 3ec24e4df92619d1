//! The client of requests: it follows redirects only to where the root is.
//!
//! A server, or whoever answers in its place, may redirect to any address: of other hosts that only
//! this machine reaches, or of other files of the same host. What comes from there is not the
//! artifact that a record names.

use std::fmt;
use std::sync::OnceLock;

use butler_core::{Error, ErrorKind};
use opendal::{Buffer, HttpBody, HttpTransport, HttpTransporter, OperationContext};
use opendal_http_transport_reqwest::ReqwestTransport;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::redirect::{Action, Attempt, Policy};

use crate::archive::check_member_name;

/// How many redirects are followed for one request.
const REDIRECTS: usize = 10;

/// What requests of a root are made with. A root on a web server has a path, which redirects stay below.
pub(super) fn context(path: Option<&str>) -> OperationContext {
    let transport = Transport { path: path.map(str::to_owned), client: OnceLock::new() };
    OperationContext::new().with_http_transport(HttpTransporter::new(transport))
}

/// Makes the client when it is needed: that reads certificates.
struct Transport {
    path: Option<String>,
    client: OnceLock<Result<ReqwestTransport, String>>,
}

impl Transport {
    fn client(&self) -> Result<ReqwestTransport, String> {
        let path = self.path.clone();
        let policy = Policy::custom(move |attempt| follow(attempt, path.as_deref()));
        let client = reqwest::Client::builder().redirect(policy).build();
        client.map(ReqwestTransport::from).map_err(|error| error.to_string())
    }
}

impl HttpTransport for Transport {
    async fn fetch(&self, request: http::Request<Buffer>) -> opendal::Result<http::Response<HttpBody>> {
        let client = self.client.get_or_init(|| self.client()).as_ref().map_err(|problem| {
            opendal::Error::new(
                opendal::ErrorKind::ConfigInvalid,
                format!("requests cannot be made: {problem}"),
            )
        })?;
        let response = client.fetch(request).await?;
        match left_alone(&response) {
            None => Ok(response),
            Some(refused) => {
                Err(opendal::Error::new(opendal::ErrorKind::Unexpected, "a redirect").set_source(refused))
            }
        }
    }
}

/// The redirect that a response still is, since the client knows nothing to be at its end.
fn left_alone(response: &http::Response<HttpBody>) -> Option<Refused> {
    let location = response.headers().get(http::header::LOCATION)?;
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = String::from_utf8_lossy(location.as_bytes());
    let to = Url::parse(&location).map_or_else(|_| "something else".to_owned(), |url| shown(&url));
    Some(Refused { to, problem: "no file of a web server" })
}

fn follow(attempt: Attempt<'_>, path: Option<&str>) -> Action {
    let problem = match attempt.previous().first() {
        Some(asked) if !is_same_server(asked, attempt.url()) => Some("another server"),
        Some(_) if path.is_some_and(|path| !is_below(path, attempt.url())) => Some("not below the root"),
        Some(_) if attempt.previous().len() <= REDIRECTS => None,
        _ => Some("one redirect too many"),
    };
    match problem {
        None => attempt.follow(),
        Some(problem) => {
            let to = shown(attempt.url());
            attempt.error(Refused { to, problem })
        }
    }
}

/// Whether two addresses are of one server, of which the second may be the encrypted one.
fn is_same_server(one: &Url, other: &Url) -> bool {
    let upgraded = (one.scheme(), other.scheme()) == ("http", "https")
        && one.host() == other.host()
        && one.port().is_none()
        && other.port().is_none();
    upgraded || one.origin() == other.origin()
}

/// Whether an address is that of a file below a directory, however the server decodes it.
fn is_below(directory: &str, url: &Url) -> bool {
    let path = percent_decode_str(url.path()).decode_utf8_lossy();
    let below = match directory {
        "" => path.strip_prefix('/'),
        _ => path.strip_prefix('/').and_then(|path| path.strip_prefix(directory)?.strip_prefix('/')),
    };
    below.is_some_and(|name| check_member_name(name).is_ok())
}

/// An address without what may be secret.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Addresses without a host have neither.
    let _ = (url.set_username(""), url.set_password(None));
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// A redirect that is not followed.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    to: String,
    problem: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server redirects to '{}', which is {}: it is not followed", self.to, self.problem)
    }
}

impl std::error::Error for Refused {}

impl Refused {
    pub(super) fn into_error(self, what: &str) -> Error {
        Error::new(ErrorKind::Permission, format!("{what}: {self}"))
            .with_hint("if the files have moved there, name that place as the datastore's root")
            .with_source(self)
    }
}

/// The redirect that made a request fail.
pub(super) fn refused(error: &opendal::Error) -> Option<Refused> {
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        if let Some(refused) = source.downcast_ref() {
            return Some(Refused::clone(refused));
        }
        cause = source.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_server_is_the_same_by_host_and_port() {
        for (one, other, same) in [
            ("http://a/x", "http://a/y", true),
            ("http://a/x", "http://a:80/y", true),
            ("http://a/x", "https://a/x", true),
            ("https://a/x", "http://a/x", false),
            ("http://a:8080/x", "https://a/x", false),
            ("http://a/x", "https://a:8443/x", false),
            ("http://a/x", "http://b/x", false),
            ("http://a/x", "http://a.b/x", false),
            ("http://a/x", "http://a@b/x", false),
            ("http://127.0.0.1:1/x", "http://127.0.0.1:2/x", false),
            ("http://a/x", "file:///x", false),
            ("http://a/x", "ftp://a/x", false),
        ] {
            assert_eq!(is_same_server(&url(one), &url(other)), same, "{one} {other}");
        }
    }

    #[test]
    fn below_a_directory_is_what_every_reading_leaves_there() {
        for (path, below) in [
            ("/data/set/x", true),
            ("/data/set/y/x%20z", true),
            ("/data/set/a/../x", true),
            ("/data/%73et/x", true),
            ("/data/set/x?token=secret", true),
            ("/data/set", false),
            ("/data/set/", false),
            ("/data/settle/x", false),
            ("/data/set/../x", false),
            ("/data/set/%2e%2e/x", false),
            ("/data/set/..%2fx", false),
            ("/data/set/%252e%252e%252fx", false),
            ("/data/set/..%5cx", false),
            ("/data/set//etc/passwd", false),
            ("/data/set/%00", false),
            ("/data/set/\u{ff0e}\u{ff0e}/x", false),
        ] {
            assert_eq!(is_below("data/set", &url(&format!("http://a{path}"))), below, "{path}");
        }
        assert!(is_below("", &url("http://a/x")) && !is_below("", &url("http://a//x")));
        assert_eq!(shown(&url("https://me:secret@a/x?y=secret#z")), "https://a/x");
    }
}
