//! Reading objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::datastore::{GetRequest, ReadGoal};
use butler_core::{
    DatasetRef, Error, ErrorKind, Formatter, Object, ReadOutcome, ReadParameters, ReadRequest, ReadSource,
    Result, StorageClass,
};

use super::Inner;
use super::look::{no_records, open_record};
use crate::config::Verification;
use crate::location::Location;
use crate::record::FileRecord;
use crate::work::{Shared, joined, start};

/// Reads objects on a few threads, in the order asked for.
pub(super) async fn get(inner: &Arc<Inner>, requests: Vec<GetRequest>) -> Vec<Result<Object>> {
    let count = requests.len();
    let (shared, requests) = (Arc::new(Shared::new(count, inner.store.block())), Arc::new(requests));
    let mut threads = Vec::new();
    let mut problem = None;
    for _ in 0..shared.threads(inner.store.workers()) {
        let (inner, shared, requests) = (Arc::clone(inner), Arc::clone(&shared), Arc::clone(&requests));
        let work = move || {
            let mut read = Vec::new();
            while let Some(block) = shared.take() {
                for index in block {
                    read.push((index, get_one(&inner, &requests[index])));
                }
            }
            read
        };
        match start(work) {
            Ok(thread) => threads.push(thread),
            Err(error) => problem = Some(error.to_string()),
        }
    }
    let mut all: Vec<Option<Result<Object>>> = std::iter::repeat_with(|| None).take(count).collect();
    for thread in threads {
        match joined(thread.await) {
            Ok(read) => read.into_iter().for_each(|(index, result)| all[index] = Some(result)),
            Err(error) => problem = Some(error.to_string()),
        }
    }
    let problem = problem.unwrap_or_else(|| "a read was not done".to_owned());
    all.into_iter()
        .map(|result| result.unwrap_or_else(|| Err(Error::new(ErrorKind::Unexpected, problem.clone()))))
        .collect()
}

fn get_one(inner: &Inner, request: &GetRequest) -> Result<Object> {
    let named = |error: Error| error.with_context("dataset", &request.dataset);
    let records = FileRecord::of(&request.dataset, &inner.name)?;
    if records.is_empty() {
        return Err(no_records(inner, &request.dataset));
    }
    let goal = ReadGoal::of(request);
    let record = |component: &str| records.iter().find(|record| record.component == component);
    match (record(""), goal.component) {
        (Some(whole), _) => read_whole(inner, &request.dataset, whole, &goal),
        (None, None) => read_assembled(inner, request, &records, &goal),
        (None, Some(name)) => match record(name) {
            Some(component) => {
                read_whole(inner, &request.dataset, component, &ReadGoal { component: None, ..goal })
            }
            None => read_derived(inner, request, &records, &goal, name),
        },
    }
    .map_err(named)
}

/// Reads an artifact, or a component of what it holds.
fn read_whole(
    inner: &Inner,
    dataset: &DatasetRef,
    record: &FileRecord,
    goal: &ReadGoal<'_>,
) -> Result<Object> {
    let class = inner.reader.class(&record.storage_class);
    inner.reader.check(goal, &class)?;
    let outcome = read_artifact(inner, dataset, record, &class, goal)?;
    inner.reader.finish(goal, &class, outcome)
}

/// Puts a composite together that was stored component by component.
fn read_assembled(
    inner: &Inner,
    request: &GetRequest,
    records: &[FileRecord],
    goal: &ReadGoal<'_>,
) -> Result<Object> {
    let class = inner.reader.class(request.dataset.dataset_type().storage_class());
    inner.reader.check(goal, &class)?;
    let none = ReadParameters::new();
    let mut components = BTreeMap::new();
    for record in records {
        let goal = ReadGoal { component: None, class: &record.storage_class, parameters: &none };
        let component = read_whole(inner, &request.dataset, record, &goal)?;
        components.insert(record.component.clone(), component);
    }
    let whole = inner.reader.assemble(&class, components)?;
    inner.reader.finish(goal, &class, ReadOutcome::from(whole))
}

