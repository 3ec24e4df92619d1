//! Typed predicates, and the text of them.

use butler_core::backend::{Arithmetic, Comparison, GlobPattern};
use butler_core::query::{Binds, DatasetField, Field, Literal, Predicate, Scope, TypedExpr};
use butler_core::{DatasetType, DimensionGroup, DimensionUniverse, Instant, Timespan};
use proptest::prelude::*;
use proptest::sample::select;

use super::laws::{CORPUS, Random, mutant};
use super::peer;

fn dimensions() -> DimensionGroup {
    DimensionUniverse::default().conform(["visit", "exposure", "detector"]).expect("known dimensions")
}

fn datasets() -> Vec<DatasetType> {
    let detector = DimensionUniverse::default().conform(["detector"]).expect("a known dimension");
    vec![DatasetType::new("bias", detector, "Exposure").expect("a sound name")]
}

fn parsed(text: &str) -> butler_core::Result<Predicate> {
    let (datasets, binds) = (datasets(), Binds::new());
    Scope { dimensions: dimensions(), datasets: &[], searched: &datasets, binds: &binds }.predicate(text)
}

fn key(name: &str) -> Field {
    Field::Key(DimensionUniverse::default().dimension(name).expect("a known dimension"))
}

fn record(element: &str, field: &str) -> Field {
    let element = DimensionUniverse::default().element(element).expect("a known element");
    Field::Record { element, field: field.into() }
}

fn dataset(field: DatasetField) -> Field {
    Field::Dataset { dataset_type: "bias".into(), field }
}

fn fields(fields: Vec<Field>) -> impl Strategy<Value = TypedExpr> + Clone {
    select(fields).prop_map(TypedExpr::Field)
}

fn literals(literals: impl Strategy<Value = Literal> + Clone) -> impl Strategy<Value = TypedExpr> + Clone {
    literals.prop_map(TypedExpr::Literal)
}

fn int() -> impl Strategy<Value = Literal> + Clone {
    prop_oneof![any::<i64>(), -3_i64..4].prop_map(Literal::Int)
}

fn float() -> impl Strategy<Value = Literal> + Clone {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    (POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO).prop_map(Literal::Float)
}

fn text() -> impl Strategy<Value = Literal> + Clone {
    "[^\n\0]{0,6}|('|\\\\|%){0,3}".prop_map(|text| Literal::Text(text.into()))
}

fn uuid() -> impl Strategy<Value = Literal> + Clone {
    any::<u128>().prop_map(|bits| Literal::Uuid(uuid::Uuid::from_u128(bits)))
}

fn instant() -> impl Strategy<Value = Instant> + Clone {
    (Instant::MIN.nanoseconds()..=Instant::MAX.nanoseconds())
        .prop_map(|nanoseconds| Instant::from_nanoseconds(nanoseconds).expect("an instant in range"))
}

fn timespan() -> impl Strategy<Value = Literal> + Clone {
    let bound = || prop::option::of(instant());
    prop_oneof![(bound(), bound()).prop_map(|(a, b)| Timespan::new(a, b)), Just(Timespan::EMPTY)]
        .prop_map(Literal::Timespan)
}

fn number() -> impl Strategy<Value = TypedExpr> + Clone {
    let whole = vec![key("detector"), key("exposure"), record("exposure", "seq_num")];
    let leaf = prop_oneof![
        3 => fields(whole),
        1 => fields(vec![record("exposure", "exposure_time")]),
        2 => literals(int()),
        1 => literals(float()),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        let op = select(vec![Arithmetic::Add, Arithmetic::Sub, Arithmetic::Mul, Arithmetic::Div]);
        prop_oneof![
            inner.clone().prop_map(|operand| TypedExpr::Negate(Box::new(operand))),
            (op, inner.clone(), inner).prop_map(|(op, left, right)| TypedExpr::Arithmetic {
                op,
                left: Box::new(left),
                right: Box::new(right)
            }),
        ]
    })
}

fn texts() -> impl Strategy<Value = TypedExpr> + Clone {
    prop_oneof![
        fields(vec![record("detector", "raft"), key("instrument"), dataset(DatasetField::Run)]),
        literals(text())
    ]
}

fn spans() -> impl Strategy<Value = TypedExpr> + Clone {
    prop_oneof![
        fields(vec![record("exposure", "timespan"), dataset(DatasetField::Timespan)]),
        literals(timespan())
    ]
}

