//! Whether artifacts are there, where they are, and the artifacts themselves.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use butler_core::datastore::{Artifact, ArtifactBody, ArtifactUris};
use butler_core::{DatasetRef, Error, ErrorKind, ReadSource, Result, local_file};

use super::Inner;
use super::archives::open_member;
use super::plan::TypePlan;
use super::read::check_size;
use crate::location::{Location, MEMBER, encode, scheme};
use crate::record::FileRecord;
use crate::store::{FileSource, is_file};
use crate::work::{Shared, blocking, joined, start};

/// The error for a dataset without records.
pub(super) fn no_records(inner: &Inner, dataset: &DatasetRef) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("datastore '{}' has no artifact of dataset {dataset}", inner.name),
    )
}

/// Opens an artifact wherever it is.
pub(super) fn open_record(inner: &Inner, record: &FileRecord) -> Result<Box<dyn ReadSource>> {
    match &record.member {
        None => open_file(inner, &record.location),
        Some(member) => open_member(inner, &record.location, member),
    }
}

/// Opens the file of an artifact.
pub(super) fn open_file(inner: &Inner, location: &Location) -> Result<Box<dyn ReadSource>> {
    match location {
        Location::Inside(path) => inner.store.open(path),
        Location::Outside(uri) => Ok(Box::new(FileSource::open(&outside(uri)?)?)),
    }
}

/// The local file of a URI outside the root.
fn outside(uri: &str) -> Result<std::path::PathBuf> {
    local_file(uri)?.ok_or_else(|| {
        let scheme = scheme(uri).unwrap_or_default();
        Error::new(
            ErrorKind::Unsupported,
            format!("'{}' cannot be read: '{scheme}' is not known here", uri.escape_debug()),
        )
        .with_hint(format!("object stores need the cargo feature 'datastore-{scheme}'"))
    })
}

fn is_there(inner: &Inner, location: &Location) -> Result<bool> {
    match location {
        Location::Inside(path) => inner.store.exists(path),
        Location::Outside(uri) => is_file(&outside(uri)?),
    }
}

fn all_there(inner: &Inner, dataset: &DatasetRef) -> Result<bool> {
    let records = FileRecord::of(dataset, &inner.name)?;
    for record in &records {
        if !is_there(inner, &record.location).map_err(|error| error.with_context("dataset", dataset))? {
            return Ok(false);
        }
    }
    Ok(!records.is_empty())
}

pub(super) async fn exists(inner: &Arc<Inner>, datasets: &[DatasetRef]) -> Result<Vec<bool>> {
    let shared = Arc::new(Shared::new(datasets.len(), inner.store.block()));
    let datasets: Arc<[DatasetRef]> = datasets.into();
    let mut threads = Vec::new();
    for _ in 0..shared.threads(inner.store.workers()) {
        let (inner, shared, datasets) = (Arc::clone(inner), Arc::clone(&shared), Arc::clone(&datasets));
        threads.push(start(move || {
            let mut found = Vec::new();
            while let Some(block) = shared.take() {
                for index in block {
                    found.push((index, all_there(&inner, &datasets[index])));
                }
            }
            found
        })?);
    }
    let mut all = vec![false; datasets.len()];
    for thread in threads {
        for (index, there) in joined(thread.await)? {
            all[index] = there?;
        }
    }
    Ok(all)
}

pub(super) fn uris(inner: &Inner, dataset: &DatasetRef, predict: bool) -> Result<ArtifactUris> {
    let records = FileRecord::of(dataset, &inner.name)?;
    if !records.is_empty() {
        return Ok(collect(records.iter().map(|record| (record.component.clone(), uri(inner, record)))));
    }
    if !predict {
        return Err(no_records(inner, dataset));
    }
    let composite = dataset.dataset_type().composite();
    let whole = TypePlan::new(inner, &composite, None, dataset.data_id())?;
    let predicted = |plan: &TypePlan| -> Result<String> {
        let extension = inner.known_formatters.get(&plan.formatter)?.extension();
        Ok(format!("{}#predicted", inner.store.uri(&plan.paths.path(dataset, extension)?)))
    };
    if !whole.disassemble {
        return Ok(collect([(ArcStr::new(), predicted(&whole)?)]));
    }
    let mut all = Vec::new();
    for (name, class) in &whole.class.components {
        let component = composite.component(name, class)?;
        all.push((
            name.clone(),
            predicted(&TypePlan::new(inner, &composite, Some(&component), dataset.data_id())?)?,
        ));
    }
    Ok(collect(all))
}

