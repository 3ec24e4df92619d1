//! What is there.

use butler_core::Result;

use super::DatastoreHarness;
use super::components::apart;
use super::fixture::Fixture;

pub(super) async fn what_is_stored_exists(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = fixture.put_number("x", 1).await?;
    assert!(fixture.exists(&stored).await?);
    fixture.remove(std::slice::from_ref(&stored)).await?;
    assert!(!fixture.exists(&stored).await?);
    Ok(())
}

pub(super) async fn without_records_nothing_exists(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    fixture.put_number("x", 1).await?;
    assert!(!fixture.exists(&fixture.dataset("x", "Number", 1)).await?);
    assert_eq!(fixture.datastore.exists(&[]).await?, [false; 0]);
    Ok(())
}

pub(super) async fn what_is_lost_does_not_exist(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    let stored = fixture.put_number("x", 1).await?;
    backstage.delete(&fixture.path(&stored).await?).await?;
    assert!(!fixture.exists(&stored).await?);
    assert!(fixture.datastore.knows(&stored));
    Ok(())
}

pub(super) async fn answers_come_in_the_order_of_questions(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let mut asked = Vec::new();
    for n in 0..100 {
        let dataset = fixture.dataset("x", "Number", n);
        asked.push(if n % 3 == 1 { fixture.put(&dataset, serde_json::json!(n)).await? } else { dataset });
    }
    let expected: Vec<bool> = (0..100).map(|n| n % 3 == 1).collect();
    assert_eq!(fixture.datastore.exists(&asked).await?, expected);
    Ok(())
}

pub(super) async fn a_composite_exists_if_all_its_parts_do(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, stored)) = apart(h).await? else { return Ok(()) };
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    assert!(fixture.exists(&stored).await?);
    let uris = fixture.datastore.uris(std::slice::from_ref(&stored), false).await?;
    backstage.delete(&fixture.path_of_uri(&uris[0].components["b"])).await?;
    assert!(!fixture.exists(&stored).await?);
    Ok(())
}

pub(super) async fn what_is_stored_is_known(h: &dyn DatastoreHarness) -> Result<()> {
    let (fixture, other) = (Fixture::new(h).await?, Fixture::with(h, "name = 'other'").await?);
    let stored = fixture.put_number("x", 1).await?;
    assert!(fixture.datastore.knows(&stored));
    assert!(!other.datastore.knows(&stored), "records of another datastore");
    assert!(!other.exists(&stored).await?, "records of another datastore");
    assert!(!fixture.datastore.knows(&fixture.dataset("x", "Number", 1)));
    Ok(())
}
