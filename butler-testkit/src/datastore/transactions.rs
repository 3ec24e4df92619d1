//! Writes begin, happen, and end.

use butler_core::datastore::{JournalAction, JournalOperation, TransferMode};
use butler_core::{DatasetRef, ErrorKind, Result, Retry, Structured};

use super::DatastoreHarness;
use super::fixture::{Fixture, JOURNAL, fails, ingest, put};

fn datasets(fixture: &Fixture) -> Vec<DatasetRef> {
    (0..20).map(|n| fixture.dataset("x", "Number", n)).collect()
}

fn requests(datasets: &[DatasetRef]) -> Vec<butler_core::datastore::WriteRequest> {
    datasets.iter().map(|dataset| put(dataset, Structured::from(1))).collect()
}

/// Whether this storage has a journal that one can look into.
fn journals(fixture: &Fixture) -> bool {
    fixture.backstage().is_some() && fixture.has_artifacts()
}

pub(super) async fn nothing_is_written_by_preparing(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let datasets = datasets(&fixture);
    let transaction = fixture.datastore.prepare_write(requests(&datasets)).await?;
    let files = fixture.files().await?;
    assert!(files.iter().all(|path| path.starts_with(JOURNAL)), "{files:?}");
    assert!(fixture.backstage().is_none() || files.len() == transaction.entries().len(), "{files:?}");
    assert!(!fixture.exists(&datasets[0]).await?);
    transaction.roll_back().await
}

pub(super) async fn the_entry_names_what_is_written(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    if !journals(&fixture) {
        return Ok(());
    }
    let datasets = datasets(&fixture);
    let mut transaction = fixture.datastore.prepare_write(requests(&datasets)).await?;
    let entry = fixture.entry().await?;
    assert!(entry.is_complete());
    assert_eq!(transaction.entries(), std::slice::from_ref(&entry.header.entry));
    let tables = fixture.datastore.tables();
    assert!(tables.iter().any(|table| table.datastore == entry.header.datastore), "{:?}", entry.header);
    assert_eq!((entry.header.action, entry.header.operation), (JournalAction::Put, JournalOperation::Put));
    assert_eq!(entry.header.process, std::process::id());
    for dataset in &datasets {
        let path = fixture.path(dataset).await?;
        let named: Vec<_> = entry.artifacts.iter().filter(|artifact| artifact.path == path).collect();
        assert_eq!(named.len(), 1, "{path}");
        assert_eq!(named[0].ids, [dataset.id()]);
    }
    transaction.execute().await?;
    let files = fixture.files().await?;
    let artifacts = files.iter().filter(|path| path.ends_with(".plain")).count();
    assert_eq!(artifacts, datasets.len());
    transaction.roll_back().await?;
    if fixture.takes(TransferMode::Move) {
        let source = fixture.source("f.plain", "1")?;
        let request = ingest(&source, &datasets[..2], TransferMode::Move);
        let transaction = fixture.datastore.prepare_write(vec![request]).await?;
        let entry = fixture.entry().await?;
        assert_eq!(entry.header.operation, JournalOperation::Ingest);
        assert_eq!(entry.artifacts[0].ids, [datasets[0].id(), datasets[1].id()]);
        assert_eq!(entry.artifacts[0].mode, Some(TransferMode::Move));
        assert_eq!(entry.artifacts[0].source.as_deref(), source.to_str());
        transaction.roll_back().await?;
    }
    Ok(())
}

pub(super) async fn a_write_is_both_steps_in_one(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    for count in [1, 20] {
        let datasets = &datasets(&fixture)[..count];
        let written = fixture.datastore.write(requests(datasets)).await?;
        if journals(&fixture) {
            assert_eq!(written.transaction.entries(), [fixture.entry().await?.header.entry]);
            let files = fixture.files().await?;
            assert_eq!(files.iter().filter(|path| path.ends_with(".plain")).count(), count);
            let recorded: Vec<_> = written.records.0.iter().map(|(id, _)| *id).collect();
            assert_eq!(recorded, datasets.iter().map(DatasetRef::id).collect::<Vec<_>>());
        }
        written.transaction.roll_back().await?;
        assert_eq!(fixture.files().await?, [""; 0]);
    }
    Ok(())
}

pub(super) async fn a_write_that_fails_is_undone(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = fixture.put_number("x", 100).await?;
    let files = fixture.files().await?;
    for others in [0, 2, 20] {
        let mut wanted = requests(&datasets(&fixture)[..others]);
        wanted.push(put(&stored.with_records(None), Structured::from(2)));
        fails(fixture.datastore.write(wanted).await, ErrorKind::AlreadyExists);
        assert_eq!(fixture.files().await?, files);
        assert_eq!(fixture.value(&stored).await?, 100);
    }
    Ok(())
}

