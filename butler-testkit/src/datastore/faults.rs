//! Whatever fails, nothing is lost, nothing is there twice, and after a recovery nothing is left over.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use butler_core::datastore::{
    FindingKind, RecoverOptions, TransferMode, VerifyOptions, WriteRequest, Written,
};
use butler_core::{DatasetRef, ErrorKind, Result, Structured};

use super::copies::copy;
use super::faulty::{Call, CallFaults, Fault, FaultyDatastore};
use super::fixture::{Fixture, ingest, put};
use super::{DatastoreHarness, Opening};

/// Every way in which a call fails.
const WAYS: [Fault; 4] = [Fault::Error, Fault::Lost, Fault::GivenUp(1), Fault::GivenUp(2)];

/// Nobody is at work when a case recovers.
const AT_ONCE: RecoverOptions = RecoverOptions { lease: Duration::ZERO, dry_run: false };

/// How long a call goes on that was given up.
const GIVEN_UP: Duration = Duration::from_millis(10);

/// What was given up may go on for a while behind the back of who did that.
const ROUNDS: usize = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// Datasets that stay stored.
const STORED: usize = 6;

/// A fixture whose datastore fails, and what should be in it.
struct Trial {
    fixture: Fixture,
    faults: CallFaults,
    stored: Vec<(DatasetRef, i64)>,
    /// Datasets that were not stored, or removed.
    absent: Vec<(DatasetRef, i64)>,
    /// Sources of what was not stored.
    sources: Vec<PathBuf>,
    /// Sources of what was moved.
    moved: Vec<PathBuf>,
    number: i64,
    /// Whether writes are prepared and executed in one call.
    at_once: bool,
}

impl Trial {
    async fn new(h: &dyn DatastoreHarness) -> Result<Self> {
        let mut fixture = Fixture::new(h).await?;
        let below = fixture.storage.faults().cloned();
        let faults = below.unwrap_or_else(|| {
            let faults = CallFaults::default();
            let inner = Arc::clone(&fixture.datastore);
            fixture.datastore = Arc::new(FaultyDatastore::new(inner, faults.clone()));
            faults
        });
        faults.disarm();
        Ok(Self {
            fixture,
            faults,
            stored: Vec::new(),
            absent: Vec::new(),
            sources: Vec::new(),
            moved: Vec::new(),
            number: 0,
            at_once: false,
        })
    }

    fn is_ephemeral(&self) -> bool {
        self.fixture.datastore.capabilities().ephemeral
    }

    fn dataset(&mut self) -> (DatasetRef, i64) {
        self.number += 1;
        (self.fixture.dataset("x", "Number", self.number), self.number)
    }

    /// The protocol of a write; true if it is registered. Failures of an end are a recovery's.
    async fn write(&self, requests: Vec<WriteRequest>, registers: bool) -> Result<bool> {
        let Ok(Written { transaction, records }) = self.written(requests).await else { return Ok(false) };
        if registers {
            self.fixture.books.insert(&transaction.entries(), records)?;
            drop(transaction.commit().await);
        } else {
            drop(transaction.roll_back().await);
        }
        Ok(registers)
    }

    async fn written(&self, requests: Vec<WriteRequest>) -> Result<Written> {
        let datastore = &self.fixture.datastore;
        if self.at_once {
            return datastore.write(requests).await;
        }
        let mut transaction = datastore.prepare_write(requests).await?;
        let records = transaction.execute().await;
        Written::of(transaction, records).await
    }

    /// Writes two datasets: objects, or an object and an artifact of somewhere else.
    async fn write_two(&mut self, registers: bool) -> Result<bool> {
        let [one, other] = [self.dataset(), self.dataset()];
        let second = match self.fixture.has_artifacts() {
            true => copy(&other.0, other.1.to_string().as_bytes()),
            false => put(&other.0, Structured::from(other.1)),
        };
        let requests = vec![put(&one.0, Structured::from(one.1)), second];
        let stored = self.write(requests, registers).await?;
        for (dataset, value) in [one, other] {
            match stored {
                true => self.stored.push((self.fixture.books.attach(&dataset), value)),
                false => self.absent.push((dataset, value)),
            }
        }
        Ok(stored)
    }

