use super::*;
use crate::DimensionUniverse;
use crate::ErrorKind;
use crate::query::{Field, TypedExpr};

fn datasets() -> Vec<DatasetType> {
    let universe = DimensionUniverse::default();
    let detector = universe.conform(["detector"]).unwrap();
    vec![DatasetType::new("bias", detector, "Exposure").unwrap().with_is_calibration(true)]
}

fn predicate(dimensions: &[&str], text: &str, binds: &Binds) -> Result<Predicate> {
    let dimensions = DimensionUniverse::default().conform(dimensions).unwrap();
    let datasets = datasets();
    Scope { dimensions, datasets: &datasets, searched: &datasets, binds }.predicate(text)
}

fn refused(dimensions: &[&str], text: &str, reason: &str) {
    let error = predicate(dimensions, text, &Binds::new()).expect_err(text);
    assert_eq!(error.kind(), ErrorKind::InvalidQuery);
    let shown = format!("{error:#}");
    assert!(shown.contains(reason), "{text}: {shown}");
}

fn accepted(dimensions: &[&str], text: &str) -> Predicate {
    predicate(dimensions, text, &Binds::new()).unwrap_or_else(|error| panic!("{text}: {error:#}"))
}

/// Vectors of the reference, appendix B.1.
#[test]
fn accepts_what_the_reference_accepts() {
    for text in [
        "instrument='Cam1' AND detector IN (1..3)",
        "instrument='Cam1' and detector in (1, 3..4)",
        "instrument='Cam1' AND NOT (detector=1 OR detector=2)",
        "instrument='Cam1' AND detector > 1.5",
        "instrument='Cam1' AND detector % 2 = 0",
        "instrument='Cam1' and -detector < 0",
        "instrument='Cam1' and 1 < detector",
        "instrument='Cam1' and purpose='SCIENCE'",
        "'Aa' IN (full_name)",
        "detector = NULL",
        "name_in_raft='a' and raft != NULL",
        "GLOB(raft,'A*')",
        "(T'2020-01-01', NULL) OVERLAPS T'2020-01-15'",
        "detector.instrument='Cam1'",
        "detector.id = 1",
        "detector IN (id)",
        "detector IN (1.0)",
        "visit.physical_filter = 'g'",
        "visit.region OVERLAPS CIRCLE(1, 2, 0.1)",
        "visit.timespan.begin < T'2020-01-01'",
        "exposure.can_see_sky AND NOT exposure.has_simulated",
        "exposure.can_see_sky = NULL",
        "bias.run = 'x' AND bias.dataset_id = UUID('e15ab039-bc8b-4135-87c5-90902a7c0b22')",
        "run = 'x'",
        "",
        "  ",
    ] {
        accepted(&["detector"], text);
    }
}

#[test]
fn refuses_what_the_reference_refuses() {
    for (text, reason) in [
        ("foo=1", "`foo` is no dimension"),
        ("DETECTOR=1", "did you mean `detector`?"),
        ("detector.foo=1", "`detector` has no field `foo`"),
        ("detector.detector=1", "has no field `detector`"),
        ("detector IN (1,'a')", "a number is written without quotes"),
        ("instrument='Cam1' AND 'Cam1'", "expected a condition here, found a string"),
        ("instrument='Cam1' AND detector", "expected a condition here, found a int"),
        ("detector = (1,2)", "a time is written T'"),
        ("FOO(1)=2", "there is no function `FOO`"),
        ("CIRCEL(1,2,3) OVERLAPS visit.region", "did you mean `CIRCLE`?"),
        ("detector IN (:x)", "no value is bound to `x`"),
        ("detector = '1'", "does not take int and string"),
        ("NULL = NULL", "does not take null and null"),
        ("detector < NULL", "NULL is only compared"),
        ("GLOB(detector, '*')", "must be a field of type string"),
        ("GLOB(raft, raft)", "must be a string"),
        ("POINT(1,2) OVERLAPS CIRCLE(1,2,3)", "says nothing about the rows"),
        ("visit.region OVERLAPS POINT(1, 91)", "91"),
        ("visit.timespan IN (1)", "IN does not take a timespan"),
        ("visit.timespan.middle = T'2020-01-01'", "no part `middle`"),
        ("dark.run = 'x'", "neither a dimension element nor a dataset type"),
        ("bias.size = 1", "datasets have no field `size`"),
        ("raft + 1 = 2", "does not take string and int"),
        ("detector % 2.0 = 1", "`%` does not take int and float"),
        ("raft IN (1..3)", "a range holds integers"),
        ("T'2020-13-01' > T'2020-01-01'", "month"),
    ] {
        refused(&["detector"], text, reason);
    }
    refused(&["visit"], "name = 'x'", "band.name, instrument.name, physical_filter.name, visit.name");
    refused(&["visit"], "timespan OVERLAPS T'2020-01-01'", "ambiguous");
    refused(&["detector"], "seq_num = 1", "did you mean `exposure.seq_num`?");
}

