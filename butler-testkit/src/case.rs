//! Cases: what a suite is made of, and how one is run.

use std::sync::OnceLock;
use std::time::Duration;

use butler_core::{Error, ErrorKind, Result};
use futures::future::LocalBoxFuture;
use tokio::runtime::{Builder, Runtime};

/// What the harnesses of all suites have.
pub trait Harness: Send + Sync {
    /// Name of the implementation, for messages.
    fn name(&self) -> &str;

    /// How long a case waits for what must happen; it is given up after ten times that.
    fn patience(&self) -> Duration {
        Duration::from_secs(20)
    }
}

/// One behaviour of a trait, and the function that finds out whether an implementation has it.
///
/// A case fails by panicking or by an error.
pub struct Case<H: ?Sized> {
    /// What it is about: the name of the file that it is in.
    pub topic: &'static str,
    /// What it states.
    pub name: &'static str,
    /// The function.
    pub run: for<'h> fn(&'h H) -> LocalBoxFuture<'h, Result<()>>,
}

impl<H: Harness + ?Sized> Case<H> {
    /// Topic and name, as in the list of tests.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}::{}", self.topic, self.name)
    }

    /// Runs the case to its end.
    ///
    /// # Errors
    /// Those of the implementation, and `Timeout`.
    ///
    /// # Panics
    /// If the implementation does not behave.
    pub fn check(&self, harness: &H) -> Result<()> {
        let limit = harness.patience() * 10;
        let run = async { tokio::time::timeout(limit, (self.run)(harness)).await };
        runtime()?.block_on(run).unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, format!("{} did not end in {limit:?}", self.path())))
        })
    }
}

/// Runs one case of a suite by its path: what the macros of the suites call.
///
/// Without a harness, the implementation cannot be tested here, and has said why.
///
/// # Panics
/// If the case fails, or there is none of that path.
#[expect(clippy::panic, reason = "this is the body of a test")]
pub(crate) fn check<H: Harness + ?Sized>(cases: &[Case<H>], path: &str, harness: Option<&H>) {
    let Some(harness) = harness else { return };
    let Some(case) = cases.iter().find(|case| case.path() == path) else {
        panic!("there is no case {path}");
    };
    if let Err(error) = case.check(harness) {
        panic!("{}: {path}: {error:?}", harness.name());
    }
}

/// One for all tests of a process.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let make = || Builder::new_multi_thread().worker_threads(2).enable_all().build();
    RUNTIME
        .get_or_init(make)
        .as_ref()
        .map_err(|error| Error::new(ErrorKind::Exhausted, format!("no asynchronous runtime: {error}")))
}

/// Makes the list of the cases of a suite from the list of their names.
#[doc(hidden)]
#[macro_export]
macro_rules! __case_list {
    ([$harness:ty] $($topic:ident { $($name:ident,)* })*) => {
        &[$($($crate::Case {
            topic: stringify!($topic),
            name: stringify!($name),
            run: |harness: &$harness| Box::pin($topic::$name(harness)),
        },)*)*]
    };
}

/// Makes a test of each case of a suite: what the macros of the suites expand to.
#[doc(hidden)]
#[macro_export]
macro_rules! __case_tests {
    ([$suite:ident $harness:expr] $($topic:ident { $($name:ident,)* })*) => {
        #[doc(hidden)]
        fn __check(path: &str) {
            $crate::$suite::check(path, ($harness)());
        }

        $(mod $topic {
            $(#[test]
            fn $name() {
                super::__check(concat!(stringify!($topic), "::", stringify!($name)));
            })*
        })*
    };
}
