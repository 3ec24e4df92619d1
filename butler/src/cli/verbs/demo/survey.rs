//! The small survey that the demonstration simulates.

use serde_json::{Value, json};

/// Nights, each with four exposures that are visits too.
const NIGHTS: [i64; 2] = [20_260_115, 20_260_116];
const EXPOSURES: i64 = 4;
/// Detectors in two rows of two, each half a degree wide.
const DETECTORS: i64 = 4;
const SIZE: f64 = 0.5;
/// Middle of the field, in degrees.
const FIELD: (f64, f64) = (150.0, 2.2);

/// A file with its data ID.
pub(super) struct SimulatedFile {
    pub(super) data_id: Vec<(&'static str, String)>,
    pub(super) content: Value,
}

/// Two nights of an instrument of four detectors, on a map of nine patches.
#[derive(Clone, Copy)]
pub(super) struct Survey;

/// One exposure, which is a visit too.
struct Exposure {
    id: i64,
    night: i64,
    seq: i64,
    filter: &'static str,
    /// Where the telescope points, in degrees.
    centre: (f64, f64),
}

impl Exposure {
    fn timespan(&self) -> String {
        let (year, month, day) = (self.night / 10_000, self.night / 100 % 100, self.night % 100 + 1);
        let minute = self.seq * 5;
        format!("{year}-{month:02}-{day:02}T03:{minute:02}:00/{year}-{month:02}-{day:02}T03:{minute:02}:30")
    }
}

/// A square as an IVOA POS string.
fn square(centre: (f64, f64), width: f64) -> String {
    let half = width / 2.0;
    let corners = [(-half, -half), (half, -half), (half, half), (-half, half)];
    let texts = corners.map(|(ra, dec)| format!("{:.4} {:.4}", centre.0 + ra, centre.1 + dec));
    format!("POLYGON {}", texts.join(" "))
}

fn exposures() -> impl Iterator<Item = Exposure> {
    NIGHTS.into_iter().flat_map(|night| {
        (1..=EXPOSURES).map(move |seq| Exposure {
            id: night * 100 + seq,
            night,
            seq,
            filter: if seq % 2 == 0 { "DemoCam-R" } else { "DemoCam-G" },
            // Each pair of exposures looks at another corner of the field.
            centre: (FIELD.0 + if seq > 2 { 0.4 } else { -0.4 }, FIELD.1),
        })
    })
}

/// Middle of a detector on the sky.
fn detector_centre(centre: (f64, f64), detector: i64) -> (f64, f64) {
    let offset = |second: bool| if second { SIZE / 2.0 } else { -SIZE / 2.0 };
    (centre.0 + offset(detector % 2 == 1), centre.1 + offset(detector >= 2))
}

impl Survey {
    /// Dataset types: name, dimensions, whether it is a calibration.
    pub(super) const DATASET_TYPES: &'static [(&'static str, &'static [&'static str], bool)] = &[
        ("bias", &["detector"], true),
        ("raw", &["exposure", "detector"], false),
        ("stars", &["visit", "detector"], false),
    ];

    /// A result that a person puts: data ID and content.
    pub(super) const RESULT: (&'static [&'static str], &'static str) = (
        &["instrument=DemoCam", "visit=2026011501", "detector=0"],
        "{\"stars\": 421, \"seeing\": 0.71, \"made_by\": \"you\"}",
    );

    /// Dimension records, by element, in an order in which they can be inserted.
    pub(super) fn records(self) -> Vec<(&'static str, Value)> {
        let instrument = "DemoCam";
        let nights = NIGHTS.map(|id| json!({"instrument": instrument, "id": id}));
        let of_exposures =
            |record: fn(&Exposure) -> Value| exposures().map(|e| record(&e)).collect::<Value>();
        let detectors = (0..DETECTORS).map(|id| {
            json!({"instrument": instrument, "id": id, "full_name": format!("R0_S{id}"), "raft": "R0",
                   "name_in_raft": format!("S{id}"), "purpose": "SCIENCE"})
        });
        let regions = exposures().flat_map(|exposure| {
            (0..DETECTORS).map(move |detector| {
                json!({"instrument": instrument, "visit": exposure.id, "detector": detector,
                       "region": square(detector_centre(exposure.centre, detector), SIZE)})
            })
        });
        vec![
            (
                "instrument",
                json!([{"name": instrument, "class_name": "demo.DemoCam", "detector_max": DETECTORS,
                "visit_max": 9_999_999_999_i64, "exposure_max": 9_999_999_999_i64, "visit_system": 0}]),
            ),
            (
                "physical_filter",
                json!([
                {"instrument": instrument, "name": "DemoCam-G", "band": "g"},
                {"instrument": instrument, "name": "DemoCam-R", "band": "r"}]),
            ),
            ("detector", detectors.collect()),
            ("day_obs", Value::from(nights.to_vec())),
            ("group", of_exposures(|e| json!({"instrument": "DemoCam", "name": e.id.to_string()}))),
            (
                "exposure",
                of_exposures(|e| {
                    json!({"instrument": "DemoCam", "id": e.id, "day_obs": e.night,
                "group": e.id.to_string(), "physical_filter": e.filter, "obs_id": format!("DC{}", e.id),
                "seq_num": e.seq, "exposure_time": 30.0, "observation_type": "science",
                "tracking_ra": e.centre.0, "tracking_dec": e.centre.1, "timespan": e.timespan()})
                }),
            ),
            ("visit_system", json!([{"instrument": instrument, "id": 0, "name": "one-to-one"}])),
            (
                "visit",
                of_exposures(|e| {
                    json!({"instrument": "DemoCam", "id": e.id, "day_obs": e.night,
                "physical_filter": e.filter, "name": format!("DC{}", e.id), "seq_num": e.seq,
                "exposure_time": 30.0, "region": square(e.centre, 2.0 * SIZE), "timespan": e.timespan()})
                }),
            ),
            (
                "visit_definition",
                of_exposures(|e| json!({"instrument": "DemoCam", "exposure": e.id, "visit": e.id})),
            ),
            (
                "visit_system_membership",
                of_exposures(|e| json!({"instrument": "DemoCam", "visit_system": 0, "visit": e.id})),
            ),
            ("visit_detector_region", regions.collect()),
            (
                "skymap",
                json!([{"name": "demo_v1", "hash": "d3e0", "tract_max": 1,
                "patch_nx_max": 3, "patch_ny_max": 3}]),
            ),
            ("tract", json!([{"skymap": "demo_v1", "id": 0, "region": square(FIELD, 1.5)}])),
            ("patch", self.patches()),
        ]
    }

    fn patches(self) -> Value {
        (0..9)
            .map(|id| {
                let (x, y) = (id % 3, id / 3);
                let offset = |cell: i64| f64::from(i32::try_from(cell).unwrap_or_default() - 1) * SIZE;
                let centre = (FIELD.0 + offset(x), FIELD.1 + offset(y));
                json!({"skymap": "demo_v1", "tract": 0, "id": id, "cell_x": x, "cell_y": y,
                       "region": square(centre, SIZE)})
            })
            .collect()
    }

    /// Biases of one epoch.
    pub(super) fn biases(self, epoch: &str) -> Vec<SimulatedFile> {
        (0..DETECTORS)
            .map(|detector| SimulatedFile {
                data_id: vec![("instrument", "DemoCam".into()), ("detector", detector.to_string())],
                content: json!({"epoch": epoch, "level": 1000 + detector}),
            })
            .collect()
    }

    /// Raw data of all exposures.
    pub(super) fn raws(self) -> Vec<SimulatedFile> {
        let of_exposure = |exposure: Exposure| {
            (0..DETECTORS).map(move |detector| SimulatedFile {
                data_id: vec![
                    ("instrument", "DemoCam".into()),
                    ("exposure", exposure.id.to_string()),
                    ("detector", detector.to_string()),
                ],
                content: json!({"counts": exposure.id % 1000 * 7 + detector, "filter": exposure.filter}),
            })
        };
        exposures().flat_map(of_exposure).collect()
    }

    /// Results of a run: the first has all visits but one, which a person puts; the second has those of the second night.
    pub(super) fn results(self, run: &str) -> Vec<SimulatedFile> {
        let second = run == "second";
        let of_visit = |visit: Exposure| {
            (0..DETECTORS).filter_map(move |detector| {
                let by_hand = visit.id == 2_026_011_501 && detector == 0;
                let wanted = if second { visit.night == NIGHTS[1] } else { !by_hand };
                wanted.then(|| SimulatedFile {
                    data_id: vec![
                        ("instrument", "DemoCam".into()),
                        ("visit", visit.id.to_string()),
                        ("detector", detector.to_string()),
                    ],
                    content: json!({"stars": 400 + visit.seq * 10 + detector, "seeing": if second { 0.65 } else { 0.7 }}),
                })
            })
        };
        exposures().flat_map(of_visit).collect()
    }
}
