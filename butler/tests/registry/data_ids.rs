//! What loose data IDs mean, and what is meant where nothing is said.

use butler::registry::{RecordConflict, RegistryBatch};
use butler::{
    Butler, Defaults, DimensionRecord, ErrorKind, FieldValue, Lookup, LooseDataId, Timespan, data_id,
};
use tempfile::TempDir;

use crate::fixture::{draft, put, record, records, repository};

/// Two exposures, which are two visits one by one, and one visit together.
async fn observed() -> (TempDir, Butler) {
    let (directory, butler) = repository("").await;
    let of = |element: &str, fields: &[(&str, FieldValue)]| {
        let all = [("instrument", FieldValue::from("Cam"))].into_iter().chain(fields.iter().cloned());
        record(&butler, element, all.collect())
    };
    let time = |n: i64| FieldValue::from(Timespan::from_raw(n * 1000, n * 1000 + 500));
    let exposure = |id: i64| {
        of(
            "exposure",
            &[
                ("id", id.into()),
                ("day_obs", 20_250_101_i64.into()),
                ("group", "g".into()),
                ("physical_filter", "Cam-G".into()),
                ("obs_id", format!("e{id}").into()),
                ("seq_num", id.into()),
                ("exposure_time", 30.0.into()),
                ("timespan", time(id)),
            ],
        )
    };
    let visit = |id: i64, seq_num: i64| {
        of(
            "visit",
            &[
                ("id", id.into()),
                ("day_obs", 20_250_101_i64.into()),
                ("physical_filter", "Cam-G".into()),
                ("name", format!("v{id}").into()),
                ("seq_num", seq_num.into()),
                ("timespan", time(id)),
            ],
        )
    };
    let member = |system: i64, visit: i64| {
        of("visit_system_membership", &[("visit_system", system.into()), ("visit", visit.into())])
    };
    let system = |id: i64, name: &str| of("visit_system", &[("id", id.into()), ("name", name.into())]);
    let instrument =
        record(&butler, "instrument", vec![("name", "Cam".into()), ("visit_system", 0_i64.into())]);
    let all: Vec<Vec<DimensionRecord>> = vec![
        vec![of("physical_filter", &[("name", "Cam-G".into()), ("band", "g".into())])],
        vec![of("day_obs", &[("id", 20_250_101_i64.into())])],
        vec![of("group", &[("name", "g".into())])],
        vec![exposure(1), exposure(2)],
        vec![visit(1, 1), visit(2, 2), visit(100, 1)],
        vec![system(0, "one"), system(1, "by group")],
        vec![member(0, 1), member(0, 2), member(1, 100)],
    ];
    let mut batch: RegistryBatch = all.into_iter().map(|some| records(some, RecordConflict::Fail)).collect();
    batch.push(records(vec![instrument], RecordConflict::Replace));
    butler.apply(batch).await.unwrap();
    (directory, butler)
}

/// Value of the last required dimension of a group, for a loose data ID.
async fn value(butler: &Butler, group: &str, loose: LooseDataId) -> butler::Result<String> {
    let group = butler.universe().conform([group]).unwrap();
    let data_id = butler.data_id(group, loose).await?;
    Ok(data_id.required_values().last().unwrap().to_string())
}

fn loose(pairs: &[(&str, FieldValue)]) -> LooseDataId {
    pairs
        .iter()
        .fold(LooseDataId::default(), |all, (key, value)| all.with(*key, value.clone()))
        .with("instrument", "Cam")
}

#[tokio::test]
async fn other_values_lead_to_those_of_dimensions() {
    let (_directory, butler) = observed().await;
    for (group, pairs, expected) in [
        ("detector", &[("detector", FieldValue::from(2_i64))][..], "2"),
        ("detector", &[("detector", "B".into())], "2"),
        ("detector", &[("detector.full_name", "B".into())], "2"),
        ("detector", &[("full_name", "B".into())], "2"),
        ("exposure", &[("exposure", "e2".into())], "2"),
        ("exposure", &[("day_obs", 20_250_101_i64.into()), ("seq_num", 2_i64.into())], "2"),
        ("exposure", &[("exposure", 2_i64.into()), ("seq_num", 2_i64.into())], "2"),
        ("visit", &[("visit", "v2".into())], "2"),
        ("visit", &[("visit.name", "v100".into())], "100"),
        // Two visits have it, of which one is of the instrument's own definition.
        ("visit", &[("seq_num", 1_i64.into())], "1"),
        ("visit", &[("detector", 1_i64.into()), ("visit", 2_i64.into())], "2"),
    ] {
        assert_eq!(value(&butler, group, loose(pairs)).await.unwrap(), expected, "{pairs:?}");
    }
}

