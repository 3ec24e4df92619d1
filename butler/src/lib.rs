//! The Data Butler: names what data is wanted, and knows where it is, how it is
//! stored, and what it was made from.
//!
//! This crate is what applications depend on: the model and the [`Butler`] of
//! `butler-core`, with the registries and datastores that its features select.

#[cfg(all(doctest, feature = "registry-sqlite", feature = "datastore-fs"))]
#[doc = include_str!("../../README.md")]
mod readme {}

mod artifacts;
pub mod exchange;
mod factories;
mod source;
mod threads;

use std::sync::Arc;

pub use arcstr::ArcStr;
pub use artifacts::{RetrieveOptions, RetrievedArtifact, Retriever};
pub use butler_core::*;
#[cfg(feature = "datastore-chained")]
pub use butler_datastore_chained as datastore_chained;
#[cfg(feature = "datastore-fs")]
pub use butler_datastore_file as datastore_file;
pub use factories::{delegates, factories, formatters};
pub use source::FileSource;

/// A builder with all that this build has, which heeds the environment.
///
/// Configuration may come from the directories of `BUTLER_CONFIG_PATH` (with
/// colons between them), labels of repositories from the file
/// `BUTLER_REPOSITORY_INDEX`, single values from variables such as `BUTLER__REGISTRY__URL`.
pub fn builder() -> ButlerBuilder {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut builder = ButlerBuilder::new(Arc::new(factories()), Arc::new(FileSource))
        .formatters(formatters())
        .delegates(delegates())
        .workplace(Arc::new(threads::BlockingThreads))
        .environment(variables);
    if let Ok(path) = std::env::var("BUTLER_CONFIG_PATH") {
        builder = builder.search_path(path.split(':').filter(|directory| !directory.is_empty()));
    }
    if let Ok(index) = std::env::var("BUTLER_REPOSITORY_INDEX") {
        builder = builder.index(index);
    }
    builder
}

/// Opens a repository for reading.
///
/// # Errors
/// As [`ButlerBuilder::open`].
pub async fn open(location: &str) -> Result<Butler> {
    builder().open(location).await
}

/// Creates a repository with an SQLite registry and local files, and opens it for writing.
///
/// # Errors
/// As [`ButlerBuilder::create`].
pub async fn create(location: &str) -> Result<Butler> {
    builder().create(location, Creation::default()).await
}
