//! The raw handle of a connection, for the two calls that Diesel does not offer: interrupting a
//! statement from another thread, and asking whether a transaction is open.
//!
//! Diesel keeps its handle to itself. SQLite calls an automatic extension for
//! every connection that it opens, on the thread that opens it; ours notes the
//! handle for [`establish`], which opens a connection right then. The handle is
//! used under a lock, and forgotten before the connection is closed.
#![expect(unsafe_code, reason = "calls of the C library that Diesel has no safe form of")]

use std::cell::Cell;
use std::ffi::{c_char, c_int};
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, Mutex, Once, PoisonError};

use diesel::{Connection, ConnectionResult, SqliteConnection};
use libsqlite3_sys::{
    SQLITE_OK, sqlite3, sqlite3_api_routines, sqlite3_auto_extension, sqlite3_get_autocommit,
    sqlite3_interrupt,
};

thread_local! {
    static OPENED: Cell<*mut sqlite3> = const { Cell::new(null_mut()) };
}

unsafe extern "C" fn note(db: *mut sqlite3, _: *mut *mut c_char, _: *const sqlite3_api_routines) -> c_int {
    // A thread that is ending has no place to note it, and does not open connections of ours.
    let _ = OPENED.try_with(|opened| opened.set(db));
    SQLITE_OK
}

/// A connection that can be interrupted.
pub(crate) struct Handle {
    raw: Arc<Mutex<Option<Raw>>>,
}

/// What interrupts the statement that a connection is running.
#[derive(Clone)]
pub(crate) struct Interrupt {
    raw: Arc<Mutex<Option<Raw>>>,
}

struct Raw(NonNull<sqlite3>);

// SAFETY: SQLite is in its serialised mode, in which a connection may be used by any thread;
// `Handle::drop` takes it away before Diesel closes the connection.
unsafe impl Send for Raw {}

/// Opens a connection.
pub(crate) fn establish(url: &str) -> ConnectionResult<(SqliteConnection, Handle)> {
    static REGISTER: Once = Once::new();
    REGISTER.call_once(|| {
        // SAFETY: `note` has the signature that SQLite calls it with, and lives as long as the process.
        // If it cannot be registered there is no handle, and statements are not interrupted.
        unsafe { sqlite3_auto_extension(Some(note)) };
    });
    OPENED.set(null_mut());
    let connection = SqliteConnection::establish(url)?;
    let raw = NonNull::new(OPENED.take()).map(Raw);
    Ok((connection, Handle { raw: Arc::new(Mutex::new(raw)) }))
}

impl Handle {
    /// What interrupts this connection.
    pub(crate) fn interrupt(&self) -> Interrupt {
        Interrupt { raw: Arc::clone(&self.raw) }
    }

    /// Whether a transaction is open; SQLite ends one by itself when the disk is full, for example.
    pub(crate) fn in_transaction(&self) -> bool {
        let raw = self.raw.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the handle is that of an open connection, see `Drop`.
        raw.as_ref().is_none_or(|raw| unsafe { sqlite3_get_autocommit(raw.0.as_ptr()) } == 0)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        *self.raw.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Interrupt {
    /// Makes the running statement, if any, fail.
    pub(crate) fn interrupt(&self) {
        let raw = self.raw.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(raw) = &*raw {
            // SAFETY: the handle is that of an open connection, see `Drop`; the lock keeps it open.
            unsafe { sqlite3_interrupt(raw.0.as_ptr()) };
        }
    }
}
