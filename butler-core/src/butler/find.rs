//! From what callers ask for to datasets.

use std::sync::Arc;

use arcstr::ArcStr;
use rustc_hash::FxHashMap;

use super::Butler;
use super::target::{Lookup, LookupTarget};
use crate::collection::{CollectionSearch, NamePattern};
use crate::dataset::{DatasetId, DatasetKind, DatasetRef, DatasetType};
use crate::registry::FindRequest;
use crate::time::Timespan;
use crate::{Error, ErrorKind, Result};

/// What a lookup by type and data ID came to.
struct Question {
    /// Position of the lookup.
    at: usize,
    /// Names of the collections.
    names: Arc<[ArcStr]>,
    request: FindRequest,
}

impl Butler {
    /// Finds a dataset: by id, or the first one of a type and data ID in some collections.
    ///
    /// Calibration collections are searched only if the lookup has a timespan.
    ///
    /// # Errors
    /// As [`find_many`](Self::find_many).
    pub async fn find(&self, lookup: impl Into<Lookup>) -> Result<Option<DatasetRef>> {
        let mut found = self.find_many(vec![lookup.into()]).await?;
        Ok(found.pop().flatten())
    }

    /// Finds datasets, in the order asked for; `None` for each that is not there.
    ///
    /// # Errors
    /// `MissingDatasetType`, `MissingCollection`, `NoDefaultCollection`, `DimensionName`, `DimensionValue`
    /// for what cannot be asked; `CalibrationLookup` if several datasets are valid; `DatasetType` for
    /// types of which a data ID does not tell one dataset.
    pub async fn find_many(&self, lookups: Vec<Lookup>) -> Result<Vec<Option<DatasetRef>>> {
        self.locate(&lookups, false).await
    }

    /// Datasets by id, in the order asked for; `None` for each that is not there.
    ///
    /// # Errors
    /// `Connection` and the like.
    pub async fn datasets(&self, ids: Vec<DatasetId>) -> Result<Vec<Option<DatasetRef>>> {
        self.inner.registry.get(ids).await
    }

    /// Finds datasets. `in_time` lets the data ID say when a calibration must be
    /// valid, if the lookup does not: any time, if it says nothing either.
    pub(super) async fn locate(&self, lookups: &[Lookup], in_time: bool) -> Result<Vec<Option<DatasetRef>>> {
        let mut found: Vec<Option<DatasetRef>> = vec![None; lookups.len()];
        let mut questions = Vec::new();
        let mut ids = Vec::new();
        for (at, lookup) in lookups.iter().enumerate() {
            match &lookup.target {
                LookupTarget::Dataset(dataset) => found[at] = Some(dataset.clone()),
                LookupTarget::Id(id) => ids.push((at, *id)),
                LookupTarget::Named { .. } => questions.push(self.question(at, lookup, in_time).await?),
            }
        }
        if !ids.is_empty() {
            let datasets = self.inner.registry.get(ids.iter().map(|(_, id)| *id).collect()).await?;
            for ((at, _), dataset) in ids.into_iter().zip(datasets) {
                found[at] = dataset;
            }
        }
        self.ask(questions, &mut found).await?;
        for (dataset, lookup) in found.iter_mut().zip(lookups) {
            if let Some(plain) = dataset {
                *plain = self.as_wanted(plain, lookup).await?;
            }
        }
        Ok(found)
    }

    async fn question(&self, at: usize, lookup: &Lookup, in_time: bool) -> Result<Question> {
        let LookupTarget::Named { dataset_type, data_id } = &lookup.target else {
            return Err(Error::new(ErrorKind::Unexpected, "a dataset that is known is not looked for"));
        };
        let dataset_type = self.dataset_type(dataset_type.clone()).await?.composite();
        let given = lookup.collections.as_deref();
        let names = match (given, dataset_type.kind()) {
            // It is found in any collection.
            (None, DatasetKind::Global) => &[],
            _ => self.collections_or_default(given)?,
        };
        if let Some(pattern) = names.iter().find(|name| NamePattern::new((*name).clone()).is_glob()) {
            return Err(Error::new(
                ErrorKind::InvalidQuery,
                format!(
                    "'{pattern}' is a pattern, which has no order in which a first dataset could be found"
                ),
            )
            .with_hint("name the collections"));
        }
        let (data_id, timespan) = match lookup.timespan {
            None if in_time => {
                let (data_id, time) = self.data_id_and_time(&dataset_type, data_id).await?;
                (data_id, dataset_type.is_calibration().then(|| time.unwrap_or(Timespan::UNBOUNDED)))
            }
            timespan => (self.data_id(dataset_type.group(), data_id.clone()).await?, timespan),
        };
        let collections = self.search(names).await?;
        let request = FindRequest { dataset_type, data_id, collections, timespan };
        Ok(Question { at, names: names.into(), request })
    }

