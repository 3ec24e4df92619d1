//! Agreement with astropy and the Python butler, and the laws of timespans.
//!
//! The fixtures and how to make them: `butler-testkit/fixtures/time/generate.py`.

use butler_core::{ErrorKind, Instant, Timespan};
use proptest::prelude::*;

const ACCEPTED: &str = include_str!("../../butler-testkit/fixtures/time/accepted.tsv");
const REFUSED: &str = include_str!("../../butler-testkit/fixtures/time/refused.tsv");
const SYNTAX: &str = include_str!("../../butler-testkit/fixtures/time/syntax.tsv");

fn rows<const N: usize>(fixture: &'static str) -> impl Iterator<Item = [String; N]> {
    fixture.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let cells: Vec<_> = line.split('\t').map(|cell| cell.replace("\\n", "\n")).collect();
        cells.try_into().expect("every row has as many cells as the header")
    })
}

/// Format and scale of a literal as far as they are written, and its value.
fn parts(literal: &str) -> (String, String, &str) {
    let named = literal.starts_with(|c: char| c.is_ascii_alphabetic());
    let mut parts = literal.split('/');
    let format = if named { parts.next().unwrap_or_default() } else { "mjd" };
    let value = parts.next().unwrap_or_default();
    let scale = parts.next().unwrap_or_default();
    (format.to_lowercase(), scale.to_lowercase(), value)
}

