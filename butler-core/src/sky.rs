//! Regions of the sky, their relations, and their pixels.

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
pub use pixelization::{PixelSystem, Pixelization};
pub use polygon::ConvexPolygon;
pub use range_set::RangeSet;
pub use region::Region;
pub use relationship::Relationship;
pub use skybox::SkyBox;
pub use vector::UnitVector;
