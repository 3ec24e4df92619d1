//! Objects are stored.

use butler_core::datastore::{Datastore, WriteRequest};
use butler_core::{DatasetRef, ErrorKind, Object, Result, Structured};
use bytes::Bytes;
use serde_json::json;

use super::DatastoreHarness;
use super::fixture::{Fixture, component, fails, put};

pub(super) async fn objects_of_all_types_come_back(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let value = json!({"z": [1, -2.5, null, true, "ä\n"], "a": {}});
    let stored = fixture.put(&fixture.dataset("s", "Number", 1), value.clone()).await?;
    assert_eq!(fixture.value(&stored).await?, value);
    for text in ["", "ä\r\n\0"] {
        let stored = fixture.put(&fixture.dataset("t", "Note", text.len() as i64), text).await?;
        assert_eq!(fixture.get(&stored).await?.downcast_ref::<String>()?, text);
    }
    for bytes in [&b""[..], b"\0\xff\n"] {
        let stored = fixture.put(&fixture.dataset("b", "Blob", bytes.len() as i64), bytes.to_vec()).await?;
        assert_eq!(fixture.get(&stored).await?.downcast_ref::<Bytes>()?, bytes);
    }
    Ok(())
}

pub(super) async fn many_objects_come_back(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let objects = (0..500).map(|n| (fixture.dataset("x", "Number", n), Structured::from(n).into()));
    let stored = fixture.put_all(objects.collect()).await?;
    assert_eq!(stored.len(), 500);
    for (n, dataset) in (0..).zip(&stored) {
        assert_eq!(fixture.value(dataset).await?, n);
    }
    fixture.remove(&stored).await?;
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}

pub(super) async fn large_objects_come_back(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let bytes: Bytes = (0..h.large()).map(|i| (i % 251) as u8).collect::<Vec<u8>>().into();
    let stored = fixture.put(&fixture.dataset("x", "Blob", 1), bytes.clone()).await?;
    assert!(*fixture.get(&stored).await?.downcast_ref::<Bytes>()? == bytes);
    Ok(())
}

pub(super) async fn nothing_is_no_error(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let transaction = fixture.datastore.prepare_write(Vec::new()).await?;
    assert!(transaction.entries().is_empty());
    transaction.roll_back().await?;
    assert_eq!(fixture.write(Vec::new()).await?, []);
    let transaction = fixture.datastore.prepare_remove(Vec::new()).await?;
    assert!(transaction.entries().is_empty());
    transaction.commit(&fixture.books).await?;
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}

pub(super) async fn records_come_in_the_order_of_the_requests(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let mut datasets: Vec<DatasetRef> = (0..40).map(|n| fixture.dataset("x", "Number", n)).collect();
    datasets.reverse();
    let requests = datasets.iter().map(|dataset| put(dataset, Structured::Null)).collect();
    let mut transaction = fixture.datastore.prepare_write(requests).await?;
    let records = transaction.execute().await?;
    transaction.roll_back().await?;
    if !fixture.datastore.tables().is_empty() {
        let mut ids: Vec<_> = records.0.iter().map(|(id, _)| *id).collect();
        ids.dedup();
        assert_eq!(ids, datasets.iter().map(DatasetRef::id).collect::<Vec<_>>());
    }
    Ok(())
}

pub(super) async fn a_dataset_given_twice_is_refused(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let dataset = fixture.dataset("x", "Number", 1);
    let twice = vec![put(&dataset, Structured::from(1)), put(&dataset, Structured::from(2))];
    let error = fails(fixture.write(twice).await, ErrorKind::Argument);
    assert!(error.to_string().contains(&dataset.id().to_string()), "{error}");
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}

/// The same data ID in the same run leads to the same path, if that does not depend on the id.
pub(super) async fn equal_paths_are_refused(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let [one, other] = [1, 1].map(|n| fixture.dataset("x", "Number", n));
    if !fixture.has_artifacts() || fixture.uri(&one, true).await? != fixture.uri(&other, true).await? {
        return Ok(());
    }
    let equal = vec![put(&one, Structured::from(1)), put(&other, Structured::from(2))];
    fails(fixture.write(equal).await, ErrorKind::Template);
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}

