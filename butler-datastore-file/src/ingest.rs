//! Local files that are to be ingested: where they are, and how each comes in.

use std::io::ErrorKind as Io;
use std::path::{Path, PathBuf};

use arcstr::ArcStr;
use butler_core::datastore::TransferMode;
use butler_core::{Error, ErrorKind, Result, local_file};
use rustc_hash::FxHashMap;
use rustix::fs::Access;

use crate::error::io_error;
use crate::location::{check_inside, file_uri, scheme};
use crate::store::{FileId, Store};

/// A file that was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Absolute path as it was given.
    pub(crate) given: PathBuf,
    /// The file itself: its final target, if it was given by a symbolic link.
    pub(crate) file: PathBuf,
    /// The file, when it was looked at.
    pub(crate) id: FileId,
    /// The directory entry that was given, when it was looked at: the link, if it is one.
    pub(crate) given_id: FileId,
    /// Number of bytes.
    pub(crate) size: u64,
    /// Path under the root of what was given, if it lies there.
    pub(crate) inside: Option<ArcStr>,
    /// Path under the root of the file itself, if it lies there.
    file_inside: Option<ArcStr>,
}

impl Source {
    /// Whether it was given by a symbolic link.
    pub(crate) fn is_link(&self) -> bool {
        !self.id.is(&self.given_id)
    }

    /// URI of what was given.
    pub(crate) fn uri(&self) -> String {
        file_uri(&self.given)
    }

    /// Extension of the file's name, with `.fz` and the like of compressed files taken together with the one before.
    pub(crate) fn extension(&self) -> &str {
        let name = self.given.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(last) = name.rfind('.').filter(|&at| at > 0) else { return "" };
        let compressed = matches!(&name[last..], ".gz" | ".bz2" | ".xz" | ".fz" | ".zst" | ".Z");
        let before = name[..last].rfind('.').filter(|&at| compressed && at > 0);
        &name[before.unwrap_or(last)..]
    }

    /// Refuses to place the file where it is.
    ///
    /// # Errors
    /// `AlreadyExists` if it is there.
    pub(crate) fn refuse_target(&self, path: &str) -> Result<()> {
        if self.inside.as_deref() != Some(path) && self.file_inside.as_deref() != Some(path) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("'{}' is already where it would be placed", self.given.display()),
        )
        .with_hint(format!("ingest it with transfer mode '{}'", TransferMode::InPlace)))
    }
}

/// Looks at files; directories that several of them lie in are resolved once.
#[derive(Debug)]
pub(crate) struct Inspector<'a> {
    store: &'a dyn Store,
    /// The root with all links resolved, if files can lie there.
    root: Option<PathBuf>,
    resolved: FxHashMap<PathBuf, PathBuf>,
}

impl<'a> Inspector<'a> {
    /// An inspector of files that may lie under the root of a store.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn new(store: &'a dyn Store) -> Result<Self> {
        Ok(Self { store, root: store.real_root()?, resolved: FxHashMap::default() })
    }

    /// Looks at a file, given by a path (a relative one is relative to the root) or by its URI.
    ///
    /// # Errors
    /// `NotFound`; `Argument` if it is no regular file; `Permission` if it cannot be read;
    /// `Unsupported` for the URI of something else.
    pub(crate) fn inspect(&mut self, path: &str) -> Result<Source> {
        let given = self.locate(path)?;
        let failed = |error: std::io::Error| {
            let error = if error.kind() == Io::NotADirectory { Io::NotFound.into() } else { error };
            let error = io_error(error, &format!("cannot ingest '{}'", given.display()));
            match error.kind() {
                ErrorKind::NotFound if !Path::new(path).is_absolute() => {
                    error.with_hint("a relative path is relative to the datastore's root")
                }
                _ => error,
            }
        };
        let entry = given.symlink_metadata().map_err(failed)?;
        let (file, metadata) = if entry.is_symlink() {
            let file = given.canonicalize().map_err(failed)?;
            let metadata = file.metadata().map_err(failed)?;
            (Some(file), metadata)
        } else {
            (None, entry.clone())
        };
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::Argument, format!("'{}' is no regular file", given.display())));
        }
        rustix::fs::access(&given, Access::READ_OK).map_err(|error| failed(error.into()))?;
        let resolved = self.resolve(&given).map_err(failed)?;
        let inside = self.path_of(&resolved)?;
        let file_inside = match &file {
            Some(file) => self.path_of(file)?,
            None => inside.clone(),
        };
        Ok(Source {
            file: file.unwrap_or(resolved),
            id: FileId::of(&metadata),
            given_id: FileId::of(&entry),
            size: metadata.len(),
            inside: inside.filter(|path| check_inside(path).is_ok()),
            file_inside,
            given,
        })
    }

    /// The path under the root of a file, given with all links in its directory resolved.
    fn path_of(&self, file: &Path) -> Result<Option<ArcStr>> {
        let Some(relative) = self.root.as_ref().and_then(|root| file.strip_prefix(root).ok()) else {
            return Ok(None);
        };
        match relative.to_str() {
            Some(path) => Ok(Some(path.into())),
            None => {
                Err(Error::new(ErrorKind::Argument, format!("the path '{}' is not UTF-8", file.display())))
            }
        }
    }

    fn locate(&self, path: &str) -> Result<PathBuf> {
        if let Some(scheme) = scheme(path) {
            return local_file(path)?.ok_or_else(|| {
                Error::new(
                    ErrorKind::Unsupported,
                    format!("'{}' cannot be ingested: '{scheme}' is not read here", path.escape_debug()),
                )
                .with_hint("fetch it first, and ingest the local file")
            });
        }
        let unusable =
            || Error::new(ErrorKind::Argument, format!("'{}' is no path of a file", path.escape_debug()));
        if path.is_empty() || path.contains('\0') {
            return Err(unusable());
        }
        let given = match Path::new(path).is_absolute() {
            true => PathBuf::from(path),
            false => self.store.local_file(path).ok_or_else(unusable)?,
        };
        // Without what a directory named `..` may be.
        std::path::absolute(&given).map_err(|_| unusable())
    }

    /// The path with all links in its directory resolved.
    fn resolve(&mut self, given: &Path) -> std::io::Result<PathBuf> {
        let (Some(parent), Some(name)) = (given.parent(), given.file_name()) else {
            return given.canonicalize();
        };
        if let Some(parent) = self.resolved.get(parent) {
            return Ok(parent.join(name));
        }
        let canonical = parent.canonicalize()?;
        let path = canonical.join(name);
        self.resolved.insert(parent.to_owned(), canonical);
        Ok(path)
    }
}

/// What `auto` means for files of which so many lie under the root.
pub(crate) fn resolve_auto(files: usize, inside: usize) -> TransferMode {
    if inside == files {
        TransferMode::InPlace
    } else if inside > 0 {
        TransferMode::Split
    } else {
        TransferMode::Link
    }
}

/// What `split` means for a file.
pub(crate) fn resolve_split(source: &Source) -> TransferMode {
    if source.inside.is_some() { TransferMode::InPlace } else { TransferMode::Direct }
}
