//! The registry as a whole: where it is, its universe, and facts about it.

use butler_core::registry::Operation;
use butler_core::{DimensionUniverse, ErrorKind, Result};

use super::RegistryHarness;
use super::fixture::{Fixture, at, fails, names, register_run, universe};

fn fact(key: &str, value: &str) -> Operation {
    Operation::SetAttribute { key: key.into(), value: value.into() }
}

pub(super) async fn facts_are_kept_and_replaced(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, [fact("b.x", "it's \"ö\"\n"), fact("a.y", "")]).await?;
    let some = Some(names(&["b.x", "nothing", "a.y"]));
    let found = fixture.registry.attributes(some.clone()).await?;
    assert_eq!(found, [("a.y".into(), "".into()), ("b.x".into(), "it's \"ö\"\n".into())]);
    let other = fixture.another().await?;
    other.one(fact("b.x", "new")).await?;
    let found = fixture.registry.attributes(some).await?;
    assert_eq!(found, [("a.y".into(), "".into()), ("b.x".into(), "new".into())]);
    Ok(())
}

pub(super) async fn all_facts_are_those_of_any_name(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let before = fixture.registry.attributes(None).await?;
    fixture.one(fact("mine", "1")).await?;
    let mut after = fixture.registry.attributes(None).await?;
    assert_eq!(after.len(), before.len() + 1);
    after.retain(|(key, _)| key != "mine");
    assert_eq!(after, before);
    assert_eq!(fixture.registry.attributes(Some(Vec::new())).await?, []);
    Ok(())
}

pub(super) async fn it_keeps_its_universe(h: &dyn RegistryHarness) -> Result<()> {
    let text = universe().source().replace("version = 8", "version = 5");
    let other = DimensionUniverse::from_toml(&text)?;
    let fixture = Fixture::of(h, other).await?;
    assert_eq!(fixture.registry.universe(), other);
    assert_eq!(fixture.another().await?.registry.universe(), other);
    Ok(())
}

pub(super) async fn it_is_created_once(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, [register_run("r")]).await?;
    fails(fixture.place.create(universe()).await, ErrorKind::AlreadyExists, &["registry"]);
    assert_eq!(fixture.another().await?.collection_names().await?, ["r"]);
    Ok(())
}

pub(super) async fn places_are_apart(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, [register_run("r")]).await?;
    let other = Fixture::new(h).await?;
    assert_eq!(other.collections().await?, []);
    other.one(register_run("s")).await?;
    assert_eq!(fixture.collection_names().await?, ["r"]);
    Ok(())
}

pub(super) async fn a_session_begins_once(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let begin = Operation::BeginSession {
        origin: fixture.issuer.origin(),
        host: "here".into(),
        user: "me".into(),
        began: at(0),
    };
    assert_eq!(fixture.one(begin.clone()).await?.inserted, 1);
    assert_eq!(fixture.one(begin).await?.inserted, 0);
    Ok(())
}

pub(super) async fn what_others_did_is_seen_after_a_refresh(h: &dyn RegistryHarness) -> Result<()> {
    let fixture = Fixture::with(h, [register_run("r")]).await?;
    let other = fixture.another().await?;
    assert_eq!(other.collection_names().await?, ["r"]);
    fixture.one(register_run("s")).await?;
    other.registry.refresh();
    assert_eq!(other.collection_names().await?, ["r", "s"]);
    Ok(())
}

pub(super) async fn names_that_nothing_can_have_are_not_there(h: &dyn RegistryHarness) -> Result<()> {
    use butler_core::registry::{CollectionQuery, DatasetTypeQuery};
    let fixture = Fixture::with(h, [register_run("r")]).await?;
    let wanted = Some(names(&["r", "", "a\0b", "\u{10FFFF}"]));
    let query = CollectionQuery { names: wanted.clone(), descendants: true, summaries: true };
    let found = fixture.registry.collections(query).await?;
    assert_eq!(found.iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["r"]);
    let types = DatasetTypeQuery { names: wanted.clone() };
    assert_eq!(fixture.registry.dataset_types(types).await?, []);
    assert_eq!(fixture.registry.attributes(wanted).await?, []);
    Ok(())
}
