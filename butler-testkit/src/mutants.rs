//! Mutants: implementations with one behaviour broken each, which a suite must find out.
//!
//! A case that no mutant fails could as well be left out; a mutant that passes
//! all cases shows a behaviour that nobody checks. [`Kills`] is the table of both.

mod batches;
mod conditions;
mod relations;
mod streams;
mod tables;
mod tamper;
mod transactions;
mod writes;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::backend::BackendHarness;
use crate::case::{Case, Harness};
use crate::reference::Flaw;
use tamper::{SOUND, Tamper, TamperedHarness};

/// An implementation that is wrong in one point.
pub struct Mutant<H: ?Sized> {
    /// Its name.
    pub name: String,
    /// What it does wrong.
    pub breaks: &'static str,
    /// Topics among whose cases one should find it out; if empty, all.
    pub topics: &'static [&'static str],
    /// What makes it.
    pub harness: Box<H>,
}

/// Which cases find out which mutants.
pub struct Kills {
    cases: Vec<String>,
    mutants: Vec<String>,
    /// For each mutant, the positions of the cases that fail with it.
    killers: Vec<Vec<usize>>,
}

impl Kills {
    /// Runs cases with mutants, on all processors: those of a mutant's topics, or `all`.
    ///
    /// A case that panics, fails or does not end in time finds the mutant out.
    /// Messages of panics are suppressed meanwhile, in threads that this function starts.
    #[must_use]
    pub fn of<H: Harness + ?Sized>(cases: &[Case<H>], mutants: &[Mutant<H>], all: bool) -> Self {
        let next = AtomicUsize::new(0);
        let killers = Mutex::new(vec![Vec::new(); mutants.len()]);
        let work = || {
            while let Some((index, mutant)) = take(&next, mutants) {
                let fails = |case: &Case<H>| {
                    let asked = all || mutant.topics.is_empty() || mutant.topics.contains(&case.topic);
                    let check = AssertUnwindSafe(|| case.check(&*mutant.harness));
                    asked && !matches!(catch_unwind(check), Ok(Ok(())))
                };
                let found = (0..cases.len()).filter(|&case| fails(&cases[case])).collect();
                killers.lock().unwrap_or_else(PoisonError::into_inner)[index] = found;
            }
        };
        quietly(|| {
            thread::scope(|scope| {
                for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                    // Without another thread, those that there are do the work.
                    thread::Builder::new().name(QUIET.into()).spawn_scoped(scope, work).ok();
                }
            });
        });
        Self {
            cases: cases.iter().map(Case::path).collect(),
            mutants: mutants
                .iter()
                .map(|mutant| format!("{}, which {}", mutant.name, mutant.breaks))
                .collect(),
            killers: killers.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Mutants that no case finds out.
    #[must_use]
    pub fn survivors(&self) -> Vec<&str> {
        let survives = |index: &usize| self.killers[*index].is_empty();
        (0..self.mutants.len()).filter(survives).map(|index| &*self.mutants[index]).collect()
    }

    /// Cases that find no mutant out, apart from those that nearly every case finds out.
    ///
    /// A mutant counts if at most `share` of all cases fail with it.
    #[must_use]
    pub fn idle_cases(&self, share: f64) -> Vec<&str> {
        let limit = (self.cases.len() as f64 * share) as usize;
        let subtle = || self.killers.iter().filter(|killers| killers.len() <= limit);
        let idle = |case: &usize| !subtle().any(|killers| killers.contains(case));
        (0..self.cases.len()).filter(idle).map(|case| &*self.cases[case]).collect()
    }

    /// The table, one line for each mutant, with the cases that find it out.
    #[must_use]
    pub fn table(&self) -> String {
        let line = |(mutant, killers): (&String, &Vec<usize>)| {
            let cases: Vec<&str> = killers.iter().map(|&case| &*self.cases[case]).collect();
            format!("{mutant}: {} cases: {}\n", killers.len(), cases.join(", "))
        };
        self.mutants.iter().zip(&self.killers).map(line).collect()
    }
}

fn take<'m, T>(next: &AtomicUsize, mutants: &'m [T]) -> Option<(usize, &'m T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    mutants.get(index).map(|mutant| (index, mutant))
}

/// Name of threads whose panics are expected.
const QUIET: &str = "mutants";

/// Runs something while panics of threads with mutants are not reported.
fn quietly(work: impl FnOnce()) {
    let before = std::sync::Arc::new(std::panic::take_hook());
    let hook = std::sync::Arc::clone(&before);
    std::panic::set_hook(Box::new(move |panic| {
        if !matches!(thread::current().name(), Some(QUIET | "reference backend")) {
            hook(panic);
        }
    }));
    work();
    drop(std::panic::take_hook());
    if let Ok(hook) = std::sync::Arc::try_unwrap(before) {
        std::panic::set_hook(hook);
    }
}

/// The mutants of the reference backend.
#[must_use]
pub fn backend() -> Vec<Mutant<dyn BackendHarness>> {
    let flaws = Flaw::ALL.iter().map(|(flaw, breaks, topics)| Tamper {
        flaw: Some(*flaw),
        topics,
        ..Tamper::new(format!("{flaw:?}"), breaks)
    });
    let wrappers = [
        writes::mutants(),
        tables::mutants(),
        relations::mutants(),
        conditions::mutants(),
        transactions::mutants(),
        streams::mutants(),
    ];
    flaws.chain(wrappers.into_iter().flatten()).map(Tamper::into_mutant).collect()
}

/// The reference backend itself in the surroundings of its mutants, to see that these are not what fails.
#[must_use]
pub fn sound_backend() -> Box<dyn BackendHarness> {
    Box::new(TamperedHarness::new(Tamper::new(SOUND, "is right")))
}
