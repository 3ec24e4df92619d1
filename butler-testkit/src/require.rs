//! What a test needs and a machine may lack.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Passes on what was found, or says that tests are skipped without it.
///
/// `what` is named in messages and in the environment variable
/// `BUTLER_TEST_REQUIRE`, a list separated by commas of what must not be missing:
/// for continuous integration, where a test that is skipped is a test that is forgotten.
/// `hint` says how to get it. The message goes to standard error once a process,
/// also when tests pass.
///
/// # Panics
/// If it is missing and required.
#[expect(clippy::panic, reason = "a test that cannot run must fail where it is required")]
pub fn require<T>(what: &str, found: Option<T>, hint: &str) -> Option<T> {
    if found.is_none() {
        let required = std::env::var("BUTLER_TEST_REQUIRE").unwrap_or_default();
        if required.split(',').any(|name| name.trim() == what) {
            panic!("BUTLER_TEST_REQUIRE lists {what}, which is missing: {hint}");
        }
        say_once(what, hint);
    }
    found
}

fn say_once(what: &str, hint: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned()) {
        // Not by a macro: the output of tests that pass is not shown.
        writeln!(std::io::stderr(), "skipped: {hint}").ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_passed_on() {
        assert_eq!(require("anything", Some(1), "it is there"), Some(1));
    }

    /// Runs the test below in another process, where things may be required.
    fn run(required: &str) -> (bool, String) {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "require::tests::without_what_is_missing", "--ignored"])
            .env("BUTLER_TEST_REQUIRE", required)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    #[test]
    #[ignore = "other tests run it"]
    fn without_what_is_missing() {
        assert_eq!(require::<()>("unicorns", None, "unicorns are rare"), None);
        assert_eq!(require::<()>("unicorns", None, "unicorns are rare"), None);
    }

    #[test]
    fn what_is_missing_is_said_once() {
        let (passes, text) = run("postgres, minio");
        assert!(passes, "{text}");
        assert_eq!(text.matches("skipped: unicorns are rare").count(), 1, "{text}");
    }

    #[test]
    fn what_is_required_must_not_be_missing() {
        let (passes, text) = run("postgres, unicorns");
        assert!(!passes && text.contains("BUTLER_TEST_REQUIRE lists unicorns"), "{text}");
    }
}
