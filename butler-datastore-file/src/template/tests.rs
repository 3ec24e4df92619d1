use std::sync::Arc;

use proptest::prelude::*;

use butler_core::{Config, DatasetId, DatasetKind, DatasetRef, DimensionRecord, DimensionValue, FieldValue};

use super::*;

fn universe() -> DimensionUniverse {
    DimensionUniverse::default()
}

fn templates(text: &str) -> Result<Templates> {
    let mut config = Config::default();
    config.merge_text(&format!("[templates]\n{text}"), "test").unwrap();
    Templates::from_section(&config.root_section(), universe(), &Genres::default())
}

fn of(name: &str, dimensions: &[&str]) -> DatasetType {
    DatasetType::new(name, universe().conform(dimensions).unwrap(), "StructuredDataDict").unwrap()
}

fn id() -> DatasetId {
    "0a26e9ff-fd58-55d4-bec6-677ecf355e61".parse().unwrap()
}

fn minimal(dataset_type: &DatasetType, run: &str, values: &[(&str, DimensionValue)]) -> DatasetRef {
    let data_id =
        DataId::from_pairs(dataset_type.group(), values.iter().map(|(name, value)| (*name, value))).unwrap();
    DatasetRef::new(id(), dataset_type.clone(), data_id, run.into()).unwrap()
}

/// A dataset with records of all its dimensions; fields that are not given are made up.
fn expanded(
    dataset_type: &DatasetType,
    run: &str,
    values: &[(&str, DimensionValue)],
    fields: &[(&str, &str, FieldValue)],
) -> DatasetRef {
    let group = dataset_type.group();
    let all = |name: &str| values.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone());
    let records: Vec<Option<DimensionRecord>> = group
        .elements()
        .map(|element| {
            element.has_table().then(|| {
                let given = fields.iter().filter(|(whose, _, _)| *whose == element.name().as_str());
                let keys = element.dimensions().filter_map(|dimension| {
                    all(dimension.name()).map(|value| (dimension.name().as_str(), FieldValue::from(value)))
                });
                let given = given.map(|(_, field, value)| (*field, value.clone()));
                DimensionRecord::new(element, keys.chain(given)).unwrap()
            })
        })
        .collect();
    let dataset = minimal(dataset_type, run, values);
    let data_id = dataset.data_id().without_records().with_records(Arc::from(records)).unwrap();
    dataset.with_data_id(data_id).unwrap()
}

fn detector(run: &str, dataset_type: &DatasetType, full_name: &str) -> DatasetRef {
    expanded(
        dataset_type,
        run,
        &[("instrument", "Cam1".into()), ("detector", 4.into())],
        &[("detector", "full_name", full_name.into()), ("instrument", "class_name", "x.Cam1".into())],
    )
}

fn path(templates: &Templates, dataset: &DatasetRef) -> Result<String> {
    let maker = templates.resolve(dataset.dataset_type(), None, Some(dataset.data_id()))?;
    maker.path(dataset, ".json").map(|path| path.to_string())
}

/// Of the Python butler, but for the extension.
#[test]
fn default_paths_are_those_of_the_reference() {
    let dd = of("dd", &["detector"]);
    let path = path(&templates("").unwrap(), &detector("u/x/y", &dd, "Bb")).unwrap();
    assert_eq!(path, "u/x/y/dd/dd_Cam1_Bb_u_x_y.json");
}

fn exposure(dataset_type: &DatasetType, run: &str) -> DatasetRef {
    expanded(
        dataset_type,
        run,
        &[
            ("instrument", "BenchCam".into()),
            ("exposure", 2_026_010_100_001_i64.into()),
            ("detector", 0.into()),
            ("physical_filter", "BenchCam-u".into()),
            ("band", "u".into()),
            ("day_obs", 20_260_101.into()),
            ("group", "BC_O_20260101_000001".into()),
        ],
        &[
            ("detector", "full_name", "R00_S00".into()),
            ("exposure", "obs_id", "BC_O_20260101_000001".into()),
            ("exposure", "exposure_time", 30.0.into()),
        ],
    )
}

/// Of the benchmark of the Python butler.
#[test]
fn default_paths_of_raw_images_are_those_of_the_reference() {
    let bench = of("bench_put", &["exposure", "detector"]);
    assert_eq!(
        path(&templates("").unwrap(), &exposure(&bench, "bench/run/00")).unwrap(),
        "bench/run/00/bench_put/20260101/BC_O_20260101_000001/\
         bench_put_BenchCam_BenchCam-u_BC_O_20260101_000001_R00_S00_bench_run_00.json"
    );
    let maker = templates("").unwrap().resolve(&bench, None, None).unwrap();
    assert!(maker.needs_expansion());
}

