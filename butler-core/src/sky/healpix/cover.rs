//! HEALPix pixels that touch a region, and those within it.
//!
//! The reference (`sphgeom` with `hpgeom`) looks for the envelope four levels
//! further down: a *fine* pixel counts if one of its sixteen parts may touch the
//! region as far as the distance to its centre says; then everything grows by
//! one fine pixel; a pixel is in the envelope if it holds any of these. So is it
//! here, except that fine pixels are looked at only along the boundary.

use super::super::pixelization::Cover;
use super::super::range_set::RangeSet;
use super::super::region::Region;
use super::Cell;
use super::shape::{Shape, Side};

/// How many levels fine pixels are further down.
const FINE: u8 = 4;
/// How many levels their parts are further down.
const PARTS: u8 = FINE + 2;

/// Pixels of a level that touch, or are within, a region that is no compound.
///
/// A pixel is taken to be within a region if its four corners are.
pub(in crate::sky) fn cover(level: u8, region: &Region, cover: Cover) -> RangeSet {
    let shape = Shape::of_region(region, level + PARTS);
    let mut search = Search { level, region, shape, found: Vec::new(), ranges: RangeSet::new() };
    for face in 0..12 {
        let cell = Cell { face, x: 0, y: 0 };
        match cover {
            Cover::Envelope => search.envelope(cell, 0),
            Cover::Interior => search.interior(cell, 0),
        }
    }
    search.ranges.union(&search.found.into_iter().collect())
}

struct Search<'a> {
    level: u8,
    region: &'a Region,
    shape: Shape,
    /// Single pixels, in any order.
    found: Vec<u64>,
    /// Blocks of pixels, ascending.
    ranges: RangeSet,
}

impl Search<'_> {
    fn add_block(&mut self, cell: Cell, level: u8) {
        let shift = 2 * (self.level - level);
        let index = cell.index(level);
        self.ranges.append(index << shift..(index + 1) << shift);
    }

    fn envelope(&mut self, cell: Cell, level: u8) {
        match self.shape.side(cell.center(level), level) {
            Side::Outside => {}
            Side::Inside => self.add_block(cell, level),
            Side::Unclear if level < self.level => {
                cell.children().into_iter().for_each(|child| self.envelope(child, level + 1));
            }
            Side::Unclear => {
                let mut border = Border { search: self, index: cell.index(level), is_found: false };
                cell.children().into_iter().for_each(|child| border.visit(child, level + 1));
            }
        }
    }

    fn interior(&mut self, cell: Cell, level: u8) {
        match self.shape.side(cell.center(level), level) {
            Side::Outside => {}
            Side::Inside if self.shape.is_exact() => self.add_block(cell, level),
            Side::Inside | Side::Unclear if level < self.level => {
                cell.children().into_iter().for_each(|child| self.interior(child, level + 1));
            }
            Side::Inside | Side::Unclear => {
                if cell.corners(level).into_iter().all(|corner| self.region.contains(corner)) {
                    self.found.push(cell.index(level));
                }
            }
        }
    }
}

/// Look at one pixel, by its fine pixels.
struct Border<'a, 'b> {
    search: &'a mut Search<'b>,
    index: u64,
    is_found: bool,
}

impl Border<'_, '_> {
    fn add(&mut self) {
        if !self.is_found {
            self.is_found = true;
            self.search.found.push(self.index);
        }
    }

    fn visit(&mut self, cell: Cell, level: u8) {
        let fine_level = self.search.level + FINE;
        // Once the pixel is found, only those at its edge matter, because of their neighbours.
        if self.is_found && !self.is_at_edge(cell, level) {
            return;
        }
        match self.search.shape.side(cell.center(level), level) {
            Side::Outside => {}
            // Neighbours of a block that is inside are found by what they share with it.
            Side::Inside if level < fine_level => self.add(),
            Side::Unclear if level < fine_level => {
                cell.children().into_iter().for_each(|child| self.visit(child, level + 1));
            }
            side => {
                if side == Side::Inside || self.may_touch(cell, level) {
                    self.add();
                    self.add_neighbours(cell, level);
                }
            }
        }
    }

    /// Whether a cell is at the edge of the pixel.
    fn is_at_edge(&self, cell: Cell, level: u8) -> bool {
        let last = (1_u32 << (level - self.search.level)) - 1;
        [cell.x & last, cell.y & last].iter().any(|place| *place == 0 || *place == last)
    }

    /// Whether a part of a fine pixel may touch the region.
    fn may_touch(&self, cell: Cell, level: u8) -> bool {
        cell.children().into_iter().any(|child| {
            let level = level + 1;
            match self.search.shape.side(child.center(level), level) {
                Side::Outside => false,
                Side::Inside => true,
                Side::Unclear => level == self.search.level + PARTS || self.may_touch(child, level),
            }
        })
    }

    /// Adds the pixels that hold neighbours of a fine pixel.
    fn add_neighbours(&mut self, cell: Cell, level: u8) {
        if !self.is_at_edge(cell, level) {
            return;
        }
        let around = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)];
        for neighbour in around.into_iter().filter_map(|(dx, dy)| cell.neighbour(level, dx, dy)) {
            let index = neighbour.index(level) >> (2 * FINE);
            if index != self.index {
                self.search.found.push(index);
            }
        }
    }
}
