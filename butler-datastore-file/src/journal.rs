//! The journal of a datastore: entries in a directory of its own under the root.
//!
//! # Why nothing that is written can be deleted by mistake
//!
//! A writer first writes its entry, and then lists the entries of removals; a path that one of
//! them names it leaves alone, and takes the [alternative](alternative_path) instead. A
//! remover first writes its entry, and after the registry's transaction lists the entries of
//! writers; a path that one of them names it leaves alone, and its entry stays for a recovery, which
//! looks again when the writer is done. Only then it asks which paths records name: a writer whose
//! entry is gone has its records. Whoever comes second sees the first: so of a writer and a
//! remover of one path at least one steps aside, also if the artifact that is to be removed was gone
//! before, or is a file that the writer takes over in place.
//!
//! An entry has to be written before the removals are listed, and yet it must name the paths that
//! are chosen afterwards. It names the first choice; the alternative follows from that and the
//! dataset's id. A recovery looks at both, and deletes what is the same file as the temporary one.
//!
//! Whoever is later than its lease deletes nothing any more, not even its entry: a recovery may be
//! at it, and may rely on the entry to keep others away. A writer renews its lease while it works.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arcstr::ArcStr;
use butler_core::datastore::{JournalAction, JournalArtifact, JournalEntry, JournalHeader, JournalOperation};
use butler_core::{Error, ErrorKind, Instant as Time, Result, Retry};
use rustc_hash::FxHashSet;

use crate::confusable::taken_for;
use crate::store::Store;

/// The datastore's own directory under its root.
pub(crate) const DIRECTORY: &str = ".butler";

/// Whether a name in the root is not for artifacts: the datastore's own directory, and
/// what a repository keeps there if the root is that of the repository.
pub(crate) fn is_reserved(name: &str) -> bool {
    name == DIRECTORY || name == "butler.toml" || name.starts_with("registry.sqlite3")
}

/// Whether a name is reserved, or is taken for such a one: by file systems without case, or by what decodes or
/// normalises names.
pub(crate) fn looks_reserved(name: &str) -> bool {
    let is_plain = |c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    is_reserved(name) || !name.bytes().all(is_plain) && is_reserved(&taken_for(name))
}

/// Directory of the entries.
pub(crate) const PATH: &str = ".butler/journal";

/// Name of an entry, unique in all repositories.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EntryName {
    /// Time (TAI) and 64 random bits.
    pub(crate) name: ArcStr,
    /// What it announces.
    pub(crate) action: JournalAction,
}

impl EntryName {
    /// A new name.
    pub(crate) fn random(action: JournalAction) -> Self {
        let time = Time::now().map_or_else(|_| "0".to_owned(), Time::to_iso_tai);
        let seconds: String = time.chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
        let (random, more) = uuid::Uuid::new_v4().as_u64_pair();
        // Some bits of each half are fixed, but not the same of both.
        Self { name: format!("{seconds}-{:016x}", random ^ more.rotate_left(32)).into(), action }
    }

    /// Name of its file.
    pub(crate) fn file(&self) -> String {
        format!("{}.{}.jsonl", self.name, self.action.name())
    }

    /// The entry of this name in the bytes of its file.
    ///
    /// # Errors
    /// `SchemaVersion` if it is of another version; `Corrupt` if it cannot be read, or says that it is another
    /// one: files are used again, and a power cut may leave what was in one before.
    pub(crate) fn read(&self, bytes: &[u8]) -> Result<JournalEntry> {
        let entry = JournalEntry::from_bytes(bytes)?;
        let JournalHeader { entry: name, action, .. } = &entry.header;
        if *name == self.name && *action == self.action {
            return Ok(entry);
        }
        Err(Error::new(
            ErrorKind::Corrupt,
            format!("'{}' holds another journal entry, {} '{name}'", self.file(), action.name()),
        ))
    }

    /// The name of the entry in a file, if that is one.
    pub(crate) fn of_file(file: &str) -> Option<Self> {
        let (name, action) = file.strip_suffix(".jsonl")?.rsplit_once('.')?;
        let action =
            [JournalAction::Put, JournalAction::Remove].into_iter().find(|known| known.name() == action)?;
        Some(Self { name: name.into(), action })
    }
}

/// A new entry, and the bytes of it.
///
/// # Errors
/// `Unexpected` if it cannot be written as text.
pub(crate) fn new_entry(
    datastore: &ArcStr,
    action: JournalAction,
    operation: JournalOperation,
    artifacts: Vec<JournalArtifact>,
) -> Result<(EntryName, Vec<u8>)> {
    let name = EntryName::random(action);
    let header = JournalHeader {
        version: 0,
        entry: name.name.clone(),
        action,
        operation,
        datastore: datastore.clone(),
        at: Time::now()?,
        host: host(),
        process: std::process::id(),
        artifacts: 0,
    };
    let bytes = JournalEntry { header, artifacts }.to_bytes()?;
    Ok((name, bytes))
}

fn host() -> ArcStr {
    static HOST: OnceLock<ArcStr> = OnceLock::new();
    HOST.get_or_init(|| rustix::system::uname().nodename().to_string_lossy().as_ref().into()).clone()
}

/// Paths that open entries of the other side name.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    paths: FxHashSet<ArcStr>,
    /// Whether an entry was cut short, so that there may be more.
    incomplete: bool,
}

