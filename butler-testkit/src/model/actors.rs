//! Who does what next.

use super::state::{
    Lie, OLD, Outcome, RECOVERIES, REMOVAL, RecoveryStep, Remover, RemoverStep, State, WRITERS, Writer,
    WriterStep,
};
use super::{Flaw, Step};

/// Rounds after which recoveries alone must have dealt with everything.
const ROUNDS: usize = 4;

/// What may come next.
type Next = Vec<(Step, State)>;

/// All states that may follow.
///
/// That somebody dies is that it does nothing more, and no step of its own; only what is under way at
/// that moment comes to its end.
pub(super) fn successors(state: &State, flaw: Option<Flaw>, next: &mut Next) {
    for number in 0..WRITERS {
        writer(state, number, flaw, next);
    }
    remover(state, flaw, next);
    for number in 0..RECOVERIES {
        recovery(state, number, flaw, next);
    }
}

/// What is left of a state when everybody dies: as far as it matters to those who come afterwards.
pub(super) fn bury(mut state: State) -> State {
    state.writers = [Writer { step: WriterStep::Ended, ..Writer::default() }; WRITERS];
    state.remover = Remover { step: RemoverStep::Ended, ..Remover::default() };
    state.recoveries = Default::default();
    state
}

/// Recoveries, one after the other, deal with all entries of the dead.
pub(super) fn recover_alone(mut state: State, flaw: Option<Flaw>) -> Option<String> {
    for _ in 0..ROUNDS {
        for entry in 0..=REMOVAL {
            if !state.entries[entry] {
                continue;
            }
            state = take(&state, 0, entry, flaw);
            while state.recoveries[0].step != RecoveryStep::Idle {
                state = recovers(&state, 0, flaw).1;
                if let Some(problem) = state.problem() {
                    return Some(format!("everybody dies, and a recovery makes it worse: {problem}"));
                }
            }
        }
    }
    let open = state.entries.iter().position(|open| *open)?;
    Some(format!("everybody dies, and recoveries never deal with entry {}", open + 1))
}

fn writer(state: &State, number: usize, flaw: Option<Flaw>, next: &mut Next) {
    let one = state.writers[number];
    let mut push = |does, change: &dyn Fn(&mut State)| {
        let mut then = *state;
        change(&mut then);
        next.push((Step { who: "writer", number: number as u8 + 1, does }, then));
    };
    let to = |step| move |then: &mut State| then.writers[number].step = step;
    match one.step {
        WriterStep::Begins => push("announces what it writes", &|then| {
            then.entries[number] = !matches!(flaw, Some(Flaw::NoEntry | Flaw::EntryAfterBytes));
            then.writers[number].step = WriterStep::Announced;
        }),
        WriterStep::Announced => push("looks for removals", &|then| {
            then.writers[number].aside = then.entries[REMOVAL] && flaw != Some(Flaw::NoSuffix);
            then.writers[number].step = WriterStep::Chosen;
        }),
        WriterStep::Chosen if one.late && flaw != Some(Flaw::PlaceWithoutLease) => {
            push("gives up", &|then| end_writer(then, number));
        }
        WriterStep::Chosen => push("begins to place its artifact", &to(WriterStep::Placing)),
        WriterStep::Placing => place(state, number, flaw, &mut push),
        WriterStep::Unannounced => push("announces what it has written", &|then| {
            then.entries[number] = true;
            then.writers[number].step = WriterStep::Placed;
        }),
        WriterStep::Placed => {
            if state.outcomes[number] == Outcome::Aborted {
                push("learns that it was undone", &to(WriterStep::Failed));
            } else {
                push("commits", &|then| commit_write(then, number, flaw, WriterStep::Committed));
                push("commits, and gets no reply", &|then| {
                    commit_write(then, number, flaw, WriterStep::Unsure);
                });
            }
            push("does not commit, and gets no reply", &to(WriterStep::Unsure));
        }
        WriterStep::Unsure => push("asks who has won", &|then| ask_writer(then, number, flaw)),
        WriterStep::Committed => push("deletes its entry, and forgets the outcome", &|then| {
            then.entries[number] = false;
            forget(then, number);
            end_writer(then, number);
        }),
        WriterStep::Failed if one.late && flaw != Some(Flaw::UndoWithoutLease) => {
            push("leaves the rest to a recovery", &|then| end_writer(then, number));
        }
        WriterStep::Failed => push("takes back its artifact", &|then| {
            then.artifacts[state.path(number)] = None;
            then.writers[number].step = WriterStep::Undone;
        }),
        WriterStep::Undone => push("deletes its entry", &|then| {
            then.entries[number] = false;
            end_writer(then, number);
        }),
        WriterStep::Ended => {}
    }
}

