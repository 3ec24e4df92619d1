use super::*;
use crate::dimension::DimensionUniverse;

fn element(name: &str) -> DimensionElement {
    DimensionUniverse::default().element(name).unwrap()
}

fn fields<const N: usize>(pairs: [(&'static str, FieldValue); N]) -> [(&'static str, FieldValue); N] {
    pairs
}

#[test]
fn own_key_goes_by_both_names_and_missing_metadata_is_null() {
    let record = DimensionRecord::new(
        element("detector"),
        fields([("instrument", "Cam1".into()), ("id", 1.into()), ("full_name", "Aa".into())]),
    )
    .unwrap();
    assert_eq!(record.get("detector"), Some(&FieldValue::Int(1)));
    assert_eq!(record.get("id"), record.get("detector"));
    assert_eq!(record.get("raft"), Some(&FieldValue::Null));
    assert_eq!(record.get("nix"), None);
    assert_eq!(record.data_id().to_string(), "{instrument: 'Cam1', detector: 1}");
    assert_eq!(
        serde_json::to_string(&record).unwrap(),
        r#"{"instrument":"Cam1","detector":1,"full_name":"Aa","name_in_raft":null,"raft":null,"purpose":null}"#
    );
}

#[test]
fn implied_values_make_the_data_id_full_where_they_are_all_there() {
    let filter = DimensionRecord::new(
        element("physical_filter"),
        [("instrument", "Cam1"), ("name", "Cam1-G"), ("band", "g")],
    )
    .unwrap();
    assert_eq!(filter.data_id().to_string(), "{instrument: 'Cam1', physical_filter: 'Cam1-G', band: 'g'}");
    let visit = DimensionRecord::new(
        element("visit"),
        fields([
            ("instrument", "Cam1".into()),
            ("id", 1.into()),
            ("day_obs", 20_210_909.into()),
            ("physical_filter", "Cam1-G".into()),
            ("exposure_time", 30.into()),
            ("timespan", Timespan::from_raw(10, 20).into()),
        ]),
    )
    .unwrap();
    // The band is implied by the filter, which a visit's record does not say.
    assert_eq!(visit.data_id().to_string(), "{instrument: 'Cam1', visit: 1}");
    assert_eq!(visit.get("exposure_time"), Some(&FieldValue::Float(30.0)));
    assert_eq!(visit.timespan(), Some(Timespan::from_raw(10, 20)));
    let implied = visit.implied_value(element("physical_filter"));
    assert_eq!(implied, Some("Cam1-G".into()));
}

#[test]
fn unusable_fields_are_refused_with_the_reason() {
    type Case = (&'static str, Vec<(&'static str, FieldValue)>, ErrorKind, &'static str);
    let cases: [Case; 9] = [
        ("band", vec![("name", "g".into())], ErrorKind::DimensionName, "no records of its own"),
        ("detector", vec![("id", 1.into())], ErrorKind::DimensionName, "needs a value for 'instrument'"),
        ("detector", vec![("instrment", "x".into())], ErrorKind::DimensionName, "did you mean 'instrument'?"),
        ("detector", vec![("id", 1.into()), ("detector", 1.into())], ErrorKind::DimensionName, "given twice"),
        ("detector", vec![("id", "1".into())], ErrorKind::DimensionValue, "takes a int, not a string"),
        ("detector", vec![("raft", "x".repeat(33).into())], ErrorKind::DimensionValue, "at most 32"),
        ("instrument", vec![("name", "".into())], ErrorKind::DimensionValue, "not empty"),
        ("instrument", vec![("name", "a\0b".into())], ErrorKind::DimensionValue, "NUL"),
        ("exposure", vec![("dark_time", f64::NAN.into())], ErrorKind::DimensionValue, "must be finite"),
    ];
    for (name, fields, kind, reason) in cases {
        let error = DimensionRecord::new(element(name), fields).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn regions_are_checked_when_a_record_is_made() {
    let tract = |bytes: &[u8]| {
        DimensionRecord::new(
            element("tract"),
            fields([
                ("skymap", "s".into()),
                ("id", 1.into()),
                ("region", FieldValue::Region(EncodedRegion::from_bytes(bytes))),
            ]),
        )
    };
    assert_eq!(tract(&[]).unwrap_err().kind(), ErrorKind::Corrupt);
    let circle =
        [&b"c"[..], &1f64.to_le_bytes(), &[0; 16], &0.1f64.to_le_bytes(), &0.317f64.to_le_bytes()].concat();
    let record = tract(&circle).unwrap();
    assert_eq!(record.region().unwrap().as_bytes(), circle);
}
