//! Zip archives of datasets, as the Python butler makes and takes them.
//!
//! Beside the artifacts an archive has an index: which datasets there are, and which member is of
//! which. It is stored as one file, under a name that follows from the names of its members.

mod index;
mod ingest;
mod retrieve;

pub use ingest::{IngestZipOptions, ZipContents, ingest_zip};
pub use retrieve::retrieve_zip;

use uuid::Uuid;

/// Name of the index in an archive.
const INDEX: &str = "_butler_zip_index.json";

/// Namespace of UUIDs of version 5 of the Python butler.
const NAMESPACE: Uuid = Uuid::from_u128(0x840b_31d9_05cd_5161_b2c8_00d3_2b28_0d0f);

/// Name of the file of an archive with artifacts of some names.
fn file_name<'a>(members: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = members.collect();
    names.sort_unstable();
    format!("{}.zip", Uuid::new_v5(&NAMESPACE, names.join(",").as_bytes()))
}

/// Path under a datastore's root of an archive.
fn path_in_store(file_name: &str) -> String {
    format!("zips/{}/{file_name}", &file_name[..4])
}