/// Takes what an actor may do next: its name, and what it changes.
type Push<'a> = dyn FnMut(&'static str, &dyn Fn(&mut State)) + 'a;

fn place(state: &State, number: usize, flaw: Option<Flaw>, push: &mut Push<'_>) {
    let path = state.path(number);
    if state.artifacts[path].is_some() {
        push("finds something in its place", &|then| then.writers[number].step = WriterStep::Undone);
    } else {
        push("places its artifact", &|then| {
            then.artifacts[path] = Some(number as u8 + 1);
            let late = flaw == Some(Flaw::EntryAfterBytes);
            then.writers[number].step = if late { WriterStep::Unannounced } else { WriterStep::Placed };
        });
    }
    push("dies before it places its artifact", &|then| {
        then.writers[number] = Writer { step: WriterStep::Ended, ..Writer::default() };
    });
}

/// A writer is told that it has stored its dataset, or that it has not.
fn tell_writer(then: &mut State, number: usize, stored: bool) {
    if then.records[number + 1].is_some() != stored {
        then.lie = Lie::Writer;
    }
}

fn end_writer(then: &mut State, number: usize) {
    let committed = then.writers[number].step == WriterStep::Committed;
    tell_writer(then, number, committed);
    then.writers[number] = Writer { step: WriterStep::Ended, ..Writer::default() };
}

fn commit_write(then: &mut State, number: usize, flaw: Option<Flaw>, step: WriterStep) {
    then.records[number + 1] = Some(then.path(number) as u8);
    if flaw != Some(Flaw::NoOutcome) {
        then.outcomes[number] = Outcome::Committed;
    }
    then.writers[number].step = step;
    if step == WriterStep::Committed {
        then.writers[number] = Writer { step, ..Writer::default() };
    }
}

/// After a lost reply: what happened is what the outcome says, and if there is none, nothing has happened, nor will.
fn ask_writer(then: &mut State, number: usize, flaw: Option<Flaw>) {
    let committed = match flaw {
        Some(Flaw::LostReplyIsFailure) => {
            then.writers[number].step = WriterStep::Failed;
            return;
        }
        Some(Flaw::NoOutcome) => then.records[number + 1].is_some(),
        _ => then.outcomes[number] == Outcome::Committed,
    };
    if committed {
        then.writers[number] = Writer { step: WriterStep::Committed, ..Writer::default() };
        return;
    }
    then.outcomes[number] = Outcome::Aborted;
    then.writers[number].step = WriterStep::Failed;
}

/// That somebody was undone is never forgotten.
fn forget(then: &mut State, entry: usize) {
    if then.outcomes[entry] == Outcome::Committed {
        then.outcomes[entry] = Outcome::None;
    }
}

fn is_claimed(state: &State, flaw: Option<Flaw>) -> bool {
    flaw != Some(Flaw::NoClaims) && state.entries[..WRITERS].contains(&true)
}

