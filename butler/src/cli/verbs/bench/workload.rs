//! What the operations work on: pure functions of the scale.

use butler::{
    ArcStr, Butler, DataId, DatasetType, DimensionElement, DimensionRecord, FieldValue, LooseDataId, Result,
    Structured, Timespan,
};
use serde_json::json;

pub(super) const INSTRUMENT: &str = "BenchCam";
pub(super) const BANDS: [&str; 5] = ["u", "g", "r", "i", "z"];
pub(super) const DETECTORS: usize = 189;
pub(super) const RUNS: usize = 50;
pub(super) const RUNS_OF_SMALL_CHAIN: usize = 10;
pub(super) const DEEP_CHAIN: &str = "bench/chain50";
pub(super) const SMALL_CHAIN: &str = "bench/chain10";
pub(super) const TAGGED: &str = "bench/tagged";
pub(super) const CALIBRATION: &str = "bench/calib";
pub(super) const RANGES: usize = 20;
pub(super) const LOOKUPS: usize = 2_000;
pub(super) const SKYMAP: &str = "bench_sky";
const EXPOSURES_OF_DAY: usize = 100;
const FILE_SIZE: usize = 4_096;
const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400;
const MONTH: i64 = 30 * DAY;
/// 2026-01-01 as days since 1970-01-01.
const FIRST_DAY: i64 = 20_454;

/// Groups of dimensions of the dataset types that only exist.
const DIMENSIONS: [&[&str]; 5] = [
    &["instrument", "exposure", "detector"],
    &["instrument", "visit", "detector"],
    &["skymap", "tract", "patch", "band"],
    &["instrument", "visit"],
    &["instrument", "exposure"],
];

