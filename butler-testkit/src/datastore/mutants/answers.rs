//! Flaws of what a datastore says.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use arcstr::ArcStr;
use butler_core::backend::Value;
use butler_core::datastore::{ArtifactUris, DatastoreCapabilities, GetRequest, TransferMode};
use butler_core::registry::OpaqueTable;
use butler_core::{ArtifactRecords, DatasetRef, Error, ErrorKind, Object, Result, Structured};

use super::super::fixture::decode;
use super::TamperedDatastore;
use super::flaw::Flaw;

pub(super) fn capabilities(this: &TamperedDatastore) -> DatastoreCapabilities {
    let mut capabilities = this.inner.capabilities();
    match this.flaw {
        Flaw::DeclaresFewer => capabilities.transfer_modes.retain(|mode| *mode != TransferMode::Move),
        Flaw::DeclaresNoArchives => capabilities.archives = false,
        Flaw::DeclaresNoArtifacts => capabilities.artifacts = false,
        _ => {}
    }
    capabilities
}

pub(super) fn tables(this: &TamperedDatastore) -> Vec<OpaqueTable> {
    let mut tables = this.inner.tables();
    if this.flaw == Flaw::TableKeyTurned {
        tables.iter_mut().for_each(|table| table.spec.primary_key.swap(0, 1));
    }
    tables
}

pub(super) fn places(this: &TamperedDatastore) -> Vec<ArcStr> {
    match this.flaw {
        Flaw::PlacesUntold => Vec::new(),
        Flaw::PlacesAlike => this.inner.places().iter().map(|_| "here".into()).collect(),
        Flaw::PlacesAsWritten => {
            let opening = Arc::as_ptr(&this.reads);
            this.inner.places().iter().map(|place| format!("{place} {opening:p}").into()).collect()
        }
        _ => this.inner.places(),
    }
}

/// A dataset with records whose last value, the size, is gone.
pub(super) fn without_size(dataset: &DatasetRef) -> DatasetRef {
    change_records(dataset, |records| {
        for record in &mut records.0 {
            if let Some(size) = record.values.last_mut() {
                *size = Value::Null;
            }
        }
    })
}

fn change_records(dataset: &DatasetRef, change: impl Fn(&mut ArtifactRecords)) -> DatasetRef {
    let Some(records) = dataset.records() else { return dataset.clone() };
    let mut records = (**records).clone();
    change(&mut records);
    dataset.with_records(Some(Arc::new(records)))
}

fn whole(dataset: &DatasetRef) -> DatasetRef {
    dataset.with_dataset_type(dataset.dataset_type().composite()).unwrap_or_else(|_| dataset.clone())
}

/// A dataset as it was stored, as far as its type does not say otherwise.
fn as_stored(dataset: &DatasetRef) -> DatasetRef {
    let class = dataset.records().and_then(|records| match records.0.first()?.values.get(4)? {
        Value::Text(class) => Some(class.clone()),
        _ => None,
    });
    match class {
        Some(class) if dataset.dataset_type().component_name().is_none() => dataset
            .with_dataset_type(dataset.dataset_type().clone().with_storage_class(&class))
            .unwrap_or_else(|_| dataset.clone()),
        _ => dataset.clone(),
    }
}

fn asked(flaw: Flaw, mut request: GetRequest) -> GetRequest {
    match flaw {
        Flaw::ParametersIgnored => request.parameters.clear(),
        Flaw::SizesIgnored => request.dataset = without_size(&request.dataset),
        Flaw::OverrideIgnored => request.dataset = as_stored(&request.dataset),
        Flaw::ComponentsIgnored => request.dataset = whole(&request.dataset),
        _ => {}
    }
    request
}

pub(super) async fn get(this: &TamperedDatastore, requests: Vec<GetRequest>) -> Vec<Result<Object>> {
    let mut requests: Vec<GetRequest> =
        requests.into_iter().map(|request| asked(this.flaw, request)).collect();
    match this.flaw {
        Flaw::EmptyGetFails if requests.is_empty() => {
            return vec![Err(Error::new(ErrorKind::Argument, "nothing is asked for"))];
        }
        Flaw::GetReversed => requests.reverse(),
        _ => {}
    }
    let poisoned = this.flaw == Flaw::GivenUpPoisons && this.reads.swap(true, Ordering::Relaxed);
    if this.flaw == Flaw::GivenUpPoisons {
        // However fast a read is, there is a moment at which it can be given up.
        tokio::task::yield_now().await;
    }
    let mut results = this.inner.get(requests.clone()).await;
    this.reads.store(poisoned, Ordering::Relaxed);
    if poisoned {
        let fail = |_| Err(Error::new(ErrorKind::Unexpected, "an earlier read was given up"));
        results = results.into_iter().map(fail).collect();
    }
    if this.flaw == Flaw::OneFailsAll && results.iter().any(Result::is_err) {
        let fail = |_| Err(Error::new(ErrorKind::NotFound, "something is missing"));
        results = results.into_iter().map(fail).collect();
    }
    let mut changed = Vec::with_capacity(results.len());
    for (request, result) in requests.iter().zip(results) {
        changed.push(answer(this, request, result).await);
    }
    changed
}

