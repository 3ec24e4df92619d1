//! Where artifacts are.

use std::time::Duration;

use butler_core::{ErrorKind, Result};

use super::DatastoreHarness;
use super::components::{APART, apart};
use super::fixture::{Fixture, dataset_type, decode, fails};

pub(super) async fn what_is_stored_has_a_uri(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    assert!(fixture.datastore.capabilities().uris);
    let stored = [fixture.put_number("x", 1).await?, fixture.put_number("x", 2).await?];
    let uris = fixture.datastore.uris(&stored, false).await?;
    assert_eq!(uris.len(), 2);
    for (dataset, uris) in stored.iter().zip(&uris) {
        let uri = uris.primary.as_deref().expect("the whole has a URI");
        assert!(uri.contains("://") && !uri.contains('#') && uris.components.is_empty(), "{uri}");
        if let Some(backstage) = fixture.backstage() {
            let expected = dataset.data_id().get("detector").map(ToString::to_string);
            let bytes = backstage.read(&fixture.path_of_uri(uri)).await?;
            assert_eq!(String::from_utf8(bytes).ok(), expected);
        }
    }
    assert_ne!(uris[0], uris[1]);
    Ok(())
}

pub(super) async fn what_is_not_stored_has_none(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    fails(fixture.uri(&fixture.dataset("x", "Number", 1), false).await, ErrorKind::NotFound);
    Ok(())
}

pub(super) async fn uris_are_predicted(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let dataset = fixture.dataset("x", "Number", 1);
    let predicted = fixture.uri(&dataset, true).await?;
    let stored = fixture.put(&dataset, serde_json::json!(1)).await?;
    assert_eq!(predicted, format!("{}#predicted", fixture.uri(&stored, false).await?));
    assert_eq!(fixture.uri(&stored, true).await?, fixture.uri(&stored, false).await?);
    Ok(())
}

pub(super) async fn parts_have_uris_of_their_own(h: &dyn DatastoreHarness) -> Result<()> {
    let Some((fixture, stored)) = apart(h).await? else { return Ok(()) };
    let uris = fixture.datastore.uris(std::slice::from_ref(&stored), false).await?.remove(0);
    assert_eq!(uris.primary, None);
    assert_eq!(uris.components.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let other = Fixture::with(h, APART).await?;
    let predicted = other.datastore.uris(&[other.dataset("x", "Pair", 1)], true).await?.remove(0);
    assert_eq!(predicted.primary, None);
    for (name, uri) in &predicted.components {
        let path = other.path_of_uri(uri.strip_suffix("#predicted").expect("it is predicted"));
        let stored = fixture.path_of_uri(&uris.components[name]);
        let file = |path: &str| path.rsplit('/').next().map(str::to_owned);
        assert!(path == stored || other.backstage().is_none(), "{path} is not {stored}");
        assert_eq!(file(&path), file(&stored));
    }
    Ok(())
}

pub(super) async fn uris_are_encoded(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::with(h, "name = 'n ä'").await?;
    let dataset = fixture.dataset_of(&dataset_type("x", "Number"), "u/ü", 1, "D%41");
    let stored = fixture.put(&dataset, serde_json::json!(1)).await?;
    let uri = fixture.uri(&stored, false).await?;
    assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri}");
    if let Some(backstage) = fixture.backstage() {
        let path = fixture.path(&stored).await?;
        assert!(path.contains("D%41") && decode(&uri).ends_with(&path), "{uri}");
        assert_eq!(backstage.read(&path).await?, b"1");
    }
    Ok(())
}

pub(super) async fn addresses_are_signed_or_that_is_unsupported(h: &dyn DatastoreHarness) -> Result<()> {
    let fixture = Fixture::new(h).await?;
    let lifetime = Duration::from_secs(60);
    let stored = fixture.put_number("x", 1).await?;
    let missing = fixture.dataset("x", "Number", 2);
    let signed = fixture.datastore.signed_uris(std::slice::from_ref(&stored), lifetime).await;
    let other = fixture.datastore.signed_uris(&[missing], lifetime).await;
    if !fixture.datastore.capabilities().signed_uris {
        fails(signed, ErrorKind::Unsupported);
        assert!(matches!(
            other.map_err(|error| error.kind()),
            Err(ErrorKind::Unsupported | ErrorKind::NotFound)
        ));
        return Ok(());
    }
    let uri = signed?.remove(0).primary.expect("the whole has a URI");
    assert!(uri.starts_with("http"), "{uri}");
    let path = fixture.path(&stored).await?;
    let name = path.rsplit('/').next().unwrap_or_default();
    assert!(decode(&uri).contains(name), "{uri}");
    fails(other, ErrorKind::NotFound);
    Ok(())
}