fn instants() -> impl Strategy<Value = TypedExpr> + Clone {
    let span = || fields(vec![record("visit", "timespan"), dataset(DatasetField::Timespan)]);
    prop_oneof![
        fields(vec![dataset(DatasetField::IngestDate)]),
        literals(instant().prop_map(Literal::Instant)),
        span().prop_map(|span| TypedExpr::Begin(Box::new(span))),
        span().prop_map(|span| TypedExpr::End(Box::new(span))),
    ]
}

fn ids() -> impl Strategy<Value = TypedExpr> + Clone {
    fields(vec![dataset(DatasetField::DatasetId)])
}

fn comparison(
    operands: impl Strategy<Value = TypedExpr> + Clone + 'static,
    ordered: bool,
) -> impl Strategy<Value = Predicate> {
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    let ops = if ordered { vec![Eq, Ne, Lt, Le, Gt, Ge] } else { vec![Eq, Ne] };
    (select(ops), operands.clone(), operands).prop_map(|(op, left, right)| Predicate::Compare {
        op,
        left,
        right,
    })
}

fn in_list(
    value: impl Strategy<Value = TypedExpr>,
    item: impl Strategy<Value = Literal>,
) -> impl Strategy<Value = Predicate> {
    (value, prop::collection::vec(item, 1..4)).prop_map(|(value, list)| Predicate::InList { value, list })
}

fn whole() -> impl Strategy<Value = TypedExpr> + Clone {
    fields(vec![key("detector"), record("exposure", "seq_num"), key("visit")])
}

fn leaf() -> impl Strategy<Value = Predicate> {
    let bools = vec![record("exposure", "can_see_sky"), record("exposure", "has_simulated")];
    let range = (whole(), any::<i64>(), any::<i64>(), 1..i64::MAX).prop_map(|(value, one, other, step)| {
        Predicate::InRange { value, start: one.min(other), stop: one.max(other), step }
    });
    let glob = fields(vec![record("detector", "raft"), key("instrument")]);
    prop_oneof![
        select(bools.clone()).prop_map(Predicate::Field),
        comparison(number(), true),
        comparison(texts(), true),
        comparison(instants(), true),
        comparison(ids(), false),
        prop_oneof![number(), texts(), spans(), instants(), ids(), fields(bools)].prop_map(Predicate::IsNull),
        in_list(whole(), int()),
        in_list(texts(), text()),
        in_list(instants(), instant().prop_map(Literal::Instant)),
        in_list(ids(), uuid()),
        range,
        (spans(), prop_oneof![spans(), instants()])
            .prop_map(|(left, right)| Predicate::Overlaps { left, right }),
        (glob, "[^\n\0]{0,6}|(\\*|\\?|\\\\|a){0,4}")
            .prop_map(|(value, pattern)| Predicate::Glob { value, pattern: GlobPattern::new(pattern) }),
        Just(Predicate::always()),
        Just(Predicate::Or(Vec::new())),
    ]
}

