//! The protocol by which registry and datastore stay one, small enough that all its histories can be looked at.
//!
//! Two writers and a remover want the same path; two recoveries take whoever is too slow for dead. Everybody
//! may stop after each step, for good or for as long as it likes, or may not get the reply to a commit.
//! [`explore`] goes through all states that can come about, and checks that there are only those of the table:
//!
//! | state | record | artifact |
//! |---|---|---|
//! | stored | yes | yes |
//! | known, not stored | no | no |
//! | unregistered artifact | no | yes, and its journal entry is open |
//!
//! that nobody was told what is not so, and that recoveries alone bring everything to a good end from there.
//!
//! Time is what a lease makes of it: an entry may be too old at any moment, except that one placement takes less
//! than a lease, and one deletion, together with the look at the lease before it, less than what is left of it.
//!
//! Each [`Flaw`] is a protocol that somebody might think good enough; each is found faulty, with the
//! shortest history that shows it.
//!
//! ```
//! use butler_testkit::model::{Flaw, explore};
//!
//! let failure = explore(Some(Flaw::EntryAfterBytes)).unwrap_err();
//! assert_eq!(failure.history.last().unwrap(), "writer 1 places its artifact");
//! ```

mod actors;
mod state;

use std::collections::VecDeque;
use std::collections::hash_map::Entry as Slot;

use rustc_hash::{FxHashMap, FxHashSet};

use self::actors::{bury, recover_alone, successors};
use self::state::State;

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A writer announces nothing.
    NoEntry,
    /// A writer announces what it has written already.
    EntryAfterBytes,
    /// A remover deletes artifacts, and then tells the registry.
    DeleteBeforeCommit,
    /// Nobody writes down who has won: a recovery decides by what it sees.
    NoOutcome,
    /// A writer takes a path though a removal names it.
    NoSuffix,
    /// A remover does not look at what writers have announced.
    NoClaims,
    /// A remover asks for records before it looks at what writers have announced.
    RecordsBeforeClaims,
    /// A recovery deletes the entry of a writer as soon as it has undone what that did.
    NoSecondLook,
    /// A writer starts to place an artifact, however late it is.
    PlaceWithoutLease,
    /// A writer whose transaction has failed deletes what it wrote, however late it is.
    UndoWithoutLease,
    /// A remover deletes, however late it is.
    DeleteWithoutLease,
    /// A remover deletes its entry, however late it is.
    CloseWithoutLease,
    /// A recovery deletes, however late it is.
    RecoverWithoutLease,
    /// A recovery forgets who has won as soon as the entry is gone.
    ForgottenOutcome,
    /// Whoever gets no reply to its commit takes it for failed, and undoes what it did.
    LostReplyIsFailure,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::NoEntry,
        Self::EntryAfterBytes,
        Self::DeleteBeforeCommit,
        Self::NoOutcome,
        Self::NoSuffix,
        Self::NoClaims,
        Self::RecordsBeforeClaims,
        Self::NoSecondLook,
        Self::PlaceWithoutLease,
        Self::UndoWithoutLease,
        Self::DeleteWithoutLease,
        Self::CloseWithoutLease,
        Self::RecoverWithoutLease,
        Self::ForgottenOutcome,
        Self::LostReplyIsFailure,
    ];
}

/// What was gone through without finding anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exploration {
    /// Number of states, of which no two differ only in the names of writers, or of recoveries.
    pub states: usize,
    /// Number of steps between them.
    pub steps: usize,
}

/// A history that ends badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong.
    pub problem: String,
    /// What has happened, in order.
    pub history: Vec<String>,
}

