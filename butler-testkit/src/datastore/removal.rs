//! Artifacts are removed.

use butler_core::datastore::{JournalAction, TransferMode};
use butler_core::{ErrorKind, Result, Retry, Structured};

use super::DatastoreHarness;
use super::fixture::{Fixture, fails, ingest, ingest_as};

pub(super) async fn what_is_removed_is_gone(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let [one, other] = [fixture.put_number("x", 1).await?, fixture.put_number("x", 2).await?];
    fixture.remove(std::slice::from_ref(&one)).await?;
    assert!(!fixture.exists(&one).await?);
    fails(fixture.value(&one).await, ErrorKind::NotFound);
    assert_eq!(fixture.value(&other).await?, 2);
    if fixture.backstage().is_some() {
        assert_eq!(fixture.files().await?, [fixture.path(&other).await?]);
    }
    Ok(())
}

pub(super) async fn what_others_use_stays(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    if !fixture.takes(TransferMode::Copy) {
        return Ok(());
    }
    let source = fixture.source("f.plain", "1")?;
    let datasets = [1, 2].map(|n| fixture.dataset("x", "Number", n));
    let stored = fixture.write(vec![ingest(&source, &datasets, TransferMode::Copy)]).await?;
    fixture.remove(&stored[..1]).await?;
    assert_eq!(fixture.value(&stored[1]).await?, 1);
    assert!(fixture.journal().await?.is_empty());
    fixture.remove(&stored[1..]).await?;
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}

pub(super) async fn direct_files_are_never_deleted(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    if !fixture.takes(TransferMode::Direct) {
        return Ok(());
    }
    let source = fixture.source("f.plain", "1")?;
    let stored = fixture
        .write(vec![ingest(&source, &[fixture.dataset("x", "Number", 1)], TransferMode::Direct)])
        .await?;
    let transaction = fixture.unregister(&stored).await?;
    assert!(transaction.entries().is_empty(), "nothing is going to be deleted");
    transaction.commit(&fixture.books).await?;
    assert!(source.exists());
    Ok(())
}

pub(super) async fn what_is_gone_already_is_no_error(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = [fixture.put_number("x", 1).await?, fixture.put_number("x", 2).await?];
    if let Some(backstage) = fixture.backstage() {
        backstage.delete(&fixture.path(&stored[0]).await?).await?;
    }
    fixture.remove(&stored).await?;
    fixture.remove(&stored).await?;
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}

pub(super) async fn datasets_without_records_are_passed_over(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = fixture.put_number("x", 1).await?;
    fixture.remove(&[fixture.dataset("x", "Number", 2), stored.clone()]).await?;
    assert!(!fixture.exists(&stored).await?);
    fixture.remove(&[fixture.dataset("x", "Number", 2)]).await?;
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}

pub(super) async fn nothing_goes_before_the_registry_has_committed(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = fixture.put_number("x", 1).await?;
    let transaction = fixture.datastore.prepare_remove(vec![stored.clone()]).await?;
    assert_eq!(fixture.value(&stored).await?, 1);
    if fixture.backstage().is_some() && fixture.has_artifacts() {
        let entry = fixture.entry().await?;
        assert_eq!(
            (entry.header.action, &entry.header.entry),
            (JournalAction::Remove, &transaction.entries()[0])
        );
        assert_eq!(entry.artifacts[0].path, fixture.path(&stored).await?);
        assert_eq!(entry.artifacts[0].ids, [stored.id()]);
    }
    fixture.books.delete(&transaction.entries(), [&stored])?;
    transaction.commit(&fixture.books).await?;
    assert!(!fixture.exists(&stored).await?);
    Ok(())
}

pub(super) async fn roll_back_keeps_everything(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = fixture.put_number("x", 1).await?;
    let files = fixture.files().await?;
    fixture.datastore.prepare_remove(vec![stored.clone()]).await?.roll_back().await?;
    assert_eq!(fixture.value(&stored).await?, 1);
    assert_eq!(fixture.files().await?, files);
    Ok(())
}

pub(super) async fn empty_directories_go(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let Some(root) = fixture.root() else { return Ok(()) };
    let stored = fixture.put_number("x", 1).await?;
    let other = fixture.put_number("y", 1).await?;
    fixture.remove(&[stored]).await?;
    let run = root.join(fixture.path(&other).await?);
    let run = run.parent().and_then(std::path::Path::parent).expect("a run has directories of types");
    let types: Vec<_> =
        std::fs::read_dir(run).into_iter().flatten().flatten().map(|item| item.file_name()).collect();
    assert_eq!(types, ["y"]);
    fixture.remove(&[other]).await?;
    assert!(!run.exists() && root.exists());
    Ok(())
}

