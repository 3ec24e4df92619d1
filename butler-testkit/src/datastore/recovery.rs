//! What dead writers and removers left is finished or undone.

use std::time::Duration;

use arcstr::ArcStr;
use butler_core::datastore::{RecoverOptions, RecoveredEntry, TransferMode};
use butler_core::registry::Outcome;
use butler_core::{DatasetRef, ErrorKind, Result, Structured};
use futures::future::join_all;

use super::DatastoreHarness;
use super::fixture::{Fixture, fails, ingest, ingest_as, put};

const LEASE: Duration = Duration::from_secs(600);

/// A fixture with a journal that one can look into.
async fn journalled(h: &dyn DatastoreHarness) -> Result<Option<Fixture>> {
    let fixture = Fixture::new(h).await?;
    let journals = fixture.backstage().is_some() && fixture.has_artifacts();
    if !journals {
        // There is nothing to be recovered, and that is no error.
        assert!(fixture.datastore.recover(&fixture.books, &RecoverOptions::default()).await?.is_empty());
    }
    Ok(journals.then_some(fixture))
}

async fn recover(fixture: &Fixture) -> Result<Vec<RecoveredEntry>> {
    fixture.datastore.recover(&fixture.books, &RecoverOptions { lease: LEASE, dry_run: false }).await
}

/// Time goes by: all entries become older than the lease.
async fn wait(fixture: &Fixture) -> Result<()> {
    if let Some(backstage) = fixture.backstage() {
        for path in fixture.journal().await? {
            backstage.age(&path, LEASE + Duration::from_secs(1)).await?;
        }
    }
    Ok(())
}

/// A writer of some datasets that has died after it wrote.
async fn die(fixture: &Fixture) -> Result<(Vec<DatasetRef>, ArcStr)> {
    let datasets: Vec<DatasetRef> = (0..5).map(|n| fixture.dataset("dead", "Number", n)).collect();
    let requests = datasets.iter().map(|dataset| put(dataset, Structured::Null)).collect();
    let transaction = fixture.execute(requests).await?;
    Ok((datasets, transaction.entries()[0].clone()))
}

fn only(recovered: Vec<RecoveredEntry>) -> RecoveredEntry {
    assert_eq!(recovered.len(), 1, "{recovered:?}");
    recovered.into_iter().next().expect("there is one")
}

pub(super) async fn live_writers_are_left_alone(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = journalled(h).await? else { return Ok(()) };
    let dataset = fixture.dataset("x", "Number", 1);
    let transaction = fixture.execute_and_register(vec![put(&dataset, Structured::from(1))]).await?;
    let stored = fixture.put_number("x", 2).await?;
    let removal = fixture.unregister(std::slice::from_ref(&stored)).await?;
    let files = fixture.files().await?;
    assert_eq!(recover(&fixture).await?, []);
    assert_eq!(fixture.files().await?, files);
    transaction.commit().await?;
    removal.commit(&fixture.books).await?;
    assert_eq!(fixture.value(&fixture.books.attach(&dataset)).await?, 1);
    Ok(())
}

pub(super) async fn what_a_dead_writer_left_goes(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = journalled(h).await? else { return Ok(()) };
    let stored = fixture.put_number("x", 1).await?;
    let files = fixture.files().await?;
    let (datasets, entry) = die(&fixture).await?;
    wait(&fixture).await?;
    let first = only(recover(&fixture).await?);
    assert_eq!((&first.header.entry, first.outcome, first.kept), (&entry, Outcome::Aborted, true));
    assert_eq!(first.deleted.len(), datasets.len());
    assert_eq!(fixture.books.outcome(&entry), Some(Outcome::Aborted));
    assert_eq!(recover(&fixture).await?, [], "the entry is young again");
    wait(&fixture).await?;
    assert!(!only(recover(&fixture).await?).kept);
    assert_eq!(fixture.files().await?, files);
    assert_eq!(fixture.books.outcome(&entry), None, "its outcome is forgotten");
    assert_eq!(fixture.value(&stored).await?, 1);
    assert_eq!(recover(&fixture).await?, []);
    Ok(())
}

