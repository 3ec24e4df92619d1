//! Bytes of regions, as LSST `sphgeom` writes them.
//!
//! Everything is little-endian. The first byte says the kind:
//!
//! | kind | bytes | content after the first byte |
//! |---|---|---|
//! | `c` circle | 41 | centre x, y, z; squared chord length; opening angle in radians |
//! | `b` box | 33 | west, east, south, north in radians |
//! | `p` polygon | 1 + 24 n | x, y, z of n ≥ 3 vertices |
//! | `e` ellipse | 113 | 3 × 3 rotation by rows; α - π/2; β - π/2; γ; \|cot α\|; \|cot β\| |
//! | `u` union, `i` intersection | any | for each operand, its length as `u64` and its bytes |

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::circle::Circle;
use super::compound::{Combination, CompoundRegion};
use super::ellipse::{Ellipse, EllipseParts};
use super::interval::{LatInterval, LonInterval};
use super::polygon::ConvexPolygon;
use super::region::Region;
use super::skybox::SkyBox;
use super::vector::{UnitVector, Vector};
use crate::{Error, ErrorKind, Result};

/// How deeply unions and intersections may be nested in bytes.
const MAX_DEPTH: usize = 64;

const CIRCLE_LEN: usize = 41;
const BOX_LEN: usize = 33;
const ELLIPSE_LEN: usize = 113;
const VERTEX_LEN: usize = 24;

impl Region {
    /// Bytes of the region in the format of LSST `sphgeom`.
    ///
    /// [`Region::decode`] gives back an equal region, bit for bit.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_len());
        self.encode_into(&mut bytes);
        bytes
    }

    fn encoded_len(&self) -> usize {
        match self {
            Self::Circle(_) => CIRCLE_LEN,
            Self::Box(_) => BOX_LEN,
            Self::Polygon(polygon) => 1 + VERTEX_LEN * polygon.vertices().len(),
            Self::Ellipse(_) => ELLIPSE_LEN,
            Self::Compound(compound) => {
                1 + compound.operands().iter().map(|operand| 8 + operand.encoded_len()).sum::<usize>()
            }
        }
    }

    fn encode_into(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Circle(circle) => {
                bytes.push(b'c');
                put_vector(bytes, circle.center().vector());
                put(bytes, &[circle.squared_chord(), circle.opening()]);
            }
            Self::Box(skybox) => {
                bytes.push(b'b');
                put(bytes, &[skybox.lon().a, skybox.lon().b, skybox.lat().a, skybox.lat().b]);
            }
            Self::Polygon(polygon) => {
                bytes.push(b'p');
                for vertex in polygon.vertices() {
                    put_vector(bytes, vertex.vector());
                }
            }
            Self::Ellipse(ellipse) => {
                bytes.push(b'e');
                let EllipseParts { axes, a, b, gamma, tan_a, tan_b } = ellipse.parts;
                axes.into_iter().for_each(|axis| put_vector(bytes, axis));
                put(bytes, &[a, b, gamma, tan_a, tan_b]);
            }
            Self::Compound(compound) => {
                bytes.push(match compound.combination() {
                    Combination::Union => b'u',
                    Combination::Intersection => b'i',
                });
                for operand in compound.operands() {
                    bytes.extend_from_slice(&(operand.encoded_len() as u64).to_le_bytes());
                    operand.encode_into(bytes);
                }
            }
        }
    }

    /// Region from its bytes in the format of LSST `sphgeom`.
    ///
    /// Vertices are taken as they are: neither convexity nor order is verified.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] for bytes of another form, for vectors that are not of unit length, for
    /// numbers that cannot be, and for compounds nested more than 64 deep.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        decode_nested(bytes, MAX_DEPTH)
    }

    /// Bytes of the region as lower-case hexadecimal text.
    #[must_use]
    pub fn to_hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
        self.encode().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }

    /// Region from its bytes as hexadecimal text of either case.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] for other text, and as for [`Region::decode`].
    pub fn from_hex(text: &str) -> Result<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let value = |digit: u8| char::from(digit).to_digit(16);
        let byte = |[high, low]: &[u8; 2]| u8::try_from(value(*high)? * 16 + value(*low)?).ok();
        match pairs.iter().map(byte).collect::<Option<Vec<u8>>>() {
            Some(bytes) if rest.is_empty() => Self::decode(&bytes),
            _ => Err(corrupt("a region is not hexadecimal text")),
        }
    }
}

fn put(bytes: &mut Vec<u8>, numbers: &[f64]) {
    for number in numbers {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
}

fn put_vector(bytes: &mut Vec<u8>, vector: Vector) {
    put(bytes, &[vector.x, vector.y, vector.z]);
}

fn corrupt(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, message).with_operation("decode region")
}

