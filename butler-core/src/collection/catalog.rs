//! Known collections, and what a list of names means among them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arcstr::ArcStr;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use super::pattern::NamePatterns;
use super::{CollectionInfo, CollectionSummary, CollectionType};
use crate::{Error, ErrorKind, Result, suggest};

/// Collections to search, in order, chains resolved.
///
/// Shared and immutable; a look-up of many datasets makes it once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<SearchMember>", into = "Vec<SearchMember>")]
pub struct CollectionSearch {
    members: Vec<SearchMember>,
    ranks: FxHashMap<ArcStr, usize>,
    /// Number of members of each type, in the order of [`CollectionType::ALL`].
    counts: [usize; CollectionType::ALL.len()],
}

/// A collection that is searched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchMember {
    /// Name.
    pub name: ArcStr,
    /// Type, not a chain.
    pub ty: CollectionType,
}

impl CollectionSearch {
    /// Collections in order; of repeated ones the first counts.
    #[must_use]
    pub fn new(members: impl IntoIterator<Item = SearchMember>) -> Self {
        let mut unique = Vec::new();
        let mut ranks = FxHashMap::default();
        let mut counts = [0; CollectionType::ALL.len()];
        for member in members {
            if !ranks.contains_key(&member.name) {
                ranks.insert(member.name.clone(), unique.len());
                counts[member.ty as usize] += 1;
                unique.push(member);
            }
        }
        Self { members: unique, ranks, counts }
    }

    /// The collections, first searched first.
    #[must_use]
    pub fn members(&self) -> &[SearchMember] {
        &self.members
    }

    /// Names of the collections of a type, first searched first.
    pub fn of_type(&self, ty: CollectionType) -> impl Iterator<Item = &ArcStr> {
        let members = self.members.iter().filter(move |member| member.ty == ty);
        // Thousands of runs are not gone through for a tagged collection that is not among them.
        members.map(|member| &member.name).take(self.counts[ty as usize])
    }

    /// Place of a collection in the search order.
    #[must_use]
    pub fn rank(&self, name: &str) -> Option<usize> {
        self.ranks.get(name).copied()
    }

    /// Whether there is nothing to search.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members for which a condition holds.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&SearchMember) -> bool) -> Self {
        Self::new(self.members.iter().filter(|member| keep(member)).cloned())
    }
}

impl From<Vec<SearchMember>> for CollectionSearch {
    fn from(members: Vec<SearchMember>) -> Self {
        Self::new(members)
    }
}

impl From<CollectionSearch> for Vec<SearchMember> {
    fn from(search: CollectionSearch) -> Self {
        search.members
    }
}

/// Collections that are known, by name.
///
/// All rules about lists of names, patterns and chains are here; registries
/// only say what there is.
#[derive(Clone, Debug, Default)]
pub struct CollectionCatalog {
    by_name: BTreeMap<ArcStr, Arc<CollectionInfo>>,
}

impl CollectionCatalog {
    /// A collection by name.
    ///
    /// # Errors
    /// `MissingCollection` if it is not known; the message suggests the nearest name.
    pub fn get(&self, name: &str) -> Result<&Arc<CollectionInfo>> {
        self.by_name.get(name).ok_or_else(|| {
            let error = Error::new(
                ErrorKind::MissingCollection,
                format!("collection '{}' does not exist", name.escape_debug()),
            );
            match suggest::nearest(name, self.by_name.keys().map(ArcStr::as_str)) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => error.with_hint("`query-collections` lists those there are"),
            }
        })
    }

    /// Whether a collection is known.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// All collections, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<CollectionInfo>> {
        self.by_name.values()
    }

    /// Adds a collection, or replaces what was known of it.
    pub fn insert(&mut self, info: CollectionInfo) {
        self.by_name.insert(info.name.clone(), Arc::new(info));
    }

    /// Forgets a collection.
    pub fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// Names that a list of names and patterns stands for: each once, in the
    /// order of the list; what a pattern matches comes by name.
    ///
    /// # Errors
    /// `MissingCollection` for a name that is not known; a pattern may match nothing.
    pub fn expand(&self, patterns: &NamePatterns) -> Result<Vec<ArcStr>> {
        let mut names = Vec::new();
        let mut seen = FxHashSet::default();
        for pattern in patterns.iter() {
            if pattern.is_glob() {
                let matching = self.by_name.keys().filter(|name| pattern.matches(name));
                names.extend(matching.filter(|name| seen.insert((*name).clone())).cloned());
            } else {
                let name = &self.get(pattern.as_str())?.name;
                if seen.insert(name.clone()) {
                    names.push(name.clone());
                }
            }
        }
        Ok(names)
    }

    /// Collections that a list of names leads to, chains resolved depth first, each once.
    ///
    /// # Errors
    /// `MissingCollection` if a name or the child of a chain is not known.
    pub fn flatten(&self, names: &[ArcStr]) -> Result<CollectionSearch> {
        let mut members = Vec::new();
        let mut seen = FxHashSet::default();
        // A stack of names still to visit, last first, so that deep chains need no deep recursion.
        let mut pending: Vec<ArcStr> = names.iter().rev().cloned().collect();
        while let Some(name) = pending.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let info = self.get(&name)?;
            if info.ty == CollectionType::Chained {
                pending.extend(info.children.iter().rev().cloned());
            } else {
                members.push(SearchMember { name, ty: info.ty });
            }
        }
        Ok(CollectionSearch::new(members))
    }

    /// Chains that have a collection as a direct child, by name.
    #[must_use]
    pub fn parents(&self, name: &str) -> Vec<ArcStr> {
        self.by_name
            .values()
            .filter(|info| info.children.iter().any(|child| child == name))
            .map(|info| info.name.clone())
            .collect()
    }

    /// What may be in the collections of a search, as far as summaries are known.
    #[must_use]
    pub fn summary(&self, search: &CollectionSearch) -> CollectionSummary {
        let mut all = CollectionSummary::default();
        for member in search.members() {
            if let Some(summary) = self.by_name.get(&member.name).and_then(|info| info.summary.as_ref()) {
                all.merge(summary);
            }
        }
        all
    }

    /// Checks that a chain may have these children.
    ///
    /// # Errors
    /// `MissingCollection` for a child that is not known, `CollectionCycle` if the chain would contain itself.
    pub fn check_chain(&self, parent: &str, children: &[ArcStr]) -> Result<()> {
        for child in children {
            let mut seen = FxHashSet::default();
            let mut pending = vec![child.clone()];
            while let Some(name) = pending.pop() {
                if name == parent {
                    return Err(Error::new(
                        ErrorKind::CollectionCycle,
                        format!("chain '{parent}' would contain itself through its child '{child}'"),
                    ));
                }
                if seen.insert(name.clone()) {
                    pending.extend(self.get(&name)?.children.iter().cloned());
                }
            }
        }
        Ok(())
    }
}