fn is_number(value: &str) -> bool {
    value.trim_end_matches("+00:00").trim_start_matches('-').bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// Nanoseconds that one unit of a numeric format is worth.
fn unit(format: &str) -> f64 {
    match format {
        "mjd" | "jd" | "plot_date" => 86_400e9,
        "decimalyear" | "jyear" | "byear" => 366.0 * 86_400e9,
        "stardate" => 0.397_766_856 * 86_400e9,
        _ => 1e9,
    }
}

/// Most that astropy may differ when it is given every digit, in nanoseconds.
fn tolerance_for_digits(literal: &str) -> i64 {
    let (format, scale, value) = parts(literal);
    if !is_number(value) {
        // Whole nanoseconds, unless the fraction is longer or the scale runs differently.
        let fraction = value.rsplit_once('.').map_or(0, |(_, digits)| digits.len());
        let drifts =
            value.trim_start_matches("+0") < "1972" && value.contains(':') && scale != "tai" && scale != "tt";
        let runs_differently = matches!(scale.as_str(), "tdb" | "tcg" | "tcb") || drifts;
        return i64::from(fraction > 9 || runs_differently);
    }
    match format.as_str() {
        // The fraction of the year becomes one double.
        "decimalyear" => 4,
        // The year becomes one double.
        "jyear" | "byear" => 10_000,
        // The unit is a double, and 2318 is far away.
        "stardate" => 2_000,
        _ => 1,
    }
}

/// Most that a single double can differ from its digits, in nanoseconds.
fn tolerance_for_float(literal: &str) -> i64 {
    let (format, _, value) = parts(literal);
    if !is_number(value) {
        return tolerance_for_digits(literal);
    }
    let value: f64 = value.trim_end_matches("+00:00").parse().expect("a number");
    let spacing = value.abs() * f64::EPSILON;
    tolerance_for_digits(literal) + (spacing * unit(&format)).ceil() as i64
}

#[test]
fn literals_agree_with_astropy() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for [literal, digits, float] in rows::<3>(ACCEPTED) {
        count += 1;
        match Instant::from_literal(&literal) {
            Ok(instant) => {
                let by_digits = instant.nanoseconds() - digits.parse::<i64>().unwrap();
                let by_float = instant.nanoseconds() - float.parse::<i64>().unwrap();
                if by_digits.abs() > tolerance_for_digits(&literal)
                    || by_float.abs() > tolerance_for_float(&literal)
                {
                    wrong
                        .push(format!("{literal}: {instant}, off by {by_digits} ns, as float {by_float} ns"));
                }
            }
            Err(error) => wrong.push(format!("{literal}: {error}")),
        }
    }
    assert!(count > 3000, "{count}");
    assert!(wrong.is_empty(), "{} literals\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_no_time_is_refused_at_the_right_place() {
    for [literal, offset, word, _peer] in rows::<4>(REFUSED) {
        let error = Instant::from_literal(&literal).expect_err(&literal);
        assert!(error.message.contains(&word), "{literal:?}: {}", error.message);
        assert_eq!(error.offset.to_string(), offset, "{literal:?}: {}", error.message);
        assert!(literal.is_char_boundary(error.offset), "{literal:?}");
    }
}

#[test]
fn every_format_and_scale_is_accepted_as_by_the_python_butler() {
    for [literal, peer, why] in rows::<3>(SYNTAX) {
        let accepted = Instant::from_literal(&literal).is_ok();
        assert_eq!(accepted, peer == "accepted" && why.is_empty(), "{literal:?}: {why}");
    }
}

#[test]
fn errors_take_the_kind_of_the_caller() {
    let error = Instant::from_literal("mjd/59466").unwrap_err().into_error(ErrorKind::InvalidQuery);
    assert_eq!(error.kind(), ErrorKind::InvalidQuery);
    assert_eq!(error.context(), [("offset", "9".to_owned())]);
    assert_eq!(error.to_string(), "number '59466' needs a decimal point, as in '59466.'");
}

#[test]
fn the_second_follows_through_every_leap_second() {
    let at = |text: &str| Instant::from_literal(text).unwrap().nanoseconds();
    let mut leap_seconds = 0;
    for year in 1972..2030 {
        for (last, next) in [("06-30", "07-01"), ("12-31", "01-01")] {
            let next_year = if last == "12-31" { year + 1 } else { year };
            let before = at(&format!("{year}-{last}T23:59:59.999999999"));
            let after = at(&format!("{next_year}-{next}T00:00:00"));
            match Instant::from_literal(&format!("{year}-{last}T23:59:60")) {
                Ok(leap) => {
                    leap_seconds += 1;
                    assert_eq!(leap.nanoseconds(), before + 1);
                    assert_eq!(after, before + 1_000_000_001);
                }
                Err(_) => assert_eq!(after, before + 1),
            }
        }
    }
    assert_eq!(leap_seconds, 27);
}

#[test]
fn iso_tai_is_what_the_command_and_yaml_files_write() {
    for (text, nanoseconds) in [
        ("1970-01-01", 0),
        ("1970-01-01T00:01", 60_000_000_000),
        ("2021-09-09T03:00:00", 1_631_156_400_000_000_000),
        ("2021-09-09 03:00:00.000000001", 1_631_156_400_000_000_001),
        ("1969-12-31T23:59:59.9999999995", 0),
        ("1970-01-01T00:00:00.0000000005", 0),
        ("1970-01-01T00:00:00.0000000015", 2),
        ("1970-01-01T00:00:00.00000000150000000000000000000001", 2),
        ("1970-01-01T00:00:00.00000000050000000000000000000001", 1),
    ] {
        assert_eq!(Instant::from_iso_tai(text).unwrap().nanoseconds(), nanoseconds, "{text}");
    }
    for text in [
        "",
        "2021-09-09T03:00:00Z",
        "2021-09-09T03:00:00+00:00",
        "2016-12-31T23:59:60",
        "2021-9-9",
        "2021-09-09T3:00:00",
        "2021-09-31",
        "2300-01-01",
        "59466.5",
        "é",
    ] {
        assert!(Instant::from_iso_tai(text).is_err(), "{text}");
    }
    assert_eq!(Instant::MIN.to_iso_tai(), "1677-09-21T00:12:43.145224193");
    assert_eq!(Instant::MAX.to_iso_tai(), "2262-04-11T23:47:16.854775806");
}

#[test]
fn the_system_clock_is_utc() {
    let now = Instant::now().unwrap();
    let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as i64;
    assert!((now.nanoseconds() - since_1970 - 37_000_000_000).abs() < 60_000_000_000);

    let posix = |seconds| Instant::try_from(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds));
    let literal = |text| Instant::from_literal(text).unwrap();
    assert_eq!(posix(1_483_228_799).unwrap(), literal("2016-12-31T23:59:59"));
    assert_eq!(posix(1_483_228_800).unwrap(), literal("2017-01-01"));
    assert_eq!(posix(1 << 40).unwrap_err().kind(), ErrorKind::Argument);
}

