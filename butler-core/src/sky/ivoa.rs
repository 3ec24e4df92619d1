//! Regions in the `POS` syntax of the IVOA Simple Image Access protocol, version 2.0.

use super::angle::{DEGREES_PER_RADIAN, LonLat};
use super::circle::Circle;
use super::polygon::ConvexPolygon;
use super::region::Region;
use super::skybox::SkyBox;
use super::vector::UnitVector;
use crate::{Error, ErrorKind, Result};

impl Region {
    /// Region of a `POS` string; all numbers are degrees.
    ///
    /// | form | region |
    /// |---|---|
    /// | `CIRCLE lon lat radius` | [`Circle`] |
    /// | `RANGE west east south north` | [`SkyBox`]; bounds may be `-Inf` and `+Inf` |
    /// | `POLYGON lon lat lon lat lon lat …` | [`ConvexPolygon`], the convex hull of the points |
    ///
    /// Accepted is what LSST `sphgeom` accepts, except not-a-number and centres
    /// and vertices at infinity.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] for another shape, a wrong count of numbers, what is not a number, a
    /// latitude beyond a pole, and points without a convex hull.
    pub fn from_ivoa_pos(pos: &str) -> Result<Self> {
        let explain = |error: Error| error.with_context("POS", pos);
        let is_space = |c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c);
        let mut words = pos.split(is_space).filter(|word| !word.is_empty());
        let shape = words.next().ok_or_else(|| invalid("a POS string is empty").with_hint(SHAPES))?;
        let numbers = words.map(number).collect::<Result<Vec<f64>>>().map_err(explain)?;
        match (shape, &numbers[..]) {
            ("CIRCLE", &[lon, lat, radius]) => circle(lon, lat, radius),
            ("RANGE", &[west, east, south, north]) => range(west, east, south, north),
            ("POLYGON", numbers) if numbers.len() >= 6 && numbers.len().is_multiple_of(2) => polygon(numbers),
            ("CIRCLE", _) => Err(wrong_count(shape, "3 numbers", numbers.len())),
            ("RANGE", _) => Err(wrong_count(shape, "4 numbers", numbers.len())),
            ("POLYGON", _) => Err(wrong_count(shape, "at least 3 pairs of numbers", numbers.len())),
            _ => Err(invalid(format!("'{shape}' is not a shape of a POS string")).with_hint(SHAPES)),
        }
        .map_err(explain)
    }

    /// The region as a `POS` string, in degrees; nothing for ellipses and compounds.
    #[must_use]
    pub fn to_ivoa_pos(&self) -> Option<String> {
        let pair = |point: UnitVector| {
            let point = LonLat::from(point);
            format!("{} {}", float(point.lon_degrees()), float(point.lat_degrees()))
        };
        match self {
            Self::Circle(circle) => Some(format!(
                "CIRCLE {} {}",
                pair(circle.center()),
                float(circle.opening() * DEGREES_PER_RADIAN)
            )),
            Self::Box(skybox) => {
                let ((west, east), (south, north)) = (skybox.lon_degrees(), skybox.lat_degrees());
                let [west, east, south, north] = [west, east, south, north].map(float);
                Some(format!("RANGE {west} {east} {south} {north}"))
            }
            Self::Polygon(polygon) => {
                let pairs: Vec<_> = polygon.vertices().iter().map(|vertex| pair(*vertex)).collect();
                Some(format!("POLYGON {}", pairs.join(" ")))
            }
            Self::Ellipse(_) | Self::Compound(_) => None,
        }
    }
}

const SHAPES: &str = "write 'CIRCLE lon lat radius', 'RANGE west east south north' or \
                      'POLYGON lon lat lon lat lon lat …' in degrees";

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Argument, message)
}

fn wrong_count(shape: &str, wanted: &str, found: usize) -> Error {
    invalid(format!("{shape} needs {wanted}, {found} were given")).with_hint(SHAPES)
}

/// Number in the syntax of Python's `float`: digits may be grouped with single underscores.
fn number(word: &str) -> Result<f64> {
    let bytes = word.as_bytes();
    let is_digit = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_digit);
    let grouped =
        word.match_indices('_').all(|(index, _)| index > 0 && is_digit(index - 1) && is_digit(index + 1));
    let value = if grouped { word.replace('_', "").parse().ok() } else { None };
    value.filter(|value: &f64| !value.is_nan()).ok_or_else(|| invalid(format!("'{word}' is not a number")))
}

fn circle(lon: f64, lat: f64, radius: f64) -> Result<Region> {
    Ok(Circle::new(LonLat::from_degrees(lon, lat)?.into(), radius).into())
}

fn range(west: f64, east: f64, south: f64, north: f64) -> Result<Region> {
    let limited =
        |value: f64, low: f64, high: f64| if value.is_infinite() { value.clamp(low, high) } else { value };
    let corner = |lon, lat| LonLat::from_degrees(limited(lon, 0.0, 360.0), limited(lat, -90.0, 90.0));
    Ok(SkyBox::from_corners(corner(west, south)?, corner(east, north)?).into())
}

fn polygon(numbers: &[f64]) -> Result<Region> {
    let points =
        numbers.chunks_exact(2).map(|pair| LonLat::from_degrees(pair[0], pair[1]).map(UnitVector::from));
    Ok(ConvexPolygon::convex_hull(&points.collect::<Result<Vec<_>>>()?)?.into())
}

/// Shortest decimal text that reads back as the same number, in the form that Python gives it.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    let text = format!("{value:?}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) =
                exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}
