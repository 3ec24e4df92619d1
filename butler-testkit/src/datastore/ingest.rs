//! Files come in.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use butler_core::datastore::{TransferMode, WriteRequest};
use butler_core::{DatasetRef, Error, ErrorKind, Result};

use super::DatastoreHarness;
use super::fixture::{Fixture, fails, ingest, ingest_as};

/// A fixture on a local directory, with its root, that takes files in a way.
async fn local(h: &dyn DatastoreHarness, mode: TransferMode) -> Result<Option<(Fixture, PathBuf)>> {
    let fixture = Fixture::new(h).await?;
    let root = fixture.root().filter(|_| fixture.takes(mode));
    Ok(root.map(|root| (fixture, root)))
}

fn io<T>(result: std::io::Result<T>) -> Result<T> {
    result.map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))
}

/// Ingests one file as `x` number 1.
async fn one(fixture: &Fixture, source: &Path, mode: TransferMode) -> Result<DatasetRef> {
    let dataset = fixture.dataset("x", "Number", 1);
    Ok(fixture.write(vec![ingest(source, &[dataset], mode)]).await?.remove(0))
}

async fn artifact(fixture: &Fixture, root: &Path, stored: &DatasetRef) -> Result<PathBuf> {
    Ok(root.join(fixture.path(stored).await?))
}

pub(super) async fn what_is_copied_is_independent(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, root)) = local(h, TransferMode::Copy).await? else { return Ok(()) };
    let source = fixture.source("f.plain", "1")?;
    let stored = one(&fixture, &source, TransferMode::Copy).await?;
    assert!(artifact(&fixture, &root, &stored).await?.is_file());
    io(fs::write(&source, "22"))?;
    assert_eq!(fixture.value(&stored).await?, 1);
    fixture.remove(&[stored]).await?;
    assert!(source.exists());
    Ok(())
}

pub(super) async fn what_is_moved_goes_after_the_commit(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, _)) = local(h, TransferMode::Move).await? else { return Ok(()) };
    let source = fixture.source("f.plain", "1")?;
    let dataset = fixture.dataset("x", "Number", 1);
    let request = ingest(&source, std::slice::from_ref(&dataset), TransferMode::Move);
    let transaction = fixture.execute_and_register(vec![request]).await?;
    assert!(source.exists(), "it may still be needed");
    transaction.commit().await?;
    assert!(!source.exists());
    assert_eq!(fixture.value(&fixture.books.attach(&dataset)).await?, 1);
    Ok(())
}

pub(super) async fn what_was_to_be_moved_stays_if_nothing_comes_of_it(
    h: &dyn DatastoreHarness,
) -> Result<()> {
    let Some((fixture, _)) = local(h, TransferMode::Move).await? else { return Ok(()) };
    let source = fixture.source("f.plain", "1")?;
    let request = ingest(&source, &[fixture.dataset("x", "Number", 1)], TransferMode::Move);
    fixture.execute(vec![request]).await?.roll_back().await?;
    assert_eq!(io(fs::read_to_string(&source))?, "1");
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}

pub(super) async fn a_link_that_is_moved_leaves_its_target(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, root)) = local(h, TransferMode::Move).await? else { return Ok(()) };
    let (target, link) = (fixture.source("target", "1")?, fixture.scratch().join("link.plain"));
    io(symlink(&target, &link))?;
    let stored = one(&fixture, &link, TransferMode::Move).await?;
    assert!(!link.is_symlink() && target.exists());
    io(fs::write(&target, "22"))?;
    assert_eq!(fixture.value(&stored).await?, 1);
    assert!(!artifact(&fixture, &root, &stored).await?.is_symlink());
    Ok(())
}

pub(super) async fn what_is_hard_linked_is_the_same_file(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, root)) = local(h, TransferMode::Hardlink).await? else { return Ok(()) };
    let source = fixture.source("f.plain", "1")?;
    let stored = one(&fixture, &source, TransferMode::Hardlink).await?;
    let path = artifact(&fixture, &root, &stored).await?;
    assert_eq!(io(path.metadata())?.ino(), io(source.metadata())?.ino());
    assert!(!path.is_symlink());
    fixture.remove(&[stored]).await?;
    assert!(source.exists() && !path.exists());
    Ok(())
}

