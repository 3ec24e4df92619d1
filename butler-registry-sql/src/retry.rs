//! How often a transaction is tried again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Attempts after which a failure is final.
const ATTEMPTS: u32 = 10;

/// Longest pause between two attempts.
const LONGEST: Duration = Duration::from_millis(250);

/// Attempts that a transaction has had.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failed: u32,
}

impl Attempts {
    /// Counts a failed attempt; returns how long to wait before the next one, if there is to be one.
    pub(crate) fn next(&mut self) -> Option<Duration> {
        self.failed += 1;
        if self.failed >= ATTEMPTS {
            return None;
        }
        let pause = LONGEST.min(Duration::from_millis(1 << self.failed));
        // Two that failed because of each other should not meet again.
        let share = u32::try_from(RandomState::new().hash_one(self.failed) % 512).unwrap_or(0);
        Some(pause / 2 + pause * share / 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_few_attempts_within_seconds() {
        let mut attempts = Attempts::default();
        let pauses: Vec<Duration> = std::iter::from_fn(|| attempts.next()).collect();
        assert_eq!(pauses.len(), 9);
        assert!(pauses.iter().sum::<Duration>() < Duration::from_secs(2));
        assert!(pauses.iter().all(|pause| *pause > Duration::ZERO));
    }
}
