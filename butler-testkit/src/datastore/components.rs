//! Composites, whole and in parts.

use butler_core::{DatasetRef, ErrorKind, Result, Structured};
use serde_json::json;

use super::DatastoreHarness;
use super::fixture::{Fixture, component, fails, names};

/// Settings by which pairs are stored part by part.
pub(super) const APART: &str = "disassemble.Pair = true";

/// A fixture that stores pairs part by part, and one of them; none if the datastore holds no artifacts.
pub(super) async fn apart(h: &dyn DatastoreHarness) -> Result<Option<(Fixture, DatasetRef)>> {
    if !Fixture::new(h).await?.has_artifacts() {
        return Ok(None);
    }
    let fixture = Fixture::with(h, APART).await?;
    let stored = pair(&fixture).await?;
    Ok(Some((fixture, stored)))
}

async fn pair(fixture: &Fixture) -> Result<DatasetRef> {
    fixture.put(&fixture.dataset("x", "Pair", 1), json!({"a": 3, "b": 4})).await
}

async fn part(fixture: &Fixture, dataset: &DatasetRef, name: &str, class: &str) -> Result<Structured> {
    fixture.value(&component(dataset, name, class)?).await
}

pub(super) async fn a_component_is_taken_out_of_the_whole(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = pair(&fixture).await?;
    assert_eq!(part(&fixture, &stored, "a", "Counter").await?, 3);
    assert_eq!(part(&fixture, &stored, "b", "int").await?, 4);
    assert_eq!(fixture.value(&stored).await?, json!({"a": 3, "b": 4}));
    Ok(())
}

pub(super) async fn a_derived_component_is_computed(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = pair(&fixture).await?;
    assert_eq!(part(&fixture, &stored, "total", "int").await?, 7);
    Ok(())
}

pub(super) async fn unknown_components_are_told(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let stored = pair(&fixture).await?;
    let error = fails(part(&fixture, &stored, "totl", "int").await, ErrorKind::UnknownComponent);
    assert!(error.to_string().contains("did you mean 'total'?"), "{error}");
    Ok(())
}

pub(super) async fn composites_are_stored_part_by_part_where_that_is_configured(
    h: &dyn DatastoreHarness,
) -> Result<()> {
    let Some((fixture, stored)) = apart(h).await? else { return Ok(()) };
    let artifacts = fixture.datastore.open(&stored).await?;
    let mut parts = names(&artifacts);
    parts.sort_unstable();
    assert_eq!(parts, [(Some("a".into()), "plain".into()), (Some("b".into()), "json".into())]);
    assert_eq!(fixture.value(&stored).await?, json!({"a": 3, "b": 4}));
    let whole = fixture.put_number("y", 1).await?;
    assert_eq!(names(&fixture.datastore.open(&whole).await?), [(None, "plain".into())]);
    Ok(())
}

pub(super) async fn parts_are_read_alone(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, stored)) = apart(h).await? else { return Ok(()) };
    let uris = fixture.datastore.uris(std::slice::from_ref(&stored), false).await?;
    if let Some(backstage) = fixture.backstage() {
        // What is not asked for is not looked at.
        let b = fixture.path_of_uri(&uris[0].components["b"]);
        backstage.write(&b, b"nonsense").await?;
        assert_eq!(part(&fixture, &stored, "a", "Counter").await?, 3);
        fails(part(&fixture, &stored, "b", "int").await, ErrorKind::Integrity);
        fails(fixture.value(&stored).await, ErrorKind::Integrity);
    }
    Ok(())
}

pub(super) async fn a_derived_component_is_computed_from_the_responsible_part(
    h: &dyn DatastoreHarness,
) -> Result<()> {
    let Some((fixture, stored)) = apart(h).await? else { return Ok(()) };
    assert_eq!(part(&fixture, &stored, "double", "int").await?, 6);
    if fixture.backstage().is_some() {
        // Nobody is responsible for this one, unless the whole is somewhere else.
        fails(part(&fixture, &stored, "total", "int").await, ErrorKind::NotFound);
    }
    Ok(())
}

pub(super) async fn a_part_that_is_missing_is_told(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, stored)) = apart(h).await? else { return Ok(()) };
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    let uris = fixture.datastore.uris(std::slice::from_ref(&stored), false).await?;
    backstage.delete(&fixture.path_of_uri(&uris[0].components["b"])).await?;
    fails(fixture.value(&stored).await, ErrorKind::NotFound);
    assert_eq!(part(&fixture, &stored, "a", "Counter").await?, 3);
    Ok(())
}