pub(super) async fn what_is_linked_stays(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, root)) = local(h, TransferMode::Link).await? else { return Ok(()) };
    let source = fixture.source("f.plain", "1")?;
    let stored = one(&fixture, &source, TransferMode::Link).await?;
    let path = artifact(&fixture, &root, &stored).await?;
    assert_eq!(io(path.metadata())?.ino(), io(source.metadata())?.ino());
    assert!(source.exists());
    Ok(())
}

/// A file by way of two links, in a directory of its own.
fn link_of_link(fixture: &Fixture) -> Result<(PathBuf, PathBuf)> {
    let target = fixture.source("deep/target", "1")?;
    let (first, second) = (fixture.scratch().join("first"), fixture.scratch().join("second.plain"));
    io(symlink(&target, &first))?;
    io(symlink("first", &second))?;
    Ok((target, second))
}

pub(super) async fn symbolic_links_lead_to_the_final_target(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, root)) = local(h, TransferMode::Symlink).await? else { return Ok(()) };
    let (target, link) = link_of_link(&fixture)?;
    let stored = one(&fixture, &link, TransferMode::Symlink).await?;
    let path = artifact(&fixture, &root, &stored).await?;
    assert_eq!(io(fs::read_link(&path))?, target);
    assert_eq!(fixture.value(&stored).await?, 1);
    assert!(fixture.exists(&stored).await?);
    fixture.remove(std::slice::from_ref(&stored)).await?;
    assert!(target.exists() && link.exists() && !path.is_symlink());
    Ok(())
}

pub(super) async fn relative_links_lead_to_the_file(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, root)) = local(h, TransferMode::Relsymlink).await? else { return Ok(()) };
    let (target, link) = link_of_link(&fixture)?;
    let stored = one(&fixture, &link, TransferMode::Relsymlink).await?;
    let path = artifact(&fixture, &root, &stored).await?;
    let leads_to = io(fs::read_link(&path))?;
    assert!(leads_to.is_relative(), "{}", leads_to.display());
    assert_eq!(io(path.canonicalize())?, target);
    assert_eq!(fixture.value(&stored).await?, 1);
    Ok(())
}

pub(super) async fn direct_files_stay_where_they_are(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, _)) = local(h, TransferMode::Direct).await? else { return Ok(()) };
    let source = fixture.source("f #1.plain", "1")?;
    let stored = one(&fixture, &source, TransferMode::Direct).await?;
    assert_eq!(fixture.files().await?, [""; 0]);
    assert_eq!(fixture.value(&stored).await?, 1);
    assert!(fixture.uri(&stored, false).await?.ends_with("/f%20%231.plain"));
    assert!(fixture.exists(&stored).await?);
    io(fs::remove_file(&source))?;
    assert!(!fixture.exists(&stored).await?);
    fails(fixture.value(&stored).await, ErrorKind::NotFound);
    Ok(())
}

pub(super) async fn files_are_taken_over_in_place(h: &dyn DatastoreHarness) -> Result<()> {
    for absolute in [true, false] {
        let Some((fixture, root)) = local(h, TransferMode::InPlace).await? else { return Ok(()) };
        let Some(backstage) = fixture.backstage() else { return Ok(()) };
        backstage.write("some where/f.x", b"1").await?;
        let path = if absolute { root.join("some where/f.x") } else { "some where/f.x".into() };
        let stored = one(&fixture, &path, TransferMode::InPlace).await?;
        assert_eq!(fixture.files().await?, ["some where/f.x"]);
        assert_eq!(fixture.value(&stored).await?, 1);
        assert_eq!(fixture.path(&stored).await?, "some where/f.x");
        // It is the datastore's now.
        fixture.remove(&[stored]).await?;
        assert_eq!(fixture.files().await?, [""; 0]);
    }
    Ok(())
}

pub(super) async fn what_is_outside_is_not_in_place(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, root)) = local(h, TransferMode::InPlace).await? else { return Ok(()) };
    let source = fixture.source("f.plain", "1")?;
    fails(one(&fixture, &source, TransferMode::InPlace).await, ErrorKind::Argument);
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    backstage.write("real/f", b"1").await?;
    backstage.write(".butler/f", b"1").await?;
    io(symlink(fixture.scratch(), root.join("leads out")))?;
    for path in ["leads out/f.plain", "real/../../f.plain", ".butler/f"] {
        let result = one(&fixture, &root.join(path), TransferMode::InPlace).await;
        let error = result.expect_err(path);
        assert!(matches!(error.kind(), ErrorKind::Argument | ErrorKind::NotFound), "{error:?}");
    }
    Ok(())
}

