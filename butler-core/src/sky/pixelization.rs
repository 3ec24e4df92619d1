//! Divisions of the sphere into hierarchical, numbered pixels.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::compound::Combination;
use super::polygon::ConvexPolygon;
use super::range_set::RangeSet;
use super::region::Region;
use super::vector::UnitVector;
use super::{healpix, htm};
use crate::{Error, ErrorKind, Result};

/// Family of pixelisations that refine each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PixelSystem {
    /// HEALPix in the nested scheme (Górski et al. 2005); nside is 2 to the power of the level.
    Healpix,
    /// Hierarchical Triangular Mesh; eight triangles at level 0.
    Htm,
}

impl PixelSystem {
    /// Name that the level is appended to.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healpix => "healpix",
            Self::Htm => "htm",
        }
    }

    /// Finest level.
    #[must_use]
    pub const fn max_level(self) -> u8 {
        match self {
            Self::Healpix => 17,
            Self::Htm => 24,
        }
    }
}

/// One level of a system of pixels, such as `htm7` or `healpix9`.
///
/// ```
/// use butler_core::sky::{LonLat, Pixelization};
///
/// let htm7: Pixelization = "htm7".parse()?;
/// let point = LonLat::from_degrees(10.0, 20.0)?.into();
/// let index = htm7.index(point);
/// assert!(htm7.universe().contains(&index));
/// assert!(htm7.pixel(index)?.contains(point));
/// # Ok::<(), butler_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pixelization {
    system: PixelSystem,
    level: u8,
}

/// Which pixels of a region are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cover {
    /// All that touch it.
    Envelope,
    /// Those within it.
    Interior,
}

impl Pixelization {
    /// Level of a system.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] for a level beyond the system's finest.
    pub fn new(system: PixelSystem, level: u8) -> Result<Self> {
        if level > system.max_level() {
            let (name, max) = (system.name(), system.max_level());
            return Err(Error::new(ErrorKind::Argument, format!("{name} has no level {level}"))
                .with_hint(format!("levels are 0 to {max}")));
        }
        Ok(Self { system, level })
    }

    /// System of pixels.
    #[must_use]
    pub fn system(self) -> PixelSystem {
        self.system
    }

    /// Level within the system.
    #[must_use]
    pub fn level(self) -> u8 {
        self.level
    }

    /// All indexes.
    #[must_use]
    pub fn universe(self) -> Range<u64> {
        match self.system {
            PixelSystem::Healpix => 0..12 << (2 * self.level),
            PixelSystem::Htm => 8 << (2 * self.level)..16 << (2 * self.level),
        }
    }

    /// Index of the pixel that a point belongs to; a point on a boundary belongs to one of them.
    #[must_use]
    pub fn index(self, point: UnitVector) -> u64 {
        match self.system {
            PixelSystem::Healpix => healpix::index(self.level, point),
            PixelSystem::Htm => htm::index(self.level, point),
        }
    }

    /// Polygon of a pixel.
    ///
    /// Trixels are triangles. A HEALPix pixel has curved edges: its polygon is the
    /// convex hull of four points on each of them, which is a little smaller where
    /// an edge bulges and larger where it is hollow.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] for an index outside the [universe](Self::universe).
    pub fn pixel(self, index: u64) -> Result<ConvexPolygon> {
        if !self.universe().contains(&index) {
            let Range { start, end } = self.universe();
            return Err(Error::new(ErrorKind::Argument, format!("{self} has no pixel {index}"))
                .with_hint(format!("indexes are {start} to {}", end - 1)));
        }
        match self.system {
            PixelSystem::Healpix => ConvexPolygon::convex_hull(&healpix::boundary(self.level, index)),
            PixelSystem::Htm => ConvexPolygon::from_vertices(htm::trixel(self.level, index)),
        }
    }

    /// Pixels that touch a region, possibly a few more, never fewer.
    #[must_use]
    pub fn envelope(self, region: &Region) -> RangeSet {
        self.cover(region, Cover::Envelope)
    }

    /// Pixels within a region, possibly a few less.
    ///
    /// A HEALPix pixel counts if its four corners are in the region, which may yet
    /// cut a little off between them.
    #[must_use]
    pub fn interior(self, region: &Region) -> RangeSet {
        self.cover(region, Cover::Interior)
    }

    fn cover(self, region: &Region, cover: Cover) -> RangeSet {
        let Region::Compound(compound) = region else {
            return match self.system {
                PixelSystem::Healpix => healpix::cover(self.level, region, cover),
                PixelSystem::Htm => htm::cover(self.level, region, cover),
            };
        };
        let covers = compound.operands().iter().map(|operand| self.cover(operand, cover));
        match compound.combination() {
            Combination::Union => covers.fold(RangeSet::new(), |all, one| all.union(&one)),
            Combination::Intersection => {
                covers.fold(self.universe().into(), |all, one| all.intersection(&one))
            }
        }
    }
}

impl fmt::Display for Pixelization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.system.name(), self.level)
    }
}

impl FromStr for Pixelization {
    type Err = Error;

    /// Parses the name of a system followed by a level without leading zeros.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`] for anything else.
    fn from_str(name: &str) -> Result<Self> {
        let unknown = || {
            Error::new(ErrorKind::Argument, format!("'{name}' is not a pixelisation of the sky"))
                .with_hint("there are htm0 to htm24 and healpix0 to healpix17")
        };
        [PixelSystem::Healpix, PixelSystem::Htm]
            .into_iter()
            .find_map(|system| Some((system, name.strip_prefix(system.name())?.parse().ok()?)))
            .and_then(|(system, level)| Self::new(system, level).ok())
            .filter(|pixelization| pixelization.to_string() == name)
            .ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for name in ["htm0", "htm7", "htm24", "healpix0", "healpix9", "healpix17"] {
            assert_eq!(name.parse::<Pixelization>().expect(name).to_string(), name);
        }
        for name in ["htm", "htm25", "htm07", "htm+7", "htm 7", "healpix18", "q3c5", "", "HTM7", "htm256"] {
            assert_eq!(name.parse::<Pixelization>().expect_err(name).kind(), ErrorKind::Argument);
        }
    }

    #[test]
    fn pixels_outside_the_universe_are_refused() {
        let htm7: Pixelization = "htm7".parse().expect("a name");
        assert_eq!(htm7.universe(), 131_072..262_144);
        for index in [0, 8, 131_071, 262_144, u64::MAX] {
            assert_eq!(htm7.pixel(index).expect_err("no pixel").kind(), ErrorKind::Argument);
        }
        assert!(htm7.pixel(262_143).is_ok());
    }
}
