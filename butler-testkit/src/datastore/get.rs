//! Objects are read.

use butler_core::datastore::{GetRequest, TransferMode};
use butler_core::{DatasetRef, ErrorKind, ReadParameters, Result, Structured};
use bytes::Bytes;
use serde_json::json;

use super::fixture::{Fixture, component, fails, ingest};
use super::{DatastoreHarness, Opening};

fn requests(datasets: &[DatasetRef]) -> Vec<GetRequest> {
    datasets
        .iter()
        .map(|dataset| GetRequest { dataset: dataset.clone(), parameters: ReadParameters::new() })
        .collect()
}

async fn three(fixture: &Fixture) -> Result<Vec<DatasetRef>> {
    let objects = (1..=3).map(|n| (fixture.dataset("x", "Number", n), Structured::from(n).into()));
    fixture.put_all(objects.collect()).await
}

pub(super) async fn objects_come_in_the_order_asked_for(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = three(&fixture).await?;
    let asked = [2, 0, 1, 2].map(|index: usize| stored[index].clone());
    let read = fixture.datastore.get(requests(&asked)).await;
    let values: Vec<i64> = read.into_iter().map(|object| object?.deserialize()).collect::<Result<_>>()?;
    assert_eq!(values, [3, 1, 2, 3]);
    Ok(())
}

pub(super) async fn nothing_is_asked_for_and_nothing_comes(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    assert!(fixture.datastore.get(Vec::new()).await.is_empty());
    assert!(fixture.datastore.uris(&[], true).await?.is_empty());
    Ok(())
}

pub(super) async fn a_dataset_that_is_not_stored_is_not_found(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let dataset = fixture.dataset("x", "Number", 1);
    let error = fails(fixture.value(&dataset).await, ErrorKind::NotFound);
    assert!(error.to_string().contains(&dataset.id().to_string()), "{error}");
    assert!(error.to_string().contains(fixture.datastore.name().as_str()), "{error}");
    Ok(())
}

pub(super) async fn an_artifact_that_is_lost_is_not_found(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    let stored = fixture.put_number("x", 1).await?;
    let path = fixture.path(&stored).await?;
    backstage.delete(&path).await?;
    let error = fails(fixture.value(&stored).await, ErrorKind::NotFound);
    let report = format!("{error:#}");
    assert!(report.contains(&path) && report.contains(&stored.id().to_string()), "{report}");
    Ok(())
}

pub(super) async fn a_failure_is_none_of_the_others(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let mut asked = three(&fixture).await?;
    asked.insert(1, fixture.dataset("x", "Number", 9));
    let read = fixture.datastore.get(requests(&asked)).await;
    assert_eq!(read.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, true]);
    Ok(())
}

pub(super) async fn another_size_is_told(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    let stored = fixture.put_number("x", 1).await?;
    let path = fixture.path(&stored).await?;
    backstage.write(&path, b"12").await?;
    let error = fails(fixture.value(&stored).await, ErrorKind::Integrity);
    assert!(error.to_string().contains(&path), "{error}");
    fails(fixture.datastore.open(&stored).await, ErrorKind::Integrity);
    Ok(())
}

pub(super) async fn another_checksum_is_told_where_that_is_configured(
    h: &dyn DatastoreHarness,
) -> Result<()> {
    if Fixture::new(h).await?.backstage().is_none() {
        return Ok(());
    }
    for (settings, told) in [("", false), ("verify_on_read = 'checksum'", true)] {
        let fixture = Fixture::with(h, settings).await?;
        let stored = fixture.put_number("x", 1).await?;
        assert_eq!(fixture.value(&stored).await?, 1);
        let Some(backstage) = fixture.backstage() else { return Ok(()) };
        backstage.write(&fixture.path(&stored).await?, b"2").await?;
        let read = fixture.value(&stored).await;
        if told {
            fails(read, ErrorKind::Integrity);
        } else {
            assert_eq!(read?, 2);
        }
    }
    Ok(())
}

pub(super) async fn what_cannot_be_parsed_is_told(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    let stored = fixture.put_number("x", 1).await?;
    backstage.write(&fixture.path(&stored).await?, b"}").await?;
    let error = fails(fixture.value(&stored).await, ErrorKind::Formatter);
    let report = format!("{error:#}");
    assert!(
        report.contains(&fixture.path(&stored).await?) && report.contains(&stored.id().to_string()),
        "{report}"
    );
    Ok(())
}

pub(super) async fn parameters_are_applied(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = fixture.put(&fixture.dataset("x", "Pair", 1), json!({"a": 3, "b": 4})).await?;
    let scaled = fixture.get_with(&stored, &[("scale", 10)]).await?;
    assert_eq!(scaled.downcast_ref::<Structured>()?, &json!({"a": 30, "b": 40}));
    let total = component(&stored, "total", "int")?;
    assert_eq!(fixture.get_with(&total, &[("scale", 10)]).await?.downcast_ref::<Structured>()?, &json!(70));
    assert_eq!(fixture.value(&stored).await?, json!({"a": 3, "b": 4}), "what is stored stays as it is");
    Ok(())
}

