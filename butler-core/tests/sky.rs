//! Sky geometry against answers of LSST `sphgeom`, and the laws that it keeps.
//!
//! The answers are in `butler-testkit/fixtures/sky`; `generate.py` there tells how
//! they were made and what the files hold. A debug build compares a part of the
//! pixels; all of them with `BUTLER_TEST_SKY=full` or in a release build. Another
//! set of files is compared with `BUTLER_TEST_SKY_FIXTURES=directory`. Answers depend
//! on the last digit of sines: the files are for the C library of GNU.

use std::path::PathBuf;

use butler_core::ErrorKind;
use butler_core::sky::{
    Circle, ConvexPolygon, Ellipse, LonLat, PixelSystem, Pixelization, RangeSet, Region, Relationship,
    SkyBox, UnitVector,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Bytes of a file, read record by record.
struct Records {
    bytes: Vec<u8>,
    place: usize,
}

impl Records {
    fn open(name: &str) -> Self {
        Self { bytes: std::fs::read(fixture(name)).expect("the fixtures are checked in"), place: 0 }
    }

    fn is_at_end(&self) -> bool {
        self.place == self.bytes.len()
    }

    fn take(&mut self, len: usize) -> &[u8] {
        self.place += len;
        &self.bytes[self.place - len..self.place]
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().expect("taken as many")
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
    Region::decode(&bytes).expect("a unit vector").bounding_circle().center()
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
fn covers(name: &str, system: PixelSystem) -> (Vec<String>, usize) {
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
        let indexes: Vec<_> =
            (0..=17).map(|number| level(PixelSystem::Healpix, number).index(point)).collect();
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
        let (pos, expected, written) = (case[0].as_str().expect("a string"), &case[1], &case[2]);
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
        ("box_ranges", &[west, east, south, north]) => {
            SkyBox::from_degrees((west, east), (south, north))?.into()
        }
        ("box_around", &[lon, lat, width, height]) => {
            SkyBox::around(LonLat::from_degrees(lon, lat)?, width, height).into()
        }
        ("ellipse_foci", &[x, y, z, u, v, w, alpha]) => {
            Ellipse::from_foci(UnitVector::new(x, y, z)?, UnitVector::new(u, v, w)?, alpha)?.into()
        }
        ("ellipse", &[x, y, z, alpha, beta, orientation]) => {
            Ellipse::new(UnitVector::new(x, y, z)?, alpha, beta, orientation)?.into()
        }
        _ => unreachable!("{name} {arguments:?}"),
    })
}

/// Points without special values.
fn points() -> impl Strategy<Value = UnitVector> + Clone {
    let component = -1.0..1.0_f64;
    (component.clone(), component.clone(), component)
        .prop_filter("near the origin", |(x, y, z)| x * x + y * y + z * z > 1e-3)
        .prop_map(|(x, y, z)| UnitVector::new(x, y, z).expect("not zero"))
}

/// Angles from a few arcseconds to 40 degrees, in degrees.
fn sizes() -> impl Strategy<Value = f64> {
    (-3.0..1.6_f64).prop_map(|exponent| 10.0_f64.powf(exponent))
}

/// Point at a distance in degrees from another one, towards a third; the same if these are one.
fn towards(from: UnitVector, other: UnitVector, distance: f64) -> UnitVector {
    let dot = from.x() * other.x() + from.y() * other.y() + from.z() * other.z();
    let aside = |f: f64, o: f64| o - dot * f;
    let (x, y, z) = (aside(from.x(), other.x()), aside(from.y(), other.y()), aside(from.z(), other.z()));
    let Ok(aside) = UnitVector::new(x, y, z) else { return from };
    let (sin, cos) = distance.to_radians().sin_cos();
    let mix = |f: f64, a: f64| f * cos + a * sin;
    UnitVector::new(mix(from.x(), aside.x()), mix(from.y(), aside.y()), mix(from.z(), aside.z()))
        .expect("not zero")
}

/// Points within two sizes of another one.
fn points_near(center: UnitVector, size: f64) -> impl Strategy<Value = UnitVector> + Clone {
    (points(), 0.0..2.0_f64).prop_map(move |(other, share)| towards(center, other, share * size))
}

/// Regions of one kind, of about a size, near a point.
fn simple_regions_near(center: UnitVector, size: f64) -> impl Strategy<Value = Region> + Clone {
    let places = move || (points_near(center, size), (0.3..2.0_f64).prop_map(move |share| share * size));
    let circles = places().prop_map(|(center, size)| Circle::new(center, size).into());
    let boxes = (places(), 0.3..3.0_f64)
        .prop_map(|((center, size), ratio)| SkyBox::around(center.into(), size * ratio, size).into());
    let polygons = prop::collection::vec(points_near(center, size), 3..7)
        .prop_filter_map("not a polygon", |corners| {
            ConvexPolygon::convex_hull(&corners).ok().map(Region::from)
        });
    let ellipses = (places(), 0.1..1.0, 0.0..360.0).prop_filter_map(
        "not an ellipse",
        |((center, size), ratio, angle): (_, f64, f64)| {
            Ellipse::new(center, size, ratio * size, angle).ok().map(Region::from)
        },
    );
    prop_oneof![circles, boxes, polygons, ellipses]
}

fn regions_near(center: UnitVector, size: f64) -> impl Strategy<Value = Region> + Clone {
    simple_regions_near(center, size).prop_recursive(2, 8, 3, |inner| {
        let operands = prop::collection::vec(inner, 0..3);
        (operands, any::<bool>()).prop_map(|(operands, union)| {
            if union { Region::union(operands) } else { Region::intersection(operands) }
        })
    })
}

/// Any region, one that is no compound, and a point, all near each other.
fn scenes() -> impl Strategy<Value = (Region, Region, UnitVector)> {
    (points(), sizes()).prop_flat_map(|(center, size)| {
        (regions_near(center, size), simple_regions_near(center, size), points_near(center, size))
    })
}

/// Levels whose pixels are not too many.
fn pixelizations() -> impl Strategy<Value = Pixelization> {
    let level = |system, level| Pixelization::new(system, level).expect("a level");
    prop_oneof![
        (0..6_u8).prop_map(move |number| level(PixelSystem::Htm, number)),
        (0..4_u8).prop_map(move |number| level(PixelSystem::Healpix, number)),
    ]
}

fn same_cases_every_time() -> ProptestConfig {
    ProptestConfig {
        cases: 256,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(same_cases_every_time())]

    #[test]
    fn decoding_undoes_encoding((region, _, _) in scenes()) {
        let bytes = region.encode();
        let decoded = Region::decode(&bytes).expect("own bytes");
        prop_assert_eq!(&decoded, &region);
        prop_assert_eq!(decoded.encode(), bytes);
    }

    #[test]
    fn whatever_can_be_decoded_can_be_used(
        (region, other, point) in scenes(), pixels in pixelizations(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = region.encode();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(region) = Region::decode(&bytes) {
            prop_assert_eq!(Region::decode(&region.encode()).expect("own bytes").encode(), region.encode());
            let circle = Region::from(region.bounding_circle());
            for (a, b) in [(&region, &other), (&other, &region), (&region, &circle), (&region, &region)] {
                prop_assert!(a.overlaps(b) != Some(false) || a.relate(b) != Relationship::CONTAINS);
            }
            let covers = [pixels.envelope(&region), pixels.interior(&region)];
            prop_assert!(covers.iter().all(|cover| RangeSet::from(pixels.universe()).is_superset(cover)));
            // What these say of nonsense does not matter.
            let _ = (region.is_empty(), region.contains(point), region.bounding_box(), region.to_ivoa_pos());
        }
    }

    #[test]
    fn relations_are_symmetric((a, b, _) in scenes()) {
        prop_assert_eq!(a.relate(&b), b.relate(&a).inverted());
        prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
    }

    #[test]
    fn relations_are_true_of_points((a, b, point) in scenes()) {
        let relationship = a.relate(&b);
        let (in_a, in_b) = (a.contains(point), b.contains(point));
        if relationship.contains(Relationship::DISJOINT) || a.overlaps(&b) == Some(false) {
            prop_assert!(!(in_a && in_b));
        }
        if relationship.contains(Relationship::CONTAINS) {
            prop_assert!(in_a || !in_b);
        }
        if relationship.contains(Relationship::WITHIN) {
            prop_assert!(in_b || !in_a);
        }
    }

    #[test]
    fn bounds_hold_the_region((region, _, point) in scenes()) {
        if region.contains(point) {
            prop_assert!(region.bounding_circle().contains(point));
            prop_assert!(region.bounding_box().contains(point));
        }
    }

    #[test]
    fn envelopes_hold_what_touches_and_interiors_what_is_within(
        (region, _, point) in scenes(), pixels in pixelizations(),
    ) {
        let (envelope, interior) = (pixels.envelope(&region), pixels.interior(&region));
        prop_assert!(RangeSet::from(pixels.universe()).is_superset(&envelope));
        prop_assert!(envelope.is_superset(&interior));
        let index = pixels.index(point);
        if region.contains(point) {
            prop_assert!(envelope.contains(index));
        } else if pixels.system() == PixelSystem::Htm {
            // A HEALPix pixel is judged by its corners.
            prop_assert!(!interior.contains(index));
        }
    }

    #[test]
    fn points_are_in_their_pixels(point in points(), level in 0..=12_u8, healpix_level in 0..=17_u8) {
        let htm = Pixelization::new(PixelSystem::Htm, level).expect("a level");
        let index = htm.index(point);
        prop_assert!(htm.universe().contains(&index));
        prop_assert!(htm.pixel(index).expect("a pixel").contains(point));
        let healpix = Pixelization::new(PixelSystem::Healpix, healpix_level).expect("a level");
        let index = healpix.index(point);
        prop_assert!(healpix.universe().contains(&index));
        let center = healpix.pixel(index).expect("a pixel").bounding_circle().center();
        prop_assert_eq!(healpix.index(center), index);
    }

    #[test]
    fn pos_strings_keep_the_region((_, region, _) in scenes()) {
        if let Some(pos) = region.to_ivoa_pos() {
            let read = Region::from_ivoa_pos(&pos).expect("own string");
            let (circle, expected) = (read.bounding_circle(), region.bounding_circle());
            prop_assert!((circle.opening_degrees() - expected.opening_degrees()).abs() < 1e-5, "{pos}");
            prop_assert!(Circle::new(expected.center(), 1e-5).contains(circle.center()), "{pos}");
        }
    }
}

#[test]
fn regions_can_be_shared_between_threads() {
    fn is_shared<T: Clone + Send + Sync + 'static>() {}
    is_shared::<Region>();
    is_shared::<RangeSet>();
    is_shared::<Pixelization>();
}
