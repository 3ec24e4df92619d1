use super::*;

fn names(elements: impl Iterator<Item = DimensionElement>) -> Vec<&'static str> {
    elements.map(|element| element.name().as_str()).collect()
}

fn without_skypix(elements: impl Iterator<Item = DimensionElement>) -> Vec<&'static str> {
    names(elements.filter(|element| element.skypix().is_none()))
}

/// `BUTLER_BLESS=1 cargo test -p butler-core canonical` writes the file anew.
#[test]
fn the_canonical_form_is_that_of_the_default_universe() {
    let canonical = UniverseConfig::parse(DEFAULT).unwrap().canonical().unwrap();
    if std::env::var_os("BUTLER_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/dimension/default.json");
        std::fs::write(path, format!("{canonical}\n")).unwrap();
        return;
    }
    assert_eq!(DEFAULT_CANONICAL, format!("{canonical}\n"), "BUTLER_BLESS=1 writes default.json anew");
    let read = DimensionUniverse::from_toml(&format!("# not the same text\n{DEFAULT}")).unwrap();
    assert_eq!((read, read.source()), (DimensionUniverse::default(), DEFAULT));
}

/// The order that the Python butler gives to its default universe.
#[test]
fn default_universe_has_the_order_of_the_reference() {
    let universe = DimensionUniverse::default();
    assert_eq!(
        without_skypix(universe.elements()),
        [
            "band",
            "instrument",
            "skymap",
            "ssp_hypothesis_table",
            "day_obs",
            "detector",
            "group",
            "physical_filter",
            "ssp_balanced_index",
            "ssp_hypothesis_bundle",
            "subfilter",
            "tract",
            "visit_system",
            "exposure",
            "patch",
            "visit",
            "visit_definition",
            "visit_detector_region",
            "visit_system_membership",
        ]
    );
    assert_eq!(universe.elements().filter(|element| element.skypix().is_some()).count(), 41);
    let first: Vec<_> = names(universe.elements()).into_iter().take(4).collect();
    assert_eq!(first, ["band", "healpix1", "healpix10", "healpix11"]);
    assert_eq!(universe.common_skypix().name(), "htm7");
    assert_eq!((universe.namespace(), universe.version()), ("daf_butler", 8));
    assert_eq!(names(universe.governors()), ["instrument", "skymap"]);
}

#[test]
fn elements_know_their_relations() {
    let universe = DimensionUniverse::default();
    let element = |name| universe.element(name).unwrap();
    assert_eq!(names(element("exposure").required()), ["instrument", "exposure"]);
    assert_eq!(names(element("exposure").implied()), ["day_obs", "group", "physical_filter"]);
    assert_eq!(names(element("patch").required()), ["skymap", "tract", "patch"]);
    assert_eq!(names(element("visit_definition").required()), ["instrument", "exposure", "visit"]);
    assert_eq!(element("visit_detector_region").governor(), Some(element("instrument")));
    assert_eq!(element("ssp_balanced_index").governor(), None);
    assert_eq!(element("band").union_of(), Some(element("physical_filter")));
    assert!(!element("band").has_table() && !element("htm7").has_table() && element("visit").has_table());
    assert_eq!(element("htm7").skypix(), Some(("htm", 7)));
    let defining: Vec<_> = names(universe.elements().filter(|element| element.defines_relationships()));
    assert_eq!(
        defining,
        ["physical_filter", "exposure", "visit", "visit_definition", "visit_system_membership"]
    );
}

#[test]
fn fields_come_in_the_order_of_the_reference() {
    let visit = DimensionUniverse::default().element("visit").unwrap();
    let fields: Vec<&str> = visit.fields().iter().map(|field| field.name.as_str()).collect();
    assert_eq!(
        fields,
        [
            "instrument",
            "visit",
            "day_obs",
            "physical_filter",
            "name",
            "seq_num",
            "exposure_time",
            "target_name",
            "observation_reason",
            "science_program",
            "azimuth",
            "zenith_angle",
            "region",
            "timespan",
        ]
    );
    assert_eq!(visit.field_index("id"), visit.field_index("visit"));
    assert_eq!(visit.field("name").unwrap().role, FieldRole::AlternateKey);
    assert_eq!(visit.field("physical_filter").unwrap().ty, FieldType::Text(32));
    let band = DimensionUniverse::default().element("physical_filter").unwrap();
    assert_eq!(band.field_index("name"), band.field_index("physical_filter"));
}

/// Reference vector: keys of (visit, detector, patch, band, htm7).
#[test]
fn a_group_is_closed_and_splits_into_required_and_implied() {
    let universe = DimensionUniverse::default();
    let group = universe.conform(["visit", "detector", "patch", "band", "htm7"]).unwrap();
    assert_eq!(
        names(group.required()),
        ["htm7", "instrument", "skymap", "detector", "tract", "patch", "visit"]
    );
    assert_eq!(names(group.implied()), ["band", "day_obs", "physical_filter"]);
    assert_eq!(names(group.keys()).len(), group.len());
    assert_eq!(names(group.governors()), ["instrument", "skymap"]);
    let families: Vec<_> = group.spatial().map(|family| family.name()).collect();
    assert_eq!(families, ["observation_regions", "skymap_regions", "htm"]);
    let finest: Vec<_> = names(group.spatial().filter_map(|family| family.choose(group)));
    assert_eq!(finest, ["visit_detector_region", "patch", "htm7"]);
    let filter = universe.conform(["physical_filter"]).unwrap();
    assert_eq!(names(filter.required()), ["instrument", "physical_filter"]);
}