#[test]
fn fields_are_formatted_and_left_out() {
    let dd = of("dd", &["detector"]);
    for (template, expected) in [
        ("{run:/}/{instrument}/{detector:03d}", "u/x_y/Cam1/004.json"),
        ("{run}/{instrument}_{detector}", "u_x_y/Cam1_4.json"),
        ("{run:/}/a_{visit:?}_{instrument}-{detector:x>4}", "u/x_y/a__Cam1-xxx4.json"),
        ("{run:/}/{visit:?}/x{band:?}/{instrument}{detector}", "u/x_y/x/Cam14.json"),
        ("{run:/}.{component:?}/{instrument}{{{detector}}}", "u/x_y/Cam1{4}.json"),
        ("{run:/}/{instrument}.{visit|detector.full_name}", "u/x_y/Cam1_B_b.json"),
        ("{run:/}/{visit|tract:?}/{instrument}#{detector}", "u/x_y/Cam1HASH4.json"),
        ("a/b/{id}", "a/b/0a26e9ff-fd58-55d4-bec6-677ecf355e61.json"),
        ("/{run:/}/{instrument:6}_{detector:04s}", "u/x_y/Cam1  _4.json"),
    ] {
        let templates = templates(&format!("dd = '{template}'")).unwrap();
        let path = path(&templates, &detector("u/x y", &dd, "B/b")).unwrap();
        assert_eq!(path, expected, "{template}");
    }
    let templates =
        templates("raw = '{run}/{instrument}_{exposure}_{detector}_{exposure.exposure_time:.2f}'").unwrap();
    let path = path(&templates, &exposure(&of("raw", &["exposure", "detector"]), "r")).unwrap();
    assert_eq!(path, "r/BenchCam_2026010100001_0_30_00.json");
}

#[test]
fn malformed_templates_are_refused() {
    for (template, reason) in [
        ("{run}/{", "brace"),
        ("{run}/}", "brace"),
        ("{run}/{a{b}}", "brace"),
        ("{run}/{detector!r}", "malformed field"),
        ("{run}/{}", "malformed field"),
        ("{run}/{a.b.c}", "malformed field"),
        ("{run}/{detector:q}", "malformed format"),
        ("{run}/{detector:999}", "malformed format"),
        ("{datasetType}_{detector}", "{run} or {id}"),
        ("{collection}/{id}", "{collection}"),
        ("{run:/}/../{detector}", "'..'"),
        ("{id}/fixed", "file name"),
        ("{id}_{run:/}", "file name"),
        ("{run}/a\\u0000", "control"),
    ] {
        let error = templates(&format!("dd = \"{template}\"")).unwrap_err();
        assert!(error.to_string().contains(reason), "{template}: {error}");
    }
}

#[test]
fn templates_that_do_not_tell_datasets_apart_are_refused() {
    let dd = of("dd", &["detector"]);
    for (templates_text, reason) in [
        ("dd = '{run}/{datasetType}_{instrument}'", "fields of detector"),
        ("dd = '{run}/{datasetType}_{detector}_{visit}'", "{visit}"),
        ("dd = '{run}/{datasetType}_{detectr}_{detector}'", "did you mean {detector}?"),
        ("dd = '{run}/{datasetType}_{detector}_{detector.full_nam}'", "full_nam"),
        ("dd = '{run}/{datasetType}_{detector}_{detector.full_nam:?}'", "full_nam"),
        ("dd = '{run}/{datasetType}_{detector}_{component}'", "{component}"),
        ("default = '{run}/{instrument}_{detector}'", "{datasetType} or {id}"),
        ("StructuredDataDict = '{run}/{instrument}_{detector}'", "{datasetType} or {id}"),
    ] {
        let error = templates(templates_text).unwrap().resolve(&dd, None, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Template, "{templates_text}");
        assert!(error.to_string().contains(reason), "{templates_text}: {error}");
    }
    // For one dataset type alone a constant does.
    templates("dd = '{run}/x_{instrument}_{detector}'").unwrap().resolve(&dd, None, None).unwrap();
    let wcs = dd.component("wcs", "Wcs").unwrap();
    let error = templates("dd = '{run}/{datasetType}_{instrument}_{detector}'")
        .unwrap()
        .resolve(&dd, Some(&wcs), None)
        .unwrap_err();
    assert!(error.to_string().contains("{component}"), "{error}");
}

