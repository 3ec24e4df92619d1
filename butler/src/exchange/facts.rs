//! What becomes known of a file while it is read.

use std::collections::BTreeMap;

use arcstr::ArcStr;
use butler_core::{CollectionType, DatasetType, ErrorKind};
use rustc_hash::FxHashMap;

use super::block::Block;
use super::header::Header;
use super::item::ExportedCollection;
use super::migrate::Migration;
use super::node::{At, Flaw, Found};

/// What is known of a file: nothing at first, everything after it was checked.
///
/// It grows with the number of names, and not with the number of rows.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// What the file says of itself, once it was read to the end.
    pub(super) header: Option<Header>,
    /// The same, as it was known before the data.
    pub(super) assumed: Option<Header>,
    /// Blocks whose long list comes before what tells what it is, by position.
    pub(super) late: FxHashMap<usize, Block>,
    pub(super) dataset_types: BTreeMap<ArcStr, DatasetType>,
    pub(super) collections: Vec<ExportedCollection>,
    collection_places: FxHashMap<ArcStr, usize>,
    /// Collections that something refers to.
    pub(super) mentions: BTreeMap<ArcStr, Mention>,
    /// Classes of instruments, by name.
    pub(super) instruments: FxHashMap<ArcStr, ArcStr>,
    /// Instruments of which it is not known when a day begins.
    pub(super) unknown_instruments: Vec<ArcStr>,
    /// Whether an instrument comes after what follows from it.
    instruments_late: bool,
    /// Whether what others refer to comes before them, everywhere.
    pub(super) ordered: bool,
}

/// That something refers to a collection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mention {
    /// Type that it must have; any for children of chains.
    pub(super) ty: Option<CollectionType>,
    pub(super) at: At,
}

impl Facts {
    /// Nothing but what the file says of itself.
    pub(super) fn of(header: Option<Header>) -> Self {
        Self { header, ..Self::default() }
    }

    /// Whether something could not be read when it came.
    pub(super) fn has_loose_ends(&self) -> bool {
        !self.late.is_empty() || self.header != self.assumed || self.instruments_late
    }

    /// What a later pass must know.
    pub(super) fn for_reading(&self) -> Self {
        Self {
            header: self.header.clone(),
            late: self.late.clone(),
            dataset_types: self.dataset_types.clone(),
            instruments: self.instruments.clone(),
            ..Self::default()
        }
    }

    pub(super) fn take_instruments(&mut self, migration: Migration) {
        self.instruments_late = migration.absent.iter().any(|name| migration.instruments.contains_key(name));
        self.unknown_instruments = migration.unknown.into_iter().collect();
        self.unknown_instruments.sort_unstable();
        self.instruments = migration.instruments;
    }

    pub(super) fn collection(&self, name: &str) -> Option<&ExportedCollection> {
        self.collection_places.get(name).map(|&place| &self.collections[place])
    }

    /// Takes note of a collection, which may be described again.
    pub(super) fn note_collection(&mut self, collection: &ExportedCollection, at: At) -> Found<()> {
        let name = &collection.name;
        let place = *self.collection_places.entry(name.clone()).or_insert(self.collections.len());
        let Some(known) = self.collections.get_mut(place) else {
            self.collections.push(collection.clone());
            return Ok(());
        };
        if known.ty != collection.ty || known.children != collection.children {
            let message = format!(
                "collection '{name}' is described twice, as {} and as {}{}",
                known.ty,
                collection.ty,
                if known.ty == collection.ty { " with other children" } else { "" }
            );
            return Err(Flaw::new(at, ErrorKind::ConflictingDefinition, message));
        }
        if known.doc.is_none() {
            known.doc.clone_from(&collection.doc);
        }
        Ok(())
    }

    /// Notes that a collection must be there, of a type.
    pub(super) fn mention(&mut self, name: &ArcStr, ty: Option<CollectionType>, at: At) -> Found<()> {
        let known = self.mentions.entry(name.clone()).or_insert(Mention { ty, at });
        match (known.ty, ty) {
            (Some(before), Some(now)) if before != now => {
                let message =
                    format!("collection '{name}' is used as {now} here, and as {before} at {}", known.at);
                Err(Flaw::new(at, ErrorKind::CollectionType, message))
            }
            (None, Some(_)) => {
                *known = Mention { ty, at };
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Checks that collections of the file are of the types as which they are used.
    pub(super) fn check_mentions(&self) -> Found<()> {
        for collection in &self.collections {
            if let Some(Mention { ty: Some(ty), at }) = self.mentions.get(&collection.name)
                && *ty != collection.ty
            {
                let message = format!(
                    "collection '{}' is used as {ty} here, but it is of type {}",
                    collection.name, collection.ty
                );
                return Err(Flaw::new(*at, ErrorKind::CollectionType, message));
            }
        }
        Ok(())
    }
}
