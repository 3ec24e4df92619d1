//! An S3 server in the process of the tests, and datastores on it.
//!
//! It serves a directory over real HTTP on the loopback interface. Puts with a condition
//! are taken one after the other, as a real server takes them for one key. Faults can be
//! injected: errors, replies that do not come in time, and replies that are lost.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use butler_core::datastore::Datastore;
use butler_core::{DatastoreFactory, Error, ErrorKind, Result};
use fastrand::Rng;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Backstage, DatastoreHarness, LocalDirectory, Opening, Storage};
use crate::case::Harness;

const BUCKET: &str = "bucket";
const PREFIX: &str = "a prefix/ä";
const KEYS: [&str; 2] = ["TESTKEY", "testsecret"];

/// How often something goes wrong: shares of the requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Requests that are answered with an error, and nothing else is done.
    pub errors: f64,
    /// Requests that are answered too late; half of them are dealt with nevertheless.
    pub timeouts: f64,
    /// Requests that are dealt with, and not answered.
    pub lost: f64,
    /// What is too late.
    pub late: Duration,
}

/// A server, until it is dropped.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    directory: LocalDirectory,
    faults: Arc<Mutex<(Faults, Rng)>>,
    /// Held by all who may still do something.
    connections: Arc<()>,
    task: JoinHandle<()>,
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Unexpected, error.to_string()).with_source(error)
}

impl S3Server {
    /// Starts a server on a free port, with an empty bucket.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn start() -> Result<Self> {
        let directory =
            LocalDirectory::served(format!("s3://{BUCKET}/{PREFIX}"), &format!("{BUCKET}/{PREFIX}"))?;
        let root =
            directory.path().ancestors().nth(1 + PREFIX.split('/').count()).map(std::path::Path::to_owned);
        let root = root.ok_or_else(|| Error::new(ErrorKind::Unexpected, "the bucket is in no directory"))?;
        std::fs::create_dir_all(root.join(BUCKET)).map_err(failed)?;
        let files = s3s_fs::FileSystem::new(root)
            .map_err(|error| Error::new(ErrorKind::Unexpected, format!("{error:?}")))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEYS[0], KEYS[1]));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let faults = Arc::new(Mutex::new((Faults::default(), Rng::with_seed(20_260_101))));
        let connections = Arc::new(());
        let answers = Answers {
            service: builder.build(),
            one_by_one: Arc::default(),
            faults: Arc::clone(&faults),
            connections: Arc::clone(&connections),
        };
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answers.clone().serve(stream));
            }
        });
        Ok(Self { address, directory, faults, connections, task })
    }

    /// Waits until nobody is connected: then all has been dealt with that clients asked for before they died.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn wait_until_alone(&self) -> Result<()> {
        // Whoever is served now came after all others.
        let (reader, writer) = TcpStream::connect(self.address).await.map_err(failed)?.into_split();
        drop(writer);
        let mut nothing = [0; 64];
        loop {
            reader.readable().await.map_err(failed)?;
            match reader.try_read(&mut nothing) {
                Ok(1..) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => break,
            }
        }
        // This, and the one of who accepts.
        while Arc::strong_count(&self.connections) > 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// From now on, so much goes wrong.
    pub fn set_faults(&self, faults: Faults) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).0 = faults;
    }

    /// Keys of the configuration of a datastore on it, as TOML.
    #[must_use]
    pub fn place(&self) -> String {
        let options = format!(
            "endpoint = 'http://{}', region = 'us-east-1', access_key_id = '{}', secret_access_key = '{}', \
             disable_config_load = true",
            self.address, KEYS[0], KEYS[1]
        );
        format!("root = 's3://{BUCKET}/{PREFIX}'\noptions = {{ {options} }}")
    }

    /// What lies in the datastore's place.
    #[must_use]
    pub fn directory(&self) -> &LocalDirectory {
        &self.directory
    }
}

