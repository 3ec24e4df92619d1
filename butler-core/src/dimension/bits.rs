//! A small set of indices, the identity of a dimension group.

use smallvec::SmallVec;

/// Set of indices of dimensions, in universe order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct BitSet(SmallVec<[u64; 2]>);

impl BitSet {
    pub(super) fn insert(&mut self, index: usize) -> bool {
        let (word, bit) = (index / 64, 1u64 << (index % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let fresh = self.0[word] & bit == 0;
        self.0[word] |= bit;
        fresh
    }

    pub(super) fn contains(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word & (1u64 << (index % 64)) != 0)
    }

    pub(super) fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().enumerate().all(|(i, word)| word & !other.0.get(i).copied().unwrap_or(0) == 0)
    }

    pub(super) fn is_disjoint(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a & b == 0)
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        let (long, short) = if self.0.len() >= other.0.len() { (self, other) } else { (other, self) };
        let mut result = long.clone();
        for (word, more) in result.0.iter_mut().zip(&short.0) {
            *word |= more;
        }
        result
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut words: SmallVec<[u64; 2]> = self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect();
        while words.last() == Some(&0) {
            words.pop();
        }
        Self(words)
    }

    /// Indices in ascending, i.e. universe, order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(i, &word)| {
            std::iter::successors((word != 0).then_some(word), |w| {
                let rest = w & (w - 1);
                (rest != 0).then_some(rest)
            })
            .map(move |w| i * 64 + w.trailing_zeros() as usize)
        })
    }
}

impl FromIterator<usize> for BitSet {
    fn from_iter<I: IntoIterator<Item = usize>>(indices: I) -> Self {
        let mut set = Self::default();
        for index in indices {
            set.insert(index);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn sets() -> impl Strategy<Value = BTreeSet<usize>> {
        proptest::collection::btree_set(0usize..200, 0..12)
    }

    fn bits(set: &BTreeSet<usize>) -> BitSet {
        set.iter().copied().collect()
    }

    proptest! {
        #[test]
        fn behaves_as_a_set(a in sets(), b in sets()) {
            let (x, y) = (bits(&a), bits(&b));
            prop_assert_eq!(&x.iter().collect::<BTreeSet<_>>(), &a);
            prop_assert_eq!(x.union(&y), bits(&a.union(&b).copied().collect()));
            prop_assert_eq!(x.intersection(&y), bits(&a.intersection(&b).copied().collect()));
            prop_assert_eq!(x.is_subset(&y), a.is_subset(&b));
            prop_assert_eq!(x.is_disjoint(&y), a.is_disjoint(&b));
        }
    }
}