fn remover(state: &State, flaw: Option<Flaw>, next: &mut Next) {
    let one = state.remover;
    let mut push = |does, change: &dyn Fn(&mut State)| {
        let mut then = *state;
        change(&mut then);
        next.push((Step { who: "remover", number: 0, does }, then));
    };
    let to = |step| move |then: &mut State| then.remover.step = step;
    let records_first = flaw == Some(Flaw::RecordsBeforeClaims);
    match one.step {
        RemoverStep::Begins => push("announces what goes", &|then| {
            then.entries[REMOVAL] = true;
            then.remover.step = RemoverStep::Announced;
        }),
        RemoverStep::Announced if flaw == Some(Flaw::DeleteBeforeCommit) => {
            push("deletes the artifact", &|then| {
                then.artifacts[0] = None;
                then.remover.step = RemoverStep::Deleted;
            });
        }
        RemoverStep::Announced | RemoverStep::Deleted => {
            if state.outcomes[REMOVAL] == Outcome::Aborted {
                push("learns that it was undone", &|then| {
                    tell_remover(then, false);
                    then.remover.step = RemoverStep::Cleared;
                });
            } else {
                push("commits", &|then| commit_removal(then, flaw, RemoverStep::Committed));
                push("commits, and gets no reply", &|then| commit_removal(then, flaw, RemoverStep::Unsure));
            }
            push("does not commit, and gets no reply", &to(RemoverStep::Unsure));
        }
        RemoverStep::Unsure => push("asks who has won", &|then| ask_remover(then, flaw)),
        RemoverStep::Committed if !records_first => push("looks for writers", &|then| {
            then.remover.claimed = is_claimed(then, flaw);
            then.remover.step = RemoverStep::SawClaims;
        }),
        RemoverStep::Committed | RemoverStep::SawClaims => push("asks for records", &|then| {
            then.remover.named = then.is_named(0);
            then.remover.step = RemoverStep::SawRecords;
        }),
        RemoverStep::SawRecords => {
            let claimed = if records_first { is_claimed(state, flaw) } else { one.claimed };
            let late = one.late && flaw != Some(Flaw::DeleteWithoutLease);
            if one.named {
                push("sees that the path is in use", &to(RemoverStep::Cleared));
            } else if claimed || late {
                push("leaves the rest to a recovery", &end_remover);
            } else {
                push("deletes the artifact", &|then| {
                    then.artifacts[0] = None;
                    then.remover.step = RemoverStep::Cleared;
                });
            }
        }
        RemoverStep::Cleared if one.late && flaw != Some(Flaw::CloseWithoutLease) => {
            push("leaves its entry to a recovery", &end_remover);
        }
        RemoverStep::Cleared => push("deletes its entry, and forgets the outcome", &|then| {
            then.entries[REMOVAL] = false;
            forget(then, REMOVAL);
            end_remover(then);
        }),
        RemoverStep::Ended => {}
    }
}

/// The remover is told that it has removed its dataset, or that it has not.
fn tell_remover(then: &mut State, removed: bool) {
    if then.records[usize::from(OLD)].is_none() != removed {
        then.lie = Lie::Remover;
    }
}

fn end_remover(then: &mut State) {
    then.remover = Remover { step: RemoverStep::Ended, ..Remover::default() };
}

fn commit_removal(then: &mut State, flaw: Option<Flaw>, step: RemoverStep) {
    then.records[usize::from(OLD)] = None;
    if flaw != Some(Flaw::NoOutcome) {
        then.outcomes[REMOVAL] = Outcome::Committed;
    }
    then.remover.step = step;
}

fn ask_remover(then: &mut State, flaw: Option<Flaw>) {
    let committed = match flaw {
        Some(Flaw::NoOutcome) => then.records[usize::from(OLD)].is_none(),
        Some(Flaw::LostReplyIsFailure) => false,
        _ => then.outcomes[REMOVAL] == Outcome::Committed,
    };
    tell_remover(then, committed);
    if committed {
        then.remover.step = RemoverStep::Committed;
        return;
    }
    if then.outcomes[REMOVAL] == Outcome::None {
        then.outcomes[REMOVAL] = Outcome::Aborted;
    }
    end_remover(then);
}

fn recovery(state: &State, number: usize, flaw: Option<Flaw>, next: &mut Next) {
    if state.recoveries[number].step == RecoveryStep::Idle {
        for (entry, _) in state.entries.iter().enumerate().filter(|(_, open)| **open) {
            // A placement that began in time takes less than one more lease.
            let writer = state.writers.get(entry);
            if writer.is_none_or(|writer| writer.step != WriterStep::Placing || !writer.late) {
                let does = ["takes entry 1", "takes entry 2", "takes entry 3"][entry];
                let step = Step { who: "recovery", number: number as u8 + 1, does };
                next.push((step, take(state, number, entry, flaw)));
            }
        }
        return;
    }
    let (does, then) = recovers(state, number, flaw);
    next.push((Step { who: "recovery", number: number as u8 + 1, does }, then));
}

