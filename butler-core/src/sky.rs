//! Regions of the sky, how they lie to each other, and their pixels.
//!
//! A [`Region`] is a circle, a box in longitude and latitude, a convex polygon, an
//! ellipse, or a union or intersection of regions; its boundary belongs to it. A
//! [`Pixelization`] is one level of HTM or HEALPix: it gives points an index, and
//! regions the pixels that touch them. Angles are in degrees wherever a caller
//! meets them.
//!
//! ```
//! use butler_core::sky::{Circle, LonLat, Pixelization, Region};
//!
//! let detector = Region::from_ivoa_pos("POLYGON 10 20 10.2 20 10.2 20.2 10 20.2")?;
//! let search = Region::from(Circle::new(LonLat::from_degrees(10.3, 20.1)?.into(), 0.15));
//! assert_eq!(detector.overlaps(&search), Some(true));
//!
//! let htm7: Pixelization = "htm7".parse()?;
//! assert!(htm7.envelope(&detector).intersects(&htm7.envelope(&search)));
//! assert_eq!(Region::decode(&detector.encode())?, detector);
//! # Ok::<(), butler_core::Error>(())
//! ```
//!
//! # Agreement with LSST `sphgeom`
//!
//! Repositories are shared with programs that use `sphgeom`, so that bytes,
//! relations, bounds, convex hulls, indexes, envelopes and interiors are the same
//! here, bit for bit, as long as the sine and its relatives come from the same C
//! library: signs of determinants are exact in both, and everything else is
//! computed by the same formulae in the same order. Vertices that are not convex and
//! counter-clockwise, which neither verifies, may be judged differently.
//!
//! Where the reference fails, the answer differs:
//!
//! - Not-a-number is refused in `POS` strings, and in bytes wherever no kind of
//!   empty region has it. So are bytes of vectors that are not of unit length.
//! - The intersection of no regions, which is everything, overlaps polygons.
//! - The ellipse that is the whole sphere contains every point.
//! - The HTM interior of an ellipse is the one of a circle in it; the reference
//!   means to take one around it, and reads freed memory.
//! - HEALPix covers boxes of all longitudes, empty regions, circles of 180°, and
//!   compounds.
//! - A pixel index of another level is refused.

mod angle;
mod chord;
mod circle;
mod codec;
mod compound;
mod ellipse;
mod healpix;
mod htm;
mod hull;
mod interval;
mod ivoa;
mod pairs;
mod pixelization;
mod polygon;
mod range_set;
mod region;
mod relationship;
mod skybox;
mod vector;

pub use angle::LonLat;
pub use circle::Circle;
pub use compound::{Combination, CompoundRegion};
pub use ellipse::Ellipse;
pub use pairs::overlapping_pairs;
pub use pixelization::{PixelSystem, Pixelization};
pub use polygon::ConvexPolygon;
pub use range_set::RangeSet;
pub use region::Region;
pub use relationship::Relationship;
pub use skybox::SkyBox;
pub use vector::UnitVector;
