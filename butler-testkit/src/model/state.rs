//! What there is at one moment.

/// Datasets, and at the same time who has made them: one that was stored before, and one of each writer.
pub(super) const OLD: u8 = 0;
pub(super) const WRITERS: usize = 2;
/// Entries: one of each writer, and that of the remover.
pub(super) const REMOVAL: usize = WRITERS;
const ENTRIES: usize = WRITERS + 1;
/// Paths: the one that everybody wants, and the alternative of each writer.
pub(super) const PATHS: usize = WRITERS + 1;
pub(super) const RECOVERIES: usize = 2;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Outcome {
    #[default]
    None,
    Committed,
    Aborted,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum WriterStep {
    #[default]
    Begins,
    Announced,
    Chosen,
    /// A placement is under way.
    Placing,
    /// Only of whoever announces too late.
    Unannounced,
    Placed,
    /// The reply to the commit was lost.
    Unsure,
    Committed,
    /// Its artifact is still there.
    Failed,
    Undone,
    Ended,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Writer {
    pub(super) step: WriterStep,
    /// Whether its lease is over, by its own clock.
    pub(super) late: bool,
    /// Whether it stepped aside.
    pub(super) aside: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum RemoverStep {
    #[default]
    Begins,
    Announced,
    /// Only of whoever deletes too early.
    Deleted,
    Unsure,
    Committed,
    SawClaims,
    SawRecords,
    /// What remains to be done is to delete the entry.
    Cleared,
    Ended,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Remover {
    pub(super) step: RemoverStep,
    pub(super) late: bool,
    pub(super) claimed: bool,
    pub(super) named: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum RecoveryStep {
    #[default]
    Idle,
    /// The outcome is known.
    Decided,
    SawClaims,
    SawRecords,
    /// What remains to be done is to delete the entry.
    Cleared,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recovery {
    pub(super) step: RecoveryStep,
    /// Entry that it deals with.
    pub(super) entry: u8,
    /// Whether its lease on that is over.
    pub(super) late: bool,
    /// Whether the entry goes at the end.
    pub(super) last: bool,
    pub(super) committed: bool,
    pub(super) claimed: bool,
    /// Whether a record names the path.
    pub(super) named: bool,
}

/// What somebody was told that is not so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lie {
    #[default]
    None,
    Writer,
    Remover,
}

/// Everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    /// Whether the artifact of the old dataset was lost before all began.
    pub(super) lost: bool,
    /// By path: whose artifact lies there.
    pub(super) artifacts: [Option<u8>; PATHS],
    /// By dataset: the path that its record names.
    pub(super) records: [Option<u8>; ENTRIES],
    /// Whether they are open.
    pub(super) entries: [bool; ENTRIES],
    pub(super) outcomes: [Outcome; ENTRIES],
    pub(super) writers: [Writer; WRITERS],
    pub(super) remover: Remover,
    pub(super) recoveries: [Recovery; RECOVERIES],
    pub(super) lie: Lie,
}

/// Puts small numbers side by side.
struct Packer {
    bits: u128,
    used: u32,
}

impl Packer {
    fn push(&mut self, value: u8, width: u32) {
        debug_assert!(u32::from(value) < 1 << width, "{value} is more than {width} bits");
        self.bits |= u128::from(value) << self.used;
        self.used += width;
    }

    fn flag(&mut self, value: bool) {
        self.push(u8::from(value), 1);
    }

    fn option(&mut self, value: Option<u8>) {
        self.push(value.map_or(0, |value| value + 1), 2);
    }
}

impl Recovery {
    fn pack(self, packer: &mut Packer) {
        packer.push(self.step as u8, 3);
        packer.push(self.entry, 2);
        packer.flag(self.late);
        packer.flag(self.last);
        packer.flag(self.committed);
        packer.flag(self.claimed);
        packer.flag(self.named);
    }

    fn key(self) -> u128 {
        let mut packer = Packer { bits: 0, used: 0 };
        self.pack(&mut packer);
        packer.bits
    }
}

impl State {
    /// One dataset is stored at the path that everybody wants, or was.
    pub(super) fn new(lost: bool) -> Self {
        Self {
            lost,
            artifacts: [(!lost).then_some(OLD), None, None],
            records: [Some(0), None, None],
            entries: Default::default(),
            outcomes: Default::default(),
            writers: Default::default(),
            remover: Remover::default(),
            recoveries: Default::default(),
            lie: Lie::None,
        }
    }

    /// A number for each state.
    pub(super) fn key(&self) -> u128 {
        let mut packer = Packer { bits: 0, used: 0 };
        packer.flag(self.lost);
        self.artifacts.iter().chain(&self.records).for_each(|&value| packer.option(value));
        for (entry, outcome) in self.entries.iter().zip(&self.outcomes) {
            packer.flag(*entry);
            packer.push(*outcome as u8, 2);
        }
        for writer in &self.writers {
            packer.push(writer.step as u8, 4);
            packer.flag(writer.late);
            packer.flag(writer.aside);
        }
        packer.push(self.remover.step as u8, 4);
        packer.flag(self.remover.late);
        packer.flag(self.remover.claimed);
        packer.flag(self.remover.named);
        self.recoveries.iter().for_each(|recovery| recovery.pack(&mut packer));
        packer.push(self.lie as u8, 2);
        packer.bits
    }

    /// The same, with other names of writers and recoveries: one of all that differ only in these.
    pub(super) fn canonical(&self) -> Self {
        let (this, other) = (self.sorted(), self.swapped().sorted());
        if other.key() < this.key() { other } else { this }
    }

    fn sorted(mut self) -> Self {
        if self.recoveries[1].key() < self.recoveries[0].key() {
            self.recoveries.swap(0, 1);
        }
        self
    }

    /// The first writer is the second, and the other way round.
    fn swapped(&self) -> Self {
        let mut other = *self;
        let dataset = |dataset: u8| if dataset == OLD { OLD } else { 3 - dataset };
        let path = |path: u8| if path == 0 { 0 } else { 3 - path };
        other.artifacts.swap(1, 2);
        other.artifacts.iter_mut().for_each(|owner| *owner = owner.map(dataset));
        other.records.swap(1, 2);
        other.records.iter_mut().for_each(|place| *place = place.map(path));
        other.entries.swap(0, 1);
        other.outcomes.swap(0, 1);
        other.writers.swap(0, 1);
        for recovery in &mut other.recoveries {
            if recovery.step != RecoveryStep::Idle && usize::from(recovery.entry) < WRITERS {
                recovery.entry = 1 - recovery.entry;
            }
        }
        other
    }

    /// The path that a writer takes.
    pub(super) fn path(&self, writer: usize) -> usize {
        if self.writers[writer].aside { 1 + writer } else { 0 }
    }

    /// Whether a record names a path.
    pub(super) fn is_named(&self, path: usize) -> bool {
        self.records.iter().flatten().any(|&named| usize::from(named) == path)
    }

    /// What is not as it should be.
    pub(super) fn problem(&self) -> Option<String> {
        for (dataset, place) in self.records.iter().enumerate() {
            let Some(path) = *place else { continue };
            let was_lost = self.lost && dataset == usize::from(OLD);
            let there = self.artifacts[usize::from(path)];
            if !was_lost && there.map(usize::from) != Some(dataset) {
                return Some(format!(
                    "dataset {dataset} is recorded at path {path}, where there is no artifact of it"
                ));
            }
        }
        for (path, owner) in self.artifacts.iter().enumerate() {
            let Some(dataset) = owner.map(usize::from) else { continue };
            let recorded = self.records[dataset].map(usize::from) == Some(path);
            // The old dataset has the entry of the remover.
            let entry = dataset.checked_sub(1).unwrap_or(REMOVAL);
            if !recorded && !self.entries[entry] {
                return Some(format!(
                    "path {path} has an artifact of dataset {dataset}, which nothing names"
                ));
            }
        }
        match self.lie {
            Lie::None => None,
            Lie::Writer => Some("a writer was told what is not so".into()),
            Lie::Remover => Some("the remover was told what is not so".into()),
        }
    }
}