#[tokio::test]
async fn values_that_lead_nowhere_are_told() {
    let (_directory, butler) = observed().await;
    for (group, pairs, kind, reason) in [
        (
            "detector",
            &[("detectr", FieldValue::from(1_i64))][..],
            ErrorKind::DimensionName,
            "did you mean 'detector'?",
        ),
        (
            "detector",
            &[("detector.full_nam", "B".into())],
            ErrorKind::DimensionName,
            "did you mean 'full_name'?",
        ),
        ("detector", &[("detectr.full_name", "B".into())], ErrorKind::DimensionName, "detectr"),
        ("detector", &[], ErrorKind::DimensionName, "detector"),
        ("detector", &[("detector", 1.5.into())], ErrorKind::DimensionValue, "1.5"),
        ("detector", &[("full_name", 3_i64.into())], ErrorKind::DimensionValue, "full_name"),
        (
            "detector",
            &[("full_name", "Z".into())],
            ErrorKind::DimensionValue,
            "no record of dimension 'detector'",
        ),
        (
            "detector",
            &[("detector", 1_i64.into()), ("full_name", "B".into())],
            ErrorKind::DimensionValue,
            "full_name is 'A', not 'B'",
        ),
        (
            "detector",
            &[("detector", 9_i64.into()), ("full_name", "B".into())],
            ErrorKind::DimensionValue,
            "has no record",
        ),
        (
            "exposure",
            &[("exposure_time", 30.0.into())],
            ErrorKind::DimensionValue,
            "2 records of dimension 'exposure'",
        ),
        (
            "exposure",
            &[("exposure", 1_i64.into()), ("band", "r".into())],
            ErrorKind::InconsistentDataId,
            "band",
        ),
    ] {
        let error = value(&butler, group, loose(pairs)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{pairs:?}: {error}");
        assert!(error.to_string().contains(reason), "{pairs:?}: {error}");
    }
}

#[tokio::test]
async fn a_calibration_is_that_of_the_exposure() {
    let (_directory, butler) = observed().await;
    let group = butler.universe().conform(["detector"]).unwrap();
    let flat =
        butler::DatasetType::new("flat", group, "StructuredDataDict").unwrap().with_is_calibration(true);
    butler.register_dataset_type(&flat).await.unwrap();
    butler.register_collection("second", butler::CollectionType::Run, None).await.unwrap();
    butler.register_collection("calib", butler::CollectionType::Calibration, None).await.unwrap();
    let first = put(&butler, "flat", 1).await;
    let second =
        butler.put(butler::Object::new(serde_json::json!({})), draft("flat", 1).run("second")).await.unwrap();
    for (dataset, begin) in [(&first, 900), (&second, 1900)] {
        let operation = butler::registry::Operation::Certify {
            collection: "calib".into(),
            datasets: vec![dataset.clone()],
            timespan: Timespan::from_raw(begin, begin + 1000),
        };
        butler.apply_one(operation).await.unwrap();
    }
    for (name, expected) in [("e1", &first), ("e2", &second)] {
        let lookup = Lookup::new("flat", loose(&[("detector", "A".into()), ("exposure", name.into())]));
        let handle = butler.get_deferred(lookup.collections(["calib"])).await.unwrap();
        assert_eq!(handle.dataset().id(), expected.id(), "{name}");
    }
}

#[tokio::test]
async fn what_is_not_said_is_as_by_default() {
    let (_directory, butler) = observed().await;
    let stored = put(&butler, "thing", 1).await;
    let bare = || Lookup::new("thing", data_id! { detector: 1 });
    let error = butler.find(bare().collections(["run"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DimensionName);
    let error =
        butler.find(Lookup::new("thing", data_id! { instrument: "Cam", detector: 1 })).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoDefaultCollection);
    let nowhere = butler.put(
        butler::Object::new(serde_json::json!({})),
        butler::Draft::new("thing", data_id! { instrument: "Cam", detector: 2 }),
    );
    assert_eq!(nowhere.await.unwrap_err().kind(), ErrorKind::NoDefaultCollection);
    let defaults = Defaults { run: Some("run".into()), infer: true, ..Defaults::default() };
    let inferring = butler.with_defaults(defaults.clone()).await.unwrap();
    assert_eq!(inferring.find(bare()).await.unwrap().map(|found| found.id()), Some(stored.id()));
    let put = inferring.put(
        butler::Object::new(serde_json::json!({})),
        butler::Draft::new("thing", data_id! { detector: 2 }),
    );
    assert_eq!(put.await.unwrap().run().as_str(), "run");
    let not = butler.with_defaults(Defaults { infer: false, ..defaults.clone() }).await.unwrap();
    assert_eq!(not.find(bare()).await.unwrap_err().kind(), ErrorKind::DimensionName);
    let given = Defaults { infer: false, data_id: data_id! { instrument: "Cam" }, ..defaults };
    let given = butler.with_defaults(given).await.unwrap();
    assert_eq!(given.find(bare()).await.unwrap().map(|found| found.id()), Some(stored.id()));
}