async fn answer(this: &TamperedDatastore, request: &GetRequest, result: Result<Object>) -> Result<Object> {
    let component = request.dataset.dataset_type().component_name();
    if matches!(this.flaw, Flaw::ReadsKept | Flaw::ReadsKeptUntilRemoved) {
        let mut kept = this.kept.lock().unwrap_or_else(PoisonError::into_inner);
        return match (kept.get(&request.dataset.id()), result) {
            (Some(object), _) => Ok(object.clone()),
            (None, Ok(object)) => Ok(kept.entry(request.dataset.id()).or_insert(object).clone()),
            (None, error) => error,
        };
    }
    let all = || async {
        let request = GetRequest { dataset: whole(&request.dataset), ..request.clone() };
        this.inner.get(vec![request]).await.remove(0)
    };
    let kind = result.as_ref().err().map(Error::kind);
    let null = || Ok(Object::new(Structured::Null));
    match (this.flaw, kind, component) {
        (Flaw::MissingIsNull, Some(ErrorKind::NotFound), _) => null(),
        (Flaw::MalformedIsNull, Some(ErrorKind::Formatter), _) => null(),
        (Flaw::Unnamed, Some(kind), _) => Err(Error::new(kind, "something failed")),
        (Flaw::UnknownIsWhole, Some(ErrorKind::UnknownComponent), Some(_)) => all().await,
        (Flaw::PartsReadTogether, None, Some(_)) => all().await.and(result),
        (Flaw::DerivedUnknown, None, Some("total" | "double")) => {
            Err(Error::new(ErrorKind::UnknownComponent, "it has no such component"))
        }
        _ => result,
    }
}

/// Forgets what was read of datasets.
pub(super) fn forget(this: &TamperedDatastore, datasets: &[DatasetRef]) {
    let mut kept = this.kept.lock().unwrap_or_else(PoisonError::into_inner);
    datasets.iter().for_each(|dataset| drop(kept.remove(&dataset.id())));
}

pub(super) async fn exists(this: &TamperedDatastore, datasets: &[DatasetRef]) -> Result<Vec<bool>> {
    match this.flaw {
        Flaw::ExistsByRecord => Ok(datasets.iter().map(|dataset| this.inner.knows(dataset)).collect()),
        Flaw::ExistsReversed => {
            let mut found = this.inner.exists(datasets).await?;
            found.reverse();
            Ok(found)
        }
        Flaw::ExistsByOnePart => {
            let one: Vec<DatasetRef> = datasets
                .iter()
                .map(|dataset| change_records(dataset, |records| records.0.truncate(1)))
                .collect();
            this.inner.exists(&one).await
        }
        Flaw::ExistsByPath => {
            let uris = this.inner.uris(datasets, true).await?;
            Ok(uris.iter().map(|uris| uris.primary.as_deref().is_some_and(lies_there)).collect())
        }
        _ => this.inner.exists(datasets).await,
    }
}

fn lies_there(uri: &str) -> bool {
    let uri = uri.strip_suffix("#predicted").unwrap_or(uri);
    uri.strip_prefix("file://").is_some_and(|path| std::path::Path::new(&decode(path)).exists())
}

pub(super) async fn uris(
    this: &TamperedDatastore,
    datasets: &[DatasetRef],
    predict: bool,
) -> Result<Vec<ArtifactUris>> {
    let mut all = this.inner.uris(datasets, predict || this.flaw == Flaw::PredictsUnasked).await?;
    for uris in &mut all {
        let every = uris.primary.iter_mut().chain(uris.components.values_mut());
        match this.flaw {
            Flaw::AlwaysPredicted => every.for_each(|uri| {
                if !uri.ends_with("#predicted") {
                    uri.push_str("#predicted");
                }
            }),
            Flaw::PredictionUnmarked => every.for_each(|uri| *uri = uri.replace("#predicted", "")),
            Flaw::UrisPlain => every.for_each(|uri| *uri = decode(uri)),
            Flaw::PartsWithoutUris => uris.components.clear(),
            _ => {}
        }
    }
    Ok(all)
}
