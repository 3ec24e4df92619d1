//! Artifacts of another datastore.

use std::pin::Pin;

use butler_core::datastore::{Artifact, ArtifactBody, WriteRequest};
use butler_core::{DatasetRef, Error, ErrorKind, Result};
use bytes::Bytes;
use futures::Stream;
use serde_json::json;

use super::DatastoreHarness;
use super::fixture::{Fixture, fails, names};

fn artifact(body: ArtifactBody) -> Artifact {
    Artifact {
        component: None,
        formatter: "plain".into(),
        storage_class: "Number".into(),
        file_name: "anything.plain".into(),
        size: None,
        checksum: None,
        body,
    }
}

/// A request to copy an artifact.
pub(super) fn copy(dataset: &DatasetRef, bytes: &[u8]) -> WriteRequest {
    request(dataset, artifact(ArtifactBody::Bytes(Bytes::copy_from_slice(bytes))))
}

fn request(dataset: &DatasetRef, artifact: Artifact) -> WriteRequest {
    WriteRequest::Copy { datasets: vec![dataset.clone()], artifacts: vec![artifact] }
}

pub(super) async fn artifacts_of_another_datastore_come_in(h: &dyn DatastoreHarness) -> Result<()> {
    let (one, other) = (Fixture::new(h).await?, Fixture::new(h).await?);
    if !one.has_artifacts() {
        return Ok(());
    }
    let stored = one.put_number("x", 7).await?;
    let artifacts = one.datastore.open(&stored).await?;
    assert_eq!((artifacts.len(), artifacts[0].size), (1, Some(1)));
    assert!(artifacts[0].file_name.ends_with(".plain"), "{}", artifacts[0].file_name);
    let request = WriteRequest::Copy { datasets: vec![stored.with_records(None)], artifacts };
    let copied = other.write(vec![request]).await?.remove(0);
    one.remove(&[stored]).await?;
    assert_eq!(other.value(&copied).await?, 7);
    let bytes = other.write(vec![copy(&other.dataset("x", "Number", 2), b"8")]).await?.remove(0);
    assert_eq!(other.value(&bytes).await?, 8);
    Ok(())
}

fn stream(parts: Vec<Result<Bytes>>) -> ArtifactBody {
    let stream: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>> = Box::pin(futures::stream::iter(parts));
    ArtifactBody::Stream(stream)
}

pub(super) async fn streams_come_in(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    if !fixture.has_artifacts() {
        return Ok(());
    }
    let dataset = fixture.dataset("x", "Number", 1);
    let parts = ["1", "", "23"].map(|part| Ok(Bytes::from_static(part.as_bytes())));
    let copied = fixture.write(vec![request(&dataset, artifact(stream(parts.into())))]).await?.remove(0);
    assert_eq!(fixture.value(&copied).await?, 123);
    Ok(())
}

pub(super) async fn what_is_not_what_it_should_be_is_refused(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    if !fixture.has_artifacts() {
        return Ok(());
    }
    let bytes = || ArtifactBody::Bytes(Bytes::from_static(b"12"));
    let bad = "0".repeat(64);
    for wrong in [
        Artifact { size: Some(3), ..artifact(bytes()) },
        Artifact { checksum: Some(bad.as_str().into()), ..artifact(bytes()) },
    ] {
        let dataset = fixture.dataset("x", "Number", 1);
        fails(fixture.write(vec![request(&dataset, wrong)]).await, ErrorKind::Integrity);
        assert_eq!(fixture.files().await?, [""; 0]);
    }
    let right = Artifact { size: Some(2), ..artifact(bytes()) };
    fixture.write(vec![request(&fixture.dataset("x", "Number", 1), right)]).await?;
    Ok(())
}

pub(super) async fn a_stream_that_fails_leaves_nothing(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    if !fixture.has_artifacts() {
        return Ok(());
    }
    let failing = vec![Ok(Bytes::from_static(b"1")), Err(Error::new(ErrorKind::Connection, "no reply"))];
    let dataset = fixture.dataset("x", "Number", 1);
    fails(fixture.write(vec![request(&dataset, artifact(stream(failing)))]).await, ErrorKind::Connection);
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}

pub(super) async fn parts_come_in_as_parts(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((one, stored)) = super::components::apart(h).await? else { return Ok(()) };
    let other = Fixture::new(h).await?;
    let artifacts = one.datastore.open(&stored).await?;
    let expected = names(&artifacts);
    let request = WriteRequest::Copy { datasets: vec![stored.with_records(None)], artifacts };
    let copied = other.write(vec![request]).await?.remove(0);
    assert_eq!(names(&other.datastore.open(&copied).await?), expected);
    assert_eq!(other.value(&copied).await?, json!({"a": 3, "b": 4}));
    Ok(())
}
