//! The suite finds out every mutant of a formatter, and every case of it is needed.

use butler_testkit::formatter::{CASES, mutants};
use butler_testkit::mutants::Kills;

#[test]
fn what_is_sound_survives() {
    let sound = mutants::sound();
    for case in CASES {
        case.check(&*sound).unwrap_or_else(|error| panic!("{}: {error:?}", case.path()));
    }
}

#[test]
fn every_mutant_is_found_out_and_every_case_finds_one_out() {
    let kills = Kills::of(CASES, &mutants::all(), true);
    assert_eq!(kills.survivors(), [""; 0], "mutants that survive:\n{}", kills.table());
    // There are few cases: a mutant that more than half of them find out proves nothing.
    assert_eq!(kills.idle_cases(0.5), [""; 0], "cases without a mutant:\n{}", kills.table());
}
