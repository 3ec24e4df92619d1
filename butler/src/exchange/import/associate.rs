//! Members of tagged and calibration collections.

use arcstr::ArcStr;
use butler_core::registry::Operation;
use butler_core::{Butler, DatasetId, DatasetRef, Error, ErrorKind, Result, Timespan};
use rustc_hash::{FxHashMap, FxHashSet};

use super::plan::{Planned, Subject};
use crate::exchange::item::Item;

/// What must be known to associate the datasets of a file.
#[derive(Debug, Default)]
pub(super) struct Associations {
    datasets: FxHashMap<DatasetId, DatasetRef>,
    /// Pairs of collection and dataset type whose validity ranges are known.
    looked_up: FxHashSet<(ArcStr, ArcStr)>,
    /// Validity ranges that are there already.
    valid: FxHashMap<(ArcStr, DatasetId), Vec<Timespan>>,
}

impl Associations {
    /// What is known of the items of a whole file.
    pub(super) async fn of_file(butler: &Butler, items: &[Item]) -> Result<Self> {
        let mut new = Self::default();
        if !items.iter().any(|item| matches!(item, Item::Tags(_) | Item::Validity(_))) {
            return Ok(new);
        }
        for item in items {
            let Item::Datasets(datasets) = item else { continue };
            let datasets = datasets.files.iter().flat_map(|file| &file.datasets);
            new.datasets.extend(datasets.map(|dataset| (dataset.id(), dataset.clone())));
        }
        new.learn(butler, items).await?;
        Ok(new)
    }

    /// Learns of the repository what items refer to.
    pub(super) async fn learn(&mut self, butler: &Butler, items: &[Item]) -> Result<()> {
        let ids = items.iter().filter_map(ids).flatten();
        let missing: FxHashSet<DatasetId> =
            ids.copied().filter(|id| !self.datasets.contains_key(id)).collect();
        let missing: Vec<DatasetId> = missing.into_iter().collect();
        if !missing.is_empty() {
            let found = butler.registry().get(missing).await?.into_iter().flatten();
            self.datasets.extend(found.map(|dataset| (dataset.id(), dataset)));
        }
        for item in items {
            let Item::Validity(validity) = item else { continue };
            let types: FxHashSet<ArcStr> = validity
                .ids
                .iter()
                .filter_map(|id| self.datasets.get(id))
                .map(|dataset| dataset.dataset_type().name().clone())
                .collect();
            for name in types {
                self.learn_validity(butler, &validity.collection, name).await?;
            }
        }
        Ok(())
    }

    async fn learn_validity(&mut self, butler: &Butler, collection: &ArcStr, name: ArcStr) -> Result<()> {
        if !self.looked_up.insert((collection.clone(), name.clone())) {
            return Ok(());
        }
        let found = butler.query_associations(name).collections([collection.as_str()]).collect().await;
        let found = match found {
            Ok(found) => found,
            // Neither is there before the import.
            Err(error)
                if matches!(error.kind(), ErrorKind::MissingCollection | ErrorKind::MissingDatasetType) =>
            {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for association in found {
            if let Some(timespan) = association.timespan {
                let key = (collection.clone(), association.dataset.id());
                self.valid.entry(key).or_default().push(timespan);
            }
        }
        Ok(())
    }

    /// Forgets datasets, which are many, and keeps the ranges.
    pub(super) fn forget_datasets(&mut self) {
        self.datasets.clear();
    }

    /// The changes that an item is, if it associates datasets.
    ///
    /// # Errors
    /// `NotFound` for an id that is neither in the file nor registered.
    pub(super) fn operations(&mut self, item: &Item) -> Result<Vec<Planned>> {
        match item {
            Item::Tags(tags) => {
                let datasets = self.resolved(&tags.ids, &tags.collection)?;
                let operation = Operation::Associate { collection: tags.collection.clone(), datasets };
                Ok(vec![Planned::new(Subject::Tags, operation)])
            }
            Item::Validity(validity) => {
                let mut datasets = self.resolved(&validity.ids, &validity.collection)?;
                let all = datasets.len();
                datasets.retain(|dataset| {
                    let known = self.valid.get(&(validity.collection.clone(), dataset.id()));
                    !known.is_some_and(|known| known.contains(&validity.timespan))
                });
                let subject = Subject::Validity { existing: (all - datasets.len()) as u64 };
                let (collection, timespan) = (validity.collection.clone(), validity.timespan);
                let operation = Operation::Certify { collection, datasets, timespan };
                Ok(vec![Planned::new(subject, operation)])
            }
            _ => Ok(Vec::new()),
        }
    }

    fn resolved(&self, ids: &[DatasetId], collection: &ArcStr) -> Result<Vec<DatasetRef>> {
        let mut seen = FxHashSet::default();
        let ids = ids.iter().filter(|id| seen.insert(**id));
        ids.map(|id| {
            self.datasets.get(id).cloned().ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "dataset {id}, a member of '{collection}', is neither in the file nor registered"
                    ),
                )
            })
        })
        .collect()
    }
}

fn ids(item: &Item) -> Option<&[DatasetId]> {
    match item {
        Item::Tags(tags) => Some(&tags.ids),
        Item::Validity(validity) => Some(&validity.ids),
        _ => None,
    }
}