/// Goes through all histories, the shortest first.
///
/// # Errors
/// The first that ends badly.
pub fn explore(flaw: Option<Flaw>) -> Result<Exploration, Failure> {
    let mut seen: FxHashMap<u128, (u128, Step)> = FxHashMap::default();
    let mut open: VecDeque<State> = VecDeque::new();
    let mut steps = 0;
    // What the dead leave is soon always the same.
    let mut buried: FxHashSet<u128> = FxHashSet::default();
    for lost in [false, true] {
        let state = State::new(lost).canonical();
        seen.insert(state.key(), (state.key(), Step::BEGIN));
        open.push_back(state);
    }
    let mut next = Vec::new();
    while let Some(state) = open.pop_front() {
        let key = state.key();
        let end = || {
            let dead = bury(state);
            if buried.insert(dead.key()) { recover_alone(dead, flaw) } else { None }
        };
        if let Some(problem) = state.problem().or_else(end) {
            return Err(Failure { problem, history: history(&seen, key) });
        }
        next.clear();
        successors(&state, flaw, &mut next);
        steps += next.len();
        for (step, state) in &next {
            let state = state.canonical();
            if let Slot::Vacant(slot) = seen.entry(state.key()) {
                slot.insert((key, *step));
                open.push_back(state);
            }
        }
    }
    Ok(Exploration { states: seen.len(), steps })
}

/// A step, for people.
#[derive(Clone, Copy, Debug)]
struct Step {
    who: &'static str,
    /// 0 if there is only one of them.
    number: u8,
    does: &'static str,
}

impl Step {
    const BEGIN: Self = Self { who: "", number: 0, does: "" };
}

fn history(seen: &FxHashMap<u128, (u128, Step)>, mut key: u128) -> Vec<String> {
    let mut history = Vec::new();
    while let Some((before, step)) = seen.get(&key)
        && *before != key
    {
        history.push(match step.number {
            0 => format!("{} {}", step.who, step.does),
            number => format!("{} {number} {}", step.who, step.does),
        });
        key = *before;
    }
    history.reverse();
    history
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_leads_to_no_bad_end() {
        let found = explore(None).unwrap_or_else(|failure| unreachable!("{failure:#?}"));
        assert!(found.states > 1_000_000 && found.steps > found.states, "{found:?}");
    }

    #[test]
    fn a_history_is_told_from_its_beginning() {
        let failure = explore(Some(Flaw::DeleteBeforeCommit)).unwrap_err();
        assert_eq!(failure.history, ["remover announces what goes", "remover deletes the artifact"]);
        assert!(failure.problem.contains("no artifact"), "{failure:?}");
    }

    /// One test for each, so that it is seen which is not found.
    macro_rules! found_faulty {
        ($($name:ident: $flaw:ident),* $(,)?) => {
            $(
                #[test]
                fn $name() {
                    let failure = explore(Some(Flaw::$flaw)).unwrap_err();
                    assert!(failure.history.len() > 1, "{failure:#?}");
                }
            )*

            #[test]
            fn each_flaw_has_a_test() {
                assert_eq!(Flaw::ALL, [$(Flaw::$flaw),*]);
            }
        };
    }

    found_faulty! {
        whoever_announces_nothing_leaves_orphans: NoEntry,
        whoever_announces_afterwards_leaves_orphans: EntryAfterBytes,
        whoever_deletes_before_the_commit_loses_artifacts: DeleteBeforeCommit,
        without_outcomes_a_slow_writer_commits_what_was_undone: NoOutcome,
        without_suffixes_a_removal_deletes_what_is_new: NoSuffix,
        without_claims_a_removal_deletes_what_is_new: NoClaims,
        claims_are_read_before_records: RecordsBeforeClaims,
        a_recovery_looks_twice: NoSecondLook,
        a_late_writer_places_nothing: PlaceWithoutLease,
        a_late_writer_deletes_nothing: UndoWithoutLease,
        a_late_remover_deletes_nothing: DeleteWithoutLease,
        a_late_remover_leaves_its_entry: CloseWithoutLease,
        a_late_recovery_deletes_nothing: RecoverWithoutLease,
        outcomes_outlive_entries: ForgottenOutcome,
        a_lost_reply_is_no_failure: LostReplyIsFailure,
    }
}