    /// The protocol of a removal; true if it is unregistered.
    async fn remove(&self, dataset: &DatasetRef, unregisters: bool) -> Result<bool> {
        let removed = self.fixture.datastore.prepare_remove(vec![dataset.clone()]).await;
        let Ok(transaction) = removed else { return Ok(false) };
        if unregisters {
            self.fixture.books.delete(&transaction.entries(), [dataset])?;
            drop(transaction.commit(&self.fixture.books).await);
        } else {
            drop(transaction.roll_back().await);
        }
        Ok(unregisters)
    }

    /// Looks whether all is as it should be, after a recovery.
    async fn check(&mut self) -> Result<()> {
        self.faults.disarm();
        // A call that was given up may go on for a moment. Nothing but a lease, which is not
        // waited for here, protects it from a recovery, and the repository from what it places after that.
        tokio::time::sleep(GIVEN_UP).await;
        let mut left_over = String::new();
        for round in 0..ROUNDS {
            if round > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            // The first claims, and the second looks again.
            for _ in 0..2 {
                self.fixture.datastore.recover(&self.fixture.books, &AT_ONCE).await?;
            }
            self.nothing_is_lost().await?;
            left_over = self.left_over().await?;
            if left_over.is_empty() {
                self.nothing_is_in_the_way().await?;
                return self.forget_some().await;
            }
        }
        unreachable!("something is left over: {left_over}");
    }

    /// Removes what was stored long ago: all that is stored is looked at each time.
    async fn forget_some(&mut self) -> Result<()> {
        while self.stored.len() > STORED {
            let (dataset, _) = self.stored.remove(0);
            assert!(self.remove(&dataset, true).await?);
        }
        Ok(())
    }

    async fn nothing_is_lost(&self) -> Result<()> {
        // What is in memory only is not what another process sees.
        let again = match self.is_ephemeral() {
            true => Arc::clone(&self.fixture.datastore),
            false => self.fixture.storage.open(&Opening::default()).await?,
        };
        let datasets: Vec<DatasetRef> = self.stored.iter().map(|(dataset, _)| dataset.clone()).collect();
        for datastore in [&self.fixture.datastore, &again] {
            assert_eq!(datastore.exists(&datasets).await?, vec![true; datasets.len()]);
        }
        for (dataset, value) in &self.stored {
            assert_eq!(self.fixture.value(dataset).await?, *value);
        }
        let absent: Vec<DatasetRef> =
            self.absent.iter().map(|(dataset, _)| self.fixture.books.attach(dataset)).collect();
        assert_eq!(again.exists(&absent).await?, vec![false; absent.len()]);
        assert!(self.sources.iter().all(|path| path.exists()), "what is not stored is where it was");
        Ok(())
    }

    /// What is there and should not be.
    async fn left_over(&self) -> Result<String> {
        let sources: Vec<&PathBuf> = self.moved.iter().filter(|path| path.exists()).collect();
        if !sources.is_empty() {
            return Ok(format!("{sources:?}"));
        }
        if self.fixture.backstage().is_some() {
            let mut expected = BTreeSet::new();
            for (dataset, _) in &self.stored {
                expected.insert(self.fixture.path(dataset).await?);
            }
            let found: BTreeSet<String> = self.fixture.files().await?.into_iter().collect();
            let others: Vec<&String> = found.difference(&expected).collect();
            return Ok(if others.is_empty() { String::new() } else { format!("{others:?}") });
        }
        let options = VerifyOptions { checksum: false, orphans: true };
        let datasets: Vec<DatasetRef> = self.stored.iter().map(|(dataset, _)| dataset.clone()).collect();
        match self.fixture.datastore.verify(&self.fixture.books, &datasets, &options).await {
            Ok(findings) => {
                let kinds: Vec<FindingKind> = findings.iter().map(|finding| finding.kind).collect();
                assert!(kinds.iter().all(|kind| *kind == FindingKind::Orphan), "{findings:?}");
                Ok(if findings.is_empty() { String::new() } else { format!("{findings:?}") })
            }
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(String::new()),
            Err(error) => Err(error),
        }
    }

