//! The Butler: registry and datastore as one.

mod batch;
mod builder;
mod cache;
mod data_id;
mod defaults;
mod expansion;
mod find;
mod get;
mod hosted;
mod names;
mod places;
mod put;
mod query;
mod records;
mod recover;
mod related;
mod remove;
mod session;
mod store;
mod target;
mod transfer;
mod verify;

use std::sync::Arc;

use arcstr::ArcStr;

use self::cache::Names;
use self::expansion::Records;
use self::hosted::Host;
use self::places::Places;
use self::session::Session;
use crate::config::Config;
use crate::dataset::IdIssuer;
use crate::datastore::Datastore;
use crate::dimension::{DataId, DimensionUniverse};
use crate::genre::Genres;
use crate::registry::{BatchReport, Operation, OperationReport, Registry, RegistryBatch};
use crate::storage_class::StorageClasses;
use crate::{Error, ErrorKind, Result};

pub use batch::Batch;
pub use builder::{ButlerBuilder, Creation};
pub use defaults::Defaults;
pub use get::DatasetHandle;
pub use put::{IngestFile, IngestOptions};
pub use query::{
    AssociationQuery, DataIdQuery, DatasetQuery, QueryBuilder, QueryRow, RecordQuery, RowBatches, RowQuery,
};
pub use recover::RecoveryReport;
pub use related::RelatedRecords;
pub use remove::{PruneOptions, WorkObserver, WorkProgress};
pub use target::{Draft, Lookup, LookupTarget, LooseDataId, PutTarget, TypeName};
pub use transfer::{TransferOptions, TransferReport};
pub use verify::{VerifyOptions, VerifyReport};

/// A repository of datasets: what applications put, get, find and query.
///
/// It is cheap to clone, and clones share what they remember. Everything takes
/// `&self`; many tasks may use one at the same time.
#[derive(Clone, Debug)]
pub struct Butler {
    inner: Arc<Inner>,
    defaults: Arc<ResolvedDefaults>,
}

#[derive(Debug)]
struct Inner {
    location: String,
    config: Config,
    registry: Arc<dyn Registry>,
    datastore: Arc<dyn Datastore>,
    storage_classes: Arc<StorageClasses>,
    genres: Arc<Genres>,
    names: Names,
    records: Records,
    places: Places,
    /// Where small changes are made, if each is to be made on one thread.
    host: Option<Host>,
    /// None if it was opened for reading only.
    session: Option<Session>,
}

#[derive(Debug)]
struct ResolvedDefaults {
    given: Defaults,
    /// Default data ID, of governor dimensions.
    data_id: DataId,
}

impl Butler {
    /// Where the repository is, for messages.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.inner.location
    }

    /// The complete configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The registry. Changes made through it, rather than through the Butler,
    /// are those of somebody else: the Butler sees them on a miss or after [`refresh`](Self::refresh).
    #[must_use]
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.inner.registry
    }

    /// The datastore.
    #[must_use]
    pub fn datastore(&self) -> &Arc<dyn Datastore> {
        &self.inner.datastore
    }

    /// The dimensions.
    #[must_use]
    pub fn universe(&self) -> DimensionUniverse {
        self.inner.registry.universe()
    }

    /// Known storage classes.
    #[must_use]
    pub fn storage_classes(&self) -> &Arc<StorageClasses> {
        &self.inner.storage_classes
    }

    /// Known genres.
    #[must_use]
    pub fn genres(&self) -> &Genres {
        &self.inner.genres
    }

    /// Whether it was opened for reading only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.inner.session.is_none()
    }

    /// What is meant where a call does not say it.
    #[must_use]
    pub fn defaults(&self) -> &Defaults {
        &self.defaults.given
    }

    /// The same repository with other defaults.
    ///
    /// # Errors
    /// `Argument`, `DimensionName`, `DimensionValue` for an unusable default data ID; `Connection` and the like.
    pub async fn with_defaults(&self, defaults: Defaults) -> Result<Self> {
        let inner = Arc::clone(&self.inner);
        let defaults = inner.resolve_defaults(defaults).await?;
        Ok(Self { inner, defaults: Arc::new(defaults) })
    }

    /// Forgets what it remembers, so that changes by others are seen.
    pub fn refresh(&self) {
        self.inner.names.forget_all();
        self.inner.records.forget_all();
        self.inner.places.bridges().refresh();
    }

    /// Applies changes of the registry, all of them or none.
    ///
    /// # Errors
    /// `ReadOnly`, and as [`Registry::apply`].
    pub async fn apply(&self, batch: RegistryBatch) -> Result<BatchReport> {
        let session = self.session()?;
        let wanted = batch.operations().len();
        let changes = batch.operations().to_vec();
        let mut extras = session.extras()?;
        let mut batch = batch;
        for operation in std::mem::take(&mut extras.operations) {
            batch.push(operation);
        }
        let result = self.inner.registry.apply(batch).await;
        session.settle(extras, result.is_ok());
        // Also if it failed: it may have been applied after all.
        self.inner.names.forget_changed(&changes);
        self.inner.records.forget_changed(&changes);
        let mut report = result?;
        report.operations.truncate(wanted);
        Ok(report)
    }

    /// Applies one change of the registry.
    ///
    /// # Errors
    /// `ReadOnly`, and as [`Registry::apply`].
    pub async fn apply_one(&self, operation: Operation) -> Result<OperationReport> {
        let mut report = self.apply(operation.into()).await?;
        report.operations.pop().ok_or_else(|| Error::new(ErrorKind::Unexpected, "a registry did not report"))
    }

    /// Ends the session: what was left for its next transaction is done now.
    ///
    /// A Butler that is dropped without it leaves a few rows for `recover`.
    ///
    /// # Errors
    /// As [`Registry::apply`].
    pub async fn close(&self) -> Result<()> {
        match &self.inner.session {
            Some(session) if session.has_forgettable() => self.apply(RegistryBatch::new()).await.map(|_| ()),
            _ => Ok(()),
        }
    }

    fn session(&self) -> Result<&Session> {
        self.inner.session.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::ReadOnly,
                format!("the repository {} was opened for reading only", self.inner.location),
            )
            .with_hint("open it for writing")
        })
    }

    fn issuer(&self) -> Result<&IdIssuer> {
        self.session().map(Session::issuer)
    }

    /// The default run.
    fn default_run(&self) -> Result<&ArcStr> {
        self.defaults.given.run.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::NoDefaultCollection, "no run was given, and there is no default run")
                .with_hint("name a run")
        })
    }
}