/// Fields of a record, before anybody looked at them.
pub(super) type Row = Vec<(&'static str, FieldValue)>;

/// Rows of dimension elements, in the order of their insertion.
pub(super) type Rows = Vec<(&'static str, Vec<Row>)>;

/// Pseudo-random numbers that every implementation of the workload draws: Knuth's
/// linear congruential generator of 64 bits, of which the upper 31 count.
pub(super) struct Lcg(u64);

impl Lcg {
    pub(super) fn new() -> Self {
        Self(42)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % limit.max(1) as u64).unwrap_or(0)
    }
}

pub(super) fn run_name(number: usize) -> ArcStr {
    format!("bench/run/{number:02}").into()
}

pub(super) fn calibration_run(number: usize) -> ArcStr {
    format!("bench/calibrun/{number:02}").into()
}

pub(super) fn exposures(scale: usize) -> usize {
    scale.div_ceil(DETECTORS)
}

fn day(exposure: usize) -> i64 {
    FIRST_DAY + int(exposure / EXPOSURES_OF_DAY)
}

fn sequence(exposure: usize) -> i64 {
    int(exposure % EXPOSURES_OF_DAY) + 1
}

/// The observing day of an exposure as YYYYMMDD.
pub(super) fn day_obs(exposure: usize) -> i64 {
    // The Gregorian calendar, from days since 1970-01-01 (H. Hinnant, "chrono-compatible low-level date algorithms").
    let z = day(exposure) + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let date = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    year * 10_000 + month * 100 + date
}

pub(super) fn exposure_id(exposure: usize) -> i64 {
    day_obs(exposure) * 100_000 + sequence(exposure)
}

fn obs_id(exposure: usize) -> String {
    format!("BC_O_{}_{:06}", day_obs(exposure), sequence(exposure))
}

/// Noon of a day, in seconds of TAI.
fn noon(day: i64) -> i64 {
    day * DAY + DAY / 2
}

fn timespan(begin: i64, end: i64) -> Timespan {
    Timespan::from_raw(begin * SECOND, end * SECOND)
}

/// The timespan for which the calibrations of a month are valid.
pub(super) fn month(number: usize) -> Timespan {
    let begin = noon(FIRST_DAY) + int(number) * MONTH;
    timespan(begin, begin + MONTH)
}

/// A detector, a month, and half a minute of it at which its calibration is asked for.
pub(super) fn probe(random: &mut Lcg) -> (usize, usize, Timespan) {
    let (detector, number) = (random.below(DETECTORS), random.below(RANGES));
    let offset = int(random.below(usize::try_from(MONTH - 30).unwrap_or(1)));
    let begin = noon(FIRST_DAY) + int(number) * MONTH + offset;
    (detector, number, timespan(begin, begin + 30))
}

/// The data ID of a number, as a person gives it.
pub(super) fn loose(index: usize) -> LooseDataId {
    LooseDataId::default()
        .with("instrument", INSTRUMENT)
        .with("exposure", exposure_id(index / DETECTORS))
        .with("detector", int(index % DETECTORS))
}

/// All data IDs, as people give them.
pub(super) fn loose_ids(count: usize) -> Vec<LooseDataId> {
    (0..count).map(loose).collect()
}

/// All data IDs of a dataset type.
pub(super) async fn data_ids(butler: &Butler, ty: &DatasetType, count: usize) -> Result<Vec<DataId>> {
    let mut all = Vec::with_capacity(count);
    for index in 0..count {
        all.push(butler.data_id(ty.group(), loose(index)).await?);
    }
    Ok(all)
}

pub(super) fn detector_id(detector: usize) -> LooseDataId {
    LooseDataId::default().with("instrument", INSTRUMENT).with("detector", int(detector))
}

/// What is put.
pub(super) fn payload(index: usize) -> Structured {
    json!({
        "index": index,
        "name": format!("dataset-{index:06}"),
        "exposure": exposure_id(index / DETECTORS),
        "detector": index % DETECTORS,
        "values": (0..10).map(|k| index * k).collect::<Vec<_>>(),
        "mean": index as f64 * 0.25,
        "ok": true,
    })
}

/// What is ingested: a JSON document of 4096 bytes.
pub(super) fn file_content(index: usize) -> Vec<u8> {
    let mut bytes = format!("{{\"index\": {index}, \"pad\": \"").into_bytes();
    bytes.resize(FILE_SIZE - 2, b'x');
    bytes.extend_from_slice(b"\"}");
    bytes
}

/// All dataset types: names, dimensions, and whether they are calibrations.
pub(super) fn dataset_types(butler: &Butler) -> Result<Vec<DatasetType>> {
    let mut all: Vec<(String, &[&str])> =
        ["raw", "chain", "put", "file"].map(|name| (format!("bench_{name}"), DIMENSIONS[0])).to_vec();
    all.push(("bench_calib".to_owned(), &["instrument", "detector"]));
    all.extend((5..20).map(|number| (format!("bench_dt_{number:02}"), DIMENSIONS[number % 5])));
    let universe = butler.universe();
    all.into_iter()
        .map(|(name, dimensions)| {
            let ty = DatasetType::new(&name, universe.conform(dimensions)?, "StructuredDataDict")?;
            Ok(ty.with_is_calibration(name == "bench_calib"))
        })
        .collect()
}

/// Records of an element from its rows.
pub(super) fn records(element: DimensionElement, rows: Vec<Row>) -> Result<Vec<DimensionRecord>> {
    rows.into_iter().map(|row| DimensionRecord::new(element, row)).collect()
}

/// The instrument and its exposures.
pub(super) fn dimension_rows(scale: usize) -> Rows {
    let count = exposures(scale);
    let filters = BANDS.iter().map(|band| {
        vec![
            ("instrument", INSTRUMENT.into()),
            ("name", format!("{INSTRUMENT}-{band}").into()),
            ("band", (*band).into()),
        ]
    });
    let days = (0..count).step_by(EXPOSURES_OF_DAY).map(|exposure| {
        let begin = noon(day(exposure));
        vec![
            ("instrument", INSTRUMENT.into()),
            ("id", day_obs(exposure).into()),
            ("timespan", timespan(begin, begin + DAY).into()),
        ]
    });
    let groups = (0..count).map(|e| vec![("instrument", INSTRUMENT.into()), ("name", obs_id(e).into())]);
    vec![
        ("instrument", vec![instrument_row()]),
        ("physical_filter", filters.collect()),
        ("detector", (0..DETECTORS).map(detector_row).collect()),
        ("day_obs", days.collect()),
        ("group", groups.collect()),
        ("exposure", (0..count).map(exposure_row).collect()),
    ]
}

fn instrument_row() -> Row {
    vec![
        ("name", INSTRUMENT.into()),
        ("visit_max", 10_000_000_000_000_i64.into()),
        ("visit_system", 0_i64.into()),
        ("exposure_max", 10_000_000_000_000_i64.into()),
        ("detector_max", int(DETECTORS).into()),
        ("class_name", "bench.BenchCam".into()),
    ]
}

fn detector_row(detector: usize) -> Row {
    let (raft, place) = (format!("R{:02}", detector / 9), format!("S{:02}", detector % 9));
    vec![
        ("instrument", INSTRUMENT.into()),
        ("id", int(detector).into()),
        ("full_name", format!("{raft}_{place}").into()),
        ("name_in_raft", place.into()),
        ("raft", raft.into()),
        ("purpose", "SCIENCE".into()),
    ]
}

fn exposure_row(exposure: usize) -> Row {
    let number = sequence(exposure);
    let begin = noon(day(exposure)) + 21_600 + (number - 1) * 40;
    vec![
        ("instrument", INSTRUMENT.into()),
        ("id", exposure_id(exposure).into()),
        ("obs_id", obs_id(exposure).into()),
        ("physical_filter", format!("{INSTRUMENT}-{}", BANDS[exposure % 5]).into()),
        ("group", obs_id(exposure).into()),
        ("day_obs", day_obs(exposure).into()),
        ("exposure_time", 30.0.into()),
        ("dark_time", 31.5.into()),
        ("observation_type", "science".into()),
        ("observation_reason", "survey".into()),
        ("seq_num", number.into()),
        ("seq_start", number.into()),
        ("seq_end", number.into()),
        ("target_name", format!("field-{:03}", exposure % 37).into()),
        ("science_program", "bench".into()),
        ("tracking_ra", float((exposure * 7) % 360).into()),
        ("tracking_dec", (-float((exposure * 3) % 90)).into()),
        ("sky_angle", 0.0.into()),
        ("azimuth", float((exposure * 11) % 360).into()),
        ("zenith_angle", float(exposure % 60).into()),
        ("has_simulated", false.into()),
        ("can_see_sky", true.into()),
        ("timespan", timespan(begin, begin + 30).into()),
    ]
}

/// What all visits have, besides their regions.
pub(super) fn visit_row(scale: usize, visit: usize) -> Row {
    let exposure = visit % exposures(scale);
    let begin = noon(day(exposure)) + 21_600 + int(visit) * 40;
    vec![
        ("instrument", INSTRUMENT.into()),
        ("id", int(visit + 1).into()),
        ("name", format!("visit-{:06}", visit + 1).into()),
        ("physical_filter", format!("{INSTRUMENT}-{}", BANDS[visit % 5]).into()),
        ("day_obs", day_obs(exposure).into()),
        ("seq_num", int(visit + 1).into()),
        ("exposure_time", 30.0.into()),
        ("target_name", format!("field-{:03}", visit % 37).into()),
        ("observation_reason", "survey".into()),
        ("science_program", "bench".into()),
        ("azimuth", float((visit * 11) % 360).into()),
        ("zenith_angle", float(visit % 60).into()),
        ("timespan", timespan(begin, begin + 30).into()),
    ]
}

pub(super) fn int(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn float(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        let days = [0, 30, 31, 58, 59, 364, 365, 788, 789].map(|day| day_obs(day * EXPOSURES_OF_DAY));
        let expected = [
            20_260_101, 20_260_131, 20_260_201, 20_260_228, 20_260_301, 20_261_231, 20_270_101, 20_280_228,
            20_280_229,
        ];
        assert_eq!(days, expected);
        assert_eq!(exposure_id(100), 2_026_010_200_001);
    }

    #[test]
    fn files_have_their_size() {
        for index in [0, 7, 4_999] {
            let bytes = file_content(index);
            assert_eq!(bytes.len(), FILE_SIZE);
            let value: Structured = serde_json::from_slice(&bytes).expect("JSON");
            assert_eq!(value["index"], index);
        }
    }
}
