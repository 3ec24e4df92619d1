//! Archives that artifacts are in.

use std::sync::{Mutex, PoisonError};

use arcstr::ArcStr;
use butler_core::datastore::ArchiveFile;
use butler_core::{DatasetId, DatasetRef, Error, ErrorKind, ReadSource, Result};
use rustc_hash::FxHashSet;

use super::Inner;
use super::look::open_file;
use crate::archive::{Archive, MemberSource, check_member_name};
use crate::location::Location;
use crate::store::FileSource;

/// Archives of which the contents are remembered.
const REMEMBERED: usize = 16;

/// Lists of contents of the archives that were read last, the last one at the end.
#[derive(Debug, Default)]
pub(super) struct Archives(Mutex<Vec<(ArcStr, Archive)>>);

impl Archives {
    fn of(&self, location: &Location, source: &mut dyn ReadSource) -> Result<Archive> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let path = location.as_str();
        // Of another size, it is another one.
        if let Some(at) = known.iter().position(|(of, archive)| of == path && archive.size() == source.size())
        {
            let found = known.remove(at);
            known.push(found.clone());
            return Ok(found.1);
        }
        drop(known);
        let archive = Archive::read(source).map_err(|error| error.with_context("archive", path))?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(of, _)| of != path);
        known.push((path.clone(), archive.clone()));
        let surplus = known.len().saturating_sub(REMEMBERED);
        known.drain(..surplus);
        Ok(archive)
    }
}

/// Opens a member of an archive.
///
/// # Errors
/// `NotFound`; `Corrupt` if the archive is unsound; those of the source.
pub(super) fn open_member(
    inner: &Inner,
    location: &Location,
    member: &ArcStr,
) -> Result<Box<dyn ReadSource>> {
    let mut source = open_file(inner, location)?;
    let archive = inner.archives.of(location, &mut *source)?;
    let opened = MemberSource::open(archive, source, member);
    Ok(Box::new(opened.map_err(|error| error.with_context("archive", location.as_str()))?))
}

/// Checks that an archive is sound, and what is said of it.
///
/// # Errors
/// `Corrupt`; those of the system.
pub(super) fn check(file: &ArchiveFile, mut source: FileSource) -> Result<()> {
    let refuse =
        |problem: String| Err(Error::new(ErrorKind::Corrupt, problem).with_context("archive", &file.path));
    check_member_name(&file.name)?;
    let archive = Archive::read(&mut source).map_err(|error| error.with_context("archive", &file.path))?;
    let known: FxHashSet<DatasetId> = file.datasets.iter().map(DatasetRef::id).collect();
    let mut there: FxHashSet<DatasetId> = FxHashSet::default();
    for member in &file.members {
        check_member_name(&member.path)?;
        if member.datasets.is_empty() {
            return refuse(format!("its member '{}' is of no dataset", member.path));
        }
        if let Some(id) = member.datasets.iter().find(|id| !known.contains(id)) {
            return refuse(format!("its member '{}' is of {id}, which is none of its datasets", member.path));
        }
        there.extend(&member.datasets);
        let found = match archive.member(&member.path) {
            Ok(found) => found.size,
            Err(error) => return refuse(error.message().to_owned()),
        };
        if let Some(size) = member.size.filter(|size| *size != found) {
            return refuse(format!("its member '{}' has {found} bytes, and not {size}", member.path));
        }
    }
    match file.datasets.iter().find(|dataset| !there.contains(&dataset.id())) {
        Some(dataset) => refuse(format!("it has no member of dataset {dataset}")),
        None => Ok(()),
    }
}