#[test]
fn components_have_paths_of_their_own() {
    let dd = of("dd", &["detector"]);
    let wcs = dd.component("wcs", "Wcs").unwrap();
    let dataset = detector("r", &dd, "Bb");
    let maker = templates("").unwrap().resolve(&dd, Some(&wcs), None).unwrap();
    assert_eq!(maker.path(&dataset, ".fits").unwrap(), "r/dd.wcs/dd_wcs_Cam1_Bb_r.fits");
}

#[test]
fn nonsingular_datasets_have_their_ids_in_the_name() {
    let dd = of("dd", &["detector"]).with_kind(DatasetKind::Nonsingular);
    let path = path(&templates("").unwrap(), &detector("r", &dd, "Bb")).unwrap();
    assert_eq!(path, format!("r/dd/dd_Cam1_Bb_r_{}.json", id()));
}

#[test]
fn dimensions_of_other_universes_have_a_default_too() {
    let text = universe().source().replace("namespace = \"daf_butler\"", "namespace = \"other\"");
    let other = DimensionUniverse::from_toml(&text).unwrap();
    let dd = DatasetType::new("dd", other.conform(["htm9", "healpix3"]).unwrap(), "Bytes").unwrap();
    let dataset = minimal(&dd, "r", &[("htm9", 3.into()), ("healpix3", 7.into())]);
    let path = path(&templates("").unwrap(), &dataset).unwrap();
    assert!(path.starts_with("r/dd/dd_") && path.contains("_3_") && path.contains("_7_"), "{path}");
    let one = DatasetType::new("dd", other.conform(["htm9"]).unwrap(), "Bytes").unwrap();
    let maker = templates("").unwrap().resolve(&one, None, None).unwrap();
    assert_eq!(maker.path(&minimal(&one, "r", &[("htm9", 3.into())]), "").unwrap(), "r/dd/dd_3_r");
}

#[test]
fn an_unexpanded_data_id_is_told() {
    let dd = of("dd", &["detector"]);
    let dataset = minimal(&dd, "r", &[("instrument", "Cam1".into()), ("detector", 4.into())]);
    let error = path(&templates("").unwrap(), &dataset).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Template);
    assert!(error.to_string().contains("not expanded"), "{error}");
    let templates = templates("dd = '{run}/{instrument}_{detector}'").unwrap();
    assert!(!templates.resolve(&dd, None, None).unwrap().needs_expansion());
    assert_eq!(path(&templates, &dataset).unwrap(), "r/Cam1_4.json");
}

#[test]
fn null_metadata_is_missing() {
    let dd = of("dd", &["detector"]);
    let dataset = detector("r", &dd, "Bb");
    let optional = templates("dd = '{run}/{instrument}_{detector}_{detector.raft:?}'").unwrap();
    assert_eq!(path(&optional, &dataset).unwrap(), "r/Cam1_4.json");
    let required = templates("dd = '{run}/{instrument}_{detector}_{detector.raft}'").unwrap();
    assert!(path(&required, &dataset).unwrap_err().to_string().contains("null"));
}

#[test]
fn hostile_values_do_not_leave_the_root() {
    let dd = of("dd", &["detector"]);
    let templates = templates("dd = '{run:/}/{detector.full_name:/}/{instrument}{detector}'").unwrap();
    for (run, name, expected) in [
        ("r", "a b:c?*|<>\\\"", Some("r/a_b_c_______/Cam14.json")),
        ("r", "a\nb\u{7}\u{85}", Some("r/a_b__/Cam14.json")),
        ("r", "ä/日本/a…/100%", Some("r/ä/日本/a…/100%/Cam14.json")),
        ("r", "%20/%41.x", Some("r/%20/%41.x/Cam14.json")),
        ("r", "a∕b", None),
        ("a／b", "x", None),
        ("r", "．．", None),
        ("r/\u{2024}\u{2024}/x", "x", None),
        ("r", "…", None),
        ("r", "...", None),
        ("r", ".\u{200b}.", None),
        ("%2e%2e", "x", None),
        ("r", "%252E%252e", None),
        ("r", "a%2Fb", None),
        ("r", "..%5c..", None),
        ("r", "a%00", None),
        ("/r//x/", "/", Some("r/x/Cam14.json")),
        ("r", "..", None),
        ("..", "x", None),
        ("r/../../x", "x", None),
        (".", "x", None),
        (".butler/journal", "x", None),
        ("r", ".butler", Some("r/.butler/Cam14.json")),
    ] {
        let path = path(&templates, &detector(run, &dd, name));
        match expected {
            Some(expected) => assert_eq!(path.unwrap(), expected),
            None => assert_eq!(path.unwrap_err().kind(), ErrorKind::Template, "{run} {name}"),
        }
    }
}

