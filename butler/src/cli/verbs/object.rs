//! `put`, `get` and `find-dataset`.

mod format;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use butler::datastore::ArtifactBody;
use butler::{
    ArcStr, Butler, DatasetId, DatasetRef, Draft, Error, ErrorKind, IngestFile, IngestOptions, Lookup,
    LooseDataId, Object, Result, StorageClass, Structured, rounded_integer,
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
        let dataset = match context.waiting(|| read(&class, &self.file))? {
            Input::Object(object) => butler.put(object, draft).await?,
            Input::File(file) => ingest(&butler, file, draft).await?,
        };
        show(self.output.format, &dataset, "put")?;
        butler.close().await
    }
}

/// What is put.
enum Input {
    /// An object.
    Object(Object),
    /// A file that is stored as it is, since only a formatter can tell what is in it.
    File(Checked),
}

/// A file that is what it should be.
struct Checked {
    path: String,
    /// The formatter that read it.
    formatter: Option<ArcStr>,
    /// What was standard input or a pipe, until it is stored.
    _spool: Option<tempfile::NamedTempFile>,
}

/// Reads what is put, or looks at it.
fn read(class: &StorageClass, file: &str) -> Result<Input> {
    if matches!(class.in_memory.as_str(), "bytes" | "text" | "structured") {
        return decode(class, file, read_input(file)?).map(Input::Object);
    }
    let (path, spool) = match file {
        "-" => spooled(std::io::stdin(), "standard input")?,
        // What is relative to here is not relative to the datastore's root.
        _ => {
            let path = std::path::absolute(local_path(file)?).map_err(|error| {
                Error::new(ErrorKind::Argument, format!("'{file}' is no path")).with_source(error)
            })?;
            // A pipe has no size, and can be read once.
            match std::fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
                true => spooled(std::fs::File::open(&path).map_err(|error| unreadable(file, error))?, file)?,
                false => (path, None),
            }
        }
    };
    let formatter = format::check(class, file, &path)?.map(|formatter| formatter.name().into());
    Ok(Input::File(Checked { path: path.to_string_lossy().into_owned(), formatter, _spool: spool }))
}

/// What can be read once, in a file.
fn spooled(mut source: impl Read, shown: &str) -> Result<(PathBuf, Option<tempfile::NamedTempFile>)> {
    let full = |error: std::io::Error| {
        Error::new(ErrorKind::Exhausted, format!("{shown} cannot be kept in a file: {error}"))
            .with_source(error)
    };
    let mut spool = tempfile::NamedTempFile::new().map_err(full)?;
    std::io::copy(&mut source, &mut spool).map_err(full)?;
    Ok((spool.path().to_owned(), Some(spool)))
}

fn unreadable(file: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Argument, format!("{file} cannot be read: {error}")).with_source(error)
}

fn read_input(file: &str) -> Result<Vec<u8>> {
    if file != "-" {
        return std::fs::read(local_path(file)?).map_err(|error| unreadable(file, error));
    }
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Argument, "standard input cannot be read").with_source(error)
    })?;
    Ok(bytes)
}

/// The object that bytes of a file are.
fn decode(class: &StorageClass, file: &str, bytes: Vec<u8>) -> Result<Object> {
    let wrong = |what: &str, error: String| {
        let name = if file == "-" { "standard input" } else { file };
        Error::new(ErrorKind::Formatter, format!("{name} is no {what}: {error}")).with_hint(
            "the end of the file's name tells the format: .json, .yaml or .toml; without one it is JSON",
        )
    };
    let text = || std::str::from_utf8(&bytes).map_err(|error| wrong("text in UTF-8", error.to_string()));
    Ok(match class.in_memory.as_str() {
        "structured" => {
            let text = text()?;
            let (what, parse) = parser(file);
            let value = parse(text).map_err(|error| wrong(what, error))?;
            let again = |text: &[u8]| parse(std::str::from_utf8(text).ok()?).ok();
            if let Some(digits) = rounded_integer(text.as_bytes(), &value, again) {
                let problem = format!("the integer {} has more than 64 bits", &text[digits]);
                return Err(wrong("structured data", problem));
            }
            Object::new(value)
        }
        "text" => Object::new(text()?.to_owned()),
        _ => Object::new(bytes::Bytes::from(bytes)),
    })
}

/// Reads structured data, or says why it cannot.
type Parser = fn(&str) -> std::result::Result<Structured, String>;

/// The format of structured data that the end of a file's name tells, and what reads it.
fn parser(file: &str) -> (&'static str, Parser) {
    let extension = Path::new(file).extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("yaml" | "yml") => {
            ("YAML", |text| serde_saphyr::from_str(text).map_err(|error| error.to_string()))
        }
        Some("toml" | "tml") => ("TOML", |text| toml::from_str(text).map_err(|error| error.to_string())),
        _ => ("JSON", |text| serde_json::from_str(text).map_err(|error| error.to_string())),
    }
}

/// Stores a file as it is.
async fn ingest(butler: &Butler, file: Checked, draft: Draft) -> Result<DatasetRef> {
    let options = IngestOptions { mode: butler::datastore::TransferMode::Copy, ..IngestOptions::default() };
    let ingested =
        IngestFile { formatter: file.formatter.clone(), ..IngestFile::new(file.path.as_str(), draft) };
    let stored = butler.ingest(vec![ingested], &options).await?.pop();
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
    /// File to be written, which must be new, in the format that its name tells, or else as it is stored; standard
    /// output if it is `-`
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
                && let Some(artifact) = artifacts.pop_if(|it| format::is_as_told(&it.formatter, &self.output))
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
        let found = butler.get_deferred(lookup.clone()).await?;
        let class = butler.storage_classes().get_or_bytes(found.dataset().dataset_type().storage_class());
        let object = butler.get(lookup).await?;
        let bytes = format::encode(&object, &class, &self.output)?;
        self.deliver(ArtifactBody::Bytes(bytes)).await
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
