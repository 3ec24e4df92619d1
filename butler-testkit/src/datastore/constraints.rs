//! Datasets that a datastore takes and refuses.

use butler_core::datastore::{Acceptance, TransferMode};
use butler_core::{DatasetRef, ErrorKind, Result, Structured};

use super::DatastoreHarness;
use super::fixture::{Fixture, dataset_type, fails, ingest};

/// Settings, with the dataset types that they let in, of `flat`, `raw` (a Number each) and `pair` (a Pair).
const SETTINGS: [(&str, [bool; 3]); 7] = [
    ("", [true, true, true]),
    ("accept = ['flat']", [true, false, false]),
    ("reject = ['fl*', 'Pair']", [false, true, false]),
    ("accept = ['Pair']\nreject = ['all']", [false, false, true]),
    ("accept = ['detector+instrument']", [true, true, true]),
    ("accept = ['visit+detector']", [false, false, false]),
    ("accept = ['genre:g']", [false, true, false]),
];

fn datasets(fixture: &Fixture) -> [DatasetRef; 3] {
    let raw = dataset_type("raw", "Number").with_genre(Some("g".into()));
    [
        fixture.dataset("flat", "Number", 1),
        fixture.dataset_of(&raw, "r", 1, "D1"),
        fixture.dataset("pair", "Pair", 1),
    ]
}

pub(super) async fn refused_datasets_are_not_stored(h: &dyn DatastoreHarness) -> Result<()> {
    for (settings, taken) in SETTINGS {
        let fixture = Fixture::with(h, settings).await?;
        for (dataset, taken) in datasets(&fixture).into_iter().zip(taken) {
            let result = fixture.put(&dataset, serde_json::json!({"a": 1, "b": 2})).await;
            if taken {
                assert!(fixture.exists(&result?).await?, "{settings}");
            } else {
                let error = fails(result, ErrorKind::DatasetTypeNotSupported);
                assert!(error.to_string().contains(dataset.dataset_type().name().as_str()), "{error}");
            }
        }
    }
    let fixture = Fixture::with(h, "reject = ['pair']").await?;
    let [flat, _, pair] = datasets(&fixture).map(|dataset| (dataset, Structured::from(1).into()));
    fails(fixture.put_all(vec![flat, pair]).await, ErrorKind::DatasetTypeNotSupported);
    assert_eq!(fixture.files().await?, [""; 0], "one refused dataset stops all");
    Ok(())
}

pub(super) async fn files_are_refused_like_objects(h: &dyn DatastoreHarness) -> Result<()> {
    for (settings, taken) in SETTINGS {
        let fixture = Fixture::with(h, settings).await?;
        if !fixture.takes(TransferMode::Copy) {
            return Ok(());
        }
        for (dataset, taken) in datasets(&fixture).into_iter().zip(taken) {
            let source = fixture.source("f.plain", "1")?;
            let result = fixture.write(vec![ingest(&source, &[dataset], TransferMode::Copy)]).await;
            if taken {
                result?;
            } else {
                fails(result, ErrorKind::DatasetTypeNotSupported);
            }
        }
    }
    Ok(())
}

pub(super) async fn acceptance_says_what_is_refused(h: &dyn DatastoreHarness) -> Result<()> {
    for (settings, taken) in SETTINGS {
        let fixture = Fixture::with(h, settings).await?;
        for (dataset, taken) in datasets(&fixture).into_iter().zip(taken) {
            let acceptance = fixture.datastore.acceptance(dataset.dataset_type(), Some(dataset.data_id()));
            assert_eq!(acceptance != Acceptance::Refused, taken, "{settings}: {dataset}");
            if acceptance == Acceptance::Minimal {
                let minimal = dataset.with_data_id(dataset.data_id().without_records())?;
                fixture.put(&minimal, serde_json::json!({"a": 1, "b": 2})).await?;
            }
        }
    }
    let fixture = Fixture::with(h, "accept = [{ 'instrument<Cam>' = ['flat'] }]").await?;
    let [flat, raw, _] = datasets(&fixture);
    let refused = |dataset: &DatasetRef, known: bool| {
        let data_id = known.then(|| dataset.data_id());
        fixture.datastore.acceptance(dataset.dataset_type(), data_id) == Acceptance::Refused
    };
    assert!(!refused(&flat, true) && refused(&flat, false) && refused(&raw, true));
    Ok(())
}
