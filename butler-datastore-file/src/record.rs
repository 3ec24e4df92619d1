//! Records: the rows by which artifacts are found again.

use arcstr::ArcStr;
use butler_core::backend::{ColumnBatch, ColumnType, TableSpec, Value};
use butler_core::registry::{OpaqueFetch, OpaqueTable};
use butler_core::{ArtifactRecord, DatasetRef, Error, ErrorKind, Result};

use crate::location::{Location, MEMBER};

/// Version of the table's layout.
const VERSION: u32 = 1;

/// One artifact of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileRecord {
    /// Component that it holds; empty for the whole.
    pub(crate) component: ArcStr,
    /// The file that holds it.
    pub(crate) location: Location,
    /// Its name in that file, if that is an archive.
    pub(crate) member: Option<ArcStr>,
    pub(crate) formatter: ArcStr,
    pub(crate) storage_class: ArcStr,
    /// BLAKE3 in hexadecimal, if it is known.
    pub(crate) checksum: Option<ArcStr>,
    /// Number of bytes, if it is known.
    pub(crate) size: Option<u64>,
}

/// First 64 bits of the BLAKE3 of a path: an index of fixed width.
pub(crate) fn path_hash(path: &str) -> i64 {
    let digest = blake3::hash(path.as_bytes());
    i64::from_be_bytes(*digest.as_bytes().first_chunk().unwrap_or(&[0; 8]))
}

/// The table of a datastore.
pub(crate) fn table(datastore: &str) -> OpaqueTable {
    use ColumnType::{Int, Text};
    let spec = TableSpec::new(table_name(datastore), format!("artifacts of datastore '{datastore}'"))
        .column("origin", Int, "first part of the dataset's id")
        .column("id", Int, "second part of the dataset's id")
        .column("component", Text, "component that the artifact holds; empty for the whole dataset")
        .column("path", Text, "path under the root, or URI of an artifact that is not the datastore's; then `#zip-path=` and a name, if it is in an archive")
        .column("path_hash", Int, "first 64 bits of the BLAKE3 of the path of the file, big-endian")
        .column("formatter", Text, "name of the formatter that reads it")
        .column("storage_class", Text, "name of the storage class that it was written as")
        .nullable("checksum", Text, "BLAKE3 of the bytes in hexadecimal")
        .nullable("size", Int, "number of bytes")
        .primary_key(["origin", "id", "component"])
        .index(["path_hash"]);
    OpaqueTable { datastore: datastore.into(), spec, version: VERSION }
}

/// A name that every database takes, and no two datastores have in common.
fn table_name(datastore: &str) -> ArcStr {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if datastore.len() <= 40 && datastore.chars().all(plain) {
        return format!("file_artifacts_{datastore}").into();
    }
    let like: String = datastore
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if plain(c) { c } else { '_' })
        .take(30)
        .collect();
    let digest = blake3::hash(datastore.as_bytes()).to_hex();
    // Another prefix, so that no plain name can look like it.
    format!("file_hashed_{like}_{}", &digest[..12]).into()
}

impl FileRecord {
    /// The row, without the dataset's id.
    pub(crate) fn to_record(&self, datastore: &ArcStr, table: &ArcStr) -> ArtifactRecord {
        let size = self.size.map(|size| Value::Int(i64::try_from(size).unwrap_or(i64::MAX)));
        let values = [
            Value::Text(self.component.clone()),
            Value::Text(self.path()),
            Value::Int(path_hash(self.location.as_str())),
            Value::Text(self.formatter.clone()),
            Value::Text(self.storage_class.clone()),
            self.checksum.clone().map_or(Value::Null, Value::Text),
            size.unwrap_or(Value::Null),
        ];
        ArtifactRecord { datastore: datastore.clone(), table: table.clone(), values: values.into() }
    }

    /// Reads a row, without the dataset's id.
    fn of_record(record: &ArtifactRecord) -> Result<Self> {
        let corrupt = || {
            Error::new(
                ErrorKind::Corrupt,
                format!("a record of datastore '{}' cannot be understood: {record:?}", record.datastore),
            )
        };
        let [component, path, Value::Int(_), formatter, storage_class, checksum, size] = &record.values[..]
        else {
            return Err(corrupt());
        };
        let text = |value: &Value| match value {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(corrupt()),
        };
        let path = text(path)?;
        let (file, member) = split_member(&path);
        Ok(Self {
            component: text(component)?,
            location: Location::of_record(file)?,
            member: member.map(ArcStr::from),
            formatter: text(formatter)?,
            storage_class: text(storage_class)?,
            checksum: if checksum.is_null() { None } else { Some(text(checksum)?) },
            size: match size {
                Value::Null => None,
                Value::Int(size) => Some(u64::try_from(*size).map_err(|_| corrupt())?),
                _ => return Err(corrupt()),
            },
        })
    }