/// Computes a component from one that was stored.
fn read_derived(
    inner: &Inner,
    request: &GetRequest,
    records: &[FileRecord],
    goal: &ReadGoal<'_>,
    name: &str,
) -> Result<Object> {
    let composite = request.dataset.dataset_type().composite();
    let class = inner.reader.class(composite.storage_class());
    inner.reader.check(goal, &class)?;
    let available: Vec<ArcStr> = records.iter().map(|record| record.component.clone()).collect();
    let responsible = inner.reader.delegate(&class)?.responsible_component(name, &available);
    let record =
        responsible.and_then(|responsible| records.iter().find(|record| record.component == responsible));
    match record {
        Some(record) => read_whole(inner, &request.dataset, record, goal),
        None => Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "datastore '{}' has no artifact of the component '{name}' of {}",
                inner.name, request.dataset
            ),
        )
        .with_hint(format!(
            "it has {}",
            available.iter().map(ArcStr::as_str).collect::<Vec<_>>().join(", ")
        ))),
    }
}

fn read_artifact(
    inner: &Inner,
    dataset: &DatasetRef,
    record: &FileRecord,
    class: &Arc<StorageClass>,
    goal: &ReadGoal<'_>,
) -> Result<ReadOutcome> {
    let formatter = formatter(inner, record, class)?;
    let is_whole = goal.component.is_none() && goal.parameters.is_empty();
    let mut source = open_cached(inner, dataset, record, is_whole)?;
    if inner.verification == Verification::Checksum {
        check_checksum(&mut *source, record)?;
    }
    let request = ReadRequest { class, component: goal.component, parameters: goal.parameters };
    formatter.read(&mut *source, &request).map_err(|error| error.with_context("path", record.path()))
}

/// Opens an artifact: in the cache, if it is kept there.
fn open_cached(
    inner: &Inner,
    dataset: &DatasetRef,
    record: &FileRecord,
    is_whole: bool,
) -> Result<Box<dyn ReadSource>> {
    let is_remote =
        matches!(&record.location, Location::Inside(path) if inner.store.local_file(path).is_none());
    let cache = inner.cache.as_ref().filter(|cache| is_remote && cache.keeps(dataset));
    if let Some(found) = cache.and_then(|cache| cache.find(dataset.id(), record)) {
        return Ok(found);
    }
    let mut source = open_record(inner, record)?;
    check_size(&*source, record)?;
    let Some(cache) = cache.filter(|_| is_whole) else { return Ok(source) };
    let bytes = source.read_all()?;
    if record.size.is_none_or(|size| size == bytes.len() as u64) {
        cache.add(dataset.id(), record, &bytes);
    }
    Ok(Box::new(bytes))
}

/// The formatter that wrote an artifact; what is bytes in memory, as is all of a class that is not known
/// here, is read without it.
fn formatter<'a>(
    inner: &'a Inner,
    record: &FileRecord,
    class: &StorageClass,
) -> Result<&'a Arc<dyn Formatter>> {
    let known = inner.known_formatters.get(&record.formatter);
    match known {
        Ok(formatter) if class.in_memory != "bytes" || formatter.in_memory().contains(&"bytes") => {
            Ok(formatter)
        }
        _ if class.in_memory == "bytes" => inner.known_formatters.get("bytes"),
        _ => known.map_err(|error| error.with_context("path", record.path())),
    }
}

/// Compares the number of bytes with the record.
pub(super) fn check_size(source: &dyn ReadSource, record: &FileRecord) -> Result<()> {
    match record.size {
        Some(size) if size != source.size() => Err(Error::new(
            ErrorKind::Integrity,
            format!("artifact '{}' has {} bytes, but was stored with {size}", record.path(), source.size()),
        )
        .with_hint("it was damaged or replaced")),
        _ => Ok(()),
    }
}

/// BLAKE3 of the bytes of an artifact, in hexadecimal.
pub(super) fn checksum(source: &mut dyn ReadSource) -> Result<ArcStr> {
    let mut hasher = blake3::Hasher::new();
    let mut at = 0;
    while at < source.size() {
        let part = source.read_range(at, 1 << 20)?;
        if part.is_empty() {
            break;
        }
        hasher.update(&part);
        at += part.len() as u64;
    }
    Ok(hasher.finalize().to_hex().as_str().into())
}

fn check_checksum(source: &mut dyn ReadSource, record: &FileRecord) -> Result<()> {
    let Some(expected) = &record.checksum else { return Ok(()) };
    let found = checksum(source)?;
    if found == *expected {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Integrity,
        format!("artifact '{}' has checksum {found}, but was stored with {expected}", record.path()),
    )
    .with_hint("it was damaged or replaced"))
}
