//! Threads that may block.
//!
//! Changing one thread for another is a good part of what a small change costs: both wait for the
//! system to notice. So a whole change can be given to one thread that may block, and whatever is
//! done for it looks whether it is there already before it goes to a thread of its own.

use std::cell::Cell;
use std::fmt;

use futures::future::BoxFuture;

use crate::Result;

thread_local! {
    static LENT: Cell<bool> = const { Cell::new(false) };
}

/// Whether the current thread was [lent](lend): whatever blocks may be done right here.
#[must_use]
pub fn may_block() -> bool {
    LENT.get()
}

/// Does something on the current thread, on which everything may block that is done for it.
///
/// It must not be a thread that others wait for, such as one that drives asynchronous tasks.
pub fn lend<T>(work: impl FnOnce() -> T) -> T {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            LENT.set(self.0);
        }
    }
    let _before = Before(LENT.replace(true));
    work()
}

/// Where a Butler finds threads that may block.
pub trait Workplace: fmt::Debug + Send + Sync {
    /// Does something on a thread that may block, [lent](lend) to it, or where the caller is if there is none.
    ///
    /// It is done to its end, also if nobody waits for that any more.
    ///
    /// # Errors
    /// `Unexpected` if it panicked; `Interrupted` if it was not done, because everything comes to an end.
    fn run(&self, work: BoxFuture<'static, ()>) -> BoxFuture<'static, Result<()>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_lent_for_as_long_as_the_work_takes() {
        assert!(!may_block());
        lend(|| {
            assert!(may_block());
            lend(|| assert!(may_block()));
            assert!(may_block());
            assert!(!std::thread::spawn(may_block).join().unwrap());
        });
        assert!(!may_block());
        let panicked = std::panic::catch_unwind(|| lend(|| panic!("on purpose")));
        assert!(panicked.is_err() && !may_block());
    }
}
