//! Names that make trouble.

use butler_core::datastore::TransferMode;
use butler_core::{ErrorKind, Result, Structured};

use super::DatastoreHarness;
use super::fixture::{Fixture, dataset_type, ingest};

/// What comes from users may be anything; what is stored stays under the root, and can be read again.
pub(super) async fn hostile_names_stay_inside(h: &dyn DatastoreHarness) -> Result<()> {
    let hostile = [
        "..",
        "../../x",
        "/etc/x",
        ".",
        "a/../../b",
        ".butler/journal/x",
        "~",
        "a\nb",
        "a b",
        "ä∕．．/…",
        "%2e%2e%2f",
        "*?\"<>|:\\",
        "#x",
        "-rf",
    ];
    let runs = hostile.map(|run| (run, "D1"));
    let names = hostile.map(|name| ("u/run", name));
    for (run, name) in runs.into_iter().chain(names).chain([("..", ".."), (".", "/")]) {
        let fixture = Fixture::new(h).await?;
        let dataset = fixture.dataset_of(&dataset_type("x", "Number"), run, 1, name);
        match fixture.put(&dataset, Structured::from(1)).await {
            Ok(stored) => {
                assert_eq!(fixture.value(&stored).await?, 1, "{run} {name}");
                assert!(fixture.exists(&stored).await?);
                let inside = fixture.files().await?;
                assert!(
                    inside.iter().all(|path| !path.starts_with('/') && !path.starts_with('.')),
                    "{inside:?}"
                );
                fixture.remove(&[stored]).await?;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Template, "{error:?}"),
        }
        assert_eq!(fixture.files().await?, [""; 0], "{run} {name}");
        let beside = fixture.root().and_then(|root| root.parent().map(std::fs::read_dir));
        assert!(beside.is_none_or(|items| items.is_ok_and(|items| items.count() <= 1)), "{run} {name}");
    }
    Ok(())
}

/// Names that people or programs take for several, or for a way out of a directory, are in no path.
pub(super) async fn names_that_look_like_paths_are_in_none(h: &dyn DatastoreHarness) -> Result<()> {
    let look = [
        "%2e%2e",
        "%252E%252e",
        "x%2Fy",
        "x%5cy",
        "x%00",
        "\u{2024}\u{2024}",
        "\u{ff0e}\u{ff0e}",
        "\u{2025}",
        ".\u{200b}.",
        "x\u{2215}y",
        "x\u{ff0f}y",
        "x\u{2044}y",
    ];
    for name in look {
        let fixture = Fixture::new(h).await?;
        let dataset = fixture.dataset_of(&dataset_type("x", "Number"), &format!("u/{name}/x"), 1, "D1");
        match fixture.put(&dataset, Structured::from(1)).await {
            Ok(_) => assert!(fixture.files().await?.iter().all(|path| !path.contains(name)), "{name}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Template, "{error:?}");
                assert_eq!(fixture.files().await?, [""; 0], "{name}");
            }
        }
    }
    for name in ["日本", "a…b", "100%", "%41", "क्‍ष", "..a"] {
        let fixture = Fixture::new(h).await?;
        let dataset = fixture.dataset_of(&dataset_type("x", "Number"), &format!("u/{name}/x"), 1, "D1");
        let stored = fixture.put(&dataset, Structured::from(1)).await?;
        assert_eq!(fixture.value(&stored).await?, 1, "{name}");
    }
    Ok(())
}

pub(super) async fn long_names_are_told_apart(h: &dyn DatastoreHarness) -> Result<()> {
    if !h.long_names() {
        return Ok(());
    }
    let fixture = Fixture::new(h).await?;
    let long = format!("u/{}", "ä/".repeat(110));
    let objects = (1..=3).map(|n| {
        let dataset = fixture.dataset_of(
            &dataset_type(&"t".repeat(120), "Number"),
            &long,
            n,
            &format!("{}{n}", "x".repeat(30)),
        );
        (dataset, Structured::from(n).into())
    });
    let stored = fixture.put_all(objects.collect()).await?;
    for (n, dataset) in (1..).zip(&stored) {
        assert_eq!(fixture.value(dataset).await?, n);
    }
    fixture.remove(&stored).await?;
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}

pub(super) async fn odd_names_of_files_are_taken(h: &dyn DatastoreHarness) -> Result<()> {
    for name in ["no extension", ".hidden", "a.b.c.fits.gz", "x.\n", "x.#y", "...", "ü.ö", "-", "x. y"] {
        for mode in [TransferMode::Copy, TransferMode::Direct, TransferMode::Hardlink] {
            let fixture = Fixture::new(h).await?;
            if !fixture.takes(mode) {
                return Ok(());
            }
            let source = fixture.source(name, "1")?;
            let stored =
                fixture.write(vec![ingest(&source, &[fixture.dataset("x", "Number", 1)], mode)]).await?;
            assert_eq!(fixture.value(&stored[0]).await?, 1, "{name} {mode}");
            if name.ends_with(".fits.gz") && mode == TransferMode::Copy {
                assert!(fixture.path(&stored[0]).await?.ends_with("run.fits.gz"));
            }
            fixture.remove(&stored).await?;
            assert!(source.exists() && fixture.files().await?.is_empty());
        }
    }
    Ok(())
}
