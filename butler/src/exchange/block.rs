//! Blocks: the parts of an export, each with a few keys and perhaps a long list.

use arcstr::ArcStr;
use butler_core::{
    CollectionType, DatasetType, DimensionElement, DimensionUniverse, ErrorKind, check_collection_name,
};

use super::item::ExportedCollection;
use super::migrate::Migration;
use super::node::{At, Entry, Flaw, Found, Node, Value, at, twice, unknown_key};

/// Kind of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Dimension,
    Collection,
    /// A run, as the first files had them.
    Run,
    DatasetType,
    Dataset,
    Associations,
}

impl Kind {
    const NAMES: [(&str, Self); 6] = [
        ("dimension", Self::Dimension),
        ("collection", Self::Collection),
        ("run", Self::Run),
        ("dataset_type", Self::DatasetType),
        ("dataset", Self::Dataset),
        ("associations", Self::Associations),
    ];

    fn of(node: &Node) -> Found<Self> {
        let name = node.text()?;
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind).ok_or_else(|| {
            let names = Self::NAMES.map(|(name, _)| name);
            let Flaw { error, .. } = unknown_key(node.at, name, &names);
            let flaw = Flaw::form(node.at, format!("'{}' is no type of a block", name.escape_debug()));
            match error.hint() {
                Some(hint) => flaw.hint(hint),
                None => flaw,
            }
        })
    }

    /// Keys that it must and may have, other than `type` and those of its body.
    fn keys(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Dimension => (&["element"], &[]),
            Self::Collection => {
                (&["collection_type", "name"], &["doc", "host", "timespan_begin", "timespan_end", "children"])
            }
            Self::Run => (&["name"], &["doc", "host", "timespan_begin", "timespan_end"]),
            Self::DatasetType => (&["name", "dimensions", "storage_class"], &["is_calibration"]),
            Self::Dataset => (&["dataset_type", "run"], &[]),
            Self::Associations => (&["collection", "collection_type"], &[]),
        }
    }
}

/// Keys with long lists, which are read as they come.
pub(super) const BODIES: [&str; 3] = ["records", "dataset_ids", "validity_ranges"];

/// The keys of a block without its long list.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    pub(super) at: At,
    entries: Vec<Entry>,
    /// Key of the long list, and where it is.
    pub(super) body: Option<(String, At)>,
}

/// What the long list of a block is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    Records(DimensionElement),
    /// Of a type, by name, and a run.
    Datasets(ArcStr, ArcStr),
    Tags(ArcStr),
    Validity(ArcStr),
}

impl Block {
    pub(super) fn new(place: At) -> Self {
        Self { at: place, ..Self::default() }
    }

    pub(super) fn insert(&mut self, entry: Entry) -> Found<()> {
        if self.get(&entry.key).is_some() {
            return Err(twice(entry.at, &entry.key));
        }
        self.entries.push(entry);
        Ok(())
    }

    fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    fn required(&self, key: &str) -> Found<&Node> {
        self.get(key).ok_or_else(|| Flaw::form(self.at, format!("a block without '{key}' begins here")))
    }

    fn name(&self, key: &str) -> Found<ArcStr> {
        self.required(key)?.text().map(Into::into)
    }

    fn collection_name(&self, key: &str) -> Found<ArcStr> {
        let node = self.required(key)?;
        let name = node.text()?;
        check_collection_name(name).map_err(at(node.at))?;
        Ok(name.into())
    }

    fn collection_type(&self) -> Found<CollectionType> {
        let node = self.required("collection_type")?;
        node.text()?.parse().map_err(at(node.at))
    }

    /// Place of a key's value, or of the block.
    pub(super) fn place(&self, key: &str) -> At {
        self.get(key).map_or(self.at, |node| node.at)
    }

    /// The kind of the block.
    pub(super) fn kind(&self) -> Found<Kind> {
        Kind::of(self.required("type")?)
    }

    /// Whether all is known that tells what the long list is.
    pub(super) fn tells_body(&self) -> bool {
        let Ok(kind) = self.kind() else { return false };
        kind.keys().0.iter().all(|key| self.get(key).is_some())
    }