#[test]
fn extensions_mean_what_they_say() {
    let same = |a: &str, b: &str| {
        assert_eq!(accepted(&["exposure", "detector"], a), accepted(&["exposure", "detector"], b));
    };
    same("raft IS NULL", "raft = NULL");
    same("raft IS NOT NULL", "raft != NULL");
    same("detector BETWEEN 1 AND 3", "detector >= 1 AND detector <= 3");
    same("can_see_sky = TRUE", "can_see_sky");
    same("can_see_sky = FALSE", "NOT can_see_sky");
    same("can_see_sky != TRUE", "NOT can_see_sky");
    accepted(&["exposure"], "exposure_time / 60 > 1");
}

#[test]
fn values_are_bound_by_name() {
    let binds = Binds::from([
        ("d".into(), BindValue::from(3)),
        ("ds".into(), BindValue::from(vec![1, 2])),
        ("none".into(), BindValue::Many(Vec::new())),
        ("name".into(), BindValue::from("Aa")),
    ]);
    let of = |text: &str| predicate(&["detector"], text, &binds).unwrap();
    assert_eq!(of("detector = :d"), of("detector = 3"));
    assert_eq!(of("detector = d"), of("detector = 3"));
    assert_eq!(of("detector IN (:ds, 5)"), of("detector IN (1, 2, 5)"));
    assert_eq!(of("full_name = :name"), of("full_name = 'Aa'"));
    assert!(matches!(of("detector IN (:none)"), Predicate::InList { list, .. } if list.is_empty()));
    assert!(predicate(&["detector"], "detector = :ds", &binds).is_err());
    assert!(predicate(&["detector"], "full_name IN (:ds)", &binds).is_err());
}

#[test]
fn orderings_are_names_of_what_the_rows_determine() {
    let dimensions = DimensionUniverse::default().conform(["visit"]).unwrap();
    let datasets = datasets();
    let binds = Binds::new();
    let scope = Scope { dimensions, datasets: &[], searched: &datasets, binds: &binds };
    let term = scope.order_term("-visit.timespan.begin").unwrap();
    assert!(term.descending && matches!(term.value, TypedExpr::Begin(_)));
    assert!(matches!(scope.order_term("visit").unwrap().value, TypedExpr::Field(Field::Key(_))));
    for text in ["", "-", "visit.region", "timespan.begin", "detector", "detector.raft", "visit.nix", "run"] {
        assert_eq!(scope.order_term(text).unwrap_err().kind(), ErrorKind::InvalidQuery, "{text}");
    }
    assert!(scope.order_term("bias.ingest_date").is_ok());
}

#[test]
fn the_place_is_underlined() {
    let error = predicate(&["detector"], "instrument = 'x' AND detectr = 1", &Binds::new()).unwrap_err();
    let picture = error.context().iter().find(|(key, _)| *key == "expression").unwrap();
    assert_eq!(picture.1, "\n  instrument = 'x' AND detectr = 1\n                       ^^^^^^^");
}
