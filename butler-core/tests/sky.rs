//! Sky geometry against answers of LSST `sphgeom`, and the laws that it keeps.
//!
//! The answers are in `butler-testkit/fixtures/sky`; `generate.py` there tells how
//! they were made and what the files hold. A debug build compares a part of the
//! pixels; all of them with `BUTLER_TEST_SKY=full` or in a release build. Another
//! set of files is compared with `BUTLER_TEST_SKY_FIXTURES=directory`.

use std::path::PathBuf;

use butler_core::ErrorKind;
use butler_core::sky::{
    Circle, Combination, CompoundRegion, ConvexPolygon, Ellipse, LonLat, PixelSystem, Pixelization, RangeSet,
    Region, Relationship, SkyBox, UnitVector,
};
use proptest::prelude::*;

/// Bytes of a file, read record by record.
struct Records {
    name: &'static str,
    bytes: Vec<u8>,
    place: usize,
}

impl Records {
    fn open(name: &'static str) -> Self {
        Self { name, bytes: std::fs::read(fixture(name)).expect("the fixtures are checked in"), place: 0 }
    }

    fn is_at_end(&self) -> bool {
        self.place == self.bytes.len()
    }

    fn take(&mut self, len: usize) -> &[u8] {
        self.place += len;
        &self.bytes[self.place - len..self.place]
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let name = self.name;
        self.take(N).try_into().unwrap_or_else(|_| panic!("{name} ends within a record"))
    }

    fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    fn f64(&mut self) -> f64 {
        f64::from_le_bytes(self.array())
    }

    /// A point, exactly as written.
    fn point(&mut self) -> UnitVector {
        exact_point(self.f64(), self.f64(), self.f64())
    }
}

fn fixture(name: &str) -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../butler-testkit/fixtures/sky");
    PathBuf::from(std::env::var_os("BUTLER_TEST_SKY_FIXTURES").unwrap_or(default.into())).join(name)
}

/// A point whose components must not be normalised again: decoding leaves them alone.
fn exact_point(x: f64, y: f64, z: f64) -> UnitVector {
    let mut bytes = vec![b'c'];
    [x, y, z, 0.0, 0.0].iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    match Region::decode(&bytes).expect("a unit vector") {
        Region::Circle(circle) => circle.center(),
        other => panic!("{other:?} is no circle"),
    }
}

fn regions() -> Vec<Region> {
    let mut records = Records::open("regions.bin");
    let mut regions = Vec::new();
    while !records.is_at_end() {
        let len = records.u16();
        let bytes = records.take(len.into());
        let region = Region::decode(bytes).expect("regions are well-formed");
        assert_eq!(region.encode(), bytes, "{region:?}");
        regions.push(region);
    }
    assert!(regions.len() >= 10_000);
    regions
}

/// How many records of pixels to compare: one in so many.
fn step() -> usize {
    let is_full = std::env::var("BUTLER_TEST_SKY").is_ok_and(|value| value == "full");
    if is_full || !cfg!(debug_assertions) { 1 } else { 8 }
}

fn fnv(words: impl IntoIterator<Item = u64>) -> u64 {
    words.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x100_0000_01b3))
}

/// Number of ranges, and their hash.
fn digest(set: &RangeSet) -> (u32, u64) {
    let count = set.ranges().len().try_into().expect("few ranges");
    (count, fnv(set.ranges().iter().flat_map(|range| [range.start, range.end])))
}

/// Fails with the first few differences, if there are any.
fn assert_none(differences: Vec<String>, compared: usize) {
    assert!(compared > 0, "nothing was compared");
    let count = differences.len();
    assert!(count == 0, "{count} of {compared} differ:\n{}", differences[..count.min(5)].join("\n"));
}

#[test]
fn relations_are_those_of_the_reference() {
    let regions = regions();
    let mut records = Records::open("pairs.bin");
    let (mut differences, mut compared) = (Vec::new(), 0);
    while !records.is_at_end() {
        let (a, b) = (&regions[usize::from(records.u16())], &regions[usize::from(records.u16())]);
        for (a, b) in [(a, b), (b, a)] {
            let relationship = Relationship::from_bits(records.u8()).expect("three flags");
            let overlap = [Some(false), Some(true), None][usize::from(records.u8())];
            compared += 1;
            if (a.relate(b), a.overlaps(b)) != (relationship, overlap) {
                differences.push(format!(
                    "{a:?}\n{b:?}\n{:?} {:?} instead of {relationship:?} {overlap:?}",
                    a.relate(b),
                    a.overlaps(b)
                ));
            }
        }
    }
    assert_none(differences, compared);
}

