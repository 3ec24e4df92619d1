//! Whether records and artifacts agree.

use std::sync::Mutex;

use arcstr::ArcStr;
use async_trait::async_trait;
use butler_core::backend::ColumnBatch;
use butler_core::datastore::{Bookkeeper, Finding, FindingKind, TransferMode, VerifyOptions};
use butler_core::registry::{OpaqueFetch, Outcome};
use butler_core::{DatasetRef, Result, Structured};

use super::DatastoreHarness;
use super::books::Books;
use super::fixture::{Fixture, ingest, put};

/// A fixture with artifacts behind whose back one can do something.
async fn open_to_damage(h: &dyn DatastoreHarness) -> Result<Option<Fixture>> {
    let fixture = Fixture::new(h).await?;
    let open = fixture.backstage().is_some() && fixture.has_artifacts();
    Ok(open.then_some(fixture))
}

async fn verify(
    fixture: &Fixture,
    datasets: &[DatasetRef],
    checksum: bool,
    orphans: bool,
) -> Result<Vec<Finding>> {
    fixture.datastore.verify(&fixture.books, datasets, &VerifyOptions { checksum, orphans }).await
}

/// Looks for everything.
async fn thoroughly(fixture: &Fixture, datasets: &[DatasetRef]) -> Result<Vec<Finding>> {
    verify(fixture, datasets, true, true).await
}

fn only(findings: Vec<Finding>) -> Finding {
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.into_iter().next().expect("there is one")
}

pub(super) async fn what_is_sound_is_not_found(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    if !fixture.datastore.capabilities().readable {
        return Ok(());
    }
    assert_eq!(thoroughly(&fixture, &[]).await?, [], "an empty datastore");
    let mut stored = Vec::new();
    for n in 0..5 {
        stored.push(fixture.put_number("x", n).await?);
    }
    // What is not stored has nothing that could be wrong.
    stored.push(fixture.dataset("x", "Number", 77));
    assert_eq!(thoroughly(&fixture, &stored).await?, []);
    assert_eq!(verify(&fixture, &[], false, false).await?, []);
    fixture.remove(&stored[..2]).await?;
    assert_eq!(thoroughly(&fixture, &stored[2..]).await?, []);
    Ok(())
}

pub(super) async fn what_is_lost_is_found(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = open_to_damage(h).await? else { return Ok(()) };
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    let (lost, kept) = (fixture.put_number("x", 1).await?, fixture.put_number("x", 2).await?);
    let path = fixture.path(&lost).await?;
    backstage.delete(&path).await?;
    let found = only(verify(&fixture, &[kept.clone(), lost.clone()], false, false).await?);
    assert_eq!((found.kind, found.path.as_str()), (FindingKind::Missing, path.as_str()));
    assert_eq!(found.datasets, [lost.to_string()]);
    // The one that has the records, which may be a child.
    assert!(fixture.datastore.tables().iter().any(|table| table.datastore == found.datastore), "{found:?}");
    // Only what was asked for is looked at.
    assert_eq!(verify(&fixture, std::slice::from_ref(&kept), true, false).await?, []);
    Ok(())
}

pub(super) async fn another_size_is_found(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = open_to_damage(h).await? else { return Ok(()) };
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    let stored = fixture.put_number("x", 123).await?;
    let path = fixture.path(&stored).await?;
    backstage.write(&path, b"12").await?;
    for checksum in [false, true] {
        let found = only(verify(&fixture, std::slice::from_ref(&stored), checksum, false).await?);
        assert_eq!((found.kind, found.path.as_str()), (FindingKind::Size, path.as_str()));
    }
    assert_eq!(backstage.read(&path).await?, b"12", "nothing is changed");
    Ok(())
}

pub(super) async fn other_bytes_are_found_where_that_is_asked_for(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = open_to_damage(h).await? else { return Ok(()) };
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    let stored = fixture.put_number("x", 123).await?;
    let path = fixture.path(&stored).await?;
    let mut bytes = backstage.read(&path).await?;
    bytes[0] ^= 1;
    backstage.write(&path, &bytes).await?;
    assert_eq!(verify(&fixture, std::slice::from_ref(&stored), false, false).await?, []);
    let found = only(verify(&fixture, std::slice::from_ref(&stored), true, false).await?);
    assert_eq!((found.kind, found.path.as_str()), (FindingKind::Checksum, path.as_str()));
    Ok(())
}

