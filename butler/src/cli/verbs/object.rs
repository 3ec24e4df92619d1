//! `put`, `get` and `find-dataset`.

use std::io::{Read, Write};
use std::path::Path;

use butler::datastore::ArtifactBody;
use butler::{
    Butler, DatasetId, DatasetRef, Draft, Error, ErrorKind, IngestFile, IngestOptions, Lookup, LooseDataId,
    Object, Result, StorageClass, Structured,
};
use clap::Args;
use futures::TryStreamExt;

use super::common::{Output, Repository, local_path, read_timespan, search_path};
use crate::cli::context::Context;
use crate::cli::output::{self, Format};
use crate::cli::values::{DatasetRow, dataset_columns};

/// Arguments of `put`.
#[derive(Args, Debug)]
pub(crate) struct Put {
    #[command(flatten)]
    repository: Repository,
    /// Dataset type
    #[arg(value_name = "TYPE")]
    dataset_type: String,
    /// Data ID
    #[arg(value_name = "KEY=VALUE")]
    data_id: Vec<String>,
    /// Run that gets the dataset, registered if it is new
    #[arg(long)]
    run: String,
    /// File that has the dataset; standard input if it is `-`
    #[arg(long, value_name = "PATH", default_value = "-")]
    file: String,
    /// Storage class of the file, if not that of the dataset type
    #[arg(long, value_name = "NAME")]
    storage_class: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Put {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.write(&self.repository.repo).await?;
        let mut dataset_type = butler.dataset_type(self.dataset_type.as_str()).await?;
        if let Some(class) = &self.storage_class {
            butler.storage_classes().get(class)?;
            dataset_type = dataset_type.with_storage_class(class);
        }
        let loose = LooseDataId::from_texts(butler.universe(), &self.data_id)?;
        let class = butler.storage_classes().get(dataset_type.storage_class())?.clone();
        let draft = Draft::new(dataset_type, loose).new_run(self.run.as_str());
        let bytes = context.waiting(|| read_input(&self.file))?;
        let dataset = match decode(&class, &self.file, &bytes)? {
            Some(object) => butler.put(object, draft).await?,
            None => ingest(&butler, &self.file, &bytes, draft).await?,
        };
        show(self.output.format, &dataset, "put")?;
        butler.close().await
    }
}

fn read_input(file: &str) -> Result<Vec<u8>> {
    if file != "-" {
        return std::fs::read(file).map_err(|error| {
            Error::new(ErrorKind::Argument, format!("{file} cannot be read: {error}")).with_source(error)
        });
    }
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Argument, "standard input cannot be read").with_source(error)
    })?;
    Ok(bytes)
}

/// The object that bytes of a file are; nothing if only a formatter can tell.
fn decode(class: &StorageClass, file: &str, bytes: &[u8]) -> Result<Option<Object>> {
    let wrong = |what: &str, error: String| {
        let name = if file == "-" { "standard input" } else { file };
        Error::new(ErrorKind::Formatter, format!("{name} is no {what}: {error}")).with_hint(
            "the end of the file's name tells the format: .json, .yaml or .toml; without one it is JSON",
        )
    };
    let text = || std::str::from_utf8(bytes).map_err(|error| wrong("text in UTF-8", error.to_string()));
    Ok(match class.in_memory.as_str() {
        "bytes" => Some(Object::new(bytes::Bytes::copy_from_slice(bytes))),
        "text" => Some(Object::new(text()?.to_owned())),
        "structured" => {
            let text = text()?;
            let extension = Path::new(file).extension().and_then(|extension| extension.to_str());
            let value: Structured = match extension {
                Some("yaml" | "yml") => {
                    serde_saphyr::from_str(text).map_err(|error| wrong("YAML", error.to_string()))?
                }
                Some("toml") => toml::from_str(text).map_err(|error| wrong("TOML", error.to_string()))?,
                _ => serde_json::from_str(text).map_err(|error| wrong("JSON", error.to_string()))?,
            };
            Some(Object::new(value))
        }
        _ => None,
    })
}