/// Reference vector: look-up order of (visit, detector, exposure).
#[test]
fn records_are_looked_up_in_the_order_of_the_reference() {
    let group = DimensionUniverse::default().conform(["visit", "detector", "exposure"]).unwrap();
    assert_eq!(
        names(group.lookup_order()),
        [
            "instrument",
            "detector",
            "exposure",
            "day_obs",
            "group",
            "physical_filter",
            "band",
            "visit",
            "visit_definition",
            "visit_detector_region",
        ]
    );
}

#[test]
fn groups_are_interned_and_combine_as_sets() {
    let universe = DimensionUniverse::default();
    let group = |names: &[&str]| universe.conform(names).unwrap();
    assert_eq!(group(&["visit", "instrument"]), group(&["visit"]));
    assert_eq!(group(&["visit"]).union(group(&["detector"])), group(&["detector", "visit"]));
    assert_eq!(
        group(&["visit"]).intersection(group(&["exposure"])).names(),
        ["band", "instrument", "day_obs", "physical_filter"]
    );
    assert!(group(&["instrument"]).is_subset(group(&["detector"])));
    assert!(group(&["tract"]).is_disjoint(group(&["detector"])));
    assert_eq!(group(&[]), universe.empty());
    assert_eq!(universe.element("visit_definition").unwrap().minimal_group(), group(&["visit", "exposure"]));
}

#[test]
fn equal_definitions_are_one_universe() {
    let again = DimensionUniverse::from_toml(&format!("# a comment\n{DEFAULT}")).unwrap();
    assert_eq!(again, DimensionUniverse::default());
    let other = DimensionUniverse::from_toml(&DEFAULT.replace("version = 8", "version = 9")).unwrap();
    assert_ne!(other, again);
    assert_ne!(other.digest(), again.digest());
}

#[test]
fn unknown_names_are_told_with_the_nearest() {
    let universe = DimensionUniverse::default();
    let error = universe.conform(["detectr"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DimensionName);
    assert_eq!(
        error.to_string(),
        "'detectr' is no dimension of the universe daf_butler 8; did you mean 'detector'?"
    );
    assert!(universe.conform(["visit_definition"]).is_err());
    assert!(universe.conform(["htm0"]).is_err());
}

const SMALL: &str = r#"
namespace = "microscopy"
version = 1
skypix = { common = "htm7", systems = { htm = { max_level = 8 } } }
[elements.microscope]
governor = true
key = { name = "name", type = "string", length = 16 }
[elements.plate]
requires = ["microscope"]
key = { name = "id", type = "int" }
[elements.image]
requires = ["plate"]
implies = ["stain"]
key = { name = "id", type = "int" }
metadata = [{ name = "gain", type = "float" }]
[elements.stain]
key = { name = "name", type = "string", length = 16 }
"#;

#[test]
fn another_science_brings_its_own_universe() {
    let universe = DimensionUniverse::from_toml(SMALL).unwrap();
    assert_eq!(without_skypix(universe.elements()), ["microscope", "stain", "plate", "image"]);
    assert_eq!(universe.conform(["image"]).unwrap().required_names(), ["microscope", "plate", "image"]);
}

/// Every rule of a universe, broken one at a time.
#[test]
fn broken_universes_are_refused_with_the_reason() {
    let cases = [
        ("namespace = \"microscopy\"", "namespace = 7", "line 2, column 13"),
        ("version = 1", "version = 1\nverzion = 2", "unknown field `verzion`"),
        ("governor = true", "governor = true\nimplies = [\"stain\"]", "cannot be a governor"),
        ("requires = [\"microscope\"]", "requires = [\"microscop\"]", "'microscop', which is no dimension"),
        ("requires = [\"microscope\"]", "requires = [\"image\"]", "require each other"),
        (
            "key = { name = \"id\", type = \"int\" }\n[elements.image]",
            "key = { name = \"id\", type = \"float\" }\n[elements.image]",
            "neither int nor string",
        ),
        ("name = \"gain\", type = \"float\"", "name = \"plate\", type = \"float\"", "field 'plate' twice"),
        ("name = \"gain\", type = \"float\"", "name = \"gain\", type = \"string\"", "unusable length"),
        ("[elements.stain]", "[elements.stain]\nalways_join = true", "cannot set always_join"),
        (
            "[elements.stain]",
            "[elements.run]\nkey = { name = \"n\", type = \"int\" }\n[elements.stain]",
            "reserved",
        ),
        (
            "[elements.stain]",
            "[elements.\"a b\"]\nkey = { name = \"n\", type = \"int\" }\n[elements.stain]",
            "cannot name",
        ),
        (
            "[elements.stain]",
            "[elements.htm7]\nkey = { name = \"n\", type = \"int\" }\n[elements.stain]",
            "sky pixelisation",
        ),
        ("[elements.stain]", "[elements.stain]\nunion_of = \"plate\"", "does not imply it"),
        ("common = \"htm7\"", "common = \"htm9\"", "no level of a system"),
        ("htm = { max_level = 8 }", "htm = { max_level = 8 }, hex = { max_level = 2 }", "'hex' is unknown"),
        ("[elements.microscope]", "[spatial]\nfields = [\"imag\"]\n[elements.microscope]", "lists 'imag'"),
        (
            "[elements.microscope]",
            "[temporal]\na = [\"image\"]\nb = [\"image\"]\n[elements.microscope]",
            "several families",
        ),
        (
            "[elements.stain]\nkey = { name = \"name\", type = \"string\", length = 16 }",
            "[elements.stain]",
            "is no dimension",
        ),
    ];
    for (from, to, reason) in cases {
        let text = SMALL.replacen(from, to, 1);
        assert_ne!(text, SMALL, "{from}");
        let error = DimensionUniverse::from_toml(&text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(reason), "{to}: {error}");
    }
}
