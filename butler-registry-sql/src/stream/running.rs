//! Statements that can be cancelled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What stops a statement.
pub(crate) type Stop = Box<dyn Fn() + Send>;

/// A statement that runs, will run or has run.
pub(crate) struct Running {
    cancelled: AtomicBool,
    stop: Mutex<Option<Stop>>,
    /// Whether to stop it takes so long that a thread must do it.
    slow: bool,
}

impl Running {
    /// A statement that does not run yet.
    pub(crate) fn new(slow: bool) -> Arc<Self> {
        Arc::new(Self { cancelled: AtomicBool::new(false), stop: Mutex::new(None), slow })
    }

    /// Whether nobody wants its result.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Notes that it runs from now on, and how to stop it; returns whether it is to run at all.
    pub(crate) fn begin(&self, stop: Stop) -> bool {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
        !self.is_cancelled()
    }

    /// Notes that it does not run any more; returns whether it was cancelled meanwhile.
    ///
    /// Waits for a cancellation in progress, so that it hits no other statement.
    pub(crate) fn end(&self) -> bool {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.is_cancelled()
    }

    /// Stops it.
    pub(crate) fn cancel(self: &Arc<Self>) {
        self.cancelled.store(true, Ordering::SeqCst);
        if self.slow {
            let this = Arc::clone(self);
            // Without a thread it is stopped by what it next wants to pass on.
            let _ = std::thread::Builder::new().name("butler-cancel".into()).spawn(move || this.stop());
        } else {
            self.stop();
        }
    }

    fn stop(&self) {
        if let Some(stop) = &*self.stop.lock().unwrap_or_else(PoisonError::into_inner) {
            stop();
        }
    }
}

/// Cancels a statement when it is dropped, unless it is disarmed.
pub(crate) struct Guard(Option<Arc<Running>>);

impl Guard {
    /// A guard of a statement.
    pub(crate) fn new(running: &Arc<Running>) -> Self {
        Self(Some(Arc::clone(running)))
    }

    /// Lets it run.
    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(running) = self.0.take() {
            running.cancel();
        }
    }
}