#[test]
fn timespans_are_made_as_in_the_python_butler() {
    let at = |ns| Instant::from_nanoseconds(ns).unwrap();
    let raw = |begin, end| Timespan::new(begin, end).to_raw();
    assert_eq!(raw(Some(at(5)), Some(at(7))), (5, 7));
    assert_eq!(raw(Some(at(5)), Some(at(5))), (5, 6));
    assert_eq!(raw(Some(at(7)), Some(at(5))), (i64::MAX, i64::MIN));
    assert_eq!(raw(None, Some(at(5))), (i64::MIN, 5));
    assert_eq!(raw(None, None), (i64::MIN, i64::MAX));
    assert_eq!(Timespan::from_raw(5, 5), Timespan::EMPTY);

    assert_eq!(Timespan::from_python_raw(0, 4_102_444_800_000_000_000), Timespan::UNBOUNDED);
    assert_eq!(Timespan::from_python_raw(4_102_444_800_000_000_000, 0), Timespan::EMPTY);
    assert_eq!(Timespan::from_python_raw(0, 7).to_raw(), (i64::MIN, 7));
    assert_eq!(Timespan::from_python_raw(5, 4_102_444_800_000_000_000).to_raw(), (5, i64::MAX));

    for reserved in [i64::MIN, i64::MAX] {
        assert_eq!(Instant::from_nanoseconds(reserved).unwrap_err().kind(), ErrorKind::Argument);
    }
    assert_eq!(rmp_serde::to_vec(&Timespan::from_raw(5, 7)).unwrap(), [0x92, 5, 7]);
    assert!(rmp_serde::from_slice::<Instant>(&rmp_serde::to_vec(&i64::MAX).unwrap()).is_err());
    let last = Timespan::from_instant(Instant::MAX);
    assert!(last.contains_instant(Instant::MAX) && last.end().is_none());
}

#[test]
fn observing_days_last_24_hours() {
    let night = Timespan::from_day_obs(20_240_229, 12 * 3600).unwrap();
    assert_eq!(night.to_string(), "[2024-02-29T12:00:00, 2024-03-01T12:00:00)");
    for wrong in [20_230_229, 20_241_301, 20_240_100, 0, -20_240_101, 2024, 22_620_412, i64::MAX, i64::MIN] {
        let error = Timespan::from_day_obs(wrong, 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument, "{wrong}");
    }
    assert!(Timespan::from_day_obs(20_240_101, i64::MAX).is_err());
}