    /// What was not stored can be stored.
    async fn nothing_is_in_the_way(&mut self) -> Result<()> {
        let Some((last, number)) = self.absent.pop() else { return Ok(()) };
        let again = self.fixture.dataset_of(last.dataset_type(), last.run(), number, &format!("D{number}"));
        let stored = self.fixture.put(&again, Structured::from(number)).await?;
        self.stored.push((stored, number));
        Ok(())
    }
}

/// Calls that fail, each in every way.
fn plans(calls: &[Call]) -> Vec<(Call, Fault)> {
    calls.iter().flat_map(|call| WAYS.map(|fault| (*call, fault))).collect()
}

/// Does something for each call that fails in each way, at each time that it is called; each one
/// must have failed.
macro_rules! strike {
    ($trial:ident, $calls:expr, $act:block) => {
        for (call, fault) in plans($calls) {
            for later in 0.. {
                $trial.faults.arm(call, fault, later);
                $act
                let struck = $trial.faults.disarm() > 0;
                $trial.check().await?;
                // Who consists of others may not call these at once.
                assert!(struck || later > 0 || call == Call::Write, "{call:?} is not called");
                if !struck {
                    break;
                }
            }
        }
    };
}

pub(super) async fn a_write_that_fails_has_happened_or_not(h: &dyn DatastoreHarness) -> Result<()> {
    let mut trial = Trial::new(h).await?;
    strike!(trial, &[Call::PrepareWrite, Call::Execute], {
        trial.write_two(true).await?;
    });
    strike!(trial, &[Call::CommitWrite], {
        trial.write_two(true).await?;
        // Without a journal, what was not ended is undone.
        if trial.is_ephemeral() {
            trial.stored.clear();
        }
    });
    strike!(trial, &[Call::RollBackWrite], {
        assert!(!trial.write_two(false).await?);
    });
    trial.at_once = true;
    strike!(trial, &[Call::Write], {
        trial.write_two(true).await?;
    });
    Ok(())
}

pub(super) async fn a_move_that_fails_loses_no_file(h: &dyn DatastoreHarness) -> Result<()> {
    let mut trial = Trial::new(h).await?;
    if !trial.fixture.takes(TransferMode::Move) {
        return Ok(());
    }
    for (calls, registers) in [
        (&[Call::PrepareWrite, Call::Execute, Call::CommitWrite][..], true),
        (&[Call::RollBackWrite][..], false),
    ] {
        strike!(trial, calls, {
            let (dataset, value) = trial.dataset();
            let source = trial.fixture.source(&format!("{value}.plain"), &value.to_string())?;
            let request = ingest(&source, std::slice::from_ref(&dataset), TransferMode::Move);
            if trial.write(vec![request], registers).await? {
                trial.stored.push((trial.fixture.books.attach(&dataset), value));
                trial.moved.push(source);
            } else {
                trial.absent.push((dataset, value));
                trial.sources.push(source);
            }
        });
    }
    Ok(())
}

pub(super) async fn a_removal_that_fails_has_happened_or_not(h: &dyn DatastoreHarness) -> Result<()> {
    let mut trial = Trial::new(h).await?;
    for (calls, unregisters) in
        [(&[Call::PrepareRemove, Call::CommitRemove][..], true), (&[Call::RollBackRemove][..], false)]
    {
        for (call, fault) in plans(calls) {
            for later in 0.. {
                assert!(trial.write_two(true).await?);
                trial.faults.arm(call, fault, later);
                let Some((dataset, value)) = trial.stored.pop() else { break };
                let removed = trial.remove(&dataset, unregisters).await?;
                let struck = trial.faults.disarm() > 0;
                match removed {
                    // Without a journal, what was not ended stays until the process ends.
                    true if trial.is_ephemeral() => {}
                    true => trial.absent.push((dataset, value)),
                    false => trial.stored.push((dataset, value)),
                }
                trial.check().await?;
                assert!(struck || later > 0, "{call:?} is not called");
                if !struck {
                    break;
                }
            }
        }
    }
    Ok(())
}