fn predicate() -> impl Strategy<Value = Predicate> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let some = || prop::collection::vec(inner.clone(), 2..=4);
        prop_oneof![
            some().prop_map(Predicate::And),
            some().prop_map(Predicate::Or),
            inner.clone().prop_map(|operand| Predicate::Not(Box::new(operand))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_means_the_same(predicate in predicate()) {
        let printed = predicate.to_string();
        let again = parsed(&printed).map_err(|error| TestCaseError::fail(format!("{printed}: {error:#}")))?;
        prop_assert_eq!(again, predicate, "{}", printed);
    }
}

#[test]
fn people_can_read_it() {
    for (text, printed) in [
        ("instrument='Cam1' and detector in (1,2,5)", "instrument = 'Cam1' AND detector IN (1, 2, 5)"),
        ("not (raft='A' or raft = NULL)", "NOT (detector.raft = 'A' OR detector.raft IS NULL)"),
        ("detector in (1..9:2, 20)", "detector IN (1..9:2) OR detector IN (20)"),
        (
            "exposure.timespan overlaps (T'2020-01-01/tai', null)",
            "exposure.timespan OVERLAPS (T'2020-01-01T00:00:00/tai', NULL)",
        ),
        ("visit.region OVERLAPS CIRCLE(0, 90, 0.5)", "visit.region OVERLAPS REGION('CIRCLE 0.0 90.0 0.5')"),
        ("glob(raft, 'A*')", "GLOB(detector.raft, 'A*')"),
        ("", "TRUE"),
    ] {
        assert_eq!(parsed(text).unwrap_or_else(|error| panic!("{text}: {error:#}")).to_string(), printed);
    }
}

/// Texts with a meaning, and some that nearly have one.
const MEANT: &[&str] = &[
    "instrument='Cam1' AND detector IN (1..3, 5, 7..9:2)",
    "NOT (detector=1 OR detector=2) and exposure.can_see_sky",
    "detector % 2 = 0 or -detector < 0 or detector * 1.5 + 2 >= exposure.exposure_time / 60",
    "raft='A' and name_in_raft != NULL and full_name is not null",
    "GLOB(raft, 'A*') AND glob(instrument, '\\\\*?[a]')",
    "(T'2020-01-01', NULL) OVERLAPS exposure.timespan",
    "exposure.timespan OVERLAPS T'2020-01-15' AND visit.timespan.begin < T'mjd/58939.0/utc'",
    "(T'2020-01-02/tai', T'2020:003') overlaps bias.timespan",
    "visit.region OVERLAPS CIRCLE(1, 2, 0.1) OR visit.region OVERLAPS BOX(1, -2, 3, 4.)",
    "not visit.region OVERLAPS POLYGON(0, 0, 1, 0, 1, 1, 0, 1)",
    "REGION('RANGE 1 2 3 4') OVERLAPS visit_detector_region.region or POINT(0, 0) overlaps htm7.region",
    "bias.run = 'x' AND bias.dataset_id IN (UUID('e15ab039-bc8b-4135-87c5-90902a7c0b22'))",
    "bias.ingest_date BETWEEN T'2020-01-01' AND T'2021-01-01' or bias.collection in ('a', 'b''c', NULL)",
    "exposure.seq_num between 1 and 5 and not exposure.day_obs not in (20200101)",
    "exposure.has_simulated = TRUE or exposure.has_simulated != false",
    "visit.physical_filter = band or detector.id = exposure.id",
];

/// An expression is refused, or what it means can be printed and means that again.
fn means_what_is_printed(text: &str) -> bool {
    let Ok(predicate) = parsed(text) else { return false };
    let printed = predicate.to_string();
    // Numbers of regions are rounded; strings with a newline are not in the language.
    if printed.contains("REGION(") || printed.contains('\n') {
        return true;
    }
    let again =
        parsed(&printed).unwrap_or_else(|error| panic!("{text:?} is printed as {printed:?}: {error:#}"));
    assert_eq!(again, predicate, "{text:?} is printed as {printed:?}");
    true
}

/// A text in which some words are those of others.
fn reworded(random: &mut Random) -> String {
    let mut words: Vec<&str> = MEANT[random.below(MEANT.len())].split_inclusive([' ', '(']).collect();
    for _ in 0..random.below(3) {
        let donor: Vec<&str> = MEANT[random.below(MEANT.len())].split_inclusive([' ', '(']).collect();
        let place = random.below(words.len());
        words[place] = donor[random.below(donor.len())];
    }
    words.concat()
}

/// `BUTLER_QUERY_CASES=5000000 cargo test --release -p butler-core --test query mutants` for a long run.
#[test]
fn mutants_mean_what_is_printed() {
    let count =
        std::env::var("BUTLER_QUERY_CASES").map_or(3000, |count| count.parse().expect("a number of cases"));
    let meant: Vec<String> = MEANT.iter().map(|&text| text.to_owned()).collect();
    assert!(meant.iter().all(|text| means_what_is_printed(text)), "all of them have a meaning");
    let mut random = Random(count);
    let mut with_meaning = 0;
    for _ in 0..count {
        let seed = reworded(&mut random);
        let text = if random.below(2) == 0 { seed } else { mutant(&seed, &meant, &mut random) };
        with_meaning += u64::from(means_what_is_printed(&text));
    }
    assert!(with_meaning * 20 > count, "{with_meaning} of {count} have a meaning");
}

#[test]
fn corpus_and_questions_of_the_peer_mean_what_is_printed() {
    let corpus = CORPUS.lines().map(|line| serde_json::from_str::<String>(line).expect("a string"));
    let with_meaning =
        peer::texts().into_iter().chain(corpus).filter(|text| means_what_is_printed(text)).count();
    assert!(with_meaning > 0);
}
