use super::*;
use crate::dimension::FieldValue;
use proptest::prelude::*;
use std::collections::hash_map::DefaultHasher;

fn universe() -> DimensionUniverse {
    DimensionUniverse::default()
}

fn hash(id: &DataId) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

fn visit(full: bool) -> DataId {
    let group = universe().conform(["visit"]).unwrap();
    let mut pairs: Vec<(&str, DimensionValue)> = vec![("visit", 7.into()), ("instrument", "HSC".into())];
    if full {
        pairs.extend([
            ("band", "i".into()),
            ("day_obs", 20_150_101.into()),
            ("physical_filter", "HSC-I".into()),
        ]);
    }
    DataId::from_pairs(group, pairs).unwrap()
}

#[test]
fn a_data_id_is_one_word() {
    assert_eq!(size_of::<DataId>(), size_of::<usize>());
}

#[test]
fn implied_values_do_not_count_for_identity() {
    let (minimal, full) = (visit(false), visit(true));
    assert!(!minimal.is_full() && full.is_full());
    assert_eq!(minimal, full);
    assert_eq!(hash(&minimal), hash(&full));
    assert_eq!(minimal.digest(), full.digest());
    assert_eq!(minimal.get("band"), None);
    assert_eq!(full.get("band"), Some(&"i".into()));
}

#[test]
fn prints_and_serialises_known_values() {
    assert_eq!(visit(false).to_string(), "{instrument: 'HSC', visit: 7}");
    assert_eq!(
        serde_json::to_string(&visit(true)).unwrap(),
        r#"{"band":"i","instrument":"HSC","day_obs":20150101,"physical_filter":"HSC-I","visit":7}"#
    );
}

#[test]
fn missing_unknown_and_mistyped_values_are_refused() {
    let group = universe().conform(["detector"]).unwrap();
    let kind = |pairs: &[(&str, DimensionValue)]| {
        DataId::from_pairs(group, pairs.iter().cloned()).map_err(|error| error.kind())
    };
    assert_eq!(kind(&[("detector", 1.into())]), Err(ErrorKind::DimensionName));
    assert_eq!(
        kind(&[("detector", 1.into()), ("instrument", "X".into()), ("nix", 1.into())]),
        Err(ErrorKind::DimensionName)
    );
    assert_eq!(kind(&[("detector", "1".into()), ("instrument", "X".into())]), Err(ErrorKind::DimensionValue));
    assert_eq!(kind(&[("detector", 1.into()), ("instrument", 2.into())]), Err(ErrorKind::DimensionValue));
    // Dimensions outside the group are ignored.
    assert!(kind(&[("detector", 1.into()), ("instrument", "X".into()), ("visit", 3.into())]).is_ok());
    assert!(DataId::new(group, [DimensionValue::from(1)]).is_err());
}

#[test]
fn subset_and_union_follow_the_groups() {
    let full = visit(true);
    let filter = full.subset(universe().conform(["physical_filter"]).unwrap()).unwrap();
    assert_eq!(filter.to_string(), "{instrument: 'HSC', physical_filter: 'HSC-I', band: 'i'}");
    let error = visit(false).subset(universe().conform(["physical_filter"]).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DimensionName);
    let detector = DataId::from_pairs(
        universe().conform(["detector"]).unwrap(),
        [("instrument", DimensionValue::from("other")), ("detector", 3.into())],
    )
    .unwrap();
    let both = visit(false).union(&detector);
    assert_eq!(both.to_string(), "{instrument: 'HSC', detector: 3, visit: 7}");
}

#[test]
fn records_expand_a_data_id_and_must_agree_with_it() {
    let group = universe().conform(["physical_filter"]).unwrap();
    let record = DimensionRecord::new(
        universe().element("physical_filter").unwrap(),
        [("instrument", "HSC"), ("name", "HSC-I"), ("band", "i")],
    )
    .unwrap();
    let records: DataIdRecords =
        group.elements().map(|element| (element == record.element()).then(|| record.clone())).collect();
    let id = DataId::new(group, ["HSC".into(), "HSC-I".into()]).unwrap();
    let expanded = id.with_records(records.clone()).unwrap();
    assert!(expanded.is_full() && expanded.is_expanded());
    assert_eq!(expanded.get("band"), Some(&"i".into()));
    assert_eq!(expanded.record(record.element()).unwrap().get("name"), Some(&FieldValue::from("HSC-I")));
    let wrong = id.with_implied(["r".into()]).unwrap();
    assert_eq!(wrong.with_records(records).unwrap_err().kind(), ErrorKind::InconsistentDataId);
}

/// A vector of the encoding, so that databases stay readable.
#[test]
fn the_digest_is_that_of_version_1() {
    let id = DataId::from_pairs(
        universe().conform(["exposure", "detector"]).unwrap(),
        [("instrument", DimensionValue::from("Cam")), ("detector", 1.into()), ("exposure", 2.into())],
    )
    .unwrap();
    let mut bytes = vec![1];
    for (name, value) in [("detector", 1i64), ("exposure", 2)] {
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.push(b'i');
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(10u32.to_le_bytes());
    bytes.extend(b"instruments");
    bytes.extend(3u32.to_le_bytes());
    bytes.extend(b"Cam");
    assert_eq!(id.digest(), blake3::hash(&bytes).as_bytes()[..16]);
    let hex: String = id.digest().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "80e3ad80ad7e916e25b871e15acf9e3d");
}

fn values() -> impl Strategy<Value = (String, i64, i64)> {
    ("[a-z]{1,4}", 0i64..4, 0i64..4)
}

proptest! {
    #[test]
    fn order_hash_and_digest_agree_with_equality(a in values(), b in values()) {
        let group = universe().conform(["detector", "exposure"]).unwrap();
        let make = |(instrument, detector, exposure): &(String, i64, i64)| {
            DataId::new(group, [instrument.as_str().into(), (*detector).into(), (*exposure).into()]).unwrap()
        };
        let (x, y) = (make(&a), make(&b));
        prop_assert_eq!(x == y, a == b);
        prop_assert_eq!(x.digest() == y.digest(), a == b);
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        if a == b {
            prop_assert_eq!(hash(&x), hash(&y));
        }
    }
}