pub(super) async fn an_object_of_another_type_is_refused(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    for class in ["Number", "Note", "Blob"] {
        let good = fixture.dataset("good", "Number", 1);
        let wrong: [Object; 3] = [Object::new(1u8), Object::from(Structured::Null), Object::from("x")];
        let wrong = wrong.into_iter().find(|object| match class {
            "Number" => object.is::<String>(),
            "Note" => object.is::<Structured>(),
            _ => object.is::<u8>(),
        });
        let bad = WriteRequest::Put {
            dataset: fixture.dataset("bad", class, 1),
            object: wrong.expect("one of them is wrong"),
        };
        fails(fixture.write(vec![put(&good, Structured::from(1)), bad]).await, ErrorKind::StorageClass);
        assert_eq!(fixture.files().await?, [""; 0]);
        assert!(!fixture.exists(&fixture.books.attach(&good)).await?);
    }
    Ok(())
}

pub(super) async fn a_component_is_refused(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let a = component(&fixture.dataset("x", "Pair", 1), "a", "Counter")?;
    fails(fixture.put(&a, Structured::from(1)).await, ErrorKind::Argument);
    Ok(())
}

pub(super) async fn what_is_stored_is_not_stored_again(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = fixture.put_number("x", 1).await?;
    let files = fixture.files().await?;
    let again = stored.with_records(None);
    fails(fixture.put(&again, Structured::from(2)).await, ErrorKind::AlreadyExists);
    assert_eq!(fixture.value(&stored).await?, 1);
    assert_eq!(fixture.files().await?, files);
    fixture.remove(std::slice::from_ref(&stored)).await?;
    let restored = fixture.put(&again, Structured::from(3)).await?;
    assert_eq!(fixture.value(&restored).await?, 3);
    Ok(())
}

pub(super) async fn what_is_there_is_never_replaced(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    if !fixture.datastore.capabilities().no_clobber {
        return Ok(());
    }
    let datasets: Vec<DatasetRef> = (0..40).map(|n| fixture.dataset("x", "Number", n)).collect();
    let path = fixture.path(&datasets[20]).await?;
    backstage.write(&path, b"foreign").await?;
    let requests = datasets.iter().map(|dataset| put(dataset, Structured::from(1))).collect();
    let error = fails(fixture.write(requests).await, ErrorKind::AlreadyExists);
    assert!(error.to_string().contains(&path), "{error}");
    assert_eq!(backstage.read(&path).await?, b"foreign");
    assert_eq!(fixture.files().await?, [path.as_str()], "nothing of the batch remains");
    Ok(())
}

async fn leaves_nothing(fixture: &Fixture, class: &str, kind: ErrorKind) -> Result<()> {
    let good: Vec<_> =
        (0..40).map(|n| put(&fixture.dataset("good", "Number", n), Structured::Null)).collect();
    let bad = put(&fixture.dataset("bad", class, 1), Structured::Null);
    fails(fixture.write(good.into_iter().chain([bad]).collect()).await, kind);
    assert_eq!(fixture.files().await?, [""; 0]);
    let beside = fixture.root().map(std::fs::read_dir);
    let left: Vec<_> =
        beside.into_iter().flatten().flatten().flatten().map(|item| item.file_name()).collect();
    assert!(left.iter().all(|name| name == ".butler"), "empty directories are left: {left:?}");
    Ok(())
}

pub(super) async fn a_formatter_that_fails_leaves_nothing(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    if fixture.has_artifacts() {
        leaves_nothing(&fixture, "Broken", ErrorKind::Formatter).await?;
    }
    Ok(())
}

pub(super) async fn a_formatter_that_panics_leaves_nothing(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    if fixture.has_artifacts() {
        leaves_nothing(&fixture, "Panicking", ErrorKind::Unexpected).await?;
    }
    Ok(())
}

pub(super) async fn checksums_and_sizes_are_recorded(h: &dyn DatastoreHarness) -> Result<()> {
    if !Fixture::new(h).await?.has_artifacts() {
        return Ok(());
    }
    // BLAKE3 of the three bytes, by another implementation.
    let expected = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
    for (settings, checksum) in [("", Some(expected)), ("checksum = false", None)] {
        let fixture = Fixture::with(h, settings).await?;
        let stored = fixture.put(&fixture.dataset("x", "Note", 1), "abc").await?;
        let artifacts = datastore_artifacts(&*fixture.datastore, &stored).await?;
        assert_eq!(artifacts, (Some(3), checksum.map(str::to_owned)));
    }
    Ok(())
}

async fn datastore_artifacts(
    datastore: &dyn Datastore,
    stored: &DatasetRef,
) -> Result<(Option<u64>, Option<String>)> {
    let artifact = datastore.open(stored).await?.remove(0);
    Ok((artifact.size, artifact.checksum.map(|checksum| checksum.to_string())))
}
