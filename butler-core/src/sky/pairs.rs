//! Overlaps of many regions with many others.

use super::region::Region;
use super::vector::UnitVector;

/// Added to the radius of each bounding ball: far more than what comparisons of regions allow for rounding.
const MARGIN: f64 = 1e-6;

/// A ball in space that holds a region, and the index of the region.
struct Ball {
    center: [f64; 3],
    radius: f64,
    index: usize,
}

impl Ball {
    /// The ball around the bounding circle of a region that has points.
    fn new(index: usize, region: &Region) -> Option<Self> {
        let circle = region.bounding_circle();
        if circle.is_empty() {
            return None;
        }
        // An arc between points of more than a hemisphere may leave it.
        let radius = if circle.squared_chord() > 2.0 { 2.0 } else { circle.squared_chord().sqrt() + MARGIN };
        let center: UnitVector = circle.center();
        Some(Self { center: [center.x(), center.y(), center.z()], radius, index })
    }

    fn meets(&self, other: &Self) -> bool {
        let squared: f64 = self.center.iter().zip(other.center).map(|(a, b)| (a - b) * (a - b)).sum();
        let reach = self.radius + other.radius;
        squared <= reach * reach
    }
}

/// Pairs of a region of one list and one of another that have a point in common, by their indices.
///
/// The balls around the regions are swept along the axis along which they are spread most; those
/// that meet are decided as by [`Region::overlaps`].
///
/// Nothing if there are more than `most` pairs, or if a region is neither a circle nor a polygon: the overlaps of
/// others are not always decided exactly, so that the answer would depend on how the pairs were chosen.
#[must_use]
pub fn overlapping_pairs(left: &[Region], right: &[Region], most: usize) -> Option<Vec<(usize, usize)>> {
    let exact = |region: &Region| matches!(region, Region::Circle(_) | Region::Polygon(_));
    if !left.iter().chain(right).all(exact) {
        return None;
    }
    let balls = |regions: &[Region]| -> Vec<Ball> {
        regions.iter().enumerate().filter_map(|(index, region)| Ball::new(index, region)).collect()
    };
    let (ours, mut theirs) = (balls(left), balls(right));
    let axis = widest_axis(&theirs);
    let low = |ball: &Ball| ball.center[axis] - ball.radius;
    theirs.sort_by(|a, b| low(a).total_cmp(&low(b)));
    let width = theirs.iter().map(|ball| 2.0 * ball.radius).fold(0.0, f64::max);
    let mut pairs = Vec::new();
    for ball in &ours {
        let begin = theirs.partition_point(|other| low(other) < low(ball) - width);
        let end = ball.center[axis] + ball.radius;
        let near = theirs[begin..].iter().take_while(|other| low(other) <= end);
        for other in near.filter(|other| ball.meets(other)) {
            if left[ball.index].overlaps(&right[other.index]) != Some(false) {
                if pairs.len() == most {
                    return None;
                }
                pairs.push((ball.index, other.index));
            }
        }
    }
    Some(pairs)
}

fn widest_axis(balls: &[Ball]) -> usize {
    let spread = |axis: usize| {
        let values = || balls.iter().map(|ball| ball.center[axis]);
        values().fold(f64::MIN, f64::max) - values().fold(f64::MAX, f64::min)
    };
    (0..3).max_by(|a, b| spread(*a).total_cmp(&spread(*b))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sky::{Circle, ConvexPolygon, LonLat, SkyBox};
    use proptest::prelude::*;

    fn point(lon: f64, lat: f64) -> UnitVector {
        LonLat::from_degrees(lon, lat).unwrap().into()
    }

    fn polygon(lon: f64, lat: f64, size: f64) -> Region {
        let corners = [(-size, -size), (size, -size), (size, size), (-size, size)]
            .map(|(x, y)| point((lon + x).rem_euclid(360.0), lat + y));
        ConvexPolygon::from_vertices(corners).unwrap().into()
    }

    fn regions() -> impl Strategy<Value = Vec<Region>> {
        // Many near each other, some where the longitude wraps, some as large as the sky.
        let place = (prop_oneof![-3.0..3.0_f64, 0.0..360.0], -80.0..80.0_f64)
            .prop_map(|(lon, lat)| (lon.rem_euclid(360.0), if lon < 0.0 { lat / 40.0 } else { lat }));
        let size = prop_oneof![Just(0.0), 0.001..0.5_f64, 0.5..40.0];
        let region = (place, size, 0..3_u8).prop_map(|((lon, lat), size, kind)| match kind {
            0 => Circle::new(point(lon, lat), 5.0 * size - 1.0).into(),
            1 => Circle::new(point(lon, lat), size).into(),
            _ => polygon(lon, lat, (size + 0.001).min(89.0 - lat.abs())),
        });
        prop::collection::vec(region, 0..25)
    }

    proptest! {
        #[test]
        fn pairs_are_those_that_overlap(left in regions(), right in regions()) {
            let mut found = overlapping_pairs(&left, &right, usize::MAX).unwrap();
            found.sort_unstable();
            let mut expected = Vec::new();
            for (i, a) in left.iter().enumerate() {
                for (j, b) in right.iter().enumerate() {
                    if a.overlaps(b) != Some(false) {
                        expected.push((i, j));
                    }
                }
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_is_too_much_or_in_doubt_is_left_to_others() {
        let many = vec![polygon(10.0, 0.0, 1.0); 4];
        assert_eq!(overlapping_pairs(&many, &many, 16).map(|pairs| pairs.len()), Some(16));
        assert_eq!(overlapping_pairs(&many, &many, 15), None);
        assert_eq!(overlapping_pairs(&many, &[SkyBox::FULL.into()], 16), None);
        assert_eq!(overlapping_pairs(&many, &[Circle::EMPTY.into()], 16), Some(Vec::new()));
    }
}
