//! What the repositories of the trials are made of.

use std::path::{Path, PathBuf};
use std::time::Duration;

use butler::{Creation, Retry};
use butler_testkit::datastore::Backstage;
use butler_testkit::datastore::s3::S3Server;
use butler_testkit::postgres::{self, TempPostgres};
use tempfile::TempDir;

use crate::fixture::{create_with, fill};

/// How long a recovery keeps others away from an entry in an object store, after its death.
const HOLD: Duration = Duration::from_secs(2 * 3600);

/// A chain of two directories.
const CHAIN: &str = "[datastore]\nkind = 'chained'\n\
    [[datastore.children]]\nkind = 'file'\nname = 'near'\nroot = '<root>/near'\n\
    [[datastore.children]]\nkind = 'file'\nname = 'far'\nroot = '<root>/far'\n";

/// Registry and datastore of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// SQLite and a directory.
    Files,
    /// SQLite and a chain of two directories.
    Chain,
    /// PostgreSQL and S3.
    Objects,
    /// PostgreSQL and a chain of a directory and S3.
    MixedChain,
}

impl Kind {
    pub(crate) fn has_server(self) -> bool {
        matches!(self, Self::Objects | Self::MixedChain)
    }

    fn has_files(self) -> bool {
        self != Self::Objects
    }

    /// Places at which a writer or remover may die.
    pub(super) fn steps(self) -> Vec<&'static str> {
        let files = ["entry written", "artifact linked", "artifact settled"];
        let all = [
            "entry published",
            "removal announced",
            "write announced",
            "artifact written",
            "artifact placed",
            "write executed",
            "registry begins",
            "registry committed",
            "source goes",
            "entry goes",
            "entry gone",
            "write settled",
            "artifact deleted",
            "removal settled",
        ];
        files.into_iter().filter(|_| self.has_files()).chain(all).collect()
    }

    pub(crate) fn config(self, server: Option<&S3Server>) -> String {
        let place = server.map(S3Server::place).unwrap_or_default();
        match self {
            Self::Files => String::new(),
            Self::Chain => CHAIN.to_owned(),
            Self::Objects => format!("[datastore]\nkind = 'file'\nname = 's3'\n{place}\n"),
            Self::MixedChain => format!(
                "[datastore]\nkind = 'chained'\n\
                 [[datastore.children]]\nkind = 'file'\nname = 'near'\nroot = '<root>/near'\n\
                 [[datastore.children]]\nkind = 'file'\nname = 's3'\n{place}\n"
            ),
        }
    }
}

/// Where repositories of a kind come from.
pub(crate) struct Template {
    kind: Kind,
    /// A repository to copy.
    model: Option<TempDir>,
    postgres: Option<&'static TempPostgres>,
}

impl Template {
    /// None, with a message, if there is no server for it.
    pub(crate) async fn new(kind: Kind) -> Option<Self> {
        if kind.has_server() {
            return Some(Self { kind, model: None, postgres: Some(postgres::shared()?) });
        }
        let directory = TempDir::new().unwrap();
        let configs = vec![("trial".to_owned(), kind.config(None))];
        let butler = create_with(directory.path(), Creation { configs, ..Creation::default() }).await;
        fill(&butler).await;
        butler.close().await.unwrap();
        drop(butler);
        // Until the last connection has gone, rows may be in the log alone.
        let backend = butler_registry_sql::SqliteBackend::open(&butler_registry_sql::SqliteConfig::file(
            directory.path().join("registry.sqlite3"),
        ))
        .unwrap();
        // Threads that have read go a little later than the Butler that had them.
        while let Err(error) = backend.freeze().await {
            assert_eq!(error.retry(), Retry::Temporary, "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(Self { kind, model: Some(directory), postgres: None })
    }

    pub(crate) async fn place(&self) -> Place {
        let directory = TempDir::new().unwrap();
        let repository = directory.path().join("repo");
        std::fs::create_dir(&repository).unwrap();
        if let Some(model) = &self.model {
            for file in ["butler.toml", "registry.sqlite3"] {
                std::fs::copy(model.path().join(file), repository.join(file)).unwrap();
            }
            return Place { directory, server: None };
        }
        let postgres = self.postgres.unwrap();
        let server = S3Server::start().await.unwrap();
        let registry = format!("{}?schema={}", postgres.url("postgres"), postgres.fresh_name());
        let configs = vec![("trial".to_owned(), self.kind.config(Some(&server)))];
        let creation = Creation { registry: Some(registry), configs, ..Creation::default() };
        let butler = create_with(&repository, creation).await;
        fill(&butler).await;
        butler.close().await.unwrap();
        Place { directory, server: Some(server) }
    }
}

/// A repository that goes with it, and files beside it.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) server: Option<S3Server>,
}

impl Place {
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.directory.path().join("repo")
    }

    /// All that lies in the places of the datastores.
    pub(crate) async fn contents(&self) -> Vec<String> {
        let mut all = crate::fixture::all_files(&self.repository());
        if let Some(server) = &self.server {
            all.extend(server.directory().list().await.unwrap().into_iter().map(|path| format!("s3/{path}")));
        }
        all
    }

    /// Time goes by after a death: what was still asked of an object store is done, and
    /// whoever held an entry there does so no longer.
    pub(crate) async fn let_go(&self) {
        let Some(server) = &self.server else { return };
        server.wait_until_alone().await.unwrap();
        for path in server.directory().list().await.unwrap() {
            if path.starts_with(".butler/holds/") || path.starts_with(".butler/clock/") {
                server.directory().age(&path, HOLD).await.unwrap();
            }
        }
    }

    /// Keeps the files, for whoever looks into what went wrong.
    pub(crate) fn keep(self) -> PathBuf {
        self.directory.keep()
    }
}
