//! Stored datasets: read, looked for, located.

use std::time::Duration;

use std::any::Any;
use std::sync::Arc;

use arcstr::ArcStr;

use super::Butler;
use super::target::{Lookup, LookupTarget};
use crate::dataset::{DatasetExistence, DatasetRef};
use crate::datastore::{Artifact, ArtifactUris, GetRequest};
use crate::object::Object;
use crate::storage_class::ReadParameters;
use crate::{Error, ErrorKind, Result};

impl Butler {
    /// Reads a dataset.
    ///
    /// Of a calibration, the one that is valid when its data ID says (such as
    /// that of an exposure), unless the lookup has a timespan.
    ///
    /// # Errors
    /// `DatasetNotFound` if there is none, `NotFound` if it is not stored; as [`find_many`](Self::find_many)
    /// and [`Datastore::get`](crate::datastore::Datastore::get).
    pub async fn get(&self, lookup: impl Into<Lookup>) -> Result<Object> {
        let mut objects = self.get_many(vec![lookup.into()]).await?;
        objects
            .pop()
            .unwrap_or_else(|| Err(Error::new(ErrorKind::Unexpected, "a dataset was read, and is not there")))
    }

    /// Reads a dataset into an object of a known Rust type.
    ///
    /// # Errors
    /// As [`get`](Self::get), and `StorageClass` if the object is of another type.
    pub async fn get_as<T: Any + Send + Sync>(&self, lookup: impl Into<Lookup>) -> Result<Arc<T>> {
        self.get(lookup).await?.downcast()
    }

    /// Reads many datasets, in the order asked for; a failure of one is none of the others.
    ///
    /// # Errors
    /// In its place, each: as [`get`](Self::get). In place of all: what cannot be asked.
    pub async fn get_many(&self, lookups: Vec<Lookup>) -> Result<Vec<Result<Object>>> {
        let located = self.located(&lookups).await?;
        let mut results: Vec<Option<Result<Object>>> = Vec::with_capacity(lookups.len());
        let mut requests = Vec::new();
        for (found, lookup) in located.into_iter().zip(&lookups) {
            match found {
                Ok(dataset) => {
                    results.push(None);
                    requests.push(GetRequest { dataset, parameters: lookup.parameters.clone() });
                }
                Err(error) => results.push(Some(Err(error))),
            }
        }
        let mut objects = self.inner.datastore.get(requests).await.into_iter();
        let missing = || Err(Error::new(ErrorKind::Unexpected, "a datastore gave too few answers"));
        Ok(results
            .into_iter()
            .map(|result| result.or_else(|| objects.next()).unwrap_or_else(missing))
            .collect())
    }

    /// A handle by which a dataset can be read later, perhaps in parts.
    ///
    /// # Errors
    /// `DatasetNotFound` if there is none, or if it is not stored; as [`find_many`](Self::find_many).
    pub async fn get_deferred(&self, lookup: impl Into<Lookup>) -> Result<DatasetHandle> {
        let lookup = lookup.into();
        let mut located = self.located(std::slice::from_ref(&lookup)).await?;
        let dataset = located.pop().unwrap_or_else(|| self.require(&lookup, None))?;
        if !self.inner.datastore.knows(&dataset) {
            return Err(Error::new(ErrorKind::DatasetNotFound, format!("dataset {dataset} is not stored")));
        }
        Ok(DatasetHandle { butler: self.clone(), dataset, parameters: lookup.parameters })
    }

    /// What registry and datastore know of a dataset. With `look`, its artifact is looked for too.
    ///
    /// # Errors
    /// What cannot be asked; `Connection` and the like.
    pub async fn exists(&self, lookup: impl Into<Lookup>, look: bool) -> Result<DatasetExistence> {
        Ok(self.exists_many(vec![lookup.into()], look).await?.pop().unwrap_or_default())
    }

    /// What registry and datastore know of datasets, in the order asked for.
    ///
    /// # Errors
    /// As [`exists`](Self::exists).
    pub async fn exists_many(&self, lookups: Vec<Lookup>, look: bool) -> Result<Vec<DatasetExistence>> {
        let found = self.locate(&lookups, true).await?;
        let given = lookups
            .iter()
            .zip(&found)
            .filter(|(lookup, found)| matches!(lookup.target, LookupTarget::Dataset(_)) && found.is_some());
        let ids = given.filter_map(|(_, found)| found.as_ref().map(DatasetRef::id)).collect();
        let mut registered = self.inner.registry.get(ids).await?.into_iter();
        let mut existence = vec![DatasetExistence::UNRECOGNIZED; lookups.len()];
        for ((known, lookup), found) in existence.iter_mut().zip(&lookups).zip(&found) {
            let recorded = match (&lookup.target, found) {
                (_, None) => false,
                (LookupTarget::Dataset(_), Some(_)) => registered.next().flatten().is_some(),
                _ => true,
            };
            if recorded {
                *known |= DatasetExistence::RECORDED;
            }
        }
        let places: Vec<usize> = (0..found.len()).filter(|&at| found[at].is_some()).collect();
        let datasets = self.with_records(found.into_iter().flatten().collect()).await?;
        let there =
            if look { self.inner.datastore.exists(&datasets).await? } else { vec![false; datasets.len()] };
        for ((at, dataset), there) in places.into_iter().zip(datasets).zip(there) {
            if self.inner.datastore.knows(&dataset) {
                existence[at] |= DatasetExistence::DATASTORE;
            }
            if !look {
                existence[at] |= DatasetExistence::ASSUMED;
            } else if there {
                existence[at] |= DatasetExistence::ARTIFACT;
            }
        }
        Ok(existence)
    }

