//! Collections: named groups of datasets, and the chains that search them.

mod catalog;
mod pattern;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use arcstr::ArcStr;
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

pub use catalog::{CollectionCatalog, CollectionSearch, SearchMember};
pub use pattern::{NamePattern, NamePatterns};

const NAME_MAX: usize = 255;

/// What a collection holds, and how it comes by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CollectionType {
    /// Datasets that live there: each dataset is in exactly one run, for ever.
    Run,
    /// Datasets that come and go; one at most of each type and data ID.
    Tagged,
    /// Other collections, in the order in which they are searched.
    Chained,
    /// Datasets with the timespans for which they are valid; those of one type and data ID never overlap.
    Calibration,
}

impl CollectionType {
    /// All types.
    pub const ALL: [Self; 4] = [Self::Run, Self::Tagged, Self::Chained, Self::Calibration];

    /// Name, as in output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "RUN",
            Self::Tagged => "TAGGED",
            Self::Chained => "CHAINED",
            Self::Calibration => "CALIBRATION",
        }
    }

    /// Number by which it is stored.
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            Self::Run => 1,
            Self::Tagged => 2,
            Self::Chained => 3,
            Self::Calibration => 4,
        }
    }

    /// The type that is stored as a number.
    ///
    /// # Errors
    /// `Corrupt` if no type is.
    pub fn from_code(code: i64) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|ty| ty.code() == code)
            .ok_or_else(|| Error::new(ErrorKind::Corrupt, format!("{code} is no type of a collection")))
    }
}

impl fmt::Display for CollectionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CollectionType {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|ty| ty.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
            Error::new(ErrorKind::Argument, format!("'{}' is no type of a collection", name.escape_debug()))
                .with_hint("there are run, tagged, chained and calibration")
        })
    }
}

/// What may be in a collection: it may say too much, never too little.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionSummary {
    /// Names of dataset types.
    pub dataset_types: BTreeSet<ArcStr>,
    /// Values of governor dimensions, by name of the dimension.
    pub governors: BTreeMap<ArcStr, BTreeSet<ArcStr>>,
}

impl CollectionSummary {
    /// Adds what may be in another collection.
    pub fn merge(&mut self, other: &Self) {
        self.dataset_types.extend(other.dataset_types.iter().cloned());
        for (governor, values) in &other.governors {
            self.governors.entry(governor.clone()).or_default().extend(values.iter().cloned());
        }
    }
}

/// A collection as the registry describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionInfo {
    /// Name.
    pub name: ArcStr,
    /// Type.
    pub ty: CollectionType,
    /// Documentation, perhaps empty.
    pub doc: ArcStr,
    /// Children of a chain, in search order.
    pub children: Vec<ArcStr>,
    /// What may be in it, if that was asked for; none for chains.
    pub summary: Option<CollectionSummary>,
}

/// Change of a chain's children.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainEdit {
    /// These are the children.
    Redefine(Vec<ArcStr>),
    /// These come last; those that are there already move.
    Extend(Vec<ArcStr>),
    /// These come first; those that are there already move.
    Prepend(Vec<ArcStr>),
    /// These go, if they are there.
    Remove(Vec<ArcStr>),
    /// The children at these places go; negative ones count from the end.
    Pop(Vec<i64>),
}

impl ChainEdit {
    /// Names of the collections that it mentions.
    #[must_use]
    pub fn names(&self) -> &[ArcStr] {
        match self {
            Self::Redefine(names) | Self::Extend(names) | Self::Prepend(names) | Self::Remove(names) => names,
            Self::Pop(_) => &[],
        }
    }

    /// The children after the change; of repeated names the first counts.
    ///
    /// # Errors
    /// `Argument` if a place to pop is outside the chain.
    pub fn apply(&self, children: &[ArcStr]) -> Result<Vec<ArcStr>> {
        let others = |names: &[ArcStr]| -> Vec<ArcStr> {
            children.iter().filter(|child| !names.contains(child)).cloned().collect()
        };
        let edited = match self {
            Self::Redefine(names) => names.clone(),
            Self::Extend(names) => [others(names), names.clone()].concat(),
            Self::Prepend(names) => [names.clone(), others(names)].concat(),
            Self::Remove(names) => others(names),
            Self::Pop(places) => {
                let len = i64::try_from(children.len()).unwrap_or(i64::MAX);
                let mut gone = BTreeSet::new();
                for &place in places {
                    let index = if place < 0 { place + len } else { place };
                    if !(0..len).contains(&index) {
                        return Err(Error::new(
                            ErrorKind::Argument,
                            format!("place {place} is outside a chain of {len} collections"),
                        ));
                    }
                    gone.insert(index);
                }
                (0..len)
                    .zip(children)
                    .filter(|(i, _)| !gone.contains(i))
                    .map(|(_, child)| child.clone())
                    .collect()
            }
        };
        let mut seen = BTreeSet::new();
        Ok(edited.into_iter().filter(|name| seen.insert(name.clone())).collect())
    }
}

