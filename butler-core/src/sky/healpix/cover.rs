//! HEALPix pixels that touch a region, and those within it.
//!
//! The reference (`sphgeom` with `hpgeom`) looks for the envelope four levels
//! further down: a *fine* pixel counts if one of its sixteen parts may touch the
//! region as far as the distance to its centre says; then everything grows by
//! one fine pixel; a pixel is in the envelope if it holds any of these. So is it
//! here, except that fine pixels are looked at only along the boundary.

use super::super::circle::Circle;
use super::super::pixelization::Cover;
use super::super::range_set::RangeSet;
use super::super::region::Region;
use super::super::relationship::Relationship;
use super::super::vector::UnitVector;
use super::shape::{Shape, Side};
use super::{Cell, index, max_radius};

/// How many levels fine pixels are further down.
const FINE: u8 = 4;
/// How many levels their parts are further down.
const PARTS: u8 = FINE + 2;

/// Pixels of a level that touch, or are within, a region that is no compound.
///
/// A pixel is taken to be within a region if its four corners are.
pub(in crate::sky) fn cover(level: u8, region: &Region, cover: Cover) -> RangeSet {
    let faces = (0..12).map(|face| Cell { face, x: 0, y: 0 });
    let mut found = Found { level, blocks: RangeSet::new(), pixels: Vec::new() };
    match cover {
        Cover::Envelope if is_point(region) => {
            let fine_level = level + FINE;
            let cell = Cell::of_index(fine_level, index(fine_level, region.bounding_circle().center()));
            found.add_around(cell, fine_level);
        }
        Cover::Envelope => {
            let shape = Shape::of_region(region, level + PARTS);
            let mut search = Envelope { shape, found };
            faces.for_each(|face| search.visit(face, 0));
            found = search.found;
        }
        Cover::Interior => {
            let radii = (0..=level).map(max_radius).collect();
            let mut search = Interior { region, radii, found };
            faces.for_each(|face| search.visit(face, 0));
            found = search.found;
        }
    }
    found.blocks.union(&found.pixels.into_iter().collect())
}

fn is_point(region: &Region) -> bool {
    matches!(region, Region::Circle(circle) if circle.opening() == 0.0)
}

/// Pixels of a level found so far.
struct Found {
    level: u8,
    /// All pixels of coarser ones, ascending.
    blocks: RangeSet,
    /// Single pixels, in any order.
    pixels: Vec<u64>,
}

impl Found {
    fn add_block(&mut self, cell: Cell, level: u8) {
        let shift = 2 * (self.level - level);
        let index = cell.index(level);
        self.blocks.append(index << shift..(index + 1) << shift);
    }

    /// Adds the pixels that hold neighbours of a fine pixel, among which is the one that holds it.
    fn add_around(&mut self, cell: Cell, level: u8) {
        let steps = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)];
        let neighbours = steps.into_iter().filter_map(|(dx, dy)| cell.neighbour(level, dx, dy));
        self.pixels.extend(neighbours.map(|neighbour| neighbour.index(level) >> (2 * FINE)));
    }
}

/// Search for pixels within a region.
struct Interior<'a> {
    region: &'a Region,
    radii: Vec<f64>,
    found: Found,
}

impl Interior<'_> {
    fn visit(&mut self, cell: Cell, level: u8) {
        let relationship = self.relate(cell.center(level), self.radii[usize::from(level)]);
        if relationship.contains(Relationship::DISJOINT) {
            return;
        }
        if relationship.contains(Relationship::WITHIN) {
            self.found.add_block(cell, level);
        } else if level < self.found.level {
            cell.children().into_iter().for_each(|child| self.visit(child, level + 1));
        } else if cell.corners(level).into_iter().all(|corner| self.region.contains(corner)) {
            self.found.pixels.push(cell.index(level));
        }
    }

    /// How a circle that holds a pixel lies to the region.
    fn relate(&self, center: UnitVector, radius: f64) -> Relationship {
        match self.region {
            Region::Ellipse(ellipse) => ellipse.relate_to_disc(center, radius).inverted(),
            region => Region::from(Circle::from_radians(center, radius)).relate(region),
        }
    }
}

/// Search for pixels that touch a region.
struct Envelope {
    shape: Shape,
    found: Found,
}

impl Envelope {
    fn visit(&mut self, cell: Cell, level: u8) {
        match self.shape.side(cell.center(level), level) {
            Side::Outside => {}
            Side::Inside => self.found.add_block(cell, level),
            Side::Unclear if level < self.found.level => {
                cell.children().into_iter().for_each(|child| self.visit(child, level + 1));
            }
            Side::Unclear => {
                let index = cell.index(level);
                let mut border =
                    Border { shape: &self.shape, found: &mut self.found, index, is_found: false };
                cell.children().into_iter().for_each(|child| border.visit(child, level + 1));
            }
        }
    }
}

/// Look at one pixel, by its fine pixels.
struct Border<'a> {
    shape: &'a Shape,
    found: &'a mut Found,
    index: u64,
    is_found: bool,
}

impl Border<'_> {
    fn add(&mut self) {
        if !self.is_found {
            self.is_found = true;
            self.found.pixels.push(self.index);
        }
    }

    fn visit(&mut self, cell: Cell, level: u8) {
        let fine_level = self.found.level + FINE;
        // Once the pixel is found, only those at its edge matter, because of their neighbours.
        if self.is_found && !self.is_at_edge(cell, level) {
            return;
        }
        match self.shape.side(cell.center(level), level) {
            Side::Outside => {}
            // Neighbours of a block that is inside are found by what they share with it.
            Side::Inside if level < fine_level => self.add(),
            Side::Unclear if level < fine_level => {
                cell.children().into_iter().for_each(|child| self.visit(child, level + 1));
            }
            side => {
                if side == Side::Inside || self.may_touch(cell, level) {
                    self.add();
                    if self.is_at_edge(cell, level) {
                        self.found.add_around(cell, level);
                    }
                }
            }
        }
    }

    /// Whether a cell is at the edge of the pixel.
    fn is_at_edge(&self, cell: Cell, level: u8) -> bool {
        let last = (1_u32 << (level - self.found.level)) - 1;
        [cell.x & last, cell.y & last].iter().any(|place| *place == 0 || *place == last)
    }

    /// Whether a part of a fine pixel may touch the region.
    fn may_touch(&self, cell: Cell, level: u8) -> bool {
        cell.children().into_iter().any(|child| {
            let level = level + 1;
            match self.shape.side(child.center(level), level) {
                Side::Outside => false,
                Side::Inside => true,
                Side::Unclear => level == self.found.level + PARTS || self.may_touch(child, level),
            }
        })
    }
}
