//! The datastore trait.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use async_trait::async_trait;
use serde::Serialize;

use super::journal::JournalHeader;
use super::request::{Artifact, ArtifactUris, GetRequest, RecordsByDataset, WriteRequest};
use super::transfer::TransferMode;
use crate::backend::ColumnBatch;
use crate::dataset::{DatasetRef, DatasetType};
use crate::dimension::DataId;
use crate::object::Object;
use crate::registry::{OpaqueFetch, OpaqueTable, Outcome};
use crate::{Error, ErrorKind, Result, failpoint};

/// What a datastore can do; everything declared must work, and everything else fails cleanly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatastoreCapabilities {
    /// Whether what it stores is gone with the process.
    pub ephemeral: bool,
    /// Whether it can be written.
    pub writable: bool,
    /// Whether what it stores can be read back.
    pub readable: bool,
    /// Ways in which files come in; none if it takes no files.
    pub transfer_modes: Vec<TransferMode>,
    /// Whether it takes archives, and reads what is in them.
    pub archives: bool,
    /// Whether what it stores is bytes, which can be opened, and copied from another datastore.
    pub artifacts: bool,
    /// Whether a new artifact never replaces one that is there, whoever wrote it.
    pub no_clobber: bool,
    /// Whether artifacts have URIs.
    pub uris: bool,
    /// Whether artifacts can be given addresses under which anybody can fetch them for a while.
    pub signed_uris: bool,
    /// How many artifacts it best moves on one thread: a change of no more can be made
    /// where it is [allowed to block](crate::work::may_block), without waiting for other threads.
    pub on_one_thread: usize,
}

/// Whether a datastore stores datasets of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Acceptance {
    /// Its constraints refuse them.
    Refused,
    /// It takes them with data IDs of any level.
    Minimal,
    /// It takes them with expanded data IDs, which its file template needs.
    Expanded,
}

/// The registry, as far as a datastore needs it to finish or undo what was begun.
///
/// The Butler lends it; a datastore never holds one.
#[async_trait]
pub trait Bookkeeper: Send + Sync {
    /// Claims a journal entry; tells who has won.
    ///
    /// # Errors
    /// `Connection` and the like.
    async fn claim(&self, entry: &str, outcome: Outcome) -> Result<Outcome>;

    /// Who has won entries, as far as that is decided.
    ///
    /// # Errors
    /// `Connection` and the like.
    async fn outcomes(&self, entries: Vec<ArcStr>) -> Result<Vec<Option<Outcome>>>;

    /// Forgets the outcomes of entries that are gone, as soon as nobody will ask for them any more: whoever
    /// made one, and got no reply to its commit, may be about to.
    ///
    /// # Errors
    /// `Connection` and the like.
    async fn forget(&self, entries: Vec<ArcStr>) -> Result<()>;

    /// Rows of one of the datastore's tables.
    ///
    /// # Errors
    /// `Connection` and the like.
    async fn fetch(&self, fetch: OpaqueFetch) -> Result<ColumnBatch>;
}

/// Artifacts on their way in.
///
/// Made by [`Datastore::prepare_write`], which wrote its journal entries. After
/// `execute`, exactly one of `commit` and `roll_back` is called; a transaction
/// that is dropped, or whose process dies, is left to a recovery (or undone at
/// once, by an ephemeral datastore, which has no entries).
#[async_trait]
pub trait WriteTransaction: Send {
    /// Names of its journal entries, to be claimed in the registry's transaction, and
    /// to be forgotten there after a `commit` or `roll_back` without an error.
    fn entries(&self) -> Vec<ArcStr>;

    /// Moves the bytes; returns the records that find them again, in the order of the requests.
    ///
    /// Behaviour: called once. After an error nothing is usable, but what was written so far
    /// stays until `roll_back`.
    ///
    /// # Errors
    /// `AlreadyExists` if an artifact is in the way, `Formatter` and `StorageClass` for
    /// objects that cannot be written, `NotFound` for files that are gone, `Integrity` for
    /// copies that are not what they should be, `Exhausted`.
    async fn execute(&mut self) -> Result<RecordsByDataset>;