pub(super) async fn a_dropped_one_leaves_its_entry(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = fixture.put_number("x", 1).await?;
    let entries = fixture.unregister(std::slice::from_ref(&stored)).await?.entries();
    assert!(fixture.exists(&stored).await?);
    if fixture.backstage().is_some() && fixture.has_artifacts() {
        assert_eq!(fixture.entry().await?.header.entry, entries[0]);
    }
    Ok(())
}

/// Whoever reuses a path that somebody else is about to delete would lose what it writes.
pub(super) async fn a_path_that_is_being_removed_is_not_written(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    let old = fixture.put_number("x", 1).await?;
    let path = fixture.path(&old).await?;
    let removal = fixture.unregister(std::slice::from_ref(&old)).await?;
    // A remover that was slow: the artifact is gone, and its entry is not.
    backstage.delete(&path).await?;
    let new = fixture.put(&fixture.dataset("x", "Number", 1), Structured::from(2)).await?;
    assert_ne!(fixture.path(&new).await?, path);
    removal.commit(&fixture.books).await?;
    assert_eq!(fixture.value(&new).await?, 2);
    let files = fixture.files().await?;
    assert_eq!(files.len(), 1);
    assert!(files[0].contains('~') && files[0].ends_with(".plain"), "{files:?}");
    fixture.remove(&[new]).await?;
    let third = fixture.put(&fixture.dataset("x", "Number", 1), Structured::from(3)).await?;
    assert_eq!(fixture.path(&third).await?, path, "nobody is in the way any more");
    Ok(())
}

pub(super) async fn what_is_being_removed_is_not_taken_over(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    if !fixture.takes(TransferMode::InPlace) || fixture.backstage().is_none() {
        return Ok(());
    }
    let old = fixture.put_number("x", 1).await?;
    let path = fixture.path(&old).await?;
    let removal = fixture.unregister(&[old]).await?;
    let request = || ingest_as(&path, &[fixture.dataset("x", "Number", 1)], TransferMode::InPlace);
    fails(fixture.write(vec![request()]).await, ErrorKind::Busy);
    assert_eq!(fixture.journal().await?.len(), 1, "the writer's entry is gone");
    removal.commit(&fixture.books).await?;
    fails(fixture.write(vec![request()]).await, ErrorKind::NotFound);
    Ok(())
}

pub(super) async fn what_is_being_taken_over_is_not_removed(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    if !fixture.takes(TransferMode::InPlace) || fixture.backstage().is_none() {
        return Ok(());
    }
    let [old, other] = [fixture.put_number("x", 1).await?, fixture.put_number("x", 2).await?];
    let path = fixture.path(&old).await?;
    let new = fixture.dataset("x", "Number", 1);
    let taking =
        fixture.execute(vec![ingest_as(&path, std::slice::from_ref(&new), TransferMode::InPlace)]).await?;
    let error = fails(fixture.remove(&[old, other.clone()]).await, ErrorKind::Busy);
    assert!(error.to_string().contains(&path), "{error}");
    assert!(!fixture.exists(&other).await?, "the others go");
    taking.roll_back().await?;
    let files = fixture.files().await?;
    assert!(files.contains(&path), "what was taken over in place is not undone");
    assert_eq!(fixture.journal().await?.len(), 1, "the removal is left to a recovery");
    Ok(())
}

/// Whoever is late must not delete what a recovery may have given free.
pub(super) async fn an_ended_lease_deletes_nothing(h: &dyn DatastoreHarness) -> Result<()> {
    if Fixture::new(h).await?.backstage().is_none() {
        return Ok(());
    }
    let fixture = Fixture::new(h).await?;
    let stored = fixture.put_number("x", 1).await?;
    let late = fixture.without_lease().await?;
    let removal = late.prepare_remove(vec![stored.clone()]).await?;
    fixture.books.delete(&removal.entries(), std::slice::from_ref(&stored))?;
    let error = fails(removal.commit(&fixture.books).await, ErrorKind::Timeout);
    assert_eq!(error.retry(), Retry::Temporary);
    assert!(fixture.exists(&stored).await?);
    assert_eq!(fixture.journal().await?.len(), 1, "a recovery has to know of it");
    Ok(())
}