pub(super) async fn unknown_parameters_are_refused(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = fixture.put(&fixture.dataset("x", "Pair", 1), json!({"a": 3, "b": 4})).await?;
    let error = fails(fixture.get_with(&stored, &[("scael", 10)]).await, ErrorKind::Argument);
    assert!(error.to_string().contains("scael"), "{error}");
    let number = fixture.put_number("y", 1).await?;
    fails(fixture.get_with(&number, &[("scale", 10)]).await, ErrorKind::Argument);
    Ok(())
}

fn seen_as(dataset: &DatasetRef, class: &str) -> Result<DatasetRef> {
    dataset.with_dataset_type(dataset.dataset_type().clone().with_storage_class(class))
}

pub(super) async fn another_storage_class_is_converted_to(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = fixture.put_number("x", 12).await?;
    let note = fixture.get(&seen_as(&stored, "Note")?).await?;
    assert_eq!(note.downcast_ref::<String>()?, "12");
    let same = fixture.value(&seen_as(&stored, "StructuredDataDict")?).await?;
    assert_eq!(same, 12);
    let pair = fixture.put(&fixture.dataset("y", "Pair", 1), json!({"a": 3, "b": 4})).await?;
    let a = fixture.get(&component(&pair, "a", "Note")?).await?;
    assert_eq!(a.downcast_ref::<String>()?, "3");
    Ok(())
}

pub(super) async fn what_cannot_be_converted_is_told(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = fixture.put_number("x", 1).await?;
    for class in ["Blob", "Unheard"] {
        fails(fixture.get(&seen_as(&stored, class)?).await, ErrorKind::StorageClass);
    }
    Ok(())
}

/// Nobody's data is held hostage.
pub(super) async fn what_is_of_an_unknown_class_is_bytes(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let bytes = Bytes::from_static(b"\0\xff");
    let stored = fixture.put(&fixture.dataset("x", "Unheard", 1), bytes.clone()).await?;
    assert_eq!(fixture.get(&stored).await?.downcast_ref::<Bytes>()?, &bytes);
    if fixture.takes(TransferMode::Copy) {
        let source = fixture.source("f.odd", "odd")?;
        let dataset = fixture.dataset("x", "Unheard", 2);
        let mut request = ingest(&source, std::slice::from_ref(&dataset), TransferMode::Copy);
        if let butler_core::datastore::WriteRequest::Ingest { file, .. } = &mut request {
            file.formatter = Some("of another world".into());
        }
        let stored = fixture.write(vec![request]).await?;
        assert_eq!(fixture.get(&stored[0]).await?.downcast_ref::<Bytes>()?, &"odd");
        assert_eq!(fixture.datastore.open(&stored[0]).await?[0].formatter, "of another world");
    }
    Ok(())
}

pub(super) async fn what_was_read_and_removed_is_not_found(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = three(&fixture).await?;
    for n in 0..stored.len() {
        for dataset in &stored[n..] {
            // Twice: the second time it may be nearer.
            assert_eq!(fixture.value(dataset).await?, fixture.value(dataset).await?);
        }
        fixture.remove(&stored[n..=n]).await?;
        let read = fixture.datastore.get(requests(&stored)).await;
        let found: Vec<bool> = read.iter().map(Result::is_ok).collect();
        assert_eq!(found, (0..stored.len()).map(|at| at > n).collect::<Vec<_>>());
    }
    Ok(())
}

pub(super) async fn what_is_stored_anew_is_read_anew(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let (number, pair) = (fixture.dataset("x", "Number", 1), fixture.dataset("y", "Pair", 1));
    // The same datasets, at the same paths, of the same number of bytes.
    for n in 1..=4 {
        let objects = vec![
            (number.clone(), Structured::from(n).into()),
            (pair.clone(), json!({"a": n, "b": 2 * n}).into()),
        ];
        let stored = fixture.put_all(objects).await?;
        for _ in 0..2 {
            assert_eq!(fixture.value(&stored[0]).await?, n);
            assert_eq!(fixture.value(&component(&stored[1], "a", "Counter")?).await?, n);
            assert_eq!(fixture.value(&stored[1]).await?, json!({"a": n, "b": 2 * n}));
            assert_eq!(fixture.value(&component(&stored[1], "total", "int")?).await?, 3 * n);
        }
        fixture.remove(&stored).await?;
    }
    // Another dataset at the path of the first.
    let other = fixture.put_number("x", 1).await?;
    assert_eq!(fixture.value(&other).await?, 1);
    Ok(())
}

pub(super) async fn what_others_store_anew_is_read_anew(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    if fixture.datastore.capabilities().ephemeral {
        return Ok(());
    }
    let reader = fixture.storage.open(&Opening::default()).await?;
    let dataset = fixture.dataset("x", "Number", 1);
    for n in 1..=3 {
        let stored = fixture.put(&dataset, Structured::from(n)).await?;
        for _ in 0..2 {
            let read = reader.get(requests(std::slice::from_ref(&stored))).await.remove(0)?;
            assert_eq!(read.downcast_ref::<Structured>()?, n);
        }
        fixture.remove(&[stored]).await?;
    }
    Ok(())
}
