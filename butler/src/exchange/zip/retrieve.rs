//! Archives of a repository's datasets.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use butler_core::datastore::{Artifact as Stored, ArtifactBody};
use butler_core::{Butler, DatasetRef, Error, ErrorKind, Result};
use butler_datastore_file::{ArchiveWriter, member_name};
use futures::StreamExt;

use super::index::{Artifact, Index, Info};
use super::{INDEX, file_name};
use crate::artifacts::{failed, place};
use crate::exchange::formatters;
use crate::source::on_thread;

/// Boxed: what compresses is large.
type Writer = Box<ArchiveWriter<BufWriter<File>>>;

/// Writes artifacts of datasets into a new zip archive in a directory; gives its path.
///
/// The file's name follows from what is in it. [`ingest_zip`](super::ingest_zip) and the Python butler take it.
///
/// # Errors
/// `Argument` without datasets; `NotFound` for a dataset that is not stored; `AlreadyExists` if the archive is there
/// and shall not be replaced; `Permission`, `Exhausted`.
pub async fn retrieve_zip(
    butler: &Butler,
    datasets: Vec<DatasetRef>,
    directory: &Path,
    clobber: bool,
) -> Result<PathBuf> {
    if datasets.is_empty() {
        return Err(Error::new(ErrorKind::Argument, "there are no datasets for a zip archive"));
    }
    let datasets = butler.with_records(butler.expand(datasets).await?).await?;
    let part = directory.join(format!(".butler-{}.zip.part", std::process::id()));
    let made = Box::pin(make(butler, &datasets, &part)).await;
    let (part, directory) = (part.clone(), directory.to_owned());
    on_thread(move || {
        let named = made.and_then(|name| {
            let target = directory.join(name);
            place(&target, clobber, |to| fs::hard_link(&part, to).or_else(|_| fs::copy(&part, to).map(drop)))
                .map_err(|error| failed(&target, &error))?;
            Ok(target)
        });
        // What is half an archive is of no use, and of a whole one there is another name.
        let _ = fs::remove_file(&part);
        named
    })
    .await
}

/// Writes an archive; gives its name.
async fn make(butler: &Butler, datasets: &[DatasetRef], part: &Path) -> Result<String> {
    let path = part.to_owned();
    let mut writer = on_thread(move || {
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| File::create(&path))
            .map(|file| Box::new(ArchiveWriter::new(BufWriter::new(file))))
            .map_err(|error| failed(&path, &error))
    })
    .await?;
    let store = butler.datastore();
    let mut members: BTreeMap<String, Artifact> = BTreeMap::new();
    // An artifact may be of several datasets.
    let mut places: BTreeMap<String, String> = BTreeMap::new();
    for dataset in datasets {
        let uris = store.uris(std::slice::from_ref(dataset), false).await?.pop().unwrap_or_default();
        for artifact in store.open(dataset).await? {
            let uri = match &artifact.component {
                None => uris.primary.clone(),
                Some(component) => uris.components.get(component).cloned(),
            };
            let uri = uri.unwrap_or_else(|| dataset.id().to_string());
            if let Some(member) = places.get(&uri).and_then(|name| members.get_mut(name)) {
                member.ids.insert(dataset.id());
                continue;
            }
            let name = name(dataset, &artifact, &members);
            let (info, body) = info(artifact, &name);
            let size;
            (writer, size) = Box::pin(add(writer, name.clone(), body)).await?;
            let info = Info { file_size: i64::try_from(size).unwrap_or(i64::MAX), ..info };
            places.insert(uri, name.clone());
            members.insert(name, Artifact { info, ids: [dataset.id()].into() });
        }
    }
    let name = file_name(members.keys().map(String::as_str));
    let index = Index::new(butler.universe(), datasets, members)?.to_json()?;
    on_thread(move || {
        writer.start(INDEX, true)?;
        writer.write_all(&index).map_err(|error| unwritable(&error))?;
        writer.finish()?.into_inner().map(drop).map_err(|error| unwritable(error.error()))
    })
    .await?;
    Ok(name)
}

fn unwritable(error: &io::Error) -> Error {
    failed(Path::new("a zip archive"), error)
}

/// Name of an artifact in the archive: its own, after the beginning of the dataset's id, without what archives refuse.
fn name(dataset: &DatasetRef, artifact: &Stored, taken: &BTreeMap<String, Artifact>) -> String {
    let id = dataset.id().to_string();
    let after = |start: &str| member_name(&format!("{start}-{}", artifact.file_name));
    let is_taken = |name: &String| taken.contains_key(name) || name == INDEX;
    let mut name = after(&id[..8]);
    let mut number = 0;
    while is_taken(&name) {
        name = if number == 0 { after(&id) } else { after(&format!("{id}-{number}")) };
        number += 1;
    }
    name
}

fn info(artifact: Stored, name: &str) -> (Info, ArtifactBody) {
    let Stored { component, formatter, storage_class, checksum, body, .. } = artifact;
    let formatter = formatters::python(&formatter).map_or(formatter, Into::into);
    (Info { formatter, path: name.to_owned(), storage_class, component, checksum, file_size: -1 }, body)
}

/// Adds a member; tells the number of its bytes.
async fn add(mut writer: Writer, name: String, body: ArtifactBody) -> Result<(Writer, u64)> {
    writer = on_thread(move || writer.start(&name, false).map(|()| writer)).await?;
    match body {
        ArtifactBody::Bytes(bytes) => on_thread(move || write(writer, &bytes)).await,
        ArtifactBody::File(path) => {
            on_thread(move || {
                let copied = File::open(&path).and_then(|mut file| io::copy(&mut file, &mut writer));
                copied.map(|size| (writer, size)).map_err(|error| failed(&path, &error))
            })
            .await
        }
        ArtifactBody::Stream(mut parts) => {
            let mut total = 0;
            while let Some(part) = parts.next().await {
                let part = part?;
                let size;
                (writer, size) = on_thread(move || write(writer, &part)).await?;
                total += size;
            }
            Ok((writer, total))
        }
    }
}

fn write(mut writer: Writer, bytes: &[u8]) -> Result<(Writer, u64)> {
    writer.write_all(bytes).map_err(|error| unwritable(&error))?;
    Ok((writer, bytes.len() as u64))
}