#[test]
fn bounds_are_those_of_the_reference() {
    let is_close = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-14;
    let regions = regions();
    let mut records = Records::open("bounds.bin");
    let (mut differences, mut compared) = (Vec::new(), 0);
    while !records.is_at_end() {
        let region = &regions[usize::from(records.u16())];
        let expected: [f64; 8] = std::array::from_fn(|_| records.f64());
        let circle = region.bounding_circle();
        let (center, skybox) = (circle.center(), region.bounding_box());
        let ((west, east), (south, north)) = (skybox.lon_degrees(), skybox.lat_degrees());
        let degrees = [circle.opening_degrees(), west, east, south, north].map(f64::to_radians);
        let found: Vec<f64> = [center.x(), center.y(), center.z()].into_iter().chain(degrees).collect();
        compared += 1;
        if !found.iter().zip(&expected).all(|(found, expected)| is_close(*found, *expected)) {
            differences.push(format!("{region:?}\n{found:?} instead of\n{expected:?}"));
        }
    }
    assert_none(differences, compared);
}

#[test]
fn contained_points_are_those_of_the_reference() {
    let regions = regions();
    let mut records = Records::open("contains.bin");
    let (mut differences, mut compared) = (Vec::new(), 0);
    while !records.is_at_end() {
        let region = &regions[usize::from(records.u16())];
        let (point, expected) = (records.point(), records.u8() == 1);
        compared += 1;
        if region.contains(point) != expected {
            differences.push(format!("{region:?}\n{point:?}: {expected} expected"));
        }
    }
    assert_none(differences, compared);
}

/// Compares envelopes and interiors; gives the compared number and what differs.
fn covers(name: &'static str, system: PixelSystem) -> (Vec<String>, usize) {
    let regions = regions();
    let mut records = Records::open(name);
    let (mut differences, mut compared) = (Vec::new(), 0);
    for number in 0.. {
        if records.is_at_end() {
            break;
        }
        let (index, level) = (usize::from(records.u16()), records.u8());
        let expected = [0, 1].map(|_| (records.u32(), records.u64()));
        if number % step() != 0 {
            continue;
        }
        let pixelization = Pixelization::new(system, level).expect("a level");
        let region = &regions[index];
        let found = [pixelization.envelope(region), pixelization.interior(region)];
        compared += 1;
        if found.each_ref().map(digest) != expected {
            let found = found.each_ref().map(digest);
            differences.push(format!("{region:?}\n{pixelization}: {found:?} instead of {expected:?}"));
        }
    }
    (differences, compared)
}

#[test]
fn htm_envelopes_and_interiors_are_those_of_the_reference() {
    let (differences, compared) = covers("htm.bin", PixelSystem::Htm);
    assert_none(differences, compared);
}

#[test]
fn healpix_envelopes_and_interiors_are_those_of_the_reference() {
    let (differences, compared) = covers("healpix.bin", PixelSystem::Healpix);
    assert_none(differences, compared);
}

#[test]
fn points_have_the_indexes_of_the_reference() {
    let mut records = Records::open("points.bin");
    let (mut differences, mut compared) = (Vec::new(), 0);
    let level = |system, level| Pixelization::new(system, level).expect("a level");
    while !records.is_at_end() {
        let (point, deepest, healpix) = (records.point(), records.u64(), records.u64());
        compared += 1;
        for htm in 0..=24 {
            let index = level(PixelSystem::Htm, htm).index(point);
            if index != deepest >> (2 * (24 - htm)) {
                differences.push(format!("htm{htm} of {point:?} is {index}"));
            }
        }
        let indexes: Vec<_> = (0..=17).map(|number| level(PixelSystem::Healpix, number).index(point)).collect();
        if fnv(indexes.iter().copied()) != healpix {
            differences.push(format!("healpix0 to healpix17 of {point:?} are {indexes:?}"));
        }
    }
    assert_none(differences, compared);
}

