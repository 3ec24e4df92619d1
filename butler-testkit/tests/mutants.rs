//! The suite finds out every mutant of the reference backend, and every case of it is needed.

use butler_testkit::backend::CASES;
use butler_testkit::mutants::{Kills, backend, sound_backend};

/// Share of the cases above which a mutant proves nothing about each.
const SUBTLE: f64 = 0.25;

#[test]
fn what_is_sound_survives() {
    let sound = sound_backend();
    for case in CASES {
        case.check(&*sound).unwrap_or_else(|error| panic!("{}: {error:?}", case.path()));
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "who asks for the table wants to see it")]
fn every_mutant_is_found_out_and_every_case_finds_one_out() {
    // With all cases for all mutants it takes some minutes.
    let all = std::env::var_os("BUTLER_TEST_ALL_KILLS").is_some();
    let kills = Kills::of(CASES, &backend(), all);
    if std::env::var_os("BUTLER_TEST_TABLE").is_some() {
        println!("{}", kills.table());
    }
    assert_eq!(kills.survivors(), [""; 0], "mutants that survive");
    assert_eq!(kills.idle_cases(SUBTLE), [""; 0], "cases without a mutant");
}