    /// Its place, as it is recorded.
    pub(crate) fn path(&self) -> ArcStr {
        match &self.member {
            None => self.location.as_str().clone(),
            Some(member) => format!("{}{MEMBER}{member}", self.location.as_str()).into(),
        }
    }

    /// Records of a dataset in a datastore, of those that are attached to it.
    ///
    /// # Errors
    /// `Corrupt` if one cannot be understood.
    pub(crate) fn of(dataset: &DatasetRef, datastore: &ArcStr) -> Result<Vec<Self>> {
        let records = dataset.records().map_or(&[][..], |records| &records.0[..]);
        records
            .iter()
            .filter(|record| record.datastore == *datastore)
            .map(|record| Self::of_record(record).map_err(|error| error.with_context("dataset", dataset)))
            .collect()
    }
}

/// The question which of some paths are still named by records.
pub(crate) fn fetch_by_path<'a>(table: &ArcStr, paths: impl IntoIterator<Item = &'a ArcStr>) -> OpaqueFetch {
    OpaqueFetch {
        table: table.clone(),
        columns: vec!["path_hash".into()],
        keys: Some(paths.into_iter().map(|path| [Value::Int(path_hash(path))].into()).collect()),
    }
}

/// Path of a file, and name in it if that is an archive.
pub(crate) fn split_member(path: &str) -> (&str, Option<&str>) {
    path.split_once(MEMBER).map_or((path, None), |(file, member)| (file, Some(member)))
}

/// Paths of files of the answer.
///
/// # Errors
/// `Unexpected` if it lacks the column.
pub(crate) fn paths(rows: &ColumnBatch) -> Result<impl Iterator<Item = &str>> {
    let column = rows.column("path")?;
    Ok((0..rows.len()).filter_map(move |row| Some(split_member(column.text(row)?).0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound_whatever_the_datastore_is_called() {
        let names = [
            "archive",
            "a-b",
            "a_b",
            "A_B",
            "ä",
            "Über",
            "",
            &"x".repeat(40),
            &"x".repeat(41),
            "'; drop",
            "a__1",
        ];
        let mut tables: Vec<ArcStr> = names
            .iter()
            .map(|name| {
                let table = table(name);
                table.spec.validate().unwrap();
                table.spec.name
            })
            .collect();
        tables.sort_unstable();
        tables.dedup();
        assert_eq!(tables.len(), names.len());
        assert_eq!(table("archive").spec.name, "file_artifacts_archive");
    }

    #[test]
    fn records_survive_their_rows() {
        for (path, checksum, size) in [
            ("r/a.json", Some("ab"), Some(3)),
            ("file:///x", None, None),
            ("zips/a.zip#zip-path=b#zip-path=c", None, None),
        ] {
            let (file, member) = split_member(path);
            let record = FileRecord {
                component: "wcs".into(),
                location: Location::of_record(file).unwrap(),
                member: member.map(ArcStr::from),
                formatter: "json".into(),
                storage_class: "Wcs".into(),
                checksum: checksum.map(ArcStr::from),
                size,
            };
            let row = record.to_record(&"d".into(), &"t".into());
            assert_eq!(FileRecord::of_record(&row).unwrap(), record);
            assert_eq!(row.values[1], Value::Text(path.into()));
            assert_eq!(row.values[2], Value::Int(path_hash(file)));
            assert_eq!(row.values.len() + 2, table("d").spec.columns.len());
        }
    }

    #[test]
    fn rows_that_make_no_sense_are_told() {
        let row = ArtifactRecord { datastore: "d".into(), table: "t".into(), values: [Value::Null].into() };
        assert_eq!(FileRecord::of_record(&row).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    /// Stored in databases: it must never change.
    #[test]
    fn the_hash_of_a_path_stays() {
        assert_eq!(path_hash(""), -5_831_236_029_470_105_178);
        assert_eq!(path_hash("r/a.json"), path_hash("r/a.json"));
    }
}
