//! Mutants whose transactions are not what they should be.

use butler_core::backend::TransactionBody;
use butler_core::{Error, ErrorKind, Result, Retry};

use super::tamper::{Savepoint, Tamper};
use crate::backend::fixture::{made_up, selected};

fn body(name: &str, breaks: &'static str, body: fn(TransactionBody) -> TransactionBody) -> Tamper {
    Tamper { body: Some(body), ..Tamper::new(name, breaks) }
}

fn outcome(name: &str, breaks: &'static str, outcome: fn(Result<()>) -> Result<()>) -> Tamper {
    Tamper { outcome: Some(outcome), ..Tamper::new(name, breaks) }
}

fn savepoint(name: &str, breaks: &'static str, savepoint: Savepoint) -> Tamper {
    Tamper { savepoint: Some(savepoint), ..Tamper::new(name, breaks) }
}

pub(super) fn mutants() -> Vec<Tamper> {
    Tamper::among(&["identity", "transactions"], [bodies(), savepoints(), locks()].concat())
}

fn bodies() -> Vec<Tamper> {
    vec![
        body("FailureCommits", "commits what a failed body did, and calls it a success", |mut body| {
            Box::new(move |t| {
                let outcome = body(t);
                outcome.or_else(|error| if error.retry() == Retry::Temporary { Err(error) } else { Ok(()) })
            })
        }),
        body("RepeatsWithoutUndoing", "repeats a body after what it did before", |mut body| {
            Box::new(move |t| {
                let mut outcome = body(t);
                for _ in 0..5 {
                    match &outcome {
                        Err(error) if error.retry() == Retry::Temporary => outcome = body(t),
                        _ => break,
                    }
                }
                outcome
            })
        }),
        body("NeverRepeats", "does not repeat temporary failures", |mut body| {
            Box::new(move |t| body(t).map_err(|error| error.with_retry(Retry::Exhausted)))
        }),
        body("RepeatsEverything", "repeats permanent failures", |mut body| {
            Box::new(move |t| body(t).map_err(|error| error.with_retry(Retry::Temporary)))
        }),
        body("RepeatsOnce", "repeats temporary failures once", |mut body| {
            let mut runs = 0;
            Box::new(move |t| {
                runs += 1;
                body(t).map_err(|error| if runs > 1 { error.with_retry(Retry::Exhausted) } else { error })
            })
        }),
        body("RepeatsSuccess", "runs every body twice", |mut body| {
            let mut runs = 0;
            Box::new(move |t| {
                runs += 1;
                body(t)?;
                if runs > 1 { Ok(()) } else { Err(Error::new(ErrorKind::Busy, "once more")) }
            })
        }),
        outcome("ErrorsWithoutContext", "returns errors without hint and context", |outcome| {
            outcome.map_err(|error| Error::new(error.kind(), error.message()).with_retry(error.retry()))
        }),
        outcome("ErrorsFlattened", "calls every failure of a body unexpected", |outcome| {
            outcome.map_err(|error| match error.kind() {
                ErrorKind::Interrupted | ErrorKind::CollectionCycle => {
                    Error::new(ErrorKind::Unexpected, error.message())
                }
                _ => error,
            })
        }),
        outcome("ExhaustionUnmarked", "calls a failure temporary that it has repeated", |outcome| {
            outcome.map_err(|error| match error.retry() {
                Retry::Exhausted => error.with_retry(Retry::Temporary),
                _ => error,
            })
        }),
    ]
}

fn savepoints() -> Vec<Tamper> {
    vec![
        savepoint("SavepointKeeps", "keeps what a failed part did", |t, part| {
            let mut failure = None;
            t.savepoint(&mut |t| {
                failure = part(t).err();
                Ok(())
            })?;
            failure.map_or(Ok(()), Err)
        }),
        savepoint("SavepointSwallows", "swallows the failure of a part", |t, part| {
            t.savepoint(part).ok();
            Ok(())
        }),
        savepoint("SavepointAlwaysUndone", "undoes parts that succeed", |t, part| {
            let undone = || Error::new(ErrorKind::Aborted, "undone");
            let outcome = t.savepoint(&mut |t| part(t).and_then(|()| Err(undone())));
            outcome.or_else(|error| if error.kind() == ErrorKind::Aborted { Ok(()) } else { Err(error) })
        }),
    ]
}

fn locks() -> Vec<Tamper> {
    vec![Tamper {
        lock: Some(|t, table, rows| {
            let given = selected(t, &rows.clone().distinct())?.len() as u64;
            let mut found = 0;
            let count = t.savepoint(&mut |t| {
                found = t.delete(table, rows)?;
                Err(made_up())
            });
            match count {
                Err(error) if error.kind() != made_up().kind() => Err(error),
                _ if found == given => Ok(()),
                _ => Err(Error::new(ErrorKind::NotFound, "a row is not there")),
            }
        }),
        ..Tamper::new("LockNeedsRows", "fails to lock rows that are not there")
    }]
}
