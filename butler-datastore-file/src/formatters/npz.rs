//! Arrays of NumPy by name: a zip archive of them, as `numpy.savez` writes it.

use std::io::Write;

use arcstr::ArcStr;
use butler_core::{
    Error, ErrorKind, Formatter, Object, ReadOutcome, ReadRequest, ReadSource, Result, StorageClass,
};
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime};

use super::npy::{read_array, write_array};
use crate::archive::{Archive, check_member_name};
use crate::array::{Array, Arrays};
use crate::error::sink_error;
use crate::table::column_names;

/// Extension of the members.
const MEMBER: &str = ".npy";

/// Formatter `npz`.
#[derive(Debug)]
pub(super) struct Npz;

impl Formatter for Npz {
    fn name(&self) -> &'static str {
        "npz"
    }

    fn extension(&self) -> &'static str {
        ".npz"
    }

    fn in_memory(&self) -> &'static [&'static str] {
        &["arrays"]
    }

    fn read(&self, source: &mut dyn ReadSource, request: &ReadRequest<'_>) -> Result<ReadOutcome> {
        let archive = Archive::read(source).map_err(|error| match error.kind() {
            ErrorKind::Corrupt => Error::new(ErrorKind::Formatter, error.to_string()),
            _ => error,
        })?;
        let names: Vec<String> = match request.parameters.get("names") {
            Some(names) => column_names(names)
                .map_err(|_| Error::new(ErrorKind::Argument, "read parameter 'names' is a list of names"))?,
            None => {
                let mut members = archive.members()?;
                members.sort_unstable_by_key(|member| member.position);
                members
                    .iter()
                    .filter_map(|member| member.name.strip_suffix(MEMBER))
                    .map(str::to_owned)
                    .collect()
            }
        };
        let array = |name: String| -> Result<(ArcStr, Array)> {
            let bytes = archive.extract(source, &format!("{name}{MEMBER}"));
            let mut bytes = bytes.map_err(|error| match error.kind() {
                ErrorKind::NotFound => {
                    Error::new(ErrorKind::Argument, format!("there is no array '{}'", name.escape_debug()))
                }
                ErrorKind::Corrupt => Error::new(ErrorKind::Formatter, error.to_string()),
                _ => error,
            })?;
            let array = read_array(&mut bytes).map_err(|error| error.with_context("array", &name))?;
            Ok((name.into(), array))
        };
        let arrays = Arrays::new(names.into_iter().map(array).collect::<Result<Vec<_>>>()?)?;
        let applied = request.parameters.keys().all(|name| name == "names");
        Ok(ReadOutcome { object: Object::new(arrays), is_component: false, parameters_applied: applied })
    }

    fn write(&self, object: &Object, _: &StorageClass, sink: &mut dyn Write) -> Result<()> {
        let arrays: &Arrays = object.downcast_ref()?;
        let unwritable = |error: zip::result::ZipError| match error {
            zip::result::ZipError::Io(error) => sink_error(error),
            error => Error::new(ErrorKind::Formatter, format!("arrays cannot be written together: {error}")),
        };
        let mut writer = ZipWriter::new_stream(sink);
        for (name, array) in arrays.iter() {
            let member = format!("{name}{MEMBER}");
            check_member_name(&member)
                .map_err(|error| Error::new(ErrorKind::Formatter, error.to_string()))?;
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Stored)
                .last_modified_time(DateTime::default())
                .large_file(true);
            writer.start_file(member, options).map_err(unwritable)?;
            write_array(array, &mut writer)?;
        }
        writer.finish().map(drop).map_err(unwritable)
    }
}
