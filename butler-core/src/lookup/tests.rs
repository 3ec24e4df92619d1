use super::*;
use crate::{Config, DatasetType};

fn universe() -> DimensionUniverse {
    DimensionUniverse::default()
}

fn table(text: &str) -> Result<LookupTable<String>> {
    let mut config = Config::default();
    config.merge_text(&format!("[t]\n{text}"), "test").unwrap();
    LookupTable::from_section(&config.root_section(), "t", universe())
}

fn flat() -> DatasetType {
    DatasetType::new("flat", universe().conform(["detector", "physical_filter"]).unwrap(), "ExposureF")
        .unwrap()
        .with_genre(Some("calibration".into()))
}

fn all() -> Vec<(&'static str, &'static str)> {
    vec![
        ("'flat.wcs'", "component"),
        ("flat", "type"),
        ("'fl*'", "long pattern"),
        ("'*'", "short pattern"),
        ("'genre:calibration'", "genre"),
        ("'detector+physical_filter'", "dimensions"),
        ("Wcs", "storage class"),
        ("ExposureF", "storage class of the composite"),
        ("default", "default"),
    ]
}

#[test]
fn more_special_keys_come_first() {
    let wcs = flat().component("wcs", "Wcs").unwrap();
    let mut entries = all();
    while !entries.is_empty() {
        let text: String = entries.iter().rev().map(|(key, value)| format!("{key} = '{value}'\n")).collect();
        assert_eq!(table(&text).unwrap().get(&wcs, None).unwrap(), entries[0].1, "{text}");
        entries.remove(0);
    }
    assert_eq!(table("bias = 'x'").unwrap().get(&wcs, None), None);
}

#[test]
fn a_composite_does_not_follow_entries_of_its_components() {
    let text: String = all().iter().rev().map(|(key, value)| format!("{key} = '{value}'\n")).collect();
    assert_eq!(table(&text).unwrap().get(&flat(), None).unwrap(), "type");
    assert_eq!(table("Wcs = 'x'\n'flat.wcs' = 'y'").unwrap().get(&flat(), None), None);
}

#[test]
fn entries_for_a_value_come_before_all_others() {
    let table =
        table("flat = 'any'\n[t.'instrument<HSC>']\ndefault = 'hsc'\n[t.'detector<7>']\nbias = 'seven'")
            .unwrap();
    let data_id = |instrument: &str, detector: i64| {
        let values: [(&str, DimensionValue); 3] = [
            ("instrument", instrument.into()),
            ("detector", detector.into()),
            ("physical_filter", "r".into()),
        ];
        DataId::from_pairs(flat().group(), values).unwrap()
    };
    assert_eq!(table.get(&flat(), Some(&data_id("HSC", 1))).unwrap(), "hsc");
    assert_eq!(table.get(&flat(), Some(&data_id("LSST", 7))).unwrap(), "any");
    assert_eq!(table.get(&flat(), None).unwrap(), "any");
    assert_eq!(table.dimensions().count(), 2);
    assert_eq!(table.values().count(), 3);
}

#[test]
fn the_key_that_fits_is_known() {
    let named = table("flat = 'x'").unwrap();
    assert!(named.find(&flat(), None).unwrap().0.is_type_of(&flat()));
    let classed = table("ExposureF = 'x'").unwrap();
    assert!(!classed.find(&flat(), None).unwrap().0.is_type_of(&flat()));
}

#[test]
fn unusable_tables_are_refused() {
    for (text, reason) in [
        ("'visit+detectr' = 'x'", "detectr"),
        ("flat = 1", "t"),
        ("[t.HSC]\nflat = 'x'", "dimension<value>"),
        ("[t.'camera<HSC>']\nflat = 'x'", "camera"),
        ("[t.'detector<x>']\nflat = 'x'", "no value"),
    ] {
        let error = table(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{text}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}
