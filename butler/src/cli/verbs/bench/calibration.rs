//! Calibrations and tags.

use butler::registry::Operation;
use butler::{ArcStr, Lookup, LooseDataId, Result};

use super::measure::{measure, measure_rows};
use super::registry::{insert_some, register_runs};
use super::workload::{
    CALIBRATION, DETECTORS, INSTRUMENT, LOOKUPS, Lcg, RANGES, TAGGED, calibration_run, day_obs, detector_id,
    exposures, month, probe,
};
use super::{Site, check};

const TAGS: usize = 10_000;

/// Inserts calibrations, and certifies them for a month each.
pub(super) async fn certify(site: &Site<'_>) -> Result<()> {
    let butler = site.writer().await?;
    let ty = butler.dataset_type("bench_calib").await?;
    let runs: Vec<ArcStr> = (0..RANGES).map(calibration_run).collect();
    register_runs(&butler, &runs).await?;
    let detectors: Vec<LooseDataId> = (0..DETECTORS).map(detector_id).collect();
    let n = RANGES * DETECTORS;
    let inserted = measure("certify_insert", n, async || {
        let mut inserted = Vec::with_capacity(RANGES);
        for run in &runs {
            inserted.push(insert_some(&butler, &ty, &detectors, run).await?);
        }
        Ok(inserted)
    })
    .await?;
    measure("certify", n, async || {
        for (number, datasets) in inserted.into_iter().enumerate() {
            let collection = CALIBRATION.into();
            let operation = Operation::Certify { collection, datasets, timespan: month(number) };
            butler.apply_one(operation).await?;
        }
        Ok(())
    })
    .await
}

/// Looks calibrations up, one at a time and for a whole night.
pub(super) async fn look_up(site: &Site<'_>) -> Result<()> {
    let reader = site.reader().await?;
    let mut random = Lcg::new();
    let probes: Vec<_> = (0..LOOKUPS).map(|_| probe(&mut random)).collect();
    let search = async || {
        let mut found = Vec::with_capacity(LOOKUPS);
        for (detector, _, timespan) in &probes {
            let lookup = Lookup::new("bench_calib", detector_id(*detector)).collections([CALIBRATION]);
            found.push(reader.find(lookup.timespan(*timespan)).await?);
        }
        Ok(found)
    };
    let found =
        measure_rows("calib_lookup", LOOKUPS, search, |found| Some(found.iter().flatten().count())).await?;
    for ((_, month, _), dataset) in probes.iter().zip(&found) {
        let run = dataset.as_ref().map(|dataset| dataset.run());
        check(run == Some(&calibration_run(*month)), "a calibration is not that of the month")?;
    }
    let condition = format!(
        "instrument='{INSTRUMENT}' AND day_obs={} AND exposure.timespan OVERLAPS bench_calib.timespan",
        day_obs(0)
    );
    let night = reader
        .query_data_ids(["exposure", "detector"])
        .join_datasets("bench_calib", Some(CALIBRATION.into()))
        .where_(condition);
    let n = exposures(site.scale()).min(100) * DETECTORS;
    let search = async || night.collect().await;
    measure_rows("calib_temporal_join", n, search, |rows| Some(rows.len())).await.map(|_| ())
}

/// Tags datasets in one call, and half of them no more.
pub(super) async fn associate(site: &Site<'_>) -> Result<()> {
    let n = TAGS.min(site.scale());
    let butler = site.writer().await?;
    let mut datasets =
        butler.query_datasets("bench_raw").collections("bench/insert").limit(n as u64).collect().await?;
    check(datasets.len() == n, "there are too few datasets to be tagged")?;
    let all = Operation::Associate { collection: TAGGED.into(), datasets: datasets.clone() };
    measure("associate", n, async || butler.apply_one(all).await).await?;
    datasets.truncate(n / 2);
    let half = Operation::Disassociate { collection: TAGGED.into(), datasets };
    measure("disassociate", n / 2, async || butler.apply_one(half).await).await.map(|_| ())
}