/// A file inside and one outside, ingested together.
async fn mixed(fixture: &Fixture, mode: TransferMode) -> Result<Vec<DatasetRef>> {
    if let Some(backstage) = fixture.backstage() {
        backstage.write("inside.x", b"1").await?;
    }
    let outside = fixture.source("outside.plain", "2")?;
    let [one, two] = [1, 2].map(|n| fixture.dataset("x", "Number", n));
    let stored =
        fixture.write(vec![ingest_as("inside.x", &[one], mode), ingest(&outside, &[two], mode)]).await?;
    assert_eq!(fixture.files().await?, ["inside.x"]);
    for (n, dataset) in (1..).zip(&stored) {
        assert_eq!(fixture.value(dataset).await?, n);
    }
    assert!(fixture.uri(&stored[1], false).await?.ends_with("/outside.plain"));
    Ok(stored)
}

pub(super) async fn a_split_takes_over_and_refers(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, _)) = local(h, TransferMode::Split).await? else { return Ok(()) };
    let stored = mixed(&fixture, TransferMode::Split).await?;
    fixture.remove(&stored).await?;
    assert_eq!(fixture.files().await?, [""; 0]);
    assert!(fixture.scratch().join("outside.plain").exists());
    Ok(())
}

pub(super) async fn mixed_files_are_automatically_split(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, _)) = local(h, TransferMode::Auto).await? else { return Ok(()) };
    mixed(&fixture, TransferMode::Auto).await.map(drop)
}

pub(super) async fn files_inside_are_automatically_in_place(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, root)) = local(h, TransferMode::Auto).await? else { return Ok(()) };
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    backstage.write("d/f.x", b"1").await?;
    one(&fixture, &root.join("d/f.x"), TransferMode::Auto).await?;
    assert_eq!(fixture.files().await?, ["d/f.x"]);
    Ok(())
}

pub(super) async fn files_outside_are_automatically_linked(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, root)) = local(h, TransferMode::Auto).await? else { return Ok(()) };
    let source = fixture.source("f.plain", "1")?;
    let stored = one(&fixture, &source, TransferMode::Auto).await?;
    let path = artifact(&fixture, &root, &stored).await?;
    assert!(path.starts_with(&root) && source.exists());
    assert_eq!(io(path.metadata())?.ino(), io(source.metadata())?.ino());
    Ok(())
}

pub(super) async fn a_file_may_hold_several_datasets(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, _)) = local(h, TransferMode::Copy).await? else { return Ok(()) };
    let source = fixture.source("f.plain", "1")?;
    let datasets: Vec<DatasetRef> = (1..=3).map(|n| fixture.dataset("x", "Number", n)).collect();
    let stored = fixture.write(vec![ingest(&source, &datasets, TransferMode::Copy)]).await?;
    assert_eq!(fixture.files().await?.len(), 1);
    let path = fixture.path(&stored[0]).await?;
    for dataset in &stored {
        assert_eq!(fixture.value(dataset).await?, 1);
        assert_eq!(fixture.path(dataset).await?, path);
    }
    Ok(())
}

pub(super) async fn one_missing_file_stops_all(h: &dyn DatastoreHarness) -> Result<()> {
    for mode in [TransferMode::Copy, TransferMode::Hardlink, TransferMode::Move, TransferMode::Direct] {
        let Some((fixture, _)) = local(h, mode).await? else { continue };
        let mut requests = Vec::new();
        for n in 0..5 {
            let source = fixture.source(&format!("f{n}.plain"), "1")?;
            requests.push(ingest(&source, &[fixture.dataset("x", "Number", n)], mode));
        }
        let missing = fixture.scratch().join("f2.plain");
        io(fs::remove_file(&missing))?;
        let error = fails(fixture.datastore.prepare_write(requests).await.map(drop), ErrorKind::NotFound);
        assert!(error.to_string().contains(&*missing.to_string_lossy()), "{error}");
        assert_eq!(fixture.files().await?, [""; 0], "nothing is copied or journalled");
        assert_eq!(io(fs::read_dir(fixture.scratch()))?.count(), 4);
    }
    Ok(())
}