pub(super) async fn what_nothing_names_is_found_where_that_is_asked_for(
    h: &dyn DatastoreHarness,
) -> Result<()> {
    let Some(fixture) = open_to_damage(h).await? else { return Ok(()) };
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    let stored = fixture.put_number("x", 1).await?;
    backstage.write("u/run/stray", b"1").await?;
    assert_eq!(verify(&fixture, std::slice::from_ref(&stored), true, false).await?, []);
    let found = only(verify(&fixture, &[], false, true).await?);
    assert_eq!((found.kind, found.path.as_str()), (FindingKind::Orphan, "u/run/stray"));
    assert!(found.datasets.is_empty());
    assert_eq!(backstage.read("u/run/stray").await?, b"1", "nothing is changed");
    Ok(())
}

pub(super) async fn what_is_under_way_is_not_found(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = open_to_damage(h).await? else { return Ok(()) };
    let dataset = fixture.dataset("x", "Number", 1);
    let write = fixture.execute(vec![put(&dataset, Structured::from(1))]).await?;
    assert_eq!(thoroughly(&fixture, &[]).await?, [], "nobody has registered it yet");
    write.roll_back().await?;
    let stored = fixture.put_number("x", 2).await?;
    let removal = fixture.unregister(std::slice::from_ref(&stored)).await?;
    assert_eq!(thoroughly(&fixture, &[]).await?, [], "nobody has deleted it yet");
    removal.commit(&fixture.books).await?;
    assert_eq!(thoroughly(&fixture, &[]).await?, []);
    Ok(())
}

pub(super) async fn what_several_datasets_share_is_found_once(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = open_to_damage(h).await? else { return Ok(()) };
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    if !fixture.takes(TransferMode::Copy) {
        return Ok(());
    }
    let source = fixture.source("f.plain", "1")?;
    let datasets: Vec<DatasetRef> = (0..3).map(|n| fixture.dataset("x", "Number", n)).collect();
    let stored = fixture.write(vec![ingest(&source, &datasets, TransferMode::Copy)]).await?;
    let path = fixture.path(&stored[0]).await?;
    backstage.delete(&path).await?;
    let found = only(thoroughly(&fixture, &stored).await?);
    assert_eq!((found.kind, found.path.as_str()), (FindingKind::Missing, path.as_str()));
    let names: Vec<String> = stored.iter().map(ToString::to_string).collect();
    assert_eq!(found.datasets, names);
    Ok(())
}

/// Books that note which entries are asked about.
struct Asked<'a> {
    books: &'a Books,
    entries: Mutex<Vec<ArcStr>>,
}

#[async_trait]
impl Bookkeeper for Asked<'_> {
    async fn claim(&self, entry: &str, outcome: Outcome) -> Result<Outcome> {
        self.books.claim(entry, outcome).await
    }

    async fn outcomes(&self, entries: Vec<ArcStr>) -> Result<Vec<Option<Outcome>>> {
        self.entries
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .extend(entries.iter().cloned());
        self.books.outcomes(entries).await
    }

    async fn forget(&self, entries: Vec<ArcStr>) -> Result<()> {
        self.books.forget(entries).await
    }

    async fn fetch(&self, fetch: OpaqueFetch) -> Result<ColumnBatch> {
        self.books.fetch(fetch).await
    }
}

pub(super) async fn open_entries_are_asked_about(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(fixture) = open_to_damage(h).await? else { return Ok(()) };
    let dataset = fixture.dataset("x", "Number", 1);
    let write = fixture.execute(vec![put(&dataset, Structured::from(1))]).await?;
    for orphans in [false, true] {
        let asked = Asked { books: &fixture.books, entries: Mutex::default() };
        let options = VerifyOptions { checksum: false, orphans };
        assert_eq!(fixture.datastore.verify(&asked, &[], &options).await?, []);
        let entries = asked.entries.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        assert_eq!(entries, write.entries());
    }
    write.roll_back().await
}