    /// What the long list is.
    pub(super) fn body(&self, universe: DimensionUniverse) -> Found<Option<Body>> {
        let kind = self.kind()?;
        let (body, wanted) = match kind {
            Kind::Dimension => (Body::Records(self.element(universe)?), "records"),
            Kind::Dataset => {
                (Body::Datasets(self.name("dataset_type")?, self.collection_name("run")?), "records")
            }
            Kind::Associations => {
                let collection = self.collection_name("collection")?;
                match self.collection_type()? {
                    CollectionType::Tagged => (Body::Tags(collection), "dataset_ids"),
                    CollectionType::Calibration => (Body::Validity(collection), "validity_ranges"),
                    other => {
                        return Err(Flaw::form(
                            self.place("collection_type"),
                            format!("a collection of type {other} has no associations"),
                        )
                        .hint("TAGGED and CALIBRATION ones have"));
                    }
                }
            }
            Kind::Collection | Kind::Run | Kind::DatasetType => return self.without_body(),
        };
        match &self.body {
            Some((key, _)) if key == wanted => Ok(Some(body)),
            Some((key, place)) => Err(unknown_key(*place, key, &[wanted])),
            None => Err(Flaw::form(self.at, format!("a block without '{wanted}' begins here"))),
        }
    }

    fn without_body(&self) -> Found<Option<Body>> {
        match &self.body {
            None => Ok(None),
            Some((key, place)) => Err(Flaw::form(*place, format!("'{key}' means nothing in this block"))),
        }
    }

    fn element(&self, universe: DimensionUniverse) -> Found<DimensionElement> {
        let node = self.required("element")?;
        let element = universe.element(node.text()?).map_err(at(node.at))?;
        if element.has_table() {
            return Ok(element);
        }
        Err(Flaw::new(node.at, ErrorKind::DimensionName, format!("'{element}' has no records of its own")))
    }

    /// Checks that no key is missing and none is unknown.
    pub(super) fn check_keys(&self) -> Found<()> {
        let (required, optional) = self.kind()?.keys();
        for key in required {
            self.required(key)?;
        }
        let known: Vec<&str> = ["type"].iter().chain(required).chain(optional).copied().collect();
        match self.entries.iter().find(|entry| !known.contains(&entry.key.as_str())) {
            None => Ok(()),
            Some(entry) => Err(unknown_key(entry.at, &entry.key, &known)),
        }
    }

    /// The collection that the block describes.
    pub(super) fn collection(&self) -> Found<ExportedCollection> {
        let ty = if self.kind()? == Kind::Run { CollectionType::Run } else { self.collection_type()? };
        let doc = self.get("doc").map(Node::optional_text).transpose()?.flatten();
        Ok(ExportedCollection {
            name: self.collection_name("name")?,
            ty,
            doc: doc.filter(|doc| !doc.is_empty()).map(Into::into),
            children: self.children(ty)?,
        })
    }

    fn children(&self, ty: CollectionType) -> Found<Vec<ArcStr>> {
        let Some(node) = self.get("children") else {
            return match ty {
                CollectionType::Chained => self.required("children").map(|_| Vec::new()),
                _ => Ok(Vec::new()),
            };
        };
        if ty != CollectionType::Chained {
            return Err(Flaw::form(node.at, format!("a collection of type {ty} has no children")));
        }
        let Value::List(items) = &node.value else { return Err(node.unlike("a list of names")) };
        let mut children = Vec::with_capacity(items.len());
        for item in items {
            // Once, a child could come with a restriction to dataset types, which nobody heeds any more.
            let child = match &item.value {
                Value::List(pair) if pair.len() == 2 => &pair[0],
                _ => item,
            };
            let name = child.text()?;
            check_collection_name(name).map_err(at(child.at))?;
            children.push(name.into());
        }
        Ok(children)
    }

    /// The dataset type that the block describes.
    pub(super) fn dataset_type(
        &self,
        universe: DimensionUniverse,
        migration: &Migration,
    ) -> Found<DatasetType> {
        let dimensions = self.required("dimensions")?;
        let mut names = dimensions.texts()?;
        migration.dimensions(&mut names);
        let group = universe.conform(&names).map_err(at(dimensions.at))?;
        let name = self.required("name")?;
        let storage_class = self.required("storage_class")?;
        let dataset_type =
            DatasetType::new(name.text()?, group, storage_class.text()?).map_err(at(name.at))?;
        let is_calibration = match self.get("is_calibration") {
            None => false,
            Some(node) if node.is_null() => false,
            Some(node) => node.bool()?,
        };
        Ok(dataset_type.with_is_calibration(is_calibration))
    }
}