    /// Ends it after the registry's transaction: entries and temporary files go, and sources that were moved.
    ///
    /// # Errors
    /// Of leftovers only: the datasets are stored.
    async fn commit(self: Box<Self>) -> Result<()>;

    /// Undoes it: artifacts that it wrote go, and directories that it made, then the entries.
    ///
    /// Behaviour: may be called before `execute`, and after one that failed or was given up;
    /// what was there before stays.
    ///
    /// # Errors
    /// Of leftovers only, which a recovery finds.
    async fn roll_back(self: Box<Self>) -> Result<()>;
}

/// What was written, up to the registry's transaction.
pub struct Written {
    /// The transaction, which was executed.
    pub transaction: Box<dyn WriteTransaction>,
    /// Records of what it stored, in the order of the requests.
    pub records: RecordsByDataset,
}

impl Written {
    /// What the execution of a transaction came to; one that failed is rolled back.
    ///
    /// # Errors
    /// That of the execution.
    pub async fn of(
        transaction: Box<dyn WriteTransaction>,
        result: Result<RecordsByDataset>,
    ) -> Result<Self> {
        match result {
            Ok(records) => Ok(Self { transaction, records }),
            Err(error) => {
                if let Err(left) = transaction.roll_back().await {
                    tracing::warn!(error = %left, "what was written could not be removed again; `recover` sees to it");
                    return Err(left_over(error));
                }
                Err(error)
            }
        }
    }
}

/// Says what to do about what is left over after an error, besides what that says itself.
pub(crate) fn left_over(error: Error) -> Error {
    let advice = "`butler recover` deals with what is left over";
    let Some(hint) = error.hint() else { return error.with_hint(advice) };
    let told = Error::new(error.kind(), error.message())
        .with_retry(error.retry())
        .with_hint(format!("{hint}; {advice}"));
    let told = error.context().iter().fold(told, |told, (key, value)| told.with_context(key, value));
    told.with_source(error)
}

impl Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Written")
            .field("entries", &self.transaction.entries())
            .field("records", &self.records)
            .finish()
    }
}

/// Artifacts on their way out.
///
/// Made by [`Datastore::prepare_remove`], which wrote its journal entries.
#[async_trait]
pub trait RemoveTransaction: Send {
    /// Names of its journal entries, to be claimed in the registry's transaction, and
    /// to be forgotten there after a `commit` or `roll_back` without an error.
    fn entries(&self) -> Vec<ArcStr>;

    /// After the registry's transaction: deletes the artifacts that no record
    /// names any more, then the entries.
    ///
    /// Behaviour: artifacts that are gone already are no error; one that somebody is
    /// about to write or take over stays, with the entry.
    ///
    /// # Errors
    /// Of leftovers only, which a recovery finds.
    async fn commit(self: Box<Self>, books: &dyn Bookkeeper) -> Result<()>;

    /// Before the registry's transaction: nothing happens, and the entries go.
    ///
    /// # Errors
    /// Of leftovers only, which a recovery finds.
    async fn roll_back(self: Box<Self>) -> Result<()>;
}

/// How a recovery proceeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoverOptions {
    /// Entries younger than this belong to live writers.
    pub lease: Duration,
    /// Whether it only reports what it would do.
    pub dry_run: bool,
}

impl Default for RecoverOptions {
    /// A lease of one hour.
    fn default() -> Self {
        Self { lease: Duration::from_secs(3600), dry_run: false }
    }
}

/// What a recovery did with an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecoveredEntry {
    /// The entry.
    pub header: JournalHeader,
    /// Who had won, or won now.
    pub outcome: Outcome,
    /// Paths of artifacts that were deleted.
    pub deleted: Vec<ArcStr>,
    /// Whether the entry is kept for one more lease, in case its writer was only slow.
    pub kept: bool,
}

