//! What waits for a webhook.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant as Moment;

use tokio::sync::Notify;

use super::super::StreamEvent;

/// Events and bytes of one request; one event is sent however large it is.
const EVENTS: usize = 1000;
const BYTES: usize = 1 << 20;

/// Why a subscriber did not take something.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// What happened, without anything secret.
    pub(super) what: String,
    /// Whether it may take it another time.
    pub(super) again: bool,
    /// How long it asked to be left alone.
    pub(super) pause: Option<std::time::Duration>,
}

/// Events that one sender takes out in their order, and any number of writers put in.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// For those who wait for the sender.
    changed: Condvar,
    /// For the sender.
    wake: Notify,
    /// For the sender while it waits before another attempt.
    closed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Those under way come first.
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Events that were dropped after the last one that waits.
    missed: u64,
    /// Events that were taken out before the first one that waits, and not taken.
    lost: u64,
    /// Why the last attempt failed, if it did.
    failure: Option<Failure>,
    /// Number of times that somebody asked whether anybody is there, and of the last answer.
    asked: u64,
    answered: u64,
    /// Until when the rest is sent, once nothing more comes.
    closing: Option<Moment>,
    ended: bool,
}

#[derive(Debug)]
struct Waiting {
    /// The event as an object, without what was missed.
    json: Vec<u8>,
    missed: u64,
}

/// Something for the sender to do.
#[derive(Debug)]
pub(super) enum Work {
    /// To send a request, whose events stay in the queue until they are taken out.
    Send(Batch),
    /// To look whether anybody is there.
    Ask(u64),
}

/// Events of one request.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) body: Vec<u8>,
    pub(super) count: usize,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an event in, if there is room.
    pub(super) fn push(&self, event: &StreamEvent, capacity: usize) {
        let json = serde_json::to_vec(&StreamEvent { missed: 0, ..event.clone() });
        let mut state = self.state();
        match json {
            Ok(json) if state.waiting.is_empty() || state.bytes + json.len() <= capacity => {
                state.bytes += json.len();
                let missed = std::mem::take(&mut state.missed);
                state.waiting.push_back(Waiting { json, missed });
            }
            _ => state.missed += 1,
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Waits until everything is taken; false if that is not so in time.
    pub(super) fn settle(&self, end: Moment) -> bool {
        self.wait(end, |state| state.waiting.is_empty() || state.ended)
    }

    /// Asks whether anybody is there, and waits for the answer.
    pub(super) fn ask(&self, end: Moment) -> Result<(), Failure> {
        let question = {
            let mut state = self.state();
            state.asked += 1;
            state.asked
        };
        self.wake.notify_one();
        self.wait(end, |state| state.answered >= question || state.ended);
        let state = self.state();
        match state.failure.clone() {
            None if state.answered >= question => Ok(()),
            failure => Err(failure.unwrap_or_else(Failure::no_answer)),
        }
    }

    /// Why the last attempt failed, if it did.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.state().failure.clone()
    }

    /// Nothing more comes, and what is there is sent until a moment; returns the number of events that were not.
    pub(super) fn close(&self, end: Moment) -> usize {
        self.state().closing = Some(end);
        self.wake.notify_one();
        self.closed.notify_one();
        self.wait(end, |state| state.ended);
        self.state().waiting.len()
    }

    fn wait(&self, end: Moment, done: impl Fn(&State) -> bool) -> bool {
        let mut state = self.state();
        while !done(&state) {
            let left = end.saturating_duration_since(Moment::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// What is to be done next; none after the end.
    pub(super) async fn next(&self) -> Option<Work> {
        loop {
            let (work, is_last) = {
                let state = self.state();
                (state.work(), state.closing.is_some())
            };
            if work.is_some() || is_last {
                return work;
            }
            self.wake.notified().await;
        }
    }

    /// Ends a question.
    pub(super) fn answer(&self, question: u64, answer: Result<(), Failure>) {
        let mut state = self.state();
        state.answered = question;
        state.failure = answer.err();
        self.changed.notify_all();
    }

    /// Takes events out that were taken.
    pub(super) fn taken(&self, count: usize) {
        let mut state = self.state();
        state.take(count);
        state.lost = 0;
        state.failure = None;
        self.changed.notify_all();
    }

    /// Remembers that an attempt failed.
    pub(super) fn failed(&self, failure: Failure) {
        self.state().failure = Some(failure);
        self.changed.notify_all();
    }

    /// Takes events out that nobody takes.
    pub(super) fn lose(&self, count: usize) {
        let mut state = self.state();
        let missed = state.take(count);
        state.lost += missed + count as u64;
        self.changed.notify_all();
    }

    /// Whether nothing more comes, and if so whether the time for the rest is over.
    pub(super) fn is_closing(&self) -> Option<bool> {
        self.state().closing.map(|end| Moment::now() >= end)
    }

    /// Waits until nothing more comes.
    pub(super) async fn closed(&self) {
        self.closed.notified().await;
    }

    /// Nobody sends any more.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }
}

impl State {
    fn work(&self) -> Option<Work> {
        if self.waiting.is_empty() {
            return (self.asked > self.answered).then_some(Work::Ask(self.asked));
        }
        let (mut body, mut count) = (Vec::from(*b"["), 0);
        for Waiting { json, missed } in &self.waiting {
            if count > 0 && (count == EVENTS || body.len() + json.len() > BYTES) {
                break;
            }
            let missed = missed + if count == 0 { self.lost } else { 0 };
            body.extend_from_slice(if count == 0 { b"" } else { b"," });
            body.extend_from_slice(json);
            if missed > 0 {
                body.pop();
                body.extend_from_slice(format!(",\"missed\":{missed}}}").as_bytes());
            }
            count += 1;
        }
        body.push(b']');
        Some(Work::Send(Batch { body, count }))
    }

    /// Takes events out; returns how many had been missed before them.
    fn take(&mut self, count: usize) -> u64 {
        let taken = self.waiting.drain(..count.min(self.waiting.len()));
        let (bytes, missed) = taken
            .fold((0, 0), |(bytes, missed), waiting| (bytes + waiting.json.len(), missed + waiting.missed));
        self.bytes -= bytes;
        missed
    }
}

impl Failure {
    /// Nothing came, in whatever time there was.
    pub(super) fn no_answer() -> Self {
        Self { what: "gives no answer in time".to_owned(), again: true, pause: None }
    }
}
