//! What a Butler remembers of dimension records.

use butler::registry::RecordConflict;
use butler::{Butler, DataId, DimensionValue, ErrorKind, FieldValue, IdGenerationMode};

use crate::fixture::{detector, draft, open, put, records, repository};

/// Names of the first detectors as the butler expands their data IDs.
async fn names(butler: &Butler, ids: std::ops::RangeInclusive<i64>) -> Vec<String> {
    let group = butler.universe().conform(["detector"]).unwrap();
    let data_ids = ids.map(|id| {
        DataId::from_pairs(group, [("instrument", DimensionValue::from("Cam")), ("detector", id.into())])
            .unwrap()
    });
    let expanded = butler.expand_data_ids(data_ids.collect()).await.unwrap();
    let element = butler.universe().element("detector").unwrap();
    expanded
        .iter()
        .map(|data_id| match data_id.record(element).unwrap().get("full_name").unwrap() {
            FieldValue::Text(text) => text.to_string(),
            other => format!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn records_are_remembered_until_somebody_here_replaces_them() {
    let (directory, butler) = repository("").await;
    assert_eq!(names(&butler, 1..=2).await, ["A", "B"]);
    let other = open(&directory).await;
    let replaced = |id, name| records(vec![detector(&butler, id, name)], RecordConflict::Replace);
    other.apply_one(replaced(1, "AA")).await.unwrap();
    assert_eq!(names(&butler, 1..=2).await, ["A", "B"], "what others replace is seen after a refresh");
    butler.refresh();
    assert_eq!(names(&butler, 1..=2).await, ["AA", "B"]);
    for (how, name) in [(RecordConflict::Replace, "BB"), (RecordConflict::SyncUpdate, "BBB")] {
        butler.apply_one(records(vec![detector(&butler, 2, name)], how)).await.unwrap();
        assert_eq!(names(&butler, 1..=2).await, ["AA", name], "what is replaced here is seen at once");
    }
}

#[tokio::test]
async fn new_records_of_others_are_seen_at_once() {
    let (directory, butler) = repository("").await;
    let stranger = butler.insert(vec![draft("thing", 3)], IdGenerationMode::Unique).await;
    assert_eq!(stranger.unwrap_err().kind(), ErrorKind::DataIdValue);
    let other = open(&directory).await;
    other.apply_one(records(vec![detector(&butler, 3, "C")], RecordConflict::Fail)).await.unwrap();
    assert_eq!(names(&butler, 1..=3).await, ["A", "B", "C"]);
    put(&butler, "thing", 3).await;
}

#[tokio::test]
async fn more_data_ids_than_are_remembered_are_expanded_alike() {
    let (_directory, butler) = repository("").await;
    let more = (3..=400).map(|id| detector(&butler, id, &format!("D{id}"))).collect();
    butler.apply_one(records(more, RecordConflict::Fail)).await.unwrap();
    let all = names(&butler, 1..=400).await;
    assert_eq!((all[0].as_str(), all[399].as_str()), ("A", "D400"));
    assert_eq!(names(&butler, 100..=120).await, all[99..120]);
    assert_eq!(names(&butler, 100..=120).await, all[99..120]);
}
