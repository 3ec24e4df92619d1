//! Hierarchical Triangular Mesh of the sphere.
//!
//! Eight root triangles (*trixels*) are the octants; each trixel is divided into
//! four by the middles of its edges. See Szalay et al., "Indexing the Sphere with
//! the Hierarchical Triangular Mesh" (MSR-TR-2005-123). An index has a leading
//! one, three bits for the root and two for each level.

use super::pixelization::Cover;
use super::polygon;
use super::range_set::RangeSet;
use super::region::Region;
use super::relationship::Relationship;
use super::vector::{UnitVector, orientation};

pub(super) type Trixel = [UnitVector; 3];

const X: UnitVector = UnitVector::X;
const Y: UnitVector = UnitVector::Y;
const Z: UnitVector = UnitVector::Z;
const MINUS_X: UnitVector = UnitVector::from_normalized(super::vector::Vector::new(-1.0, -0.0, -0.0));
const MINUS_Y: UnitVector = UnitVector::from_normalized(super::vector::Vector::new(-0.0, -1.0, -0.0));
const MINUS_Z: UnitVector = UnitVector::from_normalized(super::vector::Vector::new(-0.0, -0.0, -1.0));

/// Root trixels: four of the south, four of the north.
const ROOTS: [Trixel; 8] = [
    [X, MINUS_Z, Y],
    [Y, MINUS_Z, MINUS_X],
    [MINUS_X, MINUS_Z, MINUS_Y],
    [MINUS_Y, MINUS_Z, X],
    [X, Z, MINUS_Y],
    [MINUS_Y, Z, MINUS_X],
    [MINUS_X, Z, Y],
    [Y, Z, X],
];

/// The four parts of a trixel.
fn children([a, b, c]: Trixel) -> [Trixel; 4] {
    let (bc, ca, ab) = (UnitVector::between(b, c), UnitVector::between(c, a), UnitVector::between(a, b));
    [[a, ab, ca], [b, bc, ab], [c, ca, bc], [bc, ca, ab]]
}

/// Trixel of an index of a level.
pub(super) fn trixel(level: u8, index: u64) -> Trixel {
    let digit = |level: u8| (index >> (2 * level)) as usize;
    (0..level).rev().fold(ROOTS[digit(level) & 7], |trixel, below| children(trixel)[digit(below) & 3])
}

/// Index of the trixel of a level that a point belongs to.
pub(super) fn index(level: u8, point: UnitVector) -> u64 {
    let root = root_of(point);
    let (mut trixel, mut index) = (ROOTS[root], root as u64 + 8);
    for _ in 0..level {
        let [a, b, c] = trixel;
        let (bc, ca, ab) = (UnitVector::between(b, c), UnitVector::between(c, a), UnitVector::between(a, b));
        let (child, part) = if orientation(point, ab, ca) >= 0 {
            (0, [a, ab, ca])
        } else if orientation(point, bc, ab) >= 0 {
            (1, [b, bc, ab])
        } else if orientation(point, ca, bc) >= 0 {
            (2, [c, ca, bc])
        } else {
            (3, [bc, ca, ab])
        };
        trixel = part;
        index = 4 * index + child;
    }
    index
}

/// Root of a point; one that lies on several belongs to the one the mesh's convention says.
fn root_of(point: UnitVector) -> usize {
    let (x, y) = (point.x(), point.y());
    let quadrant = if y > 0.0 {
        if x > 0.0 { 0 } else { 1 }
    } else if y == 0.0 {
        if x >= 0.0 { 0 } else { 2 }
    } else if x < 0.0 {
        2
    } else {
        3
    };
    if point.z() < 0.0 { quadrant } else { 7 - quadrant }
}

/// Trixels of a level that touch, or are within, a region that is no compound.
///
/// An ellipse is taken for a circle around it, or in it.
pub(super) fn cover(level: u8, region: &Region, cover: Cover) -> RangeSet {
    match region {
        Region::Circle(circle) => find(level, cover, |trixel| polygon::relate_circle(trixel, circle)),
        Region::Box(skybox) => find(level, cover, |trixel| polygon::relate_box(trixel, skybox)),
        Region::Polygon(other) => {
            find(level, cover, |trixel| polygon::relate_polygon(trixel, other.vertices()))
        }
        Region::Ellipse(ellipse) => {
            let circle = match cover {
                Cover::Envelope => ellipse.bounding_circle(),
                Cover::Interior => ellipse.inner_circle(),
            };
            find(level, cover, |trixel| polygon::relate_circle(trixel, &circle))
        }
        Region::Compound(_) => RangeSet::new(),
    }
}

fn find(level: u8, cover: Cover, relate: impl Fn(&Trixel) -> Relationship) -> RangeSet {
    let mut finder = Finder { level, cover, relate, found: RangeSet::new() };
    for (root, trixel) in (8..).zip(ROOTS) {
        finder.visit(trixel, root, 0);
    }
    finder.found
}

/// Search down the tree; indexes are found in ascending order.
struct Finder<R> {
    level: u8,
    cover: Cover,
    relate: R,
    found: RangeSet,
}

impl<R: Fn(&Trixel) -> Relationship> Finder<R> {
    fn visit(&mut self, trixel: Trixel, index: u64, level: u8) {
        let relationship = (self.relate)(&trixel);
        if relationship.contains(Relationship::DISJOINT) {
            return;
        }
        let is_within = relationship.contains(Relationship::WITHIN);
        if is_within || (level == self.level && self.cover == Cover::Envelope) {
            let shift = 2 * (self.level - level);
            self.found.append(index << shift..(index + 1) << shift);
        } else if level < self.level {
            for (child, part) in (4 * index..).zip(children(trixel)) {
                self.visit(part, child, level + 1);
            }
        }
    }
}