fn decode_nested(bytes: &[u8], depth: usize) -> Result<Region> {
    let Some((&kind, body)) = bytes.split_first() else {
        return Err(corrupt("a region has no bytes"));
    };
    match kind {
        b'c' => decode_circle(body).map(Region::from),
        b'b' => decode_box(body).map(Region::from),
        b'p' => decode_polygon(body).map(Region::from),
        b'e' => decode_ellipse(body).map(Region::from),
        b'u' => decode_compound(Combination::Union, body, depth).map(Region::from),
        b'i' => decode_compound(Combination::Intersection, body, depth).map(Region::from),
        _ => Err(corrupt(format!("a region starts with byte {kind:#04x}"))
            .with_hint("known kinds are b, c, e, i, p and u")),
    }
}

/// Numbers of a region of fixed size.
fn numbers<const N: usize>(what: &str, body: &[u8]) -> Result<[f64; N]> {
    let (chunks, rest) = body.as_chunks::<8>();
    match <[[u8; 8]; N]>::try_from(chunks) {
        Ok(chunks) if rest.is_empty() => Ok(chunks.map(f64::from_le_bytes)),
        _ => Err(corrupt(format!("{what} has {} bytes instead of {}", body.len() + 1, 8 * N + 1))),
    }
}

fn unit_vector(what: &str, x: f64, y: f64, z: f64) -> Result<UnitVector> {
    UnitVector::from_stored(Vector::new(x, y, z))
        .ok_or_else(|| corrupt(format!("{what} ({x}, {y}, {z}) is not a unit vector")))
}

fn decode_circle(body: &[u8]) -> Result<Circle> {
    let [x, y, z, squared_chord, opening] = numbers("a circle", body)?;
    // The reference makes an empty circle of an opening angle that is not a number.
    if opening.is_nan() != squared_chord.is_nan() {
        return Err(corrupt("the size of a circle is not a number"));
    }
    Ok(Circle::from_stored(unit_vector("the centre of a circle", x, y, z)?, squared_chord, opening))
}

fn decode_box(body: &[u8]) -> Result<SkyBox> {
    let [west, east, south, north] = numbers("a box", body)?;
    let lon = LonInterval::between(west, east)
        .ok_or_else(|| corrupt(format!("longitudes {west} to {east} of a box are not in [0, 2π]")))?;
    Ok(SkyBox::from_intervals(lon, LatInterval { a: south, b: north }))
}

fn decode_polygon(body: &[u8]) -> Result<ConvexPolygon> {
    let (vertices, rest) = body.as_chunks::<VERTEX_LEN>();
    if !rest.is_empty() || vertices.len() < 3 {
        return Err(corrupt(format!(
            "a polygon has {} bytes instead of 1 + 24 n with n ≥ 3",
            body.len() + 1
        )));
    }
    let vertices = vertices.iter().map(|vertex| {
        let [x, y, z] = numbers("a vertex", vertex)?;
        unit_vector("a vertex of a polygon", x, y, z)
    });
    ConvexPolygon::from_vertices(vertices.collect::<Result<Vec<_>>>()?)
}

fn decode_ellipse(body: &[u8]) -> Result<Ellipse> {
    let [xx, xy, xz, yx, yy, yz, zx, zy, zz, a, b, gamma, tan_a, tan_b] = numbers("an ellipse", body)?;
    let axes = [
        unit_vector("the first axis of an ellipse", xx, xy, xz)?.vector(),
        unit_vector("the second axis of an ellipse", yx, yy, yz)?.vector(),
        unit_vector("the centre of an ellipse", zx, zy, zz)?.vector(),
    ];
    if [a, b, gamma, tan_a, tan_b].iter().any(|number| number.is_nan()) {
        return Err(corrupt("a parameter of an ellipse is not a number"));
    }
    Ok(Ellipse { parts: EllipseParts { axes, a, b, gamma, tan_a, tan_b } })
}

fn decode_compound(combination: Combination, mut body: &[u8], depth: usize) -> Result<CompoundRegion> {
    if depth == 0 {
        return Err(corrupt(format!("unions and intersections are nested more than {MAX_DEPTH} deep")));
    }
    let mut operands = Vec::new();
    while !body.is_empty() {
        let (len, rest) = body
            .split_first_chunk()
            .ok_or_else(|| corrupt("a compound region ends within the length of an operand"))?;
        let len = u64::from_le_bytes(*len);
        let operand = usize::try_from(len).ok().and_then(|len| rest.split_at_checked(len));
        let Some((operand, rest)) = operand else {
            let left = rest.len();
            return Err(corrupt(format!("an operand of a compound region has {len} bytes, {left} are left")));
        };
        operands.push(decode_nested(operand, depth - 1)?);
        body = rest;
    }
    Ok(CompoundRegion::new(combination, operands))
}

/// Lower-case hexadecimal of the bytes in formats for people, the bytes in others.
impl Serialize for Region {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.to_hex())
        } else {
            serializer.serialize_bytes(&self.encode())
        }
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(RegionVisitor)
        } else {
            deserializer.deserialize_bytes(RegionVisitor)
        }
    }
}

struct RegionVisitor;