/// Stores a file as it is.
async fn ingest(butler: &Butler, file: &str, bytes: &[u8], draft: Draft) -> Result<DatasetRef> {
    let mut copy = None;
    let path = if file == "-" {
        let spool = tempfile::NamedTempFile::new().and_then(|mut spool| {
            spool.write_all(bytes)?;
            spool.flush()?;
            Ok(spool)
        });
        let spool = spool.map_err(|error| {
            Error::new(ErrorKind::Exhausted, "standard input cannot be kept in a file").with_source(error)
        })?;
        let path = spool.path().to_string_lossy().into_owned();
        copy = Some(spool);
        path
    } else {
        // What is relative to here is not relative to the datastore's root.
        let path = std::path::absolute(file).map_err(|error| {
            Error::new(ErrorKind::Argument, format!("'{file}' is no path")).with_source(error)
        })?;
        path.to_string_lossy().into_owned()
    };
    let options = IngestOptions { mode: butler::datastore::TransferMode::Copy, ..IngestOptions::default() };
    let stored = butler.ingest(vec![IngestFile::new(path, draft)], &options).await?.pop();
    drop(copy);
    stored.ok_or_else(|| Error::new(ErrorKind::Unexpected, "a file was ingested, and is not there"))
}

/// Writes a dataset, as JSON or as a line.
fn show(format: Format, dataset: &DatasetRef, what: &str) -> Result<()> {
    let row = DatasetRow::new(dataset, dataset.dataset_type().group());
    let line = format!(
        "{what} {} {} in {} as {}",
        dataset.dataset_type().name(),
        dataset.data_id(),
        dataset.run(),
        dataset.id()
    );
    let columns = dataset_columns(std::slice::from_ref(dataset.dataset_type()), false);
    output::one_row(format, columns, Some(&row), &line)
}

/// Which dataset is meant.
#[derive(Args, Debug)]
struct Target {
    /// Dataset type
    #[arg(value_name = "TYPE")]
    dataset_type: Option<String>,
    /// Data ID
    #[arg(value_name = "KEY=VALUE")]
    data_id: Vec<String>,
    /// Collections to search, first first [the default ones]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    collections: Vec<String>,
    /// When a calibration must be valid: BEGIN/END in ISO 8601 TAI, either may be empty
    #[arg(long, value_name = "BEGIN/END")]
    timespan: Option<String>,
}

impl Target {
    async fn lookup(&self, butler: &Butler, id: Option<&str>) -> Result<Lookup> {
        if let Some(id) = id {
            if self.dataset_type.is_some() {
                return Err(Error::new(
                    ErrorKind::Argument,
                    "give either --id or a dataset type and a data ID",
                ));
            }
            return Ok(Lookup::from(id.parse::<DatasetId>()?));
        }
        let Some(dataset_type) = self.dataset_type.as_deref() else {
            return Err(Error::new(ErrorKind::Argument, "a dataset type and a data ID are missing")
                .with_hint("write TYPE KEY=VALUE..., or --id UUID"));
        };
        let loose = LooseDataId::from_texts(butler.universe(), &self.data_id)?;
        let mut lookup = Lookup::new(dataset_type, loose);
        if let Some(names) = search_path(butler, &self.collections).await? {
            lookup = lookup.collections(names);
        }
        if let Some(text) = &self.timespan {
            lookup = lookup.timespan(read_timespan(text)?);
        }
        Ok(lookup)
    }
}

/// Arguments of `find-dataset`.
#[derive(Args, Debug)]
pub(crate) struct FindDataset {
    #[command(flatten)]
    repository: Repository,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: Output,
}

impl FindDataset {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.read(&self.repository.repo).await?;
        let lookup = self.target.lookup(&butler, None).await?;
        match butler.find(lookup).await? {
            Some(dataset) => {
                let expanded = butler.expand(vec![dataset]).await?;
                expanded.iter().try_for_each(|dataset| show(self.output.format, dataset, "found"))
            }
            None => output::one_row(
                self.output.format,
                dataset_columns(&[], false),
                None,
                "There is no such dataset.",
            ),
        }
    }
}