#[test]
fn timespans_are_printed_and_parsed() {
    for (text, shown, json) in [
        (
            "2020-01-01T00:00:00/",
            "[2020-01-01T00:00:00, ∞)",
            r#"{"begin":"2020-01-01T00:00:00.000000000","end":null}"#,
        ),
        (
            "/2020-01-01T00:00:00.25",
            "(-∞, 2020-01-01T00:00:00.25)",
            r#"{"begin":null,"end":"2020-01-01T00:00:00.250000000"}"#,
        ),
        ("/", "(-∞, ∞)", r#"{"begin":null,"end":null}"#),
        (
            "2020-01-01/2020-01-01",
            "[2020-01-01T00:00:00, 2020-01-01T00:00:00.000000001)",
            r#"{"begin":"2020-01-01T00:00:00.000000000","end":"2020-01-01T00:00:00.000000001"}"#,
        ),
        ("2020-01-02/2020-01-01", "(empty)", r#""empty""#),
    ] {
        let timespan: Timespan = text.parse().unwrap();
        assert_eq!(timespan.to_string(), shown);
        assert_eq!(serde_json::to_string(&timespan).unwrap(), json);
        assert_eq!(serde_json::from_str::<Timespan>(json).unwrap(), timespan);
    }
    for (text, offset) in [("", 0), ("2020-01-01", 10), ("2020-01-01/x", 11), ("x/2020-01-01", 0), ("//", 1)]
    {
        assert_eq!(text.parse::<Timespan>().unwrap_err().offset, offset, "{text}");
    }
    for json in [
        "null",
        r#""full""#,
        "{}",
        r#"{"begin":null}"#,
        r#"{"begin":null,"end":null,"x":1}"#,
        "[1,2]",
        r#"{"begin":1,"end":2}"#,
    ] {
        assert!(serde_json::from_str::<Timespan>(json).is_err(), "{json}");
    }
}

fn instants() -> impl Strategy<Value = Instant> {
    prop_oneof![
        (i64::MIN + 1..i64::MAX),
        (0..4_102_444_800_i64).prop_map(|seconds| seconds * 1_000_000_000),
        Just(i64::MIN + 1),
        Just(i64::MAX - 1),
        -2_i64..3,
    ]
    .prop_map(|ns| Instant::from_nanoseconds(ns).expect("the ends are excluded"))
}

fn timespans() -> impl Strategy<Value = Timespan> {
    prop_oneof![
        (-3_i64..4, -3_i64..4).prop_map(|(begin, end)| Timespan::from_raw(begin, end)),
        (prop::option::of(instants()), prop::option::of(instants())).prop_map(|(a, b)| Timespan::new(a, b)),
    ]
}

proptest! {
    #[test]
    fn instants_print_and_parse(a in instants(), b in instants()) {
        for text in [a.to_string(), a.to_iso_tai(), a.to_iso_tai().replace('T', " ")] {
            prop_assert_eq!(Instant::from_iso_tai(&text).unwrap(), a);
            prop_assert_eq!(Instant::from_literal(&format!("{text}/tai")).unwrap(), a);
        }
        prop_assert_eq!(serde_json::from_str::<Instant>(&serde_json::to_string(&a).unwrap()).unwrap(), a);
        prop_assert_eq!(rmp_serde::from_slice::<Instant>(&rmp_serde::to_vec(&a).unwrap()).unwrap(), a);
        // Nine decimals and four digits of the year sort as text.
        prop_assert_eq!(a.cmp(&b), a.to_iso_tai().cmp(&b.to_iso_tai()));
    }

    #[test]
    fn timespans_print_and_parse(a in prop::option::of(instants()), b in prop::option::of(instants())) {
        let timespan = Timespan::new(a, b);
        let text = format!("{}/{}", a.map_or_else(String::new, |t| t.to_string()), b.map_or_else(String::new, |t| t.to_string()));
        prop_assert_eq!(text.parse::<Timespan>().unwrap(), timespan);
        prop_assert_eq!(serde_json::from_str::<Timespan>(&serde_json::to_string(&timespan).unwrap()).unwrap(), timespan);
        prop_assert_eq!(rmp_serde::from_slice::<Timespan>(&rmp_serde::to_vec(&timespan).unwrap()).unwrap(), timespan);
        let (begin, end) = timespan.to_raw();
        prop_assert_eq!(Timespan::from_raw(begin, end), timespan);
        let bounds = (timespan.begin(), timespan.end());
        prop_assert!(timespan.is_empty() || bounds == (a, b) || a == b);
    }

    #[test]
    fn timespans_are_sets_of_instants(a in timespans(), b in timespans(), t in instants()) {
        let (in_a, in_b) = (a.contains_instant(t), b.contains_instant(t));
        prop_assert_eq!(a.intersection(b).contains_instant(t), in_a && in_b);
        prop_assert_eq!(a.difference(b).filter(|piece| piece.contains_instant(t)).count(), usize::from(in_a && !in_b));
        if let Some(union) = a.union(b) {
            prop_assert_eq!(union.contains_instant(t), in_a || in_b);
        }
        prop_assert_eq!(a.overlaps(b), !a.intersection(b).is_empty());
        prop_assert_eq!(a.contains(b), a.intersection(b) == b);
        prop_assert!(!(a.is_before(b) && (a.overlaps(b) || b.is_before(a))));
        prop_assert_eq!(a.overlaps(b) || a.is_before(b) || a.is_after(b), !a.is_empty() && !b.is_empty());
    }

    #[test]
    fn numbers_mean_their_digits(a in instants()) {
        let ns = i128::from(a.nanoseconds());
        let sign = if ns < 0 { "-" } else { "" };
        let (seconds, rest) = (ns.abs() / 1_000_000_000, ns.abs() % 1_000_000_000);
        prop_assert_eq!(Instant::from_literal(&format!("unix_tai/{sign}{seconds}.{rest:09}")).unwrap(), a);
        // 1 ns is 1.157407…e-14 days: seventeen digits name every nanosecond.
        let day = 86_400_000_000_000_i128;
        let digits = (ns.rem_euclid(day) * 10_i128.pow(17) + day / 2) / day;
        let (carry, digits) = (digits / 10_i128.pow(17), digits % 10_i128.pow(17));
        let julian = 2_440_587 + ns.div_euclid(day) + carry;
        let half = 5 * 10_i128.pow(16);
        let (julian, digits) =
            if digits >= half { (julian + 1, digits - half) } else { (julian, digits + half) };
        prop_assert_eq!(Instant::from_literal(&format!("jd/{julian}.{digits:017}")).unwrap(), a);
    }

    #[test]
    fn scales_keep_the_order(
        scale in prop::sample::select(vec!["tai", "utc", "tt", "tdb", "tcg", "tcb"]),
        day in 44_239_i64..88_000,
        fraction in 0_i64..1_000_000_000,
        step in 1_i64..1_000_000,
    ) {
        let at = |f: i64| {
            let (day, f) = (day + f / 1_000_000_000, f % 1_000_000_000);
            Instant::from_literal(&format!("{day}.{f:09}/{scale}")).unwrap()
        };
        prop_assert!(at(fraction) < at(fraction + step));
    }

    #[test]
    fn any_text_is_an_instant_or_an_error_inside_it(text in "\\PC{0,24}|[0-9a-zT:./+-]{0,24}") {
        for result in [Instant::from_literal(&text), Instant::from_iso_tai(&text)] {
            if let Err(error) = result {
                prop_assert!(text.is_char_boundary(error.offset), "{:?} {:?}", text, error);
            }
        }
        if let Err(error) = text.parse::<Timespan>() {
            prop_assert!(text.is_char_boundary(error.offset), "{:?} {:?}", text, error);
        }
    }
}
