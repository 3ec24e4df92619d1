//! Collections and dataset types.

use std::sync::Arc;

use arcstr::ArcStr;
use futures::future::OptionFuture;

use super::target::TypeName;
use super::{Butler, Defaults, Inner, ResolvedDefaults};
use crate::collection::{
    ChainEdit, CollectionCatalog, CollectionInfo, CollectionSearch, CollectionType, NamePatterns,
};
use crate::dataset::DatasetType;
use crate::registry::{CollectionQuery, DatasetTypeQuery, Operation};
use crate::{Error, ErrorKind, Result, suggest};

impl Inner {
    /// The collections of some names, with all that chains lead to.
    pub(super) async fn catalog(&self, names: &[ArcStr], summaries: bool) -> Result<CollectionCatalog> {
        let query = CollectionQuery { names: Some(names.to_vec()), descendants: true, summaries };
        let catalog: CollectionCatalog = self.registry.collections(query).await?.into_iter().collect();
        if names.iter().all(|name| catalog.contains(name)) {
            return Ok(catalog);
        }
        // A name is missing: the error suggests one of all there are.
        let query = CollectionQuery { names: None, descendants: false, summaries };
        let all: CollectionCatalog = self.registry.collections(query).await?.into_iter().collect();
        names.iter().try_for_each(|name| all.get(name).map(|_| ()))?;
        Ok(all)
    }

    /// All collections.
    pub(super) async fn whole_catalog(&self, summaries: bool) -> Result<CollectionCatalog> {
        let query = CollectionQuery { names: None, descendants: false, summaries };
        Ok(self.registry.collections(query).await?.into_iter().collect())
    }

    pub(super) async fn resolve_defaults(&self, given: Defaults) -> Result<ResolvedDefaults> {
        let given = given.completed();
        let wanted = given.infer && !given.collections.is_empty();
        let catalog: OptionFuture<_> = wanted.then(|| self.catalog(&given.collections, true)).into();
        let summary = match catalog.await {
            None => None,
            Some(Ok(catalog)) => Some(catalog.summary(&catalog.flatten(&given.collections)?)),
            // Default collections need not be there until they are searched.
            Some(Err(error)) if error.kind() == ErrorKind::MissingCollection => None,
            Some(Err(error)) => return Err(error),
        };
        let data_id = given.governors(self.registry.universe(), &summary.unwrap_or_default())?;
        Ok(ResolvedDefaults { given, data_id })
    }
}

impl Butler {
    /// Collections to search for a list of names, chains resolved, as remembered.
    pub(super) async fn search(&self, names: &[ArcStr]) -> Result<Arc<CollectionSearch>> {
        match self.inner.names.search(names) {
            Some(search) => Ok(search),
            None => self.fresh_search(names).await,
        }
    }

    /// Collections to search for a list of names, chains resolved, as they are now.
    pub(super) async fn fresh_search(&self, names: &[ArcStr]) -> Result<Arc<CollectionSearch>> {
        if names.is_empty() {
            return Ok(Arc::new(CollectionSearch::new([])));
        }
        let asked = self.inner.names.generation();
        let catalog = self.inner.catalog(names, false).await?;
        let search = Arc::new(catalog.flatten(names)?);
        self.inner.names.remember_search(names, Arc::clone(&search), asked);
        Ok(search)
    }

    /// Names of the collections to search: those given, or the default ones.
    pub(super) fn collections_or_default<'a>(&'a self, given: Option<&'a [ArcStr]>) -> Result<&'a [ArcStr]> {
        match given {
            Some(names) => Ok(names),
            None if self.defaults.given.collections.is_empty() => Err(Error::new(
                ErrorKind::NoDefaultCollection,
                "no collections were given, and there are no default ones",
            )
            .with_hint("name the collections to search")),
            None => Ok(&self.defaults.given.collections),
        }
    }

    /// Registers a collection; returns whether it is new.
    ///
    /// # Errors
    /// `ConflictingDefinition` if there is one of another type, `Argument` for an unusable name, `ReadOnly`.
    pub async fn register_collection(
        &self,
        name: impl Into<ArcStr>,
        ty: CollectionType,
        doc: Option<&str>,
    ) -> Result<bool> {
        let operation = Operation::RegisterCollection { name: name.into(), ty, doc: doc.map(Into::into) };
        Ok(self.apply_one(operation).await?.inserted > 0)
    }

    /// Changes the children of a chain; returns those that it has then.
    ///
    /// # Errors
    /// `MissingCollection`, `CollectionType` if it is no chain, `CollectionCycle`, `ReadOnly`.
    pub async fn edit_chain(&self, chain: impl Into<ArcStr>, edit: ChainEdit) -> Result<Vec<ArcStr>> {
        Ok(self.apply_one(Operation::EditChain { parent: chain.into(), edit }).await?.children)
    }