    /// Where the artifacts of a dataset are.
    ///
    /// # Errors
    /// `DatasetNotFound`, `NotFound` if it is not stored; what cannot be asked.
    pub async fn uris(&self, lookup: impl Into<Lookup>) -> Result<ArtifactUris> {
        let lookup = lookup.into();
        let located = self.located(std::slice::from_ref(&lookup)).await?;
        let datasets = located.into_iter().collect::<Result<Vec<_>>>()?;
        Ok(self.inner.datastore.uris(&datasets, false).await?.pop().unwrap_or_default())
    }

    /// Where the artifacts of many datasets are.
    ///
    /// With `predict`, for those that are not stored, where they would be.
    ///
    /// # Errors
    /// `NotFound` if one is not stored and nothing is predicted; what cannot be asked.
    pub async fn uris_many(&self, datasets: &[DatasetRef], predict: bool) -> Result<Vec<ArtifactUris>> {
        let mut known = self.with_records(datasets.to_vec()).await?;
        if predict {
            // Where they would be may depend on dimension records.
            let unstored: Vec<usize> =
                (0..known.len()).filter(|&at| !self.inner.datastore.knows(&known[at])).collect();
            let expanded = self.expand(unstored.iter().map(|&at| known[at].clone()).collect()).await?;
            for (at, dataset) in unstored.into_iter().zip(expanded) {
                known[at] = dataset;
            }
        }
        self.inner.datastore.uris(&known, predict).await
    }

    /// Addresses under which anybody can fetch the artifacts of datasets for a while.
    ///
    /// # Errors
    /// `NotFound` if one is not stored; `Unsupported` if the datastore cannot sign, or for artifacts that
    /// lie elsewhere.
    pub async fn signed_uris(
        &self,
        datasets: &[DatasetRef],
        lifetime: Duration,
    ) -> Result<Vec<ArtifactUris>> {
        let known = self.with_records(datasets.to_vec()).await?;
        self.inner.datastore.signed_uris(&known, lifetime).await
    }

    /// Artifacts of a dataset, as bytes.
    ///
    /// # Errors
    /// As [`uris`](Self::uris), and `Unsupported` if the datastore keeps no bytes.
    pub async fn open(&self, lookup: impl Into<Lookup>) -> Result<Vec<Artifact>> {
        let lookup = lookup.into();
        let mut located = self.located(std::slice::from_ref(&lookup)).await?;
        let dataset = located.pop().unwrap_or_else(|| self.require(&lookup, None))?;
        self.inner.datastore.open(&dataset).await
    }

    /// Datasets with the records of datastores.
    async fn located(&self, lookups: &[Lookup]) -> Result<Vec<Result<DatasetRef>>> {
        let found = self.locate(lookups, true).await?;
        let known = found.iter().flatten().cloned().collect();
        let mut known = self.with_records(known).await?.into_iter();
        Ok(lookups
            .iter()
            .zip(found)
            .map(|(lookup, found)| self.require(lookup, found.and_then(|_| known.next())))
            .collect())
    }
}

/// A stored dataset that can be read later.
#[derive(Clone, Debug)]
pub struct DatasetHandle {
    butler: Butler,
    dataset: DatasetRef,
    parameters: ReadParameters,
}

impl DatasetHandle {
    /// The dataset, with the records of datastores.
    #[must_use]
    pub fn dataset(&self) -> &DatasetRef {
        &self.dataset
    }

    /// Reads it.
    ///
    /// # Errors
    /// As [`Butler::get`].
    pub async fn get(&self) -> Result<Object> {
        self.read(Lookup::from(&self.dataset)).await
    }

    /// Reads a component of it.
    ///
    /// # Errors
    /// As [`Butler::get`], and `UnknownComponent`.
    pub async fn get_component(&self, name: impl Into<ArcStr>) -> Result<Object> {
        self.read(Lookup::from(&self.dataset).component(name)).await
    }

    async fn read(&self, mut lookup: Lookup) -> Result<Object> {
        lookup.parameters.clone_from(&self.parameters);
        self.butler.get(lookup).await
    }
}
