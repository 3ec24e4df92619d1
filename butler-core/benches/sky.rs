//! Overlaps and envelopes of what a telescope sees: `cargo bench -p butler-core --bench sky`.

use butler_core::sky::{Circle, ConvexPolygon, LonLat, Pixelization, Region, SkyBox, UnitVector};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

fn point(lon: f64, lat: f64) -> UnitVector {
    LonLat::from_degrees(lon, lat).expect("a point of the sky").into()
}

/// A square of a side in degrees, such as a detector or a patch.
fn square(lon: f64, lat: f64, side: f64) -> Region {
    let (dx, dy) = (0.5 * side / lat.to_radians().cos(), 0.5 * side);
    let corners = [(-dx, -dy), (dx, -dy), (dx, dy), (-dx, dy)].map(|(x, y)| point(lon + x, lat + y));
    ConvexPolygon::convex_hull(&corners).expect("a square").into()
}

fn circle(lon: f64, lat: f64, opening: f64) -> Region {
    Circle::new(point(lon, lat), opening).into()
}

fn skybox(lon: f64, lat: f64, half: f64) -> Region {
    SkyBox::around(LonLat::from_degrees(lon, lat).expect("a point of the sky"), half, half).into()
}

mod overlaps {
    use super::*;

    #[divan::bench]
    fn polygons_crossing(bencher: Bencher<'_, '_>) {
        let (a, b) = (square(10.0, 20.0, 0.2), square(10.15, 20.12, 0.2));
        bencher.bench(|| black_box(&a).overlaps(black_box(&b)));
    }

    #[divan::bench]
    fn polygons_apart(bencher: Bencher<'_, '_>) {
        let (a, b) = (square(10.0, 20.0, 0.2), square(11.0, 21.0, 0.2));
        bencher.bench(|| black_box(&a).overlaps(black_box(&b)));
    }

    #[divan::bench]
    fn polygon_and_circle(bencher: Bencher<'_, '_>) {
        let (a, b) = (square(10.0, 20.0, 0.2), circle(10.3, 20.0, 0.1));
        bencher.bench(|| black_box(&a).overlaps(black_box(&b)));
    }

    #[divan::bench]
    fn polygon_and_box(bencher: Bencher<'_, '_>) {
        let (a, b) = (square(10.0, 20.0, 0.2), skybox(10.3, 20.0, 0.3));
        bencher.bench(|| black_box(&a).overlaps(black_box(&b)));
    }
}

#[divan::bench]
fn decode_polygon(bencher: Bencher<'_, '_>) {
    let bytes = square(10.0, 20.0, 0.2).encode();
    bencher.bench(|| Region::decode(black_box(&bytes)));
}

#[divan::bench(args = ["htm7", "htm10", "healpix5", "healpix9"])]
fn index(bencher: Bencher<'_, '_>, name: &str) {
    let (pixels, point): (Pixelization, _) = (name.parse().expect("a name"), point(10.0, 20.0));
    bencher.bench(|| black_box(pixels).index(black_box(point)));
}

mod envelope {
    use super::*;

    const SYSTEMS: [&str; 3] = ["htm7", "htm10", "healpix9"];

    fn envelope(bencher: Bencher<'_, '_>, name: &str, region: Region) {
        let pixels: Pixelization = name.parse().expect("a name");
        bencher.bench(|| black_box(pixels).envelope(black_box(&region)));
    }

    #[divan::bench(args = SYSTEMS)]
    fn square_of_0_2_degrees(bencher: Bencher<'_, '_>, name: &str) {
        envelope(bencher, name, square(10.0, 20.0, 0.2));
    }

    #[divan::bench(args = SYSTEMS)]
    fn square_of_3_degrees(bencher: Bencher<'_, '_>, name: &str) {
        envelope(bencher, name, square(10.0, 20.0, 3.0));
    }

    #[divan::bench(args = SYSTEMS)]
    fn circle_of_1_75_degrees(bencher: Bencher<'_, '_>, name: &str) {
        envelope(bencher, name, circle(10.0, 20.0, 1.75));
    }

    #[divan::bench(args = SYSTEMS)]
    fn box_of_1_degree(bencher: Bencher<'_, '_>, name: &str) {
        envelope(bencher, name, skybox(10.0, 20.0, 0.5));
    }
}
