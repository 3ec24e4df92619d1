//! Sets of pixel indexes.

use std::cmp::{max, min};
use std::ops::Range;

/// Set of unsigned integers below `u64::MAX`, kept as sorted half-open ranges.
///
/// Ranges are not empty and do not touch each other, so that equal sets have
/// equal ranges.
///
/// ```
/// use butler_core::sky::RangeSet;
///
/// let set: RangeSet = [10..20, 15..30, 40..50].into_iter().collect();
/// assert_eq!(set.ranges(), [10..30, 40..50]);
/// assert!(set.contains(29) && !set.contains(30));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RangeSet {
    ranges: Vec<Range<u64>>,
}

impl RangeSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// Sorted ranges of the set.
    #[must_use]
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.ranges.iter().cloned().flatten()
    }

    /// Whether the set has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many members the set has.
    #[must_use]
    pub fn cardinality(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }

    /// Whether an integer is a member.
    #[must_use]
    pub fn contains(&self, member: u64) -> bool {
        let next = self.ranges.partition_point(|range| range.end <= member);
        self.ranges.get(next).is_some_and(|range| range.start <= member)
    }

    /// Whether every member of another set is one of this set.
    #[must_use]
    pub fn is_superset(&self, other: &Self) -> bool {
        other.ranges.iter().all(|inner| {
            let next = self.ranges.partition_point(|range| range.end <= inner.start);
            self.ranges.get(next).is_some_and(|range| range.start <= inner.start && inner.end <= range.end)
        })
    }

    /// Whether two sets have a member in common.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        let (few, many) = if self.ranges.len() < other.ranges.len() { (self, other) } else { (other, self) };
        few.ranges.iter().any(|inner| {
            let next = many.ranges.partition_point(|range| range.end <= inner.start);
            many.ranges.get(next).is_some_and(|range| range.start < inner.end)
        })
    }

    /// Adds all integers of a range.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.ranges.partition_point(|old| old.end < range.start);
        let last = self.ranges.partition_point(|old| old.start <= range.end);
        let touched = &self.ranges[first..last];
        let start = touched.first().map_or(range.start, |old| min(old.start, range.start));
        let end = touched.last().map_or(range.end, |old| max(old.end, range.end));
        self.ranges.splice(first..last, std::iter::once(start..end));
    }

    /// Members of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut union = Self { ranges: Vec::with_capacity(self.ranges.len() + other.ranges.len()) };
        let (mut ours, mut theirs) = (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        loop {
            let next = match (ours.peek(), theirs.peek()) {
                (Some(our), Some(their)) if our.start <= their.start => ours.next(),
                (_, Some(_)) => theirs.next(),
                (_, None) => ours.next(),
            };
            match next {
                Some(range) => union.append(range.clone()),
                None => return union,
            }
        }
    }

    /// Members of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut intersection = Self::new();
        let (mut ours, mut theirs) = (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        while let (Some(our), Some(their)) = (ours.peek(), theirs.peek()) {
            let common = max(our.start, their.start)..min(our.end, their.end);
            if our.end <= their.end {
                ours.next();
            } else {
                theirs.next();
            }
            if !common.is_empty() {
                intersection.ranges.push(common);
            }
        }
        intersection
    }

    /// Members of this set that are not in the other one.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.intersection(&other.complement())
    }

    /// All integers below `u64::MAX` that are not members.
    #[must_use]
    pub fn complement(&self) -> Self {
        let starts = std::iter::once(0).chain(self.ranges.iter().map(|range| range.end));
        let ends = self.ranges.iter().map(|range| range.start).chain([u64::MAX]);
        let gaps = starts.zip(ends).map(|(start, end)| start..end);
        Self { ranges: gaps.filter(|gap| !gap.is_empty()).collect() }
    }

    /// Set whose ranges are rounded outwards to multiples of 2ⁿ.
    ///
    /// Pixels of a hierarchical system become the coarser ones, n/2 levels up,
    /// that hold them, at the level of the set.
    #[must_use]
    pub fn simplified(&self, n: u32) -> Self {
        let mask = u64::MAX.checked_shl(n).unwrap_or(0);
        let round_up = |end: u64| end.checked_add(!mask).map_or(u64::MAX, |end| end & mask);
        self.ranges.iter().map(|range| range.start & mask..round_up(range.end)).collect()
    }

    /// Set whose range bounds are multiplied by a factor; what exceeds `u64::MAX` is cut off.
    ///
    /// A factor of 4 takes pixels of a hierarchical system one level down.
    #[must_use]
    pub fn scaled(&self, factor: u64) -> Self {
        let scale = |bound: u64| bound.saturating_mul(factor);
        self.ranges.iter().map(|range| scale(range.start)..scale(range.end)).collect()
    }

    /// Adds a range that starts no earlier than all others.
    pub(super) fn append(&mut self, range: Range<u64>) {
        match self.ranges.last_mut() {
            Some(last) if range.start <= last.end => last.end = max(last.end, range.end),
            _ => self.ranges.push(range),
        }
    }
}

