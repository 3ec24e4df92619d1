//! What genres decide.

use butler::{DatasetKind, DatasetType, ErrorKind, GenreOverrides, Lookup, data_id};
use serde_json::json;

use crate::fixture::{CONFIG, command, files, open, put, repository};

#[tokio::test]
async fn a_genre_says_what_the_dataset_type_does_not() {
    let (directory, butler) = repository(CONFIG).await;
    let genre = butler.genres().get("catalog").unwrap();
    let plain = genre.dataset_type("plain", &GenreOverrides::default()).unwrap();
    butler.register_dataset_type(&plain).await.unwrap();
    let exact = genre.dataset_type("exact", &GenreOverrides::default()).unwrap();
    butler.register_dataset_type(&exact).await.unwrap();
    for name in ["plain", "exact", "thing"] {
        put(&butler, name, 1).await;
    }
    let found = files(&directory.path().join("disk"));
    assert_eq!(found[..2], ["run/catalogs/exact_Cam_1.toml", "run/catalogs/plain_Cam_1.yaml"]);
    assert!(found[2].starts_with("run/thing/") && found[2].ends_with(".json"), "{found:?}");
    // As it is found again by whoever opens the repository.
    let other = open(&directory).await;
    assert_eq!(other.dataset_type("plain").await.unwrap().genre().map(|name| name.as_str()), Some("catalog"));
    let read = other.get_as::<serde_json::Value>(
        Lookup::new("plain", data_id! { instrument: "Cam", detector: 1 }).collections(["run"]),
    );
    assert_eq!(*read.await.unwrap(), json!({ "value": 1 }));
}

#[tokio::test]
async fn a_genre_names_the_datastores_that_take_its_datasets() {
    let (directory, butler) = repository(CONFIG).await;
    let overrides =
        GenreOverrides { dimensions: butler.universe().conform(["detector"]).ok(), ..Default::default() };
    let secret = butler.genres().get("secret").unwrap().dataset_type("s", &overrides).unwrap();
    assert_eq!((secret.kind(), secret.is_calibration()), (DatasetKind::Nonsingular, true));
    butler.register_dataset_type(&secret).await.unwrap();
    let hidden = put(&butler, "s", 1).await;
    let other = put(&butler, "thing", 1).await;
    let places = butler.datastores_of(&[hidden, other]).await.unwrap();
    assert_eq!(places, [vec!["vault"], vec!["disk", "scratch"]]);
    assert_eq!(files(&directory.path().join("vault")).len(), 1);
}

#[tokio::test]
async fn an_unknown_genre_is_told() {
    let (_directory, butler) = repository(CONFIG).await;
    let group = butler.universe().conform(["detector"]).unwrap();
    let odd = DatasetType::new("odd", group, "Bytes").unwrap().with_genre(Some("odd".into()));
    let error = butler.register_dataset_type(&odd).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert!(error.to_string().contains("configuration has catalog, secret"), "{error}");
}

#[tokio::test]
async fn the_command_registers_types_of_a_genre() {
    let (directory, butler) = repository(CONFIG).await;
    let register = |words: &[&str]| command(&directory, &[&["register-dataset-type"], words].concat());
    let (done, told) = register(&["cat", "--genre", "catalog"]);
    assert!(done, "{told}");
    let (done, told) = register(&["s", "Bytes", "band", "--genre", "secret", "--no-is-calibration"]);
    assert!(done, "{told}");
    let cat = butler.dataset_type("cat").await.unwrap();
    assert_eq!((cat.storage_class().as_str(), cat.group().names().len()), ("StructuredDataDict", 2));
    let secret = butler.dataset_type("s").await.unwrap();
    assert_eq!((secret.storage_class().as_str(), secret.group().names()), ("Bytes", vec!["band"]));
    assert_eq!((secret.kind(), secret.is_calibration()), (DatasetKind::Nonsingular, false));
    for (words, reason) in [
        (&["x", "--genre", "catalogue"][..], "did you mean 'catalog'?"),
        (&["x", "--genre", "secret"], "does not say 'dimensions'"),
        (&["x"], "<STORAGE_CLASS>"),
    ] {
        let (done, told) = register(words);
        assert!(!done && told.contains(reason), "{words:?}: {told}");
    }
}