/// Checks a name for a collection.
///
/// Any text of 1 to 255 characters without control characters, glob characters
/// (`*`, `?`, `[`), commas, or spaces at the ends; parts between slashes are neither
/// empty nor `.` nor `..`, for runs become paths.
///
/// # Errors
/// `Argument`, with the reason.
pub fn check_collection_name(name: &str) -> Result<()> {
    let reason = if name.is_empty() || name.chars().count() > NAME_MAX {
        format!("it must have 1 to {NAME_MAX} characters")
    } else if name.chars().any(char::is_control) {
        "it must not contain control characters".to_owned()
    } else if name.contains(['*', '?', '[', ',']) {
        "it must not contain any of * ? [ and comma, which mean something in lists and patterns".to_owned()
    } else if name.trim() != name {
        "it must not begin or end with a space".to_owned()
    } else if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "its parts between slashes must not be empty, '.' or '..'".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Argument,
        format!("'{}' cannot name a collection: {reason}", name.escape_debug()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(text: &str) -> Vec<ArcStr> {
        text.chars().map(|c| ArcStr::from(c.to_string())).collect()
    }

    fn edited(edit: &ChainEdit, children: &str) -> String {
        edit.apply(&names(children)).unwrap().iter().map(ArcStr::as_str).collect()
    }

    /// Vectors of the reference.
    #[test]
    fn chains_are_edited_as_in_the_reference() {
        assert_eq!(edited(&ChainEdit::Redefine(names("xyx")), "abc"), "xy");
        assert_eq!(edited(&ChainEdit::Extend(names("db")), "abc"), "acdb");
        assert_eq!(edited(&ChainEdit::Prepend(names("db")), "abc"), "dbac");
        assert_eq!(edited(&ChainEdit::Remove(names("bz")), "abc"), "ac");
        assert_eq!(edited(&ChainEdit::Pop(vec![0]), "abc"), "bc");
        assert_eq!(edited(&ChainEdit::Pop(vec![-1, 0, 0]), "abc"), "b");
        assert_eq!(ChainEdit::Pop(vec![3]).apply(&names("abc")).unwrap_err().kind(), ErrorKind::Argument);
        assert_eq!(ChainEdit::Pop(vec![0]).apply(&[]).unwrap_err().kind(), ErrorKind::Argument);
    }

    proptest! {
        #[test]
        fn children_stay_unique(children in "[a-e]{0,5}", by in "[a-h]{0,5}", how in 0..4u8) {
            let children: String = {
                let mut seen = BTreeSet::new();
                children.chars().filter(|c| seen.insert(*c)).collect()
            };
            let make = [ChainEdit::Redefine, ChainEdit::Extend, ChainEdit::Prepend, ChainEdit::Remove];
            let result = edited(&make[usize::from(how)](names(&by)), &children);
            let unique: BTreeSet<char> = result.chars().collect();
            prop_assert_eq!(unique.len(), result.chars().count());
            let all: BTreeSet<char> = children.chars().chain(by.chars()).collect();
            prop_assert!(unique.is_subset(&all));
        }
    }

    #[test]
    fn hostile_names_are_refused_with_the_reason() {
        for (name, reason) in [
            ("", "1 to 255"),
            (&"x".repeat(256), "1 to 255"),
            ("a\nb", "control"),
            ("a\0b", "control"),
            ("a*", "comma"),
            ("a,b", "comma"),
            (" a", "space"),
            ("a/../b", "'..'"),
            ("../a", "'..'"),
            ("/a", "empty"),
            ("a//b", "empty"),
            ("a/", "empty"),
        ] {
            let error = check_collection_name(name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Argument);
            assert!(error.to_string().contains(reason), "{error}");
        }
        for name in ["u/x/y", "a;b", "it's", "a\"b", "a b", "Ω", "a..b", "@#$%^&"] {
            check_collection_name(name).unwrap();
        }
    }

    #[test]
    fn codes_and_names_lead_back() {
        for ty in CollectionType::ALL {
            assert_eq!(CollectionType::from_code(ty.code()).unwrap(), ty);
            assert_eq!(ty.name().to_lowercase().parse::<CollectionType>().unwrap(), ty);
        }
        assert!(CollectionType::from_code(0).is_err());
        assert!("virtual".parse::<CollectionType>().is_err());
    }
}