    /// Puts questions to the registry. What is not found where remembered chains
    /// lead is looked for once more where they lead now.
    async fn ask(&self, questions: Vec<Question>, found: &mut [Option<DatasetRef>]) -> Result<()> {
        let mut missed = self.ask_once(questions, found).await?;
        let mut fresh: FxHashMap<Arc<[ArcStr]>, Arc<CollectionSearch>> = FxHashMap::default();
        for question in &missed {
            if !fresh.contains_key(&question.names) {
                fresh.insert(Arc::clone(&question.names), self.fresh_search(&question.names).await?);
            }
        }
        missed.retain_mut(|question| {
            let Some(now) = fresh.get(&question.names) else { return false };
            let changed = **now != *question.request.collections;
            question.request.collections = Arc::clone(now);
            changed
        });
        self.ask_once(missed, found).await.map(|_| ())
    }

    /// Puts questions to the registry; returns those that had no answer.
    async fn ask_once(
        &self,
        questions: Vec<Question>,
        found: &mut [Option<DatasetRef>],
    ) -> Result<Vec<Question>> {
        if questions.is_empty() {
            return Ok(questions);
        }
        let requests = questions.iter().map(|question| question.request.clone()).collect();
        let answers = self.inner.registry.find(requests).await?;
        let mut missed = Vec::new();
        for (question, answer) in questions.into_iter().zip(answers) {
            match answer {
                Some(dataset) => found[question.at] = Some(dataset),
                None => missed.push(question),
            }
        }
        Ok(missed)
    }

    /// A dataset as the component and storage class that are asked for.
    async fn as_wanted(&self, dataset: &DatasetRef, lookup: &Lookup) -> Result<DatasetRef> {
        let mut wanted: DatasetType = dataset.dataset_type().clone();
        if let LookupTarget::Named { dataset_type, .. } = &lookup.target {
            wanted = self.dataset_type(dataset_type.clone()).await?;
        }
        if let Some(component) = &lookup.component {
            wanted = self.component_of(&wanted, component)?;
        }
        if let Some(class) = &lookup.storage_class {
            self.inner.storage_classes.get(class)?;
            wanted = wanted.with_storage_class(class);
        }
        dataset.with_dataset_type(wanted)
    }

    /// The dataset of a lookup, or the error that there is none.
    pub(super) fn require(&self, lookup: &Lookup, found: Option<DatasetRef>) -> Result<DatasetRef> {
        found.ok_or_else(|| match &lookup.target {
            LookupTarget::Named { dataset_type, data_id } => {
                let name = match dataset_type {
                    super::TypeName::Name(name) => name.clone(),
                    super::TypeName::Type(dataset_type) => dataset_type.name().clone(),
                };
                let collections =
                    self.collections_or_default(lookup.collections.as_deref()).unwrap_or_default();
                let given: Vec<String> = data_id
                    .pairs()
                    .iter()
                    .map(|(key, value)| format!("{key}={}", super::data_id::show(value)))
                    .collect();
                Error::new(
                    ErrorKind::DatasetNotFound,
                    format!(
                        "no dataset '{name}' with {{{}}} in {}",
                        given.join(", "),
                        collections.join(", ")
                    ),
                )
            }
            LookupTarget::Id(id) => {
                Error::new(ErrorKind::DatasetNotFound, format!("there is no dataset with id {id}"))
            }
            LookupTarget::Dataset(dataset) => {
                Error::new(ErrorKind::DatasetNotFound, format!("there is no dataset {dataset}"))
            }
        })
    }
}