    /// A collection.
    ///
    /// # Errors
    /// `MissingCollection`.
    pub async fn collection(&self, name: &str) -> Result<CollectionInfo> {
        let names = [name.into()];
        Ok((**self.inner.catalog(&names, true).await?.get(name)?).clone())
    }

    /// Collections that match names and patterns, in their order, and what is
    /// known of all of them and of what chains lead to.
    ///
    /// # Errors
    /// `MissingCollection` for a name that is not there.
    pub async fn collections(
        &self,
        patterns: &NamePatterns,
        summaries: bool,
    ) -> Result<(Vec<ArcStr>, CollectionCatalog)> {
        let catalog = if patterns.has_globs() {
            self.inner.whole_catalog(summaries).await?
        } else {
            let names: Vec<ArcStr> = patterns.iter().map(|pattern| pattern.as_str().clone()).collect();
            self.inner.catalog(&names, summaries).await?
        };
        Ok((catalog.expand(patterns)?, catalog))
    }

    /// Registers a dataset type; returns whether it is new.
    ///
    /// # Errors
    /// `ConflictingDefinition` if there is another one of its name, `StorageClass`
    /// if its storage class is unknown, `Argument` if its genre is, `DatasetType` for a component, `ReadOnly`.
    ///
    /// [`Genre::dataset_type`](crate::Genre::dataset_type) makes one from a genre.
    pub async fn register_dataset_type(&self, dataset_type: &DatasetType) -> Result<bool> {
        self.inner.storage_classes.get(dataset_type.storage_class())?;
        if let Some(genre) = dataset_type.genre() {
            self.inner.genres.get(genre)?;
        }
        Ok(self.apply_one(Operation::RegisterDatasetType(dataset_type.clone())).await?.inserted > 0)
    }

    /// The definition of a dataset type; `type.component` for a component.
    ///
    /// # Errors
    /// `MissingDatasetType`, with the nearest name; `UnknownComponent`.
    pub async fn dataset_type(&self, name: impl Into<TypeName>) -> Result<DatasetType> {
        match name.into() {
            TypeName::Type(dataset_type) => Ok(dataset_type),
            TypeName::Name(name) => match name.split_once('.') {
                None => self.registered_type(&name).await,
                Some((composite, component)) => {
                    let composite = self.registered_type(composite).await?;
                    self.component_of(&composite, component)
                }
            },
        }
    }

    /// A component of a composite type, of the storage class that the composite's says.
    pub(super) fn component_of(&self, composite: &DatasetType, component: &str) -> Result<DatasetType> {
        let class = self.inner.storage_classes.get(composite.storage_class())?;
        composite.component(component, class.component(component)?)
    }

    async fn registered_type(&self, name: &str) -> Result<DatasetType> {
        if let Some(known) = self.inner.names.dataset_type(name) {
            return Ok(known);
        }
        let asked = self.inner.names.generation();
        let query = DatasetTypeQuery { names: Some(vec![name.into()]) };
        if let Some(found) = self.inner.registry.dataset_types(query).await?.pop() {
            self.inner.names.remember_type(found.clone(), asked);
            return Ok(found);
        }
        let all = self.inner.registry.dataset_types(DatasetTypeQuery::default()).await?;
        let error = Error::new(
            ErrorKind::MissingDatasetType,
            format!("dataset type '{}' is not registered", name.escape_debug()),
        );
        Err(match suggest::nearest(name, all.iter().map(|known| known.name().as_str())) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None => error.with_hint("`query-dataset-types` lists those there are"),
        })
    }

    /// Dataset types that match names and patterns, each once: in the order
    /// of the list, what a pattern matches by name.
    ///
    /// # Errors
    /// `MissingDatasetType` for a name that is not there; a pattern may match nothing.
    pub async fn dataset_types(&self, patterns: &NamePatterns) -> Result<Vec<DatasetType>> {
        let mut found: Vec<DatasetType> = Vec::new();
        let mut all = None;
        for pattern in patterns.iter() {
            if !pattern.is_glob() {
                found.push(self.dataset_type(pattern.as_str()).await?);
                continue;
            }
            if all.is_none() {
                let mut types = self.inner.registry.dataset_types(DatasetTypeQuery::default()).await?;
                types.sort_by(|a, b| a.name().cmp(b.name()));
                all = Some(types);
            }
            let all = all.iter().flatten();
            found.extend(all.filter(|known| pattern.matches(known.name())).cloned());
        }
        let mut seen = rustc_hash::FxHashSet::default();
        found.retain(|dataset_type| seen.insert(dataset_type.name().clone()));
        Ok(found)
    }
}
