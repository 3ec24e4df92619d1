//! Bytes that are nearly regions: they are refused or can be used, soon and without a panic.
//!
//! `BUTLER_REGION_CASES=5000000 cargo test --release -p butler-core --test region_fuzz` for a long run.
//! What once was, or might be, trouble is in `butler-testkit/fixtures/sky/corpus.hex`.

#![expect(clippy::print_stdout, reason = "tells what was tried")]

use std::time::{Duration, Instant};

use butler_core::ErrorKind;
use butler_core::sky::{PixelSystem, Pixelization, Region, UnitVector};
use proptest::prelude::*;

const REGIONS: &[u8] = include_bytes!("../../butler-testkit/fixtures/sky/regions.bin");
const CORPUS: &str = include_str!("../../butler-testkit/fixtures/sky/corpus.hex");

/// No input of this size takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Numbers on which geometry may stumble.
const NUMBERS: [f64; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.0,
    4.0,
    std::f64::consts::PI,
    -std::f64::consts::FRAC_PI_2,
    7.0,
    f64::MIN_POSITIVE,
    5e-324,
    1e300,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// Checks all that must hold of the decoder's answer to bytes; tells whether it was a region.
fn holds(bytes: &[u8], others: &[Region]) -> bool {
    let began = Instant::now();
    let region = match Region::decode(bytes) {
        Ok(region) => region,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", hex(bytes));
            return false;
        }
    };
    let encoded = region.encode();
    let again = Region::decode(&encoded).expect("own bytes are a region");
    assert_eq!(again.encode(), encoded, "{}", hex(bytes));
    for point in [UnitVector::X, UnitVector::Y, UnitVector::Z] {
        std::hint::black_box(region.contains(point));
    }
    std::hint::black_box((region.bounding_circle(), region.bounding_box(), region.to_ivoa_pos()));
    for other in others {
        let (one, two) = (region.overlaps(other), other.overlaps(&region));
        assert!(one.is_none() || two.is_none() || one == two, "{} and {other:?}", hex(bytes));
    }
    for (system, level) in [(PixelSystem::Htm, 3), (PixelSystem::Healpix, 2)] {
        let pixels = Pixelization::new(system, level).expect("a level");
        std::hint::black_box((pixels.envelope(&region), pixels.interior(&region)));
    }
    assert!(began.elapsed() < PATIENCE, "{:?} for {}", began.elapsed(), hex(bytes));
    true
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seeds() -> Vec<&'static [u8]> {
    let mut rest = REGIONS;
    let mut seeds = Vec::new();
    while let Some((len, after)) = rest.split_first_chunk::<2>() {
        let (seed, after) = after.split_at(u16::from_le_bytes(*len).into());
        seeds.push(seed);
        rest = after;
    }
    seeds
}

/// SplitMix64 (Steele, Lea and Flood 2014, <https://doi.org/10.1145/2714064.2660195>).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 32).expect("32 bits") % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("a byte")
    }
}

fn mutant(seeds: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].to_vec();
    for _ in 0..=random.below(3) {
        let place = random.below(bytes.len());
        match random.below(8) {
            // A whole number, where numbers are in simple regions.
            0..3 => {
                let number = match random.below(3) {
                    0 => {
                        f64::from_bits(((random.below(1 << 32) as u64) << 32) | random.below(1 << 32) as u64)
                    }
                    _ => NUMBERS[random.below(NUMBERS.len())],
                };
                let begin = 1 + 8 * (place / 8);
                if let Some(slot) = bytes.get_mut(begin..begin + 8) {
                    slot.copy_from_slice(&number.to_le_bytes());
                }
            }
            3 => bytes[place] ^= 1 << random.below(8),
            4 => bytes[place] = random.byte(),
            5 => bytes.truncate(place.max(1)),
            6 => {
                let donor = seeds[random.below(seeds.len())];
                bytes.extend_from_slice(&donor[random.below(donor.len())..]);
            }
            _ => {
                // A compound of what there is, with a length that may be wrong.
                let kind = b"ui"[random.below(2)];
                let donor = seeds[random.below(seeds.len())];
                let mut compound = vec![kind];
                for part in [&bytes[..], donor] {
                    let wrong = u64::from(random.below(8) == 0);
                    compound.extend((part.len() as u64 + wrong).to_le_bytes());
                    compound.extend_from_slice(part);
                }
                if compound.len() < 4000 {
                    bytes = compound;
                }
            }
        }
    }
    bytes
}

#[test]
fn mutants_are_refused_or_can_be_used() {
    let count: u64 =
        std::env::var("BUTLER_REGION_CASES").map_or(3000, |count| count.parse().expect("a number of cases"));
    let seeds = seeds();
    let others: Vec<Region> =
        seeds.iter().step_by(2500).map(|seed| Region::decode(seed).expect("a region")).collect();
    let mut random = Random(count);
    let used = (0..count).filter(|_| holds(&mutant(&seeds, &mut random), &others)).count();
    println!("{used} of {count} are regions");
    assert!(
        used > usize::try_from(count).expect("few") / 10,
        "mutants are regions now and then: {used} of {count}"
    );
}

#[test]
fn the_corpus_is_refused_or_can_be_used() {
    let others = [Region::decode(seeds()[0]).expect("a region")];
    for line in CORPUS.lines().filter(|line| !line.starts_with('#')) {
        let (bytes, rest) = line.as_bytes().as_chunks::<2>();
        assert!(rest.is_empty(), "{line}");
        let bytes: Vec<u8> = bytes
            .iter()
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("digits"))
            .collect();
        holds(&bytes, &others);
    }
}

proptest! {
    #[test]
    fn any_text_is_refused_or_a_region(
        text in "(CIRCLE|RANGE|POLYGON|circle|BOX)?( |\t){0,2}([-+]?([0-9]{1,3}(\\.[0-9]{0,3})?|[Ii]nf|nan|1e400|5e-324)[ ,]{0,2}){0,9}|\\PC{0,20}"
    ) {
        if let Ok(region) = Region::from_ivoa_pos(&text) {
            prop_assert!(holds(&region.encode(), &[]));
            if let Some(pos) = region.to_ivoa_pos() {
                prop_assert!(Region::from_ivoa_pos(&pos).is_ok(), "{} is written as {}", text, pos);
            }
        }
    }
}
