//! Which datastores have what.

use butler::{ErrorKind, PruneOptions};

use crate::fixture::{CONFIG, open, put, repository};

#[tokio::test]
async fn datastores_that_have_a_dataset_are_known() {
    let (directory, butler) = repository(CONFIG).await;
    let stored = [put(&butler, "thing", 1).await, put(&butler, "thing", 2).await];
    assert_eq!(butler.datastores_of(&stored).await.unwrap(), [["disk", "scratch"]; 2]);
    let other = open(&directory).await;
    assert_eq!(other.datastores_of(&stored).await.unwrap(), [["disk"]; 2], "memory is its own");
    let options = PruneOptions { unstore: true, ..PruneOptions::default() };
    butler.prune(stored[..1].to_vec(), &options).await.unwrap();
    let places = butler.datastores_of(&stored).await.unwrap();
    assert_eq!(places, [vec![], vec!["disk", "scratch"]]);
}

#[tokio::test]
async fn what_an_unknown_datastore_has_is_not_purged() {
    let (directory, butler) = repository(CONFIG).await;
    let stored = put(&butler, "thing", 1).await;
    let file = directory.path().join("butler.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"disk\"", "\"desk\"")).unwrap();
    let other = open(&directory).await;
    let options = PruneOptions { purge: true, ..PruneOptions::default() };
    let error = other.prune(vec![stored.with_records(None)], &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OrphanedRecord);
    assert!(error.to_string().contains("datastore 'disk', which configuration does not have"), "{error}");
}