pub(super) async fn a_read_that_fails_harms_no_other(h: &dyn DatastoreHarness) -> Result<()> {
    let mut trial = Trial::new(h).await?;
    assert!(trial.write_two(true).await?);
    let (dataset, value) = trial.stored[0].clone();
    let one = std::slice::from_ref(&dataset);
    let capabilities = trial.fixture.datastore.capabilities();
    for (call, fault) in plans(&[Call::Get, Call::Exists, Call::Uris, Call::Open, Call::Verify]) {
        for later in 0..2 {
            trial.faults.arm(call, fault, later);
            // Each fails, or is right: not knowing is not the same as missing.
            match call {
                Call::Get => drop(trial.fixture.value(&dataset).await.map(|read| assert_eq!(read, value))),
                Call::Exists => {
                    drop(trial.fixture.datastore.exists(one).await.map(|found| assert_eq!(found, [true])));
                }
                Call::Uris if capabilities.uris => {
                    let uris = trial.fixture.datastore.uris(one, false).await;
                    drop(uris.map(|uris| assert!(uris[0].primary.is_some())));
                }
                Call::Open if capabilities.artifacts => {
                    let opened = trial.fixture.datastore.open(&dataset).await;
                    drop(opened.map(|artifacts| assert_eq!(artifacts.len(), 1)));
                }
                Call::Verify => {
                    let options = VerifyOptions { checksum: true, orphans: true };
                    let verified = trial.fixture.datastore.verify(&trial.fixture.books, one, &options).await;
                    drop(verified);
                }
                _ => {}
            }
            trial.check().await?;
        }
    }
    Ok(())
}

pub(super) async fn a_recovery_that_fails_is_done_by_the_next(h: &dyn DatastoreHarness) -> Result<()> {
    let mut trial = Trial::new(h).await?;
    if trial.is_ephemeral() {
        return Ok(());
    }
    let calls = [Call::Recover, Call::Claim, Call::Outcomes, Call::Forget, Call::Fetch];
    for (call, fault) in plans(&calls) {
        for later in 0.. {
            assert!(trial.write_two(true).await?);
            // One writer dies before the registry's transaction, one after it, and a remover does.
            let [dead, (registered, value)] = [trial.dataset(), trial.dataset()];
            drop(trial.fixture.execute(vec![put(&dead.0, Structured::from(dead.1))]).await?);
            let request = put(&registered, Structured::from(value));
            drop(trial.fixture.execute_and_register(vec![request]).await?);
            let Some(removed) = trial.stored.pop() else { break };
            drop(trial.fixture.unregister(std::slice::from_ref(&removed.0)).await?);
            trial.absent.extend([removed, dead]);
            trial.stored.push((trial.fixture.books.attach(&registered), value));

            trial.faults.arm(call, fault, later);
            drop(trial.fixture.datastore.recover(&trial.fixture.books, &AT_ONCE).await);
            let struck = trial.faults.disarm() > 0;
            trial.check().await?;
            if !struck {
                break;
            }
        }
    }
    Ok(())
}

pub(super) async fn faults_at_random_lose_nothing_and_leave_nothing(h: &dyn DatastoreHarness) -> Result<()> {
    let mut trial = Trial::new(h).await?;
    if trial.is_ephemeral() {
        return Ok(());
    }
    for seed in 0..4 {
        trial.faults.arm_at_random(seed, 0.15);
        for n in 0..20 {
            trial.write_two(true).await?;
            if n % 3 == 0
                && let Some((dataset, value)) = trial.stored.pop()
            {
                match trial.remove(&dataset, true).await? {
                    true => trial.absent.push((dataset, value)),
                    false => trial.stored.push((dataset, value)),
                }
            }
            if n % 5 == 0 {
                drop(trial.fixture.datastore.recover(&trial.fixture.books, &AT_ONCE).await);
            }
        }
        assert!(trial.faults.disarm() > 0, "nothing failed");
        trial.check().await?;
    }
    Ok(())
}
