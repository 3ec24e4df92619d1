//! A writing session: who issues ids, and what its next transaction has to say besides.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use arcstr::ArcStr;

use crate::Result;
use crate::dataset::IdIssuer;
use crate::host::{host_name, user_name};
use crate::registry::{OpaqueTable, Operation};
use crate::time::Instant;

/// The writing side of a Butler.
#[derive(Debug)]
pub(super) struct Session {
    issuer: IdIssuer,
    /// Tables that the datastores need.
    tables: Vec<OpaqueTable>,
    /// What the bridge to the datastores has to say.
    preamble: Option<Operation>,
    /// When it was opened, if the clock could be read.
    opened: Option<Instant>,
    /// Whether a transaction has written down that the session exists.
    begun: AtomicBool,
    /// Journal entries that are gone, and whose outcomes may go.
    forgettable: Mutex<Vec<ArcStr>>,
}

/// What a transaction says besides what the caller wants.
#[derive(Debug)]
pub(super) struct Extras {
    pub(super) operations: Vec<Operation>,
    begins: bool,
    forgotten: Vec<ArcStr>,
}

impl Session {
    pub(super) fn new(tables: Vec<OpaqueTable>, preamble: Option<Operation>) -> Self {
        Self {
            issuer: IdIssuer::new(),
            tables,
            preamble,
            opened: Instant::now().ok(),
            begun: AtomicBool::new(false),
            forgettable: Mutex::default(),
        }
    }

    /// When it was opened, if the clock could be read.
    pub(super) fn opened(&self) -> Option<Instant> {
        self.opened
    }

    pub(super) fn issuer(&self) -> &IdIssuer {
        &self.issuer
    }

    /// What the next transaction has to say: the first one begins the session,
    /// any one forgets outcomes. Several may begin it; that is no error.
    pub(super) fn extras(&self) -> Result<Extras> {
        let begins = !self.begun.load(Ordering::Acquire);
        let mut operations = Vec::new();
        if begins {
            operations.push(Operation::BeginSession {
                origin: self.issuer.origin(),
                host: host_name(),
                user: user_name(),
                began: Instant::now()?,
            });
            operations.extend(self.preamble.clone());
            operations.extend(self.tables.iter().cloned().map(Operation::RegisterOpaque));
        }
        let forgotten = std::mem::take(&mut *self.forgettable());
        if !forgotten.is_empty() {
            operations.push(Operation::ForgetOutcomes(forgotten.clone()));
        }
        Ok(Extras { operations, begins, forgotten })
    }

    /// Notes whether the transaction of some extras was committed.
    pub(super) fn settle(&self, extras: Extras, committed: bool) {
        if !committed {
            self.forget(extras.forgotten);
        } else if extras.begins {
            self.begun.store(true, Ordering::Release);
        }
    }

    /// Lets the next transaction forget the outcomes of entries that are gone.
    pub(super) fn forget(&self, entries: Vec<ArcStr>) {
        self.forgettable().extend(entries);
    }

    /// Whether there are outcomes to forget.
    pub(super) fn has_forgettable(&self) -> bool {
        !self.forgettable().is_empty()
    }

    fn forgettable(&self) -> std::sync::MutexGuard<'_, Vec<ArcStr>> {
        self.forgettable.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