#[test]
fn pixels_are_those_of_the_reference() {
    let mut records = Records::open("pixels.bin");
    let (mut differences, mut compared) = (Vec::new(), 0);
    while !records.is_at_end() {
        let system = [PixelSystem::Htm, PixelSystem::Healpix][usize::from(records.u8())];
        let pixelization = Pixelization::new(system, records.u8()).expect("a level");
        let (index, len) = (records.u64(), records.u16());
        let expected = Region::decode(records.take(len.into())).expect("a polygon");
        let found = Region::from(pixelization.pixel(index).expect("a pixel"));
        compared += 1;
        if found.encode() != expected.encode() {
            differences.push(format!("{index} of {pixelization}:\n{found:?} instead of\n{expected:?}"));
        }
    }
    assert_none(differences, compared);
}

#[test]
fn hulls_are_those_of_the_reference() {
    let mut records = Records::open("hulls.bin");
    let (mut differences, mut compared) = (Vec::new(), 0);
    while !records.is_at_end() {
        let points: Vec<_> = (0..records.u8()).map(|_| records.point()).collect();
        let expected: Vec<_> = (0..records.u8()).map(|_| points[usize::from(records.u8())]).collect();
        compared += 1;
        let found = match ConvexPolygon::convex_hull(&points) {
            Ok(hull) => hull.vertices().to_vec(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Argument);
                vec![]
            }
        };
        if found != expected {
            differences.push(format!("{points:?}:\n{found:?} instead of\n{expected:?}"));
        }
    }
    assert_none(differences, compared);
}

fn cases(name: &str) -> Vec<Vec<serde_json::Value>> {
    let text = std::fs::read_to_string(fixture(name)).expect("the fixtures are checked in");
    serde_json::from_str(&text).expect("well-formed JSON")
}

fn hex(region: &Region) -> serde_json::Value {
    serde_json::to_value(region).expect("a string")
}

#[test]
fn pos_strings_are_read_and_written_as_by_the_reference() {
    let (mut differences, mut compared) = (Vec::new(), 0);
    for case in cases("ivoa.json") {
        let [pos, expected, written] = &case[..] else { panic!("{case:?}") };
        let pos = pos.as_str().expect("a string");
        compared += 1;
        match Region::from_ivoa_pos(pos) {
            Ok(region) if hex(&region) == *expected => {
                let text = region.to_ivoa_pos().expect("circles, ranges and polygons can be written");
                if text != written.as_str().expect("a string") {
                    differences.push(format!("'{pos}' is written as '{text}' instead of {written}"));
                }
            }
            Err(error) if expected.is_null() => assert_eq!(error.kind(), ErrorKind::Argument),
            other => differences.push(format!("'{pos}' is {other:?} instead of {expected}")),
        }
    }
    assert_none(differences, compared);
}

#[test]
fn constructors_are_those_of_the_reference() {
    let (mut differences, mut compared) = (Vec::new(), 0);
    for case in cases("constructors.json") {
        let name = case[0].as_str().expect("a name");
        let arguments: Vec<String> = serde_json::from_value(case[1].clone()).expect("numbers as text");
        let arguments: Vec<f64> = arguments.iter().map(|text| text.parse().expect("a number")).collect();
        let found = construct(name, &arguments).map(|region| hex(&region)).unwrap_or_default();
        compared += 1;
        if found != case[2] {
            differences.push(format!("{name} {arguments:?} is {found} instead of {}", case[2]));
        }
    }
    assert_none(differences, compared);
}

fn construct(name: &str, arguments: &[f64]) -> butler_core::Result<Region> {
    Ok(match (name, arguments) {
        ("circle", &[x, y, z, opening]) => Circle::new(UnitVector::new(x, y, z)?, opening).into(),
        ("box_ranges", &[west, east, south, north]) => SkyBox::from_degrees((west, east), (south, north))?.into(),
        ("box_around", &[lon, lat, width, height]) => {
            SkyBox::around(LonLat::from_degrees(lon, lat)?, width, height).into()
        }
        ("ellipse_foci", &[x, y, z, u, v, w, alpha]) => {
            Ellipse::from_foci(UnitVector::new(x, y, z)?, UnitVector::new(u, v, w)?, alpha)?.into()
        }
        ("ellipse", &[x, y, z, alpha, beta, orientation]) => {
            Ellipse::new(UnitVector::new(x, y, z)?, alpha, beta, orientation)?.into()
        }
        _ => panic!("{name} {arguments:?}"),
    })
}