impl Claims {
    /// Reads those of some entries that are of a kind.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn read(store: &dyn Store, entries: Vec<EntryName>, action: JournalAction) -> Result<Self> {
        let mut this = Self::default();
        for name in entries.into_iter().filter(|name| name.action == action) {
            // One that is gone meanwhile claims nothing any more.
            let Some(bytes) = store.read_entry(&name)? else { continue };
            match name.read(&bytes) {
                Ok(entry) => {
                    this.incomplete |= !entry.is_complete();
                    this.paths.extend(entry.paths());
                }
                Err(error) => {
                    tracing::warn!(entry = %name.name, %error, "a journal entry cannot be read");
                    this.incomplete = true;
                }
            }
        }
        Ok(this)
    }

    /// Whether a path is named.
    pub(crate) fn names(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// Whether a path may be named.
    pub(crate) fn may_name(&self, path: &str) -> bool {
        self.incomplete || self.names(path)
    }
}

/// How long an entry is honoured since it was written.
///
/// Measured by whichever of this host's clocks is further on: one of them stands
/// still while the machine sleeps, and the other may be set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    begun: Instant,
    begun_by_the_wall: SystemTime,
    duration: Duration,
}

impl Lease {
    /// A lease that begins now, which is before the entry is written.
    pub(crate) fn begin(duration: Duration) -> Self {
        Self { begun: Instant::now(), begun_by_the_wall: SystemTime::now(), duration }
    }

    fn elapsed(&self) -> Duration {
        let by_the_wall = self.begun_by_the_wall.elapsed().unwrap_or_default();
        self.begun.elapsed().max(by_the_wall)
    }

    /// Whether there is time for one more deletion: it may take as long again.
    pub(crate) fn allows_deletion(&self) -> bool {
        self.elapsed() < self.duration / 2
    }

    /// Whether it should be renewed, so that nobody who works is taken for dead.
    fn is_waning(&self) -> bool {
        self.elapsed() > self.duration / 4
    }

    /// Whether a recovery may have dealt with the entry.
    fn is_over(&self) -> bool {
        self.elapsed() >= self.duration
    }
}

/// The lease of a writer, which it renews while it works.
#[derive(Debug)]
pub(crate) struct LiveLease {
    entry: Option<EntryName>,
    duration: Duration,
    lease: Mutex<Lease>,
}

impl LiveLease {
    /// A lease that began before an entry was written, if there is one.
    pub(crate) fn new(entry: Option<EntryName>, lease: Lease) -> Self {
        Self { entry, duration: lease.duration, lease: Mutex::new(lease) }
    }

    pub(crate) fn entry(&self) -> Option<&EntryName> {
        self.entry.as_ref()
    }

    fn lease(&self) -> MutexGuard<'_, Lease> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that whoever works may go on, and renews the entry when it is time.
    ///
    /// # Errors
    /// `Timeout` if nobody renewed it for too long; those of the store.
    pub(crate) fn keep(&self, store: &dyn Store) -> Result<()> {
        let Some(entry) = &self.entry else { return Ok(()) };
        // Whoever waits here finds it renewed.
        let mut lease = self.lease();
        if lease.is_over() {
            return Err(late("what was to be stored"));
        }
        if lease.is_waning() {
            let renewed = Lease::begin(self.duration);
            store.renew_entry(entry)?;
            *lease = renewed;
        }
        Ok(())
    }

    /// Whether there is time to take something back.
    pub(crate) fn allows_deletion(&self) -> bool {
        self.entry.is_none() || self.lease().allows_deletion()
    }
}

/// What somebody is told who was too slow: by now a recovery may have dealt with it.
pub(crate) fn late(what: &str) -> Error {
    Error::new(ErrorKind::Timeout, format!("{what} took longer than the datastore's lease"))
        .with_retry(Retry::Temporary)
        .with_hint(
            "`butler recover` deals with what is left; a longer `lease` in the configuration gives more time",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_for_the_own_directory_is_reserved() {
        for name in [
            ".butler",
            ".BUTLER",
            ".Butler\u{200b}",
            "%2ebutler",
            "%252Ebutler",
            "\u{2024}butler",
            ".but\u{fe0f}ler",
            ".%e2%80%8bbutler",
            "Butler.toml",
            "Registry.SQLite3-wal",
        ] {
            assert!(looks_reserved(name), "{name}");
        }
        for name in ["butler", ".butler2", "Butler", "%2ebutler%20", "100%", "日本"] {
            assert!(!looks_reserved(name), "{name}");
        }
    }

    #[test]
    fn names_lead_to_files_and_back() {
        for action in [JournalAction::Put, JournalAction::Remove] {
            let name = EntryName::random(action);
            assert_eq!(EntryName::of_file(&name.file()), Some(name.clone()));
            assert_ne!(EntryName::random(action), name);
            let (time, random) = name.name.split_once('-').unwrap();
            assert_eq!((time.len(), random.len()), (15, 16), "{}", name.name);
        }
        for file in ["", "x.jsonl", "x.put.jsonl.new", "x.drop.jsonl", ".put", "x.put"] {
            assert_eq!(EntryName::of_file(file), None, "{file}");
        }
    }

    #[test]
    fn a_file_that_holds_another_entry_says_nothing() {
        let (name, bytes) =
            new_entry(&"files".into(), JournalAction::Put, JournalOperation::Put, Vec::new()).unwrap();
        assert_eq!(name.read(&bytes).unwrap().header.entry, name.name);
        let others = [
            EntryName::random(JournalAction::Put),
            EntryName { action: JournalAction::Remove, ..name.clone() },
        ];
        for other in others {
            let error = other.read(&bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains(&*name.name), "{error}");
        }
    }

    #[test]
    fn a_lease_ends() {
        let hour = Lease::begin(Duration::from_secs(3600));
        assert!(hour.allows_deletion() && !hour.is_waning() && !hour.is_over());
        let none = Lease::begin(Duration::ZERO);
        assert!(!none.allows_deletion() && none.is_over());
        let half = Lease { begun: Instant::now() - Duration::from_secs(1800), ..hour };
        assert!(!half.allows_deletion() && half.is_waning() && !half.is_over());
    }
}