/// An entry has become older than its lease, which whoever made it or deals with it knows by its own clock.
/// A recovery makes it young again, which keeps others away from it for a lease; and claims it.
fn take(state: &State, number: usize, entry: usize, flaw: Option<Flaw>) -> State {
    let mut then = *state;
    match then.writers.get_mut(entry) {
        // Whoever is about to delete its entry, or has ended, does not care.
        Some(writer) => writer.late = !matches!(writer.step, WriterStep::Committed | WriterStep::Ended),
        None => then.remover.late = then.remover.step != RemoverStep::Ended,
    }
    for recovery in &mut then.recoveries {
        recovery.late |= recovery.step != RecoveryStep::Idle && usize::from(recovery.entry) == entry;
    }
    then.recoveries[number] = Default::default();
    let recovery = &mut then.recoveries[number];
    recovery.entry = entry as u8;
    recovery.step = RecoveryStep::Decided;
    if flaw == Some(Flaw::NoOutcome) {
        recovery.last = true;
        recovery.committed = match entry == REMOVAL {
            true => state.records[usize::from(OLD)].is_none(),
            false => state.records[entry + 1].is_some(),
        };
        return then;
    }
    recovery.last = state.outcomes[entry] != Outcome::None || flaw == Some(Flaw::NoSecondLook);
    recovery.committed = state.outcomes[entry] == Outcome::Committed;
    if state.outcomes[entry] == Outcome::None {
        then.outcomes[entry] = Outcome::Aborted;
    }
    then
}

/// The next step of a recovery that is at work.
fn recovers(state: &State, number: usize, flaw: Option<Flaw>) -> (&'static str, State) {
    let one = state.recoveries[number];
    let mut then = *state;
    let does = match one.step {
        RecoveryStep::Cleared => close(&mut then, number, flaw),
        _ if usize::from(one.entry) == REMOVAL => finish_removal(&mut then, number, flaw),
        _ => undo_write(&mut then, number, flaw),
    };
    (does, then)
}

fn keep(then: &mut State, number: usize) -> &'static str {
    then.recoveries[number] = Default::default();
    "keeps the entry"
}

/// The entry goes, unless it has to be looked at again. Its outcome stays for a long time: whoever made
/// the entry may still have to ask for it.
fn close(then: &mut State, number: usize, flaw: Option<Flaw>) -> &'static str {
    let one = then.recoveries[number];
    let late = one.late && flaw != Some(Flaw::RecoverWithoutLease);
    if late || !(one.committed || one.last) {
        return keep(then, number);
    }
    then.recoveries[number] = Default::default();
    let entry = usize::from(one.entry);
    then.entries[entry] = false;
    if flaw == Some(Flaw::ForgottenOutcome) {
        forget(then, entry);
    }
    "deletes the entry"
}

fn finish_removal(then: &mut State, number: usize, flaw: Option<Flaw>) -> &'static str {
    let one = then.recoveries[number];
    let (claimed, named) = (is_claimed(then, flaw), then.is_named(0));
    let records_first = flaw == Some(Flaw::RecordsBeforeClaims);
    let recovery = &mut then.recoveries[number];
    match one.step {
        RecoveryStep::Decided if !one.committed => close(then, number, flaw),
        RecoveryStep::Decided if !records_first => {
            recovery.claimed = claimed;
            recovery.step = RecoveryStep::SawClaims;
            "looks for writers"
        }
        RecoveryStep::Decided | RecoveryStep::SawClaims => {
            recovery.named = named;
            recovery.step = RecoveryStep::SawRecords;
            "asks for records"
        }
        _ => {
            let claimed = if records_first { claimed } else { one.claimed };
            let late = one.late && flaw != Some(Flaw::RecoverWithoutLease);
            if !one.named && (claimed || late) {
                return keep(then, number);
            }
            recovery.step = RecoveryStep::Cleared;
            if !one.named {
                then.artifacts[0] = None;
            }
            "deletes what no record names"
        }
    }
}

fn undo_write(then: &mut State, number: usize, flaw: Option<Flaw>) -> &'static str {
    let one = then.recoveries[number];
    let writer = usize::from(one.entry);
    if one.committed {
        return close(then, number, flaw);
    }
    if one.late && flaw != Some(Flaw::RecoverWithoutLease) {
        return keep(then, number);
    }
    for path in [0, 1 + writer] {
        // Records of others tell nothing of what this writer placed: theirs may have been lost before.
        let named = then.records[writer + 1] == Some(path as u8);
        if !named && then.artifacts[path] == Some(one.entry + 1) {
            then.artifacts[path] = None;
        }
    }
    if !one.last {
        then.recoveries[number] = Default::default();
        return "deletes what the writer placed, and keeps the entry";
    }
    then.recoveries[number].step = RecoveryStep::Cleared;
    "deletes what the writer placed"
}
