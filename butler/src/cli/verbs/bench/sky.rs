//! Regions of the sky, and what overlaps what.

use butler::sky::{ConvexPolygon, LonLat, Region, UnitVector};
use butler::{Butler, FieldValue, Result};

use super::Site;
use super::measure::{measure, measure_rows};
use super::registry::insert_rows;
use super::workload::{INSTRUMENT, Row, Rows, SKYMAP, float, int, visit_row};

const VISITS: usize = 500;
const DETECTORS_OF_VISIT: usize = 20;
const TRACTS: usize = 2;
const PATCHES_OF_SIDE: usize = 10;
const QUERIES: usize = 100;

/// Inserts visits, their detectors, tracts and patches: one call for each element.
pub(super) async fn insert(site: &Site<'_>) -> Result<()> {
    let rows = rows(site.scale())?;
    let butler = site.writer().await?;
    for (element, rows) in rows {
        let n = rows.len();
        let op = format!("spatial_insert_{element}");
        measure(&op, n, async || insert_rows(&butler, vec![(element, rows)]).await).await?;
    }
    Ok(())
}

/// Asks what overlaps what.
pub(super) async fn query(site: &Site<'_>) -> Result<()> {
    let reader = site.reader().await?;
    let everything = format!("instrument='{INSTRUMENT}' AND skymap='{SKYMAP}'");
    for (op, dimensions) in [
        ("spatial_visit_detector_patch", &["visit", "detector", "patch"][..]),
        ("spatial_visit_patch", &["visit", "patch"]),
        ("spatial_visit_tract", &["visit", "tract"]),
    ] {
        measure_rows(op, 1, async || overlaps(&reader, dimensions, &everything).await, |n| Some(*n)).await?;
    }
    let each_patch = async || {
        let mut rows = 0;
        for patch in 0..QUERIES {
            let condition = format!("{everything} AND tract={} AND patch={patch}", patch % TRACTS);
            rows += overlaps(&reader, &["visit", "detector"], &condition).await?;
        }
        Ok(rows)
    };
    measure_rows("spatial_one_patch", QUERIES, each_patch, |n| Some(*n)).await.map(|_| ())
}

async fn overlaps(reader: &Butler, dimensions: &[&str], condition: &str) -> Result<usize> {
    let rows = reader.query_data_ids(dimensions.iter().copied()).where_(condition).collect().await?;
    Ok(rows.len())
}

fn rows(scale: usize) -> Result<Rows> {
    let (mut visits, mut detectors) = (Vec::new(), Vec::new());
    for visit in 0..VISITS {
        let spread = |step: usize| float((visit * step) % VISITS) / float(VISITS);
        let (lon, lat) = (10.0 + 4.0 * spread(37), -1.0 + 2.0 * spread(113));
        let mut row = visit_row(scale, visit);
        row.push(("region", quadrilateral(lon, lat, 0.60, 0.48)?));
        visits.push(row);
        for detector in 0..DETECTORS_OF_VISIT {
            let x = lon + (float(detector % 5) - 2.0) * 0.24;
            let y = lat + (float(detector / 5) - 1.5) * 0.24;
            detectors.push(vec![
                ("instrument", INSTRUMENT.into()),
                ("visit", int(visit + 1).into()),
                ("detector", int(detector).into()),
                ("region", quadrilateral(x, y, 0.11, 0.11)?),
            ]);
        }
    }
    let (mut tracts, mut patches) = (Vec::new(), Vec::new());
    for tract in 0..TRACTS {
        let region = quadrilateral(11.0 + 2.0 * float(tract), 0.0, 1.01, 1.01)?;
        tracts.push(vec![("skymap", SKYMAP.into()), ("id", int(tract).into()), ("region", region)]);
        for patch in 0..PATCHES_OF_SIDE * PATCHES_OF_SIDE {
            patches.push(patch_row(tract, patch)?);
        }
    }
    Ok(vec![
        ("visit", visits),
        ("visit_detector_region", detectors),
        ("skymap", vec![skymap_row()]),
        ("tract", tracts),
        ("patch", patches),
    ])
}

fn skymap_row() -> Row {
    vec![
        ("name", SKYMAP.into()),
        ("hash", FieldValue::Hash((0..40).collect())),
        ("tract_max", int(TRACTS).into()),
        ("patch_nx_max", int(PATCHES_OF_SIDE).into()),
        ("patch_ny_max", int(PATCHES_OF_SIDE).into()),
    ]
}

fn patch_row(tract: usize, patch: usize) -> Result<Row> {
    let (x, y) = (patch % PATCHES_OF_SIDE, patch / PATCHES_OF_SIDE);
    let (lon, lat) = (10.1 + 2.0 * float(tract) + 0.2 * float(x), -0.9 + 0.2 * float(y));
    Ok(vec![
        ("skymap", SKYMAP.into()),
        ("tract", int(tract).into()),
        ("id", int(patch).into()),
        ("cell_x", int(x).into()),
        ("cell_y", int(y).into()),
        ("region", quadrilateral(lon, lat, 0.11, 0.11)?),
    ])
}

/// A quadrilateral around a point, from half its sides in degrees.
fn quadrilateral(lon: f64, lat: f64, half_lon: f64, half_lat: f64) -> Result<FieldValue> {
    let corners = [(-half_lon, -half_lat), (half_lon, -half_lat), (half_lon, half_lat), (-half_lon, half_lat)];
    let corners = corners
        .into_iter()
        .map(|(x, y)| LonLat::from_degrees(lon + x, lat + y).map(UnitVector::from))
        .collect::<Result<Vec<_>>>()?;
    Ok(Region::from(ConvexPolygon::from_vertices(corners)?).into())
}
