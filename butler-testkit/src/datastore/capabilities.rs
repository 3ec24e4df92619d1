//! What a datastore can do, and says so.

use butler_core::datastore::TransferMode;
use butler_core::{ErrorKind, Result, Structured};

use super::fixture::{Fixture, fails, ingest, put};
use super::{DatastoreHarness, Opening};

pub(super) async fn the_name_is_the_configured_one(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::with(h, "name = 'Größe 7'").await?;
    assert_eq!(fixture.datastore.name(), "Größe 7");
    let other = Fixture::with(h, "name = 'groesse'").await?;
    assert_eq!(other.datastore.name(), "groesse");
    Ok(())
}

pub(super) async fn unknown_keys_are_refused(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let opening = Opening { settings: "acept = ['all']".into(), ..Opening::default() };
    let error = fails(fixture.storage.open(&opening).await, ErrorKind::Configuration);
    assert!(error.to_string().contains("did you mean 'accept'?"), "{error}");
    Ok(())
}

pub(super) async fn tables_begin_with_the_id_of_a_dataset(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::with(h, "name = 'A b'").await?;
    let stored = fixture.put_number("x", 1).await?;
    let tables = fixture.datastore.tables();
    for table in &tables {
        table.spec.validate()?;
        assert_eq!(table.spec.primary_key[..2], ["origin", "id"], "{}", table.spec.name);
    }
    let records = stored.records().map(|records| records.0.clone()).unwrap_or_default();
    assert_eq!(records.is_empty(), fixture.datastore.capabilities().ephemeral);
    for record in records {
        let table =
            tables.iter().find(|table| table.spec.name == record.table).expect("its table is declared");
        assert_eq!(record.datastore, table.datastore);
        // Children have names that begin with that of their parent.
        assert!(record.datastore.starts_with("A b"), "{}", record.datastore);
        assert_eq!(record.values.len() + 2, table.spec.columns.len());
        for (value, column) in record.values.iter().zip(&table.spec.columns[2..]) {
            assert!(
                value.ty().map_or(column.nullable, |ty| ty == column.ty),
                "{value} in column {}",
                column.name
            );
        }
    }
    Ok(())
}

pub(super) async fn only_what_is_not_ephemeral_outlives_its_handle(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = fixture.put_number("x", 1).await?;
    let again = Fixture { datastore: fixture.storage.open(&Opening::default()).await?, ..fixture };
    if again.datastore.capabilities().ephemeral {
        fails(again.value(&stored).await, ErrorKind::NotFound);
    } else {
        assert_eq!(again.value(&stored).await?, 1);
    }
    Ok(())
}

pub(super) async fn what_is_read_only_refuses_to_write(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    assert!(fixture.datastore.capabilities().writable);
    let stored = fixture.put_number("x", 1).await?;
    let before = fixture.files().await?;
    let opening = Opening { read_only: true, ..Opening::default() };
    let reader = Fixture { datastore: fixture.storage.open(&opening).await?, ..fixture };
    assert!(!reader.datastore.capabilities().writable);
    let new = reader.dataset("x", "Number", 2);
    fails(reader.datastore.prepare_write(vec![put(&new, Structured::from(2))]).await, ErrorKind::ReadOnly);
    fails(reader.datastore.prepare_remove(vec![stored.clone()]).await, ErrorKind::ReadOnly);
    if !reader.datastore.capabilities().ephemeral {
        assert_eq!(reader.value(&stored).await?, 1);
    }
    assert_eq!(reader.files().await?, before);
    Ok(())
}

pub(super) async fn ways_of_transfer_that_are_not_declared_are_unsupported(
    h: &dyn DatastoreHarness,
) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let modes = fixture.datastore.capabilities().transfer_modes;
    for (n, mode) in (0..).zip(TransferMode::ALL) {
        let source = fixture.source(&format!("{mode}.plain"), "1")?;
        let dataset = fixture.dataset("x", "Number", n);
        if !modes.contains(&mode) {
            fails(fixture.write(vec![ingest(&source, &[dataset], mode)]).await, ErrorKind::Unsupported);
        } else if mode != TransferMode::InPlace {
            let stored = fixture.write(vec![ingest(&source, &[dataset], mode)]).await?;
            assert_eq!(fixture.value(&stored[0]).await?, 1, "{mode}");
        }
    }
    Ok(())
}

pub(super) async fn only_artifacts_can_be_opened_and_copied(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = fixture.put_number("x", 1).await?;
    let copied = fixture.write(vec![super::copies::copy(&fixture.dataset("x", "Number", 2), b"2")]).await;
    if fixture.has_artifacts() {
        assert_eq!(fixture.datastore.open(&stored).await?.len(), 1);
        assert_eq!(fixture.value(&copied?[0]).await?, 2);
    } else {
        fails(fixture.datastore.open(&stored).await, ErrorKind::Unsupported);
        fails(copied, ErrorKind::Unsupported);
    }
    Ok(())
}

pub(super) async fn places_tell_storages_apart(h: &dyn DatastoreHarness) -> Result<()> {
    let (one, other) = (Fixture::new(h).await?, Fixture::new(h).await?);
    let places = one.datastore.places();
    assert_eq!(places.is_empty(), one.datastore.capabilities().ephemeral, "what is kept is kept somewhere");
    assert!(other.datastore.places().iter().all(|place| !places.contains(place)), "{places:?}");
    // Before anything is there, and after.
    one.put_number("x", 1).await?;
    let again = one.storage.open(&Opening::default()).await?;
    assert_eq!(again.places(), places);
    assert_eq!(one.datastore.places(), places);
    Ok(())
}