impl<'de> Visitor<'de> for RegionVisitor {
    type Value = Region;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an encoded region, as hexadecimal text or bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Region, E> {
        Region::from_hex(text).map_err(E::custom)
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Region, E> {
        Region::decode(bytes).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Region, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = items.next_element()? {
            bytes.push(byte);
        }
        self.visit_bytes(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn kind_of_failure(bytes: &[u8]) -> ErrorKind {
        Region::decode(bytes).expect_err("these bytes are no region").kind()
    }

    #[test]
    fn hostile_bytes_are_corrupt() {
        let circle = Region::from(Circle::new(UnitVector::X, 1.0)).encode();
        let polygon = Region::from(
            ConvexPolygon::convex_hull(&[UnitVector::X, UnitVector::Y, UnitVector::Z]).expect("octant"),
        )
        .encode();
        assert_eq!(kind_of_failure(b""), ErrorKind::Corrupt);
        assert_eq!(kind_of_failure(b"x"), ErrorKind::Corrupt);
        assert_eq!(kind_of_failure(&circle[..40]), ErrorKind::Corrupt);
        assert_eq!(kind_of_failure(&[&circle[..], &[0]].concat()), ErrorKind::Corrupt);
        assert_eq!(kind_of_failure(&polygon[..49]), ErrorKind::Corrupt);
        assert_eq!(kind_of_failure(&polygon[..72]), ErrorKind::Corrupt);
        for kind in [&b"u"[..], b"i"] {
            for len in [1, 42, u64::MAX, u64::MAX - 7, 1 << 63] {
                let bytes = [kind, &len.to_le_bytes(), &circle].concat();
                assert_eq!(kind_of_failure(&bytes), ErrorKind::Corrupt, "length {len}");
            }
            assert_eq!(kind_of_failure(&[kind, &[0; 7]].concat()), ErrorKind::Corrupt);
            assert_eq!(kind_of_failure(&[kind, &[0; 8]].concat()), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_corrupt() {
        let regions = [
            (Region::from(Circle::new(UnitVector::X, 1.0)), 5),
            (
                ConvexPolygon::convex_hull(&[UnitVector::X, UnitVector::Y, UnitVector::Z])
                    .expect("octant")
                    .into(),
                9,
            ),
            (Ellipse::new(UnitVector::X, 2.0, 1.0, 30.0).expect("ellipse").into(), 14),
        ];
        for (region, numbers) in regions {
            for index in 0..numbers {
                let mut bytes = region.encode();
                bytes[1 + 8 * index..9 + 8 * index].copy_from_slice(&f64::NAN.to_le_bytes());
                assert_eq!(kind_of_failure(&bytes), ErrorKind::Corrupt, "{region:?}, number {index}");
            }
        }
    }

    #[test]
    fn nesting_is_limited() {
        let nested = |depth: usize| {
            (0..depth).fold(b"u".to_vec(), |inner, level| {
                let kind = if level % 2 == 0 { b"i" } else { b"u" };
                [&kind[..], &(inner.len() as u64).to_le_bytes(), &inner].concat()
            })
        };
        let bytes = nested(63);
        assert_eq!(Region::decode(&bytes).expect("deep but allowed").encode(), bytes);
        assert_eq!(kind_of_failure(&nested(64)), ErrorKind::Corrupt);
        assert_eq!(kind_of_failure(&nested(20_000)), ErrorKind::Corrupt);
    }

    #[test]
    fn empty_regions_keep_their_bytes() {
        for region in [
            Region::from(SkyBox::EMPTY),
            SkyBox::FULL.into(),
            Circle::EMPTY.into(),
            Circle::FULL.into(),
            Ellipse::EMPTY.into(),
            Ellipse::FULL.into(),
            Region::union([]),
            Region::intersection([]),
        ] {
            let bytes = region.encode();
            let decoded = Region::decode(&bytes).expect("own bytes");
            assert_eq!(decoded, region);
            assert_eq!(decoded.encode(), bytes);
        }
    }

    #[test]
    fn people_read_hexadecimal_and_programs_bytes() {
        let region = Region::union([Circle::EMPTY.into(), SkyBox::FULL.into()]);
        let json = serde_json::to_string(&region).expect("regions are serialisable");
        assert_eq!(json, format!("\"{}\"", region.to_hex()));
        assert_eq!(serde_json::from_str::<Region>(&json).expect("own text"), region);
        assert_eq!(serde_json::from_str::<Region>(&json.to_uppercase()).expect("upper case"), region);
        for wrong in ["\"7\"", "\"7g\"", "\"\"", "\"é\"", "3", "[98]"] {
            assert!(serde_json::from_str::<Region>(wrong).is_err(), "{wrong}");
        }
        let deserializer = de::value::BytesDeserializer::<de::value::Error>::new(b"u");
        assert_eq!(deserializer.deserialize_bytes(RegionVisitor).expect("bytes"), Region::union([]));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn decode_never_panics(kind in prop::sample::select(b"bceipux".to_vec()), body: Vec<u8>) {
            if let Ok(region) = Region::decode(&[&[kind], &body[..]].concat()) {
                prop_assert_eq!(Region::decode(&region.encode()).expect("own bytes"), region);
            }
        }
    }
}
