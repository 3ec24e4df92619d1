//! The TOML form of a dimension universe, and the rules that it must obey.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// Words that cannot name a dimension: columns of our own tables, fields of
/// datasets and keywords of query expressions.
const RESERVED: &[&str] = &[
    "and",
    "begin",
    "between",
    "collection",
    "collection_id",
    "data_id_hash",
    "dataset_id",
    "dataset_type",
    "dataset_type_id",
    "end",
    "false",
    "id",
    "in",
    "ingest_date",
    "is",
    "not",
    "null",
    "or",
    "origin",
    "overlaps",
    "region",
    "run",
    "run_id",
    "timespan",
    "true",
    "validity_begin",
    "validity_end",
];

const NAME_MAX: usize = 40;
const GOVERNOR_KEY_MAX: u32 = 128;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UniverseConfig {
    pub(super) namespace: String,
    pub(super) version: u32,
    pub(super) skypix: SkyPixConfig,
    #[serde(default)]
    pub(super) spatial: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) temporal: BTreeMap<String, Vec<String>>,
    pub(super) elements: BTreeMap<String, ElementConfig>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SkyPixConfig {
    pub(super) common: String,
    pub(super) systems: BTreeMap<String, SkyPixSystemConfig>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SkyPixSystemConfig {
    #[serde(default = "one")]
    pub(super) min_level: u32,
    pub(super) max_level: u32,
}

fn one() -> u32 {
    1
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ElementConfig {
    pub(super) doc: String,
    pub(super) requires: Vec<String>,
    pub(super) implies: Vec<String>,
    pub(super) key: Option<FieldConfig>,
    pub(super) alternate_keys: Vec<FieldConfig>,
    pub(super) metadata: Vec<FieldConfig>,
    pub(super) governor: bool,
    pub(super) cached: bool,
    pub(super) union_of: Option<String>,
    pub(super) always_join: bool,
    pub(super) populated_by: Option<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldConfig {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) ty: FieldTypeConfig,
    #[serde(default)]
    pub(super) length: Option<u32>,
    #[serde(default)]
    pub(super) doc: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FieldTypeConfig {
    Int,
    Float,
    Bool,
    String,
    Hash,
}

impl UniverseConfig {
    /// Parses and validates a universe.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let place = error.span().map_or_else(String::new, |span| {
                let before = &text[..span.start.min(text.len())];
                let line = before.matches('\n').count() + 1;
                let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
                format!(" in line {line}, column {column}")
            });
            Error::new(
                ErrorKind::Configuration,
                format!("dimension universe is malformed{place}: {}", error.message().trim()),
            )
            .with_operation("read dimension universe")
        })?;
        config.validate()?;
        Ok(config)
    }

    /// The one text that equal definitions have, however they were written.
    pub(super) fn canonical(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "dimension universe cannot be written").with_source(error)
        })
    }

    /// Reads the canonical text of a definition that was validated before.
    pub(super) fn from_canonical(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            Error::new(ErrorKind::Corrupt, "canonical dimension universe is malformed").with_source(error)
        })
    }

    fn validate(&self) -> Result<()> {
        check_name("namespace", &self.namespace)?;
        self.validate_skypix()?;
        for (name, element) in &self.elements {
            check_name("dimension element", name)?;
            if RESERVED.contains(&name.as_str()) {
                return Err(problem(format!(
                    "'{name}' cannot name a dimension element: the word is reserved"
                )));
            }
            self.validate_element(name, element)?;
        }
        self.validate_families()
    }

    fn validate_skypix(&self) -> Result<()> {
        for (name, system) in &self.skypix.systems {
            let highest = match name.as_str() {
                "htm" => 24,
                "healpix" => 17,
                _ => {
                    return Err(problem(format!(
                        "sky pixelisation system '{name}' is unknown; there are 'htm' and 'healpix'"
                    )));
                }
            };
            if system.min_level > system.max_level || system.max_level > highest {
                return Err(problem(format!(
                    "levels {}..{} of sky pixelisation '{name}' are unusable; they must lie in 0..{highest}",
                    system.min_level, system.max_level
                )));
            }
        }
        if !self.skypix_names().any(|name| name == self.skypix.common) {
            return Err(problem(format!(
                "the common sky pixelisation '{}' is no level of a system of this universe",
                self.skypix.common
            )));
        }
        Ok(())
    }

    /// Names of all levels of all sky pixelisation systems.
    pub(super) fn skypix_names(&self) -> impl Iterator<Item = String> + '_ {
        self.skypix.systems.iter().flat_map(|(name, system)| {
            (system.min_level..=system.max_level).map(move |level| format!("{name}{level}"))
        })
    }

    fn validate_element(&self, name: &str, element: &ElementConfig) -> Result<()> {
        let fail = |message: String| Err(problem(format!("dimension element '{name}' {message}")));
        if self.skypix_names().any(|other| other == name) {
            return fail("has the name of a sky pixelisation".into());
        }
        if let Some(other) =
            element.requires.iter().chain(&element.implies).find(|other| !self.has_key(other))
        {
            return fail(format!("requires or implies '{other}', which is no dimension"));
        }
        match &element.key {
            Some(key) if !matches!(key.ty, FieldTypeConfig::Int | FieldTypeConfig::String) => {
                return fail("has a key that is neither int nor string".into());
            }
            Some(_) if element.always_join || element.populated_by.is_some() => {
                return fail("has a key, and cannot set always_join or populated_by".into());
            }
            None if element.requires.is_empty() => return fail("has neither a key nor requirements".into()),
            None if !element.implies.is_empty() => {
                return fail("has no key, and cannot imply dimensions".into());
            }
            _ => {}
        }
        self.validate_governor(name, element)?;
        self.validate_union(name, element)?;
        if let Some(by) = &element.populated_by
            && !self.required_closure(name)?.contains(by.as_str())
        {
            return fail(format!("is populated by '{by}', which it does not require"));
        }
        self.validate_fields(name, element)
    }

    fn validate_governor(&self, name: &str, element: &ElementConfig) -> Result<()> {
        let fail = |message: String| Err(problem(format!("dimension element '{name}' {message}")));
        if element.governor {
            let usable = element.requires.is_empty()
                && element.implies.is_empty()
                && element.key.as_ref().is_some_and(|key| {
                    key.ty == FieldTypeConfig::String
                        && key.length.is_some_and(|length| length <= GOVERNOR_KEY_MAX)
                });
            if !usable {
                return fail(format!(
                    "cannot be a governor: that takes a string key of at most {GOVERNOR_KEY_MAX} characters and no requirements"
                ));
            }
        }
        let closure = self.required_closure(name)?;
        let governors: Vec<_> =
            closure.iter().filter(|other| self.elements.get(**other).is_some_and(|e| e.governor)).collect();
        if governors.len() > 1 {
            return fail(format!("depends on several governors: {governors:?}"));
        }
        Ok(())
    }

    fn validate_union(&self, name: &str, element: &ElementConfig) -> Result<()> {
        let Some(target) = &element.union_of else { return Ok(()) };
        let fail = |message: String| Err(problem(format!("dimension element '{name}' {message}")));
        let bare = element.key.is_some()
            && element.requires.is_empty()
            && element.implies.is_empty()
            && element.alternate_keys.is_empty()
            && element.metadata.is_empty()
            && !element.governor;
        if !bare {
            return fail("is a union of implied values, and can have nothing but a key".into());
        }
        match self.elements.get(target) {
            Some(other) if other.implies.iter().any(|implied| implied == name) => Ok(()),
            _ => fail(format!("is a union of what '{target}' implies, but '{target}' does not imply it")),
        }
    }

    fn validate_fields(&self, name: &str, element: &ElementConfig) -> Result<()> {
        let fail = |message: String| Err(problem(format!("dimension element '{name}' {message}")));
        let closure = self.required_closure(name)?;
        let mut seen: BTreeSet<&str> = closure.into_iter().collect();
        seen.extend(element.implies.iter().map(String::as_str));
        for field in element.alternate_keys.iter().chain(&element.metadata) {
            check_name("field", &field.name)?;
            if matches!(field.name.as_str(), "region" | "timespan") || !seen.insert(&field.name) {
                return fail(format!("has the field '{}' twice", field.name));
            }
        }
        for field in element.key.iter().chain(&element.alternate_keys).chain(&element.metadata) {
            let sized = matches!(field.ty, FieldTypeConfig::String | FieldTypeConfig::Hash);
            if sized != field.length.is_some() || field.length == Some(0) {
                return fail(format!("has the field '{}' with an unusable length", field.name));
            }
        }
        for field in &element.alternate_keys {
            if !matches!(field.ty, FieldTypeConfig::Int | FieldTypeConfig::String | FieldTypeConfig::Hash) {
                return fail(format!("has an alternate key '{}' that is no int, string or hash", field.name));
            }
        }
        Ok(())
    }

    fn validate_families(&self) -> Result<()> {
        for families in [&self.spatial, &self.temporal] {
            let mut seen = BTreeSet::new();
            for (family, members) in families {
                check_name("family", family)?;
                for member in members {
                    if !self.elements.contains_key(member) {
                        return Err(problem(format!(
                            "family '{family}' lists '{member}', which is no element"
                        )));
                    }
                    if !seen.insert(member) {
                        return Err(problem(format!(
                            "dimension element '{member}' is in several families of one kind"
                        )));
                    }
                }
            }
        }
        Ok(())
    }

    fn has_key(&self, name: &str) -> bool {
        self.elements.get(name).is_some_and(|element| element.key.is_some())
    }

    /// Everything that an element requires, itself included if it has a key.
    pub(super) fn required_closure<'a>(&'a self, name: &'a str) -> Result<BTreeSet<&'a str>> {
        let mut closure = BTreeSet::new();
        let mut path = Vec::new();
        self.walk_required(name, &mut closure, &mut path)?;
        if !self.has_key(name) {
            closure.remove(name);
        }
        Ok(closure)
    }

    fn walk_required<'a>(
        &'a self,
        name: &'a str,
        closure: &mut BTreeSet<&'a str>,
        path: &mut Vec<&'a str>,
    ) -> Result<()> {
        if path.contains(&name) {
            return Err(problem(format!(
                "dimension elements require each other: {} → {name}",
                path.join(" → ")
            )));
        }
        if closure.insert(name) {
            path.push(name);
            for other in self.elements.get(name).iter().flat_map(|element| &element.requires) {
                self.walk_required(other, closure, path)?;
            }
            path.pop();
        }
        Ok(())
    }

    /// Names of all elements in universe order: in rounds, each of the elements
    /// that require and imply only what came before, by name within a round.
    pub(super) fn order(&self) -> Result<Vec<String>> {
        let mut pending: BTreeMap<String, BTreeSet<&str>> = self
            .elements
            .iter()
            .map(|(name, e)| {
                (name.clone(), e.requires.iter().chain(&e.implies).map(String::as_str).collect())
            })
            .collect();
        pending.extend(self.skypix_names().map(|name| (name, BTreeSet::new())));
        let mut order: Vec<String> = Vec::with_capacity(pending.len());
        while !pending.is_empty() {
            let round: Vec<String> = pending
                .iter()
                .filter(|(_, needs)| needs.iter().all(|need| !pending.contains_key(*need)))
                .map(|(name, _)| name.clone())
                .collect();
            if round.is_empty() {
                let names: Vec<_> = pending.keys().map(String::as_str).collect();
                return Err(problem(format!(
                    "dimension elements depend on each other: {}",
                    names.join(", ")
                )));
            }
            pending.retain(|name, _| !round.contains(name));
            order.extend(round);
        }
        Ok(order)
    }
}

fn check_name(what: &str, name: &str) -> Result<()> {
    let mut chars = name.chars();
    let usable = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && name.len() <= NAME_MAX;
    if usable {
        return Ok(());
    }
    Err(problem(format!(
        "'{}' cannot name a {what}: use at most {NAME_MAX} lower-case letters, digits and underscores, no digit first",
        name.escape_debug()
    )))
}

fn problem(message: String) -> Error {
    Error::new(ErrorKind::Configuration, message).with_operation("read dimension universe")
}