pub(super) async fn entries_have_names_of_their_own(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let datasets = datasets(&fixture);
    let one = fixture.datastore.prepare_write(requests(&datasets[..10])).await?;
    let other = fixture.datastore.prepare_write(requests(&datasets[10..])).await?;
    if journals(&fixture) {
        assert_eq!((one.entries().len(), other.entries().len()), (1, 1));
        assert_ne!(one.entries(), other.entries());
    }
    one.roll_back().await?;
    if fixture.backstage().is_some() {
        assert_eq!(fixture.journal().await?.len(), other.entries().len());
    }
    other.roll_back().await
}

pub(super) async fn nothing_but_artifacts_is_left_by_a_commit(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let datasets = datasets(&fixture);
    fixture.write(requests(&datasets)).await?;
    if journals(&fixture) {
        let mut expected = Vec::new();
        for dataset in &datasets {
            expected.push(fixture.path(dataset).await?);
        }
        expected.sort_unstable();
        assert_eq!(fixture.files().await?, expected);
    }
    Ok(())
}

pub(super) async fn nothing_is_left_by_a_roll_back(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let datasets = datasets(&fixture);
    fixture.execute(requests(&datasets)).await?.roll_back().await?;
    assert_eq!(fixture.files().await?, [""; 0]);
    for dataset in &datasets {
        assert!(!fixture.exists(&fixture.books.attach(dataset)).await?);
    }
    fixture.write(requests(&datasets)).await?;
    Ok(())
}

pub(super) async fn a_roll_back_may_come_before_the_execution(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    fixture.datastore.prepare_write(requests(&datasets(&fixture))).await?.roll_back().await?;
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}

pub(super) async fn a_roll_back_leaves_what_was_there(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let before = fixture.put_number("x", 100).await?;
    let files = fixture.files().await?;
    let empty = fixture.root().map(|root| root.join("u/run/empty"));
    if let Some(empty) = &empty {
        std::fs::create_dir_all(empty).expect("a directory can be made");
    }
    fixture.execute(requests(&datasets(&fixture))).await?.roll_back().await?;
    assert_eq!(fixture.files().await?, files);
    assert_eq!(fixture.value(&before).await?, 100);
    assert!(empty.is_none_or(|empty| empty.exists()), "directories of others stay");
    Ok(())
}

pub(super) async fn a_failure_is_rolled_back(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = fixture.put_number("x", 5).await?;
    let files = fixture.files().await?;
    let mut datasets = datasets(&fixture);
    datasets.push(stored.with_records(None));
    datasets.remove(5);
    fails(fixture.write(requests(&datasets)).await, ErrorKind::AlreadyExists);
    assert_eq!(fixture.files().await?, files);
    assert_eq!(fixture.value(&stored).await?, 5);
    Ok(())
}

pub(super) async fn an_execution_that_was_given_up_is_rolled_back(h: &dyn DatastoreHarness) -> Result<()> {
    for round in 0..10 {
        let fixture = Fixture::new(h).await?;
        let datasets: Vec<DatasetRef> = (0..200).map(|n| fixture.dataset("x", "Number", n)).collect();
        let mut transaction = fixture.datastore.prepare_write(requests(&datasets)).await?;
        let patience = std::time::Duration::from_micros(round * 100);
        let _ = tokio::time::timeout(patience, transaction.execute()).await;
        transaction.roll_back().await?;
        assert_eq!(fixture.files().await?, [""; 0]);
    }
    Ok(())
}

pub(super) async fn a_dropped_one_is_left_to_a_recovery_or_undone(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let datasets = datasets(&fixture);
    let transaction = fixture.execute(requests(&datasets)).await?;
    let entries = transaction.entries();
    drop(transaction);
    if fixture.datastore.capabilities().ephemeral {
        assert!(entries.is_empty());
        assert!(!fixture.exists(&datasets[0]).await?);
    } else if journals(&fixture) {
        let entry = fixture.entry().await?;
        assert_eq!(entries, std::slice::from_ref(&entry.header.entry));
        let files = fixture.files().await?;
        assert!(
            entry.artifacts.iter().all(|artifact| files.contains(&artifact.path.to_string())),
            "{files:?}"
        );
    }
    Ok(())
}

pub(super) async fn an_ended_lease_places_nothing(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    if fixture.backstage().is_none() || !fixture.has_artifacts() {
        return Ok(());
    }
    let dataset = fixture.dataset("x", "Number", 1);
    let late = fixture.without_lease().await?;
    let mut write = late.prepare_write(vec![put(&dataset, Structured::from(1))]).await?;
    let error = fails(write.execute().await, ErrorKind::Timeout);
    assert_eq!(error.retry(), Retry::Temporary);
    write.roll_back().await?;
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}
