//! Dimension records of the cases: a camera and what it saw, and a map of the sky.

use butler_core::registry::Operation;
use butler_core::sky::{Region, SkyBox};
use butler_core::{DimensionRecord, Timespan};

use super::fixture::{insert_records, record, span};

/// Detectors of `Cam1`: number, name and raft.
pub(crate) const DETECTORS: [(i64, &str, &str); 4] =
    [(1, "Aa", "A"), (2, "Ab", "A"), (3, "Ba", "B"), (4, "Bb", "B")];

/// Visits: number, day, filter, and where they look, in degrees of longitude.
pub(crate) const VISITS: [(i64, i64, &str, f64); 4] = [
    (1, 20_200_101, "Cam1-G", 0.5),
    (2, 20_200_101, "Cam1-R1", 1.5),
    (3, 20_200_102, "Cam1-R2", 2.5),
    (4, 20_200_102, "Cam1-G", 40.0),
];

/// A box on the equator, one degree wide and high around a centre.
#[expect(clippy::expect_used, reason = "the boxes are sound")]
pub(crate) fn square(lon: f64, lat: f64, width: f64) -> Region {
    let half = width / 2.0;
    SkyBox::from_degrees((lon - half, lon + half), (lat - half, lat + half))
        .expect("a small box is sound")
        .into()
}

/// An instrument, its detectors and filters.
pub(crate) fn camera() -> Vec<Operation> {
    let detectors = DETECTORS.map(|(id, full_name, raft)| {
        record!(detector { instrument: "Cam1", id: id, full_name: full_name, raft: raft, purpose: "SCIENCE" })
    });
    let filters = [("Cam1-G", "g"), ("Cam1-R1", "r"), ("Cam1-R2", "r")]
        .map(|(name, band)| record!(physical_filter { instrument: "Cam1", name: name, band: band }));
    vec![
        insert_records(vec![record!(instrument { name: "Cam1", detector_max: 4, class_name: "Cam" })]),
        insert_records(detectors.into()),
        insert_records(filters.into()),
    ]
}

/// When a visit took place: ten seconds, a hundred after the one before.
pub(crate) fn when(visit: i64) -> Timespan {
    span(visit * 100, visit * 100 + 10)
}

/// A visit, with where it looks.
pub(crate) fn visit(id: i64, day: i64, filter: &str, region: Region) -> DimensionRecord {
    record!(visit {
        instrument: "Cam1",
        id: id,
        day_obs: day,
        physical_filter: filter,
        name: format!("v{id}"),
        seq_num: id % 3,
        exposure_time: id as f64 * 7.5,
        region: region,
        timespan: when(id),
    })
}

/// What [`camera`] has, with days, exposures and visits: visit N consists of exposure N, and detectors 1 and 2 have regions in it.
pub(crate) fn observations() -> Vec<Operation> {
    let days = [20_200_101_i64, 20_200_102].map(|id| {
        record!(day_obs {
            instrument: "Cam1",
            id: id,
            timespan: span(id % 100 * 1000, id % 100 * 1000 + 1000)
        })
    });
    let groups = VISITS.map(|(id, ..)| record!(group { instrument: "Cam1", name: format!("g{id}") }));
    let exposures = VISITS.map(|(id, day, filter, _)| {
        record!(exposure {
            instrument: "Cam1",
            id: id,
            day_obs: day,
            group: format!("g{id}"),
            physical_filter: filter,
            obs_id: format!("e{id}"),
            seq_num: id,
            exposure_time: 7.5,
            has_simulated: id == 2,
            timespan: when(id),
        })
    });
    let visits = VISITS.map(|(id, day, filter, lon)| visit(id, day, filter, square(lon, 0.0, 1.0)));
    let definitions =
        VISITS.map(|(id, ..)| record!(visit_definition { instrument: "Cam1", exposure: id, visit: id }));
    let memberships = VISITS
        .map(|(id, ..)| record!(visit_system_membership { instrument: "Cam1", visit_system: 0, visit: id }));
    let regions = VISITS.iter().flat_map(|&(visit, _, _, lon)| {
        [1, 2].map(|detector| {
            let region = square(lon - 0.75 + 0.5 * detector as f64, 0.0, 0.5);
            record!(visit_detector_region {
                instrument: "Cam1",
                visit: visit,
                detector: detector,
                region: region
            })
        })
    });
    let mut operations = camera();
    operations.extend([
        insert_records(days.into()),
        insert_records(groups.into()),
        insert_records(exposures.into()),
        insert_records(visits.into()),
        insert_records(vec![record!(visit_system { instrument: "Cam1", id: 0, name: "one-to-one" })]),
        insert_records(definitions.into()),
        insert_records(memberships.into()),
        insert_records(regions.collect()),
    ]);
    operations
}

/// A map of the sky along the equator: tracts 0 and 1 are two degrees wide, patches 0 and 1 of each one.
pub(crate) fn sky_map() -> Vec<Operation> {
    let tracts = [0, 1].map(|id| {
        record!(tract { skymap: "map", id: id, region: square(1.0 + 2.0 * f64::from(id), 0.0, 2.0) })
    });
    let patches = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(tract, id)| {
        let lon = 0.5 + f64::from(2 * tract + id);
        record!(patch {
            skymap: "map",
            tract: tract,
            id: id,
            cell_x: id,
            cell_y: 0,
            region: square(lon, 0.0, 1.0)
        })
    });
    vec![
        insert_records(vec![record!(skymap { name: "map", tract_max: 2 })]),
        insert_records(tracts.into()),
        insert_records(patches.into()),
    ]
}