/// Addresses under which anybody can fetch artifacts.
pub(super) async fn signed_uris(
    inner: &Arc<Inner>,
    datasets: Vec<DatasetRef>,
    lifetime: Duration,
) -> Result<Vec<ArtifactUris>> {
    let inner = Arc::clone(inner);
    blocking(move || datasets.iter().map(|dataset| signed(&inner, dataset, lifetime)).collect()).await
}

fn signed(inner: &Inner, dataset: &DatasetRef, lifetime: Duration) -> Result<ArtifactUris> {
    let records = FileRecord::of(dataset, &inner.name)?;
    if records.is_empty() {
        return Err(no_records(inner, dataset));
    }
    let mut uris = Vec::with_capacity(records.len());
    for record in &records {
        let Location::Inside(path) = &record.location else {
            let message = format!("'{}' is not the datastore's, and cannot be signed", record.path());
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let mut uri = inner.store.signed_uri(path, lifetime)?;
        push_member(&mut uri, record);
        uris.push((record.component.clone(), uri));
    }
    Ok(collect(uris))
}

fn push_member(uri: &mut String, record: &FileRecord) {
    if let Some(member) = &record.member {
        uri.push_str(MEMBER);
        uri.push_str(&encode(member));
    }
}

/// URI of an artifact; in an archive, its name there is the fragment.
fn uri(inner: &Inner, record: &FileRecord) -> String {
    let mut uri = match &record.location {
        Location::Inside(path) => inner.store.uri(path),
        Location::Outside(uri) => uri.to_string(),
    };
    push_member(&mut uri, record);
    uri
}

fn collect(uris: impl IntoIterator<Item = (ArcStr, String)>) -> ArtifactUris {
    let mut all = ArtifactUris::default();
    for (component, uri) in uris {
        if component.is_empty() {
            all.primary = Some(uri);
        } else {
            all.components.insert(component, uri);
        }
    }
    all
}

pub(super) async fn open(inner: &Arc<Inner>, dataset: DatasetRef) -> Result<Vec<Artifact>> {
    let inner = Arc::clone(inner);
    blocking(move || {
        let records = FileRecord::of(&dataset, &inner.name)?;
        if records.is_empty() {
            return Err(no_records(&inner, &dataset));
        }
        let artifact = |record: &FileRecord| {
            artifact(&inner, record).map_err(|error| error.with_context("dataset", &dataset))
        };
        records.iter().map(artifact).collect()
    })
    .await
}

/// Bytes that are read at once, of an artifact that is no local file.
const PART: u64 = 8 << 20;

/// The bytes of an artifact in parts, each of which is read when it is asked for.
fn parts(source: Box<dyn ReadSource>) -> ArtifactBody {
    let read = |(mut source, at): (Box<dyn ReadSource>, u64)| async move {
        if at >= source.size() {
            return Ok(None);
        }
        let (source, part) = blocking(move || {
            let part = source.read_range(at, PART)?;
            Ok((source, part))
        })
        .await?;
        let next = at + part.len() as u64;
        if part.is_empty() {
            return Err(Error::new(ErrorKind::Integrity, "an artifact ended before its end"));
        }
        Ok(Some((part, (source, next))))
    };
    ArtifactBody::Stream(Box::pin(futures::stream::try_unfold((source, 0), read)))
}

fn artifact(inner: &Inner, record: &FileRecord) -> Result<Artifact> {
    let mut source = open_record(inner, record)?;
    check_size(&*source, record)?;
    let path = source.local_path().map(Path::to_owned);
    Ok(Artifact {
        component: Some(record.component.clone()).filter(|component| !component.is_empty()),
        formatter: record.formatter.clone(),
        storage_class: record.storage_class.clone(),
        file_name: file_name(&record.path()).into(),
        size: Some(source.size()),
        checksum: record.checksum.clone(),
        body: match path {
            Some(path) => ArtifactBody::File(path),
            None if source.size() <= PART => ArtifactBody::Bytes(source.read_all()?),
            None => parts(source),
        },
    })
}

fn file_name(path: &str) -> &str {
    let name = path.split_once(MEMBER).map_or(path, |(_, member)| member);
    name.rsplit('/').next().unwrap_or(name)
}