impl From<Range<u64>> for RangeSet {
    fn from(range: Range<u64>) -> Self {
        Self::from_iter([range])
    }
}

impl FromIterator<Range<u64>> for RangeSet {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().filter(|range| !range.is_empty()).collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let mut set = Self { ranges: Vec::with_capacity(ranges.len()) };
        ranges.into_iter().for_each(|range| set.append(range));
        set
    }
}

impl FromIterator<u64> for RangeSet {
    /// Collects members; `u64::MAX` cannot be one and is left out.
    fn from_iter<I: IntoIterator<Item = u64>>(members: I) -> Self {
        members.into_iter().map(|member| member..member.saturating_add(1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn sets() -> impl Strategy<Value = (RangeSet, BTreeSet<u64>)> {
        prop::collection::vec((0_u64..60, 0_u64..8), 0..8).prop_map(|pairs| {
            let ranges: Vec<_> = pairs.into_iter().map(|(start, len)| start..start + len).collect();
            let members = ranges.iter().cloned().flatten().collect();
            (ranges.into_iter().collect(), members)
        })
    }

    fn members(set: &RangeSet) -> BTreeSet<u64> {
        set.iter().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn algebra_is_that_of_sets((a, a_members) in sets(), (b, b_members) in sets()) {
            prop_assert_eq!(members(&a.union(&b)), &a_members | &b_members);
            prop_assert_eq!(members(&a.intersection(&b)), &a_members & &b_members);
            prop_assert_eq!(members(&a.difference(&b)), &a_members - &b_members);
            prop_assert_eq!(&a.complement().complement(), &a);
            prop_assert_eq!(a.union(&b), b.union(&a));
            prop_assert_eq!(a.cardinality(), a_members.len() as u64);
            prop_assert_eq!(a.is_superset(&b), a_members.is_superset(&b_members));
            prop_assert_eq!(a.intersects(&b), !a_members.is_disjoint(&b_members));
            prop_assert_eq!(&a_members.iter().copied().collect::<RangeSet>(), &a);
            for member in 0..70 {
                prop_assert_eq!(a.contains(member), a_members.contains(&member));
            }
        }

        #[test]
        fn insert_is_union_and_ranges_never_touch((a, _) in sets(), start in 0_u64..60, len in 0_u64..8) {
            let mut inserted = a.clone();
            inserted.insert(start..start + len);
            prop_assert_eq!(&inserted, &a.union(&(start..start + len).into()));
            prop_assert!(inserted.ranges().windows(2).all(|pair| pair[0].end < pair[1].start));
        }

        #[test]
        fn simplified_and_scaled_round_outwards((a, a_members) in sets(), n in 0_u32..5, factor in 0_u64..5) {
            let blocks: BTreeSet<_> = a_members.iter().map(|member| member >> n).collect();
            let rounded = a.simplified(n);
            prop_assert_eq!(members(&rounded), blocks.iter().flat_map(|b| b << n..(b + 1) << n).collect());
            let scaled: BTreeSet<_> = a_members.iter().flat_map(|m| m * factor..(m + 1) * factor).collect();
            prop_assert_eq!(members(&a.scaled(factor)), scaled);
        }
    }

    #[test]
    fn the_largest_integers_are_cut_off() {
        let all = RangeSet::new().complement();
        assert_eq!(all, (0..u64::MAX).into());
        assert_eq!(RangeSet::from(u64::MAX - 1..u64::MAX).simplified(3), (u64::MAX - 7..u64::MAX).into());
        assert_eq!(RangeSet::from(1..2).simplified(64), all);
        assert_eq!(RangeSet::from(1..u64::MAX).scaled(4), (4..u64::MAX).into());
        assert!([u64::MAX].into_iter().collect::<RangeSet>().is_empty());
    }
}