/// What a verification looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Whether checksums are computed and compared.
    pub checksum: bool,
    /// Whether artifacts that nothing refers to are looked for.
    pub orphans: bool,
}

/// Kind of a disagreement between records and artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A recorded artifact is not there.
    Missing,
    /// An artifact has another size than recorded.
    Size,
    /// An artifact has another checksum than recorded.
    Checksum,
    /// An artifact is there that no record names.
    Orphan,
    /// A record cannot be understood.
    Record,
}

/// A disagreement between records and artifacts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Kind.
    pub kind: FindingKind,
    /// Name of the datastore.
    pub datastore: ArcStr,
    /// Path of the artifact.
    pub path: ArcStr,
    /// Datasets that it is of, as text.
    pub datasets: Vec<String>,
    /// What was expected and found.
    pub detail: String,
}

/// Storage of artifacts.
///
/// It is given complete datasets with their records, and returns the records
/// of what it stores; it never sees the registry. Everything takes many at once.
#[async_trait]
pub trait Datastore: Debug + Send + Sync + 'static {
    /// Name, written down in the registry: it stays when the root moves.
    fn name(&self) -> &ArcStr;

    /// What it can do.
    fn capabilities(&self) -> DatastoreCapabilities;

    /// Tables that it needs in the registry; one that only forwards has none.
    fn tables(&self) -> Vec<OpaqueTable>;

    /// Datastores that it consists of; one that stores by itself has none.
    fn children(&self) -> Vec<Arc<dyn Datastore>> {
        Vec::new()
    }

    /// Where it keeps artifacts, itself or its children: two datastores of one place would take
    /// each other's artifacts for their own.
    ///
    /// Behaviour: what is one place is one text, however it was written in configuration; one that keeps
    /// nothing, or only in its own memory, has no place.
    fn places(&self) -> Vec<ArcStr> {
        self.children().iter().flat_map(|child| child.places()).collect()
    }

    /// Whether its constraints let it store datasets of a type and, if given, a data ID,
    /// and what it needs for that.
    fn acceptance(&self, dataset_type: &DatasetType, data_id: Option<&DataId>) -> Acceptance;

    /// Whether it has records of a dataset: those attached to it or, if it is ephemeral, its own.
    fn knows(&self, dataset: &DatasetRef) -> bool {
        dataset
            .records()
            .is_some_and(|records| records.0.iter().any(|record| record.datastore == *self.name()))
    }

    /// Number of bytes of a dataset's artifacts as its attached records say, if they do.
    fn recorded_bytes(&self, _dataset: &DatasetRef) -> Option<u64> {
        None
    }

    /// Begins to store something: checks all that can be checked without moving bytes, then
    /// writes the journal entry.
    ///
    /// Behaviour: if anything is wrong, nothing is journalled; without requests there is no entry.
    ///
    /// # Errors
    /// `ReadOnly`; `DatasetTypeNotSupported` if it refuses a dataset; `Argument` if a dataset is given
    /// twice or is a component; `Template` if a path cannot be made, or two requests lead to the same;
    /// `Unsupported` for a way of transfer that it has not; `NotFound` for a file to ingest that is not
    /// there, `Permission` for one that cannot be read; `Corrupt` for an archive that is unsound or not what
    /// is said of it; `StorageClass` and `Formatter` for objects that
    /// can be seen not to fit.
    async fn prepare_write(&self, requests: Vec<WriteRequest>) -> Result<Box<dyn WriteTransaction>>;

    /// Stores something, up to the registry's transaction: [`prepare_write`](Self::prepare_write) and
    /// [`execute`](WriteTransaction::execute) in one, for who has nothing to do between them.
    ///
    /// Behaviour: as these two, in fewer steps where it can. If anything fails, all of it is undone.
    ///
    /// # Errors
    /// Those of both.
    async fn write(&self, requests: Vec<WriteRequest>) -> Result<Written> {
        let mut transaction = self.prepare_write(requests).await?;
        failpoint::reach("write announced");
        let result = transaction.execute().await;
        Written::of(transaction, result).await
    }

    /// Begins to remove artifacts of datasets: writes the journal entry.
    ///
    /// Behaviour: datasets without records of this datastore are passed over; artifacts
    /// that were ingested directly are never deleted; without artifacts there is no entry.
    ///
    /// # Errors
    /// `ReadOnly`, `Connection` and the like.
    async fn prepare_remove(&self, datasets: Vec<DatasetRef>) -> Result<Box<dyn RemoveTransaction>>;

    /// Reads objects, in the order asked for.
    ///
    /// Behaviour: a failure of one is none of the others.
    ///
    /// # Errors
    /// In its place, each: `NotFound` if there are no records or no artifact,
    /// `Integrity` if the size is wrong, `Formatter`, `UnknownComponent`, `Argument` for an unknown
    /// parameter, `StorageClass` if it cannot be converted to what is asked for.
    async fn get(&self, requests: Vec<GetRequest>) -> Vec<Result<Object>>;

    /// Whether all artifacts of datasets are there, in the order asked for.
    ///
    /// Behaviour: `false` for datasets without records of this datastore.
    ///
    /// # Errors
    /// `Connection` and the like: not knowing is not the same as missing.
    async fn exists(&self, datasets: &[DatasetRef]) -> Result<Vec<bool>>;

    /// Where the artifacts of datasets are, in the order asked for.
    ///
    /// Behaviour: for a dataset without records, where it would be put, ending in `#predicted`, if that is asked for.
    ///
    /// # Errors
    /// `NotFound` for a dataset without records, unless predicted.
    async fn uris(&self, datasets: &[DatasetRef], predict: bool) -> Result<Vec<ArtifactUris>>;

    /// Addresses under which anybody can fetch the artifacts of datasets for a while, in the order asked for.
    ///
    /// Behaviour: of artifacts that anybody can fetch anyway, their URIs; of a member of an archive, that of
    /// the archive, with the member in the fragment.
    ///
    /// # Errors
    /// `NotFound` for a dataset without records; `Unsupported` without the capability, or for artifacts that lie
    /// elsewhere; `Argument` for a lifetime that the service does not allow.
    async fn signed_uris(&self, datasets: &[DatasetRef], lifetime: Duration) -> Result<Vec<ArtifactUris>> {
        let _ = (datasets, lifetime);
        Err(Error::new(ErrorKind::Unsupported, format!("datastore '{}' cannot sign addresses", self.name()))
            .with_hint("object stores such as S3 can"))
    }

    /// Compares records with artifacts: those of some datasets, which have their records attached, and,
    /// if orphans are asked for, all artifacts there are.
    ///
    /// Behaviour: what others write or remove meanwhile is no orphan; what an open journal entry
    /// names is a recovery's. Without datasets, it asks for the outcomes of all entries there are, so that
    /// whoever keeps the books knows of them.
    ///
    /// # Errors
    /// `Connection` and the like: not knowing is not the same as missing; `Unsupported` if it cannot tell.
    async fn verify(
        &self,
        _books: &dyn Bookkeeper,
        _datasets: &[DatasetRef],
        _options: &VerifyOptions,
    ) -> Result<Vec<Finding>> {
        Err(Error::new(ErrorKind::Unsupported, format!("datastore '{}' cannot be verified", self.name())))
    }

    /// Artifacts of a dataset, as bytes.
    ///
    /// # Errors
    /// `NotFound` and `Integrity` as [`get`](Self::get); `Unsupported` without the capability.
    async fn open(&self, dataset: &DatasetRef) -> Result<Vec<Artifact>>;

    /// Finishes or undoes what dead writers left.
    ///
    /// Behaviour: asks first for the outcomes of all entries there are, so that whoever keeps
    /// the books can forget the others.
    ///
    /// # Errors
    /// `Connection` and the like; entries that could not be dealt with stay.
    async fn recover(&self, books: &dyn Bookkeeper, options: &RecoverOptions) -> Result<Vec<RecoveredEntry>>;
}