pub(super) async fn what_is_no_file_is_refused(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, _)) = local(h, TransferMode::Copy).await? else { return Ok(()) };
    let scratch = fixture.scratch();
    io(symlink("nowhere", scratch.join("dangling")))?;
    let refused = async |path: &str, kind: ErrorKind| {
        let request = ingest_as(path, &[fixture.dataset("x", "Number", 1)], TransferMode::Copy);
        fails(fixture.write(vec![request]).await, kind);
    };
    refused(&scratch.to_string_lossy(), ErrorKind::Argument).await;
    refused("", ErrorKind::Argument).await;
    refused("a\0b", ErrorKind::Argument).await;
    refused(&scratch.join("dangling").to_string_lossy(), ErrorKind::NotFound).await;
    refused("ftp://elsewhere/f", ErrorKind::Unsupported).await;
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}

pub(super) async fn urls_of_files_are_files(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, _)) = local(h, TransferMode::Copy).await? else { return Ok(()) };
    let source = fixture.source("f ü.plain", "1")?;
    let url = format!("file://{}", source.display()).replace(' ', "%20").replace('ü', "%C3%BC");
    let request = ingest_as(&url, &[fixture.dataset("x", "Number", 1)], TransferMode::Copy);
    let stored = fixture.write(vec![request]).await?;
    assert_eq!(fixture.value(&stored[0]).await?, 1);
    Ok(())
}

pub(super) async fn a_file_that_is_where_it_would_go_is_refused(h: &dyn DatastoreHarness) -> Result<()> {
    for mode in [TransferMode::Copy, TransferMode::Move, TransferMode::Hardlink, TransferMode::Symlink] {
        let Some((fixture, root)) = local(h, mode).await? else { continue };
        let dataset = fixture.dataset("x", "Number", 1);
        let path = fixture.path(&dataset).await?;
        let Some(backstage) = fixture.backstage() else { return Ok(()) };
        backstage.write(&path, b"1").await?;
        let request = ingest(&root.join(&path), std::slice::from_ref(&dataset), mode);
        let error = fails(fixture.write(vec![request]).await, ErrorKind::AlreadyExists);
        assert!(error.to_string().contains("in_place"), "{error}");
        assert_eq!(fixture.files().await?, [path.as_str()], "{mode}");
    }
    Ok(())
}

pub(super) async fn untracked_files_are_not_measured(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, _)) = local(h, TransferMode::Copy).await? else { return Ok(()) };
    let source = fixture.source("f.plain", "1")?;
    let mut request = ingest(&source, &[fixture.dataset("x", "Number", 1)], TransferMode::Copy);
    if let WriteRequest::Ingest { track_attributes, .. } = &mut request {
        *track_attributes = false;
    }
    let stored = fixture.write(vec![request]).await?;
    if let Some(backstage) = fixture.backstage() {
        backstage.write(&fixture.path(&stored[0]).await?, b"123").await?;
    }
    assert_eq!(fixture.value(&stored[0]).await?, 123);
    assert_eq!(fixture.datastore.open(&stored[0]).await?[0].checksum, None);
    Ok(())
}

pub(super) async fn the_formatter_that_is_given_reads_it(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, _)) = local(h, TransferMode::Copy).await? else { return Ok(()) };
    for (n, formatter, expected) in [(1, Some("other"), "null"), (2, None, "1")] {
        let source = fixture.source("f.plain", "1")?;
        let mut request = ingest(&source, &[fixture.dataset("x", "Number", n)], TransferMode::Copy);
        if let WriteRequest::Ingest { file, .. } = &mut request {
            file.formatter = formatter.map(Into::into);
        }
        let stored = fixture.write(vec![request]).await?;
        assert_eq!(fixture.value(&stored[0]).await?.to_string(), expected);
    }
    Ok(())
}

pub(super) async fn a_file_of_no_dataset_is_refused(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, _)) = local(h, TransferMode::Copy).await? else { return Ok(()) };
    let source = fixture.source("f.plain", "1")?;
    fails(fixture.write(vec![ingest(&source, &[], TransferMode::Copy)]).await, ErrorKind::Argument);
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}