pub(super) async fn what_was_there_before_a_dead_writer_stays(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = journalled(h).await? else { return Ok(()) };
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    let stored = fixture.put_number("x", 1).await?;
    let foreign = fixture.dataset("x", "Number", 2);
    let foreign_path = fixture.path(&foreign).await?;
    backstage.write(&foreign_path, b"foreign").await?;
    for dataset in [stored.with_records(None), foreign] {
        let mut transaction = fixture.datastore.prepare_write(vec![put(&dataset, Structured::Null)]).await?;
        fails(transaction.execute().await, ErrorKind::AlreadyExists);
        drop(transaction);
    }
    for _ in 0..2 {
        wait(&fixture).await?;
        let recovered = recover(&fixture).await?;
        assert_eq!(recovered.len(), 2);
        assert!(recovered.iter().all(|entry| entry.deleted.is_empty()), "{recovered:?}");
    }
    assert_eq!(fixture.value(&stored).await?, 1);
    assert_eq!(backstage.read(&foreign_path).await?, b"foreign");
    assert_eq!(fixture.files().await?.len(), 2);
    Ok(())
}

/// A writer that was taken for dead goes on, and learns of it when it claims its entry.
pub(super) async fn what_a_slow_writer_adds_goes_too(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = journalled(h).await? else { return Ok(()) };
    let dataset = fixture.dataset("x", "Number", 1);
    let mut transaction = fixture.datastore.prepare_write(vec![put(&dataset, Structured::from(1))]).await?;
    wait(&fixture).await?;
    assert!(only(recover(&fixture).await?).kept);
    let records = transaction.execute().await?;
    fails(fixture.books.insert(&transaction.entries(), records), ErrorKind::Aborted);
    drop(transaction);
    wait(&fixture).await?;
    let last = only(recover(&fixture).await?);
    assert_eq!((last.deleted.len(), last.kept), (1, false));
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}

pub(super) async fn what_was_committed_stays(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = journalled(h).await? else { return Ok(()) };
    let dataset = fixture.dataset("x", "Number", 1);
    let transaction = fixture.execute_and_register(vec![put(&dataset, Structured::from(1))]).await?;
    let entry = transaction.entries()[0].clone();
    drop(transaction);
    wait(&fixture).await?;
    let recovered = only(recover(&fixture).await?);
    assert_eq!((recovered.outcome, recovered.kept), (Outcome::Committed, false));
    assert_eq!(fixture.value(&fixture.books.attach(&dataset)).await?, 1);
    assert_eq!(
        fixture.files().await?,
        [fixture.path(&dataset).await?],
        "temporary files and the entry are gone"
    );
    assert_eq!(fixture.books.outcome(&entry), None);
    Ok(())
}

pub(super) async fn what_was_moved_goes_after_the_commit(h: &dyn DatastoreHarness) -> Result<()> {
    for (committed, replaced) in [(true, false), (true, true), (false, false)] {
        let Some(fixture) = journalled(h).await? else { return Ok(()) };
        if !fixture.takes(TransferMode::Move) {
            return Ok(());
        }
        let source = fixture.source("f.plain", "1")?;
        let request = ingest(&source, &[fixture.dataset("x", "Number", 1)], TransferMode::Move);
        if committed {
            drop(fixture.execute_and_register(vec![request]).await?);
        } else {
            drop(fixture.execute(vec![request]).await?);
        }
        if replaced {
            std::fs::remove_file(&source).expect("the source is there");
            fixture.source("f.plain", "new")?;
        }
        for _ in 0..2 {
            wait(&fixture).await?;
            recover(&fixture).await?;
        }
        assert_eq!(source.exists(), !committed || replaced);
        assert_eq!(fixture.files().await?.len(), usize::from(committed));
    }
    Ok(())
}

pub(super) async fn what_was_taken_over_in_place_stays(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = journalled(h).await? else { return Ok(()) };
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    if !fixture.takes(TransferMode::InPlace) {
        return Ok(());
    }
    backstage.write("d/f.x", b"1").await?;
    let request = ingest_as("d/f.x", &[fixture.dataset("x", "Number", 1)], TransferMode::InPlace);
    drop(fixture.execute(vec![request]).await?);
    for _ in 0..2 {
        wait(&fixture).await?;
        assert!(only(recover(&fixture).await?).deleted.is_empty());
    }
    assert_eq!(fixture.files().await?, ["d/f.x"]);
    Ok(())
}