/// Arguments of `get`.
#[derive(Args, Debug)]
pub(crate) struct Get {
    #[command(flatten)]
    repository: Repository,
    #[command(flatten)]
    target: Target,
    /// Id of the dataset
    #[arg(long, value_name = "UUID")]
    id: Option<String>,
    /// Only a component of it
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
    /// Parameter of the read
    #[arg(long = "parameter", value_name = "KEY=VALUE")]
    parameters: Vec<String>,
    /// Read it as this storage class
    #[arg(long, value_name = "NAME")]
    storage_class: Option<String>,
    /// File to be written, which must be new; standard output if it is `-`
    #[arg(long, value_name = "PATH", default_value = "-")]
    output: String,
}

impl Get {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.read(&self.repository.repo).await?;
        let mut lookup = self.target.lookup(&butler, self.id.as_deref()).await?;
        let whole = self.component.is_none()
            && self.parameters.is_empty()
            && self.storage_class.is_none()
            && !self.target.dataset_type.as_deref().unwrap_or_default().contains('.');
        if whole {
            let mut artifacts = butler.open(lookup.clone()).await?;
            if artifacts.len() == 1
                && let Some(artifact) = artifacts.pop()
            {
                return self.deliver(artifact.body).await;
            }
        }
        if let Some(component) = &self.component {
            lookup = lookup.component(component.as_str());
        }
        if let Some(class) = &self.storage_class {
            lookup = lookup.storage_class(class.as_str());
        }
        for parameter in &self.parameters {
            let (name, value) = parameter.split_once('=').ok_or_else(|| {
                Error::new(ErrorKind::Argument, format!("'{parameter}' is not of the form KEY=VALUE"))
            })?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Structured::from(value));
            lookup = lookup.parameter(name, value);
        }
        let object = butler.get(lookup).await?;
        self.deliver(ArtifactBody::Bytes(encode(&object)?)).await
    }
}

impl Get {
    async fn deliver(&self, body: ArtifactBody) -> Result<()> {
        let failed = |error: std::io::Error| {
            let kind = match error.kind() {
                std::io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
                std::io::ErrorKind::PermissionDenied => ErrorKind::Permission,
                _ => ErrorKind::Exhausted,
            };
            Error::new(kind, format!("{} cannot be written: {error}", self.output)).with_source(error)
        };
        let mut file = match self.output.as_str() {
            "-" => None,
            path => Some(std::fs::File::create_new(local_path(path)?).map_err(failed)?),
        };
        let mut write = |bytes: &[u8]| match &mut file {
            None => output::bytes(bytes),
            Some(file) => file.write_all(bytes).map_err(failed),
        };
        match body {
            ArtifactBody::Bytes(bytes) => write(&bytes),
            ArtifactBody::File(path) => {
                let mut source = std::fs::File::open(&path).map_err(|error| {
                    Error::new(ErrorKind::NotFound, format!("{} cannot be read", path.display()))
                        .with_source(error)
                })?;
                let mut part = vec![0; 1 << 16];
                loop {
                    match source.read(&mut part) {
                        Ok(0) => return Ok(()),
                        Ok(len) => write(&part[..len])?,
                        Err(error) => {
                            return Err(Error::new(
                                ErrorKind::Connection,
                                format!("{} cannot be read", path.display()),
                            )
                            .with_source(error));
                        }
                    }
                }
            }
            ArtifactBody::Stream(mut parts) => {
                while let Some(part) = parts.try_next().await? {
                    write(&part)?;
                }
                Ok(())
            }
        }
    }
}

/// Bytes that a formatter writes for an object.
fn encode(object: &Object) -> Result<bytes::Bytes> {
    if object.is::<bytes::Bytes>() {
        return Ok(object.downcast_ref::<bytes::Bytes>()?.clone());
    }
    if object.is::<String>() {
        return Ok(object.downcast_ref::<String>()?.clone().into());
    }
    if object.is::<Structured>() {
        let value = object.downcast_ref::<Structured>()?;
        return Ok(format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default()).into());
    }
    Err(Error::new(ErrorKind::Unsupported, format!("a {} cannot be written as bytes", object.type_name()))
        .with_hint("get the whole dataset, which is written as it is stored"))
}
