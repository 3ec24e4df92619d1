//! Records against artifacts.

use std::sync::Arc;

use arcstr::ArcStr;
use butler_core::datastore::{Bookkeeper, Finding, FindingKind, VerifyOptions};
use butler_core::{DatasetRef, ErrorKind, Result};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Inner;
use super::look::open_record;
use super::remove::named_paths;
use crate::record::FileRecord;
use crate::store::is_temporary_of;
use crate::work::{Shared, blocking, joined, start};

/// Paths that are looked up before the next ones: what is known of them is forgotten then.
const BLOCK: usize = 50_000;

/// Compares the records of datasets with artifacts; then, if that is asked for, artifacts with records.
pub(super) async fn verify(
    inner: &Arc<Inner>,
    books: &dyn Bookkeeper,
    datasets: &[DatasetRef],
    options: &VerifyOptions,
) -> Result<Vec<Finding>> {
    let mut findings = compare(inner, datasets, options.checksum).await?;
    if datasets.is_empty() {
        let inner = Arc::clone(inner);
        let entries = blocking(move || inner.store.entries()).await?;
        books.outcomes(entries.into_iter().map(|entry| entry.name).collect()).await?;
    }
    if options.orphans {
        findings.extend(orphans(inner, books).await?);
    }
    Ok(findings)
}

/// An artifact, and the datasets that it is of.
struct Recorded {
    record: FileRecord,
    datasets: Vec<String>,
}

/// Artifacts of datasets: each once, though several may share it.
fn recorded(inner: &Inner, datasets: &[DatasetRef]) -> (Vec<Recorded>, Vec<Finding>) {
    let (mut all, mut places, mut findings) = (Vec::new(), FxHashMap::default(), Vec::new());
    for dataset in datasets {
        let records = match FileRecord::of(dataset, &inner.name) {
            Ok(records) => records,
            Err(error) => {
                findings.push(Finding {
                    kind: FindingKind::Record,
                    datastore: inner.name.clone(),
                    path: ArcStr::new(),
                    datasets: vec![dataset.to_string()],
                    detail: error.message().to_owned(),
                });
                continue;
            }
        };
        for record in records {
            let at = *places.entry(record.path()).or_insert(all.len());
            if at == all.len() {
                all.push(Recorded { record, datasets: Vec::new() });
            }
            all[at].datasets.push(dataset.to_string());
        }
    }
    (all, findings)
}

async fn compare(inner: &Arc<Inner>, datasets: &[DatasetRef], checksum: bool) -> Result<Vec<Finding>> {
    let (all, mut findings) = recorded(inner, datasets);
    let (shared, all) = (Arc::new(Shared::new(all.len(), inner.store.block())), Arc::new(all));
    let mut threads = Vec::new();
    for _ in 0..shared.threads(inner.store.workers()) {
        let (inner, shared, all) = (Arc::clone(inner), Arc::clone(&shared), Arc::clone(&all));
        threads.push(start(move || {
            let mut found = Vec::new();
            while let Some(block) = shared.take() {
                for recorded in &all[block] {
                    found.extend(compare_one(&inner, recorded, checksum)?);
                }
            }
            Ok(found)
        })?);
    }
    for thread in threads {
        findings.extend(joined::<Result<Vec<Finding>>>(thread.await)??);
    }
    findings.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(findings)
}

fn compare_one(inner: &Inner, recorded: &Recorded, checksum: bool) -> Result<Option<Finding>> {
    let Recorded { record, datasets } = recorded;
    let finding = |kind, detail: String| {
        let (datastore, path) = (inner.name.clone(), record.path());
        Ok(Some(Finding { kind, datastore, path, datasets: datasets.clone(), detail }))
    };
    let mut source = match open_record(inner, record) {
        Ok(source) => source,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return finding(FindingKind::Missing, "it is not there".into());
        }
        // Something is there that is no file.
        Err(error) if error.kind() == ErrorKind::Argument => {
            return finding(FindingKind::Missing, error.message().to_owned());
        }
        // It may be whole: that nobody can tell is a finding, and no reason to stop.
        Err(error) => {
            return finding(FindingKind::Missing, format!("it cannot be opened: {}", error.message()));
        }
    };
    let found = source.size();
    if let Some(expected) = record.size.filter(|expected| *expected != found) {
        return finding(FindingKind::Size, format!("{expected} bytes are recorded, and {found} are there"));
    }
    let Some(expected) = record.checksum.as_ref().filter(|_| checksum) else { return Ok(None) };
    let mut hasher = blake3::Hasher::new();
    let mut done = 0;
    while done < found {
        let part = source.read_range(done, 1 << 20)?;
        if part.is_empty() {
            break;
        }
        hasher.update(&part);
        done += part.len() as u64;
    }
    let digest = hasher.finalize().to_hex();
    if digest.as_str() == expected.as_str() {
        return Ok(None);
    }
    finding(FindingKind::Checksum, format!("{expected} is recorded, and {digest} is there"))
}

/// What open entries of the journal tell.
#[derive(Default)]
struct Open {
    paths: FxHashSet<ArcStr>,
    entries: Vec<ArcStr>,
}

fn open_entries(inner: &Inner) -> Result<Open> {
    let mut open = Open::default();
    for name in inner.store.entries()? {
        let Some(bytes) = inner.store.read_entry(&name)? else { continue };
        if let Ok(entry) = name.read(&bytes) {
            open.paths.extend(entry.paths());
        }
        open.entries.push(name.name);
    }
    Ok(open)
}

/// Artifacts that no record names.
///
/// They are listed first; then the journal is read, and then the records: whoever stores one
/// meanwhile has an entry until there is a record, and whoever removes one has an entry until it is gone.
async fn orphans(inner: &Arc<Inner>, books: &dyn Bookkeeper) -> Result<Vec<Finding>> {
    let listed = blocking({
        let inner = Arc::clone(inner);
        move || {
            let mut all: Vec<ArcStr> = Vec::new();
            inner.store.list(&mut |block| {
                all.extend(block);
                Ok(())
            })?;
            let open = open_entries(&inner)?;
            all.retain(|path| {
                let name = path.rsplit('/').next().unwrap_or(path);
                !open.paths.contains(path) && !open.entries.iter().any(|entry| is_temporary_of(name, entry))
            });
            Ok(all)
        }
    })
    .await?;
    let mut unnamed = Vec::new();
    for some in listed.chunks(BLOCK) {
        let named = named_paths(inner, books, some).await?;
        unnamed.extend(some.iter().filter(|path| !named.contains(*path)).cloned());
    }
    drop(listed);
    let inner = Arc::clone(inner);
    blocking(move || {
        let mut findings = Vec::new();
        for path in unnamed {
            if inner.store.is_there(&path)? {
                findings.push(Finding {
                    kind: FindingKind::Orphan,
                    datastore: inner.name.clone(),
                    path,
                    datasets: Vec::new(),
                    detail: "no record names it".into(),
                });
            }
        }
        findings.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(findings)
    })
    .await
}