#[derive(Clone)]
struct Answers {
    service: S3Service,
    one_by_one: Arc<tokio::sync::Mutex<()>>,
    faults: Arc<Mutex<(Faults, Rng)>>,
    connections: Arc<()>,
}

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Right,
    Error,
    Late(Duration),
    LateAndNothing(Duration),
    Lost,
}

impl Answers {
    async fn serve(self, stream: TcpStream) {
        let answer = hyper::service::service_fn(move |request| self.clone().answer(request));
        let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
        // Who has gone away needs no answer.
        drop(server.serve_connection(TokioIo::new(stream), answer).await);
    }

    fn fate(&self) -> Fate {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let (Faults { errors, timeouts, lost, late }, rng) = (faults.0, &mut faults.1);
        let chance = rng.f64();
        if chance < errors {
            Fate::Error
        } else if chance < errors + timeouts / 2.0 {
            Fate::Late(late)
        } else if chance < errors + timeouts {
            Fate::LateAndNothing(late)
        } else if chance < errors + timeouts + lost {
            Fate::Lost
        } else {
            Fate::Right
        }
    }

    async fn answer(self, request: http::Request<Incoming>) -> Result<http::Response<s3s::Body>, Fault> {
        let fate = self.fate();
        match fate {
            Fate::Error => {
                let body = s3s::Body::from(
                    "<Error><Code>SlowDown</Code><Message>injected</Message></Error>".to_owned(),
                );
                let mut response = http::Response::new(body);
                *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
                return Ok(response);
            }
            Fate::LateAndNothing(late) => {
                tokio::time::sleep(late).await;
                return Err(Fault);
            }
            // It is dealt with later than the client thinks.
            Fate::Late(late) => tokio::time::sleep(late).await,
            Fate::Right | Fate::Lost => {}
        }
        let conditional =
            ["if-none-match", "if-match"].iter().any(|name| request.headers().contains_key(*name));
        let turn = match conditional {
            true => Some(Arc::clone(&self.one_by_one).lock_owned().await),
            false => None,
        };
        // Also if nobody waits for it any more: it stores an object, and then what is known of it.
        let held = Arc::clone(&self.connections);
        let dealt_with = tokio::spawn(async move {
            let response = self.service.call(request.map(s3s::Body::from)).await;
            drop((turn, held));
            response
        });
        match dealt_with.await {
            Ok(Ok(response)) if fate != Fate::Lost => Ok(response),
            _ => Err(Fault),
        }
    }
}

/// Why a connection is closed without an answer.
#[derive(Debug)]
struct Fault;

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the reply is lost")
    }
}

impl std::error::Error for Fault {}

impl From<Infallible> for Fault {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Harness of datastores on S3, each with a server of its own.
#[derive(Clone, Debug)]
pub struct S3Harness {
    factory: Arc<dyn DatastoreFactory>,
    settings: String,
}

impl S3Harness {
    /// Datastores of a factory whose key `root` takes a place on S3; with settings of all of them.
    #[must_use]
    pub fn new(factory: Arc<dyn DatastoreFactory>, settings: &str) -> Self {
        Self { factory, settings: settings.to_owned() }
    }
}

impl Harness for S3Harness {
    fn name(&self) -> &str {
        "s3"
    }
}

#[async_trait]
impl DatastoreHarness for S3Harness {
    /// The server keeps metadata in files whose names are those of whole keys, encoded.
    fn long_names(&self) -> bool {
        false
    }

    async fn storage(&self) -> Result<Box<dyn Storage>> {
        Ok(Box::new(S3Storage { harness: self.clone(), server: S3Server::start().await? }))
    }
}

struct S3Storage {
    harness: S3Harness,
    server: S3Server,
}

#[async_trait]
impl Storage for S3Storage {
    async fn open(&self, opening: &Opening) -> Result<Arc<dyn Datastore>> {
        opening.build(&*self.harness.factory, &format!("{}\n{}", self.server.place(), self.harness.settings))
    }

    fn backstage(&self) -> Option<&dyn Backstage> {
        Some(self.server.directory())
    }
}