impl FromIterator<CollectionInfo> for CollectionCatalog {
    fn from_iter<I: IntoIterator<Item = CollectionInfo>>(infos: I) -> Self {
        let mut catalog = Self::default();
        infos.into_iter().for_each(|info| catalog.insert(info));
        catalog
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, ty: CollectionType, children: &[&str]) -> CollectionInfo {
        CollectionInfo {
            name: name.into(),
            ty,
            doc: "".into(),
            children: children.iter().map(|&child| child.into()).collect(),
            summary: None,
        }
    }

    fn catalog() -> CollectionCatalog {
        [
            info("a", CollectionType::Run, &[]),
            info("b", CollectionType::Run, &[]),
            info("t", CollectionType::Tagged, &[]),
            info("ab", CollectionType::Chained, &["a", "b"]),
            info("deep", CollectionType::Chained, &["t", "ab", "a", "empty"]),
            info("empty", CollectionType::Chained, &[]),
        ]
        .into_iter()
        .collect()
    }

    fn names(names: &[&str]) -> Vec<ArcStr> {
        names.iter().map(|&name| name.into()).collect()
    }

    #[test]
    fn chains_flatten_depth_first_and_once() {
        let search = catalog().flatten(&names(&["b", "deep"])).unwrap();
        let order: Vec<&str> = search.members().iter().map(|member| member.name.as_str()).collect();
        assert_eq!(order, ["b", "t", "a"]);
        assert_eq!((search.rank("a"), search.rank("deep")), (Some(2), None));
        assert_eq!(search.of_type(CollectionType::Run).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(search.of_type(CollectionType::Tagged).collect::<Vec<_>>(), ["t"]);
        assert_eq!(search.of_type(CollectionType::Calibration).count(), 0);
        let runs = search.filter(|member| member.ty == CollectionType::Run);
        assert_eq!((runs.members().len(), runs.of_type(CollectionType::Tagged).count()), (2, 0));
    }

    #[test]
    fn names_must_exist_and_patterns_need_not() {
        let catalog = catalog();
        assert_eq!(catalog.expand(&["b", "a*", "b", "z*"].into()).unwrap(), names(&["b", "a", "ab"]));
        let error = catalog.expand(&"dep".into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingCollection);
        assert_eq!(error.to_string(), "collection 'dep' does not exist; did you mean 'deep'?");
        assert_eq!(catalog.parents("a"), names(&["ab", "deep"]));
    }

    #[test]
    fn cycles_are_refused_at_any_depth() {
        let catalog = catalog();
        for (parent, child) in [("ab", "ab"), ("ab", "deep"), ("empty", "deep")] {
            let error = catalog.check_chain(parent, &names(&[child])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CollectionCycle, "{parent} {child}");
        }
        catalog.check_chain("deep", &names(&["ab", "empty"])).unwrap();
        assert_eq!(
            catalog.check_chain("ab", &names(&["z"])).unwrap_err().kind(),
            ErrorKind::MissingCollection
        );
    }

    #[test]
    fn a_long_chain_of_chains_needs_no_deep_stack() {
        let mut catalog = CollectionCatalog::default();
        catalog.insert(info("c0", CollectionType::Run, &[]));
        for i in 1..20_000 {
            catalog.insert(info(&format!("c{i}"), CollectionType::Chained, &[&format!("c{}", i - 1)]));
        }
        assert_eq!(catalog.flatten(&names(&["c19999"])).unwrap().members().len(), 1);
    }
}