pub(super) async fn a_removal_that_was_committed_is_finished(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = journalled(h).await? else { return Ok(()) };
    let source = fixture.source("f.plain", "1")?;
    let shared = [1, 2].map(|n| fixture.dataset("shared", "Number", n));
    let shared = fixture.write(vec![ingest(&source, &shared, TransferMode::Copy)]).await?;
    let stored = fixture.put_number("x", 1).await?;
    let path = fixture.path(&stored).await?;
    drop(fixture.unregister(&[stored, shared[0].clone()]).await?);
    wait(&fixture).await?;
    let recovered = only(recover(&fixture).await?);
    assert_eq!((recovered.outcome, recovered.kept), (Outcome::Committed, false));
    assert_eq!(recovered.deleted, [path]);
    assert_eq!(fixture.value(&shared[1]).await?, 1);
    assert_eq!(fixture.files().await?.len(), 1);
    Ok(())
}

pub(super) async fn a_removal_that_was_not_committed_is_forgotten(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = journalled(h).await? else { return Ok(()) };
    let stored = fixture.put_number("x", 1).await?;
    let removal = fixture.datastore.prepare_remove(vec![stored.clone()]).await?;
    wait(&fixture).await?;
    assert!(only(recover(&fixture).await?).kept);
    fails(fixture.books.delete(&removal.entries(), [&stored]), ErrorKind::Aborted);
    wait(&fixture).await?;
    assert!(!only(recover(&fixture).await?).kept);
    assert_eq!(fixture.value(&stored).await?, 1);
    assert_eq!(fixture.files().await?.len(), 1);
    Ok(())
}

pub(super) async fn a_dry_run_changes_nothing(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = journalled(h).await? else { return Ok(()) };
    let (datasets, entry) = die(&fixture).await?;
    wait(&fixture).await?;
    let files = fixture.files().await?;
    for _ in 0..2 {
        let options = RecoverOptions { lease: LEASE, dry_run: true };
        let told = only(fixture.datastore.recover(&fixture.books, &options).await?);
        assert_eq!((told.outcome, told.deleted.len()), (Outcome::Aborted, datasets.len()));
        assert_eq!(fixture.files().await?, files);
        assert_eq!(fixture.books.outcome(&entry), None);
    }
    Ok(())
}

pub(super) async fn damaged_entries_go(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = journalled(h).await? else { return Ok(()) };
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    let (_, _) = die(&fixture).await?;
    let journal = fixture.journal().await?;
    let bytes = backstage.read(&journal[0]).await?;
    // A power cut has left half of it, and nothing of another one.
    backstage.write(&journal[0], &bytes[..bytes.len() / 2]).await?;
    backstage.write(".butler/journal/20200101T000000-0.remove.jsonl", b"").await?;
    let stored = fixture.put_number("x", 1).await?;
    assert!(fixture.path(&stored).await?.contains('~'), "the empty one may have named anything");
    for _ in 0..2 {
        wait(&fixture).await?;
        assert_eq!(recover(&fixture).await?.len(), 2);
    }
    assert_eq!(fixture.journal().await?, [""; 0]);
    assert_eq!(fixture.value(&stored).await?, 1);
    Ok(())
}

pub(super) async fn several_recoveries_do_no_harm(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = journalled(h).await? else { return Ok(()) };
    let stored = fixture.put_number("x", 1).await?;
    for _ in 0..3 {
        die(&fixture).await?;
        wait(&fixture).await?;
        let all = join_all((0..4).map(|_| recover(&fixture))).await;
        let mut dealt_with = Vec::new();
        for recovered in all {
            dealt_with.extend(recovered?);
        }
        assert_eq!(dealt_with.len(), 1, "one of them deals with it: {dealt_with:?}");
        wait(&fixture).await?;
        recover(&fixture).await?;
        assert_eq!(fixture.files().await?, [fixture.path(&stored).await?]);
    }
    Ok(())
}