#[test]
fn file_names_are_not_taken_for_others() {
    let dd = of("dd", &["detector"]);
    let templates = templates("dd = '{run:/}/{detector.full_name}{instrument}{detector}'").unwrap();
    for name in ["a%2fb", "%252e%252e%252f", "a\u{2044}b", "a\u{ff0f}b", "a%e2%88%95b"] {
        let error = path(&templates, &detector("r", &dd, name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Template, "{name}");
        assert!(error.to_string().contains("slash"), "{error}");
    }
    for (name, expected) in [("..", "r/__Cam14.json"), ("ä．", "r/ä．Cam14.json"), ("9%", "r/9%Cam14.json")]
    {
        assert_eq!(path(&templates, &detector("r", &dd, name)).unwrap(), expected);
    }
}

#[test]
fn long_names_are_shortened_and_long_directories_refused() {
    let dd = of("dd", &["detector"]);
    let in_name = templates("dd = '{run}/{instrument}{detector}{detector.full_name}'").unwrap();
    let made: Vec<String> = ["x", "y"]
        .iter()
        .map(|end| path(&in_name, &detector("r", &dd, &format!("{}{end}", "ä".repeat(31)))).unwrap())
        .collect();
    assert!(made[0].len() < 100);
    let deep =
        templates("dd = '{run}/{instrument:*>200}{instrument:*>200}{detector}{detector.full_name}'").unwrap();
    let made: Vec<String> =
        ["x", "y"].iter().map(|end| path(&deep, &detector("r", &dd, &format!("ä{end}"))).unwrap()).collect();
    for path in &made {
        let name = path.rsplit('/').next().unwrap();
        assert_eq!(name.len(), 246, "{name}");
        assert!(name.ends_with(".json"));
    }
    assert_ne!(made[0], made[1]);
    let in_directory = templates("dd = '{run}/{instrument:*>200}{instrument:*>200}/{detector}'").unwrap();
    let error = path(&in_directory, &detector("r", &dd, "x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Template);
    let long_run = detector(&"abcdefghi/".repeat(110), &dd, "x");
    let run_in_name = templates("dd = 'x/{run}{instrument}{detector}'").unwrap();
    assert_eq!(path(&run_in_name, &long_run).unwrap().len(), 248);
    let in_path = templates("dd = '{run:/}/{instrument}{detector}'").unwrap();
    assert!(path(&in_path, &long_run).unwrap_err().to_string().contains("1024"));
}

#[test]
fn extensions_from_outside_are_cleaned() {
    for (extension, expected) in [
        (".fits.gz", ".fits.gz"),
        ("", ""),
        (".a b/c", ".a_b_c"),
        (".x\n#", ".x_HASH"),
        (".", ""),
        ("...", ""),
        (".....a", ".a"),
        (".a%2fb", ".a_2fb"),
        (".%2e%2e%2fetc", "._2e_2e_2fetc"),
        (".a%00", ".a_00"),
        (".a\u{ff0f}b", ".a_b"),
        (".a\u{2101}b", ".a_b"),
        (".\u{202e}npy", "._npy"),
        (".\u{2025}", "._"),
        (".äääääääääääääääääääääää", ".äääääääääääääää"),
    ] {
        assert_eq!(clean_extension(extension), expected, "{extension}");
    }
}

proptest! {
    #[test]
    fn no_value_leaves_the_root(run in "[./ a-c\n\0~#]{1,12}", name in "\\PC{1,12}|[./]{1,6}|(%2[eEfF]|[./a∕．]){1,6}") {
        let dd = of("dd", &["detector"]);
        for template in ["{run:/}/{detector.full_name:/}/{instrument}{detector}", "{run}/{detector.full_name}{instrument}{detector}"] {
            let templates = templates(&format!("dd = '{template}'")).unwrap();
            let name: String = name.chars().filter(|c| *c != '\0').take(30).collect();
            let run = run.replace('\0', "\u{1}");
            if let Ok(path) = path(&templates, &detector(&run, &dd, &name)) {
                prop_assert!(!path.starts_with('/') && !path.starts_with(".butler/"), "{}", path);
                prop_assert!(path.split('/').all(|part| !part.is_empty() && part != "." && part != ".."), "{}", path);
                prop_assert!(!path.contains(char::is_control), "{}", path);
                let read = path.replace('．', ".").replace('∕', "/").replace("%2e", ".").replace("%2E", ".");
                let read = read.replace("%2f", "/").replace("%2F", "/");
                prop_assert!(read.split('/').all(|part| part != "." && part != ".."), "{}", path);
            }
        }
    }

    #[test]
    fn no_text_makes_parsing_panic(text in "[{}a-z.:?/|!<>^=0-9 ]{0,24}") {
        let _ = FileTemplate::parse(&text);
    }
}
