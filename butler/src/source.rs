//! Configuration files of the local file system.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use async_trait::async_trait;
use butler_core::{ConfigSource, Error, ErrorKind, Result, local_file};

/// Configuration from local files, by path or `file:` URL.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSource;

#[async_trait]
impl ConfigSource for FileSource {
    async fn read(&self, location: &str) -> Result<Option<String>> {
        let path = local(location)?;
        on_thread(move || match fs::read(&path) {
            Ok(bytes) => String::from_utf8(bytes)
                .map(Some)
                .map_err(|_| Error::new(ErrorKind::Corrupt, format!("{path} is no text in UTF-8"))),
            Err(error) if is_nothing(&error) => Ok(None),
            Err(error) => Err(failure("read", &path, error)),
        })
        .await
    }

    async fn create(&self, location: &str, text: &str) -> Result<()> {
        let (path, text) = (local(location)?, text.to_owned());
        on_thread(move || write_new(&path, &text)).await
    }
}

/// Writes a file that must be new: whole, or not at all.
fn write_new(path: &str, text: &str) -> Result<()> {
    if let Some(directory) = Path::new(path).parent() {
        fs::create_dir_all(directory).map_err(|error| failure("created", path, error))?;
    }
    let draft = format!("{path}.{}.new", std::process::id());
    let written =
        OpenOptions::new().write(true).create(true).truncate(true).open(&draft).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
    let placed = written.and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match placed {
        Ok(()) => removed.map_err(|error| failure("finished", path, error)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Error::new(ErrorKind::AlreadyExists, format!("{path} exists already")))
        }
        Err(error) => Err(failure("created", path, error)),
    }
}

/// The path of a location.
fn local(location: &str) -> Result<String> {
    if let Some(path) = local_file(location)? {
        return path.into_os_string().into_string().map_err(|path| {
            Error::new(ErrorKind::Argument, format!("path '{}' is no text", path.to_string_lossy()))
        });
    }
    match location.split_once("://") {
        None => Ok(location.to_owned()),
        Some((scheme, _)) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("configuration cannot be read from '{scheme}:' URLs by this build"),
        )),
    }
}

/// Whether nothing is there, not even a directory where one is expected.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn failure(what: &str, path: &str, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Permission,
        io::ErrorKind::StorageFull => ErrorKind::Exhausted,
        _ => ErrorKind::Argument,
    };
    Error::new(kind, format!("{path} cannot be {what}: {error}")).with_source(error)
}

/// Runs something that blocks where it may: a hop to a thread, if there is a runtime that has some.
pub(crate) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await.map_err(|error| {
            Error::new(ErrorKind::Unexpected, "work on a file panicked").with_source(error)
        })?,
        Err(_) => work(),
    }
}
